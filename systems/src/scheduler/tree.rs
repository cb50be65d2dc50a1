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
use crate::scheduler::reach::in_pre_order;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::names::{Names, Sym};

/// Weight of TaintToleration times its score where no node has a PreferNoSchedule taint.
const FLAT: i64 = 300;
/// Score of a node that can't run the pod.
pub(super) const INFEASIBLE: i32 = -1;
/// Nodes that a tree makes room for at most; where more have come it is built anew.
const INSERTIONS_MAX: usize = 8;
/// Nodes that are looked at in the order of ties before ranges are.
const WALK_MAX: usize = 24;
/// Places in a block: what is known of a block is kept until the feasibility of one of its nodes changes.
pub(super) const BLOCK: usize = 64;

/// The tree of one class.
#[derive(Debug, Default)]
pub struct ClassTree {
    /// Leaves: places of the order, padded to a power of two.
    leaves: usize,
    places: usize,
    /// Feasible nodes below each tree node; the root is 1.
    counts: Vec<u32>,
    /// Best score below each tree node.
    best: Vec<i32>,
    /// For each block of places, the feasible ones.
    open: Vec<u64>,
    /// For each block of places, when the feasibility of one of its nodes changed last.
    stamps: Vec<u32>,
    /// The same for scores.
    marks: Vec<u32>,
    clock: u32,
    /// Entries of the table's change list taken in.
    seen: usize,
    /// The table's epoch when the tree was built.
    epoch: u64,
}

impl ClassTree {
    /// Brings the tree up to date with the table. Returns how many entries were computed anew.
    pub fn catch_up(&mut self, facts: &ClassFacts, profile: &Profile, table: &NodeTable, labels: &LabelSets, names: &Names) -> u64 {
        let insertions = table.insertions_since(self.epoch).filter(|list| list.len() <= INSERTIONS_MAX);
        let (places, behind) = (table.ordered().len(), table.changes.len().saturating_sub(self.seen));
        match insertions {
            Some(list) if behind <= places && places <= self.leaves => {
                list.iter().for_each(|&(_, place)| self.insert(place));
                self.epoch = table.epoch;
            }
            _ => {
                self.build(facts, profile, table, labels, names);
                return places as u64;
            }
        }
        let mut computed = 0;
        while self.seen < table.changes.len() {
            let number = table.changes[self.seen];
            self.seen += 1;
            if let Some(place) = table.place(number) {
                self.set(place, score(facts, profile, table, number, labels, names));
                computed += 1;
            }
        }
        computed
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
        self.clock += 1;
        let blocks = order.len().div_ceil(BLOCK);
        (self.stamps, self.marks) = (vec![self.clock; blocks], vec![self.clock; blocks]);
        self.open = vec![0; blocks];
        for place in (0..order.len()).filter(|place| self.counts[self.leaves + place] > 0) {
            self.open[place / BLOCK] |= 1 << (place % BLOCK);
        }
        self.places = order.len();
        self.seen = table.changes.len();
        self.epoch = table.epoch;
    }

    /// Makes room for a node at a place; its score follows with the changes.
    fn insert(&mut self, place: usize) {
        let (from, end) = (self.leaves + place, self.leaves + self.places);
        self.best.copy_within(from..end, from + 1);
        self.counts.copy_within(from..end, from + 1);
        (self.best[from], self.counts[from]) = (INFEASIBLE, 0);
        self.places += 1;
        let (mut first, mut last) = (from / 2, end / 2);
        while first > 0 {
            (first..=last).for_each(|at| self.pull(at));
            (first, last) = (first / 2, last / 2);
        }
        self.clock += 1;
        let (first, blocks) = (place / BLOCK, self.places.div_ceil(BLOCK));
        self.open.resize(blocks, 0);
        self.stamps.resize(blocks, 0);
        self.marks.resize(blocks, 0);
        self.stamps[first..].fill(self.clock);
        self.marks[first..].fill(self.clock);
        let mut carried = 0;
        for (nth, open) in self.open[first..].iter_mut().enumerate() {
            let before = *open;
            let kept = if nth == 0 { (1 << (place % BLOCK)) - 1 } else { 0 };
            *open = before & kept | (before & !kept) << 1 | carried;
            carried = before >> (BLOCK - 1);
        }
    }

    fn pull(&mut self, at: usize) {
        self.counts[at] = self.counts[2 * at] + self.counts[2 * at + 1];
        self.best[at] = self.best[2 * at].max(self.best[2 * at + 1]);
    }

    fn set(&mut self, place: usize, score: i32) {
        let mut at = self.leaves + place;
        let before = std::mem::replace(&mut self.best[at], score);
        if before == score {
            return;
        }
        self.clock += 1;
        self.marks[place / BLOCK] = self.clock;
        if (before == INFEASIBLE) != (score == INFEASIBLE) {
            self.stamps[place / BLOCK] = self.clock;
            self.open[place / BLOCK] ^= 1 << (place % BLOCK);
        }
        self.counts[at] = u32::from(score != INFEASIBLE);
        while at > 1 {
            at /= 2;
            let before = (self.counts[at], self.best[at]);
            self.pull(at);
            if before == (self.counts[at], self.best[at]) {
                break;
            }
        }
    }

    /// Score of the node at a place; [`INFEASIBLE`] when it can't run the pod.
    pub(super) fn score_at(&self, place: usize) -> i32 {
        self.best[self.leaves + place]
    }

    /// Scores of the nodes at places `from..to`.
    pub(super) fn scores_between(&self, from: usize, to: usize) -> &[i32] {
        &self.best[self.leaves + from..self.leaves + to]
    }

    /// For each block, when the feasibility of one of its nodes changed last.
    pub(super) fn stamps(&self) -> &[u32] {
        &self.stamps
    }

    /// For each block, when the score of one of its nodes changed last.
    pub(super) fn marks(&self) -> &[u32] {
        &self.marks
    }

    /// The feasible places of a block.
    pub(super) fn open(&self, block: usize) -> u64 {
        self.open[block]
    }

    /// Scores of the nodes of a block.
    pub(super) fn scores_of_block(&self, block: usize) -> &[i32] {
        self.scores_between(block * BLOCK, ((block + 1) * BLOCK).min(self.leaves))
    }

    /// The feasible nodes that a decision looks at; `None` when there are none.
    pub(super) fn window(&self, table: &NodeTable, percentage: u32, start: usize) -> Option<Window<'_>> {
        let total = self.counts.get(1).copied().unwrap_or(0) as usize;
        let places = table.ordered().len();
        let enough = feasible_wanted(places, percentage);
        let len = enough.min(total);
        // Where all nodes are feasible, rank and place are one.
        let first = || if total == places { start } else { self.rank(start) };
        (total > 0).then(|| Window { tree: self, first: first(), total, places, len, start, enough: len == enough })
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

    /// Decides as the plain look does, or `None` when no node is feasible (the plain look then makes the message).
    pub fn decide(&self, table: &NodeTable, percentage: u32, start: usize) -> Option<Decision> {
        let window = self.window(table, percentage, start)?;
        let node = table.ordered()[window.place(window.pick())];
        Some(Decision::Node { node, next_start: window.next_start(), nominated: false })
    }
}

/// Best score at places `from..to`.
fn best_between(tree: &[i32], leaves: usize, from: usize, to: usize) -> i32 {
    let (mut left, mut right, mut best) = (leaves + from, leaves + to, INFEASIBLE);
    while left < right {
        if left % 2 == 1 {
            best = best.max(tree[left]);
            left += 1;
        }
        if right % 2 == 1 {
            right -= 1;
            best = best.max(tree[right]);
        }
        left /= 2;
        right /= 2;
    }
    best
}

/// Score of a node of a plain class, as the tree holds it: without PreferNoSchedule taints TaintToleration is flat.
fn score(facts: &ClassFacts, profile: &Profile, table: &NodeTable, number: u32, labels: &LabelSets, names: &Names) -> i32 {
    let node = table.get(number);
    if own_refusal(facts, profile, Sym::EMPTY, node, labels, names).is_some() {
        return INFEASIBLE;
    }
    (FLAT + least_allocated(facts, node) + balanced_allocation::by_default(facts, node)) as i32
}

/// The feasible nodes from the start on, round the end of the order, as many as are enough.
pub(super) struct Window<'t> {
    tree: &'t ClassTree,
    /// Rank of the first feasible node at or after the start.
    first: usize,
    total: usize,
    places: usize,
    start: usize,
    /// Number of nodes; at least one.
    pub(super) len: usize,
    /// Whether those are as many as are enough, so that the look stops at the last one.
    enough: bool,
}

impl Window<'_> {
    /// Place of the nth feasible node of the window, which is shorter than the order.
    pub(super) fn place(&self, nth: usize) -> usize {
        let rank = self.first + nth;
        let rank = if rank >= self.total { rank - self.total } else { rank };
        if self.total == self.places { rank } else { self.tree.select(rank) }
    }

    /// Where the next decision starts to look.
    pub(super) fn next_start(&self) -> usize {
        let last = self.place(self.len - 1);
        let examined = if self.enough { (last + self.places - self.start) % self.places + 1 } else { self.places };
        (self.start + examined) % self.places
    }

    /// The nodes `from..to` of the window as ranges of places, the second after the end of the order was passed.
    pub(super) fn ranges(&self, from: usize, to: usize) -> [(usize, usize); 2] {
        let (first, last) = (self.place(from), self.place(to - 1));
        if first <= last { [(first, last + 1), (0, 0)] } else { [(first, self.places), (0, last + 1)] }
    }

    /// Best score among the nodes `from..to` of the window.
    fn best(&self, from: usize, to: usize) -> i32 {
        let ranges = self.ranges(from, to);
        ranges.into_iter().map(|(from, to)| best_between(&self.tree.best, self.tree.leaves, from, to)).max().unwrap_or(INFEASIBLE)
    }

    fn score(&self, nth: usize) -> i32 {
        self.tree.score_at(self.place(nth))
    }

    /// The first of the best in pre-order of the implicit heap over the window. A subtree covers one range of the list on each level, so
    /// range maxima suffice. Source: `spec/scheduler.md` §2.
    fn pick(&self) -> usize {
        let best = self.best(0, self.len);
        // Where many are the best, the first is near.
        if let Some(at) = in_pre_order(self.len).take(WALK_MAX).find(|&at| self.score(at) == best) {
            return at;
        }
        let mut at = 0;
        while self.score(at) != best {
            let left = 2 * at + 1;
            at = if self.below(left, |from, to| self.best(from, to) == best) { left } else { left + 1 };
        }
        at
    }

    /// Whether any of the ranges that a heap's subtree covers satisfies a test.
    pub(super) fn below(&self, root: usize, test: impl Fn(usize, usize) -> bool) -> bool {
        let (mut from, mut to) = (root, root + 1);
        while from < self.len {
            if test(from, to.min(self.len)) {
                return true;
            }
            (from, to) = (2 * from + 1, 2 * to + 1);
        }
        false
    }
}
