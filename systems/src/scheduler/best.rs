//! The best node of those that a decision looks at, by blocks: what spreading adds to the class's own score depends on a node's cell and
//! on the pods counted on it alone. The best score of each cell in a block and the least count bound the block, and where one node has
//! both, no node needs a look of its own.

use crate::scheduler::cells::{CELLS_MAX, Cells, NOWHERE, Span, Spans, Tops, each};
use crate::scheduler::plugins::pod_topology_spread::{Weights, normalize, raw_score};
use crate::scheduler::reach::{Reach, Segment, in_pre_order};
use crate::scheduler::tree::{BLOCK, ClassTree};
use smallvec::SmallVec;
use std::ops::Range;

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
    bounds: Vec<i32>,
    /// Segments that are no whole blocks, and the places in them that have the segment's best total.
    parts: SmallVec<[(usize, u64); 4]>,
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
        let bound = judge.bound(kept, tops);
        for (walked, at) in in_pre_order(self.reach.len).take(WALK_MAX).enumerate() {
            let place = self.reach.place(at);
            if judge.total(place) == bound {
                return (place, walked as u64 + 1);
            }
        }
        let (at, looked) = judge.search(kept, tops, bound);
        (self.reach.place(at), looked + WALK_MAX as u64)
    }

    fn by_node(&self) -> bool {
        !self.counted.is_empty()
    }

    #[inline]
    fn pods(&self, place: usize) -> i32 {
        self.counted.get(place).map_or(0, |pods| *pods as i32)
    }

    /// Extremes of each cell among the nodes looked at.
    fn spans(&self, kept: &mut Spans, open: &impl Fn(usize) -> u64) -> [Span; CELLS_MAX] {
        let (mut spans, by_node) = ([Span::NONE; CELLS_MAX], self.by_node());
        for run in runs(&self.reach.segments) {
            let segment = &self.reach.segments[run.start];
            if !by_node {
                for segment in &self.reach.segments[run] {
                    let present = spans.iter_mut().zip(self.cells.in_block(segment.block));
                    present.filter(|(_, places)| *places & segment.places != 0).for_each(|(span, _)| span.add(0));
                }
            } else if segment.whole {
                let blocks = segment.block..segment.block + run.len();
                kept.catch_up(blocks.clone(), self.tree, self.cells, self.counted, open);
                for cell in (0..self.cells.len()).filter(|&cell| self.allowed[cell]) {
                    spans[cell].least = least(&kept.least(cell)[blocks.clone()]).min(spans[cell].least);
                    spans[cell].most = most(&kept.most(cell)[blocks.clone()]).max(spans[cell].most);
                }
            } else {
                each(segment.block, segment.places, |place| spans[self.cells.at(place)].add(self.pods(place)));
            }
        }
        spans
    }
}

/// Segments in a row that are whole neighbouring blocks, or single ones.
fn runs(segments: &[Segment]) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let from = next;
        let mut last = segments.get(from)?;
        next += 1;
        while let Some(segment) = segments.get(next).filter(|segment| last.whole && segment.whole && segment.block == last.block + 1) {
            last = segment;
            next += 1;
        }
        Some(from..next)
    })
}

fn least(list: &[i32]) -> i32 {
    list.iter().fold(i32::MAX, |least, &value| least.min(value))
}

fn most(list: &[i32]) -> i32 {
    list.iter().fold(i32::MIN, |most, &value| most.max(value))
}

/// Totals of one decision.
struct Judge<'j> {
    field: &'j Field<'j>,
    spans: [Span; CELLS_MAX],
    /// The cells that have nodes among those looked at.
    there: SmallVec<[usize; CELLS_MAX]>,
    weights: Weights,
    least: i64,
    most: i64,
    /// What spreading adds, by cell and by pods beyond the cell's least number.
    ready: [[i32; READY]; CELLS_MAX],
}

impl<'j> Judge<'j> {
    fn new(field: &'j Field<'j>, spans: [Span; CELLS_MAX]) -> Judge<'j> {
        let there: SmallVec<[usize; CELLS_MAX]> = (0..CELLS_MAX).filter(|&cell| spans[cell].any()).collect();
        let domains = |values: &[(u32, Option<i64>)]| {
            let first = |nth: usize| !there[..nth].iter().any(|&other| values[other].0 == values[there[nth]].0);
            (0..there.len()).filter(|&nth| first(nth)).count()
        };
        let weights = Weights::new(field.soft.iter().map(|soft| match soft {
            Soft::Node(skew) => (field.reach.len, *skew),
            Soft::Cells(skew, values) => (domains(values), *skew),
        }));
        let (least, most, ready) = (i64::MAX, i64::MIN, [[0; READY]; CELLS_MAX]);
        let mut judge = Judge { field, spans, there, weights, least, most, ready };
        if field.soft.is_empty() {
            return judge;
        }
        for at in 0..judge.there.len() {
            let cell = judge.there[at];
            judge.least = judge.least.min(judge.raw(cell, spans[cell].least));
            judge.most = judge.most.max(judge.raw(cell, spans[cell].most));
        }
        for at in 0..judge.there.len() {
            let cell = judge.there[at];
            let Span { least, most } = spans[cell];
            for pods in least..=most.min(least + READY as i32 - 1) {
                judge.ready[cell][(pods - least) as usize] = judge.work_out(cell, pods);
            }
        }
        judge
    }

    fn raw(&self, cell: usize, pods: i32) -> i64 {
        let counts = self.field.soft.iter().map(|soft| match soft {
            Soft::Node(_) => Some(i64::from(pods)),
            Soft::Cells(_, values) => values[cell].1,
        });
        raw_score(&self.weights, counts)
    }

    #[inline]
    fn added(&self, cell: usize, pods: i32) -> i32 {
        match self.ready[cell].get((pods - self.spans[cell].least) as usize) {
            Some(added) => *added,
            None => self.work_out(cell, pods),
        }
    }

    #[cold]
    #[inline(never)]
    fn work_out(&self, cell: usize, pods: i32) -> i32 {
        (WEIGHT * normalize(self.raw(cell, pods), self.least, self.most)) as i32
    }

    #[inline]
    fn total(&self, place: usize) -> i32 {
        self.field.tree.score_at(place) + self.added(self.field.cells.at(place), self.field.pods(place))
    }

    /// The best total of a segment, and the places that have it.
    fn best_of(&self, segment: &Segment) -> (i32, u64) {
        let (mut best, mut places) = (NOWHERE, 0);
        each(segment.block, segment.places, |place| {
            let total = self.total(place);
            if total > best {
                (best, places) = (total, 0);
            }
            places |= u64::from(total == best) << (place % BLOCK);
        });
        (best, places)
    }

    /// Upper bounds of all segments, and the highest of them: no node has a higher total, since more pods never add more.
    fn bound(&self, kept: &mut Kept, tops: &mut Tops) -> i32 {
        let field = self.field;
        kept.bounds.clear();
        kept.bounds.resize(field.reach.segments.len(), NOWHERE);
        kept.parts.clear();
        for run in runs(&field.reach.segments) {
            let segment = &field.reach.segments[run.start];
            if !segment.whole {
                let (best, places) = self.best_of(segment);
                kept.bounds[run.start] = best;
                kept.parts.push((run.start, places));
                continue;
            }
            let (blocks, bounds) = (segment.block..segment.block + run.len(), &mut kept.bounds[run]);
            tops.catch_up(blocks.clone(), field.tree, field.cells);
            for &cell in &self.there {
                let own = &tops.of(cell)[blocks.clone()];
                let counts = if field.by_node() { &kept.spans.least(cell)[blocks.clone()] } else { &[][..] };
                let lowest = if field.by_node() { least(counts) } else { 0 };
                if lowest == Span::NONE.least {
                    continue;
                }
                if counts.iter().all(|count| *count == lowest) {
                    let added = self.added(cell, lowest);
                    bounds.iter_mut().zip(own).for_each(|(bound, own)| *bound = (own + added).max(*bound));
                } else {
                    let there = bounds.iter_mut().zip(own).zip(counts).filter(|(_, count)| **count != Span::NONE.least);
                    there.for_each(|((bound, own), count)| *bound = (own + self.added(cell, *count)).max(*bound));
                }
            }
        }
        most(&kept.bounds)
    }

    /// The places of a segment that have a total which is its bound.
    fn at_bound(&self, nth: usize, kept: &Kept, tops: &Tops) -> u64 {
        if let Some((_, places)) = kept.parts.iter().find(|part| part.0 == nth) {
            return *places;
        }
        let (segment, bound) = (&self.field.reach.segments[nth], kept.bounds[nth]);
        let mut found = 0;
        for &cell in &self.there {
            let own = tops.of(cell)[segment.block];
            let mut places = tops.places(cell, segment.block);
            if self.field.by_node() {
                let (least, most) = (kept.spans.least(cell)[segment.block], kept.spans.most(cell)[segment.block]);
                if least > most || own + self.added(cell, least) != bound {
                    continue;
                }
                if least < most && self.added(cell, least + 1) == self.added(cell, least) {
                    // One pod more makes no difference here.
                    let (best, places) = self.best_of(segment);
                    return if best == bound { places } else { 0 };
                }
                places &= kept.spans.places(cell, segment.block);
            } else if own + self.added(cell, 0) != bound {
                continue;
            }
            found |= places & segment.places;
        }
        found
    }

    /// Position of the first of the best, and how many nodes were looked at one by one. `bound`: the highest bound of all.
    fn search(&self, kept: &mut Kept, tops: &Tops, bound: i32) -> (usize, u64) {
        let segments = &self.field.reach.segments;
        let mut first = None;
        for (nth, segment) in segments.iter().enumerate().filter(|(nth, _)| kept.bounds[*nth] == bound) {
            if first.is_none_or(|(order, _)| segment.first() < order) {
                first = segment.first_of(self.at_bound(nth, kept, tops)).into_iter().chain(first).min();
            }
        }
        if let Some((_, at)) = first {
            return (at, 0);
        }
        // No node has it. Those of the highest bounds first, so that others need no look.
        let (mut best, mut first, mut looked) = (NOWHERE, None, 0);
        let mut look = |nth: usize, segment: &Segment| {
            if kept.bounds[nth] >= best {
                looked += u64::from(segment.places.count_ones());
                let (total, places) = self.best_of(segment);
                if total >= best {
                    first = segment.first_of(places).into_iter().chain(first.filter(|_| total == best)).min();
                    best = total;
                }
            }
        };
        let highest = |nth: &usize| kept.bounds[*nth] == bound;
        (0..segments.len()).filter(highest).for_each(|nth| look(nth, &segments[nth]));
        (0..segments.len()).filter(|nth| !highest(nth)).for_each(|nth| look(nth, &segments[nth]));
        (first.map_or(0, |(_, at)| at), looked)
    }
}
