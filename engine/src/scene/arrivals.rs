//! Where requests arrive: which pods share a Service's rate, and what CPU their programs spend on it.
//!
//! Rates, not packets: the rate of all sources into a Service is spread evenly over its ready endpoints. Nothing happens when a request
//! arrives; whoever reads a metric asks for the CPU used between two moments, and gets the exact area under the curve.

use crate::ids::{ObjectKey, Uid};
use crate::scene::traffic::Rate;
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

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
    /// The pod that they come from, as the scene writes it; `None`: from outside.
    pub from: Option<String>,
    /// The rates, which add up.
    pub rates: Vec<Rate>,
}

/// The Services that get requests, in the order in which the scene names them. ECS resource.
#[derive(Debug, Clone, Default, Resource)]
pub struct Flows(pub Vec<Flow>);

/// Who shares the rate of each of [`Flows`], as far back as metrics look. ECS resource.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Resource)]
pub struct Arrivals {
    /// By the place of the flow; in order of time.
    spreads: Vec<Vec<Spread>>,
    /// What became of the requests of each flow until its last spread began.
    counts: Vec<Counts>,
}

/// From a moment on, the rate is shared so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Spread {
    from: SimTime,
    share: Share,
}

/// Who gets which part of a rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Pods that get a part each, sorted.
    pub pods: Vec<Uid>,
    /// Parts that addresses get which are no pods: they are served.
    pub others: u32,
    /// Parts that nobody gets, of the size of a pod's; where there are no pods all is lost.
    pub lost_parts: u32,
    /// What becomes of what nobody gets.
    pub lost: Lost,
    /// What pods can serve, and how many can serve so much. Those that are not named serve all that comes. Unit: thousandths of a request
    /// per second.
    pub limits_milli: Vec<(u64, u32)>,
}

/// What becomes of requests that no pod gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lost {
    /// They are refused: by the proxy, by the name service, or with an error of the Ingress controller.
    #[default]
    Refused,
    /// They are dropped: the client waits in vain.
    Dropped,
    /// Their source is not there: nobody sends them.
    Unsent,
}

/// What became of requests. Unit: 10⁻¹⁸ of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    sent: u128,
    refused: u128,
    dropped: u128,
    timed_out: u128,
}

/// One request in the unit of [`Counts`].
const REQUEST: u128 = 1_000_000_000_000_000_000;

impl Counts {
    /// Requests that were sent: all others together.
    pub fn sent(&self) -> u64 {
        whole(self.sent)
    }

    /// Requests that nothing took.
    pub fn refused(&self) -> u64 {
        whole(self.refused)
    }

    /// Requests that got lost on their way.
    pub fn dropped(&self) -> u64 {
        whole(self.dropped)
    }

    /// Requests beyond what programs could do at that time.
    pub fn timed_out(&self) -> u64 {
        whole(self.timed_out)
    }

    /// Requests that were answered.
    pub fn served(&self) -> u64 {
        self.sent() - self.refused() - self.dropped() - self.timed_out()
    }

    /// By the word of an outcome: `sent`, `served`, `refused`, `timed out`, `dropped`.
    pub fn of(&self, outcome: &str) -> Option<u64> {
        match outcome {
            "sent" => Some(self.sent()),
            "served" => Some(self.served()),
            "refused" => Some(self.refused()),
            "timed out" => Some(self.timed_out()),
            "dropped" => Some(self.dropped()),
            _ => None,
        }
    }

    fn add(&mut self, other: Counts) {
        let Counts { sent, refused, dropped, timed_out } = self;
        let sums = [(sent, other.sent), (refused, other.refused), (dropped, other.dropped), (timed_out, other.timed_out)];
        sums.into_iter().for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }
}

/// The outcomes of requests, in words.
pub const OUTCOMES: [&str; 5] = ["sent", "served", "refused", "timed out", "dropped"];

fn whole(requests: u128) -> u64 {
    u64::try_from(requests / REQUEST).unwrap_or(u64::MAX)
}

impl Share {
    /// These pods get all.
    pub fn among(mut pods: Vec<Uid>) -> Share {
        pods.sort_unstable();
        pods.dedup();
        Share { pods, ..Share::default() }
    }

    /// Nobody gets any.
    pub fn lost(lost: Lost) -> Share {
        Share { lost, ..Share::default() }
    }

    fn served_parts(&self) -> u128 {
        self.pods.len() as u128 + u128::from(self.others)
    }

    /// Into how many parts the rate is divided.
    fn parts(&self) -> u128 {
        (self.served_parts() + u128::from(self.lost_parts)).max(1)
    }

    /// What becomes of the requests of these rates between two moments.
    fn count(&self, rates: &[Rate], from: SimTime, until: SimTime) -> Counts {
        let mut counts = Counts::default();
        if until <= from || self.lost == Lost::Unsent {
            return counts;
        }
        let mut moments: SmallVec<[SimTime; 8]> = smallvec![from, until];
        rates.iter().for_each(|rate| rate.bends(from, until, &mut moments));
        moments.sort_unstable();
        moments.dedup();
        let parts = self.parts();
        for pair in moments.windows(2) {
            let width = u128::from(pair[1].since(pair[0]).0);
            let (start, end) =
                rates.iter().map(|rate| rate.over(pair[0], pair[1])).fold((0, 0), |sum, rate| (sum.0 + rate.0, sum.1 + rate.1));
            let sent = area_below(start, end, LOAD_MAX, width);
            let offered = area_below(start / parts, end / parts, LOAD_MAX, width);
            let mut excess = 0_u128;
            for &(limit, pods) in &self.limits_milli {
                let taken = area_below(start / parts, end / parts, u128::from(limit) * 1_000_000, width);
                excess = excess.saturating_add((offered - taken).saturating_mul(u128::from(pods)));
            }
            // What the division by parts cuts off goes with the greater part.
            let lost = match (self.served_parts(), self.lost_parts) {
                (0, _) => sent,
                (_, 0) => 0,
                (served, _) => sent.saturating_sub(offered.saturating_mul(served)),
            };
            let (refused, dropped) = if self.lost == Lost::Dropped { (0, lost) } else { (lost, 0) };
            counts.add(Counts { sent, refused, dropped, timed_out: excess });
        }
        counts
    }
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

impl Flows {
    /// The mean rate into a Service between two moments, the second later than the first. Unit: thousandths of a request per second, cut.
    pub fn requests_milli(&self, service: ObjectKey, from: SimTime, until: SimTime) -> u64 {
        let mut area = 0;
        for rate in self.0.iter().filter(|flow| flow.service == Some(service)).flat_map(|flow| &flow.rates) {
            let mut moments: SmallVec<[SimTime; 8]> = smallvec![from, until];
            rate.bends(from, until, &mut moments);
            moments.sort_unstable();
            for pair in moments.windows(2) {
                let (start, end) = rate.over(pair[0], pair[1]);
                area += area_below(start, end, LOAD_MAX, u128::from(pair[1].since(pair[0]).0));
            }
        }
        u64::try_from(area / u128::from(until.since(from).0.max(1)) / 1_000_000).unwrap_or(u64::MAX)
    }
}

impl Arrivals {
    /// The mean rate that a pod got between two moments, the second later than the first and neither further back than a minute.
    /// Unit: thousandths of a request per second, cut.
    pub fn requests_milli(&self, flows: &Flows, pod: Uid, from: SimTime, until: SimTime) -> u64 {
        // At 1 ms each, a request per second takes a milli-core.
        let load = Load { base_millicores: 0, us_per_request: 1000, limit_millicores: None };
        self.cpu_nanocores(flows, pod, load, from, until) / 1000
    }

    /// Notes how the rate of a flow is shared from now on. What lies too far back to be asked for is dropped.
    pub fn spread(&mut self, flows: &Flows, flow: usize, share: Share, now: SimTime) {
        if self.spreads.len() <= flow {
            self.spreads.resize_with(flow + 1, Vec::new);
            self.counts.resize_with(flow + 1, Counts::default);
        }
        if self.share_of(flow) == Some(&share) {
            return;
        }
        let since = self.since(flow, flows, now);
        self.counts[flow].add(since);
        let list = &mut self.spreads[flow];
        list.retain(|spread| spread.from < now);
        list.push(Spread { from: now, share });
        let old = list.partition_point(|spread| spread.from + KEPT < now);
        list.drain(..old.saturating_sub(1));
    }

    /// How the rate of a flow is shared at present.
    pub fn share_of(&self, flow: usize) -> Option<&Share> {
        Some(&self.spreads.get(flow)?.last()?.share)
    }

    /// What became of a flow's requests since its rate was last shared anew.
    fn since(&self, flow: usize, flows: &Flows, now: SimTime) -> Counts {
        let rates = &flows.0[flow].rates;
        match self.spreads.get(flow).and_then(|list| list.last()) {
            Some(last) => last.share.count(rates, last.from, now),
            None => Share::default().count(rates, SimTime::ZERO, now),
        }
    }

    /// What became of a flow's requests so far.
    pub fn counts(&self, flows: &Flows, flow: usize, now: SimTime) -> Counts {
        let mut counts = self.counts.get(flow).copied().unwrap_or_default();
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

    /// Sentences about flows whose requests do not add up: those from outside are sent as their rates say, and no outcome is counted twice.
    pub(crate) fn unaccounted(&self, flows: &Flows, now: SimTime) -> Vec<String> {
        let wrong = |(at, flow): (usize, &Flow)| {
            let counts = self.counts(flows, at, now);
            let parts = counts.refused.saturating_add(counts.dropped).saturating_add(counts.timed_out);
            let rates = Share::default().count(&flow.rates, SimTime::ZERO, now).sent;
            // A rate is rounded where it is cut into pieces.
            let differs = flow.from.is_none() && rates.abs_diff(counts.sent) > REQUEST / 1000;
            (differs || parts > counts.sent).then(|| format!("requests to {} do not add up: {counts:?}, by their rates {rates}", flow.to))
        };
        flows.0.iter().enumerate().filter_map(wrong).collect()
    }

    /// The mean CPU that a container of a pod used between two moments, the second later than the first. Unit: nano-cores, cut.
    pub fn cpu_nanocores(&self, flows: &Flows, pod: Uid, load: Load, from: SimTime, until: SimTime) -> u64 {
        let base = (u128::from(load.base_millicores) * PER_MILLICORE).min(LOAD_MAX);
        let limit = load.limit_millicores.map_or(LOAD_MAX, |limit| (u128::from(limit) * PER_MILLICORE).min(LOAD_MAX));
        if load.us_per_request == 0 || flows.0.is_empty() {
            return u64::try_from(base.min(limit) / 1_000_000).unwrap_or(u64::MAX);
        }
        let mut area = 0;
        for pair in self.moments(flows, pod, from, until).windows(2) {
            let (start, end) = self.share(flows, pod, pair[0], pair[1]);
            let cost = |rate: u128| rate.saturating_mul(u128::from(load.us_per_request)).saturating_add(base).min(LOAD_MAX);
            area += area_below(cost(start), cost(end), limit, u128::from(pair[1].since(pair[0]).0));
        }
        let mean = area / u128::from(until.since(from).0.max(1)) / 1_000_000;
        u64::try_from(mean).unwrap_or(u64::MAX)
    }

    /// The requests per second that a pod gets between two moments between which nothing bends: at the first and at the second.
    /// Unit: billionths.
    fn share(&self, flows: &Flows, pod: Uid, from: SimTime, until: SimTime) -> (u128, u128) {
        let (mut start, mut end) = (0, 0);
        for (flow, spreads) in flows.0.iter().zip(&self.spreads) {
            let present = spreads.partition_point(|spread| spread.from <= from).checked_sub(1).map(|at| &spreads[at].share);
            let Some(share) = present.filter(|share| share.pods.binary_search(&pod).is_ok()) else { continue };
            let of = share.parts();
            for rate in &flow.rates {
                let (first, last) = rate.over(from, until);
                (start, end) = (start + first / of, end + last / of);
            }
        }
        (start, end)
    }

    /// The two moments, and those between them at which the pod's share bends or jumps.
    fn moments(&self, flows: &Flows, pod: Uid, from: SimTime, until: SimTime) -> SmallVec<[SimTime; 8]> {
        let mut moments = smallvec![from, until];
        for (flow, spreads) in flows.0.iter().zip(&self.spreads) {
            if spreads.iter().any(|spread| spread.share.pods.binary_search(&pod).is_ok()) {
                moments.extend(spreads.iter().map(|spread| spread.from).filter(|&at| from < at && at < until));
                flow.rates.iter().for_each(|rate| rate.bends(from, until, &mut moments));
            }
        }
        moments.sort_unstable();
        moments.dedup();
        moments
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
        Flows(vec![Flow { to: "service/web".into(), service: Some(service), from: None, rates: vec![rate] }])
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
                _ => Rate::Sine { mean_milli: rates[0], amplitude_milli: rates[1], period: SimDuration::from_secs(7) },
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
        assert_eq!(flows.requests_milli(flows.0[0].service.unwrap(), s(20), s(40)), 110_000);
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
            (30, Share { limits_milli: vec![(20_000, 2)], ..Share::among(vec![Uid(1), Uid(2)]) }),
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
