//! How many pods a ReplicaSet creates or deletes in one sync, and in which steps.
//!
//! Source: kubernetes v1.36, `pkg/controller/replicaset/replica_set.go`, `manageReplicas`, `slowStartBatch`.

use serde::{Deserialize, Serialize};

/// Most pods created or deleted in one sync. Unit: pods.
pub const BURST_PODS_MAX: u32 = 500;
/// Pods created in the first step of a slow start. Unit: pods.
pub const FIRST_BATCH_PODS: u32 = 1;

/// What one sync wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The number is right.
    Steady,
    /// Create so many.
    Create(u32),
    /// Delete so many.
    Delete(u32),
}

/// Decides on the difference between wanted and active pods.
pub fn plan(wanted: i32, active: i32) -> Plan {
    match active - wanted {
        0 => Plan::Steady,
        less @ ..0 => Plan::Create(less.unsigned_abs().min(BURST_PODS_MAX)),
        more => Plan::Delete(more.unsigned_abs().min(BURST_PODS_MAX)),
    }
}

/// Calls made in growing batches: each twice as large as the one before, none after a batch with a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowStart {
    /// Calls of the present batch.
    pub batch: u32,
    /// Calls left, those of the present batch included.
    pub left: u32,
}

impl SlowStart {
    /// The first batch of `count` calls.
    pub fn begin(count: u32, first: u32) -> SlowStart {
        SlowStart { batch: first.min(count), left: count }
    }

    /// The batch after the present one; `None` when that failed or was the last.
    pub fn next(self, failed: bool) -> Option<SlowStart> {
        let left = self.left - self.batch;
        (!failed && left > 0 && self.batch > 0).then(|| SlowStart { batch: (2 * self.batch).min(left), left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_by_the_difference() {
        for (wanted, active, expected) in [
            (3, 3, Plan::Steady),
            (3, 1, Plan::Create(2)),
            (0, 0, Plan::Steady),
            (1, 4, Plan::Delete(3)),
            (1000, 0, Plan::Create(500)),
            (0, 501, Plan::Delete(500)),
        ] {
            assert_eq!(plan(wanted, active), expected, "{wanted} wanted, {active} there");
        }
    }

    #[test]
    fn batches_double_and_stop_at_a_failure() {
        let batches = |count| {
            let mut sizes = Vec::new();
            let mut slow = Some(SlowStart::begin(count, FIRST_BATCH_PODS));
            while let Some(now) = slow {
                sizes.push(now.batch);
                slow = now.next(false);
            }
            sizes
        };
        assert_eq!(batches(10), [1, 2, 4, 3]);
        assert_eq!(batches(1), [1]);
        assert_eq!(batches(500).iter().sum::<u32>(), 500);
        assert_eq!(SlowStart::begin(10, 1).next(true), None);
    }
}
