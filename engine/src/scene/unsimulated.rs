//! What of the input does nothing: named once in the summary, so that nobody takes silence for support.

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
    "ConfigMap",
    "Secret",
];

/// Fields of a pod spec that are kept and do nothing, with what is missing.
const POD_FIELDS: &[&str] = &[
    "volumes",
    "securityContext",
    "serviceAccountName",
    "runtimeClassName",
    "hostAliases",
    "dnsConfig",
    "resourceClaims",
    "ephemeralContainers",
];

/// The same of a container.
const CONTAINER_FIELDS: &[&str] =
    &["volumeMounts", "volumeDevices", "securityContext", "env", "envFrom", "resizePolicy", "restartPolicyRules"];

/// The same of a Service.
const SERVICE_FIELDS: &[&str] =
    &["sessionAffinity", "externalTrafficPolicy", "loadBalancerSourceRanges", "trafficDistribution", "externalIPs"];

/// Notes what of a body does nothing.
pub(crate) fn note(body: &KubeBody, found: &mut BTreeSet<String>) {
    if !SIMULATED.contains(&body.kind.as_str()) {
        found.insert(body.kind.clone());
        return;
    }
    let spec = body.fields.get("spec");
    match body.kind.as_str() {
        "Pod" => pod(spec, found),
        "ReplicaSet" | "ReplicationController" | "Deployment" | "Job" | "StatefulSet" | "DaemonSet" => {
            pod(spec.and_then(|spec| spec.get("template")).and_then(|template| template.get("spec")), found);
            // Claims are made, and bound as they are made.
            fields(spec, &["volumeClaimTemplates"], "the storage behind StatefulSet spec.", found);
        }
        "Service" => fields(spec, SERVICE_FIELDS, "Service spec.", found),
        _ => {}
    }
}

fn pod(spec: Option<&Value>, found: &mut BTreeSet<String>) {
    fields(spec, POD_FIELDS, "Pod spec.", found);
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
