//! Policies of one's own: filters and scores beside kube-scheduler's plugins, chosen by name.
//!
//! A policy is an implementation of [`Policy`], registered in [`crate::scheduler::registry`]. It sees pods and nodes through
//! [`PodView`] and [`NodeView`], keeps what it likes of each node in [`Policy::Node`], and never asks for anything else. The scheduler
//! keeps those states: it makes them anew from the pods on the nodes after a resume, and copies them where preemption tries out what
//! would be without some pods, so that a policy needs to say only how one pod changes one node ([`Policy::count`]).

use crate::scheduler::cycle::Cycle;
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::nodes::{NodeFacts, NodeTable};
use crate::scheduler::plugin::{NodeFilter, Plugin, Reason, Refusal};
use crate::scheduler::pods::{Resident, meets};
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use wavetank_engine::hash::LookupSet;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::select::Requirement;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::words;

/// A filter, a score, or both.
///
/// Every answer must follow from what it is given, from the arguments that the policy was made with, and from what it learnt.
pub trait Policy: Send + Sync + 'static {
    /// What it keeps of each node; `()` for nothing.
    type Node: Clone + Send + Sync + 'static;
    /// What it wants to know of the pod of a cycle; `()` for nothing.
    type Pod;

    /// The state of a node without pods.
    fn node(&self, node: &NodeView<'_, ()>) -> Self::Node;

    /// Takes in the pod and the cluster, once before nodes are looked at.
    fn pod(&self, pod: &PodView<'_>, cluster: &ClusterView<'_>) -> Self::Pod;

    /// Why the node can't run the pod, as a reason in the message of the pod; `None` when it can.
    fn refusal(&self, _pod: &Self::Pod, _node: &NodeView<'_, Self::Node>) -> Option<String> {
        None
    }

    /// Whether [`Policy::refusal`] follows from the pod's spec, namespace, labels and annotations and from that node alone, so that it stands
    /// until the node changes: not from the pod's identity, nor from what was learnt. Pods that wait, and new ones like them, are then
    /// refused at no cost, without being asked about, while nothing changes.
    fn refuses_by_node(&self) -> bool {
        false
    }

    /// Scores from 0 to 100 of the nodes that can run the pod, in their order; `None` when it has nothing to say of this pod.
    fn scores(&self, _pod: &Self::Pod, _nodes: &[NodeView<'_, Self::Node>]) -> Option<Vec<i64>> {
        None
    }

    /// What the pod gets on its node, such as the numbers of its GPUs. It stays with the pod as long as the pod is on the node. The
    /// first of several policies that gives something decides for all of them.
    fn allot(&self, _pod: &Self::Pod, _node: &NodeView<'_, Self::Node>) -> Option<Allotment> {
        None
    }

    /// Whether it learns from pods.
    fn learns(&self) -> bool {
        false
    }

    /// Takes in a pod that is tried, or that comes to a node past the scheduler, before anything is asked about it: each pod once. After a
    /// resume all of them are told again in the same order, before nodes are: what is kept of a node must not follow from what was learnt.
    fn learn(&mut self, _pod: &PodView<'_>) {}

    /// A pod comes to the node (`add`) or leaves it, with what it was allotted there.
    fn count(&self, _node: &mut Self::Node, _pod: &PodView<'_>, _allotted: &[u32], _add: bool) {}
}

/// What a pod was allotted on its node, in numbers that mean something to the policies.
pub type Allotment = Vec<u32>;

/// A pod as policies keep it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seat {
    /// Identity.
    pub uid: Uid,
    /// Namespace.
    pub namespace: Sym,
    /// Labels.
    pub labels: LabelSetId,
    /// Annotations.
    pub annotations: LabelSetId,
    /// Its spec.
    pub class: Arc<ClassFacts>,
    /// What it was allotted on its node; `None`: it is on none yet.
    pub allotted: Option<Allotment>,
}

/// Texts of the world.
#[derive(Clone, Copy)]
pub struct Texts<'c> {
    /// Label sets.
    pub labels: &'c LabelSets,
    /// Texts.
    pub names: &'c Names,
}

impl<'c> Texts<'c> {
    /// The symbol of a resource's name.
    fn resource(&self, name: &str) -> Option<Sym> {
        match name {
            "cpu" => Some(words::CPU),
            "memory" => Some(words::MEMORY),
            "pods" => Some(words::PODS),
            _ => self.names.find(name),
        }
    }

    fn get(&self, set: LabelSetId, key: &str) -> Option<&'c str> {
        let value = self.labels.get(set, self.names.find(key)?)?;
        Some(self.names.text(value))
    }
}

/// A pod as policies see it.
#[derive(Clone, Copy)]
pub struct PodView<'c> {
    seat: &'c Seat,
    texts: Texts<'c>,
}

impl<'c> PodView<'c> {
    /// A view of a pod.
    pub fn new(seat: &'c Seat, texts: Texts<'c>) -> PodView<'c> {
        PodView { seat, texts }
    }

    /// Identity: no two pods of a run have the same, and a younger pod has a greater one.
    pub fn uid(&self) -> Uid {
        self.seat.uid
    }

    /// Namespace.
    pub fn namespace(&self) -> &'c str {
        self.texts.names.text(self.seat.namespace)
    }

    /// Value of a label.
    pub fn label(&self, key: &str) -> Option<&'c str> {
        self.texts.get(self.seat.labels, key)
    }

    /// Value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&'c str> {
        self.texts.get(self.seat.annotations, key)
    }

    /// What its `nodeSelector` wants a label to be.
    pub fn node_selector(&self, key: &str) -> Option<&'c str> {
        let key = self.texts.names.find(key)?;
        self.seat.class.node_selector.iter().find(|pair| pair.0 == key).map(|pair| self.texts.names.text(pair.1))
    }

    /// What it requests of a resource: milli-cores of CPU, bytes, or a number of devices. 0 when it does not say.
    pub fn request(&self, resource: &str) -> i64 {
        self.texts.resource(resource).map_or(0, |resource| self.seat.class.requests.get(resource))
    }

    /// `spec.priority`.
    pub fn priority(&self) -> i32 {
        self.seat.class.priority
    }

    /// What it was allotted on its node.
    pub fn allotted(&self) -> &'c [u32] {
        self.seat.allotted.as_deref().unwrap_or(&[])
    }

    /// The spec, digested.
    pub fn facts(&self) -> &'c ClassFacts {
        &self.seat.class
    }

    /// Whether its labels meet every requirement.
    fn meets(&self, requirements: &[Requirement]) -> bool {
        meets(requirements, self.texts.labels, self.seat.labels)
    }
}

/// A node as policies see it.
pub struct NodeView<'c, N> {
    /// Number of the node; it stays the same as long as the node is there, and no other ever gets it.
    pub number: u32,
    /// What the policy keeps of it.
    pub state: &'c N,
    facts: &'c NodeFacts,
    seats: Option<&'c BTreeMap<Uid, Arc<Seat>>>,
    texts: Texts<'c>,
}

impl<'c, N> NodeView<'c, N> {
    /// A view of a node without pods.
    pub fn new(number: u32, facts: &'c NodeFacts, state: &'c N, texts: Texts<'c>) -> NodeView<'c, N> {
        NodeView { number, state, facts, seats: None, texts }
    }

    /// Name.
    pub fn name(&self) -> &'c str {
        self.texts.names.text(self.facts.name)
    }

    /// Value of a label.
    pub fn label(&self, key: &str) -> Option<&'c str> {
        self.texts.get(self.facts.labels, key)
    }

    /// How much of a resource pods may use: milli-cores of CPU, bytes, or a number of devices.
    pub fn allocatable(&self, resource: &str) -> i64 {
        self.texts.resource(resource).map_or(0, |resource| self.facts.allocatable.get(resource))
    }

    /// How much of a resource is left.
    pub fn free(&self, resource: &str) -> i64 {
        self.texts.resource(resource).map_or(0, |resource| self.facts.allocatable.get(resource) - self.facts.used.get(resource))
    }

    /// Number of its pods.
    pub fn pod_count(&self) -> i64 {
        self.facts.pods
    }

    /// Its pods in the order in which they were created. While preemption tries out a node, those that it would take off are still
    /// there; [`NodeView::state`], [`NodeView::free`] and [`NodeView::pod_count`] know better.
    pub fn pods(&self) -> impl Iterator<Item = PodView<'c>> {
        let texts = self.texts;
        self.seats.into_iter().flat_map(BTreeMap::values).map(move |seat| PodView { seat, texts })
    }

    /// The node's facts as the scheduler keeps them.
    pub fn facts(&self) -> &'c NodeFacts {
        self.facts
    }
}

/// The cluster as policies see it before they look at nodes.
#[derive(Clone, Copy)]
pub struct ClusterView<'c> {
    own: &'c Own,
    nodes: &'c NodeTable,
    namespace: Sym,
    selector: &'c [Requirement],
    texts: Texts<'c>,
}

impl<'c> ClusterView<'c> {
    /// All nodes, in the order in which they joined.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'c, ()>> {
        let whole = *self;
        let mut numbers: Vec<u32> = self.nodes.ordered().to_vec();
        numbers.sort_unstable();
        numbers.into_iter().map(move |number| NodeView {
            number,
            state: &(),
            facts: whole.nodes.get(number),
            seats: whole.own.seats.get(number as usize),
            texts: whole.texts,
        })
    }

    /// The most of a resource that any node has allocatable.
    pub fn most(&self, resource: &str) -> i64 {
        let Some(resource) = self.texts.resource(resource) else { return 0 };
        self.nodes.ordered().iter().map(|&number| self.nodes.get(number).allocatable.get(resource)).max().unwrap_or(0)
    }

    /// The node of the oldest pod on a node that what selects the pod of the cycle (its Services and its controller) selects too;
    /// `None` when nothing selects it, or no such pod is on a node.
    pub fn node_of_first_sibling(&self) -> Option<NodeView<'c, ()>> {
        if self.selector.is_empty() {
            return None;
        }
        let sibling = |node: &NodeView<'c, ()>| {
            let ours = |pod: &PodView| pod.seat.namespace == self.namespace && pod.meets(self.selector);
            node.pods().find(ours).map(|pod| pod.seat.uid)
        };
        self.nodes().filter_map(|node| Some((sibling(&node)?, node))).min_by_key(|pair| pair.0).map(|pair| pair.1)
    }
}

/// Scores by rank: 100 for the least value, 99 for the next, and so on, 0 for all from the hundred-and-first on. Equal values get
/// equal scores. What has more precision than a hundred steps keeps its order where it matters.
pub fn least_first<T: Ord + Clone>(values: &[T]) -> Vec<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    values.iter().map(|value| (100 - sorted.partition_point(|other| other < value) as i64).max(0)).collect()
}

/// A policy whose types are hidden.
pub(super) trait Hidden: Send + Sync {
    fn refuses_by_node(&self) -> bool;
    fn learns(&self) -> bool;
    fn learn(&mut self, seat: &Seat, texts: Texts);
    fn put_node(&mut self, number: u32, facts: &NodeFacts, seats: &BTreeMap<Uid, Arc<Seat>>, texts: Texts);
    fn count(&mut self, number: u32, seat: &Seat, texts: Texts, add: bool);
    fn allot(&self, own: &Own, nodes: &NodeTable, number: u32, about: &About) -> Option<Allotment>;
    fn begin<'c>(&'c self, cycle: &Cycle<'c>, own: &'c Own) -> Box<dyn Begun + 'c>;
}

/// The pod that an allotment is for.
pub(super) struct About<'c> {
    pub(super) seat: &'c Seat,
    pub(super) selector: &'c [Requirement],
    pub(super) texts: Texts<'c>,
}

/// A policy that has taken in the pod of a cycle.
pub(super) trait Begun {
    fn refusal(&self, number: u32, facts: &NodeFacts, trial: Option<&dyn Any>) -> Option<String>;
    fn scores(&self, feasible: &[u32]) -> Option<Vec<i64>>;
    /// A copy of a node's state.
    fn copy_state(&self, number: u32) -> Box<dyn Any>;
    fn copy_of(&self, state: &dyn Any) -> Box<dyn Any>;
    fn count(&self, state: &mut dyn Any, seat: &Seat, add: bool);
    fn allot(&self, number: u32, state: &dyn Any, seat: &Seat) -> Option<Allotment>;
}

/// A policy with its states of the nodes, by number.
pub(super) struct Kept<P: Policy> {
    pub(super) policy: P,
    pub(super) nodes: Vec<Option<P::Node>>,
}

impl<P: Policy> Kept<P> {
    fn state(&self, number: u32) -> &P::Node {
        self.nodes[number as usize].as_ref().expect("nodes are put before they are looked at")
    }
}

impl<P: Policy> Hidden for Kept<P> {
    fn put_node(&mut self, number: u32, facts: &NodeFacts, seats: &BTreeMap<Uid, Arc<Seat>>, texts: Texts) {
        let at = number as usize;
        if self.nodes.len() <= at {
            self.nodes.resize_with(at + 1, || None);
        }
        let mut state = self.policy.node(&NodeView { number, state: &(), facts, seats: None, texts });
        for seat in seats.values() {
            self.policy.count(&mut state, &PodView { seat, texts }, seat.allotted.as_deref().unwrap_or(&[]), true);
        }
        self.nodes[at] = Some(state);
    }

    fn count(&mut self, number: u32, seat: &Seat, texts: Texts, add: bool) {
        if let Some(Some(state)) = self.nodes.get_mut(number as usize) {
            self.policy.count(state, &PodView { seat, texts }, seat.allotted.as_deref().unwrap_or(&[]), add);
        }
    }

    fn allot(&self, own: &Own, nodes: &NodeTable, number: u32, about: &About) -> Option<Allotment> {
        let texts = about.texts;
        let cluster = ClusterView { own, nodes, namespace: about.seat.namespace, selector: about.selector, texts };
        let pod = self.policy.pod(&PodView { seat: about.seat, texts }, &cluster);
        let seats = own.seats.get(number as usize);
        self.policy.allot(&pod, &NodeView { number, state: self.state(number), facts: nodes.get(number), seats, texts })
    }

    fn refuses_by_node(&self) -> bool {
        self.policy.refuses_by_node()
    }

    fn learns(&self) -> bool {
        self.policy.learns()
    }

    fn learn(&mut self, seat: &Seat, texts: Texts) {
        self.policy.learn(&PodView { seat, texts });
    }

    fn begin<'c>(&'c self, cycle: &Cycle<'c>, own: &'c Own) -> Box<dyn Begun + 'c> {
        let texts = Texts { labels: cycle.labels, names: cycle.names };
        let (nodes, namespace, selector) = (cycle.nodes, cycle.pod.namespace, &cycle.pod.default_selector[..]);
        let cluster = ClusterView { own, nodes, namespace, selector, texts };
        let seat: &Seat = cycle.pod.resident.own.as_deref().expect("where there are policies, a waiting pod has a seat");
        Box::new(Asked { kept: self, pod: self.policy.pod(&PodView { seat, texts }, &cluster), cluster })
    }
}

struct Asked<'c, P: Policy> {
    kept: &'c Kept<P>,
    pod: P::Pod,
    cluster: ClusterView<'c>,
}

impl<'c, P: Policy> Asked<'c, P> {
    fn view<'v>(&self, number: u32, facts: &'v NodeFacts, state: &'v P::Node) -> NodeView<'v, P::Node>
    where
        'c: 'v,
    {
        NodeView { number, state, facts, seats: self.cluster.own.seats.get(number as usize), texts: self.cluster.texts }
    }
}

fn typed<N: 'static>(state: &dyn Any) -> &N {
    state.downcast_ref().expect("a policy gets its own states")
}

impl<P: Policy> Begun for Asked<'_, P> {
    fn refusal(&self, number: u32, facts: &NodeFacts, trial: Option<&dyn Any>) -> Option<String> {
        let state = trial.map_or_else(|| self.kept.state(number), typed);
        self.kept.policy.refusal(&self.pod, &self.view(number, facts, state))
    }

    fn scores(&self, feasible: &[u32]) -> Option<Vec<i64>> {
        let view = |&number: &u32| self.view(number, self.cluster.nodes.get(number), self.kept.state(number));
        let views: Vec<_> = feasible.iter().map(view).collect();
        self.kept.policy.scores(&self.pod, &views)
    }

    fn copy_state(&self, number: u32) -> Box<dyn Any> {
        Box::new(self.kept.state(number).clone())
    }

    fn copy_of(&self, state: &dyn Any) -> Box<dyn Any> {
        Box::new(typed::<P::Node>(state).clone())
    }

    fn count(&self, state: &mut dyn Any, seat: &Seat, add: bool) {
        let state = state.downcast_mut().expect("a policy gets its own states");
        let texts = self.cluster.texts;
        self.kept.policy.count(state, &PodView { seat, texts }, seat.allotted.as_deref().unwrap_or(&[]), add);
    }

    fn allot(&self, number: u32, state: &dyn Any, seat: &Seat) -> Option<Allotment> {
        let facts = self.cluster.nodes.get(number);
        let pod = self.kept.policy.pod(&PodView { seat, texts: self.cluster.texts }, &self.cluster);
        self.kept.policy.allot(&pod, &self.view(number, facts, typed(state)))
    }
}

/// A policy of a run.
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) weight: i64,
    pub(super) scores: bool,
    pub(super) policy: Box<dyn Hidden>,
}

/// The policies of a run, and the pods on nodes as they see them.
#[derive(Default)]
pub struct Own {
    pub(super) chosen: Vec<Chosen>,
    seats: Vec<BTreeMap<Uid, Arc<Seat>>>,
    /// Pods that policies learnt from.
    learnt: LookupSet<Uid>,
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Own({:?})", self.chosen.iter().map(|chosen| &chosen.name).collect::<Vec<_>>())
    }
}

impl Own {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// A node was added or changed.
    pub(super) fn put_node(&mut self, number: u32, facts: &NodeFacts, texts: Texts) {
        let at = number as usize;
        if self.seats.len() <= at {
            self.seats.resize_with(at + 1, BTreeMap::new);
        }
        for chosen in &mut self.chosen {
            chosen.policy.put_node(number, facts, &self.seats[at], texts);
        }
    }

    /// What the pod gets on a node that does not count it yet: the first policy that gives something decides.
    pub(super) fn allot(&self, nodes: &NodeTable, number: u32, about: &About) -> Allotment {
        self.chosen.iter().find_map(|chosen| chosen.policy.allot(self, nodes, number, about)).unwrap_or_default()
    }

    /// Takes a pod in on a node.
    pub(super) fn seat(&mut self, number: u32, seat: Arc<Seat>, texts: Texts) {
        self.unseat(number, seat.uid, texts);
        self.chosen.iter_mut().for_each(|chosen| chosen.policy.count(number, &seat, texts, true));
        self.seats[number as usize].insert(seat.uid, seat);
    }

    /// Takes a pod off a node, if it is there.
    pub(super) fn unseat(&mut self, number: u32, uid: Uid, texts: Texts) {
        if let Some(seat) = self.seats.get_mut(number as usize).and_then(|seats| seats.remove(&uid)) {
            self.chosen.iter_mut().for_each(|chosen| chosen.policy.count(number, &seat, texts, false));
        }
    }

    /// A pod on a node.
    pub(super) fn seated(&self, number: u32, uid: Uid) -> Option<&Arc<Seat>> {
        self.seats.get(number as usize)?.get(&uid)
    }

    /// Whether every refusal stands until its node changes.
    pub(super) fn refuse_by_node(&self) -> bool {
        self.chosen.iter().all(|chosen| chosen.policy.refuses_by_node())
    }

    /// Whether any of them would learn from a pod.
    pub(super) fn would_learn(&self, uid: Uid) -> bool {
        self.chosen.iter().any(|chosen| chosen.policy.learns()) && !self.learnt.contains(&uid)
    }

    /// Lets policies learn from a pod.
    pub(super) fn learn(&mut self, seat: &Seat, texts: Texts) {
        self.learnt.insert(seat.uid);
        let learning = self.chosen.iter_mut().filter(|chosen| chosen.policy.learns());
        learning.for_each(|chosen| chosen.policy.learn(seat, texts));
    }

    /// The filters of a cycle.
    pub(super) fn filters<'c>(&'c self, cycle: &Cycle<'c>) -> impl Iterator<Item = Box<dyn NodeFilter + 'c>> {
        self.chosen.iter().map(move |chosen| {
            let filter = OwnFilter { begun: Rc::from(chosen.policy.begin(cycle, self)), node: None, guests: VecDeque::new() };
            Box::new(filter) as Box<dyn NodeFilter + 'c>
        })
    }

    /// Name of the first policy that refuses a node.
    pub(super) fn who_refuses(&self, cycle: &Cycle, number: u32) -> Option<&str> {
        let refuses = |chosen: &&Chosen| chosen.policy.begin(cycle, self).refusal(number, cycle.nodes.get(number), None).is_some();
        self.chosen.iter().find(refuses).map(|chosen| chosen.name.as_str())
    }

    /// Weights and scores of the policies that have something to say.
    pub(super) fn scores<'c>(&'c self, cycle: &Cycle<'c>, feasible: &[u32]) -> Vec<(i64, Vec<i64>)> {
        let scoring = self.chosen.iter().filter(|chosen| chosen.scores && chosen.weight > 0);
        let mut columns = Vec::new();
        for chosen in scoring {
            let Some(mut column) = chosen.policy.begin(cycle, self).scores(feasible) else { continue };
            assert_eq!(column.len(), feasible.len(), "policy {} scores each of the nodes", chosen.name);
            column.iter_mut().for_each(|score| *score = (*score).clamp(0, crate::scheduler::plugin::MAX_SCORE));
            columns.push((chosen.weight, column));
        }
        columns
    }
}

/// A policy as a filter of one cycle.
struct OwnFilter<'c> {
    begun: Rc<dyn Begun + 'c>,
    /// The node that is tried out, with its state there.
    node: Option<(u32, Box<dyn Any>)>,
    /// Pods that came to it only to try, with what they were allotted.
    guests: VecDeque<(Uid, Seat)>,
}

impl NodeFilter for OwnFilter<'_> {
    fn refusal(&self, number: u32, node: &NodeFacts) -> Option<Refusal> {
        let trial = self.node.as_ref().filter(|trial| trial.0 == number).map(|trial| &*trial.1);
        let text = self.begun.refusal(number, node, trial)?;
        Some(Refusal { plugin: Plugin::Own, resolvable: true, reasons: smallvec::smallvec![Reason::Own(text.into())] })
    }

    fn count(&mut self, pod: &Resident, number: u32, add: bool) {
        let Some(seat) = &pod.own else { return };
        let begun = &self.begun;
        let (_, state) = self.node.get_or_insert_with(|| (number, begun.copy_state(number)));
        let guest = self.guests.iter().position(|guest| guest.0 == seat.uid);
        match (seat.allotted.is_some(), add, guest) {
            (true, ..) => begun.count(&mut **state, seat, add),
            (false, true, _) => {
                let allotted = begun.allot(number, &**state, seat).unwrap_or_default();
                let seat = Seat { allotted: Some(allotted), ..(**seat).clone() };
                begun.count(&mut **state, &seat, true);
                self.guests.push_back((seat.uid, seat));
            }
            (false, false, Some(at)) => {
                if let Some((_, seat)) = self.guests.remove(at) {
                    begun.count(&mut **state, &seat, false);
                }
            }
            (false, false, None) => {}
        }
    }

    fn copy<'s>(&'s self) -> Box<dyn NodeFilter + 's> {
        let node = self.node.as_ref().map(|(number, state)| (*number, self.begun.copy_of(&**state)));
        Box::new(OwnFilter { begun: self.begun.clone(), node, guests: self.guests.clone() })
    }
}
