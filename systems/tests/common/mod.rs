//! A small cluster for tests: nodes, pods that are bound at creation, programs, and the journal as text.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, reason = "each test file uses a part")]

use serde_json::{Value, json};
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::request::{Propagation, Reply, Verb};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::{Condition, ConditionStatus, condition};
use wavetank_engine::model::node::{Node, NodeStatus};
use wavetank_engine::model::pod::{ContainerState, PodStatus};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Events;
use wavetank_engine::record::journal::Journal;
use wavetank_engine::scene::build::with_tables;
use wavetank_engine::scene::program::{ProgramText, Programs};
use wavetank_engine::simulation::latency::{Latency, LatencyTable};
use wavetank_engine::simulation::{Settings, Simulation};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

pub(crate) struct Cluster {
    pub(crate) sim: Simulation,
}

pub(crate) fn millis(ms: u64) -> SimTime {
    SimTime(ms * 1_000_000)
}

pub(crate) fn secs(s: u64) -> SimTime {
    SimTime::from_secs(s)
}

impl Cluster {
    /// A cluster with these behaviours, the namespace `default` and nodes `n1`, `n2` ... that are Ready.
    pub(crate) fn new(settings: &Settings, nodes: usize, install: &[fn(&mut Simulation)]) -> Cluster {
        let mut sim = Simulation::new(settings);
        sim.get_mut::<Journal>().record(true);
        install.iter().for_each(|install| install(&mut sim));
        let mut cluster = Cluster { sim };
        cluster.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
        for number in 1..=nodes {
            cluster.ready_node(&format!("n{number}"), &json!({}));
        }
        cluster.sim.settle().unwrap();
        cluster.sim.get_mut::<Journal>().take();
        cluster
    }

    pub(crate) fn ideal(nodes: usize, install: &[fn(&mut Simulation)]) -> Cluster {
        Cluster::new(&Settings::default(), nodes, install)
    }

    pub(crate) fn typical(nodes: usize, install: &[fn(&mut Simulation)]) -> Cluster {
        Cluster::new(&Settings { latency: Latency::Typical(LatencyTable::TYPICAL), ..Settings::default() }, nodes, install)
    }

    pub(crate) fn create(&mut self, object: &Value) -> ObjRef {
        let actor = self.sim.get_mut::<Names>().sym("test");
        let new = with_tables(&mut self.sim, |tables| tables.object(object));
        match self.sim.ask(actor, Verb::Create(Box::new(new))).unwrap() {
            Reply::Created(object) => object,
            other => panic!("creation answers with the object: {other:?}"),
        }
    }

    pub(crate) fn ask(&mut self, verb: Verb) -> Reply {
        let actor = self.sim.get_mut::<Names>().sym("test");
        self.sim.ask(actor, verb).unwrap()
    }

    fn node_json(name: &str, labels: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {},
            "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}})
    }

    /// A node that is registered and Ready from the beginning.
    pub(crate) fn ready_node(&mut self, name: &str, labels: &Value) -> ObjRef {
        let actor = self.sim.get_mut::<Names>().sym("test");
        let mut new = with_tables(&mut self.sim, |tables| tables.object(&Self::node_json(name, labels)));
        let now = self.sim.now();
        for state in &mut new.states {
            if let wavetank_engine::api::state::StateValue::NodeStatus(status) = state {
                status.heartbeat_from = Some(now);
                let ready = Condition {
                    kind: words::READY,
                    status: ConditionStatus::True,
                    reason: words::KUBELET_READY,
                    message: Sym::EMPTY,
                    transition_at: now,
                    update_at: now,
                };
                status.conditions.push(ready);
            }
        }
        match self.sim.ask(actor, Verb::Create(Box::new(new))).unwrap() {
            Reply::Created(object) => object,
            other => panic!("creation answers with the object: {other:?}"),
        }
    }

    /// A node that joins now.
    pub(crate) fn joining_node(&mut self, name: &str) -> ObjRef {
        self.create(&Self::node_json(name, &json!({})))
    }

    pub(crate) fn pod(&mut self, name: &str, node: &str, spec: Value) -> ObjRef {
        let mut spec = spec;
        spec["nodeName"] = node.into();
        if spec.get("terminationGracePeriodSeconds").is_none() {
            spec["terminationGracePeriodSeconds"] = 30.into();
        }
        self.create(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}))
    }

    pub(crate) fn plain(&mut self, name: &str, node: &str) -> ObjRef {
        self.pod(name, node, json!({"containers": [{"name": "c", "image": "web:1"}]}))
    }

    pub(crate) fn program(&mut self, pattern: &str, text: ProgramText) {
        self.sim.get_mut::<Programs>().add(pattern, text);
    }

    pub(crate) fn delete(&mut self, object: ObjRef, grace_s: Option<u32>) {
        self.ask(Verb::Delete { object, grace_s, propagation: Some(Propagation::Background) });
    }

    pub(crate) fn run(&mut self, until: SimTime) {
        self.sim.run_until(until).unwrap();
    }

    pub(crate) fn status(&self, pod: ObjRef) -> &PodStatus {
        self.sim.state::<PodStatus>(pod).unwrap()
    }

    pub(crate) fn exists(&self, object: ObjRef) -> bool {
        let objects = self.sim.get::<Objects>();
        objects.row(object).is_some_and(|row| objects.by_key(row.key) == Some(object))
    }

    /// One line: phase, readiness, then each container as state, restarts.
    pub(crate) fn show(&self, pod: ObjRef) -> String {
        if !self.exists(pod) {
            return "gone".into();
        }
        let names = self.sim.get::<Names>();
        let status = self.status(pod);
        let mut text = format!("{}{}", status.phase.text(), if status.ready() { " ready" } else { "" });
        for container in status.init_containers.iter().chain(&status.containers) {
            let state = match container.state {
                ContainerState::Waiting { reason, .. } => format!("waiting:{}", names.text(reason)),
                ContainerState::Running { since } => format!("running@{}", since.0 / 1_000_000),
                ContainerState::Terminated(end) => {
                    format!("{}:{}@{}", names.text(end.reason), end.exit_code, end.finished_at.0 / 1_000_000)
                }
            };
            text.push_str(&format!(" {state}"));
            if container.restarts > 0 {
                text.push_str(&format!("x{}", container.restarts));
            }
        }
        text
    }

    /// A condition as `True`, `False/Reason` or `-`.
    pub(crate) fn condition(&self, conditions: &[Condition], kind: Sym) -> String {
        let names = self.sim.get::<Names>();
        condition(conditions, kind).map_or("-".into(), |found| {
            let reason = names.text(found.reason);
            if reason.is_empty() { found.status.text().into() } else { format!("{}/{reason}", found.status.text()) }
        })
    }

    /// Events about an object, as `Reason xCOUNT: message`.
    pub(crate) fn events(&self, object: ObjRef) -> Vec<String> {
        let names = self.sim.get::<Names>();
        let rows = self.sim.get::<Events>().rows().filter(|row| row.uid == object.uid);
        rows.map(|row| {
            let times = if row.count > 1 { format!(" x{}", row.count) } else { String::new() };
            format!("{}{times}: {}", names.text(row.reason), row.text(names))
        })
        .collect()
    }

    pub(crate) fn journal(&mut self) -> Vec<String> {
        self.sim.get_mut::<Journal>().take().iter().map(|line| line.text().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    pub(crate) fn node(&self, name: &str) -> ObjRef {
        let name = self.sim.get::<Names>().find_name(name).unwrap();
        self.sim.get::<Objects>().by_key(ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name }).unwrap()
    }

    /// Taints of a node as `key:Effect`, in order.
    pub(crate) fn taints(&self, name: &str) -> Vec<String> {
        let names = self.sim.get::<Names>();
        let node = self.sim.state::<Node>(self.node(name)).unwrap();
        node.taints.iter().map(|taint| format!("{}:{}", names.text(taint.key), taint.effect.text())).collect()
    }

    pub(crate) fn node_ready(&self, name: &str) -> String {
        self.condition(&self.sim.state::<NodeStatus>(self.node(name)).unwrap().conditions, words::READY)
    }
}

pub(crate) fn span(s: u64) -> SimDuration {
    SimDuration::from_secs(s)
}
