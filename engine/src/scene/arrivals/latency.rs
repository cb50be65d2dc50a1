//! How long requests take in the pods that serve them.
//!
//! A request takes its time of CPU, and waits for those before it: for what the queue holds, and for what comes together by chance. Chance
//! is that of an M/M/c queue (Erlang C): of `c` servers, one for each core of the pod's limit, with the pod's part of the rate and its
//! limit. Its load counts as 95 % at most: beyond that the queue itself tells. Nobody waits longer than the pod's room lasts.

use super::queue::Line;
use super::share::Group;
use super::{Arrivals, Flows, Spread};
use crate::exp::exp_of_minus;
use crate::time::{SimDuration, SimTime};
use std::collections::{BTreeMap, BTreeSet};

/// Highest load by which chance is reckoned.
const LOAD_MOST: f64 = 0.95;

/// How long requests that come at a moment take until they are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// The mean.
    pub mean: SimDuration,
    /// Half of them take no longer.
    pub p50: SimDuration,
    /// 99 of 100 take no longer.
    pub p99: SimDuration,
    /// The mean with all that they call, one after the other; `None`: they call nothing.
    pub with_calls: Option<SimDuration>,
}

impl Latency {
    /// By the word of a measure.
    pub fn of(&self, measure: &str) -> Option<SimDuration> {
        match measure {
            "mean" => Some(self.mean),
            "p50" => Some(self.p50),
            "p99" => Some(self.p99),
            "with calls" => Some(self.with_calls.unwrap_or(self.mean)),
            _ => None,
        }
    }
}

/// The measures, in words.
pub const MEASURES: [&str; 4] = ["mean", "p50", "p99", "with calls"];

/// Requests that are served alike. Units: seconds, and requests per second.
#[derive(Debug, Clone, Copy)]
struct Kindred {
    /// How many come.
    rate: f64,
    /// What each takes at least.
    least: f64,
    /// Share of those that wait by chance beside that.
    waits: f64,
    /// Their wait is exponential, with this mean.
    wait_mean: f64,
    /// They wait no longer than this.
    wait_most: f64,
}

/// What comes to one pod, and waits in it.
#[derive(Debug, Clone, Copy)]
struct Press {
    /// Of the flow that is looked at.
    rate: f64,
    /// Of all flows.
    all: f64,
    /// Of the first, requests that wait.
    waiting: f64,
    /// How much of it the pod serves while some waits.
    part: f64,
    /// Of all flows, requests that wait.
    all_waiting: f64,
}

impl Press {
    /// No other flow reaches the pod.
    fn alone(group: &Group, rate: f64, waiting: f64) -> Press {
        Press { rate, all: rate, waiting, part: group.limit_milli as f64 / 1000.0, all_waiting: waiting }
    }
}

impl Kindred {
    fn of(group: &Group, press: Press, pods: f64) -> Kindred {
        let answer = group.answer_us as f64 / 1e6;
        let rate = if group.limit_milli == 0 { press.rate } else { press.rate.min(press.part) };
        let plain = Kindred { rate: rate * pods, least: answer, waits: 0.0, wait_mean: 0.0, wait_most: 0.0 };
        if group.limit_milli == 0 || group.room == 0 {
            return plain;
        }
        let limit = group.limit_milli as f64 / 1000.0;
        let load = (press.all / limit).min(LOAD_MOST);
        let before = if press.waiting > 0.0 { press.waiting / press.part } else { 0.0 };
        let (least, most) = (answer + before, (group.room as f64 - press.all_waiting).max(0.0) / limit);
        Kindred {
            rate: rate * pods,
            least,
            waits: erlang_c(group.at_a_time.max(1), load),
            wait_mean: 1.0 / (limit * (1.0 - load)),
            wait_most: most,
        }
    }

    /// The mean, the longest waits cut.
    fn mean(&self) -> f64 {
        if self.wait_mean == 0.0 {
            return self.least;
        }
        self.least + self.waits * self.wait_mean * (1.0 - exp_of_minus(self.wait_most / self.wait_mean))
    }

    /// Share of those that take longer than `time`.
    fn beyond(&self, time: f64) -> f64 {
        let wait = time - self.least;
        if wait < 0.0 {
            1.0
        } else if wait >= self.wait_most || self.wait_mean == 0.0 {
            0.0
        } else {
            self.waits * exp_of_minus(wait / self.wait_mean)
        }
    }
}

/// The chance to wait before `servers` that are busy for a share of the time: Erlang's C, from his B by its recursion.
fn erlang_c(servers: u32, load: f64) -> f64 {
    let offered = load * f64::from(servers);
    let blocked = (1..=servers).fold(1.0, |blocked, nth| offered * blocked / (f64::from(nth) + offered * blocked));
    blocked / (1.0 - load * (1.0 - blocked))
}

fn seconds(seconds: f64) -> SimDuration {
    SimDuration((seconds * 1e9).round() as u64)
}

/// The mean and quantiles of several kinds of requests; `None` when none comes.
fn mixed(list: &[Kindred]) -> Option<Latency> {
    let rate: f64 = list.iter().map(|kindred| kindred.rate).sum();
    if rate <= 0.0 {
        return None;
    }
    let mean = list.iter().map(|kindred| kindred.rate * kindred.mean()).sum::<f64>() / rate;
    let quantile = |beyond: f64| {
        let fits = |time: f64| list.iter().map(|kindred| kindred.rate * kindred.beyond(time)).sum::<f64>() <= beyond * rate;
        let (mut low, mut high) = (0.0, list.iter().map(|kindred| kindred.least + kindred.wait_most).fold(0.0, f64::max));
        if fits(low) {
            return low;
        }
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if fits(middle) { high = middle } else { low = middle }
        }
        high
    };
    Some(Latency { mean: seconds(mean), p50: seconds(quantile(0.5)), p99: seconds(quantile(0.01)), with_calls: None })
}

impl Arrivals {
    /// How long requests to one place take that come now and are served, as the scene writes the place; `None` when none is served.
    pub fn latency_to(&self, flows: &Flows, to: &str, now: SimTime) -> Option<Latency> {
        let into = flows.0.iter().enumerate().filter(|(_, flow)| flow.to == to);
        let (mut list, mut known) = (Vec::new(), BTreeMap::new());
        let (mut rates, mut sum, mut calls) = (0.0, 0.0, false);
        for (flow, _) in into {
            let kindred = self.kindred(flows, flow, now);
            let rate: f64 = kindred.iter().map(|kindred| kindred.rate).sum();
            let called = self.calls_s(flows, flow, now, &mut known);
            calls |= called.is_some();
            (rates, sum) = (rates + rate, sum + rate * called.unwrap_or(0.0));
            list.extend(kindred);
        }
        let latency = mixed(&list)?;
        let with_calls = calls.then(|| seconds(latency.mean.0 as f64 / 1e9 + sum / rates));
        Some(Latency { with_calls, ..latency })
    }

    /// How long the calls take in the mean that one request of a flow brings about, with those that they bring about; `None` when it calls
    /// nothing. A call that is not answered takes no time. `known`: what is known already, by flow. Unit: seconds.
    fn calls_s(&self, flows: &Flows, flow: usize, now: SimTime, known: &mut BTreeMap<usize, Option<f64>>) -> Option<f64> {
        if let Some(&known) = known.get(&flow) {
            return known;
        }
        let by_ingress = flows.0[flow].service.is_none();
        let backend = self.share_of(flow).and_then(|share| share.backend);
        let mut sum = None;
        for (place, called) in flows.0.iter().enumerate().skip(flow + 1) {
            let Some(&(_, milli)) = called.calls.iter().find(|&&(caller, _)| caller == flow) else { continue };
            if by_ingress && backend != called.caller {
                continue;
            }
            let own = mixed(&self.kindred(flows, place, now)).map_or(0.0, |latency| latency.mean.0 as f64 / 1e9);
            let more = self.calls_s(flows, place, now, known).unwrap_or(0.0);
            *sum.get_or_insert(0.0) += milli as f64 / 1000.0 * (own + more);
        }
        known.insert(flow, sum);
        sum
    }

    /// Whether anything is known of how long requests to one place take in its own programs.
    pub fn has_latency(&self, flows: &Flows, to: &str) -> bool {
        let shares = |flow: usize| self.spreads.get(flow).into_iter().flatten().map(|spread| &spread.share);
        flows.0.iter().enumerate().any(|(place, flow)| flow.to == to && shares(place).any(|share| !share.groups.is_empty()))
    }

    fn kindred(&self, flows: &Flows, flow: usize, now: SimTime) -> Vec<Kindred> {
        let Some(spread) = self.spreads.get(flow).and_then(|list| list.last()) else { return Vec::new() };
        let share = &spread.share;
        let all = self.pieces(flows, flow, now, SimTime(now.0 + 1)).first().map_or(0, |piece| piece.start);
        let rate = |weight: u64| all as f64 / 1e9 * weight as f64 / share.parts() as f64;
        let mut list = Vec::new();
        let mut named = 0_u64;
        for (place, group) in share.groups.iter().enumerate() {
            named += u64::from(group.pods) * u64::from(group.weight);
            let lines: Vec<&Line> = spread.lines.iter().filter(|line| line.group == place).collect();
            let each = rate(u64::from(group.weight));
            let alone = group.alone(place, &spread.lines) as f64;
            if alone > 0.0 {
                list.push(Kindred::of(group, Press::alone(group, each, 0.0), alone));
            }
            list.extend(
                lines
                    .into_iter()
                    .map(|line| Kindred::of(group, self.press((flows, flow), (spread, line), each, now), line.pods.len() as f64)),
            );
        }
        // All others answer at once.
        let weights: u64 =
            if share.weights.is_empty() { share.pods.len() as u64 } else { share.weights.iter().map(|&one| u64::from(one)).sum() };
        let others = rate((weights + share.others).saturating_sub(named));
        list.push(Kindred { rate: others, least: 0.0, waits: 0.0, wait_mean: 0.0, wait_most: 0.0 });
        list
    }
}

impl Arrivals {
    /// What comes to a pod of a line and waits there; `rate`: of the flow itself.
    fn press(&self, (flows, flow): (&Flows, usize), (spread, line): (&Spread, &Line), rate: f64, now: SimTime) -> Press {
        let group = &spread.share.groups[line.group];
        if line.sharers.is_empty() {
            return Press::alone(group, rate, self.waiting_at(flows, flow, (spread, line), now) as f64 / 1e18);
        }
        let soon = SimTime(now.0 + 1);
        let all = line.sharers.iter().filter_map(|sharer| Some(sharer.part(*self.pieces(flows, sharer.flow, now, soon).first()?).start));
        let waiting = self.waiting_of_all(flows, (spread, line), now);
        let part = self.passed(flows, flow, (spread, line), now, soon).out.first().map_or(0, |piece| piece.start);
        Press {
            rate,
            all: all.sum::<u128>() as f64 / 1e9,
            waiting: waiting[line.place(flow)] as f64 / 1e18,
            part: part as f64 / 1e9,
            all_waiting: waiting.iter().sum::<u128>() as f64 / 1e18,
        }
    }
}

/// Places that requests go to, each once, in the order of the flows.
pub fn places(flows: &Flows) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    flows.0.iter().map(|flow| flow.to.as_str()).filter(|to| seen.insert(*to)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_to_wait() {
        // Textbook values of Erlang C: one server waits as often as it is busy; two at 75 %; ten at 80 %.
        for (servers, load, want) in [(1, 0.5, 0.5), (1, 0.8, 0.8), (2, 0.75, 0.642_857), (10, 0.8, 0.409_180)] {
            assert!((erlang_c(servers, load) - want).abs() < 1e-4, "{servers} {load}: {}", erlang_c(servers, load));
        }
    }

    #[test]
    fn latencies_table() {
        // 10 ms each, one at a time: 100 a second.
        let group = Group { limit_milli: 100_000, room: 500, answer_us: 10_000, ..Group::limited(100_000, 1) };
        let of = |rate: f64, waiting: f64| mixed(&[Kindred::of(&group, Press::alone(&group, rate, waiting), 1.0)]).unwrap();
        let ms = |latency: Latency| [latency.mean, latency.p50, latency.p99].map(|span| span.0 as f64 / 1e6);
        // An idle pod needs the time of the request itself.
        assert_eq!(ms(of(0.001, 0.0)).map(|ms| ms.round()), [10.0, 10.0, 10.0]);
        // At half of the load a wait of 20 ms hits every other one: 10 ms in the mean; p99 waits 20 ms × ln 50.
        let half = ms(of(50.0, 0.0));
        assert!((half[0] - 20.0).abs() < 0.01 && (half[1] - 10.0).abs() < 0.01 && (half[2] - 10.0 - 20.0 * 3.912).abs() < 0.01, "{half:?}");
        // 200 wait: two seconds before anything else.
        assert!(ms(of(120.0, 200.0))[1] > 2010.0);
        // Nobody waits longer than the room lasts.
        assert_eq!(ms(of(120.0, 500.0)).map(|ms| ms.round()), [5010.0, 5010.0, 5010.0]);
        assert_eq!(mixed(&[]), None);
    }
}
