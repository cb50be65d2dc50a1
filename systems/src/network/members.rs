//! The pods behind a Service, as both endpoint controllers see them. Source: `spec/networking.md` §3.

use smallvec::SmallVec;
use std::collections::BTreeMap;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{Kind, ObjRef, Uid};
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::network::{Endpoint, EndpointPort, Service};
use wavetank_engine::model::pod::{Pod, PodPhase, PodStatus};
use wavetank_engine::model::pod_class::{ClassId, Classes, PodClass};
use wavetank_engine::model::select::{Operator, Requirement, Selectors};
use wavetank_engine::names::{Name, Names, Sym};
use wavetank_engine::words;

/// What the endpoint controllers read. `Q` is the party's queue.
#[derive(bevy_ecs::system::SystemParam)]
pub struct Reads<'w, 's, Q: Send + Sync + 'static> {
    pub(crate) services: View<'w, 's, Q, Service>,
    pub(crate) pods: View<'w, 's, Q, Pod>,
    pub(crate) statuses: View<'w, 's, Q, PodStatus>,
    pub(crate) metas: View<'w, 's, Q, Meta>,
    pub(crate) listing: Listing<'w, Q>,
    pub(crate) selectors: bevy_ecs::prelude::Res<'w, Selectors>,
    pub(crate) classes: bevy_ecs::prelude::Res<'w, Classes>,
    pub(crate) sets: bevy_ecs::prelude::ResMut<'w, SetsByPair>,
}

/// Label sets by the pairs that they hold, as far as anybody asked: who a selector can mean is found without a walk over a namespace.
/// ECS resource.
#[derive(Debug, Default, bevy_ecs::resource::Resource)]
pub struct SetsByPair {
    known: usize,
    sets: LookupMap<(Sym, Sym), Vec<LabelSetId>>,
}

impl SetsByPair {
    /// Takes in the label sets that are new.
    pub(crate) fn catch_up(&mut self, labels: &LabelSets) {
        for number in self.known..labels.len() {
            let set = LabelSetId(number as u32);
            for &pair in labels.pairs(set) {
                self.sets.entry(pair).or_default().push(set);
            }
        }
        self.known = labels.len();
    }

    /// The fewest sets that hold all that match; `None` when a selector demands no pair.
    fn fewest(&self, requirements: &[Requirement]) -> Option<&[LabelSetId]> {
        let demands = requirements.iter().filter_map(|requirement| match (requirement.operator, &requirement.values[..]) {
            (Operator::In, &[value]) => Some((requirement.key, value)),
            _ => None,
        });
        demands.map(|pair| self.sets.get(&pair).map_or(&[][..], Vec::as_slice)).min_by_key(|sets| sets.len())
    }
}

/// Endpoints by their resolved ports, in order of the ports; each list in order of address.
pub type ByPorts = BTreeMap<Vec<EndpointPort>, Vec<Endpoint>>;

/// The pods that a Service with a name selects, as endpoints: those that have an address and have not ended.
pub fn members<Q: Send + Sync + 'static>(
    reads: &Reads<Q>,
    zones: &mut Zones,
    labels: &LabelSets,
    names: &Names,
    service: &Service,
    (namespace, name): (Sym, Name),
) -> ByPorts {
    let mut by_ports = ByPorts::new();
    let Some(selector) = service.selector else { return by_ports };
    let subdomain = names.find(&names.render(name));
    let selects = |set: LabelSetId| reads.selectors.matches(selector, labels, set);
    let pods: Vec<ObjRef> = match reads.sets.fewest(reads.selectors.get(selector)) {
        Some(sets) => {
            let sets = sets.iter().filter(|set| selects(**set));
            sets.flat_map(|&set| reads.listing.labelled(namespace, set)).collect()
        }
        None => {
            let pods = reads.listing.in_namespace(Kind::Pod, namespace);
            pods.filter(|&pod| reads.listing.row(pod).is_some_and(|row| selects(row.labels))).collect()
        }
    };
    // Pods of one class resolve ports alike.
    let mut by_class: SmallVec<[(ClassId, Vec<Endpoint>); 4]> = SmallVec::new();
    for pod in pods {
        let Some((class, endpoint)) = member(reads, zones, labels, names, (service, subdomain), pod) else { continue };
        match by_class.iter_mut().find(|of_class| of_class.0 == class) {
            Some((_, list)) => list.push(endpoint),
            None => by_class.push((class, vec![endpoint])),
        }
    }
    for (class, list) in by_class {
        by_ports.entry(ports_of(service, reads.classes.get(class), names)).or_default().extend(list);
    }
    for list in by_ports.values_mut() {
        list.sort_by_key(|endpoint| (endpoint.ip, endpoint.pod_uid));
    }
    by_ports
}

fn member<Q: Send + Sync + 'static>(
    reads: &Reads<Q>,
    zones: &mut Zones,
    labels: &LabelSets,
    names: &Names,
    (service, subdomain): (&Service, Option<Sym>),
    pod: ObjRef,
) -> Option<(ClassId, Endpoint)> {
    // Many have no address yet, so nothing else of them is looked at.
    let status = reads.statuses.get(pod).filter(|status| status.pod_ip != 0)?;
    let (spec, meta) = (reads.pods.get(pod)?, reads.metas.get(pod)?);
    let class = reads.classes.get(spec.class);
    let named = !class.subdomain.is_empty() && Some(class.subdomain) == subdomain;
    let facts = PodFacts {
        name: meta.name,
        hostname: if named { class.hostname } else { Sym::EMPTY },
        uid: Some(pod.uid),
        ip: status.pod_ip,
        node: spec.node,
        zone: zones.of(reads, labels, names, spec.node),
        phase: status.phase,
        ready: status.ready(),
        deleting: meta.terminating(),
    };
    Some((spec.class, endpoint(&facts, service.publish_not_ready)?))
}

/// A pod that a Service selects, as far as endpoints depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodFacts {
    /// Its name.
    pub name: Name,
    /// Its `hostname`, when its `subdomain` is the Service's name.
    pub hostname: Sym,
    /// Its identity.
    pub uid: Option<Uid>,
    /// Its address as a big-endian number; 0: none yet.
    pub ip: u32,
    /// Its node.
    pub node: Sym,
    /// Zone of the node, empty when the node names none; `None` when there is no such node.
    pub zone: Option<Sym>,
    /// Its phase.
    pub phase: PodPhase,
    /// Whether its Ready condition is True.
    pub ready: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// The endpoint that a selected pod is; `None` for one that has ended, has no address, or whose node is not there (unless not ready
/// addresses are published). Source: `endpointslice/utils.go`, `podToEndpoint`, `ShouldPodBeInEndpoints`; `spec/networking.md` §3.
pub fn endpoint(pod: &PodFacts, publish_not_ready: bool) -> Option<Endpoint> {
    if pod.phase.terminal() || pod.ip == 0 || pod.zone.is_none() && !publish_not_ready {
        return None;
    }
    Some(Endpoint {
        ip: pod.ip,
        node: pod.node,
        zone: pod.zone.unwrap_or(Sym::EMPTY),
        hostname: pod.hostname,
        pod: pod.name,
        pod_uid: pod.uid,
        ready: publish_not_ready || pod.ready && !pod.deleting,
        serving: pod.ready,
        terminating: pod.deleting,
    })
}

/// Nodes by name with their zones, as far as anybody asked: what was found is looked at again, not looked for.
#[derive(Debug, Default)]
pub struct Zones {
    found: LookupMap<Sym, (ObjRef, LabelSetId, Sym)>,
}

impl Zones {
    /// Zone of a node; `None` when there is no such node.
    fn of<Q: Send + Sync + 'static>(&mut self, reads: &Reads<Q>, labels: &LabelSets, names: &Names, node: Sym) -> Option<Sym> {
        if let Some(&(object, set, zone)) = self.found.get(&node)
            && reads.listing.row(object).is_some_and(|row| row.labels == set)
        {
            return Some(zone);
        }
        let name: Name = names.find_name(names.text(node))?;
        let object = reads.listing.by_key(wavetank_engine::ids::ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name })?;
        let row = reads.listing.row(object)?;
        let zone = labels.get(row.labels, words::ZONE_LABEL).unwrap_or(Sym::EMPTY);
        self.found.insert(node, (object, row.labels, zone));
        Some(zone)
    }
}

/// The Service's ports as a pod resolves them; one that names a port which the pod lacks is left out.
pub fn ports_of(service: &Service, class: &PodClass, names: &Names) -> Vec<EndpointPort> {
    let resolve = |port: &wavetank_engine::model::network::ServicePort| {
        let number = match names.text(port.target).parse::<u16>() {
            Ok(number) => number,
            Err(_) => {
                let sidecars = class.init_containers.iter().filter(|container| container.sidecar());
                let mut ports = class.containers.iter().chain(sidecars).flat_map(|container| &container.ports);
                ports.find(|found| found.name == port.target && found.protocol == port.protocol)?.port
            }
        };
        Some(EndpointPort { name: port.name, port: number, protocol: port.protocol, app_protocol: port.app_protocol })
    };
    let mut ports: Vec<EndpointPort> = service.ports.iter().filter_map(resolve).collect();
    ports.sort();
    ports
}
