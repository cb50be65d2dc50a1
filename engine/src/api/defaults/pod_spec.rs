//! Defaults of a pod spec, as pods and pod templates share them.
//!
//! A template gets only these; what a pod gets on top is in `pod`. The deployment controller hashes the
//! result, so nothing may be added here that the real server does not store.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_PodSpec`, and
//! `pkg/apis/core/v1/conversion.go`, `Convert_v1_PodSpec_To_core_PodSpec`.

use super::fill::{self, Object};
use super::{container, resources, volume};

/// Optional fields of a pod spec that are not stored when empty.
const OMITTED_WHEN_EMPTY: &[&str] = &[
    "volumes",
    "initContainers",
    "ephemeralContainers",
    "nodeSelector",
    "serviceAccountName",
    "serviceAccount",
    "nodeName",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "imagePullSecrets",
    "hostname",
    "subdomain",
    "tolerations",
    "hostAliases",
    "priorityClassName",
    "readinessGates",
    "overhead",
    "topologySpreadConstraints",
    "schedulingGates",
    "resourceClaims",
];

/// Annotations from before init containers were a field: dropped from pods and templates.
const INIT_CONTAINER_ANNOTATIONS: &[&str] = &[
    "pod.beta.kubernetes.io/init-containers",
    "pod.alpha.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
    "pod.alpha.kubernetes.io/init-container-statuses",
];

/// Fills in a pod template (`metadata` and `spec`).
pub(super) fn apply_to_template(template: &mut Object) {
    fill::with_object(template, "metadata", apply_to_metadata);
    fill::with_object(template, "spec", apply);
}

/// Drops empty labels and annotations, and the annotations that no longer mean anything.
pub(super) fn apply_to_metadata(metadata: &mut Object) {
    fill::with_existing(metadata, "annotations", |annotations| {
        annotations.retain(|key, _| !INIT_CONTAINER_ANNOTATIONS.contains(&key.as_str()));
    });
    fill::drop_zeros(metadata, &["labels", "annotations", "finalizers", "ownerReferences", "name", "generateName", "namespace"]);
}

/// Fills in a pod spec.
pub(super) fn apply(spec: &mut Object) {
    fill::zero(spec, "dnsPolicy", "ClusterFirst");
    fill::zero(spec, "restartPolicy", "Always");
    fill::absent(spec, "securityContext", Object::new());
    fill::absent(spec, "terminationGracePeriodSeconds", 30);
    fill::zero(spec, "schedulerName", "default-scheduler");
    fill::each(spec, "volumes", volume::apply);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        fill::each(spec, list, container::apply);
    }
    fill::with_existing(spec, "overhead", resources::round_up);
    fill::with_existing(spec, "resources", resources::apply);
    fill::each(spec, "tolerations", |toleration| fill::drop_zeros(toleration, &["key", "operator", "value", "effect"]));
    mirror_service_account(spec);
    fill::drop_zeros(spec, OMITTED_WHEN_EMPTY);
}

/// `serviceAccount` is the old name of `serviceAccountName`; the new one wins and both are stored.
fn mirror_service_account(spec: &mut Object) {
    let name = match (fill::text(spec, "serviceAccountName"), fill::text(spec, "serviceAccount")) {
        ("", old) => old.to_owned(),
        (new, _) => new.to_owned(),
    };
    if !name.is_empty() {
        spec.insert("serviceAccountName".to_owned(), name.clone().into());
        spec.insert("serviceAccount".to_owned(), name.into());
    }
}
