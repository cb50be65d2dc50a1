//! Defaults of Nodes.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_NodeStatus`, and
//! `conversion.go`, `Convert_v1_NodeSpec_To_core_NodeSpec`.

use super::fill::{self, Object};
use super::resources;
use serde_json::{Value, json};

/// Fills in a node: allocatable equals capacity when unset; `podCIDR` and `podCIDRs` agree.
pub(super) fn apply(node: &mut Object) {
    fill::with_object(node, "spec", mirror_pod_cidr);
    fill::with_existing(node, "status", |status| {
        for list in ["capacity", "allocatable"] {
            fill::with_existing(status, list, resources::round_up);
        }
        if let Some(capacity) = status.get("capacity").cloned() {
            fill::absent(status, "allocatable", capacity);
        }
    });
}

/// The single field is authoritative where both are given and differ.
fn mirror_pod_cidr(spec: &mut Object) {
    let first = spec.get("podCIDRs").and_then(|cidrs| cidrs.get(0)).and_then(Value::as_str).map(str::to_owned);
    let single = fill::text(spec, "podCIDR").to_owned();
    match first {
        Some(first) if single.is_empty() => {
            spec.insert("podCIDR".to_owned(), first.into());
        }
        Some(first) if single == first => {}
        _ if !single.is_empty() => {
            spec.insert("podCIDRs".to_owned(), json!([single]));
        }
        _ => {}
    }
    fill::drop_zeros(spec, &["podCIDR", "podCIDRs", "providerID", "unschedulable", "taints", "externalID"]);
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn pod_cidr_table() {
        let rows = [
            (json!({}), json!({})),
            (json!({"podCIDR": "a"}), json!({"podCIDR": "a", "podCIDRs": ["a"]})),
            (json!({"podCIDRs": ["a", "b"]}), json!({"podCIDRs": ["a", "b"], "podCIDR": "a"})),
            (json!({"podCIDR": "x", "podCIDRs": ["a", "b"]}), json!({"podCIDR": "x", "podCIDRs": ["x"]})),
        ];
        for (given, want) in rows {
            assert_eq!(defaulted(json!({"apiVersion": "v1", "kind": "Node", "spec": given.clone()}))["spec"], want, "spec {given}");
        }
    }

    #[test]
    fn allocatable_defaults_to_capacity() {
        let node = defaulted(json!({"apiVersion": "v1", "kind": "Node", "status": {"capacity": {"cpu": "4"}}}));
        assert_eq!(node["status"]["allocatable"], json!({"cpu": "4"}));
    }
}
