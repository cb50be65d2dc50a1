//! Services and Endpoints.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `describeService`, `describeEndpoints`.

use super::{Cluster, Events, Page};
use crate::render::get::{first_of, host_port};
use crate::render::look::{int, label_cell, list, map, scalar, scalar_or, text};
use serde_json::Value;

/// Endpoints shown before it says how many more there are.
const SHOWN: usize = 3;

pub(super) fn write(page: &mut Page, service: &Value, cluster: &dyn Cluster) -> Events {
    page.name(service);
    page.labels_and_annotations(service);
    page.field(0, "Selector", label_cell(service, "/spec/selector"));
    page.field(0, "Type", text(service, "/spec/type"));
    page.field_if(0, "IP Family Policy", service, "/spec/ipFamilyPolicy");
    page.field(0, "IP Families", joined(service, "/spec/ipFamilies").unwrap_or_else(|| "<none>".to_string()));
    page.field(0, "IP", text(service, "/spec/clusterIP"));
    page.field(0, "IPs", joined(service, "/spec/clusterIPs").unwrap_or_else(|| "<none>".to_string()));
    if let Some(ips) = joined(service, "/spec/externalIPs") {
        page.field(0, "External IPs", ips);
    }
    page.field_if(0, "Desired LoadBalancer IP", service, "/spec/loadBalancerIP");
    page.field_if(0, "External Name", service, "/spec/externalName");
    let ingress = list(service, "/status/loadBalancer/ingress");
    if !ingress.is_empty() {
        page.field(0, "LoadBalancer Ingress", ingress.iter().map(address).collect::<Vec<_>>().join(", "));
    }
    let slices = slices(service, cluster);
    list(service, "/spec/ports").iter().for_each(|port| self::port(page, port, &slices));
    page.field(0, "Session Affinity", text(service, "/spec/sessionAffinity"));
    page.field_if(0, "External Traffic Policy", service, "/spec/externalTrafficPolicy");
    page.field_if(0, "Internal Traffic Policy", service, "/spec/internalTrafficPolicy");
    page.field_if(0, "HealthCheck NodePort", service, "/spec/healthCheckNodePort");
    if let Some(ranges) = joined(service, "/spec/loadBalancerSourceRanges") {
        page.field(0, "LoadBalancer Source Ranges", ranges);
    }
    page.field_if(0, "Traffic Distribution", service, "/spec/trafficDistribution");
    Events::Shown
}

fn joined(object: &Value, pointer: &str) -> Option<String> {
    let texts: Vec<&str> = list(object, pointer).iter().filter_map(Value::as_str).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

fn address(ingress: &Value) -> String {
    match (text(ingress, "/ip"), text(ingress, "/ipMode")) {
        ("", _) => text(ingress, "/hostname").to_string(),
        (ip, "") => ip.to_string(),
        (ip, mode) => format!("{ip} ({mode})"),
    }
}

fn port(page: &mut Page, port: &Value, slices: &[Value]) {
    let (name, protocol) = (scalar_or(port, "/name", "<unset>"), text(port, "/protocol"));
    page.field(0, "Port", format_args!("{name}\t{}/{protocol}", int(port, "/port")));
    page.field(0, "TargetPort", format_args!("{}/{protocol}", scalar_or(port, "/targetPort", "0")));
    page.field_if(0, "AppProtocol", port, "/appProtocol");
    if int(port, "/nodePort") != 0 {
        page.field(0, "NodePort", format_args!("{name}\t{}/{protocol}", int(port, "/nodePort")));
    }
    page.field(0, "Endpoints", ready_endpoints(slices, text(port, "/name")));
}

/// The slices of a service in its namespace.
fn slices(service: &Value, cluster: &dyn Cluster) -> Vec<Value> {
    let of_service = |slice: &Value| {
        let label = map(slice, "/metadata/labels").and_then(|labels| labels.get("kubernetes.io/service-name")?.as_str());
        label == Some(text(service, "/metadata/name")) && text(slice, "/metadata/namespace") == text(service, "/metadata/namespace")
    };
    cluster.list("EndpointSlice").into_iter().filter(of_service).collect()
}

/// The ready endpoints of the port of one name, `<none>` without any slice.
fn ready_endpoints(slices: &[Value], port_name: &str) -> String {
    if slices.is_empty() {
        return "<none>".to_string();
    }
    let mut found = Vec::new();
    for slice in slices {
        let ready = list(slice, "/endpoints").iter().filter(|endpoint| scalar_or(endpoint, "/conditions/ready", "true") == "true");
        let addresses = ready.map(|endpoint| scalar(endpoint, "/addresses/0"));
        let ports = list(slice, "/ports");
        if ports.is_empty() {
            found.extend(addresses);
        } else {
            for port in ports.iter().filter(|port| text(port, "/name") == port_name) {
                found.extend(addresses.clone().map(|ip| host_port(&ip, int(port, "/port"))));
            }
        }
    }
    first_of(&found, SHOWN, ",")
}

pub(super) fn endpoints(page: &mut Page, object: &Value) -> Events {
    page.name(object);
    page.labels_and_annotations(object);
    page.line(0, "Subsets:");
    for subset in list(object, "/subsets") {
        for (label, pointer) in [("Addresses", "/addresses"), ("NotReadyAddresses", "/notReadyAddresses")] {
            let ips: Vec<&str> = list(subset, pointer).iter().map(|address| text(address, "/ip")).collect();
            page.field(1, label, if ips.is_empty() { "<none>".to_string() } else { ips.join(",") });
        }
        let ports = list(subset, "/ports");
        if !ports.is_empty() {
            page.line(1, "Ports:");
            page.line(2, "Name\tPort\tProtocol");
            page.line(2, "----\t----\t--------");
        }
        for port in ports {
            page.line(2, format_args!("{}\t{}\t{}", scalar_or(port, "/name", "<unset>"), int(port, "/port"), text(port, "/protocol")));
        }
        page.line(0, "");
    }
    Events::Shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_ready_endpoints_of_the_port_are_shown() {
        let endpoint = |ip: &str, ready: Option<bool>| json!({"addresses": [ip], "conditions": {"ready": ready}});
        let slice = json!({
            "ports": [{"name": "web", "port": 8080}, {"name": "metrics", "port": 9090}],
            "endpoints": [endpoint("10.0.0.1", Some(true)), endpoint("10.0.0.2", Some(false)), endpoint("10.0.0.3", None)],
        });
        assert_eq!(ready_endpoints(std::slice::from_ref(&slice), "web"), "10.0.0.1:8080,10.0.0.3:8080");
        assert_eq!(ready_endpoints(&[slice.clone(), slice], "web"), "10.0.0.1:8080,10.0.0.3:8080,10.0.0.1:8080 + 1 more...");
        assert_eq!(ready_endpoints(&[], "web"), "<none>");
    }
}
