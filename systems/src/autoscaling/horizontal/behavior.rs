//! How fast an autoscaler may act: `spec.behavior`.

use super::proposal::Tolerances;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wavetank_engine::model::quantity::Quantity;
use wavetank_engine::time::SimDuration;

/// `spec.behavior`: the rules of both directions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Behavior {
    /// `scaleUp`
    pub up: ScalingRules,
    /// `scaleDown`
    pub down: ScalingRules,
}

/// The rules of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScalingRules {
    /// For how long a proposal holds back later ones.
    pub stabilization_window: SimDuration,
    /// Which policy counts when there are several.
    pub select: SelectPolicy,
    /// At least one.
    pub policies: Vec<Policy>,
}

/// Which of several policies counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: no change in this direction.
    Disabled,
}

/// How much may change within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// What `value` is.
    pub unit: PolicyUnit,
    /// Pods, or percent of the replicas at the start of the period.
    pub value: i32,
    /// The time within which no more than that may change.
    pub period: SimDuration,
}

/// What a policy counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PolicyUnit {
    /// `Pods`
    Pods,
    /// `Percent`
    Percent,
}

impl Behavior {
    /// Reads `spec.behavior` after API defaulting. A scale-down window that is not set is `downscale_stabilization`, the
    /// controller's setting. `None` for null and for what API validation refuses.
    pub fn read(behavior: &Value, downscale_stabilization: SimDuration) -> Option<Behavior> {
        Some(Behavior {
            up: ScalingRules::read(behavior.get("scaleUp")?, SimDuration::ZERO)?,
            down: ScalingRules::read(behavior.get("scaleDown")?, downscale_stabilization)?,
        })
    }
}

impl ScalingRules {
    fn read(rules: &Value, window_unset: SimDuration) -> Option<ScalingRules> {
        let select = match rules.get("selectPolicy")?.as_str()? {
            "Max" => SelectPolicy::Max,
            "Min" => SelectPolicy::Min,
            "Disabled" => SelectPolicy::Disabled,
            _ => return None,
        };
        let stabilization_window = match rules.get("stabilizationWindowSeconds") {
            None | Some(Value::Null) => window_unset,
            Some(seconds) => SimDuration::from_secs(seconds.as_u64()?),
        };
        let policies = rules.get("policies")?.as_array()?.iter().map(Policy::read).collect::<Option<Vec<_>>>()?;
        Some(ScalingRules { stabilization_window, select, policies })
    }

    /// The longest period of a policy.
    pub(super) fn longest_period(&self) -> SimDuration {
        self.policies.iter().map(|policy| policy.period).max().unwrap_or_default()
    }
}

impl Policy {
    fn read(policy: &Value) -> Option<Policy> {
        let unit = match policy.get("type")?.as_str()? {
            "Pods" => PolicyUnit::Pods,
            "Percent" => PolicyUnit::Percent,
            _ => return None,
        };
        let value = i32::try_from(policy.get("value")?.as_i64()?).ok()?;
        Some(Policy { unit, value, period: SimDuration::from_secs(policy.get("periodSeconds")?.as_u64()?) })
    }
}

impl Tolerances {
    /// The tolerances of `spec.behavior`; a direction that does not set one has `unset`, the controller's setting.
    ///
    /// Source: kubernetes v1.36, `pkg/controller/podautoscaler/horizontal.go`, `tolerancesForHpa`.
    pub fn read(behavior: &Value, unset: f64) -> Tolerances {
        let tolerance = |direction: &str| {
            let text = behavior.get(direction).and_then(|rules| rules.get("tolerance")).and_then(Value::as_str);
            text.and_then(|text| Quantity::parse(text.trim()).ok()).map_or(unset, |tolerance| tolerance.approximate_f64())
        };
        Tolerances { down: tolerance("scaleDown"), up: tolerance("scaleUp") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_a_defaulted_behavior() {
        let policies = json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]);
        let up = json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Min", "policies": policies, "tolerance": "50m"});
        let behavior = json!({"scaleUp": up, "scaleDown": {"selectPolicy": "Max", "policies": policies}});
        let read = Behavior::read(&behavior, SimDuration::from_secs(300)).unwrap();
        assert_eq!((read.up.select, read.up.stabilization_window), (SelectPolicy::Min, SimDuration::ZERO));
        assert_eq!((read.down.stabilization_window, read.down.longest_period()), (SimDuration::from_secs(300), SimDuration::from_secs(15)));
        assert_eq!(Tolerances::read(&behavior, 0.1), Tolerances { down: 0.1, up: 0.05 });
        assert_eq!(Behavior::read(&Value::Null, SimDuration::ZERO), None);
    }
}
