//! Filters: whether a node can run a pod, and the first reason why not. Order and texts as kube-scheduler's.

use crate::scheduler::facts::{ClassFacts, Term};
use crate::scheduler::nodes::NodeFacts;
use smallvec::SmallVec;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::node::Effect;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::words;

/// Why a node can't run a pod: the first plugin that refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// NodeUnschedulable.
    Unschedulable,
    /// TaintToleration.
    Taint,
    /// NodeAffinity.
    Affinity,
    /// NodePorts.
    Ports,
    /// NodeResourcesFit: resources that are short, and whether one is asked for beyond the node's whole allocatable.
    Resources(SmallVec<[Sym; 2]>, bool),
}

/// Number of a plugin that refuses, for requeueing hints: bits.
pub mod plugin {
    /// NodeUnschedulable.
    pub const NODE_UNSCHEDULABLE: u8 = 1;
    /// TaintToleration.
    pub const TAINT_TOLERATION: u8 = 2;
    /// NodeAffinity.
    pub const NODE_AFFINITY: u8 = 4;
    /// NodePorts.
    pub const NODE_PORTS: u8 = 8;
    /// NodeResourcesFit.
    pub const NODE_RESOURCES_FIT: u8 = 16;
}

impl Refusal {
    /// Whether preemption could help: code Unschedulable and not UnschedulableAndUnresolvable.
    pub fn resolvable(&self) -> bool {
        match self {
            Refusal::Unschedulable | Refusal::Taint | Refusal::Affinity => false,
            Refusal::Ports => true,
            Refusal::Resources(_, beyond) => !beyond,
        }
    }

    /// The plugin's bit.
    pub fn plugin(&self) -> u8 {
        match self {
            Refusal::Unschedulable => plugin::NODE_UNSCHEDULABLE,
            Refusal::Taint => plugin::TAINT_TOLERATION,
            Refusal::Affinity => plugin::NODE_AFFINITY,
            Refusal::Ports => plugin::NODE_PORTS,
            Refusal::Resources(..) => plugin::NODE_RESOURCES_FIT,
        }
    }

    /// Reasons, as the message counts them.
    pub fn reasons(&self, names: &Names) -> Vec<String> {
        match self {
            Refusal::Unschedulable => vec!["node(s) were unschedulable".into()],
            Refusal::Taint => vec!["node(s) had untolerated taint(s)".into()],
            Refusal::Affinity => vec!["node(s) didn't match Pod's node affinity/selector".into()],
            Refusal::Ports => vec!["node(s) didn't have free ports for the requested pod ports".into()],
            Refusal::Resources(short, _) => short
                .iter()
                .map(
                    |&resource| {
                        if resource == words::PODS { "Too many pods".into() } else { format!("Insufficient {}", names.text(resource)) }
                    },
                )
                .collect(),
        }
    }
}

/// The first refusal of a node, or `None` when the pod fits. Source: `spec/scheduler.md` §1, order of the default plugins.
pub fn refusal(facts: &ClassFacts, node: &NodeFacts, labels: &LabelSets, names: &Names) -> Option<Refusal> {
    if node.unschedulable && !facts.tolerates_cordon() {
        return Some(Refusal::Unschedulable);
    }
    let hard = node.taints.iter().filter(|taint| taint.effect != Effect::PreferNoSchedule);
    if hard.into_iter().any(|taint| !facts.tolerates(taint)) {
        return Some(Refusal::Taint);
    }
    if !matches_affinity(facts, node, labels, names) {
        return Some(Refusal::Affinity);
    }
    if facts.ports.iter().any(|asked| node.ports.iter().any(|used| conflict(*asked, *used))) {
        return Some(Refusal::Ports);
    }
    fit(facts, node)
}

fn conflict(a: crate::scheduler::facts::HostPort, b: crate::scheduler::facts::HostPort) -> bool {
    a.port == b.port && a.protocol == b.protocol && (a.ip == b.ip || a.ip.is_empty() || b.ip.is_empty())
}

fn matches_affinity(facts: &ClassFacts, node: &NodeFacts, labels: &LabelSets, names: &Names) -> bool {
    facts.node_selector.iter().all(|&(key, value)| labels.get(node.labels, key) == Some(value))
        && facts.required.as_ref().is_none_or(|terms| terms.iter().any(|term| matches_term(term, node, labels, names)))
}

/// Whether a node matches a term; a term without requirements matches nothing. Source: `spec/scheduler.md` §5.
pub fn matches_term(term: &Term, node: &NodeFacts, labels: &LabelSets, names: &Names) -> bool {
    if term.expressions.is_empty() && term.names.is_empty() {
        return false;
    }
    term.expressions.iter().all(|expression| expression.matches(names, labels.get(node.labels, expression.key)))
        && term.names.iter().all(|expression| expression.matches(names, Some(node.name)))
}

/// NodeResourcesFit. Source: `spec/scheduler.md` §3.
fn fit(facts: &ClassFacts, node: &NodeFacts) -> Option<Refusal> {
    let mut short: SmallVec<[Sym; 2]> = SmallVec::new();
    let mut beyond = false;
    if node.pods + 1 > node.allocatable.pods {
        short.push(words::PODS);
    }
    for (resource, asked) in facts.requests.pairs() {
        let allocatable = node.allocatable.get(resource);
        if asked > allocatable - node.used.get(resource) {
            short.push(resource);
            beyond |= asked > allocatable;
        }
    }
    if short.is_empty() { None } else { Some(Refusal::Resources(short, beyond)) }
}
