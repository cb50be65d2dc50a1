//! GpuPacking: GPUs in use first, then idle GPUs of nodes in use, then idle nodes.
//!
//! Source: as the baseline is described in "Beware of Fragmentation" (USENIX ATC 2023), §6. Choice: within each of these the node that
//! has the least left of its GPUs; a pod without GPUs prefers nodes without, then nodes in use, then idle ones.

use crate::scheduler::own::{ClusterView, NodeView};
use crate::scheduler::policies::gpus::{Cards, Demand, Liking, WHOLE};

/// The policy.
pub struct GpuPacking;

/// Which of the three it is (least first), and what is left.
fn rank(cards: &Cards, pods: i64, pod: &Demand) -> (u8, i64) {
    let shared = cards.0.iter().filter(|&&left| left < WHOLE && left >= pod.share).count() as u64;
    let idle_node = pods == 0;
    let tier = match pod.gpus {
        0 if cards.0.is_empty() => 0,
        0 => 1 + u8::from(idle_node),
        gpus if shared >= gpus => 0,
        _ => 1 + u8::from(idle_node),
    };
    (tier, cards.left())
}

impl Liking for GpuPacking {
    type Cluster = ();
    type Rank = (u8, i64);

    fn cluster(&self, _: &ClusterView) {}

    fn rank(&self, pod: &Demand, (): &(), node: &NodeView<Cards>) -> Option<(u8, i64)> {
        Some(rank(node.state, node.pod_count(), pod))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::own::least_first;
    use smallvec::SmallVec;

    #[test]
    fn used_cards_before_used_nodes_before_idle_ones() {
        let share = |gpus, share| Demand { cpu: 0, memory: 0, gpus, share };
        let table = [
            (&[1000, 500][..], 1, share(1, 500), (0, 1500)),
            (&[1000, 400], 1, share(1, 500), (1, 1400)),
            (&[1000, 1000], 0, share(1, 500), (2, 2000)),
            (&[1000, 1000, 0], 1, share(2, 1000), (1, 2000)),
            (&[], 0, share(0, 1000), (0, 0)),
            (&[1000], 0, share(0, 1000), (2, 1000)),
        ];
        for (left, pods, pod, want) in table {
            assert_eq!(rank(&Cards(SmallVec::from_slice(left)), pods, &pod), want, "{left:?} {pod:?}");
        }
        assert_eq!(least_first(&[(0, 1500), (2, 2000), (1, 1400)]), [100, 98, 99]);
    }
}
