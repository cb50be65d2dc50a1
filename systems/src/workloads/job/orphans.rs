//! Lets pods go whose Job is gone or has ended: takes the tracking finalizer from them.
//!
//! | | |
//! |---|---|
//! | reads  | `Job`, `JobStatus`, `Meta` |
//! | writes | `Put` of `Meta` |
//! | woken  | a Job gone or its status changed; a pod whose owners changed, or that names an absent one |
//! | source | kubernetes v1.36, `pkg/controller/job/job_controller.go`, `syncOrphanPod`; `spec/workloads.md` §7 |

use super::texts::JobTexts;
use bevy_ecs::prelude::Res;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::batch::{Job, JobStatus};
use wavetank_engine::model::meta::{Meta, condition_true};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};

/// The second work queue of the Job controller: pods, and Jobs whose pods may have to go.
pub(super) struct OrphanPods;

const WAKES: &[Wake] = &[
    Wake { kind: Kind::Job, on: Changes::GONE.or(Changes::STATUS), whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: Changes::OWNERS, whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: Changes::ADDED, whom: Whom::ItselfIfOrphaned },
];

pub(super) fn install(sim: &mut Simulation) {
    sim.behaviour::<OrphanPods, _, _>("job_orphan_pods", "job-controller", WAKES, sync);
}

fn sync(
    mut work: Work<OrphanPods>,
    jobs: View<OrphanPods, Job>,
    statuses: View<OrphanPods, JobStatus>,
    metas: View<OrphanPods, Meta>,
    (listing, objects): (Listing<OrphanPods>, Res<Objects>),
    texts: Res<JobTexts>,
) {
    while let Some(item) = work.pop() {
        let Some(row) = objects.row(item.object) else { continue };
        let keeps = |job: ObjRef| {
            let ended =
                |status: &JobStatus| condition_true(&status.conditions, texts.complete) || condition_true(&status.conditions, texts.failed);
            jobs.get(job).is_some_and(|job| job.managed_elsewhere) || statuses.get(job).is_some_and(|status| !ended(status))
        };
        let mut free = |pod: ObjRef| {
            let Some(meta) = metas.get(pod).filter(|meta| meta.finalizers.contains(&texts.tracking)) else { return };
            let mut freed = meta.clone();
            freed.finalizers.retain(|finalizer| *finalizer != texts.tracking);
            work.tell(item.cause, Verb::Put { object: pod, expect: None, value: freed.into() });
        };
        if row.key.kind == Kind::Pod {
            let controller = metas.get(item.object).and_then(Meta::controller_uid).and_then(|uid| listing.by_uid(uid));
            if !controller.is_some_and(keeps) {
                free(item.object);
            }
        } else if !keeps(item.object) {
            listing.controlled(item.object.uid).for_each(&mut free);
        }
    }
}
