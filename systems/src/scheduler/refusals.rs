//! Refusals that stand: why no node could take pods of a kind, kept as nodes change, so that trying such pods again costs by change.
//!
//! Kept for pods whose every refusal follows from the pod and one node alone, and which preemption can't help either. The answer is that of
//! [`crate::scheduler::cycle::look`] and [`crate::scheduler::preemption::preempt`]; `--check` holds it to them.

use crate::scheduler::cache::PodKind;
use crate::scheduler::cycle::Cycle;
use crate::scheduler::failure::{Failure, NO_CLAIMS};
use crate::scheduler::filter::Filters;
use crate::scheduler::plugin::{Plugin, Plugins, Refusal};
use crate::scheduler::preemption::{Cluster, NOT_HELPFUL, candidate};
use std::sync::Arc;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::model::labels::LabelSetId;

/// Kinds of pods kept at most; one beyond makes all be looked at anew.
const KINDS_MAX: usize = 256;

/// What tells pods apart: the kind, and the annotations, which policies of one's own may read.
pub(super) type Key = (PodKind, LabelSetId);

/// Why no node can take a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Plugins that refused.
    pub(super) plugins: Plugins,
    /// The whole message.
    pub(super) message: Arc<str>,
}

/// Refusals by kind of pods.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    kept: LookupMap<Key, Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    epoch: u64,
    /// Entries of the table's change list taken in.
    seen: usize,
    /// For each node the places of its refusal, and of what preemption says of it where it might help.
    verdicts: LookupMap<u32, (usize, Option<usize>)>,
    refusals: Tally,
    helpless: Tally,
    said: Option<Said>,
}

/// Different refusals, each with its number of nodes.
#[derive(Debug, Default)]
struct Tally(Vec<(Refusal, usize)>);

impl Tally {
    fn add(&mut self, refusal: Refusal) -> usize {
        let at = self.0.iter().position(|kind| kind.0 == refusal).unwrap_or_else(|| {
            self.0.push((refusal, 0));
            self.0.len() - 1
        });
        self.0[at].1 += 1;
        at
    }

    fn failure(&self, nodes: usize) -> Failure {
        Failure { nodes, kinds: self.0.iter().filter(|kind| kind.1 > 0).cloned().collect(), ..Failure::default() }
    }
}

impl Refusals {
    /// Why the pod of a cycle still finds no node, and how many nodes were looked at to know; `None`: one may take it by now.
    pub(super) fn again(&mut self, key: Key, cycle: &Cycle, cluster: &dyn Cluster) -> Option<(Said, u64)> {
        if self.kept.len() >= KINDS_MAX && !self.kept.contains_key(&key) {
            self.kept.clear();
        }
        let kept = self.kept.entry(key).or_default();
        let found = kept.catch_up(cycle, cluster);
        if found.is_none() {
            self.kept.remove(&key);
        }
        found
    }
}

impl Kept {
    fn catch_up(&mut self, cycle: &Cycle, cluster: &dyn Cluster) -> Option<(Said, u64)> {
        let table = cycle.nodes;
        let fresh = self.epoch != table.epoch || table.changes.len() < self.seen;
        let changed = if fresh {
            *self = Kept { epoch: table.epoch, ..Kept::default() };
            table.ordered().to_vec()
        } else {
            let mut list: Vec<u32> = table.changes[self.seen..].iter().copied().filter(|&number| table.place(number).is_some()).collect();
            list.sort_unstable();
            list.dedup();
            list
        };
        self.seen = table.changes.len();
        if !changed.is_empty() {
            let filters = Filters::prepare(*cycle).ok().filter(|filters| filters.only.is_none())?;
            for &number in &changed {
                self.look(number, &filters, cycle, cluster)?;
            }
            self.said = None;
        }
        let said = self.said.get_or_insert_with(|| say(&self.refusals, &self.helpless, cycle));
        Some((said.clone(), changed.len() as u64))
    }

    /// Looks at one node; `None` when it may take the pod, or when preemption may make room there.
    fn look(&mut self, number: u32, filters: &Filters, cycle: &Cycle, cluster: &dyn Cluster) -> Option<()> {
        if let Some((refusal, helpless)) = self.verdicts.remove(&number) {
            self.refusals.0[refusal].1 -= 1;
            helpless.into_iter().for_each(|at| self.helpless.0[at].1 -= 1);
        }
        let refusal = filters.refusal(number)?;
        // Budgets decide which pods go, not whether their going helps.
        let helpless = match refusal.resolvable {
            true => Some(candidate(cycle, filters, number, cluster.on_node(number), &[]).err()?),
            false => None,
        };
        self.verdicts.insert(number, (self.refusals.add(refusal), helpless.map(|refusal| self.helpless.add(refusal))));
        Some(())
    }
}

fn say(refusals: &Tally, helpless: &Tally, cycle: &Cycle) -> Said {
    let nodes = cycle.nodes.ordered().len();
    let (failure, mut dry_run) = (refusals.failure(nodes), helpless.failure(nodes));
    let seen: usize = dry_run.kinds.iter().map(|kind| kind.1).sum();
    if seen < nodes {
        dry_run.kinds.push((Refusal::of(Plugin::DefaultPreemption, false, NOT_HELPFUL), nodes - seen));
    }
    let preemption = format!("{NO_CLAIMS}, preemption: {}", dry_run.message(cycle.names, ""));
    Said { plugins: failure.plugins(), message: failure.message(cycle.names, &preemption).into() }
}
