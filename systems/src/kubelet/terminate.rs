//! Termination: preStop, TERM, grace with its minimum, KILL; app containers at once, then sidecars from the last to the first.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `killContainer`, and
//! `kuberuntime_termination_order.go`; `spec/kubelet.md` §13.

use crate::kubelet::pod_run::{Cx, Ending, Exit, PodRun, Process, Stage};
use crate::kubelet::start::text;
use crate::kubelet::status::exit_reason;
use crate::kubelet::trace::Seam;
use wavetank_engine::model::pod::Terminated;
use wavetank_engine::model::pod_class::Handler;
use wavetank_engine::names::Sym;
use wavetank_engine::scene::program::Program;
use wavetank_engine::time::{SimDuration, SimTime};

/// A process gets at least this long between TERM and KILL. Unit: seconds.
pub const GRACE_MIN_S: u64 = 2;
/// Exit code of a process ended by KILL.
pub const KILLED: i32 = 137;

/// When and how a process ends that is being stopped since `since`.
///
/// `pre_stop`: how long its hook takes. `turn`: it is not asked to end before (sidecars wait for others).
pub fn exit_of(program: &Program, pre_stop: SimDuration, grace_s: u32, since: SimTime, turn: SimTime) -> Exit {
    let grace = SimDuration::from_secs(u64::from(grace_s));
    let term_at = (since + pre_stop.min(grace)).max(turn);
    let left_s = u64::from(grace_s).saturating_sub(term_at.since(since).as_secs()).max(GRACE_MIN_S);
    let left = SimDuration::from_secs(left_s);
    match program.on_term {
        Some((after, code)) if after <= left => Exit { at: term_at + after, code, reason: exit_reason(code) },
        _ => Exit { at: term_at + left, code: KILLED, reason: exit_reason(KILLED) },
    }
}

impl PodRun {
    /// Hears that deletion of the pod was asked for, or that its grace was shortened.
    pub(crate) fn delete(&mut self, grace_s: u32, cx: &mut Cx) {
        let grace_s = grace_s.max(1);
        match (self.stage, &mut self.ending) {
            (Stage::Syncing, _) => self.begin_ending(cx.now + cx.latency.kubelet_sync, grace_s, None),
            (Stage::Terminating, Some(ending)) if grace_s < ending.grace_s => {
                ending.grace_s = grace_s;
                if ending.begun {
                    self.stop_again(grace_s, cx);
                }
            }
            (Stage::Terminating | Stage::Finished, _) => {}
        }
    }

    pub(super) fn begin_ending(&mut self, begins_at: SimTime, grace_s: u32, failure: Option<(Sym, Sym)>) {
        self.stage = Stage::Terminating;
        self.ending = Some(Box::new(Ending { begins_at, begun: false, grace_s: grace_s.max(1), failure }));
    }

    /// Stops what is to be stopped now. `false`: it waits for containers to end.
    pub(super) fn terminate(&mut self, cx: &mut Cx) -> bool {
        let Some(ending) = &mut self.ending else { return false };
        if ending.begins_at > cx.now {
            return false;
        }
        if !ending.begun {
            ending.begun = true;
            let (since, grace_s) = (ending.begins_at, ending.grace_s);
            self.cross(cx, Seam::Kubelet, "SyncTerminatingPod", |_| format!("grace {grace_s}s"));
            self.busy = None;
            self.in_sync = false;
            self.containers.iter_mut().for_each(|container| container.hidden = false);
            for at in 0..self.containers.len() {
                if self.containers[at].running_since().is_some() {
                    let name = cx.container(at).name;
                    cx.note(false, cx.texts.killing, cx.texts.stopping_words, &[text(name)]);
                    if !self.waits_for_turn(at, cx) {
                        self.stop(at, grace_s, since, since, cx);
                    }
                }
            }
            return true;
        }
        let (since, grace_s) = (ending.begins_at, ending.grace_s);
        let running = |run: &PodRun, at: usize| run.containers[at].running_since().is_some();
        let others_run = (0..self.containers.len()).any(|at| running(self, at) && !self.waits_for_turn(at, cx));
        if others_run {
            return false;
        }
        match (0..self.init as usize).rev().find(|&at| running(self, at)) {
            Some(at) if self.containers[at].killing => false,
            Some(at) => {
                self.stop(at, grace_s, since, cx.now, cx);
                true
            }
            None => {
                self.finish(cx);
                true
            }
        }
    }

    fn waits_for_turn(&self, at: usize, cx: &Cx) -> bool {
        at < self.init as usize && cx.container(at).sidecar()
    }

    /// Stops one container; one that ends by itself before does so.
    pub(super) fn stop(&mut self, at: usize, grace_s: u32, since: SimTime, turn: SimTime, cx: &mut Cx) {
        let program = cx.program(at);
        let pre_stop = match cx.container(at).pre_stop {
            Some(_) if grace_s == 0 => SimDuration::ZERO,
            Some(Handler::Sleep(pause)) => pause,
            Some(_) => program.pre_stop,
            None => SimDuration::ZERO,
        };
        if cx.container(at).pre_stop.is_some() && grace_s > 0 && program.pre_stop_fails {
            self.containers[at].more().pre_stop_fails_at = Some(since + pre_stop);
        }
        let exit = exit_of(&program, pre_stop, grace_s, since, turn);
        self.cross_stop(at, pre_stop, grace_s, (since + pre_stop.min(SimDuration::from_secs(u64::from(grace_s)))).max(turn), cx);
        let container = &mut self.containers[at];
        container.killing = true;
        container.exit = Some(container.exit.filter(|own| own.at <= exit.at).unwrap_or(exit));
    }

    /// A shorter grace breaks off the stopping of every container and begins it anew.
    fn stop_again(&mut self, grace_s: u32, cx: &mut Cx) {
        for at in 0..self.containers.len() {
            if self.containers[at].running_since().is_some() && self.containers[at].killing {
                self.stop(at, grace_s, cx.now, cx.now, cx);
            }
        }
        if let Some(ending) = &mut self.ending {
            ending.begins_at = cx.now;
        }
    }

    /// Everything has stopped: the sandbox goes, and the last status is due.
    fn finish(&mut self, cx: &mut Cx) {
        let initialized = self.initialized();
        for container in &mut self.containers {
            match (container.process, container.last.as_deref().copied()) {
                (Process::Waiting { .. }, Some(end)) => {
                    container.process = Process::Ended(end);
                    container.last = None;
                }
                (Process::Waiting { .. }, None) if initialized => {
                    let end = Terminated {
                        exit_code: KILLED,
                        reason: cx.texts.status_unknown,
                        started_at: SimTime::ZERO,
                        finished_at: SimTime::ZERO,
                    };
                    container.process = Process::Ended(end);
                }
                _ => {}
            }
        }
        self.release(cx);
        self.cross(cx, Seam::Kubelet, "SyncTerminatedPod", |_| String::new());
        self.stage = Stage::Finished;
        self.dirty = true;
    }

    /// Gives the pod's address back to its node.
    pub(super) fn release(&mut self, cx: &mut Cx) {
        if self.sandbox && !cx.class.host_network {
            cx.node.free_address(self.ip);
        }
        if self.sandbox {
            self.cross_sandbox_stop(cx);
        }
        self.sandbox = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::scene::program::ProgramText;

    fn program(on_term: Option<(u64, i32)>) -> Program {
        let mut program = Program::of(&ProgramText::default());
        program.on_term = on_term.map(|(after_s, code)| (SimDuration::from_secs(after_s), code));
        program
    }

    #[test]
    fn grace_table() {
        // (seconds to exit after TERM, its code), preStop, grace, turn -> exit after, code
        for (on_term, pre_stop_s, grace_s, turn_s, exit_s, code) in [
            (Some((0, 0)), 0, 30, 0, 0, 0),
            (Some((3, 143)), 5, 30, 0, 8, 143),
            (None, 0, 10, 0, 10, 137),
            (None, 20, 10, 0, 12, 137),
            (None, 9, 10, 0, 11, 137),
            (Some((2, 0)), 10, 10, 0, 12, 0),
            (Some((3, 0)), 10, 10, 0, 12, 137),
            (None, 0, 1, 0, 2, 137),
            (None, 0, 10, 4, 10, 137),
            (None, 0, 10, 15, 17, 137),
        ] {
            let since = SimTime::from_secs(100);
            let exit =
                exit_of(&program(on_term), SimDuration::from_secs(pre_stop_s), grace_s, since, since + SimDuration::from_secs(turn_s));
            let row = (on_term, pre_stop_s, grace_s, turn_s);
            assert_eq!((exit.at, exit.code), (since + SimDuration::from_secs(exit_s), code), "{row:?}");
        }
    }
}
