//! The mode iptables: the chains and rules of the tables filter and nat.
//!
//! Source: kubernetes v1.36, `pkg/proxy/iptables/proxier.go`, `syncProxyRules`; `spec/networking.md` §7. Choice: Services in order of their
//! names, where the original walks a map.

use super::{CLUSTER_CIDR, Looked, Table, hashed};
use crate::network::look::{EndpointView, NodeView};

/// With more endpoints than this, rules have no comments.
const LARGE: usize = 1000;
/// Services of that type and rules of that mark are told apart by it.
const MARK: &str = "0x00004000";

struct Writer<'a> {
    filter: Table,
    nat: Table,
    node: &'a NodeView,
    large: bool,
}

/// The tables of a node.
pub(crate) fn tables(ports: &[Looked], node: &NodeView) -> Vec<Table> {
    let large = ports.iter().map(|looked| looked.port.endpoints.len()).sum::<usize>() > LARGE;
    let mut writer = Writer { filter: Table::new("filter"), nat: Table::new("nat"), node, large };
    writer.begin();
    ports.iter().for_each(|looked| writer.port(looked));
    writer.end();
    vec![writer.filter, writer.nat]
}

impl Writer<'_> {
    fn begin(&mut self) {
        for chain in ["KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD", "KUBE-NODEPORTS", "KUBE-PROXY-FIREWALL"] {
            self.filter.chain(chain);
        }
        for chain in ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"] {
            self.nat.chain(chain);
        }
        self.nat.rule(format!("-A KUBE-POSTROUTING -m mark ! --mark {MARK}/{MARK} -j RETURN"));
        self.nat.rule(format!("-A KUBE-POSTROUTING -j MARK --xor-mark {MARK}"));
        let snat = "\"kubernetes service traffic requiring SNAT\"";
        self.nat.rule(format!("-A KUBE-POSTROUTING -m comment --comment {snat} -j MASQUERADE --random-fully"));
        self.nat.rule(format!("-A KUBE-MARK-MASQ -j MARK --or-mark {MARK}"));
        self.filter.chain("KUBE-FIREWALL");
        self.filter.rule(
            "-A KUBE-FIREWALL -m comment --comment \"block incoming localnet connections\" -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
        );
    }

    fn end(&mut self) {
        let note = "\"kubernetes service nodeports; NOTE: this must be the last rule in this chain\"";
        self.nat.rule(format!("-A KUBE-SERVICES -m comment --comment {note} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"));
        self.filter.rule("-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP");
        let forward = "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding";
        self.filter.rule(format!("{forward} rules\" -m mark --mark {MARK}/{MARK} -j ACCEPT"));
        self.filter.rule(format!("{forward} conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"));
    }

    fn port(&mut self, looked: &Looked) {
        let (port, name, protocol) = (&looked.port, &looked.name, &looked.protocol);
        let chains = Chains::of(looked);
        let (internal, external) = (looked.has(port.internal_local), looked.has(port.external_local));
        let to = |comment: &str, ip: &str| {
            format!("-m comment --comment \"{name} {comment}\" -m {protocol} -p {protocol} -d {ip} --dport {}", port.port)
        };
        let (word, target) = if looked.any() { ("has no local endpoints", "DROP") } else { ("has no endpoints", "REJECT") };
        let cluster = to("cluster IP", &looked.cluster_ip);
        let inner = if port.internal_local { &chains.local } else { &chains.cluster };
        if internal {
            self.nat.rule(format!("-A KUBE-SERVICES {cluster} -j {inner}"));
        } else {
            self.filter.rule(format!("-A KUBE-SERVICES {} -j {target}", to(word, &looked.cluster_ip)));
        }
        let firewall = looked.any() && looked.has_firewall();
        let outer = if firewall { &chains.firewall } else { &chains.external };
        for (comment, ips, chain) in [("external IP", &port.external_ips, &chains.external), ("loadbalancer IP", &port.balancer_ips, outer)]
        {
            for ip in ips {
                if looked.any() {
                    self.nat.rule(format!("-A KUBE-SERVICES {} -j {chain}", to(comment, ip)));
                }
                if firewall && comment == "loadbalancer IP" {
                    let comment = format!("traffic not accepted by {}", chains.firewall);
                    self.filter.rule(format!("-A KUBE-PROXY-FIREWALL {} -j DROP", to(&comment, ip)));
                }
                if !external {
                    self.filter.rule(format!("-A KUBE-EXTERNAL-SERVICES {} -j {target}", to(word, ip)));
                }
            }
        }
        if port.node_port != 0 {
            let dport = format!("-m {protocol} -p {protocol} --dport {}", port.node_port);
            if looked.any() {
                self.nat.rule(format!("-A KUBE-NODEPORTS -m comment --comment {name} {dport} -j {}", chains.external));
            }
            if !external {
                self.filter.rule(format!(
                    "-A KUBE-EXTERNAL-SERVICES -m comment --comment \"{name} {word}\" -m addrtype --dst-type LOCAL {dport} -j {target}"
                ));
            }
        }
        if port.health_check_port != 0 {
            let health = port.health_check_port;
            self.filter.rule(format!(
                "-A KUBE-NODEPORTS -m comment --comment \"{name} health check node port\" -m tcp -p tcp --dport {health} -j ACCEPT"
            ));
        }
        if internal {
            self.nat.rule(format!("-A {inner} {cluster} ! -s {CLUSTER_CIDR} -j KUBE-MARK-MASQ"));
        }
        if looked.any() && port.external() {
            self.external(looked, &chains, external);
        }
        if firewall {
            self.firewall(looked, &chains);
        }
        if looked.uses_cluster() {
            self.choose(looked, &chains.cluster, &looked.cluster());
        }
        if looked.uses_local() {
            self.choose(looked, &chains.local, &looked.local());
        }
        for endpoint in looked.all() {
            self.endpoint(looked, endpoint);
        }
    }

    fn external(&mut self, looked: &Looked, chains: &Chains, has_endpoints: bool) {
        let (name, chain) = (&looked.name, &chains.external);
        self.nat.chain(chain);
        let comment = |what: &str| format!("-A {chain} -m comment --comment \"{what} for {name} external destinations\"");
        if looked.port.external_local {
            self.nat.rule(format!("{} -s {CLUSTER_CIDR} -j {}", comment("pod traffic"), chains.cluster));
            let local = "-m addrtype --src-type LOCAL";
            self.nat.rule(format!("{} {local} -j KUBE-MARK-MASQ", comment("masquerade LOCAL traffic")));
            self.nat.rule(format!("{} {local} -j {}", comment("route LOCAL traffic"), chains.cluster));
        } else {
            self.nat.rule(format!("{} -j KUBE-MARK-MASQ", comment("masquerade traffic")));
        }
        if has_endpoints {
            self.nat.rule(format!("-A {chain} -j {}", if looked.port.external_local { &chains.local } else { &chains.cluster }));
        }
    }

    fn firewall(&mut self, looked: &Looked, chains: &Chains) {
        let (name, chain) = (&looked.name, &chains.firewall);
        self.nat.chain(chain);
        let from_node = if looked.allows_node(self.node) { &looked.port.balancer_ips[..] } else { &[] };
        for source in looked.port.source_ranges.iter().chain(from_node) {
            self.nat.rule(format!("-A {chain} -m comment --comment \"{name} loadbalancer IP\" -s {source} -j {}", chains.external));
        }
        self.nat.rule(format!("-A {chain} -m comment --comment \"other traffic to {name} will be dropped by KUBE-PROXY-FIREWALL\""));
    }

    /// The comment of a rule; none in a large cluster.
    fn comment(&self, text: String) -> String {
        if self.large { String::new() } else { format!(" -m comment --comment {text}") }
    }

    fn choose(&mut self, looked: &Looked, chain: &str, endpoints: &[&EndpointView]) {
        self.nat.chain(chain);
        let comment = |endpoint: &EndpointView| self.comment(format!("\"{} -> {}\"", looked.name, endpoint.text()));
        let mut rules = Vec::new();
        for endpoint in endpoints.iter().filter(|_| looked.port.affinity_s.is_some()) {
            let (own, seconds) = (endpoint_chain(looked, endpoint), looked.port.affinity_s.unwrap_or(0));
            rules.push(format!("-A {chain}{} -m recent --name {own} --rcheck --seconds {seconds} --reap -j {own}", comment(endpoint)));
        }
        for (at, endpoint) in endpoints.iter().enumerate() {
            let left = endpoints.len() - at;
            let random = if left > 1 { format!(" -m statistic --mode random --probability {}", probability(left)) } else { String::new() };
            rules.push(format!("-A {chain}{}{random} -j {}", comment(endpoint), endpoint_chain(looked, endpoint)));
        }
        self.nat.rules.extend(rules);
    }

    fn endpoint(&mut self, looked: &Looked, endpoint: &EndpointView) {
        let (chain, protocol) = (endpoint_chain(looked, endpoint), &looked.protocol);
        self.nat.chain(&chain);
        let comment = self.comment(looked.name.clone());
        let ip = std::net::Ipv4Addr::from(endpoint.ip);
        self.nat.rule(format!("-A {chain}{comment} -s {ip} -j KUBE-MARK-MASQ"));
        let seen = if looked.port.affinity_s.is_some() { format!(" -m recent --name {chain} --set") } else { String::new() };
        self.nat.rule(format!("-A {chain}{comment}{seen} -m {protocol} -p {protocol} -j DNAT --to-destination {}", endpoint.text()));
    }
}

struct Chains {
    cluster: String,
    local: String,
    external: String,
    firewall: String,
}

impl Chains {
    fn of(looked: &Looked) -> Chains {
        let hash = hashed(&format!("{}{}", looked.name, looked.protocol), 16);
        let chain = |prefix: &str| format!("{prefix}{hash}");
        Chains { cluster: chain("KUBE-SVC-"), local: chain("KUBE-SVL-"), external: chain("KUBE-EXT-"), firewall: chain("KUBE-FW-") }
    }
}

fn endpoint_chain(looked: &Looked, endpoint: &EndpointView) -> String {
    format!("KUBE-SEP-{}", hashed(&format!("{}{}{}", looked.name, looked.protocol, endpoint.text()), 16))
}

/// One of so many, with ten digits.
fn probability(of: usize) -> String {
    // 10¹⁰ / n, rounded: the same digits as those of a double with ten of them after the point.
    let digits = (10_000_000_000 + of as u64 / 2) / of as u64;
    format!("0.{digits:010}")
}
