//! Jobs, cron jobs and disruption budgets.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `describeJob`, `describeCronJob`, `describePodDisruptionBudget`.

use super::{Events, Page};
use crate::render::age::{human_duration, moment, rfc1123};
use crate::render::look::{controller, has, int, list, scalar, scalar_or, selector, selector_cell, text};
use serde_json::Value;

/// Longest list of indexes that is shown. Unit: indexes and runs of them.
const INDEXES_SHOWN_MAX: usize = 50;

pub(super) fn job(page: &mut Page, job: &Value) -> Events {
    page.name(job);
    page.field(0, "Selector", selector(job, "/spec/selector"));
    page.labels_and_annotations(job);
    if let Some(controller) = controller(job) {
        page.field(0, "Controlled By", controller);
    }
    page.field_if(0, "Parallelism", job, "/spec/parallelism");
    page.field(0, "Completions", scalar_or(job, "/spec/completions", "<unset>"));
    for (label, field) in [
        ("Completion Mode", "completionMode"),
        ("Suspend", "suspend"),
        ("Backoff Limit", "backoffLimit"),
        ("TTL Seconds After Finished", "ttlSecondsAfterFinished"),
    ] {
        page.field_if(0, label, job, &format!("/spec/{field}"));
    }
    times(page, job);
    if has(job, "/spec/activeDeadlineSeconds") {
        page.field(0, "Active Deadline Seconds", format_args!("{}s", int(job, "/spec/activeDeadlineSeconds")));
    }
    let [active, ready, succeeded, failed] = ["active", "ready", "succeeded", "failed"].map(|field| int(job, &format!("/status/{field}")));
    let ready = if has(job, "/status/ready") { format!(" ({ready} Ready)") } else { String::new() };
    page.field(0, "Pods Statuses", format_args!("{active} Active{ready} / {succeeded} Succeeded / {failed} Failed"));
    if text(job, "/spec/completionMode") == "Indexed" {
        page.field(0, "Completed Indexes", shown_indexes(text(job, "/status/completedIndexes")));
    }
    page.pod_template(job);
    Events::Shown
}

fn times(page: &mut Page, job: &Value) {
    for (label, field) in [("Start Time", "/status/startTime"), ("Completed At", "/status/completionTime")] {
        if has(job, field) {
            page.field(0, label, rfc1123(job, field));
        }
    }
    if let (Some(start), Some(end)) = (moment(job, "/status/startTime"), moment(job, "/status/completionTime")) {
        page.field(0, "Duration", human_duration(end - start));
    }
}

fn shown_indexes(indexes: &str) -> String {
    let mut parts = indexes.split(',');
    let shown: Vec<&str> = parts.by_ref().take(INDEXES_SHOWN_MAX).collect();
    match (indexes.is_empty(), parts.next().is_some()) {
        (true, _) => "<none>".to_string(),
        (false, true) => format!("{},...", shown.join(",")),
        (false, false) => shown.join(","),
    }
}

pub(super) fn cron_job(page: &mut Page, cron_job: &Value) -> Events {
    page.name(cron_job);
    page.labels_and_annotations(cron_job);
    page.field(0, "Schedule", text(cron_job, "/spec/schedule"));
    page.field_if(0, "Time Zone", cron_job, "/spec/timeZone");
    page.field(0, "Concurrency Policy", text(cron_job, "/spec/concurrencyPolicy"));
    let suspend = match cron_job.pointer("/spec/suspend").and_then(Value::as_bool) {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    page.field(0, "Suspend", suspend);
    page.field(0, "Successful Job History Limit", scalar_or(cron_job, "/spec/successfulJobsHistoryLimit", "<unset>"));
    page.field(0, "Failed Job History Limit", scalar_or(cron_job, "/spec/failedJobsHistoryLimit", "<unset>"));
    page.field(0, "Starting Deadline Seconds", seconds(cron_job, "/spec/startingDeadlineSeconds"));
    let template = cron_job.pointer("/spec/jobTemplate").unwrap_or(&Value::Null);
    let selector = if has(template, "/spec/selector") { selector(template, "/spec/selector") } else { "<unset>".to_string() };
    page.field(0, "Selector", selector);
    page.field(0, "Parallelism", scalar_or(template, "/spec/parallelism", "<unset>"));
    page.field(0, "Completions", scalar_or(template, "/spec/completions", "<unset>"));
    if has(template, "/spec/activeDeadlineSeconds") {
        page.field(0, "Active Deadline Seconds", seconds(template, "/spec/activeDeadlineSeconds"));
    }
    page.pod_template(template);
    match has(cron_job, "/status/lastScheduleTime") {
        true => page.field(0, "Last Schedule Time", rfc1123(cron_job, "/status/lastScheduleTime")),
        false => page.field(0, "Last Schedule Time", "<unset>"),
    }
    let active: Vec<&str> = list(cron_job, "/status/active").iter().map(|job| text(job, "/name")).collect();
    page.field(0, "Active Jobs", if active.is_empty() { "<none>".to_string() } else { active.join(", ") });
    Events::Shown
}

fn seconds(object: &Value, pointer: &str) -> String {
    if has(object, pointer) { format!("{}s", int(object, pointer)) } else { "<unset>".to_string() }
}

pub(super) fn disruption_budget(page: &mut Page, budget: &Value) -> Events {
    page.name(budget);
    for (label, field) in [("Min available", "/spec/minAvailable"), ("Max unavailable", "/spec/maxUnavailable")] {
        if has(budget, field) {
            page.field(0, label, scalar(budget, field));
            break;
        }
    }
    let selector = if has(budget, "/spec/selector") { selector_cell(budget, "/spec/selector") } else { "<unset>".to_string() };
    page.field(0, "Selector", selector);
    page.line(0, "Status:");
    for (label, field) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        page.field(2, label, int(budget, &format!("/status/{field}")));
    }
    Events::Shown
}

#[cfg(test)]
mod tests {
    use super::shown_indexes;

    #[test]
    fn long_lists_of_indexes_are_cut() {
        assert_eq!(shown_indexes(""), "<none>");
        assert_eq!(shown_indexes("0-2,5"), "0-2,5");
        let many = (0..60).map(|n| (2 * n).to_string()).collect::<Vec<_>>().join(",");
        assert!(shown_indexes(&many).ends_with(",98,..."));
    }
}
