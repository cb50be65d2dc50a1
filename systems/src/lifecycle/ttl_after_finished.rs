//! TTL-after-finished controller: deletes Jobs some time after they ended.
//!
//! | | |
//! |---|---|
//! | reads  | `Job`, `JobStatus`, `Meta` |
//! | writes | `Delete` requests |
//! | woken  | a Job added, or its spec or status changed; its time to live over |
//! | source | kubernetes v1.36, `pkg/controller/ttlafterfinished/ttlafterfinished_controller.go`, `processTTL`; `spec/workloads.md` §9 |

use crate::texts::texts;
use bevy_ecs::prelude::Res;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::{Propagation, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::View;
use wavetank_engine::ids::Kind;
use wavetank_engine::model::batch::{Job, JobStatus};
use wavetank_engine::model::meta::{ConditionStatus, Meta};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::{SimDuration, SimTime};

/// The controller's work queue.
pub struct TtlAfterFinished;

const WAKES: &[Wake] = &[Wake { kind: Kind::Job, on: Changes::ADDED.or(Changes::SPEC).or(Changes::STATUS), whom: Whom::Itself }];

texts! {
    /// Words of the controller.
    TtlTexts {
        complete = "Complete",
        failed = "Failed",
    }
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    let texts = TtlTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<TtlAfterFinished, _, _>("ttl_after_finished", "ttl-after-finished-controller", WAKES, sync);
}

/// When a Job is to be deleted; `None` when it has no time to live or has not ended.
fn expires_at(job: &Job, status: &JobStatus, ends: [Sym; 2]) -> Option<SimTime> {
    let ttl = SimDuration::from_secs(job.ttl_s?);
    let mut ended = status.conditions.iter().filter(|c| ends.contains(&c.kind) && c.status == ConditionStatus::True);
    ended.next().map(|end| end.transition_at.cut_to_second() + ttl)
}

fn sync(
    mut work: Work<TtlAfterFinished>,
    jobs: View<TtlAfterFinished, Job>,
    statuses: View<TtlAfterFinished, JobStatus>,
    metas: View<TtlAfterFinished, Meta>,
    texts: Res<TtlTexts>,
) {
    while let Some(item) = work.pop() {
        let (Some(job), Some(status), Some(meta)) = (jobs.get(item.object), statuses.get(item.object), metas.get(item.object)) else {
            continue;
        };
        if meta.terminating() {
            continue;
        }
        let Some(at) = expires_at(job, status, [texts.complete, texts.failed]) else { continue };
        if at > work.now() {
            work.wake_at(item.object, at);
        } else {
            work.tell(item.cause, Verb::Delete { object: item.object, grace_s: None, propagation: Some(Propagation::Foreground) });
        }
    }
}
