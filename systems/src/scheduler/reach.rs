//! The nodes that a decision looks at, as sets of places: round the order from a start, as many as are enough.

use crate::scheduler::tree::BLOCK;
use std::ops::Range;

/// Places of one block among those looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) block: usize,
    /// Places looked at before these.
    pub(super) before: usize,
    pub(super) places: u64,
    /// Whether they are all of the block that are open.
    pub(super) whole: bool,
}

impl Segment {
    /// The least [`pre_order`] of its positions.
    pub(super) fn first(&self) -> PreOrder {
        first_in_pre_order(self.before, self.before + self.places.count_ones() as usize)
    }

    /// The first in pre-order of some of its places.
    pub(super) fn first_of(&self, places: u64) -> Option<(PreOrder, usize)> {
        let (mut first, mut rest) = (None, places);
        while rest != 0 {
            let nth = rest.trailing_zeros() as usize;
            let (at, place) = (self.before + (self.places & ((1 << nth) - 1)).count_ones() as usize, self.block * BLOCK + nth);
            first = [(pre_order(at), place)].into_iter().chain(first).min();
            // What follows comes earlier only where another level of the heap begins.
            let next_level = (at + 2).next_power_of_two() - 1;
            if next_level >= self.before + self.places.count_ones() as usize {
                break;
            }
            rest = places & u64::MAX << select(self.places, next_level - self.before);
        }
        first
    }
}

/// The nodes that a decision looks at. Kept between decisions for its room.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) segments: Vec<Segment>,
    /// The segments in runs: whole neighbouring blocks, or a single one.
    pub(super) runs: Vec<Range<usize>>,
    /// How many can run the pod.
    pub(super) len: usize,
    /// How many were asked whether they can.
    pub(super) examined: usize,
}

impl Reach {
    /// Takes the open nodes from `start` on, round the end of `places` places, until there are `wanted`. `open`: the places of a block
    /// whose nodes can run the pod.
    pub(super) fn fill(&mut self, places: usize, start: usize, wanted: usize, open: impl Fn(usize) -> u64) {
        self.segments.clear();
        self.runs.clear();
        (self.len, self.examined) = (0, places);
        let (blocks, first, from_start) = (places.div_ceil(BLOCK), start / BLOCK, u64::MAX << (start % BLOCK));
        let mut take = |block: usize, part: u64| {
            let all = open(block);
            let mut taken = all & part;
            // All are open, as most often.
            let mut count = if taken == u64::MAX { BLOCK } else { taken.count_ones() as usize };
            let done = self.len + count >= wanted;
            if done && count > 0 {
                count = wanted - self.len;
                let last = select(taken, count - 1);
                taken &= u64::MAX >> (BLOCK - 1 - last);
                self.examined = (block * BLOCK + last + places - start) % places + 1;
            }
            if count > 0 {
                let segment = Segment { block, before: self.len, places: taken, whole: taken == all };
                let follows = |last: &Segment| last.whole && segment.whole && block == last.block + 1;
                match self.runs.last_mut() {
                    Some(run) if self.segments.last().is_some_and(follows) => run.end += 1,
                    _ => self.runs.push(self.segments.len()..self.segments.len() + 1),
                }
                self.segments.push(segment);
                self.len += count;
            }
            done
        };
        let mut whole = (first + 1..blocks).chain(0..first);
        let _enough = take(first, from_start) || whole.any(|block| take(block, u64::MAX)) || take(first, !from_start);
    }

    /// Place of the first node, which must exist.
    pub(super) fn first(&self) -> usize {
        self.segments[0].block * BLOCK + self.segments[0].places.trailing_zeros() as usize
    }
}

/// Position of the nth bit that is set, which must exist.
#[inline]
pub(super) fn select(mut bits: u64, nth: usize) -> usize {
    let first = bits.trailing_zeros() as usize;
    // Neighbours one and all, as most often.
    let rest = bits >> first;
    if rest & rest.wrapping_add(1) == 0 {
        return first + nth;
    }
    for _ in 0..nth {
        bits &= bits - 1;
    }
    bits.trailing_zeros() as usize
}

/// Sorts positions of an implicit binary heap in pre-order: the path from the root, left-aligned, then its length.
pub(super) type PreOrder = u64;

/// The place of a position in pre-order; there are fewer than 2^57 positions.
pub(super) fn pre_order(position: usize) -> PreOrder {
    let number = position as u64 + 1;
    let zeros = number.leading_zeros();
    ((number << zeros) << 1) | u64::from(64 - zeros)
}

/// The least [`pre_order`] of the positions `from..to`, of which there is one at least.
fn first_in_pre_order(from: usize, to: usize) -> PreOrder {
    // Within a level positions are in order: the first, or the leftmost of the next level.
    let next_level = (from + 1).next_power_of_two() - 1;
    let first = pre_order(from);
    if from < next_level && next_level < to { first.min(pre_order(next_level)) } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_sort_in_pre_order() {
        for len in [0, 1, 2, 3, 6, 100] {
            let mut walked = Vec::new();
            let mut stack: Vec<usize> = (0..len.min(1)).collect();
            while let Some(at) = stack.pop() {
                walked.push(at);
                stack.extend([2 * at + 2, 2 * at + 1].into_iter().filter(|&child| child < len));
            }
            let mut sorted: Vec<usize> = (0..len).collect();
            sorted.sort_by_key(|&position| pre_order(position));
            for (from, to) in (0..len).flat_map(|from| (from + 1..=len).map(move |to| (from, to))) {
                assert_eq!(Some(first_in_pre_order(from, to)), (from..to).map(pre_order).min(), "{from}..{to}");
            }
            assert_eq!(sorted, walked);
        }
    }

    #[test]
    fn a_reach_goes_round_the_end_and_stops_at_enough() {
        let filled = |start: usize, wanted: usize, open: &dyn Fn(usize) -> u64| {
            let mut reach = Reach::default();
            reach.fill(68, start, wanted, open);
            let mut list = Vec::new();
            for segment in &reach.segments {
                assert_eq!(segment.before, list.len());
                list.extend((0..BLOCK).filter(|nth| segment.places >> nth & 1 == 1).map(|nth| segment.block * BLOCK + nth));
            }
            assert_eq!((list.len(), list[0]), (reach.len, reach.first()));
            (list, reach.examined)
        };
        let open = |block: usize| [!0b10, 0b1111][block];
        assert_eq!(filled(66, 4, &open), (vec![66, 67, 0, 2], 5));
        let (list, examined) = filled(66, 68, &open);
        assert_eq!((list.len(), examined, list[66]), (67, 68, 65));
        assert_eq!(filled(3, 5, &|block| if block == 0 { 0b111 } else { 0 }), (vec![0, 1, 2], 68));
        assert_eq!(filled(64, 68, &|_| 0b1111), (vec![64, 65, 66, 67, 0, 1, 2, 3], 68));
    }
}
