//! Rollouts, scaling, history and template hashes of Deployments.

use crate::row::{Check, Functions};
use serde_json::{Map, Value, json};
use wavetank_engine::model::workload::{DeploymentStatus, IntOrPercent, Strategy};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_systems::workloads::deployment::history::{OldSet, surplus};
use wavetank_systems::workloads::deployment::progress::{Progress, ProgressReason, complete, progressing, timed_out};
use wavetank_systems::workloads::deployment::rolling::{Fences, Resize, SetFacts, new_replicas, old_resizes, resolve};
use wavetank_systems::workloads::deployment::scale::{Scale, scale};
use wavetank_systems::workloads::deployment::template_hash::{replica_set_name, template_hash};

pub(crate) const FUNCTIONS: Functions = &[
    ("ResolveFenceposts", Check::Answer(fenceposts)),
    ("rolling_update_step", Check::Answer(rolling_step)),
    ("scale_proportional", Check::Answer(scale_step)),
    ("cleanupDeployment", Check::Answer(clean_up)),
    ("rollout_predicates", Check::Answer(predicates)),
    ("ComputeHash", Check::Answer(hash)),
];

/// The present moment of a row, far enough from the epoch for every age.
const NOW_S: u64 = 1_000_000_000;

fn integer(value: &Value, name: &str) -> Result<i32, String> {
    value[name].as_i64().map(|number| number as i32).ok_or_else(|| format!("{name} is no integer"))
}

fn int_or_percent(value: &Value) -> Result<IntOrPercent, String> {
    match value {
        Value::String(text) => {
            let percent = text.strip_suffix('%').and_then(|number| number.parse().ok());
            percent.map(IntOrPercent::Percent).ok_or_else(|| format!("no percentage: {text}"))
        }
        number => number.as_i64().map(|number| IntOrPercent::Int(number as i32)).ok_or_else(|| format!("no number: {number}")),
    }
}

fn limits(input: &Value, replicas: &str) -> Result<(Strategy, Fences), String> {
    let (max_surge, max_unavailable) = (int_or_percent(&input["max_surge"])?, int_or_percent(&input["max_unavailable"])?);
    let strategy = Strategy::RollingUpdate { max_surge, max_unavailable };
    let fences = Fences::of(&strategy, integer(input, replicas)?);
    Ok((strategy, fences))
}

fn fenceposts(input: &Value) -> Result<Value, String> {
    let (_, fences) = limits(input, "replicas")?;
    let (surge, unavailable) = resolve(int_or_percent(&input["max_surge"])?, int_or_percent(&input["max_unavailable"])?, fences.replicas);
    Ok(json!({
        "surge": surge, "unavailable": unavailable, "error": null,
        "MaxSurge_fn": fences.surge, "MaxUnavailable_fn": fences.unavailable, "MinAvailable_fn": fences.available_min(),
    }))
}

fn facts(set: &Value) -> Result<SetFacts, String> {
    let number = |field: &str| set[field].as_i64().map(|number| number as i32);
    Ok(SetFacts {
        replicas: integer(set, "replicas")?,
        available: integer(set, "available")?,
        desired: number("annotation_desired"),
        max: number("annotation_max"),
        created_at: SimTime::from_secs(integer(set, "created_s")? as u64),
        by_name: 0,
    })
}

/// Sets of a row: names and facts, the old ones in their order, the new one last. Names order sets of the same second.
fn sets(input: &Value) -> Result<(Vec<String>, Vec<SetFacts>), String> {
    let old = input["old_replica_sets"].as_array().ok_or("no old sets")?;
    let all: Vec<&Value> = old.iter().chain([&input["new_replica_set"]]).collect();
    let names: Vec<String> = all.iter().map(|set| set["name"].as_str().unwrap_or("").to_owned()).collect();
    let mut facts = all.into_iter().map(facts).collect::<Result<Vec<_>, _>>()?;
    let mut by_name: Vec<usize> = (0..facts.len()).collect();
    by_name.sort_by_key(|&set| &names[set]);
    for (place, set) in by_name.into_iter().enumerate() {
        facts[set].by_name = place as u32;
    }
    Ok((names, facts))
}

/// `replicas_after` and `updates_in_order`. `all`: sets whose size stays are written too.
fn resized(names: &[String], sets: &[SetFacts], resizes: &[Resize], written: impl Fn(&Resize, i32) -> bool) -> (Value, Value) {
    let mut now: Vec<i32> = sets.iter().map(|set| set.replicas).collect();
    let mut updates = Vec::new();
    for resize in resizes {
        if written(resize, now[resize.set]) {
            updates.push(format!("{}={}", names[resize.set], resize.to));
        }
        now[resize.set] = resize.to;
    }
    let after: Map<String, Value> = names.iter().cloned().zip(now.into_iter().map(Value::from)).collect();
    (Value::Object(after), json!(updates))
}

fn rolling_step(input: &Value) -> Result<Value, String> {
    let (_, fences) = limits(input, "deployment_replicas")?;
    let (names, sets) = sets(input)?;
    let (new, old) = sets.split_last().ok_or("no new set")?;
    let total: i32 = sets.iter().map(|set| set.replicas).sum();
    let wanted = new_replicas(&fences, new.replicas, total);
    let scaled_new = wanted != new.replicas;
    let resizes = if scaled_new { vec![Resize { set: old.len(), to: wanted }] } else { old_resizes(&fences, new, old) };
    let (after, updates) = resized(&names, &sets, &resizes, |_, _| true);
    Ok(json!({
        "error": null, "replicas_after": after, "updates_in_order": updates,
        "scaled_new": scaled_new, "scaled_old": !scaled_new && !resizes.is_empty(),
    }))
}

fn scale_step(input: &Value) -> Result<Value, String> {
    let (_, fences) = limits(input, "deployment_replicas")?;
    let (names, sets) = sets(input)?;
    let (resizes, annotated) = match scale(&fences, &sets, true, true, 0) {
        Scale::One(resize) => (vec![resize], false),
        Scale::OldToZero(resizes) => (resizes, false),
        Scale::Shares { resizes, .. } => (resizes, true),
        Scale::Nothing => (Vec::new(), false),
    };
    let stale = |set: &SetFacts| set.desired != Some(fences.replicas) || set.max != Some(fences.pods_max());
    let (after, updates) = resized(&names, &sets, &resizes, |resize, now| resize.to != now || annotated && stale(&sets[resize.set]));
    Ok(json!({"error": null, "replicas_after": after, "updates_in_order": updates}))
}

fn clean_up(input: &Value) -> Result<Value, String> {
    let sets = input["old_replica_sets"].as_array().ok_or("no old sets")?;
    let old = |set: &Value| {
        Ok::<_, String>(OldSet {
            revision: set["revision"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0),
            replicas: integer(set, "replicas")?,
            status_replicas: integer(set, "status_replicas")?,
            unobserved: integer(set, "generation")? > integer(set, "observed_generation")?,
            deleting: set["deleting"].as_bool().ok_or("no deleting")?,
        })
    };
    let old = sets.iter().map(old).collect::<Result<Vec<_>, _>>()?;
    let deleted: Vec<&Value> = surplus(&old, integer(input, "revision_history_limit")?).into_iter().map(|set| &sets[set]["name"]).collect();
    Ok(json!({"deleted_in_order": deleted}))
}

fn predicates(input: &Value) -> Result<Value, String> {
    let status = |status: &Value| {
        Ok::<_, String>(DeploymentStatus {
            replicas: integer(status, "replicas")?,
            updated: integer(status, "updated")?,
            ready: integer(status, "ready")?,
            available: integer(status, "available")?,
            observed_generation: integer(status, "observed_generation")? as u32,
            ..DeploymentStatus::default()
        })
    };
    let (old, new) = (status(&input["old_status"])?, status(&input["new_status"])?);
    let condition = &input["progressing_condition"];
    let progress = if condition.is_null() {
        None
    } else {
        let reason = match condition["reason"].as_str() {
            Some("NewReplicaSetAvailable") => ProgressReason::Complete,
            Some("ProgressDeadlineExceeded") => ProgressReason::TimedOut,
            _ => ProgressReason::Other,
        };
        Some(Progress { reason, updated_at: SimTime::from_secs(NOW_S - integer(condition, "last_update_age_s")? as u64) })
    };
    let deadline = input["progress_deadline_s"].as_i64().filter(|&s| s != i64::from(i32::MAX)).map(|s| SimDuration::from_secs(s as u64));
    Ok(json!({
        "complete": complete(integer(input, "replicas")?, integer(input, "generation")? as u32, &new),
        "progressing": progressing(&old, &new),
        "timed_out": timed_out(progress, deadline, SimTime::from_secs(NOW_S)),
    }))
}

fn hash(input: &Value) -> Result<Value, String> {
    let hash = template_hash(&input["template"], input["collision_count"].as_u64().map(|count| count as u32));
    Ok(json!({
        "replica_set_name_for_deployment_web": replica_set_name("web", &hash),
        "name_for_long": replica_set_name(&"x".repeat(250), &hash),
        "hash": hash,
    }))
}
