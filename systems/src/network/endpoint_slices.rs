//! EndpointSlice controller: the endpoints of a Service in slices of at most 100.
//!
//! | | |
//! |---|---|
//! | reads  | `Service`, `Pod`, `PodStatus`, `Meta`, `EndpointSlice` |
//! | writes | `EndpointSlice` |
//! | woken  | Service changed; a selected pod bound, ready, addressed, being deleted, ended or gone; an own slice gone |
//! | source | kubernetes v1.36, staging `endpointslice/reconciler.go`, `Reconcile`; `spec/networking.md` §3 |

use crate::network::endpoints::POD_CHANGES;
use crate::network::members::{ByPorts, Reads, SetsByPair, Zones, members};
use bevy_ecs::prelude::{Local, Res, ResMut};
use bevy_ecs::resource::Resource;
use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{NewObject, Propagation, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::View;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::{Meta, OwnerRef};
use wavetank_engine::model::network::{Endpoint, EndpointPort, EndpointSlice, Service, ServiceType};
use wavetank_engine::names::{Name, Names, Sym};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};

/// Most endpoints of a slice. Source: `spec/networking.md` §3.
pub const ENDPOINTS_MAX: usize = 100;

/// The controller's work queue: Services.
pub struct SlicesQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::Service, on: Changes::ADDED.or(Changes::SPEC).or(Changes::LABELS).or(Changes::GONE), whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: POD_CHANGES, whom: Whom::Selecting(Kind::Service) },
    Wake { kind: Kind::EndpointSlice, on: Changes::GONE, whom: Whom::Controller(Kind::Service) },
];

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    let words = SliceWords::new(&mut sim.get_mut::<Names>());
    sim.resource(words);
    sim.ensure::<SetsByPair>();
    sim.behaviour::<SlicesQueue, _, _>("endpoint_slices", "endpointslice-controller", WAKES, sync);
}

/// What one reconciliation wants done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// New slices.
    pub create: Vec<EndpointSlice>,
    /// Slices that change, by their place in the list.
    pub update: Vec<(usize, EndpointSlice)>,
    /// Slices that go, by their place in the list.
    pub delete: Vec<usize>,
}

/// Decides on the slices of a Service: endpoints are updated in place, slices that lose all of theirs go; new ones fill slices that change
/// anyway, fullest first, then the one unchanged slice that they fit most tightly, then new slices. Slices are never rebalanced. A slice
/// holds at most `endpoints_max`.
pub fn plan<S: Borrow<EndpointSlice>>(present: &[S], wanted: &ByPorts, endpoints_max: usize) -> Plan {
    let mut plan = Plan::default();
    let present: Vec<&EndpointSlice> = present.iter().map(Borrow::borrow).collect();
    let empty: Vec<EndpointPort> = Vec::new();
    let mut by_ports: BTreeMap<&Vec<EndpointPort>, Vec<usize>> = BTreeMap::new();
    for (at, slice) in present.iter().enumerate() {
        by_ports.entry(slice.ports.as_ref().unwrap_or(&empty)).or_default().push(at);
    }
    for (ports, endpoints) in wanted.iter().filter(|(_, endpoints)| !endpoints.is_empty()) {
        plan_ports(&present, by_ports.remove(ports).unwrap_or_default(), (ports, endpoints), endpoints_max, &mut plan);
    }
    let left: Vec<usize> = by_ports.into_values().flatten().collect();
    if wanted.values().all(Vec::is_empty) {
        // A placeholder tells that the Service is known and has nobody.
        let placeholder = EndpointSlice { endpoints: Vec::new(), ports: None };
        match left.iter().position(|&at| *present[at] == placeholder) {
            Some(keep) => plan.delete.extend(left.iter().enumerate().filter(|(nth, _)| *nth != keep).map(|(_, &at)| at)),
            None => {
                plan.delete.extend(left);
                plan.create.push(placeholder);
            }
        }
    } else {
        plan.delete.extend(left);
    }
    reuse(&mut plan);
    plan
}

/// A slice that would go is changed into one that would come. Source: `reconciler.go`, `finalize`.
fn reuse(plan: &mut Plan) {
    let reused = plan.delete.len().min(plan.create.len());
    for at in plan.delete.drain(..reused) {
        plan.update.extend(plan.create.pop().map(|slice| (at, slice)));
    }
}

fn plan_ports(
    present: &[&EndpointSlice],
    places: Vec<usize>,
    (ports, wanted): (&[EndpointPort], &[Endpoint]),
    endpoints_max: usize,
    plan: &mut Plan,
) {
    let mut missing = ByAddress::of(wanted);
    let (mut changed, mut unchanged): (Vec<(usize, Vec<Endpoint>)>, Vec<usize>) = (Vec::new(), Vec::new());
    for at in places {
        let kept: Vec<Endpoint> = present[at].endpoints.iter().filter_map(|old| missing.remove(old.ip)).collect();
        if kept == present[at].endpoints {
            unchanged.push(at);
        } else if kept.is_empty() {
            plan.delete.push(at);
        } else {
            changed.push((at, kept));
        }
    }
    let mut missing: VecDeque<Endpoint> = missing.0.into_iter().filter(|(_, taken)| !taken).map(|(endpoint, _)| endpoint).collect();
    changed.sort_by_key(|(at, kept)| (std::cmp::Reverse(kept.len()), *at));
    for (_, kept) in &mut changed {
        while kept.len() < endpoints_max
            && let Some(next) = missing.pop_front()
        {
            kept.push(next);
        }
    }
    let make = |endpoints: Vec<Endpoint>| EndpointSlice { endpoints, ports: Some(ports.to_vec()) };
    while missing.len() >= endpoints_max {
        plan.create.push(make(missing.drain(..endpoints_max).collect()));
    }
    if !missing.is_empty() {
        let fits = |at: &&usize| present[**at].endpoints.len() + missing.len() <= endpoints_max;
        match unchanged.iter().filter(fits).max_by_key(|&&at| (present[at].endpoints.len(), std::cmp::Reverse(at))) {
            Some(&at) => plan.update.push((at, make(present[at].endpoints.iter().copied().chain(missing).collect()))),
            None => plan.create.push(make(missing.into_iter().collect())),
        }
    }
    plan.update.extend(changed.into_iter().map(|(at, kept)| (at, make(kept))));
}

/// Endpoints in order of address, one for each address, and whether they were taken.
struct ByAddress(Vec<(Endpoint, bool)>);

impl ByAddress {
    /// Of endpoints in order of address, of which the last of an address counts.
    fn of(wanted: &[Endpoint]) -> ByAddress {
        let mut list: Vec<(Endpoint, bool)> = Vec::with_capacity(wanted.len());
        for endpoint in wanted {
            list.pop_if(|last| last.0.ip == endpoint.ip);
            list.push((*endpoint, false));
        }
        ByAddress(list)
    }

    fn remove(&mut self, ip: u32) -> Option<Endpoint> {
        let at = self.0.binary_search_by_key(&ip, |(endpoint, _)| endpoint.ip).ok()?;
        let (endpoint, taken) = &mut self.0[at];
        (!std::mem::replace(taken, true)).then_some(*endpoint)
    }
}

/// Texts of slices, by what they are made from.
#[derive(Debug, Clone, Copy, Resource)]
pub struct SliceWords {
    service_name: Sym,
    managed_by: Sym,
    controller: Sym,
    headless: Sym,
}

impl SliceWords {
    /// Interns the texts.
    pub fn new(names: &mut Names) -> SliceWords {
        SliceWords {
            service_name: names.sym("kubernetes.io/service-name"),
            managed_by: names.sym("endpointslice.kubernetes.io/managed-by"),
            controller: names.sym("endpointslice-controller.k8s.io"),
            headless: names.sym("service.kubernetes.io/headless"),
        }
    }
}

fn sync(
    mut work: Work<SlicesQueue>,
    slices: View<SlicesQueue, EndpointSlice>,
    mut zones: Local<Zones>,
    mut reads: Reads<SlicesQueue>,
    words: Res<SliceWords>,
    mut labels: ResMut<LabelSets>,
    mut names: ResMut<Names>,
) {
    while let Some(item) = work.pop() {
        reads.sets.catch_up(&labels);
        let selecting = |service: &&Service| service.selector.is_some() && service.kind != ServiceType::ExternalName;
        let (Some(service), Some(meta)) = (reads.services.get(item.object).filter(selecting), reads.metas.get(item.object)) else {
            continue;
        };
        let own: Vec<ObjRef> = reads.listing.controlled(item.object.uid).filter(|&slice| slices.get(slice).is_some()).collect();
        let present: Vec<&EndpointSlice> = own.iter().filter_map(|&slice| slices.get(slice)).collect();
        let wanted = members(&reads, &mut zones, &labels, &names, service, (meta.namespace, meta.name));
        let plan = plan(&present, &wanted, ENDPOINTS_MAX);
        for slice in plan.create {
            let new = new_slice(&item, meta, service, slice, *words, &mut labels, &mut names);
            work.ask(&item, Verb::Create(Box::new(new)));
        }
        for (at, slice) in plan.update {
            work.tell(item.cause, Verb::Put { object: own[at], expect: None, value: slice.into() });
        }
        for at in plan.delete {
            work.tell(item.cause, Verb::Delete { object: own[at], grace_s: None, propagation: Some(Propagation::Background) });
        }
    }
}

/// Labels of a slice: the Service's own, whose slice it is, who keeps it, and whether the Service is headless.
/// Source: `endpointslice/utils.go`, `setEndpointSliceLabels`; `spec/networking.md` §3.
pub fn slice_labels(service_labels: &[(Sym, Sym)], service: Sym, headless: bool, words: SliceWords) -> Vec<(Sym, Sym)> {
    let own = [(words.service_name, service), (words.managed_by, words.controller)];
    let headless = headless.then_some((words.headless, Sym::EMPTY));
    service_labels.iter().copied().chain(own).chain(headless).collect()
}

fn new_slice(
    item: &Item,
    service_meta: &Meta,
    service: &Service,
    slice: EndpointSlice,
    words: SliceWords,
    labels: &mut LabelSets,
    names: &mut Names,
) -> NewObject {
    let mut meta = Meta::new(Kind::EndpointSlice, service_meta.namespace, Name::default());
    let name = names.render(service_meta.name);
    meta.generate_name = names.sym(&format!("{name}-"));
    let name = names.sym(&name);
    let pairs = slice_labels(labels.pairs(service_meta.labels), name, service.cluster_ip == Service::HEADLESS, words);
    meta.labels = labels.intern(names, pairs);
    meta.owners.push(OwnerRef {
        uid: Some(item.object.uid),
        kind: Kind::Service,
        name: service_meta.name,
        controller: true,
        block_owner_deletion: true,
    });
    NewObject { meta, states: vec![slice.into()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(ip: u32) -> Endpoint {
        let name = Name::default();
        Endpoint {
            ip,
            node: Sym::EMPTY,
            zone: Sym::EMPTY,
            hostname: Sym::EMPTY,
            pod: name,
            pod_uid: None,
            ready: true,
            serving: true,
            terminating: false,
        }
    }

    fn wanted(ips: std::ops::Range<u32>) -> ByPorts {
        ByPorts::from([(
            vec![EndpointPort { name: Sym::EMPTY, port: 80, protocol: Sym::EMPTY, app_protocol: Sym::EMPTY }],
            ips.map(endpoint).collect(),
        )])
    }

    fn sizes(slices: &[EndpointSlice]) -> Vec<usize> {
        slices.iter().map(|slice| slice.endpoints.len()).collect()
    }

    /// Carries a plan out.
    fn after(mut slices: Vec<EndpointSlice>, plan: Plan) -> Vec<EndpointSlice> {
        for (at, slice) in plan.update {
            slices[at] = slice;
        }
        let mut kept: Vec<EndpointSlice> =
            slices.into_iter().enumerate().filter(|(at, _)| !plan.delete.contains(at)).map(|(_, slice)| slice).collect();
        kept.extend(plan.create);
        kept
    }

    #[test]
    fn slices_fill_and_empty() {
        let mut slices = Vec::new();
        for (want, expected) in [(1..1, vec![0]), (1..4, vec![3]), (1..251, vec![50, 100, 100]), (1..2, vec![1]), (1..1, vec![0])] {
            let plan = plan(&slices, &wanted(want.clone()), ENDPOINTS_MAX);
            slices = after(slices, plan);
            let mut got = sizes(&slices);
            got.sort_unstable();
            assert_eq!(got, expected, "{want:?}");
            let again = super::plan(&slices, &wanted(want), ENDPOINTS_MAX);
            assert_eq!(again, Plan::default(), "a second look asks for nothing");
        }
    }
}
