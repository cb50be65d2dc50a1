//! Preferred affinity and anti-affinity, both ways. Source: `plugins/interpodaffinity/scoring.go`.

use super::{InterPodAffinity, PodTerm};
use crate::scheduler::cycle::Cycle;
use crate::scheduler::plugin::{MAX_SCORE, Plugin, Score};
use crate::scheduler::pods::Group;
use std::collections::BTreeMap;
use wavetank_engine::names::Sym;

impl Score for InterPodAffinity {
    fn plugin(&self) -> Plugin {
        Plugin::InterPodAffinity
    }

    fn scores(&self, cycle: &Cycle, feasible: &[u32]) -> Option<Vec<i64>> {
        let places = attraction(cycle)?;
        let sum = |&number: &u32| -> i64 {
            let labels = cycle.nodes.get(number).labels;
            places.iter().filter(|((key, value), _)| cycle.labels.get(labels, *key) == Some(*value)).map(|(_, weight)| *weight).sum()
        };
        let raw: Vec<i64> = feasible.iter().map(sum).collect();
        let (least, most) = raw.iter().fold((i64::MAX, i64::MIN), |(low, high), &raw| (low.min(raw), high.max(raw)));
        Some(raw.into_iter().map(|raw| normalize(raw, least, most)).collect())
    }
}

/// The normalised score.
pub fn normalize(raw: i64, least: i64, most: i64) -> i64 {
    if most == least { 0 } else { (MAX_SCORE as f64 * ((raw - least) as f64 / (most - least) as f64)) as i64 }
}

/// Sums of weights by (key, value) of a node label; `None` when no term touches anything.
fn attraction(cycle: &Cycle) -> Option<BTreeMap<(Sym, Sym), i64>> {
    let own = cycle.pod.resident.class.terms.as_deref();
    let prefers = own.is_some_and(|terms| !terms.prefer_near.is_empty() || !terms.prefer_far.is_empty());
    if !prefers && (!cycle.groups.any_terms() || cycle.profile.ignore_preferred_of_existing) {
        return None;
    }
    let pulls: Vec<Vec<(Sym, i64)>> = cycle.groups.iter().map(|(_, group)| pulls(cycle, group)).collect();
    let mut places = BTreeMap::new();
    for &number in cycle.nodes.ordered() {
        let node = cycle.nodes.get(number);
        for &(group, pods) in &node.groups {
            for &(key, weight) in &pulls[group.0 as usize] {
                if let Some(value) = cycle.labels.get(node.labels, key) {
                    *places.entry((key, value)).or_insert(0) += weight * i64::from(pods);
                }
            }
        }
    }
    (!places.is_empty()).then_some(places)
}

/// What one pod of a group adds, by key: by the waiting pod's preferences, and by its own required affinity and preferences.
pub fn pulls(cycle: &Cycle, group: &Group) -> Vec<(Sym, i64)> {
    let own = cycle.pod.resident.class.terms.as_deref();
    let mut list = Vec::new();
    let mut add = |term: &PodTerm, weight: i64, meant: bool| {
        if meant {
            list.push((term.key, weight));
        }
    };
    let ours = |term: &PodTerm| term.means(cycle.pod.namespace, group, cycle.labels, cycle.namespaces);
    let theirs =
        |term: &PodTerm| term.means_waiting(group.namespace, cycle.pod.namespace, cycle.pod.labels, cycle.labels, cycle.namespaces);
    if let Some(own) = own {
        own.prefer_near.iter().for_each(|(weight, term)| add(term, *weight, ours(term)));
        own.prefer_far.iter().for_each(|(weight, term)| add(term, -weight, ours(term)));
    }
    if let Some(terms) = &group.terms {
        let hard = cycle.profile.hard_affinity_weight;
        terms.near.iter().filter(|_| hard > 0).for_each(|term| add(term, hard, theirs(term)));
        terms.prefer_near.iter().for_each(|(weight, term)| add(term, *weight, theirs(term)));
        terms.prefer_far.iter().for_each(|(weight, term)| add(term, -weight, theirs(term)));
    }
    list
}
