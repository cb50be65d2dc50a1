//! CronJob controller: makes Jobs on a schedule.
//!
//! | | |
//! |---|---|
//! | reads  | `CronJob`, `CronJobStatus`, `Job`, `JobStatus`, `Meta` |
//! | writes | `Create`, `Delete`, `Put` of `CronJobStatus`; `Events` |
//! | woken  | CronJob added, changed or gone; a Job of its own added, changed or gone; the next moment of its schedule |
//! | source | kubernetes v1.36, `pkg/controller/cronjob/cronjob_controllerv2.go`, `sync`; `spec/workloads.md` §8 |
//!
//! One sync of the original is a chain of turns here: deletions, then the new Job, then the status.

pub mod plan;
mod read;
mod turn;

use crate::texts::texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use plan::Start;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, Revision, Uid};
use wavetank_engine::model::batch::{CronJob, CronJobStatus, JobStatus};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Events;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::simulation::{Epoch, Simulation};

/// The controller's work queue.
pub struct CronJobQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::CronJob, on: Changes::ANY, whom: Whom::Itself },
    Wake { kind: Kind::Job, on: Changes::ANY, whom: Whom::Controller(Kind::CronJob) },
];

texts! {
    /// Words of the controller.
    CronTexts {
        controller = "cronjob-controller",
        text = "{}",
        complete = "Complete",
        failed = "Failed",
    }
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.keep(CronJobs::default());
    let texts = CronTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<CronJobQueue, _, _>("cron_job", "cronjob-controller", WAKES, sync);
}

/// What CronJobs are in the middle of, and what is remembered of them. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct CronJobs {
    running: BTreeMap<Uid, Running>,
    /// Schedule and zone as last seen: a change of them waits for the next moment.
    schedules: BTreeMap<Uid, (Sym, Sym)>,
}

/// A sync that waits for replies.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    stage: Stage,
    /// Revision of the CronJob as it was read.
    base: Revision,
    /// The status as it is to be.
    status: CronJobStatus,
    write: bool,
    /// Job to be started once the deletions are granted.
    start: Option<Start>,
    /// When to look again, from the sync's beginning. Unit: nanoseconds.
    again_at: Option<u64>,
    error: bool,
}

/// What a sync waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Deletions of old and of replaced Jobs.
    Delete,
    /// The new Job.
    Create,
    /// The status.
    Report,
}

/// What the controller reads.
#[derive(SystemParam)]
pub struct Reads<'w, 's> {
    cron_jobs: View<'w, 's, CronJobQueue, CronJob>,
    statuses: View<'w, 's, CronJobQueue, CronJobStatus>,
    job_statuses: View<'w, 's, CronJobQueue, JobStatus>,
    metas: View<'w, 's, CronJobQueue, Meta>,
    listing: Listing<'w, CronJobQueue>,
    objects: Res<'w, Objects>,
}

/// The shared tables that the controller uses.
#[derive(SystemParam)]
pub struct Tables<'w> {
    names: ResMut<'w, Names>,
    labels: ResMut<'w, LabelSets>,
    selectors: ResMut<'w, Selectors>,
    classes: ResMut<'w, Classes>,
    kinds: ResMut<'w, Kinds>,
    texts: Res<'w, CronTexts>,
    epoch: Res<'w, Epoch>,
}

fn sync(mut work: Work<CronJobQueue>, reads: Reads, mut tables: Tables, mut state: ResMut<CronJobs>, mut events: ResMut<Events>) {
    while let Some(item) = work.pop() {
        turn::Turn { work: &mut work, reads: &reads, tables: &mut tables, state: &mut state, events: &mut events }.take(&item);
    }
}
