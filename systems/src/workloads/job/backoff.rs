//! How long a Job waits after failures before it makes new pods.
//!
//! Source: kubernetes v1.36, `pkg/controller/job/backoff_utils.go`.

use super::pods::PodFacts;
use serde::{Deserialize, Serialize};
use wavetank_engine::time::{SimDuration, SimTime};

/// Wait after the first failure, doubled with each further one.
pub const POD_FAILURE_FIRST: SimDuration = SimDuration::from_secs(10);
/// Longest wait after a failure.
pub const POD_FAILURE_MAX: SimDuration = SimDuration::from_secs(600);

/// Failures since the last success. Kept in the controller's memory alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackoffRecord {
    /// Failed pods since the last success.
    pub failures: u32,
    /// When the last of them ended.
    pub last_at: SimTime,
}

impl BackoffRecord {
    /// The record with pods that were newly seen to have ended.
    pub fn with(self, succeeded: &[&PodFacts], failed: &[&PodFacts]) -> BackoffRecord {
        let Some(success_at) = succeeded.iter().map(|pod| pod.finished_at).max() else {
            let last_at = failed.iter().map(|pod| pod.finished_at).max().unwrap_or(self.last_at);
            return BackoffRecord { failures: self.failures + failed.len() as u32, last_at };
        };
        let later: Vec<SimTime> = failed.iter().map(|pod| pod.finished_at).filter(|&at| at > success_at).collect();
        BackoffRecord { failures: later.len() as u32, last_at: later.into_iter().max().unwrap_or_default() }
    }

    /// What is left of the wait.
    pub fn remaining(self, first: SimDuration, max: SimDuration, now: SimTime) -> SimDuration {
        remaining(self.failures, self.last_at, first, max, now)
    }
}

/// What is left of the wait after so many failures, the last of them at a time.
pub fn remaining(failures: u32, last_at: SimTime, first: SimDuration, max: SimDuration, now: SimTime) -> SimDuration {
    let Some(doublings) = failures.checked_sub(1) else { return SimDuration::ZERO };
    let mut wait = first;
    for _ in 0..doublings {
        wait = wait.saturating_mul(2);
        if wait >= max {
            wait = max;
            break;
        }
    }
    wait.saturating_sub(now.since(last_at))
}
