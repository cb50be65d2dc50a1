//! Who gets which part of a rate.

use super::Reads;
use super::answers::Answers;
use super::capacity::{common_multiple, grouped};
use crate::network::ingress::{Ingresses, Route};
use crate::network::policy::{Direction, Peer, PeerPod, Policies as NetworkPolicies, Port};
use crate::network::reach::{Candidate, Hint, Policies, categorize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::draw::draw_below;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Uid};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::network::{Endpoint, EndpointSlice, Service, ServiceType};
use wavetank_engine::model::pod::{PodPhase, PodStatus};
use wavetank_engine::model::zone_hints;
use wavetank_engine::names::Sym;
use wavetank_engine::scene::arrivals::{Flow, Group, Lost, Share};
use wavetank_engine::scene::network::Cni;
use wavetank_engine::scene::program::Programs;
use wavetank_engine::scene::targets::{Target, glob};
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// Ingresses and policies of the moment.
pub(super) struct Rules {
    policies: NetworkPolicies,
    ingresses: Ingresses,
}

impl Rules {
    pub(super) fn read(reads: &Reads) -> Rules {
        let list = |kind: Kind| -> Vec<Value> {
            let of = |object: ObjRef| {
                let (meta, body) = (reads.metas.get(object)?, reads.opaques.get(object)?);
                let pairs = reads.labels.pairs(meta.annotations).iter();
                let annotations: BTreeMap<&str, &str> =
                    pairs.map(|&(key, value)| (reads.names.text(key), reads.names.text(value))).collect();
                Some(json!({
                    "metadata": {
                        "name": reads.names.render(meta.name), "namespace": reads.names.text(meta.namespace), "annotations": annotations,
                        "creationTimestamp": format!("{:020}", meta.created_at.0 / 1_000_000_000),
                    },
                    "spec": body.body.value()["spec"],
                }))
            };
            reads.listing.of_kind(kind).filter_map(of).collect()
        };
        let enforced = reads.settings.cni == Cni::Calico;
        Rules {
            policies: NetworkPolicies::read(if enforced { list(reads.watched.policy) } else { Vec::new() }),
            ingresses: Ingresses::read(list(reads.watched.ingress), &list(reads.watched.class)),
        }
    }
}

/// How one rate is shared.
pub(super) struct Sharing<'a, 'w, 's> {
    pub(super) reads: &'a Reads<'w, 's>,
    pub(super) rules: &'a Rules,
    /// How it is shared at present.
    pub(super) before: Option<&'a Share>,
    pub(super) now: SimTime,
}

/// The Service whose endpoints have to be looked at again, and when.
type Again = Option<(ObjRef, SimTime)>;

impl Sharing<'_, '_, '_> {
    /// `caller`: one of the pods that call, where the flow is one of calls.
    pub(super) fn share(
        &self,
        (place, flow): (usize, &Flow),
        caller: Option<ObjRef>,
        programs: &mut Programs,
        answers: &mut Answers,
    ) -> (Share, Again) {
        let source = match &flow.from {
            None => None,
            // They are on many nodes: none of them is near.
            Some(_) if !flow.from_pod() => None,
            Some(from) => match self.source(from) {
                Some(pod) => Some(pod),
                None => return (Share::lost(Lost::Unsent), None),
            },
        };
        let service = flow.service.or_else(|| self.backend(&flow.to));
        let object = service.and_then(|key| self.reads.listing.by_key(key));
        let Some((object, service)) = object.and_then(|object| Some((object, self.reads.services.get(object)?))) else {
            return (Share::lost(Lost::Refused), None);
        };
        // Pods that have no port of that name live in a slice without ports.
        let has_port = |slice: &&EndpointSlice| service.ports.is_empty() || slice.ports.iter().flatten().next().is_some();
        let slices: Vec<&EndpointSlice> = self.slices(object, service).into_iter().filter(has_port).collect();
        let mut seen = BTreeSet::new();
        let endpoints: Vec<(&Endpoint, u16)> = slices
            .iter()
            .flat_map(|slice| {
                let port = slice.ports.iter().flatten().next().map_or(0, |port| port.port);
                slice.endpoints.iter().map(move |endpoint| (endpoint, port))
            })
            .filter(|(endpoint, _)| seen.insert(endpoint.ip))
            .collect();
        if service.cluster_ip == Service::HEADLESS && flow.from.is_some() {
            let told = endpoints.iter().filter(|(endpoint, _)| endpoint.ready).map(|&(endpoint, port)| (*endpoint, port)).collect();
            let (kept, again) = answers.used(place, source.map(|source| source.uid), told, (self.now, self.reads.settings.dns_ttl));
            if kept.is_empty() {
                return (Share::lost(Lost::Refused), None);
            }
            let (there, gone): (Vec<_>, Vec<_>) =
                kept.iter().map(|(endpoint, port)| (endpoint, *port)).partition(|(one, _)| self.answers(one));
            let mut share = self.among(&there, source.or(caller), false, programs);
            // Packets to an address that nobody has get lost.
            share.lost_parts += gone.len() as u64;
            return (share, again.map(|at| (object, at)));
        }
        let outside = flow.from.is_none() && flow.service.is_some();
        if outside && service.external_local() && matches!(service.kind, ServiceType::LoadBalancer | ServiceType::NodePort) {
            return (self.by_node(service, &endpoints, programs), None);
        }
        let hints = if source.is_some() { self.zone_hints(object, &endpoints) } else { BTreeMap::new() };
        let used = match self.used(&endpoints, service, source, &hints) {
            Ok(used) => used,
            Err(lost) => return (Share::lost(lost), None),
        };
        let used = match (source, service.affinity_s()) {
            (Some(source), Some(_)) => vec![self.sticky(&used, source)],
            _ => used,
        };
        let mut share = self.among(&used, source.or(caller), flow.service.is_none(), programs);
        share.backend = flow.service.is_none().then(|| self.reads.listing.row(object).map(|row| row.key)).flatten();
        (share, None)
    }

    /// What comes from outside to the nodes of a Service with `externalTrafficPolicy: Local`: all nodes with an endpoint get as much, and
    /// each node's proxy shares that between its own. A load balancer asks for nodes with ready endpoints (their health check node port);
    /// where there is none nobody answers. A node itself makes do with endpoints that leave, or refuses.
    fn by_node(&self, service: &Service, endpoints: &[(&Endpoint, u16)], programs: &mut Programs) -> Share {
        let balanced = service.kind == ServiceType::LoadBalancer;
        let of = |fits: &dyn Fn(&Endpoint) -> bool| -> Vec<(&Endpoint, u16)> {
            endpoints.iter().copied().filter(|(one, _)| fits(one) && !one.node.is_empty()).collect()
        };
        let mut used = of(&|one| one.ready);
        if !balanced {
            let has_ready: BTreeSet<Sym> = used.iter().map(|(one, _)| one.node).collect();
            used.extend(of(&|one| one.serving && one.terminating && !has_ready.contains(&one.node)));
            if used.is_empty() {
                return Share::lost(Lost::Refused);
            }
        }
        let mut on: BTreeMap<Sym, u32> = BTreeMap::new();
        used.iter().for_each(|(endpoint, _)| *on.entry(endpoint.node).or_default() += 1);
        let whole = on.values().fold(1, |whole, &number| common_multiple(whole, number));
        let parts: BTreeMap<Sym, u32> = on.iter().map(|(&node, &number)| (node, (whole / number).max(1))).collect();
        self.among_parts(&used, |endpoint| parts[&endpoint.node], None, false, programs)
    }

    /// Whether somebody still has the address of an endpoint.
    fn answers(&self, endpoint: &Endpoint) -> bool {
        let Some(uid) = endpoint.pod_uid else { return true };
        let status = self.reads.listing.by_uid(uid).and_then(|pod| self.reads.statuses.get(pod));
        status.is_some_and(|status| status.phase == PodPhase::Running && status.pod_ip == endpoint.ip)
    }

    /// The Service and its endpoints that an address gets through an Ingress.
    fn backend(&self, to: &str) -> Option<ObjectKey> {
        let rest = to.strip_prefix("http://")?;
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let host = host.split(':').next().unwrap_or(host);
        let Route::Backend { namespace, service, .. } = self.rules.ingresses.route(host, path) else { return None };
        let names = &self.reads.names;
        Some(ObjectKey { kind: Kind::Service, namespace: names.find(&namespace)?, name: names.find_name(&service)? })
    }

    /// The first ready pod by name that a source names.
    fn source(&self, from: &str) -> Option<ObjRef> {
        let target = Target::parse(from)?;
        let (names, reads) = (&self.reads.names, self.reads);
        let pods = reads.listing.in_namespace(Kind::Pod, names.find(&target.namespace)?);
        let fits = |pod: &ObjRef| {
            let named = reads.listing.row(*pod).is_some_and(|row| glob(&target.name, &names.render(row.key.name)));
            let runs = reads.pods.get(*pod).is_some_and(|pod| !reads.has_failed(pod.node));
            named && runs && reads.statuses.get(*pod).is_some_and(PodStatus::ready)
        };
        let mut pods: Vec<(String, ObjRef)> =
            pods.filter(fits).filter_map(|pod| Some((names.render(reads.listing.row(pod)?.key.name), pod))).collect();
        pods.sort();
        pods.first().map(|(_, pod)| *pod)
    }

    /// The Service's own slices, those mirrored for it, and those that only name it.
    fn slices(&self, object: ObjRef, service: &Service) -> Vec<&EndpointSlice> {
        let reads = self.reads;
        if service.selector.is_some() {
            return reads.listing.controlled(object.uid).filter_map(|slice| reads.slices.get(slice)).collect();
        }
        let (Some(row), Some(label)) = (reads.listing.row(object), reads.names.find("kubernetes.io/service-name")) else {
            return Vec::new();
        };
        let name = reads.names.find(&reads.names.render(row.key.name));
        let names_it =
            |slice: &ObjRef| reads.listing.row(*slice).is_some_and(|slice| name.is_some() && reads.labels.get(slice.labels, label) == name);
        let slices = reads.listing.in_namespace(Kind::EndpointSlice, row.key.namespace);
        slices.filter(names_it).filter_map(|slice| reads.slices.get(slice)).collect()
    }

    /// The endpoints that get requests, as the proxy of the source's node sorts them.
    fn used<'e>(
        &self,
        endpoints: &[(&'e Endpoint, u16)],
        service: &Service,
        source: Option<ObjRef>,
        hints: &BTreeMap<u32, Sym>,
    ) -> Result<Vec<(&'e Endpoint, u16)>, Lost> {
        let node = source.and_then(|source| self.reads.pods.get(source)).map_or(Sym::EMPTY, |pod| pod.node);
        let zone = self.zone(node);
        let hint = |hint: Option<Sym>, here: Sym| match hint {
            Some(name) if name == here => Hint::Here,
            Some(_) => Hint::Elsewhere,
            None => Hint::Absent,
        };
        let distribution = if source.is_some() { service.distribution() } else { Default::default() };
        let candidate = |(endpoint, _): &(&Endpoint, u16)| {
            let (zone_hint, node_hint) =
                if hints.is_empty() { endpoint.hints(distribution) } else { (hints.get(&endpoint.ip).copied(), None) };
            Candidate {
                local: endpoint.node == node && !node.is_empty(),
                ready: endpoint.ready,
                serving: endpoint.serving,
                terminating: endpoint.terminating,
                node_hint: hint(node_hint, node),
                zone_hint: hint(zone_hint, zone),
            }
        };
        let candidates: Vec<Candidate> = endpoints.iter().map(candidate).collect();
        let internal_local = source.is_some() && service.internal_local() && service.cluster_ip != Service::HEADLESS;
        let reach = categorize(&candidates, Policies { internal_local, external_local: false, external: false });
        let places = if internal_local { reach.local } else { reach.cluster }.unwrap_or_default();
        match (places.is_empty(), reach.any) {
            (false, _) => Ok(places.into_iter().map(|place| endpoints[place]).collect()),
            (true, true) => Err(Lost::Dropped),
            (true, false) => Err(Lost::Refused),
        }
    }

    /// Zones for whose clients endpoints are where the Service is annotated so: see [`zone_hints`].
    fn zone_hints(&self, service: ObjRef, endpoints: &[(&Endpoint, u16)]) -> BTreeMap<u32, Sym> {
        let (reads, names) = (self.reads, &self.reads.names);
        if !reads.metas.get(service).is_some_and(|meta| hints_wanted(reads, meta)) {
            return BTreeMap::new();
        }
        let label = |object: ObjRef, key: Sym| reads.listing.row(object).and_then(|row| reads.labels.get(row.labels, key));
        let counts = |node: &ObjRef| zone_hints::EXCLUDED.iter().all(|key| names.find(key).is_none_or(|key| label(*node, key).is_none()));
        let nodes = reads.listing.of_kind(Kind::Node).filter(counts).filter_map(|node| {
            let status = reads.nodes.get(node).filter(|status| status.ready())?;
            Some((label(node, words::ZONE_LABEL).map(|zone| names.text(zone)), status.allocatable.cpu_millicores))
        });
        let Some(cpu) = zone_hints::cpu_by_zone(nodes) else { return BTreeMap::new() };
        let list: Vec<(&str, bool)> = endpoints.iter().map(|(one, _)| (names.text(one.zone), one.ready)).collect();
        let hints = zone_hints::hints(&list, &cpu);
        endpoints.iter().zip(hints).filter_map(|((endpoint, _), zone)| Some((endpoint.ip, names.find(zone?)?))).collect()
    }

    fn zone(&self, node: Sym) -> Sym {
        let reads = self.reads;
        let row = reads.names.find_name(reads.names.text(node)).and_then(|name| {
            let object = reads.listing.by_key(ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name })?;
            reads.listing.row(object)
        });
        row.and_then(|row| reads.labels.get(row.labels, words::ZONE_LABEL)).unwrap_or(Sym::EMPTY)
    }

    /// The endpoint that a client stays with; a drawn one when it has none yet or its own is gone.
    fn sticky<'e>(&self, used: &[(&'e Endpoint, u16)], source: ObjRef) -> (&'e Endpoint, u16) {
        let kept = self.before.filter(|before| before.pods.len() == 1).and_then(|before| before.pods.first().copied());
        let kept = kept.and_then(|kept| used.iter().find(|(endpoint, _)| endpoint.pod_uid == Some(kept)));
        *kept.unwrap_or_else(|| {
            let name = self.reads.listing.row(source).map_or(String::new(), |row| self.reads.names.render(row.key.name));
            &used[draw_below(self.reads.seed.0, "session affinity", name.as_str(), used.len() as u64, used.len() as u64) as usize]
        })
    }

    fn among(&self, used: &[(&Endpoint, u16)], source: Option<ObjRef>, by_ingress: bool, programs: &mut Programs) -> Share {
        self.among_parts(used, |_| 1, source, by_ingress, programs)
    }

    /// Shares between endpoints that get so many parts each.
    fn among_parts(
        &self,
        used: &[(&Endpoint, u16)],
        parts: impl Fn(&Endpoint) -> u32,
        source: Option<ObjRef>,
        by_ingress: bool,
        programs: &mut Programs,
    ) -> Share {
        let mut share = Share { lost: Lost::Dropped, ..Share::default() };
        let mut weighed: Vec<(Uid, u32)> = Vec::new();
        let mut groups: BTreeMap<Group, Vec<Uid>> = BTreeMap::new();
        for &(endpoint, port) in used {
            let pod = endpoint.pod_uid.and_then(|uid| self.reads.listing.by_uid(uid));
            if self.reads.has_failed(endpoint.node) || !by_ingress && !self.allowed(source, endpoint, pod, port) {
                share.lost_parts += u64::from(parts(endpoint));
                continue;
            }
            match endpoint.pod_uid {
                None => share.others += u64::from(parts(endpoint)),
                Some(uid) => {
                    let weight = parts(endpoint);
                    weighed.push((uid, weight));
                    if let Some(group) = pod.and_then(|pod| self.group(pod, programs)) {
                        groups.entry(Group { weight, ..group }).or_default().push(uid);
                    }
                }
            }
        }
        weighed.sort_unstable();
        share.pods = weighed.iter().map(|pair| pair.0).collect();
        if weighed.iter().any(|pair| pair.1 != 1) {
            share.weights = weighed.iter().map(|pair| pair.1).collect();
        }
        share.groups = groups.into_iter().map(|(group, members)| grouped(group, members)).collect();
        share
    }

    /// Whether policies at both ends let requests pass.
    fn allowed(&self, source: Option<ObjRef>, endpoint: &Endpoint, pod: Option<ObjRef>, port: u16) -> bool {
        if self.rules.policies.is_empty() {
            return true;
        }
        let asked = Port { number: port, protocol: "TCP" };
        let (from, to) = (source.and_then(|source| self.peer(source)), pod.and_then(|pod| self.peer(pod)));
        let peer = |ip: u32, pod: &Option<PeerPod>| Peer { ip, pod: pod.clone() };
        let source_ip = source.and_then(|source| self.reads.statuses.get(source)).map_or(0, |status| status.pod_ip);
        let says = |own: &PeerPod, other: Peer, direction| self.rules.policies.verdict(own, &other, direction, asked).allows();
        from.as_ref().is_none_or(|own| says(own, peer(endpoint.ip, &to), Direction::Egress))
            && to.as_ref().is_none_or(|own| says(own, peer(source_ip, &from), Direction::Ingress))
    }

    /// A pod as policies see it; `None` for one that uses its node's address.
    fn peer(&self, pod: ObjRef) -> Option<PeerPod> {
        let reads = self.reads;
        let row = reads.listing.row(pod)?;
        let class = reads.classes.get(reads.pods.get(pod)?.class);
        if class.host_network {
            return None;
        }
        let text = |sym: Sym| reads.names.text(sym).to_string();
        let pairs = |set| reads.labels.pairs(set).iter().map(|&(key, value)| (text(key), text(value))).collect();
        let namespace = text(row.key.namespace);
        let name = reads.names.find_name(&namespace)?;
        let space = reads.listing.by_key(ObjectKey { kind: Kind::Namespace, namespace: Sym::EMPTY, name });
        let namespace_labels = space.and_then(|space| reads.listing.row(space)).map(|row| pairs(row.labels)).unwrap_or_default();
        let ports = class.containers.iter().flat_map(|container| &container.ports);
        let ports = ports.map(|port| (text(port.name), port.port, text(port.protocol))).collect();
        Some(PeerPod { namespace, namespace_labels, labels: pairs(row.labels), ports })
    }
}

/// Whether a Service is annotated for hints.
pub(super) fn hints_wanted(reads: &Reads, meta: &Meta) -> bool {
    let value = |key: &str| reads.names.find(key).and_then(|key| reads.labels.get(meta.annotations, key));
    zone_hints::ANNOTATIONS.iter().any(|key| value(key).is_some_and(|value| zone_hints::wanted(reads.names.text(value))))
}
