//! Crash-loop back-off.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `doBackOff`, and
//! `client-go/util/flowcontrol/backoff.go`; `spec/kubelet.md` §9.

use crate::kubelet::pod_run::{BackOff, Cx, PodRun, Process};
use crate::kubelet::start::text;
use wavetank_engine::ids::uid_text;
use wavetank_engine::names::Sym;
use wavetank_engine::record::events::Arg;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// First delay.
pub const BACK_OFF_FIRST: SimDuration = SimDuration::from_secs(10);
/// Longest delay.
pub const BACK_OFF_MAX: SimDuration = SimDuration::from_secs(300);
/// A container that ran longer than this since its delay was set begins anew.
pub const BACK_OFF_RESET: SimDuration = SimDuration::from_secs(600);
/// The worker looks again after at most this. Source: `spec/kubelet.md` §4, §9.
///
/// Choice: the original stretches each such wait by a factor drawn from 1 to 1.5; ours is 1.
pub const RECHECK_MAX: SimDuration = SimDuration::from_secs(60);

/// The back-off after a failure at `now`, given the one before.
pub fn raised(before: Option<BackOff>, failed_at: SimTime, now: SimTime) -> BackOff {
    let delay = match before {
        Some(before) if failed_at.since(before.updated_at) <= BACK_OFF_RESET => before.delay.saturating_mul(2).min(BACK_OFF_MAX),
        _ => BACK_OFF_FIRST,
    };
    BackOff { delay, updated_at: now }
}

/// How long a start has to wait that follows a failure; `None`: not at all.
pub fn wait(before: Option<BackOff>, failed_at: SimTime, now: SimTime) -> Option<SimDuration> {
    let before = before.filter(|before| failed_at.since(before.updated_at) <= BACK_OFF_RESET)?;
    let over = failed_at + before.delay;
    (now < over).then(|| over.since(now))
}

impl PodRun {
    /// Whether an ended container may start again now. If not, it is shown as waiting in a crash loop.
    pub(super) fn past_crash_back_off(&mut self, at: usize, finished_at: SimTime, cx: &mut Cx) -> bool {
        let before = self.containers[at].more.as_ref().and_then(|more| more.crash);
        let Some(left) = wait(before, finished_at, cx.now) else {
            self.containers[at].more().crash = Some(raised(before, finished_at, cx.now));
            return true;
        };
        let name = cx.container(at).name;
        let uid = self.uid(cx);
        let pod = cx.names.render(cx.key.name);
        let namespace = cx.names.text(cx.key.namespace).to_string();
        let delay = before.map_or(SimDuration::ZERO, |before| before.delay);
        let message =
            format!("back-off {delay} restarting failed container={} pod={pod}_{namespace}({})", cx.names.text(name), cx.names.text(uid));
        let message = cx.names.sym(&message);
        let args = [text(name), Arg::Name(cx.key.name), text(cx.key.namespace), text(uid)];
        cx.note(true, cx.texts.back_off, cx.texts.restarting_words, &args);
        let container = &mut self.containers[at];
        if let Process::Ended(end) = container.process {
            container.last = Some(Box::new(end));
        }
        container.process = Process::Waiting { reason: words::CRASH_LOOP_BACK_OFF, message };
        container.retry_at = Some(cx.now + left.min(RECHECK_MAX));
        self.dirty = true;
        false
    }

    pub(super) fn uid(&self, cx: &mut Cx) -> Sym {
        let (seed, created_at) = cx.identity;
        let name = cx.names.render(cx.key.name);
        let uid = uid_text(seed, "pod", cx.names.text(cx.key.namespace), &name, created_at);
        cx.names.sym(&uid)
    }
}
