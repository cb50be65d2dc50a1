//! Cases of mode "sequence": pods one after the other, each placed before the next.

use crate::cluster::Cluster;
use crate::same;
use crate::single::{before_preemption, best_names};
use serde_json::{Map, Value, json};
use wavetank_systems::scheduler::cycle::{examine, pick, scores};
use wavetank_systems::scheduler::plugins::scheduling_gates;
use wavetank_systems::scheduler::pods::Incoming;

/// Compares every step of one case.
pub(crate) fn judge(case: &Value) -> Result<(), String> {
    let mut cluster = Cluster::of(case);
    let mut waiting: Vec<(String, Incoming)> = Vec::new();
    let mut gated = Vec::new();
    for pod in case["pending"].as_array().unwrap() {
        let namespace = pod.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
        let name = format!("{namespace}/{}", pod["metadata"]["name"].as_str().unwrap());
        let incoming = cluster.incoming(pod);
        match scheduling_gates::refusal(&incoming.resident.class, &cluster.names) {
            Some(_) => gated.push(name),
            None => waiting.push((name, incoming)),
        }
    }
    // Equal priorities keep the order of entry: the sort is stable.
    waiting.sort_by_key(|(_, pod)| -i64::from(pod.resident.class.priority));
    let expected = &case["expected"];
    same("gated", expected.get("gated").unwrap_or(&json!([])), &json!(gated))?;
    let steps = expected["steps"].as_array().unwrap();
    same("number of steps", &json!(steps.len()), &json!(waiting.len()))?;
    for (recorded, (name, pod)) in steps.iter().zip(&waiting) {
        let ours = step(&mut cluster, name, pod, case["tie"] == "pick");
        let mut recorded = recorded.clone();
        if let Some(message) = recorded.get_mut("message") {
            *message = json!(before_preemption(message.as_str().unwrap()));
        }
        same(name, &recorded, &Value::Object(ours))?;
    }
    Ok(())
}

fn step(cluster: &mut Cluster, name: &str, pod: &Incoming, tie_by_pick: bool) -> Map<String, Value> {
    let mut out = Map::from_iter([("pod".to_string(), json!(name))]);
    let cycle = cluster.cycle(pod);
    let found = examine(&cycle, 0);
    if found.feasible.is_empty() {
        out.insert("message".into(), json!(found.failure.message(&cluster.names, "")));
        return out;
    }
    let totals = scores(&cycle, &found.feasible).totals;
    let best = best_names(cluster, &found.feasible, &totals);
    let named = |(&number, &total): (&u32, &i64)| (cluster.node_name(number).to_string(), json!(total));
    let picked = cluster.node_name(found.feasible[pick(&totals)]);
    let node = if tie_by_pick { picked } else { best[0] };
    out.insert("best".into(), json!(best));
    out.insert("totals".into(), Value::Object(found.feasible.iter().zip(&totals).map(named).collect()));
    out.insert("pick".into(), json!(picked));
    out.insert("node".into(), json!(node));
    let number = cluster.table.by_name(cluster.names.find(node).unwrap()).unwrap();
    cluster.table.account(number, &pod.resident, true);
    out
}
