//! Defaults of Services. IP families, cluster addresses and node ports are allocated, not defaulted.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_Service`.

use super::fill::{self, Object};
use serde_json::{Value, json};

/// How long a client stays with its endpoint. Unit: seconds.
const CLIENT_IP_TIMEOUT_S: i64 = 10_800;

/// Fills in a service.
pub(super) fn apply(service: &mut Object) {
    fill::with_object(service, "spec", apply_to_spec);
    if service["spec"]["type"] == "LoadBalancer" {
        fill::with_existing(service, "status", |status| {
            fill::with_existing(status, "loadBalancer", |balancer| {
                fill::each(balancer, "ingress", |ingress| {
                    if !fill::text(ingress, "ip").is_empty() {
                        fill::absent(ingress, "ipMode", "VIP");
                    }
                });
            });
        });
    }
}

fn apply_to_spec(spec: &mut Object) {
    fill::zero(spec, "sessionAffinity", "None");
    apply_to_affinity(spec);
    fill::zero(spec, "type", "ClusterIP");
    mirror_cluster_ip(spec);
    fill::each(spec, "ports", |port| {
        fill::zero(port, "protocol", "TCP");
        if let Some(number) = port.get("port").cloned() {
            fill::zero(port, "targetPort", number);
        }
        fill::drop_zeros(port, &["name", "nodePort"]);
    });
    let kind = fill::text(spec, "type").to_owned();
    let has_external_ips = spec.get("externalIPs").is_some_and(|ips| !fill::is_zero(ips));
    if matches!(kind.as_str(), "LoadBalancer" | "NodePort") || (kind == "ClusterIP" && has_external_ips) {
        fill::zero(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "LoadBalancer" | "NodePort" | "ClusterIP") {
        fill::absent(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        fill::absent(spec, "allocateLoadBalancerNodePorts", true);
    }
    let optional =
        ["ports", "selector", "clusterIP", "clusterIPs", "externalIPs", "loadBalancerIP", "loadBalancerSourceRanges", "externalName"];
    fill::drop_zeros(spec, &optional);
    fill::drop_zeros(spec, &["externalTrafficPolicy", "healthCheckNodePort", "publishNotReadyAddresses", "ipFamilies"]);
}

/// A single address is also the first of the list. The other way round the server refuses it.
///
/// Source: kubernetes v1.36, `pkg/registry/core/service/storage/storage.go`, `normalizeClusterIPs`.
fn mirror_cluster_ip(spec: &mut Object) {
    let single = fill::text(spec, "clusterIP").to_owned();
    if !single.is_empty() {
        fill::zero(spec, "clusterIPs", json!([single]));
    }
}

fn apply_to_affinity(spec: &mut Object) {
    match fill::text(spec, "sessionAffinity") {
        "None" => {
            spec.shift_remove("sessionAffinityConfig");
        }
        "ClientIP"
            if spec
                .get("sessionAffinityConfig")
                .and_then(|config| config.pointer("/clientIP/timeoutSeconds"))
                .is_none_or(Value::is_null) =>
        {
            spec.insert("sessionAffinityConfig".to_owned(), json!({"clientIP": {"timeoutSeconds": CLIENT_IP_TIMEOUT_S}}));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn service_table() {
        let rows = [
            (json!({}), json!({"sessionAffinity": "None", "type": "ClusterIP", "internalTrafficPolicy": "Cluster"})),
            (
                json!({"clusterIP": "None"}),
                json!({
                    "clusterIP": "None", "clusterIPs": ["None"], "sessionAffinity": "None", "type": "ClusterIP",
                    "internalTrafficPolicy": "Cluster",
                }),
            ),
            (
                json!({"type": "ExternalName", "externalName": "a.b"}),
                json!({"type": "ExternalName", "externalName": "a.b", "sessionAffinity": "None"}),
            ),
            (
                json!({"ports": [{"port": 80}, {"port": 81, "targetPort": "web", "protocol": "UDP"}, {"port": 82, "targetPort": 0}]}),
                json!({
                    "ports": [
                        {"port": 80, "protocol": "TCP", "targetPort": 80}, {"port": 81, "targetPort": "web", "protocol": "UDP"},
                        {"port": 82, "targetPort": 82, "protocol": "TCP"},
                    ],
                    "sessionAffinity": "None", "type": "ClusterIP", "internalTrafficPolicy": "Cluster",
                }),
            ),
            (
                json!({"type": "LoadBalancer", "sessionAffinity": "ClientIP"}),
                json!({
                    "type": "LoadBalancer", "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
                    "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": true,
                }),
            ),
            (
                json!({"externalIPs": ["1.2.3.4"], "sessionAffinityConfig": {"clientIP": {}}}),
                json!({"externalIPs": ["1.2.3.4"], "sessionAffinity": "None", "type": "ClusterIP", "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster"}),
            ),
        ];
        for (given, want) in rows {
            let service = defaulted(json!({"apiVersion": "v1", "kind": "Service", "spec": given.clone()}));
            assert_eq!(service["spec"], want, "spec {given}");
        }
    }
}
