//! A node that runs short of memory, disk or process numbers: its conditions, and one pod evicted after the other until there is enough.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/eviction/eviction_manager.go`, `synchronize`; `spec/kubelet.md` §14.
//!
//! The original looks each ten seconds. What is used changes here only when a container starts or ends, when its program says so, and
//! when an image comes: a kubelet looks at the next of those moments after such a change, and while a shortage lasts.

mod disk;
mod evict;
pub mod judge;
mod oom;
mod usage;

use crate::kubelet::eviction_rank::{Candidate, Shortage, rank};
use crate::kubelet::pod_run::Stage;
use crate::kubelet::pressure::judge::{Observation, Observations};
use crate::kubelet::pressure::usage::{NodeUse, PodUse};
use crate::kubelet::{Cluster, Kubelet};
use serde::{Deserialize, Serialize};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::{Condition, ConditionStatus, set_condition};
use wavetank_engine::names::Sym;
use wavetank_engine::record::events::{Arg, Report};
use wavetank_engine::scene::kubelet_config::{BYTES_PER_INODE, Signal};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// How often a kubelet looks. Choice: at whole multiples.
pub const PERIOD: SimDuration = SimDuration::from_secs(10);
/// After an eviction the kubelet waits so long at most for the pod to end, looking each second, and then looks at the node again.
const CLEANUP: SimDuration = SimDuration::from_secs(30);
const CLEANUP_POLL: SimDuration = SimDuration::from_secs(1);
/// Process numbers of a node. Choice: the kernel's `pid_max` of small machines.
const PIDS_MAX: i64 = 32_768;

/// What a kubelet keeps of every node. What only nodes in need have stands apart ([`Shortages`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// A container has started that uses memory, disk or processes of its own, and the kubelet has not looked since.
    pub(super) grown: bool,
    /// An image has come, and the kubelet has not looked since.
    pub(super) pulled: bool,
    /// Memory in use is at most this, if no program has changed it since. Unit: bytes.
    pub(super) memory_bound: u64,
    /// When the kubelet looks next.
    look_at: Option<SimTime>,
    /// When some program uses another amount next.
    pub(super) changes_at: Option<SimTime>,
}

/// The first of the kubelet's moments after or at a time.
fn moment(at: SimTime) -> SimTime {
    SimTime(at.0.div_ceil(PERIOD.0) * PERIOD.0)
}

/// Has a kubelet look at its node soon if more of it may be in use.
pub(super) fn arm(work: &mut Work<Kubelet>, cluster: &mut Cluster, number: u32) {
    let pressure = &mut cluster.kubelets.nodes[number as usize].pressure;
    if !pressure.grown && !pressure.pulled {
        return;
    }
    let grown = std::mem::take(&mut pressure.grown);
    pressure.pulled = false;
    if !grown && !disk::may_fill(cluster, number) {
        return;
    }
    if grown {
        oom::check(work, cluster, number);
    }
    look_by(cluster, number, moment(SimTime(work.now().0 + 1)));
    wake(work, cluster, number);
}

/// Has a kubelet look at its node soon if somebody else has filled its disk, or made room there.
pub(super) fn filled(cluster: &mut Cluster, number: u32, now: SimTime) {
    if !cluster.faults.any_filled() && cluster.kubelets.filled.is_empty() {
        return;
    }
    let filled = cluster.faults.filled(cluster.kubelets.nodes[number as usize].name);
    if filled == cluster.kubelets.filled.get(&number).copied().unwrap_or_default() {
        return;
    }
    if filled == (0, 0) {
        cluster.kubelets.filled.remove(&number);
    } else {
        cluster.kubelets.filled.insert(number, filled);
    }
    look_by(cluster, number, moment(SimTime(now.0 + 1)));
}

/// Has a kubelet look no later than at a time.
fn look_by(cluster: &mut Cluster, number: u32, at: SimTime) {
    let pressure = &mut cluster.kubelets.nodes[number as usize].pressure;
    pressure.look_at = Some(pressure.look_at.map_or(at, |set| set.min(at)));
}

/// Has the node's turn come when it has something to do.
fn wake(work: &mut Work<Kubelet>, cluster: &Cluster, number: u32) {
    let (node, now) = (&cluster.kubelets.nodes[number as usize], work.now());
    let due = node.pressure.look_at.into_iter().chain(node.pressure.changes_at).filter(|&at| at > now).min();
    if let Some(at) = due {
        work.wake_at(node.object, at);
    }
}

/// Looks at the node if it is time.
pub(super) fn turn(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, number: u32) {
    let now = work.now();
    let node = &mut cluster.kubelets.nodes[number as usize];
    if node.pressure.changes_at.take_if(|at| *at <= now).is_some() {
        let used = cluster.node_use(number, now);
        let pressure = &mut cluster.kubelets.nodes[number as usize].pressure;
        (pressure.changes_at, pressure.memory_bound) = (used.changes_at, u64::MAX);
        pressure.grown = true;
        arm(work, cluster, number);
    }
    if cluster.kubelets.nodes[number as usize].pressure.look_at.take_if(|at| *at <= now).is_some()
        && !waits_for_cleanup(cluster, number, now)
    {
        look(work, cluster, item, number);
    }
    wake(work, cluster, number);
}

/// Whether pods that are being evicted are still there; the node is looked at again in a second.
fn waits_for_cleanup(cluster: &mut Cluster, number: u32, now: SimTime) -> bool {
    if let Some(shortages) = cluster.kubelets.shortages.get(&number).filter(|shortages| !shortages.evicting.is_empty()) {
        let ends = |pod: &ObjRef| cluster.kubelets.run(*pod).is_some_and(|run| run.stage != Stage::Finished);
        if now < shortages.evicting_until && shortages.evicting.iter().any(ends) {
            look_by(cluster, number, now + CLEANUP_POLL);
            return true;
        }
    }
    false
}

fn look(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, number: u32) {
    let now = work.now();
    let used = cluster.node_use(number, now);
    let mut shortages = cluster.kubelets.shortages.remove(&number).unwrap_or_default();
    shortages.evicting.clear();
    let observed = cluster.observe(number, &used);
    let config = cluster.config.clone();
    let verdict = shortages.judge(&config, &observed, now);
    let object = cluster.kubelets.nodes[number as usize].object;
    for (at, holds) in verdict.changed.into_iter().enumerate().filter_map(|(at, holds)| Some((at, holds?))) {
        set(work, cluster, item, object, at, holds);
    }
    let mut next = verdict.next.map(moment);
    let over = cluster.over_limits(&used);
    if !over.is_empty() {
        for (pod, message) in over {
            evict::evict(work, cluster, item, pod, &message, evict::GRACE_S, false);
            shortages.evicting.push(pod);
        }
    } else if let Some(threshold) = verdict.reclaim {
        let signal = config.thresholds[threshold].signal;
        let resource = resource(signal);
        say(cluster, now, object, (true, "EvictionThresholdMet"), &format!("Attempting to reclaim {resource}"));
        let freed = !matches!(signal, Signal::Memory | Signal::Pid) && {
            disk::delete_unused(cluster, number, &used, i64::MAX, now);
            let observed = cluster.observe(number, &used);
            config.thresholds.iter().all(|threshold| !judge::met(threshold, &observed, true))
        };
        let evicted = if freed { None } else { choose(cluster, &used, signal) };
        if let Some(pod) = evicted {
            let message = evict::message(cluster, pod, &used, signal, &observed, &verdict.met);
            let own = cluster.kubelets.run(pod).map_or(0, |run| cluster.classes.get(run.class).grace_s);
            let grace_s = if config.thresholds[threshold].soft.is_some() { config.soft_grace_s.min(own) } else { evict::GRACE_S };
            evict::evict(work, cluster, item, pod, &message, grace_s, true);
            shortages.evicting.push(pod);
        }
        next = Some(now + PERIOD);
    }
    if !shortages.evicting.is_empty() {
        shortages.evicting_until = now + CLEANUP;
        next = Some(now + CLEANUP_POLL);
    }
    let collects = disk::collect(cluster, number, &used, now);
    next = next.into_iter().chain(collects).min();
    if let Some(at) = next {
        look_by(cluster, number, at);
    }
    if !shortages.is_empty() {
        cluster.kubelets.shortages.insert(number, shortages);
    }
}

/// What is reclaimed when a signal is short.
fn resource(signal: Signal) -> &'static str {
    match signal {
        Signal::Memory => "memory",
        Signal::NodeFs | Signal::ImageFs => "ephemeral-storage",
        Signal::NodeFsInodes | Signal::ImageFsInodes => "inodes",
        Signal::Pid => "pids",
    }
}

impl Cluster<'_, '_> {
    /// What a kubelet measures. A machine that says nothing of its memory or disk is not measured.
    fn observe(&self, number: u32, used: &NodeUse) -> Observations {
        let node = &self.kubelets.nodes[number as usize];
        let capacity =
            self.node_statuses.get(node.object).map(|status| (status.capacity.memory_bytes, status.capacity.ephemeral_storage_bytes));
        let (memory, disk) = capacity.unwrap_or_default();
        let left = |capacity: i64, used: u64| {
            (capacity > 0).then(|| Observation { capacity, available: capacity.saturating_sub_unsigned(used).max(0) })
        };
        let sum = |of: fn(&PodUse) -> u64| used.pods.iter().map(|(_, pod)| of(pod)).sum::<u64>();
        let (filled_bytes, filled_files) = self.faults.filled(node.name);
        let files = left(disk / BYTES_PER_INODE, sum(PodUse::files) + filled_files);
        let disk = left(disk, sum(PodUse::disk) + node.image_bytes() + filled_bytes);
        [left(memory, sum(PodUse::memory)), disk, files, disk, files, left(PIDS_MAX, sum(PodUse::processes))]
    }
}

/// The pod that goes first.
fn choose(cluster: &Cluster, used: &NodeUse, signal: Signal) -> Option<ObjRef> {
    let shortage = match signal {
        Signal::Memory => Shortage::Memory,
        Signal::NodeFs | Signal::NodeFsInodes | Signal::ImageFs | Signal::ImageFsInodes => Shortage::Disk,
        Signal::Pid => Shortage::Pids,
    };
    let candidate = |(pod, usage): &(ObjRef, PodUse)| {
        let run = cluster.kubelets.run(*pod).filter(|run| run.stage == Stage::Syncing && run.counted)?;
        let class = cluster.classes.get(run.class);
        let (request, usage) = match shortage {
            Shortage::Memory => (class.requests.memory_bytes, usage.memory()),
            Shortage::Disk if matches!(signal, Signal::NodeFsInodes | Signal::ImageFsInodes) => (0, usage.files()),
            Shortage::Disk => (class.requests.ephemeral_storage_bytes, usage.disk()),
            Shortage::Pids => (0, usage.processes()),
        };
        let candidate = Candidate { priority: class.priority, request: u64::try_from(request).unwrap_or(0), usage: Some(usage) };
        (!cluster.kubelets.critical(&cluster.classes, run)).then_some((*pod, candidate))
    };
    let (pods, candidates): (Vec<ObjRef>, Vec<Candidate>) = used.pods.iter().filter_map(candidate).unzip();
    rank(shortage, &candidates).first().map(|&at| pods[at])
}

/// Words of a condition: its type, then reason and message and the node's event, when it holds and when it does not.
type Words = (Sym, [(&'static str, &'static str, &'static str); 2]);

/// By place in [`judge::CONDITIONS`].
const CONDITION_WORDS: [Words; 3] = [
    (
        words::MEMORY_PRESSURE,
        [
            ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available", "NodeHasInsufficientMemory"),
            ("KubeletHasSufficientMemory", "kubelet has sufficient memory available", "NodeHasSufficientMemory"),
        ],
    ),
    (
        words::DISK_PRESSURE,
        [
            ("KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure"),
            ("KubeletHasNoDiskPressure", "kubelet has no disk pressure", "NodeHasNoDiskPressure"),
        ],
    ),
    (
        words::PID_PRESSURE,
        [
            ("KubeletHasInsufficientPID", "kubelet has insufficient PID available", "NodeHasInsufficientPID"),
            ("KubeletHasSufficientPID", "kubelet has sufficient PID available", "NodeHasSufficientPID"),
        ],
    ),
];

/// Writes one of the node's conditions, and says so.
fn set(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, node: ObjRef, at: usize, holds: bool) {
    let Some(status) = cluster.node_statuses.get(node) else { return };
    let now = work.now();
    let (kind, texts) = CONDITION_WORDS[at];
    let (reason, message, said) = texts[usize::from(!holds)];
    let mut fresh = status.clone();
    let (reason, message) = (cluster.names.sym(reason), cluster.names.sym(message));
    let word = if holds { ConditionStatus::True } else { ConditionStatus::False };
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
