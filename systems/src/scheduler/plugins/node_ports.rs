//! NodePorts: host ports that are free. Source: `spec/scheduler.md` §5.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::facts::{ClassFacts, HostPort};
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Happenings, Plugin, PodEvent, Refusal};

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::NODE_ADDED.or(Happenings::POD_GONE);

/// Why the node can't run the pod.
pub fn refusal(facts: &ClassFacts, node: &NodeFacts) -> Option<Refusal> {
    facts
        .ports
        .iter()
        .any(|asked| node.ports.iter().any(|used| conflict(*asked, *used)))
        .then(|| Refusal::of(Plugin::NodePorts, true, "node(s) didn't have free ports for the requested pod ports"))
}

/// A pod that goes helps when it used a port that the waiting one asks for.
pub fn pod_hint(cycle: &Cycle, event: &PodEvent) -> bool {
    let freed = event.before.filter(|_| event.after.is_none()).map_or(&[][..], |pod| &pod.class.ports);
    cycle.pod.resident.class.ports.iter().any(|asked| freed.iter().any(|freed| conflict(*asked, *freed)))
}

fn conflict(a: HostPort, b: HostPort) -> bool {
    a.port == b.port && a.protocol == b.protocol && (a.ip == b.ip || a.ip.is_empty() || b.ip.is_empty())
}
