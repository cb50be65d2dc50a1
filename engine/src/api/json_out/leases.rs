//! Leases of nodes. Their kubelets renew them each ten seconds; nobody writes that down, it is computed when somebody looks.

use super::{Cx, list_json, put};
use crate::api::objects::Objects;
use crate::ids::{Kind, ObjectKey, Revision, uid_text};
use crate::model::kinds::Kinds;
use crate::model::meta::Meta;
use crate::model::node::{NodeStatus, renewed_by};
use crate::scene::faults::NodeFaults;
use crate::simulation::Simulation;
use crate::time::SimTime;
use serde_json::{Map, Value, json};

/// The namespace of nodes' leases.
const NAMESPACE: &str = "kube-node-lease";
/// `leaseDurationSeconds`. Source: `spec/kubelet.md` §1.
const LEASE_S: u32 = 40;

/// All leases, sorted by namespace and name: those that are stored, and those of nodes whose kubelets have reported. The latter have no
/// `resourceVersion`, for they are in no store.
///
/// Source: `spec/kubelet.md` §2; kubernetes v1.36, `staging/src/k8s.io/component-helpers/apimachinery/lease/controller.go`, `newLease`.
pub fn leases_json(sim: &Simulation) -> Vec<Value> {
    let cx = Cx::new(sim);
    let stored = sim.get::<Kinds>().find("Lease").map_or(Vec::new(), |kind| list_json(sim, kind, None));
    let nodes = sim.get::<Objects>().of_kind(Kind::Node).filter(|row| row.gone == Revision::HEAD);
    let mut leases: Vec<Value> = nodes.filter_map(|row| cx.lease(row.key, sim.state(row.object)?, sim.state(row.object)?)).collect();
    leases.retain(|lease| stored.iter().all(|other| key(other) != key(lease)));
    leases.extend(stored);
    leases.sort_by(|a, b| key(a).cmp(&key(b)));
    leases
}

fn key(lease: &Value) -> (&str, &str) {
    let text = |field: &str| lease["metadata"][field].as_str().unwrap_or_default();
    (text("namespace"), text("name"))
}

impl Cx<'_> {
    /// The lease of a node; `None` while no kubelet has reported.
    fn lease(&self, node: ObjectKey, meta: &Meta, status: &NodeStatus) -> Option<Value> {
        let from = status.heartbeat_from?;
        let name = self.names.render(node.name);
        let fault = self.names.find(&name).and_then(|name| self.sim.get::<NodeFaults>().of(name));
        let until = fault.map_or(self.sim.now(), |(_, silent_from)| silent_from);
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": self.uid(node, meta.created_at)});
        let mut metadata = Map::new();
        put(&mut metadata, "name", name.as_str());
        put(&mut metadata, "namespace", NAMESPACE);
        put(&mut metadata, "uid", uid_text(self.seed, "lease", NAMESPACE, &name, meta.created_at));
        put(&mut metadata, "creationTimestamp", self.time(meta.created_at));
        put(&mut metadata, "ownerReferences", json!([owner]));
        let renewed = self.micro_time(renewed_by(from, until.max(from)));
        let spec = json!({"holderIdentity": name, "leaseDurationSeconds": LEASE_S, "renewTime": renewed});
        Some(json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}))
    }

    /// A `MicroTime`: RFC 3339 with microseconds.
    fn micro_time(&self, at: SimTime) -> String {
        format!("{}.{:06}Z", self.time(at).trim_end_matches('Z'), at.0 / 1_000 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::request::{Reply, Verb};
    use crate::scene::build::with_tables;
    use crate::scene::faults::Fault;
    use crate::simulation::Settings;

    #[test]
    fn a_lease_is_renewed_each_ten_seconds_until_its_node_falls_silent() {
        let mut sim = Simulation::new(&Settings::default());
        sim.resource(NodeFaults::default());
        for name in ["b", "a"] {
            let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
            let new = with_tables(&mut sim, |tables| tables.object(&node));
            let Ok(Reply::Created(node)) = sim.ask(Default::default(), Verb::Create(Box::new(new))) else { panic!("created") };
            assert_eq!(leases_json(&sim).len(), usize::from(name == "a"), "nobody has reported of {name}");
            let status = sim.state::<NodeStatus>(node).expect("typed").clone();
            let value = NodeStatus { heartbeat_from: Some(SimTime::ZERO), ..status }.into();
            sim.ask(Default::default(), Verb::Put { object: node, expect: None, value }).expect("a part that the node has");
        }
        let name = crate::names::Names::sym(&mut sim.get_mut(), "b");
        sim.get_mut::<NodeFaults>().set(name, Some(Fault::CutOff), SimTime(12_500_000_000));
        sim.advance(SimTime::from_secs(39));
        let leases = leases_json(&sim);
        let seen: Vec<(&Value, &Value)> = leases.iter().map(|lease| (&lease["metadata"]["name"], &lease["spec"]["renewTime"])).collect();
        let (a, b) = (json!("2026-01-01T00:00:30.000000Z"), json!("2026-01-01T00:00:10.000000Z"));
        assert_eq!(seen, [(&json!("a"), &a), (&json!("b"), &b)]);
        assert_eq!(leases[0]["metadata"]["ownerReferences"][0]["kind"], "Node");
    }
}
