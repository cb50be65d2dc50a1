//! The `scale` subresource: the number of replicas of a workload, written without touching anything else.
//!
//! Source: kubernetes v1.36, `pkg/registry/apps/deployment/storage/storage.go`, `ScaleREST.Update`.

use crate::api::request::Refusal;
use crate::api::state::StateValue;
use crate::api::store::Obj;
use crate::ids::Kind;
use crate::model::opaque::Opaque;
use crate::model::raw::Raw;
use crate::model::revisioned::StatefulSet;
use crate::model::workload::{Deployment, ReplicaSet};
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use serde_json::{Value, json};

/// Kinds without components here that have a `scale` subresource: version and word.
pub const OTHERS: &[(&str, &str)] = &[("v1", "ReplicationController")];

/// The part of a workload that holds `spec.replicas`, with that set.
///
/// # Errors
/// 404 for kinds without a `scale` subresource, 422 for a negative number.
pub(crate) fn scaled(world: &World, entity: Entity, kind: Kind, replicas: i32) -> Result<StateValue, Refusal> {
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
    let info = world.resource::<crate::model::kinds::Kinds>().info(kind);
    let has_scale = OTHERS.contains(&(info.api_version.as_str(), info.kind.as_str()));
    match world.get::<Obj<Opaque>>(entity).filter(|_| has_scale) {
        Some(cell) => {
            let mut body: Value = cell.value().body.value().clone();
            match body.get_mut("spec").and_then(Value::as_object_mut) {
                Some(spec) => {
                    spec.insert("replicas".into(), replicas.into());
                }
                None => body["spec"] = json!({"replicas": replicas}),
            }
            Ok(Opaque { body: Raw::new(body) }.into())
        }
        None => Err(no_scale()),
    }
}

/// 404: the kind has no `scale` subresource.
pub fn no_scale() -> Refusal {
    Refusal { code: 404, reason: "NotFound".into(), message: "the server could not find the requested resource".into() }
}
