//! Cases of mode "sequence": pods one after the other, each placed before the next.

use super::cluster::{Cluster, moment, object};
use super::same;
use super::single::{best_names, chosen};
use serde_json::{Map, Value, json};
use wavetank_engine::ids::Uid;
use wavetank_engine::time::SimTime;
use wavetank_systems::scheduler::cycle::{examine, pick, scores};
use wavetank_systems::scheduler::plugins::scheduling_gates;
use wavetank_systems::scheduler::plugins::volume_binding;
use wavetank_systems::scheduler::pods::{Incoming, Nominated};
use wavetank_systems::scheduler::preemption::{Outcome, preempt};

/// How often a pod is tried at most.
const ATTEMPTS_MAX: u32 = 3;

/// A pod that waits.
struct Waits {
    name: String,
    pod: Incoming,
    attempt: u32,
    entered: usize,
}

/// Compares every step of one case.
pub(crate) fn judge(case: &Value) -> Result<(), String> {
    let mut cluster = Cluster::of(case);
    let mut waiting: Vec<Waits> = Vec::new();
    let mut gated = Vec::new();
    for (entered, pod) in case["pending"].as_array().unwrap().iter().enumerate() {
        let incoming = cluster.incoming(pod);
        let name = cluster.pod_name(object(incoming.uid)).to_string();
        match scheduling_gates::refusal(&incoming.resident.class, &cluster.names) {
            Some(_) => gated.push(name),
            None => waiting.push(Waits { name, pod: incoming, attempt: 1, entered }),
        }
    }
    let expected = &case["expected"];
    same("gated", expected.get("gated").unwrap_or(&json!([])), &json!(gated))?;
    let steps = expected["steps"].as_array().unwrap();
    let mut later: Vec<Waits> = Vec::new();
    for (number, recorded) in steps.iter().enumerate() {
        if waiting.is_empty() {
            waiting.append(&mut later);
        }
        let first = (0..waiting.len()).min_by_key(|&at| (-i64::from(waiting[at].pod.resident.class.priority), waiting[at].entered));
        let Some(first) = first else { return Err(format!("step {number}: recorded {recorded}, but nobody waits")) };
        let mut next = waiting.remove(first);
        next.entered = 1_000_000 + number;
        let (ours, again) = step(&mut cluster, &mut next, case["tie"] == "pick", number);
        same(&format!("step {number}, {}", next.name), recorded, &Value::Object(ours))?;
        if again && next.attempt < ATTEMPTS_MAX {
            next.attempt += 1;
            if case["retry"] == "end" { later.push(next) } else { waiting.push(next) }
        }
    }
    same("pods left", &json!(0), &json!(waiting.len() + later.len()))
}

/// Tries a pod; whether it will be tried again.
fn step(cluster: &mut Cluster, next: &mut Waits, tie_by_pick: bool, number: usize) -> (Map<String, Value>, bool) {
    let mut out = Map::from_iter([("pod".to_string(), json!(next.name))]);
    if next.attempt > 1 {
        out.insert("attempt".into(), json!(next.attempt));
    }
    let uid = next.pod.uid;
    next.pod.nominated_node = cluster.nominated_to(uid);
    let pod = &next.pod;
    let cycle = cluster.cycle(pod);
    let found = examine(&cycle, 0);
    if found.feasible.is_empty() {
        let outcome = preempt(&cycle, &found.failure, cluster, &mut (), 0, 0);
        out.insert("message".into(), json!(found.failure.message(&cluster.names, outcome.message())));
        match &outcome {
            Outcome::NotTried(_) => {}
            Outcome::NoRoom(_) => {
                cluster.nominations.drop(uid);
            }
            Outcome::Room { candidates, chosen: at, .. } => {
                let (node, tied, victims) = chosen(cluster, &outcome).unwrap();
                out.insert("nominatedNode".into(), json!(node));
                out.insert("tied".into(), json!(tied));
                out.insert("victims".into(), json!(victims));
                let (number, priority) = (candidates[*at].node, pod.resident.class.priority);
                candidates[*at].victims.iter().for_each(|victim| cluster.displace(number, victim));
                let node = cluster.table.get(number).name;
                let lower: Vec<Uid> = cluster.nominations.on(node).iter().filter(|n| n.priority < priority).map(|n| n.pod.uid).collect();
                lower.into_iter().for_each(|uid| {
                    cluster.nominations.drop(uid);
                });
                cluster.nominations.put(node, Nominated { pod: object(uid), priority, resident: pod.resident.clone() });
                return (out, true);
            }
        }
        return (out, false);
    }
    let totals = scores(&cycle, &found.feasible).totals;
    let best = best_names(cluster, &found.feasible, &totals);
    let named = |(&number, &total): (&u32, &i64)| (cluster.node_name(number).to_string(), json!(total));
    let picked = cluster.node_name(found.feasible[pick(&totals)]);
    let node = if tie_by_pick { picked } else { best[0] };
    if found.nominated {
        out.insert("viaNominatedNode".into(), json!(true));
    }
    out.insert("best".into(), json!(best));
    out.insert("totals".into(), Value::Object(found.feasible.iter().zip(&totals).map(named).collect()));
    out.insert("pick".into(), json!(picked));
    out.insert("node".into(), json!(node));
    let on = cluster.table.by_name(cluster.names.find(node).unwrap()).unwrap();
    let (chosen, name) = (volume_binding::chosen(&cluster.cycle(pod), cluster.table.get(on)), cluster.table.get(on).name);
    cluster.storage.assume(&chosen, name, true);
    // Later than all that started before the case.
    let started_at = SimTime(moment("2026-01-01T00:00:00Z").0 + number as u64);
    cluster.nominations.drop(uid);
    cluster.place(on, &next.pod, started_at, false);
    (out, false)
}
