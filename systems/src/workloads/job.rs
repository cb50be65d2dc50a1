//! Job controller: runs pods until enough of them have succeeded or too many have failed.
//!
//! | | |
//! |---|---|
//! | reads  | `Job`, `JobStatus`, `Meta`, `Pod`, `PodStatus` |
//! | writes | `Create`, `Delete`, `Put` of `Meta` and `JobStatus`; `Events` |
//! | woken  | Job added, changed or gone; any change of a pod of its own; an orphan that it selects |
//! | source | kubernetes v1.36, `pkg/controller/job/job_controller.go`, `syncJob`; `spec/workloads.md` §1 and §7 |
//!
//! One sync of the original is a chain of turns here: claims, then creations or deletions, then the status with the ended pods noted,
//! then the removal of their finalizers, then the status with them counted. What a Job is in the middle of stands in [`Jobs`].

pub mod assess;
pub mod backoff;
pub mod indexes;
mod made;
pub mod manage;
mod orphans;
pub mod pods;
pub mod policy;
#[cfg(test)]
mod properties;
mod read;
pub mod texts;
pub mod track;
mod turn;

use assess::{Assessed, Snapshot};
use backoff::BackoffRecord;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use manage::{Action, NewPod};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use texts::JobTexts;
use track::{Outcome, Tracking};
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, Revision, Uid};
use wavetank_engine::model::batch::{Job, JobStatus};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::Names;
use wavetank_engine::record::events::Events;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::{SimDuration, SimTime};

/// How long changes of pods and of a Job's own status are gathered before the Job is looked at.
pub const BATCH_PERIOD: SimDuration = SimDuration::from_secs(1);
/// First wait of a Job whose sync failed, doubled each time.
pub const RETRY_FIRST: SimDuration = SimDuration::from_secs(1);
/// Longest wait of a Job whose sync failed.
pub const RETRY_MAX: SimDuration = SimDuration::from_secs(60);

/// The controller's work queue.
pub struct JobQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::Job, on: Changes::ANY, whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: Changes::ANY, whom: Whom::Controller(Kind::Job) },
    Wake { kind: Kind::Pod, on: Changes::ADDED.or(Changes::LABELS).or(Changes::OWNERS), whom: Whom::SelectingOrphan(Kind::Job) },
];

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.keep(Jobs::default());
    let texts = JobTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<JobQueue, _, _>("job", "job-controller", WAKES, sync);
    orphans::install(sim);
}

/// What Jobs are in the middle of, and what is remembered of them. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct Jobs {
    running: BTreeMap<Uid, Running>,
    known: BTreeMap<Uid, Known>,
}

/// What the controller remembers of a Job.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Known {
    /// Generation that a sync was asked for last.
    generation: u32,
    /// When the next sync is due.
    due_at: Option<SimTime>,
    /// Last creation, claim, finalizer or status written. The cache must have it before a sync begins.
    own: Revision,
    /// Last deletion. The cache must have it before more is created or deleted.
    deleted: Revision,
    /// Failures since the last success.
    record: BackoffRecord,
    /// Failed syncs since the last good one.
    failed_syncs: u32,
    /// The Job has ended, though the cache may not show it yet.
    ended: bool,
}

/// A sync that waits for replies.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    stage: Stage,
    /// Revision of the Job as it was read.
    base: Revision,
    snapshot: Box<Snapshot>,
    /// The pods of the snapshot.
    pods: Vec<ObjRef>,
    found: Assessed,
    action: Action,
    managed: bool,
    outcome: Outcome,
    /// The first request that failed.
    error: bool,
}

/// What a sync waits for.
#[derive(Debug, Serialize, Deserialize)]
enum Stage {
    /// Adoptions and releases.
    Claim,
    /// A batch of creations, and those of later batches.
    Create { batch: u32, later: Vec<NewPod> },
    /// Finalizers of pods that are deleted without being counted, then the deletions.
    Unhold,
    /// Deletions of these pods, as places in the snapshot.
    Delete(Vec<usize>),
    /// The status with ended pods noted.
    Note(Box<Tracking>),
    /// Finalizers of ended pods.
    Release { books: Box<Tracking>, written: bool },
    /// The status with ended pods counted; whether the Job has ended, and what is told then.
    Count { books: Box<Tracking>, ended: bool },
}

/// What the controller reads.
#[derive(SystemParam)]
pub struct Reads<'w, 's> {
    jobs: View<'w, 's, JobQueue, Job>,
    statuses: View<'w, 's, JobQueue, JobStatus>,
    metas: View<'w, 's, JobQueue, Meta>,
    pods: View<'w, 's, JobQueue, Pod>,
    pod_statuses: View<'w, 's, JobQueue, PodStatus>,
    listing: Listing<'w, JobQueue>,
}

/// The shared tables that the controller uses.
#[derive(SystemParam)]
pub struct Tables<'w> {
    names: ResMut<'w, Names>,
    labels: ResMut<'w, LabelSets>,
    selectors: Res<'w, Selectors>,
    classes: ResMut<'w, Classes>,
    texts: Res<'w, JobTexts>,
}

fn sync(mut work: Work<JobQueue>, reads: Reads, mut tables: Tables, mut state: ResMut<Jobs>, mut events: ResMut<Events>) {
    while let Some(item) = work.pop() {
        turn::Turn { work: &mut work, reads: &reads, tables: &mut tables, state: &mut state, events: &mut events }.take(&item);
    }
}
