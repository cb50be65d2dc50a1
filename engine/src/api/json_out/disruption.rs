//! PodDisruptionBudgets.

use super::{Cx, put};
use crate::model::disruption::PodDisruptionBudgetStatus;
use serde_json::{Map, Value};

impl Cx<'_> {
    pub(super) fn disruption_budget_status(&self, status: &PodDisruptionBudgetStatus) -> Value {
        let mut out = Map::new();
        if status.observed_generation > 0 {
            put(&mut out, "observedGeneration", status.observed_generation);
        }
        if !status.disrupted_pods.is_empty() {
            let pods = status.disrupted_pods.iter().map(|&(pod, at)| (self.names.render(pod), self.time(at).into()));
            put(&mut out, "disruptedPods", pods.collect::<Map<String, Value>>());
        }
        for (field, count) in [
            ("disruptionsAllowed", status.disruptions_allowed),
            ("currentHealthy", status.current_healthy),
            ("desiredHealthy", status.desired_healthy),
            ("expectedPods", status.expected_pods),
        ] {
            put(&mut out, field, count);
        }
        self.conditions(&mut out, &status.conditions, None);
        Value::Object(out)
    }
}
