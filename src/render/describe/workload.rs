//! Workload controllers.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `describeDeployment`, `describeReplicaSet`,
//! `describeReplicationController`, `describeStatefulSet`, `describeDaemonSet`.

use super::{Cluster, Events, Page};
use crate::render::age::rfc1123;
use crate::render::look::{controller, flag, has, int, label_cell, list, scalar, selector, selector_cell, text};
use serde_json::Value;

const CONDITIONS: &[(&str, &str)] = &[("Type", "/type"), ("Status", "/status"), ("Reason", "/reason")];

pub(super) fn deployment(page: &mut Page, object: &Value, cluster: &dyn Cluster) -> Events {
    page.name(object);
    page.field(0, "CreationTimestamp", rfc1123(object, "/metadata/creationTimestamp"));
    page.labels_and_annotations(object);
    page.field(0, "Selector", selector(object, "/spec/selector"));
    let [updated, total, available, unavailable] =
        ["updatedReplicas", "replicas", "availableReplicas", "unavailableReplicas"].map(|field| int(object, &format!("/status/{field}")));
    let desired = int(object, "/spec/replicas");
    page.field(
        0,
        "Replicas",
        format_args!("{desired} desired | {updated} updated | {total} total | {available} available | {unavailable} unavailable"),
    );
    page.field(0, "StrategyType", text(object, "/spec/strategy/type"));
    page.field(0, "MinReadySeconds", int(object, "/spec/minReadySeconds"));
    if has(object, "/spec/strategy/rollingUpdate") {
        let [unavailable, surge] =
            ["maxUnavailable", "maxSurge"].map(|field| scalar(object, &format!("/spec/strategy/rollingUpdate/{field}")));
        page.field(0, "RollingUpdateStrategy", format_args!("{unavailable} max unavailable, {surge} max surge"));
    }
    page.pod_template(object);
    page.conditions(object, CONDITIONS, true, 1);
    let (old, new) = replica_sets(object, cluster);
    if !old.is_empty() || new.is_some() {
        page.field(0, "OldReplicaSets", names(&old));
        page.field(0, "NewReplicaSet", names(new.as_slice()));
    }
    Events::Shown
}

/// The controlled replica sets by age: those of other templates, and the oldest of the present template.
fn replica_sets(deployment: &Value, cluster: &dyn Cluster) -> (Vec<Value>, Option<Value>) {
    let mut all: Vec<Value> = cluster.list("ReplicaSet").into_iter().filter(|set| controlled_by(set, deployment)).collect();
    all.sort_by(|a, b| {
        let key = |set: &Value| (scalar(set, "/metadata/creationTimestamp"), scalar(set, "/metadata/name"));
        key(a).cmp(&key(b))
    });
    let wanted = template_without_hash(deployment);
    let new = all.iter().position(|set| template_without_hash(set) == wanted).map(|at| all.remove(at));
    (all, new)
}

fn template_without_hash(object: &Value) -> Value {
    let mut template = object.pointer("/spec/template").cloned().unwrap_or_default();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, value| field != "creationTimestamp" && value.as_object().is_none_or(|map| !map.is_empty()));
    }
    template
}

fn names(sets: &[Value]) -> String {
    let written: Vec<String> = sets
        .iter()
        .map(|set| {
            let (name, have, want) = (text(set, "/metadata/name"), int(set, "/status/replicas"), int(set, "/spec/replicas"));
            format!("{name} ({have}/{want} replicas created)")
        })
        .collect();
    if written.is_empty() { "<none>".to_string() } else { written.join(", ") }
}

fn controlled_by(object: &Value, owner: &Value) -> bool {
    let uid = text(owner, "/metadata/uid");
    list(object, "/metadata/ownerReferences").iter().any(|reference| flag(reference, "/controller") && text(reference, "/uid") == uid)
}

/// `2 Running / 1 Waiting / 0 Succeeded / 0 Failed` of the controlled pods.
fn pods_status(object: &Value, cluster: &dyn Cluster) -> String {
    let pods: Vec<Value> = cluster.list("Pod").into_iter().filter(|pod| controlled_by(pod, object)).collect();
    let count = |phase: &str| pods.iter().filter(|pod| text(pod, "/status/phase") == phase).count();
    let [running, waiting, succeeded, failed] = ["Running", "Pending", "Succeeded", "Failed"].map(count);
    format!("{running} Running / {waiting} Waiting / {succeeded} Succeeded / {failed} Failed")
}

fn replicas(page: &mut Page, object: &Value, cluster: &dyn Cluster) {
    let (current, desired) = (int(object, "/status/replicas"), int(object, "/spec/replicas"));
    page.field(0, "Replicas", format_args!("{current} current / {desired} desired"));
    page.field(0, "Pods Status", pods_status(object, cluster));
    page.pod_template(object);
    page.conditions(object, CONDITIONS, true, 1);
}

pub(super) fn replica_set(page: &mut Page, object: &Value, cluster: &dyn Cluster) -> Events {
    page.name(object);
    page.field(0, "Selector", selector_cell(object, "/spec/selector"));
    page.labels_and_annotations(object);
    if let Some(controller) = controller(object) {
        page.field(0, "Controlled By", controller);
    }
    replicas(page, object, cluster);
    Events::Shown
}

pub(super) fn replication_controller(page: &mut Page, object: &Value, cluster: &dyn Cluster) -> Events {
    page.name(object);
    page.field(0, "Selector", label_cell(object, "/spec/selector"));
    page.labels_and_annotations(object);
    replicas(page, object, cluster);
    Events::Shown
}

pub(super) fn stateful_set(page: &mut Page, object: &Value, cluster: &dyn Cluster) -> Events {
    page.name(object);
    page.field(0, "CreationTimestamp", rfc1123(object, "/metadata/creationTimestamp"));
    page.field(0, "Selector", selector(object, "/spec/selector"));
    page.labels_and_annotations(object);
    let (desired, total) = (int(object, "/spec/replicas"), int(object, "/status/replicas"));
    page.field(0, "Replicas", format_args!("{desired} desired | {total} total"));
    page.field(0, "Update Strategy", text(object, "/spec/updateStrategy/type"));
    page.field_if(1, "Partition", object, "/spec/updateStrategy/rollingUpdate/partition");
    page.field_if(1, "MaxUnavailable", object, "/spec/updateStrategy/rollingUpdate/maxUnavailable");
    page.field(0, "Pods Status", pods_status(object, cluster));
    page.pod_template(object);
    volume_claims(page, object);
    Events::Shown
}

fn volume_claims(page: &mut Page, object: &Value) {
    let claims = list(object, "/spec/volumeClaimTemplates");
    if claims.is_empty() {
        return page.field(0, "Volume Claims", "<none>");
    }
    page.line(0, "Volume Claims:");
    for claim in claims {
        page.field(1, "Name", text(claim, "/metadata/name"));
        page.field(1, "StorageClass", text(claim, "/spec/storageClassName"));
        page.labels(1, "Labels", claim, "/metadata/labels");
        page.annotations(1, "Annotations", claim, "/metadata/annotations");
        match text(claim, "/spec/resources/requests/storage") {
            "" => page.field(1, "Capacity", "<default>"),
            capacity => page.field(1, "Capacity", capacity),
        }
        let modes: Vec<&str> = list(claim, "/spec/accessModes").iter().filter_map(Value::as_str).collect();
        page.field(1, "Access Modes", format_args!("[{}]", modes.join(" ")));
    }
}

pub(super) fn daemon_set(page: &mut Page, object: &Value, cluster: &dyn Cluster) -> Events {
    page.name(object);
    page.field(0, "Selector", selector(object, "/spec/selector"));
    page.field(0, "Node-Selector", label_cell(object, "/spec/template/spec/nodeSelector"));
    page.labels_and_annotations(object);
    for (label, field) in [
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        page.line(0, format_args!("{label}: {}", int(object, &format!("/status/{field}"))));
    }
    page.field(0, "Pods Status", pods_status(object, cluster));
    page.pod_template(object);
    Events::Shown
}
