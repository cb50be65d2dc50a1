//! Which flows reach the same pods, and what follows when one of them changes.

use super::pieces::Piece;
use super::queue::Line;
use super::share::Share;
use super::{Arrivals, Flows, KEPT, Spread};
use crate::ids::Uid;
use crate::time::SimTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A flow that reaches a pod with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Sharer {
    pub(super) flow: usize,
    /// How many parts of its rate the pod gets.
    pub(super) weight: u32,
    /// Into how many parts the rate is divided.
    pub(super) parts: u128,
    /// What waits of it in the pod at the beginning of a spread. Unit: 10⁻¹⁸ of a request.
    pub(super) waiting: u128,
}

impl Sharer {
    /// The pod's part of a rate.
    pub(super) fn part(&self, piece: Piece) -> Piece {
        piece.part(self.weight, self.parts)
    }
}

impl Flows {
    /// How many calls come before the requests of a flow at most.
    fn level(&self, flow: usize, share: &Share) -> u32 {
        match (self.0[flow].service, share.backend) {
            (None, Some(backend)) => self.0.iter().find(|flow| flow.service == Some(backend)).map_or(0, |flow| flow.level),
            _ => self.0[flow].level,
        }
    }
}

impl Arrivals {
    /// Notes which pods with a limit a flow reaches from now on.
    fn reach(&mut self, flow: usize, share: &Share) {
        let old: Vec<Uid> = self.share_of(flow).into_iter().flat_map(Share::limited).collect();
        for pod in old {
            if let Some(list) = self.reached.get_mut(&pod) {
                list.retain(|&one| one != flow);
                if list.is_empty() {
                    self.reached.remove(&pod);
                }
            }
        }
        for pod in share.limited() {
            let list = self.reached.entry(pod).or_default();
            if let Err(place) = list.binary_search(&flow) {
                list.insert(place, flow);
            }
        }
    }

    /// The flows that share pods with one, by pod. Those of other levels do not: what the one can do might hang on itself.
    fn sharers(&self, flows: &Flows, flow: usize, shares: &BTreeMap<usize, &Share>) -> BTreeMap<Uid, Vec<Sharer>> {
        let share_of = |flow: usize| shares.get(&flow).copied().or_else(|| self.share_of(flow));
        let Some(share) = share_of(flow) else { return BTreeMap::new() };
        let level = flows.level(flow, share);
        let mut all = BTreeMap::new();
        for pod in share.limited() {
            let reached = self.reached.get(&pod).map_or(&[][..], Vec::as_slice);
            if reached.len() < 2 {
                continue;
            }
            let of = |&flow: &usize| {
                let share = share_of(flow).filter(|share| flows.level(flow, share) == level)?;
                Some(Sharer { flow, weight: share.weight(pod)?, parts: share.parts(), waiting: 0 })
            };
            let list: Vec<Sharer> = reached.iter().filter_map(of).collect();
            if list.len() > 1 {
                all.insert(pod, list);
            }
        }
        all
    }

    /// The flows that get on otherwise when the share of one changes: calls that its requests bring about, and flows that reach the same
    /// pods, and so on.
    fn concerned(&self, flows: &Flows, flow: usize, share: &Share) -> BTreeSet<usize> {
        let (mut all, mut next) = (BTreeSet::from([flow]), vec![flow]);
        while let Some(one) = next.pop() {
            let called = (one + 1..flows.0.len()).filter(|&place| flows.0[place].calls.iter().any(|&(caller, _)| caller == one));
            let before = self.spreads[one].last().into_iter().flat_map(|spread| &spread.lines);
            let with = before.flat_map(|line| &line.sharers).map(|sharer| sharer.flow);
            let soon = share.limited().filter(|_| one == flow).filter_map(|pod| self.reached.get(&pod)).flatten().copied();
            for place in called.chain(with).chain(soon) {
                if all.insert(place) {
                    next.push(place);
                }
            }
        }
        all
    }

    /// Notes how the rate of a flow is shared from now on. What lies too far back to be asked for is dropped.
    pub fn spread(&mut self, flows: &Flows, flow: usize, share: Share, now: SimTime) {
        if self.spreads.len() < flows.0.len() {
            self.spreads.resize_with(flows.0.len(), Vec::new);
            self.counts.resize_with(flows.0.len(), Default::default);
        }
        if self.share_of(flow) == Some(&share) {
            return;
        }
        // All of them are looked at before anything changes.
        let mut waiting: BTreeMap<usize, BTreeMap<Uid, u128>> = BTreeMap::new();
        let concerned = self.concerned(flows, flow, &share);
        let since: Vec<_> = concerned.iter().map(|&place| (place, self.since(place, flows, now))).collect();
        for &place in &concerned {
            waiting.insert(place, self.waiting(flows, place, now));
        }
        for (place, since) in since {
            self.counts[place].0.add(since);
            self.counts[place].1 = now;
        }
        if flows.0.len() > 1 {
            self.reach(flow, &share);
        }
        let shares = BTreeMap::from([(flow, &share)]);
        let lines: Vec<(usize, Vec<Line>, u128)> = concerned
            .iter()
            .filter_map(|&place| {
                let of = if place == flow { &share } else { self.share_of(place)? };
                let (lines, left) = Line::of(of, place, &waiting, &self.sharers(flows, place, &shares));
                let before = self.spreads[place].last().is_some_and(|spread| !spread.lines.is_empty());
                (place == flow || before || !lines.is_empty()).then_some((place, lines, left))
            })
            .collect();
        let mut share = Some(share);
        for (place, lines, left) in lines {
            let next = if place == flow { share.take() } else { self.share_of(place).cloned() };
            // Who waits in a pod that leaves waits in vain.
            self.counts[place].0.timed_out += left;
            self.turn(place, next.unwrap_or_default(), lines, now);
        }
    }

    /// Begins another spread of a flow.
    fn turn(&mut self, flow: usize, share: Share, lines: Vec<Line>, now: SimTime) {
        let list = &mut self.spreads[flow];
        list.retain(|spread| spread.from < now);
        list.push(Spread { from: now, share, lines });
        let old = list.partition_point(|spread| spread.from + KEPT < now);
        list.drain(..old.saturating_sub(1));
    }
}
