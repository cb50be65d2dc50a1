//! BestFit: the node that has the least left, over CPU, memory and GPU.
//!
//! Source: as the baseline is described in "Beware of Fragmentation" (USENIX ATC 2023), §6: the node with the least remaining resources,
//! by a weighted sum over all kinds of them. Choice: what is left, with the pod there, is measured in parts of the most that a node
//! has of the resource, and all three weigh the same.

use crate::scheduler::own::{ClusterView, NodeView};
use crate::scheduler::policies::gpus::{Cards, Demand, GPUS, Liking, WHOLE};

/// Parts that amounts are measured in.
pub const PARTS: i128 = 1_000_000_000;

/// The policy.
pub struct BestFit;

/// The most that a node of the cluster has of each resource: CPU, memory, GPU.
pub type Most = [i64; 3];

/// The most that any node has.
pub fn most(cluster: &ClusterView) -> Most {
    let gpus = GPUS.iter().map(|resource| cluster.most(resource)).max().unwrap_or(0) * WHOLE;
    [cluster.most("cpu").max(1), cluster.most("memory").max(1), gpus.max(1)]
}

/// What is left of a node: CPU, memory, GPU.
pub fn left(node: &NodeView<Cards>) -> [i64; 3] {
    [node.free("cpu"), node.free("memory"), node.state.left()]
}

/// What a pod asks for: CPU, memory, GPU.
pub fn asked(pod: &Demand) -> [i64; 3] {
    [pod.cpu, pod.memory, pod.total()]
}

/// Sum of what would be left, in parts of the most.
fn remaining(left: [i64; 3], asked: [i64; 3], most: Most) -> i128 {
    (0..3).map(|at| i128::from(left[at] - asked[at]) * PARTS / i128::from(most[at])).sum()
}

impl Liking for BestFit {
    type Cluster = Most;
    type Rank = i128;

    fn cluster(&self, cluster: &ClusterView) -> Most {
        most(cluster)
    }

    fn rank(&self, pod: &Demand, most: &Most, node: &NodeView<Cards>) -> Option<i128> {
        Some(remaining(left(node), asked(pod), *most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::own::least_first;

    #[test]
    fn the_least_left_is_best() {
        // (4-2)/8 + (8-2)/16 + (2000-500)/2000 = 0.25 + 0.375 + 0.75, and (8-2)/8 + (4-2)/16 + (500-500)/2000 = 0.75 + 0.125.
        let (asked, most) = ([2, 2, 500], [8, 16, 2000]);
        let (a, b) = (remaining([4, 8, 2000], asked, most), remaining([8, 4, 500], asked, most));
        assert_eq!((a, b), (1_375_000_000, 875_000_000));
        assert_eq!(least_first(&[a, b, a]), [99, 100, 99]);
    }
}
