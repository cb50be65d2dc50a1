//! The status that a kubelet reports of a pod.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kubelet_pods.go`, `generateAPIPodStatus`; `spec/kubelet.md` §11, §12.

use crate::kubelet::conditions::{Stand, stands};
use crate::kubelet::phase::{PodFacts, Seen, phase};
use crate::kubelet::pod_run::{Cx, PodRun, Process, Stage};
use smallvec::SmallVec;
use wavetank_engine::model::meta::{Condition, ConditionStatus, condition};
use wavetank_engine::model::pod::{ContainerState, ContainerStatus, PodPhase, PodStatus};
use wavetank_engine::model::pod_class::RestartPolicy;
use wavetank_engine::names::Sym;
use wavetank_engine::words;

/// `reason` of a container that ended with a code.
pub(super) fn exit_reason(code: i32) -> Sym {
    if code == 0 { words::COMPLETED } else { words::ERROR }
}

impl PodRun {
    /// What the phase depends on beside containers.
    pub(super) fn facts(&self, cx: &Cx, terminal: bool) -> PodFacts {
        PodFacts { restart_policy: cx.class.restart_policy, terminal, initialized: self.initialized() }
    }

    /// One container as phase and conditions see it.
    pub(super) fn seen(&self, at: usize, cx: &Cx) -> Seen {
        let status = self.container_status(at, cx);
        let ended = match status.state {
            ContainerState::Terminated(end) => Some(end),
            ContainerState::Waiting { .. } => status.last,
            ContainerState::Running { .. } => None,
        };
        let spec = cx.container(at);
        let ruled = ended.is_some_and(|end| spec.rule_for(end.exit_code).is_some() || end.reason == cx.texts.restarting_all);
        // A rule that has it started again is as if its policy said so. An init container that ended well has done its work.
        let restart_policy = match (ruled, at < self.init as usize) {
            (true, true) if !spec.sidecar() => Some(RestartPolicy::OnFailure),
            (true, false) => Some(RestartPolicy::Always),
            _ => spec.restart_policy,
        };
        Seen { restart_policy, status: Some(status) }
    }

    fn container_status(&self, at: usize, cx: &Cx) -> ContainerStatus {
        let container = &self.containers[at];
        let regular_init = at < self.init as usize && !cx.container(at).sidecar();
        if container.hidden && container.running_since().is_some() {
            if let Some(end) = container.last.as_deref().copied().filter(|end| end.reason == cx.texts.restarting_all) {
                let state = ContainerState::Waiting { reason: end.reason, message: cx.texts.restarting_all_words };
                let restarts = container.starts.saturating_sub(1);
                return ContainerStatus { state, last: Some(end), restarts, ready: false, started: false };
            }
            let reason = if self.init > 0 { words::POD_INITIALIZING } else { words::CONTAINER_CREATING };
            let waiting = ContainerState::Waiting { reason, message: Sym::EMPTY };
            let state = container.last.as_deref().map_or(waiting, |&end| ContainerState::Terminated(end));
            return ContainerStatus { state, last: None, restarts: container.starts.saturating_sub(2), ready: false, started: false };
        }
        let state = match container.process {
            Process::Waiting { reason, message } => ContainerState::Waiting { reason, message },
            Process::Running { since } => ContainerState::Running { since },
            Process::Ended(end) => ContainerState::Terminated(end),
        };
        // What was removed to start over counts as started again.
        let removed = container.ended().is_some_and(|end| end.reason == cx.texts.restarting_all);
        let done = regular_init && matches!(container.process, Process::Ended(end) if end.exit_code == 0);
        ContainerStatus {
            state,
            last: container.last.as_deref().copied(),
            restarts: if removed { container.starts } else { container.starts.saturating_sub(1) },
            ready: container.ready || done,
            started: container.started,
        }
    }

    /// The status now.
    pub(super) fn status(&self, cx: &mut Cx) -> PodStatus {
        let terminal = self.stage == Stage::Finished;
        let init_count = self.init as usize;
        let seen: SmallVec<[Seen; 4]> = (0..self.containers.len()).map(|at| self.seen(at, cx)).collect();
        let (init, app) = seen.split_at(init_count);
        let mut phase = phase(self.facts(cx, terminal), init.iter().copied(), app.iter().copied());
        let failure = self.ending.as_ref().and_then(|ending| ending.failure).filter(|_| terminal);
        if terminal && (failure.is_some() || !phase.terminal()) {
            phase = PodPhase::Failed;
        } else if !terminal && phase.terminal() {
            // The end is not reported while containers may still run.
            phase = if self.initialized() { PodPhase::Running } else { PodPhase::Pending };
        }
        // A million pods keep these for long: no room to spare.
        let statuses = |list: &[Seen]| {
            let mut statuses = Vec::with_capacity(list.len());
            statuses.extend(list.iter().filter_map(|seen| seen.status));
            statuses
        };
        let (reason, message) = failure.unwrap_or((Sym::EMPTY, Sym::EMPTY));
        PodStatus {
            phase,
            reason,
            message,
            nominated_node: Sym::EMPTY,
            start_at: Some(self.seen_at),
            pod_ip: self.ip,
            conditions: self.conditions(phase, init, app, cx),
            init_containers: statuses(init),
            containers: statuses(app),
        }
    }

    fn conditions(&self, phase: PodPhase, init: &[Seen], app: &[Seen], cx: &mut Cx) -> Vec<Condition> {
        let gates = cx.gates.iter().map(|&gate| (cx.names.text(gate), condition(cx.stored, gate).map(|found| found.status)));
        let stands = stands(phase, (init, app), gates, |at| cx.names.text(cx.container(at).name));
        let mut interned = |stand: &Stand| {
            let message = if stand.message.is_empty() { Sym::EMPTY } else { cx.names.sym(&stand.message) };
            (stand.holds, stand.reason, message)
        };
        let began = (true, Sym::EMPTY, Sym::EMPTY);
        let containers_ready = interned(&stands.containers_ready);
        let ready = stands.ready.as_ref().map_or(containers_ready, &mut interned);
        let list = [
            (words::POD_READY_TO_START_CONTAINERS, (self.sandbox, Sym::EMPTY, Sym::EMPTY)),
            // A pod that starts over stays initialized.
            (words::INITIALIZED, if cx.class.may_restart_all && self.initialized() { began } else { interned(&stands.initialized) }),
            (words::READY, ready),
            (words::CONTAINERS_READY, containers_ready),
            (words::POD_SCHEDULED, began),
        ];
        let now = cx.now;
        let made = list.into_iter().map(|(kind, (holds, reason, message))| Condition {
            kind,
            status: if holds { ConditionStatus::True } else { ConditionStatus::False },
            reason,
            message,
            transition_at: now,
            update_at: now,
        });
        let restarting_all = cx.class.may_restart_all.then(|| {
            let (holds, reason, message) = match phase {
                PodPhase::Succeeded => (false, words::POD_COMPLETED, Sym::EMPTY),
                PodPhase::Failed => (false, words::POD_FAILED, Sym::EMPTY),
                _ if self.restarting_all => (true, cx.texts.restart_all_started, cx.texts.restart_all_started_words),
                _ => (false, Sym::EMPTY, Sym::EMPTY),
            };
            let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
            Condition { kind: words::ALL_CONTAINERS_RESTARTING, status, reason, message, transition_at: now, update_at: now }
        });
        let resizing = cx.resize.into_iter().flat_map(|resize| {
            let deferred = resize.waits().map(|why| (words::POD_RESIZE_PENDING, words::DEFERRED, why));
            let reason = |why: Sym| if why.is_empty() { Sym::EMPTY } else { words::ERROR };
            [deferred, resize.goes_on().map(|why| (words::POD_RESIZE_IN_PROGRESS, reason(why), why))].into_iter().flatten()
        });
        let resizing = resizing.map(|(kind, reason, message)| {
            let status = ConditionStatus::True;
            Condition { kind, status, reason, message, transition_at: now, update_at: now }
        });
        made.chain(restarting_all).chain(resizing).collect()
    }
}
