//! Decisions under the system's default spread constraints, by change: what pods of ReplicaSets and behind Services get.
//!
//! A node's score is that of its class's tree plus what spreading adds, which depends on its zone and on the number of matching pods that
//! it has. For each selector those numbers are kept by place, with the extremes of each zone in every block of places. A decision bounds
//! the best total by the best node of each zone at the zone's least number, and looks in the original's order of ties for a node that
//! attains it; where none does it scans the window. The answer is that of [`crate::scheduler::cycle::decide`], which a property test
//! holds it to.

use crate::scheduler::cycle::Decision;
use crate::scheduler::group_nodes::GroupNodes;
use crate::scheduler::nodes::NodeTable;
use crate::scheduler::plugins::pod_topology_spread::{Weights, normalize, raw_score};
use crate::scheduler::pods::{Group, GroupId, Groups, meets};
use crate::scheduler::tree::{BLOCK, ClassTree, INFEASIBLE, Window};
use smallvec::SmallVec;
use std::sync::Arc;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::pod_class::ClassId;
use wavetank_engine::model::select::Requirement;
use wavetank_engine::names::Sym;

/// Zones that are told apart; with more of them the plain look decides.
pub const ZONES_MAX: usize = 8;
/// Weight of PodTopologySpread.
const WEIGHT: i64 = 2;
/// `maxSkew` of the system's constraints: hostname, zone.
const SKEWS: (i64, i64) = (3, 5);
/// Nodes that are looked at in the order of ties before the search by ranges.
const WALK_MAX: usize = 48;
/// Numbers of pods, from the least on, for which what spreading adds is worked out beforehand.
const READY: usize = 8;
/// Steps of the search by ranges before the scan.
const SEARCH_MAX: usize = 64;
/// Totals that are searched for, from the bound down, before the scan: the best of a large window is seldom further below.
const TARGETS: i64 = 3;

/// What a set of counts is for: pods of a namespace that a selector matches, spread by pods of one class's tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpreadKey {
    /// Namespace.
    pub namespace: Sym,
    /// Selector; not empty.
    pub selector: Arc<[Requirement]>,
    /// The class whose tree scores.
    pub leader: ClassId,
}

impl SpreadKey {
    fn counts(&self, group: &Group, labels: &LabelSets) -> bool {
        group.namespace == self.namespace && !group.terminating && meets(&self.selector, labels, group.labels)
    }
}

/// Counts of matching pods for each key that was ever spread by.
#[derive(Debug, Default)]
pub struct SpreadCounts {
    list: Vec<Counts>,
    found: LookupMap<SpreadKey, u32>,
    /// The counts that pods of each group belong to.
    of_group: Vec<SmallVec<[u32; 2]>>,
}

#[derive(Debug)]
struct Counts {
    key: SpreadKey,
    /// Groups that count.
    groups: Vec<GroupId>,
    /// The table's epoch when they were made; 0 before.
    epoch: u64,
    /// Matching pods on the node at each place.
    on_node: Vec<u32>,
    /// Matching pods in each spreading zone.
    in_zone: [i64; ZONES_MAX],
    /// For each block, the tree's stamp when its extremes were taken; 0: they are out of date.
    stamps: Vec<u32>,
    /// Extremes of each block's feasible nodes, one for each zone.
    spans: Vec<Span>,
}

/// Least and most matching pods on a node; least above most when there is no node.
#[derive(Debug, Clone, Copy)]
struct Span {
    least: u32,
    most: u32,
}

impl Span {
    const NONE: Span = Span { least: u32::MAX, most: 0 };

    fn add(&mut self, pods: u32) {
        self.least = self.least.min(pods);
        self.most = self.most.max(pods);
    }

    fn join(&mut self, other: Span) {
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    fn any(self) -> bool {
        self.least <= self.most
    }
}

impl SpreadCounts {
    /// The number of a key's counts, which are made if new.
    pub fn number(&mut self, key: &SpreadKey, groups: &Groups, nodes: &mut GroupNodes, labels: &LabelSets) -> u32 {
        if let Some(&number) = self.found.get(key) {
            return number;
        }
        let number = self.list.len() as u32;
        self.see_groups(groups, labels);
        let mut own = nodes.candidates(key, groups, labels);
        own.retain(|&id| key.counts(groups.get(id), labels));
        own.iter().for_each(|id| self.of_group[id.0 as usize].push(number));
        let (on_node, stamps, spans) = (Vec::new(), Vec::new(), Vec::new());
        self.list.push(Counts { key: key.clone(), groups: own, epoch: 0, on_node, in_zone: [0; ZONES_MAX], stamps, spans });
        self.found.insert(key.clone(), number);
        number
    }

    /// Number of sets of counts.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether a key has counts.
    pub fn knows(&self, key: &SpreadKey) -> bool {
        self.found.contains_key(key)
    }

    /// Whether nothing was ever spread.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn see_groups(&mut self, groups: &Groups, labels: &LabelSets) {
        for number in self.of_group.len()..groups.len() {
            let id = GroupId(number as u32);
            let group = groups.get(id);
            let mut counting = SmallVec::new();
            for (at, counts) in self.list.iter_mut().enumerate().filter(|(_, counts)| counts.key.counts(group, labels)) {
                counts.groups.push(id);
                counting.push(at as u32);
            }
            self.of_group.push(counting);
        }
    }

    /// Takes in that a pod of a group came to the node with a number, or left it.
    pub fn pod_counted(&mut self, group: GroupId, node: u32, add: bool, groups: &Groups, table: &NodeTable, labels: &LabelSets) {
        if self.list.is_empty() {
            return;
        }
        self.see_groups(groups, labels);
        let Some(place) = table.place(node) else { return };
        for &number in &self.of_group[group.0 as usize] {
            let counts = &mut self.list[number as usize];
            if counts.epoch == table.epoch {
                counts.on_node[place] = if add { counts.on_node[place] + 1 } else { counts.on_node[place].saturating_sub(1) };
                counts.in_zone[table.zone_at(place)] += if add { 1 } else { -1 };
                counts.stamps[place / BLOCK] = 0;
            }
        }
    }

    /// Decides by the tree of the key's class, which is up to date and keeps zones; `None` when no node is feasible.
    pub fn decide(
        &mut self,
        number: u32,
        tree: &ClassTree,
        table: &NodeTable,
        nodes: &GroupNodes,
        percentage: u32,
        start: usize,
    ) -> Option<Decision> {
        let counts = &mut self.list[number as usize];
        if counts.epoch != table.epoch {
            counts.build(table, nodes);
        }
        let window = tree.window(table, percentage, start)?;
        let spans = counts.spans(tree, table, &window);
        let judge = Judge::new(counts, tree, table, &window, spans);
        let node = table.ordered()[window.place(judge.pick())];
        Some(Decision::Node { node, next_start: window.next_start(), nominated: false })
    }
}

impl Counts {
    fn build(&mut self, table: &NodeTable, nodes: &GroupNodes) {
        self.in_zone = [0; ZONES_MAX];
        self.on_node.clear();
        self.on_node.resize(table.ordered().len(), 0);
        match nodes.places_of(&self.groups) {
            Some(places) => places.into_iter().for_each(|(node, pods)| self.put(table, node, pods)),
            None => {
                for &node in table.ordered() {
                    let counting = table.get(node).groups.iter().filter(|(group, _)| self.groups.contains(group));
                    let pods = counting.map(|(_, pods)| *pods).sum();
                    self.put(table, node, pods);
                }
            }
        }
        self.stamps = vec![0; self.on_node.len().div_ceil(BLOCK)];
        self.spans = vec![Span::NONE; self.stamps.len() * table.zones()];
        self.epoch = table.epoch;
    }

    fn put(&mut self, table: &NodeTable, node: u32, pods: u32) {
        if let Some(place) = table.place(node) {
            self.on_node[place] += pods;
            self.in_zone[table.zone_at(place)] += i64::from(pods);
        }
    }

    /// Extremes of each zone over the window.
    fn spans(&mut self, tree: &ClassTree, table: &NodeTable, window: &Window) -> [Span; ZONES_MAX] {
        let (mut spans, zones) = ([Span::NONE; ZONES_MAX], table.zones());
        for (from, to) in window.ranges(0, window.len) {
            let (first, last) = (from.div_ceil(BLOCK), to / BLOCK);
            if first >= last {
                self.look(from, to, tree, table, &mut spans);
                continue;
            }
            self.look(from, first * BLOCK, tree, table, &mut spans);
            for block in first..last {
                let of_block = block * zones..(block + 1) * zones;
                if self.stamps[block] != tree.stamp(block) {
                    let mut fresh = [Span::NONE; ZONES_MAX];
                    self.look(block * BLOCK, (block + 1) * BLOCK, tree, table, &mut fresh);
                    self.stamps[block] = tree.stamp(block);
                    self.spans[of_block.clone()].copy_from_slice(&fresh[..zones]);
                }
                spans.iter_mut().zip(&self.spans[of_block]).for_each(|(all, one)| all.join(*one));
            }
            self.look(last * BLOCK, to, tree, table, &mut spans);
        }
        spans
    }

    fn look(&self, from: usize, to: usize, tree: &ClassTree, table: &NodeTable, spans: &mut [Span; ZONES_MAX]) {
        for place in from..to {
            if tree.score_at(place) != INFEASIBLE {
                spans[table.zone_at(place)].add(self.on_node[place]);
            }
        }
    }
}

/// Totals of one decision.
struct Judge<'j> {
    counts: &'j Counts,
    tree: &'j ClassTree,
    table: &'j NodeTable,
    window: &'j Window<'j>,
    spans: [Span; ZONES_MAX],
    weights: Weights,
    least: i64,
    most: i64,
    /// What spreading adds, by zone and by pods beyond the zone's least number.
    ready: [[i64; READY]; ZONES_MAX],
    /// Highest total that a zone's best node would have with the zone's least number of pods, and that node's own score.
    bounds: [(i64, i32); ZONES_MAX],
    bound: i64,
}

impl<'j> Judge<'j> {
    fn new(counts: &'j Counts, tree: &'j ClassTree, table: &'j NodeTable, window: &'j Window<'j>, spans: [Span; ZONES_MAX]) -> Judge<'j> {
        let zones = spans.iter().filter(|span| span.any()).count();
        let weights = Weights::new([(window.len, SKEWS.0), (zones, SKEWS.1)]);
        let none = (i64::MIN, INFEASIBLE);
        let (least, most, ready) = (i64::MAX, i64::MIN, [[0; READY]; ZONES_MAX]);
        let (bounds, bound) = ([none; ZONES_MAX], i64::MIN);
        let mut judge = Judge { counts, tree, table, window, spans, weights, least, most, ready, bounds, bound };
        let there: SmallVec<[usize; ZONES_MAX]> = (0..ZONES_MAX).filter(|&zone| spans[zone].any()).collect();
        for &zone in &there {
            judge.least = judge.least.min(judge.raw(zone, spans[zone].least));
            judge.most = judge.most.max(judge.raw(zone, spans[zone].most));
        }
        for &zone in &there {
            let Span { least, most } = spans[zone];
            for pods in least..=most.min(least + READY as u32 - 1) {
                judge.ready[zone][(pods - least) as usize] = judge.work_out(zone, pods);
            }
            let own = judge.best_of_zone(zone, 0, window.len);
            judge.bounds[zone] = (i64::from(own) + judge.added(zone, spans[zone].least), own);
            judge.bound = judge.bound.max(judge.bounds[zone].0);
        }
        judge
    }

    fn raw(&self, zone: usize, pods: u32) -> i64 {
        let of_zone = self.table.zone_value(zone).map(|_| self.counts.in_zone[zone]);
        raw_score(&self.weights, [Some(i64::from(pods)), of_zone])
    }

    fn added(&self, zone: usize, pods: u32) -> i64 {
        match self.ready[zone].get((pods - self.spans[zone].least) as usize) {
            Some(added) => *added,
            None => self.work_out(zone, pods),
        }
    }

    fn work_out(&self, zone: usize, pods: u32) -> i64 {
        WEIGHT * normalize(self.raw(zone, pods), self.least, self.most)
    }

    fn total(&self, place: usize) -> i64 {
        i64::from(self.tree.score_at(place)) + self.added(self.table.zone_at(place), self.counts.on_node[place])
    }

    fn best_of_zone(&self, zone: usize, from: usize, to: usize) -> i32 {
        let ranges = self.window.ranges(from, to).into_iter();
        ranges.map(|(from, to)| self.tree.best_of_zone(zone, from, to)).max().unwrap_or(INFEASIBLE)
    }

    /// Position in the window of the first of the best in the order of ties.
    fn pick(&self) -> usize {
        let mut stack: SmallVec<[usize; 32]> = SmallVec::from_slice(&[0]);
        for _ in 0..WALK_MAX {
            let Some(at) = stack.pop() else { break };
            if self.total(self.window.place(at)) == self.bound {
                return at;
            }
            for child in [2 * at + 2, 2 * at + 1] {
                if child < self.window.len {
                    stack.push(child);
                }
            }
        }
        for below in 0..TARGETS {
            let mut steps = SEARCH_MAX;
            if let Some(found) = self.search(0, self.bound - below, &mut steps) {
                return found;
            }
            if steps == 0 {
                break;
            }
        }
        self.scan()
    }

    /// The first in pre-order below `at` that attains a total, where none has a higher one; `None` when there is none, or when the
    /// steps are used up.
    fn search(&self, at: usize, target: i64, steps: &mut usize) -> Option<usize> {
        *steps = steps.checked_sub(1)?;
        if self.total(self.window.place(at)) == target {
            return Some(at);
        }
        for child in [2 * at + 1, 2 * at + 2] {
            if child < self.window.len && self.window.below(child, |from, to| self.may_attain(from, to, target)) {
                if let Some(found) = self.search(child, target, steps) {
                    return Some(found);
                }
                if *steps == 0 {
                    return None;
                }
            }
        }
        None
    }

    fn may_attain(&self, from: usize, to: usize, target: i64) -> bool {
        let best = |zone: usize| i64::from(self.best_of_zone(zone, from, to)) + self.bounds[zone].0 - i64::from(self.bounds[zone].1);
        (0..self.table.zones()).any(|zone| self.bounds[zone].0 >= target && best(zone) >= target)
    }

    /// Looks at every node of the window.
    fn scan(&self) -> usize {
        let added = self.table_of_added();
        let (mut best, mut found, mut nth) = (i64::MIN, 0, 0);
        for (from, to) in self.window.ranges(0, self.window.len) {
            for place in from..to {
                let own = self.tree.score_at(place);
                if own == INFEASIBLE {
                    continue;
                }
                let zone = self.table.zone_at(place);
                let total = i64::from(own) + added[zone][(self.counts.on_node[place] - self.spans[zone].least) as usize];
                if total > best || total == best && pre_order(nth) < pre_order(found) {
                    (best, found) = (total, nth);
                }
                nth += 1;
            }
        }
        found
    }

    /// What spreading adds, by zone and by pods beyond the zone's least number.
    fn table_of_added(&self) -> Vec<Vec<i64>> {
        let of_zone = |(zone, span): (usize, &Span)| match span.any() {
            true => (span.least..=span.most).map(|pods| self.added(zone, pods)).collect(),
            false => Vec::new(),
        };
        self.spans.iter().enumerate().map(of_zone).collect()
    }
}

/// Sorts positions of an implicit binary heap in pre-order: the path from the root, left-aligned, then its length.
pub(super) fn pre_order(position: usize) -> (u64, u32) {
    let number = position as u64 + 1;
    let zeros = number.leading_zeros();
    ((number << zeros) << 1, 64 - zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_sort_in_pre_order() {
        let mut walked = Vec::new();
        let mut stack = vec![0usize];
        while let Some(at) = stack.pop() {
            walked.push(at);
            stack.extend([2 * at + 2, 2 * at + 1].into_iter().filter(|&child| child < 100));
        }
        let mut sorted: Vec<usize> = (0..100).collect();
        sorted.sort_by_key(|&position| pre_order(position));
        assert_eq!(sorted, walked);
    }
}
