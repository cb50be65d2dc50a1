//! The mode ipvs: virtual servers with their real servers, the sets of addresses, and the few rules of iptables that look into the sets.
//!
//! Source: kubernetes v1.36, `pkg/proxy/ipvs/proxier.go`, `syncProxyRules`, `writeIptablesRules`; `spec/networking.md` §7.

use super::{CLUSTER_CIDR, Looked, Table};
use crate::network::look::NodeView;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The tables of a node: `ipvs` as `ipvsadm -S -n` prints it, `ipset` as `ipset save` does.
pub(crate) fn tables(ports: &[Looked], node: &NodeView) -> Vec<Table> {
    let (mut ipvs, mut sets) = (Table::new("ipvs"), Table::new("ipset"));
    let mut entries: BTreeSet<(&'static str, String)> = BTreeSet::new();
    for looked in ports {
        port(&mut ipvs, &mut entries, looked, node);
    }
    for (set, entry) in &entries {
        if !sets.chains.iter().any(|known| known == set) {
            sets.chain(set);
        }
        sets.rule(format!("add {set} {entry}"));
    }
    let filled: BTreeSet<&str> = entries.iter().map(|(set, _)| *set).collect();
    let mut out = vec![ipvs, sets];
    out.extend(iptables(&filled));
    out
}

fn port(ipvs: &mut Table, entries: &mut BTreeSet<(&'static str, String)>, looked: &Looked, node: &NodeView) {
    let (port, protocol) = (&looked.port, &looked.protocol);
    let at = |ip: &str| format!("{ip},{protocol}:{}", port.port);
    entries.insert(("KUBE-CLUSTER-IP", at(&looked.cluster_ip)));
    entries.insert(("KUBE-IPVS-IPS", looked.cluster_ip.clone()));
    server(ipvs, looked, &looked.cluster_ip, port.port, port.internal_local);
    for ip in &port.external_ips {
        entries.insert((if port.external_local { "KUBE-EXTERNAL-IP-LOCAL" } else { "KUBE-EXTERNAL-IP" }, at(ip)));
        entries.insert(("KUBE-IPVS-IPS", ip.clone()));
        server(ipvs, looked, ip, port.port, port.external_local);
    }
    for ip in &port.balancer_ips {
        entries.insert(("KUBE-LOAD-BALANCER", at(ip)));
        entries.insert(("KUBE-IPVS-IPS", ip.clone()));
        if port.external_local {
            entries.insert(("KUBE-LOAD-BALANCER-LOCAL", at(ip)));
        }
        if !port.source_ranges.is_empty() {
            entries.insert(("KUBE-LOAD-BALANCER-FW", at(ip)));
            for range in &port.source_ranges {
                entries.insert(("KUBE-LOAD-BALANCER-SOURCE-CIDR", format!("{},{range}", at(ip))));
            }
            if looked.allows_node(node) {
                entries.insert(("KUBE-LOAD-BALANCER-SOURCE-IP", format!("{},{ip}", at(ip))));
            }
        }
        server(ipvs, looked, ip, port.port, port.external_local);
    }
    if port.node_port != 0 {
        let set = match (protocol.as_str(), port.external_local) {
            ("udp", true) => "KUBE-NODE-PORT-LOCAL-UDP",
            ("udp", false) => "KUBE-NODE-PORT-UDP",
            ("sctp", true) => "KUBE-NODE-PORT-LOCAL-SCTP-HASH",
            ("sctp", false) => "KUBE-NODE-PORT-SCTP-HASH",
            (_, true) => "KUBE-NODE-PORT-LOCAL-TCP",
            (_, false) => "KUBE-NODE-PORT-TCP",
        };
        entries.insert((set, port.node_port.to_string()));
        server(ipvs, looked, &Ipv4Addr::from(node.ip).to_string(), port.node_port, port.external_local);
    }
    if port.health_check_port != 0 {
        entries.insert(("KUBE-HEALTH-CHECK-NODE-PORT", port.health_check_port.to_string()));
    }
    for endpoint in looked.all().into_iter().filter(|endpoint| endpoint.node == node.name) {
        let ip = Ipv4Addr::from(endpoint.ip);
        entries.insert(("KUBE-LOOP-BACK", format!("{ip},{protocol}:{},{ip}", endpoint.port)));
    }
}

/// One virtual server, round robin. An endpoint on its way out that is no longer used keeps a place of weight 0 for what is connected.
fn server(ipvs: &mut Table, looked: &Looked, ip: &str, port: u16, local: bool) {
    let letter = match looked.protocol.as_str() {
        "udp" => 'u',
        "sctp" => 's',
        _ => 't',
    };
    let sticky = looked.port.affinity_s.map_or(String::new(), |seconds| format!(" -p {seconds}"));
    ipvs.chain(&format!("{ip}:{port}/{}", looked.protocol));
    ipvs.rule(format!("-A -{letter} {ip}:{port} -s rr{sticky}"));
    let used = if local { looked.local() } else { looked.cluster() };
    for endpoint in &used {
        ipvs.rule(format!("-a -{letter} {ip}:{port} -r {} -m -w 1", endpoint.text()));
    }
    for endpoint in looked.port.endpoints.iter().filter(|endpoint| endpoint.terminating && !used.contains(endpoint)) {
        ipvs.rule(format!("-a -{letter} {ip}:{port} -r {} -m -w 0", endpoint.text()));
    }
}

/// The rules of iptables; a set without entries has none.
fn iptables(filled: &BTreeSet<&str>) -> [Table; 2] {
    let (mut filter, mut nat) = (Table::new("filter"), Table::new("nat"));
    let filter_chains = ["KUBE-FORWARD", "KUBE-NODE-PORT", "KUBE-PROXY-FIREWALL", "KUBE-SOURCE-RANGES-FIREWALL", "KUBE-IPVS-FILTER"];
    filter_chains.iter().for_each(|chain| filter.chain(chain));
    let nat_chains = ["KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER", "KUBE-MARK-MASQ"];
    nat_chains.iter().for_each(|chain| nat.chain(chain));
    nat.rule("-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN");
    let sets = [
        ("KUBE-LOOP-BACK", "KUBE-POSTROUTING", "MASQUERADE", "dst,dst,src", ""),
        ("KUBE-LOAD-BALANCER", "KUBE-SERVICES", "KUBE-LOAD-BALANCER", "dst,dst", ""),
        ("KUBE-LOAD-BALANCER-LOCAL", "KUBE-LOAD-BALANCER", "RETURN", "dst,dst", ""),
        ("KUBE-NODE-PORT-LOCAL-TCP", "KUBE-NODE-PORT", "RETURN", "dst", " -p tcp"),
        ("KUBE-NODE-PORT-TCP", "KUBE-NODE-PORT", "KUBE-MARK-MASQ", "dst", " -p tcp"),
        ("KUBE-NODE-PORT-LOCAL-UDP", "KUBE-NODE-PORT", "RETURN", "dst", " -p udp"),
        ("KUBE-NODE-PORT-UDP", "KUBE-NODE-PORT", "KUBE-MARK-MASQ", "dst", " -p udp"),
        ("KUBE-NODE-PORT-LOCAL-SCTP-HASH", "KUBE-NODE-PORT", "RETURN", "dst,dst", " -p sctp"),
        ("KUBE-NODE-PORT-SCTP-HASH", "KUBE-NODE-PORT", "KUBE-MARK-MASQ", "dst,dst", " -p sctp"),
    ];
    for (set, from, to, how, protocol) in sets.into_iter().filter(|(set, ..)| filled.contains(set)) {
        nat.rule(format!("-A {from}{protocol} -m set --match-set {set} {how} -j {to}"));
    }
    if filled.contains("KUBE-LOAD-BALANCER-FW") {
        filter.rule("-A KUBE-PROXY-FIREWALL -m set --match-set KUBE-LOAD-BALANCER-FW dst,dst -j KUBE-SOURCE-RANGES-FIREWALL");
        filter.rule("-A KUBE-SOURCE-RANGES-FIREWALL -m set --match-set KUBE-LOAD-BALANCER-SOURCE-CIDR dst,dst,src -j RETURN");
        if filled.contains("KUBE-LOAD-BALANCER-SOURCE-IP") {
            filter.rule("-A KUBE-SOURCE-RANGES-FIREWALL -m set --match-set KUBE-LOAD-BALANCER-SOURCE-IP dst,dst,src -j RETURN");
        }
    }
    if filled.contains("KUBE-CLUSTER-IP") {
        nat.rule(format!("-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst ! -s {CLUSTER_CIDR} -j KUBE-MARK-MASQ"));
    }
    for set in ["KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL"].into_iter().filter(|set| filled.contains(set)) {
        let looked = format!("-A KUBE-SERVICES -m set --match-set {set} dst,dst");
        if set == "KUBE-EXTERNAL-IP" {
            nat.rule(format!("{looked} -j KUBE-MARK-MASQ"));
        }
        nat.rule(format!("{looked} -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT"));
        nat.rule(format!("{looked} -m addrtype --dst-type LOCAL -j ACCEPT"));
    }
    nat.rule("-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT");
    nat.rule("-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ");
    filter.rule("-A KUBE-SOURCE-RANGES-FIREWALL -j DROP");
    for set in ["KUBE-CLUSTER-IP", "KUBE-LOAD-BALANCER"].into_iter().filter(|set| filled.contains(set)) {
        nat.rule(format!("-A KUBE-SERVICES -m set --match-set {set} dst,dst -j ACCEPT"));
    }
    filter.rule("-A KUBE-FORWARD -m mark --mark 0x00004000/0x00004000 -j ACCEPT");
    filter.rule("-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
    filter.rule("-A KUBE-NODE-PORT -m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j ACCEPT");
    for (set, how) in [
        ("KUBE-LOAD-BALANCER", "dst,dst"),
        ("KUBE-CLUSTER-IP", "dst,dst"),
        ("KUBE-EXTERNAL-IP", "dst,dst"),
        ("KUBE-EXTERNAL-IP-LOCAL", "dst,dst"),
        ("KUBE-HEALTH-CHECK-NODE-PORT", "dst"),
    ] {
        filter.rule(format!("-A KUBE-IPVS-FILTER -m set --match-set {set} {how} -j RETURN"));
    }
    filter.rule("-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst -j REJECT");
    nat.rule("-A KUBE-POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN");
    nat.rule("-A KUBE-POSTROUTING -j MARK --xor-mark 0x00004000");
    nat.rule("-A KUBE-POSTROUTING -j MASQUERADE --random-fully");
    nat.rule("-A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000");
    [filter, nat]
}
