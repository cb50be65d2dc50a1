//! One decision by a plain look at the nodes: the reference for the class trees.

use crate::scheduler::facts::ClassFacts;
use crate::scheduler::filter::{Refusal, matches_term, refusal};
use crate::scheduler::nodes::{NodeFacts, NodeTable};
use crate::scheduler::score::{MAX, balanced_allocation, least_allocated};
use std::collections::BTreeMap;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::node::Effect;
use wavetank_engine::names::Names;

/// Weight of TaintToleration. Source: `spec/scheduler.md` §1.
pub const TAINT_WEIGHT: i64 = 3;
/// Weight of NodeAffinity.
pub const AFFINITY_WEIGHT: i64 = 2;

/// What a cycle decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The node to bind to, and where the next cycle starts to look.
    Node {
        /// Number of the node.
        node: u32,
        /// Next start, as a place in the order.
        next_start: usize,
    },
    /// No node can run the pod.
    None {
        /// The whole message.
        message: String,
        /// Plugins that refused, as bits.
        plugins: u8,
    },
}

/// How many feasible nodes are enough. Source: `spec/scheduler.md` §2, `numFeasibleNodesToFind`.
pub fn feasible_wanted(nodes: usize) -> usize {
    if nodes < 100 {
        return nodes;
    }
    let percent = (50usize.saturating_sub(nodes / 125)).max(5);
    (nodes * percent / 100).max(100)
}

/// Decides by looking at nodes one by one from `start`.
///
/// Choice: the original looks at nodes in parallel; we look one by one.
pub fn decide(facts: &ClassFacts, table: &NodeTable, labels: &LabelSets, names: &Names, start: usize) -> Decision {
    let order = table.ordered();
    let wanted = feasible_wanted(order.len());
    let mut feasible: Vec<u32> = Vec::new();
    let mut examined = 0;
    for step in 0..order.len() {
        let number = order[(start + step) % order.len()];
        examined += 1;
        if refusal(facts, table.get(number), labels, names).is_none() {
            feasible.push(number);
            if feasible.len() == wanted {
                break;
            }
        }
    }
    if feasible.is_empty() {
        return refused(facts, table, labels, names);
    }
    let node = if feasible.len() == 1 { feasible[0] } else { feasible[pick(&scores(facts, table, labels, names, &feasible))] };
    Decision::Node { node, next_start: (start + examined) % order.len() }
}

/// Total scores of the feasible nodes. Source: `spec/scheduler.md` §4.
pub fn scores(facts: &ClassFacts, table: &NodeTable, labels: &LabelSets, names: &Names, feasible: &[u32]) -> Vec<i64> {
    let soft: Vec<i64> = feasible.iter().map(|&number| untolerated_soft_taints(facts, table.get(number))).collect();
    let most = soft.iter().copied().max().unwrap_or(0);
    let preference = |number: u32| {
        let node = table.get(number);
        facts.preferred.iter().filter(|(_, term)| matches_term(term, node, labels, names)).map(|(weight, _)| *weight).sum::<i64>()
    };
    let preferred: Vec<i64> = feasible.iter().map(|&number| if facts.preferred.is_empty() { 0 } else { preference(number) }).collect();
    let preferred_most = preferred.iter().copied().max().unwrap_or(0);
    let total = |at: usize| {
        let node = table.get(feasible[at]);
        let taint = if most == 0 { MAX } else { MAX - MAX * soft[at] / most };
        let affinity = if preferred_most == 0 { 0 } else { MAX * preferred[at] / preferred_most };
        TAINT_WEIGHT * taint + AFFINITY_WEIGHT * affinity + own_score(facts, node)
    };
    (0..feasible.len()).map(total).collect()
}

/// Scores of a node that do not depend on other nodes.
pub fn own_score(facts: &ClassFacts, node: &NodeFacts) -> i64 {
    least_allocated(facts, node) + balanced_allocation(facts, node)
}

fn untolerated_soft_taints(facts: &ClassFacts, node: &NodeFacts) -> i64 {
    let soft = node.taints.iter().filter(|taint| taint.effect == Effect::PreferNoSchedule);
    soft.filter(|taint| !facts.tolerations.iter().any(|t| t.effect.is_none_or(|e| e == Effect::PreferNoSchedule) && t.tolerates(taint)))
        .count() as i64
}

/// The place of the best score: among equals the root of Go's heap over the list. Source: `spec/scheduler.md` §2.
pub fn pick(scores: &[i64]) -> usize {
    let best = scores.iter().copied().max().unwrap_or(0);
    let mut stack = vec![0];
    while let Some(at) = stack.pop() {
        if scores[at] == best {
            return at;
        }
        stack.extend([2 * at + 2, 2 * at + 1].into_iter().filter(|&child| child < scores.len()));
    }
    0
}

/// The failure message: a histogram of reasons, and what preemption has to say. Source: `spec/scheduler.md` §7.
fn refused(facts: &ClassFacts, table: &NodeTable, labels: &LabelSets, names: &Names) -> Decision {
    let order = table.ordered();
    if order.is_empty() {
        return Decision::None { message: "no nodes available to schedule pods".into(), plugins: 0 };
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let (mut helpless, mut plugins) = (0, 0);
    let mut kinds: Vec<(Refusal, usize)> = Vec::new();
    for &number in order {
        let Some(refusal) = refusal(facts, table.get(number), labels, names) else { continue };
        match kinds.iter_mut().find(|kind| kind.0 == refusal) {
            Some(kind) => kind.1 += 1,
            None => kinds.push((refusal, 1)),
        }
    }
    for (refusal, count) in kinds {
        plugins |= refusal.plugin();
        if !refusal.resolvable() {
            helpless += count;
        }
        for reason in refusal.reasons(names) {
            *reasons.entry(reason).or_insert(0) += count;
        }
    }
    let total = order.len();
    let list = |mut parts: Vec<String>| {
        parts.sort();
        parts.join(", ")
    };
    let reasons = list(reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect());
    let mut preemption = Vec::new();
    if helpless > 0 {
        preemption.push(format!("{helpless} Preemption is not helpful for scheduling"));
    }
    if total > helpless {
        preemption.push(format!("{} No preemption victims found for incoming pod", total - helpless));
    }
    let preemption = list(preemption);
    let message = format!(
        "0/{total} nodes are available: {reasons}. no new claims to deallocate, preemption: 0/{total} nodes are available: {preemption}."
    );
    Decision::None { message, plugins }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_feasible_nodes() {
        for (nodes, want) in [(5, 5), (99, 99), (100, 100), (1000, 420), (5000, 500), (20_000, 1000), (100_000, 5000)] {
            assert_eq!(feasible_wanted(nodes), want, "{nodes}");
        }
    }

    #[test]
    fn ties_go_to_the_first_in_pre_order() {
        for (scores, want) in
            [(&[5, 5, 5][..], 0), (&[1, 5, 5], 1), (&[1, 2, 5], 2), (&[1, 2, 5, 5, 5], 3), (&[1, 2, 5, 1, 5, 5], 4), (&[7], 0)]
        {
            assert_eq!(pick(scores), want, "{scores:?}");
        }
    }
}
