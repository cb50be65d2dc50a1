//! Services.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `validateService`, `ValidateServiceUpdate`.

use super::field::{Errors, Field};
use super::field_error::{ErrorKind, go_json};
use super::metadata::{self, NameRule};
use super::service_addresses::{self, is_headless};
use super::{addresses, formats, probe};
use serde_json::json;

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
/// Longest time that a client stays with its endpoint. Unit: seconds.
const CLIENT_IP_TIMEOUT_S_MAX: i64 = 86_400;
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";

/// Checks a new service, addresses allocated.
pub(super) fn check(service: &Field<'_>, errors: &mut Errors) {
    metadata::check(&service.child("metadata"), NameRule::NAMESPACED_LABEL, errors);
    check_all(service, None, errors);
}

/// Checks a changed service.
pub(super) fn check_update(service: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&service.child("metadata"), &old.child("metadata"), errors);
    let (spec, old_spec) = (service.child("spec"), old.child("spec"));
    service_addresses::check_update(&spec, &old_spec, errors);
    let (class, old_class) = (spec.child("loadBalancerClass"), old_spec.child("loadBalancerClass"));
    let balancers = kind(&spec) == "LoadBalancer" && kind(&old_spec) == "LoadBalancer";
    if balancers && !class.same_as(&old_class) {
        let shown = if class.is_set() { class.shown() } else { "null".to_owned() };
        errors.push(class.invalid_as(shown, "may not change once set"));
    }
    check_class(&spec, errors);
    let health = spec.child("healthCheckNodePort");
    if needs_health_check(&spec) && needs_health_check(&old_spec) && !health.same_as(&old_spec.child("healthCheckNodePort")) {
        errors.push(health.forbidden("field is immutable"));
    }
    check_all(service, Some(&old_spec), errors);
}

fn kind<'a>(spec: &Field<'a>) -> &'a str {
    spec.child("type").text()
}

fn needs_health_check(spec: &Field<'_>) -> bool {
    kind(spec) == "LoadBalancer" && spec.child("externalTrafficPolicy").text() == "Local"
}

fn check_all(service: &Field<'_>, old_spec: Option<&Field<'_>>, errors: &mut Errors) {
    let (annotations, spec) = (service.child("metadata").child("annotations"), service.child("spec"));
    let (hints, mode) = (annotations.key(TOPOLOGY_HINTS), annotations.key(TOPOLOGY_MODE));
    if hints.is_set() && mode.is_set() && !hints.same_as(&mode) {
        errors.push(mode.invalid(format!("must match annotations[{TOPOLOGY_HINTS}] when both are specified")));
    }
    let ports = spec.child("ports");
    if ports.is_empty() && !is_headless(&spec) && kind(&spec) != "ExternalName" {
        errors.push(ports.required(""));
    }
    check_type_against_addresses(&spec, errors);
    let mut names: Vec<&str> = Vec::new();
    for port in ports.items() {
        check_port(&port, ports.len() > 1, &mut names, errors);
    }
    metadata::check_labels(&spec.child("selector"), errors);
    check_affinity(&spec, errors);
    service_addresses::check(&spec, old_spec, errors);
    let stored = old_spec.map(|spec| spec.child("externalIPs").texts()).unwrap_or_default();
    for ip in spec.child("externalIPs").items() {
        let mut found = Vec::new();
        addresses::check_ip(&ip, &stored, &mut found);
        if found.is_empty() {
            addresses::check_endpoint_ip(&ip, &mut found);
        }
        errors.append(&mut found);
    }
    spec.child("type").check_word(TYPES, errors);
    check_port_numbers(&spec, errors);
    check_source_ranges(&spec, &annotations, old_spec, errors);
    check_traffic(&spec, errors);
}

fn check_type_against_addresses(spec: &Field<'_>, errors: &mut Errors) {
    let first = spec.child("clusterIPs").index(0);
    match kind(spec) {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(spec) => {
            errors.push(first.invalid(format!("may not be set to 'None' for {kind} services")));
        }
        "ExternalName" => {
            for part in ["clusterIPs", "ipFamilies"] {
                if !spec.child(part).is_empty() {
                    errors.push(spec.child(part).forbidden("may not be set for ExternalName services"));
                }
            }
            if spec.child("ipFamilyPolicy").is_set() {
                errors.push(spec.child("ipFamilyPolicy").forbidden("may not be set for ExternalName services"));
            }
            let name = spec.child("externalName");
            let host = name.text().strip_suffix('.').unwrap_or(name.text());
            if host.is_empty() {
                errors.push(name.required(""));
            }
            for message in formats::dns_subdomain(host).into_iter().filter(|_| !host.is_empty()) {
                errors.push(name.invalid_as(super::field_error::quoted(host), message));
            }
        }
        _ => {}
    }
}

fn check_port<'a>(port: &Field<'a>, several: bool, names: &mut Vec<&'a str>, errors: &mut Errors) {
    let name = port.child("name");
    if several && name.text().is_empty() {
        errors.push(name.required(""));
    } else if !name.text().is_empty() {
        name.refuse(formats::dns_label(name.text()), errors);
        if names.contains(&name.text()) {
            errors.push(name.duplicate());
        } else {
            names.push(name.text());
        }
    }
    let number = port.child("port");
    errors.extend(formats::port_number(number.int_or_zero()).into_iter().map(|message| number.invalid_int(message)));
    port.child("protocol").check_word(&["SCTP", "TCP", "UDP"], errors);
    probe::check_port(&port.child("targetPort"), errors);
    let protocol = port.child("appProtocol");
    if protocol.is_set() {
        metadata::check_label_key(&protocol, protocol.text(), errors);
    }
}

fn check_affinity(spec: &Field<'_>, errors: &mut Errors) {
    let (affinity, config) = (spec.child("sessionAffinity"), spec.child("sessionAffinityConfig"));
    affinity.check_word(&["ClientIP", "None"], errors);
    match affinity.text() {
        "ClientIP" => {
            let timeout = config.child("clientIP").child("timeoutSeconds");
            let missing = [&config, &config.child("clientIP"), &timeout].into_iter().find(|part| !part.is_set()).cloned();
            match missing {
                Some(part) => errors.push(part.required("when session affinity type is ClientIP")),
                None if !(1..=CLIENT_IP_TIMEOUT_S_MAX).contains(&timeout.int_or_zero()) => {
                    errors.push(timeout.invalid_int(format!("must be greater than 0 and less than {CLIENT_IP_TIMEOUT_S_MAX}")));
                }
                None => {}
            }
        }
        "None" if config.is_set() => errors.push(config.forbidden("must not be set when session affinity is None")),
        _ => {}
    }
}

/// Node ports and ports must be unique by protocol.
fn check_port_numbers(spec: &Field<'_>, errors: &mut Errors) {
    let ports = spec.child("ports").items();
    if kind(spec) == "ClusterIP" {
        for port in ports.iter().filter(|port| port.child("nodePort").int_or_zero() != 0) {
            errors.push(port.child("nodePort").forbidden("may not be used when `type` is 'ClusterIP'"));
        }
    }
    let mut taken: Vec<(&str, i64)> = Vec::new();
    for port in ports.iter().filter(|port| port.child("nodePort").int_or_zero() != 0) {
        let pair = (port.child("protocol").text(), port.child("nodePort").int_or_zero());
        if taken.contains(&pair) {
            errors.push(port.child("nodePort").duplicate());
        }
        taken.push(pair);
    }
    taken.clear();
    for port in &ports {
        let pair = (port.child("protocol").text(), port.child("port").int_or_zero());
        if taken.contains(&pair) {
            // The original prints its own type here, with its own field names.
            let shown = json!({"Name": "", "Protocol": pair.0, "AppProtocol": null, "Port": pair.1, "TargetPort": 0, "NodePort": 0});
            errors.push(port.error(ErrorKind::Duplicate, go_json(&shown), ""));
        }
        taken.push(pair);
    }
}

/// Messages spell the field with a capital.
fn check_source_ranges(spec: &Field<'_>, annotations: &Field<'_>, old_spec: Option<&Field<'_>>, errors: &mut Errors) {
    let ranges = spec.child("loadBalancerSourceRanges").at_path(spec.child("LoadBalancerSourceRanges").path());
    let annotation = annotations.key(SOURCE_RANGES);
    let balancer = kind(spec) == "LoadBalancer";
    if !ranges.is_empty() {
        if !balancer {
            errors.push(ranges.forbidden("may only be used when `type` is 'LoadBalancer'"));
        }
        let stored: Vec<&str> =
            old_spec.map(|spec| spec.child("loadBalancerSourceRanges").texts()).unwrap_or_default().into_iter().map(str::trim).collect();
        for range in ranges.items() {
            addresses::check_range(&range, range.text().trim(), &stored, errors);
        }
    } else if annotation.is_set() {
        if !balancer {
            errors.push(annotation.forbidden("may only be used when `type` is 'LoadBalancer'"));
        }
        let text = annotation.text().trim();
        for range in text.split(',').filter(|_| !text.is_empty() && old_spec.is_none()) {
            addresses::check_range(&annotation, range.trim(), &[], errors);
        }
    }
}

fn check_class(spec: &Field<'_>, errors: &mut Errors) {
    let class = spec.child("loadBalancerClass");
    if class.is_set() && kind(spec) == "LoadBalancer" {
        metadata::check_label_key(&class, class.text(), errors);
    } else if class.is_set() {
        errors.push(class.forbidden("may only be used when `type` is 'LoadBalancer'"));
    }
}

fn check_traffic(spec: &Field<'_>, errors: &mut Errors) {
    let node_ports = spec.child("allocateLoadBalancerNodePorts");
    let balancer = kind(spec) == "LoadBalancer";
    if node_ports.is_set() && !balancer {
        errors.push(node_ports.forbidden("may only be used when `type` is 'LoadBalancer'"));
    }
    if balancer && !node_ports.is_set() {
        errors.push(node_ports.at_path("allocateLoadBalancerNodePorts").required(""));
    }
    check_class(spec, errors);
    check_external(spec, errors);
    let internal = spec.child("internalTrafficPolicy");
    if internal.is_set() {
        if !matches!(internal.text(), "Cluster" | "Local") {
            errors.push(internal.not_supported(&["Cluster", "Local"]));
        }
    } else if matches!(kind(spec), "NodePort" | "LoadBalancer" | "ClusterIP") {
        errors.push(internal.required(""));
    }
    let distribution = spec.child("trafficDistribution");
    let distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    if distribution.is_set() && !distributions.contains(&distribution.text()) {
        errors.push(distribution.not_supported(&distributions));
    }
}

fn check_external(spec: &Field<'_>, errors: &mut Errors) {
    let (policy, health) = (spec.child("externalTrafficPolicy"), spec.child("healthCheckNodePort"));
    let reachable =
        matches!(kind(spec), "LoadBalancer" | "NodePort") || (kind(spec) == "ClusterIP" && !spec.child("externalIPs").is_empty());
    if reachable {
        policy.check_word(&["Cluster", "Local"], errors);
    } else if !policy.text().is_empty() {
        errors.push(policy.invalid_as(policy.shown_word(), "may only be set for externally-accessible services"));
    }
    match (needs_health_check(spec), health.int_or_zero()) {
        (false, 0) => {}
        (false, _) => errors.push(health.invalid("may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'")),
        // The server allocates one before it looks.
        (true, 0) => {}
        (true, number) => health.refuse(formats::port_number(number), errors),
    }
}
