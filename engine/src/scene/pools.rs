//! Node pools as Node objects.

use crate::model::node::Effect;
use crate::model::quantity::Quantity;
use crate::scene::format::Pool;
use crate::scene::model::{Metadata, SceneObject};
use crate::source::{Problems, Span};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Pods that a node takes unless its pool says otherwise. Source: `spec/kubelet.md` §1.
const PODS_PER_NODE: &str = "110";

/// The nodes of a pool, in order.
pub(crate) fn nodes_of(pool: &Pool, span: Span, problems: &mut Problems) -> Vec<SceneObject> {
    let mut allocatable = pool.allocatable.clone();
    allocatable.entry("pods".into()).or_insert_with(|| PODS_PER_NODE.into());
    let capacity = if pool.capacity.is_empty() { allocatable.clone() } else { pool.capacity.clone() };
    let quantities = allocatable.iter().chain(&capacity).filter(|(_, text)| Quantity::parse(text).is_err());
    let mut wrong: Vec<String> = quantities
        .map(|(resource, text)| {
            format!("pool {:?}: {resource}: found {text:?}, expected a quantity such as \"4\", \"500m\" or \"8Gi\"", pool.name)
        })
        .collect();
    wrong.dedup();
    if pool.count == 0 {
        wrong.push(format!("pool {:?}: count: found 0, expected at least one node", pool.name));
    }
    if pool.name.is_empty() {
        wrong.push("a pool needs a name".to_string());
    }
    let mut taints = Vec::new();
    for text in &pool.taints {
        match parse_taint(text) {
            Some((key, value, effect)) => taints.push(json!({"key": key, "value": value, "effect": effect.text()})),
            None => wrong
                .push(format!("pool {:?}: taint {text:?}: expected key=value:NoSchedule, or :PreferNoSchedule, or :NoExecute", pool.name)),
        }
    }
    if !wrong.is_empty() {
        wrong.into_iter().for_each(|what| problems.error(span, what));
        return Vec::new();
    }
    let mut spec = Map::new();
    if !taints.is_empty() {
        spec.insert("taints".into(), taints.into());
    }
    let mut body = json!({"apiVersion": "v1", "kind": "Node", "spec": spec, "status": {"capacity": capacity, "allocatable": allocatable}});
    let info = serde_json::to_value(&pool.node_info).unwrap_or_default();
    if info.as_object().is_some_and(|fields| !fields.is_empty()) {
        body["status"]["nodeInfo"] = info;
    }
    let body = Arc::new(body);
    let zones = pool.zones.iter().map(|zone| Some(zone.as_str())).chain(pool.zones.is_empty().then_some(None));
    let labels: Vec<Arc<Map<String, Value>>> = zones.map(|zone| Arc::new(labels_in(pool, zone))).collect();
    let of_all = labels.iter().cycle();
    let node = |(number, labels): (u32, &Arc<Map<String, Value>>)| {
        let name = if pool.count == 1 { pool.name.clone() } else { format!("{}-{number}", pool.name) };
        SceneObject { metadata: Metadata::OfPool { name, labels: labels.clone() }, body: body.clone(), span }
    };
    (1..=pool.count).zip(of_all).map(node).collect()
}

/// Labels of the nodes in a zone; that of the host is its name.
fn labels_in(pool: &Pool, zone: Option<&str>) -> Map<String, Value> {
    let mut labels = Map::new();
    let (architecture, system) = (pool.node_info.architecture.as_deref(), pool.node_info.operating_system.as_deref());
    labels.insert("kubernetes.io/arch".into(), architecture.unwrap_or("amd64").into());
    labels.insert("kubernetes.io/hostname".into(), Value::Null);
    labels.insert("kubernetes.io/os".into(), system.unwrap_or("linux").into());
    if let Some(zone) = zone {
        labels.insert("topology.kubernetes.io/zone".into(), zone.into());
    }
    for (key, value) in &pool.labels {
        labels.insert(key.clone(), value.as_str().into());
    }
    labels
}

/// Key, value and effect of a taint written `key=value:Effect` or `key:Effect`.
pub(crate) fn parse_taint(text: &str) -> Option<(&str, &str, Effect)> {
    let (pair, effect) = text.rsplit_once(':')?;
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    if key.is_empty() { None } else { Some((key, value, Effect::parse(effect)?)) }
}
