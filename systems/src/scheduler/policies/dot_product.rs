//! DotProduct: the node whose free resources have the smallest dot product with what the pod asks for.
//!
//! Source: as the baseline is described in "Beware of Fragmentation" (USENIX ATC 2023), §6, after "Multi-resource packing for cluster
//! schedulers" (SIGCOMM 2014). Choice: both vectors (CPU, memory, GPU) are measured in parts of the most that a node has.

use crate::scheduler::own::{ClusterView, NodeView};
use crate::scheduler::policies::best_fit::{Most, PARTS, asked, left, most};
use crate::scheduler::policies::gpus::{Cards, Demand, Liking};

/// The policy.
pub struct DotProduct;

fn product(left: [i64; 3], asked: [i64; 3], most: Most) -> i128 {
    let part = |amount: i64, at: usize| i128::from(amount) * PARTS / i128::from(most[at]);
    (0..3).map(|at| part(left[at], at) * part(asked[at], at)).sum()
}

impl Liking for DotProduct {
    type Cluster = Most;
    type Rank = i128;

    fn cluster(&self, cluster: &ClusterView) -> Most {
        most(cluster)
    }

    fn rank(&self, pod: &Demand, most: &Most, node: &NodeView<Cards>) -> Option<i128> {
        Some(product(left(node), asked(pod), *most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_by_hand() {
        // 4/8 * 2/8 + 8/16 * 2/16 + 2000/2000 * 500/2000 = 0.125 + 0.0625 + 0.25, in parts squared.
        let (asked, most) = ([2, 2, 500], [8, 16, 2000]);
        assert_eq!(product([4, 8, 2000], asked, most), 437_500_000 * PARTS);
        // 8/8 * 2/8 + 4/16 * 2/16 + 500/2000 * 500/2000 = 0.25 + 0.03125 + 0.0625.
        assert_eq!(product([8, 4, 500], asked, most), 343_750_000 * PARTS);
    }
}
