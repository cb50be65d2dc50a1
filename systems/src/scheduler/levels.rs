//! The best nodes of a block by how many pods are counted on them: for decisions in which no node has both the best score of its block
//! and the least count.

use crate::scheduler::cells::{Cells, NOWHERE, Spans, each};
use crate::scheduler::tree::{BLOCK, ClassTree};

/// Counts, from a cell's least in the block on, whose nodes are known; of higher ones the best score alone is.
const KNOWN: usize = 2;
/// The first count beyond the least whose nodes are not known.
pub(super) const UNKNOWN_FROM: i16 = KNOWN as i16;

/// The nodes of a block and cell that have a count: the best score of the class's own, and the places that have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub(super) own: i16,
    pub(super) places: u64,
}

/// What is known of one cell in a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfCell {
    /// Those with the least count, and with one more each.
    pub(super) known: [Level; KNOWN],
    /// Best score of those with a higher count.
    pub(super) more: i16,
}

const NOBODY: OfCell = OfCell { known: [Level { own: NOWHERE, places: 0 }; KNOWN], more: NOWHERE };

/// The nodes of all blocks, each as of the last decision that asked for it.
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// For each block, the tree's mark and the round of the spans when it was looked at.
    seen: Vec<(u32, u32)>,
    /// For each block, and in it for each cell.
    list: Vec<OfCell>,
}

impl Levels {
    /// Those of one block, by cell. `open`: its places whose nodes can run the pod. `spans`: up to date.
    pub(super) fn of(
        &mut self,
        block: usize,
        open: u64,
        (tree, cells): (&ClassTree, &Cells),
        (spans, counted): (&Spans, &[u32]),
    ) -> &[OfCell] {
        let width = cells.len();
        if self.seen.len() != cells.blocks() || self.list.len() != cells.blocks() * width {
            self.seen = vec![(0, 0); cells.blocks()];
            self.list = vec![NOBODY; cells.blocks() * width];
        }
        let (now, of_block) = ((tree.marks()[block], spans.round(block)), block * width..(block + 1) * width);
        if self.seen[block] != now {
            self.seen[block] = now;
            let list = &mut self.list[of_block.clone()];
            list.fill(NOBODY);
            each(block, open, |place| {
                let (cell, own) = (cells.at(place), tree.score_at(place));
                let beyond = (counted[place] as i16 - spans.least(cell)[block]) as usize;
                match list[cell].known.get_mut(beyond) {
                    Some(level) if own < level.own => {}
                    Some(level) => {
                        let equal = if own == level.own { level.places } else { 0 };
                        *level = Level { own, places: equal | 1 << (place % BLOCK) };
                    }
                    None => list[cell].more = own.max(list[cell].more),
                }
            });
        }
        &self.list[of_block]
    }
}
