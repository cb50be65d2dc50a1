//! Services, Endpoints and EndpointSlices.

use crate::ids::Uid;
use crate::model::raw::Raw;
use crate::model::select::SelectorId;
use crate::names::{Name, Sym};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// `spec` of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Service {
    /// `type`.
    pub kind: ServiceType,
    /// `clusterIP`: an address as a big-endian number; 0: none yet; [`Service::HEADLESS`]: `None`.
    pub cluster_ip: u32,
    /// `selector`; `None`: endpoints are made by hand.
    pub selector: Option<SelectorId>,
    /// `ports`.
    pub ports: Arc<[ServicePort]>,
    /// `publishNotReadyAddresses`.
    pub publish_not_ready: bool,
    /// The whole defaulted `spec`; `clusterIP`, `clusterIPs` and node ports are overlaid when it is read.
    pub raw: Raw,
}

impl Service {
    /// The address of a headless Service.
    pub const HEADLESS: u32 = u32::MAX;

    fn text(&self, path: &[&str]) -> &str {
        self.raw.at(path).and_then(Value::as_str).unwrap_or("")
    }

    fn texts(&self, field: &str) -> impl Iterator<Item = &str> {
        self.raw.at(&[field]).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// `internalTrafficPolicy` is `Local`.
    pub fn internal_local(&self) -> bool {
        self.text(&["internalTrafficPolicy"]) == "Local"
    }

    /// `externalTrafficPolicy` is `Local`.
    pub fn external_local(&self) -> bool {
        self.text(&["externalTrafficPolicy"]) == "Local"
    }

    /// How long a client stays with its endpoint; `None` without `sessionAffinity: ClientIP`. Unit: seconds.
    pub fn affinity_s(&self) -> Option<u64> {
        let sticky = self.text(&["sessionAffinity"]) == "ClientIP";
        sticky.then(|| self.raw.at(&["sessionAffinityConfig", "clientIP", "timeoutSeconds"]).and_then(Value::as_u64).unwrap_or(10_800))
    }

    /// `externalName`.
    pub fn external_name(&self) -> &str {
        self.text(&["externalName"])
    }

    /// `externalIPs`.
    pub fn external_ips(&self) -> impl Iterator<Item = &str> {
        self.texts("externalIPs")
    }

    /// `loadBalancerSourceRanges`.
    pub fn source_ranges(&self) -> impl Iterator<Item = &str> {
        self.texts("loadBalancerSourceRanges").map(str::trim)
    }

    /// `loadBalancerClass`; empty: the cloud's own.
    pub fn balancer_class(&self) -> &str {
        self.text(&["loadBalancerClass"])
    }

    /// `allocateLoadBalancerNodePorts` is not `false`.
    pub fn wants_node_ports(&self) -> bool {
        self.raw.at(&["allocateLoadBalancerNodePorts"]) != Some(&Value::Bool(false))
    }

    /// `healthCheckNodePort`; 0: none.
    pub fn health_check_port(&self) -> u16 {
        let port = self.raw.at(&["healthCheckNodePort"]).and_then(Value::as_u64);
        port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0)
    }

    /// Sets `healthCheckNodePort`; 0 takes it away.
    pub fn set_health_check_port(&mut self, port: u16) {
        let mut spec = self.raw.value().clone();
        if let Some(fields) = spec.as_object_mut() {
            match port {
                0 => fields.shift_remove("healthCheckNodePort"),
                port => fields.insert("healthCheckNodePort".into(), port.into()),
            };
        }
        self.raw = Raw::new(spec);
    }

    /// Whether nodes answer for its health: a load balancer must know which of them have an endpoint.
    pub fn needs_health_check(&self) -> bool {
        self.kind == ServiceType::LoadBalancer && self.external_local()
    }

    /// `trafficDistribution`.
    pub fn distribution(&self) -> Distribution {
        match self.text(&["trafficDistribution"]) {
            "PreferClose" | "PreferSameZone" => Distribution::PreferSameZone,
            "PreferSameNode" => Distribution::PreferSameNode,
            _ => Distribution::Anywhere,
        }
    }
}

/// Which endpoints a client had better use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Distribution {
    /// Any.
    #[default]
    Anywhere,
    /// Those of its zone.
    PreferSameZone,
    /// Those of its node, then those of its zone.
    PreferSameNode,
}

impl Endpoint {
    /// `hints`: the zone and the node whose clients had better use it. Source: `endpointslice/trafficdist/trafficdist.go`, `update`.
    pub fn hints(&self, distribution: Distribution) -> (Option<Sym>, Option<Sym>) {
        let named = |name: Sym| (!name.is_empty() && self.ready).then_some(name);
        match distribution {
            Distribution::Anywhere => (None, None),
            Distribution::PreferSameZone => (named(self.zone), None),
            Distribution::PreferSameNode => (named(self.zone), named(self.node)),
        }
    }
}

/// `status` of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// `loadBalancer.ingress`.
    pub ingress: Vec<BalancerIngress>,
}

/// Where a load balancer can be reached: one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BalancerIngress {
    /// `ip` as a big-endian number; 0: none.
    pub ip: u32,
    /// `hostname`; empty: none.
    pub hostname: Sym,
}

/// `type` of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ServiceType {
    ClusterIP,
    NodePort,
    LoadBalancer,
    ExternalName,
}

impl ServiceType {
    /// The word.
    pub const fn text(self) -> &'static str {
        match self {
            ServiceType::ClusterIP => "ClusterIP",
            ServiceType::NodePort => "NodePort",
            ServiceType::LoadBalancer => "LoadBalancer",
            ServiceType::ExternalName => "ExternalName",
        }
    }
}

/// One entry of `ports` of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServicePort {
    /// `name`.
    pub name: Sym,
    /// `port`.
    pub port: u16,
    /// `targetPort`: a number or a port's name, as text.
    pub target: Sym,
    /// `nodePort`; 0 for none.
    pub node_port: u16,
    /// `protocol`.
    pub protocol: Sym,
    /// `appProtocol`.
    pub app_protocol: Sym,
}

/// A port of an endpoint set, resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EndpointPort {
    /// `name`.
    pub name: Sym,
    /// `port`.
    pub port: u16,
    /// `protocol`.
    pub protocol: Sym,
    /// `appProtocol`.
    pub app_protocol: Sym,
}

/// `subsets` of an Endpoints object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Endpoints {
    /// One entry for each set of resolved ports.
    pub subsets: Vec<EndpointSubset>,
}

/// One subset: addresses that share a set of ports.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EndpointSubset {
    /// `addresses`, sorted by address.
    pub ready: Vec<Endpoint>,
    /// `notReadyAddresses`, sorted by address.
    pub not_ready: Vec<Endpoint>,
    /// `ports`.
    pub ports: Vec<EndpointPort>,
}

/// One address of an Endpoints object or EndpointSlice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Address as a big-endian number.
    pub ip: u32,
    /// Node that the pod runs on.
    pub node: Sym,
    /// Zone of that node; EndpointSlices only.
    pub zone: Sym,
    /// Hostname, if the pod has one of its own.
    pub hostname: Sym,
    /// Name of the target pod; empty for hand-made addresses.
    pub pod: Name,
    /// Identity of the target pod.
    pub pod_uid: Option<Uid>,
    /// `conditions.ready`.
    pub ready: bool,
    /// `conditions.serving`.
    pub serving: bool,
    /// `conditions.terminating`.
    pub terminating: bool,
}

/// An EndpointSlice (IPv4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct EndpointSlice {
    /// `endpoints`.
    pub endpoints: Vec<Endpoint>,
    /// `ports`; `None` in the placeholder slice of a Service without endpoints.
    pub ports: Option<Vec<EndpointPort>>,
}
