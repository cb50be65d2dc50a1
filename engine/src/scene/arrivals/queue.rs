//! Requests that wait in pods: a fluid that comes at the pod's part of a rate and goes at what the pod can serve.
//!
//! With a rate of λ and a limit of μ requests a second, what waits grows by λ − μ a second and shrinks by μ − λ, between nothing and the
//! pod's room for it. As long as something waits the pod serves μ; who comes waits for (what waits) / μ seconds. What comes while the room
//! is full times out. Rates are straight lines, so that all this is exact. Pods that several flows reach serve them by [`fair`].

use super::fair::{self, Fair};
use super::pieces::Piece;
use super::share::{Group, REQUEST, Share};
use super::sharers::Sharer;
use super::{Arrivals, Flows, Spread};
use crate::ids::Uid;
use crate::time::{SimDuration, SimTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far back a look for what waits goes first; four times as far each time.
const LOOK_BACK: SimDuration = SimDuration::from_secs(60);

/// Pods of one group in which equally many requests wait at the beginning of a spread, and that the same flows reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Place of the group in the share.
    pub(super) group: usize,
    /// Sorted.
    pub(super) pods: Vec<Uid>,
    /// Of this flow. Unit: 10⁻¹⁸ of a request, in each pod.
    pub(super) waiting: u128,
    /// The flows that reach these pods, this one among them; empty: no other does.
    pub(super) sharers: Vec<Sharer>,
}

/// What went through a queue.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// What was served.
    pub(super) out: Vec<Piece>,
    /// What found no room. Unit: 10⁻¹⁸ of a request.
    pub(super) over: u128,
    /// What waits at the end.
    pub(super) waiting: u128,
    /// The longest wait before something that came.
    pub(super) longest_ns: u64,
}

/// Sends a rate through a queue before something that serves `limit`, where `waiting` requests wait already.
fn pass(offered: impl Iterator<Item = Piece>, limit: u128, room: u128, waiting: u128) -> Passed {
    let mut passed = Passed { waiting, longest_ns: wait_ns(waiting, limit), ..Passed::default() };
    for piece in offered {
        match piece.passes(limit) {
            Some(at) => {
                passed.straight(Piece { until: at, end: limit, ..piece }, limit, room);
                passed.straight(Piece { from: at, start: limit, ..piece }, limit, room);
            }
            None => passed.straight(piece, limit, room),
        }
    }
    passed
}

/// How long so much takes at a rate.
pub(super) fn wait_ns(waiting: u128, rate: u128) -> u64 {
    u64::try_from(waiting / rate.max(1)).unwrap_or(u64::MAX)
}

impl Passed {
    /// A piece that lies on one side of the limit.
    fn straight(&mut self, piece: Piece, limit: u128, room: u128) {
        let width = u128::from(piece.until.since(piece.from).0);
        let full = Piece { start: limit, end: limit, ..piece };
        if piece.start.max(piece.end) > limit {
            let filled = (piece.start.saturating_sub(limit) + piece.end.saturating_sub(limit)) * width / 2;
            let sum = self.waiting + filled;
            self.over += sum.saturating_sub(room);
            self.waiting = sum.min(room);
            self.longest_ns = self.longest_ns.max(wait_ns(self.waiting, limit));
            self.out.push(full);
            return;
        }
        let (start, end) = (limit - piece.start, limit - piece.end);
        let drained = (start + end) * width / 2;
        if self.waiting == 0 {
            self.out.push(piece);
        } else if drained <= self.waiting {
            self.waiting -= drained;
            self.out.push(full);
        } else {
            let at = SimTime(piece.from.0 + reaches(start, end, width, self.waiting));
            self.waiting = 0;
            self.out
                .extend([Piece { until: at, ..full }, Piece { from: at, start: piece.at(at), ..piece }].into_iter().filter(Piece::lasts));
        }
    }
}

/// Where the area below a straight line from `start` to `end` first reaches so much; it does before `width`.
pub(super) fn reaches(start: u128, end: u128, width: u128, area: u128) -> u64 {
    let height = |x: u128| {
        if end >= start { start + (end - start) * x / width.max(1) } else { start - (start - end) * x / width.max(1) }
    };
    let (mut low, mut high) = (0, width);
    while low < high {
        let middle = (low + high) / 2;
        if (start + height(middle)) * middle / 2 < area { low = middle + 1 } else { high = middle }
    }
    u64::try_from(low).unwrap_or(u64::MAX)
}

impl Group {
    /// Room of each pod. Unit: 10⁻¹⁸ of a request.
    pub(super) fn room_exactly(&self) -> u128 {
        u128::from(self.room) * REQUEST
    }
}

impl Line {
    /// The queues of a share, and what of the waiting requests has no place in them. `before`: what waits in each pod, of this flow and of
    /// the others; `sharers`: who reaches the pods that not only this flow reaches.
    pub(super) fn of(
        share: &Share,
        flow: usize,
        before: &BTreeMap<usize, BTreeMap<Uid, u128>>,
        sharers: &BTreeMap<Uid, Vec<Sharer>>,
    ) -> (Vec<Line>, u128) {
        let waiting_of =
            |flow: usize, pod: Uid, room: u128| before.get(&flow).and_then(|waiting| waiting.get(&pod)).copied().unwrap_or(0).min(room);
        let mut left: u128 = before.get(&flow).into_iter().flat_map(BTreeMap::values).sum();
        let mut lines = Vec::new();
        for (group, settings) in share.groups.iter().enumerate() {
            let room = settings.room_exactly();
            let mut alike: BTreeMap<(u128, Vec<Sharer>), Vec<Uid>> = BTreeMap::new();
            for &pod in &settings.members {
                let waiting = waiting_of(flow, pod, room);
                left -= waiting;
                let with = |sharer: &Sharer| Sharer { waiting: waiting_of(sharer.flow, pod, room), ..*sharer };
                let shared: Vec<Sharer> = sharers.get(&pod).map(|list| list.iter().map(with).collect()).unwrap_or_default();
                if room > 0 || !shared.is_empty() {
                    alike.entry((waiting, shared)).or_default().push(pod);
                }
            }
            lines.extend(alike.into_iter().map(|((waiting, sharers), pods)| Line { group, pods, waiting, sharers }));
        }
        (lines, left)
    }

    /// The place of a flow among the sharers.
    pub(super) fn place(&self, flow: usize) -> usize {
        self.sharers.iter().position(|sharer| sharer.flow == flow).unwrap_or(0)
    }
}

impl Arrivals {
    /// What a line lets pass between two moments of its spread.
    pub(super) fn passed(&self, flows: &Flows, flow: usize, (spread, line): (&Spread, &Line), from: SimTime, until: SimTime) -> Passed {
        if !line.sharers.is_empty() {
            let waiting = self.waiting_of_all(flows, (spread, line), from);
            return self.pass_fairly(flows, (spread, line), (from, waiting), until, line.place(flow)).passed;
        }
        let waiting = self.waiting_at(flows, flow, (spread, line), from);
        self.pass_from(flows, flow, (spread, line), (from, waiting), until)
    }

    fn pass_from(
        &self,
        flows: &Flows,
        flow: usize,
        (spread, line): (&Spread, &Line),
        (from, waiting): (SimTime, u128),
        until: SimTime,
    ) -> Passed {
        let group = &spread.share.groups[line.group];
        let offered = self.pieces(flows, flow, from, until).into_iter().map(|piece| spread.share.part(piece, group.weight));
        pass(offered, group.limit(), group.room_exactly(), waiting)
    }

    fn pass_fairly(
        &self,
        flows: &Flows,
        (spread, line): (&Spread, &Line),
        (from, waiting): (SimTime, Vec<u128>),
        until: SimTime,
        mine: usize,
    ) -> Fair {
        let group = &spread.share.groups[line.group];
        let part = |sharer: &Sharer| self.pieces(flows, sharer.flow, from, until).into_iter().map(|piece| sharer.part(piece)).collect();
        let offered: Vec<Vec<Piece>> = line.sharers.iter().map(part).collect();
        fair::pass(&offered, (group.limit(), group.room_exactly()), waiting, mine)
    }

    /// What waits in each pod of a line at a moment of its spread. A queue forgets: as soon as an empty and a full one would have become
    /// alike, nothing before matters.
    pub(super) fn waiting_at(&self, flows: &Flows, flow: usize, (spread, line): (&Spread, &Line), at: SimTime) -> u128 {
        if !line.sharers.is_empty() {
            return self.waiting_of_all(flows, (spread, line), at)[line.place(flow)];
        }
        let mut back = LOOK_BACK;
        loop {
            let from = SimTime(at.0.saturating_sub(back.0)).max(spread.from);
            let left = |waiting| self.pass_from(flows, flow, (spread, line), (from, waiting), at).waiting;
            if from == spread.from {
                return left(line.waiting);
            }
            let empty = left(0);
            if empty == left(spread.share.groups[line.group].room_exactly()) {
                return empty;
            }
            back = SimDuration(back.0.saturating_mul(4));
        }
    }

    /// The same of each flow that reaches the pods of a line. What waits of all flows together is one queue: when a full one would have
    /// become empty, nothing before matters.
    pub(super) fn waiting_of_all(&self, flows: &Flows, (spread, line): (&Spread, &Line), at: SimTime) -> Vec<u128> {
        let room = spread.share.groups[line.group].room_exactly();
        if room == 0 {
            return vec![0; line.sharers.len()];
        }
        let mut back = LOOK_BACK;
        loop {
            let from = SimTime(at.0.saturating_sub(back.0)).max(spread.from);
            let pass = |waiting| self.pass_fairly(flows, (spread, line), (from, waiting), at, 0);
            if from == spread.from {
                return pass(line.sharers.iter().map(|sharer| sharer.waiting).collect()).waiting;
            }
            let full = pass((0..line.sharers.len()).map(|place| if place == 0 { room } else { 0 }).collect());
            if full.emptied {
                return full.waiting;
            }
            back = SimDuration(back.0.saturating_mul(4));
        }
    }

    /// What waits in each pod of a flow at present.
    pub(super) fn waiting(&self, flows: &Flows, flow: usize, now: SimTime) -> BTreeMap<Uid, u128> {
        let Some(spread) = self.spreads.get(flow).and_then(|list| list.last()) else { return BTreeMap::new() };
        let of = |line| {
            let waiting = self.waiting_at(flows, flow, (spread, line), now);
            line.pods.iter().map(move |&pod| (pod, waiting))
        };
        spread.lines.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::traffic::Rate;
    use proptest::prelude::*;

    fn s(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    /// A piece in requests per second.
    fn piece((from, until): (u64, u64), (start, end): (u128, u128)) -> Piece {
        Piece { from: s(from), until: s(until), start: start * 1_000_000_000, end: end * 1_000_000_000 }
    }

    #[test]
    fn what_waits_table() {
        // 100 a second are served, 500 may wait. Rates, what waits at the end, what found no room; requests.
        let flat = |span, rate| piece(span, (rate, rate));
        for (name, pieces, before, waiting, over) in [
            ("below", vec![flat((0, 10), 80)], 0, 0, 0),
            ("beyond", vec![flat((0, 10), 120)], 0, 200, 0),
            ("full after 25 s", vec![flat((0, 30), 120)], 0, 500, 100),
            ("drains in 10 s", vec![flat((0, 10), 120), flat((10, 15), 80)], 0, 100, 0),
            ("drained", vec![flat((0, 10), 120), flat((10, 30), 80)], 0, 0, 0),
            ("was full", vec![flat((0, 10), 60)], 500, 100, 0),
            // A ramp passes the limit after 5 s; what is beyond it is a triangle.
            ("ramp up", vec![piece((0, 10), (50, 150))], 0, 125, 0),
            ("ramp down", vec![piece((0, 10), (150, 50))], 0, 0, 0),
            ("ramp down, full before", vec![piece((0, 20), (150, 50))], 500, 250, 250),
        ] {
            let got = pass(pieces.iter().copied(), 100_000_000_000, 500 * REQUEST, before * REQUEST);
            assert_eq!((got.waiting / REQUEST, got.over / REQUEST), (waiting, over), "{name}");
            let area = |list: &[Piece]| list.iter().map(|p| (p.start + p.end) * u128::from(p.until.since(p.from).0) / 2).sum::<u128>();
            let (came, went) = (area(&pieces) + before * REQUEST, area(&got.out) + got.over + got.waiting);
            assert!(came.abs_diff(went) < REQUEST / 1_000_000, "{name}: {came} came, {went} went");
            assert!(got.out.windows(2).all(|pair| pair[0].until == pair[1].from), "{name}: {:?}", got.out);
        }
    }

    /// What became of requests that one pod gets: looked at only at the end, or settled at some moments.
    fn run(rate: Rate, (limit_milli, room): (u64, u64), settled: &[u64]) -> (super::super::Counts, u128) {
        let flow = super::super::Flow {
            to: "service/web".into(),
            service: None,
            from: None,
            rates: vec![rate],
            calls: vec![],
            caller: None,
            level: 0,
        };
        let flows = Flows(vec![flow]);
        let group = Group { room, members: vec![Uid(1)], ..Group::limited(limit_milli, 1) };
        let mut arrivals = Arrivals::default();
        let share = |nth: usize| {
            // Nothing is lost, so it does not matter what becomes of it.
            let lost = [super::super::Lost::Refused, super::super::Lost::Dropped][nth % 2];
            Share { groups: vec![group.clone()], lost, ..Share::among(vec![Uid(1)]) }
        };
        arrivals.spread(&flows, 0, share(0), s(0));
        settled.iter().enumerate().for_each(|(nth, &at)| arrivals.spread(&flows, 0, share(nth + 1), s(at)));
        (arrivals.counts(&flows, 0, s(300)), arrivals.waiting(&flows, 0, s(300)).values().sum())
    }

    proptest! {
        #[test]
        fn a_queue_is_a_fine_sum_however_often_it_is_settled(
            ramp in any::<bool>(),
            rates in proptest::collection::vec((1_u64..70, 0_u64..200_000), 1..6),
            limit_milli in 1_000_u64..120_000,
            room in 1_u64..2_000,
            settled in proptest::collection::btree_set(1_u64..300, 0..6),
        ) {
            let mut at = 0;
            let points: Vec<(SimTime, u64)> = rates.iter().map(|&(gap, rate)| { at += gap; (s(at), rate) }).collect();
            let rate = || if ramp { Rate::Ramp(points.clone()) } else { Rate::Steps(points.clone()) };
            let (whole, waiting) = run(rate(), (limit_milli, room), &[]);
            let settled: Vec<u64> = settled.into_iter().collect();
            let (parts, waiting_too) = run(rate(), (limit_milli, room), &settled);
            prop_assert!(whole.timed_out.abs_diff(parts.timed_out) < REQUEST / 1000, "{whole:?} {parts:?}");
            prop_assert!(waiting.abs_diff(waiting_too) < REQUEST / 1000, "{waiting} {waiting_too}");
            // In steps of ten milliseconds.
            let (mut queue, mut over) = (0.0_f64, 0.0_f64);
            for step in 0..30_000_u64 {
                let come = rate().at(SimTime(step * 10_000_000 + 5_000_000)) as f64 / 1e11;
                queue = (queue + come - limit_milli as f64 / 1e5).max(0.0);
                over += (queue - room as f64).max(0.0);
                queue = queue.min(room as f64);
            }
            let got = (whole.timed_out as f64 / 1e18, waiting as f64 / 1e18);
            prop_assert!((got.0 - over).abs() < 5.0 + over / 100.0 && (got.1 - queue).abs() < 5.0, "{got:?} is not {:?}", (over, queue));
        }
    }

    #[test]
    fn areas_are_reached() {
        assert_eq!(reaches(10, 10, 100, 500), 50);
        assert_eq!(reaches(0, 100, 100, 1250), 50);
        assert_eq!(reaches(100, 0, 100, 3750), 50);
    }
}
