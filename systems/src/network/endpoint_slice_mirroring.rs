//! EndpointSlice mirroring controller: Endpoints that people make for Services without a selector, in slices.
//!
//! | | |
//! |---|---|
//! | reads  | `Endpoints`, `Service`, `Meta`, `EndpointSlice` |
//! | writes | `EndpointSlice` |
//! | woken  | Endpoints changed; the Service of their name came, changed or went; an own slice gone |
//! | source | kubernetes v1.36, `pkg/controller/endpointslicemirroring/reconciler.go`; `spec/networking.md` §4 |

use crate::network::endpoint_slices::plan;
use crate::network::members::ByPorts;
use crate::texts::texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::system::SystemParam;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{NewObject, Propagation, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::{Meta, OwnerRef};
use wavetank_engine::model::network::{Endpoint, EndpointSlice, Endpoints, Service};
use wavetank_engine::names::{Name, Names};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};

/// Most addresses of a subset that are mirrored. Source: `spec/networking.md` §4.
pub const ADDRESSES_MAX: usize = 1000;

/// The controller's work queue: Endpoints.
pub struct MirroringQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::Endpoints, on: Changes::ADDED.or(Changes::SPEC).or(Changes::LABELS), whom: Whom::Itself },
    Wake { kind: Kind::Service, on: Changes::ADDED.or(Changes::SPEC).or(Changes::GONE), whom: Whom::SameName(Kind::Endpoints) },
    Wake { kind: Kind::EndpointSlice, on: Changes::GONE, whom: Whom::Controller(Kind::Endpoints) },
];

texts! {
    /// Words of mirrored slices.
    pub MirroringTexts {
        service_name = "kubernetes.io/service-name",
        managed_by = "endpointslice.kubernetes.io/managed-by",
        controller = "endpointslicemirroring-controller.k8s.io",
        skip = "endpointslice.kubernetes.io/skip-mirror",
        leader = "control-plane.alpha.kubernetes.io/leader",
        yes = "true",
        trigger_time = "endpoints.kubernetes.io/last-change-trigger-time",
        last_applied = "kubectl.kubernetes.io/last-applied-configuration",
    }
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    let texts = MirroringTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<MirroringQueue, _, _>("endpoint_slice_mirroring", "endpointslicemirroring-controller", WAKES, sync);
}

/// What the controller reads.
#[derive(SystemParam)]
struct Reads<'w, 's> {
    endpoints: View<'w, 's, MirroringQueue, Endpoints>,
    services: View<'w, 's, MirroringQueue, Service>,
    metas: View<'w, 's, MirroringQueue, Meta>,
    slices: View<'w, 's, MirroringQueue, EndpointSlice>,
    listing: Listing<'w, MirroringQueue>,
    texts: Res<'w, MirroringTexts>,
}

/// The addresses of Endpoints by their ports, in order of address, at most [`ADDRESSES_MAX`] of a subset.
pub fn mirrored(endpoints: &Endpoints) -> ByPorts {
    let mut by_ports = ByPorts::new();
    for subset in &endpoints.subsets {
        let side = |list: &[Endpoint], ready: bool| -> Vec<Endpoint> {
            list.iter().map(|&endpoint| Endpoint { ready, serving: ready, terminating: false, ..endpoint }).collect()
        };
        let all = side(&subset.ready, true).into_iter().chain(side(&subset.not_ready, false)).take(ADDRESSES_MAX);
        let mut ports = subset.ports.clone();
        ports.sort();
        by_ports.entry(ports).or_default().extend(all);
    }
    for list in by_ports.values_mut() {
        list.sort_by_key(|endpoint| endpoint.ip);
        list.dedup_by_key(|endpoint| endpoint.ip);
    }
    by_ports
}

fn sync(mut work: Work<MirroringQueue>, reads: Reads, mut labels: ResMut<LabelSets>, mut names: ResMut<Names>) {
    while let Some(item) = work.pop() {
        // Slices of Endpoints that are gone go with their owner.
        let (Some(endpoints), Some(meta)) = (reads.endpoints.get(item.object), reads.metas.get(item.object)) else { continue };
        let key = ObjectKey { kind: Kind::Service, namespace: meta.namespace, name: meta.name };
        let service = reads.listing.by_key(key).and_then(|service| reads.services.get(service));
        let own: Vec<ObjRef> = reads.listing.controlled(item.object.uid).filter(|&slice| reads.slices.get(slice).is_some()).collect();
        let texts = *reads.texts;
        let skipped = labels.get(meta.labels, texts.skip) == Some(texts.yes) || labels.get(meta.annotations, texts.leader).is_some();
        let wanted = if skipped || service.is_none_or(|service| service.selector.is_some()) {
            if own.is_empty() {
                continue;
            }
            ByPorts::new()
        } else {
            mirrored(endpoints)
        };
        let delete = |work: &mut Work<MirroringQueue>, object| {
            work.tell(item.cause, Verb::Delete { object, grace_s: None, propagation: Some(Propagation::Background) });
        };
        if wanted.values().all(Vec::is_empty) {
            own.into_iter().for_each(|slice| delete(&mut work, slice));
            continue;
        }
        let present: Vec<EndpointSlice> = own.iter().filter_map(|&slice| reads.slices.get(slice).cloned()).collect();
        let plan = plan(&present, &wanted, ADDRESSES_MAX);
        for slice in plan.create {
            let new = new_slice(&item, meta, slice, texts, &mut labels, &mut names);
            work.ask(&item, Verb::Create(Box::new(new)));
        }
        for (at, slice) in plan.update {
            work.tell(item.cause, Verb::Put { object: own[at], expect: None, value: slice.into() });
        }
        plan.delete.into_iter().for_each(|at| delete(&mut work, own[at]));
    }
}

/// Labels and annotations are those of the Endpoints. Source: `endpointslicemirroring/utils.go`, `newEndpointSlice`.
fn new_slice(
    item: &Item,
    endpoints: &Meta,
    slice: EndpointSlice,
    texts: MirroringTexts,
    labels: &mut LabelSets,
    names: &mut Names,
) -> NewObject {
    let mut meta = Meta::new(Kind::EndpointSlice, endpoints.namespace, Name::default());
    let name = names.render(endpoints.name);
    meta.generate_name = names.sym(&format!("{name}-"));
    let name = names.sym(&name);
    let own = [(texts.service_name, name), (texts.managed_by, texts.controller)];
    let pairs: Vec<_> = labels.pairs(endpoints.labels).iter().copied().chain(own).collect();
    meta.labels = labels.intern(names, pairs);
    let kept = |key| key != texts.trigger_time && key != texts.last_applied;
    let pairs: Vec<_> = labels.pairs(endpoints.annotations).iter().copied().filter(|pair| kept(pair.0)).collect();
    meta.annotations = labels.intern(names, pairs);
    meta.owners.push(OwnerRef {
        uid: Some(item.object.uid),
        kind: Kind::Endpoints,
        name: endpoints.name,
        controller: true,
        block_owner_deletion: true,
    });
    NewObject { meta, states: vec![slice.into()] }
}
