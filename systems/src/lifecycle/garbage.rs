//! Garbage collector: deletes objects whose owners are gone, and carries out foreground and orphaning deletion.
//!
//! | | |
//! |---|---|
//! | reads  | `Meta` of objects and of their owners, `Objects` |
//! | writes | `Delete` and `Put` of `Meta` requests |
//! | woken  | owner gone, deletion begun, owners changed, an object that names an absent owner |
//! | source | kubernetes v1.36, `pkg/controller/garbagecollector/garbagecollector.go`, `attemptToDeleteItem`; `spec/lifecycle.md` §4 |

use bevy_ecs::prelude::Res;
use smallvec::SmallVec;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{Propagation, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::View;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::meta::{Meta, OwnerRef};
use wavetank_engine::names::Sym;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::Whom;
use wavetank_engine::words;

/// The collector's work queue: objects that may have to go, and owners whose deletion waits.
pub struct Garbage;

/// Registers the collector.
pub fn install(sim: &mut Simulation) {
    sim.behaviour::<Garbage, _, _>("garbage", "generic-garbage-collector", &[], sync);
    sim.wake_on_any::<Garbage>(Changes::GONE, Whom::Dependents);
    sim.wake_on_any::<Garbage>(Changes::GONE, Whom::Owner);
    sim.wake_on_any::<Garbage>(Changes::OWNERS, Whom::Itself);
    sim.wake_on_any::<Garbage>(Changes::OWNERS, Whom::Owner);
    sim.wake_on_any::<Garbage>(Changes::DELETION.or(Changes::FINALIZERS), Whom::Itself);
    sim.wake_on_any::<Garbage>(Changes::ADDED, Whom::ItselfIfOrphaned);
}

/// How an owner stands, as an object that names it cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerState {
    /// It is not there.
    Absent,
    /// It is being deleted and waits for its dependents.
    Waiting,
    /// It is there.
    Solid,
}

/// What becomes of an object that is not being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing.
    Keep,
    /// Some owners hold it: the references to all others are taken away. Places of the owners that stay.
    Release(Vec<usize>),
    /// Nobody holds it.
    Delete(Propagation),
}

/// Decides on an object by its owners' states, in the order of its references.
///
/// `dependents`: whether others name it as an owner. `finalizer`: its own orphan or foregroundDeletion finalizer.
pub fn plan(owners: &[OwnerState], dependents: bool, finalizer: Option<Propagation>) -> Plan {
    if owners.is_empty() {
        return Plan::Keep;
    }
    let solid: Vec<usize> = (0..owners.len()).filter(|&at| owners[at] == OwnerState::Solid).collect();
    if solid.len() == owners.len() {
        return Plan::Keep;
    }
    if !solid.is_empty() {
        return Plan::Release(solid);
    }
    if owners.contains(&OwnerState::Waiting) && dependents {
        return Plan::Delete(Propagation::Foreground);
    }
    Plan::Delete(finalizer.unwrap_or(Propagation::Background))
}

fn sync(mut work: Work<Garbage>, metas: View<Garbage, Meta>, objects: Res<Objects>) {
    while let Some(item) = work.pop() {
        let Some(meta) = metas.get(item.object) else { continue };
        if item.replies.iter().any(|reply| reply.refusal().is_some_and(|refusal| refusal.code == 409)) {
            work.retry(item.object);
            continue;
        }
        if meta.terminating() {
            if meta.finalizers.contains(&words::ORPHAN) {
                orphan(&mut work, &item, meta, &metas, &objects);
            } else if meta.finalizers.contains(&words::FOREGROUND_DELETION) {
                foreground(&mut work, &item, meta, &metas, &objects);
            }
            continue;
        }
        let states: Vec<OwnerState> = meta.owners.iter().map(|owner| state_of(owner, &metas, &objects)).collect();
        let finalizer = gc_finalizer(meta);
        match plan(&states, has_dependents(item.object, &objects), finalizer) {
            Plan::Keep => {}
            Plan::Release(stay) => {
                let mut released = meta.clone();
                released.owners = stay.iter().map(|&at| meta.owners[at]).collect();
                work.ask(&item, Verb::Put { object: item.object, expect: None, value: released.into() });
            }
            Plan::Delete(propagation) => {
                work.tell(item.cause, Verb::Delete { object: item.object, grace_s: None, propagation: Some(propagation) })
            }
        }
    }
}

fn gc_finalizer(meta: &Meta) -> Option<Propagation> {
    if meta.finalizers.contains(&words::ORPHAN) {
        Some(Propagation::Orphan)
    } else {
        meta.finalizers.contains(&words::FOREGROUND_DELETION).then_some(Propagation::Foreground)
    }
}

/// The collector asks the API server itself whether an owner is there, not its cache.
fn state_of(owner: &OwnerRef, metas: &View<Garbage, Meta>, objects: &Objects) -> OwnerState {
    let Some(uid) = owner.uid.filter(|&uid| objects.lives(uid)) else { return OwnerState::Absent };
    let waiting = objects
        .by_uid(uid)
        .and_then(|object| metas.get(object))
        .is_some_and(|meta| meta.terminating() && meta.finalizers.contains(&words::FOREGROUND_DELETION));
    if waiting { OwnerState::Waiting } else { OwnerState::Solid }
}

fn has_dependents(object: ObjRef, objects: &Objects) -> bool {
    !objects.dependents(object.uid).is_empty()
}

fn without(finalizers: &[Sym], finalizer: Sym) -> SmallVec<[Sym; 1]> {
    finalizers.iter().copied().filter(|&f| f != finalizer).collect()
}

/// Takes the references to an owner from all its dependents, then lets it go.
fn orphan(work: &mut Work<Garbage>, item: &Item, meta: &Meta, metas: &View<Garbage, Meta>, objects: &Objects) {
    let mut left = false;
    for dependent in objects.dependents(item.object.uid) {
        let Some(found) = metas.get(dependent).filter(|found| found.owners.iter().any(|owner| owner.uid == Some(item.object.uid))) else {
            continue;
        };
        let mut released = found.clone();
        released.owners.retain(|owner| owner.uid != Some(item.object.uid));
        work.ask(item, Verb::Put { object: dependent, expect: None, value: released.into() });
        left = true;
    }
    if !left {
        let mut freed = meta.clone();
        freed.finalizers = without(&meta.finalizers, words::ORPHAN);
        work.ask(item, Verb::Put { object: item.object, expect: None, value: freed.into() });
    }
}

/// Deletes the dependents of an owner, and lets it go when none that blocks is left.
fn foreground(work: &mut Work<Garbage>, item: &Item, meta: &Meta, metas: &View<Garbage, Meta>, objects: &Objects) {
    let mut blocked = false;
    for dependent in objects.dependents(item.object.uid) {
        let Some(found) = metas.get(dependent) else { continue };
        let Some(owner) = found.owners.iter().find(|owner| owner.uid == Some(item.object.uid)) else { continue };
        blocked |= owner.block_owner_deletion;
        if found.terminating() {
            continue;
        }
        let states: Vec<OwnerState> = found.owners.iter().map(|owner| state_of(owner, metas, objects)).collect();
        match plan(&states, has_dependents(dependent, objects), gc_finalizer(found)) {
            Plan::Keep => {}
            Plan::Release(stay) => {
                let mut released = found.clone();
                released.owners = stay.iter().map(|&at| found.owners[at]).collect();
                work.ask(item, Verb::Put { object: dependent, expect: None, value: released.into() });
            }
            Plan::Delete(propagation) => {
                work.tell(item.cause, Verb::Delete { object: dependent, grace_s: None, propagation: Some(propagation) });
            }
        }
    }
    if !blocked {
        let mut freed = meta.clone();
        freed.finalizers = without(&meta.finalizers, words::FOREGROUND_DELETION);
        work.ask(item, Verb::Put { object: item.object, expect: None, value: freed.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::OwnerState::{Absent, Solid, Waiting};
    use super::*;

    #[test]
    fn plan_table() {
        for (owners, dependents, finalizer, want) in [
            (&[][..], false, None, Plan::Keep),
            (&[Solid], false, None, Plan::Keep),
            (&[Absent], false, None, Plan::Delete(Propagation::Background)),
            (&[Absent], true, Some(Propagation::Orphan), Plan::Delete(Propagation::Orphan)),
            (&[Solid, Absent], false, None, Plan::Release(vec![0])),
            (&[Waiting, Solid], true, None, Plan::Release(vec![1])),
            (&[Waiting], true, None, Plan::Delete(Propagation::Foreground)),
            (&[Waiting], false, None, Plan::Delete(Propagation::Background)),
            (&[Waiting, Absent], true, None, Plan::Delete(Propagation::Foreground)),
        ] {
            assert_eq!(plan(owners, dependents, finalizer), want, "{owners:?} {dependents} {finalizer:?}");
        }
    }
}
