//! What a CronJob does in a sync. Moments are nanoseconds since 1970, UTC, and whole seconds where they are of the schedule.
//!
//! Source: kubernetes v1.36, `pkg/controller/cronjob/cronjob_controllerv2.go`, `syncCronJob`, `cleanupFinishedJobs`; `utils.go`,
//! `mostRecentScheduleTime`; `spec/workloads.md` §8.

use serde::{Deserialize, Serialize};
use wavetank_engine::ids::Uid;
use wavetank_engine::model::batch::Concurrency;
use wavetank_engine::model::cron::parse::parse;
use wavetank_engine::model::cron::schedule::Schedule;
use wavetank_engine::model::cron::zone::{Zone, load_zone, rfc1123};

/// Unit: nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;
/// How long after the scheduled moment the controller looks again. Unit: nanoseconds.
const WAKE_DELAY: i64 = 100_000_000;
/// More missed runs than this are warned about.
const MISSED_RUNS_MAX: i64 = 100;

/// What a sync looks at in a CronJob.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Its name.
    pub name: &'a str,
    /// `schedule`.
    pub schedule: &'a str,
    /// `timeZone`.
    pub time_zone: Option<&'a str>,
    /// `startingDeadlineSeconds`.
    pub starting_deadline_s: Option<i64>,
    /// `concurrencyPolicy`.
    pub concurrency: Concurrency,
    /// `suspend`.
    pub suspend: bool,
    /// Limits of finished jobs that stay: complete and failed ones.
    pub history: (Option<i32>, Option<i32>),
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// `creationTimestamp`. Unit: seconds.
    pub created_s: i64,
    /// `lastScheduleTime`. Unit: seconds.
    pub last_schedule_s: Option<i64>,
    /// `lastSuccessfulTime`. Unit: seconds.
    pub last_successful_s: Option<i64>,
    /// `active`: jobs by identity and name.
    pub active: Vec<(Uid, String)>,
}

/// A job of the CronJob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFacts {
    /// Identity.
    pub uid: Uid,
    /// Name.
    pub name: String,
    /// How it ended: true for Complete.
    pub finished: Option<bool>,
    /// `startTime`. Unit: seconds.
    pub start_s: Option<i64>,
    /// `completionTime`. Unit: seconds.
    pub completed_s: Option<i64>,
}

/// An event: whether it is a warning, its reason, its message.
pub type Note = (bool, &'static str, String);

/// What a sync does, in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Finished jobs beyond the history limits, oldest first: deleted.
    pub cleanup: Vec<(Uid, String)>,
    /// What is told before anything is started.
    pub notes: Vec<Note>,
    /// Active jobs after the sync, without the one that is started.
    pub active: Vec<(Uid, String)>,
    /// `lastSuccessfulTime` after the sync.
    pub last_successful_s: Option<i64>,
    /// Whether the status has to be written, whatever is started.
    pub write: bool,
    /// Active jobs that the new one replaces: deleted.
    pub replace: Vec<(Uid, String)>,
    /// The job to be started.
    pub start: Option<Start>,
    /// When to look again, from now. Unit: nanoseconds.
    pub again_in: Option<i64>,
}

/// A job to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// The moment that it is for. Unit: seconds.
    pub scheduled_s: i64,
    /// The same as text in the CronJob's zone, for its annotation.
    pub annotation: String,
}

/// Decides on a CronJob. `exists`: whether a job that is active and not among `jobs` is there nevertheless.
pub fn plan(facts: &Facts, jobs: &[JobFacts], exists: &dyn Fn(Uid) -> bool, now: i64) -> Plan {
    let mut plan = Plan { active: facts.active.clone(), last_successful_s: facts.last_successful_s, ..Plan::default() };
    clean_up(facts, jobs, &mut plan);
    look_at_jobs(jobs, exists, &mut plan);
    if !facts.deleting {
        look_at_schedule(facts, &mut plan, now);
    }
    plan
}

fn clean_up(facts: &Facts, jobs: &[JobFacts], plan: &mut Plan) {
    for (limit, complete) in [(facts.history.0, true), (facts.history.1, false)] {
        let Some(limit) = limit else { continue };
        let mut ended: Vec<&JobFacts> = jobs.iter().filter(|job| job.finished == Some(complete)).collect();
        ended.sort_by(|a, b| (a.start_s.is_none(), a.start_s, &a.name).cmp(&(b.start_s.is_none(), b.start_s, &b.name)));
        let surplus = ended.len().saturating_sub(limit.max(0) as usize);
        plan.cleanup.extend(ended[..surplus].iter().map(|job| (job.uid, job.name.clone())));
    }
    for (uid, name) in plan.cleanup.clone() {
        plan.active.retain(|active| active.0 != uid);
        plan.notes.push((false, "SuccessfulDelete", format!("Deleted job {name}")));
        plan.write = true;
    }
}

fn look_at_jobs(jobs: &[JobFacts], exists: &dyn Fn(Uid) -> bool, plan: &mut Plan) {
    for job in jobs {
        let active = plan.active.iter().position(|active| active.0 == job.uid);
        match (active, job.finished) {
            (None, None) => {
                let what = format!("Saw a job that the controller did not create or forgot: {}", job.name);
                plan.notes.push((true, "UnexpectedJob", what));
            }
            (Some(at), Some(complete)) => {
                plan.active.remove(at);
                let condition = if complete { "Complete" } else { "Failed" };
                plan.notes.push((false, "SawCompletedJob", format!("Saw completed job: {}, condition: {condition}", job.name)));
                plan.write = true;
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        // The first success is written even when the job does not say when it was.
        if job.finished == Some(true) && (plan.last_successful_s.is_none() || job.completed_s > plan.last_successful_s) {
            plan.last_successful_s = job.completed_s;
            plan.write = true;
        }
    }
    let listed = |uid: Uid| jobs.iter().any(|job| job.uid == uid);
    let (here, missing) = std::mem::take(&mut plan.active).into_iter().partition(|active| listed(active.0) || exists(active.0));
    plan.active = here;
    let missing: Vec<(Uid, String)> = missing;
    for (_, name) in missing {
        plan.notes.push((false, "MissingJob", format!("Active job went missing: {name}")));
        plan.write = true;
    }
}

/// The schedule of a CronJob in its zone, with the warning about a zone in the text.
///
/// # Errors
/// The event that says why there is none.
pub fn read_schedule(schedule: &str, time_zone: Option<&str>, notes: &mut Vec<Note>) -> Result<Schedule, Note> {
    let zone = time_zone.map(load_zone).transpose();
    let zone = zone.map_err(|error| (true, "UnknownTimeZone", format!("invalid timeZone: {:?}: {error}", time_zone.unwrap_or(""))))?;
    let unreadable = |error| (true, "UnparseableSchedule", format!("unparseable schedule: {schedule:?} : {error}"));
    if schedule.contains("TZ") {
        let page = "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/";
        let what = format!("CRON_TZ or TZ used in schedule {schedule:?} is not officially supported, see {page} for more details");
        notes.push((true, "UnsupportedSchedule", what));
        return parse(schedule).map_err(unreadable);
    }
    let read = parse(schedule).map_err(unreadable)?;
    Ok(match zone {
        Some(zone) => read.in_zone(zone),
        None => read,
    })
}

fn look_at_schedule(facts: &Facts, plan: &mut Plan, now: i64) {
    if facts.suspend && facts.time_zone.is_none_or(|zone| load_zone(zone).is_ok()) {
        return;
    }
    let schedule = match read_schedule(facts.schedule, facts.time_zone, &mut plan.notes) {
        Ok(schedule) => schedule,
        Err(note) => return plan.notes.push(note),
    };
    let due = match most_recent(facts, &schedule, now, true) {
        Ok(due) => due,
        Err(error) => return plan.notes.push((true, "InvalidSchedule", format!("invalid schedule: {} : {error}", facts.schedule))),
    };
    plan.again_in = Some(again_in(facts, &schedule, now));
    let Some(scheduled_s) = due.most_recent else { return };
    if due.missed > MISSED_RUNS_MAX {
        let what = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
        plan.notes.push((true, "TooManyMissedTimes", what.into()));
    }
    if facts.starting_deadline_s.is_some_and(|deadline| scheduled_s.saturating_add(deadline).saturating_mul(SECOND) < now) {
        let what = format!("Missed scheduled time to start a job: {}", rfc1123(scheduled_s));
        return plan.notes.push((true, "MissSchedule", what));
    }
    let name = format!("{}-{}", facts.name, scheduled_s.div_euclid(60));
    if plan.active.iter().any(|active| active.1 == name) || facts.last_schedule_s == Some(scheduled_s) {
        return;
    }
    match facts.concurrency {
        Concurrency::Forbid if !plan.active.is_empty() => {
            let what = "Not starting job because prior execution is running and concurrency policy is Forbid";
            return plan.notes.push((false, "JobAlreadyActive", what.into()));
        }
        Concurrency::Replace => plan.replace = std::mem::take(&mut plan.active),
        Concurrency::Forbid | Concurrency::Allow => {}
    }
    let zone = facts.time_zone.and_then(|zone| load_zone(zone).ok()).unwrap_or_else(Zone::utc);
    plan.start = Some(Start { name, scheduled_s, annotation: zone.rfc3339(scheduled_s) });
    let started = Facts { last_schedule_s: Some(scheduled_s), ..facts.clone() };
    plan.again_in = Some(again_in(&started, &schedule, now));
}

/// The latest moment that is due.
struct Due {
    earliest: i64,
    most_recent: Option<i64>,
    missed: i64,
}

/// Source: `mostRecentScheduleTime`.
fn most_recent(facts: &Facts, schedule: &Schedule, now: i64, with_deadline: bool) -> Result<Due, &'static str> {
    let now_s = now.div_euclid(SECOND);
    let mut earliest = facts.last_schedule_s.unwrap_or(facts.created_s);
    if with_deadline && let Some(deadline) = facts.starting_deadline_s {
        earliest = earliest.max(now_s.saturating_sub(deadline));
    }
    let invalid = "time difference between two schedules is less than 1 second";
    let first = schedule.next(earliest).ok_or(invalid)?;
    if now_s < first {
        return Ok(Due { earliest, most_recent: None, missed: 0 });
    }
    let second = schedule.next(first).ok_or(invalid)?;
    if now_s < second {
        return Ok(Due { earliest, most_recent: Some(first), missed: 0 });
    }
    let between = second - first;
    let missed = (now_s - first) / between + 1;
    let mut most_recent = None;
    let mut at = schedule.next(first + (missed - 2) * between);
    while let Some(due) = at.filter(|&due| due <= now_s) {
        most_recent = Some(due);
        at = schedule.next(due);
    }
    Ok(Due { earliest, most_recent, missed })
}

/// How long until the next moment of the schedule and a little more. Source: `nextScheduleTimeDuration`.
pub fn again_in(facts: &Facts, schedule: &Schedule, now: i64) -> i64 {
    let from = match most_recent(facts, schedule, now, false) {
        Ok(Due { most_recent: Some(at), .. }) => at,
        Ok(Due { earliest, missed: 0, .. }) => earliest,
        Ok(_) | Err(_) => now.div_euclid(SECOND),
    };
    schedule.next(from).map_or(i64::MAX, |next| next.saturating_mul(SECOND).saturating_add(WAKE_DELAY).saturating_sub(now))
}
