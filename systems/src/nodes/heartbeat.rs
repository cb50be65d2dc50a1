//! A kubelet's report on its node: Ready when it starts or is heard again. Leases and heartbeats that change nothing are not written.
//!
//! | | |
//! |---|---|
//! | reads  | `NodeStatus`, `Meta`, `NodeFaults` |
//! | writes | `NodeStatus`, events |
//! | woken  | node added; its fault changed; its conditions changed; its own timer |
//! | source | kubernetes v1.36, `pkg/kubelet/kubelet_node_status.go`, `syncNodeStatus`; `spec/kubelet.md` §2 |
//!
//! A kubelet that starts (its node joins, or had failed) reports at once; one that runs sees at its next period that what is stored is
//! not what it would say.

use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::View;
use wavetank_engine::ids::{Kind, ObjectKey, Uid};
use wavetank_engine::model::meta::{Condition, ConditionStatus, Meta, condition, set_condition};
use wavetank_engine::model::node::NodeStatus;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::scene::faults::{Fault, NodeFaults};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// How often a kubelet looks whether its node's status has to be written. Source: `spec/kubelet.md` §1.
///
/// Choice: the original stretches each period by up to 4 %; ours is exact.
pub const STATUS_PERIOD: SimDuration = SimDuration::from_secs(10);

crate::texts::texts! {
    /// Reasons and messages of a kubelet about its node. Source: `spec/kubelet.md` §2.
    HeartbeatTexts {
        kubelet = "kubelet",
        starting = "Starting", starting_words = "Starting kubelet.",
        ready = "NodeReady", ready_words = "Node {} status is now: NodeReady",
        rebooted = "Rebooted", rebooted_words = "Node {} has been rebooted",
        ready_message = "kubelet is posting ready status",
        memory = "KubeletHasSufficientMemory", memory_message = "kubelet has sufficient memory available",
        disk = "KubeletHasNoDiskPressure", disk_message = "kubelet has no disk pressure",
        pid = "KubeletHasSufficientPID", pid_message = "kubelet has sufficient PID available",
    }
}

/// The reports' work queue: nodes.
pub struct Heartbeat;

/// What wakes a report.
pub const WAKES: &[Wake] = &[Wake { kind: Kind::Node, on: Changes::ADDED.or(Changes::CONDITIONS), whom: Whom::Itself }];

/// Nodes that have failed and not come back. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct Stopped(BTreeSet<Uid>);

/// Registers the reports.
pub fn install(sim: &mut Simulation) {
    sim.ensure::<NodeFaults>();
    let texts = HeartbeatTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.keep(Stopped::default());
    sim.behaviour::<Heartbeat, _, _>("heartbeat", "kubelet", WAKES, sync);
    sim.wake_on_faults::<Heartbeat>();
}

/// What a kubelet does about its node's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: it is stored as it is.
    Keep,
    /// It writes it, now.
    Report,
    /// It looks again then.
    LookAt(SimTime),
}

/// Decides on a node that reports each ten seconds since `heartbeat_from`. `good`: it is stored as the kubelet would say it.
pub fn plan(good: bool, starts: bool, heartbeat_from: SimTime, now: SimTime) -> Plan {
    let next = heartbeat_from + STATUS_PERIOD.saturating_mul(now.since(heartbeat_from).0.div_ceil(STATUS_PERIOD.0));
    match (starts, good) {
        (true, _) => Plan::Report,
        (false, true) => Plan::Keep,
        (false, false) if next > now => Plan::LookAt(next),
        (false, false) => Plan::Report,
    }
}

#[expect(clippy::too_many_arguments, reason = "a report reads the node, its fault and what was said before")]
fn sync(
    mut work: Work<Heartbeat>,
    statuses: View<Heartbeat, NodeStatus>,
    metas: View<Heartbeat, Meta>,
    faults: Res<NodeFaults>,
    texts: Res<HeartbeatTexts>,
    mut names: ResMut<Names>,
    mut stopped: ResMut<Stopped>,
    mut events: ResMut<Events>,
) {
    while let Some(item) = work.pop() {
        let (Some(status), Some(meta)) = (statuses.get(item.object), metas.get(item.object)) else {
            stopped.0.remove(&item.object.uid);
            continue;
        };
        let fault = if faults.any() { fault_of(&faults, &mut names, meta) } else { None };
        if fault == Some(Fault::Failed) {
            stopped.0.insert(item.object.uid);
        }
        if faults.any_shutdown() && shuts_down(&faults, &mut names, meta) {
            continue;
        }
        // A node without heartbeats was made by hand: nobody runs there.
        let (None, Some(from)) = (fault, status.heartbeat_from) else { continue };
        let rebooted = stopped.0.remove(&item.object.uid);
        let joins = condition(&status.conditions, words::READY).is_none();
        let (fresh, good) = wanted(status, &texts, work.now());
        match plan(good, rebooted || joins, from, work.now()) {
            Plan::Keep => {}
            Plan::LookAt(at) => work.wake_at(item.object, at),
            Plan::Report => {
                let heartbeat_from = if rebooted { Some(work.now()) } else { fresh.heartbeat_from };
                let value = NodeStatus { heartbeat_from, ..fresh };
                work.tell(item.cause, Verb::Put { object: item.object, expect: None, value: value.into() });
                say(&item, meta, work.now(), (joins, rebooted), &texts, &mut events);
            }
        }
    }
}

fn fault_of(faults: &NodeFaults, names: &mut Names, meta: &Meta) -> Option<Fault> {
    let name = names.whole(meta.name);
    faults.of(name).map(|(fault, _)| fault)
}

/// Whether the node is shutting down: its kubelet says so, and nothing else.
fn shuts_down(faults: &NodeFaults, names: &mut Names, meta: &Meta) -> bool {
    let name = names.whole(meta.name);
    faults.shuts_down(name)
}

/// The status as the kubelet would write it, and whether it is stored so.
fn wanted(status: &NodeStatus, texts: &HeartbeatTexts, now: SimTime) -> (NodeStatus, bool) {
    let list = [
        (words::MEMORY_PRESSURE, ConditionStatus::False, texts.memory, texts.memory_message),
        (words::DISK_PRESSURE, ConditionStatus::False, texts.disk, texts.disk_message),
        (words::PID_PRESSURE, ConditionStatus::False, texts.pid, texts.pid_message),
        (words::READY, ConditionStatus::True, words::KUBELET_READY, texts.ready_message),
    ];
    let mut fresh = status.clone();
    let mut good = true;
    for (kind, word, reason, message) in list {
        // A pressure that holds was written by the kubelet's eviction manager, which takes it back too.
        let pressed =
            kind != words::READY && condition(&fresh.conditions, kind).is_some_and(|stored| stored.status == ConditionStatus::True);
        if !pressed && condition(&fresh.conditions, kind).is_none_or(|stored| stored.status != word) {
            good = false;
            set_condition(&mut fresh.conditions, Condition { kind, status: word, reason, message, transition_at: now, update_at: now });
        }
    }
    (fresh, good)
}

fn say(item: &Item, meta: &Meta, now: SimTime, (joins, rebooted): (bool, bool), texts: &HeartbeatTexts, events: &mut Events) {
    let about = ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name: meta.name };
    let list = [
        (joins || rebooted, false, texts.starting, texts.starting_words),
        (rebooted, true, texts.rebooted, texts.rebooted_words),
        (true, false, texts.ready, texts.ready_words),
    ];
    for (_, warning, reason, words) in list.into_iter().filter(|row| row.0) {
        let args = [Arg::Name(meta.name)];
        let args = if words == texts.starting_words { &args[..0] } else { &args[..] };
        events.report(now, Report { about, uid: item.object.uid, source: texts.kubelet, warning, reason, words, args });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_starts_reports_at_once_and_who_runs_at_the_next_period() {
        for (good, starts, now_s, want) in [
            (true, false, 7, Plan::Keep),
            (true, true, 7, Plan::Report),
            (false, true, 7, Plan::Report),
            (false, false, 7, Plan::LookAt(SimTime::from_secs(13))),
            (false, false, 13, Plan::Report),
            (false, false, 14, Plan::LookAt(SimTime::from_secs(23))),
        ] {
            assert_eq!(plan(good, starts, SimTime::from_secs(3), SimTime::from_secs(now_s)), want, "{good} {starts} {now_s}");
        }
    }
}
