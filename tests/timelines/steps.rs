//! Changes of a number, taken apart into steps of one, so that `8 to 7` and `7 to 6` are the same as `8 to 6`.
//!
//! Between two neighbouring values a number rises and falls by turns. So two series of steps are paired edge by edge:
//! the first crossing of the edge `7|8` with the first, and so on.

use crate::difference::{Difference, TOLERANCE, seconds};
use std::collections::BTreeMap;

/// A number crosses from one value to the next. `place` is the write that did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) place: usize,
    /// Microseconds.
    pub(crate) at: i64,
}

impl Step {
    /// `7 -> 8`.
    pub(crate) fn name(&self) -> String {
        format!("{} -> {}", self.from, self.to)
    }
}

/// Adds the steps that lead from `before` to `now`. Numbers far apart are one step: nothing counts that far.
pub(crate) fn push(steps: &mut Vec<Step>, before: i64, now: i64, place: usize, at: i64) {
    if before.abs_diff(now) > 10_000 {
        steps.push(Step { from: before, to: now, place, at });
        return;
    }
    let mut from = before;
    while from != now {
        let to = if now > from { from + 1 } else { from - 1 };
        steps.push(Step { from, to, place, at });
        from = to;
    }
}

/// Pairs the steps of both sides. With `may_cancel` two neighbouring crossings of an edge may be missing on one side
/// when they lie within the tolerance. The error is the first step without a partner.
pub(crate) fn pair(expected: &[Step], produced: &[Step], may_cancel: bool) -> Result<Vec<(Step, Step)>, Difference> {
    let mut edges: BTreeMap<(i64, i64), (Vec<Step>, Vec<Step>)> = BTreeMap::new();
    let edge = |step: &Step| (step.from.min(step.to), step.from.max(step.to));
    for step in expected {
        edges.entry(edge(step)).or_default().0.push(*step);
    }
    for step in produced {
        edges.entry(edge(step)).or_default().1.push(*step);
    }
    let mut pairs = Vec::new();
    let mut first: Option<Difference> = None;
    for (ours, theirs) in edges.values() {
        match pair_edge(ours, theirs, may_cancel) {
            Ok(mut found) => pairs.append(&mut found),
            Err(difference) => first = Some(first.map_or(difference.clone(), |first| first.min(difference))),
        }
    }
    first.map_or(Ok(pairs), Err)
}

/// How to go on from a place in the table of `pair_edge`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Move {
    Stuck,
    End,
    Pair,
    SkipExpected,
    SkipProduced,
}

fn pair_edge(ours: &[Step], theirs: &[Step], may_cancel: bool) -> Result<Vec<(Step, Step)>, Difference> {
    let cancels = |steps: &[Step], at: usize| may_cancel && at + 1 < steps.len() && steps[at + 1].at - steps[at].at <= TOLERANCE;
    let meet = |i: usize, j: usize| ours[i].from == theirs[j].from && (ours[i].at - theirs[j].at).abs() <= TOLERANCE;
    let mut table = vec![vec![Move::Stuck; theirs.len() + 2]; ours.len() + 2];
    for i in (0..=ours.len()).rev() {
        for j in (0..=theirs.len()).rev() {
            table[i][j] = if i == ours.len() && j == theirs.len() {
                Move::End
            } else if i < ours.len() && j < theirs.len() && meet(i, j) && table[i + 1][j + 1] != Move::Stuck {
                Move::Pair
            } else if cancels(ours, i) && table[i + 2][j] != Move::Stuck {
                Move::SkipExpected
            } else if cancels(theirs, j) && table[i][j + 2] != Move::Stuck {
                Move::SkipProduced
            } else {
                Move::Stuck
            };
        }
    }
    if table[0][0] == Move::Stuck {
        return Err(edge_difference(ours, theirs));
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    loop {
        match table[i][j] {
            Move::Stuck | Move::End => return Ok(pairs),
            Move::Pair => {
                pairs.push((ours[i], theirs[j]));
                (i, j) = (i + 1, j + 1);
            }
            Move::SkipExpected => i += 2,
            Move::SkipProduced => j += 2,
        }
    }
}

fn edge_difference(ours: &[Step], theirs: &[Step]) -> Difference {
    for (a, b) in ours.iter().zip(theirs) {
        if (a.at - b.at).abs() > TOLERANCE {
            return Difference::new(a.at.min(b.at), format!("went {} at {}, produced at {}", a.name(), seconds(a.at), seconds(b.at)));
        }
    }
    match (ours.get(theirs.len()), theirs.get(ours.len())) {
        (Some(a), _) => Difference::new(a.at, format!("went {} at {}, produced never", a.name(), seconds(a.at))),
        (None, Some(b)) => Difference::new(b.at, format!("went {} at {} as produced, recorded never", b.name(), seconds(b.at))),
        (None, None) => Difference::new(ours.first().map_or(0, |a| a.at), "went another way than recorded"),
    }
}
