//! NodeResourcesBalancedAllocation: whether the pod evens out a node's use of its resources.
//! Source: `spec/scheduler.md` §4, `plugins/noderesources/balanced_allocation.go`.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{MAX_SCORE, Plugin, Score};
use smallvec::SmallVec;
use wavetank_engine::names::Sym;
use wavetank_engine::words;

/// The score plugin.
pub struct BalancedAllocation;

impl Score for BalancedAllocation {
    fn plugin(&self) -> Plugin {
        Plugin::NodeResourcesBalancedAllocation
    }

    fn scores(&self, cycle: &Cycle, feasible: &[u32]) -> Option<Vec<i64>> {
        let (facts, resources) = (&cycle.pod.resident.class, &cycle.profile.balanced);
        if resources.iter().all(|&resource| facts.requests.get(resource) == 0) {
            return None;
        }
        Some(feasible.iter().map(|&number| balance_change(facts, cycle.nodes.get(number), resources)).collect())
    }
}

/// Over CPU and memory; 0 for pods without requests, for which the plugin does not run.
pub fn by_default(facts: &ClassFacts, node: &NodeFacts) -> i64 {
    let asked = &facts.requests;
    if asked.cpu_millicores == 0 && asked.memory_bytes == 0 { 0 } else { balance_change(facts, node, &[words::CPU, words::MEMORY]) }
}

/// The balance with the pod against that without it; 50 + half of 50 for no change.
fn balance_change(facts: &ClassFacts, node: &NodeFacts, resources: &[Sym]) -> i64 {
    let (mut with, mut without): (SmallVec<[f64; 4]>, SmallVec<[f64; 4]>) = (SmallVec::new(), SmallVec::new());
    for &resource in resources {
        let (capacity, asked) = (node.allocatable.get(resource), facts.requests.get(resource));
        let plain = matches!(resource, words::CPU | words::MEMORY | words::EPHEMERAL_STORAGE);
        if capacity > 0 && (plain || asked > 0) {
            let used = node.used.get(resource);
            let fraction = |used: i64| (used as f64 / capacity as f64).min(1.0);
            with.push(fraction(used + asked));
            without.push(fraction(used));
        }
    }
    MAX_SCORE / 2 + (MAX_SCORE / 2 + balance(&with) - balance(&without)) / 2
}

/// 100 less the spread of the fractions in per cent.
fn balance(fractions: &[f64]) -> i64 {
    let deviation = match fractions {
        [] | [_] => 0.0,
        [a, b] => ((a - b) / 2.0).abs(),
        more => {
            let mean = more.iter().sum::<f64>() / more.len() as f64;
            let sum: f64 = more.iter().map(|fraction| (fraction - mean) * (fraction - mean)).sum();
            (sum / more.len() as f64).sqrt()
        }
    };
    ((1.0 - deviation) * MAX_SCORE as f64) as i64
}
