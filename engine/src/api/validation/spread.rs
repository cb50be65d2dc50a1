//! Topology spread constraints of pods.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `validateTopologySpreadConstraints`.

use super::field::{Errors, Field};
use super::field_error::{ErrorKind, quoted};
use super::{affinity, selector};

/// Checks `spec.topologySpreadConstraints`.
pub(super) fn check(constraints: &Field<'_>, errors: &mut Errors) {
    let all = constraints.items();
    for (index, constraint) in all.iter().enumerate() {
        check_positive(&constraint.child("maxSkew"), errors);
        let (topology, action) = (constraint.child("topologyKey"), constraint.child("whenUnsatisfiable"));
        if topology.text().is_empty() {
            errors.push(topology.required("can not be empty"));
        }
        if !matches!(action.text(), "DoNotSchedule" | "ScheduleAnyway") {
            errors.push(action.not_supported(&["DoNotSchedule", "ScheduleAnyway"]));
        }
        let same = |other: &Field<'_>| {
            other.child("topologyKey").text() == topology.text() && other.child("whenUnsatisfiable").text() == action.text()
        };
        if all[index + 1..].iter().any(same) {
            let pair = quoted(&format!("{{{}, {}}}", topology.text(), action.text()));
            errors.push(constraint.under("{topologyKey, whenUnsatisfiable}").error(ErrorKind::Duplicate, pair, ""));
        }
        check_min_domains(&constraint.child("minDomains"), action.text(), errors);
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            let policy = constraint.child(policy);
            if policy.is_set() && !matches!(policy.text(), "Honor" | "Ignore") {
                errors.push(policy.not_supported(&["Honor", "Ignore"]));
            }
        }
        affinity::check_label_keys(constraint, errors);
        selector::check(&constraint.child("labelSelector"), errors);
    }
}

fn check_positive(number: &Field<'_>, errors: &mut Errors) {
    if number.int_or_zero() <= 0 {
        errors.push(number.invalid_int("must be greater than zero"));
    }
}

fn check_min_domains(min_domains: &Field<'_>, action: &str, errors: &mut Errors) {
    if !min_domains.is_set() {
        return;
    }
    check_positive(min_domains, errors);
    if action != "DoNotSchedule" {
        let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        errors.push(min_domains.invalid(detail));
    }
}
