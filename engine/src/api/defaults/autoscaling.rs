//! Defaults of HorizontalPodAutoscalers.
//!
//! The scale-down stabilization window stays unset: the controller's own setting stands in for it.
//!
//! Source: kubernetes v1.36, `pkg/apis/autoscaling/v2/defaults.go`.

use super::fill::{self, Object};
use serde_json::{Value, json};

/// Target of the default metric. Unit: percent of the CPU request.
const CPU_UTILIZATION_PERCENT: i64 = 80;

/// Fills in a horizontal pod autoscaler.
pub(super) fn apply(autoscaler: &mut Object) {
    fill::with_object(autoscaler, "spec", |spec| {
        fill::absent(spec, "minReplicas", 1);
        let target = json!({"type": "Utilization", "averageUtilization": CPU_UTILIZATION_PERCENT});
        fill::zero(spec, "metrics", json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]));
        fill::with_existing(spec, "behavior", apply_to_behavior);
    });
}

fn apply_to_behavior(behavior: &mut Object) {
    fill::with_object(behavior, "scaleUp", |rules| {
        fill::absent(rules, "stabilizationWindowSeconds", 0);
        let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
        apply_to_rules(rules, json!([pods, {"type": "Percent", "value": 100, "periodSeconds": 15}]));
    });
    fill::with_object(behavior, "scaleDown", |rules| {
        apply_to_rules(rules, json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]));
    });
}

fn apply_to_rules(rules: &mut Object, policies: Value) {
    fill::absent(rules, "selectPolicy", "Max");
    fill::absent(rules, "policies", policies);
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn metrics_and_behavior() {
        let hpa = defaulted(
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": {"maxReplicas": 3, "behavior": {"scaleDown": {"selectPolicy": "Min"}}}}),
        );
        assert_eq!(hpa["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
        assert_eq!(hpa["spec"]["minReplicas"], 1);
        let down = json!({"selectPolicy": "Min", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]});
        assert_eq!(hpa["spec"]["behavior"]["scaleDown"], down);
        assert_eq!(hpa["spec"]["behavior"]["scaleUp"]["stabilizationWindowSeconds"], 0);
        let plain = defaulted(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": {"maxReplicas": 3}}));
        assert!(plain["spec"].get("behavior").is_none());
    }
}
