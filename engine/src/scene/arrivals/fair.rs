//! Several rates before one limit: pods that more than one flow reaches.
//!
//! A pod takes turns between those that send to it. What it can serve is split by max-min fairness: each flow gets as much as the others,
//! and what one does not need goes to the others. So no flow that asks for less than its equal part loses anything, and the rest get the
//! same each. A flow of which something waits asks for all it can get. The pod's room is one for all; while it is full, what is let in is
//! split in the same way, and the rest times out. Rates are straight lines, and so are such parts between the moments at which a flow
//! begins or ceases to be held down: all this is exact.

use super::pieces::{self, Piece};
use super::queue::{Passed, reaches, wait_ns};
use crate::time::SimTime;

/// More than any source sends: keeps products within their range. Unit: billionths of a request per second.
const RATE_MAX: u128 = 1_000_000_000_000_000_000_000;

/// A value that changes evenly over a span: at its begin and at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Straight {
    start: i128,
    end: i128,
}

impl Straight {
    fn at(self, x: i128, width: i128) -> i128 {
        self.start + (self.end - self.start) * x / width.max(1)
    }

    /// Whether it is above nothing just after its begin.
    fn above(self) -> bool {
        self.start > 0 || self.start == 0 && self.end > 0
    }

    /// The first moment at which that is otherwise.
    fn turns(self, width: i128) -> Option<i128> {
        let at = match self.above() {
            true if self.end <= 0 => (self.start * width + (self.start - self.end) - 1) / (self.start - self.end),
            false if self.end > 0 => -self.start * width / (self.end - self.start) + 1,
            _ => return None,
        };
        Some(at.max(1)).filter(|&at| at < width)
    }

    fn plus(self, other: Straight, times: i128) -> Straight {
        Straight { start: self.start + other.start * times, end: self.end + other.end * times }
    }

    fn over(self, number: i128) -> Straight {
        Straight { start: self.start.div_euclid(number), end: self.end.div_euclid(number) }
    }

    fn area(self, width: i128) -> i128 {
        (self.start + self.end) * width / 2
    }
}

/// How a limit is split at the begin of a span.
struct Split {
    /// What each flow gets.
    parts: Vec<Straight>,
    /// When a flow begins or ceases to be held down.
    turns: Option<i128>,
}

/// Splits a limit between flows that ask for so much, or, where `all` says so, for all that they can get.
fn split(asked: &[Straight], all: impl Fn(usize) -> bool, limit: i128, width: i128) -> Split {
    let mut held: Vec<bool> = vec![true; asked.len()];
    // What a flow asks for beyond an equal part of what the others leave, times the number of those that get equal parts.
    let left = |held: &[bool]| {
        let limit = Straight { start: limit, end: limit };
        asked.iter().zip(held).filter(|(_, held)| !**held).fold(limit, |left, (&one, _)| left.plus(one, -1))
    };
    let beyond = |place: usize, held: &[bool], left: Straight| {
        let number = held.iter().filter(|held| **held).count() + usize::from(!held[place]);
        let left = if held[place] { left } else { left.plus(asked[place], 1) };
        Straight { start: asked[place].start * number as i128, end: asked[place].end * number as i128 }.plus(left, -1)
    };
    loop {
        let rest = left(&held);
        let content: Vec<usize> = (0..asked.len()).filter(|&at| held[at] && !all(at) && !beyond(at, &held, rest).above()).collect();
        if content.is_empty() {
            break;
        }
        content.into_iter().for_each(|at| held[at] = false);
    }
    let rest = left(&held);
    let number = held.iter().filter(|held| **held).count() as i128;
    let turns = (0..asked.len()).filter(|&at| !all(at)).filter_map(|at| beyond(at, &held, rest).turns(width)).min();
    let parts = (0..asked.len()).map(|at| if held[at] { rest.over(number) } else { asked[at] }).collect();
    Split { parts, turns }
}

/// A pod between its flows.
#[derive(Debug)]
pub(super) struct Fair {
    limit: i128,
    room: i128,
    /// What waits of each flow. Unit: 10⁻¹⁸ of a request.
    pub(super) waiting: Vec<u128>,
    /// What became of one of the flows.
    mine: usize,
    pub(super) passed: Passed,
    /// Whether nothing waited at some moment.
    pub(super) emptied: bool,
}

/// Sends rates through a pod. `waiting`: what waits of each at the beginning; `mine`: the flow that is looked at.
pub(super) fn pass(offered: &[Vec<Piece>], (limit, room): (u128, u128), waiting: Vec<u128>, mine: usize) -> Fair {
    let mut moments: Vec<SimTime> = offered.iter().flatten().flat_map(|piece| [piece.from, piece.until]).collect();
    moments.sort_unstable();
    moments.dedup();
    let mut fair =
        Fair { limit: limit.min(RATE_MAX) as i128, room: room as i128, waiting, mine, passed: Passed::default(), emptied: false };
    for pair in moments.windows(2) {
        let whole: Vec<Piece> = offered
            .iter()
            .map(|pieces| {
                let (start, end) = pieces::over(pieces, pair[0], pair[1]);
                Piece { from: pair[0], until: pair[1], start, end }
            })
            .collect();
        let sum = |of: fn(&Piece) -> u128| whole.iter().map(of).sum::<u128>();
        if fair.waiting.iter().all(|&one| one == 0) && sum(|piece| piece.start) <= limit && sum(|piece| piece.end) <= limit {
            fair.passed.out.push(whole[mine]);
            fair.emptied = true;
            continue;
        }
        let mut from = pair[0];
        while from < pair[1] {
            from = fair.step(&whole, from);
        }
    }
    fair.passed.waiting = fair.waiting[mine];
    fair
}

/// What happens in a pod until a flow begins or ceases to be held down, or to wait.
struct Phase {
    asked: Vec<Straight>,
    /// All that is asked for beyond the limit.
    beyond: Straight,
    let_in: Split,
    out: Split,
    /// Whether the room is full.
    full: bool,
    width: i128,
}

impl Phase {
    fn begin(fair: &Fair, whole: &[Piece], from: SimTime) -> Phase {
        let width = i128::from(whole[0].until.since(from).0);
        let rate = |rate: u128| rate.min(RATE_MAX) as i128;
        let asked: Vec<Straight> = whole.iter().map(|piece| Straight { start: rate(piece.at(from)), end: rate(piece.end) }).collect();
        let under = Straight { start: -fair.limit, end: -fair.limit };
        let beyond = asked.iter().fold(under, |sum, &one| sum.plus(one, 1));
        let full = beyond.above() && fair.waiting_in_all() >= fair.room;
        let let_in = if full { split(&asked, |_| false, fair.limit, width) } else { Split { parts: asked.clone(), turns: None } };
        let out = split(&asked, |at| fair.waiting[at] > 0, fair.limit, width);
        Phase { asked, beyond, let_in, out, full, width }
    }

    /// What comes of a flow beyond what goes.
    fn growth(&self, at: usize) -> Straight {
        self.let_in.parts[at].plus(self.out.parts[at], -1)
    }

    /// How long it lasts at most.
    fn lasts(&self, fair: &Fair) -> i128 {
        let (width, beyond) = (self.width, self.beyond);
        let waiting: Vec<(Straight, u128)> =
            (0..self.asked.len()).filter(|&at| fair.waiting[at] > 0).map(|at| (self.growth(at), fair.waiting[at])).collect();
        let turns = waiting.iter().filter_map(|(growth, _)| growth.turns(width));
        let mut x = [beyond.turns(width), self.out.turns, self.let_in.turns].into_iter().flatten().chain(turns).fold(width, i128::min);
        // Until then all that waits grows or shrinks without a turn: when is a queue empty, or the room full?
        let sooner = |x: i128, line: Straight, area: u128| {
            // At a turn it may be just beyond nothing.
            let (start, end) = (line.start.max(0), line.at(x, width).max(0));
            let reached = (start + end) * x / 2 > area as i128;
            if reached { i128::from(reaches(start as u128, end as u128, x as u128, area)).max(1) } else { x }
        };
        for (growth, waits) in waiting {
            x = sooner(x, Straight { start: -growth.start, end: -growth.end }, waits);
        }
        if beyond.above() && !self.full { sooner(x, beyond, (fair.room - fair.waiting_in_all()) as u128) } else { x }
    }
}

impl Fair {
    fn waiting_in_all(&self) -> i128 {
        self.waiting.iter().map(|&one| one as i128).sum()
    }

    /// Goes on from a moment until something changes; says when that is.
    fn step(&mut self, whole: &[Piece], from: SimTime) -> SimTime {
        let phase = Phase::begin(self, whole, from);
        let x = phase.lasts(self);
        let area = |line: Straight| Straight { end: line.at(x, phase.width), ..line }.area(x);
        let grown: Vec<i128> = (0..whole.len()).map(|at| area(phase.let_in.parts[at]) - area(phase.out.parts[at])).collect();
        // What the last moment let in too much, and what the division of the limit cuts off.
        let before = self.waiting_in_all();
        let sum = before + grown.iter().sum::<i128>();
        let mut excess = if phase.beyond.above() { (sum - self.room.max(before)).max(0) } else { 0 };
        for (at, &grown) in grown.iter().enumerate() {
            let waiting = self.waiting[at] as i128 + grown;
            let back = excess.min(grown).min(waiting).max(0);
            excess -= back;
            self.waiting[at] = (waiting - back).max(0) as u128;
            if at == self.mine {
                self.passed.over += (area(phase.asked[at]) - area(phase.let_in.parts[at])).max(0) as u128 + back as u128;
            }
        }
        let until = SimTime(from.0 + x as u64);
        let mine = phase.out.parts[self.mine];
        let (start, end) = (mine.start.max(0) as u128, mine.at(x, phase.width).max(0) as u128);
        self.passed.out.push(Piece { from, until, start, end });
        if end > 0 {
            self.passed.longest_ns = self.passed.longest_ns.max(wait_ns(self.waiting[self.mine], end));
        }
        self.emptied |= self.waiting.iter().all(|&one| one == 0);
        until
    }
}

#[cfg(test)]
mod tests {
    use crate::ids::{Kind, ObjectKey, Uid};
    use crate::names::{Name, Sym};
    use crate::scene::arrivals::share::REQUEST;
    use crate::scene::arrivals::{Arrivals, Counts, Flow, Flows, Group, Load, Lost, OUTCOMES, Share};
    use crate::scene::traffic::Rate;
    use crate::time::SimTime;
    use proptest::prelude::*;

    fn s(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    /// Flows into one Service.
    fn flows(rates: Vec<Rate>) -> Flows {
        let service = ObjectKey { kind: Kind::Service, namespace: Sym::EMPTY, name: Name::default() };
        let flow = |(place, rate): (usize, Rate)| Flow {
            to: "service/web".into(),
            service: Some(service),
            from: Some(format!("pod/{place}")),
            rates: vec![rate],
            calls: Vec::new(),
            caller: None,
            level: 0,
        };
        Flows(rates.into_iter().enumerate().map(flow).collect())
    }

    /// One pod of so many thousandths of a request per second, with room; `nth` makes it another share that is like the first.
    fn share((limit_milli, room): (u64, u64), nth: usize) -> Share {
        let group = Group { room, members: vec![Uid(1)], ..Group::limited(limit_milli, 1) };
        Share { groups: vec![group], lost: [Lost::Refused, Lost::Dropped][nth % 2], ..Share::among(vec![Uid(1)]) }
    }

    #[test]
    fn what_a_pod_can_serve_is_split_table() {
        // A pod serves 100 a second. Rates of the flows; what is served of each within ten seconds, and what times out of it.
        for (rates, room, served, timed_out) in [
            (&[60, 30][..], 0, &[600, 300][..], &[0, 0][..]),
            (&[80, 80], 0, &[500, 500], &[300, 300]),
            // The small one loses nothing, and leaves 80.
            (&[20, 120], 0, &[200, 800], &[0, 400]),
            (&[20, 120, 60], 0, &[200, 400, 400], &[0, 800, 200]),
            (&[10, 20, 30], 0, &[100, 200, 300], &[0, 0, 0]),
            // 60 a second beyond: the room for 300 is full after five seconds. It takes from both alike.
            (&[80, 80], 300, &[650, 650], &[150, 150]),
            // Only the large one waits: full after five seconds.
            (&[20, 140], 300, &[200, 1100], &[0, 300]),
        ] {
            let flows = flows(rates.iter().map(|&rate| Rate::Steps(vec![(s(0), rate * 1000)])).collect());
            let mut arrivals = Arrivals::default();
            (0..rates.len()).for_each(|flow| arrivals.spread(&flows, flow, share((100_000, room), 0), s(0)));
            let of = |outcome: &str| -> Vec<u64> {
                (0..rates.len()).map(|flow| arrivals.counts(&flows, flow, s(10)).of(outcome).unwrap()).collect()
            };
            assert_eq!((of("served"), of("timed out")), (served.to_vec(), timed_out.to_vec()), "{rates:?} {room}");
        }
    }

    #[test]
    fn services_that_call_each_other_do_not_hang_on_themselves() {
        let mut flows = flows(vec![Rate::Steps(vec![(s(0), 80_000)]), Rate::Steps(vec![])]);
        flows.0[1] = Flow { service: None, rates: Vec::new(), calls: vec![(0, 1000)], level: 1, ..flows.0[1].clone() };
        let mut arrivals = Arrivals::default();
        (0..2).for_each(|flow| arrivals.spread(&flows, flow, share((50_000, 0), 0), s(0)));
        assert_eq!([0, 1].map(|flow| arrivals.counts(&flows, flow, s(10)).served()), [500, 500]);
    }

    #[test]
    fn latencies_are_those_of_all_flows() {
        let rate = |rate| Rate::Steps(vec![(s(0), rate)]);
        let flows = flows(vec![rate(30_000), rate(30_000)]);
        let mut arrivals = Arrivals::default();
        let share = |nth| {
            let mut share = share((100_000, 500), nth);
            share.groups[0].answer_us = 10_000;
            share
        };
        arrivals.spread(&flows, 0, share(0), s(0));
        let mean = |arrivals: &Arrivals| arrivals.latency_to(&flows, "service/web", s(10)).unwrap().mean.0 / 1_000_000;
        // One server that is busy for 30 %, then for 60 % of the time: 10 ms / (1 − load).
        assert_eq!(mean(&arrivals), 14);
        arrivals.spread(&flows, 1, share(1), s(0));
        assert_eq!(mean(&arrivals), 25);
    }

    type Drawn = (Vec<Rate>, (u64, u64));

    fn drawn() -> impl Strategy<Value = Drawn> {
        let points = proptest::collection::vec((1_u64..90, 0_u64..150_000), 1..5);
        let rate = (any::<bool>(), points).prop_map(|(ramp, points)| {
            let mut at = 0;
            let points = points
                .into_iter()
                .map(|(gap, rate)| {
                    at += gap;
                    (s(at), rate)
                })
                .collect();
            if ramp { Rate::Ramp(points) } else { Rate::Steps(points) }
        });
        let room = prop_oneof![Just(0_u64), 1_u64..1000];
        (proptest::collection::vec(rate, 2..5), (1_000_u64..200_000, room))
    }

    fn run((rates, pod): &Drawn, settled: &[(u64, usize)]) -> (Vec<Counts>, Vec<u128>, u64) {
        let flows = flows(rates.clone());
        let mut arrivals = Arrivals::default();
        (0..rates.len()).for_each(|flow| arrivals.spread(&flows, flow, share(*pod, 0), s(0)));
        for (nth, &(at, flow)) in settled.iter().enumerate() {
            arrivals.spread(&flows, flow % rates.len(), share(*pod, nth + 1), s(at));
        }
        let load = Load { base_millicores: 0, us_per_request: 1000, limit_millicores: None };
        let used = arrivals.cpu_nanocores(&flows, Uid(1), load, s(240), s(300));
        let waiting = (0..rates.len()).map(|flow| arrivals.waiting(&flows, flow, s(300)).values().sum());
        let counts = (0..rates.len()).map(|flow| arrivals.counts(&flows, flow, s(300))).collect();
        (counts, waiting.collect(), used)
    }

    /// What times out and what waits, in steps of twenty milliseconds.
    fn fine_sum((rates, (limit_milli, room)): &Drawn) -> (Vec<f64>, Vec<f64>) {
        const STEP_S: f64 = 0.02;
        let (mut waiting, mut lost) = (vec![0.0_f64; rates.len()], vec![0.0_f64; rates.len()]);
        let (limit, room) = (*limit_milli as f64 / 1e3 * STEP_S, *room as f64);
        let equal = |asked: &[f64], limit: f64| {
            let (mut left, mut order) = (limit, (0..asked.len()).collect::<Vec<_>>());
            order.sort_by(|&one, &other| asked[one].total_cmp(&asked[other]));
            let mut parts = vec![0.0; asked.len()];
            for (nth, &at) in order.iter().enumerate() {
                parts[at] = asked[at].min(left / (asked.len() - nth) as f64);
                left -= parts[at];
            }
            parts
        };
        for step in 0..15_000_u64 {
            let come: Vec<f64> = rates.iter().map(|rate| rate.at(SimTime(step * 20_000_000 + 10_000_000)) as f64 / 1e9 * STEP_S).collect();
            let asked: Vec<f64> = come.iter().zip(&waiting).map(|(come, waiting)| come + waiting).collect();
            let out = equal(&asked, limit);
            let (sum, served) = (asked.iter().sum::<f64>(), out.iter().sum::<f64>());
            let full = sum - served > room;
            // What comes beyond what goes once the room is full.
            let free = room - waiting.iter().sum::<f64>() + served;
            let let_in = if full { equal(&come, free) } else { come.clone() };
            for at in 0..rates.len() {
                lost[at] += come[at] - let_in[at];
                waiting[at] = (waiting[at] + let_in[at] - out[at]).max(0.0);
            }
        }
        (lost, waiting)
    }

    proptest! {
        #[test]
        fn parts_are_those_of_a_fine_sum(drawn in drawn(), settled in proptest::collection::btree_map(1_u64..300, 0_usize..5, 0..5)) {
            let (whole, waiting, used) = run(&drawn, &[]);
            let settled: Vec<(u64, usize)> = settled.into_iter().collect();
            let (parts, waiting_too, used_too) = run(&drawn, &settled);
            prop_assert!(used.abs_diff(used_too) < 1000, "{used} {used_too}");
            let (lost, waits) = fine_sum(&drawn);
            prop_assert!(waiting.iter().sum::<u128>() <= u128::from(drawn.1.1) * REQUEST + REQUEST / 1000, "{waiting:?}");
            for flow in 0..drawn.0.len() {
                let (one, other) = (whole[flow], parts[flow]);
                prop_assert!(one.sent.abs_diff(other.sent) < REQUEST / 1000);
                prop_assert!(one.timed_out.abs_diff(other.timed_out) < REQUEST / 1000, "{one:?} {other:?}");
                prop_assert!(waiting[flow].abs_diff(waiting_too[flow]) < REQUEST / 1000, "{waiting:?} {waiting_too:?}");
                let got = (one.timed_out as f64 / 1e18, waiting[flow] as f64 / 1e18);
                let want = (lost[flow], waits[flow]);
                prop_assert!((got.0 - want.0).abs() < 8.0 + want.0 / 50.0 && (got.1 - want.1).abs() < 8.0, "{flow}: {got:?} is not {want:?}");
                prop_assert!(OUTCOMES[1..].iter().map(|word| one.of(word).unwrap()).sum::<u64>() == one.sent());
            }
        }
    }
}
