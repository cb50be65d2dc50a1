//! Persistent volume claims.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidatePersistentVolumeClaimSpec`,
//! `ValidatePersistentVolumeClaimUpdate`.

use super::field::{Errors, Field};
use super::metadata::{self, NameRule};
use super::{formats, quantity, selector};
use crate::model::quantity::Quantity;
use serde_json::Value;

const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// Checks a new claim.
pub(super) fn check(claim: &Field<'_>, errors: &mut Errors) {
    metadata::check(&claim.child("metadata"), NameRule::NAMESPACED, errors);
    check_spec(&claim.child("spec"), errors);
}

/// Checks the spec of a claim or claim template.
pub(super) fn check_spec(spec: &Field<'_>, errors: &mut Errors) {
    let modes = spec.child("accessModes");
    if modes.is_empty() {
        errors.push(modes.required("at least 1 access mode is required"));
    }
    selector::check(&spec.child("selector"), errors);
    for mode in modes.items().iter().filter(|mode| !ACCESS_MODES.contains(&mode.text())) {
        errors.push(mode.at_path(modes.path()).not_supported(ACCESS_MODES));
    }
    let single = |mode: &&str| *mode == "ReadWriteOncePod";
    if modes.texts().iter().any(single) && modes.texts().iter().any(|mode| !single(mode) && ACCESS_MODES.contains(mode)) {
        errors.push(modes.forbidden("may not use ReadWriteOncePod with other access modes"));
    }
    // Messages leave out `requests`.
    let storage = spec.child("resources").child("requests").key("storage").at_path(spec.child("resources").key("storage").path());
    if !storage.is_set() {
        errors.push(storage.required(""));
    } else if quantity::check_positive(&storage, errors) {
        quantity::check_amount("storage", &storage, errors);
    }
    let class = spec.child("storageClassName");
    if !class.text().is_empty() {
        class.refuse(formats::dns_subdomain(class.text()), errors);
    }
    let mode = spec.child("volumeMode");
    if mode.is_set() && !matches!(mode.text(), "Block" | "Filesystem") {
        errors.push(mode.not_supported(&["Block", "Filesystem"]));
    }
    for source in ["dataSource", "dataSourceRef"] {
        if spec.child(source).is_set() {
            check_source(&spec.child(source), errors);
        }
    }
    let attributes = spec.child("volumeAttributesClassName");
    if !attributes.text().is_empty() {
        attributes.refuse(formats::dns_subdomain(attributes.text()), errors);
    }
}

fn check_source(source: &Field<'_>, errors: &mut Errors) {
    let (name, kind, group) = (source.child("name"), source.child("kind"), source.child("apiGroup"));
    if name.text().is_empty() {
        errors.push(name.required(""));
    }
    if kind.text().is_empty() {
        errors.push(kind.required(""));
    }
    if group.text().is_empty() && kind.text() != "PersistentVolumeClaim" {
        errors.push(source.invalid_as(kind.shown(), "must be 'PersistentVolumeClaim' when referencing the default apiGroup"));
    }
    if !group.text().is_empty() {
        group.refuse(formats::dns_subdomain(group.text()), errors);
    }
    let namespace = source.child("namespace");
    if !namespace.text().is_empty() {
        namespace.refuse(formats::dns_label(namespace.text()), errors);
    }
}

/// Checks a changed claim: it may be bound once, and grow once bound.
pub(super) fn check_update(claim: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&claim.child("metadata"), &old.child("metadata"), errors);
    check(claim, errors);
    let bound = claim.child("status").child("phase").text() == "Bound";
    if munged(claim, old, bound) != munged(old, old, bound) {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.push(claim.child("spec").forbidden(detail));
    }
    let size = |claim: &Field<'_>| quantity::of(&claim.child("spec").child("resources").child("requests").child("storage"));
    let capacity = quantity::of(&old.child("status").child("capacity").child("storage"));
    let shrinks_below = |new: &Quantity, old: &Quantity| new < old && capacity.as_ref().map_or(new.sign() <= 0, |capacity| new <= capacity);
    if let (Some(new_size), Some(old_size)) = (size(claim), size(old))
        && shrinks_below(&new_size, &old_size)
    {
        let place = claim.child("spec").child("resources").child("requests").child("storage");
        errors.push(place.forbidden("field can not be less than status.capacity"));
    }
    let mode = claim.child("spec").child("volumeMode");
    mode.at_path("volumeMode").check_unchanged(&old.child("spec").child("volumeMode"), errors);
}

/// The spec without what may change.
fn munged(claim: &Field<'_>, old: &Field<'_>, bound: bool) -> Option<Value> {
    let mut spec = claim.child("spec").value()?.clone();
    let fields = spec.as_object_mut()?;
    if old.child("spec").child("volumeName").text().is_empty() {
        fields.shift_remove("volumeName");
    }
    if !old.child("spec").child("storageClassName").is_set() {
        fields.shift_remove("storageClassName");
    }
    if bound {
        fields.shift_remove("volumeAttributesClassName");
        if let Some(requests) = fields.get_mut("resources").and_then(|resources| resources.get_mut("requests")) {
            requests.as_object_mut()?.shift_remove("storage");
        }
    }
    Some(spec)
}
