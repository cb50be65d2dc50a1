//! TaintNodesByCondition: a created node is not ready until its kubelet says so.
//!
//! Source: kubernetes v1.36, `plugin/pkg/admission/nodetaint/admission.go`, `Admit`; `spec/lifecycle.md` §12.

use wavetank_engine::api::admit::AdmitCx;
use wavetank_engine::api::request::{NewObject, Refusal};
use wavetank_engine::api::state::StateValue;
use wavetank_engine::ids::Kind;
use wavetank_engine::model::meta::{ConditionStatus, condition};
use wavetank_engine::model::node::{Effect, NodeStatus, NodeTaint};
use wavetank_engine::names::Sym;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::words;

/// Registers the plugin.
pub fn install(sim: &mut Simulation) {
    sim.admit(Some(admit), None, None);
}

fn admit(_: &mut AdmitCx, new: &mut NewObject) -> Result<(), Refusal> {
    if new.meta.kind != Kind::Node {
        return Ok(());
    }
    // A node that brings a status in which it is ready, or in which nothing is heard of it any more, is not new: it has its taints.
    let known =
        |status: &NodeStatus| condition(&status.conditions, words::READY).is_some_and(|ready| ready.status != ConditionStatus::False);
    let known = new.states.iter().any(|state| matches!(state, StateValue::NodeStatus(status) if known(status)));
    for state in &mut new.states {
        let StateValue::Node(node) = state else { continue };
        let taint = NodeTaint { key: words::TAINT_NOT_READY, value: Sym::EMPTY, effect: Effect::NoSchedule, added_at: None };
        if !known && !node.taints.iter().any(|old| (old.key, old.effect) == (taint.key, taint.effect)) {
            node.taints = node.taints.iter().copied().chain([taint]).collect();
        }
    }
    Ok(())
}
