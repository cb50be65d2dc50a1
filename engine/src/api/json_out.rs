//! Writes objects as the Kubernetes JSON that an API server would give.

mod batch;
mod disruption;
mod leases;
mod network;
mod node;
mod revisioned;
mod storage;

pub use leases::leases_json;

use crate::api::defaults::pod::requests_of_containers;
use crate::api::given::Given;
use crate::api::objects::{Objects, Row};
use crate::api::state::StateValue;
use crate::ids::{Kind, ObjRef, ObjectKey, Uid, uid_text};
use crate::model::autoscaling::{MetricValue, Reading};
use crate::model::kinds::Kinds;
use crate::model::labels::{LabelSetId, LabelSets};
use crate::model::meta::{Condition, Meta};
use crate::model::pod::{ContainerState, ContainerStatus, Pod, PodAllocation, PodStatus, Terminated};
use crate::model::pod_class::{ClassId, Classes, Container, Qos};
use crate::model::quantity::{Format, Quantity};
use crate::model::resources::{Resources, amount_text};
use crate::model::workload::{DeploymentStatus, ReplicaSetStatus};
use crate::names::{Names, Sym};
use crate::simulation::{Epoch, Seed, Simulation};
use crate::time::SimTime;
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;

/// The whole object, or `None` when it is forgotten.
pub fn object_json(sim: &Simulation, object: ObjRef) -> Option<Value> {
    let row = *sim.get::<Objects>().row(object)?;
    let cx = Cx::new(sim);
    Some(cx.object(&row, &sim.parts(object)))
}

/// All living objects of a kind (in one namespace, or everywhere), sorted by namespace and name as a LIST is.
pub fn list_json(sim: &Simulation, kind: Kind, namespace: Option<Sym>) -> Vec<Value> {
    let names = sim.get::<Names>();
    let objects = sim.get::<Objects>();
    let mut rows: Vec<Row> = objects
        .of_kind(kind)
        .filter(|row| row.gone == crate::ids::Revision::HEAD && namespace.is_none_or(|ns| row.key.namespace == ns))
        .copied()
        .collect();
    rows.sort_by(|a, b| names.cmp(a.key.namespace, b.key.namespace).then_with(|| names.cmp_names(a.key.name, b.key.name)));
    let cx = Cx::new(sim);
    rows.iter().map(|row| cx.object(row, &sim.parts(row.object))).collect()
}

/// What a container requests: of what it does not say its limit. Specs come from templates, which are stored without.
fn requested(container: &Container) -> Resources {
    let mut requests = container.requests.clone();
    for (resource, limit) in container.limits.pairs() {
        if requests.get(resource) == 0 {
            requests.set(resource, limit);
        }
    }
    requests
}

struct Cx<'s> {
    sim: &'s Simulation,
    names: &'s Names,
    labels: &'s LabelSets,
    classes: &'s Classes,
    kinds: &'s Kinds,
    epoch: i64,
    seed: u64,
}

fn put(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    map.insert(key.to_string(), value.into());
}

impl<'s> Cx<'s> {
    fn new(sim: &'s Simulation) -> Cx<'s> {
        Cx {
            sim,
            names: sim.get(),
            labels: sim.get(),
            classes: sim.get(),
            kinds: sim.get(),
            epoch: sim.get::<Epoch>().0,
            seed: sim.get::<Seed>().0,
        }
    }

    fn text(&self, sym: Sym) -> &'s str {
        self.names.text(sym)
    }

    fn time(&self, at: SimTime) -> String {
        at.rfc3339(self.epoch)
    }

    fn put_text(&self, map: &mut Map<String, Value>, key: &str, sym: Sym) {
        if !sym.is_empty() {
            put(map, key, self.text(sym));
        }
    }

    fn uid(&self, key: ObjectKey, created_at: SimTime) -> String {
        uid_text(self.seed, &self.kinds.word(key.kind), self.text(key.namespace), &self.names.render(key.name), created_at)
    }

    fn uid_of(&self, uid: Uid) -> Option<String> {
        if let Some(given) = self.sim.get::<Given>().uid(uid) {
            return Some(given.to_string());
        }
        let object = self.sim.get::<Objects>().by_uid(uid)?;
        let row = self.sim.get::<Objects>().row(object)?;
        let meta = self.sim.state::<Meta>(object)?;
        Some(self.uid(row.key, meta.created_at))
    }

    fn object(&self, row: &Row, parts: &[StateValue]) -> Value {
        let info = self.kinds.info(row.key.kind);
        let mut object = Map::new();
        put(&mut object, "apiVersion", info.api_version);
        put(&mut object, "kind", info.kind);
        for part in parts {
            self.part(&mut object, row, part);
        }
        let mut object = Value::Object(object);
        self.sim.get::<Given>().overlay(row.object.uid, &mut object, &self.time(SimTime::ZERO));
        object
    }

    fn part(&self, object: &mut Map<String, Value>, row: &Row, part: &StateValue) {
        match part {
            StateValue::Meta(meta) => put(object, "metadata", self.meta(row, meta)),
            StateValue::Pod(pod) => put(object, "spec", self.pod(pod)),
            StateValue::PodStatus(status) => {
                let pod = self.sim.state::<Pod>(row.object);
                put(object, "status", self.pod_status(pod, self.sim.state::<PodAllocation>(row.object), status));
            }
            StateValue::PodAllocation(_) => {}
            StateValue::Node(node) => put(object, "spec", self.node(node)),
            StateValue::NodeStatus(status) => put(object, "status", self.node_status(row, status)),
            StateValue::ReplicaSet(set) => {
                let mut spec = map_of(set.raw.value());
                put(&mut spec, "replicas", set.replicas);
                if set.min_ready_s > 0 || spec.contains_key("minReadySeconds") {
                    put(&mut spec, "minReadySeconds", set.min_ready_s);
                }
                put(object, "spec", spec);
            }
            StateValue::ReplicaSetStatus(status) => put(object, "status", self.replica_set_status(status)),
            StateValue::Deployment(deployment) => {
                let mut spec = map_of(deployment.raw.value());
                put(&mut spec, "replicas", deployment.replicas);
                if deployment.paused {
                    put(&mut spec, "paused", true);
                } else {
                    spec.shift_remove("paused");
                }
                put(object, "spec", spec);
            }
            StateValue::DeploymentStatus(status) => put(object, "status", self.deployment_status(status)),
            StateValue::Service(service) => put(object, "spec", self.service(service)),
            StateValue::ServiceStatus(status) => put(object, "status", self.service_status(status)),
            StateValue::Endpoints(endpoints) => put(object, "subsets", self.endpoints(row, endpoints)),
            StateValue::EndpointSlice(slice) => self.endpoint_slice(object, row, slice),
            StateValue::HorizontalPodAutoscaler(autoscaler) => put(object, "spec", autoscaler.raw.value().clone()),
            StateValue::HorizontalPodAutoscalerStatus(status) => put(object, "status", self.autoscaler_status(status)),
            StateValue::Job(job) => put(object, "spec", self.job(job)),
            StateValue::JobStatus(status) => put(object, "status", self.job_status(status)),
            StateValue::CronJob(cron_job) => put(object, "spec", self.cron_job(cron_job)),
            StateValue::CronJobStatus(status) => put(object, "status", self.cron_job_status(row, status)),
            StateValue::PodDisruptionBudget(budget) => put(object, "spec", budget.raw.value().clone()),
            StateValue::PodDisruptionBudgetStatus(status) => put(object, "status", self.disruption_budget_status(status)),
            StateValue::StatefulSet(set) => {
                let mut spec = map_of(set.raw.value());
                put(&mut spec, "replicas", set.replicas);
                put(object, "spec", spec);
            }
            StateValue::StatefulSetStatus(status) => put(object, "status", self.stateful_set_status(status)),
            StateValue::DaemonSet(set) => put(object, "spec", set.raw.value().clone()),
            StateValue::DaemonSetStatus(status) => put(object, "status", revisioned::daemon_set_status(status)),
            StateValue::ControllerRevision(revision) => {
                put(object, "data", revision.data.value().clone());
                put(object, "revision", revision.revision);
            }
            StateValue::PersistentVolumeClaim(claim) => put(object, "spec", self.claim(claim)),
            StateValue::PersistentVolumeClaimStatus(status) => put(object, "status", self.claim_status(status)),
            StateValue::PersistentVolume(volume) => put(object, "spec", self.volume(volume)),
            StateValue::PersistentVolumeStatus(status) => put(object, "status", json!({"phase": status.phase.text()})),
            StateValue::StorageClass(class) => object.extend(map_of(class.raw.value())),
            StateValue::Namespace(namespace) => {
                put(object, "spec", if namespace.finalized { json!({}) } else { json!({"finalizers": ["kubernetes"]}) });
                let mut status = Map::new();
                put(&mut status, "phase", if namespace.terminating { "Terminating" } else { "Active" });
                self.conditions(&mut status, &namespace.conditions, None);
                put(object, "status", status);
            }
            StateValue::Opaque(opaque) => object.extend(map_of(opaque.body.value())),
        }
    }

    fn pairs(&self, set: LabelSetId) -> Value {
        let pairs = self.labels.pairs(set).iter();
        Value::Object(pairs.map(|&(key, value)| (self.text(key).to_string(), self.text(value).into())).collect())
    }

    fn meta(&self, row: &Row, meta: &Meta) -> Value {
        let mut out = Map::new();
        put(&mut out, "name", self.names.render(meta.name));
        self.put_text(&mut out, "generateName", meta.generate_name);
        self.put_text(&mut out, "namespace", meta.namespace);
        let given = self.sim.get::<Given>().uid(meta.uid).map(str::to_string);
        put(&mut out, "uid", given.unwrap_or_else(|| self.uid(row.key, meta.created_at)));
        put(&mut out, "resourceVersion", row.revision.0.to_string());
        if meta.generation > 0 {
            put(&mut out, "generation", meta.generation);
        }
        put(&mut out, "creationTimestamp", self.time(meta.created_at));
        if let Some(deletion) = meta.deletion {
            put(&mut out, "deletionTimestamp", self.time(deletion.at));
            put(&mut out, "deletionGracePeriodSeconds", deletion.grace_s);
        }
        if meta.labels != LabelSetId::EMPTY {
            put(&mut out, "labels", self.pairs(meta.labels));
        }
        if meta.annotations != LabelSetId::EMPTY {
            put(&mut out, "annotations", self.pairs(meta.annotations));
        }
        if !meta.owners.is_empty() {
            let owners: Vec<Value> = meta
                .owners
                .iter()
                .map(|owner| {
                    let info = self.kinds.info(owner.kind);
                    let mut one = Map::new();
                    put(&mut one, "apiVersion", info.api_version);
                    put(&mut one, "kind", info.kind);
                    put(&mut one, "name", self.names.render(owner.name));
                    put(&mut one, "uid", owner.uid.and_then(|uid| self.uid_of(uid)).unwrap_or_default());
                    if owner.controller {
                        put(&mut one, "controller", true);
                    }
                    if owner.block_owner_deletion {
                        put(&mut one, "blockOwnerDeletion", true);
                    }
                    Value::Object(one)
                })
                .collect();
            put(&mut out, "ownerReferences", owners);
        }
        if !meta.finalizers.is_empty() {
            put(&mut out, "finalizers", meta.finalizers.iter().map(|&f| self.text(f).into()).collect::<Vec<Value>>());
        }
        Value::Object(out)
    }

    fn pod(&self, pod: &Pod) -> Value {
        let mut spec = map_of(self.classes.get(pod.class).raw.value());
        // Specs come from templates, which are stored without.
        requests_of_containers(&mut spec);
        self.put_text(&mut spec, "nodeName", pod.node);
        Value::Object(spec)
    }

    fn condition(&self, condition: &Condition, heartbeat: Option<&str>) -> Value {
        let mut out = Map::new();
        put(&mut out, "type", self.text(condition.kind));
        put(&mut out, "status", condition.status.text());
        if let Some(field) = heartbeat {
            put(&mut out, field, self.time(condition.update_at));
        }
        put(&mut out, "lastTransitionTime", self.time(condition.transition_at));
        self.put_text(&mut out, "reason", condition.reason);
        self.put_text(&mut out, "message", condition.message);
        Value::Object(out)
    }

    fn conditions(&self, status: &mut Map<String, Value>, conditions: &[Condition], second_time: Option<&str>) {
        if !conditions.is_empty() {
            put(status, "conditions", conditions.iter().map(|c| self.condition(c, second_time)).collect::<Vec<_>>());
        }
    }

    fn pod_status(&self, pod: Option<&Pod>, allocation: Option<&PodAllocation>, status: &PodStatus) -> Value {
        let mut out = Map::new();
        put(&mut out, "phase", status.phase.text());
        self.put_text(&mut out, "reason", status.reason);
        self.put_text(&mut out, "message", status.message);
        self.put_text(&mut out, "nominatedNodeName", status.nominated_node);
        self.conditions(&mut out, &status.conditions, None);
        if let Some(at) = status.start_at {
            put(&mut out, "startTime", self.time(at));
            if let Some(ip) = pod.and_then(|pod| self.address_of(pod.node)) {
                put(&mut out, "hostIPs", json!([{"ip": ip}]));
                put(&mut out, "hostIP", ip);
            }
        }
        if status.pod_ip != 0 {
            let ip = Ipv4Addr::from(status.pod_ip).to_string();
            put(&mut out, "podIPs", json!([{"ip": ip}]));
            put(&mut out, "podIP", ip);
        }
        let Some(class) = pod.map(|pod| self.classes.get(pod.class)) else { return Value::Object(out) };
        let has = allocation.copied().unwrap_or(PodAllocation::of(pod.map_or(ClassId(0), |pod| pod.class)));
        let (allocated, actual) = (self.classes.get(has.allocated), self.classes.get(has.actual));
        let statuses =
            |list: &[ContainerStatus], containers: &[Container], (allocated, actual): (&[Container], &[Container])| -> Vec<Value> {
                let each = list.iter().zip(containers).zip(allocated.iter().zip(actual));
                each.map(|((status, container), resources)| self.container_status(status, container, resources)).collect()
            };
        if !status.init_containers.is_empty() {
            let has = (&allocated.init_containers[..], &actual.init_containers[..]);
            put(&mut out, "initContainerStatuses", statuses(&status.init_containers, &class.init_containers, has));
        }
        if !status.containers.is_empty() {
            let has = (&allocated.containers[..], &actual.containers[..]);
            put(&mut out, "containerStatuses", statuses(&status.containers, &class.containers, has));
        }
        let qos = match class.qos {
            Qos::Guaranteed => "Guaranteed",
            Qos::Burstable => "Burstable",
            Qos::BestEffort => "BestEffort",
        };
        put(&mut out, "qosClass", qos);
        Value::Object(out)
    }

    fn container_status(&self, status: &ContainerStatus, container: &Container, (allocated, actual): (&Container, &Container)) -> Value {
        let state = match status.state {
            ContainerState::Waiting { reason, message } => {
                let mut waiting = Map::new();
                self.put_text(&mut waiting, "reason", reason);
                self.put_text(&mut waiting, "message", message);
                json!({"waiting": waiting})
            }
            ContainerState::Running { since } => json!({"running": {"startedAt": self.time(since)}}),
            ContainerState::Terminated(end) => json!({"terminated": self.terminated(&end)}),
        };
        let last = status.last.map_or(json!({}), |end| json!({"terminated": self.terminated(&end)}));
        let mut out = json!({
            "name": self.text(container.name), "image": self.text(container.image), "ready": status.ready, "started": status.started,
            "restartCount": status.restarts, "state": state, "lastState": last,
        });
        let requests = requested(allocated);
        if requests.pairs().next().is_some() {
            out["allocatedResources"] = self.resources(&requests);
        }
        if matches!(status.state, ContainerState::Running { .. }) {
            for (field, amounts) in [("limits", &actual.limits), ("requests", &requested(actual))] {
                if amounts.pairs().next().is_some() {
                    out["resources"][field] = self.resources(amounts);
                }
            }
        }
        out
    }

    fn terminated(&self, end: &Terminated) -> Value {
        json!({"exitCode": end.exit_code, "reason": self.text(end.reason), "startedAt": self.time(end.started_at), "finishedAt": self.time(end.finished_at)})
    }

    fn resources(&self, resources: &Resources) -> Value {
        let pair = |(resource, amount)| (self.text(resource).to_string(), amount_text(resource, amount).into());
        Value::Object(resources.pairs().map(pair).collect())
    }

    fn replica_set_status(&self, status: &ReplicaSetStatus) -> Value {
        let mut out = Map::new();
        put(&mut out, "replicas", status.replicas);
        for (field, count) in
            [("fullyLabeledReplicas", status.fully_labeled), ("readyReplicas", status.ready), ("availableReplicas", status.available)]
        {
            if count > 0 {
                put(&mut out, field, count);
            }
        }
        if let Some(count) = status.terminating {
            put(&mut out, "terminatingReplicas", count);
        }
        if status.observed_generation > 0 {
            put(&mut out, "observedGeneration", status.observed_generation);
        }
        self.conditions(&mut out, &status.conditions, None);
        Value::Object(out)
    }

    fn deployment_status(&self, status: &DeploymentStatus) -> Value {
        let mut out = Map::new();
        if status.observed_generation > 0 {
            put(&mut out, "observedGeneration", status.observed_generation);
        }
        let counts = [
            ("replicas", status.replicas),
            ("updatedReplicas", status.updated),
            ("readyReplicas", status.ready),
            ("availableReplicas", status.available),
            ("unavailableReplicas", status.unavailable),
        ];
        for (field, count) in counts.into_iter().filter(|pair| pair.1 > 0) {
            put(&mut out, field, count);
        }
        if let Some(count) = status.terminating {
            put(&mut out, "terminatingReplicas", count);
        }
        if let Some(count) = status.collision_count {
            put(&mut out, "collisionCount", count);
        }
        self.conditions(&mut out, &status.conditions, Some("lastUpdateTime"));
        Value::Object(out)
    }

    fn autoscaler_status(&self, status: &crate::model::autoscaling::HorizontalPodAutoscalerStatus) -> Value {
        let mut out = Map::new();
        put(&mut out, "currentReplicas", status.current_replicas);
        put(&mut out, "desiredReplicas", status.desired_replicas);
        if let Some(at) = status.last_scale_at {
            put(&mut out, "lastScaleTime", self.time(at));
        }
        let metrics = status.current_metrics.iter().map(current_metric);
        let metrics: Vec<Value> = metrics.collect();
        put(&mut out, "currentMetrics", if metrics.is_empty() { Value::Null } else { metrics.into() });
        self.conditions(&mut out, &status.conditions, None);
        Value::Object(out)
    }
}

/// One entry of `currentMetrics`; one that could not be read is empty, as the original leaves it.
fn current_metric(metric: &MetricValue) -> Value {
    let quantity = |milli: i64| Quantity::from_milli(milli, Format::DecimalSi).to_string();
    let current = match metric.reading {
        Reading::Unknown => return json!({"type": ""}),
        Reading::Utilization { percent, average_milli } => json!({"averageUtilization": percent, "averageValue": quantity(average_milli)}),
        Reading::Average(milli) => json!({"averageValue": quantity(milli)}),
        Reading::Value(milli) => json!({"value": quantity(milli)}),
    };
    let mut out = map_of(metric.source.value());
    for (_, source) in out.iter_mut().filter(|(key, _)| key.as_str() != "type") {
        source["current"] = current.clone();
    }
    Value::Object(out)
}

fn map_of(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
