//! Persistent volume controller: binds claims and volumes to each other, and sees to volumes whose claim is gone.
//!
//! | | |
//! |---|---|
//! | reads  | `PersistentVolumeClaim`, `PersistentVolume`, their statuses, `StorageClass`, `Meta`, `Pod` |
//! | writes | `Put` of claims, volumes, their statuses and `Meta`; `Create` of assumed volumes; `Delete` of volumes; `Events` |
//! | woken  | a claim, volume or class added, changed or gone; every 15 s while anything is unsettled |
//! | source | kubernetes v1.36, `pkg/controller/volume/persistentvolume/pv_controller.go`; `spec/storage.md` §2 to §4 and §6 |
//!
//! A binding is four writes, one after the reply to the other; where a claim stands in them is in [`Binder`].
//!
//! Where nothing says what storage a cluster has ([`StorageAssumed`]), claims are given volumes at once.

pub mod cache;
pub mod plan;
mod turn;

use crate::texts::texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use cache::BinderCache;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::Pod;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::model::storage::{
    PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, PersistentVolumeStatus, StorageClass,
};
use wavetank_engine::names::Names;
use wavetank_engine::record::events::Events;
use wavetank_engine::scene::model::StorageAssumed;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::simulation::{Seed, Simulation};
use wavetank_engine::time::{SimDuration, SimTime};

/// How often everything unsettled is looked at again. Source: `spec/storage.md` §1.
pub const RESYNC: SimDuration = SimDuration::from_secs(15);

/// The controller's work queue.
pub struct VolumeQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::PersistentVolumeClaim, on: Changes::ANY, whom: Whom::Itself },
    Wake { kind: Kind::PersistentVolume, on: Changes::ANY, whom: Whom::Itself },
    Wake { kind: Kind::StorageClass, on: Changes::ANY, whom: Whom::Itself },
];

texts! {
    /// Words of the controller.
    pub VolumeTexts {
        source = "persistentvolume-controller",
        text = "{}",
        waits = "WaitForFirstConsumer",
        waits_for_pod = "WaitForPodScheduled",
        failed_binding = "FailedBinding",
        provisioning_failed = "ProvisioningFailed",
        external_provisioning = "ExternalProvisioning",
        mismatch = "VolumeMismatch",
        claim_lost = "ClaimLost",
        claim_misbound = "ClaimMisbound",
        failed_delete = "VolumeFailedDelete",
        failed_recycle = "VolumeFailedRecycle",
        recycled = "VolumeRecycled",
        assumed = "assumed.storage",
    }
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.keep(Binder::default());
    sim.resource(BinderCache::default());
    sim.ensure::<Resync>();
    sim.ensure::<StorageAssumed>();
    let texts = VolumeTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<VolumeQueue, _, _>("volumes", "persistentvolume-controller", WAKES, sync);
    sim.in_order::<VolumeQueue>();
}

/// When the looks at everything unsettled begin: the moment within the period. The original counts from its own start. ECS resource.
#[derive(Debug, Default, Clone, Copy, Resource)]
pub struct Resync {
    /// Distance of the looks from whole periods.
    pub phase: SimDuration,
}

/// What the controller is in the middle of. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct Binder {
    /// Claims that are being bound.
    running: BTreeMap<ObjRef, Running>,
    /// The volumes that they are being bound to.
    busy: BTreeSet<ObjRef>,
    /// When everything unsettled is looked at next.
    resync_at: Option<SimTime>,
}

impl Binder {
    fn begin(&mut self, claim: ObjRef, running: Running) {
        self.busy.insert(running.volume);
        self.running.insert(claim, running);
    }

    fn end(&mut self, claim: ObjRef) -> Option<Running> {
        let running = self.running.remove(&claim)?;
        self.busy.remove(&running.volume);
        Some(running)
    }
}

/// A binding under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    volume: ObjRef,
    step: plan::Step,
    /// A wake rule asked for a turn while it went on.
    dirty: bool,
}

/// What the controller reads.
#[derive(SystemParam)]
pub struct Reads<'w, 's> {
    claims: View<'w, 's, VolumeQueue, PersistentVolumeClaim>,
    claim_statuses: View<'w, 's, VolumeQueue, PersistentVolumeClaimStatus>,
    volumes: View<'w, 's, VolumeQueue, PersistentVolume>,
    volume_statuses: View<'w, 's, VolumeQueue, PersistentVolumeStatus>,
    classes: View<'w, 's, VolumeQueue, StorageClass>,
    metas: View<'w, 's, VolumeQueue, Meta>,
    pods: View<'w, 's, VolumeQueue, Pod>,
    listing: Listing<'w, VolumeQueue>,
    selectors: Res<'w, Selectors>,
    pod_classes: Res<'w, Classes>,
    texts: Res<'w, VolumeTexts>,
    seed: Res<'w, Seed>,
    resync: Res<'w, Resync>,
    assumed: Res<'w, StorageAssumed>,
}

fn sync(
    mut work: Work<VolumeQueue>,
    reads: Reads,
    mut names: ResMut<Names>,
    mut labels: ResMut<LabelSets>,
    mut state: ResMut<Binder>,
    mut cache: ResMut<BinderCache>,
    mut events: ResMut<Events>,
) {
    if work.is_idle() {
        return;
    }
    cache.restore(&reads, &labels, &mut names);
    let mut turn = turn::Turn {
        work: &mut work,
        reads: &reads,
        names: &mut names,
        labels: &mut labels,
        state: &mut state,
        cache: &mut cache,
        events: &mut events,
    };
    // All that is known is taken in before anything is decided: a claim and its volume change together.
    loop {
        let items: Vec<Item> = std::iter::from_fn(|| turn.work.pop()).collect();
        if items.is_empty() {
            break;
        }
        items.iter().for_each(|item| turn.take_in(item));
        items.iter().for_each(|item| turn.take(item));
    }
    turn.plan_resync();
}
