//! One container on its node: its state, its restarts, its back-off and its probes.

use crate::kubelet::probes::{Outcome, ProbeRun};
use serde::{Deserialize, Serialize};
use wavetank_engine::model::pod::Terminated;
use wavetank_engine::model::pod_class::{Container, Probe, RestartPolicy};
use wavetank_engine::names::Sym;
use wavetank_engine::scene::program::Program;
use wavetank_engine::time::{SimDuration, SimTime};

/// First crash-loop back-off. Source: `spec/kubelet.md` §9.
const BACKOFF_FIRST: SimDuration = SimDuration::from_secs(10);
/// Longest crash-loop back-off.
const BACKOFF_MAX: SimDuration = SimDuration::from_secs(300);
/// A run longer than this resets the back-off.
const BACKOFF_RESET: SimDuration = SimDuration::from_secs(600);

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Its turn has not come.
    Idle,
    /// Its image is being pulled.
    Pulling {
        /// Until then.
        until: SimTime,
    },
    /// Its image can't be had; tried again then.
    ImageBackOff {
        /// Next try.
        until: SimTime,
        /// Delay after the next failure.
        next: SimDuration,
        /// Whether the first failure still shows.
        fresh: bool,
    },
    /// It is being created and started.
    Starting {
        /// Until then.
        until: SimTime,
    },
    /// It runs.
    Running {
        /// Since.
        since: SimTime,
        /// Its postStart hook is done at this time; until then the next container waits.
        hooked_at: SimTime,
    },
    /// It ended.
    Exited(Terminated),
    /// It ended and waits for its back-off.
    CrashLoop {
        /// How it ended.
        end: Terminated,
        /// It starts again then.
        until: SimTime,
    },
}

/// A container's stop: TERM at a time, and the end that follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// When it ends.
    pub ends_at: SimTime,
    /// With which code.
    pub exit_code: i32,
    /// Whether it may start again: a probe killed it.
    pub restarts: bool,
}

/// Back-off of restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct BackOff {
    delay: SimDuration,
    updated_at: SimTime,
}

/// A container on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerRun {
    /// What it is doing.
    pub state: State,
    /// Its stop, once it is being stopped.
    pub stop: Option<Stop>,
    /// How its run before ended.
    pub last: Option<Terminated>,
    /// Restarts.
    pub restarts: u32,
    backoff: Option<BackOff>,
    /// Liveness, readiness, startup.
    pub probes: [ProbeRun; 3],
    /// Since when the startup probe has succeeded, or the container counts as started without one.
    pub started_at: Option<SimTime>,
}

/// Places of the probes in [`ContainerRun::probes`].
pub const LIVENESS: usize = 0;
/// See [`LIVENESS`].
pub const READINESS: usize = 1;
/// See [`LIVENESS`].
pub const STARTUP: usize = 2;

/// Results before the first tick. Source: `spec/kubelet.md` §10.
const FRESH: [ProbeRun; 3] = [ProbeRun::fresh(Some(true)), ProbeRun::fresh(Some(false)), ProbeRun::fresh(None)];

impl ContainerRun {
    /// A container whose turn has not come.
    pub const IDLE: ContainerRun =
        ContainerRun { state: State::Idle, stop: None, last: None, restarts: 0, backoff: None, probes: FRESH, started_at: None };

    /// Begins to run.
    pub fn run(&mut self, now: SimTime, spec: &Container, program: &Program) {
        let hook = if spec.post_start.is_some() { program.post_start } else { SimDuration::ZERO };
        self.state = State::Running { since: now, hooked_at: now + hook };
        self.probes = FRESH;
        self.stop = None;
        self.started_at = spec.startup.is_none().then_some(now);
    }

    /// Whether it runs and its startup probe, if any, has succeeded.
    pub fn started(&self) -> bool {
        matches!(self.state, State::Running { .. }) && self.started_at.is_some()
    }

    /// Whether it runs, has started, and its readiness probe, if any, succeeds. Source: `spec/kubelet.md` §10.
    pub fn ready(&self, spec: &Container) -> bool {
        self.started() && (spec.readiness.is_none() || self.probes[READINESS].result == Some(true))
    }

    /// When it ends by itself, unless something stops it before.
    pub fn own_end(&self, program: &Program) -> Option<(SimTime, i32)> {
        let State::Running { since, .. } = self.state else { return None };
        let over = program.crashes.is_some_and(|crashes| self.restarts >= crashes);
        let (after, code) = if over { program.exits_later } else { program.exits }?;
        Some((since + after, code))
    }

    /// Ends, for good or until its next start.
    pub fn exit(&mut self, now: SimTime, exit_code: i32, reason: Sym) {
        let started_at = match self.state {
            State::Running { since, .. } => since,
            _ => now,
        };
        self.state = State::Exited(Terminated { exit_code, reason, started_at, finished_at: now });
        self.stop = None;
    }

    /// When it may start again: at once, or after its back-off. Called when it has ended. Source: `spec/kubelet.md` §9.
    ///
    /// Choice: the worker's re-check comes up to half as late again in the original; here it comes exactly in time.
    pub fn restart_at(&mut self, now: SimTime, end: Terminated) -> SimTime {
        let current = self.backoff.filter(|backoff| end.finished_at.since(backoff.updated_at) <= BACKOFF_RESET);
        match current {
            Some(backoff) if now < end.finished_at + backoff.delay => end.finished_at + backoff.delay,
            _ => {
                let delay = current.map_or(BACKOFF_FIRST, |backoff| backoff.delay.saturating_mul(2).min(BACKOFF_MAX));
                self.backoff = Some(BackOff { delay, updated_at: now });
                now
            }
        }
    }

    /// The back-off's delay, for messages.
    pub fn backoff_delay(&self) -> SimDuration {
        self.backoff.map_or(BACKOFF_FIRST, |backoff| backoff.delay)
    }

    /// The next change of a probe's result, and which probe's. Source: `spec/kubelet.md` §10: until the container has started only the
    /// startup probe runs; once it has, that one stops.
    pub fn next_probe(&self, spec: &Container, program: &Program, deleting: bool) -> Option<(usize, Outcome, ProbeRun)> {
        let State::Running { since, .. } = self.state else { return None };
        if self.stop.is_some_and(|stop| stop.restarts) {
            return None;
        }
        let change = |which: usize, probe: Option<&Probe>, outages, from| {
            let (outcome, run) = self.probes[which].next_change(probe?, outages, since, from)?;
            Some((which, outcome, run))
        };
        match self.started_at {
            None => change(STARTUP, spec.startup.as_ref(), &program.startup, since),
            Some(from) => {
                let liveness = if deleting { None } else { change(LIVENESS, spec.liveness.as_ref(), &program.liveness, from) };
                let readiness = change(READINESS, spec.readiness.as_ref(), &program.readiness, from);
                liveness.into_iter().chain(readiness).min_by_key(|(which, outcome, _)| (outcome.at, *which))
            }
        }
    }
}

/// Whether a container that ended starts again. Source: `spec/kubelet.md` §9.
pub fn restarts(policy: RestartPolicy, exit_code: i32) -> bool {
    match policy {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => exit_code != 0,
        RestartPolicy::Never => false,
    }
}
