//! Nodes by cell: what decisions by change know of every block of 64 places, apart for nodes that share their values of a few labels.

use crate::scheduler::tree::{BLOCK, ClassTree, INFEASIBLE};
use smallvec::SmallVec;
use std::ops::Range;

/// Cells that are told apart at most; what has more of them is decided by a look at each node.
pub(super) const CELLS_MAX: usize = 8;

/// Nodes grouped by the domains that they are in.
#[derive(Debug, Default)]
pub(super) struct Cells {
    of_place: Vec<u8>,
    /// The domains of each cell, one for each list that the cells were made of.
    domains: Vec<SmallVec<[u32; 2]>>,
    /// For each block, and in it for each cell, the places that belong to it.
    places: Vec<u64>,
}

impl Cells {
    /// Groups places by their domains in each of `lists`; `None` when more than [`CELLS_MAX`] combinations occur among `places` places.
    pub(super) fn of(lists: &[&[u32]], places: usize) -> Option<Cells> {
        let (mut of_place, mut domains) = (Vec::with_capacity(places), Vec::<SmallVec<[u32; 2]>>::new());
        for place in 0..places {
            let is_here = |cell: &SmallVec<[u32; 2]>| cell.iter().zip(lists).all(|(domain, list)| *domain == list[place]);
            let cell = match domains.iter().position(is_here) {
                Some(cell) => cell,
                None if domains.len() == CELLS_MAX => return None,
                None => {
                    domains.push(lists.iter().map(|list| list[place]).collect());
                    domains.len() - 1
                }
            };
            of_place.push(cell as u8);
        }
        let mut bits = vec![0; places.div_ceil(BLOCK) * domains.len()];
        for (place, &cell) in of_place.iter().enumerate() {
            bits[place / BLOCK * domains.len() + usize::from(cell)] |= 1 << (place % BLOCK);
        }
        Some(Cells { of_place, domains, places: bits })
    }

    /// Number of cells.
    pub(super) fn len(&self) -> usize {
        self.domains.len()
    }

    /// Number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.of_place.len().div_ceil(BLOCK)
    }

    /// Cell of the node at a place.
    pub(super) fn at(&self, place: usize) -> usize {
        usize::from(self.of_place[place])
    }

    /// The domains of a cell, in the order of the lists that the cells were made of.
    pub(super) fn domains(&self, cell: usize) -> &[u32] {
        &self.domains[cell]
    }

    /// Places of a block that belong to each cell.
    pub(super) fn in_block(&self, block: usize) -> &[u64] {
        &self.places[block * self.len()..(block + 1) * self.len()]
    }
}

/// Bound of a cell that has no node in a block.
pub(super) const NOWHERE: i16 = i16::MIN / 2;

/// Best score of the class's own among each cell's nodes, by block.
#[derive(Debug, Default)]
pub(super) struct Tops {
    /// For each block, the tree's mark when its scores were taken.
    seen: Vec<u32>,
    /// For each cell, and in it for each block; [`NOWHERE`] where no node can run the pod.
    best: Vec<i16>,
    /// Number of cells.
    width: usize,
    /// For each block, and in it for each cell, the places that have it.
    places: Vec<u64>,
}

impl Tops {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.best.clear();
        self.places.clear();
    }

    /// Brings blocks up to date.
    pub(super) fn catch_up(&mut self, blocks: Range<usize>, tree: &ClassTree, cells: &Cells) {
        let all = cells.blocks();
        if self.seen.len() != all {
            (self.seen, self.width) = (vec![0; all], cells.len());
            self.best = vec![NOWHERE; all * cells.len()];
            self.places = vec![0; all * cells.len()];
        }
        for block in stale(&self.seen, tree.marks(), blocks) {
            self.seen[block] = tree.marks()[block];
            let scores = || tree.scores_of_block(block).iter().zip(&cells.of_place[block * BLOCK..]);
            let (mut best, mut places) = ([INFEASIBLE; CELLS_MAX], [0; CELLS_MAX]);
            for (&score, &cell) in scores() {
                let best = &mut best[usize::from(cell)];
                *best = score.max(*best);
            }
            for (nth, (&score, &cell)) in scores().enumerate() {
                places[usize::from(cell)] |= u64::from(score == best[usize::from(cell)]) << nth;
            }
            for cell in 0..cells.len() {
                let feasible = best[cell] != INFEASIBLE;
                self.best[cell * all + block] = if feasible { best[cell] } else { NOWHERE };
                self.places[block * cells.len() + cell] = if feasible { places[cell] } else { 0 };
            }
        }
    }

    /// Best scores of a cell by block.
    pub(super) fn of(&self, cell: usize) -> &[i16] {
        &self.best[cell * self.seen.len()..(cell + 1) * self.seen.len()]
    }

    /// The places of a block that have the best score of a cell.
    pub(super) fn places(&self, cell: usize, block: usize) -> u64 {
        self.places[block * self.width + cell]
    }
}

/// Blocks of a range whose marks are not those that were seen.
fn stale<'s>(seen: &'s [u32], marks: &'s [u32], blocks: Range<usize>) -> SmallVec<[usize; 8]> {
    if seen[blocks.clone()] == marks[blocks.clone()] {
        return SmallVec::new();
    }
    blocks.filter(|&block| seen[block] != marks[block]).collect()
}

/// Least and most of what is counted on a node; least above most when there is no node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) least: i16,
    pub(super) most: i16,
}

impl Span {
    pub(super) const NONE: Span = Span { least: i16::MAX, most: -1 };
    /// Most pods on a node that are told apart.
    const PODS_MAX: u32 = 30_000;

    pub(super) fn add(&mut self, pods: i16) {
        self.least = self.least.min(pods);
        self.most = self.most.max(pods);
    }

    pub(super) fn join(&mut self, least: i16, most: i16) {
        self.least = self.least.min(least);
        self.most = self.most.max(most);
    }

    pub(super) fn any(self) -> bool {
        self.least <= self.most
    }
}

/// Spans of pods on the nodes of each cell that can run the pod, by block.
#[derive(Debug, Default)]
pub(super) struct Spans {
    /// For each block, the tree's stamp when its spans were taken; 0: they are out of date.
    stamps: Vec<u32>,
    /// For each block, how often it changed.
    rounds: Vec<u32>,
    /// For each block, the places whose nodes could run the pod when its spans were taken.
    open: Vec<u64>,
    /// For each cell, and in it for each block; as in [`Span::NONE`] where there is no node.
    least: Vec<i16>,
    most: Vec<i16>,
    /// Number of cells.
    width: usize,
    /// For each block, and in it for each cell.
    places: Vec<OfExtremes>,
    /// Whether more pods were counted on a node than spans can tell, at any time since they were last cleared.
    pub(super) too_many: bool,
}

/// The places of a block that have the least and the most of a cell.
#[derive(Debug, Clone, Copy, Default)]
struct OfExtremes {
    least: u64,
    most: u64,
}

impl Spans {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.stamps.clear();
        self.too_many = false;
    }

    /// Takes in that one pod more is counted on the node at a place, which is in a cell.
    pub(super) fn one_more(&mut self, place: usize, cell: usize, pods: u32) {
        let (block, bit) = (place / BLOCK, 1 << (place % BLOCK));
        if self.stamps.get(block).is_none_or(|stamp| *stamp == 0) || self.open[block] & bit == 0 {
            return;
        }
        self.too_many |= pods > Span::PODS_MAX;
        let (at, pods) = (cell * self.stamps.len() + block, pods as i16);
        let places = &mut self.places[block * self.width + cell];
        self.rounds[block] += 1;
        places.least &= !bit;
        if places.least == 0 {
            // It was the only one with the least.
            self.stamps[block] = 0;
        }
        if pods > self.most[at] {
            (self.most[at], places.most) = (pods, 0);
        }
        if pods == self.most[at] {
            places.most |= bit;
        }
    }

    /// Notes that a count on the node at a place, or whether it can run the pod, has changed.
    pub(super) fn spoil(&mut self, place: usize) {
        if let Some(stamp) = self.stamps.get_mut(place / BLOCK) {
            *stamp = 0;
        }
    }

    /// Brings blocks up to date. `open`: the places of a block whose nodes can run the pod.
    pub(super) fn catch_up(&mut self, blocks: Range<usize>, tree: &ClassTree, cells: &Cells, counted: &[u32], open: impl Fn(usize) -> u64) {
        let all = cells.blocks();
        if self.stamps.len() != all {
            (self.stamps, self.width) = (vec![0; all], cells.len());
            // Of no use again what was made of them before.
            let next = self.rounds.iter().max().map_or(1, |round| round + 1);
            self.rounds = vec![next; all];
            self.open = vec![0; all];
            self.least = vec![Span::NONE.least; all * cells.len()];
            self.most = vec![Span::NONE.most; all * cells.len()];
            self.places = vec![OfExtremes::default(); all * cells.len()];
        }
        for block in stale(&self.stamps, tree.stamps(), blocks) {
            self.stamps[block] = tree.stamps()[block];
            self.rounds[block] += 1;
            self.open[block] = open(block);
            let (mut spans, mut places) = ([Span::NONE; CELLS_MAX], [OfExtremes::default(); CELLS_MAX]);
            each(block, self.open[block], |place| {
                self.too_many |= counted[place] > Span::PODS_MAX;
                let (cell, pods) = (cells.at(place), counted[place] as i16);
                let (span, places) = (&mut spans[cell], &mut places[cell]);
                if pods < span.least {
                    places.least = 0;
                }
                if pods > span.most {
                    places.most = 0;
                }
                span.add(pods);
                places.least |= u64::from(pods == span.least) << (place % BLOCK);
                places.most |= u64::from(pods == span.most) << (place % BLOCK);
            });
            for cell in 0..cells.len() {
                let at = cell * all + block;
                (self.least[at], self.most[at]) = (spans[cell].least, spans[cell].most);
                self.places[block * cells.len() + cell] = places[cell];
            }
        }
    }

    /// How often the spans of a block changed.
    pub(super) fn round(&self, block: usize) -> u32 {
        self.rounds[block]
    }

    /// Least counts of a cell by block.
    pub(super) fn least(&self, cell: usize) -> &[i16] {
        &self.least[cell * self.stamps.len()..(cell + 1) * self.stamps.len()]
    }

    /// Highest counts of a cell by block.
    pub(super) fn most(&self, cell: usize) -> &[i16] {
        &self.most[cell * self.stamps.len()..(cell + 1) * self.stamps.len()]
    }

    fn of_extremes(&self, cell: usize, block: usize) -> OfExtremes {
        self.places[block * self.width + cell]
    }

    /// The places of a block that have the least count of a cell.
    pub(super) fn places(&self, cell: usize, block: usize) -> u64 {
        self.of_extremes(cell, block).least
    }

    /// The span of some places of a block, all of a cell and able to run the pod; `None` when what is known of the block does not say.
    pub(super) fn of_part(&self, cell: usize, block: usize, places: u64) -> Option<Span> {
        let (at, of_extremes) = (cell * self.stamps.len() + block, self.of_extremes(cell, block));
        let known = of_extremes.least & places != 0 && of_extremes.most & places != 0;
        known.then(|| Span { least: self.least[at], most: self.most[at] })
    }
}

/// Calls `act` with each place of a block that is among `places`, in order.
pub(super) fn each(block: usize, mut places: u64, mut act: impl FnMut(usize)) {
    while places != 0 {
        act(block * BLOCK + places.trailing_zeros() as usize);
        places &= places - 1;
    }
}
