//! The best node of those that a decision looks at, by blocks: what spreading adds to the class's own score depends on a node's cell and
//! on the pods counted on it alone. The best score of each cell in a block and the least count bound the block, and where one node has
//! both, no node needs a look of its own.

use crate::scheduler::cells::{CELLS_MAX, Cells, NOWHERE, Span, Spans, Tops, each};
use crate::scheduler::levels::{Levels, UNKNOWN_FROM};
use crate::scheduler::plugins::pod_topology_spread::{Weights, normalize, raw_score};
use crate::scheduler::reach::{PreOrder, Reach, Segment};
use crate::scheduler::tree::{BLOCK, ClassTree};
use smallvec::SmallVec;
use std::cell::Cell;

/// Weight of PodTopologySpread.
const WEIGHT: i64 = 2;
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
    levels: Levels,
    /// Upper bounds of the segments of the present decision.
    bounds: Vec<i16>,
}

impl Field<'_> {
    /// Place of the best node: among equals the first in pre-order of the implicit heap over those looked at, of which there is one at
    /// least. `open`: as for [`Reach::fill`], without regard to cells. Returns how many nodes were looked at one by one, too; `None` when
    /// a node has too many pods for this.
    pub(super) fn best(&self, kept: &mut Kept, tops: &mut Tops, open: impl Fn(usize) -> u64) -> Option<(usize, u64)> {
        let spans = self.spans(&mut kept.spans, &open);
        if kept.spans.too_many {
            return None;
        }
        let judge = Judge::new(self, spans);
        let bound = judge.bound(kept, tops);
        let first = self.reach.first();
        let place = if judge.total(first) == bound { first } else { judge.search(kept, tops, &open, bound) };
        // A single node is not compared with others.
        Some((place, judge.looked.get() + u64::from(self.reach.len > 1)))
    }

    fn by_node(&self) -> bool {
        !self.counted.is_empty()
    }

    #[inline]
    fn pods(&self, place: usize) -> i16 {
        self.counted.get(place).map_or(0, |pods| *pods as i16)
    }

    /// Extremes of each cell among the nodes looked at.
    fn spans(&self, kept: &mut Spans, open: &impl Fn(usize) -> u64) -> [Span; CELLS_MAX] {
        let (mut spans, by_node) = ([Span::NONE; CELLS_MAX], self.by_node());
        if !by_node {
            for segment in &self.reach.segments {
                let present = spans.iter_mut().zip(self.cells.in_block(segment.block));
                present.filter(|(_, places)| *places & segment.places != 0).for_each(|(span, _)| span.add(0));
            }
            return spans;
        }
        for run in &self.reach.runs {
            let segments = &self.reach.segments[run.clone()];
            let blocks = segments[0].block..segments[0].block + segments.len();
            kept.catch_up(blocks.clone(), self.tree, self.cells, self.counted, open);
            for cell in (0..self.cells.len()).filter(|&cell| self.allowed[cell]) {
                if segments[0].whole {
                    spans[cell].join(least(&kept.least(cell)[blocks.clone()]), most(&kept.most(cell)[blocks.clone()]));
                    continue;
                }
                let places = self.cells.in_block(blocks.start)[cell] & segments[0].places;
                match kept.of_part(cell, blocks.start, places) {
                    Some(span) => spans[cell].join(span.least, span.most),
                    None => each(blocks.start, places, |place| spans[cell].add(self.pods(place))),
                }
            }
        }
        spans
    }
}

fn least(list: &[i16]) -> i16 {
    list.iter().fold(i16::MAX, |least, &value| least.min(value))
}

fn most(list: &[i16]) -> i16 {
    list.iter().fold(i16::MIN, |most, &value| most.max(value))
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
    ready: [[i16; READY]; CELLS_MAX],
    /// Nodes looked at one by one.
    looked: Cell<u64>,
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
        let mut judge = Judge { field, spans, there, weights, least, most, ready, looked: Cell::new(0) };
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
            for pods in least..=most.min(least + READY as i16 - 1) {
                judge.ready[cell][(pods - least) as usize] = judge.work_out(cell, pods);
            }
        }
        judge
    }

    fn raw(&self, cell: usize, pods: i16) -> i64 {
        let counts = self.field.soft.iter().map(|soft| match soft {
            Soft::Node(_) => Some(i64::from(pods)),
            Soft::Cells(_, values) => values[cell].1,
        });
        raw_score(&self.weights, counts)
    }

    #[inline]
    fn added(&self, cell: usize, pods: i16) -> i16 {
        match self.ready[cell].get((pods - self.spans[cell].least) as usize) {
            Some(added) => *added,
            None => self.work_out(cell, pods),
        }
    }

    #[cold]
    #[inline(never)]
    fn work_out(&self, cell: usize, pods: i16) -> i16 {
        (WEIGHT * normalize(self.raw(cell, pods), self.least, self.most)) as i16
    }

    #[inline]
    fn total(&self, place: usize) -> i16 {
        self.field.tree.score_at(place) + self.added(self.field.cells.at(place), self.field.pods(place))
    }

    /// The best total of a segment, and the places that have it.
    fn best_of(&self, segment: &Segment) -> (i16, u64) {
        self.looked.set(self.looked.get() + u64::from(segment.places.count_ones()));
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
    fn bound(&self, kept: &mut Kept, tops: &mut Tops) -> i16 {
        let field = self.field;
        kept.bounds.clear();
        kept.bounds.resize(field.reach.segments.len(), NOWHERE);
        for run in field.reach.runs.iter().cloned() {
            let segment = &field.reach.segments[run.start];
            let (blocks, bounds) = (segment.block..segment.block + run.len(), &mut kept.bounds[run]);
            tops.catch_up(blocks.clone(), field.tree, field.cells);
            for &cell in &self.there {
                let own = &tops.of(cell)[blocks.clone()];
                let counts = if field.by_node() { &kept.spans.least(cell)[blocks.clone()] } else { &[][..] };
                let lowest = self.spans[cell].least;
                if most(counts) <= lowest {
                    let added = self.added(cell, lowest);
                    bounds.iter_mut().zip(own).for_each(|(bound, own)| *bound = (own + added).max(*bound));
                } else {
                    let there = bounds.iter_mut().zip(own).zip(counts).filter(|(_, count)| **count != Span::NONE.least);
                    there.for_each(|((bound, own), count)| *bound = (own + self.added(cell, lowest.max(*count))).max(*bound));
                }
            }
        }
        most(&kept.bounds)
    }

    /// The places of a segment that have a total which is its bound.
    fn at_bound(&self, nth: usize, kept: &Kept, tops: &Tops) -> u64 {
        let (segment, bound) = (&self.field.reach.segments[nth], kept.bounds[nth]);
        let mut found = 0;
        for &cell in &self.there {
            let (own, block) = (tops.of(cell)[segment.block], segment.block);
            if !self.field.by_node() {
                if own + self.added(cell, 0) == bound {
                    found |= tops.places(cell, block) & segment.places;
                }
                continue;
            }
            let (least, most) = (kept.spans.least(cell)[block], kept.spans.most(cell)[block]);
            let lowest = least.max(self.spans[cell].least);
            if least > most || own + self.added(cell, lowest) != bound {
                continue;
            }
            if least < lowest || least < most && self.added(cell, least + 1) == self.added(cell, least) {
                // Those with the least are not looked at, or one pod more makes no difference.
                let (best, places) = self.best_of(segment);
                return if best == bound { places } else { 0 };
            }
            found |= tops.places(cell, block) & kept.spans.places(cell, block) & segment.places;
        }
        found
    }

    /// Place of the first of the best. `bound`: the highest bound of all.
    fn search(&self, kept: &mut Kept, tops: &Tops, open: &impl Fn(usize) -> u64, bound: i16) -> usize {
        let mut first = First::default();
        for (nth, segment) in self.field.reach.segments.iter().enumerate().filter(|(nth, _)| kept.bounds[*nth] == bound) {
            if first.may_be_preceded_by(segment) {
                first.take(segment, self.at_bound(nth, kept, tops));
            }
        }
        if first.found.is_none() {
            self.search_below(kept, open, &mut first);
        }
        first.found.map_or(0, |(_, place)| place)
    }

    /// The same where no node has the highest bound.
    fn search_below(&self, kept: &mut Kept, open: &impl Fn(usize) -> u64, first: &mut First) {
        let (field, segments, mut best) = (self.field, &self.field.reach.segments, NOWHERE);
        // What is known of a block takes the place of its bound; what is not stays to be looked at.
        let mut unknown: SmallVec<[(usize, i16); 8]> = SmallVec::new();
        for (nth, segment) in segments.iter().enumerate() {
            let bound = kept.bounds[nth];
            if !field.by_node() || !segment.whole {
                unknown.push((nth, bound));
                kept.bounds[nth] = NOWHERE;
            } else if bound >= best {
                let levels = kept.levels.of(segment.block, open(segment.block), (field.tree, field.cells), (&kept.spans, field.counted));
                let (mut total, mut more) = (NOWHERE, NOWHERE);
                for &cell in &self.there {
                    let least = kept.spans.least(cell)[segment.block];
                    for (beyond, level) in (0..).zip(&levels[cell].known).filter(|(_, level)| level.places != 0) {
                        total = total.max(level.own + self.added(cell, least + beyond));
                    }
                    if levels[cell].more != NOWHERE {
                        more = more.max(levels[cell].more + self.added(cell, least + UNKNOWN_FROM));
                    }
                }
                best = best.max(total);
                kept.bounds[nth] = total;
                if more >= total && more != NOWHERE {
                    unknown.push((nth, more));
                }
            }
        }
        let mut exact: SmallVec<[(usize, i16, u64); 8]> = SmallVec::new();
        for (nth, bound) in unknown {
            if bound >= best {
                let (total, places) = self.best_of(&segments[nth]);
                best = best.max(total);
                exact.push((nth, total, places));
            }
        }
        for (nth, _, places) in exact.into_iter().filter(|(_, total, _)| *total == best) {
            first.take(&segments[nth], places);
        }
        for (segment, _) in segments.iter().zip(&kept.bounds).filter(|(_, total)| **total == best) {
            let levels = kept.levels.of(segment.block, open(segment.block), (field.tree, field.cells), (&kept.spans, field.counted));
            let mut places = 0;
            for &cell in &self.there {
                let least = kept.spans.least(cell)[segment.block];
                let known = (0..).zip(&levels[cell].known).filter(|(_, level)| level.places != 0);
                let equal = known.filter(|(beyond, level)| level.own + self.added(cell, least + beyond) == best);
                places |= equal.fold(0, |all, (_, level)| all | level.places);
            }
            first.take(segment, places);
        }
    }
}

/// The first in pre-order of the best that were found so far, and its place.
#[derive(Debug, Default)]
struct First {
    found: Option<(PreOrder, usize)>,
}

impl First {
    /// Whether any of a segment comes before what was found.
    fn may_be_preceded_by(&self, segment: &Segment) -> bool {
        self.found.is_none_or(|(order, _)| segment.first() < order)
    }

    /// Takes in places of a segment.
    fn take(&mut self, segment: &Segment, places: u64) {
        if self.may_be_preceded_by(segment) {
            self.found = segment.first_of(places).into_iter().chain(self.found).min();
        }
    }
}
