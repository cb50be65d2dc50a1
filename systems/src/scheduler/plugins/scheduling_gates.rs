//! SchedulingGates: a pod with gates does not enter the queue. Source: `spec/scheduler.md` §8, `plugins/schedulinggates`.

use crate::scheduler::facts::ClassFacts;
use crate::scheduler::plugin::{Happenings, Plugin, Reason, Refusal};
use wavetank_engine::names::Names;

/// What may lift its refusal: the pod's gates are gone.
pub const WAKES: Happenings = Happenings::POD_ITSELF;

/// Why the pod may not enter the queue (PreEnqueue).
pub fn refusal(facts: &ClassFacts, names: &Names) -> Option<Refusal> {
    if facts.gates.is_empty() {
        return None;
    }
    let gates: Vec<&str> = facts.gates.iter().map(|&gate| names.text(gate)).collect();
    let reason = Reason::Own(format!("waiting for scheduling gates: [{}]", gates.join(" ")).into());
    Some(Refusal { plugin: Plugin::SchedulingGates, resolvable: false, reasons: smallvec::smallvec![reason] })
}
