//! Rates of flows as straight pieces, calls among them.

use super::queue::Line;
use super::{Arrivals, Flows, Spread};
use crate::ids::{ObjectKey, Uid};
use crate::scene::traffic::Rate;
use crate::time::SimTime;
use smallvec::{SmallVec, smallvec};

/// A rate between two moments between which it is straight. Unit: billionths of a request per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) from: SimTime,
    pub(super) until: SimTime,
    /// The rate just after `from`.
    pub(super) start: u128,
    /// The rate just before `until`.
    pub(super) end: u128,
}

impl Piece {
    /// Whether it has a length.
    pub(super) fn lasts(&self) -> bool {
        self.until > self.from
    }

    /// So many of its parts.
    pub(super) fn part(self, weight: u32, parts: u128) -> Piece {
        let weight = u128::from(weight);
        Piece { start: self.start * weight / parts, end: self.end * weight / parts, ..self }
    }

    /// The rate at a moment within.
    pub(super) fn at(&self, moment: SimTime) -> u128 {
        let (part, whole) = (u128::from(moment.since(self.from).0), u128::from(self.until.since(self.from).0).max(1));
        if self.end >= self.start {
            self.start + (self.end - self.start) * part / whole
        } else {
            self.start - (self.start - self.end) * part / whole
        }
    }

    /// The moments within at which the rate passes a limit.
    pub(super) fn passes(&self, limit: u128) -> Option<SimTime> {
        let (low, high) = (self.start.min(self.end), self.start.max(self.end));
        if limit <= low || limit >= high {
            return None;
        }
        let way = if self.end > self.start { limit - self.start } else { self.start - limit };
        let at = SimTime(self.from.0 + (u128::from(self.until.since(self.from).0) * way / (high - low)) as u64);
        (at > self.from && at < self.until).then_some(at)
    }
}

/// The pieces of rates that add up.
pub(super) fn of_rates(rates: &[Rate], from: SimTime, until: SimTime) -> Vec<Piece> {
    let mut moments: SmallVec<[SimTime; 8]> = smallvec![from, until];
    rates.iter().for_each(|rate| rate.bends(from, until, &mut moments));
    between(moments, |from, until| {
        rates.iter().map(|rate| rate.over(from, until)).fold((0, 0), |sum, rate| (sum.0 + rate.0, sum.1 + rate.1))
    })
}

/// The pieces between moments.
fn between(mut moments: SmallVec<[SimTime; 8]>, over: impl Fn(SimTime, SimTime) -> (u128, u128)) -> Vec<Piece> {
    moments.sort_unstable();
    moments.dedup();
    let piece = |pair: &[SimTime]| {
        let (start, end) = over(pair[0], pair[1]);
        Piece { from: pair[0], until: pair[1], start, end }
    };
    moments.windows(2).map(piece).collect()
}

/// The rate just after and just before two moments that lie in one piece; nothing outside of all.
pub(super) fn over(pieces: &[Piece], from: SimTime, until: SimTime) -> (u128, u128) {
    let place = pieces.partition_point(|piece| piece.until <= from);
    let piece = pieces.get(place).filter(|piece| piece.from <= from && until <= piece.until);
    piece.map_or((0, 0), |piece| (piece.at(from), piece.at(until)))
}

impl Arrivals {
    /// The rate of a flow between two moments. For calls neither may lie before the callers' rates were counted last or further back than
    /// a minute.
    pub(super) fn pieces(&self, flows: &Flows, flow: usize, from: SimTime, until: SimTime) -> Vec<Piece> {
        let flow = &flows.0[flow];
        if until <= from {
            return Vec::new();
        }
        if flow.calls.is_empty() {
            return of_rates(&flow.rates, from, until);
        }
        let served: Vec<(Vec<Piece>, u64)> =
            flow.calls.iter().map(|&(caller, milli)| (self.served(flows, caller, flow.caller, from, until), milli)).collect();
        let mut moments: SmallVec<[SimTime; 8]> = smallvec![from, until];
        flow.rates.iter().for_each(|rate| rate.bends(from, until, &mut moments));
        moments.extend(served.iter().flat_map(|(pieces, _)| pieces).flat_map(|piece| [piece.from, piece.until]));
        between(moments, |from, until| {
            let direct = flow.rates.iter().map(|rate| rate.over(from, until));
            let called = served.iter().map(|(pieces, milli)| {
                let (start, end) = over(pieces, from, until);
                (start * u128::from(*milli) / 1000, end * u128::from(*milli) / 1000)
            });
            direct.chain(called).fold((0, 0), |sum, rate| (sum.0 + rate.0, sum.1 + rate.1))
        })
    }

    /// What of a flow is served by a Service between two moments.
    fn served(&self, flows: &Flows, flow: usize, by: Option<ObjectKey>, from: SimTime, until: SimTime) -> Vec<Piece> {
        let mut list = Vec::new();
        for (spread, from, until) in self.shares(flow, from, until) {
            let share = &spread.share;
            if flows.0[flow].service.is_none() && share.backend != by {
                continue;
            }
            let queues: Vec<(Vec<Piece>, u128)> = spread
                .lines
                .iter()
                .map(|line| (self.passed(flows, flow, (spread, line), from, until).out, line.pods.len() as u128))
                .collect();
            for piece in self.pieces(flows, flow, from, until) {
                let mut moments: SmallVec<[SimTime; 8]> = smallvec![piece.from, piece.until];
                moments.extend(share.limits(&spread.lines).filter_map(|limit| piece.passes(limit)));
                let ends = queues.iter().flat_map(|(out, _)| out).map(|out| out.from);
                moments.extend(ends.filter(|&at| piece.from < at && at < piece.until));
                list.extend(between(moments, |from, until| {
                    let at_once = (share.served(piece.at(from), &spread.lines), share.served(piece.at(until), &spread.lines));
                    queues.iter().fold(at_once, |sum, (out, pods)| {
                        let (start, end) = over(out, from, until);
                        (sum.0 + start * pods, sum.1 + end * pods)
                    })
                }));
            }
        }
        list
    }

    /// How a flow is shared between two moments: each spread with its span.
    fn shares(&self, flow: usize, from: SimTime, until: SimTime) -> impl Iterator<Item = (&Spread, SimTime, SimTime)> {
        let spreads = self.spreads.get(flow).map_or(&[][..], Vec::as_slice);
        let ends = spreads.iter().skip(1).map(|spread| spread.from).chain([until]);
        spreads
            .iter()
            .zip(ends)
            .map(move |(spread, end)| (spread, spread.from.max(from), end.min(until)))
            .filter(|(_, from, until)| from < until)
    }

    /// The rates that a pod gets between two moments, by flow; `served`: those at which it serves, where requests wait.
    pub(super) fn pieces_of_pod(&self, flows: &Flows, pod: Uid, from: SimTime, until: SimTime, served: bool) -> Vec<Vec<Piece>> {
        let mut all = Vec::new();
        for flow in 0..self.spreads.len() {
            let mut mine = Vec::new();
            for (spread, from, until) in self.shares(flow, from, until) {
                let Some(weight) = spread.share.weight(pod) else { continue };
                // Where nothing waits the pod's limit cuts the sum of all flows.
                let waits = |line: &&Line| spread.share.groups[line.group].room > 0 && line.pods.binary_search(&pod).is_ok();
                match spread.lines.iter().filter(|_| served).find(waits) {
                    Some(line) => mine.extend(self.passed(flows, flow, (spread, line), from, until).out),
                    None => mine.extend(self.pieces(flows, flow, from, until).into_iter().map(|piece| spread.share.part(piece, weight))),
                }
            }
            if !mine.is_empty() {
                all.push(mine);
            }
        }
        all
    }
}
