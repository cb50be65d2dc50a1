//! The Kubernetes kinds whose types are known: k8s-openapi's types check what is written, and are thrown away.

use super::decode::{Rules, decode_with};
use super::error::Problems;
use super::tree::Tree;
use k8s_openapi::api::{apps, autoscaling, batch, coordination, core, discovery, networking, policy, rbac, scheduling, storage};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;

/// Values that a type takes as text though they are written as something else, by address, sorted.
pub(super) type Texts = Vec<(usize, String)>;

/// Decodes a tree for its mistakes alone; `None` when there were any.
pub(super) type Check = fn(tree: &Tree, path: &str, problems: &mut Problems) -> Option<Texts>;

/// A kind whose type is known.
pub(super) struct KnownKind {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) check: Check,
}

/// Checks the metadata of any object.
pub(super) const CHECK_METADATA: Check = check::<ObjectMeta>;

/// Every kind whose type is known, by name; for a kind with several versions the preferred one first.
pub(super) const KNOWN_KINDS: &[KnownKind] = &[
    known::<rbac::v1::ClusterRole>("rbac.authorization.k8s.io/v1", "ClusterRole"),
    known::<rbac::v1::ClusterRoleBinding>("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    known::<core::v1::ConfigMap>("v1", "ConfigMap"),
    known::<batch::v1::CronJob>("batch/v1", "CronJob"),
    known::<storage::v1::CSIDriver>("storage.k8s.io/v1", "CSIDriver"),
    known::<storage::v1::CSINode>("storage.k8s.io/v1", "CSINode"),
    known::<storage::v1::CSIStorageCapacity>("storage.k8s.io/v1", "CSIStorageCapacity"),
    known::<apps::v1::DaemonSet>("apps/v1", "DaemonSet"),
    known::<apps::v1::Deployment>("apps/v1", "Deployment"),
    known::<discovery::v1::EndpointSlice>("discovery.k8s.io/v1", "EndpointSlice"),
    known::<core::v1::Endpoints>("v1", "Endpoints"),
    known::<autoscaling::v2::HorizontalPodAutoscaler>("autoscaling/v2", "HorizontalPodAutoscaler"),
    known::<autoscaling::v1::HorizontalPodAutoscaler>("autoscaling/v1", "HorizontalPodAutoscaler"),
    known::<networking::v1::Ingress>("networking.k8s.io/v1", "Ingress"),
    known::<networking::v1::IngressClass>("networking.k8s.io/v1", "IngressClass"),
    known::<batch::v1::Job>("batch/v1", "Job"),
    known::<coordination::v1::Lease>("coordination.k8s.io/v1", "Lease"),
    known::<core::v1::LimitRange>("v1", "LimitRange"),
    known::<core::v1::Namespace>("v1", "Namespace"),
    known::<networking::v1::NetworkPolicy>("networking.k8s.io/v1", "NetworkPolicy"),
    known::<core::v1::Node>("v1", "Node"),
    known::<core::v1::PersistentVolume>("v1", "PersistentVolume"),
    known::<core::v1::PersistentVolumeClaim>("v1", "PersistentVolumeClaim"),
    known::<core::v1::Pod>("v1", "Pod"),
    known::<policy::v1::PodDisruptionBudget>("policy/v1", "PodDisruptionBudget"),
    known::<scheduling::v1::PriorityClass>("scheduling.k8s.io/v1", "PriorityClass"),
    known::<apps::v1::ReplicaSet>("apps/v1", "ReplicaSet"),
    known::<core::v1::ReplicationController>("v1", "ReplicationController"),
    known::<core::v1::ResourceQuota>("v1", "ResourceQuota"),
    known::<rbac::v1::Role>("rbac.authorization.k8s.io/v1", "Role"),
    known::<rbac::v1::RoleBinding>("rbac.authorization.k8s.io/v1", "RoleBinding"),
    known::<core::v1::Secret>("v1", "Secret"),
    known::<core::v1::Service>("v1", "Service"),
    known::<core::v1::ServiceAccount>("v1", "ServiceAccount"),
    known::<apps::v1::StatefulSet>("apps/v1", "StatefulSet"),
    known::<storage::v1::StorageClass>("storage.k8s.io/v1", "StorageClass"),
];

const fn known<T: DeserializeOwned>(api_version: &'static str, kind: &'static str) -> KnownKind {
    KnownKind { api_version, kind, check: check::<T> }
}

fn check<T: DeserializeOwned>(tree: &Tree, path: &str, problems: &mut Problems) -> Option<Texts> {
    decode_with::<T>(tree, path, Rules::Kubernetes, problems).map(|decoded| decoded.texts)
}

/// The known kind of that name, in its preferred version.
pub(super) fn preferred(kind: &str) -> Option<&'static KnownKind> {
    KNOWN_KINDS.iter().find(|known| known.kind == kind)
}

/// The known kind of that name and version.
pub(super) fn find(api_version: &str, kind: &str) -> Option<&'static KnownKind> {
    KNOWN_KINDS.iter().find(|known| known.kind == kind && known.api_version == api_version)
}

/// Whether the group is one of Kubernetes' own, where a kind that we do not find does not exist.
pub(super) fn is_builtin_group(api_version: &str) -> bool {
    match api_version.split_once('/') {
        None => true,
        Some((group, _)) => !group.contains('.') || group.ends_with(".k8s.io"),
    }
}
