//! Deployment controller: one ReplicaSet for each pod template, and the way from one to the next.
//!
//! | | |
//! |---|---|
//! | reads  | `Deployment`, `DeploymentStatus`, `ReplicaSet`, `ReplicaSetStatus`, `Meta`, `PodStatus`, `Objects` |
//! | writes | `Create`, `PutAll` and `Delete` of ReplicaSets, `PutAll` of `DeploymentStatus` and `Meta`; `Events` |
//! | woken  | own object changed; a ReplicaSet of its own, or an orphan that it selects, changed or gone |
//! | source | kubernetes v1.36, `pkg/controller/deployment/deployment_controller.go`, `syncDeployment`; `spec/workloads.md` §3 |
//!
//! One sync of the original is a chain of turns here: [`plan`](plan::plan) gives the writes in order, each waits for the reply to the one
//! before, and a refusal ends the sync. The original is also woken by pods that go away while Recreate waits for them; here the set's
//! status, which counts them, does that.

pub mod annotations;
pub mod history;
pub mod plan;
pub mod progress;
mod read;
pub mod rolling;
pub mod scale;
pub mod snapshot;
pub mod status;
pub mod template;
pub mod template_hash;
#[cfg(test)]
mod tests;
mod turn;

use crate::workloads::texts::Texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use plan::{After, Step};
use read::Draft;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, Revision, Uid};
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::PodStatus;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::model::workload::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetStatus};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Events;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};

/// Failures after which a key is dropped until something wakes it. Source: `deployment_controller.go`, `maxRetries`.
pub const RETRIES_MAX: u32 = 15;

/// The controller's work queue.
pub struct DeploymentQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::Deployment, on: Changes::ANY, whom: Whom::Itself },
    Wake { kind: Kind::ReplicaSet, on: Changes::ANY, whom: Whom::Controller(Kind::Deployment) },
    Wake {
        kind: Kind::ReplicaSet,
        on: Changes::ADDED.or(Changes::LABELS).or(Changes::OWNERS),
        whom: Whom::SelectingOrphan(Kind::Deployment),
    },
];

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.keep(Deployments::default());
    let texts = Texts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<DeploymentQueue, _, _>("deployment", "deployment-controller", WAKES, sync);
}

/// What Deployments are in the middle of. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct Deployments {
    running: BTreeMap<Uid, Running>,
}

/// A sync that waits for a reply.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    /// Writes left; the first is under way. None: claims are.
    steps: VecDeque<Step>,
    after: After,
    /// Revision of the Deployment as it was read.
    base: Revision,
    drafts: Vec<Draft>,
    new_annotations: LabelSetId,
    /// Name of the new set.
    new_name: Sym,
    /// Hash of a set to be created.
    hash: Option<String>,
    /// Annotations desired-replicas and max-replicas.
    replicas: (i32, i32),
    /// Something happened since the sync began.
    dirty: bool,
    failed: bool,
}

/// What the controller reads.
#[derive(SystemParam)]
pub struct Reads<'w, 's> {
    deployments: View<'w, 's, DeploymentQueue, Deployment>,
    statuses: View<'w, 's, DeploymentQueue, DeploymentStatus>,
    sets: View<'w, 's, DeploymentQueue, ReplicaSet>,
    set_statuses: View<'w, 's, DeploymentQueue, ReplicaSetStatus>,
    metas: View<'w, 's, DeploymentQueue, Meta>,
    pod_statuses: View<'w, 's, DeploymentQueue, PodStatus>,
    listing: Listing<'w, DeploymentQueue>,
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

fn sync(mut work: Work<DeploymentQueue>, reads: Reads, mut tables: Tables, mut state: ResMut<Deployments>, mut events: ResMut<Events>) {
    while let Some(item) = work.pop() {
        turn::Turn { work: &mut work, reads: &reads, tables: &mut tables, state: &mut state, events: &mut events }.take(item);
    }
}
