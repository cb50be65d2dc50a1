//! What a Service's new type has no use for is dropped where the update left it as it was.
//!
//! Source: kubernetes v1.36, `pkg/registry/core/service/strategy.go`, `dropTypeDependentFields`.

use serde_json::Value;

/// Drops fields of the stored type from an updated Service.
pub(crate) fn drop_fields_of_old_type(new: &mut Value, old: &Value) {
    let kind = |service: &Value| service["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
    let has_node_ports = |service: &Value| matches!(kind(service).as_str(), "NodePort" | "LoadBalancer");
    let has_external_ips = |service: &Value| service["spec"]["externalIPs"].as_array().is_some_and(|ips| !ips.is_empty());
    let reachable = |service: &Value| has_node_ports(service) || kind(service) == "ClusterIP" && has_external_ips(service);
    let checked = |service: &Value| kind(service) == "LoadBalancer" && service["spec"]["externalTrafficPolicy"] == "Local";
    let had = |what: fn(&str) -> bool| what(&kind(old)) && !what(&kind(new));
    let mut dropped: Vec<&str> = Vec::new();
    if had(|kind| kind != "ExternalName") {
        dropped.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
    }
    if had(|kind| kind == "LoadBalancer") {
        dropped.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if reachable(old) && !reachable(new) {
        dropped.push("externalTrafficPolicy");
    }
    if checked(old) && !checked(new) {
        dropped.push("healthCheckNodePort");
    }
    let keeps_no_port = has_node_ports(old) && !has_node_ports(new);
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for field in dropped {
        if spec.get(field) == old["spec"].get(field) {
            spec.shift_remove(field);
        }
    }
    let ports = |spec: &Value| -> Vec<Option<Value>> {
        spec["ports"].as_array().into_iter().flatten().map(|port| port.get("nodePort").cloned()).collect()
    };
    if keeps_no_port && ports(&Value::Object(spec.clone())) == ports(&old["spec"]) {
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().map(|port| port.shift_remove("nodePort"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::drop_fields_of_old_type;
    use serde_json::json;

    #[test]
    fn fields_of_the_old_type_go() {
        let balancer = json!({
            "type": "LoadBalancer", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ports": [{"port": 80, "nodePort": 30100}],
            "externalTrafficPolicy": "Local", "healthCheckNodePort": 30200, "allocateLoadBalancerNodePorts": true,
        });
        for (kind, port, want) in [
            (
                "ClusterIP",
                30100,
                json!({"type": "ClusterIP", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ports": [{"port": 80}]}),
            ),
            // A node port that the update names itself stays, and is refused later.
            (
                "ClusterIP",
                30101,
                json!({"type": "ClusterIP", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ports": [{"port": 80, "nodePort": 30101}]}),
            ),
            (
                "NodePort",
                30100,
                json!({
                    "type": "NodePort", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ports": [{"port": 80, "nodePort": 30100}],
                    "externalTrafficPolicy": "Local",
                }),
            ),
            ("ExternalName", 30100, json!({"type": "ExternalName", "ports": [{"port": 80}]})),
        ] {
            let old = json!({"spec": balancer});
            let mut new = old.clone();
            new["spec"]["type"] = kind.into();
            new["spec"]["ports"][0]["nodePort"] = port.into();
            drop_fields_of_old_type(&mut new, &old);
            assert_eq!(new["spec"], want, "{kind} {port}");
        }
    }
}
