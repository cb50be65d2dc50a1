//! The `eviction` subresource of pods: a deletion that asks the budget first.
//!
//! Source: kubernetes v1.36, `pkg/registry/core/pod/storage/eviction.go`, `EvictionREST.Create`; `spec/lifecycle.md` §11.

use crate::api::commit::{Act, delete, living, text_of, write};
use crate::api::objects::Objects;
use crate::api::request::{Refusal, Reply};
use crate::api::store::Obj;
use crate::ids::{Kind, ObjRef};
use crate::model::disruption::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use crate::model::labels::LabelSets;
use crate::model::meta::{Condition, ConditionStatus, Meta, set_condition};
use crate::model::pod::{PodPhase, PodStatus};
use crate::model::select::Selectors;
use crate::names::{Names, Sym};
use crate::words;
use bevy_ecs::world::World;

/// Most evictions of one budget that its controller has not confirmed yet. Unit: pods.
const DISRUPTED_PODS_MAX: usize = 2000;

/// Evicts a pod: deletes it with its own grace (or the one asked for) when its budget allows that.
///
/// # Errors
/// 404 without such a pod, 429 when the budget does not allow it now, 403 when the budget is beyond its bounds, 500 when the pod has
/// more than one budget.
pub(crate) fn evict(world: &mut World, act: Act, pod: ObjRef, grace_s: Option<u32>) -> Result<Reply, Refusal> {
    let key = living(world, pod)?;
    let row = *world.resource::<Objects>().row(pod).expect("it lives");
    let Some(status) = world.get::<Obj<PodStatus>>(row.entity).map(Obj::value) else {
        let (_, name) = text_of(world, key);
        return Err(Refusal::not_found("pods", &name));
    };
    let ready = status.ready();
    let terminating = world.get::<Obj<Meta>>(row.entity).is_some_and(|meta| meta.value().terminating());
    let free = terminating || matches!(status.phase, PodPhase::Pending | PodPhase::Succeeded | PodPhase::Failed);
    if !free {
        match budgets(world, pod).as_slice() {
            [] => {}
            [budget] => charge(world, act, pod, *budget, ready)?,
            _ => {
                let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(Refusal { code: 500, reason: "InternalError".into(), message: message.into() });
            }
        }
    }
    mark(world, act, pod);
    delete(world, act, pod, grace_s, None)
}

/// Budgets of the pod's namespace that select it.
fn budgets(world: &World, pod: ObjRef) -> Vec<ObjRef> {
    let (objects, labels, selectors) = (world.resource::<Objects>(), world.resource::<LabelSets>(), world.resource::<Selectors>());
    let Some(pod) = objects.row(pod) else { return Vec::new() };
    let living = objects.in_namespace(Kind::PodDisruptionBudget, pod.key.namespace).filter(|row| row.gone == crate::ids::Revision::HEAD);
    living
        .filter(|row| row.selector.is_some_and(|selector| selectors.matches(selector, labels, pod.labels)))
        .map(|row| row.object)
        .collect()
}

/// Takes one allowed disruption from a budget, unless the pod is unhealthy and may go without.
fn charge(world: &mut World, act: Act, pod: ObjRef, budget: ObjRef, ready: bool) -> Result<(), Refusal> {
    let (row, name) = {
        let objects = world.resource::<Objects>();
        (*objects.row(budget).expect("it was just found"), objects.row(pod).expect("it lives").key.name)
    };
    let (Some(spec), Some(status), Some(meta)) = (
        world.get::<Obj<PodDisruptionBudget>>(row.entity).map(Obj::value),
        world.get::<Obj<PodDisruptionBudgetStatus>>(row.entity).map(Obj::value),
        world.get::<Obj<Meta>>(row.entity).map(Obj::value),
    ) else {
        return Ok(());
    };
    let enough = status.current_healthy >= status.desired_healthy && status.desired_healthy > 0;
    if !ready && (spec.always_evict_unhealthy || enough) {
        return Ok(());
    }
    if status.observed_generation < meta.generation {
        return Err(too_many_requests());
    }
    let text = world.resource::<Names>().render(row.key.name);
    let forbidden = |why: &str| Refusal::forbidden(format!("poddisruptionbudgets.policy \"{text}\" is forbidden: {why}"));
    if status.disruptions_allowed < 0 {
        return Err(forbidden("pdb disruptions allowed is negative"));
    }
    if status.disrupted_pods.len() > DISRUPTED_PODS_MAX {
        return Err(forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller"));
    }
    if status.disruptions_allowed == 0 {
        return Err(too_many_requests());
    }
    let mut charged = status.clone();
    charged.disruptions_allowed -= 1;
    charged.disrupted_pods.retain(|known| known.0 != name);
    charged.disrupted_pods.push((name, act.now.cut_to_second()));
    {
        let names = world.resource::<Names>();
        charged.disrupted_pods.sort_by(|a, b| names.cmp_names(a.0, b.0));
    }
    if charged.disruptions_allowed == 0 {
        let insufficient = condition(world, act, "DisruptionAllowed", ConditionStatus::False, "InsufficientPods", "");
        set_condition(&mut charged.conditions, insufficient);
    }
    write(world, act, budget, vec![charged.into()]);
    Ok(())
}

fn too_many_requests() -> Refusal {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    Refusal { code: 429, reason: "TooManyRequests".into(), message: message.into() }
}

fn condition(world: &mut World, act: Act, kind: &str, status: ConditionStatus, reason: &str, message: &str) -> Condition {
    let mut names = world.resource_mut::<Names>();
    let mut sym = |text: &str| if text.is_empty() { Sym::EMPTY } else { names.sym(text) };
    Condition { kind: sym(kind), status, reason: sym(reason), message: sym(message), transition_at: act.now, update_at: act.now }
}

/// Notes at the pod why it goes.
fn mark(world: &mut World, act: Act, pod: ObjRef) {
    let mut target = condition(world, act, "", ConditionStatus::True, "EvictionByEvictionAPI", "Eviction API: evicting");
    target.kind = words::DISRUPTION_TARGET;
    let entity = world.resource::<Objects>().row(pod).expect("it lives").entity;
    let Some(mut status) = world.get::<Obj<PodStatus>>(entity).map(|status| status.value().clone()) else { return };
    set_condition(&mut status.conditions, target);
    write(world, act, pod, vec![status.into()]);
}
