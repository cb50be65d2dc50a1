//! Service controller: load balancers of the cloud for Services of that type, and the cloud that gives them.
//!
//! | | |
//! |---|---|
//! | reads  | `Service`, `ServiceStatus`, `Meta`, `NetworkSettings`, labels of nodes |
//! | writes | `Put` of `ServiceStatus`, and of `Meta` with and without the finalizer; `Events` |
//! | woken  | a Service came, changed, or is being deleted; the cloud is done; a failed call's back-off is over; where there is a cloud, a node came, is being deleted or is labelled |
//! | source | kubernetes v1.36, `cloud-provider/controllers/service/controller.go`, `syncLoadBalancerIfNeeded`, `syncNodes`; `spec/networking.md` §5 |
//!
//! The cloud needs its time for each call and fails as the scene says. Without `load_balancers` in the scene's network there is no cloud,
//! and nobody acts.

use crate::texts::texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::View;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::network::{BalancerIngress, Service, ServiceStatus, ServiceType};
use wavetank_engine::model::node::Node;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::scene::network::{LoadBalancers, NetworkSettings};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::{SimDuration, SimTime};

/// Back-off after a failed call: the first, and the longest. Source: `spec/networking.md` §5.
const RETRY: (SimDuration, SimDuration) = (SimDuration::from_secs(5), SimDuration::from_secs(300));

/// Nodes with this label are left out.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// Nodes that are named in an event at most. Source: `controller.go`, `loggableNodeNames`.
const HOSTS_NAMED_MAX: usize = 20;

/// The controller's work queue: Services, and nodes.
pub struct LoadBalancerQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] =
    &[Wake { kind: Kind::Service, on: Changes::ADDED.or(Changes::SPEC).or(Changes::DELETION).or(Changes::GONE), whom: Whom::Itself }];

texts! {
    /// Words of the controller and its cloud.
    pub BalancerTexts {
        source = "service-controller",
        finalizer = "service.kubernetes.io/load-balancer-cleanup",
        ensuring = "EnsuringLoadBalancer",
        ensuring_words = "Ensuring load balancer",
        ensured = "EnsuredLoadBalancer",
        ensured_words = "Ensured load balancer",
        deleting = "DeletingLoadBalancer",
        deleting_words = "Deleting load balancer",
        deleted = "DeletedLoadBalancer",
        deleted_words = "Deleted load balancer",
        updated = "UpdatedLoadBalancer",
        updated_words = "Updated load balancer with new hosts",
        no_hosts = "UnAvailableLoadBalancer",
        no_hosts_words = "There are no available nodes for LoadBalancer",
        not_updated = "UpdateLoadBalancerFailed",
        not_updated_words = "Error updating load balancer with new hosts {} [node names limited, total number of nodes: {}], error: {}",
        no_update = "the cloud does not answer",
        failed = "SyncLoadBalancerFailed",
        failed_words = "Error syncing load balancer: {}",
        no_ensure = "failed to ensure load balancer: the cloud does not answer",
        no_delete = "failed to delete load balancer: the cloud does not answer",
        quota = "failed to ensure load balancer: the cloud's limit of load balancers is reached",
        no_address = "failed to ensure load balancer: the cloud has no address left",
    }
}

/// The load balancers of the cloud, and calls under way. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct Balancers {
    /// Each Service's, with its place among the cloud's addresses.
    given: BTreeMap<ObjRef, u32>,
    calls: BTreeMap<ObjRef, Call>,
    /// Failures in a row, and when to try again.
    failures: BTreeMap<ObjRef, (u32, SimTime)>,
    /// Nodes that load balancers send to.
    hosts: BTreeSet<ObjRef>,
    /// Load balancers that the cloud has not told of them: failures in a row, and when to try again.
    stale: BTreeMap<ObjRef, (u32, SimTime)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Call {
    ensures: bool,
    done_at: SimTime,
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.ensure::<NetworkSettings>();
    sim.keep(Balancers::default());
    let texts = BalancerTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    let mut wakes = WAKES.to_vec();
    if sim.get::<NetworkSettings>().load_balancers.is_some() {
        let on = Changes::ADDED.or(Changes::LABELS).or(Changes::DELETION).or(Changes::GONE);
        wakes.push(Wake { kind: Kind::Node, on, whom: Whom::Itself });
    }
    sim.behaviour::<LoadBalancerQueue, _, _>("load_balancers", "service-controller", &wakes, sync);
}

/// What the controller reads.
#[derive(SystemParam)]
struct Reads<'w, 's> {
    services: View<'w, 's, LoadBalancerQueue, Service>,
    statuses: View<'w, 's, LoadBalancerQueue, ServiceStatus>,
    metas: View<'w, 's, LoadBalancerQueue, Meta>,
    nodes: View<'w, 's, LoadBalancerQueue, Node>,
    labels: Res<'w, LabelSets>,
    settings: Res<'w, NetworkSettings>,
    texts: Res<'w, BalancerTexts>,
}

fn sync(
    mut work: Work<LoadBalancerQueue>,
    reads: Reads,
    mut state: ResMut<Balancers>,
    mut names: ResMut<Names>,
    mut events: ResMut<Events>,
) {
    let mut moved = false;
    while let Some(item) = work.pop() {
        let Some(cloud) = &reads.settings.load_balancers else { continue };
        if let Some(changed) = state.host(&item, &reads, &names) {
            moved |= changed;
            continue;
        }
        let (Some(service), Some(meta)) = (reads.services.get(item.object), reads.metas.get(item.object)) else {
            state.forget(item.object);
            continue;
        };
        let wanted = service.kind == ServiceType::LoadBalancer && service.balancer_class().is_empty() && !meta.terminating();
        let mut turn = Turn { item: &item, meta, work: &mut work, reads: &reads, state: &mut state, events: &mut events, cloud };
        if wanted {
            turn.ensure(&mut names);
        } else if meta.finalizers.contains(&reads.texts.finalizer) || turn.state.given.contains_key(&item.object) {
            turn.delete();
        }
        if state.stale.get(&item.object).is_some_and(|&(_, at)| at <= work.now()) {
            update_hosts(&item, &mut work, &reads, &mut state, &mut events, &mut names);
        }
    }
    if moved {
        for service in state.given.keys().copied().collect::<Vec<_>>() {
            state.stale.insert(service, (0, work.now()));
            work.wake_at(service, work.now());
        }
    }
}

/// The cloud hears of the nodes that a load balancer sends to.
fn update_hosts(
    item: &Item,
    work: &mut Work<LoadBalancerQueue>,
    reads: &Reads,
    state: &mut Balancers,
    events: &mut Events,
    names: &mut Names,
) {
    let (service, now, texts) = (item.object, work.now(), *reads.texts);
    let (Some((failures, _)), Some(meta), Some(cloud)) =
        (state.stale.remove(&service), reads.metas.get(service), &reads.settings.load_balancers)
    else {
        return;
    };
    let about = ObjectKey { kind: Kind::Service, namespace: meta.namespace, name: meta.name };
    let (uid, source) = (service.uid, texts.source);
    if !cloud.fails_at(now) {
        let none = state.hosts.is_empty();
        let (reason, words) = if none { (texts.no_hosts, texts.no_hosts_words) } else { (texts.updated, texts.updated_words) };
        events.report(now, Report { about, uid, source, warning: none, reason, words, args: &[] });
        return;
    }
    let hosts = state.hosts.iter().filter_map(|&node| reads.metas.get(node)).map(|meta| names.render(meta.name));
    let mut hosts: Vec<String> = hosts.collect();
    hosts.sort();
    let number = hosts.len();
    if number > HOSTS_NAMED_MAX {
        hosts.truncate(HOSTS_NAMED_MAX);
        hosts.push(format!("<{} more>", number - HOSTS_NAMED_MAX));
    }
    let list = names.sym(&format!("[{}]", hosts.join(" ")));
    let (reason, words) = (texts.not_updated, texts.not_updated_words);
    let args = [Arg::Text(list), Arg::Int(number as i64), Arg::Text(texts.no_update)];
    events.report(now, Report { about, uid, source, warning: true, reason, words, args: &args });
    let at = now + SimDuration(RETRY.0.0.saturating_mul(1 << failures.min(10))).min(RETRY.1);
    state.stale.insert(service, (failures + 1, at));
    work.wake_at(service, at);
}

impl Balancers {
    fn forget(&mut self, service: ObjRef) {
        self.given.remove(&service);
        self.calls.remove(&service);
        self.failures.remove(&service);
        self.stale.remove(&service);
    }

    /// Takes in a node: whether that changes where load balancers send to. `None`: the object is no node. Source: `controller.go`,
    /// `stableNodeSetPredicates`.
    fn host(&mut self, item: &Item, reads: &Reads, names: &Names) -> Option<bool> {
        let node = item.object;
        if reads.nodes.get(node).is_none() {
            return self.hosts.remove(&node).then_some(true);
        }
        let excluded = |meta: &Meta| names.find(EXCLUDED).is_some_and(|label| reads.labels.get(meta.labels, label).is_some());
        if reads.metas.get(node).is_some_and(|meta| !meta.terminating() && !excluded(meta)) {
            Some(self.hosts.insert(node))
        } else {
            Some(self.hosts.remove(&node))
        }
    }

    /// The first address that no Service has.
    fn free_place(&self, count: u32) -> Option<u32> {
        let taken: std::collections::BTreeSet<u32> = self.given.values().copied().collect();
        (0..count).find(|place| !taken.contains(place))
    }
}

/// One look at one Service.
struct Turn<'a, 'w, 's, 'q> {
    item: &'a Item,
    meta: &'a Meta,
    work: &'a mut Work<'q, LoadBalancerQueue>,
    reads: &'a Reads<'w, 's>,
    state: &'a mut Balancers,
    events: &'a mut Events,
    cloud: &'a LoadBalancers,
}

impl Turn<'_, '_, '_, '_> {
    fn tell(&mut self, warning: bool, (reason, words): (Sym, Sym), args: &[Arg]) {
        let about = ObjectKey { kind: Kind::Service, namespace: self.meta.namespace, name: self.meta.name };
        let (uid, source) = (self.item.object.uid, self.reads.texts.source);
        self.events.report(self.work.now(), Report { about, uid, source, warning, reason, words, args });
    }

    fn put_finalizer(&mut self, has: bool) {
        let finalizer = self.reads.texts.finalizer;
        let mut meta = self.meta.clone();
        meta.finalizers.retain(|held| *held != finalizer);
        meta.finalizers.extend(has.then_some(finalizer));
        if meta != *self.meta {
            self.work.ask(self.item, Verb::Put { object: self.item.object, expect: None, value: meta.into() });
        }
    }

    fn put_status(&mut self, status: ServiceStatus) {
        if self.reads.statuses.get(self.item.object) != Some(&status) {
            self.work.ask(self.item, Verb::Put { object: self.item.object, expect: None, value: status.into() });
        }
    }

    /// Whether the cloud is done with the call of this kind. A first look begins it, once the wait after a failure is over.
    fn called(&mut self, ensures: bool, takes: SimDuration, begin: (Sym, Sym)) -> bool {
        let (object, now) = (self.item.object, self.work.now());
        if let Some(&(_, at)) = self.state.failures.get(&object).filter(|(_, at)| *at > now) {
            self.work.wake_at(object, at);
            return false;
        }
        let call = match self.state.calls.get(&object) {
            Some(&call) if call.ensures == ensures => call,
            _ => {
                let call = Call { ensures, done_at: now + takes };
                self.state.calls.insert(object, call);
                self.tell(false, begin, &[]);
                if ensures {
                    self.put_finalizer(true);
                }
                call
            }
        };
        if call.done_at > now {
            self.work.wake_at(object, call.done_at);
            return false;
        }
        self.state.calls.remove(&object);
        true
    }

    /// The call failed: it is told, and tried again after 5 s × 2^n.
    fn fail(&mut self, what: Sym) {
        let (object, now) = (self.item.object, self.work.now());
        let (failures, _) = self.state.failures.get(&object).copied().unwrap_or_default();
        let delay = SimDuration(RETRY.0.0.saturating_mul(1 << failures.min(10))).min(RETRY.1);
        self.state.failures.insert(object, (failures + 1, now + delay));
        let texts = *self.reads.texts;
        self.tell(true, (texts.failed, texts.failed_words), &[Arg::Text(what)]);
        self.work.wake_at(object, now + delay);
    }

    fn ensure(&mut self, names: &mut Names) {
        let (object, texts) = (self.item.object, *self.reads.texts);
        if self.state.given.contains_key(&object) {
            return;
        }
        if !self.called(true, self.cloud.ready_after, (texts.ensuring, texts.ensuring_words)) {
            return;
        }
        let full = self.cloud.at_most.is_some_and(|most| self.state.given.len() as u64 >= u64::from(most));
        let place = self.state.free_place(self.cloud.addresses.count);
        let place = match place {
            _ if self.cloud.fails_at(self.work.now()) => Err(texts.no_ensure),
            _ if full => Err(texts.quota),
            None => Err(texts.no_address),
            Some(place) => Ok(place),
        };
        match place {
            Err(what) => self.fail(what),
            Ok(place) => {
                self.state.given.insert(object, place);
                self.state.failures.remove(&object);
                self.tell(false, (texts.ensured, texts.ensured_words), &[]);
                let ingress = if self.cloud.hostnames {
                    let text = format!("{}-{}.lb.example.com", names.render(self.meta.name), names.text(self.meta.namespace));
                    BalancerIngress { ip: 0, hostname: names.sym(&text) }
                } else {
                    BalancerIngress { ip: self.cloud.addresses.from + place, hostname: Sym::EMPTY }
                };
                self.put_status(ServiceStatus { ingress: vec![ingress] });
            }
        }
    }

    fn delete(&mut self) {
        let (object, texts) = (self.item.object, *self.reads.texts);
        if self.state.given.contains_key(&object) {
            if !self.called(false, self.cloud.gone_after, (texts.deleting, texts.deleting_words)) {
                return;
            }
            if self.cloud.fails_at(self.work.now()) {
                self.fail(texts.no_delete);
                return;
            }
        }
        self.state.forget(object);
        self.tell(false, (texts.deleted, texts.deleted_words), &[]);
        self.put_status(ServiceStatus::default());
        self.put_finalizer(false);
    }
}
