//! DaemonSets.
//!
//! Source: kubernetes v1.36, `pkg/apis/apps/validation/validation.go`, `ValidateDaemonSetSpec`.

use super::field::{Errors, Field};
use super::field_error::go_json;
use super::metadata::{self, NameRule};
use super::replica_set::{check_runs_forever, check_selector_unchanged};
use super::{pod, rollout, selector};
use serde_json::{Value, json};

/// Checks a new daemon set.
pub(super) fn check(set: &Field<'_>, errors: &mut Errors) {
    metadata::check(&set.child("metadata"), NameRule::NAMESPACED, errors);
    check_spec(&set.child("spec"), errors);
}

/// Checks a changed daemon set. (The template generation is the server's own and follows the template.)
pub(super) fn check_update(set: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&set.child("metadata"), &old.child("metadata"), errors);
    check_selector_unchanged(set, old, errors);
    check_spec(&set.child("spec"), errors);
}

fn check_spec(spec: &Field<'_>, errors: &mut Errors) {
    let (own, template) = (spec.child("selector"), spec.child("template"));
    selector::check(&own, errors);
    let labels = template.child("metadata").child("labels");
    if selector::matches(&own, &labels) == Some(false) {
        errors.push(labels.invalid_as(selector::shown_map(&labels), "`selector` does not match template `labels`"));
    }
    if own.is_set() && selector::is_empty(&own) {
        errors.push(own.invalid_as(selector::shown(&own), "empty selector is invalid for daemonset"));
    }
    pod::check_template(&template, errors);
    check_runs_forever(&template, "DaemonSet", errors);
    spec.child("minReadySeconds").check_not_negative(errors);
    check_strategy(&spec.child("updateStrategy"), errors);
    spec.child("revisionHistoryLimit").check_not_negative(errors);
}

fn check_strategy(strategy: &Field<'_>, errors: &mut Errors) {
    let rolling = strategy.child("rollingUpdate");
    match strategy.child("type").text() {
        "OnDelete" => {}
        "RollingUpdate" if !rolling.is_set() => errors.push(rolling.required("")),
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
            errors.push(strategy.not_supported_as(shown, &["RollingUpdate", "OnDelete"]));
        }
    }
}

fn check_rolling(rolling: &Field<'_>, errors: &mut Errors) {
    let (unavailable, surge) = (rolling.child("maxUnavailable"), rolling.child("maxSurge"));
    for check in [rollout::check_count, rollout::check_at_most_all] {
        check(&unavailable, errors);
        check(&surge, errors);
    }
    match (rollout::value(&unavailable) != 0, rollout::value(&surge) != 0) {
        (true, true) => errors.push(surge.invalid("may not be set when maxUnavailable is non-zero")),
        (false, false) => errors.push(unavailable.required("cannot be 0 when maxSurge is 0")),
        _ => {}
    }
}
