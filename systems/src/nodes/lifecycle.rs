//! Node controller: makes silence Unknown, and conditions taints.
//!
//! | | |
//! |---|---|
//! | reads  | `Node`, `NodeStatus`, `Meta`, `PodStatus`, `NodeFaults` |
//! | writes | `NodeStatus`, `Node` (taints), `PodStatus` (Ready False), events |
//! | woken  | node added, its conditions or cordon changed; its fault changed; its own timers |
//! | source | kubernetes v1.36, `pkg/controller/nodelifecycle/node_lifecycle_controller.go`, `monitorNodeHealth`; `spec/nodes.md` §2 to §5 |
//!
//! The original looks at every node each 5 s. Here the tick at which a node's grace runs out is computed from its last renewal.

use crate::nodes::zones::{Tally, ZonePolicy, ZoneState};
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Revision, Uid};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::{Condition, ConditionStatus, Meta, condition, set_condition};
use wavetank_engine::model::node::{Effect, Node, NodeStatus, NodeTaint, renewed_by};
use wavetank_engine::model::pod::PodStatus;
use wavetank_engine::names::{Name, Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::scene::faults::NodeFaults;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// Period of the monitor.
pub const MONITOR_PERIOD: SimDuration = SimDuration::from_secs(5);
/// Silence after which a node is Unknown.
pub const GRACE: SimDuration = SimDuration::from_secs(50);
/// Period of the NoExecute pass.
const TAINT_PASS: SimDuration = SimDuration::from_millis(100);
/// The controller's work queue: nodes.
pub struct NodeLifecycle;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[Wake {
    kind: Kind::Node,
    on: Changes::ADDED.or(Changes::CONDITIONS).or(Changes::PLACEMENT).or(Changes::TAINTS).or(Changes::GONE),
    whom: Whom::Itself,
}];

/// The controller's memory.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct LifecycleState {
    /// Next moment at which a zone's limiter lets a node be tainted.
    limiter: BTreeMap<(Sym, Sym), SimTime>,
    /// Nodes that wait for their NoExecute taint, and until when.
    waiting: BTreeMap<Uid, SimTime>,
    /// Nodes whose NoExecute taints go with the next pass.
    clearing: BTreeMap<Uid, SimTime>,
    /// No zone has a ready node: nothing is evicted.
    all_full: bool,
    /// Nodes that the monitor knows.
    registered: BTreeMap<Uid, Name>,
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.keep(LifecycleState::default());
    sim.ensure::<Monitor>();
    sim.behaviour::<NodeLifecycle, _, _>("node_lifecycle", "node-controller", WAKES, sync);
    sim.wake_on_faults::<NodeLifecycle>();
}

/// The monitor's tick at which a node that fell silent becomes Unknown. Its leases were renewed each 10 s from `heartbeat_from` on; the
/// controller saw the last renewal at the first tick after it, and acts ten ticks later.
///
/// Choice: the original asks for more than 50 s, and its ticks drift by the time that they take, so that the tenth is late enough, as
/// recordings show; ours stand at whole multiples of 5 s.
pub fn unknown_at(monitor: Monitor, heartbeat_from: SimTime, silent_from: SimTime) -> SimTime {
    monitor.next_tick(renewed_by(heartbeat_from, silent_from)) + GRACE
}

/// When the monitor's ticks fall. ECS resource. Choice: the original's stand at the start of its process plus whole periods; ours begin
/// at zero unless told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Resource)]
pub struct Monitor {
    /// Distance of the ticks from whole multiples of the period.
    pub phase: SimDuration,
}

impl Monitor {
    /// The first tick after a moment.
    pub fn next_tick(&self, after: SimTime) -> SimTime {
        let passed = after.0.saturating_sub(self.phase.0);
        let ticks = if after.0 < self.phase.0 { 0 } else { passed / MONITOR_PERIOD.0 + 1 };
        SimTime(self.phase.0 + ticks * MONITOR_PERIOD.0)
    }
}

/// NoSchedule taints that a node's conditions and cordon ask for. Source: `spec/nodes.md` §3.
pub fn wanted_no_schedule(node: &Node, status: &NodeStatus) -> Vec<Sym> {
    let is = |kind: Sym, word: ConditionStatus| condition(&status.conditions, kind).is_some_and(|c| c.status == word);
    let silent = condition(&status.conditions, words::READY).is_none();
    let admitted = node.taints.iter().any(|taint| taint.key == words::TAINT_NOT_READY && taint.effect == Effect::NoSchedule);
    let rows = [
        // A node that never said it was ready keeps the taint that it was admitted with.
        (is(words::READY, ConditionStatus::False) || silent && admitted, words::TAINT_NOT_READY),
        (is(words::READY, ConditionStatus::Unknown), words::TAINT_UNREACHABLE),
        (is(words::MEMORY_PRESSURE, ConditionStatus::True), words::TAINT_MEMORY_PRESSURE),
        (is(words::DISK_PRESSURE, ConditionStatus::True), words::TAINT_DISK_PRESSURE),
        (is(words::PID_PRESSURE, ConditionStatus::True), words::TAINT_PID_PRESSURE),
        (is(words::NETWORK_UNAVAILABLE, ConditionStatus::True), words::TAINT_NETWORK_UNAVAILABLE),
        (node.unschedulable, words::TAINT_UNSCHEDULABLE),
    ];
    rows.into_iter().filter(|row| row.0).map(|row| row.1).collect()
}

const OWNED: &[Sym] = &[
    words::TAINT_NOT_READY,
    words::TAINT_UNREACHABLE,
    words::TAINT_MEMORY_PRESSURE,
    words::TAINT_DISK_PRESSURE,
    words::TAINT_PID_PRESSURE,
    words::TAINT_NETWORK_UNAVAILABLE,
    words::TAINT_UNSCHEDULABLE,
];

/// Region and zone of a node; empty for none.
type Zone = (Sym, Sym);

/// Nodes of each zone, counted at most once in a run.
#[derive(Default)]
struct Zones(Option<BTreeMap<Zone, Tally>>);

impl Zones {
    fn tallies(&mut self, reads: &Reads) -> &BTreeMap<Zone, Tally> {
        self.0.get_or_insert_with(|| {
            let mut zones: BTreeMap<Zone, Tally> = BTreeMap::new();
            for node in reads.listing.of_kind(Kind::Node) {
                let (Some(meta), Some(status)) = (reads.metas.get(node), reads.statuses.get(node)) else { continue };
                if reads.labels.get(meta.labels, words::EXCLUDE_DISRUPTION_LABEL).is_some() {
                    continue;
                }
                let ready = condition(&status.conditions, words::READY).map(|c| c.status);
                zones.entry(zone_of(meta, reads)).or_default().add(ready);
            }
            zones
        })
    }

    /// Whether no zone has a ready node.
    fn all_full(&mut self, reads: &Reads) -> bool {
        self.tallies(reads).values().all(|&zone| ZonePolicy::DEFAULT.state(zone) == ZoneState::Full)
    }

    /// Time between two NoExecute taints of a zone.
    fn every(&mut self, zone: Zone, reads: &Reads) -> Option<SimDuration> {
        let all_full = self.all_full(reads);
        let tally = self.tallies(reads).get(&zone).copied().unwrap_or_default();
        ZonePolicy::DEFAULT.taint_every(tally, all_full)
    }
}

fn zone_of(meta: &Meta, reads: &Reads) -> Zone {
    let label = |key| reads.labels.get(meta.labels, key).unwrap_or(Sym::EMPTY);
    (label(words::REGION_LABEL), label(words::ZONE_LABEL))
}

/// Everything of the store that the controller reads.
#[derive(bevy_ecs::system::SystemParam)]
pub struct Reads<'w, 's> {
    nodes: View<'w, 's, NodeLifecycle, Node>,
    statuses: View<'w, 's, NodeLifecycle, NodeStatus>,
    metas: View<'w, 's, NodeLifecycle, Meta>,
    pods: View<'w, 's, NodeLifecycle, PodStatus>,
    listing: Listing<'w, NodeLifecycle>,
    labels: Res<'w, LabelSets>,
    faults: Res<'w, NodeFaults>,
    monitor: Res<'w, Monitor>,
}

fn sync(
    mut work: Work<NodeLifecycle>,
    reads: Reads,
    mut state: ResMut<LifecycleState>,
    mut names: ResMut<Names>,
    mut events: ResMut<Events>,
) {
    let (mut zones, mut registered) = (Zones::default(), None);
    while let Some(item) = work.pop() {
        let (Some(node), Some(status), Some(meta)) =
            (reads.nodes.get(item.object), reads.statuses.get(item.object), reads.metas.get(item.object))
        else {
            state.waiting.remove(&item.object.uid);
            missed(item.object, &reads, &mut state, &mut names, &mut events, &mut work);
            continue;
        };
        if meet(item.object, meta, &reads, &mut state, &mut work) {
            let words = *registered.get_or_insert_with(|| interned(REGISTERED, &mut names));
            tell(item.object, meta.name, words, &mut events, work.now());
        }
        let name = names.whole(meta.name);
        let ready = condition(&status.conditions, words::READY).map(|c| c.status);
        let ready = ready.filter(|&ready| ready != ConditionStatus::Unknown);
        if let (Some(from), Some((_, silent_from)), Some(_)) = (status.heartbeat_from, reads.faults.of(name), ready) {
            let at = unknown_at(*reads.monitor, from, silent_from);
            if work.now() < at {
                work.wake_at(item.object, at);
            } else {
                make_unknown(item.object, item.cause, meta, status, name, &reads, &mut names, &mut events, &mut work);
                continue;
            }
        }
        if state.all_full || !status.ready() {
            look_at_zones(&mut zones, &reads, &mut state, &mut work);
        }
        let taints = plan_taints(item.object, node, status, meta, &reads, &mut zones, &mut state, &mut work);
        if let Some(taints) = taints {
            work.tell(
                item.cause,
                Verb::Put { object: item.object, expect: None, value: Node { taints: taints.into(), ..node.clone() }.into() },
            );
        }
    }
}

/// The monitor meets a new node at its next tick. Returns whether it does so now. Source: `spec/nodes.md` §2, step 6.
fn meet(node: ObjRef, meta: &Meta, reads: &Reads, state: &mut LifecycleState, work: &mut Work<NodeLifecycle>) -> bool {
    if state.registered.contains_key(&node.uid) {
        return false;
    }
    let at = reads.monitor.next_tick(meta.created_at);
    if work.now() < at {
        work.wake_at(node, at);
        return false;
    }
    state.registered.insert(node.uid, meta.name);
    true
}

/// The monitor misses a node that is gone at its next tick. Source: `spec/nodes.md` §2, step 6.
fn missed(node: ObjRef, reads: &Reads, state: &mut LifecycleState, names: &mut Names, events: &mut Events, work: &mut Work<NodeLifecycle>) {
    let Some(&name) = state.registered.get(&node.uid) else { return };
    let at = *state.clearing.entry(node.uid).or_insert(reads.monitor.next_tick(work.now()));
    if work.now() < at {
        work.wake_at(node, at);
        return;
    }
    state.registered.remove(&node.uid);
    state.clearing.remove(&node.uid);
    tell(node, name, interned(REMOVING, names), events, work.now());
}

/// Reason and text of events about nodes that the monitor meets and misses.
const REGISTERED: (&str, &str) = ("RegisteredNode", "Node {} event: Registered Node {} in Controller");
const REMOVING: (&str, &str) = ("RemovingNode", "Node {} event: Removing Node {} from Controller");

/// Source, reason and text of an event.
fn interned((reason, words): (&str, &str), names: &mut Names) -> [Sym; 3] {
    [names.sym("node-controller"), names.sym(reason), names.sym(words)]
}

fn tell(node: ObjRef, name: Name, [source, reason, words]: [Sym; 3], events: &mut Events, now: SimTime) {
    let about = ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name };
    let args = &[Arg::Name(name), Arg::Name(name)];
    events.report(now, Report { about, uid: node.uid, source, warning: false, reason, words, args });
}

/// When no zone has a ready node any more, or one has again, all unready nodes are looked at.
fn look_at_zones(zones: &mut Zones, reads: &Reads, state: &mut LifecycleState, work: &mut Work<NodeLifecycle>) {
    let all_full = zones.all_full(reads);
    if std::mem::replace(&mut state.all_full, all_full) == all_full {
        return;
    }
    if all_full {
        state.waiting.clear();
        state.limiter.clear();
    }
    for node in reads.listing.of_kind(Kind::Node) {
        if reads.statuses.get(node).is_some_and(|status| !status.ready()) {
            work.wake(node, Revision(0));
        }
    }
}

/// The node's taints as they should be now, or `None` when they are so. Sets the timers of those whose time has not come.
#[expect(clippy::too_many_arguments, reason = "the node, its zone and what waits for it")]
fn plan_taints(
    object: ObjRef,
    node: &Node,
    status: &NodeStatus,
    meta: &Meta,
    reads: &Reads,
    zones: &mut Zones,
    state: &mut LifecycleState,
    work: &mut Work<NodeLifecycle>,
) -> Option<Vec<NodeTaint>> {
    let now = work.now();
    let wanted = wanted_no_schedule(node, status);
    let owned = |taint: &NodeTaint| taint.effect == Effect::NoSchedule && OWNED.contains(&taint.key);
    let mut taints: Vec<NodeTaint> = node.taints.iter().copied().filter(|taint| !owned(taint) || wanted.contains(&taint.key)).collect();
    for key in wanted {
        if !taints.iter().any(|taint| taint.effect == Effect::NoSchedule && taint.key == key) {
            taints.push(NodeTaint { key, value: Sym::EMPTY, effect: Effect::NoSchedule, added_at: Some(now.cut_to_second()) });
        }
    }
    let executing =
        |taint: &NodeTaint| taint.effect == Effect::NoExecute && matches!(taint.key, words::TAINT_NOT_READY | words::TAINT_UNREACHABLE);
    let ready = condition(&status.conditions, words::READY).map(|c| c.status);
    let key = match ready {
        Some(ConditionStatus::False) => Some(words::TAINT_NOT_READY),
        Some(ConditionStatus::Unknown) => Some(words::TAINT_UNREACHABLE),
        _ => None,
    };
    match key {
        None => {
            state.waiting.remove(&object.uid);
            if taints.iter().any(executing) {
                // Recovery is seen at the monitor's next tick.
                let at = *state.clearing.entry(object.uid).or_insert(reads.monitor.next_tick(now));
                if now < at {
                    work.wake_at(object, at);
                } else {
                    state.clearing.remove(&object.uid);
                    taints.retain(|taint| !executing(taint));
                }
            }
        }
        Some(_) if state.all_full => taints.retain(|taint| !executing(taint)),
        Some(key) if taints.iter().any(|taint| executing(taint) && taint.key == key) => {
            state.clearing.remove(&object.uid);
        }
        Some(key) => {
            state.clearing.remove(&object.uid);
            let swap = taints.iter().any(executing);
            let at = if swap { Some(now) } else { no_execute_at(object, meta, reads, zones, state, now) };
            match at {
                Some(at) if at <= now => {
                    taints.retain(|taint| !executing(taint));
                    taints.push(NodeTaint { key, value: Sym::EMPTY, effect: Effect::NoExecute, added_at: Some(now.cut_to_second()) });
                    state.waiting.remove(&object.uid);
                }
                Some(at) => work.wake_at(object, at),
                None => work.wake_at(object, reads.monitor.next_tick(now)),
            }
        }
    }
    (taints[..] != node.taints[..]).then_some(taints)
}

/// When a node gets its NoExecute taint: its zone's limiter lets one through each 10 s. `None`: tainting is stopped.
fn no_execute_at(
    object: ObjRef,
    meta: &Meta,
    reads: &Reads,
    zones: &mut Zones,
    state: &mut LifecycleState,
    now: SimTime,
) -> Option<SimTime> {
    if let Some(&at) = state.waiting.get(&object.uid) {
        return Some(at);
    }
    let zone = zone_of(meta, reads);
    let every = zones.every(zone, reads)?;
    let pass = SimTime(now.0.div_ceil(TAINT_PASS.0) * TAINT_PASS.0);
    let at = state.limiter.get(&zone).copied().unwrap_or(SimTime::ZERO).max(pass);
    state.limiter.insert(zone, at + every);
    state.waiting.insert(object.uid, at);
    Some(at)
}

#[expect(clippy::too_many_arguments, reason = "the node, its place in the store and what is told of it")]
fn make_unknown(
    object: ObjRef,
    cause: Revision,
    meta: &Meta,
    status: &NodeStatus,
    name: Sym,
    reads: &Reads,
    names: &mut Names,
    events: &mut Events,
    work: &mut Work<NodeLifecycle>,
) {
    let now = work.now();
    let (reason, message) = (words::NODE_STATUS_UNKNOWN, names.sym("Kubelet stopped posting node status."));
    let mut fresh = status.clone();
    for kind in [words::READY, words::MEMORY_PRESSURE, words::DISK_PRESSURE, words::PID_PRESSURE] {
        set_condition(
            &mut fresh.conditions,
            Condition { kind, status: ConditionStatus::Unknown, reason, message, transition_at: now, update_at: now },
        );
    }
    work.tell(cause, Verb::Put { object, expect: None, value: fresh.into() });
    // Pods of a node that said itself that it is not ready are left as they are.
    if !status.ready() {
        return;
    }
    let source = names.sym("node-controller");
    let not_ready = names.sym("NodeNotReady");
    let node_words = names.sym("Node {} status is now: NodeNotReady");
    let pod_words = names.sym("Node is not ready");
    let key = |meta: &Meta| wavetank_engine::ids::ObjectKey { kind: meta.kind, namespace: meta.namespace, name: meta.name };
    events.report(
        now,
        Report {
            about: key(meta),
            uid: object.uid,
            source,
            warning: false,
            reason: not_ready,
            words: node_words,
            args: &[Arg::Text(name)],
        },
    );
    for pod in reads.listing.on_node(name) {
        let (Some(status), Some(meta)) = (reads.pods.get(pod), reads.metas.get(pod)) else { continue };
        let Some(ready) = condition(&status.conditions, words::READY).filter(|c| c.status != ConditionStatus::False) else { continue };
        let mut marked = status.clone();
        set_condition(&mut marked.conditions, Condition { status: ConditionStatus::False, transition_at: now, ..*ready });
        work.tell(cause, Verb::Put { object: pod, expect: None, value: marked.into() });
        events
            .report(now, Report { about: key(meta), uid: pod.uid, source, warning: true, reason: not_ready, words: pod_words, args: &[] });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_noticed_between_50_and_55_seconds_after_the_last_renewal() {
        for (from_ms, silent_ms, want_s) in
            [(0, 30_000, 85), (0, 39_900, 85), (0, 40_000, 95), (3_000, 30_000, 75), (3_000, 33_500, 85), (3_000, 22_900, 65)]
        {
            let at = unknown_at(Monitor::default(), SimTime(from_ms * 1_000_000), SimTime(silent_ms * 1_000_000));
            assert_eq!(at, SimTime::from_secs(want_s), "{from_ms} {silent_ms}");
        }
    }
}
