//! Deletion order, slow start and status of ReplicaSets.

use crate::row::{Check, Functions, Row};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use wavetank_engine::model::meta::{Condition, ConditionStatus};
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::model::workload::ReplicaSetStatus;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;
use wavetank_systems::workloads::replica_set::plan::SlowStart;
use wavetank_systems::workloads::replica_set::rank::{Candidate, before, deletion_cost, rank_by_node, victims};
use wavetank_systems::workloads::replica_set::status::{Counts, Failure, status};

pub(crate) const FUNCTIONS: Functions = &[
    ("getPodsToDelete", Check::Judge(pods_to_delete)),
    ("slowStartBatch", Check::Answer(slow_start)),
    ("calculateStatus", Check::Answer(calculated)),
];

/// The present moment of a row, far enough from the epoch for every age.
const NOW: SimTime = SimTime::from_secs(1_000_000_000);

fn pods_to_delete(row: &Row) -> Result<(), String> {
    let mut names = Names::new();
    let pods = row.input()["pods"].as_array().ok_or("no pods")?;
    let others = row.input()["other_pods_of_same_owner"].as_array().ok_or("no other pods")?;
    let mut candidates = pods.iter().map(|pod| candidate(&mut names, pod)).collect::<Result<Vec<_>, _>>()?;
    let others = others.iter().map(|pod| candidate(&mut names, pod)).collect::<Result<Vec<_>, _>>()?;
    let related = others.iter().chain(&candidates).map(|pod| pod.node).collect();
    rank_by_node(&mut candidates, related);
    let name = |at: usize| pods[at]["name"].as_str().unwrap_or("").to_owned();
    let order = victims(&candidates, integer(row.input(), "delete_count")? as usize, NOW);
    let ranks: serde_json::Map<_, _> = candidates.iter().enumerate().map(|(at, pod)| (name(at), json!(pod.related))).collect();
    let less: BTreeSet<String> = (0..pods.len())
        .flat_map(|a| (0..pods.len()).map(move |b| (a, b)))
        .filter(|&(a, b)| a != b && before(&candidates[a], &candidates[b], NOW))
        .map(|(a, b)| format!("{}<{}", name(a), name(b)))
        .collect();
    let expected = row.expected();
    let recorded: BTreeSet<&str> = expected["less_pairs"].as_array().ok_or("no less_pairs")?.iter().filter_map(Value::as_str).collect();
    let order: Vec<String> = order.into_iter().map(name).collect();
    let same = json!(order) == expected["deleted_in_order"]
        && Value::Object(ranks.clone()) == expected["colocated_ready_rank"]
        && recorded.iter().eq(less.iter().map(String::as_str).collect::<Vec<_>>().iter());
    if same { Ok(()) } else { Err(format!("{order:?} {ranks:?} {less:?}")) }
}

fn candidate(names: &mut Names, pod: &Value) -> Result<Candidate, String> {
    let text = |field: &str| pod[field].as_str().ok_or(format!("no {field}"));
    let ago = |field: &str| Ok::<_, String>(SimTime::from_secs(1_000_000_000 - integer(pod, field)? as u64));
    let restarts = |sidecar: bool| {
        let containers = pod["containers"].as_array().into_iter().flatten();
        let of_kind = containers.filter(|container| container["sidecar"].as_bool() == Some(sidecar));
        of_kind.filter_map(|container| container["restarts"].as_u64()).max().unwrap_or(0) as u32
    };
    let ready = pod["ready"].as_bool().ok_or("no ready")?;
    Ok(Candidate {
        node: names.sym(text("node")?),
        phase: match text("phase")? {
            "Pending" => PodPhase::Pending,
            "Unknown" => PodPhase::Unknown,
            "Running" => PodPhase::Running,
            other => return Err(format!("phase {other}")),
        },
        ready,
        deletion_cost: pod["deletion_cost_annotation"].as_str().map_or(0, deletion_cost),
        related: 0,
        ready_at: if ready { ago("ready_age_s")? } else { SimTime::ZERO },
        restarts: (restarts(false), restarts(true)),
        created_at: ago("created_age_s")?,
        uid: u128::from_str_radix(text("uid")?, 16).map_err(|error| error.to_string())?,
    })
}

fn integer(value: &Value, name: &str) -> Result<i64, String> {
    value[name].as_i64().ok_or_else(|| format!("{name} is no integer"))
}

fn slow_start(input: &Value) -> Result<Value, String> {
    let succeeding = integer(input, "calls_succeeding_before_failure")?;
    let (mut made, mut successes, mut failed) = (0, 0, false);
    let mut batch = Some(SlowStart::begin(integer(input, "count")? as u32, integer(input, "initial_batch")? as u32));
    while let Some(now) = batch {
        let good = if succeeding < 0 { i64::from(now.batch) } else { (succeeding - made).clamp(0, i64::from(now.batch)) };
        made += i64::from(now.batch);
        successes += good;
        failed = good < i64::from(now.batch);
        batch = now.next(failed);
    }
    Ok(json!({"calls_made": made, "error": failed.then_some("boom"), "successes": successes}))
}

fn calculated(input: &Value) -> Result<Value, String> {
    let mut names = Names::new();
    let min_ready = SimDuration::from_secs(integer(input, "min_ready_s")? as u64);
    let mut counts = Counts::default();
    for pod in input["active_pods"].as_array().ok_or("no active_pods")? {
        let ready = pod["ready"].as_bool() == Some(true);
        let ready_at = if ready { Some(SimTime::from_secs(1_000_000_000 - integer(pod, "ready_transition_age_s")? as u64)) } else { None };
        counts.add_active(pod["has_all_template_labels"].as_bool() == Some(true), ready_at, min_ready, NOW);
    }
    counts.terminating = integer(input, "terminating_pod_count")? as i32;
    let mut old = ReplicaSetStatus::default();
    if input["had_ReplicaFailure_condition"].as_bool() == Some(true) {
        old.conditions.push(Condition {
            kind: words::REPLICA_FAILURE,
            status: ConditionStatus::True,
            reason: names.sym("FailedCreate"),
            message: names.sym("old"),
            transition_at: SimTime::ZERO,
            update_at: SimTime::ZERO,
        });
    }
    let wanted = integer(input, "spec_replicas")? as i32;
    let failure = input["manage_error"].as_str().map(|message| Failure::new(&mut names, counts.active - wanted, message));
    let new = status(&old, &counts, failure, 1, NOW);
    let conditions: Vec<Value> = new.conditions.iter().map(|c| condition_json(&names, c)).collect();
    Ok(json!({
        "replicas": new.replicas, "fully_labeled": new.fully_labeled, "ready": new.ready, "available": new.available,
        "terminating": new.terminating, "conditions": conditions,
    }))
}

fn condition_json(names: &Names, condition: &Condition) -> Value {
    let text = |sym: Sym| names.text(sym);
    json!({
        "type": text(condition.kind), "status": condition.status.text(),
        "reason": text(condition.reason), "message": text(condition.message),
    })
}
