//! The cluster's name service: records of Services, of headless sets and of pods, as CoreDNS answers.
//!
//! Source: the DNS specification of Kubernetes; `spec/networking.md` §9. Choice: CoreDNS shuffles the addresses of an answer; here they stand
//! in order.

use crate::network::look::{Cluster, EndpointView, PodView, PortView};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use wavetank_engine::model::network::{Service, ServiceType};
use wavetank_engine::scene::network::NetworkSettings;

/// Name and version of the machine-readable form.
pub const SCHEMA: &str = "wavetank.dns/1";
/// The zone of the cluster.
const ZONE: &str = "cluster.local";
/// Names with fewer dots are tried in the search path first.
const NDOTS: usize = 5;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The name that it is of.
    pub name: String,
    /// `A`, `CNAME`, `SRV` or `PTR`.
    pub kind: &'static str,
    /// Its data as zone files write it.
    pub data: String,
}

/// What was asked, and the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Names tried, in order; the last is the one that the answer is to.
    pub tried: Vec<String>,
    /// `NOERROR` or `NXDOMAIN`.
    pub code: &'static str,
    /// The records; none with NXDOMAIN.
    pub records: Vec<Record>,
    /// How long it may be kept. Unit: seconds.
    pub ttl_s: u64,
}

impl Answer {
    /// The addresses.
    pub fn addresses(&self) -> Vec<u32> {
        let of = |record: &Record| (record.kind == "A").then(|| record.data.parse::<Ipv4Addr>().ok().map(u32::from)).flatten();
        self.records.iter().filter_map(of).collect()
    }

    /// As `dig` prints it.
    pub fn text(&self) -> String {
        let mut out = format!(";; {} {}\n", self.code, self.tried.join(" "));
        for record in &self.records {
            out.push_str(&format!("{}.\t{}\tIN\t{}\t{}\n", record.name, self.ttl_s, record.kind, record.data));
        }
        out
    }

    /// The object `wavetank.dns/1`.
    pub fn json(&self) -> Value {
        let record = |record: &Record| json!({"name": record.name, "type": record.kind, "ttl_s": self.ttl_s, "data": record.data});
        json!({
            "schema": SCHEMA, "code": self.code, "tried": self.tried,
            "records": self.records.iter().map(record).collect::<Vec<_>>(),
        })
    }
}

/// The search path of a pod's resolver; none where it asks its node's.
pub fn search_path(pod: &PodView) -> Option<Vec<String>> {
    let own = pod.dns_policy == "Default" || pod.dns_policy == "None" || pod.host_network && pod.dns_policy != "ClusterFirstWithHostNet";
    (!own).then(|| vec![format!("{}.svc.{ZONE}", pod.namespace), format!("svc.{ZONE}"), ZONE.to_string()])
}

/// Asks as a resolver with this search path does: a name with fewer than five dots is tried below each domain first.
pub fn resolve(cluster: &Cluster<'_>, name: &str, search: &[String]) -> Answer {
    let absolute = name.strip_suffix('.');
    let mut names: Vec<String> = search.iter().filter(|_| absolute.is_none()).map(|domain| format!("{name}.{domain}")).collect();
    let at = if name.matches('.').count() < NDOTS { names.len() } else { 0 };
    names.insert(at, absolute.unwrap_or(name).to_string());
    let mut tried = Vec::new();
    let ttl_s = cluster.sim.find::<NetworkSettings>().cloned().unwrap_or_default().dns_ttl.0 / 1_000_000_000;
    for name in names {
        let found = records(cluster, &name);
        tried.push(name);
        if let Some(records) = found {
            return Answer { tried, code: "NOERROR", records, ttl_s };
        }
    }
    Answer { tried, code: "NXDOMAIN", records: Vec::new(), ttl_s }
}

/// The records of one full name; `None`: there is no such name.
pub fn records(cluster: &Cluster<'_>, name: &str) -> Option<Vec<Record>> {
    let lower = name.to_ascii_lowercase();
    if let Some(reversed) = lower.strip_suffix(".in-addr.arpa") {
        return pointers(cluster, &lower, reversed);
    }
    let inner = lower.strip_suffix(ZONE)?.strip_suffix('.')?;
    let labels: Vec<&str> = inner.split('.').collect();
    match labels[..] {
        [address, namespace, "pod"] if !namespace.is_empty() => {
            let ip: Ipv4Addr = address.replace('-', ".").parse().ok()?;
            Some(vec![a(&lower, u32::from(ip))])
        }
        [service, namespace, "svc"] => of_service(cluster, &lower, namespace, service),
        [port, protocol, service, namespace, "svc"] if port.starts_with('_') => {
            of_port(cluster, &lower, (namespace, service), (port.strip_prefix('_')?, protocol.strip_prefix('_')?))
        }
        [host, service, namespace, "svc"] => {
            let (_, ports) = headless(cluster, namespace, service)?;
            let found: Vec<Record> =
                shown(&ports).into_iter().filter(|endpoint| host_of(endpoint) == host).map(|endpoint| a(&lower, endpoint.ip)).collect();
            (!found.is_empty()).then_some(found)
        }
        _ => None,
    }
}

fn a(name: &str, ip: u32) -> Record {
    Record { name: name.into(), kind: "A", data: Ipv4Addr::from(ip).to_string() }
}

/// The name of an endpoint below its Service: its hostname, or its address with dashes.
fn host_of(endpoint: &EndpointView) -> String {
    if endpoint.hostname.is_empty() { Ipv4Addr::from(endpoint.ip).to_string().replace('.', "-") } else { endpoint.hostname.clone() }
}

fn headless<'s>(cluster: &Cluster<'s>, namespace: &str, service: &str) -> Option<(&'s Service, Vec<PortView>)> {
    cluster.service(namespace, service).filter(|(spec, _)| spec.cluster_ip == Service::HEADLESS)
}

/// Endpoints with a record, each address once: those that are ready.
fn shown(ports: &[PortView]) -> Vec<EndpointView> {
    let mut found: Vec<EndpointView> = ports.iter().flat_map(|port| &port.endpoints).filter(|endpoint| endpoint.ready).cloned().collect();
    found.sort_by_key(|endpoint| endpoint.ip);
    found.dedup_by_key(|endpoint| endpoint.ip);
    found
}

fn of_service(cluster: &Cluster<'_>, name: &str, namespace: &str, service: &str) -> Option<Vec<Record>> {
    let (spec, ports) = cluster.service(namespace, service)?;
    if spec.kind == ServiceType::ExternalName {
        return Some(vec![Record { name: name.into(), kind: "CNAME", data: format!("{}.", spec.external_name().trim_end_matches('.')) }]);
    }
    match spec.cluster_ip {
        0 => None,
        Service::HEADLESS => {
            let found: Vec<Record> = shown(&ports).iter().map(|endpoint| a(name, endpoint.ip)).collect();
            (!found.is_empty()).then_some(found)
        }
        ip => Some(vec![a(name, ip)]),
    }
}

/// SRV records of a named port.
fn of_port(cluster: &Cluster<'_>, name: &str, (namespace, service): (&str, &str), (port, protocol): (&str, &str)) -> Option<Vec<Record>> {
    let (spec, ports) = cluster.service(namespace, service)?;
    let port = ports.into_iter().find(|one| one.port_name == port && one.protocol.eq_ignore_ascii_case(protocol))?;
    let target = format!("{service}.{namespace}.svc.{ZONE}");
    let srv =
        |share: usize, port: u16, target: &str| Record { name: name.into(), kind: "SRV", data: format!("0 {share} {port} {target}.") };
    match spec.cluster_ip {
        0 => None,
        Service::HEADLESS => {
            let ready: Vec<&EndpointView> = port.endpoints.iter().filter(|endpoint| endpoint.ready).collect();
            let share = 100 / ready.len().max(1);
            let found: Vec<Record> =
                ready.iter().map(|endpoint| srv(share, endpoint.port, &format!("{}.{target}", host_of(endpoint)))).collect();
            (!found.is_empty()).then_some(found)
        }
        _ => Some(vec![srv(100, port.port, &target)]),
    }
}

/// Names of a cluster address or of an endpoint of a headless Service.
fn pointers(cluster: &Cluster<'_>, name: &str, reversed: &str) -> Option<Vec<Record>> {
    let parts: Vec<&str> = reversed.split('.').rev().collect();
    let ip = u32::from(parts.join(".").parse::<Ipv4Addr>().ok()?);
    let mut found = Vec::new();
    for (namespace, service, spec) in cluster.services() {
        let own = format!("{service}.{namespace}.svc.{ZONE}.");
        if spec.cluster_ip == ip {
            found.push(own);
        } else if spec.cluster_ip == Service::HEADLESS {
            let (_, ports) = cluster.service(&namespace, &service)?;
            let of = |endpoint: &EndpointView| format!("{}.{own}", host_of(endpoint));
            found.extend(shown(&ports).iter().filter(|endpoint| endpoint.ip == ip).map(of));
        }
    }
    let records: Vec<Record> = found.into_iter().map(|data| Record { name: name.into(), kind: "PTR", data }).collect();
    (!records.is_empty()).then_some(records)
}
