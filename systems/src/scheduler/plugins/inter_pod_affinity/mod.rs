//! InterPodAffinity: pods near or far from pods. Source: `spec/scheduler.md` §4 and §5, `plugins/interpodaffinity`.

mod filter;
mod score;

pub use filter::{AffinityFilter, in_the_way, suits};
pub use score::{normalize, pulls};

use crate::scheduler::cycle::Cycle;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Happenings, NodeEvent, PodEvent};
use crate::scheduler::pods::{Group, Namespaces, meets};
use serde_json::Value;
use std::sync::Arc;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::select::{Operator, Requirement, requirements_of};
use wavetank_engine::names::{Names, Sym};

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::POD_ASSIGNED
    .or(Happenings::POD_GONE)
    .or(Happenings::POD_LABELS)
    .or(Happenings::POD_ITSELF)
    .or(Happenings::NODE_ADDED)
    .or(Happenings::NODE_LABELS);

/// The plugin.
pub struct InterPodAffinity;

/// Affinity and anti-affinity of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Terms {
    /// `podAffinity.requiredDuringSchedulingIgnoredDuringExecution`.
    pub near: Vec<PodTerm>,
    /// `podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution`.
    pub far: Vec<PodTerm>,
    /// `podAffinity.preferredDuringSchedulingIgnoredDuringExecution`, with weights.
    pub prefer_near: Vec<(i64, PodTerm)>,
    /// `podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution`, with weights.
    pub prefer_far: Vec<(i64, PodTerm)>,
}

/// Another pod helps when it comes to match the affinity, or ceases to be in the way of either pod's anti-affinity.
/// Source: `plugins/interpodaffinity/plugin.go`, `isSchedulableAfterPodChange`.
pub fn pod_hint(cycle: &Cycle, event: &PodEvent) -> bool {
    let pod = cycle.pod;
    let own = pod.resident.class.terms.as_deref();
    let means = |term: &PodTerm, group: &Group| term.means(pod.namespace, group, cycle.labels, cycle.namespaces);
    let of = |other: Option<&crate::scheduler::pods::Resident>| other.map(|other| cycle.groups.get(other.group));
    let near = |group: Option<&Group>| {
        let terms = own.map_or(&[][..], |own| &own.near);
        group.is_some_and(|group| !terms.is_empty() && terms.iter().all(|term| means(term, group)))
    };
    let crowds = |group: Option<&Group>| {
        group.is_some_and(|group| {
            let far = group.terms.iter().flat_map(|terms| &terms.far);
            let means_us = |term: &PodTerm| term.means_waiting(group.namespace, pod.namespace, pod.labels, cycle.labels, cycle.namespaces);
            own.is_some_and(|own| own.far.iter().any(|term| means(term, group))) || far.into_iter().any(means_us)
        })
    };
    let (before, after) = (of(event.before), of(event.after));
    near(after) && !near(before) || crowds(before) && !crowds(after)
}

/// Keys of anti-affinity terms of pods on nodes that mean the pod of a cycle.
pub fn keys_in_the_way(cycle: &Cycle) -> Vec<Sym> {
    distinct(cycle.groups.with_terms().iter().flat_map(|&group| in_the_way(cycle, cycle.groups.get(group))))
}

/// Keys of the pod's own preferences, and of terms of pods on nodes that draw the pod of a cycle near or push it away.
pub fn keys_that_pull(cycle: &Cycle) -> Vec<Sym> {
    let own = cycle.pod.resident.class.terms.iter().flat_map(|terms| terms.prefer_near.iter().chain(&terms.prefer_far));
    let own = own.map(|(weight, term)| (term.key, *weight));
    distinct(own.chain(cycle.groups.with_terms().iter().flat_map(|&group| pulls(cycle, cycle.groups.get(group)))))
}

fn distinct(keys: impl Iterator<Item = (Sym, i64)>) -> Vec<Sym> {
    let mut found = Vec::new();
    for (key, _) in keys {
        if !found.contains(&key) {
            found.push(key);
        }
    }
    found
}

/// One term: which pods, and what makes nodes one place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodTerm {
    /// `topologyKey`.
    pub key: Sym,
    /// `labelSelector`; `None` (absent) matches nothing.
    pub selector: Option<Arc<[Requirement]>>,
    /// `namespaces`.
    pub namespaces: Vec<Sym>,
    /// `namespaceSelector`; `None` (absent) matches nothing.
    pub namespace_selector: Option<Arc<[Requirement]>>,
    /// `matchLabelKeys`.
    pub label_keys: Vec<Sym>,
    /// `mismatchLabelKeys`.
    pub unlike_label_keys: Vec<Sym>,
}

impl Terms {
    /// Reads `affinity`, validated before; `None` when it says nothing of pods.
    pub fn of_json(names: &mut Names, affinity: &Value) -> Option<Terms> {
        let list = |path: &str| affinity.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
        let required = |names: &mut Names, kind: &str| -> Vec<PodTerm> {
            let terms = list(&format!("/{kind}/requiredDuringSchedulingIgnoredDuringExecution"));
            terms.iter().map(|term| PodTerm::of_json(names, term)).collect()
        };
        let preferred = |names: &mut Names, kind: &str| -> Vec<(i64, PodTerm)> {
            let terms = list(&format!("/{kind}/preferredDuringSchedulingIgnoredDuringExecution"));
            let weight = |term: &Value| term.get("weight").and_then(Value::as_i64).unwrap_or(0);
            terms.iter().map(|t| (weight(t), PodTerm::of_json(names, t.get("podAffinityTerm").unwrap_or(&Value::Null)))).collect()
        };
        let terms = Terms {
            near: required(names, "podAffinity"),
            far: required(names, "podAntiAffinity"),
            prefer_near: preferred(names, "podAffinity"),
            prefer_far: preferred(names, "podAntiAffinity"),
        };
        (terms != Terms::default()).then_some(terms)
    }

    /// All terms, to change them.
    pub fn each_mut(&mut self) -> impl Iterator<Item = &mut PodTerm> {
        let preferred = self.prefer_near.iter_mut().chain(&mut self.prefer_far).map(|(_, term)| term);
        self.near.iter_mut().chain(&mut self.far).chain(preferred)
    }

    /// All terms.
    pub fn each(&self) -> impl Iterator<Item = &PodTerm> {
        let preferred = self.prefer_near.iter().chain(&self.prefer_far).map(|(_, term)| term);
        self.near.iter().chain(&self.far).chain(preferred)
    }
}

impl PodTerm {
    fn of_json(names: &mut Names, term: &Value) -> PodTerm {
        let texts = |names: &mut Names, field: &str| -> Vec<Sym> {
            term.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(|text| names.sym(text)).collect()
        };
        let selector = |names: &mut Names, field: &str| -> Option<Arc<[Requirement]>> {
            term.get(field).filter(|selector| !selector.is_null()).map(|selector| requirements_of(names, selector).into())
        };
        PodTerm {
            key: names.sym(term.get("topologyKey").and_then(Value::as_str).unwrap_or("")),
            selector: selector(names, "labelSelector"),
            namespaces: texts(names, "namespaces"),
            namespace_selector: selector(names, "namespaceSelector"),
            label_keys: texts(names, "matchLabelKeys"),
            unlike_label_keys: texts(names, "mismatchLabelKeys"),
        }
    }

    /// Adds the requirements of `matchLabelKeys` and `mismatchLabelKeys` for a pod's own labels, as the API server does at creation.
    pub fn merge_label_keys(&mut self, labels: &LabelSets, set: LabelSetId) {
        let Some(selector) = &self.selector else { return };
        let of = |keys: &[Sym], operator| -> Vec<Requirement> {
            keys.iter().filter_map(|&key| Some(Requirement { key, operator, values: vec![labels.get(set, key)?] })).collect()
        };
        let more = of(&self.label_keys, Operator::In).into_iter().chain(of(&self.unlike_label_keys, Operator::NotIn));
        self.selector = Some(selector.iter().cloned().chain(more).collect());
    }

    /// Whether a waiting pod's term means the pods of a group. Only namespaces that exist can be selected by label.
    pub fn means(&self, own_namespace: Sym, group: &Group, labels: &LabelSets, namespaces: &Namespaces) -> bool {
        let selected = |selector: &Arc<[Requirement]>| {
            selector.is_empty() || namespaces.labels(group.namespace).is_some_and(|set| meets(selector, labels, set))
        };
        (self.names(own_namespace, group.namespace) || self.namespace_selector.as_ref().is_some_and(selected))
            && self.selector.as_ref().is_some_and(|selector| meets(selector, labels, group.labels))
    }

    /// Whether a placed pod's term means a waiting pod.
    pub fn means_waiting(&self, own_namespace: Sym, namespace: Sym, set: LabelSetId, labels: &LabelSets, namespaces: &Namespaces) -> bool {
        let of_namespace = namespaces.labels(namespace).unwrap_or(LabelSetId::EMPTY);
        let selected = |selector: &Arc<[Requirement]>| meets(selector, labels, of_namespace);
        (self.names(own_namespace, namespace) || self.namespace_selector.as_ref().is_some_and(selected))
            && self.selector.as_ref().is_some_and(|selector| meets(selector, labels, set))
    }

    /// Whether the term names a namespace; without names and selector it means its own pod's.
    fn names(&self, own_namespace: Sym, namespace: Sym) -> bool {
        if self.namespaces.is_empty() && self.namespace_selector.is_none() {
            namespace == own_namespace
        } else {
            self.namespaces.contains(&namespace)
        }
    }
}

/// A node helps that joins a domain of a term, or leaves one of an anti-affinity term; any new node helps a pod that keeps apart.
/// Terms of pods on nodes are not asked. Source: `isSchedulableAfterNodeChange`.
pub fn node_hint(cycle: &Cycle, event: &NodeEvent) -> bool {
    let Some(after) = event.after else { return false };
    let own = cycle.pod.resident.class.terms.as_deref();
    let value = |node: &NodeFacts, key| cycle.labels.get(node.labels, key);
    let near = |term: &PodTerm| match (event.before.map(|before| value(before, term.key)), value(after, term.key)) {
        (None | Some(None), new) => new.is_some(),
        (Some(Some(old)), new) => new.is_some_and(|new| new != old),
    };
    let far = |term: &PodTerm| match event.before.map(|before| value(before, term.key)) {
        None => true,
        Some(None) => false,
        Some(old) => value(after, term.key) != old,
    };
    own.is_some_and(|own| own.near.iter().any(near) || own.far.iter().any(far))
}
