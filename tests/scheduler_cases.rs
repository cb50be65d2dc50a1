//! The scheduler's filters, scores, pick and message against recorded decisions of kube-scheduler 1.36.2.
//!
//! Runs the cases of `tests/conformance/scheduler` whose answer depends on built plugins alone. The tables that they come from are
//! counted as not built by the conformance test until every plugin is there.

#![allow(clippy::unwrap_used, reason = "a test stops at the first row it cannot read")]

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use wavetank_engine::api::defaults::apply_defaults;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::node::{Effect, NodeTaint};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::resources::Resources;
use wavetank_engine::names::{Names, Sym};
use wavetank_systems::scheduler::cycle::{Decision, decide, scores};
use wavetank_systems::scheduler::facts::ClassFacts;
use wavetank_systems::scheduler::filter::{Refusal, refusal};
use wavetank_systems::scheduler::nodes::{NodeFacts, NodeTable};
use wavetank_systems::scheduler::tree::ClassTree;

/// Tables that are read. The recorder scored all nodes, so that clusters of 100 nodes and more, which we sample, are left out.
const TABLES: &[&str] = &["simple", "taints", "nodeaffinity", "resources", "strategies", "gates", "mixed"];
/// Features that need a plugin, a setting or a stage that is not built.
const NOT_BUILT: &[&str] = &[
    "interpod",
    "spread",
    "volumes",
    "images",
    "gates",
    "nominated",
    "self-nominated",
    "addedAffinity",
    "ignoredResources",
    "spread:default-list",
    "spread:default-system",
];

#[test]
fn decisions_of_built_plugins_are_the_recorded_ones() {
    let (mut ran, mut misses) = (BTreeMap::new(), Vec::new());
    for table in TABLES {
        for line in read(table).lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            if !built(&case) {
                continue;
            }
            *ran.entry(*table).or_insert(0) += 1;
            if let Err(why) = judge(&case) {
                misses.push(format!("{}: {why}", case["id"].as_str().unwrap()));
            }
        }
    }
    eprintln!("cases run: {ran:?}");
    assert!(misses.is_empty(), "{} cases differ:\n{}", misses.len(), misses.join("\n"));
    assert!(ran.values().sum::<i32>() > 600, "too few cases were run: {ran:?}");
}

fn read(table: &str) -> String {
    let path = format!("{}/tests/conformance/scheduler/{table}.jsonl.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn built(case: &Value) -> bool {
    let mut features = case["features"].as_array().unwrap().iter().filter_map(Value::as_str);
    !features.any(|feature| NOT_BUILT.contains(&feature))
        && case["mode"] == "single"
        // A pod that names its node never comes to the scheduler.
        && case["pending"][0]["spec"].get("nodeName").is_none()
        && case["expected"].get("preFilterNodes").is_none()
        && case["expected"].get("preFilter").is_none()
        && case["expected"].get("viaNominatedNode").is_none()
}

/// A case's cluster, as the scheduler holds it.
#[derive(Default)]
struct Cluster {
    names: Names,
    labels: LabelSets,
    classes: Classes,
    table: NodeTable,
}

impl Cluster {
    fn add_node(&mut self, number: usize, node: &Value) {
        let names = &mut self.names;
        let pairs = node.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
        let pairs: Vec<(Sym, Sym)> = pairs.map(|(key, value)| (names.sym(key), names.sym(value.as_str().unwrap()))).collect();
        let taints = node.pointer("/spec/taints").and_then(Value::as_array).into_iter().flatten();
        let taints: Arc<[NodeTaint]> = taints.map(|taint| read_taint(names, taint)).collect();
        let facts = NodeFacts {
            uid: Uid(number as u64),
            name: names.sym(node["metadata"]["name"].as_str().unwrap()),
            labels: self.labels.intern(names, pairs),
            taints,
            unschedulable: node.pointer("/spec/unschedulable") == Some(&json!(true)),
            allocatable: Arc::new(Resources::from_json(names, node.pointer("/status/allocatable"))),
            used: Resources::default(),
            scored_cpu_millicores: 0,
            scored_memory_bytes: 0,
            pods: 0,
            ports: Vec::new(),
            alive: true,
        };
        self.table.put(facts);
    }

    fn facts(&mut self, pod: &Value) -> ClassFacts {
        let mut pod = pod.clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        apply_defaults(&mut pod);
        let class = self.classes.class_of(&mut self.names, &pod["spec"]);
        let class = self.classes.get(class).clone();
        ClassFacts::of(&mut self.names, &class)
    }

    fn add_pod(&mut self, pod: &Value) {
        let ended = matches!(pod.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"));
        let Some(node) = pod.pointer("/spec/nodeName").and_then(Value::as_str).filter(|_| !ended) else { return };
        let facts = self.facts(pod);
        let node = self.names.sym(node);
        if let Some(number) = self.table.by_name(node) {
            self.table.account(number, &facts, true);
        }
    }
}

fn read_taint(names: &mut Names, taint: &Value) -> NodeTaint {
    let mut text = |field: &str| names.sym(taint.get(field).and_then(Value::as_str).unwrap_or(""));
    NodeTaint { key: text("key"), value: text("value"), effect: Effect::parse(taint["effect"].as_str().unwrap()).unwrap(), added_at: None }
}

fn judge(case: &Value) -> Result<(), String> {
    let mut cluster = Cluster { names: Names::new(), ..Cluster::default() };
    let list = |field: &str| case["objects"].get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    list("nodes").iter().enumerate().for_each(|(number, node)| cluster.add_node(number, node));
    list("pods").iter().for_each(|pod| cluster.add_pod(pod));
    let facts = cluster.facts(&case["pending"][0]);
    let expected = &case["expected"];
    let Cluster { names, labels, table, .. } = &mut cluster;
    let order = table.order(labels, names).to_vec();
    if let Some(recorded) = expected.get("nodeOrder") {
        let ours: Value = order.iter().map(|&number| names.text(table.get(number).name)).collect();
        same("nodeOrder", recorded, &ours)?;
    }
    let mut feasible = Vec::new();
    for &number in &order {
        let refusal = refusal(&facts, table.get(number), labels, names);
        let name = names.text(table.get(number).name);
        same(&format!("filter of {name}"), &expected["filter"][name], &shown(refusal.as_ref(), names))?;
        if refusal.is_none() {
            feasible.push(number);
        }
    }
    let decision = decide(&facts, table, labels, names, 0);
    by_tree(&decision, &facts, table, labels, names)?;
    if case.get("profile").is_none() {
        judge_scores(expected, &scores(&facts, table, labels, names, &feasible), &feasible, table, names)?;
    }
    judge_decision(case, &decision, table, names)
}

/// The class tree must say the same wherever the class is one for it.
fn by_tree(decision: &Decision, facts: &ClassFacts, table: &NodeTable, labels: &LabelSets, names: &Names) -> Result<(), String> {
    let Decision::Node { .. } = decision else { return Ok(()) };
    if !facts.preferred.is_empty() || table.any_soft_taint() {
        return Ok(());
    }
    let mut tree = ClassTree::default();
    tree.catch_up(facts, table, labels, names);
    let ours = tree.decide(table, 0);
    if ours.as_ref() == Some(decision) { Ok(()) } else { Err(format!("the tree says {ours:?}, the plain look {decision:?}")) }
}

fn judge_scores(expected: &Value, totals: &[i64], feasible: &[u32], table: &NodeTable, names: &Names) -> Result<(), String> {
    for (&number, &total) in feasible.iter().zip(totals) {
        let name = names.text(table.get(number).name);
        let recorded = expected["scores"][name].as_array().and_then(|scores| scores.last()).ok_or("no recorded score")?;
        same(&format!("total of {name}, recorded {}", expected["scores"][name]), recorded, &json!(total))?;
    }
    Ok(())
}

fn judge_decision(case: &Value, decision: &Decision, table: &NodeTable, names: &Names) -> Result<(), String> {
    let expected = &case["expected"];
    match decision {
        Decision::Node { node, .. } if case.get("profile").is_none() => match expected.get("pick") {
            Some(pick) => same("pick", pick, &json!(names.text(table.get(*node).name))),
            None => Ok(()),
        },
        Decision::Node { .. } => Ok(()),
        // Preemption is not built: only cases in which it found nothing, and was allowed to look.
        Decision::None { message, .. } if expected.pointer("/postFilter/candidates").is_none() => {
            same("message", &expected["message"], &json!(message))
        }
        Decision::None { .. } => Ok(()),
    }
}

fn shown(refusal: Option<&Refusal>, names: &Names) -> Value {
    let Some(refusal) = refusal else { return json!("ok") };
    let plugin = match refusal {
        Refusal::Unschedulable => "NodeUnschedulable",
        Refusal::Taint => "TaintToleration",
        Refusal::Affinity => "NodeAffinity",
        Refusal::Ports => "NodePorts",
        Refusal::Resources(..) => "NodeResourcesFit",
    };
    let code = if refusal.resolvable() { "Unschedulable" } else { "UnschedulableAndUnresolvable" };
    let mut reasons = refusal.reasons(names);
    reasons.sort();
    json!({"plugin": plugin, "code": code, "reasons": reasons})
}

fn same(what: &str, recorded: &Value, ours: &Value) -> Result<(), String> {
    if recorded == ours { Ok(()) } else { Err(format!("{what}: recorded {recorded}, ours {ours}")) }
}
