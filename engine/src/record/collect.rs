//! Collects the summary of a run from the world as it is at its end.

use crate::api::log::Log;
use crate::api::objects::{Objects, Row};
use crate::ids::{Kind, Revision};
use crate::model::kinds::Kinds;
use crate::model::meta::{ConditionStatus, condition};
use crate::model::node::NodeStatus;
use crate::model::pod::{Pod, PodPhase, PodStatus};
use crate::model::pod_class::{ClassId, Classes};
use crate::model::revisioned::{DaemonSetStatus, StatefulSet, StatefulSetStatus};
use crate::model::workload::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetStatus};
use crate::names::{Names, Sym};
use crate::record::digest::digest;
use crate::record::events::Events;
use crate::record::journal::object_text;
use crate::record::refusals::Refusals;
use crate::record::summary::{
    AtEnd, AutoscalingReport, Expectations, NodeGroupReport, PodCounts, Refused, Rollout, SCHEMA, Summary, TrafficReport, Unschedulable,
    WaitReason, Waited, digest_text,
};
use crate::record::tally::Tally;
use crate::scene::arrivals::{Arrivals, Flow, Flows};
use crate::scene::build::SCRIPT;
use crate::scene::node_groups::{Fleet, Machines, NodeGroup, NodeGroups};
use crate::scene::run::Run;
use crate::scene::scheduler_config::SchedulerConfig;
use crate::scene::traces::TraceState;
use crate::simulation::Simulation;
use crate::simulation::clock::Clock;
use crate::words;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The summary of a run as far as it has gone. What the run cost in processor time and memory is for the caller to fill in.
pub fn summary(run: &Run) -> Summary {
    let sim = &run.sim;
    let (met, missed) = run.expectations();
    let tally = sim.get::<Tally>();
    let (waited, waited_max) = tally.waits(sim.now());
    let (pods, unschedulable) = pods(sim, tally, &run.scene().scheduler);
    let mut at_end = at_end(sim);
    at_end.namespaces_added = run.namespaces_made.clone();
    Summary {
        schema: SCHEMA,
        scene: run.scene().path.clone(),
        seed: run.scene().seed,
        virtual_s: sim.now().0 as f64 / 1e9,
        digest: digest_text(digest(sim)),
        nodes: living(sim, Kind::Node).count() as u64,
        pods,
        unschedulable,
        waited: Waited { pods: waited, virtual_s_max: waited_max.as_secs_f64(), reasons: wait_reasons(tally) },
        traces: run.traces(),
        traffic: traffic(sim),
        autoscaling: autoscaling(sim),
        evictions: tally.evictions,
        restarts: tally.restarts,
        bindings: tally.bindings,
        log_entries: sim.get::<Log>().total(),
        events: sim.get::<Events>().total(),
        agenda_fired: sim.get::<Clock>().fired,
        expectations: Expectations { met, missed },
        not_simulated: not_simulated(run),
        read_cpu_s: 0.0,
        cpu_s: 0.0,
        wall_s: 0.0,
        peak_rss_bytes: 0,
        at_end,
    }
}

/// What became of the requests of each flow.
pub(super) fn traffic(sim: &Simulation) -> Vec<TrafficReport> {
    let (Some(flows), Some(arrivals)) = (sim.find::<Flows>(), sim.find::<Arrivals>()) else { return Vec::new() };
    let report = |(at, flow): (usize, &Flow)| {
        let counts = arrivals.counts(flows, at, sim.now());
        TrafficReport {
            to: flow.to.clone(),
            from: flow.from.clone(),
            sent: counts.sent(),
            served: counts.served(),
            refused: counts.refused(),
            timed_out: counts.timed_out(),
            dropped: counts.dropped(),
            longest_wait_s: (counts.longest_wait_ns() > 0).then_some(counts.longest_wait_ns() as f64 / 1e9),
        }
    };
    flows.0.iter().enumerate().map(report).collect()
}

/// What became of the groups of nodes.
fn autoscaling(sim: &Simulation) -> Option<AutoscalingReport> {
    let (groups, fleet) = (sim.find::<NodeGroups>()?, sim.find::<Fleet>()?);
    let hours = |ns: u64| ns as f64 / 3.6e12;
    let report = |(group, machines): (&NodeGroup, &Machines)| {
        let ns = machines.total_ns(sim.now());
        NodeGroupReport {
            name: group.name.clone(),
            nodes: machines.present.len() as u64,
            peak: u64::from(machines.peak),
            added: machines.added,
            removed: machines.removed,
            failed: machines.failed,
            node_hours: hours(ns),
            cost: (u128::from(group.price_micros) * u128::from(ns) / 3_600_000_000_000) as f64 / 1e6,
        }
    };
    let list: Vec<NodeGroupReport> = groups.0.iter().zip(&fleet.groups).map(report).collect();
    (!list.is_empty()).then(|| AutoscalingReport {
        cost: list.iter().map(|group| group.cost).sum(),
        node_hours: list.iter().map(|group| group.node_hours).sum(),
        pending_s: fleet.pending_ns(sim.now()) as f64 / 1e9,
        evictions: fleet.evictions,
        groups: list,
    })
}

/// What the scene and the pods of its traces say that does nothing.
fn not_simulated(run: &Run) -> Vec<String> {
    let of_scene: BTreeSet<String> = run.scene().not_simulated.iter().cloned().collect();
    of_scene.union(run.sim.get::<TraceState>().not_simulated()).cloned().collect()
}

/// What pods waited for, most pods first.
fn wait_reasons(tally: &Tally) -> Vec<WaitReason> {
    let mut list: Vec<WaitReason> = tally.wait_reasons.iter().map(|(reason, &pods)| WaitReason { reason: reason.clone(), pods }).collect();
    list.sort_by(|a, b| b.pods.cmp(&a.pods).then_with(|| a.reason.cmp(&b.reason)));
    list
}

/// Objects of a kind that are not gone.
pub fn living(sim: &Simulation, kind: Kind) -> impl Iterator<Item = &Row> {
    sim.get::<Objects>().of_kind(kind).filter(|row| row.gone == Revision::HEAD)
}

fn pods(sim: &Simulation, tally: &Tally, scheduler: &SchedulerConfig) -> (PodCounts, Vec<Unschedulable>) {
    let names = sim.get::<Names>();
    let mut counts = PodCounts { created: tally.pods_created, deleted: tally.pods_deleted, ..PodCounts::default() };
    let mut messages: BTreeMap<Cow<str>, u64> = BTreeMap::new();
    let served = |name: &str| scheduler.profiles.iter().any(|profile| profile.scheduler_name == name);
    for row in living(sim, Kind::Pod) {
        let Some(status) = sim.state::<PodStatus>(row.object) else { continue };
        counts.total += 1;
        match status.phase {
            PodPhase::Pending => counts.pending += 1,
            PodPhase::Running => {
                counts.running += 1;
                counts.ready += u64::from(status.ready());
            }
            PodPhase::Succeeded => counts.succeeded += 1,
            PodPhase::Failed => counts.failed += 1,
            PodPhase::Unknown => {}
        }
        if !row.node.is_empty() {
            continue;
        }
        match condition(&status.conditions, words::POD_SCHEDULED) {
            Some(placed) if placed.status == ConditionStatus::False => {
                *messages.entry(Cow::Borrowed(names.text(placed.message))).or_insert(0) += 1;
            }
            Some(_) => {}
            // Nobody has tried it.
            None => {
                let Some(pod) = sim.state::<Pod>(row.object) else { continue };
                let scheduler = names.text(sim.get::<Classes>().get(pod.class).scheduler_name);
                if !served(scheduler) {
                    let message = format!("no profile of the scheduler has the schedulerName {scheduler:?}");
                    *messages.entry(Cow::Owned(message)).or_insert(0) += 1;
                }
            }
        }
    }
    let unschedulable = messages.into_iter().map(|(message, pods)| Unschedulable { message: message.to_string(), pods });
    (counts, unschedulable.collect())
}

fn at_end(sim: &Simulation) -> AtEnd {
    let kinds = sim.get::<Kinds>();
    let mut by_kind: BTreeMap<Kind, u64> = BTreeMap::new();
    for row in sim.get::<Objects>().living_in_any_order().filter(|row| !matches!(row.key.kind, Kind::Node | Kind::Pod)) {
        *by_kind.entry(row.key.kind).or_insert(0) += 1;
    }
    let mut objects: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, number) in by_kind {
        *objects.entry(kinds.info(kind).kind).or_insert(0) += number;
    }
    let names = sim.get::<Names>();
    let refused = sim.get::<Refusals>().iter();
    let refused = refused.filter(|&(actor, code, ..)| names.text(actor) == SCRIPT || !matches!(code, 404 | 409));
    let refused = refused.map(|(actor, _, message, times)| Refused { actor: names.text(actor).into(), message: message.into(), times });
    AtEnd {
        refused: refused.collect(),
        nodes_ready: living(sim, Kind::Node).filter(|row| sim.state::<NodeStatus>(row.object).is_some_and(NodeStatus::ready)).count()
            as u64,
        objects: objects.into_iter().collect(),
        rollouts: rollouts(sim),
        requested_permille: requested(sim),
        namespaces_added: Vec::new(),
    }
}

/// Workloads and how far they are, in order of their names.
pub fn rollouts(sim: &Simulation) -> Vec<Rollout> {
    let (names, kinds) = (sim.get::<Names>(), sim.get::<Kinds>());
    let count = |number: i32| u64::try_from(number).unwrap_or(0);
    let mut rollouts: Vec<Rollout> = Vec::new();
    for row in living(sim, Kind::Deployment) {
        let (Some(spec), Some(status)) = (sim.state::<Deployment>(row.object), sim.state::<DeploymentStatus>(row.object)) else { continue };
        let stuck = condition(&status.conditions, words::PROGRESSING).filter(|c| c.status == ConditionStatus::False);
        let failing = condition(&status.conditions, words::REPLICA_FAILURE);
        let note = stuck.or(failing).map_or(String::new(), |c| names.text(c.message).to_string());
        let note = if spec.paused { "paused".to_string() } else { note };
        let name = object_text(names, kinds, row.key);
        rollouts.push(Rollout { name, wanted: count(spec.replicas), updated: count(status.updated), ready: count(status.ready), note });
    }
    let sets = living(sim, Kind::ReplicaSet).chain(living(sim, Kind::ReplicationController));
    for row in sets.filter(|row| row.controller.0 == 0) {
        let (Some(spec), Some(status)) = (sim.state::<ReplicaSet>(row.object), sim.state::<ReplicaSetStatus>(row.object)) else { continue };
        let note = condition(&status.conditions, words::REPLICA_FAILURE).map_or(String::new(), |c| names.text(c.message).to_string());
        let name = object_text(names, kinds, row.key);
        rollouts.push(Rollout { name, wanted: count(spec.replicas), updated: count(status.replicas), ready: count(status.ready), note });
    }
    for row in living(sim, Kind::StatefulSet) {
        let parts = (sim.state::<StatefulSet>(row.object), sim.state::<StatefulSetStatus>(row.object));
        let (Some(spec), Some(status)) = parts else { continue };
        let name = object_text(names, kinds, row.key);
        let (wanted, updated, ready) = (count(spec.replicas), count(status.updated), count(status.ready));
        rollouts.push(Rollout { name, wanted, updated, ready, note: String::new() });
    }
    for row in living(sim, Kind::DaemonSet) {
        let Some(status) = sim.state::<DaemonSetStatus>(row.object) else { continue };
        let name = object_text(names, kinds, row.key);
        let (wanted, updated, ready) = (count(status.desired), count(status.updated), count(status.ready));
        rollouts.push(Rollout { name, wanted, updated, ready, note: String::new() });
    }
    rollouts.sort_by(|a, b| a.name.cmp(&b.name));
    rollouts
}

/// Requests of bound, living pods as a share of all allocatable. Unit: per mille.
fn requested(sim: &Simulation) -> Vec<(String, u64)> {
    let shares = resource_sums(sim).into_iter().filter(|(_, (_, all))| *all > 0);
    shares.map(|(resource, (used, all))| (resource.to_string(), u64::try_from(used * 1000 / all).unwrap_or(0))).collect()
}

/// Requests of bound, living pods and all allocatable, by resource. Unit: milli-cores of CPU, else the resource's own.
pub(super) fn resource_sums(sim: &Simulation) -> BTreeMap<&str, (i128, i128)> {
    let (names, classes) = (sim.get::<Names>(), sim.get::<Classes>());
    let mut sums: BTreeMap<Sym, (i128, i128)> = BTreeMap::new();
    for row in living(sim, Kind::Node) {
        let Some(status) = sim.state::<NodeStatus>(row.object) else { continue };
        for (resource, amount) in status.allocatable.pairs() {
            sums.entry(resource).or_default().1 += i128::from(amount);
        }
    }
    let mut pods: BTreeMap<ClassId, i128> = BTreeMap::new();
    for row in living(sim, Kind::Pod).filter(|row| !row.node.is_empty()) {
        let (Some(pod), Some(status)) = (sim.state::<Pod>(row.object), sim.state::<PodStatus>(row.object)) else { continue };
        if !status.phase.terminal() {
            *pods.entry(pod.class).or_default() += 1;
        }
    }
    for (class, number) in pods {
        for (resource, amount) in classes.get(class).requests.pairs() {
            sums.entry(resource).or_default().0 += i128::from(amount) * number;
        }
        sums.entry(words::PODS).or_default().0 += number;
    }
    sums.into_iter().map(|(resource, sum)| (names.text(resource), sum)).collect()
}
