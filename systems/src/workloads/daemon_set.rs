//! DaemonSet controller: one pod on every node that the set is meant for.
//!
//! | | |
//! |---|---|
//! | reads  | `DaemonSet`, `DaemonSetStatus`, `ControllerRevision`, `Node`, `Meta`, `Pod`, `PodStatus` |
//! | writes | `Create` of pods and revisions, `Delete`, `Put` of `Meta`, `ControllerRevision` and `DaemonSetStatus`; `Events` |
//! | woken  | set added, changed or gone; a pod of its own changed; an orphan that it selects; a node that came, or whose labels or taints changed |
//! | source | kubernetes v1.36, `pkg/controller/daemon/daemon_controller.go`, `syncDaemonSet`; `spec/workloads.md` §4 and §6 |
//!
//! One sync of the original is a chain of turns here: the revision of the present template, claims of pods, creations and deletions (of
//! the one pod a node, else of a rolling update), old revisions, and last the status. What a set is in the middle of stands in
//! [`DaemonSets`].

pub mod eligible;
pub mod plan;
mod read;
mod turn;

use crate::workloads::revisions::History;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use plan::{Plan, Why};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, Revision, Uid};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::node::Node;
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::revisioned::{ControllerRevision, DaemonSet, DaemonSetStatus};
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::{Name, Names, Sym};
use wavetank_engine::record::events::Events;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::{SimDuration, SimTime};

/// Most pods created, and most deleted, in one sync. Unit: pods.
pub const BURST_PODS_MAX: usize = 250;
/// First wait before a failed pod on the same node is replaced again, doubled each time.
pub const FAILED_BACKOFF_FIRST: SimDuration = SimDuration::from_secs(1);
/// Longest such wait. An entry that was not used for twice as long is forgotten.
pub const FAILED_BACKOFF_MAX: SimDuration = SimDuration::from_secs(15 * 60);

/// The controller's work queue.
pub struct DaemonSetQueue;

/// Changes of a set that matter to it. Its own status is not among them.
const SET_CHANGES: Changes = Changes::ADDED.or(Changes::GONE).or(Changes::SPEC).or(Changes::DELETION).or(Changes::LABELS);

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::DaemonSet, on: SET_CHANGES, whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: Changes::ANY, whom: Whom::Controller(Kind::DaemonSet) },
    Wake { kind: Kind::Pod, on: Changes::ADDED.or(Changes::LABELS).or(Changes::OWNERS), whom: Whom::SelectingOrphan(Kind::DaemonSet) },
    Wake { kind: Kind::Node, on: Changes::ADDED.or(Changes::LABELS).or(Changes::TAINTS), whom: Whom::Itself },
];

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.keep(DaemonSets::default());
    let texts = Texts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<DaemonSetQueue, _, _>("daemon_set", "daemonset-controller", WAKES, sync);
}

/// What sets are in the middle of, and what is remembered of them. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct DaemonSets {
    running: BTreeMap<Uid, Running>,
    /// Last write of each set's controller. The cache must have it before a sync begins.
    written: BTreeMap<Uid, Revision>,
    /// Back-offs of failed pods by set, observed generation and node: the wait, and since when.
    failed: BTreeMap<(Uid, u32, Sym), (SimDuration, SimTime)>,
}

/// A sync that waits for replies.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    stage: Stage,
    asked: Vec<Asked>,
    plan: Plan,
    history: History,
    /// Hash of the present template, and its number.
    hash: Sym,
    number: i64,
    generation: u32,
    error: bool,
    dirty: bool,
}

/// What a sync waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// The revision of the present template.
    Revise,
    /// Adoptions and releases of pods.
    Claim,
    /// A batch of creations; the size of the next.
    Create(usize),
    /// Deletions.
    Delete,
    /// Deletions of old revisions.
    Truncate,
    /// The status.
    Report,
}

/// A request of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Asked {
    /// A pod.
    Create,
    /// The end of a pod.
    Delete(Name, Why, Sym),
    /// Anything else.
    Other,
}

/// What the controller reads.
#[derive(SystemParam)]
pub struct Reads<'w, 's> {
    sets: View<'w, 's, DaemonSetQueue, DaemonSet>,
    statuses: View<'w, 's, DaemonSetQueue, DaemonSetStatus>,
    revisions: View<'w, 's, DaemonSetQueue, ControllerRevision>,
    nodes: View<'w, 's, DaemonSetQueue, Node>,
    metas: View<'w, 's, DaemonSetQueue, Meta>,
    pods: View<'w, 's, DaemonSetQueue, Pod>,
    pod_statuses: View<'w, 's, DaemonSetQueue, PodStatus>,
    listing: Listing<'w, DaemonSetQueue>,
}

/// The shared tables that the controller uses.
#[derive(SystemParam)]
pub struct Tables<'w> {
    names: ResMut<'w, Names>,
    labels: ResMut<'w, LabelSets>,
    selectors: Res<'w, Selectors>,
    classes: ResMut<'w, Classes>,
    texts: Res<'w, Texts>,
}

/// Texts, interned once. ECS resource.
#[derive(Debug, Clone, Copy, Resource)]
pub struct Texts {
    controller: Sym,
    hash: Sym,
    template_generation: Sym,
    successful_create: Sym,
    failed_create: Sym,
    successful_delete: Sym,
    failed_delete: Sym,
    created: Sym,
    create_failed: Sym,
    deleted: Sym,
    delete_failed: Sym,
    failed_daemon_pod: Sym,
    found_failed: Sym,
    succeeded_daemon_pod: Sym,
    found_succeeded: Sym,
    selecting_all: Sym,
    selects_all: Sym,
}

impl Texts {
    fn new(names: &mut Names) -> Texts {
        Texts {
            controller: names.sym("daemonset-controller"),
            hash: names.sym("controller-revision-hash"),
            template_generation: names.sym("pod-template-generation"),
            successful_create: names.sym("SuccessfulCreate"),
            failed_create: names.sym("FailedCreate"),
            successful_delete: names.sym("SuccessfulDelete"),
            failed_delete: names.sym("FailedDelete"),
            created: names.sym("Created pod: {}"),
            create_failed: names.sym("Error creating: {}"),
            deleted: names.sym("Deleted pod: {}"),
            delete_failed: names.sym("Error deleting: {}"),
            failed_daemon_pod: names.sym("FailedDaemonPod"),
            found_failed: names.sym("Found failed daemon pod {}/{} on node {}, will try to kill it"),
            succeeded_daemon_pod: names.sym("SucceededDaemonPod"),
            found_succeeded: names.sym("Found succeeded daemon pod {}/{} on node {}, will try to delete it"),
            selecting_all: names.sym("SelectingAll"),
            selects_all: names.sym("This daemon set is selecting all pods. A non-empty selector is required."),
        }
    }
}

fn sync(mut work: Work<DaemonSetQueue>, reads: Reads, mut tables: Tables, mut state: ResMut<DaemonSets>, mut events: ResMut<Events>) {
    while let Some(item) = work.pop() {
        turn::Turn { work: &mut work, reads: &reads, tables: &mut tables, state: &mut state, events: &mut events }.take(&item);
    }
}
