//! Nodes by cell: what decisions by change know of every block of 64 places, apart for nodes that share their values of a few labels.

use crate::scheduler::tree::{BLOCK, ClassTree, INFEASIBLE};
use smallvec::SmallVec;

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

/// Best score of the class's own among each cell's nodes, by block.
#[derive(Debug, Default)]
pub(super) struct Tops {
    /// For each block, the tree's mark when its scores were taken.
    seen: Vec<u32>,
    best: Vec<i32>,
}

impl Tops {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.best.clear();
    }

    /// Those of one block, brought up to date.
    pub(super) fn of(&mut self, block: usize, tree: &ClassTree, cells: &Cells) -> &[i32] {
        let width = cells.len();
        if self.seen.len() <= block {
            self.seen.resize(block + 1, 0);
            self.best.resize((block + 1) * width, INFEASIBLE);
        }
        let of_block = block * width..(block + 1) * width;
        if self.seen[block] != tree.marked(block) {
            self.seen[block] = tree.marked(block);
            let best = &mut self.best[of_block.clone()];
            best.fill(INFEASIBLE);
            for (&score, &cell) in tree.scores_of_block(block).iter().zip(&cells.of_place[block * BLOCK..]) {
                let best = &mut best[usize::from(cell)];
                *best = score.max(*best);
            }
        }
        &self.best[of_block]
    }
}

/// Least and most of what is counted on a node; least above most when there is no node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) least: u32,
    pub(super) most: u32,
}

impl Span {
    pub(super) const NONE: Span = Span { least: u32::MAX, most: 0 };

    pub(super) fn add(&mut self, pods: u32) {
        self.least = self.least.min(pods);
        self.most = self.most.max(pods);
    }

    pub(super) fn join(&mut self, other: Span) {
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
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
    list: Vec<Span>,
}

impl Spans {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.stamps.clear();
        self.list.clear();
    }

    /// Notes that a count on the node at a place, or whether it can run the pod, has changed.
    pub(super) fn spoil(&mut self, place: usize) {
        if let Some(stamp) = self.stamps.get_mut(place / BLOCK) {
            *stamp = 0;
        }
    }

    /// Those of one block, brought up to date. `open`: the places whose nodes can run the pod. `stamp`: the tree's.
    pub(super) fn of(&mut self, block: usize, stamp: u32, open: u64, cells: &Cells, counted: &[u32]) -> &[Span] {
        let width = cells.len();
        if self.stamps.len() <= block {
            self.stamps.resize(block + 1, 0);
            self.list.resize((block + 1) * width, Span::NONE);
        }
        let of_block = block * width..(block + 1) * width;
        if self.stamps[block] != stamp {
            self.stamps[block] = stamp;
            let spans = &mut self.list[of_block.clone()];
            spans.fill(Span::NONE);
            each(block, open, |place| spans[cells.at(place)].add(counted[place]));
        }
        &self.list[of_block]
    }
}

/// Calls `act` with each place of a block that is among `places`, in order.
pub(super) fn each(block: usize, mut places: u64, mut act: impl FnMut(usize)) {
    while places != 0 {
        act(block * BLOCK + places.trailing_zeros() as usize);
        places &= places - 1;
    }
}
