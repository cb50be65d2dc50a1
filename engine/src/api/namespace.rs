//! Deletion of namespaces: they stay until their controller has emptied them.
//!
//! Source: kubernetes v1.36, `pkg/registry/core/namespace/storage/storage.go`, `Delete`; `plugin/namespace/lifecycle`;
//! `spec/lifecycle.md` §5.

use crate::api::commit::{Act, begin_deletion, text_of, write};
use crate::api::objects::Objects;
use crate::api::request::{Refusal, Reply};
use crate::api::store::Obj;
use crate::ids::ObjRef;
use crate::model::meta::Meta;
use crate::model::opaque::Namespace;
use crate::names::Names;
use crate::record::events::Events;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;

/// Namespaces that cannot be deleted.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

/// Begins the deletion of a namespace; `None` when nothing holds it any more.
///
/// # Errors
/// 403 for the namespaces that always are.
pub(crate) fn delete(world: &mut World, act: Act, object: ObjRef, meta: &Meta) -> Result<Option<Reply>, Refusal> {
    let row = *world.resource::<Objects>().row(object).expect("it lives");
    let (_, name) = text_of(world, row.key);
    if IMMORTAL.contains(&name.as_str()) {
        return Err(Refusal::forbidden(format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted")));
    }
    let Some(namespace) = world.get::<Obj<Namespace>>(row.entity).map(|namespace| namespace.value().clone()) else { return Ok(None) };
    if namespace.finalized {
        return Ok(None);
    }
    if meta.terminating() {
        return Ok(Some(Reply::Done(row.revision)));
    }
    if let Some(name) = world.resource::<Names>().find(&name) {
        world.resource_mut::<Events>().close(name);
    }
    let mut meta = meta.clone();
    begin_deletion(&mut meta, act.now, 0);
    let revision = write(world, act, object, vec![meta.into(), Namespace { terminating: true, ..namespace }.into()]);
    Ok(Some(Reply::Done(revision.unwrap_or(row.revision))))
}

/// Whether an object is a namespace that its controller has not let go yet.
pub(crate) fn holds(world: &World, entity: Entity) -> bool {
    world.get::<Obj<Namespace>>(entity).is_some_and(|namespace| !namespace.value().finalized)
}
