//! What of the input does nothing: named once in the summary, so that nobody takes silence for support.

use crate::scene::model::StorageAssumed;
use crate::scene::network::{Cni, NetworkSettings};
use crate::source::KubeBody;
use serde_json::Value;
use std::collections::BTreeSet;

/// Kinds that something acts on, or that need nobody to act.
const SIMULATED: &[&str] = &[
    "Namespace",
    "Node",
    "Pod",
    "ReplicaSet",
    "ReplicationController",
    "Deployment",
    "Service",
    "Endpoints",
    "EndpointSlice",
    "HorizontalPodAutoscaler",
    "Job",
    "CronJob",
    "PodDisruptionBudget",
    "StatefulSet",
    "DaemonSet",
    "ControllerRevision",
    "PriorityClass",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "CSINode",
    "CSIDriver",
    "CSIStorageCapacity",
    "ConfigMap",
    "Secret",
    "Ingress",
    "IngressClass",
    "NetworkPolicy",
];

/// Fields of a pod spec that are kept and do nothing, with what is missing.
const POD_FIELDS: &[&str] =
    &["securityContext", "serviceAccountName", "runtimeClassName", "hostAliases", "dnsConfig", "resourceClaims", "ephemeralContainers"];

/// The same of a container.
const CONTAINER_FIELDS: &[&str] = &["securityContext"];

/// Sources of volumes that are simulated.
const VOLUMES: &[&str] = &["persistentVolumeClaim", "ephemeral", "configMap", "secret", "projected", "downwardAPI", "emptyDir", "hostPath"];

/// The same of a Service.
const SERVICE_FIELDS: &[&str] = &["loadBalancerIP"];

/// Said when a Service waits for a load balancer that no cloud gives.
const BALANCERS: &str = "load balancers (the scene's network has none: Services of that type stay pending)";

/// Said when policies have no effect.
const POLICIES: &str = "NetworkPolicy (flannel ignores them)";

/// Said when there are claims, and nothing that says what storage the cluster has.
const STORAGE: &str = "storage (no StorageClass and no PersistentVolume: claims are bound at once)";

/// What was found while a scene was read.
#[derive(Debug, Default)]
pub(crate) struct Unsimulated {
    found: BTreeSet<String>,
    /// There are claims.
    claims: bool,
    /// There are classes or volumes.
    storage: bool,
    /// There are Services of the type LoadBalancer, and a cloud that serves them.
    balancers: (bool, bool),
    /// There are NetworkPolicies, and a plug-in that ignores them.
    policies: (bool, bool),
}

impl Unsimulated {
    /// Notes what of a body does nothing.
    pub(crate) fn note(&mut self, body: &KubeBody) {
        let spec = body.fields.get("spec");
        let template = spec.and_then(|spec| spec.get("template")).and_then(|template| template.get("spec"));
        let own = |spec: Option<&Value>| volumes(spec).any(|volume| volume.get("ephemeral").is_some());
        let templates = spec.and_then(|spec| spec.get("volumeClaimTemplates")).and_then(Value::as_array);
        self.claims |= body.kind == "PersistentVolumeClaim" || templates.is_some_and(|list| !list.is_empty()) || own(spec) || own(template);
        self.storage |= matches!(body.kind.as_str(), "StorageClass" | "PersistentVolume");
        self.balancers.0 |= body.kind == "Service" && spec.and_then(|spec| spec.get("type")) == Some(&Value::from("LoadBalancer"));
        self.policies.0 |= body.kind == "NetworkPolicy";
        note(body, &mut self.found);
    }

    /// Notes what network there is.
    pub(crate) fn network(&mut self, network: &NetworkSettings) {
        self.balancers.1 = network.load_balancers.is_some();
        self.policies.1 = network.cni == Cni::Flannel;
    }

    /// Whether nothing says what storage there is.
    pub(crate) fn storage_assumed(&self) -> StorageAssumed {
        StorageAssumed(!self.storage)
    }

    /// What does nothing, in words.
    pub(crate) fn list(mut self) -> Vec<String> {
        if self.claims && !self.storage {
            self.found.insert(STORAGE.into());
        }
        if self.balancers == (true, false) {
            self.found.insert(BALANCERS.into());
        }
        if self.policies == (true, true) {
            self.found.insert(POLICIES.into());
        }
        self.found.into_iter().collect()
    }
}

fn volumes(spec: Option<&Value>) -> impl Iterator<Item = &Value> {
    spec.and_then(|spec| spec.get("volumes")).and_then(Value::as_array).into_iter().flatten()
}

fn note(body: &KubeBody, found: &mut BTreeSet<String>) {
    if !SIMULATED.contains(&body.kind.as_str()) {
        found.insert(body.kind.clone());
        return;
    }
    let spec = body.fields.get("spec");
    match body.kind.as_str() {
        "Pod" => pod(spec, found),
        "ReplicaSet" | "ReplicationController" | "Deployment" | "Job" | "StatefulSet" | "DaemonSet" => {
            pod(spec.and_then(|spec| spec.get("template")).and_then(|template| template.get("spec")), found);
        }
        "Service" => fields(spec, SERVICE_FIELDS, "Service spec.", found),
        _ => {}
    }
}

fn pod(spec: Option<&Value>, found: &mut BTreeSet<String>) {
    fields(spec, POD_FIELDS, "Pod spec.", found);
    // Of volumes it is simulated what has to be there, and where a pod may run; what is in them is not.
    if volumes(spec).any(|volume| !VOLUMES.iter().any(|source| volume.get(source).is_some())) {
        found.insert("Pod spec.volumes".into());
    }
    for list in ["containers", "initContainers"] {
        for container in spec.and_then(|spec| spec.get(list)).and_then(Value::as_array).into_iter().flatten() {
            fields(Some(container), CONTAINER_FIELDS, "Pod spec.containers.", found);
        }
    }
}

fn fields(holder: Option<&Value>, names: &[&str], prefix: &str, found: &mut BTreeSet<String>) {
    let Some(holder) = holder else { return };
    for name in names {
        let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
        if holder.get(name).is_some_and(|value| !empty(value)) {
            found.insert(format!("{prefix}{name}"));
        }
    }
}
