//! Required affinity and anti-affinity. Source: `plugins/interpodaffinity/filtering.go`.

use super::{InterPodAffinity, PodTerm, Terms};
use crate::scheduler::cycle::Cycle;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Filter, NodeFilter, Plugin, Prepared, Refusal};
use crate::scheduler::pods::{Group, GroupId, Resident};
use std::collections::BTreeMap;
use std::sync::Arc;
use wavetank_engine::names::Sym;

impl Filter for InterPodAffinity {
    fn plugin(&self) -> Plugin {
        Plugin::InterPodAffinity
    }

    fn prepare<'c>(&self, cycle: &Cycle<'c>) -> Prepared<'c> {
        let terms = cycle.pod.resident.class.terms.clone();
        let required = terms.as_ref().is_some_and(|terms| !terms.near.is_empty() || !terms.far.is_empty());
        if !required && !cycle.groups.any_terms() && cycle.nominations.is_empty() {
            return Prepared::Skip;
        }
        let filter = AffinityFilter::new(*cycle, terms);
        if !required && filter.others_far.is_empty() && cycle.nominations.is_empty() {
            return Prepared::Skip;
        }
        Prepared::Ready { only: None, filter: Box::new(filter) }
    }
}

/// Pods by (key, value) of a node label.
type Counts = BTreeMap<(Sym, Sym), i64>;

/// What required terms, the pod's and others', find in each place.
#[derive(Clone)]
pub struct AffinityFilter<'c> {
    cycle: Cycle<'c>,
    terms: Arc<Terms>,
    /// Pods that match all of the pod's affinity terms.
    near: Counts,
    /// Pods that match one of its anti-affinity terms.
    far: Counts,
    /// Pods that have an anti-affinity term that matches the pod.
    others_far: Counts,
    /// Whether the pod matches its own affinity terms.
    suits_itself: bool,
}

impl<'c> AffinityFilter<'c> {
    fn new(cycle: Cycle<'c>, terms: Option<Arc<Terms>>) -> AffinityFilter<'c> {
        let terms = terms.unwrap_or_default();
        let suits_itself = matches_all(&terms.near, &cycle, cycle.groups.get(cycle.pod.resident.group));
        let (near, far, others_far) = (Counts::new(), Counts::new(), Counts::new());
        let mut filter = AffinityFilter { cycle, terms, near, far, others_far, suits_itself };
        let touched: Vec<bool> = cycle.groups.iter().map(|(group, _)| filter.touches(group)).collect();
        for &number in cycle.nodes.ordered() {
            let node = cycle.nodes.get(number);
            for &(group, pods) in node.groups.iter().filter(|(group, _)| touched[group.0 as usize]) {
                filter.add(group, node, i64::from(pods));
            }
        }
        filter
    }

    /// Whether pods of a group can change any count: most groups can't, which saves their walk.
    fn touches(&self, group: GroupId) -> bool {
        let (cycle, group) = (&self.cycle, self.cycle.groups.get(group));
        (!self.terms.near.is_empty() && matches_all(&self.terms.near, cycle, group))
            || self.terms.far.iter().any(|term| means(term, cycle, group))
            || far_terms(group).any(|term| means_us(term, cycle, group))
    }

    /// Adds pods of a group on a node, or with a negative number takes them off.
    fn add(&mut self, group: GroupId, node: &NodeFacts, pods: i64) {
        let cycle = self.cycle;
        let group = cycle.groups.get(group);
        let value = |term: &PodTerm| cycle.labels.get(node.labels, term.key).map(|value| (term.key, value));
        if !self.terms.near.is_empty() && matches_all(&self.terms.near, &cycle, group) {
            self.terms.near.iter().filter_map(value).for_each(|place| change(&mut self.near, place, pods));
        }
        let far = self.terms.far.iter().filter(|term| means(term, &cycle, group));
        far.filter_map(value).for_each(|place| change(&mut self.far, place, pods));
        let others = far_terms(group).filter(|term| means_us(term, &cycle, group));
        others.filter_map(value).for_each(|place| change(&mut self.others_far, place, pods));
    }

    fn near_satisfied(&self, node: &NodeFacts) -> bool {
        let mut all_there = true;
        for term in &self.terms.near {
            // Every key must be on the node.
            let Some(value) = self.cycle.labels.get(node.labels, term.key) else { return false };
            all_there &= self.near.contains_key(&(term.key, value));
        }
        // The first pod of a group that wants to be near itself.
        all_there || self.near.is_empty() && self.suits_itself
    }
}

fn change(counts: &mut Counts, place: (Sym, Sym), pods: i64) {
    let count = counts.entry(place).or_insert(0);
    *count += pods;
    if *count == 0 {
        counts.remove(&place);
    }
}

fn means(term: &PodTerm, cycle: &Cycle, group: &Group) -> bool {
    term.means(cycle.pod.namespace, group, cycle.labels, cycle.namespaces)
}

fn means_us(term: &PodTerm, cycle: &Cycle, group: &Group) -> bool {
    term.means_waiting(group.namespace, cycle.pod.namespace, cycle.pod.labels, cycle.labels, cycle.namespaces)
}

fn far_terms(group: &Group) -> impl Iterator<Item = &PodTerm> {
    group.terms.iter().flat_map(|terms| &terms.far)
}

/// Whether pods of a group match all required affinity terms of the pod of a cycle, which must have some.
pub fn suits(cycle: &Cycle, group: &Group) -> bool {
    cycle.pod.resident.class.terms.as_ref().is_some_and(|own| matches_all(&own.near, cycle, group))
}

/// Keys of a group's anti-affinity terms that mean the pod of a cycle, each as often as a term has it.
pub fn in_the_way(cycle: &Cycle, group: &Group) -> Vec<(Sym, i64)> {
    far_terms(group).filter(|term| means_us(term, cycle, group)).map(|term| (term.key, 1)).collect()
}

/// Whether a group matches all terms; without terms none does.
fn matches_all(terms: &[PodTerm], cycle: &Cycle, group: &Group) -> bool {
    !terms.is_empty() && terms.iter().all(|term| means(term, cycle, group))
}

impl NodeFilter for AffinityFilter<'_> {
    fn refusal(&self, _: u32, node: &NodeFacts) -> Option<Refusal> {
        let refuse = |resolvable, reason| Some(Refusal::of(Plugin::InterPodAffinity, resolvable, reason));
        if !self.near_satisfied(node) {
            return refuse(false, "node(s) didn't match pod affinity rules");
        }
        let labels = self.cycle.labels;
        let crowded = |term: &PodTerm| labels.get(node.labels, term.key).is_some_and(|value| self.far.contains_key(&(term.key, value)));
        if self.terms.far.iter().any(crowded) {
            return refuse(true, "node(s) didn't match pod anti-affinity rules");
        }
        if !self.others_far.is_empty() && labels.pairs(node.labels).iter().any(|pair| self.others_far.contains_key(pair)) {
            return refuse(true, "node(s) didn't satisfy existing pods anti-affinity rules");
        }
        None
    }

    fn count(&mut self, pod: &Resident, number: u32, add: bool) {
        let node = self.cycle.nodes.get(number);
        self.add(pod.group, node, if add { 1 } else { -1 });
    }

    fn copy<'s>(&'s self) -> Box<dyn NodeFilter + 's> {
        Box::new(self.clone())
    }
}
