//! Class trees: for one class of pods, feasibility and score of every node, and what ranges of nodes have of both.
//!
//! Nodes lie in blocks of 64 places and chunks of eight blocks. A bind changes one node, and with it what its block and its chunk know; a
//! decision finds the sampled window by counting feasible nodes and the best one by the blocks and chunks in it. The answer is that of
//! [`crate::scheduler::cycle::decide`], which a property test holds it to.

use crate::scheduler::cycle::{Decision, feasible_wanted};
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::filter::own_refusal;
use crate::scheduler::nodes::NodeTable;
use crate::scheduler::plugins::balanced_allocation;
use crate::scheduler::plugins::node_resources_fit::least_allocated;
use crate::scheduler::profile::Profile;
use crate::scheduler::reach::select;
use std::ops::Range;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::names::{Names, Sym};

/// Weight of TaintToleration times its score where no node has a PreferNoSchedule taint.
const FLAT: i64 = 300;
/// Score of a node that can't run the pod. Scores are at most 500, so that many fit a register.
pub(super) const INFEASIBLE: i16 = -1;
/// Nodes that a tree makes room for at most; where more have come it is built anew.
const INSERTIONS_MAX: usize = 8;
/// Places in a block.
pub(super) const BLOCK: usize = 64;
/// Blocks in a chunk.
const CHUNK: usize = 8;
/// Chunks whose feasible nodes are summed at once in the search for one of them.
const STRIDE: usize = 16;

/// The tree of one class.
#[derive(Debug, Default)]
pub struct ClassTree {
    /// Score of the node at each place, filled up with [`INFEASIBLE`] to whole blocks.
    scores: Vec<i16>,
    places: usize,
    /// Feasible nodes.
    total: usize,
    /// For each block of places, the feasible ones.
    open: Vec<u64>,
    /// For each block, the best score of its nodes.
    best: Vec<i16>,
    /// For each block, the places that have it; none when none is feasible.
    best_places: Vec<u64>,
    /// For each block, when the feasibility of one of its nodes changed last.
    stamps: Vec<u32>,
    /// The same for scores.
    marks: Vec<u32>,
    /// For each chunk, its feasible nodes.
    chunk_open: Vec<u32>,
    /// For each chunk, the best score of its nodes.
    chunk_best: Vec<i16>,
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
            Some(list) if behind <= places && self.epoch > 0 => {
                list.iter().for_each(|&(_, place)| self.scores.insert(place, INFEASIBLE));
                if let Some(first) = list.iter().map(|&(_, place)| place).min() {
                    self.lay_out(first, places);
                }
                self.epoch = table.epoch;
            }
            _ => {
                let score = |&number: &u32| score(facts, profile, table, number, labels, names);
                self.scores.clear();
                self.scores.extend(table.ordered().iter().map(score));
                self.lay_out(0, places);
                (self.seen, self.epoch) = (table.changes.len(), table.epoch);
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

    /// Works out blocks and chunks from the scores of nodes, from a place on.
    fn lay_out(&mut self, from: usize, places: usize) {
        let (chunk, chunks, blocks) = (from / BLOCK / CHUNK, places.div_ceil(BLOCK * CHUNK), places.div_ceil(BLOCK));
        self.places = places;
        self.scores.resize(places, INFEASIBLE);
        self.scores.resize(blocks * BLOCK, INFEASIBLE);
        self.clock += 1;
        self.open.resize(blocks, 0);
        self.best.resize(blocks, INFEASIBLE);
        self.best_places.resize(blocks, 0);
        self.stamps.resize(blocks, 0);
        self.marks.resize(blocks, 0);
        self.chunk_open.resize(chunks, 0);
        self.chunk_best.resize(chunks, INFEASIBLE);
        for chunk in chunk..chunks {
            let blocks = chunk * CHUNK..((chunk + 1) * CHUNK).min(blocks);
            for block in blocks.clone() {
                self.open[block] = bits(self.scores_of_block(block), |score| score != INFEASIBLE);
                self.find_best(block);
            }
            self.stamps[blocks.clone()].fill(self.clock);
            self.marks[blocks.clone()].fill(self.clock);
            self.chunk_open[chunk] = self.open[blocks.clone()].iter().map(|open| open.count_ones()).sum();
            self.chunk_best[chunk] = highest(&self.best[blocks]);
        }
        self.total = self.chunk_open.iter().sum::<u32>() as usize;
    }

    /// Looks for the best nodes of a block.
    fn find_best(&mut self, block: usize) {
        let scores = self.scores_of_block(block);
        let best = highest(scores);
        self.best_places[block] = if best == INFEASIBLE { 0 } else { bits(scores, |score| score == best) };
        self.best[block] = best;
    }

    fn set(&mut self, place: usize, score: i16) {
        let before = std::mem::replace(&mut self.scores[place], score);
        if before == score {
            return;
        }
        let (block, chunk, bit) = (place / BLOCK, place / BLOCK / CHUNK, 1 << (place % BLOCK));
        self.clock += 1;
        self.marks[block] = self.clock;
        if (before == INFEASIBLE) != (score == INFEASIBLE) {
            self.stamps[block] = self.clock;
            self.open[block] ^= bit;
            let change = if score == INFEASIBLE { -1 } else { 1 };
            self.chunk_open[chunk] = self.chunk_open[chunk].wrapping_add_signed(change);
            self.total = self.total.wrapping_add_signed(change as isize);
        }
        let best = self.best[block];
        if score > best {
            (self.best[block], self.best_places[block]) = (score, bit);
            self.chunk_best[chunk] = self.chunk_best[chunk].max(score);
        } else if score == best {
            self.best_places[block] |= bit;
        } else {
            self.best_places[block] &= !bit;
            if self.best_places[block] == 0 {
                self.find_best(block);
                let blocks = chunk * CHUNK..((chunk + 1) * CHUNK).min(self.best.len());
                self.chunk_best[chunk] = highest(&self.best[blocks]);
            }
        }
    }

    /// Score of the node at a place; [`INFEASIBLE`] when it can't run the pod.
    pub(super) fn score_at(&self, place: usize) -> i16 {
        self.scores[place]
    }

    /// Scores of the nodes at places `from..to`.
    pub(super) fn scores_between(&self, from: usize, to: usize) -> &[i16] {
        &self.scores[from..to]
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
    pub(super) fn scores_of_block(&self, block: usize) -> &[i16] {
        self.scores_between(block * BLOCK, (block + 1) * BLOCK)
    }

    /// Feasible nodes at places before `place`.
    fn rank(&self, place: usize) -> usize {
        let block = place / BLOCK;
        let chunks: u32 = self.chunk_open[..block / CHUNK].iter().sum();
        let blocks: u32 = self.open[block / CHUNK * CHUNK..block].iter().map(|open| open.count_ones()).sum();
        let rest = (self.open[block] & !(u64::MAX << (place % BLOCK))).count_ones();
        (chunks + blocks + rest) as usize
    }

    /// Place of the feasible node with a rank, which must exist.
    fn select(&self, rank: usize) -> usize {
        let (mut rest, mut chunk) = (rank as u32, 0);
        for stride in self.chunk_open.chunks(STRIDE) {
            let open = stride.iter().sum();
            if rest < open {
                break;
            }
            rest -= open;
            chunk += STRIDE;
        }
        while rest >= self.chunk_open[chunk] {
            rest -= self.chunk_open[chunk];
            chunk += 1;
        }
        let mut block = chunk * CHUNK;
        while rest >= self.open[block].count_ones() {
            rest -= self.open[block].count_ones();
            block += 1;
        }
        block * BLOCK + select(self.open[block], rest as usize)
    }

    /// Best score at some places of a block.
    fn best_among(&self, block: usize, places: u64) -> i16 {
        if self.best_places[block] & places != 0 {
            return self.best[block];
        }
        let among = (0..).zip(self.scores_of_block(block)).filter(|(nth, _)| places >> nth & 1 == 1);
        among.map(|(_, score)| *score).max().unwrap_or(INFEASIBLE)
    }

    /// Best score at some places, of which there is one at least.
    fn best_between(&self, places: Range<usize>) -> i16 {
        let (first, last) = (places.start / BLOCK, (places.end - 1) / BLOCK);
        let (from, to) = ends(&places);
        if first == last {
            return self.best_among(first, from & to);
        }
        let edges = self.best_among(first, from).max(self.best_among(last, to));
        let (chunk_from, chunk_to) = ((first + 1).div_ceil(CHUNK), last / CHUNK);
        if chunk_from >= chunk_to {
            return edges.max(highest(&self.best[first + 1..last]));
        }
        let chunks = highest(&self.chunk_best[chunk_from..chunk_to]);
        let before = highest(&self.best[first + 1..chunk_from * CHUNK]);
        edges.max(chunks).max(before).max(highest(&self.best[chunk_to * CHUNK..last]))
    }

    /// The first of some places, of which there is one at least, with a score.
    fn first_between(&self, places: Range<usize>, score: i16) -> Option<usize> {
        let (first, last) = (places.start / BLOCK, (places.end - 1) / BLOCK);
        let (from, to) = ends(&places);
        let mut block = first;
        while block <= last {
            if block % CHUNK == 0 && self.chunk_best[block / CHUNK] < score {
                block += CHUNK;
                continue;
            }
            if self.best[block] >= score {
                let looked_at = if block == first { from } else { u64::MAX } & if block == last { to } else { u64::MAX };
                // What has a better one is looked at in part.
                let equal =
                    if self.best[block] == score { self.best_places[block] } else { bits(self.scores_of_block(block), |own| own == score) };
                if equal & looked_at != 0 {
                    return Some(block * BLOCK + (equal & looked_at).trailing_zeros() as usize);
                }
            }
            block += 1;
        }
        None
    }

    /// The feasible nodes that a decision looks at; `None` when there are none.
    fn window(&self, percentage: u32, start: usize) -> Option<Window<'_>> {
        let enough = feasible_wanted(self.places, percentage);
        let len = enough.min(self.total);
        // Where all nodes are feasible, rank and place are one.
        let first = || if self.total == self.places { start } else { self.rank(start) };
        (self.total > 0).then(|| Window { tree: self, first: first(), len, start, enough: len == enough })
    }

    /// Decides as the plain look does, or `None` when no node is feasible (the plain look then makes the message).
    pub fn decide(&self, table: &NodeTable, percentage: u32, start: usize) -> Option<Decision> {
        let window = self.window(percentage, start)?;
        let node = table.ordered()[window.place(window.pick())];
        Some(Decision::Node { node, next_start: window.next_start(), nominated: false })
    }
}

/// The highest of some scores.
fn highest(scores: &[i16]) -> i16 {
    scores.iter().fold(INFEASIBLE, |best, &score| best.max(score))
}

/// Which scores of a block satisfy a test.
fn bits(scores: &[i16], test: impl Fn(i16) -> bool) -> u64 {
    scores.iter().enumerate().fold(0, |bits, (nth, &score)| bits | u64::from(test(score)) << nth)
}

/// What a range of places has of its first and of its last block.
fn ends(places: &Range<usize>) -> (u64, u64) {
    (u64::MAX << (places.start % BLOCK), u64::MAX >> (BLOCK - 1 - (places.end - 1) % BLOCK))
}

/// Score of a node of a plain class, as the tree holds it: without PreferNoSchedule taints TaintToleration is flat.
fn score(facts: &ClassFacts, profile: &Profile, table: &NodeTable, number: u32, labels: &LabelSets, names: &Names) -> i16 {
    let node = table.get(number);
    if own_refusal(facts, profile, Sym::EMPTY, node, labels, names).is_some() {
        return INFEASIBLE;
    }
    (FLAT + least_allocated(facts, node) + balanced_allocation::by_default(facts, node)) as i16
}

/// The feasible nodes from the start on, round the end of the order, as many as are enough.
struct Window<'t> {
    tree: &'t ClassTree,
    /// Rank of the first feasible node at or after the start.
    first: usize,
    start: usize,
    /// Number of nodes; at least one.
    len: usize,
    /// Whether those are as many as are enough, so that the look stops at the last one.
    enough: bool,
}

impl Window<'_> {
    /// Place of the nth feasible node of the window.
    fn place(&self, nth: usize) -> usize {
        let (rank, total) = (self.first + nth, self.tree.total);
        let rank = if rank >= total { rank - total } else { rank };
        if total == self.tree.places { rank } else { self.tree.select(rank) }
    }

    /// Which feasible node of the window is at a place.
    fn nth(&self, place: usize) -> usize {
        let total = self.tree.total;
        let rank = if total == self.tree.places { place } else { self.tree.rank(place) };
        if rank >= self.first { rank - self.first } else { rank + total - self.first }
    }

    /// Where the next decision starts to look.
    fn next_start(&self) -> usize {
        let (last, places) = (self.place(self.len - 1), self.tree.places);
        let examined = if self.enough { (last + places - self.start) % places + 1 } else { places };
        (self.start + examined) % places
    }

    /// The nodes `from..=to` of the window as ranges of places, the second after the end of the order was passed.
    fn ranges(&self, from: usize, to: usize) -> impl Iterator<Item = Range<usize>> {
        let (first, last) = (self.place(from), self.place(to));
        let ranges = if first <= last { [first..last + 1, 0..0] } else { [first..self.tree.places, 0..last + 1] };
        ranges.into_iter().filter(|range| !range.is_empty())
    }

    /// The first of the best in pre-order of the implicit heap over the window. Source: `spec/scheduler.md` §2.
    ///
    /// The levels of the heap are ranges of the list, and in each the first in the list is the first in pre-order. The lowest level says
    /// which part of the next one comes before its own first, and so on up.
    fn pick(&self) -> usize {
        let best = self.ranges(0, self.len - 1).map(|places| self.tree.best_between(places)).max().unwrap_or(INFEASIBLE);
        if self.tree.score_at(self.place(0)) == best {
            return 0;
        }
        // Counted from one, parents are halves of their children.
        let mut found: Option<usize> = None;
        for level in (1..=self.len.ilog2()).rev() {
            let last = found.map_or((2 << level) - 1, |found| found >> (found.ilog2() - level)).min(self.len);
            let mut ranges = self.ranges((1 << level) - 1, last - 1);
            if let Some(place) = ranges.find_map(|places| self.tree.first_between(places, best)) {
                found = Some(self.nth(place) + 1);
            }
        }
        found.map_or(0, |found| found - 1)
    }
}
