//! GPUs of nodes, each by itself: what a pod asks for, what is left of each, which of them a share lies on, and what policies over shares
//! of GPUs have in common.
//!
//! A pod asks for GPUs by the annotations `alibabacloud.com/gpu-count` and `alibabacloud.com/gpu-milli` (a share of each, in
//! thousandths), or for whole ones by the resource `nvidia.com/gpu`. A share lies on one GPU; several GPUs are all of one node.

use crate::scheduler::own::{Allotment, ClusterView, NodeView, PodView, Policy, least_first};
use crate::scheduler::registry::Making;
use smallvec::SmallVec;

const COUNT: &str = "alibabacloud.com/gpu-count";
const SHARE: &str = "alibabacloud.com/gpu-milli";
const PLAIN: &str = "nvidia.com/gpu";
/// Resources of nodes that count GPUs.
pub const GPUS: [&str; 2] = [COUNT, PLAIN];
/// A whole GPU. Unit: thousandths.
pub const WHOLE: i64 = 1000;
/// Why a node can't run a pod.
pub const REFUSAL: &str = "node(s) didn't have enough left of single GPUs";

/// What a pod asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Demand {
    /// CPU. Unit: milli-cores.
    pub cpu: i64,
    /// Memory. Unit: bytes.
    pub memory: i64,
    /// Number of GPUs.
    pub gpus: u64,
    /// Share of each. Unit: thousandths.
    pub share: i64,
}

impl Demand {
    /// What a pod asks for.
    pub fn of(pod: &PodView) -> Demand {
        let number = |key| pod.annotation(key).and_then(|text| text.parse::<u64>().ok());
        let (cpu, memory) = (pod.request("cpu"), pod.request("memory"));
        match number(COUNT) {
            Some(gpus) => {
                let share = number(SHARE).filter(|&share| share > 0).map_or(WHOLE, |share| (share as i64).min(WHOLE));
                Demand { cpu, memory, gpus, share }
            }
            None => Demand { cpu, memory, gpus: pod.request(PLAIN).max(0) as u64, share: WHOLE },
        }
    }

    /// Of all GPUs together. Unit: thousandths.
    pub fn total(&self) -> i64 {
        self.gpus as i64 * self.share
    }
}

/// What is left of each GPU of a node. Unit: thousandths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cards(pub SmallVec<[i64; 8]>);

impl Cards {
    /// The GPUs of an empty node.
    pub fn of<N>(node: &NodeView<N>) -> Cards {
        let count = node.allocatable(COUNT).max(node.allocatable(PLAIN)).clamp(0, 1024);
        Cards(SmallVec::from_elem(WHOLE, count as usize))
    }

    /// Left of all together.
    pub fn left(&self) -> i64 {
        self.0.iter().sum()
    }

    /// GPUs that nobody uses.
    pub fn idle(&self) -> u64 {
        self.0.iter().filter(|&&left| left == WHOLE).count() as u64
    }

    /// Whether a pod's GPUs are there.
    pub fn fit(&self, demand: &Demand) -> bool {
        demand.gpus == 0 || self.0.iter().filter(|&&left| left >= demand.share).count() as u64 >= demand.gpus
    }

    /// The numbers of the GPUs that suffice and have the least left, as many as the pod asks for. Of equal ones the first.
    pub fn tightest(&self, demand: &Demand) -> Allotment {
        let mut fitting: Vec<u32> = (0..self.0.len() as u32).filter(|&card| self.0[card as usize] >= demand.share).collect();
        fitting.sort_by_key(|&card| self.0[card as usize]);
        fitting.truncate(demand.gpus as usize);
        fitting
    }

    /// A pod comes (`add`) or leaves.
    pub fn count(&mut self, demand: &Demand, allotted: &[u32], add: bool) {
        for &card in allotted {
            if let Some(left) = self.0.get_mut(card as usize) {
                *left += if add { -demand.share } else { demand.share };
            }
        }
    }
}

/// Which nodes a policy over shares of GPUs likes.
pub trait Liking: Send + Sync + 'static {
    /// What it wants to know of the cluster; `()` for nothing.
    type Cluster;
    /// The node with the least is the best.
    type Rank: Ord + Clone;

    /// Takes in the cluster, once before nodes are looked at.
    fn cluster(&self, cluster: &ClusterView) -> Self::Cluster;

    /// The rank of a node that can run the pod; `None` when all are alike.
    fn rank(&self, pod: &Demand, cluster: &Self::Cluster, node: &NodeView<Cards>) -> Option<Self::Rank>;
}

/// A policy over shares of GPUs: a share must fit on one GPU, and lies where the least is left.
pub struct Shares<L>(L);

impl<L: Liking> Shares<L> {
    /// Makes it; it takes no arguments.
    ///
    /// # Errors
    /// When there are arguments.
    pub fn of(liking: L, making: &Making) -> Result<Shares<L>, String> {
        making.only(&[]).map(|()| Shares(liking))
    }
}

impl<L: Liking> Policy for Shares<L> {
    type Node = Cards;
    type Pod = (Demand, L::Cluster);

    fn node(&self, node: &NodeView<()>) -> Cards {
        Cards::of(node)
    }

    fn pod(&self, pod: &PodView, cluster: &ClusterView) -> Self::Pod {
        (Demand::of(pod), self.0.cluster(cluster))
    }

    fn refusal(&self, (pod, _): &Self::Pod, node: &NodeView<Cards>) -> Option<String> {
        (!node.state.fit(pod)).then(|| REFUSAL.to_string())
    }

    fn refuses_by_node(&self) -> bool {
        true
    }

    fn scores(&self, (pod, cluster): &Self::Pod, nodes: &[NodeView<Cards>]) -> Option<Vec<i64>> {
        let ranks: Option<Vec<L::Rank>> = nodes.iter().map(|node| self.0.rank(pod, cluster, node)).collect();
        Some(least_first(&ranks?))
    }

    fn allot(&self, (pod, _): &Self::Pod, node: &NodeView<Cards>) -> Option<Allotment> {
        (pod.gpus > 0).then(|| node.state.tightest(pod))
    }

    fn count(&self, node: &mut Cards, pod: &PodView, allotted: &[u32], add: bool) {
        node.count(&Demand::of(pod), allotted, add);
    }
}

/// GpuShare, the filter alone: it likes all nodes alike.
pub struct GpuShare;

impl Liking for GpuShare {
    type Cluster = ();
    type Rank = ();

    fn cluster(&self, _: &ClusterView) {}

    fn rank(&self, _: &Demand, (): &(), _: &NodeView<Cards>) -> Option<()> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_lie_on_one_card_each() {
        let demand = |gpus, share| Demand { cpu: 0, memory: 0, gpus, share };
        for (left, gpus, share, want) in [
            (&[1000, 400, 300][..], 1, 300, &[2][..]),
            (&[1000, 400, 300], 1, 350, &[1]),
            (&[1000, 400, 300], 1, 500, &[0]),
            (&[1000, 400, 1000], 2, 1000, &[0, 2]),
            (&[600, 400, 500], 2, 450, &[2, 0]),
        ] {
            let mut cards = Cards(SmallVec::from_slice(left));
            let demand = demand(gpus, share);
            assert!(cards.fit(&demand), "{left:?}");
            let allotted = cards.tightest(&demand);
            assert_eq!(allotted, want, "{left:?} {share}");
            let before = cards.clone();
            cards.count(&demand, &allotted, true);
            assert_eq!(cards.left(), before.left() - demand.total());
            cards.count(&demand, &allotted, false);
            assert_eq!(cards, before);
        }
        // 0.6 are left in all, and no GPU has 0.5 of them.
        assert!(!Cards(SmallVec::from_slice(&[300, 300])).fit(&demand(1, 500)));
        assert!(!Cards(SmallVec::from_slice(&[1000, 900])).fit(&demand(2, 1000)));
    }
}
