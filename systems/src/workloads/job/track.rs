//! How ended pods become counts in a Job's status: first their identities are noted, then their finalizers go, then they are counted.
//!
//! Source: kubernetes v1.36, `pkg/controller/job/job_controller.go`, `syncJob` from `manageJob` on,
//! `trackJobStatusAndRemoveFinalizers`, `enactJobFinished`; `spec/workloads.md` §7.

use super::assess::{Assessed, Finish, FinishKind, Snapshot};
use super::manage::Action;
use super::policy;
use super::texts::JobTexts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::batch::JobStatus;
use wavetank_engine::model::meta::{Condition, ConditionStatus, condition};
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::names::Sym;
use wavetank_engine::time::SimTime;

/// Most pods noted as ended and not counted yet. Unit: pods.
pub const UNCOUNTED_PODS_MAX: usize = 500;

/// How the requests of a sync's action fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Pods whose deletion was granted.
    pub removed: i32,
    /// Ready ones among them.
    pub removed_ready: i32,
    /// Pods created, or refused only because the namespace goes away.
    pub created: i32,
}

/// An event about the Job: whether it is a warning, its reason, its message.
pub type Note = (bool, Sym, Sym);

/// The books of a sync after its action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tracking {
    /// The status as it is to be now.
    pub status: JobStatus,
    /// Whether it has to be written before finalizers are removed.
    pub write: bool,
    /// Pods whose finalizers are removed, as places in the snapshot.
    pub release: Vec<usize>,
    /// Pods of the Job that hold the finalizer.
    held: BTreeSet<Uid>,
    finish: Option<Finish>,
    /// As many pods were noted as may be at once: the end has to wait.
    full: bool,
    /// What is to be told.
    pub notes: Vec<Note>,
}

/// Sets a condition as the Job controller does: a missing one is not added as False. Whether anything changed.
fn ensure(conditions: &mut Vec<Condition>, kind: Sym, status: ConditionStatus, reason: Sym, message: Sym, now: SimTime) -> bool {
    let at = now.cut_to_second();
    let new = Condition { kind, status, reason, message, transition_at: at, update_at: at };
    match conditions.iter_mut().find(|condition| condition.kind == kind) {
        Some(old) if (old.status, old.reason, old.message) == (status, reason, message) => false,
        Some(old) => {
            *old = new;
            true
        }
        None if status == ConditionStatus::False => false,
        None => {
            conditions.push(new);
            true
        }
    }
}

/// Brings the status up to what was found and done, and finds the pods whose finalizers can go.
pub fn track(
    snapshot: &Snapshot,
    found: &Assessed,
    (action, managed): (&Action, bool),
    outcome: Outcome,
    texts: &JobTexts,
    now: SimTime,
) -> Tracking {
    let old = &snapshot.status;
    let mut books = Tracking {
        status: JobStatus { start_at: found.start_at, tracked: true, ..old.clone() },
        write: false,
        release: Vec::new(),
        held: snapshot.pods.iter().filter(|pod| pod.tracked).map(|pod| pod.uid).collect(),
        finish: found.finish,
        full: false,
        notes: Vec::new(),
    };
    let active = match action {
        Action::Wait(_) => 0,
        Action::Nothing | Action::Create(_) | Action::End(_) | Action::Delete(_) => found.active - outcome.removed + outcome.created,
    };
    if let Action::End(pods) = action {
        if outcome.removed as usize != pods.len() || !snapshot.satisfied {
            books.finish = None;
        }
    } else {
        books.look_for_success(snapshot, found, active, managed, texts, now);
    }
    let status = &mut books.status;
    status.active = active;
    status.ready = Some(found.ready - outcome.removed_ready);
    status.terminating = Some(found.terminating + outcome.removed);
    books.write |= status.active != old.active || status.ready != old.ready || status.terminating != old.terminating;
    books.write |= books.count_released();
    books.note_ended(snapshot, found);
    books.note_finish(texts, now);
    books
}

impl Tracking {
    fn look_for_success(&mut self, snapshot: &Snapshot, found: &Assessed, active: i32, managed: bool, texts: &JobTexts, now: SimTime) {
        let complete = match snapshot.job.completions {
            None => found.succeeded > 0 && active == 0,
            Some(completions) => {
                if found.succeeded >= completions && active > 0 {
                    self.notes.push((true, texts.too_many_active, texts.too_many_active_pods));
                }
                if found.succeeded > completions {
                    self.notes.push((true, texts.too_many_succeeded, texts.too_many_succeeded_pods));
                }
                found.succeeded >= completions && active == 0
            }
        };
        if complete {
            self.finish = Some(Finish { kind: FinishKind::Succeeded, reason: texts.completions_reached, message: texts.reached_number });
        } else if managed && snapshot.job.suspend {
            let conditions = &mut self.status.conditions;
            if ensure(conditions, texts.suspended, ConditionStatus::True, texts.job_suspended, texts.is_suspended, now) {
                self.status.start_at = None;
                self.write = true;
                self.notes.push((false, texts.suspended, texts.is_suspended));
            }
        } else if managed {
            let conditions = &mut self.status.conditions;
            if ensure(conditions, texts.suspended, ConditionStatus::False, texts.job_resumed, texts.is_resumed, now) {
                self.status.start_at = Some(now.cut_to_second());
                self.write = true;
                self.notes.push((false, texts.resumed, texts.is_resumed));
            }
        }
    }

    /// Counts noted pods that hold no finalizer any more. Whether there were any.
    fn count_released(&mut self) -> bool {
        let mut any = false;
        let status = &mut self.status;
        for (list, count) in [(&mut status.uncounted_succeeded, &mut status.succeeded), (&mut status.uncounted_failed, &mut status.failed)]
        {
            let before = list.len();
            list.retain(|pod| self.held.contains(pod));
            *count += (before - list.len()) as i32;
            any |= before != list.len();
        }
        any
    }

    fn note_ended(&mut self, snapshot: &Snapshot, found: &Assessed) {
        let job = &snapshot.job;
        let mut order: Vec<usize> = (0..snapshot.pods.len()).filter(|&at| snapshot.pods[at].tracked).collect();
        if job.indexed {
            order.sort_by_key(|&at| snapshot.pods[at].index.map_or(-1, i64::from));
        }
        let ends_in_failure = self.finish.is_some_and(|finish| finish.kind != FinishKind::Succeeded);
        let mut newly_succeeded = BTreeSet::new();
        for at in order {
            let pod = &snapshot.pods[at];
            let failed = pod.failed(job);
            if !self.may_release(snapshot, found, at, failed) {
                continue;
            }
            self.release.push(at);
            let index = pod.valid_index(job);
            if pod.phase == PodPhase::Succeeded && !snapshot.status.uncounted_failed.contains(&pod.uid) {
                if !job.indexed {
                    self.write |= note(&mut self.status.uncounted_succeeded, pod.uid);
                } else if let Some(index) = index.filter(|&index| !found.succeeded_before.has(index)) {
                    newly_succeeded.insert(index);
                    self.write = true;
                }
            } else if (failed || ends_in_failure) && (!job.indexed || index.is_some()) && policy::counts(job, pod) {
                self.write |= note(&mut self.status.uncounted_failed, pod.uid);
            }
            let noted = newly_succeeded.len() + self.status.uncounted_succeeded.len() + self.status.uncounted_failed.len();
            if noted >= UNCOUNTED_PODS_MAX {
                self.full = true;
                break;
            }
        }
        if job.indexed {
            self.note_indexes(found, newly_succeeded);
        }
    }

    fn note_indexes(&mut self, found: &Assessed, newly_succeeded: BTreeSet<u32>) {
        let succeeded = found.succeeded_before.with(newly_succeeded);
        let (text, failed) = (succeeded.to_string(), found.failed_indexes.as_ref().map(ToString::to_string));
        self.write |= text != self.status.completed_indexes || failed != self.status.failed_indexes;
        self.status.succeeded = succeeded.total() as i32;
        self.status.completed_indexes = text;
        self.status.failed_indexes = failed;
    }

    /// Source: `canRemoveFinalizer`.
    fn may_release(&self, snapshot: &Snapshot, found: &Assessed, at: usize, failed: bool) -> bool {
        let pod = &snapshot.pods[at];
        if snapshot.deleting || self.finish.is_some() || pod.phase == PodPhase::Succeeded {
            return true;
        }
        failed && !(snapshot.limited_per_index() && pod.index.and_then(|index| found.delayed.get(&index)) == Some(&at))
    }

    fn note_finish(&mut self, texts: &JobTexts, now: SimTime) {
        let Some(finish) = self.finish else { return };
        let kind = match finish.kind {
            FinishKind::Succeeded => texts.success_criteria_met,
            FinishKind::Failed => texts.failure_target,
            FinishKind::KnownFailed => return,
        };
        if condition(&self.status.conditions, kind).is_none() {
            let at = now.cut_to_second();
            let (reason, message) = (finish.reason, finish.message);
            let interim = Condition { kind, status: ConditionStatus::True, reason, message, transition_at: at, update_at: at };
            self.status.conditions.push(interim);
            self.write = true;
        }
    }

    /// After finalizers are gone: counts their pods and, when nothing is left to wait for, ends the Job. `removed`: whose finalizers
    /// are gone; `written`: the status was written before. The status to be written, with whether the Job has ended; `None` when
    /// nothing is to be written.
    pub fn settle(&mut self, removed: &[Uid], written: bool, texts: &JobTexts, now: SimTime) -> Option<(JobStatus, bool)> {
        for pod in removed {
            self.held.remove(pod);
        }
        let counted = self.count_released();
        let ended = self.end(texts, now);
        (counted || ended || self.write && !written).then(|| (self.status.clone(), ended))
    }

    fn end(&mut self, texts: &JobTexts, now: SimTime) -> bool {
        let Some(finish) = self.finish.filter(|_| !self.full) else { return false };
        let status = &mut self.status;
        let open = status.uncounted_succeeded.len() + status.uncounted_failed.len();
        if open > 0 || status.terminating.unwrap_or(0) > 0 {
            return false;
        }
        let kind = if finish.kind == FinishKind::Succeeded { texts.complete } else { texts.failed };
        ensure(&mut status.conditions, kind, ConditionStatus::True, finish.reason, finish.message, now);
        if finish.kind == FinishKind::Succeeded {
            status.completed_at = Some(now.cut_to_second());
            self.notes.push((false, texts.completed, texts.job_completed));
        } else {
            self.notes.push((true, finish.reason, finish.message));
        }
        true
    }
}

fn note(list: &mut Vec<Uid>, pod: Uid) -> bool {
    let new = !list.contains(&pod);
    if new {
        list.push(pod);
    }
    new
}
