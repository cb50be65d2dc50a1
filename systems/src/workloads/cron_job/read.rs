//! Reads a CronJob and its Jobs into facts, and writes a Job from its template.

use super::plan::{Facts, JobFacts, Start};
use super::{Reads, Tables};
use serde_json::{Value, json};
use wavetank_engine::api::defaults::apply_defaults;
use wavetank_engine::api::json_in;
use wavetank_engine::api::request::NewObject;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::batch::CronJob;
use wavetank_engine::model::meta::{Meta, OwnerRef, condition_true};
use wavetank_engine::time::SimTime;

/// Unit: nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// A moment of the run in whole seconds since 1970.
pub(super) fn unix_s(epoch: i64, at: SimTime) -> i64 {
    epoch + (at.0 / SECOND as u64) as i64
}

/// A moment of the run in nanoseconds since 1970.
pub(super) fn unix_ns(epoch: i64, at: SimTime) -> i64 {
    epoch.saturating_mul(SECOND).saturating_add(i64::try_from(at.0).unwrap_or(i64::MAX))
}

/// A moment of the run; those before its beginning count as its beginning.
pub(super) fn sim_time(epoch: i64, unix_s: i64) -> SimTime {
    SimTime::from_secs(u64::try_from(unix_s - epoch).unwrap_or(0))
}

/// What a sync looks at in a CronJob; `name` is its name as text.
pub(super) fn facts<'a>(reads: &Reads, tables: &'a Tables, cron_job: ObjRef, name: &'a str) -> Option<Facts<'a>> {
    let (spec, status, meta) = (reads.cron_jobs.get(cron_job)?, reads.statuses.get(cron_job)?, reads.metas.get(cron_job)?);
    let epoch = tables.epoch.0;
    let given = spec.raw.at(&["timeZone"]).is_some_and(Value::is_string);
    Some(Facts {
        name,
        schedule: tables.names.text(spec.schedule),
        time_zone: given.then(|| tables.names.text(spec.time_zone)),
        starting_deadline_s: spec.starting_deadline_s.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
        concurrency: spec.concurrency,
        suspend: spec.suspend,
        history: (spec.successful_limit, spec.failed_limit),
        deleting: meta.terminating(),
        created_s: unix_s(epoch, meta.created_at),
        last_schedule_s: status.last_schedule_at.map(|at| unix_s(epoch, at)),
        last_successful_s: status.last_successful_at.map(|at| unix_s(epoch, at)),
        active: status.active.iter().map(|&(uid, name)| (uid, tables.names.render(name))).collect(),
    })
}

/// The Jobs that a CronJob controls, in order of creation.
pub(super) fn jobs(reads: &Reads, tables: &Tables, cron_job: ObjRef) -> Vec<JobFacts> {
    let epoch = tables.epoch.0;
    let mut found: Vec<ObjRef> = reads.listing.controlled(cron_job.uid).collect();
    found.sort();
    let facts = |job: &ObjRef| {
        let (meta, status) = (reads.metas.get(*job).filter(|meta| meta.kind == Kind::Job)?, reads.job_statuses.get(*job)?);
        let is = |kind| condition_true(&status.conditions, kind);
        let finished = if is(tables.texts.complete) { Some(true) } else { is(tables.texts.failed).then_some(false) };
        Some(JobFacts {
            uid: job.uid,
            name: tables.names.render(meta.name),
            finished,
            start_s: status.start_at.map(|at| unix_s(epoch, at)),
            completed_s: status.completed_at.map(|at| unix_s(epoch, at)),
        })
    };
    found.iter().filter_map(facts).collect()
}

/// The Job of a CronJob for one moment. Source: `pkg/controller/cronjob/utils.go`, `getJobFromTemplate2`.
pub(super) fn job_from_template(tables: &mut Tables, cron_job: &CronJob, meta: &Meta, uid: ObjRef, start: &Start) -> NewObject {
    let template = cron_job.job_template.value();
    let part = |field: &str| template.get("metadata").and_then(|metadata| metadata.get(field)).cloned().unwrap_or_else(|| json!({}));
    let mut annotations = part("annotations");
    annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] = start.annotation.as_str().into();
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": start.name, "namespace": tables.names.text(meta.namespace), "labels": part("labels"), "annotations": annotations,
        },
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
    });
    apply_defaults(&mut job);
    let mut new = json_in::Tables {
        names: &mut tables.names,
        labels: &mut tables.labels,
        selectors: &mut tables.selectors,
        classes: &mut tables.classes,
        kinds: &mut tables.kinds,
        epoch_unix_s: tables.epoch.0,
    }
    .object(&job);
    let owner = OwnerRef { uid: Some(uid.uid), kind: Kind::CronJob, name: meta.name, controller: true, block_owner_deletion: true };
    new.meta.owners.push(owner);
    new
}
