//! Takes in what the store says of storage: claims, volumes, classes, and what CSI drivers tell.

use crate::scheduler::SchedulerQueue;
use crate::scheduler::cache::SchedulerCache;
use crate::scheduler::plugin::Happenings;
use crate::scheduler::plugins::volume_zone::places_of;
use crate::scheduler::reserve::Reserved;
use crate::scheduler::storage::{Capacity, Class, Storage, driver_limits};
use bevy_ecs::prelude::Res;
use bevy_ecs::system::SystemParam;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::store::View;
use wavetank_engine::ids::{Kind, ObjRef, Uid};
use wavetank_engine::model::binding::{ClaimFacts, ClaimKey, VolumeFacts};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::opaque::Opaque;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::model::storage::{
    PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, PersistentVolumeStatus, StorageClass,
};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::model::StorageAssumed;

/// Kinds of objects that are taken in here.
pub const KINDS: [Kind; 6] =
    [Kind::PersistentVolumeClaim, Kind::PersistentVolume, Kind::StorageClass, Kind::CSINode, Kind::CSIDriver, Kind::CSIStorageCapacity];

/// What the scheduler reads of storage.
#[derive(SystemParam)]
pub struct StorageReads<'w, 's> {
    claims: View<'w, 's, SchedulerQueue, PersistentVolumeClaim>,
    claim_statuses: View<'w, 's, SchedulerQueue, PersistentVolumeClaimStatus>,
    pub(super) volumes: View<'w, 's, SchedulerQueue, PersistentVolume>,
    volume_statuses: View<'w, 's, SchedulerQueue, PersistentVolumeStatus>,
    classes: View<'w, 's, SchedulerQueue, StorageClass>,
    others: View<'w, 's, SchedulerQueue, Opaque>,
    pub(super) selectors: Res<'w, Selectors>,
    pub(super) assumed: Res<'w, StorageAssumed>,
}

/// An object of storage as the scheduler last saw it: after a resume, what changes next is judged against this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SeenStorage {
    Claim(ClaimFacts),
    Volume(VolumeFacts),
    Class(Sym, Class),
    Limits(Sym, Vec<(Sym, i64)>),
    Driver(Sym, bool),
    Capacity(Capacity),
}

impl Storage {
    /// Takes in an object as it was seen.
    pub(super) fn take_in(&mut self, object: ObjRef, seen: &SeenStorage) {
        match seen.clone() {
            SeenStorage::Claim(claim) => self.put_claim(claim),
            SeenStorage::Volume(volume) => self.put_volume(volume),
            SeenStorage::Class(name, class) => self.put_class(name, Some(class)),
            SeenStorage::Limits(node, limits) => self.put_limits(node, Some(limits)),
            SeenStorage::Driver(driver, measured) => self.put_driver(driver, measured),
            SeenStorage::Capacity(capacity) => self.put_capacity(object, Some(capacity)),
        }
    }

    /// Forgets an object that is gone.
    fn take_out(&mut self, object: ObjRef, seen: &SeenStorage) {
        match seen {
            SeenStorage::Claim(claim) => self.remove_claim(claim.key, object),
            SeenStorage::Volume(_) => self.remove_volume(object),
            SeenStorage::Class(name, _) => self.put_class(*name, None),
            SeenStorage::Limits(node, _) => self.put_limits(*node, None),
            SeenStorage::Driver(driver, _) => self.put_driver(*driver, false),
            SeenStorage::Capacity(_) => self.put_capacity(object, None),
        }
    }
}

/// What happened to storage, and the claim that it concerns: itself, or that of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StorageEvent {
    pub(super) happened: Happenings,
    pub(super) claim: Option<ClaimKey>,
}

impl SchedulerCache {
    /// Assumes what was chosen for a pod's claims, or takes that back.
    pub(super) fn assume(&mut self, pod: ObjRef, reserved: &Reserved, yes: bool) {
        self.storage.assume(&reserved.chosen, reserved.node, yes);
        for (namespace, claim) in reserved.chosen.claims() {
            if yes {
                self.awaited.insert((namespace, claim, pod));
            } else {
                self.awaited.remove(&(namespace, claim, pod));
            }
        }
    }

    /// Pods whose bindings wait for a claim.
    pub(super) fn awaiting(&self, (namespace, claim): ClaimKey) -> Vec<ObjRef> {
        let all = (namespace, claim, ObjRef::default())..=(namespace, claim, ObjRef { uid: Uid(u64::MAX), ..ObjRef::default() });
        self.awaited.range(all).map(|entry| entry.2).collect()
    }

    /// Takes in the present state of an object of storage; `seen`: what was seen of all. `meta`: its metadata now, or as they were last.
    pub(super) fn storage_changed(
        &mut self,
        object: ObjRef,
        meta: &Meta,
        seen: &mut BTreeMap<ObjRef, SeenStorage>,
        reads: &StorageReads,
        labels: &LabelSets,
        names: &mut Names,
    ) -> StorageEvent {
        let before = seen.get(&object);
        let now = see(object, meta, reads, labels, names);
        let claim = |seen: Option<&SeenStorage>| match seen {
            Some(SeenStorage::Claim(claim)) => Some(claim.key),
            Some(SeenStorage::Volume(volume)) => volume.taken.map(|taken| taken.key),
            _ => None,
        };
        let event = StorageEvent {
            happened: now.as_ref().map_or(Happenings::default(), |now| happened(before, now, labels)),
            claim: claim(now.as_ref()).or_else(|| claim(before)),
        };
        match now {
            Some(now) if before != Some(&now) => {
                self.storage.take_in(object, &now);
                seen.insert(object, now);
            }
            Some(_) => {}
            None => {
                if let Some(gone) = seen.remove(&object) {
                    self.storage.take_out(object, &gone);
                }
            }
        }
        event
    }
}

/// An object's present state; `None` when it is gone.
fn see(object: ObjRef, meta: &Meta, reads: &StorageReads, labels: &LabelSets, names: &mut Names) -> Option<SeenStorage> {
    let text = names.render(meta.name);
    let name = names.sym(&text);
    let other = || reads.others.get(object).map(|other| &other.body);
    Some(match meta.kind {
        Kind::PersistentVolumeClaim => {
            let parts = (meta, reads.claims.get(object)?, reads.claim_statuses.get(object)?);
            SeenStorage::Claim(ClaimFacts::of(names, labels, &reads.selectors, object, parts))
        }
        Kind::PersistentVolume => {
            let parts = (meta, reads.volumes.get(object)?, reads.volume_statuses.get(object)?);
            SeenStorage::Volume(VolumeFacts::of(names, labels, object, parts))
        }
        Kind::StorageClass => SeenStorage::Class(name, Class::of(names, reads.classes.get(object)?)),
        Kind::CSINode => SeenStorage::Limits(name, driver_limits(names, other()?.value())),
        Kind::CSIDriver => {
            let measured = other()?.at(&["spec", "storageCapacity"]).and_then(serde_json::Value::as_bool);
            SeenStorage::Driver(name, measured.unwrap_or(false))
        }
        Kind::CSIStorageCapacity => SeenStorage::Capacity(Capacity::of(names, other()?.value())),
        _ => return None,
    })
}

/// What a change means to pods that wait.
fn happened(before: Option<&SeenStorage>, now: &SeenStorage, labels: &LabelSets) -> Happenings {
    match (before, now) {
        (Some(before), now) if before == now => Happenings::default(),
        (None, SeenStorage::Claim(_)) => Happenings::CLAIM_ADDED,
        (_, SeenStorage::Claim(_)) => Happenings::CLAIM_CHANGED,
        (Some(SeenStorage::Volume(before)), SeenStorage::Volume(now)) => {
            let moved = places_of(labels, before.labels) != places_of(labels, now.labels);
            Happenings::VOLUME_CHANGED.or(Happenings::VOLUME_ZONE.when(moved))
        }
        (_, SeenStorage::Volume(_)) => Happenings::VOLUME_ADDED,
        (Some(SeenStorage::Class(_, before)), SeenStorage::Class(_, now)) => {
            Happenings::CLASS_TOPOLOGY.when(before.topologies != now.topologies)
        }
        (_, SeenStorage::Class(_, now)) if now.waits => Happenings::WAITING_CLASS_ADDED,
        (_, SeenStorage::Class(..)) => Happenings::CLASS_ADDED,
        (Some(SeenStorage::Limits(_, before)), SeenStorage::Limits(_, now)) => {
            let limit = |driver: Sym| before.iter().find(|known| known.0 == driver).map_or(0, |known| known.1);
            Happenings::CSI_LIMIT_RAISED.when(now.iter().any(|&(driver, count)| count > limit(driver)))
        }
        (_, SeenStorage::Limits(..)) => Happenings::CSI_NODE_ADDED,
        // A driver's own change helps only pods with volumes of its kind inside their spec, which are not bound here.
        (_, SeenStorage::Driver(..)) => Happenings::default(),
        (Some(SeenStorage::Capacity(before)), SeenStorage::Capacity(now)) => Happenings::CAPACITY_RAISED.when(now.limit > before.limit),
        (_, SeenStorage::Capacity(_)) => Happenings::CAPACITY_RAISED,
    }
}
