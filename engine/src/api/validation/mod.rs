//! What the API server refuses.
//!
//! Works on Kubernetes JSON (camelCase) after [`apply_defaults`](super::defaults::apply_defaults); fields of a wrong JSON
//! type count as absent, for the decoder has refused them before. Errors come in the order of the original, with its
//! texts; where the original walks a map in random order, ours is sorted by key (Choice).
//!
//! Source: kubernetes v1.36, `pkg/apis/*/validation/validation.go`. Feature gates have their defaults.

mod addresses;
mod affinity;
mod autoscaler;
mod claim;
mod config;
mod container;
mod daemon_set;
mod deployment;
mod disruption;
mod endpoints;
mod environment;
mod field;
mod field_error;
mod formats;
mod job;
mod metadata;
mod mounts;
mod namespace;
mod networking;
mod node;
mod paths;
mod pod;
mod pod_spec;
mod pod_update;
mod probe;
mod quantity;
mod replica_set;
mod resource_names;
mod resources;
mod rollout;
mod scheduler_config;
mod security;
mod selector;
mod service;
mod service_addresses;
mod spread;
mod stateful_set;
mod tolerations;
mod volume;

pub use field_error::{ErrorKind, FieldError, invalid_message};
pub use scheduler_config::validate_scheduler_config;

use field::Field;
use metadata::NameRule;
use serde_json::Value;

/// Kinds without a namespace whose spec is not looked into.
const CLUSTER_KINDS: &[(&str, &str)] = &[
    ("v1", "PersistentVolume"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("storage.k8s.io/v1", "CSIDriver"),
    ("storage.k8s.io/v1", "CSINode"),
    ("storage.k8s.io/v1", "VolumeAttachment"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("networking.k8s.io/v1", "IngressClass"),
    ("node.k8s.io/v1", "RuntimeClass"),
];
/// Kinds with a namespace whose spec is not looked into.
const NAMESPACED_KINDS: &[(&str, &str)] = &[
    ("v1", "ServiceAccount"),
    ("v1", "LimitRange"),
    ("v1", "ResourceQuota"),
    ("apps/v1", "ControllerRevision"),
    ("coordination.k8s.io/v1", "Lease"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
];

/// What is wrong with a name of a node or a pod; nothing when it is good.
pub(crate) fn name_mistakes(name: &str) -> Vec<String> {
    formats::dns_subdomain(name)
}

/// The part of [`validate`] that looks at the metadata of a pod or a node; of a pod's spec `nodeName` must be there if it has one.
pub(crate) fn validate_metadata(object: &Value) -> Vec<FieldError> {
    let (root, mut errors) = (Field::root(object), Vec::new());
    let meta = root.child("metadata");
    if root.child("kind").text() == "Node" {
        metadata::check(&meta, NameRule::CLUSTER, &mut errors);
    } else {
        metadata::check(&meta, NameRule::NAMESPACED, &mut errors);
        pod::check_annotations(&meta.child("annotations"), &root.child("spec"), &mut errors);
    }
    errors
}

/// Checks a new object, defaulted and named. Empty when it is fine.
///
/// What the server allocates or generates (addresses, ports, a job's selector) may still be missing.
/// The kind is read from `apiVersion` and `kind`. Kinds that are not known here are not checked.
pub fn validate(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let root = Field::root(object);
    let kind = (root.child("apiVersion").text(), root.child("kind").text());
    match kind {
        ("v1", "Pod") => pod::check(&root, &mut errors),
        ("v1", "PodTemplate") => {
            metadata::check(&root.child("metadata"), NameRule::NAMESPACED, &mut errors);
            pod::check_template(&root.child("template"), &mut errors);
        }
        ("v1", "ReplicationController") => replica_set::check_controller(&root, &mut errors),
        ("v1", "Service") => service::check(&root, &mut errors),
        ("v1", "Endpoints") => endpoints::check(&root, &mut errors),
        ("v1", "Namespace") => namespace::check(&root, &mut errors),
        ("v1", "Node") => node::check(&root, &mut errors),
        ("v1", "ConfigMap") => config::check_config_map(&root, &mut errors),
        ("v1", "Secret") => config::check_secret(&root, &mut errors),
        ("v1", "PersistentVolumeClaim") => claim::check(&root, &mut errors),
        ("apps/v1", "ReplicaSet") => replica_set::check(&root, &mut errors),
        ("apps/v1", "Deployment") => deployment::check(&root, &mut errors),
        ("apps/v1", "StatefulSet") => stateful_set::check(&root, &mut errors),
        ("apps/v1", "DaemonSet") => daemon_set::check(&root, &mut errors),
        ("batch/v1", "Job") => job::check(&root, &mut errors),
        ("batch/v1", "CronJob") => job::check_cron_job(&root, &mut errors),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => autoscaler::check(&root, &mut errors),
        ("policy/v1", "PodDisruptionBudget") => disruption::check(&root, &mut errors),
        ("networking.k8s.io/v1", "Ingress") => networking::check_ingress(&root, &mut errors),
        ("networking.k8s.io/v1", "NetworkPolicy") => networking::check_policy(&root, &mut errors),
        _ if CLUSTER_KINDS.contains(&kind) => metadata::check(&root.child("metadata"), NameRule::CLUSTER, &mut errors),
        _ if NAMESPACED_KINDS.contains(&kind) => metadata::check(&root.child("metadata"), NameRule::NAMESPACED, &mut errors),
        _ => {}
    }
    errors
}

/// Checks a changed object, defaulted, against the stored one. Empty when the change is fine.
///
/// `new` must carry the resource version that it was read with, as the server fills it in for unconditional updates.
pub fn validate_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (old, new) = (Field::root(old), Field::root(new));
    match (new.child("apiVersion").text(), new.child("kind").text()) {
        ("v1", "Pod") => pod_update::check(&new, &old, &mut errors),
        ("v1", "ReplicationController") => replica_set::check_controller_update(&new, &old, &mut errors),
        ("v1", "Service") => service::check_update(&new, &old, &mut errors),
        ("v1", "Endpoints") => endpoints::check_update(&new, &old, &mut errors),
        ("v1", "Namespace") => namespace::check_update(&new, &old, &mut errors),
        ("v1", "Node") => node::check_update(&new, &old, &mut errors),
        ("v1", "ConfigMap") => {
            config::check_update(&new, &old, &["data", "binaryData"], &mut errors);
            config::check_config_map(&new, &mut errors);
        }
        ("v1", "Secret") => {
            config::check_update(&new, &old, &["data"], &mut errors);
            config::check_secret(&new, &mut errors);
        }
        ("v1", "PersistentVolumeClaim") => claim::check_update(&new, &old, &mut errors),
        ("apps/v1", "ReplicaSet") => replica_set::check_update(&new, &old, &mut errors),
        ("apps/v1", "Deployment") => deployment::check_update(&new, &old, &mut errors),
        ("apps/v1", "StatefulSet") => stateful_set::check_update(&new, &old, &mut errors),
        ("apps/v1", "DaemonSet") => daemon_set::check_update(&new, &old, &mut errors),
        ("batch/v1", "Job") => job::check_update(&new, &old, &mut errors),
        ("batch/v1", "CronJob") => job::check_cron_job_update(&new, &old, &mut errors),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => autoscaler::check_update(&new, &old, &mut errors),
        ("policy/v1", "PodDisruptionBudget") => disruption::check_update(&new, &old, &mut errors),
        _ => metadata::check_update(&new.child("metadata"), &old.child("metadata"), &mut errors),
    }
    errors
}

#[cfg(test)]
mod tests;
