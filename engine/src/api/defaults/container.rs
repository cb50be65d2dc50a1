//! Defaults of containers, init containers and ephemeral containers.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_Container`, `SetDefaults_Probe`,
//! `SetDefaults_HTTPGetAction`, `SetDefaults_ObjectFieldSelector`.

use super::fill::{self, Object};
use super::image_tag;
use super::resources;

/// Optional fields of a container that are not stored when empty.
const OMITTED_WHEN_EMPTY: &[&str] = &[
    "image",
    "command",
    "args",
    "workingDir",
    "ports",
    "envFrom",
    "env",
    "resizePolicy",
    "restartPolicyRules",
    "volumeMounts",
    "volumeDevices",
    "stdin",
    "stdinOnce",
    "tty",
    "targetContainerName",
];

/// Fills in one container.
pub(super) fn apply(container: &mut Object) {
    let image = fill::text(container, "image");
    fill::zero(container, "imagePullPolicy", pull_policy(image));
    fill::zero(container, "terminationMessagePath", "/dev/termination-log");
    fill::zero(container, "terminationMessagePolicy", "File");
    fill::each(container, "ports", |port| {
        fill::zero(port, "protocol", "TCP");
        fill::drop_zeros(port, &["name", "hostPort", "hostIP"]);
    });
    fill::each(container, "env", apply_to_env);
    fill::each(container, "volumeMounts", |mount| fill::drop_zeros(mount, &["readOnly", "subPath", "subPathExpr"]));
    fill::with_object(container, "resources", resources::apply);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        fill::with_existing(container, probe, apply_to_probe);
    }
    fill::with_existing(container, "lifecycle", |lifecycle| {
        for hook in ["postStart", "preStop"] {
            fill::with_existing(lifecycle, hook, |hook| fill::with_existing(hook, "httpGet", apply_to_http_get));
        }
    });
    fill::drop_zeros(container, OMITTED_WHEN_EMPTY);
}

/// `Always` for the tag `latest`, `IfNotPresent` for any other and for names that do not parse.
pub(super) fn pull_policy(image: &str) -> &'static str {
    if image_tag(image) == Some("latest") { "Always" } else { "IfNotPresent" }
}

fn apply_to_env(env: &mut Object) {
    fill::drop_zeros(env, &["value"]);
    fill::with_existing(env, "valueFrom", |from| {
        fill::with_existing(from, "fieldRef", apply_to_field_ref);
        fill::with_existing(from, "fileKeyRef", |key| fill::absent(key, "optional", false));
        fill::with_existing(from, "resourceFieldRef", resources::apply_to_divisor);
    });
}

/// Fills in the API version of a field reference.
pub(super) fn apply_to_field_ref(field_ref: &mut Object) {
    fill::zero(field_ref, "apiVersion", "v1");
}

fn apply_to_probe(probe: &mut Object) {
    fill::zero(probe, "timeoutSeconds", 1);
    fill::zero(probe, "periodSeconds", 10);
    fill::zero(probe, "successThreshold", 1);
    fill::zero(probe, "failureThreshold", 3);
    fill::with_existing(probe, "httpGet", apply_to_http_get);
    fill::with_existing(probe, "grpc", |grpc| fill::absent(grpc, "service", ""));
    fill::drop_zeros(probe, &["initialDelaySeconds"]);
}

fn apply_to_http_get(action: &mut Object) {
    fill::zero(action, "path", "/");
    fill::zero(action, "scheme", "HTTP");
    fill::drop_zeros(action, &["host", "httpHeaders"]);
}
