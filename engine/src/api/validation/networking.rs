//! Ingresses and NetworkPolicies.
//!
//! Source: kubernetes v1.36, `pkg/apis/networking/validation/validation.go`, `ValidateIngressSpec`, `ValidateNetworkPolicySpec`.

use super::field::{Errors, Field};
use super::field_error::quoted;
use super::metadata::{self, NameRule};
use super::{formats, selector};

const PATH_TYPES: &[&str] = &["Exact", "ImplementationSpecific", "Prefix"];

/// Checks an Ingress.
pub(super) fn check_ingress(ingress: &Field<'_>, errors: &mut Errors) {
    metadata::check(&ingress.child("metadata"), NameRule::NAMESPACED, errors);
    let spec = ingress.child("spec");
    let (rules, default) = (spec.child("rules"), spec.child("defaultBackend"));
    if rules.is_empty() && !default.is_set() {
        errors.push(spec.invalid_as("null", "either `defaultBackend` or `rules` must be specified"));
    }
    if default.is_set() {
        check_backend(&default, errors);
    }
    for rule in rules.items() {
        check_host(&rule.child("host"), errors);
        let http = rule.child("http");
        let paths = http.child("paths");
        if http.is_set() && paths.is_empty() {
            errors.push(paths.required(""));
        }
        paths.items().iter().for_each(|path| check_path(path, errors));
    }
    let class = spec.child("ingressClassName");
    if class.is_set() {
        class.refuse(formats::dns_subdomain(class.text()), errors);
    }
}

fn check_host(host: &Field<'_>, errors: &mut Errors) {
    if host.text().is_empty() {
        return;
    }
    if host.text().parse::<std::net::IpAddr>().is_ok() {
        errors.push(host.invalid("must be a DNS name, not an IP address"));
    }
    if host.text().contains('*') {
        let rest = host.text().strip_prefix("*.").unwrap_or("");
        if rest.is_empty() || !formats::dns_subdomain(rest).is_empty() {
            errors.push(host.invalid(
                "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ));
        }
    } else {
        host.refuse(formats::dns_subdomain(host.text()), errors);
    }
}

fn check_path(entry: &Field<'_>, errors: &mut Errors) {
    let (path, kind) = (entry.child("path"), entry.child("pathType"));
    if !kind.is_set() {
        errors.push(kind.required("pathType must be specified"));
        return;
    }
    let text = path.text();
    let shown = quoted(text);
    match kind.text() {
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                errors.push(path.invalid_as(shown.clone(), "must be an absolute path"));
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|part| text.contains(part)) {
                errors.push(path.invalid_as(shown.clone(), format!("must not contain '{part}'")));
            }
            for end in ["/..", "/."].into_iter().filter(|end| text.ends_with(end)) {
                errors.push(path.invalid_as(shown.clone(), format!("cannot end with '{end}'")));
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.starts_with('/') {
                errors.push(path.invalid_as(shown, "must be an absolute path"));
            }
        }
        _ => errors.push(kind.not_supported(PATH_TYPES)),
    }
    check_backend(&entry.child("backend"), errors);
}

fn check_backend(backend: &Field<'_>, errors: &mut Errors) {
    let (resource, service) = (backend.child("resource"), backend.child("service"));
    match (resource.is_set(), service.is_set()) {
        (true, true) => errors.push(backend.invalid_as("\"\"", "cannot set both resource and service backends")),
        (true, false) => {}
        (false, false) => errors.push(backend.invalid_as("\"\"", "resource or service backend is required")),
        (false, true) => {
            let (name, port) = (service.child("name"), service.child("port"));
            if name.text().is_empty() {
                errors.push(name.required(""));
            } else {
                name.refuse(formats::dns_label(name.text()), errors);
            }
            let (word, number) = (port.child("name"), port.child("number"));
            match (word.text(), number.int_or_zero()) {
                ("", 0) => errors.push(backend.required("port name or number is required")),
                ("", given) => errors.extend(formats::port_number(given).into_iter().map(|message| number.invalid_int(message))),
                (given, 0) => word.refuse(formats::port_name(given), errors),
                _ => errors.push(backend.invalid_as("\"\"", "cannot set both port name & port number")),
            }
        }
    }
}

/// Checks a NetworkPolicy.
pub(super) fn check_policy(policy: &Field<'_>, errors: &mut Errors) {
    metadata::check(&policy.child("metadata"), NameRule::NAMESPACED, errors);
    let spec = policy.child("spec");
    selector::check(&spec.child("podSelector"), errors);
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.child(rules).items() {
            rule.child("ports").items().iter().for_each(|port| check_policy_port(port, errors));
            rule.child(peers).items().iter().for_each(|peer| check_peer(peer, errors));
        }
    }
    let types = spec.child("policyTypes");
    if types.len() > 2 {
        errors.push(types.invalid("may not specify more than two policyTypes"));
        return;
    }
    for kind in types.items() {
        if !matches!(kind.text(), "Ingress" | "Egress") {
            errors.push(kind.not_supported(&["Egress", "Ingress"]));
        }
    }
}

fn check_policy_port(port: &Field<'_>, errors: &mut Errors) {
    let (protocol, number, end) = (port.child("protocol"), port.child("port"), port.child("endPort"));
    if protocol.is_set() && !matches!(protocol.text(), "TCP" | "UDP" | "SCTP") {
        errors.push(protocol.not_supported(&["SCTP", "TCP", "UDP"]));
    }
    match number.int() {
        Some(given) => {
            errors.extend(formats::port_number(given).into_iter().map(|message| number.invalid_int(message)));
            if end.is_set() {
                if end.int_or_zero() < given {
                    errors.push(end.invalid_int("must be greater than or equal to `port`"));
                }
                errors.extend(formats::port_number(end.int_or_zero()).into_iter().map(|message| end.invalid_int(message)));
            }
        }
        None if number.is_set() => {
            if end.is_set() {
                errors.push(end.invalid_int("may not be specified when `port` is non-numeric"));
            }
            number.refuse(formats::port_name(number.text()), errors);
        }
        None if end.is_set() => errors.push(end.invalid_int("may not be specified when `port` is not specified")),
        None => {}
    }
}

fn check_peer(peer: &Field<'_>, errors: &mut Errors) {
    let (pods, namespaces, block) = (peer.child("podSelector"), peer.child("namespaceSelector"), peer.child("ipBlock"));
    for labels in [&pods, &namespaces] {
        if labels.is_set() {
            selector::check(labels, errors);
        }
    }
    if !pods.is_set() && !namespaces.is_set() && !block.is_set() {
        errors.push(peer.required("must specify a peer"));
    } else if block.is_set() && (pods.is_set() || namespaces.is_set()) {
        errors.push(peer.forbidden("may not specify both ipBlock and another peer"));
    }
    if block.is_set() && block.child("cidr").text().is_empty() {
        errors.push(block.child("cidr").required(""));
    }
}

#[cfg(test)]
mod tests {
    use super::super::validate;
    use serde_json::{Value, json};

    fn texts(kind: &str, spec: Value) -> Vec<String> {
        let object = json!({"apiVersion": "networking.k8s.io/v1", "kind": kind, "metadata": {"name": "n", "namespace": "d"}, "spec": spec});
        validate(&object).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ingress_table() {
        let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
        let path = |path: &str, kind: Value, backend: &Value| json!({"rules": [{"http": {"paths": [{"path": path, "pathType": kind, "backend": backend}]}}]});
        let at = "spec.rules[0].http.paths[0]";
        for (spec, want) in [
            (json!({}), vec!["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified".to_string()]),
            (json!({"defaultBackend": backend}), vec![]),
            (path("/a", json!("Prefix"), &backend), vec![]),
            (path("/a", Value::Null, &backend), vec![format!("{at}.pathType: Required value: pathType must be specified")]),
            (path("a", json!("Exact"), &backend), vec![format!("{at}.path: Invalid value: \"a\": must be an absolute path")]),
            (path("/a//b", json!("Prefix"), &backend), vec![format!("{at}.path: Invalid value: \"/a//b\": must not contain '//'")]),
            (path("/a/..", json!("Prefix"), &backend), vec![format!("{at}.path: Invalid value: \"/a/..\": cannot end with '/..'")]),
            (
                path("/a", json!("Glob"), &backend),
                vec![format!(
                    "{at}.pathType: Unsupported value: \"Glob\": supported values: \"Exact\", \"ImplementationSpecific\", \"Prefix\""
                )],
            ),
            (
                path("/a", json!("Prefix"), &json!({"service": {"name": "web"}})),
                vec![format!("{at}.backend: Required value: port name or number is required")],
            ),
            (
                json!({"rules": [{"host": "10.0.0.1"}]}),
                vec!["spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address".to_string()],
            ),
            (json!({"rules": [{"host": "*.example.com"}]}), vec![]),
        ] {
            assert_eq!(texts("Ingress", spec.clone()), want, "{spec}");
        }
        assert_eq!(texts("Ingress", json!({"rules": [{"host": "a.*.com"}]})).len(), 1);
    }

    #[test]
    fn policy_table() {
        let ingress = |rule: Value| json!({"podSelector": {}, "ingress": [rule]});
        for (spec, want) in [
            (ingress(json!({})), vec![]),
            (ingress(json!({"ports": [{"port": 80, "endPort": 90}]})), vec![]),
            (
                ingress(json!({"ports": [{"port": 80, "endPort": 70}]})),
                vec!["spec.ingress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`"],
            ),
            (
                ingress(json!({"ports": [{"port": "http", "endPort": 70}]})),
                vec!["spec.ingress[0].ports[0].endPort: Invalid value: 70: may not be specified when `port` is non-numeric"],
            ),
            (ingress(json!({"from": [{}]})), vec!["spec.ingress[0].from[0]: Required value: must specify a peer"]),
            (
                ingress(json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]})),
                vec!["spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"],
            ),
            (
                json!({"podSelector": {}, "policyTypes": ["Both"]}),
                vec!["spec.policyTypes[0]: Unsupported value: \"Both\": supported values: \"Egress\", \"Ingress\""],
            ),
        ] {
            assert_eq!(texts("NetworkPolicy", spec.clone()), want, "{spec}");
        }
    }
}
