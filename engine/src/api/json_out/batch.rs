//! Jobs and CronJobs.

use super::{Cx, map_of, put};
use crate::api::objects::Row;
use crate::ids::Uid;
use crate::model::batch::{CronJob, CronJobStatus, Job, JobStatus};
use serde_json::{Map, Value, json};

impl Cx<'_> {
    pub(super) fn job(&self, job: &Job) -> Value {
        let mut spec = map_of(job.raw.value());
        put(&mut spec, "parallelism", job.parallelism);
        if let Some(completions) = job.completions {
            put(&mut spec, "completions", completions);
        }
        put(&mut spec, "suspend", job.suspend);
        Value::Object(spec)
    }

    pub(super) fn job_status(&self, status: &JobStatus) -> Value {
        let mut out = Map::new();
        self.conditions(&mut out, &status.conditions, Some("lastProbeTime"));
        for (field, at) in [("startTime", status.start_at), ("completionTime", status.completed_at)] {
            if let Some(at) = at {
                put(&mut out, field, self.time(at));
            }
        }
        for (field, count) in [("active", status.active), ("succeeded", status.succeeded), ("failed", status.failed)] {
            if count > 0 {
                put(&mut out, field, count);
            }
        }
        for (field, count) in [("terminating", status.terminating), ("ready", status.ready)] {
            if let Some(count) = count {
                put(&mut out, field, count);
            }
        }
        if !status.completed_indexes.is_empty() {
            put(&mut out, "completedIndexes", status.completed_indexes.as_str());
        }
        if let Some(indexes) = &status.failed_indexes {
            put(&mut out, "failedIndexes", indexes.as_str());
        }
        if status.tracked {
            let mut uncounted = Map::new();
            for (field, pods) in [("succeeded", &status.uncounted_succeeded), ("failed", &status.uncounted_failed)] {
                if !pods.is_empty() {
                    put(&mut uncounted, field, pods.iter().map(|&pod| self.uncounted(pod)).collect::<Vec<_>>());
                }
            }
            put(&mut out, "uncountedTerminatedPods", uncounted);
        }
        Value::Object(out)
    }

    /// A pod that is gone and forgotten has no text of its own any more; its number stands in for it.
    fn uncounted(&self, pod: Uid) -> Value {
        self.uid_of(pod).unwrap_or_else(|| pod.0.to_string()).into()
    }

    pub(super) fn cron_job(&self, cron_job: &CronJob) -> Value {
        let mut spec = map_of(cron_job.raw.value());
        put(&mut spec, "suspend", cron_job.suspend);
        Value::Object(spec)
    }

    pub(super) fn cron_job_status(&self, row: &Row, status: &CronJobStatus) -> Value {
        let mut out = Map::new();
        let active = status.active.iter().map(|&(uid, name)| {
            json!({
                "apiVersion": "batch/v1", "kind": "Job", "namespace": self.text(row.key.namespace), "name": self.names.render(name),
                "uid": self.uncounted(uid),
            })
        });
        let active: Vec<Value> = active.collect();
        if !active.is_empty() {
            put(&mut out, "active", active);
        }
        for (field, at) in [("lastScheduleTime", status.last_schedule_at), ("lastSuccessfulTime", status.last_successful_at)] {
            if let Some(at) = at {
                put(&mut out, field, self.time(at));
            }
        }
        Value::Object(out)
    }
}
