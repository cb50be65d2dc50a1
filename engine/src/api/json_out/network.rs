//! Services, Endpoints and EndpointSlices.

use super::{Cx, map_of, put};
use crate::api::objects::{Objects, Row};
use crate::model::network::{Endpoint, EndpointPort, EndpointSlice, Endpoints, Service, ServiceStatus, ServiceType};
use crate::scene::targets::zone_hints_of;
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;

impl Cx<'_> {
    pub(super) fn service(&self, service: &Service) -> Value {
        let mut spec = map_of(service.raw.value());
        if service.kind != ServiceType::ExternalName {
            // A headless Service that selects nothing may be told addresses of both families.
            let both = service.cluster_ip == Service::HEADLESS && service.selector.is_none();
            let (families, policy) = if both { (json!(["IPv4", "IPv6"]), "RequireDualStack") } else { (json!(["IPv4"]), "SingleStack") };
            spec.entry("ipFamilies").or_insert(families);
            spec.entry("ipFamilyPolicy").or_insert(policy.into());
        }
        if service.cluster_ip != 0 {
            let ip =
                if service.cluster_ip == Service::HEADLESS { "None".to_string() } else { Ipv4Addr::from(service.cluster_ip).to_string() };
            put(&mut spec, "clusterIPs", json!([ip]));
            put(&mut spec, "clusterIP", ip);
        }
        if let Some(Value::Array(ports)) = spec.get_mut("ports") {
            for (port, stored) in ports.iter_mut().zip(service.ports.iter()).filter(|(_, stored)| stored.node_port > 0) {
                port["nodePort"] = stored.node_port.into();
            }
        }
        Value::Object(spec)
    }

    pub(super) fn service_status(&self, status: &ServiceStatus) -> Value {
        let ingress = status.ingress.iter().map(|place| match place.ip {
            0 => json!({"hostname": self.text(place.hostname)}),
            ip => json!({"ip": Ipv4Addr::from(ip).to_string(), "ipMode": "VIP"}),
        });
        let ingress: Vec<Value> = ingress.collect();
        if ingress.is_empty() { json!({"loadBalancer": {}}) } else { json!({"loadBalancer": {"ingress": ingress}}) }
    }

    fn endpoint_ports(&self, ports: &[EndpointPort]) -> Vec<Value> {
        ports
            .iter()
            .map(|port| {
                let mut out = Map::new();
                self.put_text(&mut out, "name", port.name);
                put(&mut out, "port", port.port);
                put(&mut out, "protocol", self.text(port.protocol));
                self.put_text(&mut out, "appProtocol", port.app_protocol);
                Value::Object(out)
            })
            .collect()
    }

    fn target(&self, row: &Row, endpoint: &Endpoint) -> Option<Value> {
        let name = self.names.render(endpoint.pod);
        let uid = endpoint.pod_uid.and_then(|uid| self.uid_of(uid));
        (!name.is_empty()).then(|| json!({"kind": "Pod", "namespace": self.text(row.key.namespace), "name": name, "uid": uid}))
    }

    pub(super) fn endpoints(&self, row: &Row, endpoints: &Endpoints) -> Value {
        let side = |list: &[Endpoint]| -> Vec<Value> {
            list.iter()
                .map(|endpoint| {
                    let mut out = Map::new();
                    put(&mut out, "ip", Ipv4Addr::from(endpoint.ip).to_string());
                    self.put_text(&mut out, "hostname", endpoint.hostname);
                    self.put_text(&mut out, "nodeName", endpoint.node);
                    if let Some(target) = self.target(row, endpoint) {
                        put(&mut out, "targetRef", target);
                    }
                    Value::Object(out)
                })
                .collect()
        };
        let subsets = endpoints.subsets.iter().map(|subset| {
            let mut out = Map::new();
            if !subset.ready.is_empty() {
                put(&mut out, "addresses", side(&subset.ready));
            }
            if !subset.not_ready.is_empty() {
                put(&mut out, "notReadyAddresses", side(&subset.not_ready));
            }
            if !subset.ports.is_empty() {
                put(&mut out, "ports", self.endpoint_ports(&subset.ports));
            }
            Value::Object(out)
        });
        Value::Array(subsets.collect())
    }

    pub(super) fn endpoint_slice(&self, object: &mut Map<String, Value>, row: &Row, slice: &EndpointSlice) {
        put(object, "addressType", "IPv4");
        let service = self.sim.get::<Objects>().by_uid(row.controller).and_then(|owner| self.sim.state::<Service>(owner));
        let distribution = service.map(Service::distribution).unwrap_or_default();
        let by_zone =
            self.sim.get::<Objects>().by_uid(row.controller).map_or_else(Default::default, |owner| zone_hints_of(self.sim, owner));
        let endpoints = slice.endpoints.iter().map(|endpoint| {
            let mut out = Map::new();
            put(&mut out, "addresses", json!([Ipv4Addr::from(endpoint.ip).to_string()]));
            put(&mut out, "conditions", json!({"ready": endpoint.ready, "serving": endpoint.serving, "terminating": endpoint.terminating}));
            self.put_text(&mut out, "hostname", endpoint.hostname);
            self.put_text(&mut out, "nodeName", endpoint.node);
            self.put_text(&mut out, "zone", endpoint.zone);
            if let Some(target) = self.target(row, endpoint) {
                put(&mut out, "targetRef", target);
            }
            let (zone, node) = match by_zone.get(&endpoint.ip) {
                Some(&zone) => (Some(zone), None),
                None => endpoint.hints(distribution),
            };
            let mut hints = Map::new();
            for (field, name) in [("forZones", zone), ("forNodes", node)] {
                if let Some(name) = name {
                    put(&mut hints, field, json!([{"name": self.text(name)}]));
                }
            }
            if !hints.is_empty() {
                put(&mut out, "hints", hints);
            }
            Value::Object(out)
        });
        put(object, "endpoints", endpoints.collect::<Vec<_>>());
        put(object, "ports", slice.ports.as_ref().map_or(Value::Null, |ports| self.endpoint_ports(ports).into()));
    }
}
