//! Cases of mode "single": one cycle, every verdict and score.

use super::cluster::Cluster;
use super::same;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use wavetank_systems::scheduler::cycle::{Decision, Examined, Scored, decide, examine, pick, scores};
use wavetank_systems::scheduler::failure::{Failure, event_text};
use wavetank_systems::scheduler::filter::Filters;
use wavetank_systems::scheduler::plugin::{Plugin, Refusal};
use wavetank_systems::scheduler::plugins::scheduling_gates;
use wavetank_systems::scheduler::pods::Incoming;
use wavetank_systems::scheduler::preemption::{Candidate, Outcome, preempt};
use wavetank_systems::scheduler::tree::ClassTree;

/// Compares every field of one case.
pub(crate) fn judge(case: &Value) -> Result<(), String> {
    let mut cluster = Cluster::of(case);
    let pod = cluster.incoming(&case["pending"][0]);
    let ours = Value::Object(answer(&cluster, &pod));
    let mut recorded = case["expected"].clone();
    recorded.as_object_mut().unwrap().shift_remove("chosen");
    same("expected", &recorded, &ours)?;
    by_tree(&cluster, &pod, case)
}

/// Our answer, in the format of the table.
fn answer(cluster: &Cluster, pod: &Incoming) -> Map<String, Value> {
    let mut out = Map::new();
    if let Some(refusal) = scheduling_gates::refusal(&pod.resident.class, &cluster.names) {
        out.insert("gated".into(), shown(&refusal, cluster));
        out.insert("feasible".into(), json!(0));
        return out;
    }
    let cycle = cluster.cycle(pod);
    if cluster.table.is_empty() {
        let message = Failure::new(0).message(&cluster.names, "");
        out.extend([("feasible".into(), json!(0)), ("error".into(), json!(message)), ("message".into(), json!(message))]);
        return out;
    }
    let order = cluster.table.ordered();
    out.insert("nodeOrder".into(), order.iter().map(|&number| cluster.node_name(number)).collect());
    let found = examine(&cycle, 0);
    match Filters::prepare(cycle) {
        Err(refusal) => {
            out.insert("preFilter".into(), shown(&refusal, cluster));
        }
        Ok(filters) => {
            verdicts(&mut out, cluster, &filters, &found);
        }
    }
    out.insert("feasible".into(), json!(found.feasible.len()));
    if found.nominated {
        out.insert("viaNominatedNode".into(), json!(true));
    }
    if found.feasible.is_empty() {
        let outcome = preempt(&cycle, &found.failure, cluster, &mut (), 0, 0);
        let message = found.failure.message(&cluster.names, outcome.message());
        out.insert("postFilter".into(), post_filter(cluster, &outcome));
        let mut plugins: Vec<&str> = found.failure.plugins().iter().map(Plugin::name).collect();
        plugins.sort_unstable();
        out.insert("unschedulablePlugins".into(), json!(plugins));
        if let Cow::Owned(cut) = event_text(&message) {
            out.insert("eventMessage".into(), json!(cut));
        }
        out.insert("message".into(), json!(message));
    } else {
        let scored = scores(&cycle, &found.feasible);
        scores_shown(&mut out, cluster, &found, &scored);
    }
    out
}

fn post_filter(cluster: &Cluster, outcome: &Outcome) -> Value {
    let (candidates, tied) = match outcome {
        Outcome::NotTried(message) if message == "not found" => return json!({"code": "Error", "message": "not found"}),
        Outcome::NotTried(_) | Outcome::NoRoom(_) => return json!({"code": "Unschedulable", "message": outcome.message()}),
        Outcome::Room { candidates, tied, .. } => (candidates, tied),
    };
    let victims = |candidate: &Candidate| candidate.victims.iter().map(|victim| cluster.pod_name(victim.pod)).collect::<Vec<_>>();
    let shown = |candidate: &Candidate| {
        let mut shown = json!({"node": cluster.node_name(candidate.node), "victims": victims(candidate)});
        if candidate.violations > 0 {
            shown["pdbViolations"] = json!(candidate.violations);
        }
        shown
    };
    let mut all: Vec<Value> = candidates.iter().map(shown).collect();
    all.sort_by_key(|candidate| candidate["node"].as_str().unwrap().to_string());
    let (node, tied, victims) = chosen(cluster, outcome).unwrap_or_else(|| panic!("{tied:?}"));
    json!({"code": "Success", "candidates": all, "tied": tied, "nominatedNode": node, "victims": victims})
}

/// The node where preemption makes room, those tied with it, and the victims' names; `None` when there is no room.
pub(crate) fn chosen<'c>(cluster: &'c Cluster, outcome: &Outcome) -> Option<(&'c str, Vec<&'c str>, Vec<&'c str>)> {
    let Outcome::Room { candidates, tied, chosen } = outcome else { return None };
    let mut names: Vec<&str> = tied.iter().map(|&at| cluster.node_name(candidates[at].node)).collect();
    names.sort_unstable();
    let victims = candidates[*chosen].victims.iter().map(|victim| cluster.pod_name(victim.pod)).collect();
    Some((cluster.node_name(candidates[*chosen].node), names, victims))
}

fn verdicts(out: &mut Map<String, Value>, cluster: &Cluster, filters: &Filters, found: &Examined) {
    let order = cluster.table.ordered();
    let allowed = |number: &u32| filters.only.as_ref().is_none_or(|(names, _)| names.contains(&cluster.table.get(*number).name));
    let looked: Vec<u32> = if found.nominated { found.feasible.clone() } else { order.iter().copied().filter(allowed).collect() };
    if let Some((only, _)) = &filters.only {
        let mut names: Vec<&str> = only.iter().map(|&name| cluster.names.text(name)).collect();
        names.sort_unstable();
        out.insert("preFilterNodes".into(), json!(names));
    }
    let verdict = |number: u32| filters.refusal(number).map_or(json!("ok"), |refusal| shown(&refusal, cluster));
    let map: Map<String, Value> = looked.iter().map(|&number| (cluster.node_name(number).to_string(), verdict(number))).collect();
    if !map.is_empty() {
        out.insert("filter".into(), Value::Object(map));
    }
}

fn scores_shown(out: &mut Map<String, Value>, cluster: &Cluster, found: &Examined, scored: &Scored) {
    let names: Vec<&str> = scored.columns.iter().map(|column| column.0.name()).collect();
    let weights: Vec<i64> = scored.columns.iter().map(|column| column.1).collect();
    let row = |at: usize| -> Value { scored.columns.iter().map(|column| column.2[at]).chain([scored.totals[at]]).collect() };
    let rows: Map<String, Value> =
        found.feasible.iter().enumerate().map(|(at, &number)| (cluster.node_name(number).to_string(), row(at))).collect();
    let best = scored.totals.iter().copied().max().unwrap();
    out.insert("scorePlugins".into(), json!(names));
    out.insert("weights".into(), json!(weights));
    out.insert("scores".into(), Value::Object(rows));
    out.insert("best".into(), json!(best_names(cluster, &found.feasible, &scored.totals)));
    out.insert("bestTotal".into(), json!(best));
    if !out.contains_key("preFilterNodes") {
        out.insert("pick".into(), json!(cluster.node_name(found.feasible[pick(&scored.totals)])));
    }
}

/// Names of the nodes with the highest total, sorted.
pub(crate) fn best_names<'c>(cluster: &'c Cluster, feasible: &[u32], totals: &[i64]) -> Vec<&'c str> {
    let best = totals.iter().copied().max();
    let mut names: Vec<&str> =
        feasible.iter().zip(totals).filter(|(_, total)| Some(**total) == best).map(|(&number, _)| cluster.node_name(number)).collect();
    names.sort_unstable();
    names
}

fn shown(refusal: &Refusal, cluster: &Cluster) -> Value {
    let mut reasons = refusal.texts(&cluster.names);
    reasons.sort();
    json!({"plugin": refusal.plugin.name(), "code": refusal.code(), "reasons": reasons})
}

/// The class tree must say the same wherever the pod is one for it.
fn by_tree(cluster: &Cluster, pod: &Incoming, case: &Value) -> Result<(), String> {
    let facts = &pod.resident.class;
    let plain = facts.preferred.is_empty() && facts.spread.is_empty() && facts.terms.is_none() && pod.default_selector.is_empty();
    let alone =
        plain && facts.volumes.is_none() && !cluster.groups.any_terms() && cluster.nominations.is_empty() && pod.nominated_node.is_empty();
    let alone = alone && pod.node_name.is_empty() && !cluster.table.any_soft_taint() && !cluster.table.any_image();
    if !alone || case.get("profile").is_some() || case["expected"].get("preFilterNodes").is_some() || !facts.gates.is_empty() {
        return Ok(());
    }
    let decision = decide(&cluster.cycle(pod), 0);
    let mut tree = ClassTree::default();
    tree.catch_up(facts, &cluster.profile, &cluster.table, &cluster.labels, &cluster.names);
    match (tree.decide(&cluster.table, 100, 0), &decision) {
        (None, Decision::None(_)) => Ok(()),
        (Some(ours), plain) if ours == *plain => Ok(()),
        (ours, plain) => Err(format!("the tree says {ours:?}, the plain look {plain:?}")),
    }
}
