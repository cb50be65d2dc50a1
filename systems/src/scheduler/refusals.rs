//! Refusals that stand: why no node can take pods of a kind, kept as nodes change, so that such pods are tried again, and others like them
//! for the first time, at the cost of what has changed.
//!
//! Kept for pods whose every refusal follows from the pod and one node alone. The answer is that of [`crate::scheduler::cycle::look`] and
//! [`crate::scheduler::preemption::preempt`]; `--check` holds it to them.

use crate::scheduler::cache::PodKind;
use crate::scheduler::cycle::Cycle;
use crate::scheduler::failure::{Failure, NO_CLAIMS};
use crate::scheduler::filter::Filters;
use crate::scheduler::plugin::{Plugin, Plugins, Refusal};
use crate::scheduler::preemption::{Helpless, NOT_HELPFUL};
use std::sync::Arc;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::model::labels::LabelSetId;

/// Kinds of pods kept at most; one beyond makes all be looked at anew.
const KINDS_MAX: usize = 256;
/// No refusal, or none that is known.
const NONE: u32 = u32::MAX;

/// What tells pods apart: the kind, and the annotations, which policies of one's own may read.
pub(super) type Key = (PodKind, LabelSetId);

/// Why no node can take a pod, and no preemption helps.
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

impl Refusals {
    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Takes out what is kept of a kind.
    pub(super) fn take(&mut self, key: &Key) -> Option<Kept> {
        self.kept.remove(key)
    }

    /// Keeps what is known of a kind from now on.
    pub(super) fn put(&mut self, key: Key, kept: Kept) {
        if self.kept.len() >= KINDS_MAX {
            self.kept.clear();
        }
        self.kept.insert(key, kept);
    }
}

/// The refusals of one kind of pods.
#[derive(Debug, Default)]
pub(super) struct Kept {
    epoch: u64,
    /// Entries of the table's change list taken in.
    seen: usize,
    /// By number of the node.
    verdicts: Vec<Verdict>,
    refusals: Tally,
    helpless: Tally,
    /// Nodes on which preemption may help, as far as is known.
    open: usize,
    said: Option<Said>,
}

/// Places of a node's refusal, and of why preemption does not help there.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    refusal: u32,
    helpless: u32,
}

/// Different refusals, each with its number of nodes.
#[derive(Debug, Default)]
struct Tally(Vec<(Refusal, usize)>);

impl Tally {
    fn add(&mut self, refusal: Refusal) -> u32 {
        let at = self.0.iter().position(|kind| kind.0 == refusal).unwrap_or_else(|| {
            self.0.push((refusal, 0));
            self.0.len() - 1
        });
        self.0[at].1 += 1;
        at as u32
    }

    fn get(&self, at: u32) -> Option<&Refusal> {
        self.0.get(at as usize).map(|kind| &kind.0)
    }

    fn drop(&mut self, at: u32) {
        if let Some(kind) = self.0.get_mut(at as usize) {
            kind.1 -= 1;
        }
    }

    fn failure(&self, nodes: usize) -> Failure {
        Failure { nodes, kinds: self.0.iter().filter(|kind| kind.1 > 0).cloned().collect(), ..Failure::default() }
    }
}

impl Kept {
    /// Takes in what has changed. Returns how many nodes were looked at; `None` when one can take the pod by now, and nothing is left to
    /// keep.
    pub(super) fn catch_up(&mut self, cycle: &Cycle) -> Option<u64> {
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
                self.forget(number);
                let refusal = filters.refusal(number)?;
                self.open += usize::from(refusal.resolvable);
                self.verdicts[number as usize].refusal = self.refusals.add(refusal);
            }
        }
        Some(changed.len() as u64)
    }

    fn forget(&mut self, number: u32) {
        let at = number as usize;
        if self.verdicts.len() <= at {
            self.verdicts.resize(at + 1, Verdict { refusal: NONE, helpless: NONE });
        }
        let verdict = std::mem::replace(&mut self.verdicts[at], Verdict { refusal: NONE, helpless: NONE });
        let resolvable = self.refusals.get(verdict.refusal).is_some_and(|refusal| refusal.resolvable);
        self.open -= usize::from(resolvable && verdict.helpless == NONE);
        self.refusals.drop(verdict.refusal);
        self.helpless.drop(verdict.helpless);
        self.said = None;
    }

    /// The refusals as a cycle gives them.
    pub(super) fn failure(&self, cycle: &Cycle) -> Failure {
        let order = cycle.nodes.ordered();
        let mut failure = self.refusals.failure(order.len());
        let mut next = 0;
        let place = |kind: &(Refusal, usize)| {
            let place = if kind.1 > 0 { next } else { NONE };
            next += u32::from(kind.1 > 0);
            place
        };
        let places: Vec<u32> = self.refusals.0.iter().map(place).collect();
        failure.verdicts = order.iter().map(|&number| (number, places[self.verdicts[number as usize].refusal as usize])).collect();
        failure
    }

    /// What is said where preemption is known not to help anywhere.
    pub(super) fn said(&mut self, cycle: &Cycle) -> Option<&Said> {
        if self.open > 0 {
            return None;
        }
        Some(self.said.get_or_insert_with(|| {
            let nodes = cycle.nodes.ordered().len();
            let (failure, mut dry_run) = (self.refusals.failure(nodes), self.helpless.failure(nodes));
            let seen: usize = dry_run.kinds.iter().map(|kind| kind.1).sum();
            if seen < nodes {
                dry_run.kinds.push((Refusal::of(Plugin::DefaultPreemption, false, NOT_HELPFUL), nodes - seen));
            }
            let preemption = format!("{NO_CLAIMS}, preemption: {}", dry_run.message(cycle.names, ""));
            Said { plugins: failure.plugins(), message: failure.message(cycle.names, &preemption).into() }
        }))
    }
}

impl Helpless for Kept {
    fn known(&self, number: u32) -> Option<&Refusal> {
        self.helpless.get(self.verdicts.get(number as usize)?.helpless)
    }

    fn note(&mut self, number: u32, refusal: &Refusal) {
        self.verdicts[number as usize].helpless = self.helpless.add(refusal.clone());
        self.open -= 1;
    }
}
