//! Which nodes a DaemonSet's pods run on, and what its pods tolerate.
//!
//! Source: kubernetes v1.36, `pkg/controller/daemon/daemon_controller.go`, `NodeShouldRunDaemonPod`; `util/daemonset_util.go`,
//! `AddOrUpdateDaemonPodTolerations`; `spec/workloads.md` §6.

use serde_json::{Value, json};
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::node::{Effect, NodeTaint};
use wavetank_engine::model::node_selector::{Term, node_terms};
use wavetank_engine::model::pod_class::{PodClass, Toleration};
use wavetank_engine::names::{Names, Sym};

/// Taints that every daemon pod tolerates: key and effect.
const TOLERATED: &[(&str, &str)] = &[
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// Adds what every daemon pod tolerates to a pod spec.
pub fn add_tolerations(spec: &mut Value) {
    let of_host = spec.get("hostNetwork").and_then(Value::as_bool) == Some(true);
    let network = of_host.then_some(("node.kubernetes.io/network-unavailable", "NoSchedule"));
    let mut tolerations = spec.get("tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
    for (key, effect) in TOLERATED.iter().copied().chain(network) {
        let wanted = json!({"key": key, "operator": "Exists", "effect": effect});
        let text = |toleration: &Value, field: &str| toleration.get(field).and_then(Value::as_str).unwrap_or("").to_string();
        let same =
            |found: &&mut Value| ["key", "operator", "effect", "value"].iter().all(|field| text(found, field) == text(&wanted, field));
        match tolerations.iter_mut().find(same) {
            Some(found) => *found = wanted,
            None => tolerations.push(wanted),
        }
    }
    spec["tolerations"] = Value::Array(tolerations);
}

/// The pod spec of a template with what every daemon pod tolerates, bound by affinity to one node. The template's own required node
/// affinity is replaced.
pub fn spec_for(template: &Value, node: &str) -> Value {
    let mut spec = if template.is_object() { template.clone() } else { json!({}) };
    add_tolerations(&mut spec);
    let field = json!({"key": "metadata.name", "operator": "In", "values": [node]});
    spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
        json!({"nodeSelectorTerms": [{"matchFields": [field]}]});
    spec
}

/// What of a node decides.
#[derive(Debug, Clone, Copy)]
pub struct NodeView<'n> {
    /// Its name.
    pub name: Sym,
    /// Its labels.
    pub labels: LabelSetId,
    /// Its taints.
    pub taints: &'n [NodeTaint],
}

/// What of a template decides, with the added tolerations.
#[derive(Debug, Clone)]
pub struct Needs {
    asked: Sym,
    selector: Vec<(Sym, Sym)>,
    required: Option<Vec<Term>>,
    tolerations: Vec<Toleration>,
}

impl Needs {
    /// Reads a class whose spec has the added tolerations; `asked` is the template's `nodeName`.
    pub fn new(names: &mut Names, class: &PodClass, asked: Sym) -> Needs {
        let spec = class.raw.value();
        let pairs = spec.get("nodeSelector").and_then(Value::as_object).into_iter().flatten();
        let selector = pairs.map(|(key, value)| (names.sym(key), names.sym(value.as_str().unwrap_or("")))).collect();
        let required = spec.pointer("/affinity/nodeAffinity").and_then(|affinity| node_terms(names, affinity));
        Needs { asked, selector, required, tolerations: class.tolerations.clone() }
    }

    /// Whether a pod should be on a node, and whether one that is there may stay.
    pub fn on(&self, node: &NodeView, labels: &LabelSets, names: &Names) -> (bool, bool) {
        let fits = (self.asked.is_empty() || self.asked == node.name)
            && self.selector.iter().all(|&(key, value)| labels.get(node.labels, key) == Some(value))
            && self.required.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(labels, names, node.labels, node.name)));
        if !fits {
            return (false, false);
        }
        let bars = |effect: Effect| {
            let of_effect = node.taints.iter().filter(move |taint| taint.effect == effect);
            of_effect.into_iter().any(|taint| !self.tolerations.iter().any(|toleration| toleration.tolerates(taint)))
        };
        let evicted = bars(Effect::NoExecute);
        (!evicted && !bars(Effect::NoSchedule), !evicted)
    }
}
