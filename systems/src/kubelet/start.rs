//! Setting a pod up: sandbox and address, image, creation and start of containers one after the other, postStart.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `SyncPod`; `spec/kubelet.md` §7, §8.

use crate::kubelet::phase::phase;
use crate::kubelet::pod_run::{Busy, Cx, Exit, Op, PodRun, Process, Stage};
use crate::kubelet::status::exit_reason;
use crate::kubelet::trace::Seam;
use wavetank_engine::model::pod_class::{Handler, RestartPolicy};
use wavetank_engine::names::Sym;
use wavetank_engine::record::events::Arg;
use wavetank_engine::time::{SimDuration, SimTime};

/// `activeDeadlineSeconds` is looked at this often. Source: `spec/kubelet.md` §3.
const SYNC_TICK_S: u64 = 1;

impl PodRun {
    /// Does the next thing of the sync. `false`: there is nothing to do now.
    pub(super) fn sync(&mut self, cx: &mut Cx) -> bool {
        if self.busy.as_ref().is_some_and(|busy| busy.until > cx.now) {
            return false;
        }
        if let Some(busy) = self.busy.take() {
            self.complete(*busy, cx);
            return true;
        }
        if let Some(moved) = self.restart_all(cx) {
            return moved;
        }
        if self.over(cx) {
            self.end(cx, None);
            return true;
        }
        self.report_ended(cx);
        let Some(op) = self.next_op(cx) else {
            self.in_sync = false;
            self.containers.iter_mut().for_each(|container| container.hidden = false);
            return false;
        };
        self.begin(op, cx);
        true
    }

    /// Containers have ended that may be started again in the sync that begins now: their end is reported first.
    fn report_ended(&mut self, cx: &mut Cx) {
        let begins = self.dirty && self.sandbox && !self.in_sync;
        if begins
            && self.containers.iter().any(|container| matches!(container.process, Process::Ended(_)))
            && !self.containers.iter().any(|container| container.hidden)
        {
            self.report(cx);
        }
    }

    /// Begins something; what takes no time is done at once.
    pub(super) fn begin(&mut self, op: Op, cx: &mut Cx) {
        let mut began_at = cx.now;
        let until = match op {
            Op::Admit => {
                self.cross(cx, Seam::Kubelet, "HandlePodAdditions", |cx| format!("admitted on {}", cx.names.text(cx.node.name)));
                cx.now + cx.latency.kubelet_sync
            }
            Op::Mount => self.mounts_fail(cx),
            Op::Sandbox => {
                self.cross(cx, Seam::Cri, "RunPodSandbox", |_| String::new());
                cx.now + cx.latency.sandbox
            }
            Op::Create(at) => {
                self.cross_container(at as usize, cx, Seam::Cri, "CreateContainer", |_| String::new());
                cx.now + cx.latency.container_start
            }
            Op::PostStart(at) => {
                self.cross_hook(at as usize, cx.container(at as usize).post_start, "postStart", cx);
                cx.now + self.post_start_takes(at as usize, cx)
            }
            Op::Unhook(at) => self.containers[at as usize].exit.map_or(cx.now, |exit| exit.at),
            Op::Pull(at) => {
                let (from, until) = self.begin_pull(at as usize, cx);
                began_at = from;
                until
            }
        };
        let busy = Busy { op, since: cx.now, until, began_at };
        if until <= cx.now {
            self.complete(busy, cx);
            return;
        }
        if op != Op::Admit && !self.in_sync {
            self.in_sync = true;
            self.report(cx);
            self.dirty = true;
        }
        self.busy = Some(Box::new(busy));
    }

    fn complete(&mut self, busy: Busy, cx: &mut Cx) {
        match busy.op {
            Op::Admit => {
                self.seen_at = cx.now;
                self.cross(cx, Seam::Kubelet, "SyncPod", |_| String::new());
            }
            Op::Mount => {}
            Op::Sandbox => {
                self.sandbox = true;
                if std::mem::replace(&mut self.had_sandbox, true) {
                    cx.note(false, cx.texts.sandbox_changed, cx.texts.sandbox_changed_words, &[]);
                }
                self.ip = if cx.class.host_network { cx.node.address } else { cx.node.take_address() };
                self.cross_sandbox(cx);
                self.dirty = true;
            }
            Op::Pull(at) => self.pulled(at as usize, busy, cx),
            Op::Create(at) => self.start_container(at as usize, cx),
            Op::PostStart(at) => self.post_start_returned(at as usize, cx),
            Op::Unhook(at) => self.unhooked(at as usize, cx),
        }
    }

    fn next_op(&mut self, cx: &mut Cx) -> Option<Op> {
        if !self.sandbox {
            return Some(self.mount_op(cx).unwrap_or(Op::Sandbox));
        }
        if let Some(at) = self.containers.iter().position(|container| container.post_start && container.running_since().is_some()) {
            return Some(Op::PostStart(at as u16));
        }
        loop {
            let at = self.next_container(cx)?;
            let op = if self.containers[at].image_ready { Some(Op::Create(at as u16)) } else { self.image_op(at, cx) };
            match op {
                Some(Op::Create(_)) if !self.configured(at, cx) => {}
                Some(op) => return Some(op),
                None => {}
            }
        }
    }

    fn start_container(&mut self, at: usize, cx: &mut Cx) {
        let program = cx.program(at);
        let memory_limit = cx.memory_limit(at);
        cx.node.starts(&program, cx.now);
        let has_hook = cx.container(at).post_start.is_some();
        let now = cx.now;
        let container = &mut self.containers[at];
        container.last = container.ended().map(Box::new);
        container.starts += 1;
        container.process = Process::Running { since: now };
        (container.image_ready, container.killing, container.forced, container.retry_at) = (false, false, false, None);
        (container.post_start, container.hidden) = (has_hook, true);
        self.containers[at].exit = None;
        self.memory_limited(at, memory_limit, cx);
        self.dirty = true;
        self.cross_container(at, cx, Seam::Cri, "StartContainer", |_| String::new());
        self.cross_container(at, cx, Seam::Pleg, "ContainerStarted", |_| String::new());
        cx.note(false, cx.texts.created, cx.texts.created_words, &[]);
        cx.note(false, cx.texts.started, cx.texts.started_words, &[]);
        self.start_workers(at, cx);
        self.look_at_container(at, cx);
    }

    /// When and how a container ends by itself.
    pub(super) fn own_exit(&self, at: usize, since: SimTime, cx: &mut Cx) -> Option<Exit> {
        let program = cx.program(at);
        let later = program.crashes.is_some_and(|crashes| self.containers[at].starts > crashes);
        let exits = if later { program.exits_later } else { program.exits };
        let of_trace = cx.runs_for.filter(|_| at >= self.init as usize).map(|span| (span, 0));
        of_trace.or(exits).map(|(after, code)| Exit { at: since + after, code, reason: exit_reason(code) })
    }

    fn post_start_takes(&self, at: usize, cx: &mut Cx) -> SimDuration {
        match cx.container(at).post_start {
            Some(Handler::Sleep(pause)) => pause,
            Some(_) => cx.program(at).post_start,
            None => SimDuration::ZERO,
        }
    }

    /// Whether the pod has come to its end by itself: its containers have ended and none is started again.
    fn over(&self, cx: &Cx) -> bool {
        if !self.containers.iter().any(|container| matches!(container.process, Process::Ended(_))) {
            return false;
        }
        if self.containers.iter().any(|container| container.forced) {
            return false;
        }
        let init = self.init as usize;
        let app_runs = self.containers[init..].iter().any(|container| container.running_since().is_some());
        if app_runs && self.initialized() {
            return false;
        }
        // A sidecar that still runs does not keep the pod.
        let seen = |at: usize| self.seen(at, cx);
        let app = || (init..self.containers.len()).map(seen);
        let without_sidecars = (0..init).map(seen).filter(|seen| seen.restart_policy.is_none_or(|own| own != RestartPolicy::Always));
        phase(self.facts(cx, false), without_sidecars, app()).terminal()
    }

    /// Begins to stop the pod. `failure`: reason and message of a pod that fails whatever its containers say.
    pub(super) fn end(&mut self, cx: &Cx, failure: Option<(Sym, Sym)>) {
        self.begin_ending(cx.now, cx.class.grace_s, failure);
    }

    /// When `activeDeadlineSeconds` is noticed to be over.
    pub(super) fn deadline(&self, cx: &Cx) -> Option<SimTime> {
        let over = self.seen_at.cut_to_second() + cx.class.active_deadline?;
        // Choice: the kubelet's one-second tick runs at whole seconds.
        let tick = SimDuration::from_secs(SYNC_TICK_S).0;
        Some(SimTime(over.0.div_ceil(tick) * tick))
    }

    pub(super) fn deadline_exceeded(&mut self, cx: &mut Cx) {
        if self.stage != Stage::Syncing || cx.class.active_deadline.is_none() || self.deadline(cx).is_none_or(|at| at > cx.now) {
            return;
        }
        if self.busy.as_ref().is_some_and(|busy| busy.op == Op::Admit) {
            return;
        }
        cx.note(false, cx.texts.deadline, cx.texts.deadline_words, &[]);
        self.end(cx, Some((cx.texts.deadline, cx.texts.deadline_words)));
    }
}

/// Argument of a message.
pub(super) fn text(sym: Sym) -> Arg {
    Arg::Text(sym)
}
