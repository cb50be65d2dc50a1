//! Where requests go: each rate is shared by the ready endpoints of its Service, as EndpointSlices, Ingresses and NetworkPolicies say.
//!
//! | | |
//! |---|---|
//! | reads  | `EndpointSlice`, `Service`, `Pod`, `PodStatus`, `Meta`, `NodeStatus`, `NodeFaults`, Ingresses, IngressClasses, NetworkPolicies, `Flows` |
//! | writes | `Arrivals`, `Answers`, `FailedNodes` |
//! | woken  | an EndpointSlice or a Service came, changed or went; where a source is a pod, that pod, and nodes for Services with hints; where there is an address, an Ingress; an answer of the name service is too old; a node fails or comes back |
//! | source | kubernetes v1.36, `pkg/proxy/topology.go`, `CategorizeEndpoints`; `spec/networking.md` §6, §10, §11 |
//!
//! Rates, not packets: nothing wakes when a rate changes, whoever reads a metric integrates the curve. Without a ready endpoint the
//! serving ones among those that are going away take the requests; without these the requests are refused. Endpoints get the same share
//! each; of those that policies deny, or whose node has failed, the share is dropped. A source outside knows no zones; under
//! `externalTrafficPolicy: Local` it sends to all nodes that have an endpoint alike, and each node shares its part. One inside the cluster keeps to
//! its node and zone as the Service says, and to one endpoint under `sessionAffinity`. Clients of a headless Service keep the addresses
//! that they were told until the answer is too old ([`answers`]).

mod answers;
mod capacity;
mod sharing;

use answers::Answers;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::system::SystemParam;
use sharing::{Rules, Sharing};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::network::{EndpointSlice, Service};
use wavetank_engine::model::node::NodeStatus;
use wavetank_engine::model::opaque::Opaque;
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::names::{Name, Names, Sym};
use wavetank_engine::scene::arrivals::{Arrivals, Flow, Flows, Share};
use wavetank_engine::scene::faults::{Fault, NodeFaults};
use wavetank_engine::scene::network::NetworkSettings;
use wavetank_engine::scene::program::Programs;
use wavetank_engine::scene::targets::{Target, glob};
use wavetank_engine::scene::traffic::TrafficSources;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::simulation::{Seed, Simulation};

/// The work queue: EndpointSlices, Services, pods that send, and what steers every flow.
pub struct TrafficQueue;

/// What changes who gets requests.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::EndpointSlice, on: Changes::ADDED.or(Changes::SPEC).or(Changes::GONE), whom: Whom::Itself },
    Wake { kind: Kind::Service, on: Changes::ADDED.or(Changes::SPEC).or(Changes::GONE), whom: Whom::Itself },
];

/// Registers the sharing of requests. The scene's sources must be there, or there are none.
pub fn install(sim: &mut Simulation) {
    sim.ensure::<TrafficSources>();
    sim.ensure::<NetworkSettings>();
    let sources = sim.get::<TrafficSources>().clone();
    let flows = flows(&mut sim.get_mut::<Names>(), &sources);
    let mut wakes = WAKES.to_vec();
    let watched = Watched::of(&mut sim.get_mut::<Kinds>());
    if !flows.0.is_empty() {
        let on = Changes::ADDED.or(Changes::SPEC).or(Changes::GONE);
        wakes.push(Wake { kind: watched.policy, on, whom: Whom::Itself });
        let of_node = Changes::ADDED.or(Changes::READY).or(Changes::LABELS).or(Changes::ALLOCATABLE).or(Changes::GONE);
        wakes.push(Wake { kind: Kind::Node, on: of_node, whom: Whom::Itself });
        wakes.push(Wake { kind: Kind::Service, on: Changes::ANNOTATIONS, whom: Whom::Itself });
        if flows.0.iter().any(|flow| flow.service.is_none()) {
            wakes.extend([watched.ingress, watched.class].map(|kind| Wake { kind, on, whom: Whom::Itself }));
        }
        if flows.0.iter().any(Flow::from_pod) {
            let on = Changes::ADDED.or(Changes::READY).or(Changes::LABELS).or(Changes::GONE);
            wakes.push(Wake { kind: Kind::Pod, on, whom: Whom::Itself });
        }
    }
    sim.resource(flows);
    sim.resource(watched);
    sim.keep(Arrivals::default());
    sim.keep(Answers::default());
    sim.keep(FailedNodes::default());
    sim.ensure::<NodeFaults>();
    let any = !sim.get::<Flows>().0.is_empty();
    sim.behaviour::<TrafficQueue, _, _>("traffic", "kube-proxy", &wakes, sync);
    if any {
        sim.wake_on_faults::<TrafficQueue>();
    }
}

/// Nodes whose containers had stopped when they were looked at last. ECS resource.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize, bevy_ecs::resource::Resource)]
pub struct FailedNodes(BTreeSet<Sym>);

/// Kinds without components that steer requests. ECS resource.
#[derive(Debug, Clone, Copy, bevy_ecs::resource::Resource)]
pub struct Watched {
    policy: Kind,
    ingress: Kind,
    class: Kind,
}

impl Watched {
    fn of(kinds: &mut Kinds) -> Watched {
        let mut kind = |word| kinds.kind_of("networking.k8s.io/v1", word);
        Watched { policy: kind("NetworkPolicy"), ingress: kind("Ingress"), class: kind("IngressClass") }
    }
}

/// The sources by where they come from and go to.
fn flows(names: &mut Names, sources: &TrafficSources) -> Flows {
    let mut flows = Flows::default();
    for source in &sources.0 {
        match flows.0.iter_mut().find(|flow| flow.to == source.to && flow.from == source.from) {
            Some(flow) => flow.rates.push(source.rate.clone()),
            None => {
                let service = Target::parse(&source.to).filter(|_| !source.to.starts_with("http://")).map(|target| ObjectKey {
                    kind: Kind::Service,
                    namespace: names.sym(&target.namespace),
                    name: names.name(&target.name),
                });
                flows.0.push(Flow {
                    to: source.to.clone(),
                    service,
                    from: source.from.clone(),
                    rates: vec![source.rate.clone()],
                    calls: Vec::new(),
                    caller: None,
                    level: 0,
                });
            }
        }
    }
    for call in &sources.1 {
        let service = |names: &mut Names, text: &str| {
            Target::parse(text).map(|target| ObjectKey {
                kind: Kind::Service,
                namespace: names.sym(&target.namespace),
                name: names.name(&target.name),
            })
        };
        let (from, to) = (service(names, &call.from), service(names, &call.to));
        let callers = flows.0.iter().enumerate().filter(|(_, flow)| flow.service == from || flow.service.is_none());
        let calls = callers.map(|(caller, _)| (caller, call.milli)).collect();
        flows.0.push(Flow {
            to: call.to.clone(),
            service: to,
            from: Some(call.from.clone()),
            rates: Vec::new(),
            calls,
            caller: from,
            level: 0,
        });
    }
    level(names, &mut flows);
    flows
}

/// Says how many calls lead to each Service at most: calls come in an order in which a Service is called before it calls.
fn level(names: &Names, flows: &mut Flows) {
    let key = |service: ObjectKey| (names.text(service.namespace).to_string(), names.render(service.name));
    let mut levels: BTreeMap<(String, String), u32> = BTreeMap::new();
    for (service, caller) in flows.0.iter().filter_map(|flow| Some((flow.service?, flow.caller))) {
        let level = caller.map_or(0, |caller| 1 + levels.get(&key(caller)).copied().unwrap_or(0));
        let known = levels.entry(key(service)).or_default();
        *known = level.max(*known);
    }
    for flow in &mut flows.0 {
        flow.level = flow.service.map_or(0, |service| levels[&key(service)]);
    }
}

/// What sharing reads.
#[derive(SystemParam)]
struct Reads<'w, 's> {
    slices: View<'w, 's, TrafficQueue, EndpointSlice>,
    services: View<'w, 's, TrafficQueue, Service>,
    pods: View<'w, 's, TrafficQueue, Pod>,
    statuses: View<'w, 's, TrafficQueue, PodStatus>,
    metas: View<'w, 's, TrafficQueue, Meta>,
    nodes: View<'w, 's, TrafficQueue, NodeStatus>,
    opaques: View<'w, 's, TrafficQueue, Opaque>,
    listing: Listing<'w, TrafficQueue>,
    classes: Res<'w, Classes>,
    labels: Res<'w, LabelSets>,
    names: Res<'w, Names>,
    settings: Res<'w, NetworkSettings>,
    faults: Res<'w, NodeFaults>,
    watched: Res<'w, Watched>,
    seed: Res<'w, Seed>,
}

fn sync(
    mut work: Work<TrafficQueue>,
    reads: Reads,
    flows: Res<Flows>,
    mut programs: ResMut<Programs>,
    mut arrivals: ResMut<Arrivals>,
    mut answers: ResMut<Answers>,
    mut failed: ResMut<FailedNodes>,
) {
    let mut dirty: BTreeSet<usize> = BTreeSet::new();
    while let Some(item) = work.pop() {
        if flows.0.is_empty() {
            continue;
        }
        let fails =
            reads.listing.row(item.object).filter(|row| row.key.kind == Kind::Node).is_some_and(|row| failed.look(&reads, row.key.name));
        for flow in if fails { (0..flows.0.len()).collect() } else { concerned(&reads, &flows, item.object) } {
            dirty.insert(flow);
            // Calls come from other pods when those of a caller change.
            dirty.extend((flow + 1..flows.0.len()).filter(|&called| flows.0[called].calls.iter().any(|&(caller, _)| caller == flow)));
        }
    }
    if dirty.is_empty() {
        return;
    }
    let rules = Rules::read(&reads);
    for flow in dirty {
        let sharing = Sharing { reads: &reads, rules: &rules, before: arrivals.share_of(flow), now: work.now() };
        // Those who call are any pods of their Service: policies are asked about the first.
        let serves = |caller: usize, share: &Share| flows.0[caller].service.is_some() || share.backend == flows.0[flow].caller;
        let callers = flows.0[flow].calls.iter().filter_map(|&(caller, _)| Some((caller, arrivals.share_of(caller)?)));
        let callers = callers.filter(|&(caller, share)| serves(caller, share)).filter_map(|(_, share)| share.pods.first().copied());
        let caller = callers.min().and_then(|pod| reads.listing.by_uid(pod));
        let (share, again) = sharing.share((flow, &flows.0[flow]), caller, &mut programs, &mut answers);
        if let Some((service, at)) = again {
            work.wake_at(service, at);
        }
        arrivals.spread(&flows, flow, share, work.now());
    }
}

impl FailedNodes {
    /// Looks at a node: whether its containers have stopped or started since the last look.
    fn look(&mut self, reads: &Reads, name: Name) -> bool {
        let Some(node) = reads.names.find(&reads.names.render(name)) else { return false };
        if reads.has_failed(node) { self.0.insert(node) } else { self.0.remove(&node) }
    }
}

impl Reads<'_, '_> {
    /// Whether nothing runs on a node any more, whoever knows of it.
    fn has_failed(&self, node: Sym) -> bool {
        self.faults.any() && matches!(self.faults.of(node), Some((Fault::Failed, _)))
    }
}

/// Flows that a change of an object may steer otherwise.
fn concerned(reads: &Reads, flows: &Flows, object: ObjRef) -> Vec<usize> {
    let Some(row) = reads.listing.answered(object) else { return Vec::new() };
    let named = |flow: &Flow, namespace: Sym, name: &str| match flow.service {
        Some(service) => service.namespace == namespace && reads.names.render(service.name) == name,
        None => true,
    };
    let hit: Vec<bool> = match row.key.kind {
        Kind::Pod => {
            let name = reads.names.render(row.key.name);
            let sends =
                |flow: &Flow| flow.from_pod() && flow.from.as_deref().and_then(Target::parse).is_some_and(|from| glob(&from.name, &name));
            flows.0.iter().map(sends).collect()
        }
        Kind::EndpointSlice => {
            let label = reads.names.find("kubernetes.io/service-name").and_then(|label| reads.labels.get(row.labels, label));
            let Some(service) = label.map(|label| reads.names.text(label)) else { return Vec::new() };
            flows.0.iter().map(|flow| named(flow, row.key.namespace, service)).collect()
        }
        Kind::Node => {
            let hinted = |flow: &Flow| {
                let service = flow.service.and_then(|key| reads.metas.get(reads.listing.by_key(key)?));
                flow.from_pod() && service.is_some_and(|meta| sharing::hints_wanted(reads, meta))
            };
            flows.0.iter().map(hinted).collect()
        }
        // A policy, an Ingress or a class.
        Kind::Other(_) => vec![true; flows.0.len()],
        _ => {
            let name = reads.names.render(row.key.name);
            flows.0.iter().map(|flow| named(flow, row.key.namespace, &name)).collect()
        }
    };
    hit.into_iter().enumerate().filter(|(_, hit)| *hit).map(|(at, _)| at).collect()
}
