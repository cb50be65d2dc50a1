//! Kubelet: runs the pods bound to its node and reports what becomes of them. One queue serves the kubelets of all nodes.
//!
//! | | |
//! |---|---|
//! | reads  | `Pod`, `PodStatus`, `Meta`, `Node`, `Programs`, `NodeFaults` |
//! | writes | `PodStatus`, `Delete` requests, events |
//! | woken  | pod bound, being deleted or gone; its own timers; a node's fault changed |
//! | source | kubernetes v1.36, `pkg/kubelet/kubelet.go`, `SyncPod`; `spec/kubelet.md` §4 to §13 |
//!
//! Reading order: `probes`, `container`, `pod_run` (one pod's state machine), `status` (what is reported).

pub mod container;
pub mod pod_run;
pub mod probes;
pub mod status;

use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use pod_run::{Cx, Note, PodRun};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::hash::{LookupMap, LookupSet};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Revision, Uid};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::node::Node;
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::{ClassId, Classes, PodClass};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::scene::faults::{Fault, NodeFaults};
use wavetank_engine::scene::program::{Failure, Program, Programs};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::latency::Latency;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::SimTime;

/// The kubelets' work queue: pods.
pub struct KubeletQueue;

/// What wakes a kubelet.
pub const WAKES: &[Wake] =
    &[Wake { kind: Kind::Pod, on: Changes::PLACEMENT.or(Changes::ADDED).or(Changes::DELETION).or(Changes::GONE), whom: Whom::Itself }];

/// First address of the pods' blocks, 10.244.0.0; each node has a block of 256, of which .0 and .1 are not given.
const BLOCKS_FROM: u32 = 0x0AF4_0000;

/// Addresses that a node's block gives.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Block {
    number: u32,
    next: u32,
    free: Vec<u32>,
}

/// The kubelets' memory.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct Kubelets {
    runs: LookupMap<Uid, PodRun>,
    /// Images on each node.
    images: LookupSet<(Sym, Sym)>,
    blocks: LookupMap<Sym, Block>,
    block_count: u32,
}

type ProgramLists = Arc<(Vec<Arc<Program>>, Vec<Arc<Program>>)>;

/// What follows from the scene: programs by class, and words.
#[derive(Default, Resource)]
pub struct KubeletCache {
    programs: LookupMap<ClassId, ProgramLists>,
    words: Option<Words>,
}

/// Texts of events, interned once.
#[derive(Debug, Clone, Copy)]
struct Words {
    source: Sym,
    plain: Sym,
    pulling: (Sym, Sym),
    pulled: (Sym, Sym, Sym),
    failed: (Sym, Sym),
    back_off: (Sym, Sym, Sym),
    created: (Sym, Sym),
    started: (Sym, Sym),
    killing: (Sym, Sym, Sym, Sym),
    unhealthy: Sym,
}

/// Registers the kubelets.
pub fn install(sim: &mut Simulation) {
    sim.keep(Kubelets::default());
    sim.resource(KubeletCache::default());
    sim.behaviour::<KubeletQueue, _, _>("kubelet", "kubelet", WAKES, sync);
    sim.wake_on_faults::<KubeletQueue>();
}

/// Everything of the store that the kubelets read.
#[derive(bevy_ecs::system::SystemParam)]
pub struct Reads<'w, 's> {
    pods: View<'w, 's, KubeletQueue, Pod>,
    statuses: View<'w, 's, KubeletQueue, PodStatus>,
    metas: View<'w, 's, KubeletQueue, Meta>,
    nodes: View<'w, 's, KubeletQueue, Node>,
    listing: Listing<'w, KubeletQueue>,
    classes: Res<'w, Classes>,
    latency: Res<'w, Latency>,
    faults: Res<'w, NodeFaults>,
}

fn sync(
    mut work: Work<KubeletQueue>,
    reads: Reads,
    mut kubelets: ResMut<Kubelets>,
    mut cache: ResMut<KubeletCache>,
    mut programs: ResMut<Programs>,
    mut names: ResMut<Names>,
    mut events: ResMut<Events>,
) {
    if work.is_idle() {
        return;
    }
    let words = *cache.words.get_or_insert_with(|| Words::intern(&mut names));
    while let Some(item) = work.pop() {
        if reads.nodes.get_even_gone(item.object).is_some() {
            fault_changed(item.object, &reads, &mut kubelets, &mut names, &mut work);
            continue;
        }
        sync_pod(item.object, item.cause, &reads, &mut kubelets, &mut cache, &mut programs, &mut names, &mut events, words, &mut work);
    }
}

/// A node's fault began or ended: its pods are looked at. Containers of a node that had failed are gone with it.
fn fault_changed(node: ObjRef, reads: &Reads, kubelets: &mut Kubelets, names: &mut Names, work: &mut Work<KubeletQueue>) {
    let Some(row) = reads.listing.row(node) else { return };
    let text = names.render(row.key.name);
    let name = names.sym(&text);
    if reads.faults.of(name).is_some() {
        return;
    }
    let pods: Vec<ObjRef> = reads.listing.on_node(name).collect();
    for pod in pods {
        if let Some(run) = kubelets.runs.get_mut(&pod.uid) {
            for one in run.init.iter_mut().chain(&mut run.apps) {
                if matches!(one.state, container::State::Running { .. }) && run.due.is_some_and(|due| due <= work.now()) {
                    one.stop = one.stop.map(|stop| container::Stop { ends_at: stop.ends_at.max(work.now()), ..stop });
                }
            }
        }
        work.wake(pod, Revision(0));
    }
}

#[expect(clippy::too_many_arguments, reason = "a sync touches everything that a kubelet has")]
fn sync_pod(
    pod: ObjRef,
    cause: Revision,
    reads: &Reads,
    kubelets: &mut Kubelets,
    cache: &mut KubeletCache,
    programs: &mut Programs,
    names: &mut Names,
    events: &mut Events,
    words: Words,
    work: &mut Work<KubeletQueue>,
) {
    let now = work.now();
    let (Some(spec), Some(status), Some(meta)) = (reads.pods.get(pod), reads.statuses.get(pod), reads.metas.get(pod)) else {
        kubelets.forget(pod);
        return;
    };
    if spec.node.is_empty() || reads.faults.of(spec.node).is_some_and(|(fault, _)| matches!(fault, Fault::Failed | Fault::CutOff)) {
        return;
    }
    let class = reads.classes.get(spec.class);
    let lists = cache.programs.entry(spec.class).or_insert_with(|| program_lists(names, programs, spec.class, class)).clone();
    let latency = reads.latency.table();
    let known = kubelets.runs.contains_key(&pod.uid);
    if !known && status.phase.terminal() {
        if meta.terminating() {
            work.tell(cause, Verb::Delete { object: pod, grace_s: Some(0), propagation: None });
        }
        return;
    }
    let mut run = kubelets.runs.remove(&pod.uid).unwrap_or_else(|| PodRun::new(pod, spec.class, class, spec.node, now, latency));
    let broken: &Programs = programs;
    let image_text = |image: Sym| names.text(image).to_string();
    let images = &kubelets.images;
    let present = |image: Sym| images.contains(&(run_node(spec), image));
    let missing = |image: Sym, program: &Program| program.image_missing || broken.is_broken(&image_text(image));
    let mut cx = Cx { now, class, programs: &lists, latency, present: &present, missing: &missing, notes: Vec::new(), pulled: Vec::new() };
    if let Some(deletion) = meta.deletion.filter(|_| !run.done) {
        run.stop(&mut cx, deletion.grace_s);
    }
    run.step(&mut cx);
    let (notes, pulled) = (cx.notes, cx.pulled);
    for image in pulled {
        kubelets.images.insert((spec.node, image));
    }
    if run.ip == 0 && now >= run.sandbox_at {
        run.ip = kubelets.address(spec.node);
    }
    report_notes(&notes, meta, pod, names, events, words, now);
    if now >= run.start_at {
        let fresh = status::report(&run, class, status, now, names);
        if fresh != *status {
            work.tell(cause, Verb::Put { object: pod, expect: None, value: fresh.into() });
        }
    }
    if run.done && meta.terminating() {
        work.tell(cause, Verb::Delete { object: pod, grace_s: Some(0), propagation: None });
    }
    if let Some(due) = run.due {
        work.wake_at(pod, due);
    }
    kubelets.runs.insert(pod.uid, run);
}

fn run_node(pod: &Pod) -> Sym {
    pod.node
}

fn program_lists(names: &Names, programs: &mut Programs, id: ClassId, class: &PodClass) -> ProgramLists {
    let mut list = |init: bool, count: usize| (0..count).map(|at| programs.of(names, id, class, init, at)).collect();
    Arc::new((list(true, class.init_containers.len()), list(false, class.containers.len())))
}

impl Kubelets {
    /// A pod is gone from the API: its containers end with it, and its address is free.
    fn forget(&mut self, pod: ObjRef) {
        if let Some(run) = self.runs.remove(&pod.uid)
            && run.ip != 0
            && let Some(block) = self.blocks.get_mut(&run.node)
        {
            block.free.push(run.ip);
        }
    }

    /// An address of a node's block: never used ones first, then those that are free again.
    fn address(&mut self, node: Sym) -> u32 {
        let count = &mut self.block_count;
        let block = self.blocks.entry(node).or_insert_with(|| {
            *count += 1;
            Block { number: *count - 1, next: 2, free: Vec::new() }
        });
        if block.next >= 255 && !block.free.is_empty() {
            return block.free.remove(0);
        }
        block.next += 1;
        BLOCKS_FROM + block.number * 256 + block.next - 1
    }
}

impl Words {
    fn intern(names: &mut Names) -> Words {
        let mut sym = |text: &str| names.sym(text);
        Words {
            source: sym("kubelet"),
            plain: sym("{}"),
            pulling: (sym("Pulling"), sym("Pulling image \"{}\"")),
            pulled: (
                sym("Pulled"),
                sym("Successfully pulled image \"{}\""),
                sym("Container image \"{}\" already present on machine and can be accessed by the pod"),
            ),
            failed: (sym("Failed"), sym("Failed to pull image \"{}\": image not found")),
            back_off: (
                sym("BackOff"),
                sym("Back-off pulling image \"{}\""),
                sym("Back-off restarting failed container {} in pod {}_{}({})"),
            ),
            created: (sym("Created"), sym("Container created")),
            started: (sym("Started"), sym("Container started")),
            killing: (
                sym("Killing"),
                sym("Stopping container {}"),
                sym("Container {} failed liveness probe, will be restarted"),
                sym("Container {} failed startup probe, will be restarted"),
            ),
            unhealthy: sym("Unhealthy"),
        }
    }
}

fn report_notes(notes: &[Note], meta: &Meta, pod: ObjRef, names: &mut Names, events: &mut Events, words: Words, now: SimTime) {
    let about = ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
    let mut say = |warning: bool, reason: Sym, text: Sym, args: &[Arg]| {
        events.report(now, Report { about, uid: pod.uid, source: words.source, warning, reason, words: text, args });
    };
    for note in notes {
        match *note {
            Note::Pulling(image) => say(false, words.pulling.0, words.pulling.1, &[Arg::Text(image)]),
            Note::Pulled(image, there) => {
                say(false, words.pulled.0, if there { words.pulled.2 } else { words.pulled.1 }, &[Arg::Text(image)])
            }
            Note::PullFailed(image) => say(true, words.failed.0, words.failed.1, &[Arg::Text(image)]),
            Note::PullBackOff(image) => say(false, words.back_off.0, words.back_off.1, &[Arg::Text(image)]),
            Note::Started => {
                say(false, words.created.0, words.created.1, &[]);
                say(false, words.started.0, words.started.1, &[]);
            }
            Note::Stopping(container) => say(false, words.killing.0, words.killing.1, &[Arg::Text(container)]),
            Note::ProbeKill(container, liveness) => {
                say(false, words.killing.0, if liveness { words.killing.2 } else { words.killing.3 }, &[Arg::Text(container)]);
            }
            Note::Unhealthy(probe, failure) => {
                let how = match failure {
                    Failure::Answer => "HTTP probe failed with statuscode: 500",
                    Failure::Timeout => "context deadline exceeded",
                    Failure::Refused => "connection refused",
                };
                let text = names.sym(&format!("{probe} probe failed: {how}"));
                say(true, words.unhealthy, words.plain, &[Arg::Text(text)]);
            }
            Note::BackOff(container) => {
                let args = [Arg::Text(container), Arg::Name(meta.name), Arg::Text(meta.namespace), Arg::Int(pod.uid.0 as i64)];
                say(true, words.back_off.0, words.back_off.2, &args);
            }
        }
    }
}
