//! EndpointSlices over several reconciliations.

use crate::row::{Check, Functions};
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;
use wavetank_engine::api::json_in::Tables;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::network::{Endpoint, EndpointPort, EndpointSlice, Service};
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::{Names, Sym};
use wavetank_systems::network::endpoint_slices::{SliceWords, plan, slice_labels};
use wavetank_systems::network::members::{ByPorts, PodFacts, endpoint, ports_of};

pub(crate) const FUNCTIONS: Functions = &[("Reconcile_series", Check::Answer(series))];

#[derive(Default)]
struct World {
    names: Names,
    labels: LabelSets,
    selectors: Selectors,
    classes: Classes,
    kinds: Kinds,
}

fn series(input: &Value) -> Result<Value, String> {
    let mut world = World { names: Names::new(), ..World::default() };
    let service = service(&mut world, input)?;
    let max = input["max_endpoints_per_slice"].as_u64().ok_or("no max_endpoints_per_slice")? as usize;
    let words = SliceWords::new(&mut world.names);
    let name = world.names.sym("svc");
    let labels = slice_labels(&[], name, service.cluster_ip == Service::HEADLESS, words);
    let labels: Map<String, Value> = labels.iter().map(|&(k, v)| (world.names.text(k).to_owned(), world.names.text(v).into())).collect();
    let (mut slices, mut steps): (Vec<EndpointSlice>, Vec<Value>) = (Vec::new(), Vec::new());
    for step in input["steps"].as_array().ok_or("no steps")? {
        let wanted = wanted(&mut world, &service, &step["pods"])?;
        let plan = plan(&slices, &wanted, max);
        let calls = json!({"create": plan.create.len(), "update": plan.update.len(), "delete": plan.delete.len()});
        for (at, slice) in plan.update {
            slices[at] = slice;
        }
        let kept = slices.into_iter().enumerate().filter(|(at, _)| !plan.delete.contains(at)).map(|(_, slice)| slice);
        slices = kept.chain(plan.create).collect();
        let mut sizes: Vec<usize> = slices.iter().map(|slice| slice.endpoints.len()).collect();
        sizes.sort_unstable();
        steps.push(json!({
            "api_calls": calls, "endpoints_by_pod_name": by_pod(&world.names, &slices), "error": null, "slice_labels": labels,
            "slice_sizes_sorted": sizes,
        }));
    }
    Ok(json!({"steps": steps}))
}

fn service(world: &mut World, input: &Value) -> Result<Service, String> {
    let mut spec = json!({
        "type": "ClusterIP", "selector": {"app": "a"}, "clusterIP": if input["headless"] == true { "None" } else { "10.0.0.1" },
        "publishNotReadyAddresses": input["publish_not_ready"],
    });
    if !input["ports"].is_null() {
        spec["ports"] = input["ports"].clone();
    }
    let World { names, labels, selectors, classes, kinds } = world;
    Ok(Tables { names, labels, selectors, classes, kinds, epoch_unix_s: 0 }.service(&spec))
}

/// The endpoints that the controller wants for these pods. Node nI is in zone zI.
fn wanted(world: &mut World, service: &Service, pods: &Value) -> Result<ByPorts, String> {
    let mut by_ports = ByPorts::new();
    for pod in pods.as_array().ok_or("no pods")? {
        let text = |name: &str| pod[name].as_str().ok_or_else(|| format!("no {name}"));
        let node = text("node")?;
        let facts = PodFacts {
            name: world.names.name(text("name")?),
            uid: Some(Uid(1)),
            hostname: world.names.sym(""),
            ip: text("ip")?.parse::<Ipv4Addr>().map_or(0, u32::from),
            node: world.names.sym(node),
            zone: Some(world.names.sym(&node.replace('n', "z"))),
            phase: phase(text("phase")?)?,
            ready: pod["ready"] == true,
            deleting: pod["deleting"] == true,
        };
        let mut container = json!({"name": "main", "image": "main"});
        if !pod["http_port"].is_null() {
            container["ports"] = json!([{"name": "http", "containerPort": pod["http_port"], "protocol": "TCP"}]);
        }
        let class = world.classes.class_of(&mut world.names, &json!({"containers": [container]}));
        if let Some(endpoint) = endpoint(&facts, service.publish_not_ready) {
            let ports = ports_of(service, world.classes.get(class), &world.names);
            by_ports.entry(ports).or_default().push(endpoint);
        }
    }
    for list in by_ports.values_mut() {
        list.sort_by_key(|endpoint| endpoint.ip);
    }
    Ok(by_ports)
}

fn phase(text: &str) -> Result<PodPhase, String> {
    match text {
        "Pending" => Ok(PodPhase::Pending),
        "Running" => Ok(PodPhase::Running),
        "Succeeded" => Ok(PodPhase::Succeeded),
        "Failed" => Ok(PodPhase::Failed),
        other => Err(format!("phase {other}")),
    }
}

fn by_pod(names: &Names, slices: &[EndpointSlice]) -> Vec<Value> {
    let text = |sym: Sym| if sym == Sym::EMPTY { Value::Null } else { names.text(sym).into() };
    let port = |port: &EndpointPort| json!({"name": names.text(port.name), "port": port.port, "protocol": names.text(port.protocol)});
    let shown = |slice: &EndpointSlice, endpoint: &Endpoint| {
        let ports: Vec<Value> = slice.ports.iter().flatten().map(port).collect();
        json!({
            "address": Ipv4Addr::from(endpoint.ip).to_string(), "hostname": text(endpoint.hostname), "node": text(endpoint.node),
            "pod": names.render(endpoint.pod), "ports": ports, "ready": endpoint.ready, "serving": endpoint.serving,
            "terminating": endpoint.terminating, "zone": text(endpoint.zone),
        })
    };
    let mut all: Vec<Value> = slices.iter().flat_map(|slice| slice.endpoints.iter().map(move |endpoint| shown(slice, endpoint))).collect();
    all.sort_by(|a, b| a["pod"].as_str().cmp(&b["pod"].as_str()));
    all
}
