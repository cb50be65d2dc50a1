//! Holds a proposal back by what was proposed and done before: stabilization and rates.
//!
//! Source: kubernetes v1.36, `pkg/controller/podautoscaler/horizontal.go`, `normalizeDesiredReplicas` and
//! `normalizeDesiredReplicasWithBehaviors`.

use super::behavior::{Behavior, PolicyUnit, ScalingRules, SelectPolicy};
use serde::{Deserialize, Serialize};
use wavetank_engine::time::{SimDuration, SimTime};

/// To this many replicas one sync may go without a behavior, from however few. Unit: pods.
const SCALE_UP_PODS_MIN: i32 = 4;

/// The controller's settings for autoscalers without `spec.behavior`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unruled {
    /// For how long a proposal holds back lower ones.
    pub downscale_stabilization: SimDuration,
    /// One sync goes to at most this many times the present number.
    pub scale_up_factor: i32,
}

impl Default for Unruled {
    /// The defaults of kube-controller-manager.
    fn default() -> Unruled {
        Unruled { downscale_stabilization: SimDuration::from_secs(300), scale_up_factor: 2 }
    }
}

/// What the controller remembers of one autoscaler. Lost when the controller restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Normalizer {
    /// Proposals before any limit; an old one's place is taken again, so in no order.
    recommendations: Vec<Recommendation>,
    scale_up_events: Vec<ScaleEvent>,
    scale_down_events: Vec<ScaleEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Recommendation {
    replicas: i32,
    at: SimTime,
}

/// A change that was made. Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct ScaleEvent {
    change: i32,
    at: SimTime,
    /// Was older than every period when a later change was stored: its place may be taken.
    outdated: bool,
}

/// One proposal to be normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// `spec.replicas` of the target.
    pub current: i32,
    /// What the metrics propose.
    pub proposed: i32,
    /// `spec.minReplicas`
    pub min: i32,
    /// `spec.maxReplicas`
    pub max: i32,
}

/// Why a number was or was not changed: reason and message of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Because {
    /// `reason`
    pub reason: &'static str,
    /// `message`
    pub message: &'static str,
}

/// The number to set, and what two conditions say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalized {
    /// The number of replicas to set.
    pub desired: i32,
    /// Of condition AbleToScale, which is always true here.
    pub able_to_scale: Because,
    /// Whether condition ScalingLimited is true.
    pub is_limited: bool,
    /// Of condition ScalingLimited.
    pub scaling_limited: Because,
}

const READY: Because = Because { reason: "ReadyForNewScale", message: "recommended size matches current size" };
const UP_STABILIZED: Because = Because {
    reason: "ScaleUpStabilized",
    message: "recent recommendations were lower than current one, applying the lowest recent recommendation",
};
const DOWN_STABILIZED: Because = Because {
    reason: "ScaleDownStabilized",
    message: "recent recommendations were higher than current one, applying the highest recent recommendation",
};
const WITHIN: Because = Because { reason: "DesiredWithinRange", message: "the desired count is within the acceptable range" };
const UP_LIMIT: Because =
    Because { reason: "ScaleUpLimit", message: "the desired replica count is increasing faster than the maximum scale rate" };
const DOWN_LIMIT: Because =
    Because { reason: "ScaleDownLimit", message: "the desired replica count is decreasing faster than the maximum scale rate" };
const TOO_MANY: Because =
    Because { reason: "TooManyReplicas", message: "the desired replica count is more than the maximum replica count" };
const TOO_FEW: Because = Because { reason: "TooFewReplicas", message: "the desired replica count is less than the minimum replica count" };

impl Normalizer {
    /// Remembers the number of replicas at the first sync as if it had been proposed. Later calls change nothing.
    pub fn begin(&mut self, current: i32, now: SimTime) {
        if self.recommendations.is_empty() {
            self.recommendations.push(Recommendation { replicas: current, at: now });
        }
    }

    /// Normalises a proposal of an autoscaler without `spec.behavior`.
    pub fn normalize(&mut self, wish: Wish, settings: Unruled, now: SimTime) -> Normalized {
        let is_old = |recommendation: &Recommendation| recommendation.at + settings.downscale_stabilization < now;
        let recent = self.recommendations.iter().filter(|recommendation| !is_old(recommendation));
        let stabilized = recent.map(|recommendation| recommendation.replicas).fold(wish.proposed, i32::max);
        let old = self.recommendations.iter().rposition(is_old);
        self.recommend(old, wish.proposed, now);
        let (desired, scaling_limited) = limit(Wish { proposed: stabilized, ..wish }, settings.scale_up_factor);
        let able_to_scale = if stabilized == wish.proposed { READY } else { DOWN_STABILIZED };
        Normalized { desired, able_to_scale, is_limited: desired != stabilized, scaling_limited }
    }

    /// Normalises a proposal of an autoscaler with `spec.behavior`.
    pub fn normalize_with_behavior(&mut self, wish: Wish, behavior: &Behavior, now: SimTime) -> Normalized {
        let stabilized = self.stabilize(wish, behavior, now);
        let (desired, scaling_limited) = self.limit_rate(Wish { proposed: stabilized, ..wish }, behavior, now);
        let able_to_scale = match stabilized == wish.proposed {
            true => READY,
            false if wish.proposed >= wish.current => UP_STABILIZED,
            false => DOWN_STABILIZED,
        };
        Normalized { desired, able_to_scale, is_limited: desired != stabilized, scaling_limited }
    }

    /// Remembers that the number of replicas was changed; without a behavior nobody asks for it later.
    ///
    /// Source: `storeScaleEvent`.
    pub fn record_scale(&mut self, behavior: Option<&Behavior>, from: i32, to: i32, now: SimTime) {
        let Some(behavior) = behavior else { return };
        let (events, rules, change) = if to > from {
            (&mut self.scale_up_events, &behavior.up, to.saturating_sub(from))
        } else {
            (&mut self.scale_down_events, &behavior.down, from.saturating_sub(to))
        };
        let period = rules.longest_period();
        for event in events.iter_mut() {
            event.outdated |= event.at + period < now;
        }
        let event = ScaleEvent { change, at: now, outdated: false };
        match events.iter().rposition(|event| event.outdated) {
            Some(place) => events[place] = event,
            None => events.push(event),
        }
    }

    /// Keeps the present number unless every recent proposal is above, or every one below it.
    ///
    /// Source: `stabilizeRecommendationWithBehaviors`.
    fn stabilize(&mut self, wish: Wish, behavior: &Behavior, now: SimTime) -> i32 {
        let (up, down) = (behavior.up.stabilization_window, behavior.down.stabilization_window);
        let within = |window: SimDuration| {
            let recent = self.recommendations.iter().filter(move |recommendation| recommendation.at + window > now);
            recent.map(|recommendation| recommendation.replicas)
        };
        let lowest = within(up).fold(wish.proposed, i32::min);
        let highest = within(down).fold(wish.proposed, i32::max);
        let old = self.recommendations.iter().rposition(|recommendation| recommendation.at + up.max(down) < now);
        self.recommend(old, wish.proposed, now);
        wish.current.max(lowest).min(highest)
    }

    fn recommend(&mut self, place: Option<usize>, replicas: i32, now: SimTime) {
        let recommendation = Recommendation { replicas, at: now };
        match place {
            Some(place) => self.recommendations[place] = recommendation,
            None => self.recommendations.push(recommendation),
        }
    }

    /// Source: `convertDesiredReplicasWithBehaviorRate`.
    fn limit_rate(&self, wish: Wish, behavior: &Behavior, now: SimTime) -> (i32, Because) {
        let Wish { current, proposed, min, max } = wish;
        if proposed > current {
            let limit = self.rate_limit(current, &behavior.up, Direction::Up, now).max(current);
            let (allowed, because) = if max > limit { (limit, UP_LIMIT) } else { (max, TOO_MANY) };
            if proposed > allowed {
                return (allowed, because);
            }
        } else if proposed < current {
            let limit = self.rate_limit(current, &behavior.down, Direction::Down, now).min(current);
            let (allowed, because) = if min < limit { (limit, DOWN_LIMIT) } else { (min, TOO_FEW) };
            if proposed < allowed {
                return (allowed, because);
            }
        }
        (proposed, WITHIN)
    }

    /// How far the policies of a direction let the number go.
    ///
    /// Source: `calculateScaleUpLimitWithScalingRules`, `calculateScaleDownLimitWithBehaviors`.
    fn rate_limit(&self, current: i32, rules: &ScalingRules, direction: Direction, now: SimTime) -> i32 {
        let limits = rules.policies.iter().map(|policy| {
            let changed = |events| change_within(events, policy.period, now);
            let start = current.saturating_sub(changed(&self.scale_up_events)).saturating_add(changed(&self.scale_down_events));
            let share = f64::from(policy.value) / 100.0;
            match (direction, policy.unit) {
                (Direction::Up, PolicyUnit::Pods) => start.saturating_add(policy.value),
                (Direction::Down, PolicyUnit::Pods) => start.saturating_sub(policy.value),
                (Direction::Up, PolicyUnit::Percent) => (f64::from(start) * (1.0 + share)).ceil() as i32,
                (Direction::Down, PolicyUnit::Percent) => (f64::from(start) * (1.0 - share)) as i32,
            }
        });
        match (rules.select, direction) {
            (SelectPolicy::Disabled, _) => current,
            (SelectPolicy::Max, Direction::Up) | (SelectPolicy::Min, Direction::Down) => limits.max().unwrap_or(i32::MIN),
            (SelectPolicy::Min, Direction::Up) | (SelectPolicy::Max, Direction::Down) => limits.min().unwrap_or(i32::MAX),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// The sum of changes younger than the period.
fn change_within(events: &[ScaleEvent], period: SimDuration, now: SimTime) -> i32 {
    events.iter().filter(|event| event.at + period > now).fold(0, |sum, event| sum.saturating_add(event.change))
}

/// Source: `convertDesiredReplicasWithRules`.
fn limit(wish: Wish, scale_up_factor: i32) -> (i32, Because) {
    let rate = wish.current.saturating_mul(scale_up_factor).max(SCALE_UP_PODS_MIN);
    let (allowed, because) = if wish.max > rate { (rate, UP_LIMIT) } else { (wish.max, TOO_MANY) };
    if wish.proposed < wish.min {
        (wish.min, TOO_FEW)
    } else if wish.proposed > allowed {
        (allowed, because)
    } else {
        (wish.proposed, WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::super::behavior::Policy;
    use super::*;

    fn behavior(up_window_s: u64) -> Behavior {
        let policy = |unit, value| Policy { unit, value, period: SimDuration::from_secs(60) };
        let rules = |window_s, select, policies| ScalingRules { stabilization_window: SimDuration::from_secs(window_s), select, policies };
        let both = vec![policy(PolicyUnit::Pods, 4), policy(PolicyUnit::Percent, 50)];
        Behavior {
            up: rules(up_window_s, SelectPolicy::Max, both),
            down: rules(300, SelectPolicy::Max, vec![policy(PolicyUnit::Percent, 100)]),
        }
    }

    /// Feeds proposals one after another, setting what comes out; gives the numbers set and the reasons.
    fn series(behavior: Option<&Behavior>, start: i32, proposals: &[(u64, i32)]) -> Vec<(i32, &'static str, &'static str)> {
        let mut normalizer = Normalizer::default();
        let mut current = start;
        normalizer.begin(current, SimTime::ZERO);
        let step = |&(at_s, proposed): &(u64, i32)| {
            let (wish, now) = (Wish { current, proposed, min: 1, max: 50 }, SimTime::from_secs(at_s));
            let normalized = match behavior {
                Some(behavior) => normalizer.normalize_with_behavior(wish, behavior, now),
                None => normalizer.normalize(wish, Unruled::default(), now),
            };
            if normalized.desired != current {
                normalizer.record_scale(behavior, current, normalized.desired, now);
                current = normalized.desired;
            }
            (current, normalized.able_to_scale.reason, normalized.scaling_limited.reason)
        };
        proposals.iter().map(step).collect()
    }

    #[test]
    fn without_behavior_doubles_up_and_waits_down() {
        let got = series(None, 2, &[(15, 20), (30, 20), (45, 3), (330, 3), (331, 3)]);
        let (ready, down) = ("ReadyForNewScale", "ScaleDownStabilized");
        let want = [
            (4, ready, "ScaleUpLimit"),
            (8, ready, "ScaleUpLimit"),
            (16, down, "ScaleUpLimit"),
            (20, down, "DesiredWithinRange"),
            (3, ready, "DesiredWithinRange"),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn with_behavior_counts_changes_of_the_period() {
        let got: Vec<i32> = series(Some(&behavior(0)), 2, &[(15, 40), (30, 40), (75, 40), (76, 40)]).iter().map(|step| step.0).collect();
        assert_eq!(got, [6, 6, 10, 10]);
    }

    #[test]
    fn window_up_applies_the_lowest() {
        let got = series(Some(&behavior(60)), 5, &[(30, 9), (61, 9), (91, 8)]);
        assert_eq!(
            got.iter().map(|step| (step.0, step.1)).collect::<Vec<_>>(),
            [(5, "ScaleUpStabilized"), (9, "ReadyForNewScale"), (9, "ScaleDownStabilized")]
        );
    }

    #[test]
    fn memory_is_bounded() {
        let mut normalizer = Normalizer::default();
        for step in 0..10_000 {
            let wish = Wish { current: 5, proposed: 5, min: 1, max: 50 };
            normalizer.normalize(wish, Unruled::default(), SimTime::from_secs(step * 15));
            normalizer.record_scale(Some(&behavior(0)), 5, 6, SimTime::from_secs(step * 15));
        }
        assert!(normalizer.recommendations.len() <= 22 && normalizer.scale_up_events.len() <= 6, "{normalizer:?}");
    }
}
