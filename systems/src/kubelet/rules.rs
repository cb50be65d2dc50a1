//! Restart rules of a container's own, by its exit code: it is started again, or the whole pod starts over in its sandbox.
//!
//! Source: kubernetes v1.36, `pkg/api/v1/pod/util.go`, `ContainerShouldRestart`, `FindMatchingContainerRestartRule`;
//! `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `getContainersToReset`; `pkg/kubelet/status/generate.go`,
//! `GenerateAllContainersRestartingCondition`; `spec/kubelet.md` §9.
//!
//! Choice: the containers that are still running are killed at once, where the original kills one after the other.

use crate::kubelet::pod_run::{Cx, PodRun, Process};
use crate::kubelet::terminate::KILLED;
use crate::kubelet::trace::Seam;
use wavetank_engine::model::pod::Terminated;
use wavetank_engine::model::pod_class::RestartAction;
use wavetank_engine::time::{SimDuration, SimTime};

/// A container that ended in the moment of its start is noticed by the next look at the runtime. Source: `spec/kubelet.md` §5.
const NOTICED_AFTER: SimDuration = SimDuration::from_secs(1);

impl PodRun {
    /// Whether some container has ended in a way for which the whole pod is to start over.
    fn asks_for_all(&self, cx: &Cx) -> bool {
        let asks = |at: usize| match self.containers[at].process {
            Process::Ended(end) => cx.container(at).rule_for(end.exit_code) == Some(RestartAction::RestartAllContainers),
            Process::Running { .. } | Process::Waiting { .. } => false,
        };
        (0..self.containers.len()).any(asks)
    }

    /// Starts the pod over if a container asks for it: all others are killed, then everything begins again, init containers first.
    /// `None`: nobody asks. Otherwise whether something was done.
    pub(super) fn restart_all(&mut self, cx: &mut Cx) -> Option<bool> {
        if !self.restarting_all {
            if !cx.class.may_restart_all || !self.asks_for_all(cx) {
                return None;
            }
            self.restarting_all = true;
            (self.in_sync, self.dirty) = (false, true);
            self.containers.iter_mut().for_each(|container| container.hidden = false);
            self.report(cx);
            for at in (0..self.containers.len()).rev() {
                if self.containers[at].running_since().is_some() {
                    cx.note(false, cx.texts.killing, cx.texts.restart_all_kill, &[]);
                    self.stop(at, 0, cx.now, cx.now, cx);
                }
            }
            return Some(true);
        }
        if self.containers.iter().any(|container| container.running_since().is_some()) {
            return Some(false);
        }
        self.reset(cx);
        Some(true)
    }

    /// Removes all containers, as if none had ever run; they are remembered as ended for this.
    fn reset(&mut self, cx: &mut Cx) {
        let (reason, message) = (cx.texts.restarting_all, cx.texts.restarting_all_words);
        let at_once = |container: &Process| matches!(container, Process::Ended(end) if end.finished_at == end.started_at);
        let waits = self.containers.iter().any(|container| at_once(&container.process));
        for at in (0..self.containers.len()).rev() {
            if self.containers[at].starts == 0 {
                continue;
            }
            self.cross_container(at, cx, Seam::Cri, "RemoveContainer", |_| String::new());
            let container = &mut self.containers[at];
            let end = Terminated { exit_code: KILLED, reason, started_at: SimTime::ZERO, finished_at: SimTime::ZERO };
            container.last = Some(Box::new(end));
            container.process = Process::Waiting { reason, message };
            (container.forced, container.image_ready) = (true, false);
            container.retry_at = waits.then(|| cx.now + NOTICED_AFTER);
        }
        self.restarting_all = false;
        self.dirty = true;
        self.report(cx);
    }
}
