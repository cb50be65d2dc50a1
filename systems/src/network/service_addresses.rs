//! Addresses and node ports of Services, given at creation.
//!
//! Source: kubernetes v1.36, `pkg/registry/core/service/ipallocator/ipallocator.go`, `allocateNext`; `spec/networking.md` §2.

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use wavetank_engine::api::admit::AdmitCx;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::{NewObject, Refusal};
use wavetank_engine::api::state::{Changes, StateValue};
use wavetank_engine::api::store::View;
use wavetank_engine::draw::draw_below;
use wavetank_engine::ids::Kind;
use wavetank_engine::model::network::{Service, ServiceType};
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
    sim.behaviour::<Released, _, _>("service_addresses", "kube-apiserver", WAKES, release);
}

/// The first free number from a drawn start on, in the dynamic part of a range, then in its static band.
///
/// Choice: the original starts at a random number; here it is drawn from the Service's name.
pub fn allocate(drawn: u64, len: u32, band: u32, taken: impl Fn(u32) -> bool) -> Option<u32> {
    let scan = |from: u32, len: u32| {
        let start = (drawn % u64::from(len.max(1))) as u32;
        (0..len).map(|step| from + (start + step) % len).find(|&number| !taken(number))
    };
    scan(band, len - band).or_else(|| scan(0, band))
}

fn invalid(new: &NewObject, cx: &AdmitCx, field: &str, value: &str, detail: &str) -> Refusal {
    let name = cx.resource::<Names>().render(new.meta.name);
    Refusal::invalid(format!("Service \"{name}\" is invalid: {field}: Invalid value: {value}: {detail}"))
}

fn admit(cx: &mut AdmitCx, new: &mut NewObject) -> Result<(), Refusal> {
    if new.meta.kind != Kind::Service {
        return Ok(());
    }
    let seed = cx.resource::<Seed>().0;
    let names = cx.resource::<Names>();
    let object = format!("{}/{}", names.text(new.meta.namespace), names.render(new.meta.name));
    let mut states = std::mem::take(&mut new.states);
    let done = states.iter_mut().try_for_each(|state| match state {
        StateValue::Service(service) => give(cx, new, service, seed, &object),
        _ => Ok(()),
    });
    new.states = states;
    done
}

fn give(cx: &mut AdmitCx, new: &NewObject, service: &mut Service, seed: u64, object: &str) -> Result<(), Refusal> {
    if service.kind == ServiceType::ExternalName || service.cluster_ip == Service::HEADLESS {
        return Ok(());
    }
    let taken = &cx.resource::<ServiceAddresses>().addresses;
    let ip = match service.cluster_ip {
        0 => {
            let drawn = draw_below(seed, "cluster ip", object, 0, u64::from(RANGE_LEN - STATIC_BAND));
            let number = allocate(drawn, RANGE_LEN, STATIC_BAND, |number| taken.contains(&(RANGE_FROM + 1 + number)));
            RANGE_FROM
                + 1
                + number.ok_or_else(|| Refusal {
                    code: 500,
                    reason: "InternalError".into(),
                    message: "failed to allocate a serviceIP: range is full".into(),
                })?
        }
        asked => {
            let text = format!("\"{}\"", Ipv4Addr::from(asked));
            if !(RANGE_FROM + 1..=RANGE_FROM + RANGE_LEN).contains(&asked) {
                let detail = format!(
                    "failed to allocate IP {}: the provided IP ({0}) is not in the valid range. The range of valid IPs is 10.96.0.0/12",
                    Ipv4Addr::from(asked)
                );
                return Err(invalid(new, cx, "spec.clusterIPs", &format!("[{text}]"), &detail));
            }
            if taken.contains(&asked) {
                let detail = format!("failed to allocate IP {}: provided IP is already allocated", Ipv4Addr::from(asked));
                return Err(invalid(new, cx, "spec.clusterIPs", &format!("[{text}]"), &detail));
            }
            asked
        }
    };
    let mut ports = service.ports.to_vec();
    if matches!(service.kind, ServiceType::NodePort | ServiceType::LoadBalancer) {
        let mut given = BTreeSet::new();
        for (nth, port) in ports.iter_mut().enumerate() {
            let taken = &cx.resource::<ServiceAddresses>().ports;
            if port.node_port == 0 {
                let drawn = draw_below(seed, "node port", object, nth as u64, u64::from(PORT_LEN - PORT_STATIC_BAND));
                let free = allocate(drawn, u32::from(PORT_LEN), u32::from(PORT_STATIC_BAND), |number| {
                    let number = PORT_FROM + number as u16;
                    taken.contains(&number) || given.contains(&number)
                });
                let number = free.ok_or_else(|| Refusal {
                    code: 500,
                    reason: "InternalError".into(),
                    message: "failed to allocate a nodePort: range is full".into(),
                })?;
                port.node_port = PORT_FROM + number as u16;
            } else if taken.contains(&port.node_port) {
                let field = format!("spec.ports[{nth}].nodePort");
                return Err(invalid(new, cx, &field, &port.node_port.to_string(), "provided port is already allocated"));
            } else if !(PORT_FROM..PORT_FROM + PORT_LEN).contains(&port.node_port) {
                let field = format!("spec.ports[{nth}].nodePort");
                let detail = "provided port is not in the valid range. The range of valid ports is 30000-32767";
                return Err(invalid(new, cx, &field, &port.node_port.to_string(), detail));
            }
            given.insert(port.node_port);
        }
        cx.resource_mut::<ServiceAddresses>().ports.extend(given);
    }
    cx.resource_mut::<ServiceAddresses>().addresses.insert(ip);
    service.cluster_ip = ip;
    service.ports = ports.into();
    Ok(())
}

fn release(mut work: Work<Released>, services: View<Released, Service>, mut taken: bevy_ecs::prelude::ResMut<ServiceAddresses>) {
    while let Some(item) = work.pop() {
        if let (None, Some(service)) = (services.get(item.object), services.get_even_gone(item.object)) {
            taken.addresses.remove(&service.cluster_ip);
            for port in service.ports.iter() {
                taken.ports.remove(&port.node_port);
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
