//! The status of a Deployment: sums over its sets, and its conditions.
//!
//! Source: kubernetes v1.36, `pkg/controller/deployment/sync.go`, `calculateStatus`; `pkg/controller/deployment/progress.go`,
//! `syncRolloutStatus`, `requeueStuckDeployment`.

use super::plan::After;
use super::progress::{Progress, ProgressReason, complete, condition_now, progressing, remove_condition, set_condition, timed_out};
use super::rolling::Fences;
use super::snapshot::{SetSnapshot, Snapshot};
use crate::workloads::texts::Texts;
use wavetank_engine::model::meta::{Condition, ConditionStatus, condition};
use wavetank_engine::model::workload::DeploymentStatus;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// A delay shorter than this is left to the back-off.
const REQUEUE_MIN: SimDuration = SimDuration::from_secs(1);

/// The status without a judgement on progress: of a sync that only scaled, or of a Deployment that is paused or being deleted.
pub fn scaled_status(
    of: &Snapshot,
    old: &DeploymentStatus,
    sets: &[SetSnapshot],
    has_new: bool,
    texts: &Texts,
    now: SimTime,
) -> DeploymentStatus {
    let sum = |field: fn(&SetSnapshot) -> i32| sets.iter().map(field).sum::<i32>();
    let available = sum(|set| set.facts.available);
    let mut status = DeploymentStatus {
        replicas: sum(|set| set.status_replicas),
        updated: if has_new { sets.last().map_or(0, |new| new.status_replicas) } else { 0 },
        ready: sum(|set| set.ready),
        available,
        unavailable: (sum(|set| set.facts.replicas) - available).max(0),
        terminating: Some(sum(|set| set.terminating)),
        observed_generation: of.generation,
        collision_count: old.collision_count,
        conditions: old.conditions.clone(),
    };
    let (is, reason, message) = if available >= Fences::of(&of.strategy, of.replicas).available_min() {
        (ConditionStatus::True, texts.minimum_replicas_available, texts.has_minimum)
    } else {
        (ConditionStatus::False, texts.minimum_replicas_unavailable, texts.has_no_minimum)
    };
    set_condition(&mut status.conditions, condition_now(words::AVAILABLE, is, reason, message, now));
    status
}

/// The status after a rollout's step, with the conditions Progressing and ReplicaFailure.
pub fn rollout_status(
    of: &Snapshot,
    old: &DeploymentStatus,
    sets: &[SetSnapshot],
    has_new: bool,
    names: &mut Names,
    texts: &Texts,
    now: SimTime,
) -> DeploymentStatus {
    let mut new = scaled_status(of, old, sets, has_new, texts, now);
    let stored = condition(&old.conditions, words::PROGRESSING).copied();
    if of.deadline.is_none() {
        remove_condition(&mut new.conditions, words::PROGRESSING);
    }
    let was_complete = new.replicas == new.updated && stored.is_some_and(|stored| stored.reason == texts.new_replica_set_available);
    if of.deadline.is_some() && !was_complete {
        judge(of, old, &mut new, stored, has_new, names, texts, now);
    }
    let failure = if has_new { sets.last().and_then(|new| new.failure) } else { None };
    match failure.or_else(|| sets.iter().find_map(|set| set.failure)) {
        Some(failure) => set_condition(&mut new.conditions, Condition { update_at: failure.transition_at, ..failure }),
        None => remove_condition(&mut new.conditions, words::REPLICA_FAILURE),
    }
    new
}

#[allow(clippy::too_many_arguments, reason = "the second half of a function, with its values")]
fn judge(
    of: &Snapshot,
    old: &DeploymentStatus,
    new: &mut DeploymentStatus,
    stored: Option<Condition>,
    has_new: bool,
    names: &mut Names,
    texts: &Texts,
    now: SimTime,
) {
    let mut message = |what: &str| {
        let (kind, name) = if has_new { ("ReplicaSet", of.new_name) } else { ("Deployment", of.name) };
        let text = format!("{kind} \"{}\" {what}", names.text(name));
        names.sym(&text)
    };
    let make = |status, reason, message: Sym| condition_now(words::PROGRESSING, status, reason, message, now);
    if complete(of.replicas, of.generation, new) {
        let message = message("has successfully progressed.");
        set_condition(&mut new.conditions, make(ConditionStatus::True, texts.new_replica_set_available, message));
    } else if progressing(old, new) {
        let mut moved = make(ConditionStatus::True, texts.replica_set_updated, message("is progressing."));
        if let Some(stored) = stored {
            if stored.status == ConditionStatus::True {
                moved.transition_at = stored.transition_at;
            }
            remove_condition(&mut new.conditions, words::PROGRESSING);
        }
        set_condition(&mut new.conditions, moved);
    } else if timed_out(progress_of(&new.conditions, texts), of.deadline, now) {
        let message = message("has timed out progressing.");
        set_condition(&mut new.conditions, make(ConditionStatus::False, texts.progress_deadline_exceeded, message));
    }
}

fn progress_of(conditions: &[Condition], texts: &Texts) -> Option<Progress> {
    let stored = condition(conditions, words::PROGRESSING)?;
    let reason = if stored.reason == texts.new_replica_set_available {
        ProgressReason::Complete
    } else if stored.reason == texts.progress_deadline_exceeded {
        ProgressReason::TimedOut
    } else {
        ProgressReason::Other
    };
    Some(Progress { reason, updated_at: stored.update_at })
}

/// When a Deployment whose status stays as it is must be looked at for a time-out.
pub fn requeue(of: &Snapshot, status: &DeploymentStatus, texts: &Texts, now: SimTime) -> After {
    let (Some(deadline), Some(progress)) = (of.deadline, progress_of(&status.conditions, texts)) else { return After::Nothing };
    if complete(of.replicas, of.generation, status) || progress.reason == ProgressReason::TimedOut {
        return After::Nothing;
    }
    let at = progress.updated_at + deadline;
    if at.since(now) < REQUEUE_MIN { After::BackOff } else { After::At(at + SimDuration::from_secs(1)) }
}
