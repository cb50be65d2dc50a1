//! Defaults of NetworkPolicies and IngressClasses.
//!
//! Source: kubernetes v1.36, `pkg/apis/networking/v1/defaults.go`.

use super::fill::{self, Object};
use serde_json::json;

/// Fills in a network policy: types from the rules, ports TCP.
pub(super) fn apply_to_policy(policy: &mut Object) {
    fill::with_object(policy, "spec", |spec| {
        let has_egress = spec.get("egress").is_some_and(|rules| !fill::is_zero(rules));
        let types = if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        fill::zero(spec, "policyTypes", types);
        for rules in ["ingress", "egress"] {
            fill::each(spec, rules, |rule| fill::each(rule, "ports", |port| fill::absent(port, "protocol", "TCP")));
        }
    });
}

/// Fills in the scope of an ingress class's parameters.
pub(super) fn apply_to_ingress_class(class: &mut Object) {
    fill::with_existing(class, "spec", |spec| {
        fill::with_existing(spec, "parameters", |parameters| fill::absent(parameters, "scope", "Cluster"));
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn policy_types_table() {
        let rows = [
            (json!({}), json!(["Ingress"])),
            (json!({"egress": []}), json!(["Ingress"])),
            (json!({"egress": [{}]}), json!(["Ingress", "Egress"])),
            (json!({"policyTypes": ["Egress"]}), json!(["Egress"])),
        ];
        for (given, want) in rows {
            let policy = defaulted(json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": given.clone()}));
            assert_eq!(policy["spec"]["policyTypes"], want, "spec {given}");
        }
    }
}
