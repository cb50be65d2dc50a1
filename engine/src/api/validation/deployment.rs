//! Deployments.
//!
//! Source: kubernetes v1.36, `pkg/apis/apps/validation/validation.go`, `ValidateDeploymentSpec`.

use super::field::{Errors, Field};
use super::field_error::go_json;
use super::metadata::{self, NameRule};
use super::replica_set::{check_selector_and_template, check_selector_unchanged};
use super::rollout;
use serde_json::{Value, json};

/// Checks a new deployment.
pub(super) fn check(deployment: &Field<'_>, errors: &mut Errors) {
    metadata::check(&deployment.child("metadata"), NameRule::NAMESPACED, errors);
    check_spec(&deployment.child("spec"), errors);
}

/// Checks a changed deployment.
pub(super) fn check_update(deployment: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&deployment.child("metadata"), &old.child("metadata"), errors);
    check_spec(&deployment.child("spec"), errors);
    check_selector_unchanged(deployment, old, errors);
}

fn check_spec(spec: &Field<'_>, errors: &mut Errors) {
    spec.child("replicas").check_not_negative(errors);
    check_selector_and_template(spec, errors);
    check_strategy(&spec.child("strategy"), errors);
    let ready = spec.child("minReadySeconds");
    ready.check_not_negative(errors);
    spec.child("revisionHistoryLimit").check_not_negative(errors);
    let deadline = spec.child("progressDeadlineSeconds");
    if deadline.is_set() {
        deadline.check_not_negative(errors);
        if deadline.int_or_zero() <= ready.int_or_zero() {
            errors.push(deadline.invalid("must be greater than minReadySeconds"));
        }
    }
}

fn check_strategy(strategy: &Field<'_>, errors: &mut Errors) {
    let rolling = strategy.child("rollingUpdate");
    match strategy.child("type").text() {
        "Recreate" if rolling.is_set() => errors.push(rolling.forbidden("may not be specified when strategy `type` is 'Recreate'")),
        "Recreate" => {}
        "RollingUpdate" if !rolling.is_set() => errors.push(rolling.required("this should be defaulted and never be nil")),
        "RollingUpdate" => check_rolling(&rolling, errors),
        other => {
            // The original prints its own type here, with its own field names.
            let count = |key: &str| rolling.child(key).value().cloned().unwrap_or_else(|| 0.into());
            let update = if rolling.is_set() {
                json!({"MaxUnavailable": count("maxUnavailable"), "MaxSurge": count("maxSurge")})
            } else {
                Value::Null
            };
            let shown = go_json(&json!({"Type": other, "RollingUpdate": update}));
            errors.push(strategy.not_supported_as(shown, &["Recreate", "RollingUpdate"]));
        }
    }
}

fn check_rolling(rolling: &Field<'_>, errors: &mut Errors) {
    let (unavailable, surge) = (rolling.child("maxUnavailable"), rolling.child("maxSurge"));
    rollout::check_count(&unavailable, errors);
    rollout::check_count(&surge, errors);
    if rollout::value(&unavailable) == 0 && rollout::value(&surge) == 0 {
        errors.push(unavailable.invalid("may not be 0 when `maxSurge` is 0"));
    }
    rollout::check_at_most_all(&unavailable, errors);
}
