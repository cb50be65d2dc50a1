//! What follows from the store: node facts, class facts, pods on nodes, and the trees over them.

mod decide;

use crate::scheduler::counters::Counters;
use crate::scheduler::cycle::Cycle;
use crate::scheduler::explain::{Explaining, Explanation, WhichPods};
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::group_nodes::GroupNodes;
use crate::scheduler::nodes::{NodeFacts, NodeTable};
use crate::scheduler::own::{About, Allotment, Own, Seat, Texts};
use crate::scheduler::plugin::Happenings;
use crate::scheduler::plugins::pod_topology_spread::default_selector;
use crate::scheduler::pods::{Group, GroupId, Groups, Incoming, Namespaces, Nominated, Nominations, Resident};
use crate::scheduler::profile::Profile;
use crate::scheduler::refusals::Refusals;
use crate::scheduler::registry;
use crate::scheduler::spread::SpreadCounts;
use crate::scheduler::storage::Storage;
use crate::scheduler::tree::ClassTree;
use crate::scheduler::work::{DecisionWatch, WorkCounts};
use crate::scheduler::{Reads, SchedulerState, Words};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{Kind, ObjRef, Uid};
use wavetank_engine::model::labels::LabelSetId;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::node::NodeTaint;
use wavetank_engine::model::pod_class::ClassId;
use wavetank_engine::model::resources::Resources;
use wavetank_engine::model::select::Requirement;
use wavetank_engine::names::{Names, Sym};

/// Changed nominations that wait for a look at refusals at most.
const NOMINATIONS_MAX: usize = 10_000;

/// Trees kept at most; a class beyond is decided by the plain look.
const TREES_MAX: usize = 200;
/// Kinds of pods with counters at most; one beyond makes all be counted anew as they are needed.
const COUNTERS_MAX: usize = 64;
/// Selectors with counts for default spreading at most; one beyond makes all be counted anew as they are needed.
const SPREADS_MAX: usize = 256;

/// How a pod counts on a node, and where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The node's name.
    pub node: Sym,
    /// What it is.
    pub kind: PodKind,
}

/// What tells a pod from others for the scheduler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodKind {
    /// Its spec.
    pub class: ClassId,
    /// Its namespace.
    pub namespace: Sym,
    /// Its labels.
    pub labels: LabelSetId,
    /// Whether its deletion was asked for.
    pub terminating: bool,
    /// Name of a pod whose claims are named after it; empty for others.
    pub name: Sym,
}

/// Namespace, labels and controller of a pod: what tells which selectors it has.
type Selected = (Sym, LabelSetId, Uid);

/// A profile, and what it says.
struct Served {
    /// `schedulerName`.
    name: Sym,
    profile: Profile,
    words: Words,
}

/// The profile of a `schedulerName`; the first for pods that none serves, for which nothing is decided.
fn profile_in(served: &[Served], name: Sym) -> &Profile {
    let served = served.iter().find(|served| served.name == name).or(served.first());
    &served.expect("profiles are made before anything is decided").profile
}

/// What is known of a kind of pods.
struct Known {
    resident: Resident,
    /// Whether affinity of others touches such pods, and how many groups had affinity when that was found out.
    touched: (bool, usize),
}

/// A pod that policies of one's own learnt from.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Learnt {
    uid: Uid,
    kind: PodKind,
    annotations: LabelSetId,
}

/// A node as the scheduler last saw it: after a resume, what changes next is judged against this.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SeenNode {
    name: Sym,
    labels: LabelSetId,
    taints: Arc<[NodeTaint]>,
    unschedulable: bool,
    allocatable: Arc<Resources>,
    images: Arc<[(Sym, i64)]>,
}

/// Everything that the scheduler knows and that a checkpoint need not keep. ECS resource.
#[derive(Default, Resource)]
pub struct SchedulerCache {
    pub(super) table: NodeTable,
    pub(super) groups: Groups,
    pub(super) nominations: Nominations,
    pub(super) namespaces: Namespaces,
    pub(super) storage: Storage,
    /// Claims with the pods whose bindings wait for them.
    pub(super) awaited: BTreeSet<(Sym, Sym, ObjRef)>,
    /// Profiles, in the order of the configuration; none before the first instant.
    served: Vec<Served>,
    /// `percentageOfNodesToScore` in place of what the profiles say.
    percentage: Option<u32>,
    pub(super) own: Own,
    classes: LookupMap<ClassId, Arc<ClassFacts>>,
    residents: LookupMap<PodKind, Known>,
    residents_cleared: bool,
    /// The lowest priority of any kind of pods seen so far.
    lowest_priority: Option<i32>,
    /// What default constraints select by, for pods of a namespace with labels and a controller.
    selections: LookupMap<Selected, Arc<[Requirement]>>,
    spread: SpreadCounts,
    group_nodes: GroupNodes,
    /// Numbers of the counts for pods so selected, by their class's leader.
    spread_numbers: LookupMap<(Selected, ClassId), u32>,
    /// One class of each group that every node answers alike, in the order in which the groups were first seen.
    leaders: Vec<ClassId>,
    /// The leader of each class's group.
    leader_of: LookupMap<ClassId, ClassId>,
    /// One tree for each group, by its leader.
    trees: LookupMap<ClassId, ClassTree>,
    /// Counters for pods that spread constraints or affinity act on.
    counters: Vec<Counters>,
    counter_numbers: LookupMap<(PodKind, Uid), u32>,
    pub(super) refusals: Refusals,
    restored: bool,
    /// Work done since the start or the last resume.
    work: WorkCounts,
    watch: Option<Box<dyn DecisionWatch>>,
    pub(super) explaining: Option<Box<Explaining>>,
}

impl SchedulerCache {
    /// Work done so far.
    pub fn work(&self) -> WorkCounts {
        self.work
    }

    /// Has decisions watched from now on.
    pub fn watch(&mut self, watch: Box<dyn DecisionWatch>) {
        self.watch = Some(watch);
    }

    /// Has all profiles look at so many nodes, whatever their `percentageOfNodesToScore`; 0: by the number of nodes. It takes effect when
    /// the run begins.
    pub fn score_percentage(&mut self, percentage: u32) {
        self.percentage = Some(percentage);
    }

    /// Takes in on which nodes nominations have changed: what was refused there may be so for another reason now.
    pub(super) fn nominations_changed(&mut self) {
        for node in std::mem::take(&mut self.nominations.changed) {
            if let Some(number) = self.table.by_name(node) {
                self.table.changes.push(number);
            }
        }
    }

    /// Bounds what is kept for those who look later.
    pub(super) fn trim(&mut self) {
        if self.nominations.changed.len() > NOMINATIONS_MAX {
            self.nominations_changed();
        }
        self.table.trim_changes();
    }

    /// Notes that so many nodes were looked at again for a pod that was refused before.
    pub(super) fn looked_again(&mut self, nodes: u64) {
        self.work.filtered += nodes;
    }

    /// Has the decisions on pods explained from now on.
    pub fn explain(&mut self, whom: WhichPods) {
        self.explaining = Some(Box::new(Explaining::of(whom)));
    }

    /// The explanations so far, in order of time.
    pub fn explanations(&self) -> &[Explanation] {
        self.explaining.as_ref().map_or(&[], |explaining| explaining.list())
    }

    pub(super) fn begins(&mut self, any: bool) {
        if any && let Some(watch) = &mut self.watch {
            watch.begins();
        }
    }

    pub(super) fn decided(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.decided(self.work);
        }
    }

    /// The profile of a `schedulerName`; `None` when no profile has it: nobody schedules such pods.
    pub(super) fn profile(&self, name: Sym) -> Option<&Profile> {
        self.served.iter().find(|served| served.name == name).map(|served| &served.profile)
    }

    /// What the profile of a pod says of it.
    pub(super) fn words(&mut self, pod: ObjRef, reads: &Reads, names: &mut Names) -> Words {
        let name = reads.pods.get(pod).map(|living| self.class(names, reads, living.class).scheduler_name);
        self.words_in(name.unwrap_or_default())
    }

    /// What the profile of a `schedulerName` says of pods.
    pub(super) fn words_in(&self, name: Sym) -> Words {
        let served = self.served.iter().find(|served| served.name == name).or(self.served.first());
        served.expect("profiles are made before anything is decided").words
    }

    pub(super) fn class(&mut self, names: &mut Names, reads: &Reads, id: ClassId) -> &Arc<ClassFacts> {
        self.classes.entry(id).or_insert_with(|| Arc::new(ClassFacts::of(names, reads.classes.get(id))))
    }

    /// How a pod of a kind counts on a node.
    pub(super) fn resident(&mut self, kind: PodKind, reads: &Reads, names: &mut Names) -> Resident {
        if let Some(known) = self.residents.get(&kind) {
            return known.resident.clone();
        }
        let class = self.class(names, reads, kind.class).clone();
        let class = class.for_labels(&reads.labels, kind.labels).map_or(class, Arc::new);
        let terms = class.terms.clone();
        let group = self.groups.intern(Group { namespace: kind.namespace, labels: kind.labels, terminating: kind.terminating, terms });
        let volumes = class.volumes.as_ref().map(|volumes| Arc::new(volumes.of_pod(names, kind.namespace, kind.name)));
        let resident = Resident { class, group, volumes, own: None };
        let priority = resident.class.priority;
        self.lowest_priority = Some(self.lowest_priority.map_or(priority, |lowest| lowest.min(priority)));
        self.residents.insert(kind, Known { resident: resident.clone(), touched: (false, 0) });
        resident
    }

    /// A waiting pod as plugins see it; `None` when it is gone.
    pub(super) fn incoming(&mut self, pod: ObjRef, reads: &Reads, names: &mut Names) -> Option<(Incoming, PodKind)> {
        Some(self.incoming_of(pod, reads.pods.get(pod)?.class, reads.metas.get(pod)?, reads, names))
    }

    /// The same of a pod that was looked up.
    pub(super) fn incoming_of(
        &mut self,
        pod: ObjRef,
        class: ClassId,
        meta: &Meta,
        reads: &Reads,
        names: &mut Names,
    ) -> (Incoming, PodKind) {
        let kind = PodKind { terminating: false, ..kind_of(class, meta, reads, names) };
        let mut resident = self.resident(kind, reads, names);
        if !self.own.is_empty() {
            resident.own = Some(Arc::new(seat(pod.uid, meta, &resident)));
        }
        let incoming = Incoming {
            uid: pod.uid,
            name: kind.name,
            resident,
            namespace: meta.namespace,
            labels: meta.labels,
            node_name: Sym::EMPTY,
            nominated_node: reads.statuses.get(pod).map_or(Sym::EMPTY, |status| status.nominated_node),
            default_selector: self.default_selector(meta, reads),
        };
        (incoming, kind)
    }

    /// Lets policies of one's own learn from a pod, if they did not yet. Returns it when they did.
    pub(super) fn learn(&mut self, pod: ObjRef, reads: &Reads, names: &mut Names) -> Option<Learnt> {
        if !self.own.would_learn(pod.uid) {
            return None;
        }
        let (incoming, kind) = self.incoming(pod, reads, names)?;
        let seat = incoming.resident.own?;
        self.own.learn(&seat, Texts { labels: &reads.labels, names });
        Some(Learnt { uid: pod.uid, kind, annotations: seat.annotations })
    }

    /// How pods of a kind count on a node, where pods of it are or were counted.
    pub(super) fn resident_known(&self, kind: PodKind) -> Option<&Resident> {
        self.residents.get(&kind).map(|known| &known.resident)
    }

    /// Whether no pod of a kind seen so far has a lower priority.
    pub(super) fn none_below(&self, priority: i32) -> bool {
        self.lowest_priority.is_none_or(|lowest| priority <= lowest)
    }

    /// Makes sure that all pods on nodes are known: what is known of them is forgotten when namespaces change.
    pub(super) fn know_all(&mut self, state: &SchedulerState, reads: &Reads, names: &mut Names) {
        if std::mem::take(&mut self.residents_cleared) {
            for (_, placed) in state.placed.sorted() {
                self.resident(placed.kind, reads, names);
            }
        }
    }

    /// Takes in which node a waiting pod is nominated to, if any; a pod that waits no more is nominated to none.
    pub(super) fn nominate(&mut self, pod: ObjRef, waits: bool, reads: &Reads, names: &mut Names) {
        let status = if waits { reads.statuses.get(pod) } else { None };
        let node = status.map_or(Sym::EMPTY, |status| status.nominated_node);
        if node.is_empty() {
            if !self.nominations.is_empty() {
                self.nominations.drop(pod.uid);
            }
        } else {
            self.nominate_to(pod, node, reads, names);
        }
    }

    /// Nominates a waiting pod to a node.
    pub(super) fn nominate_to(&mut self, pod: ObjRef, node: Sym, reads: &Reads, names: &mut Names) {
        if let Some((incoming, _)) = self.incoming(pod, reads, names) {
            let priority = incoming.resident.class.priority;
            self.nominations.put(node, Nominated { pod, priority, resident: incoming.resident });
        }
    }

    /// Whether affinity or anti-affinity of pods on nodes means pods of a kind.
    fn touched(&mut self, kind: PodKind, reads: &Reads) -> bool {
        let with_terms = self.groups.with_terms();
        if with_terms.is_empty() {
            return false;
        }
        let Some(known) = self.residents.get_mut(&kind) else { return true };
        if !known.touched.0 && known.touched.1 < with_terms.len() {
            let means =
                |group: &GroupId| self.groups.get(*group).means_waiting(kind.namespace, kind.labels, &reads.labels, &self.namespaces);
            known.touched = (with_terms[known.touched.1..].iter().any(means), with_terms.len());
        }
        known.touched.0
    }

    /// What Services and a controller select a pod by.
    pub(super) fn default_selector(&mut self, meta: &Meta, reads: &Reads) -> Arc<[Requirement]> {
        let selected = selected_by(meta);
        if let Some(selector) = self.selections.get(&selected) {
            return selector.clone();
        }
        let of = |object: ObjRef| reads.listing.row(object).and_then(|row| row.selector).map(|id| reads.storage.selectors.get(id));
        let services = reads.listing.may_select(Kind::Service, meta.namespace, reads.labels.pairs(meta.labels)).filter_map(of);
        let owner = meta.controller().filter(|owner| spreads(owner.kind));
        let controller = owner.and_then(|owner| reads.listing.by_uid(owner.uid?)).and_then(of);
        let selector = default_selector(services, controller, &reads.labels, meta.labels);
        self.selections.entry(selected).or_insert(selector).clone()
    }

    /// Forgets what selects which pods: a Service or a controller came, changed or went.
    pub(super) fn selectors_changed(&mut self) {
        self.selections.clear();
        self.spread_numbers.clear();
        self.forget_counters();
    }

    fn forget_counters(&mut self) {
        self.counters.clear();
        self.counter_numbers.clear();
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

    /// At the start and after a resume: node facts are made again from the store, in the order in which the nodes were first seen.
    pub(super) fn restore(&mut self, state: &SchedulerState, reads: &Reads, names: &mut Names) {
        if self.restored {
            return;
        }
        self.restored = true;
        for config in &reads.config.profiles {
            let mut profile = Profile::of(names, config, (*reads.ties, reads.seed.0));
            profile.percentage_of_nodes_to_score = self.percentage.unwrap_or(profile.percentage_of_nodes_to_score);
            self.own = registry::chosen(&reads.policies, &mut profile);
            let words = Words::intern(names, &config.scheduler_name);
            self.served.push(Served { name: words.source, profile, words });
        }
        for pod in &state.learnt {
            let resident = self.resident(pod.kind, reads, names);
            let PodKind { namespace, labels, .. } = pod.kind;
            let seat = Seat { uid: pod.uid, namespace, labels, annotations: pod.annotations, class: resident.class, allotted: None };
            self.own.learn(&seat, Texts { labels: &reads.labels, names });
        }
        for &node in &state.seen_nodes {
            if let Some(seen) = state.seen.get(&node.uid) {
                self.put_node(node, seen, reads, names);
            }
        }
        let namespaces: Vec<ObjRef> = reads.listing.of_kind(Kind::Namespace).collect();
        namespaces.into_iter().for_each(|namespace| self.namespace_changed(namespace, reads, names));
        self.storage.any_claim_binds = reads.storage.assumed.0;
        state.seen_storage.iter().for_each(|(&object, seen)| self.storage.take_in(object, seen));
        state.reserved.iter().for_each(|(&pod, reserved)| self.assume(pod, reserved, true));
        for (uid, placed) in state.placed.sorted() {
            if let Some(allotted) = state.allotted.get(&uid)
                && let Some(pod) = reads.listing.by_uid(uid)
            {
                self.seat(pod, placed, allotted.clone(), reads, names);
            }
            self.count(placed, true, reads, names);
        }
        for pod in state.queue.waiting() {
            match state.nominated.get(&pod.uid) {
                Some(&node) => self.nominate_to(pod, node, reads, names),
                None => self.nominate(pod, true, reads, names),
            }
        }
    }

    /// Takes in a namespace's present labels.
    pub(super) fn namespace_changed(&mut self, object: ObjRef, reads: &Reads, names: &mut Names) {
        match reads.metas.get(object) {
            Some(meta) => {
                let name = names.whole(meta.name);
                self.namespaces.put(name, meta.labels);
                // Terms may select namespaces by these labels.
                self.residents.clear();
                self.residents_cleared = true;
                self.forget_counters();
            }
            None => {
                let Some(meta) = reads.metas.get_even_gone(object) else { return };
                let name = names.whole(meta.name);
                self.namespaces.remove(name);
            }
        }
    }

    fn put_node(&mut self, object: ObjRef, seen: &SeenNode, reads: &Reads, names: &Names) -> Happenings {
        let happened = self.table.put(NodeFacts {
            taints: seen.taints.clone(),
            unschedulable: seen.unschedulable,
            images: seen.images.clone(),
            ..NodeFacts::empty(object.uid, seen.name, seen.labels, seen.allocatable.clone())
        });
        if !self.own.is_empty()
            && let Some(number) = self.table.by_name(seen.name)
        {
            self.own.put_node(number, self.table.get(number), Texts { labels: &reads.labels, names });
        }
        happened
    }

    /// Takes a pod in on its node for policies of one's own, with what it was allotted there.
    fn seat(&mut self, pod: ObjRef, placed: Placed, allotted: Allotment, reads: &Reads, names: &mut Names) {
        let Some((number, meta)) = self.table.by_name(placed.node).zip(reads.metas.get(pod)) else { return };
        let seat = Seat { allotted: Some(allotted), ..seat(pod.uid, meta, &self.resident(placed.kind, reads, names)) };
        self.own.seat(number, Arc::new(seat), Texts { labels: &reads.labels, names });
    }

    /// [`SchedulerCache::seat`] for a pod that comes to a node which does not count it yet: it is allotted what policies give it,
    /// unless it was there before.
    pub(super) fn welcome(
        &mut self,
        pod: ObjRef,
        placed: Placed,
        allotted: &mut LookupMap<Uid, Allotment>,
        reads: &Reads,
        names: &mut Names,
    ) {
        if self.own.is_empty() {
            return;
        }
        let known = allotted.get(&pod.uid).cloned();
        let allotment = known.or_else(|| {
            let (number, meta) = self.table.by_name(placed.node).zip(reads.metas.get(pod))?;
            let (seat, selector) = (seat(pod.uid, meta, &self.resident(placed.kind, reads, names)), self.default_selector(meta, reads));
            let about = About { seat: &seat, selector: &selector, texts: Texts { labels: &reads.labels, names } };
            Some(self.own.allot(&self.table, number, &about))
        });
        if let Some(allotment) = allotment {
            allotted.insert(pod.uid, allotment.clone());
            self.seat(pod, placed, allotment, reads, names);
        }
    }

    /// Takes a pod off its node for policies of one's own.
    pub(super) fn farewell(&mut self, pod: ObjRef, placed: Placed, reads: &Reads, names: &Names) {
        if let Some(number) = self.table.by_name(placed.node).filter(|_| !self.own.is_empty()) {
            self.own.unseat(number, pod.uid, Texts { labels: &reads.labels, names });
        }
    }

    /// Takes in a node's present state.
    pub(super) fn node_changed(&mut self, object: ObjRef, state: &mut SchedulerState, reads: &Reads, names: &mut Names) -> Happenings {
        let Some(seen) = see(object, reads, names) else {
            self.table.remove(object.uid);
            state.seen_nodes.retain(|node| *node != object);
            state.seen.remove(&object.uid);
            return Happenings::NODE_GONE;
        };
        let known = self.table.knows(object.uid);
        let happened = self.put_node(object, &seen, reads, names);
        state.seen.insert(object.uid, seen);
        if !known {
            state.seen_nodes.push(object);
            self.count_all_on(object, state, reads, names);
        }
        happened
    }

    /// Counts the pods that were placed on a node before the scheduler saw it.
    fn count_all_on(&mut self, node: ObjRef, state: &mut SchedulerState, reads: &Reads, names: &mut Names) {
        let Some(name) = self.table.name_of(node.uid) else { return };
        let bound = reads.listing.on_node(name).map(|pod| (pod.uid, state.placed.get(pod).copied()));
        let binding = state.binding.iter().map(|(&uid, waiting)| (uid, state.placed.get(waiting.pod).copied()));
        let mut pods: Vec<(Uid, Option<Placed>)> = bound.chain(binding).collect();
        pods.sort_unstable_by_key(|pair| pair.0);
        pods.dedup_by_key(|pair| pair.0);
        for (uid, placed) in pods.into_iter().filter_map(|(uid, placed)| Some((uid, placed?))).filter(|pair| pair.1.node == name) {
            if let Some(pod) = reads.listing.by_uid(uid).filter(|_| !self.own.is_empty()) {
                self.welcome(pod, placed, &mut state.allotted, reads, names);
            }
            let resident = self.resident(placed.kind, reads, names);
            self.count_on_node(&resident, placed.node, true, reads);
        }
    }

    /// Counts a pod on its node and among the users of its claims, or takes it off.
    pub(super) fn count(&mut self, placed: Placed, add: bool, reads: &Reads, names: &mut Names) {
        let resident = self.resident(placed.kind, reads, names);
        if let Some(volumes) = &resident.volumes {
            self.storage.count_users(volumes.keys(), add);
        }
        self.count_on_node(&resident, placed.node, add, reads);
    }

    fn count_on_node(&mut self, resident: &Resident, node: Sym, add: bool, reads: &Reads) {
        if let Some(number) = self.table.by_name(node) {
            self.table.account(number, resident, add);
            self.group_nodes.pod_counted(resident.group, number, add);
            self.spread.pod_counted(resident.group, number, add, &self.groups, &self.table, &reads.labels);
            if !self.counters.is_empty()
                && let Some(place) = self.table.place(number)
            {
                let epoch = self.table.epoch;
                self.counters.iter_mut().for_each(|counters| counters.pod_counted(resident.group, place, add, epoch));
            }
        }
    }

    /// What plugins see when they look for a place for a pod.
    pub(super) fn cycle<'c>(&'c self, pod: &'c Incoming, reads: &'c Reads, names: &'c Names) -> Cycle<'c> {
        Cycle {
            pod,
            profile: profile_in(&self.served, pod.resident.class.scheduler_name),
            nodes: &self.table,
            groups: &self.groups,
            nominations: &self.nominations,
            storage: &self.storage,
            namespaces: &self.namespaces,
            own: (!self.own.is_empty()).then_some(&self.own),
            labels: &reads.labels,
            names,
        }
    }
}

/// A pod as policies of one's own keep it, before it is on a node.
fn seat(uid: Uid, meta: &Meta, resident: &Resident) -> Seat {
    let (namespace, labels, annotations) = (meta.namespace, meta.labels, meta.annotations);
    Seat { uid, namespace, labels, annotations, class: resident.class.clone(), allotted: None }
}

/// What tells a pod of a class from others.
pub(super) fn kind_of(class: ClassId, meta: &Meta, reads: &Reads, names: &mut Names) -> PodKind {
    let name = if !reads.classes.get(class).own_claims.is_empty() { names.whole(meta.name) } else { Sym::EMPTY };
    PodKind { class, namespace: meta.namespace, labels: meta.labels, terminating: meta.terminating(), name }
}

fn selected_by(meta: &Meta) -> Selected {
    (meta.namespace, meta.labels, meta.controller_uid().unwrap_or_default())
}

/// Whether default constraints take in the selector of a controller of this kind.
fn spreads(kind: Kind) -> bool {
    matches!(kind, Kind::ReplicaSet | Kind::StatefulSet | Kind::ReplicationController)
}

/// A node's present state; `None` when it is gone.
fn see(object: ObjRef, reads: &Reads, names: &mut Names) -> Option<SeenNode> {
    let (node, status, meta) = (reads.nodes.get(object)?, reads.node_statuses.get(object)?, reads.metas.get(object)?);
    Some(SeenNode {
        name: names.whole(meta.name),
        labels: meta.labels,
        taints: node.taints.clone(),
        unschedulable: node.unschedulable,
        allocatable: status.allocatable.clone(),
        images: images(names, status.rest.value()),
    })
}

/// Images of a node's status, each under all its names, with their sizes in bytes.
fn images(names: &mut Names, status: &serde_json::Value) -> Arc<[(Sym, i64)]> {
    let list = status.get("images").and_then(serde_json::Value::as_array).into_iter().flatten();
    let mut images = Vec::new();
    for image in list {
        let size = image.get("sizeBytes").and_then(serde_json::Value::as_i64).unwrap_or(0);
        let texts = image.get("names").and_then(serde_json::Value::as_array).into_iter().flatten();
        images.extend(texts.filter_map(serde_json::Value::as_str).map(|name| (names.sym(name), size)));
    }
    Arc::from(images)
}
