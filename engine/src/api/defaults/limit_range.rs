//! Defaults of LimitRanges.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_LimitRangeItem`.

use super::fill::{self, Object};
use super::resources;

/// Fills in the limits for containers: default from max, default request from default, then from min.
pub(super) fn apply(range: &mut Object) {
    fill::with_existing(range, "spec", |spec| {
        fill::each(spec, "limits", |limit| {
            for list in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
                fill::with_existing(limit, list, resources::round_up);
            }
            if fill::text(limit, "type") == "Container" {
                fill_from(limit, "default", "max");
                fill_from(limit, "defaultRequest", "default");
                fill_from(limit, "defaultRequest", "min");
            }
        });
    });
}

fn fill_from(limit: &mut Object, list: &str, source: &str) {
    let Some(source) = limit.get(source).and_then(|source| source.as_object()).cloned() else { return };
    fill::with_object(limit, list, |list| {
        for (name, quantity) in source {
            fill::absent(list, &name, quantity);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn container_limits_cascade() {
        let limit = json!({"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1", "memory": "1Gi"}});
        let range =
            defaulted(json!({"apiVersion": "v1", "kind": "LimitRange", "spec": {"limits": [limit, {"type": "Pod", "max": {"cpu": "9"}}]}}));
        assert_eq!(range["spec"]["limits"][0]["default"], json!({"cpu": "2"}));
        assert_eq!(range["spec"]["limits"][0]["defaultRequest"], json!({"cpu": "2", "memory": "1Gi"}));
        assert_eq!(range["spec"]["limits"][1], json!({"type": "Pod", "max": {"cpu": "9"}}));
    }
}
