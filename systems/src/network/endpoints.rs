//! Endpoints controller (the legacy object): one Endpoints object for each Service with a selector.
//!
//! | | |
//! |---|---|
//! | reads  | `Service`, `Pod`, `PodStatus`, `Meta` |
//! | writes | `Endpoints` |
//! | woken  | Service changed; a selected pod bound, ready, addressed, being deleted, ended or gone |
//! | source | kubernetes v1.36, `pkg/controller/endpoint/endpoints_controller.go`, `syncService`; `spec/networking.md` §4 |

use crate::network::members::{ByPorts, Reads, SetsByPair, Zones, members};
use bevy_ecs::prelude::{Local, Res};
use bevy_ecs::resource::Resource;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{NewObject, Propagation, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::View;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::network::{Endpoint, EndpointSubset, Endpoints, ServiceType};
use wavetank_engine::names::Names;
use wavetank_engine::scene::build::with_tables;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};

/// The controller's work queue: Services.
pub struct EndpointsQueue;

/// Changes of a pod that can change endpoints.
pub const POD_CHANGES: Changes =
    Changes::READY.or(Changes::ADDRESS).or(Changes::LABELS).or(Changes::DELETION).or(Changes::PHASE).or(Changes::GONE);

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::Service, on: Changes::ADDED.or(Changes::SPEC).or(Changes::GONE), whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: POD_CHANGES, whom: Whom::Selecting(Kind::Service) },
];

/// The label set of every Endpoints object.
#[derive(Debug, Clone, Copy, Resource)]
pub struct ManagedLabels(LabelSetId);

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    let labels = with_tables(sim, |tables| {
        let pair = (tables.names.sym("endpoints.kubernetes.io/managed-by"), tables.names.sym("endpoint-controller"));
        tables.labels.intern(tables.names, [pair])
    });
    sim.resource(ManagedLabels(labels));
    sim.ensure::<SetsByPair>();
    sim.behaviour::<EndpointsQueue, _, _>("endpoints", "endpoint-controller", WAKES, sync);
}

/// Ready pods are addresses, others that are not being deleted are notReadyAddresses.
pub fn subsets(by_ports: &ByPorts, publish_not_ready: bool) -> Vec<EndpointSubset> {
    let mut subsets = Vec::new();
    for (ports, endpoints) in by_ports {
        let kept = endpoints.iter().copied().filter(|endpoint| !endpoint.terminating || publish_not_ready);
        let plain = |endpoint: Endpoint| Endpoint { zone: wavetank_engine::names::Sym::EMPTY, ..endpoint };
        let (ready, not_ready): (Vec<Endpoint>, Vec<Endpoint>) = kept.map(plain).partition(|endpoint| endpoint.ready);
        if !ready.is_empty() || !not_ready.is_empty() {
            subsets.push(EndpointSubset { ready, not_ready, ports: ports.clone() });
        }
    }
    subsets
}

fn sync(
    mut work: Work<EndpointsQueue>,
    mut reads: Reads<EndpointsQueue>,
    present: View<EndpointsQueue, Endpoints>,
    mut zones: Local<Zones>,
    managed: Res<ManagedLabels>,
    labels: Res<LabelSets>,
    names: Res<Names>,
) {
    while let Some(item) = work.pop() {
        reads.sets.catch_up(&labels);
        let Some(row) = reads.services.get_even_gone(item.object).and_then(|_| reads.metas.get_even_gone(item.object)) else { continue };
        let key = ObjectKey { kind: Kind::Endpoints, namespace: row.namespace, name: row.name };
        let existing = reads.listing.by_key(key);
        match reads.services.get(item.object).filter(|service| service.selector.is_some() && service.kind != ServiceType::ExternalName) {
            None => {
                let gone = reads.services.get(item.object).is_none();
                if let Some(object) = existing.filter(|_| gone) {
                    work.tell(item.cause, Verb::Delete { object, grace_s: None, propagation: Some(Propagation::Background) });
                }
            }
            Some(service) => {
                let by_ports = members(&reads, &mut zones, &labels, &names, service, (key.namespace, key.name));
                let fresh = Endpoints { subsets: subsets(&by_ports, service.publish_not_ready) };
                write(&mut work, &item, fresh, key, existing, &present, managed.0);
            }
        }
    }
}

fn write(
    work: &mut Work<EndpointsQueue>,
    item: &Item,
    fresh: Endpoints,
    key: ObjectKey,
    existing: Option<ObjRef>,
    present: &View<EndpointsQueue, Endpoints>,
    labels: LabelSetId,
) {
    match existing {
        Some(object) if present.get(object) == Some(&fresh) => {}
        Some(object) => work.tell(item.cause, Verb::Put { object, expect: None, value: fresh.into() }),
        None => {
            let mut meta = Meta::new(Kind::Endpoints, key.namespace, key.name);
            meta.labels = labels;
            work.ask(item, Verb::Create(Box::new(NewObject { meta, states: vec![fresh.into()] })));
        }
    }
}
