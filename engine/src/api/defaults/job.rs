//! Defaults of Jobs and CronJobs.
//!
//! A CronJob's job template gets the pod defaults only; the Job made from it gets the rest when it is created.
//!
//! Source: kubernetes v1.36, `pkg/apis/batch/v1/defaults.go`, `SetDefaults_Job`, `SetDefaults_CronJob`.

use super::fill::{self, Object};
use super::pod_spec;

/// Failed pods after which a job gives up. Unit: pods.
const BACKOFF_LIMIT: i64 = 6;

/// Fills in a job.
pub(super) fn apply(job: &mut Object) {
    let labels = job.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels")).cloned();
    if let Some(labels) = labels {
        fill::with_object(job, "metadata", |metadata| fill::zero(metadata, "labels", labels));
    }
    fill::with_existing(job, "metadata", |metadata| fill::drop_zeros(metadata, &["labels"]));
    fill::with_object(job, "spec", |spec| {
        if !spec.contains_key("parallelism") {
            fill::absent(spec, "completions", 1);
        }
        fill::absent(spec, "parallelism", 1);
        let backoff = if spec.contains_key("backoffLimitPerIndex") { i64::from(i32::MAX) } else { BACKOFF_LIMIT };
        fill::absent(spec, "backoffLimit", backoff);
        fill::absent(spec, "completionMode", "NonIndexed");
        fill::absent(spec, "suspend", false);
        let replacement = if spec.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
        fill::absent(spec, "podReplacementPolicy", replacement);
        fill::absent(spec, "manualSelector", false);
        apply_to_pods(spec);
    });
}

/// Fills in a cron job.
pub(super) fn apply_to_cron_job(cron_job: &mut Object) {
    fill::with_object(cron_job, "spec", |spec| {
        fill::zero(spec, "concurrencyPolicy", "Allow");
        fill::absent(spec, "suspend", false);
        fill::absent(spec, "successfulJobsHistoryLimit", 3);
        fill::absent(spec, "failedJobsHistoryLimit", 1);
        fill::with_object(spec, "jobTemplate", |template| {
            fill::with_object(template, "metadata", pod_spec::apply_to_metadata);
            fill::with_object(template, "spec", apply_to_pods);
        });
    });
}

/// What a job's spec and a cron job's template share.
fn apply_to_pods(spec: &mut Object) {
    fill::with_existing(spec, "podFailurePolicy", |policy| {
        fill::each(policy, "rules", |rule| {
            fill::each(rule, "onPodConditions", |pattern| fill::zero(pattern, "status", "True"));
        });
    });
    fill::with_object(spec, "template", pod_spec::apply_to_template);
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::{Value, json};

    #[test]
    fn counts_table() {
        let rows = [
            (json!({}), (json!(1), json!(1))),
            (json!({"parallelism": 3}), (Value::Null, json!(3))),
            (json!({"completions": 5}), (json!(5), json!(1))),
        ];
        for (given, want) in rows {
            let job = defaulted(json!({"apiVersion": "batch/v1", "kind": "Job", "spec": given.clone()}));
            let spec = &job["spec"];
            assert_eq!((spec["completions"].clone(), spec["parallelism"].clone()), want, "spec {given}");
            assert_eq!(spec["podReplacementPolicy"], "TerminatingOrFailed");
            assert_eq!(spec["backoffLimit"], 6);
        }
    }

    #[test]
    fn cron_job_template_is_not_a_job_yet() {
        let cron =
            defaulted(json!({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": {}}}}}}));
        assert_eq!(cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["schedulerName"], "default-scheduler");
        assert!(cron["spec"]["jobTemplate"]["spec"].get("backoffLimit").is_none());
        assert_eq!(cron["spec"]["concurrencyPolicy"], "Allow");
    }
}
