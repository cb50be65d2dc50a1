//! NodeUnschedulable: cordoned nodes take only pods that tolerate the cordon's taint. Source: `spec/scheduler.md` §5.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Happenings, NodeEvent, Plugin, Refusal};

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::NODE_ADDED.or(Happenings::NODE_TAINTS).or(Happenings::POD_ITSELF);

/// Why the node can't run the pod.
pub fn refusal(facts: &ClassFacts, node: &NodeFacts) -> Option<Refusal> {
    (node.unschedulable && !facts.tolerates_cordon()).then(|| Refusal::of(Plugin::NodeUnschedulable, false, "node(s) were unschedulable"))
}

/// A node helps that is open to pods and was not before. Source: `isSchedulableAfterNodeChange`.
pub fn node_hint(_: &Cycle, event: &NodeEvent) -> bool {
    event.after.is_some_and(|node| !node.unschedulable) && event.before.is_none_or(|node| node.unschedulable)
}
