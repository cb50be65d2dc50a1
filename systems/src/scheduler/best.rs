//! The best node of those that a decision looks at, by blocks: what spreading adds to the class's own score depends on a node's cell and
//! on the pods counted on it alone, so that the best of each cell in a block bounds the block, and few nodes are looked at one by one.

use crate::scheduler::cells::{CELLS_MAX, Cells, Span, Spans, Tops, each};
use crate::scheduler::plugins::pod_topology_spread::{Weights, normalize, raw_score};
use crate::scheduler::reach::{Reach, Segment, first_in_pre_order, in_pre_order, pre_order};
use crate::scheduler::tree::{BLOCK, ClassTree};
use smallvec::SmallVec;

/// Weight of PodTopologySpread.
const WEIGHT: i64 = 2;
/// Nodes that are looked at in the order of ties before the blocks are.
const WALK_MAX: usize = 8;
/// Numbers of pods, from a cell's least on, for which what spreading adds is worked out beforehand.
const READY: usize = 8;

/// A soft spread constraint: its `maxSkew`, and where its pods are counted.
#[derive(Debug, Clone)]
pub(super) enum Soft {
    /// On each node.
    Node(i64),
    /// In domains that are whole cells: domain and pods of each cell, `None` where its nodes lack the key.
    Cells(i64, SmallVec<[(u32, Option<i64>); CELLS_MAX]>),
}

/// What a decision is taken by.
pub(super) struct Field<'f> {
    pub(super) tree: &'f ClassTree,
    pub(super) cells: &'f Cells,
    pub(super) reach: &'f Reach,
    /// Soft constraints, in their order.
    pub(super) soft: &'f [Soft],
    /// Pods counted on the node at each place; empty where no constraint counts on nodes.
    pub(super) counted: &'f [u32],
    /// Whether nodes of a cell are among those looked at, as far as the cell goes.
    pub(super) allowed: [bool; CELLS_MAX],
}

/// What is kept between decisions of one kind.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) spans: Spans,
    /// Upper bounds of the segments of the present decision.
    bounds: Vec<i64>,
}

impl Field<'_> {
    /// Place of the best node: among equals the first in pre-order of the implicit heap over those looked at, of which there is one at
    /// least. `open`: as for [`Reach::fill`], without regard to cells. Returns how many nodes were looked at one by one, too.
    pub(super) fn best(&self, kept: &mut Kept, tops: &mut Tops, open: impl Fn(usize) -> u64) -> (usize, u64) {
        if self.reach.len == 1 {
            return (self.reach.place(0), 0);
        }
        let spans = self.spans(&mut kept.spans, &open);
        let judge = Judge::new(self, spans);
        let bound = judge.bound(kept, tops, &open);
        for (walked, at) in in_pre_order(self.reach.len).take(WALK_MAX).enumerate() {
            let place = self.reach.place(at);
            if judge.total(place) == bound {
                return (place, walked as u64 + 1);
            }
        }
        let (at, looked) = judge.search(&kept.bounds, bound);
        (self.reach.place(at), looked + WALK_MAX as u64)
    }

    fn by_node(&self) -> bool {
        !self.counted.is_empty()
    }

    #[inline]
    fn pods(&self, place: usize) -> u32 {
        self.counted.get(place).copied().unwrap_or(0)
    }

    /// Extremes of each cell among the nodes looked at.
    fn spans(&self, kept: &mut Spans, open: &impl Fn(usize) -> u64) -> [Span; CELLS_MAX] {
        let (mut spans, by_node) = ([Span::NONE; CELLS_MAX], self.by_node());
        for segment in &self.reach.segments {
            match (by_node, segment.whole) {
                (false, _) => {
                    let present = spans.iter_mut().zip(self.cells.in_block(segment.block));
                    present.filter(|(_, places)| *places & segment.places != 0).for_each(|(span, _)| span.add(0));
                }
                (true, true) => {
                    let of_block = kept.of(segment.block, self.tree.stamp(segment.block), open(segment.block), self.cells, self.counted);
                    let allowed = spans.iter_mut().zip(of_block).zip(self.allowed).filter(|(_, allowed)| *allowed);
                    allowed.for_each(|((all, one), _)| all.join(*one));
                }
                (true, false) => each(segment.block, segment.places, |place| spans[self.cells.at(place)].add(self.pods(place))),
            }
        }
        spans
    }
}

/// Totals of one decision.
struct Judge<'j> {
    field: &'j Field<'j>,
    spans: [Span; CELLS_MAX],
    weights: Weights,
    least: i64,
    most: i64,
    /// What spreading adds, by cell and by pods beyond the cell's least number.
    ready: [[i64; READY]; CELLS_MAX],
}

impl<'j> Judge<'j> {
    fn new(field: &'j Field<'j>, spans: [Span; CELLS_MAX]) -> Judge<'j> {
        let domains = |values: &[(u32, Option<i64>)]| {
            let there = |cell: usize| spans[cell].any();
            (0..values.len())
                .filter(|&cell| there(cell) && !(0..cell).any(|other| there(other) && values[other].0 == values[cell].0))
                .count()
        };
        let weights = Weights::new(field.soft.iter().map(|soft| match soft {
            Soft::Node(skew) => (field.reach.len, *skew),
            Soft::Cells(skew, values) => (domains(values), *skew),
        }));
        let (least, most, ready) = (i64::MAX, i64::MIN, [[0; READY]; CELLS_MAX]);
        let mut judge = Judge { field, spans, weights, least, most, ready };
        if field.soft.is_empty() {
            return judge;
        }
        let there: SmallVec<[usize; CELLS_MAX]> = (0..CELLS_MAX).filter(|&cell| spans[cell].any()).collect();
        for &cell in &there {
            judge.least = judge.least.min(judge.raw(cell, spans[cell].least));
            judge.most = judge.most.max(judge.raw(cell, spans[cell].most));
        }
        for &cell in &there {
            let Span { least, most } = spans[cell];
            for pods in least..=most.min(least + READY as u32 - 1) {
                judge.ready[cell][(pods - least) as usize] = judge.work_out(cell, pods);
            }
        }
        judge
    }

    fn raw(&self, cell: usize, pods: u32) -> i64 {
        let counts = self.field.soft.iter().map(|soft| match soft {
            Soft::Node(_) => Some(i64::from(pods)),
            Soft::Cells(_, values) => values[cell].1,
        });
        raw_score(&self.weights, counts)
    }

    #[inline]
    fn added(&self, cell: usize, pods: u32) -> i64 {
        match self.ready[cell].get((pods - self.spans[cell].least) as usize) {
            Some(added) => *added,
            None => self.work_out(cell, pods),
        }
    }

    #[cold]
    #[inline(never)]
    fn work_out(&self, cell: usize, pods: u32) -> i64 {
        WEIGHT * normalize(self.raw(cell, pods), self.least, self.most)
    }

    #[inline]
    fn total(&self, place: usize) -> i64 {
        i64::from(self.field.tree.score_at(place)) + self.added(self.field.cells.at(place), self.field.pods(place))
    }

    /// Upper bounds of all segments, and the highest of them: no node has a higher total, since more pods never add more.
    fn bound(&self, kept: &mut Kept, tops: &mut Tops, open: &impl Fn(usize) -> u64) -> i64 {
        let (field, mut highest) = (self.field, i64::MIN);
        kept.bounds.clear();
        for segment in &field.reach.segments {
            let bound = if segment.whole {
                let tops = tops.of(segment.block, field.tree, field.cells).iter().enumerate();
                let there = tops.zip(field.cells.in_block(segment.block)).filter(|(_, places)| *places & segment.places != 0);
                let own = there.map(|((cell, &own), _)| (cell, i64::from(own)));
                if field.by_node() {
                    let spans =
                        kept.spans.of(segment.block, field.tree.stamp(segment.block), open(segment.block), field.cells, field.counted);
                    own.map(|(cell, own)| own + self.added(cell, spans[cell].least)).max()
                } else {
                    own.map(|(cell, own)| own + self.added(cell, 0)).max()
                }
            } else {
                let mut best = None;
                each(segment.block, segment.places, |place| best = best.max(Some(self.total(place))));
                best
            };
            let bound = bound.unwrap_or(i64::MIN);
            highest = highest.max(bound);
            kept.bounds.push(bound);
        }
        highest
    }

    /// Position of the first of the best: looks at the nodes of segments that may have one before what is found already. `bound`: the
    /// highest of `bounds`.
    fn search(&self, bounds: &[i64], bound: i64) -> (usize, u64) {
        let (mut best, mut found, mut looked) = (i64::MIN, (0, pre_order(0)), 0);
        let mut look = |segment: &Segment, bound: i64| {
            let end = segment.before + segment.places.count_ones() as usize;
            if bound < best || bound == best && first_in_pre_order(segment.before, end) >= found.1 {
                return;
            }
            let (mut at, mut places) = (segment.before, segment.places);
            while places != 0 {
                let total = self.total(segment.block * BLOCK + places.trailing_zeros() as usize);
                if total > best || total == best && pre_order(at) < found.1 {
                    (best, found) = (total, (at, pre_order(at)));
                    // What follows is no better, and before this one only where another level of the heap begins.
                    let next_level = (at + 2).next_power_of_two() - 1;
                    if total == bound && next_level >= end {
                        at += 1;
                        break;
                    }
                }
                at += 1;
                places &= places - 1;
            }
            looked += (at - segment.before) as u64;
        };
        let segments = &self.field.reach.segments;
        // The most promising first, so that others need no look: those with the leftmost nodes of the heap's levels.
        let mut done: SmallVec<[usize; 24]> = SmallVec::new();
        let mut leftmost = 0;
        while leftmost < self.field.reach.len {
            let at = self.field.reach.segment_of(leftmost);
            if bounds[at] == bound && done.last() != Some(&at) {
                look(&segments[at], bound);
                done.push(at);
            }
            leftmost = 2 * leftmost + 1;
        }
        for at in (0..segments.len()).filter(|&at| bounds[at] == bound) {
            // Those looked at are in order.
            if done.first() == Some(&at) {
                done.remove(0);
            } else {
                look(&segments[at], bound);
            }
        }
        (0..segments.len()).filter(|&at| bounds[at] < bound).for_each(|at| look(&segments[at], bounds[at]));
        (found.0, looked)
    }
}
