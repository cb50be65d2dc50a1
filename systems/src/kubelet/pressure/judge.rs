//! What a look at a node leads to: thresholds that are met, conditions that hold, what is to be reclaimed.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/eviction/eviction_manager.go`, `synchronize`; `spec/kubelet.md` §14, loop 2 to 5.

use serde::{Deserialize, Serialize};
use wavetank_engine::ids::ObjRef;
use wavetank_engine::scene::kubelet_config::{KubeletConfig, Signal, Threshold};
use wavetank_engine::time::SimTime;

/// What there is of something, and what is left. Unit: bytes, files or processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// All there is.
    pub capacity: i64,
    /// What is left.
    pub available: i64,
}

/// By [`Signal`]; `None`: not measured.
pub type Observations = [Option<Observation>; Signal::ALL.len()];

/// How many conditions follow from shortages: of memory, of disk, of process numbers.
pub const CONDITIONS: usize = 3;

/// The condition that follows from a shortage.
fn condition(signal: Signal) -> usize {
    match signal {
        Signal::Memory => 0,
        Signal::NodeFs | Signal::NodeFsInodes | Signal::ImageFs | Signal::ImageFsInodes => 1,
        Signal::Pid => 2,
    }
}

/// What a kubelet keeps of the shortages of its node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortages {
    /// When each was seen last, while its condition holds.
    pub seen_at: [Option<SimTime>; CONDITIONS],
    /// Thresholds that are met, by place, and since when.
    since: Vec<(usize, SimTime)>,
    /// Those of them for which pods are evicted: they count until so much more is there as is to be reclaimed.
    reclaimed: Vec<usize>,
    /// Pods that are being evicted.
    pub evicting: Vec<ObjRef>,
    /// Until when they are waited for.
    pub evicting_until: SimTime,
}

/// What a look leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Conditions that come to hold or cease to.
    pub changed: [Option<bool>; CONDITIONS],
    /// The threshold, by place, for which something is reclaimed.
    pub reclaim: Option<usize>,
    /// All thresholds for which something is to be reclaimed, by place, in their order.
    pub met: Vec<usize>,
    /// When it has to look again; nothing is short now if it is not `reclaim`ing.
    pub next: Option<SimTime>,
}

/// Whether less is left than a threshold says. `reclaiming`: and what is to be reclaimed beside.
pub fn met(threshold: &Threshold, observed: &Observations, reclaiming: bool) -> bool {
    observed[threshold.signal as usize].is_some_and(|seen| {
        let more = if reclaiming { threshold.reclaim.of(seen.capacity) } else { 0 };
        threshold.amount.of(seen.capacity) + more > seen.available
    })
}

impl Shortages {
    /// Whether there is nothing to be kept.
    pub fn is_empty(&self) -> bool {
        *self == Shortages { evicting_until: self.evicting_until, ..Shortages::default() }
    }

    /// Judges what was measured.
    pub fn judge(&mut self, config: &KubeletConfig, observed: &Observations, now: SimTime) -> Verdict {
        let thresholds = &config.thresholds;
        let short: Vec<usize> = (0..thresholds.len())
            .filter(|&at| met(&thresholds[at], observed, false) || self.reclaimed.contains(&at) && met(&thresholds[at], observed, true))
            .collect();
        let before = std::mem::take(&mut self.since);
        self.since = short.iter().map(|&at| (at, before.iter().find(|pair| pair.0 == at).map_or(now, |pair| pair.1))).collect();
        let mut changed = [None; CONDITIONS];
        let mut next: Option<SimTime> = None;
        let mut sooner = |at: SimTime| next = Some(next.map_or(at, |next| next.min(at)));
        for (place, seen_at) in self.seen_at.iter_mut().enumerate() {
            let held = seen_at.is_some();
            if short.iter().any(|&at| condition(thresholds[at].signal) == place) {
                *seen_at = Some(now);
            } else if seen_at.is_some_and(|seen| now.since(seen) >= config.transition) {
                *seen_at = None;
            }
            if let Some(seen) = *seen_at {
                sooner(seen + config.transition);
            }
            changed[place] = (held != seen_at.is_some()).then_some(seen_at.is_some());
        }
        let (mut ripe, mut soft) = (Vec::new(), None);
        for &(at, since) in &self.since {
            let over = since + thresholds[at].soft.unwrap_or_default();
            if now >= over {
                ripe.push(at);
            } else {
                soft = Some(soft.map_or(over, |soft: SimTime| soft.min(over)));
            }
        }
        soft.into_iter().for_each(&mut sooner);
        // While something is short it is looked at each time: it may get better.
        if !self.since.is_empty() {
            sooner(now + super::PERIOD);
        }
        self.reclaimed.clone_from(&ripe);
        Verdict { changed, reclaim: ripe.first().copied(), met: ripe, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::scene::kubelet_config::{Amount, KubeletConfig};
    use wavetank_engine::time::SimDuration;

    fn memory(available: i64) -> Observations {
        [Some(Observation { capacity: 1000, available }), None, None, None, None, None]
    }

    fn config(soft_s: Option<u64>, reclaim: i64) -> KubeletConfig {
        let threshold = Threshold {
            signal: Signal::Memory,
            amount: Amount::Whole(100),
            soft: soft_s.map(SimDuration::from_secs),
            reclaim: Amount::Whole(reclaim),
        };
        KubeletConfig { thresholds: vec![threshold], ..KubeletConfig::default() }
    }

    #[test]
    fn the_condition_outlasts_the_shortage_by_five_minutes() {
        let (config, mut state) = (config(None, 0), Shortages::default());
        for (available, now_s, changed, reclaims, next_s) in [
            (100, 10, None, false, None),
            (99, 20, Some(true), true, Some(30)),
            (99, 30, None, true, Some(40)),
            (100, 40, None, false, Some(330)),
            (100, 330, Some(false), false, None),
        ] {
            let got = state.judge(&config, &memory(available), SimTime::from_secs(now_s));
            let got = (got.changed[0], got.reclaim.is_some(), got.next);
            assert_eq!(got, (changed, reclaims, next_s.map(SimTime::from_secs)), "{available} at {now_s} s");
        }
        assert!(state.is_empty());
    }

    #[test]
    fn soft_thresholds_wait_and_what_is_to_be_reclaimed_keeps_one_met() {
        let (config, mut state) = (config(Some(25), 50), Shortages::default());
        for (available, now_s, changed, reclaims) in [
            (99, 10, Some(true), false),
            (99, 30, None, false),
            (99, 40, None, true),
            (149, 50, None, true),
            (150, 60, None, false),
            (149, 70, None, false),
        ] {
            let got = state.judge(&config, &memory(available), SimTime::from_secs(now_s));
            assert_eq!((got.changed[0], got.reclaim.is_some()), (changed, reclaims), "{available} at {now_s} s");
        }
    }
}
