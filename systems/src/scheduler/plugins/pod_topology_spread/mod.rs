//! PodTopologySpread: pods that match a selector spread over the domains of a label of the nodes.
//! Source: `spec/scheduler.md` §4 and §5, `plugins/podtopologyspread`.

mod filter;
mod score;
mod selection;

pub use filter::SpreadFilter;
pub use score::{Weights, normalize, raw_score};
pub use selection::default_selector;

use crate::scheduler::cycle::Cycle;
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Happenings, NodeEvent, PodEvent};
use crate::scheduler::plugins::{node_affinity, taint_toleration};
use crate::scheduler::pods::{Group, meets};
use serde_json::Value;
use std::sync::Arc;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::select::{Operator, Requirement, requirements_of};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::words;

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::POD_ASSIGNED
    .or(Happenings::POD_GONE)
    .or(Happenings::POD_LABELS)
    .or(Happenings::POD_ITSELF)
    .or(Happenings::NODE_ADDED)
    .or(Happenings::NODE_GONE)
    .or(Happenings::NODE_LABELS)
    .or(Happenings::NODE_TAINTS);

/// The plugin.
pub struct PodTopologySpread;

/// One constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// `maxSkew`.
    pub max_skew: i64,
    /// `topologyKey`.
    pub key: Sym,
    /// `whenUnsatisfiable` is DoNotSchedule.
    pub hard: bool,
    /// `labelSelector`; `None` (absent) matches nothing.
    pub selector: Option<Arc<[Requirement]>>,
    /// `minDomains`; 1 when absent.
    pub min_domains: usize,
    /// `nodeAffinityPolicy` is Honor.
    pub honor_affinity: bool,
    /// `nodeTaintsPolicy` is Honor.
    pub honor_taints: bool,
    /// `matchLabelKeys`.
    pub label_keys: Vec<Sym>,
}

/// The system's default constraints: hostname with skew 3, zone with skew 5, both soft.
pub fn system_defaults() -> Arc<[Constraint]> {
    let soft = |key, max_skew| Constraint {
        max_skew,
        key,
        hard: false,
        selector: None,
        min_domains: 1,
        honor_affinity: true,
        honor_taints: false,
        label_keys: Vec::new(),
    };
    Arc::from([soft(words::HOSTNAME_LABEL, 3), soft(words::ZONE_LABEL, 5)])
}

impl Constraint {
    /// Reads an entry of `topologySpreadConstraints`, validated before.
    pub fn of_json(names: &mut Names, constraint: &Value) -> Constraint {
        let text = |field: &str| constraint.get(field).and_then(Value::as_str);
        let label_keys = constraint.get("matchLabelKeys").and_then(Value::as_array).into_iter().flatten();
        Constraint {
            max_skew: constraint.get("maxSkew").and_then(Value::as_i64).unwrap_or(1),
            key: names.sym(text("topologyKey").unwrap_or("")),
            hard: text("whenUnsatisfiable") != Some("ScheduleAnyway"),
            selector: constraint.get("labelSelector").filter(|s| !s.is_null()).map(|s| requirements_of(names, s).into()),
            min_domains: constraint.get("minDomains").and_then(Value::as_u64).unwrap_or(1) as usize,
            honor_affinity: text("nodeAffinityPolicy") != Some("Ignore"),
            honor_taints: text("nodeTaintsPolicy") == Some("Honor"),
            label_keys: label_keys.filter_map(Value::as_str).map(|key| names.sym(key)).collect(),
        }
    }

    /// The constraint with a selector of its own: default constraints have none.
    pub fn with_selector(&self, selector: &Arc<[Requirement]>) -> Constraint {
        Constraint { selector: Some(selector.clone()), ..self.clone() }
    }

    /// Adds the requirements of `matchLabelKeys` for a pod's own labels, as the API server does at creation.
    pub fn merge_label_keys(&mut self, labels: &LabelSets, set: LabelSetId) {
        let Some(selector) = &self.selector else { return };
        let more = self.label_keys.iter();
        let more = more.filter_map(|&key| Some(Requirement { key, operator: Operator::In, values: vec![labels.get(set, key)?] }));
        self.selector = Some(selector.iter().cloned().chain(more).collect());
    }

    /// Whether a pod's labels match the selector.
    pub fn selects(&self, labels: &LabelSets, set: LabelSetId) -> bool {
        self.selector.as_ref().is_some_and(|selector| meets(selector, labels, set))
    }

    /// Whether pods of a group count. Terminating pods do not, nor do any under an empty selector.
    pub fn counts(&self, namespace: Sym, group: &Group, labels: &LabelSets) -> bool {
        group.namespace == namespace
            && !group.terminating
            && self.selector.as_ref().is_some_and(|selector| !selector.is_empty() && meets(selector, labels, group.labels))
    }

    /// Whether the inclusion policies let a node's pods count.
    pub fn includes(&self, facts: &ClassFacts, node: &NodeFacts, labels: &LabelSets, names: &Names) -> bool {
        (!self.honor_affinity || node_affinity::matches(facts, node, labels, names))
            && (!self.honor_taints || taint_toleration::tolerates_hard_taints(facts, node))
    }
}

/// The constraints of one kind that act on a pod: its own, or the profile's defaults when it has none of either kind and something
/// selects it.
pub fn constraints(cycle: &Cycle, hard: bool) -> Vec<Constraint> {
    let own = &cycle.pod.resident.class.spread;
    if !own.is_empty() {
        return own.iter().filter(|constraint| constraint.hard == hard).cloned().collect();
    }
    let selector = &cycle.pod.default_selector;
    if selector.is_empty() {
        return Vec::new();
    }
    cycle.profile.default_constraints.iter().filter(|c| c.hard == hard).map(|c| c.with_selector(selector)).collect()
}

/// Another pod helps when it comes or goes and a hard constraint selects it, or when that changes.
/// Source: `plugins/podtopologyspread/plugin.go`, `isSchedulableAfterPodChange`.
pub fn pod_hint(cycle: &Cycle, event: &PodEvent) -> bool {
    let group = |pod: Option<&crate::scheduler::pods::Resident>| pod.map(|pod| cycle.groups.get(pod.group));
    let (before, after) = (group(event.before), group(event.after));
    if before.into_iter().chain(after).any(|group| group.namespace != cycle.pod.namespace) {
        return false;
    }
    constraints(cycle, true).iter().any(|constraint| {
        let selects = |group: Option<&Group>| group.is_some_and(|group| constraint.selects(cycle.labels, group.labels));
        selects(before) != selects(after)
    })
}

/// Whether a node has the key of every constraint.
pub fn has_all_keys(constraints: &[Constraint], node: &NodeFacts, labels: &LabelSets) -> bool {
    constraints.iter().all(|constraint| labels.get(node.labels, constraint.key).is_some())
}

/// Number of pods on a node that count for a constraint.
pub fn count_on(constraint: &Constraint, cycle: &Cycle, node: &NodeFacts) -> i64 {
    let groups = node.groups.iter().filter(|(group, _)| constraint.counts(cycle.pod.namespace, cycle.groups.get(*group), cycle.labels));
    groups.map(|(_, pods)| i64::from(*pods)).sum()
}

/// A node helps that has all keys of the hard constraints, or had them, and is new, gone, or has other values or taints.
/// Source: `isSchedulableAfterNodeChange`.
pub fn node_hint(cycle: &Cycle, event: &NodeEvent) -> bool {
    let constraints = constraints(cycle, true);
    let counts = |node: Option<&NodeFacts>| node.is_some_and(|node| has_all_keys(&constraints, node, cycle.labels));
    let (Some(before), Some(after)) = (event.before, event.after) else { return counts(event.before) || counts(event.after) };
    if counts(event.before) != counts(event.after) {
        return true;
    }
    let value = |node: &NodeFacts, key| cycle.labels.get(node.labels, key);
    let moved = constraints.iter().any(|constraint| value(before, constraint.key) != value(after, constraint.key));
    counts(event.after) && (moved || before.taints != after.taints)
}
