//! Soft constraints. Source: `plugins/podtopologyspread/scoring.go`.

use super::{Constraint, PodTopologySpread, constraints, count_on, has_all_keys};
use crate::scheduler::cycle::Cycle;
use crate::scheduler::logarithm::ln;
use crate::scheduler::plugin::{MAX_SCORE, Plugin, Score};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use wavetank_engine::names::Sym;
use wavetank_engine::words;

impl Score for PodTopologySpread {
    fn plugin(&self) -> Plugin {
        Plugin::PodTopologySpread
    }

    fn scores(&self, cycle: &Cycle, feasible: &[u32]) -> Option<Vec<i64>> {
        let constraints = constraints(cycle, false);
        if constraints.is_empty() {
            return None;
        }
        let all_keys = !cycle.pod.resident.class.spread.is_empty() || !cycle.profile.system_defaulted;
        let spread = Spread::new(cycle, constraints, feasible, all_keys);
        let raw: Vec<Option<i64>> = feasible.iter().map(|&number| spread.raw(number)).collect();
        let (least, most) = raw.iter().flatten().fold((i64::MAX, i64::MIN), |(low, high), &raw| (low.min(raw), high.max(raw)));
        Some(raw.into_iter().map(|raw| raw.map_or(0, |raw| normalize(raw, least, most))).collect())
    }
}

/// The weight ln(domains + 2) of each constraint, and its `maxSkew`.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// One pair for each constraint.
    pub list: SmallVec<[(f64, i64); 2]>,
}

impl Weights {
    /// The weights for these numbers of domains and `maxSkew`s.
    pub fn new(domains: impl IntoIterator<Item = (usize, i64)>) -> Weights {
        Weights { list: domains.into_iter().map(|(domains, skew)| (ln((domains + 2) as f64), skew)).collect() }
    }
}

/// The score before normalisation: the lower the better. `counts`: for each constraint the pods in the node's domain, `None` where the
/// node lacks the key.
pub fn raw_score(weights: &Weights, counts: impl IntoIterator<Item = Option<i64>>) -> i64 {
    let mut sum = 0.0;
    for (&(weight, max_skew), count) in weights.list.iter().zip(counts) {
        if let Some(count) = count {
            // Two roundings, as the original on amd64: no fused multiply-add.
            sum += count as f64 * weight + (max_skew - 1) as f64;
        }
    }
    sum.round() as i64
}

/// The normalised score.
pub fn normalize(raw: i64, least: i64, most: i64) -> i64 {
    if most == 0 { MAX_SCORE } else { MAX_SCORE * (most + least - raw) / most }
}

struct Spread<'s, 'c> {
    cycle: &'s Cycle<'c>,
    constraints: Vec<Constraint>,
    /// Pods by value of the key, over domains of feasible nodes; empty for the hostname, whose pods are counted on the node.
    counts: Vec<BTreeMap<Option<Sym>, i64>>,
    weights: Weights,
    all_keys: bool,
}

impl<'s, 'c> Spread<'s, 'c> {
    fn new(cycle: &'s Cycle<'c>, constraints: Vec<Constraint>, feasible: &[u32], all_keys: bool) -> Spread<'s, 'c> {
        let mut counts: Vec<BTreeMap<Option<Sym>, i64>> = vec![BTreeMap::new(); constraints.len()];
        let mut ignored = 0;
        for &number in feasible {
            let node = cycle.nodes.get(number);
            if all_keys && !has_all_keys(&constraints, node, cycle.labels) {
                ignored += 1;
                continue;
            }
            for (constraint, counts) in constraints.iter().zip(&mut counts).filter(|(c, _)| c.key != words::HOSTNAME_LABEL) {
                counts.insert(cycle.labels.get(node.labels, constraint.key), 0);
            }
        }
        let domains = constraints.iter().zip(&counts).map(|(constraint, counts)| {
            let size = if constraint.key == words::HOSTNAME_LABEL { feasible.len() - ignored } else { counts.len() };
            (size, constraint.max_skew)
        });
        let weights = Weights::new(domains.collect::<Vec<_>>());
        let mut spread = Spread { cycle, constraints, counts, weights, all_keys };
        spread.count();
        spread
    }

    /// Counts over all nodes that the policies include, but only in the domains of feasible ones.
    fn count(&mut self) {
        let cycle = self.cycle;
        if self.constraints.iter().all(|constraint| constraint.key == words::HOSTNAME_LABEL) {
            return;
        }
        for &number in cycle.nodes.ordered() {
            let node = cycle.nodes.get(number);
            if self.all_keys && !has_all_keys(&self.constraints, node, cycle.labels) {
                continue;
            }
            for (constraint, counts) in self.constraints.iter().zip(&mut self.counts) {
                if let Some(count) = counts.get_mut(&cycle.labels.get(node.labels, constraint.key))
                    && constraint.includes(&cycle.pod.resident.class, node, cycle.labels, cycle.names)
                {
                    *count += count_on(constraint, cycle, node);
                }
            }
        }
    }

    /// The raw score of a node; `None` when it lacks a key that it must have.
    fn raw(&self, number: u32) -> Option<i64> {
        let (cycle, node) = (self.cycle, self.cycle.nodes.get(number));
        if self.all_keys && !has_all_keys(&self.constraints, node, cycle.labels) {
            return None;
        }
        let count = |(constraint, counts): (&Constraint, &BTreeMap<Option<Sym>, i64>)| {
            let value = cycle.labels.get(node.labels, constraint.key)?;
            Some(if constraint.key == words::HOSTNAME_LABEL {
                count_on(constraint, cycle, node)
            } else {
                counts.get(&Some(value)).copied().unwrap_or(0)
            })
        };
        Some(raw_score(&self.weights, self.constraints.iter().zip(&self.counts).map(count)))
    }
}
