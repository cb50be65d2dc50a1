//! A connection on its way: from its name to an endpoint.

use super::{Chosen, Client, Seen, Step, Target, backend_endpoints, ingresses, pod};
use crate::network::dns::{self, Answer};
use crate::network::ingress::Route;
use crate::network::look::{Cluster, NodeView, PodView, PortView};
use crate::network::policy::{Direction, Peer, PeerPod, Policies, Port, Verdict};
use crate::network::proxy::choice::{Choice, Ending, Way, choose};
use crate::network::proxy::{CLUSTER_CIDR, in_range, mode_text};
use std::net::Ipv4Addr;
use wavetank_engine::scene::network::{Cni, ProxyMode, Range};

/// One connection that is followed.
pub(super) struct Asking<'s> {
    pub(super) cluster: Cluster<'s>,
    pub(super) client: Client,
    pub(super) mode: ProxyMode,
    pub(super) policies: Policies,
    pub(super) cni: Cni,
    /// Addresses that the cloud gives to load balancers.
    pub(super) cloud: Option<Range>,
    pub(super) steps: Vec<Step>,
}

impl Asking<'_> {
    fn step(&mut self, who: &'static str, what: impl Into<String>) {
        self.steps.push(Step { who, what: what.into() });
    }

    fn end(&mut self, outcome: &'static str) -> Seen {
        Seen { outcome, steps: std::mem::take(&mut self.steps), endpoints: Vec::new() }
    }

    pub(super) fn target(&mut self, target: &Target<'_>, resolved: Option<Answer>) -> Seen {
        let parts: Vec<&str> = target.host.split('/').collect();
        let (kind, namespace, name) = match parts[..] {
            [kind, name] => (kind, "default", name),
            [kind, namespace, name] => (kind, namespace, name),
            _ => ("", "", ""),
        };
        match kind {
            "pod" | "po" => match pod(&self.cluster, namespace, name) {
                Ok(pod) if pod.ip != 0 => self.address(pod.ip, target),
                Ok(_) => {
                    self.step("network", format!("pod {namespace}/{name} has no address"));
                    self.end("no address")
                }
                Err(what) => {
                    self.step("network", what);
                    self.end("no address")
                }
            },
            "node" | "no" => match self.cluster.node(name) {
                Some(node) => self.address(node.ip, target),
                None => {
                    self.step("network", format!("there is no node {name:?}"));
                    self.end("no address")
                }
            },
            "service" | "svc" => self.named(&format!("{name}.{namespace}.svc.cluster.local."), target, resolved),
            _ => match target.host.parse::<Ipv4Addr>() {
                Ok(ip) => self.address(u32::from(ip), target),
                Err(_) => self.named(target.host, target, resolved),
            },
        }
    }

    /// A name: the cluster's name service for pods, else what an Ingress answers to.
    fn named(&mut self, name: &str, target: &Target<'_>, resolved: Option<Answer>) -> Seen {
        let search = match &self.client {
            Client::Pod(pod) => dns::search_path(pod),
            Client::Node(_) | Client::Outside(_) => None,
        };
        let Some(search) = search else {
            return self.named_elsewhere(name, target);
        };
        let cached = resolved.is_some();
        let answer = match resolved {
            Some(answer) => answer,
            None => {
                if let Some(what) = self.dns_denied() {
                    self.step("policy", what);
                    return self.end("timed out");
                }
                dns::resolve(&self.cluster, name, &search)
            }
        };
        let mut what = format!("{} {}", answer.tried.last().map_or(name, String::as_str), answer.code);
        for record in &answer.records {
            what.push_str(&format!(" {} {}", record.kind, record.data));
        }
        self.step("dns", what + if cached { " (kept from before)" } else { "" });
        if let Some(alias) = answer.records.iter().find(|record| record.kind == "CNAME") {
            self.step("dns", format!("{} lies outside the cluster", alias.data));
            return self.end("connected");
        }
        let addresses = answer.addresses();
        match addresses[..] {
            [] if answer.code == "NXDOMAIN" && target.http && ingresses(self.cluster.sim).knows_host(target.host) => self.ingress(target),
            [] => self.end("NXDOMAIN"),
            [ip] => self.address(ip, target),
            _ => self.addresses(&addresses, target),
        }
    }

    fn named_elsewhere(&mut self, name: &str, target: &Target<'_>) -> Seen {
        if target.http {
            return self.ingress(target);
        }
        if target.host.contains('/')
            && let Some(ip) = service_named(&self.cluster, name)
        {
            return self.address(ip, target);
        }
        self.step("dns", format!("{name}: names of the cluster are known to its pods alone"));
        self.end("NXDOMAIN")
    }

    /// What keeps the client from asking the name service, if anything does.
    fn dns_denied(&self) -> Option<String> {
        let Client::Pod(pod) = &self.client else { return None };
        let labels = [("k8s-app".to_string(), "kube-dns".to_string())].into();
        let namespace = "kube-system".to_string();
        let namespace_labels = self.cluster.namespace_labels(&namespace);
        let ports = vec![("dns".to_string(), 53, "UDP".to_string())];
        let server = Peer { ip: 0, pod: Some(PeerPod { namespace, namespace_labels, labels, ports }) };
        let verdict = self.policies.verdict(&self.peer_pod(pod), &server, Direction::Egress, Port { number: 53, protocol: "UDP" });
        (!verdict.allows() && !pod.host_network).then(|| format!("name service: {}", verdict.text(Direction::Egress)))
    }

    /// Several addresses of a headless Service: the client takes any.
    fn addresses(&mut self, ips: &[u32], target: &Target<'_>) -> Seen {
        let Some(port) = target.port.or_else(|| self.only_port(ips[0])) else { return self.no_port() };
        let share = 1_000_000 / ips.len() as u32;
        let endpoints: Vec<(u32, u16, u32)> = ips.iter().map(|&ip| (ip, port, share)).collect();
        self.finish(&endpoints, false)
    }

    fn no_port(&mut self) -> Seen {
        self.step("network", "no port is named, and it is not clear which one is meant");
        self.end("no address")
    }

    /// The target port of the only Service port that an endpoint is of.
    fn only_port(&self, ip: u32) -> Option<u16> {
        let pod = self.cluster.pod_at(ip)?;
        let mut ports = pod.ports.iter().map(|port| port.1);
        ports.next().filter(|_| ports.next().is_none())
    }

    /// An address: of a Service, of a node, of a pod, or of nobody.
    fn address(&mut self, ip: u32, target: &Target<'_>) -> Seen {
        let text = Ipv4Addr::from(ip).to_string();
        let ports = self.cluster.proxied();
        let of_ip: Vec<&PortView> = ports
            .iter()
            .filter(|port| port.cluster_ip == ip || port.external_ips.contains(&text) || port.balancer_ips.contains(&text))
            .collect();
        if !of_ip.is_empty() {
            let wanted = match (target.port, &of_ip[..]) {
                (Some(port), _) => of_ip.iter().find(|one| one.port == port),
                (None, [only]) => Some(only),
                (None, _) => return self.no_port(),
            };
            return match wanted.copied().cloned() {
                Some(port) => self.service(&port, ip),
                None => self.unknown_port(ip, target.port.unwrap_or(0)),
            };
        }
        if in_range(ip, "10.96.0.0/12") {
            self.step("service", format!("no Service has the address {text}"));
            return self.end("timed out");
        }
        if self.cloud.is_some_and(|range| ip >= range.from && ip - range.from < range.count) {
            self.step("load balancer", format!("no load balancer has the address {text}"));
            return self.end("timed out");
        }
        if let Some(node) = self.cluster.nodes().into_iter().find(|node| node.ip == ip) {
            return self.node_port(&ports, &node, target);
        }
        let Some(port) = target.port.or_else(|| self.only_port(ip)) else { return self.no_port() };
        self.finish(&[(ip, port, 1_000_000)], false)
    }

    fn unknown_port(&mut self, ip: u32, port: u16) -> Seen {
        self.step("service", format!("{} has no port {port} ({})", Ipv4Addr::from(ip), mode_text(self.mode)));
        self.end(if matches!(self.mode, ProxyMode::Nftables | ProxyMode::Ipvs) { "refused" } else { "timed out" })
    }

    fn node_port(&mut self, ports: &[PortView], node: &NodeView, target: &Target<'_>) -> Seen {
        let Some(number) = target.port else { return self.no_port() };
        if let Some(port) = ports.iter().find(|port| port.health_check_port == number && number != 0) {
            return self.health_check(port, node);
        }
        let Some(port) = ports.iter().find(|port| port.node_port == number) else {
            self.step("network", format!("nobody listens on port {number} of node {}", node.name));
            return self.end("refused");
        };
        if !node.ready {
            self.step("network", format!("node {} is not Ready", node.name));
            return self.end("timed out");
        }
        let from_node = match &self.client {
            Client::Pod(pod) => pod.node == node.name,
            Client::Node(own) => own.name == node.name,
            Client::Outside(_) => false,
        };
        let way = if from_node { Way::ExternalFromNode } else { Way::External };
        let choice = choose(port, node, self.mode, way, true);
        self.step("service", format!("{} at node port {number} of {}: {}", port.name(), node.name, choice.why));
        self.chosen(choice, Some(node))
    }

    /// What a load balancer hears that asks a node for its endpoints.
    fn health_check(&mut self, port: &PortView, node: &NodeView) -> Seen {
        if !node.ready {
            self.step("network", format!("node {} is not Ready", node.name));
            return self.end("timed out");
        }
        let local = port.endpoints.iter().filter(|endpoint| endpoint.ready && endpoint.node == node.name).count();
        let code = if local > 0 { "200" } else { "503" };
        let service = format!("{}/{}", port.namespace, port.service);
        self.step("service", format!("{service}: {local} local ready endpoints on {}, the health check answers {code}", node.name));
        self.end(if local > 0 { "connected" } else { "503" })
    }

    /// A Service port at its cluster address, an external one or that of its load balancer.
    fn service(&mut self, port: &PortView, ip: u32) -> Seen {
        let text = Ipv4Addr::from(ip).to_string();
        let balanced = port.balancer_ips.contains(&text);
        let node = match &self.client {
            Client::Pod(pod) => self.cluster.node(&pod.node),
            Client::Node(node) => Some(node.clone()),
            Client::Outside(_) => None,
        };
        let source = match (&self.client, &node) {
            (Client::Pod(pod), _) => pod.ip,
            (_, Some(node)) => node.ip,
            (Client::Outside(ip), None) => *ip,
            (Client::Node(node), None) => node.ip,
        };
        let allowed = || port.source_ranges.is_empty() || port.source_ranges.iter().any(|range| in_range(source, range));
        if balanced && self.mode != ProxyMode::Userspace && !allowed() {
            self.step("service", format!("{} lies in none of the source ranges of {}", Ipv4Addr::from(source), port.name()));
            return self.end("timed out");
        }
        match node {
            Some(node) => {
                let way = if port.cluster_ip == ip { Way::Internal } else { Way::ExternalFromNode };
                let choice = choose(port, &node, self.mode, way, matches!(self.client, Client::Node(_)));
                self.step("service", format!("{} at {text}:{}: {}", port.name(), port.port, choice.why));
                self.chosen(choice, Some(&node))
            }
            None if port.cluster_ip == ip => {
                self.step("service", format!("{text} is a cluster address: nobody outside knows a way to it"));
                self.end("timed out")
            }
            None if matches!(self.client, Client::Pod(_)) => {
                self.step("network", "the pod has no node yet");
                self.end("no address")
            }
            None => self.balanced(port, &text),
        }
    }

    /// From outside, through a load balancer: to every node that it takes for healthy.
    fn balanced(&mut self, port: &PortView, ip: &str) -> Seen {
        let has_local = |node: &NodeView| port.endpoints.iter().any(|endpoint| endpoint.ready && endpoint.node == node.name);
        let healthy = |node: &NodeView| !node.excluded && if port.external_local { has_local(node) } else { node.ready };
        let nodes: Vec<NodeView> = self.cluster.nodes().into_iter().filter(|node| healthy(node)).collect();
        if nodes.is_empty() {
            self.step("load balancer", format!("{ip}: no node is healthy"));
            return self.end("timed out");
        }
        self.step("load balancer", format!("{ip}: to one of {} healthy nodes", nodes.len()));
        let mut endpoints: Vec<(u32, u16, u32)> = Vec::new();
        let mut last = None;
        for node in &nodes {
            let choice = choose(port, node, self.mode, Way::External, true);
            let share = 1_000_000 / nodes.len() as u32 / (choice.endpoints.len() as u32).max(1);
            for endpoint in &choice.endpoints {
                match endpoints.iter_mut().find(|known| (known.0, known.1) == (endpoint.ip, endpoint.port)) {
                    Some(known) => known.2 += share,
                    None => endpoints.push((endpoint.ip, endpoint.port, share)),
                }
            }
            last = Some(choice);
        }
        let Some(choice) = last else { return self.end("timed out") };
        self.step("service", format!("{}: {}", port.name(), choice.why));
        match choice.ending {
            Ending::Connected => self.finish(&endpoints, choice.masqueraded),
            Ending::Refused => self.end("refused"),
            Ending::TimedOut => self.end("timed out"),
        }
    }

    fn chosen(&mut self, choice: Choice, node: Option<&NodeView>) -> Seen {
        match choice.ending {
            Ending::Refused => return self.end("refused"),
            Ending::TimedOut => return self.end("timed out"),
            Ending::Connected => {}
        }
        if let Some(node) = node.filter(|_| choice.masqueraded) {
            self.step("network", format!("the endpoint sees the address of node {}", node.name));
        }
        let share = 1_000_000 / choice.endpoints.len().max(1) as u32;
        let endpoints: Vec<(u32, u16, u32)> = choice.endpoints.iter().map(|endpoint| (endpoint.ip, endpoint.port, share)).collect();
        self.finish(&endpoints, choice.masqueraded)
    }

    /// Through the Ingress controller, which connects to endpoints itself.
    fn ingress(&mut self, target: &Target<'_>) -> Seen {
        match ingresses(self.cluster.sim).route(target.host, target.path) {
            Route::NotFound => {
                self.step("ingress", format!("no rule for {}{}", target.host, target.path));
                self.end("404")
            }
            Route::Resource { by } => {
                self.step("ingress", format!("{by}: a resource that is no Service"));
                self.end("connected")
            }
            Route::Backend { by, namespace, service, port } => {
                self.step("ingress", format!("{by} -> service {namespace}/{service}:{port}"));
                let endpoints = backend_endpoints(&self.cluster, &namespace, &service, &port);
                match endpoints {
                    None => {
                        self.step("ingress", "there is no such Service or port");
                        self.end("503")
                    }
                    Some(list) if list.is_empty() => {
                        self.step("ingress", "the Service has no ready endpoint");
                        self.end("503")
                    }
                    Some(list) => {
                        let share = 1_000_000 / list.len() as u32;
                        let chosen = list.iter().map(|endpoint| Chosen {
                            address: endpoint.text(),
                            pod: endpoint.pod.clone(),
                            node: endpoint.node.clone(),
                            share_ppm: share,
                            verdict: "from the Ingress controller, whose pods no policy is asked about".into(),
                            allowed: true,
                        });
                        let chosen = chosen.collect();
                        Seen { endpoints: chosen, ..self.end("connected") }
                    }
                }
            }
        }
    }

    fn peer_pod(&self, pod: &PodView) -> PeerPod {
        PeerPod {
            namespace: pod.namespace.clone(),
            namespace_labels: self.cluster.namespace_labels(&pod.namespace),
            labels: pod.labels.clone(),
            ports: pod.ports.clone(),
        }
    }

    /// Policies and the way to each endpoint: (address, port, share).
    fn finish(&mut self, endpoints: &[(u32, u16, u32)], masqueraded: bool) -> Seen {
        let mut chosen = Vec::new();
        for &(ip, port, share_ppm) in endpoints {
            let to = self.cluster.pod_at(ip).filter(|pod| pod.running);
            let gone = to.is_none() && in_range(ip, CLUSTER_CIDR);
            let (allowed, verdict) = self.verdict(ip, to.as_ref(), port, masqueraded);
            let (pod, node) = to.map(|pod| (pod.name, pod.node)).unwrap_or_default();
            chosen.push(Chosen {
                address: format!("{}:{port}", Ipv4Addr::from(ip)),
                pod,
                node,
                share_ppm,
                verdict: if gone { "nobody has this address".into() } else { verdict },
                allowed: allowed && !gone,
            });
        }
        if let (Client::Pod(own), Cni::Flannel) = (&self.client, self.cni)
            && chosen.iter().any(|one| !one.node.is_empty() && one.node != own.node)
        {
            self.step("network", "flannel: VXLAN to other nodes, 50 bytes of overhead a packet");
        }
        let outcome = if chosen.iter().any(|one| one.allowed) { "connected" } else { "timed out" };
        Seen { endpoints: chosen, ..self.end(outcome) }
    }

    /// What policies at both ends say of a connection to a pod.
    fn verdict(&self, ip: u32, to: Option<&PodView>, number: u16, masqueraded: bool) -> (bool, String) {
        if self.policies.is_empty() {
            return (true, "no policies".into());
        }
        let port = Port { number, protocol: "TCP" };
        let peer = |pod: &PodView| Peer { ip: pod.ip, pod: (!pod.host_network).then(|| self.peer_pod(pod)) };
        let mut texts = Vec::new();
        let mut allowed = true;
        let mut note = |verdict: Verdict, direction| {
            allowed &= verdict.allows();
            texts.push(verdict.text(direction));
        };
        let source = match &self.client {
            Client::Pod(pod) => peer(pod),
            Client::Node(node) => Peer { ip: node.ip, pod: None },
            Client::Outside(ip) => Peer { ip: if masqueraded { 0 } else { *ip }, pod: None },
        };
        let itself =
            matches!((&self.client, to), (Client::Pod(from), Some(to)) if (&from.namespace, &from.name) == (&to.namespace, &to.name));
        if itself {
            return (true, "a pod may always reach itself".into());
        }
        if let Client::Pod(from) = &self.client
            && !from.host_network
        {
            let other = to.map_or(Peer { ip, pod: None }, peer);
            note(self.policies.verdict(&self.peer_pod(from), &other, Direction::Egress, port), Direction::Egress);
        }
        if let Some(to) = to.filter(|to| !to.host_network) {
            let from_own_node = matches!(&self.client, Client::Node(node) if node.name == to.node);
            if !from_own_node {
                note(self.policies.verdict(&self.peer_pod(to), &source, Direction::Ingress, port), Direction::Ingress);
            }
        }
        (allowed, texts.join("; "))
    }
}

/// Address of a Service that is named in full.
fn service_named(cluster: &Cluster<'_>, name: &str) -> Option<u32> {
    let records = dns::records(cluster, name.trim_end_matches('.'))?;
    let address = records.iter().find(|record| record.kind == "A")?;
    address.data.parse::<Ipv4Addr>().ok().map(u32::from)
}
