//! The recording's outside parties as inputs: what kubelets did to each pod, when, and on which node.
//!
//! Pods are paired by order of appearance within their label: the third pod that our controllers make from a template
//! gets the node and the reports of the third one recorded. Which of several interchangeable pods is deleted is open,
//! so ends are paired by order of deletion: the first pod deleted gets the end of the first one recorded as deleted.
//!
//! A moment is taken as recorded when its cause lies before it in our run; when the cause came later here than the
//! moment was there, the recorded distance from the cause is kept instead.

use crate::labels::Labels;
use crate::recording::{Entry, Verb};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Facts of a pod that its kubelet reports.
const REPORTED: &[&str] = &["phase", "ready", "podIP", "restartCount", "exitCode"];

/// Conditions of a pod that others than its kubelet write.
const NOT_REPORTED: &[&str] = &["PodScheduled", "DisruptionTarget"];

/// One status report of a kubelet. Moments are in microseconds of the timeline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) at: i64,
    /// The facts of [`REPORTED`], and the kubelet's conditions as `Status/Reason: message`.
    pub(crate) facts: Map<String, Value>,
    pub(crate) conditions: Map<String, Value>,
}

/// What happened to one pod from outside, until its deletion was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Life {
    pub(crate) id: String,
    pub(crate) created: i64,
    /// The binding: when, and to which node.
    pub(crate) bound: Option<(i64, String)>,
    pub(crate) reports: Vec<Report>,
}

/// What happened to one pod after its deletion was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    pub(crate) deleting: i64,
    pub(crate) reports: Vec<Report>,
    /// When the kubelet let go of it.
    pub(crate) gone: Option<i64>,
}

/// The inputs of the pods that share a label.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Group {
    /// By order of appearance.
    pub(crate) lives: Vec<Life>,
    /// By order of deletion.
    pub(crate) ends: Vec<End>,
}

/// The inputs of all pods, by label.
pub(crate) type Inputs = BTreeMap<String, Group>;

/// Takes the inputs from a recorded timeline. `labels` are that timeline's.
pub(crate) fn inputs(timeline: &[Entry], labels: &Labels) -> Inputs {
    let mut pods: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    let mut order = Vec::new();
    for entry in timeline.iter().filter(|entry| entry.kind == "Pod") {
        let Some(id) = entry.id.as_deref() else { continue };
        if !pods.contains_key(id) {
            order.push(id);
        }
        pods.entry(id).or_default().push(entry);
    }
    let mut inputs = Inputs::new();
    for id in order {
        let (life, end) = split(id, &pods[id]);
        let group = inputs.entry(labels.object(id)).or_default();
        group.lives.push(life);
        group.ends.extend(end);
    }
    for group in inputs.values_mut() {
        group.ends.sort_by_key(|end| end.deleting);
    }
    inputs
}

/// One pod's life and, when it was deleted, its end.
fn split(id: &str, entries: &[&Entry]) -> (Life, Option<End>) {
    let created = entries.first().map_or(0, |entry| entry.at());
    let mut life = Life { id: id.to_owned(), created, bound: None, reports: Vec::new() };
    let mut end: Option<End> = None;
    let mut last =
        entries.first().map(|entry| report(entry)).unwrap_or_else(|| Report { at: 0, facts: Map::new(), conditions: Map::new() });
    for entry in entries {
        let node = entry.text("node");
        if life.bound.is_none() && !node.is_empty() {
            life.bound = Some((entry.at(), node.to_owned()));
        }
        if end.is_none() && (entry.is("deleting") || entry.verb == Verb::Deleted) {
            end = Some(End { deleting: entry.at(), reports: Vec::new(), gone: None });
        }
        let now = report(entry);
        if now.facts != last.facts || now.conditions != last.conditions {
            last = now.clone();
            if !marked_by_node_controller(&now) {
                end.as_mut().map_or(&mut life.reports, |end| &mut end.reports).push(now);
            }
        }
        if let Some(end) = end.as_mut() {
            let is_released = entry.verb == Verb::Deleted || entry.facts.get("deletionGracePeriodSeconds").is_some_and(|grace| grace == 0);
            end.gone = end.gone.or(is_released.then(|| entry.at()));
        }
    }
    (life, end)
}

/// Whether a status says what no kubelet of the recordings says: not ready, though its containers are. The node controller writes that of
/// the pods of a silent node, so it is ours to produce. Source: `spec/nodes.md` §4.
fn marked_by_node_controller(report: &Report) -> bool {
    let says = |kind: &str, word: &str| report.conditions.get(kind).and_then(Value::as_str).is_some_and(|text| text == word);
    says("Ready", "False") && says("ContainersReady", "True")
}

fn report(entry: &Entry) -> Report {
    let mut facts = Map::new();
    for name in REPORTED {
        facts.extend(entry.facts.get(*name).map(|value| ((*name).to_owned(), value.clone())));
    }
    let all = entry.facts.get("conditions").and_then(Value::as_object).cloned().unwrap_or_default();
    let conditions = all.into_iter().filter(|(kind, _)| !NOT_REPORTED.contains(&kind.as_str())).collect();
    Report { at: entry.at(), facts, conditions }
}

/// The moment of something recorded at `at` with its cause at `cause`, when the cause was at `cause_here` in our run.
pub(crate) fn moment(at: i64, cause: i64, cause_here: i64) -> i64 {
    if at >= cause_here { at } else { cause_here + (at - cause).max(0) }
}

/// What kubelets reported of their nodes: moment, node, conditions. `Unknown` is what the control plane says of a silent node.
pub(crate) fn node_reports(timeline: &[Entry]) -> Vec<(i64, String, Map<String, Value>)> {
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut reports = Vec::new();
    for entry in timeline.iter().filter(|entry| entry.kind == "Node" && entry.verb != Verb::Deleted) {
        let conditions = &entry.facts["conditions"];
        let before = last.insert(&entry.name, conditions);
        let Some(fields) = conditions.as_object().filter(|fields| !fields.is_empty() && before != Some(conditions)) else { continue };
        if fields.values().all(|text| !text.as_str().unwrap_or_default().starts_with("Unknown")) {
            reports.push((entry.at(), entry.name.clone(), fields.clone()));
        }
    }
    reports
}
