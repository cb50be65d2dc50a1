//! StatefulSet controller: pods with names and places of their own, made and replaced in order.
//!
//! | | |
//! |---|---|
//! | reads  | `StatefulSet`, `StatefulSetStatus`, `ControllerRevision`, `Meta`, `Pod`, `PodStatus` |
//! | writes | `Create` of pods, claims and revisions, `Delete`, `Put` of `Meta`, `ControllerRevision` and `StatefulSetStatus`; `Events` |
//! | woken  | set added, changed or gone; a pod of its own changed; an orphan that it selects |
//! | source | kubernetes v1.36, `pkg/controller/statefulset/stateful_set.go`, `sync`; `spec/workloads.md` §4 and §5 |
//!
//! One sync of the original is a chain of turns here: the revision of the present template, claims of pods, what the plan asks for wanted
//! pods, for those beyond, for the next one to be updated, the status, and last the revisions beyond the history's limit. What a set is
//! in the middle of stands in [`StatefulSets`].

mod made;
pub mod plan;
mod read;
mod turn;

use crate::workloads::revisions::History;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use plan::{Action, Plan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, Revision, Uid};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::revisioned::{ControllerRevision, StatefulSet, StatefulSetStatus};
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::{Name, Names, Sym};
use wavetank_engine::record::events::Events;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};

/// The controller's work queue.
pub struct StatefulSetQueue;

/// Changes of a set that matter to it. Its own status is not among them.
const SET_CHANGES: Changes = Changes::ADDED.or(Changes::GONE).or(Changes::SPEC).or(Changes::DELETION).or(Changes::LABELS);

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::StatefulSet, on: SET_CHANGES, whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: Changes::ANY, whom: Whom::Controller(Kind::StatefulSet) },
    Wake { kind: Kind::Pod, on: Changes::ADDED.or(Changes::LABELS).or(Changes::OWNERS), whom: Whom::SelectingOrphan(Kind::StatefulSet) },
];

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.keep(StatefulSets::default());
    let texts = Texts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<StatefulSetQueue, _, _>("stateful_set", "statefulset-controller", WAKES, sync);
}

/// What sets are in the middle of, and what they have written. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct StatefulSets {
    running: BTreeMap<Uid, Running>,
    /// Last write of each set's controller. The cache must have it before a sync begins.
    written: BTreeMap<Uid, Revision>,
}

/// A sync that waits for replies.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    stage: Stage,
    /// What was asked for, in order; replies come in the same order.
    asked: Vec<Asked>,
    plan: Plan,
    history: History,
    generation: u32,
    /// A request failed.
    error: bool,
    /// Something happened since the sync began.
    dirty: bool,
}

/// What a sync waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// The revision of the present template.
    Revise,
    /// Adoptions and releases of pods.
    Claim,
    /// A batch for wanted pods, those still to come, and the size of the next batch.
    Replicas(Vec<Action>, usize),
    /// The same for pods beyond the wanted ones.
    Condemned(Vec<Action>, usize),
    /// The deletion of the pod that is updated next.
    Update,
    /// The status.
    Report,
    /// Deletions of old revisions.
    Truncate,
}

/// A request of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Asked {
    /// A claim for a pod.
    Claim { claim: Name, pod: Name },
    /// A pod.
    Create(Name),
    /// The end of a pod.
    Delete(Name),
    /// Anything else.
    Other,
}

/// What the controller reads.
#[derive(SystemParam)]
pub struct Reads<'w, 's> {
    sets: View<'w, 's, StatefulSetQueue, StatefulSet>,
    statuses: View<'w, 's, StatefulSetQueue, StatefulSetStatus>,
    revisions: View<'w, 's, StatefulSetQueue, ControllerRevision>,
    metas: View<'w, 's, StatefulSetQueue, Meta>,
    pods: View<'w, 's, StatefulSetQueue, Pod>,
    pod_statuses: View<'w, 's, StatefulSetQueue, PodStatus>,
    listing: Listing<'w, StatefulSetQueue>,
}

/// The shared tables that the controller uses.
#[derive(SystemParam)]
pub struct Tables<'w> {
    names: ResMut<'w, Names>,
    labels: ResMut<'w, LabelSets>,
    selectors: ResMut<'w, Selectors>,
    classes: ResMut<'w, Classes>,
    texts: Res<'w, Texts>,
}

/// Texts, interned once. ECS resource.
#[derive(Debug, Clone, Copy, Resource)]
pub struct Texts {
    controller: Sym,
    pod_name: Sym,
    pod_index: Sym,
    revision: Sym,
    hash: Sym,
    successful_create: Sym,
    failed_create: Sym,
    successful_delete: Sym,
    failed_delete: Sym,
    created: Sym,
    create_failed: Sym,
    deleted: Sym,
    delete_failed: Sym,
    claimed: Sym,
    claim_failed: Sym,
}

impl Texts {
    fn new(names: &mut Names) -> Texts {
        Texts {
            controller: names.sym("statefulset-controller"),
            pod_name: names.sym("statefulset.kubernetes.io/pod-name"),
            pod_index: names.sym("apps.kubernetes.io/pod-index"),
            revision: names.sym("controller-revision-hash"),
            hash: names.sym("controller.kubernetes.io/hash"),
            successful_create: names.sym("SuccessfulCreate"),
            failed_create: names.sym("FailedCreate"),
            successful_delete: names.sym("SuccessfulDelete"),
            failed_delete: names.sym("FailedDelete"),
            created: names.sym("Create Pod {} in StatefulSet {} successful"),
            create_failed: names.sym("Create Pod {} in StatefulSet {} failed error: {}"),
            deleted: names.sym("Delete Pod {} in StatefulSet {} successful"),
            delete_failed: names.sym("Delete Pod {} in StatefulSet {} failed error: {}"),
            claimed: names.sym("Create Claim {} Pod {} in StatefulSet {} success"),
            claim_failed: names.sym("Create Claim {} for Pod {} in StatefulSet {} failed error: {}"),
        }
    }
}

fn sync(mut work: Work<StatefulSetQueue>, reads: Reads, mut tables: Tables, mut state: ResMut<StatefulSets>, mut events: ResMut<Events>) {
    while let Some(item) = work.pop() {
        turn::Turn { work: &mut work, reads: &reads, tables: &mut tables, state: &mut state, events: &mut events }.take(&item);
    }
}

/// A set, when it is known to the controller.
fn known<'r>(reads: &'r Reads, set: ObjRef) -> Option<(&'r StatefulSet, &'r StatefulSetStatus, &'r Meta)> {
    Some((reads.sets.get(set)?, reads.statuses.get(set)?, reads.metas.get(set)?))
}
