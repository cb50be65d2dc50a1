//! Pod garbage collector: removes pods whose node is gone or out of service.
//!
//! | | |
//! |---|---|
//! | reads  | `Node`, `NodeStatus`, `Meta`, `PodStatus` |
//! | writes | `Put` of `PodStatus`, `Delete` |
//! | woken  | a node gone, or tainted or not ready any more; then every 20 s of the clock while there is something to wait for |
//! | source | kubernetes v1.36, `pkg/controller/podgc/gc_controller.go`, `gc`; `spec/lifecycle.md` §6 |
//!
//! The original looks every 20 s whether or not there is anything; what it would see without a node's change is the same as before.

use crate::texts::texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Revision};
use wavetank_engine::model::meta::{Condition, ConditionStatus, Meta, set_condition};
use wavetank_engine::model::node::{Node, NodeStatus};
use wavetank_engine::model::pod::{PodPhase, PodStatus};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{SINGLE, Wake, Whom};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// How often the collector looks.
pub const PERIOD: SimDuration = SimDuration::from_secs(20);
/// How long a node has to be missing before its pods are removed.
pub const QUARANTINE: SimDuration = SimDuration::from_secs(40);

/// The collector's work queue: nodes, and one key for the clock.
pub struct PodGc;

/// What wakes the collector.
pub const WAKES: &[Wake] =
    &[Wake { kind: Kind::Node, on: Changes::ADDED.or(Changes::GONE).or(Changes::TAINTS).or(Changes::READY), whom: Whom::Itself }];

texts! {
    /// Words of the collector.
    PodGcTexts {
        out_of_service = "node.kubernetes.io/out-of-service",
        deletion_by_pod_gc = "DeletionByPodGC",
        no_node = "PodGC: node no longer exists",
    }
}

/// Registers the collector.
pub fn install(sim: &mut Simulation) {
    sim.keep(MissingNodes::default());
    let texts = PodGcTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<PodGc, _, _>("pod_gc", "pod-garbage-collector", WAKES, sync);
}

/// Names of nodes that are gone, and from when on their pods may be removed (none before the first look). ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct MissingNodes {
    due_at: Option<SimTime>,
    nodes: BTreeMap<Sym, Option<SimTime>>,
}

/// What the collector reads.
#[derive(SystemParam)]
struct Reads<'w, 's> {
    nodes: View<'w, 's, PodGc, Node>,
    node_statuses: View<'w, 's, PodGc, NodeStatus>,
    metas: View<'w, 's, PodGc, Meta>,
    statuses: View<'w, 's, PodGc, PodStatus>,
    listing: Listing<'w, PodGc>,
    texts: Res<'w, PodGcTexts>,
}

fn sync(mut work: Work<PodGc>, reads: Reads, mut state: ResMut<MissingNodes>, mut names: ResMut<Names>) {
    if work.is_idle() {
        return;
    }
    while let Some(item) = work.pop() {
        let node = reads.listing.answered(item.object).filter(|row| item.object != SINGLE && row.key.kind == Kind::Node);
        if let Some(row) = node.filter(|_| !reads.listing.knows(item.object)) {
            let name = names.render(row.key.name);
            state.nodes.entry(names.sym(&name)).or_insert(None);
        }
    }
    let now = work.now();
    if state.due_at.is_some_and(|at| at <= now) {
        state.due_at = None;
        look(&mut work, &reads, &mut state, &names, now);
    }
    let tainted = out_of_service(&reads).next().is_some();
    if state.due_at.is_none() && (tainted || !state.nodes.is_empty()) {
        let next = SimTime((now.0 / PERIOD.0 + 1) * PERIOD.0);
        state.due_at = Some(next);
        work.wake_at(SINGLE, next);
    }
}

/// Nodes that are not ready and out of service.
fn out_of_service<'a>(reads: &'a Reads) -> impl Iterator<Item = ObjRef> + 'a {
    let tainted = |node: &Node| node.taints.iter().any(|taint| taint.key == reads.texts.out_of_service);
    let down = |node: ObjRef| reads.node_statuses.get(node).is_some_and(|status| !status.ready());
    reads.listing.of_kind(Kind::Node).filter(move |&node| reads.nodes.get(node).is_some_and(tainted) && down(node))
}

fn look(work: &mut Work<PodGc>, reads: &Reads, state: &mut MissingNodes, names: &Names, now: SimTime) {
    for node in out_of_service(reads) {
        let Some(meta) = reads.metas.get(node) else { continue };
        let Some(name) = names.find(&names.render(meta.name)) else { continue };
        let going: Vec<ObjRef> = reads.listing.on_node(name).filter(|&pod| reads.metas.get(pod).is_some_and(Meta::terminating)).collect();
        going.into_iter().for_each(|pod| remove(work, reads, pod, None));
    }
    let back = |name: Sym| {
        let key = names.find_name(names.text(name)).map(|name| ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name });
        key.is_some_and(|key| reads.listing.by_key(key).is_some())
    };
    state.nodes.retain(|&name, _| !back(name) && reads.listing.on_node(name).next().is_some());
    for (&name, free_at) in &mut state.nodes {
        if free_at.get_or_insert(now + QUARANTINE) > &mut now.clone() {
            continue;
        }
        let pods: Vec<ObjRef> = reads.listing.on_node(name).collect();
        pods.into_iter().for_each(|pod| remove(work, reads, pod, Some(reads.texts.no_node)));
    }
}

/// Marks a pod as failed unless it has ended, and removes it at once. `why`: the message of its DisruptionTarget condition.
fn remove(work: &mut Work<PodGc>, reads: &Reads, pod: ObjRef, why: Option<Sym>) {
    let Some(status) = reads.statuses.get(pod) else { return };
    if !status.phase.terminal() {
        let mut failed = status.clone();
        failed.phase = PodPhase::Failed;
        if let Some(message) = why {
            let (kind, reason) = (words::DISRUPTION_TARGET, reads.texts.deletion_by_pod_gc);
            let (status, at) = (ConditionStatus::True, work.now());
            set_condition(&mut failed.conditions, Condition { kind, status, reason, message, transition_at: at, update_at: at });
        }
        work.tell(Revision(0), Verb::Put { object: pod, expect: None, value: failed.into() });
    }
    work.tell(Revision(0), Verb::Delete { object: pod, grace_s: Some(0), propagation: None });
}
