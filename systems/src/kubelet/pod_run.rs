//! One pod on its node: from binding to the last byte.

use crate::kubelet::container::{ContainerRun, LIVENESS, READINESS, STARTUP, State, Stop, restarts};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::pod::Terminated;
use wavetank_engine::model::pod_class::{ClassId, Container, Handler, PodClass, RestartPolicy};
use wavetank_engine::names::Sym;
use wavetank_engine::scene::program::{Failure, Program};
use wavetank_engine::simulation::latency::LatencyTable;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// Least time between TERM and KILL. Source: `spec/kubelet.md` §13.
const KILL_AFTER_MIN: SimDuration = SimDuration::from_secs(2);
/// First and longest delay of image pulls. Source: `spec/kubelet.md` §7.
const PULL_BACKOFF: (SimDuration, SimDuration) = (SimDuration::from_secs(10), SimDuration::from_secs(300));
/// Exit code of a killed container.
const KILLED: i32 = 137;

/// A pod on its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRun {
    /// The pod.
    pub pod: ObjRef,
    /// Its class.
    pub class: ClassId,
    /// Its node.
    pub node: Sym,
    /// When the kubelet first saw it.
    pub start_at: SimTime,
    /// When its sandbox is ready.
    pub sandbox_at: SimTime,
    /// Its address, once the sandbox is ready.
    pub ip: u32,
    /// Init containers, in order.
    pub init: Vec<ContainerRun>,
    /// Containers, in order.
    pub apps: Vec<ContainerRun>,
    /// Its termination: when it began, and the grace that it was given.
    pub stopping: Option<(SimTime, u32)>,
    /// It has ended for good.
    pub done: bool,
    /// When it is looked at next.
    pub due: Option<SimTime>,
}

/// What happened in a step, for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// An image is being pulled.
    Pulling(Sym),
    /// An image was pulled, or was there.
    Pulled(Sym, bool),
    /// A pull failed.
    PullFailed(Sym),
    /// A pull waits.
    PullBackOff(Sym),
    /// A container was created and started.
    Started,
    /// A container is being stopped.
    Stopping(Sym),
    /// A probe of a container made it be restarted: `true` for liveness, `false` for startup.
    ProbeKill(Sym, bool),
    /// A probe failed: its name and how.
    Unhealthy(&'static str, Failure),
    /// A container waits for its restart.
    BackOff(Sym),
}

/// What a step needs to know.
pub struct Cx<'a> {
    /// The present moment.
    pub now: SimTime,
    /// The pod's class.
    pub class: &'a Arc<PodClass>,
    /// Programs of init containers and of containers.
    pub programs: &'a (Vec<Arc<Program>>, Vec<Arc<Program>>),
    /// Latencies.
    pub latency: &'a LatencyTable,
    /// Whether an image is on the node, by its name.
    pub present: &'a dyn Fn(Sym) -> bool,
    /// Whether an image can't be pulled.
    pub missing: &'a dyn Fn(Sym, &Program) -> bool,
    /// What happened.
    pub notes: Vec<Note>,
    /// Images that are on the node from now on.
    pub pulled: Vec<Sym>,
}

impl PodRun {
    /// A pod that its kubelet just heard of.
    pub fn new(pod: ObjRef, class_id: ClassId, class: &PodClass, node: Sym, now: SimTime, latency: &LatencyTable) -> PodRun {
        let start_at = now + latency.kubelet_sync;
        PodRun {
            pod,
            class: class_id,
            node,
            start_at,
            sandbox_at: start_at + latency.sandbox,
            ip: 0,
            init: vec![ContainerRun::IDLE; class.init_containers.len()],
            apps: vec![ContainerRun::IDLE; class.containers.len()],
            stopping: None,
            done: false,
            due: None,
        }
    }

    /// Begins the termination, or shortens its grace.
    pub fn stop(&mut self, cx: &mut Cx, grace_s: u32) {
        match self.stopping {
            Some((_, old)) if old <= grace_s => return,
            Some((began_at, _)) => self.stopping = Some((began_at, grace_s)),
            None => self.stopping = Some((cx.now, grace_s)),
        }
        let (began_at, grace_s) = self.stopping.expect("just set");
        let containers = cx.class.containers.iter().zip(&cx.programs.1).zip(&mut self.apps);
        for ((spec, program), run) in containers {
            stop_container(cx.now, began_at, grace_s, spec, program, run, &mut cx.notes);
        }
        let ends_at = self.apps.iter().filter_map(|run| run.stop.map(|stop| stop.ends_at)).max().unwrap_or(cx.now);
        let sidecars = cx.class.init_containers.iter().zip(&cx.programs.0).zip(&mut self.init);
        for ((spec, program), run) in sidecars {
            let left = grace_s.saturating_sub(ends_at.since(began_at).as_secs() as u32);
            stop_container(ends_at, ends_at, left, spec, program, run, &mut cx.notes);
        }
    }

    /// Does everything that is due at `cx.now`, and notes when to look next. `true` when something changed.
    pub fn step(&mut self, cx: &mut Cx) -> bool {
        let before = self.clone();
        if cx.now >= self.sandbox_at && !self.done {
            loop {
                let at = self.clone();
                self.pass(cx);
                if *self == at {
                    break;
                }
            }
        }
        self.due = self.next_due(cx);
        before != *self
    }

    fn pass(&mut self, cx: &mut Cx) {
        let class = cx.class.clone();
        let programs = cx.programs.clone();
        for at in 0..self.init.len() {
            ends_and_probes(cx, &class.init_containers[at], &programs.0[at], &mut self.init[at], self.stopping.is_some());
        }
        for at in 0..self.apps.len() {
            ends_and_probes(cx, &class.containers[at], &programs.1[at], &mut self.apps[at], self.stopping.is_some());
        }
        if self.stopping.is_some() {
            let over = |run: &ContainerRun| !matches!(run.state, State::Running { .. });
            self.done = self.init.iter().chain(&self.apps).all(over);
            return;
        }
        if !self.start_inits(cx, &class, &programs.0) {
            return;
        }
        for at in 0..self.apps.len() {
            let policy = class.containers[at].restart_policy.unwrap_or(class.restart_policy);
            advance(cx, &class.containers[at], &programs.1[at], policy, &mut self.apps[at]);
            let waits = match self.apps[at].state {
                State::Running { hooked_at, .. } => cx.now < hooked_at,
                State::Pulling { .. } | State::Starting { .. } => true,
                _ => false,
            };
            if waits {
                return;
            }
        }
        self.finish_if_over(&class);
    }

    /// Starts init containers in order; `true` once all are done or, for sidecars, started.
    fn start_inits(&mut self, cx: &mut Cx, class: &PodClass, programs: &[Arc<Program>]) -> bool {
        for (at, program) in programs.iter().enumerate() {
            let spec = &class.init_containers[at];
            if spec.sidecar() {
                advance(cx, spec, program, RestartPolicy::Always, &mut self.init[at]);
                if !self.init[at].started() && self.init[at].restarts == 0 {
                    return false;
                }
                continue;
            }
            if matches!(self.init[at].state, State::Exited(end) if end.exit_code == 0) {
                continue;
            }
            let policy = if class.restart_policy == RestartPolicy::Never { RestartPolicy::Never } else { RestartPolicy::OnFailure };
            advance(cx, spec, program, policy, &mut self.init[at]);
            if matches!(self.init[at].state, State::Exited(end) if end.exit_code != 0 && policy == RestartPolicy::Never) {
                self.done = true;
            }
            if !matches!(self.init[at].state, State::Exited(end) if end.exit_code == 0) {
                return false;
            }
        }
        true
    }

    /// The pod is over when all containers have ended and none starts again; sidecars end with it.
    fn finish_if_over(&mut self, class: &PodClass) {
        let over = self.apps.iter().zip(&class.containers).all(|(run, spec)| {
            let policy = spec.restart_policy.unwrap_or(class.restart_policy);
            matches!(run.state, State::Exited(end) if !restarts(policy, end.exit_code))
        });
        if over {
            self.done = true;
            for run in &mut self.init {
                if let State::Running { since, .. } = run.state {
                    let finished_at = self
                        .apps
                        .iter()
                        .filter_map(|app| if let State::Exited(end) = app.state { Some(end.finished_at) } else { None })
                        .max();
                    let end =
                        Terminated { exit_code: 0, reason: words::COMPLETED, started_at: since, finished_at: finished_at.unwrap_or(since) };
                    run.state = State::Exited(end);
                }
            }
        }
    }

    fn next_due(&self, cx: &Cx) -> Option<SimTime> {
        if self.done {
            return None;
        }
        if cx.now < self.sandbox_at {
            return Some(if cx.now < self.start_at { self.start_at } else { self.sandbox_at });
        }
        let deleting = self.stopping.is_some();
        let init = self.init.iter().zip(&cx.class.init_containers).zip(&cx.programs.0);
        let apps = self.apps.iter().zip(&cx.class.containers).zip(&cx.programs.1);
        init.chain(apps).filter_map(|((run, spec), program)| due_of(cx.now, run, spec, program, deleting)).min()
    }
}

fn due_of(now: SimTime, run: &ContainerRun, spec: &Container, program: &Program, deleting: bool) -> Option<SimTime> {
    let own = match run.state {
        State::Pulling { until } | State::Starting { until } | State::ImageBackOff { until, .. } | State::CrashLoop { until, .. } => {
            Some(until)
        }
        State::Running { hooked_at, .. } => Some(hooked_at),
        State::Idle | State::Exited(_) => None,
    };
    let end = run.own_end(program).map(|end| end.0);
    let stop = run.stop.map(|stop| stop.ends_at);
    let probe = run.next_probe(spec, program, deleting).map(|(_, outcome, _)| outcome.at);
    [own, end, stop, probe].into_iter().flatten().filter(|&at| at > now).min()
}

/// Plans the end of one container: preStop, TERM, and KILL when the grace is over. Source: `spec/kubelet.md` §13.
fn stop_container(
    now: SimTime,
    began_at: SimTime,
    grace_s: u32,
    spec: &Container,
    program: &Program,
    run: &mut ContainerRun,
    notes: &mut Vec<Note>,
) {
    if !matches!(run.state, State::Running { .. }) {
        return;
    }
    if run.stop.is_none_or(|stop| stop.restarts) {
        notes.push(Note::Stopping(spec.name));
    }
    let (ends_at, exit_code) = end_after_stop(began_at, grace_s, spec, program);
    run.stop = Some(Stop { ends_at: ends_at.max(now), exit_code, restarts: false });
}

fn end_after_stop(began_at: SimTime, grace_s: u32, spec: &Container, program: &Program) -> (SimTime, i32) {
    let grace = SimDuration::from_secs(u64::from(grace_s));
    let hook = match spec.pre_stop {
        Some(Handler::Sleep(span)) if grace_s > 0 => span.min(grace),
        Some(_) if grace_s > 0 => program.pre_stop.min(grace),
        _ => SimDuration::ZERO,
    };
    let remaining = SimDuration::from_secs(u64::from(grace_s).saturating_sub(hook.as_secs())).max(KILL_AFTER_MIN);
    match program.on_term {
        Some((after, code)) if after < remaining => (began_at + hook + after, code),
        _ => (began_at + hook + remaining, KILLED),
    }
}

/// Ends that are due, and probes whose results change now.
fn ends_and_probes(cx: &mut Cx, spec: &Container, program: &Program, run: &mut ContainerRun, deleting: bool) {
    let reason = |code: i32| if code == 0 { words::COMPLETED } else { words::ERROR };
    if let Some(stop) = run.stop.filter(|stop| stop.ends_at <= cx.now) {
        run.exit(stop.ends_at, stop.exit_code, reason(stop.exit_code));
        return;
    }
    if let Some((at, code)) = run.own_end(program).filter(|end| end.0 <= cx.now) {
        run.exit(at, code, reason(code));
        return;
    }
    while let Some((which, outcome, probe)) = run.next_probe(spec, program, deleting).filter(|(_, outcome, _)| outcome.at <= cx.now) {
        run.probes[which] = probe;
        if let Some(failure) = outcome.failure {
            cx.notes.push(Note::Unhealthy(["Liveness", "Readiness", "Startup"][which], failure));
        }
        match which {
            STARTUP if outcome.result => run.started_at = Some(outcome.at),
            READINESS => {}
            LIVENESS if outcome.result => {}
            _ => {
                cx.notes.push(Note::ProbeKill(spec.name, which == LIVENESS));
                let probe_grace = [spec.liveness, None, spec.startup][which].and_then(|probe| probe.grace_s);
                let (ends_at, exit_code) = end_after_stop(outcome.at, probe_grace.unwrap_or(cx.class.grace_s), spec, program);
                run.stop = Some(Stop { ends_at, exit_code, restarts: true });
                return;
            }
        }
    }
}

/// Moves a container on that is not running: image, creation, start, restart.
fn advance(cx: &mut Cx, spec: &Container, program: &Program, policy: RestartPolicy, run: &mut ContainerRun) {
    loop {
        match run.state {
            State::Idle => pull(cx, spec, program, run, PULL_BACKOFF.0),
            State::Pulling { until } if until <= cx.now => {
                cx.pulled.push(spec.image);
                cx.notes.push(Note::Pulled(spec.image, false));
                run.state = State::Starting { until: cx.now + cx.latency.container_start };
            }
            State::ImageBackOff { until, next, .. } if until <= cx.now => pull(cx, spec, program, run, next),
            State::Starting { until } if until <= cx.now => {
                run.run(cx.now, spec, program);
                cx.notes.push(Note::Started);
            }
            State::Exited(end) if restarts(policy, end.exit_code) => {
                let at = run.restart_at(cx.now, end);
                if at <= cx.now {
                    again(cx, spec, program, run, end);
                } else {
                    cx.notes.push(Note::BackOff(spec.name));
                    run.state = State::CrashLoop { end, until: at };
                }
            }
            State::CrashLoop { end, until } if until <= cx.now => {
                run.restart_at(cx.now, end);
                again(cx, spec, program, run, end);
            }
            _ => return,
        }
    }
}

fn again(cx: &mut Cx, spec: &Container, program: &Program, run: &mut ContainerRun, end: Terminated) {
    run.last = Some(end);
    run.restarts += 1;
    pull(cx, spec, program, run, PULL_BACKOFF.0);
}

/// Begins the pull of a container's image, or goes on when it is there. Source: `spec/kubelet.md` §7.
fn pull(cx: &mut Cx, spec: &Container, program: &Program, run: &mut ContainerRun, delay: SimDuration) {
    if (cx.present)(spec.image) && !spec.pull_always {
        cx.notes.push(Note::Pulled(spec.image, true));
        run.state = State::Starting { until: cx.now + cx.latency.container_start };
        return;
    }
    if (cx.missing)(spec.image, program) {
        let again_later = matches!(run.state, State::ImageBackOff { .. });
        cx.notes.push(if again_later { Note::PullBackOff(spec.image) } else { Note::PullFailed(spec.image) });
        run.state = State::ImageBackOff { until: cx.now + delay, next: delay.saturating_mul(2).min(PULL_BACKOFF.1), fresh: !again_later };
        return;
    }
    cx.notes.push(Note::Pulling(spec.image));
    let bytes_ns = u128::from(program.image_bytes) * 1_000_000_000 / u128::from(cx.latency.pull_bytes_per_s);
    let transfer = SimDuration(u64::try_from(bytes_ns).unwrap_or(u64::MAX));
    run.state = State::Pulling { until: cx.now + cx.latency.pull + transfer };
}
