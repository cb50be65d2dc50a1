//! Scheduler: finds a node for each pod that has none.
//!
//! | | |
//! |---|---|
//! | reads  | `Pod`, `PodStatus`, `Node`, `NodeStatus`, `Meta` |
//! | writes | `Bind` requests, `PodStatus` (PodScheduled False), events |
//! | woken  | pod added, bound, ended or gone; node added, changed or gone |
//! | source | kubernetes v1.36, `pkg/scheduler/schedule_one.go`, `ScheduleOne`; `spec/scheduler.md` |
//!
//! Reading order: `facts` (a pod class), `nodes` (node facts and their order), `filter`, `score`, `cycle` (one decision, plainly),
//! `tree` (the same decision by change), `queue`.

pub mod cycle;
pub mod facts;
pub mod filter;
pub mod nodes;
pub mod queue;
pub mod score;
pub mod tree;

use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use cycle::Decision;
use facts::ClassFacts;
use filter::plugin;
use nodes::{NodeFacts, NodeTable};
use queue::{SchedulingQueue, Waiting};
use serde::{Deserialize, Serialize};
use tree::ClassTree;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::by_slot::BySlot;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{Kind, ObjRef, Uid};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::{Condition, ConditionStatus, Meta, set_condition};
use wavetank_engine::model::node::{Node, NodeStatus};
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::{ClassId, Classes};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{SINGLE, Wake, Whom};
use wavetank_engine::words;

/// The scheduler's work queue: pods and nodes that changed.
pub struct SchedulerQueue;

/// What wakes the scheduler.
pub const WAKES: &[Wake] = &[
    Wake {
        kind: Kind::Pod,
        on: Changes::ADDED.or(Changes::PLACEMENT).or(Changes::PHASE).or(Changes::GONE).or(Changes::DELETION),
        whom: Whom::Itself,
    },
    Wake {
        kind: Kind::Node,
        on: Changes::ADDED.or(Changes::GONE).or(Changes::TAINTS).or(Changes::PLACEMENT).or(Changes::ALLOCATABLE).or(Changes::LABELS),
        whom: Whom::Itself,
    },
];

/// Trees kept at most; a class beyond is decided by the plain look.
const TREES_MAX: usize = 200;

/// Events that may make room for pods refused by these plugins. Source: `spec/scheduler.md` §8.
const ROOM_BY_POD: u8 = plugin::NODE_RESOURCES_FIT | plugin::NODE_PORTS;
const ROOM_BY_NODE: u8 = u8::MAX;

/// Where a pod's requests are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Placed {
    node: Sym,
    class: ClassId,
}

/// The scheduler's memory that a checkpoint keeps; node facts and trees follow from the store and are made again.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct SchedulerState {
    queue: SchedulingQueue,
    start: usize,
    /// Pods counted on a node.
    placed: BySlot<Placed>,
    /// Pods whose binding is under way.
    binding: LookupMap<Uid, Waiting>,
    /// Nodes in the order in which they were seen.
    seen_nodes: Vec<ObjRef>,
}

/// What follows from the store: node facts, class facts, trees.
#[derive(Default, Resource)]
pub struct SchedulerCache {
    table: NodeTable,
    classes: LookupMap<ClassId, ClassFacts>,
    /// One class of each group that every node answers alike, in the order in which the groups were first seen.
    leaders: Vec<ClassId>,
    /// The leader of each class's group.
    leader_of: LookupMap<ClassId, ClassId>,
    /// One tree for each group, by its leader.
    trees: LookupMap<ClassId, ClassTree>,
    words: Option<Words>,
    restored: bool,
    /// Whether every decision of a tree is compared with the plain look.
    pub check: bool,
}

/// Texts of events, interned once.
#[derive(Debug, Clone, Copy)]
struct Words {
    source: Sym,
    scheduled: Sym,
    scheduled_words: Sym,
    failed: Sym,
    failed_words: Sym,
    default_scheduler: Sym,
}

/// Registers the scheduler.
pub fn install(sim: &mut Simulation) {
    sim.keep(SchedulerState::default());
    sim.resource(SchedulerCache::default());
    sim.behaviour::<SchedulerQueue, _, _>("scheduler", "default-scheduler", WAKES, sync);
}

/// Everything of the store that the scheduler reads.
#[derive(bevy_ecs::system::SystemParam)]
pub struct Reads<'w, 's> {
    pods: View<'w, 's, SchedulerQueue, Pod>,
    statuses: View<'w, 's, SchedulerQueue, PodStatus>,
    metas: View<'w, 's, SchedulerQueue, Meta>,
    nodes: View<'w, 's, SchedulerQueue, Node>,
    node_statuses: View<'w, 's, SchedulerQueue, NodeStatus>,
    listing: Listing<'w, SchedulerQueue>,
    labels: Res<'w, LabelSets>,
    classes: Res<'w, Classes>,
}

fn sync(
    mut work: Work<SchedulerQueue>,
    reads: Reads,
    mut state: ResMut<SchedulerState>,
    mut cache: ResMut<SchedulerCache>,
    mut names: ResMut<Names>,
    mut events: ResMut<Events>,
) {
    if work.is_idle() {
        return;
    }
    let (state, cache) = (&mut *state, &mut *cache);
    let words = *cache.words.get_or_insert_with(|| Words::intern(&mut names));
    cache.restore(state, &reads, &mut names);
    while let Some(item) = work.pop() {
        if item.object == SINGLE {
            continue;
        }
        if cache.is_node(&item, &reads) {
            cache.node_changed(&item, state, &reads, &mut names, work.now());
        } else {
            pod_changed(&item, state, cache, &reads, &mut names, words, &mut work);
        }
    }
    cache.table.trim_changes();
    state.queue.flush(work.now());
    while let Some(waiting) = state.queue.pop() {
        schedule_one(waiting, state, cache, &reads, &mut names, words, &mut work, &mut events);
    }
    if let Some(next) = state.queue.flush(work.now()) {
        work.wake_at(SINGLE, next);
    }
}

impl Words {
    fn intern(names: &mut Names) -> Words {
        Words {
            source: names.sym("default-scheduler"),
            scheduled: names.sym("Scheduled"),
            scheduled_words: names.sym("Successfully assigned {}/{} to {}"),
            failed: names.sym("FailedScheduling"),
            failed_words: names.sym("{}"),
            default_scheduler: names.sym("default-scheduler"),
        }
    }
}

impl SchedulerCache {
    fn class(&mut self, names: &mut Names, classes: &Classes, id: ClassId) -> &ClassFacts {
        self.classes.entry(id).or_insert_with(|| ClassFacts::of(names, classes.get(id)))
    }

    /// The class whose tree answers for `class`, which must have been digested: pods of many owners often ask for the same.
    fn leader(&mut self, class: ClassId) -> ClassId {
        if let Some(&leader) = self.leader_of.get(&class) {
            return leader;
        }
        let facts = &self.classes[&class];
        let leader = self.leaders.iter().copied().find(|leader| self.classes[leader].answered_like(facts));
        if leader.is_none() {
            self.leaders.push(class);
        }
        *self.leader_of.entry(class).or_insert(leader.unwrap_or(class))
    }

    fn is_node(&self, item: &Item, reads: &Reads) -> bool {
        reads.nodes.get_even_gone(item.object).is_some()
    }

    /// After a resume: node facts are made again from the store, in the order in which the nodes were first seen.
    fn restore(&mut self, state: &SchedulerState, reads: &Reads, names: &mut Names) {
        if self.restored {
            return;
        }
        self.restored = true;
        for &node in &state.seen_nodes {
            self.put_node(node, reads, names);
        }
        for (_, placed) in state.placed.sorted() {
            self.count(placed, true, reads, names);
        }
    }

    fn put_node(&mut self, object: ObjRef, reads: &Reads, names: &mut Names) -> bool {
        let (Some(node), Some(status), Some(meta)) = (reads.nodes.get(object), reads.node_statuses.get(object), reads.metas.get(object))
        else {
            return false;
        };
        let name = names.render(meta.name);
        self.table.put(NodeFacts {
            uid: object.uid,
            name: names.sym(&name),
            labels: meta.labels,
            taints: node.taints.clone(),
            unschedulable: node.unschedulable,
            allocatable: status.allocatable.clone(),
            used: Default::default(),
            scored_cpu_millicores: 0,
            scored_memory_bytes: 0,
            pods: 0,
            ports: Vec::new(),
            alive: true,
        });
        true
    }

    fn node_changed(
        &mut self,
        item: &Item,
        state: &mut SchedulerState,
        reads: &Reads,
        names: &mut Names,
        now: wavetank_engine::time::SimTime,
    ) {
        let known = self.table.knows(item.object.uid);
        if self.put_node(item.object, reads, names) {
            if !known {
                state.seen_nodes.push(item.object);
                self.count_all_on(item.object, state, reads, names);
            }
        } else {
            self.table.remove(item.object.uid);
            state.seen_nodes.retain(|node| *node != item.object);
        }
        state.queue.wake(ROOM_BY_NODE, now);
    }

    /// Counts the pods that were placed on a node before the scheduler saw it.
    fn count_all_on(&mut self, node: ObjRef, state: &SchedulerState, reads: &Reads, names: &mut Names) {
        let Some(name) = self.table.name_of(node.uid) else { return };
        let bound = reads.listing.on_node(name).map(|pod| (pod.uid, state.placed.get(pod).copied()));
        let binding = state.binding.iter().map(|(&uid, waiting)| (uid, state.placed.get(waiting.pod).copied()));
        let mut pods: Vec<(Uid, Option<Placed>)> = bound.chain(binding).collect();
        pods.sort_unstable_by_key(|pair| pair.0);
        pods.dedup_by_key(|pair| pair.0);
        for placed in pods.into_iter().filter_map(|pair| pair.1).filter(|placed| placed.node == name) {
            self.count(placed, true, reads, names);
        }
    }

    /// Counts a pod on its node, or takes it off.
    fn count(&mut self, placed: Placed, add: bool, reads: &Reads, names: &mut Names) {
        let Some(number) = self.table.by_name(placed.node) else { return };
        let facts = self.classes.entry(placed.class).or_insert_with(|| ClassFacts::of(names, reads.classes.get(placed.class)));
        self.table.account(number, facts, add);
    }
}

/// Takes in a pod's present state, however often it is told of it.
fn pod_changed(
    item: &Item,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    words: Words,
    work: &mut Work<SchedulerQueue>,
) {
    let pod = item.object;
    let refused = item.replies.iter().any(|reply| !reply.ok());
    if let Some(waiting) = state.binding.get(&pod.uid).copied().filter(|_| !item.replies.is_empty()) {
        state.binding.remove(&pod.uid);
        if refused {
            if let Some(placed) = state.placed.remove(pod) {
                cache.count(placed, false, reads, names);
            }
            if reads.listing.knows(pod) {
                state.queue.error(waiting, work.now());
            }
            return;
        }
    }
    let living = reads.pods.get(pod).filter(|_| reads.statuses.get(pod).is_some_and(|status| !status.phase.terminal()));
    let now_placed = living.filter(|living| !living.node.is_empty()).map(|living| Placed { node: living.node, class: living.class });
    let before = state.placed.get(pod).copied();
    if now_placed != before && !(now_placed.is_none() && state.binding.contains_key(&pod.uid)) {
        if let Some(before) = before {
            state.placed.remove(pod);
            cache.count(before, false, reads, names);
            state.queue.wake(ROOM_BY_POD, work.now());
        }
        if let Some(placed) = now_placed {
            state.placed.insert(pod, placed);
            cache.count(placed, true, reads, names);
        }
    }
    match living {
        Some(living) if living.node.is_empty() && !state.binding.contains_key(&pod.uid) => {
            let terminating = reads.metas.get(pod).is_none_or(Meta::terminating);
            let facts = cache.class(names, &reads.classes, living.class);
            if facts.scheduler_name == words.default_scheduler && !terminating {
                let priority = facts.priority;
                state.queue.add(pod, priority, work.now());
            } else {
                state.queue.remove(pod);
            }
        }
        _ if state.queue.knows(pod) => state.queue.remove(pod),
        _ => {}
    }
}

#[expect(clippy::too_many_arguments, reason = "one cycle touches everything that the scheduler has")]
fn schedule_one(
    waiting: Waiting,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    words: Words,
    work: &mut Work<SchedulerQueue>,
    events: &mut Events,
) {
    let (Some(pod), Some(meta)) = (reads.pods.get(waiting.pod), reads.metas.get(waiting.pod)) else { return };
    if !pod.node.is_empty() || meta.terminating() {
        return;
    }
    let about = wavetank_engine::ids::ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
    let report = |warning, reason, words_sym, args: &[Arg], events: &mut Events, now| {
        events.report(now, Report { about, uid: waiting.pod.uid, source: words.source, warning, reason, words: words_sym, args });
    };
    match decide(pod.class, state.start, cache, reads, names) {
        Decision::Node { node, next_start } => {
            state.start = next_start;
            let node = cache.table.get(node).name;
            let placed = Placed { node, class: pod.class };
            state.placed.insert(waiting.pod, placed);
            state.binding.insert(waiting.pod.uid, waiting);
            cache.count(placed, true, reads, names);
            work.ask_for(waiting.pod, wavetank_engine::ids::Revision(0), Verb::Bind { pod: waiting.pod, node });
            let args = [Arg::Text(meta.namespace), Arg::Name(meta.name), Arg::Text(node)];
            report(false, words.scheduled, words.scheduled_words, &args, events, work.now());
        }
        Decision::None { message, plugins } => {
            let text = names.sym(&message);
            report(true, words.failed, words.failed_words, &[Arg::Text(text)], events, work.now());
            if let Some(status) = reads.statuses.get(waiting.pod) {
                let mut status = status.clone();
                let (kind, reason) = (words::POD_SCHEDULED, words::UNSCHEDULABLE);
                let now = work.now();
                set_condition(
                    &mut status.conditions,
                    Condition { kind, status: ConditionStatus::False, reason, message: text, transition_at: now, update_at: now },
                );
                work.tell(wavetank_engine::ids::Revision(0), Verb::Put { object: waiting.pod, expect: None, value: status.into() });
            }
            state.queue.fail(waiting, plugins, work.now());
        }
    }
}

/// Decides by the class's tree, or by the plain look where the class or the nodes need it.
fn decide(class: ClassId, start: usize, cache: &mut SchedulerCache, reads: &Reads, names: &mut Names) -> Decision {
    cache.class(names, &reads.classes, class);
    let leader = cache.leader(class);
    let SchedulerCache { table, classes, trees, check, .. } = cache;
    let facts = classes.get(&class).expect("digested above");
    let nodes = table.order(&reads.labels, names).len();
    let start = if nodes == 0 { 0 } else { start % nodes };
    let plain =
        facts.preferred.is_empty() && !table.any_soft_taint() && nodes > 0 && (trees.len() < TREES_MAX || trees.contains_key(&leader));
    if plain {
        let tree = trees.entry(leader).or_default();
        tree.catch_up(facts, table, &reads.labels, names);
        if let Some(decision) = tree.decide(table, start) {
            if *check {
                assert_eq!(decision, cycle::decide(facts, table, &reads.labels, names, start), "the tree and the plain look decide alike");
            }
            return decision;
        }
    }
    cycle::decide(facts, table, &reads.labels, names, start)
}
