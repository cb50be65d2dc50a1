//! PodDisruptionBudgets.
//!
//! Source: kubernetes v1.36, `pkg/apis/policy/validation/validation.go`, `ValidatePodDisruptionBudgetSpec`;
//! names as `pkg/registry/policy/poddisruptionbudget` has them.

use super::field::{Errors, Field};
use super::field_error::go_json;
use super::metadata::{self, NameRule};
use super::{rollout, selector};
use serde_json::json;

/// Checks a new budget.
pub(super) fn check(budget: &Field<'_>, errors: &mut Errors) {
    metadata::check(&budget.child("metadata"), NameRule::NAMESPACED, errors);
    check_spec(&budget.child("spec"), errors);
}

/// Checks a changed budget.
pub(super) fn check_update(budget: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&budget.child("metadata"), &old.child("metadata"), errors);
    check_spec(&budget.child("spec"), errors);
}

fn check_spec(spec: &Field<'_>, errors: &mut Errors) {
    let (min, max, eviction) = (spec.child("minAvailable"), spec.child("maxUnavailable"), spec.child("unhealthyPodEvictionPolicy"));
    if min.is_set() && max.is_set() {
        // The original prints its own type here, with its own field names.
        let shown = json!({
            "MinAvailable": min.value(), "Selector": spec.child("selector").value(), "MaxUnavailable": max.value(),
            "UnhealthyPodEvictionPolicy": eviction.value(),
        });
        errors.push(spec.invalid_as(go_json(&shown), "minAvailable and maxUnavailable cannot be both set"));
    }
    for count in [&min, &max] {
        if count.is_set() {
            rollout::check_count(count, errors);
            rollout::check_at_most_all(count, errors);
        }
    }
    selector::check(&spec.child("selector"), errors);
    if eviction.is_set() && !matches!(eviction.text(), "AlwaysAllow" | "IfHealthyBudget") {
        errors.push(eviction.not_supported(&["AlwaysAllow", "IfHealthyBudget"]));
    }
}
