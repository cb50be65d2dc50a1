//! CronJobs: moments of schedules, and one sync.

use crate::row::{Check, Functions};
use serde_json::{Value, json};
use wavetank_engine::ids::Uid;
use wavetank_engine::model::batch::Concurrency;
use wavetank_engine::model::cron::zone::Zone;
use wavetank_engine::time::unix_seconds;
use wavetank_systems::workloads::cron_job::plan::{Facts, JobFacts, Note, plan, read_schedule};

pub(crate) const FUNCTIONS: Functions = &[("schedule_next", Check::Answer(schedule_next)), ("syncCronJob", Check::Answer(sync))];

fn moment(value: &Value, name: &str) -> Result<i64, String> {
    value[name].as_str().and_then(unix_seconds).ok_or_else(|| format!("{name} is no time"))
}

fn schedule_next(input: &Value) -> Result<Value, String> {
    let text = input["schedule"].as_str().ok_or("no schedule")?;
    let schedule = match read_schedule(text, input["time_zone"].as_str(), &mut Vec::new()) {
        Ok(schedule) => schedule,
        Err((_, _, message)) => {
            let error = message.split_once(" : ").map_or(message.as_str(), |(_, error)| error);
            return Ok(json!({"parse_error": error}));
        }
    };
    let mut at = moment(input, "from")?;
    let mut next = Vec::new();
    while next.len() < 6 {
        let Some(found) = schedule.next(at) else {
            next.push(Value::Null);
            break;
        };
        next.push(json!(Zone::utc().rfc3339(found)));
        at = found;
    }
    Ok(json!({"parse_error": null, "next": next}))
}

fn sync(input: &Value) -> Result<Value, String> {
    let now = moment(input, "now")?;
    let rows = input["jobs"].as_array().ok_or("no jobs")?;
    let mut jobs = Vec::new();
    let mut active = Vec::new();
    for (at, job) in rows.iter().enumerate() {
        let (uid, name) = (Uid(at as u64 + 1), job["name"].as_str().ok_or("no name")?.to_owned());
        if job["in_status_active"].as_bool() == Some(true) {
            active.push((uid, name.clone()));
        }
        let finished = match job["state"].as_str() {
            Some("running") => None,
            Some("complete") => Some(true),
            Some("failed") => Some(false),
            other => return Err(format!("state {other:?}")),
        };
        jobs.push(JobFacts { uid, name, finished, start_s: None, completed_s: None });
    }
    let facts = Facts {
        name: "cj",
        schedule: input["schedule"].as_str().ok_or("no schedule")?,
        time_zone: input["time_zone"].as_str(),
        starting_deadline_s: input["starting_deadline_s"].as_i64(),
        concurrency: match input["concurrency_policy"].as_str() {
            Some("Allow") => Concurrency::Allow,
            Some("Forbid") => Concurrency::Forbid,
            Some("Replace") => Concurrency::Replace,
            other => return Err(format!("policy {other:?}")),
        },
        suspend: input["suspend"].as_bool() == Some(true),
        history: (None, None),
        deleting: false,
        created_s: moment(input, "created")?,
        last_schedule_s: if input["last_schedule"].is_null() { None } else { Some(moment(input, "last_schedule")?) },
        last_successful_s: None,
        active,
    };
    let plan = plan(&facts, &jobs, &|_| !jobs.is_empty(), now * 1_000_000_000);
    let mut events: Vec<String> = plan.notes.iter().map(note).collect();
    // The recorder's stand-in answered a look for any job with the last one listed, so that one is deleted for each replaced.
    let answered = jobs.last();
    let deleted = plan.replace.iter().filter_map(|_| answered);
    events.extend(deleted.map(|job| format!("Normal SuccessfulDelete Deleted job {}", job.name)));
    let left = plan.replace.iter().filter(|replaced| answered.is_none_or(|job| job.uid != replaced.0));
    let mut active: Vec<&str> = plan.active.iter().chain(left).map(|(_, name)| name.as_str()).collect();
    let mut last_schedule = facts.last_schedule_s;
    if let Some(start) = &plan.start {
        events.push(format!("Normal SuccessfulCreate Created job {}", start.name));
        active.push(&start.name);
        last_schedule = Some(start.scheduled_s);
    }
    let created = plan.start.iter().map(|start| json!({"name": start.name, "scheduled_annotation": start.annotation}));
    let mut answer = json!({
        "active_after": active, "created_jobs": created.collect::<Vec<_>>(), "deleted_job_count": plan.replace.len(), "error": null,
        "events": events,
        "requeue_after_ms": plan.again_in.map(|ns| ns / 1_000_000), "update_status": plan.write || plan.start.is_some(),
    });
    if let Some(at) = last_schedule {
        answer["last_schedule_after"] = json!(Zone::utc().rfc3339(at));
    }
    Ok(answer)
}

fn note((warning, reason, message): &Note) -> String {
    format!("{} {reason} {message}", if *warning { "Warning" } else { "Normal" })
}
