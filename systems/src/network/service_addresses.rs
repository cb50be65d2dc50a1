//! Addresses and node ports of Services, given at creation and when a type changes.
//!
//! Source: kubernetes v1.36, `pkg/registry/core/service/ipallocator/ipallocator.go`, `allocateNext`; `spec/networking.md` §2.

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use wavetank_engine::api::admit::AdmitCx;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::{NewObject, Refusal};
use wavetank_engine::api::state::{Changes, StateValue};
use wavetank_engine::api::store::View;
use wavetank_engine::draw::draw_below;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::network::{Service, ServicePort, ServiceType};
use wavetank_engine::names::Names;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::simulation::{Seed, Simulation};

/// First address of the range 10.96.0.0/12.
const RANGE_FROM: u32 = 0x0A60_0000;
/// Addresses of the range, the network and the broadcast address left out.
const RANGE_LEN: u32 = (1 << 20) - 2;
/// Addresses at the beginning of the range that are given only when all others are taken.
const STATIC_BAND: u32 = 256;
/// Node ports.
const PORT_FROM: u16 = 30_000;
/// Number of node ports.
const PORT_LEN: u16 = 2768;
/// Node ports at the beginning that are given only when all others are taken.
const PORT_STATIC_BAND: u16 = 86;

/// What is taken.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct ServiceAddresses {
    addresses: BTreeSet<u32>,
    ports: BTreeSet<u16>,
}

/// The work queue of released Services.
pub struct Released;

const WAKES: &[Wake] = &[Wake { kind: Kind::Service, on: Changes::GONE, whom: Whom::Itself }];

/// Registers the allocator.
pub fn install(sim: &mut Simulation) {
    sim.keep(ServiceAddresses::default());
    sim.admit(Some(admit), None, None);
    sim.prepare_updates(admit_update);
    sim.behaviour::<Released, _, _>("service_addresses", "kube-apiserver", WAKES, release);
}

/// The first free number from a drawn start on, in the dynamic part of a range, then in its static band.
pub fn allocate(drawn: u64, len: u32, band: u32, taken: impl Fn(u32) -> bool) -> Option<u32> {
    let scan = |from: u32, len: u32| {
        let start = (drawn % u64::from(len.max(1))) as u32;
        (0..len).map(|step| from + (start + step) % len).find(|&number| !taken(number))
    };
    scan(band, len - band).or_else(|| scan(0, band))
}

/// The Service that asks, for messages and draws.
struct Asking {
    seed: u64,
    namespace: String,
    name: String,
}

impl Asking {
    fn of(cx: &AdmitCx, meta: &Meta) -> Asking {
        let names = cx.resource::<Names>();
        Asking { seed: cx.resource::<Seed>().0, namespace: names.text(meta.namespace).into(), name: names.render(meta.name) }
    }

    fn invalid(&self, field: &str, value: &str, detail: &str) -> Refusal {
        Refusal::invalid(format!("Service \"{}\" is invalid: {field}: Invalid value: {value}: {detail}", self.name))
    }

    /// Choice: the original draws at random; here it is drawn from the Service's name.
    fn draw(&self, purpose: &str, nth: u64, below: u64) -> u64 {
        draw_below(self.seed, purpose, format!("{}/{}", self.namespace, self.name).as_str(), nth, below)
    }
}

fn full(what: &str) -> Refusal {
    Refusal { code: 500, reason: "InternalError".into(), message: format!("failed to allocate a {what}: range is full") }
}

fn admit(cx: &mut AdmitCx, new: &mut NewObject) -> Result<(), Refusal> {
    if new.meta.kind != Kind::Service {
        return Ok(());
    }
    let asking = Asking::of(cx, &new.meta);
    new.states.iter_mut().try_for_each(|state| match state {
        StateValue::Service(service) => give(cx, &asking, service, None),
        _ => Ok(()),
    })
}

/// An update keeps what the Service has; a change of type gives what is missing. What is left over goes once the write is done.
fn admit_update(cx: &mut AdmitCx, object: ObjRef, values: &mut [StateValue]) -> Result<(), Refusal> {
    for value in values {
        let StateValue::Service(service) = value else { continue };
        let (Some(old), Some(meta)) = (cx.state::<Service>(object).cloned(), cx.state::<Meta>(object)) else { return Ok(()) };
        let asking = Asking::of(cx, meta);
        give(cx, &asking, service, Some(&old))?;
        let kept: BTreeSet<u16> = held_ports(service).collect();
        let mut taken = cx.resource_mut::<ServiceAddresses>();
        for port in held_ports(&old).filter(|port| !kept.contains(port)) {
            taken.ports.remove(&port);
        }
        if old.cluster_ip != service.cluster_ip {
            taken.addresses.remove(&old.cluster_ip);
        }
    }
    Ok(())
}

/// Node ports of a Service, that of its health check included.
fn held_ports(service: &Service) -> impl Iterator<Item = u16> + '_ {
    service.ports.iter().map(|port| port.node_port).chain([service.health_check_port()]).filter(|&port| port > 0)
}

/// Gives a Service what it needs and does not have. `old`: the Service as it is stored, whose address and ports it may keep.
fn give(cx: &mut AdmitCx, asking: &Asking, service: &mut Service, old: Option<&Service>) -> Result<(), Refusal> {
    if service.kind == ServiceType::ExternalName {
        service.cluster_ip = 0;
    } else if service.cluster_ip != Service::HEADLESS {
        service.cluster_ip = address(cx, asking, service.cluster_ip, old.map_or(0, |old| old.cluster_ip))?;
    }
    let reachable = matches!(service.kind, ServiceType::NodePort | ServiceType::LoadBalancer);
    let mut own: BTreeSet<u16> = old.into_iter().flat_map(held_ports).collect();
    if !reachable && old.is_some() {
        // Ports that a type had before are no longer asked for.
        service.ports = service.ports.iter().map(|port| ServicePort { node_port: 0, ..*port }).collect();
    }
    if reachable {
        let wants = service.kind == ServiceType::NodePort || service.wants_node_ports();
        service.ports = node_ports(cx, asking, service, old, wants, &mut own)?;
    }
    let health = match (service.needs_health_check(), service.health_check_port()) {
        (true, 0) => any_port(cx, asking, "health check node port", 0, &own)?,
        (true, asked) => checked_port(cx, asking, "spec.healthCheckNodePort", asked, &own)?,
        (false, _) => 0,
    };
    if health != service.health_check_port() {
        service.set_health_check_port(health);
    }
    let ports: Vec<u16> = held_ports(service).collect();
    let mut taken = cx.resource_mut::<ServiceAddresses>();
    taken.ports.extend(ports);
    if !matches!(service.cluster_ip, 0 | Service::HEADLESS) {
        taken.addresses.insert(service.cluster_ip);
    }
    Ok(())
}

fn address(cx: &AdmitCx, asking: &Asking, asked: u32, own: u32) -> Result<u32, Refusal> {
    let own = if own == Service::HEADLESS { 0 } else { own };
    let taken = &cx.resource::<ServiceAddresses>().addresses;
    let refuse = |detail: String| {
        let ip = Ipv4Addr::from(asked);
        asking.invalid("spec.clusterIPs", &format!("[\"{ip}\"]"), &format!("failed to allocate IP {ip}: {detail}"))
    };
    match asked {
        0 if own != 0 => Ok(own),
        0 => {
            let drawn = asking.draw("cluster ip", 0, u64::from(RANGE_LEN - STATIC_BAND));
            let number = allocate(drawn, RANGE_LEN, STATIC_BAND, |number| taken.contains(&(RANGE_FROM + 1 + number)));
            Ok(RANGE_FROM + 1 + number.ok_or_else(|| full("serviceIP"))?)
        }
        asked if asked == own => Ok(asked),
        asked if !(RANGE_FROM + 1..=RANGE_FROM + RANGE_LEN).contains(&asked) => Err(refuse(format!(
            "the provided IP ({}) is not in the valid range. The range of valid IPs is 10.96.0.0/12",
            Ipv4Addr::from(asked)
        ))),
        asked if taken.contains(&asked) => Err(refuse("provided IP is already allocated".into())),
        asked => Ok(asked),
    }
}

/// The ports with their node ports: those asked for, those that it had, and drawn ones. One number serves several protocols.
///
/// Source: kubernetes v1.36, `pkg/registry/core/service/storage/alloc.go`, `initNodePorts`, `updateNodePorts`.
fn node_ports(
    cx: &AdmitCx,
    asking: &Asking,
    service: &Service,
    old: Option<&Service>,
    wants: bool,
    own: &mut BTreeSet<u16>,
) -> Result<Arc<[ServicePort]>, Refusal> {
    let mut ports = service.ports.to_vec();
    for nth in 0..ports.len() {
        let port = ports[nth];
        let asked = match (port.node_port, old) {
            (0, Some(old)) => {
                old.ports.iter().find(|had| (had.port, had.protocol) == (port.port, port.protocol)).map_or(0, |had| had.node_port)
            }
            (asked, _) => asked,
        };
        let sibling = ports[..nth].iter().find(|other| other.port == port.port && other.protocol != port.protocol && other.node_port > 0);
        ports[nth].node_port = match (asked, sibling) {
            (0, Some(sibling)) => sibling.node_port,
            (0, None) if !wants => 0,
            (0, None) => any_port(cx, asking, "node port", nth as u64, own)?,
            (asked, _) => checked_port(cx, asking, &format!("spec.ports[{nth}].nodePort"), asked, own)?,
        };
        own.insert(ports[nth].node_port);
    }
    Ok(ports.into())
}

fn any_port(cx: &AdmitCx, asking: &Asking, purpose: &str, nth: u64, own: &BTreeSet<u16>) -> Result<u16, Refusal> {
    let taken = &cx.resource::<ServiceAddresses>().ports;
    let drawn = asking.draw(purpose, nth, u64::from(PORT_LEN - PORT_STATIC_BAND));
    let free = allocate(drawn, u32::from(PORT_LEN), u32::from(PORT_STATIC_BAND), |number| {
        let number = PORT_FROM + number as u16;
        taken.contains(&number) || own.contains(&number)
    });
    Ok(PORT_FROM + free.ok_or_else(|| full("nodePort"))? as u16)
}

fn checked_port(cx: &AdmitCx, asking: &Asking, field: &str, asked: u16, own: &BTreeSet<u16>) -> Result<u16, Refusal> {
    if own.contains(&asked) {
        return Ok(asked);
    }
    let detail = if !(PORT_FROM..PORT_FROM + PORT_LEN).contains(&asked) {
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
    } else if cx.resource::<ServiceAddresses>().ports.contains(&asked) {
        "provided port is already allocated"
    } else {
        return Ok(asked);
    };
    Err(asking.invalid(field, &asked.to_string(), detail))
}

fn release(mut work: Work<Released>, services: View<Released, Service>, mut taken: bevy_ecs::prelude::ResMut<ServiceAddresses>) {
    while let Some(item) = work.pop() {
        if let (None, Some(service)) = (services.get(item.object), services.get_even_gone(item.object)) {
            taken.addresses.remove(&service.cluster_ip);
            for port in held_ports(service) {
                taken.ports.remove(&port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_static_band_comes_last() {
        let mut taken = BTreeSet::new();
        for _ in 0..10 {
            let number = allocate(5, 10, 3, |number| taken.contains(&number)).unwrap();
            taken.insert(number);
            assert!(number >= 3 || taken.len() > 7, "{number} {taken:?}");
        }
        assert_eq!(allocate(5, 10, 3, |number| taken.contains(&number)), None);
    }
}
