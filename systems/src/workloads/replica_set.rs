//! ReplicaSet controller: keeps the number of active pods at `spec.replicas`, and reports on them. What it does with another kind of set
//! is in [`Sets`]: `replication_controller` is the same controller with other wake rules.
//!
//! | | |
//! |---|---|
//! | reads  | `ReplicaSet`, `ReplicaSetStatus`, `Meta`, `Pod`, `PodStatus`, `Objects`, `Log` |
//! | writes | `CreatePod`, `Delete`, `Put` of `Meta` and `ReplicaSetStatus`; `Events` |
//! | woken  | set added, changed or gone; a pod of its own, or an orphan that it selects, added, changed or gone |
//! | source | kubernetes v1.36, `pkg/controller/replicaset/replica_set.go`, `syncReplicaSet`; `spec/workloads.md` §1 and §2 |
//!
//! One sync of the original is a chain of turns here: claims, batches of creations or the deletions, and last the status as the pods were
//! when the sync began. What a set is in the middle of stands in [`ReplicaSets`].

pub mod pass;
pub mod plan;
pub mod rank;
pub mod status;
pub mod tally;
#[cfg(test)]
mod tests;
mod turn;
mod victims;

use crate::workloads::texts::Texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use plan::SlowStart;
use serde::{Deserialize, Serialize};
use status::{Counts, Failure};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use tally::Tallies;
use wavetank_engine::api::log::Log;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, Revision, Uid};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::model::workload::{ReplicaSet, ReplicaSetStatus};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Events;
use wavetank_engine::simulation::latency::Latency;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::simulation::{Seed, ShuffleChoices, Simulation};
use wavetank_engine::time::{SimDuration, SimTime};

/// How long a creation that was refused because its namespace goes away keeps a set from creating and deleting more.
pub const EXPECTATION_TIMEOUT: SimDuration = SimDuration::from_secs(300);

/// The controller's work queue.
pub struct ReplicaSetQueue;

/// Changes of a pod that the controller counts by.
pub(super) const POD_CHANGES: Changes =
    Changes::ADDED.or(Changes::GONE).or(Changes::READY).or(Changes::PHASE).or(Changes::DELETION).or(Changes::LABELS).or(Changes::OWNERS);

/// Changes of a set that matter to it. Its own status is not among them.
pub(super) const SET_CHANGES: Changes = Changes::ADDED
    .or(Changes::GONE)
    .or(Changes::SPEC)
    .or(Changes::LABELS)
    .or(Changes::ANNOTATIONS)
    .or(Changes::OWNERS)
    .or(Changes::DELETION)
    .or(Changes::FINALIZERS);

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::ReplicaSet, on: SET_CHANGES, whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: POD_CHANGES, whom: Whom::Controller(Kind::ReplicaSet) },
    Wake { kind: Kind::Pod, on: Changes::ADDED.or(Changes::LABELS).or(Changes::OWNERS), whom: Whom::SelectingOrphan(Kind::ReplicaSet) },
];

/// A kind of set: what differs between the controllers of ReplicaSets and of ReplicationControllers. The type is the key of the
/// controller's work queue. Source: `spec/workloads.md` §2, end.
pub trait Sets: Send + Sync + 'static {
    /// The kind.
    const KIND: Kind;
    /// Whether the status tells of pods that are being deleted.
    const COUNTS_TERMINATING: bool;
    /// Whether a sync waits until the cache has what the one before wrote. Otherwise only expectations hold back creations and deletions.
    const WAITS_FOR_OWN_WRITES: bool;

    /// Where its events come from.
    fn source(texts: &Texts) -> Sym;
}

impl Sets for ReplicaSetQueue {
    const KIND: Kind = Kind::ReplicaSet;
    const COUNTS_TERMINATING: bool = true;
    const WAITS_FOR_OWN_WRITES: bool = true;

    fn source(texts: &Texts) -> Sym {
        texts.replicaset_controller
    }
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    install_for::<ReplicaSetQueue>(sim, "replica_set", "replicaset-controller", WAKES);
}

/// Registers the controller of one kind of set.
pub(crate) fn install_for<K: Sets>(sim: &mut Simulation, name: &'static str, actor: &str, wakes: &[Wake]) {
    sim.keep(ReplicaSets::<K>::default());
    sim.resource(Tallies::<K>::default());
    let texts = Texts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<K, _, _>(name, actor, wakes, sync::<K>);
}

/// What sets are in the middle of, and what they have written. ECS resource.
#[derive(Serialize, Deserialize, Resource)]
#[serde(bound = "")]
pub struct ReplicaSets<K: Sets> {
    running: BTreeMap<Uid, Running>,
    written: BTreeMap<Uid, Written>,
    kind: PhantomData<K>,
}

impl<K: Sets> Default for ReplicaSets<K> {
    fn default() -> ReplicaSets<K> {
        ReplicaSets { running: BTreeMap::new(), written: BTreeMap::new(), kind: PhantomData }
    }
}

/// What a set's controller has written and may not have seen yet.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Written {
    /// Last claim, and of kinds that wait for their own writes creation or status. The cache must have it before a sync begins.
    own: Revision,
    /// Last creation. The cache must have it before more is created or deleted.
    created: Revision,
    /// Last deletion. The cache must have it before more is created or deleted.
    deleted: Revision,
    /// An expectation that will never be met stands until then.
    silent_until: SimTime,
}

/// A sync that waits for replies.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    stage: Stage,
    /// Revision of the set as it was read.
    base: Revision,
    /// Its generation.
    generation: u32,
    counts: Counts,
    /// Active pods less wanted ones, when the sync began.
    surplus: i32,
    failure: Option<Failure>,
    /// Something happened since the sync began.
    dirty: bool,
}

/// What a sync waits for.
#[derive(Debug, Serialize, Deserialize)]
enum Stage {
    /// Adoptions and releases.
    Claim,
    /// A batch of creations.
    Create(SlowStart),
    /// Deletions of these pods.
    Delete(Vec<ObjRef>),
    /// The status; `again`: this is the second try.
    Report { again: bool },
}

/// What the controller reads.
#[derive(SystemParam)]
pub struct Reads<'w, 's, K: Sets> {
    sets: View<'w, 's, K, ReplicaSet>,
    statuses: View<'w, 's, K, ReplicaSetStatus>,
    metas: View<'w, 's, K, Meta>,
    pods: View<'w, 's, K, Pod>,
    pod_statuses: View<'w, 's, K, PodStatus>,
    listing: Listing<'w, K>,
}

/// The shared tables that the controller uses.
#[derive(SystemParam)]
pub struct Tables<'w> {
    names: ResMut<'w, Names>,
    labels: Res<'w, LabelSets>,
    selectors: Res<'w, Selectors>,
    classes: Res<'w, Classes>,
    kinds: Res<'w, Kinds>,
    texts: Res<'w, Texts>,
    latency: Res<'w, Latency>,
    seed: Res<'w, Seed>,
    shuffle: Res<'w, ShuffleChoices>,
}

fn sync<K: Sets>(
    mut work: Work<K>,
    reads: Reads<K>,
    mut tables: Tables,
    (mut state, mut tallies): (ResMut<ReplicaSets<K>>, ResMut<Tallies<K>>),
    log: Res<Log>,
    mut events: ResMut<Events>,
) {
    tallies.read(&log, &reads, &tables, work.now());
    while let Some(item) = work.pop() {
        turn::Turn { work: &mut work, reads: &reads, tables: &mut tables, state: &mut state, tallies: &mut tallies, events: &mut events }
            .take(item);
    }
}
