//! Decisions under spread constraints and pod affinity, by change: for each kind of pods that has them, matching pods are counted by
//! domain as pods come and go.
//!
//! The answer is that of [`crate::scheduler::cycle::decide`], which a property test holds it to.

use crate::scheduler::best::{Field, Kept, Soft};
use crate::scheduler::cells::{CELLS_MAX, Cells, Tops};
use crate::scheduler::counter::{Counter, Gate, Role, Test};
use crate::scheduler::cycle::{Cycle, Decision, Looked, feasible_wanted};
use crate::scheduler::plugins::inter_pod_affinity::{self, PodTerm};
use crate::scheduler::plugins::pod_topology_spread::{self, Constraint};
use crate::scheduler::pods::{Group, GroupId};
use crate::scheduler::reach::Reach;
use crate::scheduler::scan::Window;
use crate::scheduler::tree::ClassTree;
use smallvec::SmallVec;
use wavetank_engine::names::Sym;
use wavetank_engine::words;

/// The counters of one kind of pods.
#[derive(Debug, Default)]
pub struct Counters {
    epoch: u64,
    /// Groups with affinity when the counters were chosen.
    terms: usize,
    pub(super) roles: Vec<Role>,
    pub(super) list: Vec<Counter>,
    /// What a pod of each group adds to which counters.
    of_group: Vec<SmallVec<[(u32, i64); 4]>>,
    /// Keys of others' anti-affinity that means the pod, and of preferences of either side.
    others_keys: (Vec<Sym>, Vec<Sym>),
    /// Whether the pod matches its own required affinity.
    suits_itself: bool,
    /// Nodes by the few domains of coarse keys; `None` when decisions need a look at each node.
    cells: Option<Cells>,
    /// For each counter, its place among the lists that the cells were made of.
    within: Vec<Option<usize>>,
    /// The filters of the others.
    gates: Vec<Option<Gate>>,
    /// Pods on the node at each place for the soft constraint that counts on nodes; empty when there is none.
    counted: Vec<u32>,
    kept: Kept,
    tops: Tops,
    reach: Reach,
    pub(super) window: Window,
    /// What the last decision looked at.
    pub(super) looked: Looked,
}

impl Counters {
    /// Brings the counters up to date for the pod of a cycle. `false` when a rule needs the plain look: nodes that lack a key of a
    /// constraint, or a class that not every node may run.
    pub fn catch_up(&mut self, cycle: &Cycle) -> bool {
        if self.epoch != cycle.nodes.epoch || self.terms != cycle.groups.with_terms().len() || self.of_group.is_empty() {
            self.build(cycle);
        }
        let facts = &cycle.pod.resident.class;
        let whole = facts.node_selector.is_empty() && facts.required.is_none();
        let own = !facts.spread.is_empty();
        let strict = |(role, counter): (&Role, &Counter)| match role {
            Role::Hard(..) => !counter.gaps && whole,
            Role::Soft(..) => !(counter.gaps && own) && whole,
            Role::Near | Role::Far | Role::Pull => true,
        };
        facts.spread.iter().all(|constraint| constraint.honor_affinity && !constraint.honor_taints)
            && self.roles.iter().zip(&self.list).all(strict)
    }

    fn build(&mut self, cycle: &Cycle) {
        let mut keys: Vec<(Role, Sym)> = Vec::new();
        for constraint in rules(cycle) {
            let own = i64::from(constraint.selects(cycle.labels, cycle.pod.labels));
            let role = if constraint.hard {
                Role::Hard(constraint.max_skew, constraint.min_domains, own)
            } else {
                Role::Soft(constraint.max_skew, constraint.key == words::HOSTNAME_LABEL)
            };
            keys.push((role, constraint.key));
        }
        self.others_keys = (inter_pod_affinity::keys_in_the_way(cycle), inter_pod_affinity::keys_that_pull(cycle));
        keys.extend(affinity_keys(cycle, &self.others_keys));
        self.roles = keys.iter().map(|(role, _)| *role).collect();
        self.list =
            keys.iter().map(|(role, key)| Counter::new(*key, matches!(role, Role::Soft(_, true)), cycle.nodes, cycle.labels)).collect();
        self.of_group.clear();
        self.see_groups(cycle);
        for (place, &number) in cycle.nodes.ordered().iter().enumerate() {
            for &(group, pods) in &cycle.nodes.get(number).groups {
                for &(counter, weight) in &self.of_group[group.0 as usize] {
                    self.list[counter as usize].add(place, weight * i64::from(pods));
                }
            }
        }
        self.choose_cells(cycle.nodes.ordered().len());
        self.suits_itself = inter_pod_affinity::suits(cycle, cycle.groups.get(cycle.pod.resident.group));
        self.terms = cycle.groups.with_terms().len();
        self.epoch = cycle.nodes.epoch;
    }

    /// Chooses the keys whose domains are told apart as cells, the coarsest first, and whether what is left of the rest is known by node.
    fn choose_cells(&mut self, places: usize) {
        let mut coarse: Vec<usize> = (0..self.list.len()).filter(|&at| self.list[at].values.len() <= CELLS_MAX).collect();
        coarse.sort_by_key(|&at| self.list[at].values.len());
        let mut cells = Cells::of(&[], places);
        let mut chosen: Vec<usize> = Vec::new();
        for at in coarse {
            let lists: Vec<&[u32]> = chosen.iter().chain([&at]).map(|&at| &self.list[at].of_place[..]).collect();
            if let Some(finer) = Cells::of(&lists, places) {
                cells = Some(finer);
                chosen.push(at);
            }
        }
        self.within = (0..self.list.len()).map(|at| chosen.iter().position(|&other| other == at)).collect();
        self.gates = self.list.iter().map(|_| None).collect();
        let mut by_node = Vec::new();
        let mut known = true;
        for (at, (role, counter)) in self.roles.iter().zip(&self.list).enumerate() {
            match role {
                Role::Soft(_, true) => {
                    known &= !counter.gaps;
                    by_node.push(at);
                }
                Role::Soft(_, false) => known &= self.within[at].is_some(),
                Role::Pull => known = false,
                Role::Hard(..) | Role::Near | Role::Far => {}
            }
        }
        self.cells = cells.filter(|_| known && by_node.len() <= 1);
        self.counted.clear();
        if let Some(counter) = by_node.first().map(|&at| &self.list[at]).filter(|_| self.cells.is_some()) {
            self.counted = (0..places).map(|place| counter.at(place).map_or(0, pods)).collect();
        }
        self.kept.spans.clear();
        self.tops.clear();
    }

    fn see_groups(&mut self, cycle: &Cycle) {
        for number in self.of_group.len()..cycle.groups.len() {
            let group = cycle.groups.get(GroupId(number as u32));
            let weights = weights_of(cycle, group, &self.others_keys);
            let list = weights.into_iter().enumerate().filter(|(_, weight)| *weight != 0);
            self.of_group.push(list.map(|(at, weight)| (at as u32, weight)).collect());
        }
    }

    /// Takes in that a pod of a group came to the node at a place, or left it.
    pub fn pod_counted(&mut self, group: GroupId, place: usize, add: bool, epoch: u64) {
        if self.epoch != epoch {
            return;
        }
        match self.of_group.get(group.0 as usize) {
            Some(list) => {
                for &(counter, weight) in list {
                    let (at, weight) = (counter as usize, if add { weight } else { -weight });
                    let Some(change) = self.list[at].add(place, weight) else { continue };
                    if let Some(gate) = &mut self.gates[at] {
                        gate.change(&self.list[at], place, change, |place| self.kept.spans.spoil(place));
                    }
                    if matches!(self.roles[at], Role::Soft(_, true)) && !self.counted.is_empty() {
                        let before = std::mem::replace(&mut self.counted[place], pods(change.1));
                        match &self.cells {
                            Some(cells) if self.counted[place] == before + 1 => {
                                self.kept.spans.one_more(place, cells.at(place), self.counted[place]);
                            }
                            _ => self.kept.spans.spoil(place),
                        }
                    }
                }
            }
            // A group that came since: all is counted anew.
            None => self.epoch = 0,
        }
    }

    /// What decisions looked at since this was asked last.
    pub fn looked(&mut self) -> Looked {
        std::mem::take(&mut self.looked)
    }

    /// Decides by the tree of the pod's class; `None` when no node is feasible, or too many pods are on a node.
    pub fn decide(&mut self, cycle: &Cycle, tree: &ClassTree, start: usize) -> Option<Decision> {
        let (chosen, examined) = match self.cells.take() {
            Some(cells) => {
                let found = self.by_blocks(cycle, tree, &cells, start);
                self.cells = Some(cells);
                found
            }
            None => self.scan(cycle, tree, start),
        }?;
        let order = cycle.nodes.ordered();
        Some(Decision::Node { node: order[chosen], next_start: (start + examined) % order.len(), nominated: false })
    }

    /// Place of the best node, and how many were asked whether they can run the pod.
    fn by_blocks(&mut self, cycle: &Cycle, tree: &ClassTree, cells: &Cells, start: usize) -> Option<(usize, usize)> {
        let first_of_kind = self.first_of_kind();
        let mut allowed = [true; CELLS_MAX];
        for (at, (role, counter)) in self.roles.iter().zip(&self.list).enumerate() {
            let Some(test) = Test::new(*role, counter, first_of_kind) else { continue };
            match (self.within[at], &mut self.gates[at]) {
                (Some(list), _) => {
                    let sum = |cell: usize| counter.values.get(cells.domains(cell)[list] as usize).copied();
                    (0..cells.len()).for_each(|cell| allowed[cell] &= test.passes(sum(cell)));
                }
                (None, Some(gate)) => {
                    if gate.set(test, counter) {
                        self.kept.spans.clear();
                    }
                }
                (None, gate) => {
                    *gate = Some(Gate::new(test, counter));
                    self.kept.spans.clear();
                }
            }
        }
        let places = cycle.nodes.ordered().len();
        let gates: SmallVec<[&Gate; 4]> = self.gates.iter().flatten().collect();
        let open = |block: usize| gates.iter().fold(tree.open(block), |open, gate| open & gate.passing(block));
        let everywhere = allowed[..cells.len()].iter().all(|allowed| *allowed);
        let of_cells = |block: usize| {
            let places = cells.in_block(block).iter().zip(allowed).filter(|(_, allowed)| *allowed);
            places.fold(0, |all, (places, _)| all | places)
        };
        let wanted = feasible_wanted(places, cycle.profile.percentage_of_nodes_to_score);
        self.reach.fill(places, start, wanted, |block| if everywhere { open(block) } else { open(block) & of_cells(block) });
        if self.reach.len == 0 {
            return None;
        }
        let mut soft: SmallVec<[Soft; 2]> = SmallVec::new();
        for (at, (role, counter)) in self.roles.iter().zip(&self.list).enumerate() {
            match (*role, self.within[at]) {
                (Role::Soft(skew, false), Some(list)) => {
                    let domain = |cell: usize| cells.domains(cell)[list];
                    let of_cell = |cell: usize| (domain(cell), counter.values.get(domain(cell) as usize).copied());
                    soft.push(Soft::Cells(skew, (0..cells.len()).map(of_cell).collect()));
                }
                (Role::Soft(skew, _), _) => soft.push(Soft::Node(skew)),
                _ => {}
            }
        }
        let field = Field { tree, cells, reach: &self.reach, soft: &soft, counted: &self.counted, allowed };
        let (place, looked) = field.best(&mut self.kept, &mut self.tops, open)?;
        self.looked.scored += looked;
        Some((place, self.reach.examined))
    }

    /// Whether the pod is the first that its own required affinity means.
    pub(super) fn first_of_kind(&self) -> bool {
        self.suits_itself && self.of(|role| matches!(role, Role::Near)).all(|(_, counter)| counter.total == 0)
    }

    pub(super) fn of(&self, wanted: impl Fn(Role) -> bool) -> impl Iterator<Item = (Role, &Counter)> {
        self.roles.iter().copied().zip(&self.list).filter(move |(role, _)| wanted(*role))
    }
}

/// A number of pods, which is never below none.
fn pods(sum: i64) -> u32 {
    u32::try_from(sum).unwrap_or(0)
}

/// Hard and soft constraints that act on the pod.
fn rules(cycle: &Cycle) -> impl Iterator<Item = Constraint> {
    pod_topology_spread::constraints(cycle, true).into_iter().chain(pod_topology_spread::constraints(cycle, false))
}

/// Keys of the pod's own terms, and of others' that mean it, in the order of [`weights_of`].
fn affinity_keys(cycle: &Cycle, others: &(Vec<Sym>, Vec<Sym>)) -> Vec<(Role, Sym)> {
    let mut keys = Vec::new();
    if let Some(own) = &cycle.pod.resident.class.terms {
        keys.extend(own.near.iter().map(|term| (Role::Near, term.key)));
        keys.extend(own.far.iter().map(|term| (Role::Far, term.key)));
    }
    keys.extend(others.0.iter().map(|&key| (Role::Far, key)));
    keys.extend(others.1.iter().map(|&key| (Role::Pull, key)));
    keys
}

/// What a pod of a group adds to each counter.
fn weights_of(cycle: &Cycle, group: &Group, others: &(Vec<Sym>, Vec<Sym>)) -> Vec<i64> {
    let mut weights: Vec<i64> = rules(cycle).map(|rule| i64::from(rule.counts(cycle.pod.namespace, group, cycle.labels))).collect();
    if let Some(own) = &cycle.pod.resident.class.terms {
        let suits = i64::from(inter_pod_affinity::suits(cycle, group));
        let means = |term: &PodTerm| i64::from(term.means(cycle.pod.namespace, group, cycle.labels, cycle.namespaces));
        weights.extend(own.near.iter().map(|_| suits));
        weights.extend(own.far.iter().map(means));
    }
    let in_the_way = inter_pod_affinity::in_the_way(cycle, group);
    let pulls = inter_pod_affinity::pulls(cycle, group);
    let sum = |list: &[(Sym, i64)], key: Sym| list.iter().filter(|entry| entry.0 == key).map(|entry| entry.1).sum::<i64>();
    weights.extend(others.0.iter().map(|&key| sum(&in_the_way, key)));
    weights.extend(others.1.iter().map(|&key| sum(&pulls, key)));
    weights
}
