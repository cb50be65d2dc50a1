//! What one sync of an autoscaler decides: to how many replicas, and what its status and events say of it.
//!
//! Source: kubernetes v1.36, `pkg/controller/podautoscaler/horizontal.go`, `reconcileAutoscaler`, `computeReplicasForMetrics`;
//! `spec/autoscaling.md` §4.

use super::answer::{Answer, Failure};
use super::behavior::Behavior;
use super::normalize::{Normalized, Normalizer, Unruled, Wish};
use wavetank_engine::model::autoscaling::{MetricValue, Reading};
use wavetank_engine::model::raw::Raw;
use wavetank_engine::names::Sym;
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// What a sync starts from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// `spec.replicas` of the target.
    pub current: i32,
    /// `spec.minReplicas`.
    pub min: i32,
    /// `spec.maxReplicas`.
    pub max: i32,
    /// `spec.behavior`, when there is one.
    pub behavior: Option<&'a Behavior>,
    /// The present moment.
    pub now: SimTime,
}

/// A metric of the spec with what it says.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The metric without its target.
    pub shown: Raw,
    /// What it says.
    pub answer: Result<Answer, Failure>,
}

/// Why the metrics were not looked at: the target's selector is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSelector {
    /// Reason of the event.
    pub event: &'static str,
    /// Reason of condition ScalingActive.
    pub reason: &'static str,
    /// Message of that condition.
    pub message: String,
    /// Message of the event, and the sync's error.
    pub error: String,
}

/// A condition to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// `type`
    pub kind: Sym,
    /// `status` is True.
    pub holds: bool,
    /// `reason`
    pub reason: String,
    /// `message`
    pub message: String,
}

/// An event to be reported, always a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// `reason`
    pub reason: &'static str,
    /// `message`
    pub message: String,
}

/// What a sync decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Replicas to be set, with the reason.
    pub rescale: Option<(i32, String)>,
    /// `status.desiredReplicas`; `None`: it stays.
    pub desired: Option<i32>,
    /// Conditions, in order.
    pub conditions: Vec<Set>,
    /// Events, in order.
    pub warnings: Vec<Warning>,
    /// `status.currentMetrics`.
    pub metrics: Vec<MetricValue>,
}

impl Verdict {
    fn set(&mut self, kind: Sym, holds: bool, reason: &str, message: impl Into<String>) {
        self.conditions.push(Set { kind, holds, reason: reason.into(), message: message.into() });
    }

    fn warn(&mut self, reason: &'static str, message: impl Into<String>) {
        self.warnings.push(Warning { reason, message: message.into() });
    }
}

/// The target's scale could not be read.
pub fn no_scale(why: &str) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.warn("FailedGetScale", why);
    let message = format!("the HPA controller was unable to get the target's current scale: {why}");
    verdict.set(words::ABLE_TO_SCALE, false, "FailedGetScale", message);
    verdict
}

/// Decides. `hear` reads the metrics; it is asked only when they matter.
pub fn decide(facts: Facts, memory: &mut Normalizer, hear: impl FnOnce() -> Result<Vec<Heard>, BadSelector>) -> Verdict {
    let Facts { current, min, max, .. } = facts;
    let mut verdict = Verdict::default();
    let message = "the HPA controller was able to get the target's current scale";
    verdict.set(words::ABLE_TO_SCALE, true, "SucceededGetScale", message);
    memory.begin(current, facts.now);
    if current == 0 && min != 0 {
        let message = "scaling is disabled since the replica count of the target is zero";
        verdict.set(words::SCALING_ACTIVE, false, "ScalingDisabled", message);
        verdict.desired = Some(0);
    } else if current > max {
        verdict.rescale = Some((max, "Current number of replicas above Spec.MaxReplicas".into()));
    } else if current < min {
        verdict.rescale = Some((min, "Current number of replicas below Spec.MinReplicas".into()));
    } else {
        by_metrics(facts, memory, hear(), &mut verdict);
    }
    verdict
}

fn by_metrics(facts: Facts, memory: &mut Normalizer, heard: Result<Vec<Heard>, BadSelector>, verdict: &mut Verdict) {
    let heard = match heard {
        Ok(heard) => heard,
        Err(bad) => {
            verdict.warn(bad.event, bad.error.clone());
            verdict.set(words::SCALING_ACTIVE, false, bad.reason, bad.message);
            verdict.warn("FailedComputeMetricsReplicas", bad.error);
            return;
        }
    };
    verdict.metrics = heard.iter().map(value).collect();
    let Some((proposed, name)) = largest(facts.current, &heard, verdict) else { return };
    let message = format!("the HPA was able to successfully calculate a replica count from {name}");
    verdict.set(words::SCALING_ACTIVE, true, "ValidMetricFound", message);
    let wish = Wish { current: facts.current, proposed: proposed.max(0), min: facts.min, max: facts.max };
    let normalized = match facts.behavior {
        None => memory.normalize(wish, Unruled::default(), facts.now),
        Some(behavior) => memory.normalize_with_behavior(wish, behavior, facts.now),
    };
    let Normalized { desired, able_to_scale, is_limited, scaling_limited } = normalized;
    verdict.set(words::ABLE_TO_SCALE, true, able_to_scale.reason, able_to_scale.message);
    verdict.set(words::SCALING_LIMITED, is_limited, scaling_limited.reason, scaling_limited.message);
    if desired == facts.current {
        verdict.desired = Some(desired);
        return;
    }
    // The reason is told from the proposal, before anything held it back.
    let reason = match wish.proposed {
        above if above > facts.current => format!("{name} above target"),
        below if below < facts.current => "All metrics below target".into(),
        _ => String::new(),
    };
    verdict.rescale = Some((desired, reason));
}

/// The largest proposal with its metric's name; `None` when the metrics that cannot be read forbid to scale.
fn largest(current: i32, heard: &[Heard], verdict: &mut Verdict) -> Option<(i32, String)> {
    let (mut replicas, mut name) = (0, "");
    for answer in heard.iter().filter_map(|heard| heard.answer.as_ref().ok()) {
        if replicas == 0 || answer.replicas > replicas {
            (replicas, name) = (answer.replicas, &answer.name);
        }
    }
    let invalid: Vec<&Failure> = heard.iter().filter_map(|heard| heard.answer.as_ref().err()).collect();
    for failure in &invalid {
        verdict.warn(failure.reason, failure.message.clone());
    }
    let first = invalid.first().filter(|_| invalid.len() == heard.len() || replicas < current);
    if let Some(first) = first {
        let message = format!("the HPA was unable to compute the replica count: {}", first.message);
        verdict.set(words::SCALING_ACTIVE, false, first.reason, message);
        let (some, all) = (invalid.len(), heard.len());
        let error = format!("invalid metrics ({some} invalid out of {all}), first error is: {}", first.whole);
        verdict.warn("FailedComputeMetricsReplicas", error);
        return None;
    }
    Some((replicas, name.to_string()))
}

fn value(heard: &Heard) -> MetricValue {
    let reading = heard.answer.as_ref().map_or(Reading::Unknown, |answer| answer.reading);
    MetricValue { source: heard.shown.clone(), reading }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A metric that proposes a number, or fails.
    fn heard(proposal: &str, at: usize) -> Heard {
        let name = format!("m{at}");
        let answer = match proposal.parse() {
            Ok(replicas) => Ok(Answer { replicas, name, reading: Reading::Average(1) }),
            Err(_) => Err(Failure { reason: "FailedGetResourceMetric", message: "no".into(), whole: format!("{name}: no") }),
        };
        Heard { shown: Raw::default(), answer }
    }

    fn told(verdict: &Verdict) -> String {
        let rescale = verdict.rescale.as_ref().map_or("stay".into(), |(to, reason)| format!("{to} {reason}"));
        let mut last: Vec<&Set> = Vec::new();
        for set in &verdict.conditions {
            last.retain(|old| old.kind != set.kind);
            last.push(set);
        }
        let conditions: Vec<&str> = last.iter().map(|set| set.reason.as_str()).collect();
        let warnings: Vec<&str> = verdict.warnings.iter().map(|warning| warning.reason).collect();
        format!("{rescale}; {}; {}", conditions.join(" "), warnings.join(" "))
    }

    #[test]
    fn verdicts() {
        // Present number, least and most, proposals of the metrics (x: cannot be read).
        for (current, min, max, proposals, want) in [
            (2, 1, 8, "2", "stay; ValidMetricFound ReadyForNewScale DesiredWithinRange; "),
            (2, 1, 8, "3 4", "4 m1 above target; ValidMetricFound ReadyForNewScale DesiredWithinRange; "),
            (2, 1, 8, "9", "4 m0 above target; ValidMetricFound ReadyForNewScale ScaleUpLimit; "),
            (6, 1, 8, "9", "8 m0 above target; ValidMetricFound ReadyForNewScale TooManyReplicas; "),
            (4, 1, 8, "1", "stay; ValidMetricFound ScaleDownStabilized DesiredWithinRange; "),
            (0, 1, 8, "5", "stay; SucceededGetScale ScalingDisabled; "),
            (9, 1, 8, "5", "8 Current number of replicas above Spec.MaxReplicas; SucceededGetScale; "),
            (1, 2, 8, "5", "2 Current number of replicas below Spec.MinReplicas; SucceededGetScale; "),
            (2, 1, 8, "x", "stay; SucceededGetScale FailedGetResourceMetric; FailedGetResourceMetric FailedComputeMetricsReplicas"),
            (2, 1, 8, "3 x", "3 m0 above target; ValidMetricFound ReadyForNewScale DesiredWithinRange; FailedGetResourceMetric"),
            (2, 1, 8, "x 1", "stay; SucceededGetScale FailedGetResourceMetric; FailedGetResourceMetric FailedComputeMetricsReplicas"),
        ] {
            let facts = Facts { current, min, max, behavior: None, now: SimTime::from_secs(15) };
            let metrics = proposals.split_whitespace().enumerate().map(|(at, proposal)| heard(proposal, at)).collect();
            let verdict = decide(facts, &mut Normalizer::default(), || Ok(metrics));
            assert_eq!(told(&verdict), want, "{current} {min} {max} {proposals}");
        }
    }

    #[test]
    fn down_after_the_window() {
        let mut memory = Normalizer::default();
        let mut desired = Vec::new();
        for now_s in (15..=330).step_by(15) {
            let facts = Facts { current: 4, min: 1, max: 8, behavior: None, now: SimTime::from_secs(now_s) };
            let verdict = decide(facts, &mut memory, || Ok(vec![heard("1", 0)]));
            desired.push(verdict.rescale.map_or(4, |(to, _)| to));
        }
        // The first recommendation, of 15 s, holds until it is older than 300 s.
        assert_eq!((desired.len(), desired.iter().position(|&to| to == 1)), (22, Some(21)));
    }

    #[test]
    fn a_selector_of_no_use() {
        let bad = BadSelector { event: "SelectorRequired", reason: "InvalidSelector", message: "m".into(), error: "e".into() };
        let facts = Facts { current: 2, min: 1, max: 8, behavior: None, now: SimTime::ZERO };
        let verdict = decide(facts, &mut Normalizer::default(), || Err(bad));
        assert_eq!(told(&verdict), "stay; SucceededGetScale InvalidSelector; SelectorRequired FailedComputeMetricsReplicas");
    }
}
