//! The kubelets of all nodes: from a bound pod to its last status.
//!
//! | | |
//! |---|---|
//! | reads  | `Meta`, `Pod`, `PodStatus` of bound pods, `Node`, `NodeStatus`, `Programs`, `RunTimes`, `NodeFaults`, `Latency` |
//! | writes | `ReportPod`, `PatchPod` (DisruptionTarget) and `Delete` of pods, `NodeStatus` (MemoryPressure), events |
//! | woken  | pod bound, respecified, being deleted or gone, a condition of others on it; node added or its fault changed; its own timers |
//! | source | kubernetes v1.36, `pkg/kubelet/kubelet.go`, `SyncPod`, `SyncTerminatingPod`; `spec/kubelet.md` §4–14 |
//!
//! One queue for all kubelets; its key is the pod (or the node, for what happens to nodes). [`pod_run`] decides, this file fetches and asks.

mod admission;
pub mod admit;
mod adopt;
mod change;
pub mod conditions;
pub mod eviction_rank;
mod hooks;
mod images;
mod init;
pub mod lingering;
pub mod mounts;
pub mod needs;
pub mod node_run;
mod node_turn;
pub mod phase;
pub mod pod_run;
pub mod preempt;
pub mod pressure;
pub mod probes;
mod probing;
pub mod resize;
pub mod restart;
mod rules;
pub mod shutdown;
mod start;
pub mod statics;
mod status;
pub mod terminate;
mod texts;
pub mod trace;

use crate::kubelet::admit::{CRITICAL_PRIORITY, Placement, Rejection};
use crate::kubelet::mounts::Waits;
use crate::kubelet::needs::{Lacks, Needs};
use crate::kubelet::node_run::NodeRun;
use crate::kubelet::pod_run::{Cx, Op, Out, PodRun, Stage};
use crate::kubelet::pressure::judge::Shortages;
use crate::kubelet::probes::EveryTick;
use crate::kubelet::resize::Resize;
use crate::kubelet::shutdown::Shutdown;
use crate::kubelet::statics::Statics;
use crate::kubelet::texts::Texts;
use crate::kubelet::trace::Trace;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{Reply, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Uid};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::{Deletion, Meta};
use wavetank_engine::model::node::{Node, NodeStatus};
use wavetank_engine::model::opaque::Opaque;
use wavetank_engine::model::pod::{Pod, PodAllocation, PodStatus};
use wavetank_engine::model::pod_class::{ClassId, Classes, PodClass};
use wavetank_engine::model::resources::Resources;
use wavetank_engine::model::storage::PersistentVolumeClaimStatus;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Events, Report};
use wavetank_engine::scene::faults::{BrokenVolumes, Fault, NodeFaults};
use wavetank_engine::scene::kubelet_config::KubeletConfig;
use wavetank_engine::scene::manifests::Manifests;
use wavetank_engine::scene::program::{Programs, RunTimes};
use wavetank_engine::simulation::latency::Latency;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::simulation::{Seed, Simulation};
use wavetank_engine::time::SimTime;

/// The kubelets' work queue: bound pods, and nodes.
pub struct Kubelet;

/// When kubelets have work.
pub const WAKES: &[Wake] = &[
    Wake {
        kind: Kind::Pod,
        on: Changes::ADDED.or(Changes::PLACEMENT).or(Changes::SPEC).or(Changes::DELETION).or(Changes::CONDITIONS).or(Changes::GONE),
        whom: Whom::ItselfIfBound,
    },
    Wake { kind: Kind::Node, on: Changes::ADDED, whom: Whom::Itself },
];

/// Registers the kubelets.
pub fn install(sim: &mut Simulation) {
    sim.ensure::<Programs>();
    sim.ensure::<RunTimes>();
    sim.ensure::<NodeFaults>();
    sim.ensure::<BrokenVolumes>();
    sim.ensure::<KubeletConfig>();
    sim.ensure::<Manifests>();
    sim.ensure::<EveryTick>();
    let texts = Texts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.resource(Gates::default());
    sim.ensure::<Trace>();
    sim.keep(Kubelets::default());
    sim.behaviour::<Kubelet, _, _>("kubelet", "kubelet", WAKES, sync);
    sim.wake_on_faults::<Kubelet>();
}

/// Private state of all kubelets. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
pub struct Kubelets {
    /// By the pod's slot.
    runs: Vec<Option<Box<PodRun>>>,
    nodes: Vec<NodeRun>,
    by_name: LookupMap<Sym, u32>,
    ranges_taken: u32,
    /// Pods that wait for volumes.
    waits: Waits,
    /// Nodes that are short of something, or were a while ago, by number.
    shortages: BTreeMap<u32, Shortages>,
    /// What somebody else than pods had on the disks of nodes when their kubelets looked: bytes and files, by number.
    filled: BTreeMap<u32, (u64, u64)>,
    /// Nodes that are shutting down, by number.
    shutdowns: BTreeMap<u32, Shutdown>,
    /// Static pods.
    statics: Statics,
    /// Pods whose resources are not simply those of their specs.
    resizes: LookupMap<Uid, Resize>,
    /// Critical pods that wait for others to end, and those.
    preempting: BTreeMap<Uid, (ObjRef, Vec<ObjRef>)>,
    /// Those that wait for room, by number of their node.
    waiting: BTreeMap<u32, BTreeMap<Uid, ObjRef>>,
}

impl Kubelets {
    /// Whether a kubelet keeps a pod whatever happens: a static one, or one of a system priority.
    pub(super) fn critical(&self, classes: &Classes, run: &PodRun) -> bool {
        classes.get(run.class).priority >= CRITICAL_PRIORITY || self.statics.is_mirror(run.object)
    }

    /// The run of a pod, if its kubelet has one.
    pub fn run(&self, pod: ObjRef) -> Option<&PodRun> {
        self.runs.get(pod.slot.at())?.as_deref().filter(|run| run.object == pod)
    }

    /// Sentences about what kubelets hold for pods that do not need it any more, or do not hold for those that do; empty when all is well.
    pub fn leaks(&self, names: &Names, classes: &Classes) -> Vec<String> {
        let mut leaks = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let name = names.text(node.name);
            let runs =
                || self.runs.iter().flatten().map(|run| &**run).chain(self.statics.parked()).filter(|run| run.node as usize == number);
            let own_address = |run: &&PodRun| run.sandbox && !classes.get(run.class).host_network;
            let (counted, sandboxes) = (runs().filter(|run| run.counted).count(), runs().filter(own_address).count());
            if node.used.pods != counted as i64 {
                leaks.push(format!("node/{name} counts {} pods and has {counted}", node.used.pods));
            }
            if counted == 0 && node.used != Resources::default() {
                leaks.push(format!("node/{name} has no pod, and counts {:?}", node.used));
            }
            if node.addresses_taken() != sandboxes as u32 {
                leaks.push(format!("node/{name} has given {} addresses to {sandboxes} sandboxes", node.addresses_taken()));
            }
        }
        let waiting = self.runs.iter().flatten().filter(|run| self.waits.contains_key(&run.object.uid)).count();
        if waiting != self.waits.len() {
            leaks.push(format!("{} pods wait for volumes, {waiting} of them are there", self.waits.len()));
        }
        leaks
    }

    fn take(&mut self, pod: ObjRef) -> Option<Box<PodRun>> {
        self.runs.get_mut(pod.slot.at())?.take_if(|run| run.object == pod)
    }

    fn put(&mut self, run: Box<PodRun>) {
        let at = run.object.slot.at();
        if self.runs.len() <= at {
            self.runs.resize_with(at + 1, || None);
        }
        self.runs[at] = Some(run);
    }
}

/// Readiness gates and placement by class. Follows from the classes. ECS resource.
#[derive(Debug, Default, Resource)]
struct Gates {
    by_class: LookupMap<ClassId, Asks>,
    placements: LookupMap<ClassId, Arc<Placement>>,
}

/// What a spec asks for beside its containers.
#[derive(Debug)]
struct Asks {
    /// Readiness gates.
    gates: Box<[Sym]>,
    /// Objects that its containers need.
    needs: Option<Arc<Needs>>,
}

impl Gates {
    fn placement(&mut self, id: ClassId, class: &PodClass, names: &mut Names) -> Arc<Placement> {
        self.placements.entry(id).or_insert_with(|| Arc::new(Placement::of(names, class))).clone()
    }

    fn of(&mut self, id: ClassId, class: &PodClass, names: &mut Names) -> &Asks {
        self.by_class.entry(id).or_insert_with(|| {
            let list = class.raw.at(&["readinessGates"]).and_then(|list| list.as_array()).into_iter().flatten();
            let gates = list.filter_map(|gate| gate.get("conditionType")?.as_str()).map(|gate| names.sym(gate)).collect();
            Asks { gates, needs: Needs::of(names, class).map(Arc::new) }
        })
    }
}

/// What the kubelets see and keep.
#[derive(SystemParam)]
struct Cluster<'w, 's> {
    listing: Listing<'w, Kubelet>,
    metas: View<'w, 's, Kubelet, Meta>,
    pods: View<'w, 's, Kubelet, Pod>,
    statuses: View<'w, 's, Kubelet, PodStatus>,
    allocations: View<'w, 's, Kubelet, PodAllocation>,
    nodes: View<'w, 's, Kubelet, Node>,
    node_statuses: View<'w, 's, Kubelet, NodeStatus>,
    opaques: View<'w, 's, Kubelet, Opaque>,
    claims: View<'w, 's, Kubelet, PersistentVolumeClaimStatus>,
    kinds: Res<'w, Kinds>,
    broken: Res<'w, BrokenVolumes>,
    config: Res<'w, KubeletConfig>,
    manifests: Res<'w, Manifests>,
    classes: Res<'w, Classes>,
    labels: Res<'w, LabelSets>,
    latency: Res<'w, Latency>,
    seed: Res<'w, Seed>,
    texts: Res<'w, Texts>,
    every_tick: Res<'w, EveryTick>,
    faults: ResMut<'w, NodeFaults>,
    names: ResMut<'w, Names>,
    programs: ResMut<'w, Programs>,
    run_times: ResMut<'w, RunTimes>,
    gates: ResMut<'w, Gates>,
    events: ResMut<'w, Events>,
    kubelets: ResMut<'w, Kubelets>,
    trace: ResMut<'w, Trace>,
}

fn sync(mut work: Work<Kubelet>, mut cluster: Cluster) {
    while let Some(item) = work.pop() {
        let is_node = cluster.listing.row(item.object).is_some_and(|row| row.key.kind == Kind::Node);
        if is_node {
            node_turn::turn(&mut work, &mut cluster, &item);
        } else {
            turn(&mut work, &mut cluster, &item);
        }
    }
}

/// What a kubelet has heard of a pod.
#[derive(Debug, Clone, Copy)]
struct Heard {
    key: ObjectKey,
    created_at: SimTime,
    deletion: Option<Deletion>,
    class: ClassId,
    node: Sym,
    /// The phase stored is an end.
    ended: bool,
}

impl Cluster<'_, '_> {
    fn heard(&self, object: ObjRef) -> Option<Heard> {
        let (meta, pod) = (self.metas.get(object)?, self.pods.get(object)?);
        let key = ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
        let ended = self.statuses.get(object).is_some_and(|status| status.phase.terminal());
        Some(Heard { key, created_at: meta.created_at, deletion: meta.deletion, class: pod.class, node: pod.node, ended })
    }

    fn fault(&self, node: Sym) -> Option<Fault> {
        if self.faults.any() { self.faults.of(node).map(|(fault, _)| fault) } else { None }
    }
}

/// One turn of a pod.
fn turn(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item) {
    let object = item.object;
    let taken = cluster.kubelets.take(object);
    let Some(heard) = cluster.heard(object) else {
        let taken = statics::detach(work, cluster, item, taken);
        let node = taken.as_ref().filter(|run| run.counted).map(|run| run.node);
        forget(work.now(), cluster, taken);
        if let Some(node) = node {
            resize::retry(work, cluster, item, node);
        }
        preempt::ended(work, cluster, item);
        return;
    };
    let fault = cluster.fault(heard.node);
    let Some(mut run) = taken.or_else(|| begin(work, cluster, item, &heard, fault)) else { return };
    if fault != Some(Fault::Failed) {
        live(work, cluster, item, &mut run, &heard, fault.is_some());
    }
    let node = run.node;
    cluster.kubelets.put(run);
    if fault.is_none() {
        pressure::arm(work, cluster, node);
    }
}

/// The run of a pod that its kubelet has just heard of; `None`: nobody hears of it, or there is nothing left to run.
fn begin(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, heard: &Heard, fault: Option<Fault>) -> Option<Box<PodRun>> {
    if fault.is_some() {
        return None;
    }
    if heard.ended {
        let_go(work, item, heard);
        return None;
    }
    let node = node_of(cluster, heard.node)?;
    let (is_static, before) = statics::attach(cluster, item.object, node, heard.key);
    if before.is_some() {
        return before;
    }
    let mut run = Box::new(PodRun::new(item.object, heard.class, cluster.classes.get(heard.class), node, work.now()));
    let before = cluster.statuses.get(item.object).filter(|status| work.now() == SimTime::ZERO && adopt::was_run(status)).cloned();
    if let Some(status) = before {
        run.counted = true;
        cluster.kubelets.nodes[node as usize].count(&cluster.classes.get(heard.class).requests);
        let (_, ()) = with_cx(cluster, work, &mut run, heard, |run, cx| run.adopt(&status, cx));
        return Some(run);
    }
    if preempt::waits(cluster, item.object) {
        return None;
    }
    if let Some(mut rejection) = admission::rejection(cluster, heard, node, is_static) {
        let critical = is_static || cluster.classes.get(heard.class).priority >= CRITICAL_PRIORITY;
        if let (true, Rejection::Short { .. }) = (critical, &rejection) {
            let wants = admission::wanting(cluster, heard, node);
            match preempt::make_room(work, cluster, item, (heard, critical), &wants) {
                Ok(()) => return None,
                Err(why) => rejection = Rejection::NoRoom(why),
            }
        }
        admission::reject(work, cluster, item, &mut run, heard, &rejection);
        return Some(run);
    }
    run.counted = true;
    cluster.kubelets.nodes[node as usize].count(&cluster.classes.get(heard.class).requests);
    let (out, ()) = with_cx(cluster, work, &mut run, heard, |run, cx| run.begin(Op::Admit, cx));
    assert!(out.reports.is_empty(), "a pod is reported when its worker begins, not before");
    Some(run)
}

/// Brings a pod up to the present. `silent`: its node is cut off from the API server.
fn live(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, run: &mut PodRun, heard: &Heard, silent: bool) {
    if run.class != heard.class && !silent {
        let class = cluster.classes.get(heard.class).clone();
        if resize::differ(cluster.classes.get(run.class), &class) {
            resize::ask(cluster, run);
        } else if run.counted && !cluster.kubelets.resizes.contains_key(&item.object.uid) {
            let node = &mut cluster.kubelets.nodes[run.node as usize];
            node.discount(&cluster.classes.get(run.class).requests);
            node.count(&class.requests);
        }
        let (out, ()) = with_cx(cluster, work, run, heard, |run, cx| run.change_class(heard.class, &class, cx));
        deliver(work, cluster, item, run, heard.key, out, silent);
    }
    if !silent {
        resize::turn(work, cluster, item, run, heard);
    }
    let mirror = cluster.kubelets.statics.is_mirror(item.object);
    let (out, next) = with_cx(cluster, work, run, heard, |run, cx| {
        if let Some(deletion) = heard.deletion.filter(|_| !silent && !mirror) {
            run.delete(deletion.grace_s, cx);
        }
        run.step(cx);
        run.next(cx)
    });
    deliver(work, cluster, item, run, heard.key, out, silent);
    if !silent {
        resize::finish(work, cluster, item, run, heard);
    }
    if run.stage == Stage::Finished {
        let counted = run.counted;
        discount(cluster, run);
        if counted {
            resize::retry(work, cluster, item, run.node);
            preempt::ended(work, cluster, item);
        }
        if counted && cluster.kubelets.shutdowns.contains_key(&run.node) {
            work.wake(cluster.kubelets.nodes[run.node as usize].object, item.cause);
        }
    }
    if mirror && !silent {
        statics::let_mirror_go(work, cluster, item, heard, run);
    }
    // The reply to the last report comes before the watch that tells of it.
    let stored = heard.ended || item.replies.iter().any(Reply::ok);
    if run.reported_end && stored && !silent && !mirror {
        match cluster.held(run, work.now()) {
            Some(again) => work.wake_at(item.object, again),
            None => let_go(work, item, heard),
        }
    }
    if let Some(next) = next {
        work.wake_at(item.object, next);
    }
}

/// Lets the API server remove a pod whose end it knows.
fn let_go(work: &mut Work<Kubelet>, item: &Item, heard: &Heard) {
    if heard.deletion.is_some_and(|deletion| deletion.grace_s > 0) {
        work.tell(item.cause, Verb::Delete { object: item.object, grace_s: Some(0), propagation: None });
    }
}

/// A pod that has ended, or is gone, leaves its share of the node to others.
fn discount(cluster: &mut Cluster, run: &mut PodRun) {
    if std::mem::take(&mut run.counted) {
        let class = cluster.kubelets.resizes.get(&run.object.uid).map_or(run.class, |resize| resize.allocated);
        cluster.kubelets.nodes[run.node as usize].discount(&cluster.classes.get(class).requests);
        resize::forget(cluster, run.node, run.object.uid);
    }
}

/// Drops what the kubelet has of a pod that is gone.
fn forget(now: SimTime, cluster: &mut Cluster, run: Option<Box<PodRun>>) {
    let Some(mut run) = run else { return };
    cluster.cross_removal(now, &run);
    cluster.run_times.forget(run.object.uid);
    discount(cluster, &mut run);
    if !cluster.kubelets.waits.is_empty() {
        cluster.kubelets.waits.remove(&run.object.uid);
    }
    if run.sandbox && !cluster.classes.get(run.class).host_network {
        cluster.kubelets.nodes[run.node as usize].free_address(run.ip);
    }
}

/// Works with a pod under everything that its kubelet knows.
fn with_cx<R>(
    cluster: &mut Cluster,
    work: &Work<Kubelet>,
    run: &mut PodRun,
    heard: &Heard,
    act: impl FnOnce(&mut PodRun, &mut Cx) -> R,
) -> (Out, R) {
    let class = cluster.classes.get(run.class);
    let needs = cluster.gates.of(run.class, class, &mut cluster.names).needs.clone();
    let lacks = needs.map_or(Lacks::default(), |needs| cluster.lacks(&needs, heard, run));
    let class = cluster.classes.get(run.class);
    let cut_off = cluster.trace.any() && cluster.fault(heard.node).is_some();
    let kubelets = &mut *cluster.kubelets;
    let node = &mut kubelets.nodes[run.node as usize];
    node.ranges_taken = kubelets.ranges_taken;
    let gates = &cluster.gates.of(run.class, class, &mut cluster.names).gates;
    let stored = if gates.is_empty() { &[][..] } else { cluster.statuses.get(run.object).map_or(&[][..], |status| &status.conditions) };
    let slowed;
    let latency = match cluster.faults.slowness(node.name) {
        1 => cluster.latency.table(),
        times => {
            slowed = cluster.latency.table().on_slow_node(times);
            &slowed
        }
    };
    let resize = if kubelets.resizes.is_empty() { None } else { kubelets.resizes.get(&run.object.uid) };
    let mut cx = Cx {
        now: work.now(),
        class,
        class_id: run.class,
        programs: &mut cluster.programs,
        runs_for: cluster.run_times.of(run.object.uid),
        names: &mut cluster.names,
        texts: &cluster.texts,
        latency,
        node,
        key: heard.key,
        identity: (cluster.seed.0, heard.created_at),
        gates,
        stored,
        every_tick: cluster.every_tick.0,
        lacks,
        waits: &mut kubelets.waits,
        resize,
        allocated: resize.map(|resize| &**cluster.classes.get(resize.allocated)),
        trace: &mut cluster.trace,
        cut_off,
        out: Out::default(),
    };
    let result = act(run, &mut cx);
    let out = cx.out;
    kubelets.ranges_taken = kubelets.nodes[run.node as usize].ranges_taken;
    (out, result)
}

/// Sends what a step left. A node that is cut off keeps its last status for later.
fn deliver(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, run: &mut PodRun, key: ObjectKey, out: Out, silent: bool) {
    if silent {
        run.dirty |= !out.reports.is_empty();
        return;
    }
    let ends = run.stage == Stage::Finished;
    let last = out.reports.len().saturating_sub(1);
    for (at, status) in out.reports.into_iter().enumerate() {
        let report = Verb::ReportPod { pod: item.object, status: Box::new(status) };
        if ends && at == last {
            run.reported_end = true;
            work.ask(item, report);
        } else {
            work.tell(item.cause, report);
        }
    }
    for note in &out.notes {
        let report = Report {
            about: key,
            uid: item.object.uid,
            source: cluster.texts.kubelet,
            warning: note.warning,
            reason: note.reason,
            words: note.words,
            args: &note.args,
        };
        cluster.events.report(work.now(), report);
    }
}

/// Number of the node with a name; `None` when there is no such node.
fn node_of(cluster: &mut Cluster, name: Sym) -> Option<u32> {
    if let Some(&number) = cluster.kubelets.by_name.get(&name) {
        return Some(number);
    }
    let key = ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name: cluster.names.find_name(cluster.names.text(name))? };
    let object = cluster.listing.by_key(key)?;
    Some(add_node(cluster, name, object))
}

fn add_node(cluster: &mut Cluster, name: Sym, object: ObjRef) -> u32 {
    let number = cluster.kubelets.nodes.len() as u32;
    let address = cluster.node_statuses.get(object).map_or(0, |status| status.address);
    let pod_cidr = cluster.nodes.get(object).map_or((0, 0), |node| node.pod_cidr);
    cluster.kubelets.nodes.push(NodeRun::new(name, object, number, address, pod_cidr));
    cluster.kubelets.by_name.insert(name, number);
    number
}
