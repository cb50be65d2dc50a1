//! Jobs and CronJobs.

use super::{Tables, list, number};
use crate::model::batch::{Concurrency, CronJob, FailureAction, FailureMatch, FailureRule, Job, SuccessRule};
use crate::model::meta::ConditionStatus;
use crate::model::raw::Raw;
use crate::names::Sym;
use serde_json::Value;

impl Tables<'_> {
    /// Reads the defaulted `spec` of a Job.
    pub fn job(&mut self, spec: &Value) -> Job {
        let flag = |field: &str| spec.get(field).and_then(Value::as_bool).unwrap_or(false);
        let word = |field: &str| spec.get(field).and_then(Value::as_str);
        let rules = |field: &str| spec.get(field).filter(|policy| !policy.is_null()).cloned();
        Job {
            parallelism: number(spec, "parallelism").unwrap_or(1),
            completions: number(spec, "completions"),
            suspend: flag("suspend"),
            backoff_limit: number(spec, "backoffLimit").unwrap_or(6),
            backoff_limit_per_index: number(spec, "backoffLimitPerIndex"),
            max_failed_indexes: number(spec, "maxFailedIndexes"),
            indexed: word("completionMode") == Some("Indexed"),
            replace_only_failed: word("podReplacementPolicy") == Some("Failed"),
            active_deadline_s: seconds(spec, "activeDeadlineSeconds"),
            ttl_s: seconds(spec, "ttlSecondsAfterFinished"),
            managed_elsewhere: word("managedBy").is_some_and(|by| by != "kubernetes.io/job-controller"),
            failure_policy: rules("podFailurePolicy").map(|policy| list(&policy, "rules").map(|rule| self.failure_rule(rule)).collect()),
            success_policy: rules("successPolicy").map(|policy| list(&policy, "rules").map(success_rule).collect()),
            selector: self.selectors.of_label_selector(self.names, spec.get("selector").unwrap_or(&Value::Null)),
            template: self.classes.template_of(self.names, self.labels, spec.get("template").unwrap_or(&Value::Null)),
            raw: Raw::new(spec.clone()),
        }
    }

    fn failure_rule(&mut self, rule: &Value) -> FailureRule {
        let action = match rule.get("action").and_then(Value::as_str) {
            Some("FailJob") => FailureAction::FailJob,
            Some("FailIndex") => FailureAction::FailIndex,
            Some("Ignore") => FailureAction::Ignore,
            _ => FailureAction::Count,
        };
        let matches = match rule.get("onExitCodes").filter(|codes| !codes.is_null()) {
            Some(codes) => FailureMatch::ExitCodes {
                container: self.sym(codes, "containerName"),
                not_in: codes.get("operator").and_then(Value::as_str) == Some("NotIn"),
                values: list(codes, "values").filter_map(Value::as_i64).filter_map(|code| i32::try_from(code).ok()).collect(),
            },
            None => FailureMatch::Conditions(list(rule, "onPodConditions").map(|pattern| self.condition_pattern(pattern)).collect()),
        };
        FailureRule { action, matches }
    }

    fn condition_pattern(&mut self, pattern: &Value) -> (Sym, ConditionStatus) {
        let status = match pattern.get("status").and_then(Value::as_str) {
            Some("False") => ConditionStatus::False,
            Some("Unknown") => ConditionStatus::Unknown,
            _ => ConditionStatus::True,
        };
        (self.sym(pattern, "type"), status)
    }

    /// Reads the defaulted `spec` of a CronJob.
    pub fn cron_job(&mut self, spec: &Value) -> CronJob {
        CronJob {
            schedule: self.sym(spec, "schedule"),
            time_zone: self.sym(spec, "timeZone"),
            starting_deadline_s: seconds(spec, "startingDeadlineSeconds"),
            concurrency: match spec.get("concurrencyPolicy").and_then(Value::as_str) {
                Some("Forbid") => Concurrency::Forbid,
                Some("Replace") => Concurrency::Replace,
                _ => Concurrency::Allow,
            },
            suspend: spec.get("suspend").and_then(Value::as_bool).unwrap_or(false),
            successful_limit: number(spec, "successfulJobsHistoryLimit"),
            failed_limit: number(spec, "failedJobsHistoryLimit"),
            job_template: Raw::new(spec.get("jobTemplate").cloned().unwrap_or(Value::Null)),
            raw: Raw::new(spec.clone()),
        }
    }
}

fn success_rule(rule: &Value) -> SuccessRule {
    SuccessRule { indexes: rule.get("succeededIndexes").and_then(Value::as_str).map(str::to_string), count: number(rule, "succeededCount") }
}

fn seconds(spec: &Value, field: &str) -> Option<u64> {
    spec.get(field).and_then(Value::as_u64)
}
