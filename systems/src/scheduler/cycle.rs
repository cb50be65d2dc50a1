//! One decision by a plain look at the nodes: the reference for the class trees.

use crate::scheduler::failure::Failure;
use crate::scheduler::filter::Filters;
use crate::scheduler::nodes::NodeTable;
use crate::scheduler::own::Own;
use crate::scheduler::plugin::{MAX_SCORE, Plugin};
use crate::scheduler::plugins::SCORES;
use crate::scheduler::pods::{Groups, Incoming, Namespaces, Nominations};
use crate::scheduler::profile::Profile;
use crate::scheduler::storage::Storage;
use wavetank_engine::draw::draw_below;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::model::Ties;

/// What plugins see of a cycle.
#[derive(Clone, Copy)]
pub struct Cycle<'c> {
    /// The pod.
    pub pod: &'c Incoming,
    /// The profile that schedules it.
    pub profile: &'c Profile,
    /// All nodes, in an order made before.
    pub nodes: &'c NodeTable,
    /// Groups of pods on nodes.
    pub groups: &'c Groups,
    /// Pods that reserve room.
    pub nominations: &'c Nominations,
    /// Claims, volumes and what belongs to them.
    pub storage: &'c Storage,
    /// Namespaces.
    pub namespaces: &'c Namespaces,
    /// Policies of one's own; `None` without any.
    pub own: Option<&'c Own>,
    /// Label sets.
    pub labels: &'c LabelSets,
    /// Texts.
    pub names: &'c Names,
}

/// What a cycle decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The node to bind to, and where the next cycle starts to look.
    Node {
        /// Number of the node.
        node: u32,
        /// Next start, as a place in the order.
        next_start: usize,
        /// Whether the pod's own nominated node was taken, without a look at others.
        nominated: bool,
    },
    /// No node can run the pod.
    None(Box<Failure>),
}

/// How many feasible nodes are enough; `percentage` 0: by the number of nodes. Source: `spec/scheduler.md` §2, `numFeasibleNodesToFind`.
pub fn feasible_wanted(nodes: usize, percentage: u32) -> usize {
    if nodes < 100 {
        return nodes;
    }
    let percent = if percentage > 0 { percentage as usize } else { 50usize.saturating_sub(nodes / 125).max(5) };
    (nodes * percent / 100).max(100).min(nodes)
}

/// Decides by looking at nodes one by one from `start`.
///
/// Choice: the original looks at nodes in parallel; we look one by one.
pub fn decide(cycle: &Cycle, start: usize) -> Decision {
    look(cycle, start).0
}

/// Nodes that one decision looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Run through the filters.
    pub filtered: u64,
    /// Scored.
    pub scored: u64,
}

/// [`decide`], and what it took.
pub fn look(cycle: &Cycle, start: usize) -> (Decision, Looked) {
    let found = examine(cycle, start);
    let scored = if found.feasible.len() > 1 { found.feasible.len() as u64 } else { 0 };
    let looked = Looked { filtered: found.examined, scored };
    (chosen(cycle, found), looked)
}

/// What follows from the feasible nodes.
pub(super) fn chosen(cycle: &Cycle, found: Examined) -> Decision {
    match found.feasible[..] {
        [] => Decision::None(Box::new(found.failure)),
        [node] => Decision::Node { node, next_start: found.next_start, nominated: found.nominated },
        _ => {
            let node = found.feasible[pick_by(cycle, &found.feasible, &scores(cycle, &found.feasible).totals)];
            Decision::Node { node, next_start: found.next_start, nominated: false }
        }
    }
}

/// Feasible nodes, and why the others are not.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Feasible nodes, in the order in which they were found; at most as many as are enough.
    pub feasible: Vec<u32>,
    /// Whether the pod's own nominated node was tried first and passed: no other node was looked at.
    pub nominated: bool,
    /// Refusals so far.
    pub failure: Failure,
    /// Where the next cycle starts to look.
    pub next_start: usize,
    /// Nodes run through the filters.
    pub examined: u64,
}

/// Runs the filters. Source: `schedule_one.go`, `findNodesThatFitPod`.
pub fn examine(cycle: &Cycle, start: usize) -> Examined {
    let order = cycle.nodes.ordered();
    let mut found = Examined { feasible: Vec::new(), nominated: false, failure: Failure::new(order.len()), next_start: start, examined: 0 };
    if order.is_empty() {
        return found;
    }
    let filters = match Filters::prepare(*cycle) {
        Ok(filters) => filters,
        Err(refusal) => {
            found.failure.refuse_all(refusal, order);
            return found;
        }
    };
    if let Some(number) = own_nomination(cycle)
        && filters.refusal(number).is_none()
    {
        found.feasible.push(number);
        found.nominated = true;
        found.examined = 1;
        return found;
    }
    let few: Option<Vec<u32>> = filters.only.as_ref().map(|(names, plugins)| {
        let mut few: Vec<(usize, u32)> = names.iter().filter_map(|&name| place_of(cycle.nodes, name)).collect();
        few.sort_unstable();
        let few: Vec<u32> = few.into_iter().map(|(_, number)| number).collect();
        found.failure.leave_out(*plugins, order.len() - few.len());
        few
    });
    let list = few.as_deref().unwrap_or(order);
    let wanted = feasible_wanted(list.len(), cycle.profile.percentage_of_nodes_to_score);
    let mut examined = 0;
    for step in 0..list.len() {
        let number = list[(start + step) % list.len()];
        examined += 1;
        match filters.refusal(number) {
            Some(refusal) => found.failure.add(number, refusal),
            None => found.feasible.push(number),
        }
        if found.feasible.len() == wanted {
            break;
        }
    }
    found.next_start = (start + examined) % order.len();
    found.examined = examined as u64;
    found
}

/// Place in the order and number of the node with a name.
fn place_of(nodes: &NodeTable, name: Sym) -> Option<(usize, u32)> {
    let number = nodes.by_name(name)?;
    Some((nodes.place(number)?, number))
}

fn own_nomination(cycle: &Cycle) -> Option<u32> {
    let node = cycle.pod.nominated_node;
    if node.is_empty() { None } else { cycle.nodes.by_name(node) }
}

/// Scores of feasible nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored {
    /// The plugins that had something to say, in order, with their weights and normalised scores.
    pub columns: Vec<(Plugin, i64, Vec<i64>)>,
    /// Weighted sums.
    pub totals: Vec<i64>,
}

/// Scores the feasible nodes. Source: `spec/scheduler.md` §4.
pub fn scores(cycle: &Cycle, feasible: &[u32]) -> Scored {
    let mut scored = Scored { columns: Vec::new(), totals: vec![0; feasible.len()] };
    for &(plugin, weight) in &cycle.profile.scores {
        let column = match SCORES.iter().find(|score| score.plugin() == plugin) {
            Some(score) => score.scores(cycle, feasible),
            None => Some(vec![0; feasible.len()]),
        };
        let Some(column) = column else { continue };
        debug_assert!(column.iter().all(|score| (0..=MAX_SCORE).contains(score)), "scores of {plugin:?} are normalised: {column:?}");
        scored.totals.iter_mut().zip(&column).for_each(|(total, score)| *total += weight * score);
        scored.columns.push((plugin, weight, column));
    }
    for (weight, column) in cycle.own.map_or(Vec::new(), |own| own.scores(cycle, feasible)) {
        scored.totals.iter_mut().zip(&column).for_each(|(total, score)| *total += weight * score);
        scored.columns.push((Plugin::Own, weight, column));
    }
    scored
}

/// The place of the best score, among equals as the profile wants it.
fn pick_by(cycle: &Cycle, feasible: &[u32], totals: &[i64]) -> usize {
    let best = totals.iter().copied().max().unwrap_or(0);
    let equal = || (0..totals.len()).filter(|&at| totals[at] == best);
    match cycle.profile.ties {
        (Ties::Heap, _) => pick(totals),
        (Ties::LowestName, _) => {
            let name = |&at: &usize| cycle.names.text(cycle.nodes.get(feasible[at]).name);
            equal().min_by_key(name).unwrap_or(0)
        }
        (Ties::Random, seed) => {
            let nth = draw_below(seed, "ties", cycle.pod.uid.0, 0, equal().count() as u64);
            equal().nth(nth as usize).unwrap_or(0)
        }
    }
}

/// The place of the best score: among equals the root of Go's heap over the list. Source: `spec/scheduler.md` §2.
pub fn pick(scores: &[i64]) -> usize {
    let best = scores.iter().copied().max().unwrap_or(0);
    let mut stack = vec![0];
    while let Some(at) = stack.pop() {
        if scores[at] == best {
            return at;
        }
        stack.extend([2 * at + 2, 2 * at + 1].into_iter().filter(|&child| child < scores.len()));
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_feasible_nodes() {
        for (nodes, percentage, want) in [
            (5, 0, 5),
            (99, 0, 99),
            (100, 0, 100),
            (1000, 0, 420),
            (5000, 0, 500),
            (20_000, 0, 1000),
            (100_000, 0, 5000),
            (1000, 100, 1000),
            (1000, 5, 100),
            (1000, 30, 300),
        ] {
            assert_eq!(feasible_wanted(nodes, percentage), want, "{nodes} {percentage}");
        }
    }

    #[test]
    fn ties_go_to_the_first_in_pre_order() {
        for (scores, want) in
            [(&[5, 5, 5][..], 0), (&[1, 5, 5], 1), (&[1, 2, 5], 2), (&[1, 2, 5, 5, 5], 3), (&[1, 2, 5, 1, 5, 5], 4), (&[7], 0)]
        {
            assert_eq!(pick(scores), want, "{scores:?}");
        }
    }
}
