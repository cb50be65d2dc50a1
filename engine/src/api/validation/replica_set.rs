//! ReplicaSets and ReplicationControllers, and what the other workloads share with them.
//!
//! Source: kubernetes v1.36, `pkg/apis/apps/validation/validation.go`, `ValidateReplicaSetSpec`,
//! `ValidatePodTemplateSpecForReplicaSet`; `pkg/apis/core/validation/validation.go`, `ValidateReplicationControllerSpec`.

use super::field::{Errors, Field};
use super::metadata::{self, NameRule};
use super::{pod, selector};
use serde_json::json;

/// Checks a new replica set.
pub(super) fn check(set: &Field<'_>, errors: &mut Errors) {
    metadata::check(&set.child("metadata"), NameRule::NAMESPACED, errors);
    check_spec(&set.child("spec"), errors);
}

fn check_spec(spec: &Field<'_>, errors: &mut Errors) {
    spec.child("replicas").check_not_negative(errors);
    spec.child("minReadySeconds").check_not_negative(errors);
    check_selector_and_template(spec, errors);
}

/// Checks a changed replica set.
pub(super) fn check_update(set: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&set.child("metadata"), &old.child("metadata"), errors);
    check_spec(&set.child("spec"), errors);
    check_selector_unchanged(set, old, errors);
}

/// The selector of a workload never changes.
pub(super) fn check_selector_unchanged(object: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    let own = object.child("spec").child("selector");
    let stored = old.child("spec").child("selector");
    if selector::shown(&own) != selector::shown(&stored) {
        errors.push(own.invalid_as(selector::shown(&own), "field is immutable"));
    }
}

/// Checks selector and template as replica sets and deployments have them.
pub(super) fn check_selector_and_template(spec: &Field<'_>, errors: &mut Errors) {
    let own = spec.child("selector");
    // The original says deployment for replica sets, too.
    check_selector(&own, "deployment", errors);
    let template = spec.child("template");
    let labels = template.child("metadata").child("labels");
    match selector::matches(&own, &labels) {
        None => errors.push(own.invalid_as(selector::shown(&own), "invalid label selector")),
        Some(matched) => {
            if !matched && own.is_set() {
                errors.push(labels.invalid_as(selector::shown_map(&labels), "`selector` does not match template `labels`"));
            }
            pod::check_template(&template, errors);
            check_runs_forever(&template, "ReplicaSet", errors);
        }
    }
}

/// A selector must be there and select something; `kind` is the word in the message.
pub(super) fn check_selector(own: &Field<'_>, kind: &str, errors: &mut Errors) {
    if !own.is_set() {
        errors.push(own.required(""));
        return;
    }
    selector::check(own, errors);
    if selector::is_empty(own) {
        errors.push(own.invalid_as(selector::shown(own), format!("empty selector is invalid for {kind}")));
    }
}

/// Pods of these workloads never end by themselves; `kind` is the word in the message.
pub(super) fn check_runs_forever(template: &Field<'_>, kind: &str, errors: &mut Errors) {
    let (policy, deadline) = (template.child("spec").child("restartPolicy"), template.child("spec").child("activeDeadlineSeconds"));
    if policy.text() != "Always" {
        errors.push(policy.not_supported(&["Always"]));
    }
    if deadline.is_set() {
        errors.push(deadline.forbidden(format!("activeDeadlineSeconds in {kind} is not Supported")));
    }
}

/// Checks a new replication controller.
pub(super) fn check_controller(controller: &Field<'_>, errors: &mut Errors) {
    metadata::check(&controller.child("metadata"), NameRule::NAMESPACED, errors);
    check_controller_spec(&controller.child("spec"), errors);
}

/// Checks a changed replication controller. Its selector may change.
pub(super) fn check_controller_update(controller: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&controller.child("metadata"), &old.child("metadata"), errors);
    check_controller_spec(&controller.child("spec"), errors);
}

fn check_controller_spec(spec: &Field<'_>, errors: &mut Errors) {
    let (own, replicas, template) = (spec.child("selector"), spec.child("replicas"), spec.child("template"));
    spec.child("minReadySeconds").check_not_negative(errors);
    if own.is_empty() {
        errors.push(own.required(""));
    }
    if replicas.is_set() {
        replicas.check_not_negative(errors);
    } else {
        errors.push(replicas.required(""));
    }
    if !template.is_set() {
        errors.push(template.required(""));
        return;
    }
    let labels = template.child("metadata").child("labels");
    let as_selector = json!({"matchLabels": own.value()});
    if !own.is_empty() && selector::matches(&Field::root(&as_selector), &labels) != Some(true) {
        errors.push(labels.invalid_as(selector::shown_map(&labels), "`selector` does not match template `labels`"));
    }
    pod::check_template(&template, errors);
    check_runs_forever(&template, "ReplicationController", errors);
}
