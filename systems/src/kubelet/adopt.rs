//! Pods that ran before the run began: their kubelet goes on from the status that they bring.
//!
//! Choice: how long a container has run before counts for nothing, since virtual time begins with the run; a wait after a failure begins
//! anew, as long as its restarts say.

use crate::kubelet::pod_run::{BackOff, Cx, Exit, PodRun, Process};
use crate::kubelet::probes::{Outcome, ProbeKind};
use crate::kubelet::restart::{BACK_OFF_FIRST, BACK_OFF_MAX, RECHECK_MAX};
use crate::kubelet::status::exit_reason;
use wavetank_engine::model::pod::{ContainerState, ContainerStatus, PodStatus};
use wavetank_engine::words;

/// Whether a kubelet had the pod before: it has begun, and says of each container how it is.
pub(super) fn was_run(status: &PodStatus) -> bool {
    status.start_at.is_some() && !status.containers.is_empty()
}

impl PodRun {
    /// Takes a pod over as its status says that it is.
    pub(super) fn adopt(&mut self, status: &PodStatus, cx: &mut Cx) {
        let all = || status.init_containers.iter().chain(&status.containers);
        self.seen_at = status.start_at.unwrap_or(cx.now);
        self.ip = status.pod_ip;
        self.sandbox = status.pod_ip != 0;
        self.had_sandbox = self.sandbox;
        if self.sandbox && !cx.class.host_network {
            cx.node.keep_address(self.ip);
        }
        for (at, one) in all().enumerate() {
            if matches!(one.state, ContainerState::Waiting { .. }) && one.last.is_none() {
                self.adopt_waiting(at, one, cx);
            } else {
                let size = cx.program(at).image_bytes;
                cx.node.add_image(cx.container(at).image, cx.now, size);
                self.adopt_container(at, one, cx);
            }
        }
        self.dirty = false;
    }

    /// A container that never ran.
    fn adopt_waiting(&mut self, at: usize, one: &ContainerStatus, cx: &mut Cx) {
        let ContainerState::Waiting { reason, message } = one.state else { return };
        let container = &mut self.containers[at];
        container.process = Process::Waiting { reason, message };
        if reason == words::IMAGE_PULL_BACK_OFF || reason == words::ERR_IMAGE_PULL {
            container.more().image = Some(BackOff { delay: BACK_OFF_FIRST, updated_at: cx.now });
            container.retry_at = Some(cx.now + BACK_OFF_FIRST);
        }
    }

    fn adopt_container(&mut self, at: usize, one: &ContainerStatus, cx: &mut Cx) {
        let program = cx.program(at);
        cx.node.starts(&program, cx.now);
        let container = &mut self.containers[at];
        container.last = one.last.map(Box::new);
        container.starts = one.restarts + 1;
        match one.state {
            ContainerState::Running { since } => {
                container.process = Process::Running { since };
                (container.started, container.ready) = (one.started, one.ready);
                let later = program.crashes.is_some_and(|crashes| container.starts > crashes);
                let exits = if later { program.exits_later } else { program.exits };
                container.exit = exits.map(|(after, code)| Exit { at: since + after, code, reason: exit_reason(code) });
                self.adopt_workers(at, one, cx);
            }
            ContainerState::Terminated(end) => container.process = Process::Ended(end),
            ContainerState::Waiting { reason, message } => {
                container.process = Process::Waiting { reason, message };
                let delay = BACK_OFF_FIRST.saturating_mul(1 << one.restarts.saturating_sub(1).min(8)).min(BACK_OFF_MAX);
                container.more().crash = Some(BackOff { delay, updated_at: cx.now });
                container.retry_at = Some(cx.now + delay.min(RECHECK_MAX));
            }
        }
    }

    /// Probes of a container that runs have told before what its status says.
    fn adopt_workers(&mut self, at: usize, one: &ContainerStatus, cx: &mut Cx) {
        self.start_workers(at, cx);
        let Some(more) = &mut self.containers[at].more else { return };
        for worker in &mut more.workers {
            worker.done_to = worker.done_to.max(cx.now);
            let good = match worker.kind {
                ProbeKind::Startup | ProbeKind::Liveness => one.started,
                ProbeKind::Readiness => one.ready,
            };
            if good {
                (worker.outcome, worker.last, worker.run) = (Outcome::Success, Some(true), 1);
                worker.on_hold = worker.kind == ProbeKind::Startup;
            }
        }
    }
}
