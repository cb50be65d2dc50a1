//! kube-proxy as data: the rules that each of its modes would hold on a node, and which endpoint a connection gets.
//!
//! Nothing of it exists while a scene runs; it is computed for whoever looks. Source: `spec/networking.md` §6 and §7.

pub mod choice;
pub mod iptables;
pub mod ipvs;
pub mod nftables;
pub mod userspace;

use crate::network::look::{Cluster, EndpointView, NodeView, PortView};
use crate::network::reach::Reach;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wavetank_engine::scene::network::ProxyMode;

/// Name and version of the machine-readable form.
pub const SCHEMA: &str = "wavetank.rules/1";

/// The pods' addresses: what is outside of them gets a node's address on its way to a Service.
pub const CLUSTER_CIDR: &str = "10.244.0.0/16";

/// Rules of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its name, such as `nat`.
    pub name: &'static str,
    /// Its chains, or what stands for them.
    pub chains: Vec<String>,
    /// Its rules, in order.
    pub rules: Vec<String>,
}

impl Table {
    pub(crate) fn new(name: &'static str) -> Table {
        Table { name, ..Table::default() }
    }

    pub(crate) fn chain(&mut self, name: &str) {
        self.chains.push(name.to_string());
    }

    pub(crate) fn rule(&mut self, rule: impl Into<String>) {
        self.rules.push(rule.into());
    }
}

/// All that a node's proxy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The mode.
    pub mode: ProxyMode,
    /// The node.
    pub node: String,
    /// The tables.
    pub tables: Vec<Table>,
}

impl Rules {
    /// Number of rules.
    pub fn count(&self) -> usize {
        self.tables.iter().map(|table| table.rules.len()).sum()
    }

    /// The rules as the mode's own tool prints them, and their number in the last line.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            out.push_str(&format!("*{}\n", table.name));
            table.chains.iter().for_each(|chain| out.push_str(&format!(":{chain}\n")));
            table.rules.iter().for_each(|rule| out.push_str(&format!("{rule}\n")));
        }
        let chains: usize = self.tables.iter().map(|table| table.chains.len()).sum();
        out + &format!("# {} rules in {chains} chains ({} on {})\n", self.count(), mode_text(self.mode), self.node)
    }

    /// The object `wavetank.rules/1`.
    pub fn json(&self) -> Value {
        let table = |table: &Table| json!({"name": table.name, "chains": table.chains, "rules": table.rules});
        json!({
            "schema": SCHEMA, "node": self.node, "mode": mode_text(self.mode), "count": self.count(),
            "tables": self.tables.iter().map(table).collect::<Vec<_>>(),
        })
    }
}

/// The word of a mode, as in kube-proxy's configuration.
pub const fn mode_text(mode: ProxyMode) -> &'static str {
    match mode {
        ProxyMode::Iptables => "iptables",
        ProxyMode::Ipvs => "ipvs",
        ProxyMode::Nftables => "nftables",
        ProxyMode::Userspace => "userspace",
    }
}

/// The rules of a node's proxy in a mode.
pub fn rules(cluster: &Cluster<'_>, node: &NodeView, mode: ProxyMode) -> Rules {
    let ports: Vec<Looked> = cluster.proxied().into_iter().map(|port| Looked::new(port, node)).collect();
    let tables = match mode {
        ProxyMode::Iptables => iptables::tables(&ports, node),
        ProxyMode::Ipvs => ipvs::tables(&ports, node),
        ProxyMode::Nftables => nftables::tables(&ports, node),
        ProxyMode::Userspace => userspace::tables(&ports, node),
    };
    Rules { mode, node: node.name.clone(), tables }
}

/// A Service port, and what of it a node uses.
pub(crate) struct Looked {
    pub(crate) port: PortView,
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) cluster_ip: String,
    reach: Reach,
}

impl Looked {
    pub(crate) fn new(port: PortView, node: &NodeView) -> Looked {
        let reach = port.reach(node);
        let cluster_ip = std::net::Ipv4Addr::from(port.cluster_ip).to_string();
        Looked { name: port.name(), protocol: port.protocol.to_ascii_lowercase(), cluster_ip, reach, port }
    }

    fn of(&self, places: Option<&Vec<usize>>) -> Vec<&EndpointView> {
        places.into_iter().flatten().map(|&place| &self.port.endpoints[place]).collect()
    }

    /// Endpoints for traffic with the policy Cluster.
    pub(crate) fn cluster(&self) -> Vec<&EndpointView> {
        self.of(self.reach.cluster.as_ref())
    }

    /// Endpoints for traffic with the policy Local.
    pub(crate) fn local(&self) -> Vec<&EndpointView> {
        self.of(self.reach.local.as_ref())
    }

    /// Those in one of the two.
    pub(crate) fn all(&self) -> Vec<&EndpointView> {
        self.of(self.reach.all.as_ref())
    }

    /// Whether there is a usable endpoint anywhere.
    pub(crate) fn any(&self) -> bool {
        self.reach.any
    }

    /// Whether traffic of a policy has somewhere to go from here.
    pub(crate) fn has(&self, local_policy: bool) -> bool {
        self.any() && (!local_policy || !self.local().is_empty())
    }

    pub(crate) fn uses_cluster(&self) -> bool {
        (!self.port.internal_local || self.port.external()) && !self.cluster().is_empty()
    }

    pub(crate) fn uses_local(&self) -> bool {
        (self.port.internal_local || self.port.external_local && self.port.external()) && !self.local().is_empty()
    }

    /// Whether sources of its load balancer are looked at.
    pub(crate) fn has_firewall(&self) -> bool {
        !self.port.balancer_ips.is_empty() && !self.port.source_ranges.is_empty()
    }

    /// Whether a source range holds the node's own address.
    pub(crate) fn allows_node(&self, node: &NodeView) -> bool {
        self.port.source_ranges.iter().any(|range| in_range(node.ip, range))
    }
}

/// Whether an address lies in a range such as `10.0.0.0/8`.
pub fn in_range(ip: u32, range: &str) -> bool {
    let (address, length) = range.split_once('/').unwrap_or((range, "32"));
    match (address.parse::<std::net::Ipv4Addr>(), length.parse::<u32>()) {
        (Ok(address), Ok(length @ 0..=32)) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            u32::from(address) & mask == ip & mask
        }
        _ => false,
    }
}

/// The first characters of the base32 form of a text's SHA-256: how chains get their names.
pub(crate) fn hashed(text: &str, length: usize) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = Sha256::digest(text.as_bytes());
    let bit = |at: usize| hash.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |nth: usize| (0..5).fold(0_usize, |digit, at| digit << 1 | usize::from(bit(nth * 5 + at)));
    (0..length).map(|nth| char::from(DIGITS[digit(nth)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_named_as_the_original_names_them() {
        // Source: kubernetes v1.36, `pkg/proxy/iptables/proxier_test.go`: the cluster chain of ns1/svc1:p80.
        assert_eq!(hashed("ns1/svc1:p80tcp", 16), "XPGD46QRK7WJZT7O");
        assert_eq!(hashed("ns1/svc1:p80tcp10.180.0.1:80", 16), "SXIVWICOYRO3J4NJ");
    }

    #[test]
    fn addresses_in_ranges() {
        let ip = |text: &str| u32::from(text.parse::<std::net::Ipv4Addr>().unwrap());
        for (address, range, want) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("1.2.3.4", "0.0.0.0/0", true),
            ("1.2.3.4", "1.2.3.4/32", true),
            ("1.2.3.5", "1.2.3.4", false),
            ("1.2.3.4", "fd00::/8", false),
        ] {
            assert_eq!(in_range(ip(address), range), want, "{address} {range}");
        }
    }
}
