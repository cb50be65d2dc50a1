//! Which pods a Job creates or deletes in a sync.
//!
//! Source: kubernetes v1.36, `pkg/controller/job/job_controller.go`, `manageJob`; `indexed_job_utils.go`, `firstPendingIndexes`,
//! `getNewIndexFailureCounts`.

use super::assess::{Assessed, Snapshot};
use super::backoff::{POD_FAILURE_FIRST, POD_FAILURE_MAX, remaining};
use super::pods::{PodFacts, for_removal, only_failed_replaced};
use super::policy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use wavetank_engine::time::{SimDuration, SimTime};

/// Most pods created or deleted in one sync. Unit: pods.
pub const BURST_PODS_MAX: usize = 500;

/// What a sync does to pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// The Job comes to its end: these are deleted and keep their finalizer until they are counted.
    End(Vec<usize>),
    /// These are deleted without being counted: their finalizer goes first.
    Delete(Vec<usize>),
    /// New pods.
    Create(Vec<NewPod>),
    /// New pods have to wait so long after failures.
    Wait(SimDuration),
}

/// A pod to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPod {
    /// Its completion index.
    pub index: Option<u32>,
    /// Failures of its index so far that counted, and that were ignored; of Jobs with a limit per index.
    pub failures: Option<(u32, u32)>,
}

/// What a sync does, and whether it looked at the number of pods at all.
pub fn decide(snapshot: &Snapshot, found: &Assessed, now: SimTime) -> (Action, bool) {
    if found.finish.is_some() {
        let active = (0..snapshot.pods.len()).filter(|&at| snapshot.pods[at].active()).collect();
        return (Action::End(active), false);
    }
    if !snapshot.satisfied || snapshot.deleting {
        return (Action::Nothing, false);
    }
    (manage(snapshot, found, now), true)
}

fn manage(snapshot: &Snapshot, found: &Assessed, now: SimTime) -> Action {
    let (job, pods) = (&snapshot.job, &snapshot.pods);
    if job.suspend {
        let all = for_removal(job, pods, found.active as usize);
        return if all.is_empty() { Action::Nothing } else { Action::Delete(all) };
    }
    let wanted = match job.completions {
        None if found.succeeded > 0 => found.active,
        None => job.parallelism,
        Some(completions) => job.parallelism.min(completions.saturating_sub(found.succeeded)).max(0),
    };
    let mut surplus = for_removal(job, pods, (found.active - wanted).max(0) as usize);
    if !surplus.is_empty() {
        surplus.truncate(BURST_PODS_MAX);
        return Action::Delete(surplus);
    }
    let leaving = if only_failed_replaced(job) { found.terminating } else { 0 };
    let missing = wanted - leaving - found.active;
    if missing <= 0 {
        return Action::Nothing;
    }
    if !snapshot.limited_per_index() {
        let wait = found.record.remaining(POD_FAILURE_FIRST, POD_FAILURE_MAX, now);
        if wait > SimDuration::ZERO {
            return Action::Wait(wait);
        }
    }
    let missing = (missing as usize).min(BURST_PODS_MAX);
    if job.indexed {
        create_indexes(snapshot, found, missing, now)
    } else {
        Action::Create(vec![NewPod { index: None, failures: None }; missing])
    }
}

fn create_indexes(snapshot: &Snapshot, found: &Assessed, missing: usize, now: SimTime) -> Action {
    let job = &snapshot.job;
    let taken = |pod: &&PodFacts| pod.active() || only_failed_replaced(job) && pod.terminating();
    let busy: BTreeSet<u32> = snapshot.pods.iter().filter(taken).filter_map(|pod| pod.index).collect();
    let mut settled = found.succeeded_indexes.with(busy);
    if let Some(failed) = &found.failed_indexes {
        settled = settled.union(failed);
    }
    let pending = settled.first_missing(missing as u32, job.completions.unwrap_or(0).max(0) as u32);
    if !snapshot.limited_per_index() {
        return Action::Create(pending.into_iter().map(|index| NewPod { index: Some(index), failures: None }).collect());
    }
    let before = |index: &u32| found.delayed.get(index).map(|&at| &snapshot.pods[at]);
    let wait = |index: &u32| {
        before(index).map_or(SimDuration::ZERO, |pod| {
            remaining(pod.all_index_failures() + 1, pod.finished_at, POD_FAILURE_FIRST, POD_FAILURE_MAX, now)
        })
    };
    let ready: Vec<u32> = pending.iter().copied().filter(|index| wait(index) == SimDuration::ZERO).collect();
    if ready.is_empty() {
        return pending.iter().map(wait).min().map_or(Action::Nothing, Action::Wait);
    }
    let failures = |index: &u32| {
        before(index).map_or((0, 0), |pod| {
            let (counted, ignored) = pod.index_failures;
            if policy::counts(job, pod) { (counted + 1, ignored) } else { (counted, ignored + 1) }
        })
    };
    Action::Create(ready.into_iter().map(|index| NewPod { index: Some(index), failures: Some(failures(&index)) }).collect())
}
