//! Hard constraints. Source: `plugins/podtopologyspread/filtering.go`.

use super::{Constraint, PodTopologySpread, constraints, count_on, has_all_keys};
use crate::scheduler::cycle::Cycle;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Filter, NodeFilter, Plugin, Prepared, Refusal};
use crate::scheduler::pods::Resident;
use std::collections::BTreeMap;
use wavetank_engine::names::Sym;

impl Filter for PodTopologySpread {
    fn plugin(&self) -> Plugin {
        Plugin::PodTopologySpread
    }

    fn prepare<'c>(&self, cycle: &Cycle<'c>) -> Prepared<'c> {
        let constraints = constraints(cycle, true);
        if constraints.is_empty() {
            return Prepared::Skip;
        }
        Prepared::Ready { only: None, filter: Box::new(SpreadFilter::new(*cycle, constraints)) }
    }
}

/// Counts of matching pods by constraint and domain.
#[derive(Clone)]
pub struct SpreadFilter<'c> {
    cycle: Cycle<'c>,
    constraints: Vec<Constraint>,
    /// For each constraint, pods by the value of its key, over nodes that have all keys and that its policies include.
    counts: Vec<BTreeMap<Sym, i64>>,
}

impl<'c> SpreadFilter<'c> {
    fn new(cycle: Cycle<'c>, constraints: Vec<Constraint>) -> SpreadFilter<'c> {
        let mut counts = vec![BTreeMap::new(); constraints.len()];
        for &number in cycle.nodes.ordered() {
            let node = cycle.nodes.get(number);
            if !has_all_keys(&constraints, node, cycle.labels) {
                continue;
            }
            for (constraint, counts) in constraints.iter().zip(&mut counts) {
                if let Some(value) = cycle.labels.get(node.labels, constraint.key)
                    && constraint.includes(&cycle.pod.resident.class, node, cycle.labels, cycle.names)
                {
                    *counts.entry(value).or_insert(0) += count_on(constraint, &cycle, node);
                }
            }
        }
        SpreadFilter { cycle, constraints, counts }
    }
}

impl NodeFilter for SpreadFilter<'_> {
    fn refusal(&self, _: u32, node: &NodeFacts) -> Option<Refusal> {
        let refuse = |resolvable, reason| Some(Refusal::of(Plugin::PodTopologySpread, resolvable, reason));
        for (constraint, counts) in self.constraints.iter().zip(&self.counts) {
            let Some(value) = self.cycle.labels.get(node.labels, constraint.key) else {
                return refuse(false, "node(s) didn't match pod topology spread constraints (missing required label)");
            };
            let least =
                if counts.len() < constraint.min_domains { 0 } else { counts.values().copied().min().unwrap_or(i64::from(i32::MAX)) };
            let own = i64::from(constraint.selects(self.cycle.labels, self.cycle.pod.labels));
            let skew = counts.get(&value).copied().unwrap_or(0) + own - least;
            if skew > constraint.max_skew {
                return refuse(true, "node(s) didn't match pod topology spread constraints");
            }
        }
        None
    }

    fn count(&mut self, pod: &Resident, number: u32, add: bool) {
        let cycle = self.cycle;
        let (node, group) = (cycle.nodes.get(number), cycle.groups.get(pod.group));
        if group.namespace != cycle.pod.namespace || !has_all_keys(&self.constraints, node, cycle.labels) {
            return;
        }
        for (constraint, counts) in self.constraints.iter().zip(&mut self.counts) {
            if constraint.selects(cycle.labels, group.labels)
                && constraint.includes(&cycle.pod.resident.class, node, cycle.labels, cycle.names)
                && let Some(value) = cycle.labels.get(node.labels, constraint.key)
            {
                *counts.entry(value).or_insert(0) += if add { 1 } else { -1 };
            }
        }
    }

    fn copy<'s>(&'s self) -> Box<dyn NodeFilter + 's> {
        Box::new(self.clone())
    }
}
