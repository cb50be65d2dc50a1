//! The order in which a kubelet under pressure evicts pods.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/eviction/helpers.go`, `rankMemoryPressure`, `rankDiskPressureFunc`, `rankPIDPressure`;
//! `spec/kubelet.md` §14.

use std::cmp::Reverse;

/// What a node runs short of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Memory. Unit of requests and usages: bytes.
    Memory,
    /// Ephemeral storage. Unit of requests and usages: bytes.
    Disk,
    /// Process numbers. Unit of usages: processes; nobody requests any.
    Pids,
}

/// A pod that may be evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// `priority`.
    pub priority: i32,
    /// What the pod requests of what is short.
    pub request: u64,
    /// What it uses; `None` while the kubelet has not measured it.
    pub usage: Option<u64>,
}

/// Places in `pods`, first to be evicted first. Pods that compare equal stay in their order.
///
/// Choice: the original sorts unstably.
pub fn rank(shortage: Shortage, pods: &[Candidate]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..pods.len()).collect();
    match shortage {
        Shortage::Memory | Shortage::Disk => order.sort_by_key(|&at| by_excess(pods[at])),
        Shortage::Pids => order.sort_by_key(|&at| (pods[at].priority, pods[at].usage.is_some(), Reverse(pods[at].usage))),
    }
    order
}

/// Unmeasured pods, then those above their request, then the others; each by priority, then by how far they are above (or least below).
fn by_excess(pod: Candidate) -> (u8, i32, Reverse<i128>) {
    let Some(usage) = pod.usage else { return (0, pod.priority, Reverse(0)) };
    let class = if usage > pod.request { 1 } else { 2 };
    (class, pod.priority, Reverse(i128::from(usage) - i128::from(pod.request)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excess_comes_before_priority_and_size_except_for_processes() {
        let pod = |priority, request, usage| Candidate { priority, request, usage };
        for (shortage, pods, want) in [
            (Shortage::Memory, vec![pod(9, 10, Some(11)), pod(0, 10, Some(10))], [0, 1]),
            (Shortage::Memory, vec![pod(9, 0, Some(5)), pod(0, 0, Some(1))], [1, 0]),
            (Shortage::Disk, vec![pod(0, 10, Some(12)), pod(0, 0, Some(5))], [1, 0]),
            (Shortage::Disk, vec![pod(0, 10, Some(3)), pod(0, 10, Some(7))], [1, 0]),
            (Shortage::Memory, vec![pod(0, 0, Some(5)), pod(9, 0, None)], [1, 0]),
            (Shortage::Pids, vec![pod(9, 0, Some(500)), pod(0, 0, Some(1))], [1, 0]),
            (Shortage::Pids, vec![pod(0, 0, Some(1)), pod(0, 0, Some(2))], [1, 0]),
            (Shortage::Pids, vec![pod(0, 0, Some(1)), pod(0, 0, None)], [1, 0]),
        ] {
            assert_eq!(rank(shortage, &pods), want, "{shortage:?} {pods:?}");
        }
    }
}
