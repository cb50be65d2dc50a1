//! What may change in a pod.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidatePodUpdate`. The original appends a
//! difference of its own types to the last message; we leave that out.

use super::field::{Errors, Field};
use super::{container, formats, metadata, pod, selector, tolerations};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
`spec.tolerations` (only additions to existing tolerations),\
`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// Checks a changed pod.
pub(super) fn check(pod: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    let (spec, stored) = (pod.child("spec"), old.child("spec"));
    metadata::check_update(&pod.child("metadata"), &old.child("metadata"), errors);
    pod::check_all(pod, errors);
    check_mirror(&pod.child("metadata").child("annotations"), &old.child("metadata").child("annotations"), errors);
    for list in ["containers", "initContainers"] {
        if !check_containers(&spec.child(list), &stored.child(list), errors) {
            return;
        }
    }
    if !check_deadline(&spec.child("activeDeadlineSeconds"), &stored.child("activeDeadlineSeconds"), errors) {
        return;
    }
    check_tolerations(&spec.child("tolerations"), &stored.child("tolerations"), errors);
    check_gates(&spec.child("schedulingGates"), &stored.child("schedulingGates"), errors);
    if !spec.same_as(&stored) {
        check_rest(&spec, &stored, errors);
    }
}

fn check_mirror(annotations: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    let key = "kubernetes.io/config.mirror";
    let (mirror, stored) = (annotations.key(key), old.key(key));
    if stored.is_set() && !mirror.same_as(&stored) {
        errors.push(mirror.forbidden("may not remove or update mirror pod annotation"));
    } else if mirror.is_set() && !stored.is_set() {
        errors.push(mirror.forbidden("may not add mirror pod annotation"));
    }
}

/// False when the number changed: nothing more is said then.
fn check_containers(containers: &Field<'_>, old: &Field<'_>, errors: &mut Errors) -> bool {
    if containers.len() != old.len() {
        errors.push(containers.forbidden("pod updates may not add or remove containers"));
        return false;
    }
    for container in containers.items() {
        let image = container.child("image");
        if image.text().is_empty() {
            errors.push(image.required(""));
        }
        container::check_image_spaces(&container, errors);
    }
    true
}

/// A deadline may be set and lowered. False when it is wrong in itself.
fn check_deadline(deadline: &Field<'_>, old: &Field<'_>, errors: &mut Errors) -> bool {
    let Some(seconds) = deadline.int() else {
        if old.is_set() {
            errors.push(deadline.invalid_as("null", "must not update from a positive integer to nil value"));
        }
        return true;
    };
    let before = errors.len();
    deadline.refuse(formats::in_range(seconds, 0, i64::from(i32::MAX)), errors);
    if errors.len() == before && old.int().is_some_and(|old| old < seconds) {
        errors.push(deadline.invalid("must be less than or equal to previous value"));
    }
    errors.len() == before
}

/// Tolerations are only added; how long one lasts may change.
fn check_tolerations(list: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    let lasting = |toleration: &Field<'_>| {
        let mut fields: Map<String, Value> = toleration.object().cloned().unwrap_or_default();
        fields.shift_remove("tolerationSeconds");
        fields
    };
    let new: Vec<_> = list.items().iter().map(lasting).collect();
    if old.items().iter().any(|toleration| !new.contains(&lasting(toleration))) {
        errors.push(list.forbidden("existing toleration can not be modified except its tolerationSeconds"));
        return;
    }
    tolerations::check(list, errors);
}

fn check_gates(gates: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    let names = |gates: &Field<'_>| gates.items().iter().map(|gate| gate.child("name").text().to_owned()).collect::<Vec<_>>();
    let stored = names(old);
    let added: BTreeMap<String, usize> = names(gates).into_iter().enumerate().map(|(index, name)| (name, index)).collect();
    for (name, index) in added.into_iter().filter(|(name, _)| !stored.contains(name)) {
        let place = gates.index(index).child("name");
        errors.push(place.forbidden(format!("only deletion is allowed, but found new scheduling gate '{name}'")));
    }
}

/// Everything not judged above must be as it was. A gated pod may narrow where it can go.
fn check_rest(spec: &Field<'_>, stored: &Field<'_>, errors: &mut Errors) {
    let (Some(mut fields), Some(old)) = (spec.object().cloned(), stored.object().cloned()) else { return };
    for list in ["containers", "initContainers"] {
        take_images(&mut fields, &old, list);
    }
    for key in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        take(&mut fields, &old, key);
    }
    let was_negative = stored.child("terminationGracePeriodSeconds").int_or_zero() < 0;
    if was_negative && spec.child("terminationGracePeriodSeconds").int() == Some(1) {
        take(&mut fields, &old, "terminationGracePeriodSeconds");
    }
    if !stored.child("schedulingGates").is_empty() {
        check_narrowed(spec, stored, errors);
        take(&mut fields, &old, "nodeSelector");
        take_node_affinity(&mut fields, &old);
    }
    if fields != old {
        errors.push(spec.forbidden(format!("pod updates may not change fields other than {UPDATABLE}\n")));
    }
}

fn take(fields: &mut Map<String, Value>, old: &Map<String, Value>, key: &str) {
    match old.get(key) {
        Some(value) => {
            fields.insert(key.to_owned(), value.clone());
        }
        None => {
            fields.shift_remove(key);
        }
    }
}

fn take_images(fields: &mut Map<String, Value>, old: &Map<String, Value>, list: &str) {
    let (Some(Value::Array(new)), Some(Value::Array(old))) = (fields.get_mut(list), old.get(list)) else { return };
    for (container, old) in new.iter_mut().zip(old) {
        if let (Value::Object(container), Value::Object(old)) = (container, old) {
            take(container, old, "image");
        }
    }
}

fn take_node_affinity(fields: &mut Map<String, Value>, old: &Map<String, Value>) {
    let empty = Value::Object(Map::new());
    let mut affinity = fields.get("affinity").unwrap_or(&empty).clone();
    let stored = old.get("affinity").unwrap_or(&empty);
    if let (Value::Object(affinity), Value::Object(stored)) = (&mut affinity, stored) {
        take(affinity, stored, "nodeAffinity");
    }
    if affinity == empty && !old.contains_key("affinity") {
        fields.shift_remove("affinity");
    } else {
        fields.insert("affinity".to_owned(), affinity);
    }
}

fn check_narrowed(spec: &Field<'_>, stored: &Field<'_>, errors: &mut Errors) {
    let (own, old) = (spec.child("nodeSelector"), stored.child("nodeSelector"));
    if old.entries().iter().any(|(key, value)| !own.child(key).same_as(value)) {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.push(own.invalid_as(selector::shown_map(&own), detail));
    }
    let (new_terms, old_terms) = (node_terms(spec), node_terms(stored));
    if old_terms.is_empty() {
        return;
    }
    if new_terms.len() != old_terms.len() {
        errors.push(new_terms.invalid_as(
            new_terms.value().map_or("null".to_owned(), |terms| terms.to_string()),
            "no additions/deletions to non-empty NodeSelectorTerms list are allowed",
        ));
        return;
    }
    for (new, old) in new_terms.items().iter().zip(old_terms.items()) {
        if !only_additions(new, &old) {
            errors.push(new.invalid("only additions are allowed (no mutations or deletions)"));
        }
    }
}

fn node_terms<'a>(spec: &Field<'a>) -> Field<'a> {
    spec.child("affinity").child("nodeAffinity").child(REQUIRED).child("nodeSelectorTerms")
}

/// An empty term matches nothing, and so must stay empty.
fn only_additions(new: &Field<'_>, old: &Field<'_>) -> bool {
    let parts = ["matchExpressions", "matchFields"];
    if parts.iter().all(|part| old.child(part).is_empty()) {
        return parts.iter().all(|part| new.child(part).is_empty());
    }
    let kept = |part: &str| {
        let (new, old) = (new.child(part).items(), old.child(part).items());
        new.len() >= old.len() && new.iter().zip(&old).all(|(new, old)| new.same_as(old))
    };
    parts.iter().all(|part| kept(part))
}
