//! What probes do to a container: `started`, `ready`, restarts, events.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/prober/prober_manager.go`, `UpdatePodStatus`; `spec/kubelet.md` §10.

use crate::kubelet::pod_run::{Cx, PodRun, Stage};
use crate::kubelet::probes::{Outcome, ProbeKind, Scope, Ticked, Worker};
use crate::kubelet::start::text;
use std::net::Ipv4Addr;
use wavetank_engine::model::pod_class::{Container, Handler, Probe};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::program::{Failure, Outage, Program};
use wavetank_engine::time::SimTime;

/// The probe of one kind of a container.
fn probe_of(container: &Container, kind: ProbeKind) -> Option<&Probe> {
    match kind {
        ProbeKind::Startup => container.startup.as_ref(),
        ProbeKind::Liveness => container.liveness.as_ref(),
        ProbeKind::Readiness => container.readiness.as_ref(),
    }
}

fn outages_of(program: &Program, kind: ProbeKind) -> &[Outage] {
    match kind {
        ProbeKind::Startup => &program.startup,
        ProbeKind::Liveness => &program.liveness,
        ProbeKind::Readiness => &program.readiness,
    }
}

impl PodRun {
    /// Gives a container that has just started its workers, or tells them of it.
    pub(super) fn start_workers(&mut self, at: usize, cx: &Cx) {
        let spec = cx.container(at);
        let regular_init = at < self.init as usize && !spec.sidecar();
        if regular_init || spec.startup.is_none() && spec.liveness.is_none() && spec.readiness.is_none() {
            return;
        }
        let anchor = self.seen_at;
        let more = self.containers[at].more();
        if more.workers.is_empty() {
            let kinds = [ProbeKind::Startup, ProbeKind::Liveness, ProbeKind::Readiness];
            more.workers = kinds.into_iter().filter(|&kind| probe_of(spec, kind).is_some()).map(|kind| Worker::new(kind, anchor)).collect();
        }
        more.workers.iter_mut().for_each(|worker| worker.container_started(cx.now));
    }

    /// Runs the probes that are due.
    pub(super) fn run_probes(&mut self, cx: &mut Cx) {
        for at in 0..self.containers.len() {
            let container = &mut self.containers[at];
            let (Some(started_at), Some(more)) = (container.running_since(), &mut container.more) else { continue };
            if more.workers.is_empty() {
                continue;
            }
            let mut workers = std::mem::take(&mut more.workers);
            let program = cx.program(at);
            for worker in &mut workers {
                if !self.probes(at, worker.kind) {
                    continue;
                }
                let probe = *probe_of(cx.container(at), worker.kind).expect("a worker has a probe");
                let outages = outages_of(&program, worker.kind);
                let scope = Scope { probe: &probe, anchor: self.seen_at, started_at, outages };
                if let Some(ticked) = worker.advance(&scope, cx.now) {
                    self.probed(at, worker.kind, &probe, ticked, cx);
                }
            }
            self.containers[at].more().workers = workers;
            self.look_at_container(at, cx);
        }
    }

    /// Whether a worker of a running container probes now.
    fn probes(&self, at: usize, kind: ProbeKind) -> bool {
        let container = &self.containers[at];
        match (self.stage, kind) {
            (Stage::Finished, _) | (Stage::Terminating, ProbeKind::Startup | ProbeKind::Liveness) => false,
            (Stage::Syncing, ProbeKind::Startup | ProbeKind::Liveness) => kind.probes(container.started) && !container.killing,
            (Stage::Syncing | Stage::Terminating, ProbeKind::Readiness) => kind.probes(container.started),
        }
    }

    /// When the next probe is due that changes something.
    pub(super) fn next_probe(&self, cx: &mut Cx) -> Option<SimTime> {
        let mut next: Option<SimTime> = None;
        for (at, container) in self.containers.iter().enumerate() {
            let (Some(started_at), Some(more)) = (container.running_since(), &container.more) else { continue };
            if more.workers.is_empty() {
                continue;
            }
            let program = cx.program(at);
            for worker in more.workers.iter().filter(|worker| self.probes(at, worker.kind)) {
                let probe = probe_of(cx.container(at), worker.kind).expect("a worker has a probe");
                let scope = Scope { probe, anchor: self.seen_at, started_at, outages: outages_of(&program, worker.kind) };
                if let Some(due) = worker.next(&scope, cx.every_tick) {
                    next = Some(next.map_or(due, |next| next.min(due)));
                }
            }
        }
        next
    }

    fn probed(&mut self, at: usize, kind: ProbeKind, probe: &Probe, ticked: Ticked, cx: &mut Cx) {
        if let Some(failure) = ticked.failure {
            let output = output(probe, failure, cx.container(at), self.ip, cx.names);
            self.cross_probe(at, kind, (matches!(probe.handler, Handler::Exec(_)), ticked), &output, cx);
            let output = cx.names.sym(&output);
            let prefix = match (kind, failure) {
                (ProbeKind::Startup, Failure::Error) => cx.texts.startup_errored,
                (ProbeKind::Liveness, Failure::Error) => cx.texts.liveness_errored,
                (ProbeKind::Readiness, Failure::Error) => cx.texts.readiness_errored,
                (ProbeKind::Startup, _) => cx.texts.startup,
                (ProbeKind::Liveness, _) => cx.texts.liveness,
                (ProbeKind::Readiness, _) => cx.texts.readiness,
            };
            cx.note(true, cx.texts.unhealthy, cx.texts.unhealthy_words, &[text(prefix), text(output)]);
        }
        let failed = ticked.changed && ticked.failure.is_some();
        if ticked.changed && !failed {
            self.cross_probe(at, kind, (matches!(probe.handler, Handler::Exec(_)), ticked), "", cx);
        }
        if failed && kind != ProbeKind::Readiness {
            self.kill_for_probe(at, kind, probe, cx);
        }
        if kind == ProbeKind::Readiness && ticked.changed {
            self.containers[at].ready = ticked.failure.is_none();
            self.dirty = true;
        }
    }

    fn kill_for_probe(&mut self, at: usize, kind: ProbeKind, probe: &Probe, cx: &mut Cx) {
        let again = cx.restarts(at, super::terminate::KILLED);
        let words = match (kind, again) {
            (ProbeKind::Startup, true) => cx.texts.startup_kill_words,
            (ProbeKind::Startup, false) => cx.texts.startup_kill_last_words,
            (_, true) => cx.texts.liveness_kill_words,
            (_, false) => cx.texts.liveness_kill_last_words,
        };
        let name = cx.container(at).name;
        cx.note(false, cx.texts.killing, words, &[text(name)]);
        let grace_s = probe.grace_s.unwrap_or(cx.class.grace_s).max(1);
        self.stop(at, grace_s, cx.now, cx.now, cx);
    }

    /// Brings `started` and `ready` of a running container up to date. One that has just started is asked for readiness at once.
    pub(super) fn look_at_container(&mut self, at: usize, cx: &mut Cx) {
        let container = &mut self.containers[at];
        let Some(started_at) = container.running_since() else { return };
        if at < self.init as usize && !cx.container(at).sidecar() {
            container.started = true;
            return;
        }
        if container.post_start {
            return;
        }
        let Some(more) = container.more.as_mut().filter(|more| !more.workers.is_empty()) else {
            self.dirty |= !(container.started && container.ready);
            (container.started, container.ready) = (true, true);
            return;
        };
        let startup_done = more.workers.iter().all(|worker| worker.kind != ProbeKind::Startup || worker.outcome == Outcome::Success);
        let mut workers = std::mem::take(&mut more.workers);
        if startup_done && !container.started {
            self.dirty = true;
            container.started = true;
            self.begin_readiness(at, started_at, &mut workers, cx);
        }
        self.containers[at].more().workers = workers;
    }

    /// The container has started: liveness and readiness are probed from now on, readiness at once.
    fn begin_readiness(&mut self, at: usize, started_at: SimTime, workers: &mut [Worker], cx: &mut Cx) {
        let program = cx.program(at);
        let mut has_readiness = false;
        for worker in workers.iter_mut().filter(|worker| worker.kind != ProbeKind::Startup) {
            worker.done_to = worker.done_to.max(cx.now);
            if worker.kind == ProbeKind::Readiness {
                has_readiness = true;
                let probe = *probe_of(cx.container(at), worker.kind).expect("a worker has a probe");
                let scope = Scope { probe: &probe, anchor: self.seen_at, started_at, outages: outages_of(&program, worker.kind) };
                if let Some(ticked) = worker.probe_now(&scope, cx.now) {
                    self.probed(at, ProbeKind::Readiness, &probe, ticked, cx);
                }
            }
        }
        if !has_readiness && !self.containers[at].ready {
            self.containers[at].ready = true;
            self.dirty = true;
        }
    }
}

/// What a failed probe says. Source: `pkg/probe/http/http.go`, `pkg/probe/tcp/tcp.go`, `pkg/probe/exec/exec.go`, `pkg/probe/grpc/grpc.go`.
fn output(probe: &Probe, failure: Failure, container: &Container, ip: u32, names: &Names) -> String {
    let ip = Ipv4Addr::from(ip);
    let number = |port: Sym| {
        let named = container.ports.iter().find(|candidate| candidate.name == port && !port.is_empty());
        named.map_or_else(|| names.text(port).to_string(), |found| found.port.to_string())
    };
    let timeout_s = probe.timeout_s;
    if failure == Failure::Error {
        return "rpc error: code = Unavailable desc = error reading from server: EOF".to_string();
    }
    match probe.handler {
        Handler::Exec(command) => match failure {
            Failure::Timeout => format!("command timed out: {:?} timed out after {timeout_s}s", names.text(command)),
            Failure::Answer | Failure::Refused | Failure::Error => String::new(),
        },
        Handler::Http { path, port } => {
            let port = number(port);
            let url = format!("http://{ip}:{port}{}", names.text(path));
            match failure {
                Failure::Answer | Failure::Error => "HTTP probe failed with statuscode: 500".to_string(),
                Failure::Timeout => format!("Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
                Failure::Refused => format!("Get {url:?}: dial tcp {ip}:{port}: connect: connection refused"),
            }
        }
        Handler::Tcp(port) => match failure {
            Failure::Timeout => format!("dial tcp {ip}:{}: i/o timeout", number(port)),
            Failure::Answer | Failure::Refused | Failure::Error => format!("dial tcp {ip}:{}: connect: connection refused", number(port)),
        },
        Handler::Grpc(port) => match failure {
            Failure::Answer | Failure::Error => "service unhealthy (responded with \"NOT_SERVING\")".to_string(),
            Failure::Timeout => format!("timeout: health rpc did not complete within {timeout_s}s"),
            Failure::Refused => {
                format!("timeout: failed to connect service \"{ip}:{port}\" within {timeout_s}s: context deadline exceeded")
            }
        },
        Handler::Sleep(_) => String::new(),
    }
}
