//! What a client sees who connects to a Service through a node's proxy, and which endpoints the connection may get.
//!
//! Source: `spec/networking.md` §6.

use super::Looked;
use crate::network::look::{EndpointView, NodeView, PortView};
use wavetank_engine::scene::network::ProxyMode;

/// How a connection reaches the node's proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// At the cluster address.
    Internal,
    /// From outside: at a node port, a load balancer's address or an external one.
    External,
    /// At one of those, but from the node itself or one of its pods.
    ExternalFromNode,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// One of the endpoints takes it.
    Connected,
    /// The client is told that nobody is there.
    Refused,
    /// The client waits in vain.
    TimedOut,
}

/// What the proxy does with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// How it ends.
    pub ending: Ending,
    /// Why, or how the endpoint is chosen.
    pub why: String,
    /// Endpoints that may take it; each is as likely as the others.
    pub endpoints: Vec<EndpointView>,
    /// Whether the endpoint sees the node's address instead of the client's.
    pub masqueraded: bool,
}

/// Source of the choice among several endpoints, as each mode makes it.
fn rule_of(mode: ProxyMode, number: usize) -> String {
    match mode {
        _ if number == 1 => "the only endpoint".into(),
        ProxyMode::Iptables | ProxyMode::Nftables => format!("one of {number} at random for each connection"),
        ProxyMode::Ipvs => format!("{number} in turn (rr) for each connection of the node"),
        ProxyMode::Userspace => format!("{number} in turn for each connection of the node, through the proxy itself"),
    }
}

/// What the proxy of `node` does with a connection to a Service port. `outside`: the client is neither a pod nor this node.
pub fn choose(port: &PortView, node: &NodeView, mode: ProxyMode, way: Way, outside: bool) -> Choice {
    let looked = Looked::new(port.clone(), node);
    if mode == ProxyMode::Userspace {
        return in_userspace(port);
    }
    let local = match way {
        Way::Internal => port.internal_local,
        Way::External => port.external_local,
        Way::ExternalFromNode => false,
    };
    let end = |ending, why: String| Choice { ending, why, endpoints: Vec::new(), masqueraded: false };
    if !looked.any() {
        return end(Ending::Refused, format!("{} has no endpoints", looked.name));
    }
    let used: Vec<EndpointView> = if local { looked.local() } else { looked.cluster() }.into_iter().cloned().collect();
    if used.is_empty() {
        return end(Ending::TimedOut, format!("{} has no local endpoints on {}", looked.name, node.name));
    }
    let sticky = port.affinity_s.map_or(String::new(), |seconds| format!("; a client stays with its endpoint for {seconds} s"));
    let leaving = if used.iter().all(|endpoint| !endpoint.ready) { "; none is ready, those that are leaving still serve" } else { "" };
    let policy = if local { "; on this node only (policy Local)" } else { "" };
    let masqueraded = match way {
        Way::Internal => outside,
        Way::External => !port.external_local,
        Way::ExternalFromNode => true,
    };
    Choice { ending: Ending::Connected, why: rule_of(mode, used.len()) + policy + leaving + &sticky, endpoints: used, masqueraded }
}

/// The proxy takes every connection; without an endpoint it closes it at once. It knows no policies and sees ready endpoints alone.
fn in_userspace(port: &PortView) -> Choice {
    let endpoints: Vec<EndpointView> = port.endpoints.iter().filter(|endpoint| endpoint.ready).cloned().collect();
    if endpoints.is_empty() {
        let why = format!("{} has no endpoints: the proxy takes the connection and closes it", port.name());
        return Choice { ending: Ending::Refused, why, endpoints, masqueraded: true };
    }
    let sticky = port.affinity_s.map_or(String::new(), |seconds| format!("; a client stays with its endpoint for {seconds} s"));
    Choice { ending: Ending::Connected, why: rule_of(ProxyMode::Userspace, endpoints.len()) + &sticky, endpoints, masqueraded: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(endpoints: &[(&str, &str)]) -> PortView {
        let endpoint = |(nth, (node, state)): (usize, &(&str, &str))| EndpointView {
            ip: nth as u32 + 1,
            port: 80,
            pod: format!("p{nth}"),
            hostname: String::new(),
            node: (*node).into(),
            ready: *state == "ready",
            serving: *state != "unready",
            terminating: *state == "leaving",
            zone_hint: None,
            node_hint: None,
        };
        PortView {
            namespace: "default".into(),
            service: "web".into(),
            port_name: String::new(),
            protocol: "TCP".into(),
            cluster_ip: 1,
            port: 80,
            node_port: 30_080,
            external_ips: Vec::new(),
            balancer_ips: Vec::new(),
            source_ranges: Vec::new(),
            internal_local: false,
            external_local: true,
            affinity_s: None,
            health_check_port: 0,
            endpoints: endpoints.iter().enumerate().map(endpoint).collect(),
        }
    }

    /// Endpoints by node and state; the way a client takes; what it sees, and how many endpoints it may get.
    type Row = (&'static [(&'static str, &'static str)], Way, Ending, usize);

    #[test]
    fn what_a_client_sees() {
        let node = NodeView { name: "n1".into(), zone: String::new(), ip: 7, ready: true, excluded: false };
        let table: &[Row] = &[
            (&[], Way::Internal, Ending::Refused, 0),
            (&[("n1", "unready")], Way::Internal, Ending::Refused, 0),
            (&[("n1", "ready"), ("n2", "ready")], Way::Internal, Ending::Connected, 2),
            (&[("n1", "leaving"), ("n2", "leaving")], Way::Internal, Ending::Connected, 2),
            (&[("n1", "leaving"), ("n2", "ready")], Way::Internal, Ending::Connected, 1),
            (&[("n1", "ready"), ("n2", "ready")], Way::External, Ending::Connected, 1),
            (&[("n1", "leaving"), ("n2", "ready")], Way::External, Ending::Connected, 1),
            (&[("n2", "ready")], Way::External, Ending::TimedOut, 0),
            (&[("n2", "ready")], Way::ExternalFromNode, Ending::Connected, 1),
            (&[("n2", "unready")], Way::External, Ending::Refused, 0),
        ];
        for (endpoints, way, ending, number) in table {
            for mode in [ProxyMode::Iptables, ProxyMode::Nftables, ProxyMode::Ipvs] {
                let choice = choose(&port(endpoints), &node, mode, *way, false);
                assert_eq!((choice.ending, choice.endpoints.len()), (*ending, *number), "{endpoints:?} {way:?} {mode:?}");
            }
        }
        // Of old nobody looked at policies, and nobody that leaves got a connection.
        let choice = choose(&port(&[("n1", "leaving"), ("n2", "ready")]), &node, ProxyMode::Userspace, Way::External, true);
        assert_eq!((choice.ending, choice.endpoints.len()), (Ending::Connected, 1));
    }
}
