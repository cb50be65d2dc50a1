//! Which container starts next: init containers one after the other, sidecars among them, then all app containers.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `computeInitContainerActions`; `spec/kubelet.md` §8.

use crate::kubelet::pod_run::{ContainerRun, Cx, PodRun, Process};

impl PodRun {
    /// The place of the container to start now, if any.
    pub(super) fn next_container(&mut self, cx: &mut Cx) -> Option<usize> {
        let init = self.init as usize;
        let initialized = self.initialized_here(cx);
        for at in 0..init {
            let sidecar = cx.container(at).sidecar();
            let container = &self.containers[at];
            match container.process {
                Process::Running { .. } if sidecar && container.started => continue,
                Process::Running { .. } if sidecar && initialized => continue,
                Process::Running { .. } => return None,
                Process::Ended(end) if !sidecar && end.exit_code == 0 => continue,
                Process::Ended(_) | Process::Waiting { .. } => {}
            }
            if self.wants_start(at, cx) {
                return Some(at);
            }
            if !(sidecar && initialized) {
                return None;
            }
        }
        (init..self.containers.len()).find(|&at| self.wants_start(at, cx))
    }

    /// Whether an app container has run in the present sandbox. Those that were lost with the one before do not count.
    fn initialized_here(&self, cx: &Cx) -> bool {
        let gone = [cx.texts.unknown, cx.texts.restarting_all];
        let lost = |container: &ContainerRun| container.ended().is_some_and(|end| gone.contains(&end.reason));
        self.containers[self.init as usize..].iter().any(|container| container.starts > 0 && !lost(container))
    }

    /// Whether a container that does not run may start now.
    fn wants_start(&mut self, at: usize, cx: &mut Cx) -> bool {
        let container = &self.containers[at];
        if container.running_since().is_some() || container.retry_at.is_some_and(|retry_at| retry_at > cx.now) {
            return false;
        }
        let Some(end) = container.ended() else { return true };
        if container.image_ready || container.forced {
            return true;
        }
        cx.restarts(at, end.exit_code) && self.past_crash_back_off(at, end.finished_at, cx)
    }
}
