//! Class trees: for one class of pods, feasibility and score of every node in a segment tree over the order of nodes.
//!
//! A bind changes one node, which costs O(log n); a decision finds the sampled window by counting feasible nodes and the best one by
//! range maxima. The answer is that of [`crate::scheduler::cycle::decide`], which a property test holds it to.

use crate::scheduler::cycle::{Decision, feasible_wanted};
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::filter::own_refusal;
use crate::scheduler::nodes::NodeTable;
use crate::scheduler::plugins::balanced_allocation;
use crate::scheduler::plugins::node_resources_fit::least_allocated;
use crate::scheduler::profile::Profile;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::names::{Names, Sym};

/// Weight of TaintToleration times its score where no node has a PreferNoSchedule taint.
const FLAT: i64 = 300;
/// Score of a node that can't run the pod.
const INFEASIBLE: i32 = -1;

/// The tree of one class.
#[derive(Debug, Default)]
pub struct ClassTree {
    /// Leaves: places of the order, padded to a power of two.
    leaves: usize,
    /// Feasible nodes below each tree node; the root is 1.
    counts: Vec<u32>,
    /// Best score below each tree node.
    best: Vec<i32>,
    /// Entries of the table's change list taken in.
    seen: usize,
    /// The table's epoch when the tree was built.
    epoch: u64,
}

impl ClassTree {
    /// Brings the tree up to date with the table.
    pub fn catch_up(&mut self, facts: &ClassFacts, profile: &Profile, table: &NodeTable, labels: &LabelSets, names: &Names) {
        if self.epoch != table.epoch || self.leaves == 0 || table.changes.len() - self.seen > table.ordered().len() {
            self.build(facts, profile, table, labels, names);
            return;
        }
        while self.seen < table.changes.len() {
            let number = table.changes[self.seen];
            self.seen += 1;
            if let Some(place) = table.place(number) {
                self.set(place, score(facts, profile, table, number, labels, names));
            }
        }
    }

    fn build(&mut self, facts: &ClassFacts, profile: &Profile, table: &NodeTable, labels: &LabelSets, names: &Names) {
        let order = table.ordered();
        self.leaves = order.len().next_power_of_two();
        self.counts = vec![0; 2 * self.leaves];
        self.best = vec![INFEASIBLE; 2 * self.leaves];
        for (place, &number) in order.iter().enumerate() {
            let score = score(facts, profile, table, number, labels, names);
            self.best[self.leaves + place] = score;
            self.counts[self.leaves + place] = u32::from(score != INFEASIBLE);
        }
        for at in (1..self.leaves).rev() {
            self.pull(at);
        }
        self.seen = table.changes.len();
        self.epoch = table.epoch;
    }

    fn pull(&mut self, at: usize) {
        self.counts[at] = self.counts[2 * at] + self.counts[2 * at + 1];
        self.best[at] = self.best[2 * at].max(self.best[2 * at + 1]);
    }

    fn set(&mut self, place: usize, score: i32) {
        let mut at = self.leaves + place;
        if self.best[at] == score {
            return;
        }
        self.best[at] = score;
        self.counts[at] = u32::from(score != INFEASIBLE);
        while at > 1 {
            at /= 2;
            self.pull(at);
        }
    }

    /// Feasible nodes at places before `place`.
    fn rank(&self, place: usize) -> usize {
        let (mut at, mut before) = (self.leaves + place, 0);
        if place >= self.leaves {
            return self.counts[1] as usize;
        }
        while at > 1 {
            if at % 2 == 1 {
                before += self.counts[at - 1] as usize;
            }
            at /= 2;
        }
        before
    }

    /// Place of the feasible node with a rank, which must exist.
    fn select(&self, mut rank: usize) -> usize {
        let mut at = 1;
        while at < self.leaves {
            let left = self.counts[2 * at] as usize;
            if rank < left {
                at *= 2;
            } else {
                rank -= left;
                at = 2 * at + 1;
            }
        }
        at - self.leaves
    }

    /// Best score at places `from..to`.
    fn best_between(&self, from: usize, to: usize) -> i32 {
        let (mut left, mut right, mut best) = (self.leaves + from, self.leaves + to, INFEASIBLE);
        while left < right {
            if left % 2 == 1 {
                best = best.max(self.best[left]);
                left += 1;
            }
            if right % 2 == 1 {
                right -= 1;
                best = best.max(self.best[right]);
            }
            left /= 2;
            right /= 2;
        }
        best
    }

    /// Decides as the plain look does, or `None` when no node is feasible (the plain look then makes the message).
    pub fn decide(&self, table: &NodeTable, percentage: u32, start: usize) -> Option<Decision> {
        let order = table.ordered();
        let total = self.counts.get(1).copied().unwrap_or(0) as usize;
        if total == 0 {
            return None;
        }
        let wanted = feasible_wanted(order.len(), percentage).min(total);
        let window = Window { tree: self, first: self.rank(start), total, places: order.len() };
        let last = window.place(wanted - 1);
        let enough = wanted == feasible_wanted(order.len(), percentage);
        let examined = if enough { (last + order.len() - start) % order.len() + 1 } else { order.len() };
        let node = order[window.place(window.pick(wanted))];
        Some(Decision::Node { node, next_start: (start + examined) % order.len(), nominated: false })
    }
}

/// Score of a node of a plain class, as the tree holds it: without PreferNoSchedule taints TaintToleration is flat.
fn score(facts: &ClassFacts, profile: &Profile, table: &NodeTable, number: u32, labels: &LabelSets, names: &Names) -> i32 {
    let node = table.get(number);
    if own_refusal(facts, profile, Sym::EMPTY, node, labels, names).is_some() {
        return INFEASIBLE;
    }
    (FLAT + least_allocated(facts, node) + balanced_allocation::by_default(facts, node)) as i32
}

/// The feasible nodes from the start on, round the end of the order.
struct Window<'t> {
    tree: &'t ClassTree,
    /// Rank of the first feasible node at or after the start.
    first: usize,
    total: usize,
    places: usize,
}

impl Window<'_> {
    /// Place of the nth feasible node of the window, which is shorter than the order.
    fn place(&self, nth: usize) -> usize {
        let rank = self.first + nth;
        let rank = if rank >= self.total { rank - self.total } else { rank };
        // Where all nodes are feasible, rank and place are one.
        if self.total == self.places { rank } else { self.tree.select(rank) }
    }

    /// Best score among the nodes `from..to` of the window.
    fn best(&self, from: usize, to: usize) -> i32 {
        let (first, last) = (self.place(from), self.place(to - 1));
        if first <= last {
            self.tree.best_between(first, last + 1)
        } else {
            self.tree.best_between(first, self.places).max(self.tree.best_between(0, last + 1))
        }
    }

    fn score(&self, nth: usize) -> i32 {
        self.tree.best[self.tree.leaves + self.place(nth)]
    }

    /// The first of the best in pre-order of the implicit heap over the window's first `wanted` nodes. A subtree covers one range of
    /// the list on each level, so range maxima suffice. Source: `spec/scheduler.md` §2.
    fn pick(&self, wanted: usize) -> usize {
        let best = self.best(0, wanted);
        let mut at = 0;
        while self.score(at) != best {
            let left = 2 * at + 1;
            at = if self.subtree_has(left, wanted, best) { left } else { left + 1 };
        }
        at
    }

    fn subtree_has(&self, root: usize, wanted: usize, best: i32) -> bool {
        let (mut from, mut to) = (root, root + 1);
        while from < wanted {
            if self.best(from, to.min(wanted)) == best {
                return true;
            }
            (from, to) = (2 * from + 1, 2 * to + 1);
        }
        false
    }
}
