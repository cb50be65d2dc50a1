//! The `scale` subresource: the number of replicas of a workload, written without touching anything else.
//!
//! Source: kubernetes v1.36, `pkg/registry/apps/deployment/storage/storage.go`, `ScaleREST.Update`.

use crate::api::request::Refusal;
use crate::api::state::StateValue;
use crate::api::store::Obj;
use crate::model::revisioned::StatefulSet;
use crate::model::workload::{Deployment, ReplicaSet};
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;

/// The part of a workload that holds `spec.replicas`, with that set.
///
/// # Errors
/// 404 for kinds without a `scale` subresource, 422 for a negative number.
pub(crate) fn scaled(world: &World, entity: Entity, replicas: i32) -> Result<StateValue, Refusal> {
    if replicas < 0 {
        return Err(Refusal::invalid(format!("spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0")));
    }
    if let Some(cell) = world.get::<Obj<Deployment>>(entity) {
        return Ok(Deployment { replicas, ..cell.value().clone() }.into());
    }
    if let Some(cell) = world.get::<Obj<ReplicaSet>>(entity) {
        return Ok(ReplicaSet { replicas, ..cell.value().clone() }.into());
    }
    if let Some(cell) = world.get::<Obj<StatefulSet>>(entity) {
        return Ok(StatefulSet { replicas, ..cell.value().clone() }.into());
    }
    Err(no_scale())
}

/// 404: the kind has no `scale` subresource.
pub fn no_scale() -> Refusal {
    Refusal { code: 404, reason: "NotFound".into(), message: "the server could not find the requested resource".into() }
}
