//! The network as it is at a moment, for whoever asks: Services with their ports and endpoints, nodes, pods. Computed when looked at.

use crate::network::reach::{Candidate, Hint, Policies, Reach, categorize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use wavetank_engine::api::objects::{Objects, Row};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Revision};
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::network::{Endpoint, EndpointSlice, Service, ServicePort, ServiceStatus, ServiceType};
use wavetank_engine::model::node::{Node, NodeStatus};
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::targets::{slices_of, zone_hints_of};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::words;

/// Labels as texts.
pub type Labels = BTreeMap<String, String>;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Name.
    pub name: String,
    /// Its zone; empty: none.
    pub zone: String,
    /// Its address as a big-endian number.
    pub ip: u32,
    /// Whether it is Ready.
    pub ready: bool,
    /// Whether load balancers leave it out.
    pub excluded: bool,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its address as a big-endian number; 0: none.
    pub ip: u32,
    /// Its node; empty: none.
    pub node: String,
    /// Labels.
    pub labels: Labels,
    /// Names and numbers of its containers' ports, with their protocols.
    pub ports: Vec<(String, u16, String)>,
    /// Whether it uses its node's address.
    pub host_network: bool,
    /// Whether its containers run.
    pub running: bool,
    /// `dnsPolicy`; empty: the default.
    pub dns_policy: String,
}

/// One port of a Service as a proxy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortView {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// Name of the port; may be empty.
    pub port_name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The cluster address as a big-endian number.
    pub cluster_ip: u32,
    /// The port.
    pub port: u16,
    /// The node port; 0: none.
    pub node_port: u16,
    /// `externalIPs`.
    pub external_ips: Vec<String>,
    /// Addresses of its load balancer.
    pub balancer_ips: Vec<String>,
    /// `loadBalancerSourceRanges`.
    pub source_ranges: Vec<String>,
    /// `internalTrafficPolicy: Local`.
    pub internal_local: bool,
    /// `externalTrafficPolicy: Local`.
    pub external_local: bool,
    /// How long clients stay with their endpoint. Unit: seconds.
    pub affinity_s: Option<u64>,
    /// The health check's node port; 0: none.
    pub health_check_port: u16,
    /// All endpoints, in order of their text `ip:port`.
    pub endpoints: Vec<EndpointView>,
}

/// An endpoint of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointView {
    /// Address as a big-endian number.
    pub ip: u32,
    /// Port.
    pub port: u16,
    /// Its pod; empty: none.
    pub pod: String,
    /// Its hostname; empty: none.
    pub hostname: String,
    /// Its node; empty: none.
    pub node: String,
    /// `conditions.ready`.
    pub ready: bool,
    /// `conditions.serving`.
    pub serving: bool,
    /// `conditions.terminating`.
    pub terminating: bool,
    /// The zone whose clients had better use it.
    pub zone_hint: Option<String>,
    /// The node whose clients had better use it.
    pub node_hint: Option<String>,
}

impl EndpointView {
    /// `ip:port`.
    pub fn text(&self) -> String {
        format!("{}:{}", Ipv4Addr::from(self.ip), self.port)
    }
}

impl PortView {
    /// `namespace/service:port`, without the colon when the port has no name.
    pub fn name(&self) -> String {
        let colon = if self.port_name.is_empty() { "" } else { ":" };
        format!("{}/{}{colon}{}", self.namespace, self.service, self.port_name)
    }

    /// Whether it can be reached from outside the cluster.
    pub fn external(&self) -> bool {
        self.node_port != 0 || !self.balancer_ips.is_empty() || !self.external_ips.is_empty()
    }

    /// Which endpoints the proxy of a node uses.
    pub fn reach(&self, node: &NodeView) -> Reach {
        let hint = |hint: &Option<String>, here: &str| match hint {
            None => Hint::Absent,
            Some(name) if name == here => Hint::Here,
            Some(_) => Hint::Elsewhere,
        };
        let candidate = |endpoint: &EndpointView| Candidate {
            local: endpoint.node == node.name,
            ready: endpoint.ready,
            serving: endpoint.serving,
            terminating: endpoint.terminating,
            node_hint: hint(&endpoint.node_hint, &node.name),
            zone_hint: hint(&endpoint.zone_hint, &node.zone),
        };
        let candidates: Vec<Candidate> = self.endpoints.iter().map(candidate).collect();
        let policies = Policies { internal_local: self.internal_local, external_local: self.external_local, external: self.external() };
        categorize(&candidates, policies)
    }
}

/// What is asked of: one moment of a simulation.
#[derive(Clone, Copy)]
pub struct Cluster<'s> {
    /// The simulation.
    pub sim: &'s Simulation,
    names: &'s Names,
    labels: &'s LabelSets,
    objects: &'s Objects,
}

impl<'s> Cluster<'s> {
    /// The present moment of a simulation.
    pub fn new(sim: &'s Simulation) -> Cluster<'s> {
        Cluster { sim, names: sim.get(), labels: sim.get(), objects: sim.get() }
    }

    fn text(&self, sym: Sym) -> String {
        self.names.text(sym).to_string()
    }

    fn rows(&self, kind: Kind) -> impl Iterator<Item = &'s Row> {
        self.objects.of_kind(kind).filter(|row| row.gone == Revision::HEAD)
    }

    /// Labels of a set.
    pub fn label_map(&self, set: LabelSetId) -> Labels {
        self.labels.pairs(set).iter().map(|&(key, value)| (self.text(key), self.text(value))).collect()
    }

    fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<ObjRef> {
        let key = ObjectKey { kind, namespace: self.names.find(namespace)?, name: self.names.find_name(name)? };
        self.objects.by_key(key)
    }

    /// The node with a name.
    pub fn node(&self, name: &str) -> Option<NodeView> {
        self.node_of(self.objects.row(self.find(Kind::Node, "", name)?)?)
    }

    /// All nodes, by name.
    pub fn nodes(&self) -> Vec<NodeView> {
        let mut nodes: Vec<NodeView> = self.rows(Kind::Node).filter_map(|row| self.node_of(row)).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        nodes
    }

    fn node_of(&self, row: &Row) -> Option<NodeView> {
        let status = self.sim.state::<NodeStatus>(row.object)?;
        let label = |key: &str| self.names.find(key).and_then(|key| self.labels.get(row.labels, key));
        let leaving = |node: &Node| node.taints.iter().any(|taint| self.names.text(taint.key) == "ToBeDeletedByClusterAutoscaler");
        let terminating = self.sim.state::<Meta>(row.object).is_some_and(Meta::terminating);
        Some(NodeView {
            name: self.names.render(row.key.name),
            zone: self.labels.get(row.labels, words::ZONE_LABEL).map_or(String::new(), |zone| self.text(zone)),
            ip: status.address,
            ready: status.ready(),
            excluded: terminating
                || label("node.kubernetes.io/exclude-from-external-load-balancers").is_some()
                || self.sim.state::<Node>(row.object).is_some_and(leaving),
        })
    }

    /// The pod with a name.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<PodView> {
        self.pod_of(self.objects.row(self.find(Kind::Pod, namespace, name)?)?)
    }

    /// The living pod with an address of its own, if any.
    pub fn pod_at(&self, ip: u32) -> Option<PodView> {
        let has = |row: &&Row| self.sim.state::<PodStatus>(row.object).is_some_and(|status| status.pod_ip == ip);
        self.rows(Kind::Pod).filter(has).filter_map(|row| self.pod_of(row)).find(|pod| !pod.host_network)
    }

    fn pod_of(&self, row: &Row) -> Option<PodView> {
        let (pod, status) = (self.sim.state::<Pod>(row.object)?, self.sim.state::<PodStatus>(row.object)?);
        let class = self.sim.get::<Classes>().get(pod.class);
        let ports = class.containers.iter().chain(&class.init_containers).flat_map(|container| &container.ports);
        Some(PodView {
            namespace: self.text(row.key.namespace),
            name: self.names.render(row.key.name),
            ip: status.pod_ip,
            node: self.text(pod.node),
            labels: self.label_map(row.labels),
            ports: ports.map(|port| (self.text(port.name), port.port, self.text(port.protocol))).collect(),
            host_network: class.host_network,
            running: status.phase == wavetank_engine::model::pod::PodPhase::Running,
            dns_policy: class.raw.at(&["dnsPolicy"]).and_then(serde_json::Value::as_str).unwrap_or("").into(),
        })
    }

    /// Labels of a namespace.
    pub fn namespace_labels(&self, namespace: &str) -> Labels {
        let row = self.find(Kind::Namespace, "", namespace).and_then(|object| self.objects.row(object));
        row.map_or_else(Labels::new, |row| self.label_map(row.labels))
    }

    /// The Service with a name.
    pub fn service(&self, namespace: &str, name: &str) -> Option<(&'s Service, Vec<PortView>)> {
        let object = self.find(Kind::Service, namespace, name)?;
        Some((self.sim.state::<Service>(object)?, self.ports_of(self.objects.row(object)?)))
    }

    /// Keys and specs of all Services, by namespace and name.
    pub fn services(&self) -> Vec<(String, String, &'s Service)> {
        let mut found: Vec<(String, String, &Service)> = self
            .rows(Kind::Service)
            .filter_map(|row| Some((self.text(row.key.namespace), self.names.render(row.key.name), self.sim.state::<Service>(row.object)?)))
            .collect();
        found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        found
    }

    /// The ports of all Services that proxies serve, in order of their names. Source: `spec/networking.md` §6, skipped Services.
    pub fn proxied(&self) -> Vec<PortView> {
        let other = self.names.find("service.kubernetes.io/service-proxy-name");
        let served = |row: &&Row| {
            let service = self.sim.state::<Service>(row.object);
            service.is_some_and(|service| !matches!(service.cluster_ip, 0 | Service::HEADLESS) && service.kind != ServiceType::ExternalName)
                && other.is_none_or(|other| self.labels.get(row.labels, other).is_none())
        };
        let mut ports: Vec<PortView> = self.rows(Kind::Service).filter(served).flat_map(|row| self.ports_of(row)).collect();
        ports.sort_by_cached_key(|port| (port.name(), port.protocol.clone()));
        ports
    }

    fn ports_of(&self, row: &Row) -> Vec<PortView> {
        let Some(service) = self.sim.state::<Service>(row.object) else { return Vec::new() };
        let slices: Vec<&EndpointSlice> =
            slices_of(self.sim, row.object).into_iter().filter_map(|slice| self.sim.state::<EndpointSlice>(slice)).collect();
        let status = self.sim.state::<ServiceStatus>(row.object);
        let balancer_ips = status.map_or_else(Vec::new, |status| {
            status.ingress.iter().filter(|place| place.ip != 0).map(|place| Ipv4Addr::from(place.ip).to_string()).collect()
        });
        let hints = zone_hints_of(self.sim, row.object);
        let hinted = |mut endpoints: Vec<EndpointView>| {
            if !hints.is_empty() {
                endpoints.iter_mut().for_each(|one| one.zone_hint = hints.get(&one.ip).map(|&zone| self.text(zone)));
            }
            endpoints
        };
        let view = |port: &ServicePort| PortView {
            namespace: self.text(row.key.namespace),
            service: self.names.render(row.key.name),
            port_name: self.text(port.name),
            protocol: self.text(port.protocol),
            cluster_ip: service.cluster_ip,
            port: port.port,
            node_port: port.node_port,
            external_ips: service.external_ips().map(str::to_string).collect(),
            balancer_ips: balancer_ips.clone(),
            source_ranges: service.source_ranges().map(str::to_string).collect(),
            internal_local: service.internal_local(),
            external_local: service.external_local(),
            affinity_s: service.affinity_s(),
            health_check_port: service.health_check_port(),
            endpoints: hinted(self.endpoints_of(service, &slices, port.name)),
        };
        if service.ports.is_empty() && service.cluster_ip == Service::HEADLESS {
            let none = ServicePort {
                name: Sym::EMPTY,
                port: 0,
                target: Sym::EMPTY,
                node_port: 0,
                protocol: self.names.find("TCP").unwrap_or(Sym::EMPTY),
                app_protocol: Sym::EMPTY,
            };
            return vec![PortView { endpoints: self.all_endpoints(service, &slices), ..view(&none) }];
        }
        service.ports.iter().map(view).collect()
    }

    fn endpoint(&self, service: &Service, endpoint: &Endpoint, port: u16) -> EndpointView {
        let (zone_hint, node_hint) = endpoint.hints(service.distribution());
        EndpointView {
            ip: endpoint.ip,
            port,
            pod: self.names.render(endpoint.pod),
            hostname: self.text(endpoint.hostname),
            node: self.text(endpoint.node),
            ready: endpoint.ready,
            serving: endpoint.serving,
            terminating: endpoint.terminating,
            zone_hint: zone_hint.map(|zone| self.text(zone)),
            node_hint: node_hint.map(|node| self.text(node)),
        }
    }

    fn endpoints_of(&self, service: &Service, slices: &[&EndpointSlice], port: Sym) -> Vec<EndpointView> {
        let mut found = BTreeMap::new();
        for slice in slices {
            for slice_port in slice.ports.iter().flatten().filter(|slice_port| slice_port.name == port) {
                for endpoint in &slice.endpoints {
                    let view = self.endpoint(service, endpoint, slice_port.port);
                    found.insert(view.text(), view);
                }
            }
        }
        found.into_values().collect()
    }

    fn all_endpoints(&self, service: &Service, slices: &[&EndpointSlice]) -> Vec<EndpointView> {
        let all = slices.iter().flat_map(|slice| &slice.endpoints).map(|endpoint| self.endpoint(service, endpoint, 0));
        all.map(|view| (view.text(), view)).collect::<BTreeMap<_, _>>().into_values().collect()
    }
}
