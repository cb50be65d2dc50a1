//! Services, Endpoints and EndpointSlices.

use crate::ids::Uid;
use crate::model::raw::Raw;
use crate::model::select::SelectorId;
use crate::names::{Name, Sym};
use serde::{Deserialize, Serialize};
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
