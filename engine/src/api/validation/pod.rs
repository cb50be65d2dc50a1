//! Pods and pod templates.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidatePodCreate`, `ValidatePodTemplateSpec`,
//! `ValidatePodSpecificAnnotations`.

use super::container::check_image_spaces;
use super::field::{Errors, Field};
use super::metadata::{self, NameRule};
use super::pod_spec::{self, Of};

const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Checks a new pod.
pub(super) fn check(pod: &Field<'_>, errors: &mut Errors) {
    check_all(pod, errors);
    let spec = pod.child("spec");
    if !spec.child("ephemeralContainers").is_empty() {
        errors.push(spec.child("ephemeralContainers").forbidden("cannot be set on create"));
    }
    if !spec.child("nodeName").text().is_empty() && !spec.child("schedulingGates").is_empty() {
        errors.push(spec.child("nodeName").forbidden("cannot be set until all schedulingGates have been cleared"));
    }
}

/// What holds for new and for changed pods alike.
pub(super) fn check_all(pod: &Field<'_>, errors: &mut Errors) {
    let (meta, spec) = (pod.child("metadata"), pod.child("spec"));
    metadata::check(&meta, NameRule::NAMESPACED, errors);
    check_annotations(&meta.child("annotations"), &spec, errors);
    pod_spec::check(&spec, Of::Pod(meta.child("name").text()), errors);
    check_tokens(&spec, errors);
    for list in ["containers", "initContainers"] {
        for container in spec.child(list).items() {
            check_image_spaces(&container, errors);
        }
    }
}

/// A projected token is somebody's.
fn check_tokens(spec: &Field<'_>, errors: &mut Errors) {
    if !spec.child("serviceAccountName").text().is_empty() {
        return;
    }
    for volume in spec.child("volumes").items() {
        for source in volume.child("projected").child("sources").items() {
            let token = source.child("serviceAccountToken");
            if token.is_set() {
                errors.push(token.forbidden("must not be specified when serviceAccountName is not set"));
            }
        }
    }
}

/// Checks the annotations that mean something to the server.
pub(super) fn check_annotations(annotations: &Field<'_>, spec: &Field<'_>, errors: &mut Errors) {
    let mirror = annotations.key(MIRROR);
    if mirror.is_set() && spec.child("nodeName").text().is_empty() {
        errors.push(mirror.invalid("must set spec.nodeName if mirror pod annotation is set"));
    }
    let cost = annotations.key(DELETION_COST);
    if cost.is_set() && !is_deletion_cost(cost.text()) {
        errors.push(cost.invalid("must be a 32bit integer"));
    }
}

/// Plain decimal 32-bit numbers, without plus sign and without leading zeros (unless negative).
fn is_deletion_cost(text: &str) -> bool {
    let first_fits = text == "0" || text.starts_with(|c| matches!(c, '-' | '1'..='9'));
    first_fits && text.parse::<i32>().is_ok()
}

/// Checks a pod template (`metadata` and `spec`).
///
/// Messages about labels and annotations name the template itself, without `metadata`.
pub(super) fn check_template(template: &Field<'_>, errors: &mut Errors) {
    let (meta, spec) = (template.child("metadata"), template.child("spec"));
    let named = |key: &str| meta.child(key).at_path(template.child(key).path());
    metadata::check_labels(&named("labels"), errors);
    metadata::check_annotations(&named("annotations"), errors);
    check_annotations(&named("annotations"), &spec, errors);
    pod_spec::check(&spec, Of::Template, errors);
    if !spec.child("ephemeralContainers").is_empty() {
        errors.push(spec.child("ephemeralContainers").forbidden("ephemeral containers not allowed in pod template"));
    }
}
