//! Cluster autoscaler: has groups of nodes grow for pods that nothing can take, and shrink when nodes are not needed.
//!
//! | | |
//! |---|---|
//! | reads  | `Pod`, `PodStatus`, `Meta`, `Node`, `NodeStatus`, `DaemonSet`, `PodDisruptionBudget`, `NodeGroups`, `AutoscalerSettings`, the scheduler's filters |
//! | writes | `Create`, `Put` and `Delete` of nodes, `Evict`, `Fleet`, `NodeFaults`, `Events` |
//! | woken  | pods that nothing can take, come to nodes or go; nodes and budgets that change; its own timers |
//! | source | `spec/autoscaling.md` §9 |
//!
//! A scan stands on the grid of the scan interval, and only where something has changed since the last one or a timer of the autoscaler
//! has run out: any other scan of the original's would decide the same again. Scenes without node groups wake it never.
//!
//! Reading order: `machines` (the cloud), `up` and `expander` (growing), `down` (which nodes are not needed), `drain` (taking one away),
//! `explain` (what all this is told as).

mod down;
mod drain;
mod expander;
pub mod explain;
mod health;
mod machines;
mod telling;
mod up;

use crate::scheduler::what_if::Scheduling;
use crate::texts::texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use drain::Leaving;
use explain::{Explanations, NodeFinding, NodeVerdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::NewObject;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Revision, Uid};
use wavetank_engine::model::disruption::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::meta::{ConditionStatus, Meta, condition};
use wavetank_engine::model::node::{Node, NodeStatus};
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::revisioned::DaemonSet;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::scene::faults::NodeFaults;
use wavetank_engine::scene::kubelet_config::KubeletConfig;
use wavetank_engine::scene::node_groups::{AutoscalerSettings, Fleet, NodeGroup, NodeGroups};
use wavetank_engine::simulation::route::{SINGLE, Wake, Whom};
use wavetank_engine::simulation::{Epoch, Seed, Simulation};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// The work queue: pods, nodes and budgets that changed, and the scan.
pub struct ClusterQueue;

/// What wakes the autoscaler in scenes with node groups.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::Pod, on: Changes::STATUS.or(Changes::PLACEMENT).or(Changes::DELETION).or(Changes::GONE), whom: Whom::Itself },
    Wake {
        kind: Kind::Node,
        on: Changes::ADDED
            .or(Changes::GONE)
            .or(Changes::TAINTS)
            .or(Changes::READY)
            .or(Changes::ALLOCATABLE)
            .or(Changes::LABELS)
            .or(Changes::ANNOTATIONS),
        whom: Whom::Itself,
    },
    Wake { kind: Kind::PodDisruptionBudget, on: Changes::ANY, whom: Whom::Itself },
];

texts! {
    /// Words of the autoscaler.
    pub ClusterTexts {
        source = "cluster-autoscaler",
        cloud = "cloud-node-lifecycle-controller",
        system = "kube-system",
        status = "cluster-autoscaler-status",
        any = "{}",
        triggered = "TriggeredScaleUp",
        triggered_words = "pod triggered scale-up: {}",
        not_triggered = "NotTriggerScaleUp",
        not_triggered_words = "pod didn't trigger scale-up: {}",
        scaled_up = "ScaledUpGroup",
        failed_up = "FailedToScaleUpGroup",
        timed_out = "ScaleUpTimedOut",
        total_reached = "MaxNodesTotalReached",
        unhealthy = "ClusterUnhealthy",
        unhealthy_words = "Cluster is unhealthy",
        down = "ScaleDown",
        down_empty = "ScaleDownEmpty",
        down_failed = "ScaleDownFailed",
        marked = "marked the node as toBeDeleted/unschedulable",
        removed = "node removed by cluster autoscaler",
        not_drained = "failed to drain the node, aborting ScaleDown",
        deleting_pod = "deleting pod for node scale down",
        deleting_node = "DeletingNode",
        leaves_taint = "ToBeDeletedByClusterAutoscaler",
        candidate_taint = "DeletionCandidateOfClusterAutoscaler",
        stays = "cluster-autoscaler.kubernetes.io/scale-down-disabled",
        safe = "cluster-autoscaler.kubernetes.io/safe-to-evict",
        mirror = "kubernetes.io/config.mirror",
    }
}

/// A node of a group: the group's place, and the node's number.
pub type NodeId = (u32, u32);

/// What node objects of each group are made after. ECS resource.
#[derive(Default, Resource)]
struct Templates(Vec<NewObject>);

/// Kinds without components that are spoken of. ECS resource.
#[derive(Resource)]
struct StatusKind(Kind);

/// The autoscaler's memory. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct ClusterState {
    /// Whether timers have been set.
    begun: bool,
    /// Whether something has changed since the last scan.
    changed: bool,
    scanned_at: Option<SimTime>,
    /// When the next scan might decide otherwise though nothing changes.
    look_at: Option<SimTime>,
    /// Pods on nodes.
    placed: BTreeSet<ObjRef>,
    /// Groups that failed: how often in a row, when last, and until when they are left alone.
    back_off: BTreeMap<u32, (u32, SimTime, SimTime)>,
    /// Nodes that are not needed, and since when.
    unneeded: BTreeMap<NodeId, SimTime>,
    /// Nodes on their way out.
    leaving: BTreeMap<NodeId, Leaving>,
    added_at: Option<SimTime>,
    removed_at: Option<SimTime>,
    failed_at: Option<SimTime>,
    /// What pods were told last that triggered nothing.
    told: BTreeMap<ObjRef, Sym>,
    /// How many of each group's reclaims have begun.
    reclaims: BTreeMap<u32, usize>,
}

/// Registers the autoscaler. The scene's groups must be there, or there are none.
pub fn install(sim: &mut Simulation) {
    sim.ensure::<NodeGroups>();
    sim.ensure::<AutoscalerSettings>();
    sim.ensure::<Fleet>();
    sim.ensure::<NodeFaults>();
    sim.ensure::<KubeletConfig>();
    sim.ensure::<Explanations>();
    let groups = sim.get::<NodeGroups>().clone();
    let templates = groups.0.iter().map(|group| group.template(sim)).collect();
    sim.resource(Templates(templates));
    let texts = ClusterTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    let kind = sim.get_mut::<Kinds>().kind_of("v1", "ConfigMap");
    sim.resource(StatusKind(kind));
    sim.keep(ClusterState::default());
    let wakes = if groups.0.is_empty() { &[] } else { WAKES };
    sim.behaviour::<ClusterQueue, _, _>("cluster_autoscaler", "cluster-autoscaler", wakes, sync);
}

/// What the autoscaler reads.
#[derive(SystemParam)]
struct Reads<'w, 's> {
    pods: View<'w, 's, ClusterQueue, Pod>,
    statuses: View<'w, 's, ClusterQueue, PodStatus>,
    metas: View<'w, 's, ClusterQueue, Meta>,
    nodes: View<'w, 's, ClusterQueue, Node>,
    node_statuses: View<'w, 's, ClusterQueue, NodeStatus>,
    budgets: View<'w, 's, ClusterQueue, PodDisruptionBudget>,
    budget_statuses: View<'w, 's, ClusterQueue, PodDisruptionBudgetStatus>,
    daemon_sets: View<'w, 's, ClusterQueue, DaemonSet>,
    listing: Listing<'w, ClusterQueue>,
    selectors: Res<'w, Selectors>,
    settings: Res<'w, AutoscalerSettings>,
    groups: Res<'w, NodeGroups>,
    templates: Res<'w, Templates>,
    kubelet: Res<'w, KubeletConfig>,
    texts: Res<'w, ClusterTexts>,
    own: Own<'w>,
}

/// Small things that are read.
#[derive(SystemParam)]
struct Own<'w> {
    status_kind: Res<'w, StatusKind>,
    seed: Res<'w, Seed>,
    epoch: Res<'w, Epoch>,
}

/// What the autoscaler writes.
#[derive(SystemParam)]
struct Writes<'w> {
    state: ResMut<'w, ClusterState>,
    fleet: ResMut<'w, Fleet>,
    faults: ResMut<'w, NodeFaults>,
    events: ResMut<'w, Events>,
    explanations: ResMut<'w, Explanations>,
}

/// One turn of the autoscaler.
struct Turn<'a, 'q, 'w, 's> {
    work: &'a mut Work<'q, ClusterQueue>,
    reads: &'a Reads<'w, 's>,
    state: &'a mut ClusterState,
    fleet: &'a mut Fleet,
    faults: &'a mut NodeFaults,
    events: &'a mut Events,
    explanations: &'a mut Explanations,
    now: SimTime,
    cause: Revision,
}

fn sync(mut work: Work<ClusterQueue>, reads: Reads, mut writes: Writes, mut scheduling: Scheduling, mut names: ResMut<Names>) {
    if work.is_idle() {
        return;
    }
    let mut turn_due = !std::mem::replace(&mut writes.state.begun, true);
    let mut cause = Revision(0);
    let now = work.now();
    while let Some(item) = work.pop() {
        turn_due |= item.object == SINGLE;
        cause = if item.object == SINGLE { item.cause } else { cause };
        if item.object != SINGLE {
            turn_due |= take_in(&item, &reads, &mut writes, now);
        }
    }
    let Writes { state, fleet, faults, events, explanations } = &mut writes;
    let mut turn = Turn { work: &mut work, reads: &reads, state, fleet, faults, events, explanations, now, cause };
    if turn_due {
        turn.machines(&mut scheduling, &mut names);
        turn.drains(&mut names);
        if turn.scan_due() {
            turn.scan(&mut scheduling, &mut names);
        }
        turn.set_timers();
    } else if turn.state.changed {
        let at = turn.next_scan();
        turn.work.wake_at(SINGLE, at);
    }
}

/// Takes in the present state of an object. Whether a node on its way out has to be looked at.
fn take_in(item: &Item, reads: &Reads, writes: &mut Writes, now: SimTime) -> bool {
    let (state, fleet) = (&mut *writes.state, &mut *writes.fleet);
    let pod = item.object;
    let Some(spec) = reads.pods.get(pod) else {
        // A pod that is gone, a node or a budget.
        state.changed = true;
        state.placed.remove(&pod);
        state.told.remove(&pod);
        waits_no_more(fleet, pod, now);
        drain::answered(item, state, now);
        return !state.leaving.is_empty();
    };
    let Some(status) = reads.statuses.get(pod) else { return false };
    let placed = !spec.node.is_empty() && !status.phase.terminal();
    let moved = if placed { state.placed.insert(pod) } else { state.placed.remove(&pod) };
    let unschedulable = condition(&status.conditions, words::POD_SCHEDULED)
        .is_some_and(|scheduled| scheduled.status == ConditionStatus::False && scheduled.reason == words::UNSCHEDULABLE);
    let terminating = reads.metas.get(pod).is_none_or(Meta::terminating);
    if unschedulable && spec.node.is_empty() && !terminating {
        state.changed |= !fleet.pending.contains_key(&pod);
        fleet.pending.entry(pod).or_insert(now);
    } else if waits_no_more(fleet, pod, now) {
        state.changed = true;
        state.told.remove(&pod);
    }
    state.changed |= moved;
    drain::answered(item, state, now)
}

fn waits_no_more(fleet: &mut Fleet, pod: ObjRef, now: SimTime) -> bool {
    let since = fleet.pending.remove(&pod);
    if let Some(since) = since {
        fleet.pending_ns += now.since(since).0;
    }
    since.is_some()
}

impl Turn<'_, '_, '_, '_> {
    fn group(&self, group: u32) -> &NodeGroup {
        &self.reads.groups.0[group as usize]
    }

    /// The node object of a machine; `None` while there is none.
    fn node(&self, (group, number): NodeId, names: &Names) -> Option<ObjRef> {
        let name = names.find_name(&self.group(group).node_name(number))?;
        self.reads.listing.by_key(ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name })
    }

    /// The next moment on the grid of scans.
    fn next_scan(&self) -> SimTime {
        let step = self.reads.settings.scan_interval.0;
        SimTime((self.now.0 / step + 1) * step)
    }

    fn scan_due(&self) -> bool {
        let on_grid = self.now.0.is_multiple_of(self.reads.settings.scan_interval.0) && self.now > SimTime::ZERO;
        let due = self.state.changed || self.state.look_at.is_some_and(|at| at <= self.now);
        on_grid && due && self.state.scanned_at != Some(self.now)
    }

    /// One loop of the original's: groups grow, or nodes are found not to be needed and go.
    fn scan(&mut self, scheduling: &mut Scheduling, names: &mut Names) {
        (self.state.changed, self.state.scanned_at, self.state.look_at) = (false, Some(self.now), None);
        if !self.healthy() {
            let freed: Vec<NodeId> = std::mem::take(&mut self.state.unneeded).into_keys().collect();
            self.mark(&[], &freed, names);
            let text = names.text(self.reads.texts.unhealthy_words).to_string();
            self.tell_status(names, true, self.reads.texts.unhealthy, &text);
            self.stands_still(names);
            return;
        }
        let mut world = scheduling.what_if(names);
        self.come_to_be(&mut world);
        if self.scale_up(&mut world) {
            // What is still pending is looked at by the next scan.
            self.state.changed = true;
        }
        if self.reads.settings.scale_down_enabled {
            self.scale_down(&mut world);
        } else {
            self.find_all(&NodeVerdict::Disabled);
        }
    }

    /// Says for those who ask that the cluster is not well enough for anything to be done.
    fn stands_still(&mut self, names: &Names) {
        if self.explanations.of_groups() && !self.fleet.pending.is_empty() {
            let because = "the cluster is unhealthy: too many of its nodes are not ready".to_string();
            self.nothing_grows(because, names);
        }
        self.find_all(&NodeVerdict::Unhealthy);
    }

    /// Says the same of every node of a group.
    fn find_all(&mut self, verdict: &NodeVerdict) {
        if self.explanations.of_nodes() {
            for group in 0..self.reads.groups.0.len() as u32 {
                let numbers: Vec<u32> = self.fleet.groups[group as usize].present.keys().copied().collect();
                numbers.into_iter().for_each(|number| self.find((group, number), || verdict.clone()));
            }
        }
    }

    /// Says what a node was found to be, for those who ask.
    fn find(&mut self, id: NodeId, verdict: impl FnOnce() -> NodeVerdict) {
        if self.explanations.of_nodes() {
            let node = self.group(id.0).node_name(id.1);
            self.explanations.finds(NodeFinding { at: self.now, until: self.now, node, verdict: verdict() });
        }
    }

    /// A pod for those who ask.
    fn pod_text(&self, pod: ObjRef, names: &Names) -> String {
        let text = |meta: &Meta| explain::pod_text(names.text(meta.namespace), &names.render(meta.name));
        self.reads.metas.get(pod).map_or_else(String::new, text)
    }

    /// Has a scan looked at things again at a moment.
    fn look_again(&mut self, at: SimTime) {
        let step = self.reads.settings.scan_interval.0;
        let at = SimTime(at.0.max(self.now.0 + 1).div_ceil(step) * step);
        self.state.look_at = Some(self.state.look_at.map_or(at, |known| known.min(at)));
    }

    fn set_timers(&mut self) {
        let scan = self.state.changed.then(|| self.next_scan());
        let timers = [scan, self.state.look_at, self.next_of_machines(), self.next_of_drains()];
        if let Some(at) = timers.into_iter().flatten().filter(|&at| at > self.now).min() {
            self.work.wake_at(SINGLE, at);
        }
    }

    /// An event about a pod or a node.
    fn tell(&mut self, object: ObjRef, warning: bool, (reason, words): (Sym, Sym), args: &[Arg]) {
        let Some(about) = self.reads.listing.row(object).map(|row| row.key) else { return };
        let source = self.reads.texts.source;
        self.events.report(self.now, Report { about, uid: object.uid, source, warning, reason, words, args });
    }

    /// An event about the autoscaler as a whole.
    fn tell_status(&mut self, names: &mut Names, warning: bool, reason: Sym, text: &str) {
        let texts = *self.reads.texts;
        let name = names.name("cluster-autoscaler-status");
        let about = ObjectKey { kind: self.reads.own.status_kind.0, namespace: texts.system, name };
        let args = [Arg::Text(names.sym(text))];
        let report = Report { about, uid: Uid(0), source: texts.source, warning, reason, words: texts.any, args: &args };
        self.events.report(self.now, report);
    }

    /// A failed group is left alone for five minutes, twice as long each time, up to half an hour; after three quiet hours all is
    /// forgotten. Source: `spec/autoscaling.md` §9.
    fn back_off(&mut self, group: u32) {
        let (failures, at, _) = self.state.back_off.get(&group).copied().unwrap_or_default();
        let failures = if self.now.since(at) >= BACK_OFF_RESET { 0 } else { failures };
        let delay = SimDuration(BACK_OFF.0.0 << failures.min(10)).min(BACK_OFF.1);
        self.state.back_off.insert(group, (failures + 1, self.now, self.now + delay));
        self.fleet.groups[group as usize].failed += 1;
        self.state.changed = true;
    }

    fn backs_off(&self, group: u32) -> Option<SimTime> {
        self.state.back_off.get(&group).map(|&(.., until)| until).filter(|&until| until > self.now)
    }
}

/// Back-off of a group that failed: the first, and the longest.
const BACK_OFF: (SimDuration, SimDuration) = (SimDuration::from_secs(5 * 60), SimDuration::from_secs(30 * 60));
/// After so long without a failure the next is the first again.
const BACK_OFF_RESET: SimDuration = SimDuration::from_secs(3 * 3600);
