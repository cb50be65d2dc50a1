//! What a Job looks at in a pod, and which active pods go first.
//!
//! Source: kubernetes v1.36, `pkg/controller/job/job_controller.go`, `isPodFailed`, `activePodsForRemoval`;
//! `pkg/controller/controller_utils.go`, `ActivePods.Less`.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::cmp::Ordering;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::batch::Job;
use wavetank_engine::model::meta::ConditionStatus;
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::names::{Name, Sym};
use wavetank_engine::time::SimTime;

/// What a sync looks at in a pod of its Job. Times are cut to the second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodFacts {
    /// Identity.
    pub uid: Uid,
    /// Name.
    pub name: Name,
    /// Phase.
    pub phase: PodPhase,
    /// Whether it is bound to a node.
    pub assigned: bool,
    /// Whether deletion was asked for.
    pub deleting: bool,
    /// Whether the Ready condition is True.
    pub ready: bool,
    /// When the Ready condition last changed.
    pub ready_at: SimTime,
    /// Whether it carries the tracking finalizer.
    pub tracked: bool,
    /// Completion index; `None` when it has none or an unreadable one.
    pub index: Option<u32>,
    /// Failures of its index before it that counted, and that were ignored.
    pub index_failures: (u32, u32),
    /// Restarts of all containers and init containers together.
    pub restarts: u32,
    /// Most restarts of one container.
    pub restarts_max: u32,
    /// `creationTimestamp`.
    pub created_at: SimTime,
    /// When it ended.
    pub finished_at: SimTime,
    /// Containers that have ended with their exit codes: first containers, then init containers.
    pub exits: SmallVec<[(Sym, i32); 1]>,
    /// Types and statuses of its conditions.
    pub conditions: SmallVec<[(Sym, ConditionStatus); 6]>,
}

impl PodFacts {
    /// Whether it counts as active: it has not ended and is not being deleted.
    pub fn active(&self) -> bool {
        !self.phase.terminal() && !self.deleting
    }

    /// Whether it is being deleted and has not ended.
    pub fn terminating(&self) -> bool {
        !self.phase.terminal() && self.deleting
    }

    /// Whether the Job takes it for failed.
    pub fn failed(&self, job: &Job) -> bool {
        self.phase == PodPhase::Failed || !only_failed_replaced(job) && self.deleting && self.phase != PodPhase::Succeeded
    }

    /// Its index when that is one of the Job's.
    pub fn valid_index(&self, job: &Job) -> Option<u32> {
        self.index.filter(|&index| i64::from(index) < i64::from(job.completions.unwrap_or(0)))
    }

    /// Failures of its index before it, of both sorts.
    pub fn all_index_failures(&self) -> u32 {
        self.index_failures.0 + self.index_failures.1
    }
}

/// Whether pods are replaced only once they have failed, not while they terminate.
pub fn only_failed_replaced(job: &Job) -> bool {
    job.replace_only_failed || job.failure_policy.is_some()
}

/// Which of two active pods is deleted first.
fn rank(a: &PodFacts, b: &PodFacts) -> Ordering {
    let phase = |pod: &PodFacts| match pod.phase {
        PodPhase::Pending | PodPhase::Succeeded | PodPhase::Failed => 0,
        PodPhase::Unknown => 1,
        PodPhase::Running => 2,
    };
    let younger = |a: SimTime, b: SimTime| match (a == SimTime::ZERO, b == SimTime::ZERO) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        _ => b.cmp(&a),
    };
    let ready_at = if a.ready && b.ready { younger(a.ready_at, b.ready_at) } else { Ordering::Equal };
    a.assigned
        .cmp(&b.assigned)
        .then(phase(a).cmp(&phase(b)))
        .then(a.ready.cmp(&b.ready))
        .then(ready_at)
        .then(b.restarts_max.cmp(&a.restarts_max))
        .then(younger(a.created_at, b.created_at))
}

/// Active pods to be deleted, at least `at_least`, as places in `pods`: pods of indexes that are no index of the Job or that have
/// more than one, then by rank.
///
/// Choice: among pods that compare equal the original's unstable sort leaves the order open; we keep that of `pods`.
pub fn for_removal(job: &Job, pods: &[PodFacts], at_least: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..pods.len()).filter(|&at| pods[at].active()).collect();
    let mut remove = Vec::new();
    if job.indexed {
        left.sort_by_key(|&at| pods[at].index.map_or(-1, i64::from));
        let mut kept = Vec::new();
        let groups = left.chunk_by(|&a, &b| pods[a].index == pods[b].index);
        for group in groups {
            if pods[group[0]].valid_index(job).is_none() {
                remove.extend_from_slice(group);
                continue;
            }
            let mut group = group.to_vec();
            group.sort_by(|&a, &b| rank(&pods[a], &pods[b]));
            kept.extend(group.pop());
            remove.extend(group);
        }
        left = kept;
    }
    if remove.len() < at_least {
        left.sort_by(|&a, &b| rank(&pods[a], &pods[b]));
        let more = at_least - remove.len();
        remove.extend(left.into_iter().take(more));
    }
    remove
}
