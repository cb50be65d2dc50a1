//! Decisions under spread constraints and pod affinity, by change: for each kind of pods that has them, matching pods are counted by
//! domain as pods come and go, so that a decision is one pass over the window with a few look-ups a node.
//!
//! The answer is that of [`crate::scheduler::cycle::decide`], which a property test holds it to.

use crate::scheduler::cycle::{Cycle, Decision, Looked, feasible_wanted};
use crate::scheduler::nodes::NodeTable;
use crate::scheduler::plugins::inter_pod_affinity::{self, PodTerm};
use crate::scheduler::plugins::pod_topology_spread::{self, Constraint, Weights, normalize, raw_score};
use crate::scheduler::pods::{Group, GroupId};
use crate::scheduler::spread::pre_order;
use crate::scheduler::tree::{ClassTree, INFEASIBLE};
use smallvec::SmallVec;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::names::Sym;
use wavetank_engine::words;

/// Domain of a node that lacks the key.
const NONE: u32 = u32::MAX;
/// Weight of PodTopologySpread and of InterPodAffinity.
const WEIGHT: i64 = 2;

/// Sums of weights of pods by domain of a key.
#[derive(Debug, Clone)]
struct Counter {
    /// Domain of the node at each place.
    of_place: Vec<u32>,
    /// Sum of each domain.
    values: Vec<i64>,
    /// Sum of all domains.
    total: i64,
    /// Whether a node lacks the key.
    gaps: bool,
}

impl Counter {
    /// Domains of a key; `alone`: each node with the key is a domain of its own.
    fn new(key: Sym, alone: bool, table: &NodeTable, labels: &LabelSets) -> Counter {
        let mut numbers: LookupMap<Sym, u32> = LookupMap::default();
        let mut domains = 0;
        let mut domain = |number: &u32| {
            let Some(value) = labels.get(table.get(*number).labels, key) else { return NONE };
            let known = if alone { None } else { numbers.get(&value).copied() };
            known.unwrap_or_else(|| {
                numbers.insert(value, domains);
                domains += 1;
                domains - 1
            })
        };
        let of_place: Vec<u32> = table.ordered().iter().map(&mut domain).collect();
        let gaps = of_place.contains(&NONE);
        Counter { of_place, values: vec![0; domains as usize], total: 0, gaps }
    }

    fn add(&mut self, place: usize, weight: i64) {
        if let Some(value) = self.values.get_mut(self.of_place[place] as usize) {
            *value += weight;
            self.total += weight;
        }
    }

    /// Sum of the domain of the node at a place; `None` when it lacks the key.
    fn at(&self, place: usize) -> Option<i64> {
        self.values.get(self.of_place[place] as usize).copied()
    }
}

/// What a counter's sums say of a node.
#[derive(Debug, Clone, Copy)]
enum Role {
    /// A hard constraint: `maxSkew`, `minDomains`, whether the pod selects itself.
    Hard(i64, usize, i64),
    /// A soft constraint: `maxSkew`, whether its domains are nodes.
    Soft(i64, bool),
    /// Pods that required affinity wants near.
    Near,
    /// Pods that anti-affinity, of either side, keeps away.
    Far,
    /// Preferences, of either side.
    Pull,
}

/// The counters of one kind of pods.
#[derive(Debug, Default)]
pub struct Counters {
    epoch: u64,
    /// Groups with affinity when the counters were chosen.
    terms: usize,
    roles: Vec<Role>,
    list: Vec<Counter>,
    /// What a pod of each group adds to which counters.
    of_group: Vec<SmallVec<[(u32, i64); 4]>>,
    /// Keys of others' anti-affinity that means the pod, and of preferences of either side.
    others_keys: (Vec<Sym>, Vec<Sym>),
    /// Whether the pod matches its own required affinity.
    suits_itself: bool,
    window: Window,
    /// What the last decision looked at.
    looked: Looked,
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
        self.suits_itself = inter_pod_affinity::suits(cycle, cycle.groups.get(cycle.pod.resident.group));
        self.terms = cycle.groups.with_terms().len();
        self.epoch = cycle.nodes.epoch;
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
                    self.list[counter as usize].add(place, if add { weight } else { -weight });
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

    /// Decides by the tree of the pod's class; `None` when no node is feasible.
    pub fn decide(&mut self, cycle: &Cycle, tree: &ClassTree, start: usize) -> Option<Decision> {
        let places = cycle.nodes.ordered().len();
        let mut window = std::mem::take(&mut self.window);
        let examined = self.fill(&mut window, cycle, tree, start);
        self.looked.filtered += examined as u64;
        self.looked.scored += if window.places.len() > 1 { window.places.len() as u64 } else { 0 };
        let chosen = match window.places[..] {
            [] => None,
            [one] => Some(one),
            _ => {
                self.add_scores(&mut window);
                Some(window.places[first_best(&window.totals)])
            }
        };
        self.window = window;
        let node = cycle.nodes.ordered()[chosen? as usize];
        Some(Decision::Node { node, next_start: (start + examined) % places, nominated: false })
    }

    /// Feasible nodes from the start on, as many as are enough, with their own scores. Returns how many nodes were looked at.
    fn fill(&self, window: &mut Window, cycle: &Cycle, tree: &ClassTree, start: usize) -> usize {
        let places = cycle.nodes.ordered().len();
        let wanted = feasible_wanted(places, cycle.profile.percentage_of_nodes_to_score);
        let first_of_kind = self.suits_itself && self.of(|role| matches!(role, Role::Near)).all(|(_, counter)| counter.total == 0);
        let tests: SmallVec<[Test; 4]> = self.of(|_| true).filter_map(|(role, counter)| Test::new(role, counter, first_of_kind)).collect();
        window.places.clear();
        window.totals.clear();
        for (from, to) in [(start, places), (0, start)] {
            for (place, &own) in (from..to).zip(tree.scores_between(from, to)) {
                if own != INFEASIBLE && tests.iter().all(|test| test.passes(place)) {
                    window.places.push(place as u32);
                    window.totals.push(i64::from(own));
                    if window.places.len() == wanted {
                        return (place + places - start) % places + 1;
                    }
                }
            }
        }
        places
    }

    fn of(&self, wanted: impl Fn(Role) -> bool) -> impl Iterator<Item = (Role, &Counter)> {
        self.roles.iter().copied().zip(&self.list).filter(move |(role, _)| wanted(*role))
    }

    /// Adds what spreading and preferences give.
    fn add_scores(&self, window: &mut Window) {
        let soft = |(role, counter)| if let Role::Soft(skew, host) = role { Some((skew, host, counter)) } else { None };
        let soft: SmallVec<[(i64, bool, &Counter); 2]> = self.of(|_| true).filter_map(soft).collect();
        if !soft.is_empty() {
            add_spread(&mut window.totals, &soft, &window.places);
        }
        let pulls: SmallVec<[&Counter; 2]> = self.of(|role| matches!(role, Role::Pull)).map(|(_, counter)| counter).collect();
        if !pulls.is_empty() {
            add_pulls(&mut window.totals, &pulls, &window.places);
        }
    }
}

/// The nodes of one decision; kept for its room.
#[derive(Debug, Default)]
struct Window {
    places: Vec<u32>,
    totals: Vec<i64>,
}

fn add_pulls(totals: &mut [i64], pulls: &[&Counter], feasible: &[u32]) {
    let raw = |&place: &u32| pulls.iter().filter_map(|counter| counter.at(place as usize)).sum::<i64>();
    let raw: Vec<i64> = feasible.iter().map(raw).collect();
    let (least, most) = extremes(&raw);
    if least == most {
        return;
    }
    // Few sums differ: the last one's score serves for most nodes.
    let (mut last, mut added) = (least, WEIGHT * inter_pod_affinity::normalize(least, least, most));
    for (total, &raw) in totals.iter_mut().zip(&raw) {
        if raw != last {
            (last, added) = (raw, WEIGHT * inter_pod_affinity::normalize(raw, least, most));
        }
        *total += added;
    }
}

fn extremes(raw: &[i64]) -> (i64, i64) {
    raw.iter().fold((i64::MAX, i64::MIN), |(low, high), &raw| (low.min(raw), high.max(raw)))
}

fn add_spread(totals: &mut [i64], soft: &[(i64, bool, &Counter)], feasible: &[u32]) {
    let domains = |counter: &Counter| {
        let mut seen = vec![false; counter.values.len() + 1];
        feasible.iter().for_each(|&place| {
            let domain = counter.of_place[place as usize] as usize;
            seen[domain.min(counter.values.len())] = true;
        });
        seen.into_iter().filter(|seen| *seen).count()
    };
    let size = |host: bool, counter: &Counter| if host { feasible.len() } else { domains(counter) };
    let weights = Weights::new(soft.iter().map(|&(skew, host, counter)| (size(host, counter), skew)));
    if let [(_, _, counter)] = soft
        && !counter.gaps
    {
        add_spread_of_one(totals, &weights, counter, feasible);
        return;
    }
    let raw = |&place: &u32| raw_score(&weights, soft.iter().map(|(_, _, counter)| counter.at(place as usize)));
    let raw: Vec<i64> = feasible.iter().map(raw).collect();
    let (least, most) = extremes(&raw);
    for (total, raw) in totals.iter_mut().zip(&raw) {
        *total += WEIGHT * normalize(*raw, least, most);
    }
}

/// The same for one constraint whose key every node has: scores by sum are made once.
fn add_spread_of_one(totals: &mut [i64], weights: &Weights, counter: &Counter, feasible: &[u32]) {
    let sum = |&place: &u32| counter.values[counter.of_place[place as usize] as usize];
    let (low, high) = feasible.iter().map(sum).fold((i64::MAX, i64::MIN), |(low, high), sum| (low.min(sum), high.max(sum)));
    let raw: Vec<i64> = (low..=high).map(|sum| raw_score(weights, [Some(sum)])).collect();
    let (least, most) = extremes(&raw);
    let added: Vec<i64> = raw.iter().map(|&raw| WEIGHT * normalize(raw, least, most)).collect();
    for (total, place) in totals.iter_mut().zip(feasible) {
        *total += added[(sum(place) - low) as usize];
    }
}

/// A filter by one counter.
struct Test<'t> {
    counter: &'t Counter,
    /// Least and highest sum that pass.
    least: i64,
    most: i64,
    /// Whether a node without the key passes.
    without_key: bool,
}

impl<'t> Test<'t> {
    fn new(role: Role, counter: &'t Counter, first_of_kind: bool) -> Option<Test<'t>> {
        let (least, most, without_key) = match role {
            Role::Hard(max_skew, min_domains, own) => {
                let few = counter.values.len() < min_domains;
                let low = if few { 0 } else { counter.values.iter().copied().min().unwrap_or(i64::from(i32::MAX)) };
                (i64::MIN, max_skew + low - own, false)
            }
            Role::Near => (if first_of_kind { i64::MIN } else { 1 }, i64::MAX, false),
            Role::Far => (i64::MIN, 0, true),
            Role::Soft(..) | Role::Pull => return None,
        };
        Some(Test { counter, least, most, without_key })
    }

    fn passes(&self, place: usize) -> bool {
        self.counter.at(place).map_or(self.without_key, |sum| self.least <= sum && sum <= self.most)
    }
}

/// The place of the best total: among equals the first in pre-order.
fn first_best(totals: &[i64]) -> usize {
    let best = totals.iter().copied().max().unwrap_or(0);
    let mut found = (usize::MAX, (u64::MAX, u32::MAX));
    for at in totals.iter().enumerate().filter(|(_, total)| **total == best).map(|(at, _)| at) {
        let order = pre_order(at);
        if order < found.1 {
            found = (at, order);
        }
    }
    found.0
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
