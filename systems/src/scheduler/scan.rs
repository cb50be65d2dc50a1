//! Decisions under spread constraints and pod affinity by one pass over the nodes looked at, with a few look-ups a node: where preferences
//! or many domains keep [`crate::scheduler::best`] from knowing blocks.

use crate::scheduler::counter::{Counter, Role, Test};
use crate::scheduler::counters::Counters;
use crate::scheduler::cycle::{Cycle, feasible_wanted};
use crate::scheduler::plugins::inter_pod_affinity;
use crate::scheduler::plugins::pod_topology_spread::{Weights, normalize, raw_score};
use crate::scheduler::reach::pre_order;
use crate::scheduler::tree::{ClassTree, INFEASIBLE};
use smallvec::SmallVec;

/// Weight of PodTopologySpread and of InterPodAffinity.
const WEIGHT: i64 = 2;

/// The nodes of one decision; kept for its room.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) places: Vec<u32>,
    pub(super) totals: Vec<i64>,
}

impl Counters {
    /// [`Counters::decide`] by a look at each node.
    pub(super) fn scan(&mut self, cycle: &Cycle, tree: &ClassTree, start: usize) -> Option<(usize, usize)> {
        let mut window = std::mem::take(&mut self.window);
        let examined = self.fill(&mut window, cycle, tree, start);
        self.looked.filtered += examined as u64;
        self.looked.scored += if window.places.len() > 1 { window.places.len() as u64 } else { 0 };
        let chosen = match window.places[..] {
            [] => None,
            [one] => Some(one),
            _ => {
                self.add_scores(&mut window);
                Some(window.places[first_best(&window.totals)])
            }
        };
        self.window = window;
        Some((chosen? as usize, examined))
    }

    /// Feasible nodes from the start on, as many as are enough, with their own scores. Returns how many nodes were looked at.
    fn fill(&self, window: &mut Window, cycle: &Cycle, tree: &ClassTree, start: usize) -> usize {
        let places = cycle.nodes.ordered().len();
        let wanted = feasible_wanted(places, cycle.profile.percentage_of_nodes_to_score);
        let first_of_kind = self.first_of_kind();
        let tests: SmallVec<[(Test, &Counter); 4]> =
            self.of(|_| true).filter_map(|(role, counter)| Some((Test::new(role, counter, first_of_kind)?, counter))).collect();
        window.places.clear();
        window.totals.clear();
        for (from, to) in [(start, places), (0, start)] {
            for (place, &own) in (from..to).zip(tree.scores_between(from, to)) {
                if own != INFEASIBLE && tests.iter().all(|(test, counter)| test.passes(counter.at(place))) {
                    window.places.push(place as u32);
                    window.totals.push(i64::from(own));
                    if window.places.len() == wanted {
                        return (place + places - start) % places + 1;
                    }
                }
            }
        }
        places
    }

    /// Adds what spreading and preferences give.
    fn add_scores(&self, window: &mut Window) {
        let soft = |(role, counter)| if let Role::Soft(skew, host) = role { Some((skew, host, counter)) } else { None };
        let soft: SmallVec<[(i64, bool, &Counter); 2]> = self.of(|_| true).filter_map(soft).collect();
        if !soft.is_empty() {
            add_spread(&mut window.totals, &soft, &window.places);
        }
        let pulls: SmallVec<[&Counter; 2]> = self.of(|role| matches!(role, Role::Pull)).map(|(_, counter)| counter).collect();
        if !pulls.is_empty() {
            add_pulls(&mut window.totals, &pulls, &window.places);
        }
    }
}

fn add_pulls(totals: &mut [i64], pulls: &[&Counter], feasible: &[u32]) {
    let raw = |&place: &u32| pulls.iter().filter_map(|counter| counter.at(place as usize)).sum::<i64>();
    let raw: Vec<i64> = feasible.iter().map(raw).collect();
    let (least, most) = extremes(&raw);
    if least == most {
        return;
    }
    // Few sums differ: the last one's score serves for most nodes.
    let (mut last, mut added) = (least, WEIGHT * inter_pod_affinity::normalize(least, least, most));
    for (total, &raw) in totals.iter_mut().zip(&raw) {
        if raw != last {
            (last, added) = (raw, WEIGHT * inter_pod_affinity::normalize(raw, least, most));
        }
        *total += added;
    }
}

fn extremes(raw: &[i64]) -> (i64, i64) {
    raw.iter().fold((i64::MAX, i64::MIN), |(low, high), &raw| (low.min(raw), high.max(raw)))
}

fn add_spread(totals: &mut [i64], soft: &[(i64, bool, &Counter)], feasible: &[u32]) {
    let domains = |counter: &Counter| {
        let mut seen = vec![false; counter.values.len() + 1];
        feasible.iter().for_each(|&place| {
            let domain = counter.of_place[place as usize] as usize;
            seen[domain.min(counter.values.len())] = true;
        });
        seen.into_iter().filter(|seen| *seen).count()
    };
    let size = |host: bool, counter: &Counter| if host { feasible.len() } else { domains(counter) };
    let weights = Weights::new(soft.iter().map(|&(skew, host, counter)| (size(host, counter), skew)));
    if let [(_, _, counter)] = soft
        && !counter.gaps
    {
        add_spread_of_one(totals, &weights, counter, feasible);
        return;
    }
    let raw = |&place: &u32| raw_score(&weights, soft.iter().map(|(_, _, counter)| counter.at(place as usize)));
    let raw: Vec<i64> = feasible.iter().map(raw).collect();
    let (least, most) = extremes(&raw);
    for (total, raw) in totals.iter_mut().zip(&raw) {
        *total += WEIGHT * normalize(*raw, least, most);
    }
}

/// The same for one constraint whose key every node has: scores by sum are made once.
fn add_spread_of_one(totals: &mut [i64], weights: &Weights, counter: &Counter, feasible: &[u32]) {
    let sum = |&place: &u32| counter.values[counter.of_place[place as usize] as usize];
    let (low, high) = feasible.iter().map(sum).fold((i64::MAX, i64::MIN), |(low, high), sum| (low.min(sum), high.max(sum)));
    let raw: Vec<i64> = (low..=high).map(|sum| raw_score(weights, [Some(sum)])).collect();
    let (least, most) = extremes(&raw);
    let added: Vec<i64> = raw.iter().map(|&raw| WEIGHT * normalize(raw, least, most)).collect();
    for (total, place) in totals.iter_mut().zip(feasible) {
        *total += added[(sum(place) - low) as usize];
    }
}

/// The place of the best total: among equals the first in pre-order.
fn first_best(totals: &[i64]) -> usize {
    let best = totals.iter().copied().max().unwrap_or(0);
    let equal = totals.iter().enumerate().filter(|(_, total)| **total == best).map(|(at, _)| at);
    equal.min_by_key(|&at| pre_order(at)).unwrap_or(0)
}
