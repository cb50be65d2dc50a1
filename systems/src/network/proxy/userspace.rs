//! The mode userspace, of old: four chains send connections to ports of the proxy itself, which opens others to the endpoints in turn.
//!
//! Source: kubernetes up to v1.25, `pkg/proxy/userspace/proxier.go`. Choice: the proxy's own ports are those from 40000 on in order of the
//! Services' names, where the original takes any that are free.

use super::{Looked, Table};
use crate::network::look::NodeView;
use std::net::Ipv4Addr;

/// The proxy's first port.
const PORTS_FROM: u16 = 40_000;

/// The table of a node, and what the proxy keeps in its memory: for each of its ports the endpoints in turn.
pub(crate) fn tables(ports: &[Looked], node: &NodeView) -> Vec<Table> {
    let (mut nat, mut turns) = (Table::new("nat"), Table::new("round-robin"));
    for chain in ["KUBE-PORTALS-CONTAINER", "KUBE-PORTALS-HOST", "KUBE-NODEPORT-CONTAINER", "KUBE-NODEPORT-HOST"] {
        nat.chain(chain);
    }
    let own = Ipv4Addr::from(node.ip);
    for (nth, looked) in ports.iter().enumerate() {
        let (port, name, protocol) = (&looked.port, &looked.name, &looked.protocol);
        let to = PORTS_FROM.wrapping_add(nth as u16);
        let addresses = [&looked.cluster_ip].into_iter().chain(&port.external_ips).chain(&port.balancer_ips);
        for ip in addresses {
            let from = format!("-d {ip}/32 -p {protocol} -m comment --comment {name} -m {protocol} --dport {}", port.port);
            nat.rule(format!("-A KUBE-PORTALS-CONTAINER {from} -j REDIRECT --to-ports {to}"));
            nat.rule(format!("-A KUBE-PORTALS-HOST {from} -j DNAT --to-destination {own}:{to}"));
        }
        if port.node_port != 0 {
            let from = format!("-p {protocol} -m comment --comment {name} -m {protocol} --dport {}", port.node_port);
            nat.rule(format!("-A KUBE-NODEPORT-CONTAINER {from} -j REDIRECT --to-ports {to}"));
            nat.rule(format!("-A KUBE-NODEPORT-HOST {from} -j DNAT --to-destination {own}:{to}"));
        }
        turns.chain(&format!("{name} on {to}"));
        for endpoint in port.endpoints.iter().filter(|endpoint| endpoint.ready) {
            let sticky = port.affinity_s.map_or(String::new(), |seconds| format!(", clients stay {seconds} s"));
            turns.rule(format!("{to} -> {}{sticky}", endpoint.text()));
        }
    }
    vec![nat, turns]
}
