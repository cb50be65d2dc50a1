//! Jobs and cron jobs.
//!
//! Source: kubernetes v1.36, `pkg/printers/internalversion/printers.go`, `printJob`, `printCronJob`.

use super::workload::containers;
use super::{Printer, always, name, wide};
use crate::render::age::{age, human_duration, moment, since};
use crate::render::look::{condition_true, has, int, list, scalar, scalar_or, selector_cell};
use serde_json::Value;

pub(super) const JOB: Printer = Printer {
    columns: &[
        always("NAME"),
        always("STATUS"),
        always("COMPLETIONS"),
        always("DURATION"),
        always("AGE"),
        wide("CONTAINERS"),
        wide("IMAGES"),
        wide("SELECTOR"),
    ],
    row: |job, now| {
        let [names, images] = containers(job, "/spec/template/spec/containers");
        let selector = selector_cell(job, "/spec/selector");
        vec![name(job), status(job).to_string(), completions(job), duration(job, now), age(job, now), names, images, selector]
    },
};

fn status(job: &Value) -> &'static str {
    let deleted = has(job, "/metadata/deletionTimestamp");
    let order = [
        (condition_true(job, "Complete"), "Complete"),
        (condition_true(job, "Failed"), "Failed"),
        (deleted, "Terminating"),
        (condition_true(job, "Suspended"), "Suspended"),
        (condition_true(job, "FailureTarget"), "FailureTarget"),
        (condition_true(job, "SuccessCriteriaMet"), "SuccessCriteriaMet"),
    ];
    order.into_iter().find(|&(holds, _)| holds).map_or("Running", |(_, status)| status)
}

fn completions(job: &Value) -> String {
    let (done, parallelism) = (int(job, "/status/succeeded"), int(job, "/spec/parallelism"));
    if has(job, "/spec/completions") {
        format!("{done}/{}", int(job, "/spec/completions"))
    } else if parallelism > 1 {
        format!("{done}/1 of {parallelism}")
    } else {
        format!("{done}/1")
    }
}

/// From the start to the completion, or to now; empty before the start.
fn duration(job: &Value, now: i64) -> String {
    let end = moment(job, "/status/completionTime").unwrap_or(now);
    moment(job, "/status/startTime").map_or_else(String::new, |start| human_duration(end - start))
}

pub(super) const CRON_JOB: Printer = Printer {
    columns: &[
        always("NAME"),
        always("SCHEDULE"),
        always("TIMEZONE"),
        always("SUSPEND"),
        always("ACTIVE"),
        always("LAST SCHEDULE"),
        always("AGE"),
        wide("CONTAINERS"),
        wide("IMAGES"),
        wide("SELECTOR"),
    ],
    row: |job, now| {
        let [names, images] = containers(job, "/spec/jobTemplate/spec/template/spec/containers");
        let suspend = match job.pointer("/spec/suspend").and_then(Value::as_bool) {
            Some(true) => "True",
            Some(false) => "False",
            None => "<unset>",
        };
        let last = match has(job, "/status/lastScheduleTime") {
            true => since(job, "/status/lastScheduleTime", now),
            false => "<none>".to_string(),
        };
        vec![
            name(job),
            scalar(job, "/spec/schedule"),
            scalar_or(job, "/spec/timeZone", "<none>"),
            suspend.to_string(),
            list(job, "/status/active").len().to_string(),
            last,
            age(job, now),
            names,
            images,
            selector_cell(job, "/spec/jobTemplate/spec/selector"),
        ]
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn job_status_completions_duration() {
        let job = |spec: Value, status: Value, deleted: bool| {
            let metadata = if deleted { json!({"deletionTimestamp": "1970-01-01T00:00:00Z"}) } else { json!({}) };
            json!({"metadata": metadata, "spec": spec, "status": status})
        };
        let on = |kind: &str| json!([{"type": kind, "status": "True"}]);
        for (job, want) in [
            (job(json!({"completions": 3}), json!({"succeeded": 1, "startTime": "1970-01-01T00:00:10Z"}), false), "Running 1/3 90s"),
            (job(json!({"parallelism": 4}), json!({}), false), "Running 0/1 of 4 "),
            (job(json!({"parallelism": 1}), json!({}), true), "Terminating 0/1 "),
            (
                job(
                    json!({"completions": 1}),
                    json!({"succeeded": 1, "startTime": "1970-01-01T00:00:10Z", "completionTime": "1970-01-01T00:00:14Z", "conditions": on("Complete")}),
                    true,
                ),
                "Complete 1/1 4s",
            ),
            (job(json!({}), json!({"conditions": on("Suspended")}), false), "Suspended 0/1 "),
            (job(json!({}), json!({"conditions": on("FailureTarget")}), false), "FailureTarget 0/1 "),
            (job(json!({}), json!({"conditions": on("Failed")}), false), "Failed 0/1 "),
        ] {
            assert_eq!((JOB.row)(&job, 100)[1..4].join(" "), want);
        }
    }

    #[test]
    fn cron_job_row() {
        let job = json!({
            "metadata": {"name": "n", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "spec": {"schedule": "*/5 * * * *", "suspend": false},
            "status": {"active": [{}], "lastScheduleTime": "1970-01-01T00:05:00Z"},
        });
        assert_eq!((CRON_JOB.row)(&job, 330)[..7], ["n", "*/5 * * * *", "<none>", "False", "1", "30s", "5m30s"]);
    }
}
