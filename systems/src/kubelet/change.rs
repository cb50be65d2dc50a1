//! What befalls a pod from outside: another spec, a rebooted node.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `computePodActions`; `spec/kubelet.md` §8.

use crate::kubelet::pod_run::{Cx, PodRun, Process, Stage};
use crate::kubelet::start::text;
use wavetank_engine::model::pod::Terminated;
use wavetank_engine::model::pod_class::{ClassId, PodClass};
use wavetank_engine::words;

/// Exit code that the runtime shows for containers that were lost.
const LOST: i32 = 255;

impl PodRun {
    /// The pod's spec is another now: containers whose image changed are killed and started again.
    pub(crate) fn change_class(&mut self, to: ClassId, new: &PodClass, cx: &mut Cx) {
        self.class = to;
        let images = |class: &PodClass| class.init_containers.iter().chain(&class.containers).map(|c| c.image).collect::<Vec<_>>();
        let (before, after) = (images(cx.class), images(new));
        if before.len() != self.containers.len() || before.len() != after.len() {
            return;
        }
        for at in (0..before.len()).filter(|&at| before[at] != after[at]) {
            let container = &mut self.containers[at];
            container.image_ready = false;
            container.retry_at = None;
            if let Some(more) = &mut container.more {
                (more.crash, more.image) = (None, None);
            }
            if container.running_since().is_some() && self.stage == Stage::Syncing {
                container.forced = true;
                let name = cx.container(at).name;
                cx.note(false, cx.texts.killing, cx.texts.definition_words, &[text(name)]);
                self.stop(at, cx.class.grace_s.max(1), cx.now, cx.now, cx);
            }
        }
    }

    /// The node has stopped and started again: containers and sandbox are lost.
    pub(crate) fn rebooted(&mut self, cx: &mut Cx) {
        if self.stage == Stage::Finished {
            return;
        }
        let init = self.init as usize;
        for at in 0..self.containers.len() {
            let regular_init = at < init && !cx.container(at).sidecar();
            let container = &mut self.containers[at];
            if let Process::Running { since } = container.process {
                let end = Terminated { exit_code: LOST, reason: cx.texts.unknown, started_at: since, finished_at: cx.now };
                container.process = Process::Ended(end);
                self.cross_end(at, end.exit_code, end.reason, cx);
            }
            let container = &mut self.containers[at];
            // Init containers run again in the new sandbox.
            container.forced = regular_init && matches!(container.process, Process::Ended(_));
            if container.forced {
                container.last = container.ended().map(Box::new);
                container.process = Process::Waiting { reason: words::POD_INITIALIZING, message: wavetank_engine::names::Sym::EMPTY };
            }
            (container.exit, container.retry_at) = (None, None);
            (container.started, container.ready, container.killing, container.post_start) = (false, false, false, false);
            container.image_ready = false;
        }
        self.restarting_all = false;
        self.release(cx);
        self.busy = None;
        self.in_sync = false;
        self.dirty = true;
    }
}
