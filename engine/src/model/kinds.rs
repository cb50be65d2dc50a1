//! The kinds of objects: API version, plural, scope. Those that Wavetank has no components for get their number when first seen.

use crate::ids::Kind;
use serde::{Deserialize, Serialize};

/// What is known of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindInfo {
    /// `kind`.
    pub kind: String,
    /// `apiVersion`.
    pub api_version: String,
    /// Plural in lower case: the resource's name.
    pub plural: String,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
}

/// The table of kinds. ECS resource.
#[derive(Debug, Clone, Default, Serialize, Deserialize, bevy_ecs::resource::Resource)]
pub struct Kinds {
    others: Vec<KindInfo>,
}

/// Kinds with components: (kind, word, apiVersion, plural, namespaced).
const BUILT: &[(Kind, &str, &str, &str, bool)] = &[
    (Kind::Namespace, "Namespace", "v1", "namespaces", false),
    (Kind::Node, "Node", "v1", "nodes", false),
    (Kind::Pod, "Pod", "v1", "pods", true),
    (Kind::ReplicaSet, "ReplicaSet", "apps/v1", "replicasets", true),
    (Kind::ReplicationController, "ReplicationController", "v1", "replicationcontrollers", true),
    (Kind::Deployment, "Deployment", "apps/v1", "deployments", true),
    (Kind::Service, "Service", "v1", "services", true),
    (Kind::Endpoints, "Endpoints", "v1", "endpoints", true),
    (Kind::EndpointSlice, "EndpointSlice", "discovery.k8s.io/v1", "endpointslices", true),
    (Kind::HorizontalPodAutoscaler, "HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers", true),
    (Kind::Job, "Job", "batch/v1", "jobs", true),
    (Kind::CronJob, "CronJob", "batch/v1", "cronjobs", true),
    (Kind::PodDisruptionBudget, "PodDisruptionBudget", "policy/v1", "poddisruptionbudgets", true),
    (Kind::StatefulSet, "StatefulSet", "apps/v1", "statefulsets", true),
    (Kind::DaemonSet, "DaemonSet", "apps/v1", "daemonsets", true),
    (Kind::ControllerRevision, "ControllerRevision", "apps/v1", "controllerrevisions", true),
    (Kind::PersistentVolumeClaim, "PersistentVolumeClaim", "v1", "persistentvolumeclaims", true),
    (Kind::PersistentVolume, "PersistentVolume", "v1", "persistentvolumes", false),
    (Kind::StorageClass, "StorageClass", "storage.k8s.io/v1", "storageclasses", false),
    (Kind::CSINode, "CSINode", "storage.k8s.io/v1", "csinodes", false),
    (Kind::CSIDriver, "CSIDriver", "storage.k8s.io/v1", "csidrivers", false),
    (Kind::CSIStorageCapacity, "CSIStorageCapacity", "storage.k8s.io/v1", "csistoragecapacities", true),
];

/// Well-known kinds whose scope is the cluster.
const CLUSTER_SCOPED: &[&str] = &[
    "PriorityClass",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "RuntimeClass",
    "VolumeAttachment",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "APIService",
    "CertificateSigningRequest",
    "FlowSchema",
    "PriorityLevelConfiguration",
    "ServiceCIDR",
    "IPAddress",
    "ResourceSlice",
    "DeviceClass",
];

impl Kinds {
    /// The kind with this word and API version, with a number of its own if it has no components.
    pub fn kind_of(&mut self, api_version: &str, kind: &str) -> Kind {
        let group = |version: &str| version.rsplit_once('/').map_or(String::new(), |(group, _)| group.to_string());
        if let Some(known) = BUILT.iter().find(|known| known.1 == kind && group(known.2) == group(api_version)) {
            return known.0;
        }
        if let Some(at) = self.others.iter().position(|info| info.kind == kind && group(&info.api_version) == group(api_version)) {
            return Kind::Other(at as u16);
        }
        self.others.push(KindInfo {
            kind: kind.into(),
            api_version: api_version.into(),
            plural: plural(kind),
            namespaced: !CLUSTER_SCOPED.contains(&kind),
        });
        Kind::Other(self.others.len() as u16 - 1)
    }

    /// The kind that a person means: its word, plural or kubectl's short name, in any case.
    pub fn find(&self, text: &str) -> Option<Kind> {
        let text = text.to_ascii_lowercase();
        let short = SHORT_NAMES.iter().find(|pair| pair.0 == text).map(|pair| pair.1.to_ascii_lowercase());
        let wanted = short.unwrap_or(text);
        let wanted = wanted.split('.').next().unwrap_or("");
        let known = BUILT.iter().find(|known| known.1.to_ascii_lowercase() == wanted || known.3 == wanted).map(|known| known.0);
        known.or_else(|| {
            let at = self.others.iter().position(|info| info.kind.to_ascii_lowercase() == wanted || info.plural == wanted)?;
            Some(Kind::Other(at as u16))
        })
    }

    /// What is known of a kind.
    pub fn info(&self, kind: Kind) -> KindInfo {
        match kind {
            Kind::Other(number) => self.others[number as usize].clone(),
            known => {
                let &(_, word, api_version, plural, namespaced) =
                    BUILT.iter().find(|row| row.0 == known).expect("every kind with components is in the table");
                KindInfo { kind: word.into(), api_version: api_version.into(), plural: plural.into(), namespaced }
            }
        }
    }

    /// Whether objects of the kind live in a namespace.
    pub fn namespaced(&self, kind: Kind) -> bool {
        match kind {
            Kind::Other(number) => self.others[number as usize].namespaced,
            Kind::Namespace | Kind::Node | Kind::PersistentVolume | Kind::StorageClass | Kind::CSINode | Kind::CSIDriver => false,
            _ => true,
        }
    }

    /// The kind's word in lower case, as in `pod/web-1`.
    pub fn word(&self, kind: Kind) -> String {
        self.info(kind).kind.to_ascii_lowercase()
    }

    /// The resource as it stands in messages: `pods`, `deployments.apps`.
    pub fn resource(&self, kind: Kind) -> String {
        let info = self.info(kind);
        match info.api_version.rsplit_once('/') {
            Some((group, _)) => format!("{}.{group}", info.plural),
            None => info.plural,
        }
    }

    /// All kinds without components seen so far.
    pub fn others(&self) -> impl Iterator<Item = (Kind, &KindInfo)> {
        self.others.iter().enumerate().map(|(at, info)| (Kind::Other(at as u16), info))
    }
}

/// kubectl's short names.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("po", "Pod"),
    ("no", "Node"),
    ("ns", "Namespace"),
    ("rs", "ReplicaSet"),
    ("deploy", "Deployment"),
    ("svc", "Service"),
    ("ep", "Endpoints"),
    ("eps", "EndpointSlice"),
    ("hpa", "HorizontalPodAutoscaler"),
    ("cm", "ConfigMap"),
    ("sa", "ServiceAccount"),
    ("sts", "StatefulSet"),
    ("ds", "DaemonSet"),
    ("cj", "CronJob"),
    ("rc", "ReplicationController"),
    ("pdb", "PodDisruptionBudget"),
    ("pv", "PersistentVolume"),
    ("pvc", "PersistentVolumeClaim"),
    ("sc", "StorageClass"),
    ("pc", "PriorityClass"),
    ("quota", "ResourceQuota"),
    ("limits", "LimitRange"),
    ("ing", "Ingress"),
    ("netpol", "NetworkPolicy"),
    ("crd", "CustomResourceDefinition"),
    ("ev", "Event"),
];

fn plural(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    if lower == "endpoints" {
        return lower;
    }
    match lower.as_bytes() {
        [.., b's' | b'x' | b'z'] | [.., b'c' | b's', b'h'] => format!("{lower}es"),
        [.., before, b'y'] if !b"aeiou".contains(before) => format!("{}ies", &lower[..lower.len() - 1]),
        _ => format!("{lower}s"),
    }
}
