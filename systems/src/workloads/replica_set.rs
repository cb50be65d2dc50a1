//! ReplicaSet controller: keeps the number of active pods at `spec.replicas`, and reports on them.
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
use wavetank_engine::names::Names;
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
const POD_CHANGES: Changes =
    Changes::ADDED.or(Changes::GONE).or(Changes::READY).or(Changes::PHASE).or(Changes::DELETION).or(Changes::LABELS).or(Changes::OWNERS);

/// Changes of a set that matter to it. Its own status is not among them.
const SET_CHANGES: Changes = Changes::ADDED
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

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.keep(ReplicaSets::default());
    sim.resource(Tallies::default());
    let texts = Texts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<ReplicaSetQueue, _, _>("replica_set", "replicaset-controller", WAKES, sync);
}

/// What sets are in the middle of, and what they have written. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct ReplicaSets {
    running: BTreeMap<Uid, Running>,
    written: BTreeMap<Uid, Written>,
}

/// What a set's controller has written and may not have seen yet.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Written {
    /// Last creation, claim or status. The cache must have it before a sync begins.
    own: Revision,
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
pub struct Reads<'w, 's> {
    sets: View<'w, 's, ReplicaSetQueue, ReplicaSet>,
    statuses: View<'w, 's, ReplicaSetQueue, ReplicaSetStatus>,
    metas: View<'w, 's, ReplicaSetQueue, Meta>,
    pods: View<'w, 's, ReplicaSetQueue, Pod>,
    pod_statuses: View<'w, 's, ReplicaSetQueue, PodStatus>,
    listing: Listing<'w, ReplicaSetQueue>,
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

fn sync(
    mut work: Work<ReplicaSetQueue>,
    reads: Reads,
    mut tables: Tables,
    (mut state, mut tallies): (ResMut<ReplicaSets>, ResMut<Tallies>),
    log: Res<Log>,
    mut events: ResMut<Events>,
) {
    tallies.read(&log, &reads, &tables, work.now());
    while let Some(item) = work.pop() {
        turn::Turn { work: &mut work, reads: &reads, tables: &mut tables, state: &mut state, tallies: &mut tallies, events: &mut events }
            .take(item);
    }
}
