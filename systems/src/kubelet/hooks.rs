//! Hooks that fail: postStart kills its container, preStop only says so.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `startContainer`, `executePreStopHook`;
//! `pkg/kubelet/lifecycle/handlers.go`; `spec/kubelet.md` §8.

use crate::kubelet::pod_run::{Cx, Op, PodRun, Process};
use std::net::Ipv4Addr;
use wavetank_engine::model::pod_class::Handler;
use wavetank_engine::names::Sym;
use wavetank_engine::time::SimDuration;

/// The end of the container is noticed, and a new sync begins, this long after. Source: `spec/kubelet.md` §5.
const NOTICED_AFTER: SimDuration = SimDuration::from_secs(1);

impl PodRun {
    /// The postStart hook of a container has returned.
    pub(super) fn post_start_returned(&mut self, at: usize, cx: &mut Cx) {
        let fails = self.containers[at].starts <= cx.program(at).post_start_failures;
        self.containers[at].post_start = false;
        if !fails || self.containers[at].running_since().is_none() {
            self.look_at_container(at, cx);
            return;
        }
        cx.note(true, cx.texts.failed_post_start, cx.texts.failed_post_start_words, &[]);
        cx.note(false, cx.texts.killing, cx.texts.failed_post_start, &[]);
        self.stop(at, cx.class.grace_s.max(1), cx.now, cx.now, cx);
        self.begin(Op::Unhook(at as u16), cx);
    }

    /// A container whose postStart hook failed has been killed.
    pub(super) fn unhooked(&mut self, at: usize, cx: &mut Cx) {
        self.end_containers(cx);
        let Process::Ended(end) = self.containers[at].process else { return };
        self.dirty = true;
        if !cx.restarts(at, end.exit_code) {
            return;
        }
        let message = self.hook_failed(at, cx);
        let container = &mut self.containers[at];
        container.last = Some(Box::new(end));
        container.process = Process::Waiting { reason: cx.texts.post_start_error, message };
        container.retry_at = Some(cx.now + NOTICED_AFTER);
    }

    fn hook_failed(&self, at: usize, cx: &mut Cx) -> Sym {
        let (name, hook) = (cx.container(at).name, cx.container(at).post_start);
        let uid = self.uid(cx);
        let pod = format!("{}_{}({})", cx.names.render(cx.key.name), cx.names.text(cx.key.namespace), cx.names.text(uid));
        let name = cx.names.text(name);
        let message = match hook {
            Some(Handler::Exec(command)) => {
                let command = cx.names.text(command);
                format!(
                    "Exec lifecycle hook ([{command}]) for Container {name:?} in Pod {pod:?} failed - \
                     error: command '{command}' exited with 1: , message: \"\""
                )
            }
            Some(Handler::Http { path, port }) => {
                let (ip, path, port) = (Ipv4Addr::from(self.ip), cx.names.text(path), cx.names.text(port));
                format!(
                    "HTTP lifecycle hook ({path}) for Container {name:?} in Pod {pod:?} failed - \
                     error: Get \"http://{ip}:{port}{path}\": dial tcp {ip}:{port}: connect: connection refused"
                )
            }
            Some(Handler::Sleep(_) | Handler::Tcp(_) | Handler::Grpc(_)) | None => {
                format!(
                    "Sleep lifecycle hook for Container {name:?} in Pod {pod:?} failed - error: container terminated before sleep hook finished"
                )
            }
        };
        cx.names.sym(&message)
    }

    /// Says of the preStop hooks that return now and fail that they do. The pod is stopped all the same.
    pub(super) fn fail_pre_stops(&mut self, cx: &mut Cx) {
        for container in &mut self.containers {
            let Some(more) = &mut container.more else { continue };
            if more.pre_stop_fails_at.take_if(|at| *at <= cx.now).is_some() {
                cx.note(true, cx.texts.failed_pre_stop, cx.texts.failed_pre_stop_words, &[]);
            }
        }
    }
}
