//! TaintToleration: hard taints filter, PreferNoSchedule taints score. Source: `spec/scheduler.md` §4 and §5.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Happenings, MAX_SCORE, NodeEvent, Plugin, Refusal, Score};
use wavetank_engine::model::node::Effect;

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::NODE_ADDED.or(Happenings::NODE_TAINTS).or(Happenings::POD_ITSELF);

/// Why the node can't run the pod.
pub fn refusal(facts: &ClassFacts, node: &NodeFacts) -> Option<Refusal> {
    (!tolerates_hard_taints(facts, node)).then(|| Refusal::of(Plugin::TaintToleration, false, "node(s) had untolerated taint(s)"))
}

/// Whether the pod tolerates the node's NoSchedule and NoExecute taints.
pub fn tolerates_hard_taints(facts: &ClassFacts, node: &NodeFacts) -> bool {
    node.taints.iter().filter(|taint| taint.effect != Effect::PreferNoSchedule).all(|taint| facts.tolerates(taint))
}

/// The score plugin.
pub struct TaintToleration;

impl Score for TaintToleration {
    fn plugin(&self) -> Plugin {
        Plugin::TaintToleration
    }

    fn scores(&self, cycle: &Cycle, feasible: &[u32]) -> Option<Vec<i64>> {
        let facts = &cycle.pod.resident.class;
        let untolerated: Vec<i64> = feasible.iter().map(|&number| untolerated(facts, cycle.nodes.get(number))).collect();
        let most = untolerated.iter().copied().max().unwrap_or(0);
        Some(untolerated.iter().map(|count| if most == 0 { MAX_SCORE } else { MAX_SCORE - MAX_SCORE * count / most }).collect())
    }
}

/// Number of PreferNoSchedule taints that the pod does not tolerate.
fn untolerated(facts: &ClassFacts, node: &NodeFacts) -> i64 {
    let soft = node.taints.iter().filter(|taint| taint.effect == Effect::PreferNoSchedule);
    soft.filter(|taint| !facts.tolerations.iter().any(|t| t.effect.is_none_or(|e| e == Effect::PreferNoSchedule) && t.tolerates(taint)))
        .count() as i64
}

/// A node helps whose hard taints are tolerated now and were not before. Source: `isSchedulableAfterNodeChange`.
pub fn node_hint(cycle: &Cycle, event: &NodeEvent) -> bool {
    let tolerates = |node: &NodeFacts| tolerates_hard_taints(&cycle.pod.resident.class, node);
    event.after.is_some_and(tolerates) && !event.before.is_some_and(tolerates)
}
