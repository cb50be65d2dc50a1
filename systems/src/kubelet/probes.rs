//! Probes: results of ticks at start + initialDelay + k × period, without a wake-up for a tick that changes nothing.
//! Source: `spec/kubelet.md` §10, `design.md` §2.

use serde::{Deserialize, Serialize};
use wavetank_engine::model::pod_class::Probe;
use wavetank_engine::scene::program::{Failure, Outage};
use wavetank_engine::time::{SimDuration, SimTime};

/// What a probe worker holds: the stored result, and the run of equal answers that led to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRun {
    /// The stored result; `None` before a startup probe has one.
    pub result: Option<bool>,
    last: Option<bool>,
    count: u32,
    /// Number of the next tick.
    tick: u64,
}

/// A change of the stored result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// When.
    pub at: SimTime,
    /// The new result.
    pub result: bool,
    /// How the endpoint failed, when it did.
    pub failure: Option<Failure>,
}

impl ProbeRun {
    /// A worker of a container that just started. `initial`: the result before the first tick.
    pub const fn fresh(initial: Option<bool>) -> ProbeRun {
        ProbeRun { result: initial, last: None, count: 0, tick: 0 }
    }

    /// The next change of the stored result at a tick not before `from`, with the worker as it is then; `None` when it never changes.
    pub fn next_change(self, probe: &Probe, outages: &[Outage], since: SimTime, from: SimTime) -> Option<(Outcome, ProbeRun)> {
        let first = since + SimDuration::from_secs(u64::from(probe.initial_delay_s));
        let period = SimDuration::from_secs(u64::from(probe.period_s));
        let mut run = self;
        let tick_at = |tick: u64| first + period.saturating_mul(tick);
        let tick_from = |at: SimTime| if at <= first { 0 } else { at.since(first).0.div_ceil(period.0) };
        run.tick = run.tick.max(tick_from(from));
        loop {
            let at = tick_at(run.tick);
            let failure = failure_at(outages, at.since(since));
            let answer = failure.is_none();
            run.count = if run.last == Some(answer) { run.count + 1 } else { 1 };
            run.last = Some(answer);
            run.tick += 1;
            let threshold = if answer { probe.success_threshold } else { probe.failure_threshold };
            if run.count >= threshold && run.result != Some(answer) {
                run.result = Some(answer);
                return Some((Outcome { at, result: answer, failure }, run));
            }
            if run.count >= threshold && run.result == Some(answer) {
                // The same answers change nothing until the endpoint changes.
                let change = next_boundary(outages, at.since(since))?;
                let tick = tick_from(since + change);
                if tick > run.tick {
                    run.tick = tick;
                }
            }
        }
    }
}

/// How an endpoint fails at a time since the container's start; `None`: it answers well.
pub fn failure_at(outages: &[Outage], since_start: SimDuration) -> Option<Failure> {
    outages
        .iter()
        .find(|outage| outage.from <= since_start && outage.until.is_none_or(|until| since_start < until))
        .map(|outage| outage.how)
}

/// The next time since the container's start at which the answer may be another.
fn next_boundary(outages: &[Outage], after: SimDuration) -> Option<SimDuration> {
    outages.iter().flat_map(|outage| [Some(outage.from), outage.until]).flatten().filter(|&at| at > after).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::model::pod_class::Handler;

    fn probe(initial_delay_s: u32, period_s: u32, success_threshold: u32, failure_threshold: u32) -> Probe {
        Probe { handler: Handler::Grpc(1), initial_delay_s, period_s, timeout_s: 1, success_threshold, failure_threshold, grace_s: None }
    }

    fn outage(from_s: u64, until_s: Option<u64>) -> Outage {
        Outage { from: SimDuration::from_secs(from_s), until: until_s.map(SimDuration::from_secs), how: Failure::Answer }
    }

    /// Every tick looked at one by one.
    fn slowly(mut run: ProbeRun, probe: &Probe, outages: &[Outage], ticks: u64) -> Vec<(u64, bool)> {
        let mut changes = Vec::new();
        for tick in 0..ticks {
            let at = u64::from(probe.initial_delay_s) + tick * u64::from(probe.period_s);
            let answer = failure_at(outages, SimDuration::from_secs(at)).is_none();
            run.count = if run.last == Some(answer) { run.count + 1 } else { 1 };
            run.last = Some(answer);
            let threshold = if answer { probe.success_threshold } else { probe.failure_threshold };
            if run.count >= threshold && run.result != Some(answer) {
                run.result = Some(answer);
                changes.push((at, answer));
            }
        }
        changes
    }

    #[test]
    fn skipping_ticks_changes_nothing() {
        for (initial, period, success, failure) in [(0, 1, 1, 1), (3, 5, 1, 3), (0, 10, 2, 2), (7, 2, 3, 1)] {
            for outages in [vec![], vec![outage(0, Some(4))], vec![outage(20, Some(41)), outage(60, Some(63))], vec![outage(12, None)]] {
                for start in [Some(false), Some(true), None] {
                    let probe = probe(initial, period, success, failure);
                    let want = slowly(ProbeRun::fresh(start), &probe, &outages, 100);
                    let (mut run, mut from, mut got) = (ProbeRun::fresh(start), SimTime::ZERO, Vec::new());
                    while let Some((outcome, next)) = run.next_change(&probe, &outages, SimTime::ZERO, from) {
                        if outcome.at > SimTime::from_secs(u64::from(initial) + 99 * u64::from(period)) {
                            break;
                        }
                        got.push((outcome.at.0 / 1_000_000_000, outcome.result));
                        (run, from) = (next, outcome.at);
                    }
                    assert_eq!(got, want, "{initial} {period} {success} {failure} {outages:?} {start:?}");
                }
            }
        }
    }
}
