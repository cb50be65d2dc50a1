//! Jobs and CronJobs.

use crate::ids::Uid;
use crate::model::meta::{Condition, ConditionStatus};
use crate::model::pod_class::TemplateId;
use crate::model::raw::Raw;
use crate::model::select::SelectorId;
use crate::names::{Name, Sym};
use crate::time::SimTime;
use serde::{Deserialize, Serialize};

/// `spec` of a Job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Job {
    /// `parallelism`.
    pub parallelism: i32,
    /// `completions`; `None`: a work queue.
    pub completions: Option<i32>,
    /// `suspend`.
    pub suspend: bool,
    /// `backoffLimit`.
    pub backoff_limit: i32,
    /// `backoffLimitPerIndex`.
    pub backoff_limit_per_index: Option<i32>,
    /// `maxFailedIndexes`.
    pub max_failed_indexes: Option<i32>,
    /// `completionMode` is Indexed.
    pub indexed: bool,
    /// `podReplacementPolicy` is Failed.
    pub replace_only_failed: bool,
    /// `activeDeadlineSeconds`.
    pub active_deadline_s: Option<u64>,
    /// `ttlSecondsAfterFinished`.
    pub ttl_s: Option<u64>,
    /// `managedBy` names another controller.
    pub managed_elsewhere: bool,
    /// `podFailurePolicy.rules`; `None` without a policy.
    pub failure_policy: Option<Vec<FailureRule>>,
    /// `successPolicy.rules`; `None` without a policy.
    pub success_policy: Option<Vec<SuccessRule>>,
    /// `selector`.
    pub selector: SelectorId,
    /// `template`.
    pub template: TemplateId,
    /// The whole defaulted `spec`; `parallelism`, `completions` and `suspend` are overlaid when it is read.
    pub raw: Raw,
}

/// One rule of `podFailurePolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FailureRule {
    /// What becomes of a pod that matches.
    pub action: FailureAction,
    /// Which pods match.
    pub matches: FailureMatch,
}

/// `action` of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum FailureAction {
    FailJob,
    FailIndex,
    Ignore,
    Count,
}

/// Which pods a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureMatch {
    /// `onExitCodes`.
    ExitCodes {
        /// `containerName`; empty: any container.
        container: Sym,
        /// `operator` is NotIn.
        not_in: bool,
        /// `values`.
        values: Vec<i32>,
    },
    /// `onPodConditions`: types with statuses, any of them.
    Conditions(Vec<(Sym, ConditionStatus)>),
}

/// One rule of `successPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SuccessRule {
    /// `succeededIndexes`, such as `0-2,5`.
    pub indexes: Option<String>,
    /// `succeededCount`.
    pub count: Option<i32>,
}

/// `status` of a Job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct JobStatus {
    /// `active`.
    pub active: i32,
    /// `ready`; `None` before the first report.
    pub ready: Option<i32>,
    /// `terminating`; `None` before the first report.
    pub terminating: Option<i32>,
    /// `succeeded`.
    pub succeeded: i32,
    /// `failed`.
    pub failed: i32,
    /// `startTime`.
    pub start_at: Option<SimTime>,
    /// `completionTime`.
    pub completed_at: Option<SimTime>,
    /// `completedIndexes`, such as `0-2,5`.
    pub completed_indexes: String,
    /// `failedIndexes`; `None` for jobs without a limit per index.
    pub failed_indexes: Option<String>,
    /// `uncountedTerminatedPods.succeeded`.
    pub uncounted_succeeded: Vec<Uid>,
    /// `uncountedTerminatedPods.failed`.
    pub uncounted_failed: Vec<Uid>,
    /// Whether `uncountedTerminatedPods` is set, be it empty.
    pub tracked: bool,
    /// `conditions`.
    pub conditions: Vec<Condition>,
}

/// `spec` of a CronJob.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CronJob {
    /// `schedule`.
    pub schedule: Sym,
    /// `timeZone`; empty: the controller's, which is UTC.
    pub time_zone: Sym,
    /// `startingDeadlineSeconds`.
    pub starting_deadline_s: Option<u64>,
    /// `concurrencyPolicy`.
    pub concurrency: Concurrency,
    /// `suspend`.
    pub suspend: bool,
    /// `successfulJobsHistoryLimit`.
    pub successful_limit: Option<i32>,
    /// `failedJobsHistoryLimit`.
    pub failed_limit: Option<i32>,
    /// `jobTemplate`.
    pub job_template: Raw,
    /// The whole defaulted `spec`; `suspend` is overlaid when it is read.
    pub raw: Raw,
}

/// `concurrencyPolicy` of a CronJob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Concurrency {
    Allow,
    Forbid,
    Replace,
}

/// `status` of a CronJob.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct CronJobStatus {
    /// `active`: identity and name of each job.
    pub active: Vec<(Uid, Name)>,
    /// `lastScheduleTime`.
    pub last_schedule_at: Option<SimTime>,
    /// `lastSuccessfulTime`.
    pub last_successful_at: Option<SimTime>,
}
