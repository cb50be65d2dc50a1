//! Where requests arrive: which pods share a Service's rate, and what CPU their programs spend on it.
//!
//! Rates, not packets: the rate of all sources into a Service is spread evenly over its ready endpoints. Nothing happens when a request
//! arrives; whoever reads a metric asks for the CPU used between two moments, and gets the exact area under the curve.
//!
//! Requests that bring about others make a graph of flows: the rate of a call is what its callers serve, times a factor, at each moment.

mod fair;
mod latency;
mod pieces;
mod queue;
mod share;
mod sharers;

pub use latency::{Latency, MEASURES, places};
pub use share::{Counts, Group, Lost, OUTCOMES, Share};

use crate::ids::{ObjectKey, Uid};
use crate::scene::traffic::Rate;
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use queue::Line;
use serde::{Deserialize, Serialize};
use share::REQUEST;
use smallvec::{SmallVec, smallvec};
use std::collections::BTreeMap;

/// How far back metrics look at most: two scrapes of 15 s, and some.
const KEPT: SimDuration = SimDuration::from_secs(60);
/// More CPU than any machine has, in the unit of [`Load`]: keeps products within their range.
const LOAD_MAX: u128 = 1_000_000_000_000_000_000_000_000;
/// One milli-core in the unit of [`Load`].
const PER_MILLICORE: u128 = 1_000_000_000_000;

/// Requests from one place to one other, with the rates of all sources between them.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Where they go, as the scene writes it: `service/web` or `http://shop.example.com/cart`.
    pub to: String,
    /// The Service, when that is where they go.
    pub service: Option<ObjectKey>,
    /// The pod that they come from, as the scene writes it, or the Service whose pods call; `None`: from outside.
    pub from: Option<String>,
    /// The rates, which add up.
    pub rates: Vec<Rate>,
    /// Flows whose requests bring about these, with how many each: places before this one. Unit: thousandths.
    pub calls: Vec<(usize, u64)>,
    /// The Service whose pods call. Of what comes through an Ingress that counts which it gets.
    pub caller: Option<ObjectKey>,
    /// How many calls come one after the other before requests to its Service, at most. Flows of one level share the pods that they reach.
    pub level: u32,
}

impl Flow {
    /// Whether one pod sends them.
    pub fn from_pod(&self) -> bool {
        self.from.as_ref().is_some_and(|from| !from.starts_with("service/"))
    }
}

/// The Services that get requests, in the order in which the scene names them. ECS resource.
#[derive(Debug, Clone, Default, Resource)]
pub struct Flows(pub Vec<Flow>);

/// Who shares the rate of each of [`Flows`], as far back as metrics look. ECS resource.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Resource)]
pub struct Arrivals {
    /// By the place of the flow; in order of time.
    spreads: Vec<Vec<Spread>>,
    /// What became of the requests of each flow until a moment.
    counts: Vec<(Counts, SimTime)>,
    /// The flows that reach each pod with a limit, where there are several flows.
    reached: BTreeMap<Uid, Vec<usize>>,
}

/// From a moment on, the rate is shared so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Spread {
    from: SimTime,
    share: Share,
    /// Where requests wait in pods, or meet those of other flows.
    lines: Vec<Line>,
}

/// What a container does with CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Without requests. Unit: milli-cores.
    pub base_millicores: u64,
    /// For each request. Unit: microseconds.
    pub us_per_request: u64,
    /// It never gets more than this. Unit: milli-cores.
    pub limit_millicores: Option<u64>,
}

impl Arrivals {
    /// The mean rate into a Service between two moments, the second later than the first and neither further back than a minute.
    /// Unit: thousandths of a request per second, cut.
    pub fn requests_to_milli(&self, flows: &Flows, service: ObjectKey, from: SimTime, until: SimTime) -> u64 {
        let into = flows.0.iter().enumerate().filter(|(_, flow)| flow.service == Some(service));
        let pieces = into.flat_map(|(flow, _)| self.pieces(flows, flow, from, until));
        let area: u128 =
            pieces.map(|piece| area_below(piece.start, piece.end, LOAD_MAX, u128::from(piece.until.since(piece.from).0))).sum();
        u64::try_from(area / u128::from(until.since(from).0.max(1)) / 1_000_000).unwrap_or(u64::MAX)
    }

    /// The mean rate that a pod got between two moments, the second later than the first and neither further back than a minute.
    /// Unit: thousandths of a request per second, cut.
    pub fn requests_milli(&self, flows: &Flows, pod: Uid, from: SimTime, until: SimTime) -> u64 {
        // At 1 ms each, a request per second takes a milli-core.
        let load = Load { base_millicores: 0, us_per_request: 1000, limit_millicores: None };
        self.mean(flows, self.pieces_of_pod(flows, pod, from, until, false), load, from, until) / 1000
    }

    /// How the rate of a flow is shared at present.
    pub fn share_of(&self, flow: usize) -> Option<&Share> {
        Some(&self.spreads.get(flow)?.last()?.share)
    }

    /// What became of a flow's requests since they were counted last.
    fn since(&self, flow: usize, flows: &Flows, now: SimTime) -> Counts {
        let from = self.counts.get(flow).map_or(SimTime::ZERO, |counted| counted.1);
        let pieces = self.pieces(flows, flow, from, now);
        let Some(spread) = self.spreads.get(flow).and_then(|list| list.last()) else { return Share::default().count(&pieces, &[]) };
        let mut counts = spread.share.count(&pieces, &spread.lines);
        for line in &spread.lines {
            let passed = self.passed(flows, flow, (spread, line), from.max(spread.from), now);
            counts.timed_out = counts.timed_out.saturating_add(passed.over * line.pods.len() as u128);
            counts.longest_wait_ns = counts.longest_wait_ns.max(passed.longest_ns);
        }
        counts
    }

    /// What became of a flow's requests so far.
    pub fn counts(&self, flows: &Flows, flow: usize, now: SimTime) -> Counts {
        let mut counts = self.counts.get(flow).map(|counted| counted.0).unwrap_or_default();
        counts.add(self.since(flow, flows, now));
        counts
    }

    /// The same of all flows to one place, as the scene writes it; `None` when nothing goes there.
    pub fn counts_to(&self, flows: &Flows, to: &str, now: SimTime) -> Option<Counts> {
        let mut sum: Option<Counts> = None;
        for (flow, _) in flows.0.iter().enumerate().filter(|(_, flow)| flow.to == to) {
            sum.get_or_insert_default().add(self.counts(flows, flow, now));
        }
        sum
    }

    /// What of a flow was served so far and does not wait any more: that has brought about its calls.
    fn answered(&self, flows: &Flows, flow: usize, now: SimTime) -> u128 {
        let waiting: u128 = self.waiting(flows, flow, now).values().sum();
        self.counts(flows, flow, now).served_exactly().saturating_sub(waiting)
    }

    /// Sentences about flows whose requests do not add up: those from outside are sent as their rates say, and no outcome is counted twice.
    pub(crate) fn unaccounted(&self, flows: &Flows, now: SimTime) -> Vec<String> {
        let wrong = |(at, flow): (usize, &Flow)| {
            let counts = self.counts(flows, at, now);
            let parts = counts.refused.saturating_add(counts.dropped).saturating_add(counts.timed_out);
            // What comes through an Ingress may go to one Service now and to another then: nobody knows how much brought about a call.
            let routed = flow.calls.iter().any(|&(caller, _)| flows.0[caller].service.is_none());
            let direct = Share::default().count(&pieces::of_rates(&flow.rates, SimTime::ZERO, now), &[]).sent;
            let called = flow.calls.iter().map(|&(caller, milli)| self.answered(flows, caller, now) / 1000 * u128::from(milli));
            let rates = called.fold(direct, u128::saturating_add);
            // A rate is rounded where it is cut into pieces, and by how many pods it is divided.
            let rounded = REQUEST / 1000 + if flow.calls.is_empty() { 0 } else { REQUEST / 10 + rates / 1_000_000 };
            let wrong = if routed { counts.sent.saturating_sub(rates) } else { rates.abs_diff(counts.sent) };
            let differs = !flow.from_pod() && wrong > rounded;
            (differs || parts > counts.sent).then(|| format!("requests to {} do not add up: {counts:?}, by their rates {rates}", flow.to))
        };
        flows.0.iter().enumerate().filter_map(wrong).collect()
    }

    /// The mean CPU that a container of a pod used between two moments, the second later than the first. Unit: nano-cores, cut.
    pub fn cpu_nanocores(&self, flows: &Flows, pod: Uid, load: Load, from: SimTime, until: SimTime) -> u64 {
        let mine = if load.us_per_request == 0 { Vec::new() } else { self.pieces_of_pod(flows, pod, from, until, true) };
        self.mean(flows, mine, load, from, until)
    }

    /// The mean CPU that rates cost. Unit: nano-cores, cut.
    fn mean(&self, flows: &Flows, mine: Vec<Vec<pieces::Piece>>, load: Load, from: SimTime, until: SimTime) -> u64 {
        let base = (u128::from(load.base_millicores) * PER_MILLICORE).min(LOAD_MAX);
        let limit = load.limit_millicores.map_or(LOAD_MAX, |limit| (u128::from(limit) * PER_MILLICORE).min(LOAD_MAX));
        if load.us_per_request == 0 || flows.0.is_empty() {
            return u64::try_from(base.min(limit) / 1_000_000).unwrap_or(u64::MAX);
        }
        let mut moments: SmallVec<[SimTime; 8]> = smallvec![from, until];
        moments.extend(mine.iter().flatten().flat_map(|piece| [piece.from, piece.until]));
        moments.sort_unstable();
        moments.dedup();
        let mut area = 0;
        for pair in moments.windows(2) {
            let rates = mine.iter().map(|pieces| pieces::over(pieces, pair[0], pair[1]));
            let (start, end) = rates.fold((0, 0), |sum, rate| (sum.0 + rate.0, sum.1 + rate.1));
            let cost = |rate: u128| rate.saturating_mul(u128::from(load.us_per_request)).saturating_add(base).min(LOAD_MAX);
            area += area_below(cost(start), cost(end), limit, u128::from(pair[1].since(pair[0]).0));
        }
        let mean = area / u128::from(until.since(from).0.max(1)) / 1_000_000;
        u64::try_from(mean).unwrap_or(u64::MAX)
    }
}

/// The area below a straight line and below a limit.
fn area_below(start: u128, end: u128, limit: u128, width: u128) -> u128 {
    let (low, high) = (start.min(end), start.max(end));
    if high <= limit {
        (low + high).saturating_mul(width) / 2
    } else if low >= limit {
        limit * width
    } else {
        let below = width * (limit - low) / (high - low);
        (low + limit) * below / 2 + limit * (width - below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Kind;
    use crate::names::{Name, Sym};
    use proptest::prelude::*;

    fn s(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    fn flows(rate: Rate) -> Flows {
        let service = ObjectKey { kind: Kind::Service, namespace: Sym::EMPTY, name: Name::default() };
        Flows(vec![Flow {
            to: "service/web".into(),
            service: Some(service),
            from: None,
            rates: vec![rate],
            calls: Vec::new(),
            caller: None,
            level: 0,
        }])
    }

    /// 5 ms for each request.
    const LOAD: Load = Load { base_millicores: 0, us_per_request: 5000, limit_millicores: None };

    #[test]
    fn mean_cpu_table() {
        let mut arrivals = Arrivals::default();
        let step = flows(Rate::Steps(vec![(s(0), 20_000), (s(30), 200_000)]));
        arrivals.spread(&step, 0, Share::among(vec![Uid(2), Uid(1)]), s(0));
        arrivals.spread(&step, 0, Share::among(vec![Uid(1)]), s(40));
        let ramp = flows(Rate::Ramp(vec![(s(0), 0), (s(30), 120_000)]));
        let limited = Load { limit_millicores: Some(150), ..LOAD };
        let based = Load { base_millicores: 7, ..LOAD };
        for (flows, pod, load, from, until, want_milli) in [
            (&step, 1, LOAD, 0, 15, 50),
            (&step, 2, LOAD, 0, 15, 50),
            (&step, 3, LOAD, 0, 15, 0),
            (&step, 1, based, 0, 15, 57),
            (&step, 3, based, 0, 15, 7),
            // Half of the time at 20/s shared by two, half at 200/s.
            (&step, 1, LOAD, 20, 40, 275),
            // Alone from 40 s on.
            (&step, 1, LOAD, 35, 45, 750),
            (&step, 2, LOAD, 35, 45, 250),
            (&step, 1, limited, 20, 40, 100),
            // A ramp from 0 to 300 milli-cores: the mean is in the middle; below a limit of a half it is 3/4 of the limit.
            (&ramp, 1, LOAD, 0, 30, 150),
            (&ramp, 1, limited, 0, 30, 112),
        ] {
            let got = arrivals.cpu_nanocores(flows, Uid(pod), load, s(from), s(until)) / 1_000_000;
            assert_eq!(got, want_milli, "pod {pod} {load:?} {from}..{until}");
        }
    }

    /// What the pod uses at a moment, looked up the slow way: its share of the rate, in nano-cores.
    fn at_moment(changes: &[(u64, Vec<u64>)], rate: &Rate, limit: Option<u64>, moment: SimTime) -> f64 {
        let present = changes.iter().rev().find(|change| s(change.0) <= moment).map(|change| &change.1);
        let Some(pods) = present.filter(|pods| pods.contains(&1)) else { return 0.0 };
        let used = rate.at(moment) as f64 / pods.len() as f64 * 5000.0 / 1e6;
        limit.map_or(used, |limit| used.min(limit as f64 * 1e6))
    }

    proptest! {
        #[test]
        fn the_area_is_that_of_a_fine_sum(
            kind in 0..3,
            rates in proptest::collection::vec(0_u64..100_000, 3),
            changes in proptest::collection::vec(proptest::collection::vec(1_u64..5, 0..4), 1..4),
            limit in proptest::option::of(1_u64..300),
            (from, length) in (0_u64..30, 1_u64..30),
        ) {
            let points = || vec![(s(0), rates[0]), (s(13), rates[1]), (s(29), rates[2])];
            let rate = match kind {
                0 => Rate::Steps(points()),
                1 => Rate::Ramp(points()),
                _ => Rate::Sine { mean_milli: rates[0], amplitude_milli: rates[1], period: SimDuration::from_secs(7), ahead: SimDuration::ZERO },
            };
            let changes: Vec<(u64, Vec<u64>)> = changes.into_iter().enumerate().map(|(at, pods)| {
                (at as u64 * 9, pods.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect())
            }).collect();
            let mut arrivals = Arrivals::default();
            let flows = flows(rate.clone());
            changes.iter().for_each(|(at, pods)| {
                arrivals.spread(&flows, 0, Share::among(pods.iter().copied().map(Uid).collect()), s(*at));
            });
            let load = Load { limit_millicores: limit, ..LOAD };
            let got = arrivals.cpu_nanocores(&flows, Uid(1), load, s(from), s(from + length)) as f64;
            let steps = length * 1000;
            let moment = |step: u64| SimTime(s(from).0 + step * 1_000_000 + 500_000);
            let want = (0..steps).map(|step| at_moment(&changes, &rate, limit, moment(step))).sum::<f64>() / steps as f64;
            prop_assert!((got - want).abs() <= want * 0.001 + 1000.0, "{got} is not {want}");
        }
    }

    #[test]
    fn mean_rates() {
        let mut arrivals = Arrivals::default();
        let flows = flows(Rate::Steps(vec![(s(0), 20_000), (s(30), 200_000)]));
        arrivals.spread(&flows, 0, Share::among(vec![Uid(1), Uid(2)]), s(0));
        assert_eq!(arrivals.requests_milli(&flows, Uid(1), s(20), s(40)), 55_000);
        assert_eq!(arrivals.requests_to_milli(&flows, flows.0[0].service.unwrap(), s(20), s(40)), 110_000);
    }

    #[test]
    fn calls_are_what_callers_serve() {
        // Of 100 requests a second a pod serves 60, each brings about 2.5 others, and these 1 each; the last Service has nobody until 10 s.
        let flow = |rates, calls| Flow { to: String::new(), service: None, from: None, rates, level: 0, calls, caller: None };
        let rate = Rate::Ramp(vec![(s(0), 0), (s(10), 100_000)]);
        let flows = Flows(vec![flow(vec![rate], vec![]), flow(vec![], vec![(0, 2500)]), flow(vec![], vec![(1, 1000)])]);
        let mut arrivals = Arrivals::default();
        let limited = |pod, limit| Share { groups: vec![Group::limited(limit, 1)], ..Share::among(vec![Uid(pod)]) };
        arrivals.spread(&flows, 0, limited(1, 60_000), s(0));
        arrivals.spread(&flows, 1, limited(2, 100_000), s(0));
        arrivals.spread(&flows, 2, Share::among(vec![Uid(3)]), s(10));
        arrivals.spread(&flows, 1, limited(2, 50_000), s(20));
        let of = |flow| OUTCOMES.map(|outcome| arrivals.counts(&flows, flow, s(30)).of(outcome).unwrap());
        // The area below a line up to 60 at 6 s, then 60 for 24 s.
        assert_eq!(of(0), [500 + 2000, 180 + 24 * 60, 0, 80 + 20 * 40, 0]);
        // 2.5 times that; 100 of the up to 150 are served: a line until 4 s, then 100 until 20 s, then 50.
        assert_eq!(of(1), [4050, 200 + 1600 + 500, 0, 4050 - 2300, 0]);
        assert_eq!(of(2), [2300, 1500, 800, 0, 0]);
        assert_eq!(arrivals.requests_milli(&flows, Uid(3), s(15), s(25)), 75_000);
        assert_eq!(arrivals.unaccounted(&flows, s(30)), Vec::<String>::new());
    }

    #[test]
    fn what_nobody_can_ask_for_is_dropped() {
        let mut arrivals = Arrivals::default();
        let flows = flows(Rate::Steps(vec![(s(0), 1000)]));
        (0..1000).for_each(|second| arrivals.spread(&flows, 0, Share::among(vec![Uid(second)]), s(second)));
        assert!(arrivals.spreads[0].len() <= 63, "{}", arrivals.spreads[0].len());
        arrivals.spread(&flows, 0, Share::among(vec![Uid(999)]), s(2000));
        assert_eq!(arrivals.spreads[0].last().map(|spread| spread.from), Some(s(999)), "an equal spread is no change");
    }

    #[test]
    fn every_request_is_accounted_for() {
        let mut arrivals = Arrivals::default();
        let flows = flows(Rate::Steps(vec![(s(0), 90_000), (s(50), 0)]));
        let table = [
            // Nobody is there.
            (0, Share::lost(Lost::Refused)),
            (10, Share::among(vec![Uid(1), Uid(2), Uid(3)])),
            // A policy denies one of three.
            (20, Share { lost_parts: 1, lost: Lost::Dropped, ..Share::among(vec![Uid(1), Uid(2)]) }),
            // Two pods that serve 20/s each get 45/s each.
            (30, Share { groups: vec![Group::limited(20_000, 2)], ..Share::among(vec![Uid(1), Uid(2)]) }),
            (40, Share::lost(Lost::Unsent)),
        ];
        for (at, share) in table {
            arrivals.spread(&flows, 0, share, s(at));
        }
        let counts = arrivals.counts(&flows, 0, s(100));
        assert_eq!(
            OUTCOMES.map(|outcome| counts.of(outcome).unwrap()),
            [3600, 900 + 600 + 400, 900, 500, 300],
            "sent, served, refused, timed out, dropped"
        );
        assert_eq!(arrivals.counts_to(&flows, "service/web", s(5)), arrivals.counts_to(&flows, "service/web", s(5)));
        assert_eq!(arrivals.counts_to(&flows, "service/other", s(5)), None);
    }
}
