//! The kubelets' configuration: what a scene says of it, in the words of `KubeletConfiguration`, with the defaults of 1.36.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/apis/config/v1beta1/defaults.go`, `pkg/kubelet/eviction/helpers.go`, `ParseThresholdConfig`;
//! `spec/kubelet.md` §1, §14, §16, §20.

use crate::model::quantity::Quantity;
use crate::scene::format::DurationText;
use crate::time::SimDuration;
use bevy_ecs::resource::Resource;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a scene may say: `kubelet: (evictionHard: {"memory.available": "500Mi"}, shutdownGracePeriod: "30s")`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct KubeletText {
    pub eviction_hard: Option<BTreeMap<String, String>>,
    pub eviction_soft: BTreeMap<String, String>,
    pub eviction_soft_grace_period: BTreeMap<String, DurationText>,
    pub eviction_minimum_reclaim: BTreeMap<String, String>,
    pub eviction_pressure_transition_period: Option<DurationText>,
    pub eviction_max_pod_grace_period: u32,
    #[serde(rename = "imageGCHighThresholdPercent")]
    pub image_gc_high_percent: Option<u8>,
    #[serde(rename = "imageGCLowThresholdPercent")]
    pub image_gc_low_percent: Option<u8>,
    #[serde(rename = "imageMinimumGCAge")]
    pub image_minimum_age: Option<DurationText>,
    pub shutdown_grace_period: Option<DurationText>,
    pub shutdown_grace_period_critical_pods: Option<DurationText>,
}

/// What a kubelet measures of its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Signal {
    Memory,
    NodeFs,
    NodeFsInodes,
    ImageFs,
    ImageFsInodes,
    Pid,
}

impl Signal {
    /// All signals; memory comes first.
    pub const ALL: [Signal; 6] =
        [Signal::Memory, Signal::NodeFs, Signal::NodeFsInodes, Signal::ImageFs, Signal::ImageFsInodes, Signal::Pid];

    /// Its name in thresholds.
    pub fn text(self) -> &'static str {
        match self {
            Signal::Memory => "memory.available",
            Signal::NodeFs => "nodefs.available",
            Signal::NodeFsInodes => "nodefs.inodesFree",
            Signal::ImageFs => "imagefs.available",
            Signal::ImageFsInodes => "imagefs.inodesFree",
            Signal::Pid => "pid.available",
        }
    }
}

/// Bytes of a disk for each file that it can have. Choice: as `mkfs.ext4` makes it.
pub const BYTES_PER_INODE: i64 = 16_384;

/// Signals of the original that say nothing here.
const OTHER_SIGNALS: [&str; 2] = ["containerfs.available", "allocatableMemory.available"];

/// An amount, or a share of a capacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// In the signal's unit: bytes or processes.
    Whole(i64),
    /// As the original keeps it: a 32-bit share of one.
    Share(f32),
}

impl Amount {
    /// The amount of a capacity.
    pub fn of(self, capacity: i64) -> i64 {
        match self {
            Amount::Whole(amount) => amount,
            Amount::Share(share) => (capacity as f64 * f64::from(share)) as i64,
        }
    }

    /// Reads a quantity, or a percentage.
    pub fn parse(text: &str) -> Option<Amount> {
        match text.strip_suffix('%') {
            Some(number) => {
                let percent: f32 = number.parse().ok()?;
                (0.0..=100.0).contains(&percent).then(|| Amount::Share((f64::from(percent) / 100.0) as f32))
            }
            None => Quantity::parse(text).ok().filter(|quantity| quantity.sign() >= 0).map(|quantity| Amount::Whole(quantity.value())),
        }
    }
}

/// A threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// What is measured.
    pub signal: Signal,
    /// Less than this is too little.
    pub amount: Amount,
    /// A soft one: how long it has to last before pods are evicted.
    pub soft: Option<SimDuration>,
    /// How much more than the threshold has to be there before it counts as over.
    pub reclaim: Amount,
}

/// The configuration of all kubelets of a scene. ECS resource.
#[derive(Debug, Clone, PartialEq, Resource)]
pub struct KubeletConfig {
    /// Thresholds in the order of their signals, hard ones first.
    pub thresholds: Vec<Threshold>,
    /// `evictionPressureTransitionPeriod`.
    pub transition: SimDuration,
    /// `evictionMaxPodGracePeriod`. Unit: seconds.
    pub soft_grace_s: u32,
    /// `imageGCHighThresholdPercent`.
    pub image_high_percent: i64,
    /// `imageGCLowThresholdPercent`.
    pub image_low_percent: i64,
    /// `imageMinimumGCAge`.
    pub image_age: SimDuration,
    /// `shutdownGracePeriod`; zero: kubelets do not hear of shutdowns.
    pub shutdown: SimDuration,
    /// `shutdownGracePeriodCriticalPods`.
    pub shutdown_critical: SimDuration,
}

impl Default for KubeletConfig {
    fn default() -> KubeletConfig {
        KubeletConfig::of(&KubeletText::default()).expect("the defaults are well")
    }
}

impl KubeletConfig {
    /// The configuration that a text means.
    ///
    /// # Errors
    /// A sentence about the first mistake.
    pub fn of(text: &KubeletText) -> Result<KubeletConfig, String> {
        let defaults = [
            ("memory.available", "100Mi"),
            ("nodefs.available", "10%"),
            ("nodefs.inodesFree", "5%"),
            ("imagefs.available", "15%"),
            ("imagefs.inodesFree", "5%"),
        ];
        let defaults = || defaults.into_iter().map(|(signal, amount)| (signal.to_string(), amount.to_string())).collect();
        let hard = text.eviction_hard.clone().unwrap_or_else(defaults);
        for (field, map) in
            [("evictionHard", &hard), ("evictionSoft", &text.eviction_soft), ("evictionMinimumReclaim", &text.eviction_minimum_reclaim)]
        {
            amounts(field, map)?;
        }
        let reclaim = |signal: Signal| {
            let given = text.eviction_minimum_reclaim.get(signal.text()).and_then(|amount| Amount::parse(amount));
            given.unwrap_or(Amount::Whole(0))
        };
        let mut thresholds = Vec::new();
        for signal in Signal::ALL {
            if let Some(amount) = hard.get(signal.text()).and_then(|amount| Amount::parse(amount)) {
                thresholds.push(Threshold { signal, amount, soft: None, reclaim: reclaim(signal) });
            }
            if let Some(amount) = text.eviction_soft.get(signal.text()).and_then(|amount| Amount::parse(amount)) {
                let Some(grace) = text.eviction_soft_grace_period.get(signal.text()) else {
                    return Err(format!("evictionSoft: {} needs a time in evictionSoftGracePeriod", signal.text()));
                };
                thresholds.push(Threshold { signal, amount, soft: Some(grace.0), reclaim: reclaim(signal) });
            }
        }
        let (high, low) = (text.image_gc_high_percent.unwrap_or(85), text.image_gc_low_percent.unwrap_or(80));
        if high > 100 || low >= high {
            return Err(format!(
                "imageGCLowThresholdPercent {low} must be less than imageGCHighThresholdPercent {high}, and both at most 100"
            ));
        }
        let or = |given: Option<DurationText>, default_s: u64| given.map_or(SimDuration::from_secs(default_s), |span| span.0);
        let (shutdown, shutdown_critical) = (or(text.shutdown_grace_period, 0), or(text.shutdown_grace_period_critical_pods, 0));
        if shutdown_critical > shutdown {
            return Err(format!("shutdownGracePeriodCriticalPods {shutdown_critical} must be <= shutdownGracePeriod {shutdown}"));
        }
        Ok(KubeletConfig {
            thresholds,
            transition: or(text.eviction_pressure_transition_period, 300),
            soft_grace_s: text.eviction_max_pod_grace_period,
            image_high_percent: high.into(),
            image_low_percent: low.into(),
            image_age: or(text.image_minimum_age, 120),
            shutdown,
            shutdown_critical,
        })
    }
}

fn amounts(field: &str, map: &BTreeMap<String, String>) -> Result<(), String> {
    let known: Vec<&str> = Signal::ALL.iter().map(|signal| signal.text()).collect();
    for (signal, amount) in map {
        if !known.contains(&signal.as_str()) && !OTHER_SIGNALS.contains(&signal.as_str()) {
            return Err(format!("{field}: found the signal {signal:?}, expected one of {}", known.join(", ")));
        }
        if Amount::parse(amount).is_none() {
            return Err(format!("{field}: {signal}: found {amount:?}, expected a quantity such as \"100Mi\", or \"10%\""));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_thresholds_given_take_the_place_of_all_defaults() {
        let signals = |config: &KubeletConfig| config.thresholds.iter().map(|threshold| threshold.signal).collect::<Vec<_>>();
        let all = [Signal::Memory, Signal::NodeFs, Signal::NodeFsInodes, Signal::ImageFs, Signal::ImageFsInodes];
        assert_eq!(signals(&KubeletConfig::default()), all);
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let mut text = KubeletText { eviction_hard: Some(map(&[("pid.available", "10%")])), ..KubeletText::default() };
        assert_eq!(signals(&KubeletConfig::of(&text).unwrap()), [Signal::Pid]);
        text.eviction_soft = map(&[("memory.available", "1Gi")]);
        assert!(KubeletConfig::of(&text).is_err(), "a soft threshold needs its grace");
        text.eviction_hard = Some(map(&[("pid.avail", "10%")]));
        assert!(KubeletConfig::of(&text).unwrap_err().contains("pid.avail"));
    }

    #[test]
    fn shares_are_those_of_32_bits() {
        assert_eq!(Amount::parse("10%").unwrap().of(100 << 30), 10_737_418_400);
        assert_eq!(Amount::parse("100Mi").unwrap().of(1), 100 << 20);
        assert!(Amount::parse("110%").is_none() && Amount::parse("-1").is_none());
    }
}
