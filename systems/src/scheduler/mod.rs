//! Scheduler: finds a node for each pod that has none.
//!
//! | | |
//! |---|---|
//! | reads  | `Pod`, `PodStatus`, `Node`, `NodeStatus`, `Meta` |
//! | writes | `Bind` requests, `PodStatus` (PodScheduled False), events |
//! | woken  | pod added, bound, ended or gone; node added, changed or gone |
//! | source | kubernetes v1.36, `pkg/scheduler/schedule_one.go`, `ScheduleOne`; `spec/scheduler.md` |
//!
//! Reading order: `facts` (a pod class), `pods` (pods on nodes, waiting, nominated), `nodes` (node facts and their order), `plugin`
//! (names, answers, traits), `plugins` (one file each), `profile`, `filter`, `cycle` (one decision, plainly), `failure` (why none),
//! `volumes` and `storage` (what pods have and what there is), `feed` (from the store), `reserve` (until a pod's volumes are bound),
//! `own`, `registry` and `policies` (filters and scores beside the original's), `tree` (the same decision by change), `group_nodes`
//! (where pods of small groups are), `reach`, `cells`, `levels` and `best` (the nodes looked at and the best of them, by blocks), `spread`,
//! `counters` and `scan` (the same under default constraints, and under constraints and affinity of one's own), `cache` (what follows
//! from the store), `queue`, `refused` and `refusals` (pods that no node can take, now and again), `work` (what it costs), `explain` (a
//! decision in detail, for those who ask), `what_if` (what the filters would say of other nodes).

mod best;
pub mod cache;
mod cells;
mod counter;
pub mod counters;
pub mod cycle;
pub mod explain;
pub mod facts;
pub mod failure;
pub mod feed;
pub mod filter;
pub mod group_nodes;
mod heard;
mod levels;
pub mod logarithm;
pub mod nodes;
pub mod own;
pub mod plugin;
pub mod plugins;
pub mod pods;
pub mod policies;
pub mod preemption;
pub mod profile;
pub mod queue;
mod reach;
mod refusals;
mod refused;
pub mod registry;
mod reserve;
mod scan;
pub mod series;
pub mod spread;
pub mod storage;
pub mod tree;
pub mod volumes;
pub(crate) mod what_if;
pub mod work;

use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use cache::{Learnt, Placed, PodKind, SchedulerCache, SeenNode};
use cycle::Decision;
use feed::SeenStorage;
use own::Allotment;

use plugins::volume_binding;
use queue::{SchedulingQueue, Waiting};
use refused::About;
use reserve::Reserved;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::by_slot::BySlot;
use wavetank_engine::hash::{LookupMap, LookupSet};
use wavetank_engine::ids::{Kind, ObjRef, Uid};
use wavetank_engine::model::disruption::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::node::{Node, NodeStatus};
use wavetank_engine::model::pod::{Pod, PodAllocation, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::scene::model::{StorageAssumed, Ties};
use wavetank_engine::scene::policies::Policies;
use wavetank_engine::scene::scheduler_config::SchedulerConfig;
use wavetank_engine::simulation::latency::Latency;
use wavetank_engine::simulation::route::{SINGLE, Wake, Whom};
use wavetank_engine::simulation::{Checking, Seed, ShuffleChoices, Simulation};
use wavetank_engine::time::SimTime;

/// The scheduler's work queue: pods and nodes that changed.
pub struct SchedulerQueue;

/// What wakes the scheduler.
pub const WAKES: &[Wake] = &[
    Wake {
        kind: Kind::Pod,
        on: Changes::ADDED
            .or(Changes::PLACEMENT)
            .or(Changes::NOMINATION)
            .or(Changes::PHASE)
            .or(Changes::GONE)
            .or(Changes::DELETION)
            .or(Changes::LABELS)
            .or(Changes::ALLOCATABLE)
            .or(Changes::SPEC),
        whom: Whom::Itself,
    },
    Wake { kind: Kind::Namespace, on: Changes::ADDED.or(Changes::LABELS).or(Changes::GONE), whom: Whom::Itself },
    Wake { kind: Kind::Service, on: Changes::ADDED.or(Changes::SPEC).or(Changes::GONE), whom: Whom::Itself },
    Wake { kind: Kind::ReplicaSet, on: Changes::GONE, whom: Whom::Itself },
    Wake { kind: Kind::ReplicationController, on: Changes::GONE, whom: Whom::Itself },
    Wake { kind: Kind::PersistentVolumeClaim, on: Changes::ANY, whom: Whom::Itself },
    Wake { kind: Kind::PersistentVolume, on: Changes::ANY, whom: Whom::Itself },
    Wake { kind: Kind::StorageClass, on: Changes::ANY, whom: Whom::Itself },
    Wake { kind: Kind::CSINode, on: Changes::ANY, whom: Whom::Itself },
    Wake { kind: Kind::CSIDriver, on: Changes::ANY, whom: Whom::Itself },
    Wake { kind: Kind::CSIStorageCapacity, on: Changes::ANY, whom: Whom::Itself },
    Wake {
        kind: Kind::Node,
        on: Changes::ADDED.or(Changes::GONE).or(Changes::TAINTS).or(Changes::PLACEMENT).or(Changes::ALLOCATABLE).or(Changes::LABELS),
        whom: Whom::Itself,
    },
];

/// The scheduler's memory that a checkpoint keeps; node facts and trees follow from the store and are made again.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct SchedulerState {
    queue: SchedulingQueue,
    start: usize,
    /// When the attempt under way ends, where attempts take time: the next pod is taken from the queue then.
    attempt_ends: Option<SimTime>,
    /// Pods counted on a node.
    placed: BySlot<Placed>,
    /// Pods whose binding is under way.
    binding: LookupMap<Uid, Waiting>,
    /// What pods counted on a node were allotted there by policies of one's own.
    allotted: LookupMap<Uid, Allotment>,
    /// Pods that policies of one's own learnt from, in that order; all of the run, and none without a policy that learns.
    learnt: Vec<Learnt>,
    /// What pods were that no node could take when they were tried last.
    refused: LookupMap<Uid, PodKind>,
    /// Waiting pods whose victims' deletion was asked for and not answered yet.
    preempting: LookupSet<Uid>,
    /// Nominations that the scheduler has not seen in the store yet: node by pod.
    nominated: LookupMap<Uid, Sym>,
    /// Nominations of waiting pods as the store told of them last.
    seen_nominated: LookupMap<Uid, Placed>,
    /// Pods among those whose volumes are being bound.
    reserved: BTreeMap<ObjRef, Reserved>,
    /// Claims, volumes and what belongs to them, as they were last seen.
    seen_storage: BTreeMap<ObjRef, SeenStorage>,
    /// Those of the reserved whose requests are yet to be made in this round.
    #[serde(skip)]
    to_reserve: Vec<ObjRef>,
    /// Nodes in the order in which they were seen.
    seen_nodes: Vec<ObjRef>,
    /// Those nodes.
    seen: BTreeMap<Uid, SeenNode>,
}

/// Texts of events, interned once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    source: Sym,
    scheduled: Sym,
    scheduled_words: Sym,
    failed: Sym,
    failed_words: Sym,
    preempted: Sym,
    preempted_words: Sym,
    preempted_by_us: Sym,
    preempted_condition: Sym,
    scheduler_error: Sym,
}

/// Registers the scheduler.
pub fn install(sim: &mut Simulation) {
    sim.keep(SchedulerState::default());
    sim.ensure::<Ties>();
    sim.ensure::<SchedulerConfig>();
    sim.ensure::<Policies>();
    sim.ensure::<StorageAssumed>();
    sim.resource(SchedulerCache::default());
    sim.behaviour::<SchedulerQueue, _, _>("scheduler", "default-scheduler", WAKES, sync);
    sim.in_order::<SchedulerQueue>();
}

/// Everything of the store that the scheduler reads.
#[derive(bevy_ecs::system::SystemParam)]
pub struct Reads<'w, 's> {
    pods: View<'w, 's, SchedulerQueue, Pod>,
    statuses: View<'w, 's, SchedulerQueue, PodStatus>,
    allocations: View<'w, 's, SchedulerQueue, PodAllocation>,
    metas: View<'w, 's, SchedulerQueue, Meta>,
    nodes: View<'w, 's, SchedulerQueue, Node>,
    node_statuses: View<'w, 's, SchedulerQueue, NodeStatus>,
    budgets: View<'w, 's, SchedulerQueue, PodDisruptionBudget>,
    budget_statuses: View<'w, 's, SchedulerQueue, PodDisruptionBudgetStatus>,
    listing: Listing<'w, SchedulerQueue>,
    labels: ResMut<'w, LabelSets>,
    storage: feed::StorageReads<'w, 's>,
    checking: Res<'w, Checking>,
    ties: Res<'w, Ties>,
    config: Res<'w, SchedulerConfig>,
    policies: Res<'w, Policies>,
    seed: Res<'w, Seed>,
    shuffle: Res<'w, ShuffleChoices>,
    classes: Res<'w, Classes>,
}

fn sync(
    mut work: Work<SchedulerQueue>,
    mut reads: Reads,
    mut state: ResMut<SchedulerState>,
    mut cache: ResMut<SchedulerCache>,
    mut names: ResMut<Names>,
    mut events: ResMut<Events>,
    latency: Res<Latency>,
) {
    if work.is_idle() {
        return;
    }
    let (state, cache) = (&mut *state, &mut *cache);
    cache.restore(state, &reads, &mut names);
    state.queue.shuffle(reads.shuffle.0);
    state.queue.back_off_for(reads.config.backoff_first, reads.config.backoff_max);
    if work.keeps_causes() {
        state.queue.remember_taken_up();
    }
    while let Some(item) = work.pop() {
        if item.object == SINGLE {
            continue;
        }
        match reads.metas.get_even_gone(item.object).map(|meta| meta.kind) {
            Some(Kind::Node) => {
                heard::node_changed(item.object, state, cache, &reads, &mut names, work.now());
            }
            Some(Kind::Namespace) => cache.namespace_changed(item.object, &reads, &mut names),
            Some(Kind::Service | Kind::ReplicaSet | Kind::ReplicationController) => cache.selectors_changed(),
            Some(kind) if feed::KINDS.contains(&kind) => heard::storage_changed(item.object, state, cache, &reads, &mut names, &mut work),
            _ => {
                heard::pod_changed(&item, state, cache, &reads, &mut names, &mut work, &mut events);
                heard::volumes_awaited(&item, state, cache, &reads, &mut names, &mut work, &mut events);
            }
        }
        state.queue.taken_up().into_iter().for_each(|pod| work.taken_up(pod));
    }
    cache.trim();
    state.queue.flush(work.now());
    let lasts = latency.table().scheduling_attempt;
    if lasts.0 == 0 {
        cache.begins(state.queue.is_ready());
        while let Some(waiting) = state.queue.pop() {
            attempt(waiting, state, cache, &reads, &mut names, &mut work, &mut events);
        }
    } else {
        // Decided on what is known when the attempt begins; bindings leave when it ends.
        state.attempt_ends.take_if(|at| *at <= work.now());
        if state.attempt_ends.is_none()
            && let Some(waiting) = state.queue.pop()
        {
            cache.begins(true);
            attempt(waiting, state, cache, &reads, &mut names, &mut work, &mut events);
            state.attempt_ends = Some(work.now() + lasts);
        }
        if let Some(at) = state.attempt_ends.filter(|_| state.queue.is_ready()) {
            work.wake_at(SINGLE, at);
        }
    }
    for pod in std::mem::take(&mut state.to_reserve) {
        if let Some(reserved) = state.reserved.get(&pod) {
            reserve::ask(pod, reserved, &mut reads, &mut names, &mut work);
        }
    }
    if let Some(next) = state.queue.flush(work.now()) {
        work.wake_at(SINGLE, next);
    }
}

/// Asks for the binding of a pod.
fn bind(pod: ObjRef, node: Sym, work: &mut Work<SchedulerQueue>) {
    work.ask_for(pod, wavetank_engine::ids::Revision(0), Verb::Bind { pod, node });
}

/// Tells of a binding that was carried out.
fn tell_of_binding(pod: ObjRef, meta: &Meta, node: Sym, words: Words, now: SimTime, events: &mut Events) {
    let args = [Arg::Text(meta.namespace), Arg::Name(meta.name), Arg::Text(node)];
    let about = wavetank_engine::ids::ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
    let (uid, source, reason) = (pod.uid, words.source, words.scheduled);
    events.report(now, Report { about, uid, source, warning: false, reason, words: words.scheduled_words, args: &args });
}

impl Words {
    /// Those of a profile.
    fn intern(names: &mut Names, scheduler_name: &str) -> Words {
        Words {
            source: names.sym(scheduler_name),
            scheduled: names.sym("Scheduled"),
            scheduled_words: names.sym("Successfully assigned {}/{} to {}"),
            failed: names.sym("FailedScheduling"),
            failed_words: names.sym("{}"),
            preempted: names.sym("Preempted"),
            preempted_words: names.sym("Preempted by pod {} on node {}"),
            preempted_by_us: names.sym("PreemptionByScheduler"),
            preempted_condition: names.sym(&format!("{scheduler_name}: preempting to accommodate a higher priority pod")),
            scheduler_error: names.sym("SchedulerError"),
        }
    }
}

fn attempt(
    waiting: Waiting,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    work: &mut Work<SchedulerQueue>,
    events: &mut Events,
) {
    if cache.own.would_learn(waiting.pod.uid)
        && reads.pods.get(waiting.pod).is_some_and(|pod| pod.node.is_empty())
        && reads.metas.get(waiting.pod).is_some_and(|meta| !meta.terminating())
    {
        state.learnt.extend(cache.learn(waiting.pod, reads, names));
    }
    explain::explain(waiting, state, cache, reads, names, work.now());
    schedule_one(waiting, state, cache, reads, names, work, events);
    cache.decided();
}

fn schedule_one(
    waiting: Waiting,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    work: &mut Work<SchedulerQueue>,
    events: &mut Events,
) {
    let (Some(pod), Some(meta)) = (reads.pods.get(waiting.pod), reads.metas.get(waiting.pod)) else { return };
    if !pod.node.is_empty() || meta.terminating() {
        return;
    }
    let (mut incoming, kind) = cache.incoming_of(waiting.pod, pod.class, meta, reads, names);
    let words = cache.words_in(incoming.resident.class.scheduler_name);
    if let Some(&node) = state.nominated.get(&waiting.pod.uid) {
        incoming.nominated_node = node;
    }
    let key = cache.refused_by_node(&incoming, kind, reads).then_some((kind, meta.annotations));
    let about = wavetank_engine::ids::ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
    let mut about = About { waiting, key: about, incoming: &incoming, kind, standing: key, kept: None };
    if !cache.refusals.is_empty()
        && let Some(key) = key
        && let Some(mut kept) = refused::still_refused(&key, &incoming, cache, reads, names)
    {
        let said = kept.said(&cache.cycle(&incoming, reads, names)).filter(|_| !reads.checking.0).cloned();
        if let Some(said) = said {
            cache.refusals.put(key, kept);
            return refused::give_up_again((waiting, meta, kind), &said, state, reads, names, words, work, events);
        }
        let failure = kept.failure(&cache.cycle(&incoming, reads, names));
        if reads.checking.0 {
            let plain = cycle::decide(&cache.cycle(&incoming, reads, names), 0);
            let Decision::None(plain) = plain else { panic!("a node can take a pod whose refusals stand") };
            assert_eq!(plain.message(names, ""), failure.message(names, ""), "refusals stand until nodes change");
        }
        about.kept = Some(kept);
        return refused::give_up(about, &failure, state, cache, reads, names, words, work, events);
    }
    match cache.decide(&incoming, kind, meta, state.start, reads, names) {
        Decision::Node { node: number, next_start, .. } => {
            state.start = next_start;
            let node = cache.table.get(number).name;
            let placed = Placed { node, kind };
            state.placed.insert(waiting.pod, placed);
            state.binding.insert(waiting.pod.uid, waiting);
            cache.welcome(waiting.pod, placed, &mut state.allotted, reads, names);
            cache.count(placed, true, reads, names);
            cache.nominate(waiting.pod, false, reads, names);
            state.nominated.remove(&waiting.pod.uid);
            let profile = cache.profile(incoming.resident.class.scheduler_name).filter(|profile| profile.binds_volumes);
            if let Some(timeout) = profile.map(|profile| profile.bind_timeout).filter(|_| incoming.resident.volumes.is_some()) {
                let chosen = volume_binding::chosen(&cache.cycle(&incoming, reads, names), cache.table.get(number));
                if !chosen.is_empty() {
                    // The pod names its node while its volumes are being bound. Source: `schedule_one.go`, `bindingCycle`.
                    let nominated = Verb::PatchPod { pod: waiting.pod, condition: None, nominated_node: Some(node) };
                    work.ask_for(waiting.pod, wavetank_engine::ids::Revision(0), nominated);
                    let reserved = Reserved { node, chosen, since: None, timeout };
                    cache.assume(waiting.pod, &reserved, true);
                    state.reserved.insert(waiting.pod, reserved);
                    state.to_reserve.push(waiting.pod);
                    return;
                }
            }
            bind(waiting.pod, node, work);
        }
        Decision::None(failure) => {
            refused::give_up(about, &failure, state, cache, reads, names, words, work, events);
        }
    }
}
