//! The mode nftables: one table with chains, and maps and sets whose elements are counted as rules.
//!
//! Source: kubernetes v1.36, `pkg/proxy/nftables/proxier.go`, `setupNFTables`, `syncProxyRules`; `spec/networking.md` §7.

use super::{CLUSTER_CIDR, Looked, Table, hashed};
use crate::network::look::{EndpointView, NodeView};

const MARK: &str = "0x4000";
/// The range of cluster addresses, which the proxy learns from the ServiceCIDR.
const SERVICE_CIDR: &str = "10.96.0.0/12";

/// Chains that the kernel calls, and who calls the others.
const BASE: [&str; 8] = [
    "filter-prerouting-pre-dnat",
    "filter-output-pre-dnat",
    "filter-input",
    "filter-forward",
    "filter-output",
    "nat-prerouting",
    "nat-output",
    "nat-postrouting",
];
const JUMPS: [(&str, &str, &str); 11] = [
    ("nodeport-endpoints-check", "filter-input", "ct state new "),
    ("service-endpoints-check", "filter-input", "ct state new "),
    ("service-endpoints-check", "filter-forward", "ct state new "),
    ("service-endpoints-check", "filter-output", "ct state new "),
    ("firewall-check", "filter-prerouting-pre-dnat", "ct state new "),
    ("firewall-check", "filter-output-pre-dnat", "ct state new "),
    ("services", "nat-output", ""),
    ("services", "nat-prerouting", ""),
    ("masquerading", "nat-postrouting", ""),
    ("cluster-ips-check", "filter-forward", "ct state new "),
    ("cluster-ips-check", "filter-output", "ct state new "),
];

/// The table of a node.
pub(crate) fn tables(ports: &[Looked], node: &NodeView) -> Vec<Table> {
    let mut table = Table::new("kube-proxy");
    begin(&mut table, node);
    ports.iter().for_each(|looked| port(&mut table, looked, node));
    let mut ips: Vec<&str> = ports.iter().map(|looked| looked.cluster_ip.as_str()).collect();
    ips.sort_unstable();
    ips.dedup();
    ips.into_iter().for_each(|ip| element(&mut table, "cluster-ips", ip.to_string()));
    // Sets hold each element once.
    let mut seen = std::collections::BTreeSet::new();
    table.rules.retain(|rule| !rule.starts_with("add element") || seen.insert(rule.clone()));
    vec![table]
}

fn rule(table: &mut Table, chain: &str, rule: &str) {
    table.rule(format!("add rule ip kube-proxy {chain} {rule}"));
}

fn element(table: &mut Table, set: &str, element: String) {
    table.rule(format!("add element ip kube-proxy {set} {{ {element} }}"));
}

fn begin(table: &mut Table, node: &NodeView) {
    BASE.iter().for_each(|chain| table.chain(chain));
    let own = ["services", "cluster-ips-check", "masquerading", "reject-chain", "service-endpoints-check", "nodeport-endpoints-check"];
    own.iter().chain(&["firewall-check"]).for_each(|chain| table.chain(chain));
    for (to, from, when) in JUMPS {
        rule(table, from, &format!("{when}jump {to}"));
    }
    for (chain, text) in [
        ("masquerading", format!("mark and {MARK} != 0 mark set mark xor {MARK} masquerade fully-random")),
        (
            "masquerading",
            "ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random".into(),
        ),
        ("cluster-ips-check", "ip daddr @cluster-ips reject comment \"Reject traffic to invalid ports of ClusterIPs\"".into()),
        ("cluster-ips-check", format!("ip daddr {{ {SERVICE_CIDR} }} drop comment \"Drop traffic to unallocated ClusterIPs\"")),
        ("reject-chain", "reject".into()),
        ("service-endpoints-check", "ip daddr . meta l4proto . th dport vmap @no-endpoint-services".into()),
        ("nodeport-endpoints-check", "ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports".into()),
        ("firewall-check", "ip daddr . meta l4proto . th dport vmap @firewall-ips".into()),
        ("services", format!("ip daddr @cluster-ips ip saddr != {CLUSTER_CIDR} mark set mark or {MARK}")),
        ("services", "ip daddr . meta l4proto . th dport vmap @service-ips".into()),
        ("services", "ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports".into()),
    ] {
        rule(table, chain, &text);
    }
    element(table, "nodeport-ips", std::net::Ipv4Addr::from(node.ip).to_string());
}

fn port(table: &mut Table, looked: &Looked, node: &NodeView) {
    let (port, protocol) = (&looked.port, &looked.protocol);
    let base = base(&format!("{}/{}/{protocol}/{}", port.namespace, port.service, port.port_name));
    let chain = |prefix: &str| format!("{prefix}-{base}");
    let (cluster, local, outer) = (chain("service"), chain("local"), chain("external"));
    let verdict = if looked.any() { "drop" } else { "goto reject-chain" };
    let internal = if port.internal_local { &local } else { &cluster };
    let address = |ip: &str| format!("{ip} . {protocol} . {}", port.port);
    let nobody = |to: String| format!("{to} comment \"{}\" : {verdict}", looked.name);
    if looked.has(port.internal_local) {
        element(table, "service-ips", format!("{} : goto {internal}", address(&looked.cluster_ip)));
    } else {
        element(table, "no-endpoint-services", nobody(address(&looked.cluster_ip)));
    }
    for ip in port.external_ips.iter().chain(&port.balancer_ips) {
        if looked.any() {
            element(table, "service-ips", format!("{} : goto {outer}", address(ip)));
        }
        if !looked.has(port.external_local) {
            element(table, "no-endpoint-services", nobody(address(ip)));
        }
    }
    if port.node_port != 0 {
        let place = format!("{protocol} . {}", port.node_port);
        if looked.any() {
            element(table, "service-nodeports", format!("{place} : goto {outer}"));
        }
        if !looked.has(port.external_local) {
            element(table, "no-endpoint-nodeports", nobody(place));
        }
    }
    if looked.has_firewall() {
        let firewall = chain("firewall");
        table.chain(&firewall);
        let from_node = if looked.allows_node(node) { &port.balancer_ips[..] } else { &[] };
        let sources: Vec<&str> = port.source_ranges.iter().chain(from_node).map(String::as_str).collect();
        rule(table, &firewall, &format!("ip saddr != {{ {} }} drop", sources.join(", ")));
        for ip in &port.balancer_ips {
            element(table, "firewall-ips", format!("{} : goto {firewall}", address(ip)));
        }
    }
    if looked.any() && port.external() {
        external(table, looked, &outer, (&cluster, &local));
    }
    for endpoint in looked.all().into_iter().filter(|endpoint| endpoint.node == node.name) {
        let ip = std::net::Ipv4Addr::from(endpoint.ip);
        element(table, "hairpin-connections", format!("{ip} . {ip} . {protocol} . {}", endpoint.port));
    }
    for (used, chain, endpoints) in [(looked.uses_cluster(), &cluster, looked.cluster()), (looked.uses_local(), &local, looked.local())] {
        if used {
            choose(table, looked, chain, &endpoints);
        }
    }
    if let Some(seconds) = port.affinity_s {
        for endpoint in looked.all() {
            let name = endpoint_base(looked, endpoint);
            table.chain(&format!("endpoint-{name}"));
            table
                .rule(format!("add set ip kube-proxy affinity-{name} {{ type ipv4_addr ; flags dynamic,timeout ; timeout {seconds}s ; }}"));
            rule(table, &format!("endpoint-{name}"), &format!("update @affinity-{name} {{ ip saddr }}"));
            rule(table, &format!("endpoint-{name}"), &format!("meta l4proto {protocol} dnat to {}", endpoint.text()));
        }
    }
}

fn external(table: &mut Table, looked: &Looked, chain: &str, (cluster, local): (&str, &str)) {
    table.chain(chain);
    if looked.port.external_local {
        rule(table, chain, &format!("ip saddr {CLUSTER_CIDR} goto {cluster} comment \"short-circuit pod traffic\""));
        rule(table, chain, &format!("fib saddr type local mark set mark or {MARK} comment \"masquerade local traffic\""));
        rule(table, chain, &format!("fib saddr type local goto {cluster} comment \"short-circuit local traffic\""));
    } else {
        rule(table, chain, &format!("mark set mark or {MARK} comment \"masquerade\""));
    }
    if looked.has(looked.port.external_local) {
        rule(table, chain, &format!("goto {}", if looked.port.external_local { local } else { cluster }));
    }
}

fn choose(table: &mut Table, looked: &Looked, chain: &str, endpoints: &[&EndpointView]) {
    table.chain(chain);
    let number = endpoints.len();
    if looked.port.affinity_s.is_none() {
        let place =
            |(nth, endpoint): (usize, &&EndpointView)| format!("{nth} : {} . {}", std::net::Ipv4Addr::from(endpoint.ip), endpoint.port);
        let places: Vec<String> = endpoints.iter().enumerate().map(place).collect();
        let map = format!("dnat ip addr . port to numgen random mod {number} map {{ {} }}", places.join(" , "));
        rule(table, chain, &format!("meta l4proto {} {map}", looked.protocol));
        return;
    }
    for endpoint in endpoints {
        let name = endpoint_base(looked, endpoint);
        rule(table, chain, &format!("ip saddr @affinity-{name} goto endpoint-{name}"));
    }
    let places: Vec<String> =
        endpoints.iter().enumerate().map(|(nth, endpoint)| format!("{nth} : goto endpoint-{}", endpoint_base(looked, endpoint))).collect();
    rule(table, chain, &format!("numgen random mod {number} vmap {{ {} }}", places.join(" , ")));
}

fn base(name: &str) -> String {
    format!("{}-{name}", hashed(name, 8))
}

fn endpoint_base(looked: &Looked, endpoint: &EndpointView) -> String {
    let port = &looked.port;
    let ip = std::net::Ipv4Addr::from(endpoint.ip);
    base(&format!("{}/{}/{}/{}__{ip}/{}", port.namespace, port.service, looked.protocol, port.port_name, endpoint.port))
}
