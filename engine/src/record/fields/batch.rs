//! Jobs and CronJobs.

use super::{Cx, Fields, conditions, count};
use crate::ids::Uid;
use crate::model::batch::{CronJob, CronJobStatus, Job, JobStatus};
use crate::time::SimTime;

fn clock(at: Option<SimTime>) -> String {
    at.map_or(String::new(), SimTime::clock)
}

fn flag(set: bool) -> String {
    if set { "true".into() } else { String::new() }
}

fn pods(list: &[Uid]) -> String {
    if list.is_empty() { String::new() } else { list.len().to_string() }
}

pub(super) fn job(cx: &Cx, job: &Job) -> Fields {
    vec![
        ("spec.parallelism".into(), job.parallelism.to_string()),
        ("spec.completions".into(), job.completions.map_or(String::new(), |completions| completions.to_string())),
        ("spec.suspend".into(), flag(job.suspend)),
        ("spec.template.image".into(), cx.images(job.template)),
    ]
}

pub(super) fn job_status(cx: &Cx, status: &JobStatus) -> Fields {
    let mut fields = vec![
        count("status.active", status.active),
        count("status.ready", status.ready.unwrap_or(0)),
        count("status.terminating", status.terminating.unwrap_or(0)),
        count("status.succeeded", status.succeeded),
        count("status.failed", status.failed),
    ];
    fields.retain(|(_, value)| value != "0");
    fields.extend([
        ("status.startTime".into(), clock(status.start_at)),
        ("status.completionTime".into(), clock(status.completed_at)),
        ("status.completedIndexes".into(), status.completed_indexes.clone()),
        ("status.failedIndexes".into(), status.failed_indexes.clone().unwrap_or_default()),
        ("status.uncounted.succeeded".into(), pods(&status.uncounted_succeeded)),
        ("status.uncounted.failed".into(), pods(&status.uncounted_failed)),
    ]);
    conditions(cx, &status.conditions, &mut fields);
    fields
}

pub(super) fn cron_job(cx: &Cx, cron_job: &CronJob) -> Fields {
    vec![
        ("spec.schedule".into(), cx.text(cron_job.schedule)),
        ("spec.timeZone".into(), cx.text(cron_job.time_zone)),
        ("spec.suspend".into(), flag(cron_job.suspend)),
    ]
}

pub(super) fn cron_job_status(cx: &Cx, status: &CronJobStatus) -> Fields {
    let active = status.active.iter().map(|&(_, name)| cx.names.render(name)).collect::<Vec<_>>().join(",");
    vec![
        ("status.active".into(), active),
        ("status.lastScheduleTime".into(), clock(status.last_schedule_at)),
        ("status.lastSuccessfulTime".into(), clock(status.last_successful_at)),
    ]
}
