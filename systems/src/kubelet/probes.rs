//! Probes: one worker for each container and kind of probe, ticking from the pod's first sync.
//!
//! A worker's ticks are at `anchor + k × period`, k ≥ 1: the first run, at once, still finds no container. Ticks that answer
//! well and bring no counter to its threshold are only counted when something else happens, so that a probe that keeps
//! succeeding costs nothing; every failing tick is an event and therefore runs. With [`EveryTick`] every tick runs. Both ways give
//! the same journal.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/prober/worker.go`, `doProbe`; `spec/kubelet.md` §10.

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use wavetank_engine::model::pod_class::Probe;
use wavetank_engine::scene::program::{Failure, Outage};
use wavetank_engine::time::{SimDuration, SimTime};

/// Whether every tick of every probe runs, instead of those alone that change something. ECS resource.
#[derive(Debug, Clone, Copy, Default, Resource)]
pub struct EveryTick(pub bool);

/// Kind of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ProbeKind {
    Startup,
    Liveness,
    Readiness,
}

impl ProbeKind {
    /// Whether a container that has `started` or not is probed: by the startup probe until then, by the others from then on.
    pub fn probes(self, started: bool) -> bool {
        match self {
            ProbeKind::Startup => !started,
            ProbeKind::Liveness | ProbeKind::Readiness => started,
        }
    }
}

/// What a worker has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Outcome {
    Unknown,
    Success,
    Failure,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Kind of its probe.
    pub kind: ProbeKind,
    /// Result stored.
    pub outcome: Outcome,
    /// Whether the last answers were good; `None` before the first.
    pub last: Option<bool>,
    /// How many answers in a row were like the last.
    pub run: u32,
    /// It waits for a new container.
    pub on_hold: bool,
    /// Ticks up to here are done.
    pub done_to: SimTime,
    /// A probe is under way that will fail at this time, too late.
    pub timing_out: Option<SimTime>,
}

/// What a worker has to do with: its probe, its ticks, its container.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The probe's parameters.
    pub probe: &'a Probe,
    /// When the worker began to tick.
    pub anchor: SimTime,
    /// When the container started.
    pub started_at: SimTime,
    /// When its endpoint does not answer well, since the container's start; sorted, apart.
    pub outages: &'a [Outage],
}

impl Scope<'_> {
    fn period(&self) -> SimDuration {
        SimDuration::from_secs(u64::from(self.probe.period_s.max(1)))
    }

    /// The first tick at or after a time.
    fn tick_from(&self, at: SimTime) -> SimTime {
        let period = self.period().0;
        let ticks = at.since(self.anchor).0.div_ceil(period).max(1);
        self.anchor + SimDuration(ticks.saturating_mul(period))
    }

    /// How the endpoint fails at a time; `None`: it answers well.
    pub fn failure_at(&self, at: SimTime) -> Option<Failure> {
        let age = at.since(self.started_at);
        self.outages.iter().find(|o| o.from <= age && o.until.is_none_or(|until| age < until)).map(|o| o.how)
    }

    /// When the initial delay is over. `startedAt` is known to the second.
    pub fn begins_at(&self) -> SimTime {
        self.started_at.cut_to_second() + SimDuration::from_secs(u64::from(self.probe.initial_delay_s))
    }

    /// The first tick at or after `from` that fails.
    fn failing_tick(&self, from: SimTime) -> Option<SimTime> {
        let ticks = self.outages.iter().filter_map(|outage| {
            let tick = self.tick_from((self.started_at + outage.from).max(from));
            outage.until.is_none_or(|until| tick < self.started_at + until).then_some(tick)
        });
        ticks.min()
    }
}

/// What one tick or one end of a probe brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticked {
    /// How it failed; `None`: it answered well.
    pub failure: Option<Failure>,
    /// Whether the stored result is another now.
    pub changed: bool,
}

impl Worker {
    /// A worker that begins to tick at `anchor`.
    pub fn new(kind: ProbeKind, anchor: SimTime) -> Worker {
        Worker { kind, outcome: initial(kind), last: None, run: 0, on_hold: false, done_to: anchor, timing_out: None }
    }

    /// A new container: probing goes on from the initial result.
    pub fn container_started(&mut self, now: SimTime) {
        self.outcome = initial(self.kind);
        self.on_hold = false;
        self.timing_out = None;
        self.done_to = self.done_to.max(now);
    }

    /// When something has to be done if nothing disturbs; `None`: nothing ever.
    pub fn next(&self, scope: &Scope, every_tick: bool) -> Option<SimTime> {
        if self.on_hold {
            return None;
        }
        if self.timing_out.is_some() {
            return self.timing_out;
        }
        let tick = self.next_tick(scope);
        if every_tick {
            return Some(tick);
        }
        let failing = scope.failing_tick(tick);
        if self.outcome == Outcome::Success {
            return failing;
        }
        let have = if self.last == Some(true) { self.run } else { 0 };
        let left = scope.probe.success_threshold.max(1).saturating_sub(have).max(1);
        let reached = tick + scope.period().saturating_mul(u64::from(left - 1));
        Some(failing.map_or(reached, |failing| failing.min(reached)))
    }

    fn next_tick(&self, scope: &Scope) -> SimTime {
        scope.tick_from((self.done_to + SimDuration(1)).max(scope.begins_at()))
    }

    /// Brings the worker up to `now`: counts the good ticks before it and runs what is due at it.
    pub fn advance(&mut self, scope: &Scope, now: SimTime) -> Option<Ticked> {
        if self.on_hold {
            self.done_to = self.done_to.max(now);
            return None;
        }
        if let Some(ends_at) = self.timing_out {
            if ends_at > now {
                return None;
            }
            self.timing_out = None;
            self.done_to = self.done_to.max(now);
            return Some(self.take(scope.probe, Some(Failure::Timeout)));
        }
        let tick = self.next_tick(scope);
        if tick > now {
            return None;
        }
        let good = now.since(tick).0.div_ceil(scope.period().0);
        if good > 0 {
            let good = u32::try_from(good).unwrap_or(u32::MAX);
            self.run = if self.last == Some(true) { self.run.saturating_add(good) } else { good };
            self.last = Some(true);
        }
        self.done_to = now;
        if scope.tick_from(now) == now { self.probe_now(scope, now) } else { None }
    }

    /// Probes at once: a tick, or because the container has just started.
    pub fn probe_now(&mut self, scope: &Scope, now: SimTime) -> Option<Ticked> {
        if !self.asks(scope, now) {
            return None;
        }
        let failure = scope.failure_at(now);
        if failure == Some(Failure::Timeout) {
            self.timing_out = Some(now + SimDuration::from_secs(u64::from(scope.probe.timeout_s.max(1))));
            return None;
        }
        // After three attempts the run is given up; it counts neither way.
        if failure == Some(Failure::Error) {
            return Some(Ticked { failure, changed: false });
        }
        Some(self.take(scope.probe, failure))
    }

    /// Whether the endpoint is asked at a tick: not on hold, not before the initial delay is over.
    pub fn asks(&self, scope: &Scope, now: SimTime) -> bool {
        now >= scope.begins_at() && !self.on_hold
    }

    /// Counts an answer.
    pub fn take(&mut self, probe: &Probe, failure: Option<Failure>) -> Ticked {
        let good = failure.is_none();
        if self.last == Some(good) {
            self.run = self.run.saturating_add(1);
        } else {
            self.last = Some(good);
            self.run = 1;
        }
        let threshold = if good { probe.success_threshold } else { probe.failure_threshold };
        if self.run < threshold {
            return Ticked { failure, changed: false };
        }
        let outcome = if good { Outcome::Success } else { Outcome::Failure };
        let changed = self.outcome != outcome;
        self.outcome = outcome;
        let lasting = match self.kind {
            ProbeKind::Startup => true,
            ProbeKind::Liveness => !good,
            ProbeKind::Readiness => false,
        };
        if lasting {
            self.on_hold = true;
            self.run = 0;
        }
        Ticked { failure, changed }
    }
}

/// The result stored for a new container.
fn initial(kind: ProbeKind) -> Outcome {
    match kind {
        ProbeKind::Startup => Outcome::Unknown,
        ProbeKind::Liveness => Outcome::Success,
        ProbeKind::Readiness => Outcome::Failure,
    }
}
