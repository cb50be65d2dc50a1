//! HorizontalPodAutoscaler controller: every 15 s it compares what the pods of a target use with what is wanted, and scales the target.
//!
//! | | |
//! |---|---|
//! | reads  | `HorizontalPodAutoscaler` and its status, the target's scale, `Pod`, `PodStatus`, the resource metrics API |
//! | writes | `Scale` of the target, `HorizontalPodAutoscalerStatus`, events |
//! | woken  | autoscaler added; its own timer |
//! | source | kubernetes v1.36, `pkg/controller/podautoscaler/horizontal.go`, `reconcileAutoscaler`; `spec/autoscaling.md` §3, §4 |
//!
//! An autoscaler's first sync comes 15 s after its creation, each other 15 s after the one before ended; nothing makes it come sooner.

use super::normalize::Normalizer;
use super::reads::Pods;
use super::scale::Targets;
use super::selection::Matching;
use super::turn::Turn;
use crate::autoscaling::custom_metrics::CustomMetricsApi;
use crate::autoscaling::metrics::MetricsApi;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::View;
use wavetank_engine::ids::{Kind, Revision, Uid};
use wavetank_engine::model::autoscaling::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::select::{SelectorId, Selectors};
use wavetank_engine::names::Names;
use wavetank_engine::record::events::Events;
use wavetank_engine::scene::arrivals::{Arrivals, Flows};
use wavetank_engine::scene::faults::NodeFaults;
use wavetank_engine::scene::program::Programs;
use wavetank_engine::scene::series::MetricSeries;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::{SimDuration, SimTime};

/// From the end of one sync to the next (`--horizontal-pod-autoscaler-sync-period`). Source: `spec/autoscaling.md` §1.
pub const SYNC_PERIOD: SimDuration = SimDuration::from_secs(15);
/// How far usage may be from its target (`--horizontal-pod-autoscaler-tolerance`). Source: `spec/autoscaling.md` §1.
pub const TOLERANCE: f64 = 0.1;
/// The scale-down window of a behavior that sets none. Source: `spec/autoscaling.md` §1.
pub const DOWNSCALE_STABILIZATION: SimDuration = SimDuration::from_secs(300);

/// The controller's work queue: autoscalers.
pub struct AutoscalerQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[Wake { kind: Kind::HorizontalPodAutoscaler, on: Changes::ADDED.or(Changes::GONE), whom: Whom::Itself }];

crate::texts::texts! {
    /// Words of the controller. Source: `spec/autoscaling.md` §4.
    AutoscalerTexts {
        source = "horizontal-pod-autoscaler",
        whole = "{}",
        rescaled = "SuccessfulRescale", rescaled_words = "New size: {}; reason: {}",
        failed_rescale = "FailedRescale", failed_rescale_words = "New size: {}; reason: {}; error: {}",
        failed_status = "FailedUpdateStatus",
    }
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.ensure::<Programs>();
    sim.ensure::<NodeFaults>();
    sim.ensure::<MetricSeries>();
    sim.ensure::<Flows>();
    sim.ensure::<Arrivals>();
    let texts = AutoscalerTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.keep(Autoscalers::default());
    sim.behaviour::<AutoscalerQueue, _, _>("horizontal_pod_autoscaler", "horizontal-pod-autoscaler", WAKES, sync);
}

/// What the controller remembers of autoscalers. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct Autoscalers {
    pub(super) known: BTreeMap<Uid, Known>,
    #[serde(skip)]
    pub(super) matching: Matching,
}

/// What it remembers of one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Known {
    /// When its next sync is due.
    pub(super) due: SimTime,
    /// Recommendations and scale events.
    pub(super) memory: Normalizer,
    /// The target's selector, once it was read.
    pub(super) selector: Option<SelectorId>,
    /// A write whose reply is awaited.
    pub(super) pending: Option<Pending>,
}

/// A write under way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Pending {
    /// Of the target's scale; the status comes next.
    Scale {
        /// Replicas before.
        from: i32,
        /// Replicas wanted.
        to: i32,
        /// Why.
        reason: String,
        /// The status as it will be, but for what the reply tells.
        status: HorizontalPodAutoscalerStatus,
        /// The autoscaler's revision as it was read.
        base: Revision,
    },
    /// Of the status.
    Status,
}

/// What the controller reads of autoscalers.
#[derive(SystemParam)]
pub struct Own<'w, 's> {
    pub(super) specs: View<'w, 's, AutoscalerQueue, HorizontalPodAutoscaler>,
    pub(super) statuses: View<'w, 's, AutoscalerQueue, HorizontalPodAutoscalerStatus>,
    pub(super) metas: View<'w, 's, AutoscalerQueue, Meta>,
    pub(super) targets: Targets<'w, 's, AutoscalerQueue>,
    pub(super) pods: Pods<'w, 's>,
    pub(super) custom: CustomMetricsApi<'w>,
    pub(super) texts: Res<'w, AutoscalerTexts>,
}

fn sync(
    mut work: Work<AutoscalerQueue>,
    own: Own,
    mut api: MetricsApi,
    mut state: ResMut<Autoscalers>,
    mut names: ResMut<Names>,
    mut selectors: ResMut<Selectors>,
    mut events: ResMut<Events>,
) {
    while let Some(item) = work.pop() {
        let turn = Turn {
            work: &mut work,
            own: &own,
            api: &mut api,
            state: &mut state,
            names: &mut names,
            selectors: &mut selectors,
            events: &mut events,
        };
        turn.take(item);
    }
}
