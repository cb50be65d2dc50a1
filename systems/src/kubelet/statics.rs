//! Static pods: run from manifests on the node, shown at the API server by mirror pods.
//!
//! A static pod has its kubelet's own state ([`PodRun`]) in the place of its mirror pod while there is one, and parked here while there is
//! none: before the first one is made, after one was deleted, and while the API server does not take any.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kubelet.go`, `tryReconcileMirrorPods`, `HandlePodRemoves`; `pkg/kubelet/pod_workers.go`,
//! `allowPodStart`; `spec/kubelet.md` §18.

use crate::kubelet::admission::rejection;
use crate::kubelet::pod_run::{Op, PodRun, Stage};
use crate::kubelet::{Cluster, Heard, Kubelet, discount, live, with_cx};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{Reply, Verb};
use wavetank_engine::api::state::StateValue;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Uid};
use wavetank_engine::model::pod_class::ClassId;
use wavetank_engine::names::Sym;
use wavetank_engine::scene::manifests::{MIRROR, Manifest};
use wavetank_engine::time::{SimDuration, SimTime};

/// A mirror pod that the API server refused is tried again after this.
const MIRROR_AGAIN: SimDuration = SimDuration::from_secs(60);
/// A changed manifest waits for the end of the pod before it, and looks this often.
///
/// Choice: the original looks after 10 to 15 s; ours after 10.
const LOOK_AGAIN: SimDuration = SimDuration::from_secs(10);

/// A static pod of a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Static {
    /// Its manifest's hash.
    hash: Sym,
    class: ClassId,
    key: ObjectKey,
    /// When the kubelet read the manifest.
    seen_at: SimTime,
    mirror: Option<ObjRef>,
    /// Its state while it has no mirror pod.
    parked: Option<Box<PodRun>>,
    /// A mirror pod has been asked for.
    asked: bool,
    /// The API server refused it: the pod runs all the same.
    refused: bool,
    /// Its manifest is gone, or another.
    removed: bool,
    /// The manifest that takes its place begins no sooner.
    next_at: SimTime,
}

/// The static pods of all nodes.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Statics {
    /// By number of the node, and `namespace/name`.
    pods: BTreeMap<(u32, String), Static>,
    /// Their mirror pods.
    mirrors: LookupMap<Uid, (u32, String)>,
}

impl Statics {
    /// Whether a pod is the mirror of a static pod.
    pub fn is_mirror(&self, pod: ObjRef) -> bool {
        !self.mirrors.is_empty() && self.mirrors.contains_key(&pod.uid)
    }

    /// State of static pods without mirrors.
    pub fn parked(&self) -> impl Iterator<Item = &PodRun> {
        self.pods.values().filter_map(|pod| pod.parked.as_deref())
    }

    fn of_node(&self, node: u32) -> Vec<(u32, String)> {
        self.pods.range((node, String::new())..(node + 1, String::new())).map(|pair| pair.0.clone()).collect()
    }

    fn of_mirror(&mut self, pod: ObjRef) -> Option<&mut Static> {
        let place = self.mirrors.get(&pod.uid)?;
        self.pods.get_mut(place)
    }
}

impl Cluster<'_, '_> {
    /// Text by which the manifests know a pod.
    fn pod_text(&self, key: ObjectKey) -> String {
        format!("{}/{}", self.names.text(key.namespace), self.names.render(key.name))
    }
}

/// One turn of a node that has manifests: they and the static pods are brought together.
pub(super) fn turn(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, number: u32, silent: bool) {
    if !cluster.manifests.any() {
        return;
    }
    let refused = item.replies.iter().any(|reply| matches!(reply, Reply::Refused(_)));
    read(cluster, number, work.now());
    for place in cluster.kubelets.statics.of_node(number) {
        remove(work, cluster, item, &place);
        let Some(pod) = cluster.kubelets.statics.pods.get_mut(&place) else { continue };
        if pod.mirror.is_some() {
            continue;
        }
        if refused && pod.asked {
            (pod.asked, pod.refused) = (false, true);
            work.wake_after(item.object, MIRROR_AGAIN);
        } else if !silent && !pod.removed && !pod.asked {
            pod.asked = true;
            ask_for_mirror(work, cluster, item, number, &place.1);
        }
        let refused = cluster.kubelets.statics.pods.get(&place).is_some_and(|pod| pod.refused || pod.removed || pod.parked.is_some());
        if silent || refused {
            go_on(work, cluster, item, &place);
        }
    }
}

/// Reads the manifests of a node: those that are new, and what has become of those that were there.
fn read(cluster: &mut Cluster, number: u32, now: SimTime) {
    let node = cluster.kubelets.nodes[number as usize].name;
    for place in cluster.kubelets.statics.of_node(number) {
        let hash = cluster.manifests.get(node, &place.1).map(|manifest| manifest.hash);
        let Some(pod) = cluster.kubelets.statics.pods.get_mut(&place) else { continue };
        if !pod.removed && hash != Some(pod.hash) {
            (pod.removed, pod.next_at) = (true, now + LOOK_AGAIN);
        }
    }
    for (name, manifest) in cluster.manifests.of(node) {
        let place = (number, name.clone());
        cluster.kubelets.statics.pods.entry(place).or_insert_with(|| Static::of(manifest, now));
    }
}

impl Static {
    fn of(manifest: &Manifest, now: SimTime) -> Static {
        let meta = &manifest.mirror.meta;
        let class = manifest.mirror.states.iter().find_map(|state| match state {
            StateValue::Pod(pod) => Some(pod.class),
            _ => None,
        });
        Static {
            hash: manifest.hash,
            class: class.expect("a manifest is checked to be a pod"),
            key: ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name },
            seen_at: now,
            mirror: None,
            parked: None,
            asked: false,
            refused: false,
            removed: false,
            next_at: now,
        }
    }
}

fn ask_for_mirror(work: &mut Work<Kubelet>, cluster: &Cluster, item: &Item, number: u32, pod: &str) {
    let node = cluster.kubelets.nodes[number as usize].name;
    if let Some(manifest) = cluster.manifests.get(node, pod) {
        work.ask(item, Verb::Create(Box::new(manifest.mirror.clone())));
    }
}

/// Ends a pod whose manifest is gone, and forgets it when it has ended.
fn remove(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, place: &(u32, String)) {
    let now = work.now();
    let Some(pod) = cluster.kubelets.statics.pods.get_mut(place).filter(|pod| pod.removed) else { return };
    let class = pod.class;
    if let Some(mirror) = pod.mirror {
        let grace_s = cluster.classes.get(class).grace_s;
        if let Some(mut run) = cluster.kubelets.take(mirror) {
            if run.stage == Stage::Syncing {
                run.begin_ending(now, grace_s, None);
            }
            cluster.kubelets.put(run);
        }
        work.wake(mirror, item.cause);
        return;
    }
    if let Some(run) = pod.parked.as_mut().filter(|run| run.stage == Stage::Syncing) {
        run.begin_ending(now, cluster.classes.get(class).grace_s, None);
    }
    if pod.parked.as_ref().is_some_and(|run| run.stage != Stage::Finished) {
        return;
    }
    let next_at = pod.next_at;
    let replaced = cluster.manifests.get(cluster.kubelets.nodes[place.0 as usize].name, &place.1).is_some();
    if replaced && next_at > now {
        work.wake_at(item.object, next_at);
        return;
    }
    cluster.kubelets.statics.pods.remove(place);
    read(cluster, place.0, now);
}

/// Brings a pod without a mirror up to the present. Nobody hears of it.
fn go_on(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, place: &(u32, String)) {
    let node = cluster.kubelets.nodes[place.0 as usize].name;
    let Some(pod) = cluster.kubelets.statics.pods.get_mut(place) else { return };
    let taken = pod.parked.take();
    let heard = Heard {
        key: pod.key,
        created_at: pod.seen_at,
        deletion: None,
        class: taken.as_ref().map_or(pod.class, |run| run.class),
        node,
        ended: false,
    };
    let removed = pod.removed;
    let Some(mut run) = taken.or_else(|| if removed { None } else { begin(work, cluster, item, &heard, place.0) }) else { return };
    let ran = run.stage != Stage::Finished;
    live(work, cluster, item, &mut run, &heard, true);
    if ran && run.stage == Stage::Finished && removed {
        work.wake(item.object, item.cause);
    }
    if let Some(pod) = cluster.kubelets.statics.pods.get_mut(place) {
        pod.parked = Some(run);
    }
}

/// A kubelet that nobody hears takes the pod if it fits; if not, it says so when its mirror pod is there.
fn begin(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, heard: &Heard, node: u32) -> Option<Box<PodRun>> {
    if rejection(cluster, heard, node, true).is_some() {
        return None;
    }
    let class = cluster.classes.get(heard.class);
    let mut run = Box::new(PodRun::new(item.object, heard.class, class, node, work.now()));
    run.counted = true;
    cluster.kubelets.nodes[node as usize].count(&class.requests);
    with_cx(cluster, work, &mut run, heard, |run, cx| run.begin(Op::Admit, cx));
    Some(run)
}

/// A pod has come to the node: whether it is the mirror of a static pod, whose state it then brings if that has begun.
pub(super) fn attach(cluster: &mut Cluster, pod: ObjRef, node: u32, key: ObjectKey) -> (bool, Option<Box<PodRun>>) {
    if cluster.kubelets.statics.pods.is_empty() {
        return (false, None);
    }
    let place = (node, cluster.pod_text(key));
    let annotations = cluster.metas.get(pod).map(|meta| meta.annotations);
    let hash = annotations.and_then(|set| cluster.labels.get(set, cluster.names.find(MIRROR)?));
    let Some(own) = cluster.kubelets.statics.pods.get_mut(&place).filter(|own| Some(own.hash) == hash) else { return (false, None) };
    (own.mirror, own.asked, own.refused) = (Some(pod), false, false);
    let run = own.parked.take().map(|mut run| {
        (run.object, run.dirty) = (pod, true);
        run
    });
    cluster.kubelets.statics.mirrors.insert(pod.uid, place);
    (true, run)
}

/// The mirror pod is gone: the static pod goes on without it, and gets another. Returns the state if the pod was none of these.
pub(super) fn detach(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, run: Option<Box<PodRun>>) -> Option<Box<PodRun>> {
    let statics = &mut cluster.kubelets.statics;
    let Some(place) = statics.mirrors.remove(&item.object.uid) else { return run };
    let node = cluster.kubelets.nodes[place.0 as usize].object;
    work.wake(node, item.cause);
    cluster.kubelets.waits.remove(&item.object.uid);
    let Some(pod) = cluster.kubelets.statics.pods.get_mut(&place) else { return run };
    pod.mirror = None;
    if pod.removed && run.as_ref().is_none_or(|run| run.stage == Stage::Finished) {
        return run;
    }
    pod.parked = run.map(|mut run| {
        run.object = node;
        run
    });
    None
}

/// What a mirror pod is asked for by others comes to nothing but its own end: its kubelet lets it go at once, and makes another. When a
/// pod whose manifest is gone has ended, its mirror goes too.
pub(super) fn let_mirror_go(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, heard: &Heard, run: &PodRun) {
    let removed = cluster.kubelets.statics.of_mirror(item.object).is_some_and(|pod| pod.removed);
    let over = removed && run.stage == Stage::Finished && run.busy.is_none();
    if over || heard.deletion.is_some_and(|deletion| deletion.grace_s > 0) {
        work.tell(item.cause, Verb::Delete { object: item.object, grace_s: Some(0), propagation: None });
    }
}

/// The node has started again: static pods that had ended begin anew, with new mirror pods, and those without go on in new sandboxes.
pub(super) fn rebooted(work: &mut Work<Kubelet>, cluster: &mut Cluster, number: u32) {
    for place in cluster.kubelets.statics.of_node(number) {
        let node = cluster.kubelets.nodes[number as usize].name;
        let Some(pod) = cluster.kubelets.statics.pods.get_mut(&place) else { continue };
        pod.asked = false;
        if let Some(mirror) = pod.mirror {
            let ended = cluster.kubelets.run(mirror).is_some_and(|run| run.stage == Stage::Finished);
            if ended {
                cluster.kubelets.take(mirror);
                work.tell(wavetank_engine::ids::Revision(0), Verb::Delete { object: mirror, grace_s: Some(0), propagation: None });
            }
            continue;
        }
        let Some(mut run) = pod.parked.take() else { continue };
        let heard = Heard { key: pod.key, created_at: pod.seen_at, deletion: None, class: run.class, node, ended: false };
        with_cx(cluster, work, &mut run, &heard, |run, cx| run.rebooted(cx));
        if run.stage == Stage::Finished {
            discount(cluster, &mut run);
            continue;
        }
        if let Some(pod) = cluster.kubelets.statics.pods.get_mut(&place) {
            pod.parked = Some(run);
        }
    }
}
