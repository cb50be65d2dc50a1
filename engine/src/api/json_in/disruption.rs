//! PodDisruptionBudgets.

use super::{Tables, int_or_percent};
use crate::model::disruption::PodDisruptionBudget;
use crate::model::raw::Raw;
use serde_json::Value;

impl Tables<'_> {
    /// Reads the `spec` of a PodDisruptionBudget.
    pub fn disruption_budget(&mut self, spec: &Value) -> PodDisruptionBudget {
        let limit = |field: &str| spec.get(field).filter(|value| !value.is_null()).map(|value| int_or_percent(Some(value)));
        PodDisruptionBudget {
            min_available: limit("minAvailable"),
            max_unavailable: limit("maxUnavailable"),
            selector: spec
                .get("selector")
                .filter(|value| !value.is_null())
                .map(|selector| self.selectors.of_label_selector(self.names, selector)),
            always_evict_unhealthy: spec.get("unhealthyPodEvictionPolicy").and_then(Value::as_str) == Some("AlwaysAllow"),
            raw: Raw::new(spec.clone()),
        }
    }
}
