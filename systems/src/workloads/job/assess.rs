//! What a sync finds out about a Job before it does anything.
//!
//! Source: kubernetes v1.36, `pkg/controller/job/job_controller.go`, `syncJob`; `indexed_job_utils.go`, `calculateSucceededIndexes`,
//! `calculateFailedIndexes`, `getPodsWithDelayedDeletionPerIndex`; `spec/workloads.md` §7.

use super::backoff::BackoffRecord;
use super::indexes::Indexes;
use super::pods::PodFacts;
use super::policy::{self, MatchedBy};
use super::texts::JobTexts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::ids::Uid;
use wavetank_engine::model::batch::{FailureAction, Job, JobStatus};
use wavetank_engine::model::meta::{Condition, ConditionStatus, condition};
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::{SimDuration, SimTime};

/// What a sync is about: all as it was when the sync began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The Job.
    pub job: Job,
    /// Its status.
    pub status: JobStatus,
    /// Its namespace.
    pub namespace: Sym,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// `restartPolicy` of its pods is OnFailure.
    pub on_failure: bool,
    /// All that it did to pods was seen.
    pub satisfied: bool,
    /// Failures since the last success, as remembered.
    pub record: BackoffRecord,
    /// Its pods.
    pub pods: Vec<PodFacts>,
}

/// The end that a Job is coming to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// How.
    pub kind: FinishKind,
    /// Reason of the condition.
    pub reason: Sym,
    /// Message of the condition.
    pub message: Sym,
}

/// How a Job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinishKind {
    /// Its work is done: SuccessCriteriaMet, then Complete.
    Succeeded,
    /// It has failed: FailureTarget, then Failed.
    Failed,
    /// It has failed, and FailureTarget says so already.
    KnownFailed,
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assessed {
    /// Active pods.
    pub active: i32,
    /// Ready ones among them.
    pub ready: i32,
    /// Pods that are being deleted and have not ended.
    pub terminating: i32,
    /// Succeeded pods, or indexes.
    pub succeeded: i32,
    /// `startTime`.
    pub start_at: Option<SimTime>,
    /// Failures since the last success.
    pub record: BackoffRecord,
    /// Indexes that had succeeded before.
    pub succeeded_before: Indexes,
    /// Indexes that have succeeded.
    pub succeeded_indexes: Indexes,
    /// Indexes that have failed, of Jobs with a limit per index.
    pub failed_indexes: Option<Indexes>,
    /// The failed pod, as its place in the snapshot, that each index keeps until its replacement is there.
    pub delayed: BTreeMap<u32, usize>,
    /// The end that it is coming to.
    pub finish: Option<Finish>,
    /// When the deadline comes, if that is ahead.
    pub deadline_in: Option<SimDuration>,
}

impl Snapshot {
    /// Whether pods of this Job are told apart by index and have a limit each.
    pub fn limited_per_index(&self) -> bool {
        self.job.backoff_limit_per_index.is_some()
    }

    /// Pods with the tracking finalizer that are not in `uncounted`, have an index of the Job if it has indexes, and pass `keep`.
    fn newly<'a>(&'a self, uncounted: &[Uid], keep: impl Fn(&PodFacts) -> bool) -> Vec<&'a PodFacts> {
        let known: BTreeSet<Uid> = uncounted.iter().copied().collect();
        let valid = |pod: &PodFacts| !self.job.indexed || pod.valid_index(&self.job).is_some();
        self.pods.iter().filter(|pod| pod.tracked && !known.contains(&pod.uid) && valid(pod) && keep(pod)).collect()
    }

    /// Finds out how the Job stands.
    pub fn assess(&self, texts: &JobTexts, names: &mut Names, now: SimTime) -> Assessed {
        let (job, status) = (&self.job, &self.status);
        let count = |keep: &dyn Fn(&PodFacts) -> bool| self.pods.iter().filter(|pod| keep(pod)).count() as i32;
        let succeeded = self.newly(&status.uncounted_succeeded, |pod| pod.phase == PodPhase::Succeeded);
        let failed = self.newly(&status.uncounted_failed, |pod| pod.failed(job));
        let counted = failed.iter().filter(|pod| policy::counts(job, pod)).count();
        let failures = status.failed + counted as i32 + status.uncounted_failed.len() as i32;
        let mut found = Assessed {
            active: count(&PodFacts::active),
            ready: count(&|pod| pod.active() && pod.ready),
            terminating: count(&PodFacts::terminating),
            succeeded: status.succeeded + succeeded.len() as i32 + status.uncounted_succeeded.len() as i32,
            start_at: status.start_at.or((!job.suspend).then(|| now.cut_to_second())),
            record: self.record.with(&succeeded, &failed),
            succeeded_before: Indexes::default(),
            succeeded_indexes: Indexes::default(),
            failed_indexes: None,
            delayed: BTreeMap::new(),
            finish: self.known_finish(texts, names),
            deadline_in: None,
        };
        if found.finish.is_none() {
            self.look_at_limits(&mut found, failures, texts, now);
        }
        if job.indexed {
            self.look_at_indexes(&mut found, texts, names);
        }
        found
    }

    /// An end that a condition or the failure policy says.
    fn known_finish(&self, texts: &JobTexts, names: &mut Names) -> Option<Finish> {
        let of = |kind: FinishKind, found: &Condition| Finish { kind, reason: found.reason, message: found.message };
        let conditions = &self.status.conditions;
        let is = |kind: Sym| condition(conditions, kind).filter(|condition| condition.status == ConditionStatus::True);
        if let Some(met) = is(texts.success_criteria_met) {
            return Some(of(FinishKind::Succeeded, met));
        }
        if let Some(target) = condition(conditions, texts.failure_target) {
            return Some(of(FinishKind::KnownFailed, target));
        }
        let failed = self.pods.iter().filter(|pod| pod.failed(&self.job));
        let message = failed.filter_map(|pod| self.fail_job_message(pod, names)).next()?;
        Some(Finish { kind: FinishKind::Failed, reason: texts.pod_failure_policy, message: names.sym(&message) })
    }

    fn fail_job_message(&self, pod: &PodFacts, names: &Names) -> Option<String> {
        let matched = policy::matched(&self.job, pod).filter(|matched| matched.action == FailureAction::FailJob)?;
        let (namespace, name, rule) = (names.text(self.namespace), names.render(pod.name), matched.rule);
        Some(match matched.by {
            MatchedBy::Exit(container, code) => {
                let container = names.text(container);
                format!(
                    "Container {container} for pod {namespace}/{name} failed with exit code {code} matching FailJob rule at index {rule}"
                )
            }
            MatchedBy::Condition(kind) => {
                format!("Pod {namespace}/{name} has condition {} matching FailJob rule at index {rule}", names.text(kind))
            }
        })
    }

    fn look_at_limits(&self, found: &mut Assessed, failures: i32, texts: &JobTexts, now: SimTime) {
        let job = &self.job;
        let failed = |reason, message| Some(Finish { kind: FinishKind::Failed, reason, message });
        let running_for = found.start_at.map(|start| now.since(start));
        let deadline = job.active_deadline_s.map(SimDuration::from_secs).filter(|_| !job.suspend);
        if failures > job.backoff_limit || self.restarted_too_often() {
            found.finish = failed(texts.backoff_limit_exceeded, texts.reached_backoff_limit);
        } else if let (Some(deadline), Some(running)) = (deadline, running_for) {
            if running >= deadline {
                found.finish = failed(texts.deadline_exceeded, texts.past_deadline);
            } else {
                found.deadline_in = Some(deadline.saturating_sub(running));
            }
        }
    }

    /// Source: `pastBackoffLimitOnFailure`.
    fn restarted_too_often(&self) -> bool {
        let live = self.pods.iter().filter(|pod| matches!(pod.phase, PodPhase::Running | PodPhase::Pending));
        let restarts: i64 = live.map(|pod| i64::from(pod.restarts)).sum();
        let limit = i64::from(self.job.backoff_limit);
        self.on_failure && (if limit == 0 { restarts > 0 } else { restarts >= limit })
    }

    fn look_at_indexes(&self, found: &mut Assessed, texts: &JobTexts, names: &mut Names) {
        let job = &self.job;
        let completions = job.completions.unwrap_or(0).max(0) as u32;
        let done = |keep: &dyn Fn(&PodFacts) -> bool| -> BTreeSet<u32> {
            let pods = self.pods.iter().filter(|pod| pod.tracked && keep(pod));
            pods.filter_map(|pod| pod.valid_index(job)).collect()
        };
        found.succeeded_before = Indexes::parse(&self.status.completed_indexes, completions);
        found.succeeded_indexes = found.succeeded_before.with(done(&|pod| pod.phase == PodPhase::Succeeded));
        found.succeeded = found.succeeded_indexes.total() as i32;
        if let Some(limit) = job.backoff_limit_per_index {
            let before = Indexes::parse(self.status.failed_indexes.as_deref().unwrap_or(""), completions);
            let failed = before.with(done(&|pod| index_failed(job, pod, limit)));
            let finish = |reason, message| Some(Finish { kind: FinishKind::Failed, reason, message });
            if found.finish.is_none() {
                if job.max_failed_indexes.is_some_and(|max| failed.total() > i64::from(max)) {
                    found.finish = finish(texts.max_failed_indexes_exceeded, texts.too_many_failed_indexes);
                } else if failed.total() > 0 && failed.total() + found.succeeded_indexes.total() >= i64::from(completions) {
                    found.finish = finish(texts.failed_indexes, texts.has_failed_indexes);
                }
            }
            found.delayed = self.delayed(&found.succeeded_indexes, &failed);
            found.failed_indexes = Some(failed);
        }
        if found.finish.is_none()
            && let Some(rule) =
                job.success_policy.as_ref().and_then(|rules| policy::succeeded_by(rules, completions, &found.succeeded_indexes))
        {
            let message = names.sym(&format!("Matched rules at index {rule}"));
            found.finish = Some(Finish { kind: FinishKind::Succeeded, reason: texts.success_policy, message });
        }
    }

    /// For each index that waits for a new pod the last failed one, which bears the count of failures.
    fn delayed(&self, succeeded: &Indexes, failed: &Indexes) -> BTreeMap<u32, usize> {
        let active: BTreeSet<u32> = self.pods.iter().filter(|pod| pod.active()).filter_map(|pod| pod.index).collect();
        let mut last: BTreeMap<u32, usize> = BTreeMap::new();
        for (at, pod) in self.pods.iter().enumerate() {
            let Some(index) = pod.valid_index(&self.job) else { continue };
            if !pod.tracked || !pod.failed(&self.job) || active.contains(&index) || succeeded.has(index) || failed.has(index) {
                continue;
            }
            let later = last
                .get(&index)
                .map(|&known| &self.pods[known])
                .is_none_or(|known| known.all_index_failures() <= pod.all_index_failures() && pod.finished_at >= known.finished_at);
            if later {
                last.insert(index, at);
            }
        }
        last
    }
}

/// Source: `isIndexFailed`.
fn index_failed(job: &Job, pod: &PodFacts, limit: i32) -> bool {
    if !pod.failed(job) {
        return false;
    }
    match policy::matched(job, pod).map(|matched| matched.action) {
        Some(FailureAction::FailIndex) => true,
        Some(FailureAction::Ignore) => false,
        Some(FailureAction::Count | FailureAction::FailJob) | None => i64::from(pod.index_failures.0) >= i64::from(limit),
    }
}
