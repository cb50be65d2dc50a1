//! What a kubelet keeps for its node: addresses of pods, images, the queue of pulls.

use crate::kubelet::pressure::Pressure;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::resources::Resources;
use wavetank_engine::names::Sym;
use wavetank_engine::scene::program::Program;
use wavetank_engine::time::{SimDuration, SimTime};

/// Where pod addresses begin when nodes have no `podCIDR`: 10.244.0.0.
const PODS_FROM: u32 = 10 << 24 | 244 << 16;
/// Ranges from there to the end of 10.0.0.0/8.
const PODS_FROM_RANGES: u32 = 12 * 256;
/// Where further ranges begin: 11.0.0.0.
const MORE_PODS_FROM: u32 = 11 << 24;
/// Addresses of a node without `podCIDR`, and of each further range of one that needs more than it has.
const RANGE_LEN: u32 = 256;
/// Where addresses of nodes begin that have none of their own: 172.16.0.0.
const NODES_FROM: u32 = 172 << 24 | 16 << 16;

/// A range of addresses. The first is the network's, the second the bridge's, the last the broadcast's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Range {
    base: u32,
    len: u32,
    /// Where the search for a free address goes on.
    next: u32,
    free: u32,
    used: SmallVec<[u64; 4]>,
}

impl Range {
    fn new(base: u32, len: u32) -> Range {
        Range { base, len, next: 2, free: len.saturating_sub(3), used: SmallVec::from_elem(0, len.div_ceil(64) as usize) }
    }

    fn take(&mut self) -> Option<u32> {
        if self.free == 0 {
            return None;
        }
        loop {
            let at = self.next;
            self.next = if at + 2 >= self.len { 2 } else { at + 1 };
            let word = &mut self.used[(at / 64) as usize];
            if *word & 1 << (at % 64) == 0 {
                *word |= 1 << (at % 64);
                self.free -= 1;
                return Some(self.base + at);
            }
        }
    }

    fn keep(&mut self, address: u32) -> bool {
        let Some(at) = address.checked_sub(self.base).filter(|&at| at < self.len) else { return false };
        let word = &mut self.used[(at / 64) as usize];
        if *word & 1 << (at % 64) == 0 && (2..self.len.saturating_sub(1)).contains(&at) {
            *word |= 1 << (at % 64);
            self.free -= 1;
        }
        true
    }

    fn give_back(&mut self, address: u32) -> bool {
        let Some(at) = address.checked_sub(self.base).filter(|&at| at < self.len) else { return false };
        let word = &mut self.used[(at / 64) as usize];
        if *word & 1 << (at % 64) != 0 {
            *word &= !(1 << (at % 64));
            self.free += 1;
        }
        true
    }
}

/// A node's kubelet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRun {
    /// Name of the node.
    pub name: Sym,
    /// The node.
    pub object: ObjRef,
    /// Address of the node as a big-endian number.
    pub address: u32,
    ranges: SmallVec<[Range; 1]>,
    /// Number of the next range without `podCIDR`, counted for all nodes; taken over from and given back to the kubelets.
    pub(super) ranges_taken: u32,
    /// Images on the node, from when on they are there, and their sizes.
    images: SmallVec<[(Sym, SimTime, u64); 1]>,
    pulls_done_at: SimTime,
    /// It has failed and not come back.
    pub(super) failed: bool,
    /// What the pods that it has taken and that have not ended request; `pods` is their number.
    pub(super) used: Resources,
    /// Its memory.
    pub(super) pressure: Pressure,
}

impl NodeRun {
    /// The kubelet of a node. `number`: how many nodes were before it. `pod_cidr`: address and prefix length, (0, 0) for none.
    pub fn new(name: Sym, object: ObjRef, number: u32, address: u32, pod_cidr: (u32, u8)) -> NodeRun {
        let address = if address == 0 { NODES_FROM + 1 + number } else { address };
        let mut ranges = SmallVec::new();
        if pod_cidr.1 > 0 && pod_cidr.1 <= 30 {
            ranges.push(Range::new(pod_cidr.0, 1 << (32 - pod_cidr.1)));
        }
        NodeRun {
            name,
            object,
            address,
            ranges,
            ranges_taken: 0,
            images: SmallVec::new(),
            pulls_done_at: SimTime::ZERO,
            failed: false,
            used: Resources::default(),
            pressure: Pressure::default(),
        }
    }

    /// Counts a pod that it takes.
    pub(super) fn count(&mut self, requests: &Resources) {
        self.used.add(requests);
        self.used.pods += 1;
    }

    /// No longer counts a pod.
    pub(super) fn discount(&mut self, requests: &Resources) {
        self.used.sub(requests);
        self.used.pods -= 1;
    }

    /// A free address for a pod.
    ///
    /// Choice: where the original fails for want of addresses, or would have no range at all, a further range is taken.
    pub fn take_address(&mut self) -> u32 {
        if let Some(address) = self.ranges.iter_mut().find_map(Range::take) {
            return address;
        }
        let base = match self.ranges_taken {
            nth if nth < PODS_FROM_RANGES => PODS_FROM + nth * RANGE_LEN,
            nth => MORE_PODS_FROM + (nth - PODS_FROM_RANGES) * RANGE_LEN,
        };
        let mut range = Range::new(base, RANGE_LEN);
        self.ranges_taken += 1;
        let address = range.take().expect("a new range has free addresses");
        self.ranges.push(range);
        address
    }

    /// Takes the address that a pod has already; one outside the node's ranges is nobody else's.
    pub fn keep_address(&mut self, address: u32) {
        let _found = self.ranges.iter_mut().any(|range| range.keep(address));
    }

    /// Takes a pod's address back.
    pub fn free_address(&mut self, address: u32) {
        let _found = self.ranges.iter_mut().any(|range| range.give_back(address));
    }

    /// How many addresses pods have.
    pub(super) fn addresses_taken(&self) -> u32 {
        self.ranges.iter().map(|range| range.len.saturating_sub(3) - range.free).sum()
    }

    /// Whether an image is on the node by a time.
    pub fn has_image(&self, image: Sym, by: SimTime) -> bool {
        self.images.iter().any(|&(name, from, _)| name == image && from <= by)
    }

    /// Notes that an image is on the node from a time on. `size`: unit bytes.
    pub fn add_image(&mut self, image: Sym, from: SimTime, size: u64) {
        match self.images.iter_mut().find(|known| known.0 == image) {
            Some(known) => known.1 = known.1.min(from),
            None => self.images.push((image, from, size)),
        }
    }

    /// What the images take. Unit: bytes.
    pub(super) fn image_bytes(&self) -> u64 {
        self.images.iter().map(|image| image.2).sum()
    }

    /// Deletes images that are not `used` (sorted) and came by a time until so many bytes are free; how many were freed.
    pub(super) fn delete_images(&mut self, used: &[Sym], wanted: i64, came_by: SimTime) -> i64 {
        let mut freed = 0;
        self.images.sort_by_key(|image| image.1);
        self.images.retain(|&mut (name, from, size)| {
            let goes = freed < wanted && from <= came_by && used.binary_search(&name).is_err();
            freed += if goes { i64::try_from(size).unwrap_or(i64::MAX) } else { 0 };
            !goes
        });
        freed
    }

    /// A container starts whose program may use memory, disk or processes.
    pub(super) fn starts(&mut self, program: &Program, now: SimTime) {
        if !program.memory_bytes.any() && !program.disk_bytes.any() && program.processes == 0 && program.files == 0 {
            return;
        }
        let pressure = &mut self.pressure;
        pressure.grown = true;
        pressure.memory_bound = pressure.memory_bound.saturating_add(program.memory_bytes.at(SimDuration::ZERO));
        let next = program.memory_bytes.next(SimDuration::ZERO).into_iter().chain(program.disk_bytes.next(SimDuration::ZERO));
        pressure.changes_at = pressure.changes_at.into_iter().chain(next.map(|age| now + age)).min();
    }

    /// Puts a pull at the end of the node's queue, which pulls one image at a time: when it begins and when it ends.
    pub fn queue_pull(&mut self, now: SimTime, takes: SimDuration) -> (SimTime, SimTime) {
        let from = self.pulls_done_at.max(now);
        self.pulls_done_at = from + takes;
        (from, self.pulls_done_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_in_turn_and_reused_after_a_round() {
        let mut node = NodeRun::new(Sym(1), ObjRef::default(), 0, 0, (10 << 24, 29));
        let first: Vec<u32> = (0..5).map(|_| node.take_address() & 0xFF).collect();
        assert_eq!(first, [2, 3, 4, 5, 6]);
        node.free_address(10 << 24 | 3);
        assert_eq!(node.take_address() & 0xFF, 3);
        let further = node.take_address();
        assert_eq!(node.ranges_taken, 1, "{further}");
    }

    #[test]
    fn addresses_of_pods_that_were_there_before_are_not_given_again() {
        let mut node = NodeRun::new(Sym(1), ObjRef::default(), 0, 0, (10 << 24, 29));
        for address in [10 << 24 | 3, 10 << 24 | 3, 10 << 24 | 7, 192 << 24 | 3] {
            node.keep_address(address);
        }
        let next: Vec<u32> = (0..4).map(|_| node.take_address() & 0xFF).collect();
        assert_eq!((next, node.ranges_taken), (vec![2, 4, 5, 6], 0));
    }

    #[test]
    fn pulls_wait_for_each_other() {
        let mut node = NodeRun::new(Sym(1), ObjRef::default(), 0, 0, (0, 0));
        let (second, two) = (SimDuration::from_secs(1), SimTime::from_secs(2));
        assert_eq!(node.queue_pull(SimTime::ZERO, second).1, SimTime::from_secs(1));
        assert_eq!(node.queue_pull(SimTime::ZERO, second), (SimTime::from_secs(1), two));
        assert_eq!(node.queue_pull(SimTime::from_secs(9), second).0, SimTime::from_secs(9));
    }
}
