//! Status and conditions of a Deployment: whether its rollout is complete, on its way, or stuck.
//!
//! Source: kubernetes v1.36, `pkg/controller/deployment/progress.go`; `pkg/controller/deployment/util/deployment_util.go`,
//! `DeploymentComplete`, `DeploymentProgressing`, `DeploymentTimedOut`, `SetDeploymentCondition`.

use wavetank_engine::model::meta::{Condition, ConditionStatus, condition};
use wavetank_engine::model::workload::DeploymentStatus;
use wavetank_engine::names::Sym;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// Whether all replicas are of the new set and available, and no others are there.
pub fn complete(replicas: i32, generation: u32, status: &DeploymentStatus) -> bool {
    status.updated == replicas && status.replicas == replicas && status.available == replicas && status.observed_generation >= generation
}

/// Whether something moved from the `old` status to the `new`: more updated, ready or available pods, or fewer old ones.
pub fn progressing(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    new.updated > old.updated
        || new.replicas - new.updated < old.replicas - old.updated
        || new.ready > old.ready
        || new.available > old.available
}

/// What the condition Progressing says, as far as time-outs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The reason.
    pub reason: ProgressReason,
    /// `lastUpdateTime`, in whole seconds.
    pub updated_at: SimTime,
}

/// Reasons of the condition Progressing that decide whether it can time out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressReason {
    /// `NewReplicaSetAvailable`: the rollout was complete.
    Complete,
    /// `ProgressDeadlineExceeded`.
    TimedOut,
    /// Any other.
    Other,
}

/// Whether nothing has moved for longer than the deadline.
pub fn timed_out(progress: Option<Progress>, deadline: Option<SimDuration>, now: SimTime) -> bool {
    let (Some(deadline), Some(progress)) = (deadline, progress) else { return false };
    match progress.reason {
        ProgressReason::Complete => false,
        ProgressReason::TimedOut => true,
        ProgressReason::Other => progress.updated_at + deadline < now,
    }
}

/// Sets a condition as the original does: one of the same status and reason stays as it is; otherwise the new one goes to the end of the
/// list, and keeps the old transition time if the status is the same.
pub fn set_condition(conditions: &mut Vec<Condition>, mut new: Condition) {
    if let Some(old) = condition(conditions, new.kind) {
        if old.status == new.status && old.reason == new.reason {
            return;
        }
        if old.status == new.status {
            new.transition_at = old.transition_at;
        }
    }
    remove_condition(conditions, new.kind);
    conditions.push(new);
}

/// Removes the condition of one type.
pub fn remove_condition(conditions: &mut Vec<Condition>, kind: Sym) {
    conditions.retain(|condition| condition.kind != kind);
}

/// A condition that begins now.
pub fn condition_now(kind: Sym, status: ConditionStatus, reason: Sym, message: Sym, now: SimTime) -> Condition {
    let now = now.cut_to_second();
    Condition { kind, status, reason, message, transition_at: now, update_at: now }
}

/// Whether the stored condition Progressing is there.
pub fn has_progress(status: &DeploymentStatus) -> bool {
    condition(&status.conditions, words::PROGRESSING).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_move_to_the_end_only_when_they_change() {
        let one =
            |kind, reason, second| condition_now(Sym(kind), ConditionStatus::True, Sym(reason), Sym::EMPTY, SimTime::from_secs(second));
        let mut list = vec![one(1, 1, 1), one(2, 1, 1)];
        set_condition(&mut list, one(1, 1, 5));
        assert_eq!(list, [one(1, 1, 1), one(2, 1, 1)], "same status and reason: untouched");
        set_condition(&mut list, one(1, 2, 5));
        assert_eq!(list[1].transition_at, SimTime::from_secs(1), "same status: since then");
        assert_eq!((list[1].kind, list[1].reason, list[1].update_at), (Sym(1), Sym(2), SimTime::from_secs(5)));
    }
}
