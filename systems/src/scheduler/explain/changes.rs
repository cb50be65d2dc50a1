//! What would have to change for a pod that fits nowhere: single changes, each tried out with the scheduler's own filters.

use super::{short_of, taint_text, untolerated};
use crate::scheduler::cycle::Cycle;
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::filter::Filters;
use crate::scheduler::nodes::{NodeFacts, NodeTable};
use crate::scheduler::pods::{Incoming, Resident};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use wavetank_engine::hash::LookupSet;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::pod_class::Toleration;
use wavetank_engine::model::resources::{Resources, amount_text};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::words;

/// Kinds of nodes that a new one is made after at most.
const SHAPES_MAX: usize = 16;
/// Pods that a node may have where no other node says so.
const PODS: i64 = 110;

/// One change after which the pod would fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// So much is freed on a node: the smallest share of a node that suffices.
    Free {
        /// Name of the node.
        node: String,
        /// Resources and amounts.
        amounts: Vec<(String, String)>,
    },
    /// A node is added.
    AddNode {
        /// The node whose labels, taints and volumes it has; `None` without any nodes.
        like: Option<String>,
        /// What it must have allocatable at least.
        at_least: Vec<(String, String)>,
        /// Labels that it must have, and that the other has not.
        labels: Vec<(String, String)>,
    },
    /// A node is uncordoned.
    Uncordon {
        /// Name of the node.
        node: String,
    },
    /// The pod tolerates a taint.
    Tolerate {
        /// The taint.
        taint: String,
        /// Name of the node that it keeps the pod from.
        node: String,
    },
    /// The pod does without a field.
    Drop {
        /// Path of the field.
        field: &'static str,
        /// Name of a node that it could run on then.
        node: String,
    },
}

/// A node that might be added.
struct Fresh {
    facts: NodeFacts,
    like: Option<Sym>,
    labels: Vec<(Sym, Sym)>,
}

/// Nodes that might be added: an empty one of each kind there is, as it is and with room and labels for the pod; smallest first. They
/// have an empty name, which no other node has: the run's own tables of names and labels stay as they are.
fn fresh_nodes(table: &NodeTable, pod: &Incoming, labels: &mut LabelSets, names: &Names) -> Vec<Fresh> {
    let name = Sym::EMPTY;
    let facts = &pod.resident.class;
    let mut shapes: Vec<(i64, i64, u32, LabelSetId)> = Vec::new();
    let mut known: LookupSet<(i64, i64, LabelSetId)> = LookupSet::default();
    for &number in table.ordered() {
        if shapes.len() == SHAPES_MAX {
            break;
        }
        let node = table.get(number);
        let own = labels.with(names, node.labels, words::HOSTNAME_LABEL, name);
        let (cpu, memory) = (node.allocatable.cpu_millicores, node.allocatable.memory_bytes);
        if known.insert((cpu, memory, own)) {
            shapes.push((cpu, memory, number, own));
        }
    }
    shapes.sort_unstable_by_key(|&(cpu, memory, number, _)| (cpu, memory, number));
    let node = |labels, allocatable: Resources| NodeFacts::empty(Uid(u64::MAX), name, labels, Arc::new(allocatable));
    let mut asked = facts.requests.clone();
    asked.set(words::PODS, 1);
    let mut fresh: Vec<Fresh> = Vec::new();
    for &(_, _, number, own) in &shapes {
        let like = table.get(number);
        // Taints of the control plane's own tell of a node's condition, not of its kind.
        let passing = |key: Sym| names.text(key).starts_with("node.kubernetes.io/");
        let taints: Arc<[_]> = like.taints.iter().copied().filter(|taint| !passing(taint.key)).collect();
        let as_it_is = NodeFacts { taints, ..node(own, (*like.allocatable).clone()) };
        fresh.push(Fresh { facts: as_it_is, like: Some(like.name), labels: Vec::new() });
    }
    for at in 0..fresh.len() {
        let mut larger = fresh[at].facts.clone();
        let mut allocatable = (*larger.allocatable).clone();
        allocatable.max(&asked);
        larger.allocatable = Arc::new(allocatable);
        let wanted: Vec<(Sym, Sym)> =
            facts.node_selector.iter().copied().filter(|&(key, value)| labels.get(larger.labels, key) != Some(value)).collect();
        for &(key, value) in &wanted {
            larger.labels = labels.with(names, larger.labels, key, value);
        }
        fresh.push(Fresh { facts: larger, like: fresh[at].like, labels: wanted });
    }
    if fresh.is_empty() {
        let pairs = facts.node_selector.iter().copied().chain([(words::HOSTNAME_LABEL, name)]);
        let set = labels.intern(names, pairs.collect::<Vec<_>>());
        asked.set(words::PODS, PODS);
        fresh.push(Fresh { facts: node(set, asked), like: None, labels: facts.node_selector.clone() });
    }
    fresh
}

/// Single changes, each of which would let the pod in; the smallest of a kind.
pub(super) fn changes(cycle: &Cycle) -> Vec<Change> {
    let mut list = Vec::new();
    if let Ok(filters) = Filters::prepare(*cycle) {
        list.extend(free(cycle, &filters));
        list.extend(uncordon(cycle, &filters));
    }
    list.extend(tolerate(cycle));
    list.extend(drop_field(cycle));
    list.extend(add(cycle));
    list
}

/// Nodes that the filters leave to be looked at.
fn looked_at<'c>(cycle: &Cycle<'c>, filters: &Filters) -> Vec<u32> {
    let order = cycle.nodes.ordered().iter().copied();
    let named = |&number: &u32| filters.only.as_ref().is_none_or(|(names, _)| names.contains(&cycle.nodes.get(number).name));
    order.filter(named).collect()
}

/// The node on which the smallest share would have to become free.
fn free(cycle: &Cycle, filters: &Filters) -> Option<Change> {
    let facts = &cycle.pod.resident.class;
    // The share that is missing (in millionths of what the node has), the node, and how much of what.
    type Missing = (i64, u32, Vec<(Sym, i64)>);
    let mut least: Option<Missing> = None;
    for number in looked_at(cycle, filters) {
        let short = short_of(cycle, facts, cycle.nodes.get(number));
        if short.is_empty() || short.iter().any(|short| short.asked > short.allocatable) {
            continue;
        }
        let share = short.iter().map(|short| short.missing().saturating_mul(1_000_000) / short.allocatable.max(1)).max().unwrap_or(0);
        if least.as_ref().is_some_and(|least| least.0 <= share) {
            continue;
        }
        let amounts: Vec<(Sym, i64)> = short.iter().map(|short| (short.resource, short.missing())).collect();
        let mut trial = filters.trial(number);
        trial.change(|node| {
            for &(resource, amount) in &amounts {
                match resource {
                    words::PODS => node.pods -= amount,
                    _ => node.used.set(resource, node.used.get(resource) - amount),
                }
            }
        });
        if trial.refusal_with_nominated().is_none() {
            least = Some((share, number, amounts));
        }
    }
    let (_, number, amounts) = least?;
    let amounts = amounts.into_iter().map(|(resource, amount)| (cycle.names.text(resource).to_string(), amount_text(resource, amount)));
    Some(Change::Free { node: super::name_of(cycle, number), amounts: amounts.collect() })
}

fn uncordon(cycle: &Cycle, filters: &Filters) -> Option<Change> {
    let cordoned = looked_at(cycle, filters).into_iter().filter(|&number| cycle.nodes.get(number).unschedulable);
    let mut helps = cordoned.filter(|&number| {
        let mut trial = filters.trial(number);
        trial.change(|node| {
            node.unschedulable = false;
            node.taints = node.taints.iter().copied().filter(|taint| taint.key != words::TAINT_UNSCHEDULABLE).collect();
        });
        trial.refusal_with_nominated().is_none()
    });
    helps.next().map(|number| Change::Uncordon { node: super::name_of(cycle, number) })
}

/// The first node that can run the pod with another spec.
fn with_spec(cycle: &Cycle, facts: ClassFacts) -> Option<u32> {
    let pod = cycle.pod;
    let resident = Resident { class: Arc::new(facts), ..pod.resident.clone() };
    let other = Incoming { resident, ..pod.clone() };
    let cycle = Cycle { pod: &other, ..*cycle };
    let filters = Filters::prepare(cycle).ok()?;
    looked_at(&cycle, &filters).into_iter().find(|&number| filters.refusal(number).is_none())
}

/// The first taint, in the order of nodes, that alone keeps the pod out.
fn tolerate(cycle: &Cycle) -> Option<Change> {
    let facts = &cycle.pod.resident.class;
    let mut tried = BTreeSet::new();
    for &number in cycle.nodes.ordered() {
        for taint in untolerated(facts, cycle.nodes.get(number)) {
            // That of a cordon is spoken of as such.
            if taint.key == words::TAINT_UNSCHEDULABLE || !tried.insert((taint.key, taint.value, taint.effect.text())) {
                continue;
            }
            let mut tolerant = ClassFacts::clone(facts);
            let toleration = Toleration {
                key: taint.key,
                exists: taint.value.is_empty(),
                value: taint.value,
                effect: Some(taint.effect),
                seconds: None,
            };
            tolerant.tolerations.push(toleration);
            if let Some(node) = with_spec(cycle, tolerant) {
                return Some(Change::Tolerate { taint: taint_text(cycle.names, taint), node: super::name_of(cycle, node) });
            }
        }
    }
    None
}

/// Fields of the pod each of which alone keeps it out.
fn drop_field(cycle: &Cycle) -> Vec<Change> {
    let facts = &cycle.pod.resident.class;
    let mut without: Vec<(&'static str, ClassFacts)> = Vec::new();
    let mut field = |name, has: bool, change: &dyn Fn(&mut ClassFacts)| {
        if has {
            let mut other = ClassFacts::clone(facts);
            change(&mut other);
            without.push((name, other));
        }
    };
    field("spec.nodeSelector", !facts.node_selector.is_empty(), &|facts| facts.node_selector.clear());
    field("spec.affinity.nodeAffinity", facts.required.is_some(), &|facts| facts.required = None);
    field("spec.topologySpreadConstraints", !facts.spread.is_empty(), &|facts| facts.spread.clear());
    field("spec.affinity.podAffinity and podAntiAffinity", facts.terms.is_some(), &|facts| facts.terms = None);
    field("the containers' hostPort", !facts.ports.is_empty(), &|facts| facts.ports.clear());
    let helps = without.into_iter().filter_map(|(field, facts)| Some((field, with_spec(cycle, facts)?)));
    helps.map(|(field, node)| Change::Drop { field, node: super::name_of(cycle, node) }).collect()
}

/// The smallest node that could be added and run the pod.
fn add(cycle: &Cycle) -> Option<Change> {
    // Policies of one's own keep states of the nodes that they know.
    if cycle.own.is_some_and(|own| !own.is_empty()) {
        return None;
    }
    let mut labels = cycle.labels.clone();
    let fresh = fresh_nodes(cycle.nodes, cycle.pod, &mut labels, cycle.names);
    fresh.iter().find_map(|fresh| helps(&Cycle { labels: &labels, ..*cycle }, fresh))
}

/// Whether a node that might be added could run the pod.
fn helps(cycle: &Cycle, fresh: &Fresh) -> Option<Change> {
    let mut nodes = cycle.nodes.clone();
    nodes.put(fresh.facts.clone());
    nodes.order(cycle.labels);
    let number = nodes.by_name(fresh.facts.name)?;
    let cycle = Cycle { nodes: &nodes, ..*cycle };
    let filters = Filters::prepare(cycle).ok()?;
    if !looked_at(&cycle, &filters).contains(&number) || filters.refusal(number).is_some() {
        return None;
    }
    let text = |(resource, amount): (Sym, i64)| (cycle.names.text(resource).to_string(), amount_text(resource, amount));
    let labels = fresh.labels.iter().map(|&(key, value)| (cycle.names.text(key).to_string(), cycle.names.text(value).to_string()));
    Some(Change::AddNode {
        like: fresh.like.map(|name| cycle.names.text(name).to_string()),
        at_least: cycle.pod.resident.class.requests.pairs().filter(|pair| pair.1 > 0).map(text).collect(),
        labels: labels.collect(),
    })
}
