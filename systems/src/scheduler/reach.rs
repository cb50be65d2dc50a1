//! The nodes that a decision looks at, as sets of places: round the order from a start, as many as are enough.

use crate::scheduler::tree::BLOCK;

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

    /// The first in pre-order of some of its places, and its position.
    pub(super) fn first_of(&self, places: u64) -> Option<(PreOrder, usize)> {
        let (mut first, mut rest) = (None, places);
        while rest != 0 {
            let before = self.places & ((1 << rest.trailing_zeros()) - 1);
            let at = self.before + before.count_ones() as usize;
            first = [(pre_order(at), at)].into_iter().chain(first).min();
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
    /// How many can run the pod.
    pub(super) len: usize,
    /// How many were asked whether they can.
    pub(super) examined: usize,
    /// Segments for each node, in parts of 2^32: where to begin the search for one.
    share: u64,
}

impl Reach {
    /// Takes the open nodes from `start` on, round the end of `places` places, until there are `wanted`. `open`: the places of a block
    /// whose nodes can run the pod.
    pub(super) fn fill(&mut self, places: usize, start: usize, wanted: usize, open: impl Fn(usize) -> u64) {
        self.segments.clear();
        (self.len, self.examined) = (0, places);
        let (blocks, first) = (places.div_ceil(BLOCK), start / BLOCK);
        let from_start = u64::MAX << (start % BLOCK);
        for nth in 0..=blocks {
            let block = if first + nth >= blocks { first + nth - blocks } else { first + nth };
            let part = match nth {
                0 => from_start,
                nth if nth == blocks => !from_start,
                _ => u64::MAX,
            };
            let all = open(block);
            let mut taken = all & part;
            if taken == 0 {
                continue;
            }
            // All are open, as most often.
            let mut count = if taken == u64::MAX { BLOCK } else { taken.count_ones() as usize };
            let done = self.len + count >= wanted;
            if done {
                count = wanted - self.len;
                let last = select(taken, count - 1);
                taken &= u64::MAX >> (BLOCK - 1 - last);
                self.examined = (block * BLOCK + last + places - start) % places + 1;
            }
            self.segments.push(Segment { block, before: self.len, places: taken, whole: taken == all });
            self.len += count;
            if done {
                break;
            }
        }
        self.share = ((self.segments.len() as u64) << 32) / (self.len.max(1) as u64);
    }

    /// Which segment has the nth node, which must exist.
    pub(super) fn segment_of(&self, nth: usize) -> usize {
        // Blocks hold about equally many.
        let mut at = ((nth as u64 * self.share) >> 32) as usize;
        while self.segments[at].before > nth {
            at -= 1;
        }
        while self.segments.get(at + 1).is_some_and(|next| next.before <= nth) {
            at += 1;
        }
        at
    }

    /// Place of the nth node, which must exist.
    pub(super) fn place(&self, nth: usize) -> usize {
        let segment = &self.segments[self.segment_of(nth)];
        segment.block * BLOCK + select(segment.places, nth - segment.before)
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
pub(super) type PreOrder = (u64, u32);

/// The place of a position in pre-order.
pub(super) fn pre_order(position: usize) -> PreOrder {
    let number = position as u64 + 1;
    let zeros = number.leading_zeros();
    ((number << zeros) << 1, 64 - zeros)
}

/// The least [`pre_order`] of the positions `from..to`, of which there is one at least.
fn first_in_pre_order(from: usize, to: usize) -> PreOrder {
    // Within a level positions are in order: the first, or the leftmost of the next level.
    let next_level = (from + 1).next_power_of_two() - 1;
    let first = pre_order(from);
    if from < next_level && next_level < to { first.min(pre_order(next_level)) } else { first }
}

/// Positions of an implicit binary heap of a size in pre-order.
pub(super) fn in_pre_order(len: usize) -> impl Iterator<Item = usize> {
    let mut next = (len > 0).then_some(0);
    std::iter::from_fn(move || {
        let at = next?;
        next = Some(2 * at + 1).filter(|&left| left < len).or_else(|| {
            // Up until a left child with a sibling on its right.
            let mut at = at;
            while at > 0 {
                if at % 2 == 1 && at + 1 < len {
                    return Some(at + 1);
                }
                at = (at - 1) / 2;
            }
            None
        });
        Some(at)
    })
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
            assert_eq!((&sorted, in_pre_order(len).collect::<Vec<_>>()), (&walked, walked.clone()));
        }
    }

    #[test]
    fn a_reach_goes_round_the_end_and_stops_at_enough() {
        let open = |block: usize| [!0b10, 0b1111][block];
        let mut reach = Reach::default();
        reach.fill(68, 66, 4, open);
        let places: Vec<usize> = (0..reach.len).map(|nth| reach.place(nth)).collect();
        assert_eq!((places, reach.examined), (vec![66, 67, 0, 2], 5));
        reach.fill(68, 66, 68, open);
        assert_eq!((reach.len, reach.examined, reach.place(66)), (67, 68, 65));
        reach.fill(68, 3, 5, |block| if block == 0 { 0b111 } else { 0 });
        assert_eq!((reach.len, reach.examined, reach.place(2)), (3, 68, 2));
    }
}
