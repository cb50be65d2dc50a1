//! Scores of one node by itself: NodeResourcesFit (LeastAllocated) and NodeResourcesBalancedAllocation.

use crate::scheduler::facts::ClassFacts;
use crate::scheduler::nodes::NodeFacts;

/// Highest score of a plugin before weighting.
pub const MAX: i64 = 100;

/// LeastAllocated over CPU and memory, weight 1 each. Source: `spec/scheduler.md` §4, `least_allocated.go`.
pub fn least_allocated(facts: &ClassFacts, node: &NodeFacts) -> i64 {
    let pairs = [
        (node.allocatable.cpu_millicores, node.scored_cpu_millicores + facts.scored_cpu_millicores),
        (node.allocatable.memory_bytes, node.scored_memory_bytes + facts.scored_memory_bytes),
    ];
    let (mut sum, mut weights) = (0, 0);
    for (capacity, used) in pairs.into_iter().filter(|pair| pair.0 > 0) {
        sum += if used > capacity { 0 } else { (capacity - used) * MAX / capacity };
        weights += 1;
    }
    if weights == 0 { 0 } else { sum / weights }
}

/// BalancedAllocation over CPU and memory: the balance with the pod against that without it. 0 for pods without requests, for which
/// the plugin does not run. Source: `spec/scheduler.md` §4, `balanced_allocation.go`.
pub fn balanced_allocation(facts: &ClassFacts, node: &NodeFacts) -> i64 {
    let asked = &facts.requests;
    if asked.cpu_millicores == 0 && asked.memory_bytes == 0 {
        return 0;
    }
    let pairs = [
        (node.allocatable.cpu_millicores, node.used.cpu_millicores, asked.cpu_millicores),
        (node.allocatable.memory_bytes, node.used.memory_bytes, asked.memory_bytes),
    ];
    let balance = |with: bool| {
        let fraction = |&(capacity, used, asked): &(i64, i64, i64)| {
            let used = if with { used + asked } else { used };
            (used as f64 / capacity as f64).min(1.0)
        };
        let fractions: smallvec::SmallVec<[f64; 2]> = pairs.iter().filter(|pair| pair.0 > 0).map(fraction).collect();
        let deviation = if fractions.len() == 2 { ((fractions[0] - fractions[1]) / 2.0).abs() } else { 0.0 };
        ((1.0 - deviation) * MAX as f64) as i64
    };
    MAX / 2 + (MAX / 2 + balance(true) - balance(false)) / 2
}
