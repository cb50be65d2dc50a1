//! A node that runs short of memory: its condition, and one pod evicted after the other until there is enough.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/eviction/eviction_manager.go`, `synchronize`; `spec/kubelet.md` §14.
//!
//! The original looks each ten seconds. Memory in use changes here only when a container starts or ends, so a kubelet looks at the next of
//! those moments after a container with memory of its own has started, and while the shortage lasts.

use crate::kubelet::admit::CRITICAL_PRIORITY;
use crate::kubelet::eviction_rank::{Candidate, Shortage, rank};
use crate::kubelet::pod_run::{PodRun, Stage};
use crate::kubelet::{Cluster, Kubelet};
use serde::{Deserialize, Serialize};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::{Condition, ConditionStatus, set_condition};
use wavetank_engine::model::quantity::{Format, Quantity};
use wavetank_engine::names::Sym;
use wavetank_engine::record::events::{Arg, Report};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// How often a kubelet looks. Choice: at whole multiples.
pub const PERIOD: SimDuration = SimDuration::from_secs(10);
/// `evictionPressureTransitionPeriod`: how long the condition stays after the shortage was seen last.
pub const TRANSITION: SimDuration = SimDuration::from_secs(300);
/// `memory.available` below which pods are evicted: 100Mi. Unit: bytes.
pub const THRESHOLD_BYTES: i64 = 100 << 20;
/// After an eviction the kubelet waits so long at most for the pod to end, looking each second, and then looks at the node again.
const CLEANUP: SimDuration = SimDuration::from_secs(30);
const CLEANUP_POLL: SimDuration = SimDuration::from_secs(1);
/// Grace of a pod that is evicted for a hard threshold. Unit: seconds.
const GRACE_S: u32 = 1;

/// What a kubelet keeps of its node's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// A container has started that uses memory, and the kubelet has not looked since.
    pub(super) grown: bool,
    /// When it looks next.
    look_at: Option<SimTime>,
    /// When it saw a shortage last, while the condition holds.
    seen_at: Option<SimTime>,
    /// The pod that is being evicted, and until when it is waited for.
    evicting: Option<(ObjRef, SimTime)>,
}

/// What a look at the node's memory leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// There is enough.
    Enough,
    /// There is too little: a pod has to go.
    Evict,
    /// There is enough again; the condition stays until then.
    Hold(SimTime),
    /// There has been enough for long: the condition goes.
    Relieve,
}

/// Decides on a node with so much memory left. `seen_at`: when a shortage was seen last, while the condition holds.
pub fn plan(available_bytes: i64, seen_at: Option<SimTime>, now: SimTime) -> Plan {
    match seen_at {
        _ if available_bytes < THRESHOLD_BYTES => Plan::Evict,
        None => Plan::Enough,
        Some(seen) if now.since(seen) >= TRANSITION => Plan::Relieve,
        Some(seen) => Plan::Hold(seen + TRANSITION),
    }
}

/// The first of the kubelet's moments after or at a time.
fn moment(at: SimTime) -> SimTime {
    SimTime(at.0.div_ceil(PERIOD.0) * PERIOD.0)
}

/// Has a kubelet look at its node soon if memory in use may have grown.
pub(super) fn arm(work: &mut Work<Kubelet>, cluster: &mut Cluster, number: u32) {
    let node = &mut cluster.kubelets.nodes[number as usize];
    if !node.pressure.grown {
        return;
    }
    node.pressure.grown = false;
    let next = moment(SimTime(work.now().0 + 1));
    look_at(work, cluster, number, node_earlier(cluster, number, next));
}

fn node_earlier(cluster: &Cluster, number: u32, at: SimTime) -> SimTime {
    cluster.kubelets.nodes[number as usize].pressure.look_at.map_or(at, |set| set.min(at))
}

fn look_at(work: &mut Work<Kubelet>, cluster: &mut Cluster, number: u32, at: SimTime) {
    let node = &mut cluster.kubelets.nodes[number as usize];
    node.pressure.look_at = Some(at);
    work.wake_at(node.object, at);
}

/// Looks at the node if it is time.
pub(super) fn turn(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, number: u32) {
    let now = work.now();
    let node = &mut cluster.kubelets.nodes[number as usize];
    if node.pressure.look_at.is_none_or(|at| at > now) {
        return;
    }
    node.pressure.look_at = None;
    let (name, object, pressure) = (node.name, node.object, node.pressure);
    if let Some((pod, until)) = pressure.evicting {
        let ends = cluster.kubelets.run(pod).is_some_and(|run| run.stage != Stage::Finished);
        if ends && now < until {
            return look_at(work, cluster, number, now + CLEANUP_POLL);
        }
        cluster.kubelets.nodes[number as usize].pressure.evicting = None;
    }
    let mut pods: Vec<ObjRef> = cluster.listing.on_node(name).collect();
    pods.sort_by_key(|pod| pod.uid);
    let used: Vec<(ObjRef, u64)> = pods.into_iter().filter_map(|pod| Some((pod, usage(cluster, pod)?))).collect();
    let capacity = cluster.node_statuses.get(object).map_or(0, |status| status.capacity.memory_bytes);
    let total: u64 = used.iter().map(|pair| pair.1).sum();
    let available = if capacity == 0 { i64::MAX } else { capacity.saturating_sub_unsigned(total).max(0) };
    match plan(available, pressure.seen_at, now) {
        Plan::Enough => {}
        Plan::Hold(until) => look_at(work, cluster, number, moment(until)),
        Plan::Relieve => {
            cluster.kubelets.nodes[number as usize].pressure.seen_at = None;
            set(work, cluster, item, object, false);
        }
        Plan::Evict => {
            cluster.kubelets.nodes[number as usize].pressure.seen_at = Some(now);
            if pressure.seen_at.is_none() {
                set(work, cluster, item, object, true);
            }
            say(cluster, now, object, (true, "EvictionThresholdMet"), "Attempting to reclaim memory");
            let evicted = choose(cluster, &used);
            if let Some(pod) = evicted {
                evict(work, cluster, item, pod, available);
                cluster.kubelets.nodes[number as usize].pressure.evicting = Some((pod, now + CLEANUP));
            }
            look_at(work, cluster, number, if evicted.is_some() { now + CLEANUP_POLL } else { now + PERIOD });
        }
    }
}

/// Memory that each container of a run uses, by place. Unit: bytes.
fn memory(cluster: &mut Cluster, run: &PodRun) -> Vec<u64> {
    let class = cluster.classes.get(run.class);
    let init = run.init as usize;
    let of = |(at, container): (usize, &super::pod_run::ContainerRun)| {
        let (is_init, index) = if at < init { (true, at) } else { (false, at - init) };
        container.running_since().map_or(0, |_| cluster.programs.of(&cluster.names, run.class, class, is_init, index).memory_bytes)
    };
    run.containers.iter().enumerate().map(of).collect()
}

/// Memory that a pod uses; `None` for one that does not run here. Unit: bytes.
fn usage(cluster: &mut Cluster, pod: ObjRef) -> Option<u64> {
    let run = cluster.kubelets.take(pod)?;
    let used = memory(cluster, &run).into_iter().sum();
    cluster.kubelets.put(run);
    Some(used)
}

/// The pod that goes first.
fn choose(cluster: &Cluster, used: &[(ObjRef, u64)]) -> Option<ObjRef> {
    let candidate = |&(pod, usage): &(ObjRef, u64)| {
        let run = cluster.kubelets.run(pod).filter(|run| run.stage == Stage::Syncing && run.counted)?;
        let class = cluster.classes.get(run.class);
        let request = u64::try_from(class.requests.memory_bytes).unwrap_or(0);
        let candidate = Candidate { priority: class.priority, request, usage: Some(usage) };
        (class.priority < CRITICAL_PRIORITY).then_some((pod, candidate))
    };
    let (pods, candidates): (Vec<ObjRef>, Vec<Candidate>) = used.iter().filter_map(candidate).unzip();
    rank(Shortage::Memory, &candidates).first().map(|&at| pods[at])
}

/// Stops a pod for good.
fn evict(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, pod: ObjRef, available: i64) {
    let Some(mut run) = cluster.kubelets.take(pod) else { return };
    let now = work.now();
    let bytes = |amount: i64| Quantity::from_units(amount, Format::BinarySi).to_string();
    let (threshold, available) = (bytes(THRESHOLD_BYTES), bytes(available));
    let mut text = format!("The node was low on resource: memory. Threshold quantity: {threshold}, available: {available}. ");
    let used = memory(cluster, &run);
    let class = cluster.classes.get(run.class);
    for (container, used) in class.init_containers.iter().chain(&class.containers).zip(used) {
        let (used, request) = (i64::try_from(used).unwrap_or(i64::MAX), container.requests.memory_bytes);
        if used > request {
            let name = cluster.names.text(container.name);
            let (used, request) = (bytes(used), bytes(request));
            text += &format!("Container {name} was using {used}, request is {request}, has larger consumption of memory. ");
        }
    }
    let (reason, message) = (cluster.names.sym("Evicted"), cluster.names.sym(&text));
    run.begin_ending(now, GRACE_S, Some((reason, message)));
    cluster.kubelets.put(run);
    let condition = Condition {
        kind: words::DISRUPTION_TARGET,
        status: ConditionStatus::True,
        reason: cluster.names.sym("TerminationByKubelet"),
        message,
        transition_at: now,
        update_at: now,
    };
    work.tell(item.cause, Verb::PatchPod { pod, condition: Some(Box::new(condition)), nominated_node: None });
    if let Some(meta) = cluster.metas.get(pod) {
        let about = ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
        let report = Report { about, uid: pod.uid, source: cluster.texts.kubelet, warning: true, reason, words: message, args: &[] };
        cluster.events.report(now, report);
    }
    work.wake(pod, item.cause);
}

/// Writes the node's condition, and says so.
fn set(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, node: ObjRef, short: bool) {
    let Some(status) = cluster.node_statuses.get(node) else { return };
    let now = work.now();
    let (word, reason, message, said) = if short {
        let message = "kubelet has insufficient memory available";
        (ConditionStatus::True, "KubeletHasInsufficientMemory", message, "NodeHasInsufficientMemory")
    } else {
        (ConditionStatus::False, "KubeletHasSufficientMemory", "kubelet has sufficient memory available", "NodeHasSufficientMemory")
    };
    let mut fresh = status.clone();
    let (reason, message) = (cluster.names.sym(reason), cluster.names.sym(message));
    let kind = words::MEMORY_PRESSURE;
    set_condition(&mut fresh.conditions, Condition { kind, status: word, reason, message, transition_at: now, update_at: now });
    work.tell(item.cause, Verb::Put { object: node, expect: None, value: fresh.into() });
    say(cluster, now, node, (false, said), &format!("Node {{}} status is now: {said}"));
}

fn say(cluster: &mut Cluster, now: SimTime, node: ObjRef, (warning, reason): (bool, &str), words: &str) {
    let Some(meta) = cluster.metas.get(node) else { return };
    let about = ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name: meta.name };
    let args = [Arg::Name(meta.name)];
    let args = if words.contains("{}") { &args[..] } else { &args[..0] };
    let (reason, words) = (cluster.names.sym(reason), cluster.names.sym(words));
    cluster.events.report(now, Report { about, uid: node.uid, source: cluster.texts.kubelet, warning, reason, words, args });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_outlasts_the_shortage_by_five_minutes() {
        let at = SimTime::from_secs;
        for (available, seen_at, now_s, want) in [
            (THRESHOLD_BYTES, None, 10, Plan::Enough),
            (THRESHOLD_BYTES - 1, None, 10, Plan::Evict),
            (THRESHOLD_BYTES - 1, Some(at(10)), 20, Plan::Evict),
            (THRESHOLD_BYTES, Some(at(10)), 20, Plan::Hold(at(310))),
            (THRESHOLD_BYTES, Some(at(10)), 310, Plan::Relieve),
        ] {
            assert_eq!(plan(available, seen_at, at(now_s)), want, "{available} {seen_at:?} {now_s}");
        }
    }
}
