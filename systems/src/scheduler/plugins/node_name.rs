//! NodeName: a pod that names a node goes there only. Source: `spec/scheduler.md` §1.

use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Happenings, Plugin, Refusal};
use wavetank_engine::names::Sym;

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::NODE_ADDED;

/// Why the node can't run a pod that names `asked`; empty: it names none.
pub fn refusal(asked: Sym, node: &NodeFacts) -> Option<Refusal> {
    (!asked.is_empty() && asked != node.name).then(|| Refusal::of(Plugin::NodeName, false, "node(s) didn't match the requested node name"))
}
