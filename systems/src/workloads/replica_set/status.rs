//! What a ReplicaSet reports of its pods.
//!
//! Source: kubernetes v1.36, `pkg/controller/replicaset/replica_set_utils.go`, `calculateStatus`.

use serde::{Deserialize, Serialize};
use wavetank_engine::model::meta::{Condition, ConditionStatus, condition};
use wavetank_engine::model::workload::ReplicaSetStatus;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// Sums over the pods of a set as they were read at the start of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Active pods.
    pub active: i32,
    /// Active pods with all labels of the template.
    pub fully_labeled: i32,
    /// Active pods that are ready.
    pub ready: i32,
    /// Active pods that have been ready for `minReadySeconds`.
    pub available: i32,
    /// Pods that are being deleted and have not ended.
    pub terminating: i32,
    /// Earliest moment at which a pod that is ready now becomes available.
    pub next_available_at: Option<SimTime>,
}

impl Counts {
    /// Counts an active pod. `ready_at`: when it became ready (whole seconds), if it is.
    pub fn add_active(&mut self, fully_labeled: bool, ready_at: Option<SimTime>, min_ready: SimDuration, now: SimTime) {
        self.active += 1;
        self.fully_labeled += i32::from(fully_labeled);
        let Some(ready_at) = ready_at else { return };
        self.ready += 1;
        let available_at = ready_at + min_ready;
        if min_ready == SimDuration::ZERO || available_at <= now {
            self.available += 1;
        } else {
            self.next_available_at = Some(self.next_available_at.map_or(available_at, |at| at.min(available_at)));
        }
    }
}

impl Counts {
    /// Adds the counts of other pods.
    pub fn add(&mut self, other: &Counts) {
        self.active += other.active;
        self.fully_labeled += other.fully_labeled;
        self.ready += other.ready;
        self.available += other.available;
        self.terminating += other.terminating;
        self.next_available_at = [self.next_available_at, other.next_available_at].into_iter().flatten().min();
    }
}

/// What went wrong while pods were created or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `FailedCreate`, `FailedDelete`, or empty when nothing was to be done.
    pub reason: Sym,
    /// The error.
    pub message: Sym,
}

impl Failure {
    /// An error while there were `surplus` pods too many (negative: too few).
    pub fn new(names: &mut Names, surplus: i32, message: &str) -> Failure {
        let reason = match surplus {
            ..0 => "FailedCreate",
            0 => "",
            1.. => "FailedDelete",
        };
        Failure { reason: names.sym(reason), message: names.sym(message) }
    }
}

/// The status to report: the counts, and the condition ReplicaFailure while the last attempt failed. A failure that is reported already
/// is left as it is.
pub fn status(old: &ReplicaSetStatus, counts: &Counts, failure: Option<Failure>, generation: u32, now: SimTime) -> ReplicaSetStatus {
    let mut conditions = old.conditions.clone();
    match (failure, condition(&conditions, words::REPLICA_FAILURE)) {
        (Some(failure), None) => conditions.push(Condition {
            kind: words::REPLICA_FAILURE,
            status: ConditionStatus::True,
            reason: failure.reason,
            message: failure.message,
            transition_at: now.cut_to_second(),
            update_at: now.cut_to_second(),
        }),
        (None, Some(_)) => conditions.retain(|c| c.kind != words::REPLICA_FAILURE),
        (Some(_), Some(_)) | (None, None) => {}
    }
    ReplicaSetStatus {
        replicas: counts.active,
        fully_labeled: counts.fully_labeled,
        ready: counts.ready,
        available: counts.available,
        terminating: Some(counts.terminating),
        observed_generation: generation,
        conditions,
    }
}
