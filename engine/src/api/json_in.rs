//! Reads defaulted and validated Kubernetes JSON into the components of an object.

mod batch;
mod disruption;
mod revisioned;
mod status;
mod storage;

use crate::api::request::NewObject;
use crate::api::state::StateValue;
use crate::ids::Kind;
use crate::model::autoscaling::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus};
use crate::model::batch::{CronJobStatus, JobStatus};
use crate::model::disruption::PodDisruptionBudgetStatus;
use crate::model::kinds::Kinds;
use crate::model::labels::LabelSets;
use crate::model::meta::{Condition, ConditionStatus, Meta, OwnerRef};
use crate::model::network::{
    Endpoint, EndpointPort, EndpointSlice, EndpointSubset, Endpoints, Service, ServicePort, ServiceStatus, ServiceType,
};
use crate::model::node::{Effect, Node, NodeStatus, NodeTaint};
use crate::model::opaque::{Namespace, Opaque};
use crate::model::pod::{Pod, PodPhase, PodStatus};
use crate::model::pod_class::Classes;
use crate::model::raw::Raw;
use crate::model::resources::Resources;
use crate::model::revisioned::{DaemonSetStatus, StatefulSetStatus};
use crate::model::select::Selectors;
use crate::model::storage::{PersistentVolumeClaimStatus, PersistentVolumeStatus};
use crate::model::workload::{Deployment, DeploymentStatus, IntOrPercent, ReplicaSet, ReplicaSetStatus, Strategy};
use crate::names::{Name, Names, Sym};
use crate::time::{SimTime, unix_seconds};
use revisioned::controller_revision;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;
pub use storage::{read_claim, read_volume};

/// The tables into which an object's texts and shared parts go.
pub struct Tables<'a> {
    /// Texts.
    pub names: &'a mut Names,
    /// Label sets.
    pub labels: &'a mut LabelSets,
    /// Selectors.
    pub selectors: &'a mut Selectors,
    /// Pod classes and templates.
    pub classes: &'a mut Classes,
    /// Kinds.
    pub kinds: &'a mut Kinds,
    /// Unix seconds of the epoch, for times written in objects.
    pub epoch_unix_s: i64,
}

impl Tables<'_> {
    /// Reads an object. `metadata.namespace` defaults to `default` for namespaced kinds. Fields of a wrong type count as absent:
    /// decoding and validation have refused them before.
    pub fn object(&mut self, object: &Value) -> NewObject {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or("");
        let kind = self.kinds.kind_of(text("apiVersion"), text("kind"));
        let meta = self.meta(kind, object.get("metadata").unwrap_or(&Value::Null));
        let states = self.states(kind, object);
        NewObject { meta, states }
    }

    fn sym(&mut self, object: &Value, field: &str) -> Sym {
        self.names.sym(object.get(field).and_then(Value::as_str).unwrap_or(""))
    }

    fn time(&self, value: Option<&Value>) -> Option<SimTime> {
        let unix = unix_seconds(value?.as_str()?)?;
        Some(SimTime::from_secs(u64::try_from(unix - self.epoch_unix_s).unwrap_or(0)))
    }

    /// Reads `metadata`.
    pub fn meta(&mut self, kind: Kind, metadata: &Value) -> Meta {
        let namespace = if self.kinds.namespaced(kind) {
            let text = metadata.get("namespace").and_then(Value::as_str).filter(|text| !text.is_empty()).unwrap_or("default");
            self.names.sym(text)
        } else {
            Sym::EMPTY
        };
        let name = metadata.get("name").and_then(Value::as_str).unwrap_or("");
        let mut meta = Meta::new(kind, namespace, if name.is_empty() { Name::default() } else { self.names.name(name) });
        meta.generate_name = self.sym(metadata, "generateName");
        let mut pairs = |field: &str| {
            let map = metadata.get(field).and_then(Value::as_object).into_iter().flatten();
            let pairs: Vec<_> = map.filter_map(|(k, v)| v.as_str().map(|v| (self.names.sym(k), self.names.sym(v)))).collect();
            self.labels.intern(self.names, pairs)
        };
        meta.labels = pairs("labels");
        meta.annotations = pairs("annotations");
        for owner in list(metadata, "ownerReferences") {
            let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or("");
            let flag = |field: &str| owner.get(field).and_then(Value::as_bool).unwrap_or(false);
            meta.owners.push(OwnerRef {
                uid: None,
                kind: self.kinds.kind_of(text("apiVersion"), text("kind")),
                name: self.names.name(text("name")),
                controller: flag("controller"),
                block_owner_deletion: flag("blockOwnerDeletion"),
            });
        }
        for finalizer in list(metadata, "finalizers").filter_map(Value::as_str) {
            meta.finalizers.push(self.names.sym(finalizer));
        }
        meta
    }

    /// The parts of an object beside its metadata.
    pub fn states(&mut self, kind: Kind, object: &Value) -> Vec<StateValue> {
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let status = object.get("status").unwrap_or(&Value::Null);
        match kind {
            Kind::Namespace => vec![Namespace::default().into()],
            Kind::Pod => vec![self.pod(spec).into(), self.pod_status(status).into()],
            Kind::Node => vec![self.node(spec).into(), self.node_status(status).into()],
            Kind::ReplicaSet => vec![self.replica_set(spec).into(), ReplicaSetStatus::default().into()],
            Kind::ReplicationController => vec![self.replication_controller(spec).into(), ReplicaSetStatus::default().into()],
            Kind::Deployment => vec![self.deployment(spec).into(), DeploymentStatus::default().into()],
            Kind::Service => vec![self.service(spec).into(), ServiceStatus::default().into()],
            Kind::Endpoints => vec![self.endpoints(object).into()],
            Kind::EndpointSlice => vec![self.endpoint_slice(object).into()],
            Kind::HorizontalPodAutoscaler => vec![self.autoscaler(spec).into(), HorizontalPodAutoscalerStatus::default().into()],
            Kind::Job => vec![self.job(spec).into(), JobStatus::default().into()],
            Kind::CronJob => vec![self.cron_job(spec).into(), CronJobStatus::default().into()],
            Kind::PodDisruptionBudget => vec![self.disruption_budget(spec).into(), PodDisruptionBudgetStatus::default().into()],
            Kind::StatefulSet => vec![self.stateful_set(spec).into(), StatefulSetStatus::default().into()],
            Kind::DaemonSet => vec![self.daemon_set(spec).into(), DaemonSetStatus::default().into()],
            Kind::ControllerRevision => vec![controller_revision(object).into()],
            Kind::PersistentVolumeClaim => vec![self.claim(spec).into(), PersistentVolumeClaimStatus::default().into()],
            Kind::PersistentVolume => vec![self.volume(spec).into(), PersistentVolumeStatus::default().into()],
            Kind::StorageClass => vec![self.storage_class(body_of(object)).into()],
            Kind::CSINode | Kind::CSIDriver | Kind::CSIStorageCapacity | Kind::Other(_) => {
                vec![Opaque { body: Raw::new(body_of(object)) }.into()]
            }
        }
    }

    fn pod(&mut self, spec: &Value) -> Pod {
        Pod { class: self.classes.class_of(self.names, spec), node: self.sym(spec, "nodeName") }
    }

    fn pod_status(&mut self, status: &Value) -> PodStatus {
        let phase = match status.get("phase").and_then(Value::as_str) {
            Some("Running") => PodPhase::Running,
            Some("Succeeded") => PodPhase::Succeeded,
            Some("Failed") => PodPhase::Failed,
            Some("Unknown") => PodPhase::Unknown,
            _ => PodPhase::Pending,
        };
        PodStatus {
            phase,
            reason: self.sym(status, "reason"),
            message: self.sym(status, "message"),
            nominated_node: self.sym(status, "nominatedNodeName"),
            start_at: self.time(status.get("startTime")),
            pod_ip: address(status.get("podIP")),
            conditions: self.conditions(status),
            ..PodStatus::default()
        }
    }

    fn conditions(&mut self, status: &Value) -> Vec<Condition> {
        let list: Vec<Value> = list(status, "conditions").cloned().collect();
        list.iter()
            .map(|condition| Condition {
                kind: self.sym(condition, "type"),
                status: match condition.get("status").and_then(Value::as_str) {
                    Some("True") => ConditionStatus::True,
                    Some("False") => ConditionStatus::False,
                    _ => ConditionStatus::Unknown,
                },
                reason: self.sym(condition, "reason"),
                message: self.sym(condition, "message"),
                transition_at: self.time(condition.get("lastTransitionTime")).unwrap_or_default(),
                update_at: self.time(condition.get("lastUpdateTime")).unwrap_or_default(),
            })
            .collect()
    }

    /// Reads the `spec` of a Node.
    pub fn node(&mut self, spec: &Value) -> Node {
        let taints: Vec<NodeTaint> = list(spec, "taints")
            .map(|taint| NodeTaint {
                key: self.names.sym(taint.get("key").and_then(Value::as_str).unwrap_or("")),
                value: self.names.sym(taint.get("value").and_then(Value::as_str).unwrap_or("")),
                effect: taint.get("effect").and_then(Value::as_str).and_then(Effect::parse).unwrap_or(Effect::NoSchedule),
                added_at: self.time(taint.get("timeAdded")),
            })
            .collect();
        Node {
            unschedulable: spec.get("unschedulable").and_then(Value::as_bool).unwrap_or(false),
            taints: taints.into(),
            pod_cidr: cidr(spec.get("podCIDR")),
            rest: rest_of(spec, &["unschedulable", "taints", "podCIDR", "podCIDRs"]),
        }
    }

    fn node_status(&mut self, status: &Value) -> NodeStatus {
        let capacity = Resources::from_json(self.names, status.get("capacity"));
        let allocatable = status.get("allocatable").map_or_else(|| capacity.clone(), |list| Resources::from_json(self.names, Some(list)));
        let capacity = if status.get("capacity").is_some() { capacity } else { allocatable.clone() };
        let address = list(status, "addresses").find(|a| a.get("type").and_then(Value::as_str) == Some("InternalIP"));
        NodeStatus {
            capacity: Arc::new(capacity),
            allocatable: Arc::new(allocatable),
            conditions: self.conditions(status),
            address: address.map_or(0, |a| self::address(a.get("address"))),
            heartbeat_from: None,
            rest: rest_of(status, &["capacity", "allocatable", "conditions", "addresses"]),
        }
    }

    /// Reads the defaulted `spec` of a ReplicaSet.
    pub fn replica_set(&mut self, spec: &Value) -> ReplicaSet {
        ReplicaSet {
            replicas: number(spec, "replicas").unwrap_or(1),
            min_ready_s: number(spec, "minReadySeconds").unwrap_or(0).max(0) as u32,
            selector: self.selectors.of_label_selector(self.names, spec.get("selector").unwrap_or(&Value::Null)),
            template: self.classes.template_of(self.names, self.labels, spec.get("template").unwrap_or(&Value::Null)),
            raw: Raw::new(spec.clone()),
        }
    }

    /// Reads the defaulted `spec` of a ReplicationController.
    pub fn replication_controller(&mut self, spec: &Value) -> ReplicaSet {
        let selector = self.selectors.of_equalities(self.names, spec.get("selector").unwrap_or(&Value::Null));
        ReplicaSet { selector, ..self.replica_set(spec) }
    }

    /// Reads the defaulted `spec` of a Deployment.
    pub fn deployment(&mut self, spec: &Value) -> Deployment {
        let deadline_s = number(spec, "progressDeadlineSeconds").unwrap_or(600);
        Deployment {
            replicas: number(spec, "replicas").unwrap_or(1),
            min_ready_s: number(spec, "minReadySeconds").unwrap_or(0).max(0) as u32,
            selector: self.selectors.of_label_selector(self.names, spec.get("selector").unwrap_or(&Value::Null)),
            template: self.classes.template_of(self.names, self.labels, spec.get("template").unwrap_or(&Value::Null)),
            paused: spec.get("paused").and_then(Value::as_bool).unwrap_or(false),
            strategy: strategy(spec.get("strategy").unwrap_or(&Value::Null)),
            revision_history_limit: number(spec, "revisionHistoryLimit").unwrap_or(10),
            progress_deadline_s: (deadline_s != i32::MAX).then_some(deadline_s.max(0) as u32),
            raw: Raw::new(spec.clone()),
        }
    }

    /// Reads the defaulted `spec` of a Service.
    pub fn service(&mut self, spec: &Value) -> Service {
        let ports: Vec<ServicePort> = list(spec, "ports").map(|port| self.service_port(port)).collect();
        let selector = spec.get("selector").filter(|map| map.as_object().is_some_and(|map| !map.is_empty()));
        Service {
            kind: match spec.get("type").and_then(Value::as_str) {
                Some("NodePort") => ServiceType::NodePort,
                Some("LoadBalancer") => ServiceType::LoadBalancer,
                Some("ExternalName") => ServiceType::ExternalName,
                _ => ServiceType::ClusterIP,
            },
            cluster_ip: if spec.get("clusterIP").and_then(Value::as_str) == Some("None") {
                Service::HEADLESS
            } else {
                address(spec.get("clusterIP"))
            },
            selector: selector.map(|map| self.selectors.of_equalities(self.names, map)),
            ports: ports.into(),
            publish_not_ready: spec.get("publishNotReadyAddresses").and_then(Value::as_bool).unwrap_or(false),
            raw: Raw::new(spec.clone()),
        }
    }

    fn service_port(&mut self, port: &Value) -> ServicePort {
        let target = match port.get("targetPort") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => port.get("port").map_or(String::new(), Value::to_string),
        };
        ServicePort {
            name: self.sym(port, "name"),
            port: number(port, "port").and_then(|n| u16::try_from(n).ok()).unwrap_or(0),
            target: self.names.sym(&target),
            node_port: number(port, "nodePort").and_then(|n| u16::try_from(n).ok()).unwrap_or(0),
            protocol: self.names.sym(port.get("protocol").and_then(Value::as_str).unwrap_or("TCP")),
            app_protocol: self.sym(port, "appProtocol"),
        }
    }

    fn endpoint_ports(&mut self, holder: &Value) -> Vec<EndpointPort> {
        list(holder, "ports")
            .map(|port| {
                let port = self.service_port(port);
                EndpointPort { name: port.name, port: port.port, protocol: port.protocol, app_protocol: port.app_protocol }
            })
            .collect()
    }

    fn endpoint(&mut self, ip: u32, source: &Value, ready: bool) -> Endpoint {
        let target = source.get("targetRef").and_then(|t| t.get("name")).and_then(Value::as_str).unwrap_or("");
        let condition = |name: &str| source.get("conditions").and_then(|c| c.get(name)).and_then(Value::as_bool);
        let ready = condition("ready").unwrap_or(ready);
        Endpoint {
            ip,
            node: self.sym(source, "nodeName"),
            zone: self.sym(source, "zone"),
            hostname: self.sym(source, "hostname"),
            pod: if target.is_empty() { Name::default() } else { self.names.name(target) },
            pod_uid: None,
            ready,
            serving: condition("serving").unwrap_or(ready),
            terminating: condition("terminating").unwrap_or(false),
        }
    }

    fn endpoints(&mut self, object: &Value) -> Endpoints {
        let mut side = |subset: &Value, field: &str, ready: bool| -> Vec<Endpoint> {
            list(subset, field).map(|one| self.endpoint(address(one.get("ip")), one, ready)).collect()
        };
        let mut subsets = Vec::new();
        for subset in list(object, "subsets") {
            let (ready, not_ready) = (side(subset, "addresses", true), side(subset, "notReadyAddresses", false));
            subsets.push(EndpointSubset { ready, not_ready, ports: Vec::new() });
        }
        for (at, subset) in list(object, "subsets").enumerate() {
            subsets[at].ports = self.endpoint_ports(subset);
        }
        Endpoints { subsets }
    }

    fn endpoint_slice(&mut self, object: &Value) -> EndpointSlice {
        let mut endpoints = Vec::new();
        for one in list(object, "endpoints") {
            for ip in list(one, "addresses") {
                endpoints.push(self.endpoint(address(Some(ip)), one, true));
            }
        }
        let ports = object.get("ports").filter(|ports| !ports.is_null()).map(|_| self.endpoint_ports(object));
        EndpointSlice { endpoints, ports }
    }

    fn autoscaler(&mut self, spec: &Value) -> HorizontalPodAutoscaler {
        let target = spec.get("scaleTargetRef").unwrap_or(&Value::Null);
        let text = |field: &str| target.get(field).and_then(Value::as_str).unwrap_or("");
        HorizontalPodAutoscaler {
            target_kind: self.kinds.kind_of(text("apiVersion"), text("kind")),
            target: self.names.name(text("name")),
            min_replicas: number(spec, "minReplicas").unwrap_or(1),
            max_replicas: number(spec, "maxReplicas").unwrap_or(1),
            raw: Raw::new(spec.clone()),
        }
    }
}

/// The fields of an object beside what every object has.
fn body_of(object: &Value) -> Value {
    let mut body = object.clone();
    if let Some(fields) = body.as_object_mut() {
        for field in ["apiVersion", "kind", "metadata"] {
            fields.shift_remove(field);
        }
    }
    body
}

fn list<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn number(object: &Value, field: &str) -> Option<i32> {
    object.get(field).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok())
}

fn address(value: Option<&Value>) -> u32 {
    value.and_then(Value::as_str).and_then(|text| text.parse::<Ipv4Addr>().ok()).map_or(0, u32::from)
}

fn cidr(value: Option<&Value>) -> (u32, u8) {
    let parsed = value.and_then(Value::as_str).and_then(|text| {
        let (ip, len) = text.split_once('/')?;
        Some((u32::from(ip.parse::<Ipv4Addr>().ok()?), len.parse().ok()?))
    });
    parsed.unwrap_or((0, 0))
}

fn rest_of(object: &Value, known: &[&str]) -> Raw {
    let fields = object.as_object().into_iter().flatten().filter(|(key, _)| !known.contains(&key.as_str()));
    let rest: serde_json::Map<String, Value> = fields.map(|(key, value)| (key.clone(), value.clone())).collect();
    if rest.is_empty() { Raw::default() } else { Raw::new(Value::Object(rest)) }
}

fn strategy(strategy: &Value) -> Strategy {
    if strategy.get("type").and_then(Value::as_str) == Some("Recreate") {
        return Strategy::Recreate;
    }
    let rolling = strategy.get("rollingUpdate").unwrap_or(&Value::Null);
    Strategy::RollingUpdate {
        max_surge: int_or_percent(rolling.get("maxSurge")),
        max_unavailable: int_or_percent(rolling.get("maxUnavailable")),
    }
}

fn int_or_percent(value: Option<&Value>) -> IntOrPercent {
    match value {
        Some(Value::Number(number)) => IntOrPercent::Int(number.as_i64().and_then(|n| i32::try_from(n).ok()).unwrap_or(0)),
        Some(Value::String(text)) => match text.strip_suffix('%').and_then(|percent| percent.parse().ok()) {
            Some(percent) => IntOrPercent::Percent(percent),
            None => IntOrPercent::Int(text.parse().unwrap_or(0)),
        },
        _ => IntOrPercent::Percent(25),
    }
}
