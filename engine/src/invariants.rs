//! What must hold after every instant.

use crate::api::objects::Objects;
use crate::api::queue::Requests;
use crate::ids::{Kind, Revision};
use crate::model::meta::Meta;
use crate::model::network::EndpointSlice;
use crate::model::node::NodeStatus;
use crate::model::pod::{Pod, PodAllocation, PodStatus};
use crate::model::pod_class::Classes;
use crate::model::resources::Resources;
use crate::model::workload::{ReplicaSet, ReplicaSetStatus};
use crate::names::{Names, Sym};
use crate::scene::arrivals::{Arrivals, Flows};
use crate::simulation::Simulation;
use crate::simulation::route::Delivered;
use std::collections::BTreeMap;

/// Sentences about what does not hold; empty when all is well.
pub fn broken(sim: &Simulation) -> Vec<String> {
    let mut broken = Vec::new();
    nodes_hold_their_pods(sim, &mut broken);
    endpoints_are_pods(sim, &mut broken);
    counts_are_true(sim, &mut broken);
    indexes_agree(sim, &mut broken);
    if let (Some(arrivals), Some(flows)) = (sim.find::<Arrivals>(), sim.find::<Flows>()) {
        broken.extend(arrivals.unaccounted(flows, sim.now()));
    }
    broken
}

/// Pods of this priority or higher are critical.
const SYSTEM_PRIORITY: i32 = 2_000_000_000;

/// No node's bound, living pods ask for more than its allocatable.
fn nodes_hold_their_pods(sim: &Simulation, broken: &mut Vec<String>) {
    let (objects, names, classes) = (sim.get::<Objects>(), sim.get::<Names>(), sim.get::<Classes>());
    let mut used: BTreeMap<Sym, (Resources, i64)> = BTreeMap::new();
    for row in objects.of_kind(Kind::Pod).filter(|row| row.gone == Revision::HEAD && !row.node.is_empty()) {
        let (Some(pod), Some(status)) = (sim.state::<Pod>(row.object), sim.state::<PodStatus>(row.object)) else { continue };
        // For a critical pod, bound past the scheduler, the kubelet may still be making room.
        let may_wait = || {
            let of_node = sim.state::<Meta>(row.object).is_some_and(|meta| meta.owners.iter().any(|owner| owner.kind == Kind::Node));
            of_node || classes.get(pod.class).priority >= SYSTEM_PRIORITY
        };
        let counts = !status.phase.terminal() && (status.start_at.is_some() || !may_wait());
        if counts {
            let (sum, count) = used.entry(row.node).or_default();
            // A pod that was resized holds what its kubelet has set aside, whatever it wants.
            let class = sim.state::<PodAllocation>(row.object).map_or(pod.class, |has| has.allocated);
            sum.add(&classes.get(class).requests);
            *count += 1;
        }
    }
    for (node, (sum, count)) in used {
        let Some(object) = crate::simulation::route::node_object(objects, names, node) else { continue };
        let Some(status) = sim.state::<NodeStatus>(object) else { continue };
        for (resource, amount) in sum.pairs().filter(|&(resource, amount)| amount > status.allocatable.get(resource)) {
            broken.push(format!(
                "node/{} holds {amount} of {} and has {}",
                names.text(node),
                names.text(resource),
                status.allocatable.get(resource)
            ));
        }
        if count > status.allocatable.pods {
            broken.push(format!("node/{} holds {count} pods and takes {}", names.text(node), status.allocatable.pods));
        }
    }
}

/// Whether every party has heard of everything and has nothing under way: with latency views and the world differ in between.
fn all_is_told(sim: &Simulation) -> bool {
    sim.get::<Objects>().head() == sim.get::<Delivered>().0 && sim.get::<Requests>().under_way == 0
}

/// Every ready endpoint with a target is a living pod of the namespace with that address.
fn endpoints_are_pods(sim: &Simulation, broken: &mut Vec<String>) {
    let (objects, names) = (sim.get::<Objects>(), sim.get::<Names>());
    if !all_is_told(sim) {
        return;
    }
    for row in objects.of_kind(Kind::EndpointSlice).filter(|row| row.gone == Revision::HEAD) {
        let Some(slice) = sim.state::<EndpointSlice>(row.object) else { continue };
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
            let Some(uid) = endpoint.pod_uid else { continue };
            let pod = objects.by_uid(uid).filter(|&pod| objects.row(pod).is_some_and(|row| row.gone == Revision::HEAD));
            let address = pod.and_then(|pod| sim.state::<PodStatus>(pod)).map(|status| status.pod_ip);
            if address != Some(endpoint.ip) {
                broken.push(format!(
                    "endpointslice/{} names pod {} that has not that address",
                    names.show(row.key.name),
                    names.show(endpoint.pod)
                ));
            }
        }
    }
}

/// Once every party is up to date, a ReplicaSet's or ReplicationController's status counts the pods that it controls.
fn counts_are_true(sim: &Simulation, broken: &mut Vec<String>) {
    let (objects, names) = (sim.get::<Objects>(), sim.get::<Names>());
    if objects.head() != sim.get::<crate::simulation::route::Delivered>().0 || !sim.get::<crate::api::queue::Cursors>().live {
        return;
    }
    let sets = objects.of_kind(Kind::ReplicaSet).chain(objects.of_kind(Kind::ReplicationController));
    for row in sets.filter(|row| row.gone == Revision::HEAD) {
        let (Some(_), Some(status)) = (sim.state::<ReplicaSet>(row.object), sim.state::<ReplicaSetStatus>(row.object)) else { continue };
        let active = objects.controlled(row.object.uid).filter(|pod| {
            let terminating = sim.state::<crate::model::meta::Meta>(pod.object).is_some_and(|meta| meta.terminating());
            pod.gone == Revision::HEAD && !terminating && sim.state::<PodStatus>(pod.object).is_some_and(|status| !status.phase.terminal())
        });
        let active = active.count() as i64;
        if i64::from(status.replicas) != active && status.observed_generation > 0 {
            broken.push(format!(
                "{}/{} says {} replicas and has {active}",
                sim.get::<crate::model::kinds::Kinds>().word(row.key.kind),
                names.show(row.key.name),
                status.replicas
            ));
        }
    }
}

/// The index agrees with the components.
fn indexes_agree(sim: &Simulation, broken: &mut Vec<String>) {
    let (objects, names) = (sim.get::<Objects>(), sim.get::<Names>());
    for row in objects.living() {
        if objects.by_key(row.key) != Some(row.object) {
            broken.push(format!("the key of {} leads elsewhere", names.show(row.key.name)));
        }
        let Some(meta) = sim.state::<crate::model::meta::Meta>(row.object) else {
            broken.push(format!("{} has no metadata", names.show(row.key.name)));
            continue;
        };
        if meta.controller_uid().unwrap_or_default() != row.controller || meta.labels != row.labels {
            broken.push(format!("the index of {} is behind its metadata", names.show(row.key.name)));
        }
        if let Some(pod) = sim.state::<Pod>(row.object)
            && pod.node != row.node
        {
            broken.push(format!("the index of {} names another node", names.show(row.key.name)));
        }
    }
}
