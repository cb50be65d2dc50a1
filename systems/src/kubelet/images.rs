//! Images: whether a pull is needed, one pull at a time on a node, and its back-off.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/images/image_manager.go`, `EnsureImageExists`; `spec/kubelet.md` §7.

use crate::kubelet::pod_run::{BackOff, Busy, Cx, Op, PodRun, Process};
use crate::kubelet::restart::{BACK_OFF_FIRST, BACK_OFF_MAX, BACK_OFF_RESET, RECHECK_MAX};
use crate::kubelet::start::text;
use crate::kubelet::trace::Seam;
use wavetank_engine::names::Sym;
use wavetank_engine::record::events::Arg;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// After a failed pull the worker looks again this soon, since the new sandbox is noticed: the pull turns into its back-off.
/// Source: `spec/kubelet.md` §5, §7.
const NOTICED_AFTER: SimDuration = SimDuration::from_secs(1);

impl PodRun {
    /// Sees to a container's image: the next thing to do for its start, or `None` when it has to wait.
    pub(super) fn image_op(&mut self, at: usize, cx: &mut Cx) -> Option<Op> {
        let spec = cx.container(at);
        let (image, always, never) = (spec.image, spec.pull_always, spec.pull_never);
        let present = cx.node.has_image(image, cx.now);
        if present && !always {
            cx.note(false, cx.texts.pulled, cx.texts.present_words, &[text(image)]);
            self.containers[at].image_ready = true;
            return Some(Op::Create(at as u16));
        }
        if never {
            cx.note(true, cx.texts.never_pull, cx.texts.never_pull_words, &[text(image)]);
            cx.note(true, cx.texts.failed, cx.texts.error_never_pull, &[]);
            self.wait_for_image(at, cx.texts.never_pull, cx.now + BACK_OFF_FIRST);
            return None;
        }
        let back_off = self.containers[at].more.as_ref().and_then(|more| more.image);
        let over = back_off.map(|back_off| back_off.updated_at + back_off.delay).filter(|&over| over > cx.now);
        let Some(over) = over else { return Some(Op::Pull(at as u16)) };
        cx.note(false, cx.texts.back_off, cx.texts.back_off_pull_words, &[text(image)]);
        cx.note(true, cx.texts.failed, cx.texts.error_pull_back_off, &[]);
        self.wait_for_image(at, words::IMAGE_PULL_BACK_OFF, over.min(cx.now + RECHECK_MAX));
        None
    }

    fn wait_for_image(&mut self, at: usize, reason: Sym, retry_at: SimTime) {
        let container = &mut self.containers[at];
        if let Process::Ended(end) = container.process {
            container.last = Some(Box::new(end));
        }
        container.process = Process::Waiting { reason, message: Sym::EMPTY };
        container.retry_at = Some(retry_at);
        self.dirty = true;
    }

    /// Puts a pull into the node's queue: when it begins and when it ends.
    pub(super) fn begin_pull(&mut self, at: usize, cx: &mut Cx) -> (SimTime, SimTime) {
        let image = cx.container(at).image;
        self.cross_container(at, cx, Seam::Cri, "PullImage", |cx| cx.names.text(image).to_string());
        cx.note(false, cx.texts.pulling, cx.texts.pulling_words, &[text(image)]);
        let program = cx.program(at);
        let fails = program.image_missing || cx.programs.is_broken(cx.names.text(image));
        let mut takes = cx.latency.pull;
        if !fails && !cx.node.has_image(image, SimTime(u64::MAX)) {
            let ns = u128::from(program.image_bytes) * 1_000_000_000 / u128::from(cx.latency.pull_bytes_per_s.max(1));
            takes += SimDuration(u64::try_from(ns).unwrap_or(u64::MAX));
        }
        let (from, until) = cx.node.queue_pull(cx.now, takes);
        if !fails {
            cx.node.add_image(image, until, program.image_bytes);
        }
        (from, until)
    }

    pub(super) fn pulled(&mut self, at: usize, busy: Busy, cx: &mut Cx) {
        let image = cx.container(at).image;
        let program = cx.program(at);
        if program.image_missing || cx.programs.is_broken(cx.names.text(image)) {
            self.pull_failed(at, image, cx);
            return;
        }
        cx.node.add_image(image, cx.now, program.image_bytes);
        cx.node.pressure.pulled = true;
        let (took, waited) = (round_ms(busy.until.since(busy.began_at)), round_ms(busy.until.since(busy.since)));
        let (took, waited) = (cx.names.sym(&took.to_string()), cx.names.sym(&waited.to_string()));
        let size = Arg::Int(i64::try_from(program.image_bytes).unwrap_or(i64::MAX));
        cx.note(false, cx.texts.pulled, cx.texts.pulled_words, &[text(image), text(took), text(waited), size]);
        let container = &mut self.containers[at];
        container.image_ready = true;
        if let Some(more) = &mut container.more {
            more.image = None;
        }
    }

    fn pull_failed(&mut self, at: usize, image: Sym, cx: &mut Cx) {
        cx.note(true, cx.texts.failed, cx.texts.pull_failed_words, &[text(image), text(cx.texts.pull_not_found)]);
        cx.note(true, cx.texts.failed, cx.texts.error_pull, &[]);
        let before = self.containers[at].more.as_ref().and_then(|more| more.image);
        let delay = match before {
            Some(before) if cx.now.since(before.updated_at) <= BACK_OFF_RESET => before.delay.saturating_mul(2).min(BACK_OFF_MAX),
            _ => BACK_OFF_FIRST,
        };
        let first = before.is_none();
        self.containers[at].more().image = Some(BackOff { delay, updated_at: cx.now });
        // Choice: after an error the original looks again after 10 to 15 s; ours after 10.
        let again = if first { NOTICED_AFTER } else { BACK_OFF_FIRST };
        self.wait_for_image(at, words::ERR_IMAGE_PULL, cx.now + again);
    }
}

/// Durations in messages are rounded to the millisecond.
fn round_ms(span: SimDuration) -> SimDuration {
    SimDuration::from_millis((span.0 + 500_000) / 1_000_000)
}
