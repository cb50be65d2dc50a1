//! Admission: what behaviours may change or refuse at the door, in a fixed order.

use crate::api::commit::Act;
use crate::api::request::{NewObject, Refusal};
use crate::api::state::StateValue;
use crate::ids::ObjRef;
use crate::time::SimTime;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::{Mut, World};
use smallvec::SmallVec;

/// What an admission plugin may look at and keep. Nothing of the store can be written here.
pub struct AdmitCx<'w> {
    world: &'w mut World,
    /// The present moment.
    pub now: SimTime,
    /// Who asks.
    pub actor: crate::api::request::Actor,
}

impl AdmitCx<'_> {
    /// A resource to read: names, objects, classes ...
    ///
    /// # Panics
    /// When the resource was never put in.
    pub fn resource<R: Resource>(&self) -> &R {
        self.world.resource::<R>()
    }

    /// A resource of the plugin's own, or one of the tables of interned values.
    ///
    /// # Panics
    /// When the resource was never put in.
    pub fn resource_mut<R: Resource<Mutability = bevy_ecs::component::Mutable>>(&mut self) -> Mut<'_, R> {
        self.world.resource_mut::<R>()
    }

    /// The class of a defaulted pod spec.
    pub fn class_of(&mut self, spec: &serde_json::Value) -> crate::model::pod_class::ClassId {
        self.world.resource_scope(|world, mut names: Mut<crate::names::Names>| {
            world.resource_mut::<crate::model::pod_class::Classes>().class_of(&mut names, spec)
        })
    }

    /// One part of a living object.
    pub fn state<T: crate::api::state::State>(&self, object: ObjRef) -> Option<&T> {
        let row = self.world.resource::<crate::api::objects::Objects>().row(object)?;
        self.world.get::<crate::api::store::Obj<T>>(row.entity).map(crate::api::store::Obj::value)
    }
}

/// Changes or refuses an object about to be created.
pub type AdmitCreate = fn(&mut AdmitCx, &mut NewObject) -> Result<(), Refusal>;
/// Refuses an update of an object's state.
pub type AdmitUpdate = fn(&mut AdmitCx, ObjRef, &[StateValue]) -> Result<(), Refusal>;
/// Completes an update of an object's state, before it is looked at.
pub type PrepareUpdate = fn(&mut AdmitCx, ObjRef, &mut [StateValue]) -> Result<(), Refusal>;
/// Refuses a deletion.
pub type AdmitDelete = fn(&mut AdmitCx, ObjRef) -> Result<(), Refusal>;

/// The plugins, in the order in which they were added. ECS resource.
#[derive(Default, Resource)]
pub struct Admission {
    pub(crate) create: Vec<AdmitCreate>,
    pub(crate) prepare: Vec<PrepareUpdate>,
    pub(crate) update: Vec<AdmitUpdate>,
    pub(crate) delete: Vec<AdmitDelete>,
}

/// Plugins of one kind that are called without an allocation.
const PLUGINS: usize = 16;

/// Calls the plugins of one kind in order, until one refuses.
fn each<P: Copy>(
    world: &mut World,
    act: Act,
    list: fn(&Admission) -> &[P],
    mut call: impl FnMut(P, &mut AdmitCx) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let plugins: SmallVec<[P; PLUGINS]> = SmallVec::from_slice(list(world.resource::<Admission>()));
    let cx = &mut AdmitCx { world, now: act.now, actor: act.actor };
    plugins.into_iter().try_for_each(|plugin| call(plugin, cx))
}

pub(crate) fn admit_create(world: &mut World, act: Act, new: &mut NewObject) -> Result<(), Refusal> {
    each(world, act, |admission| &admission.create, |plugin, cx| plugin(cx, new))
}

pub(crate) fn admit_update(world: &mut World, act: Act, object: ObjRef, values: &mut [StateValue]) -> Result<(), Refusal> {
    each(world, act, |admission| &admission.prepare, |plugin, cx| plugin(cx, object, values))?;
    each(world, act, |admission| &admission.update, |plugin, cx| plugin(cx, object, values))
}

pub(crate) fn admit_delete(world: &mut World, act: Act, object: ObjRef) -> Result<(), Refusal> {
    each(world, act, |admission| &admission.delete, |plugin, cx| plugin(cx, object))
}
