//! Services, endpoints, ingresses and network policies.
//!
//! Source: kubernetes v1.36, `pkg/printers/internalversion/printers.go`, `printService`, `printEndpoints`,
//! `printEndpointSlice`, `printIngress`, `printNetworkPolicy`.

use super::{Printer, always, first_of, name, wide};
use crate::render::age::age;
use crate::render::look::{has, int, label_cell, list, scalar, scalar_or, selector_cell, text};
use serde_json::Value;

/// Addresses shown in a cell before it says how many more there are.
const SHOWN: usize = 3;

pub(super) const SERVICE: Printer = Printer {
    columns: &[
        always("NAME"),
        always("TYPE"),
        always("CLUSTER-IP"),
        always("EXTERNAL-IP"),
        always("PORT(S)"),
        always("AGE"),
        wide("SELECTOR"),
    ],
    row: |service, now| {
        vec![
            name(service),
            scalar(service, "/spec/type"),
            scalar_or(service, "/spec/clusterIPs/0", "<none>"),
            external_ip(service),
            ports(service),
            age(service, now),
            label_cell(service, "/spec/selector"),
        ]
    },
};

fn external_ip(service: &Value) -> String {
    let texts = |pointer: &str| list(service, pointer).iter().filter_map(|ip| ip.as_str().map(str::to_string)).collect::<Vec<_>>();
    let mut found = match text(service, "/spec/type") {
        "ExternalName" => return scalar(service, "/spec/externalName"),
        "LoadBalancer" => balancer_addresses(service),
        "ClusterIP" | "NodePort" => Vec::new(),
        _ => return "<unknown>".to_string(),
    };
    found.extend(texts("/spec/externalIPs"));
    match (found.is_empty(), text(service, "/spec/type")) {
        (false, _) => found.join(","),
        (true, "LoadBalancer") => "<pending>".to_string(),
        (true, _) => "<none>".to_string(),
    }
}

/// Addresses or host names that a load balancer was given, sorted, each once.
fn balancer_addresses(object: &Value) -> Vec<String> {
    let mut found: Vec<String> = list(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|ingress| scalar_or(ingress, "/ip", text(ingress, "/hostname")))
        .filter(|address| !address.is_empty())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn ports(service: &Value) -> String {
    let written: Vec<String> = list(service, "/spec/ports")
        .iter()
        .map(|port| match (int(port, "/port"), int(port, "/nodePort"), text(port, "/protocol")) {
            (port, 0, protocol) => format!("{port}/{protocol}"),
            (port, node_port, protocol) => format!("{port}:{node_port}/{protocol}"),
        })
        .collect();
    if written.is_empty() { "<none>".to_string() } else { written.join(",") }
}

pub(super) const ENDPOINTS: Printer = Printer {
    columns: &[always("NAME"), always("ENDPOINTS"), always("AGE")],
    row: |object, now| vec![name(object), endpoints(object), age(object, now)],
};

fn endpoints(object: &Value) -> String {
    let subsets = list(object, "/subsets");
    if subsets.is_empty() {
        return "<none>".to_string();
    }
    let mut found = Vec::new();
    for subset in subsets {
        let addresses = list(subset, "/addresses").iter().map(|address| text(address, "/ip"));
        if list(subset, "/ports").is_empty() {
            found.extend(addresses.map(str::to_string));
        } else {
            for port in list(subset, "/ports") {
                found.extend(addresses.clone().map(|ip| host_port(ip, int(port, "/port"))));
            }
        }
    }
    first_of(&found, SHOWN, ",")
}

/// `ip:port`, with brackets round an IPv6 address.
pub(in crate::render) fn host_port(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

pub(super) const ENDPOINT_SLICE: Printer = Printer {
    columns: &[always("NAME"), always("ADDRESSTYPE"), always("PORTS"), always("ENDPOINTS"), always("AGE")],
    row: |slice, now| {
        let ports: Vec<String> = list(slice, "/ports")
            .iter()
            .map(|port| if has(port, "/port") { scalar(port, "/port") } else { scalar_or(port, "/name", "*") })
            .collect();
        let addresses: Vec<String> =
            list(slice, "/endpoints").iter().flat_map(|endpoint| list(endpoint, "/addresses")).map(|ip| scalar(ip, "")).collect();
        let cell = |parts: &[String]| if parts.is_empty() { "<unset>".to_string() } else { first_of(parts, SHOWN, ",") };
        vec![name(slice), scalar(slice, "/addressType"), cell(&ports), cell(&addresses), age(slice, now)]
    },
};

pub(super) const INGRESS: Printer = Printer {
    columns: &[always("NAME"), always("CLASS"), always("HOSTS"), always("ADDRESS"), always("PORTS"), always("AGE")],
    row: |ingress, now| {
        let ports = if list(ingress, "/spec/tls").is_empty() { "80" } else { "80, 443" };
        vec![
            name(ingress),
            scalar_or(ingress, "/spec/ingressClassName", "<none>"),
            hosts(ingress),
            balancer_addresses(ingress).join(","),
            ports.to_string(),
            age(ingress, now),
        ]
    },
};

/// Hosts of the rules; once three are shown, the rest of the rules is only counted.
fn hosts(ingress: &Value) -> String {
    let rules = list(ingress, "/spec/rules");
    let (mut shown, mut more) = (Vec::new(), false);
    for rule in rules {
        more |= shown.len() == SHOWN;
        let host = text(rule, "/host");
        if !more && !host.is_empty() {
            shown.push(host);
        }
    }
    match (shown.is_empty(), more) {
        (true, _) => "*".to_string(),
        (false, false) => shown.join(","),
        (false, true) => format!("{} + {} more...", shown.join(","), rules.len() - SHOWN),
    }
}

pub(super) const NETWORK_POLICY: Printer = Printer {
    columns: &[always("NAME"), always("POD-SELECTOR"), always("AGE")],
    row: |policy, now| vec![name(policy), selector_cell(policy, "/spec/podSelector"), age(policy, now)],
};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn services() {
        for (spec, status, want) in [
            (
                json!({"type": "ClusterIP", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80, "protocol": "TCP"}], "selector": {"a": "b"}}),
                json!({}),
                "ClusterIP 10.0.0.1 <none> 80/TCP",
            ),
            (json!({"type": "ClusterIP", "clusterIPs": ["None"]}), json!({}), "ClusterIP None <none> <none>"),
            (
                json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}], "externalIPs": ["1.2.3.4"]}),
                json!({}),
                "NodePort <none> 1.2.3.4 80:30001/TCP,53/UDP",
            ),
            (json!({"type": "LoadBalancer"}), json!({}), "LoadBalancer <none> <pending> <none>"),
            (
                json!({"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]}),
                json!({"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}, {"hostname": "lb"}, {"ip": "1.1.1.1"}]}}),
                "LoadBalancer <none> 1.1.1.1,2.2.2.2,lb,9.9.9.9 <none>",
            ),
            (json!({"type": "ExternalName", "externalName": "db.example.com"}), json!({}), "ExternalName <none> db.example.com <none>"),
        ] {
            assert_eq!((SERVICE.row)(&json!({"spec": spec, "status": status}), 0)[1..5].join(" "), want);
        }
    }

    #[test]
    fn endpoints_show_three() {
        let addresses = |count: usize| (1..=count).map(|n| json!({"ip": format!("10.0.0.{n}")})).collect::<Vec<_>>();
        for (subsets, want) in [
            (json!([]), "<none>"),
            (json!([{"notReadyAddresses": addresses(2), "ports": [{"port": 80}]}]), ""),
            (json!([{"addresses": addresses(2), "ports": [{"port": 80}]}]), "10.0.0.1:80,10.0.0.2:80"),
            (json!([{"addresses": addresses(5), "ports": [{"port": 80}]}]), "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more..."),
            (json!([{"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 80}]}]), "[fd00::1]:80"),
            (json!([{"addresses": addresses(1)}]), "10.0.0.1"),
        ] {
            assert_eq!(endpoints(&json!({"subsets": subsets})), want);
        }
    }

    #[test]
    fn slices() {
        let slice = json!({
            "metadata": {"name": "s"},
            "addressType": "IPv4",
            "ports": [{"port": 80}, {"name": "dns"}, {}],
            "endpoints": [{"addresses": ["1"]}, {"addresses": ["2"]}, {"addresses": ["3"]}, {"addresses": ["4"]}],
        });
        assert_eq!((ENDPOINT_SLICE.row)(&slice, 0)[1..4], ["IPv4", "80,dns,*", "1,2,3 + 1 more..."]);
        assert_eq!((ENDPOINT_SLICE.row)(&json!({}), 0)[2..4], ["<unset>", "<unset>"]);
    }

    #[test]
    fn ingress_hosts() {
        let hosts = |names: &[&str]| hosts(&json!({"spec": {"rules": names.iter().map(|host| json!({"host": host})).collect::<Vec<_>>()}}));
        assert_eq!(hosts(&[]), "*");
        assert_eq!(hosts(&["a", "", "b"]), "a,b");
        assert_eq!(hosts(&["a", "b", "c", "d", "e"]), "a,b,c + 2 more...");
    }
}
