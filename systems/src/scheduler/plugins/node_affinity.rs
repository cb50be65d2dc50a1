//! NodeAffinity: node selector, required and preferred node affinity, and the profile's added affinity.
//! Source: `spec/scheduler.md` §2, §4 and §5; `plugins/nodeaffinity/node_affinity.go`.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Happenings, MAX_SCORE, NodeEvent, Plugin, Refusal, Score};
use crate::scheduler::profile::Profile;
use std::collections::BTreeSet;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::node_selector::{NodeOperator, Term};
use wavetank_engine::names::{Names, Sym};

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::NODE_ADDED.or(Happenings::NODE_LABELS).or(Happenings::POD_ITSELF);

/// Why the node can't run the pod.
pub fn refusal(facts: &ClassFacts, profile: &Profile, node: &NodeFacts, labels: &LabelSets, names: &Names) -> Option<Refusal> {
    let refuse = |reason| Some(Refusal::of(Plugin::NodeAffinity, false, reason));
    if profile.added_required.as_ref().is_some_and(|terms| !any_term(terms, node, labels, names)) {
        return refuse("node(s) didn't match scheduler-enforced node affinity");
    }
    if !matches(facts, node, labels, names) {
        return refuse("node(s) didn't match Pod's node affinity/selector");
    }
    None
}

/// Whether a node matches the pod's own selector and required affinity.
pub fn matches(facts: &ClassFacts, node: &NodeFacts, labels: &LabelSets, names: &Names) -> bool {
    facts.node_selector.iter().all(|&(key, value)| labels.get(node.labels, key) == Some(value))
        && facts.required.as_ref().is_none_or(|terms| any_term(terms, node, labels, names))
}

fn any_term(terms: &[Term], node: &NodeFacts, labels: &LabelSets, names: &Names) -> bool {
    terms.iter().any(|term| term.matches(labels, names, node.labels, node.name))
}

/// The only nodes that can match, when every required term names some; `Err` when the terms name none at all.
/// Source: `spec/scheduler.md` §2, PreFilterResult.
pub fn narrowed(facts: &ClassFacts) -> Result<Option<BTreeSet<Sym>>, Refusal> {
    let mut all = BTreeSet::new();
    let Some(terms) = facts.required.as_ref().filter(|terms| !terms.is_empty()) else { return Ok(None) };
    for term in terms {
        let mut named: Option<BTreeSet<Sym>> = None;
        for requirement in &term.names {
            if let NodeOperator::In(values) = &requirement.operator {
                let values: BTreeSet<Sym> = values.iter().copied().collect();
                named = Some(named.map_or_else(|| values.clone(), |named| &named & &values));
            }
        }
        match named {
            Some(named) => all.extend(named),
            None => return Ok(None),
        }
    }
    if all.is_empty() {
        return Err(Refusal::of(Plugin::NodeAffinity, false, "pod affinity terms conflict"));
    }
    Ok(Some(all))
}

/// The score plugin.
pub struct NodeAffinity;

impl Score for NodeAffinity {
    fn plugin(&self) -> Plugin {
        Plugin::NodeAffinity
    }

    fn scores(&self, cycle: &Cycle, feasible: &[u32]) -> Option<Vec<i64>> {
        let preferred: Vec<&(i64, Term)> = cycle.pod.resident.class.preferred.iter().chain(&cycle.profile.added_preferred).collect();
        if preferred.is_empty() {
            return None;
        }
        let sum = |&number: &u32| -> i64 {
            let node = cycle.nodes.get(number);
            preferred
                .iter()
                .filter(|(_, term)| term.matches(cycle.labels, cycle.names, node.labels, node.name))
                .map(|(weight, _)| *weight)
                .sum()
        };
        let sums: Vec<i64> = feasible.iter().map(sum).collect();
        let most = sums.iter().copied().max().unwrap_or(0);
        Some(sums.iter().map(|sum| if most == 0 { 0 } else { MAX_SCORE * sum / most }).collect())
    }
}

/// A node helps that matches now and did not before. Source: `isSchedulableAfterNodeChange`.
pub fn node_hint(cycle: &Cycle, event: &NodeEvent) -> bool {
    let facts = &cycle.pod.resident.class;
    let passes = |node: &NodeFacts| refusal(facts, cycle.profile, node, cycle.labels, cycle.names).is_none();
    event.after.is_some_and(passes) && !event.before.is_some_and(|node| matches(facts, node, cycle.labels, cycle.names))
}
