//! DotProduct: the node whose free resources have the smallest dot product with what the pod asks for.
//!
//! Source: as the baseline is described in "Beware of Fragmentation" (USENIX ATC 2023), §6, after "Multi-resource packing for cluster
//! schedulers" (SIGCOMM 2014). Choice: both vectors (CPU, memory, GPU) are measured in parts of the most that a node has.

use crate::scheduler::own::{Allotment, ClusterView, NodeView, PodView, Policy, least_first};
use crate::scheduler::policies::best_fit::{Most, asked, left, most};
use crate::scheduler::policies::gpus::{Cards, Demand, REFUSAL};
use crate::scheduler::registry::Making;

/// Parts that amounts are measured in.
const PARTS: i128 = 1_000_000_000;

/// The policy.
pub struct DotProduct;

fn product(left: [i64; 3], asked: [i64; 3], most: Most) -> i128 {
    let part = |amount: i64, at: usize| i128::from(amount) * PARTS / i128::from(most[at]);
    (0..3).map(|at| part(left[at], at) * part(asked[at], at)).sum()
}

impl DotProduct {
    /// Makes it; it takes no arguments.
    ///
    /// # Errors
    /// When there are arguments.
    pub fn of(making: &Making) -> Result<DotProduct, String> {
        making.only(&[]).map(|()| DotProduct)
    }
}

impl Policy for DotProduct {
    type Node = Cards;
    type Pod = (Demand, Most);

    fn node(&self, node: &NodeView<()>) -> Cards {
        Cards::of(node)
    }

    fn pod(&self, pod: &PodView, cluster: &ClusterView) -> (Demand, Most) {
        (Demand::of(pod), most(cluster))
    }

    fn refusal(&self, pod: &(Demand, Most), node: &NodeView<Cards>) -> Option<String> {
        (!node.state.fit(&pod.0)).then(|| REFUSAL.to_string())
    }

    fn refuses_by_node(&self) -> bool {
        true
    }

    fn scores(&self, (pod, most): &(Demand, Most), nodes: &[NodeView<Cards>]) -> Option<Vec<i64>> {
        let values: Vec<i128> = nodes.iter().map(|node| product(left(node), asked(pod), *most)).collect();
        Some(least_first(&values))
    }

    fn allot(&self, (pod, _): &(Demand, Most), node: &NodeView<Cards>) -> Option<Allotment> {
        (pod.gpus > 0).then(|| node.state.tightest(pod))
    }

    fn count(&self, node: &mut Cards, pod: &PodView, allotted: &[u32], add: bool) {
        node.count(&Demand::of(pod), allotted, add);
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
