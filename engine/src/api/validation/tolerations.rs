//! Taints of nodes and tolerations of pods.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidateTolerations`, `validateNodeTaints`.
//! The gate TaintTolerationComparisonOperators is off.

use super::field::{Errors, Field};
use super::field_error::{ErrorKind, go_json};
use super::formats;
use super::metadata::check_label_key;
use serde_json::json;

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Checks the tolerations of a pod.
pub(super) fn check(tolerations: &Field<'_>, errors: &mut Errors) {
    for toleration in tolerations.items() {
        let (key, operator, effect) = (toleration.child("key"), toleration.child("operator"), toleration.child("effect"));
        if !key.text().is_empty() {
            check_label_key(&key, key.text(), errors);
        } else if operator.text() != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(operator.invalid_as(operator.shown_word(), detail));
        }
        if toleration.child("tolerationSeconds").is_set() && effect.text() != "NoExecute" {
            errors.push(effect.invalid_as(effect.shown_word(), "effect must be 'NoExecute' when `tolerationSeconds` is set"));
        }
        check_operator(&operator, toleration.child("value"), errors);
        if !effect.text().is_empty() {
            effect.check_word(EFFECTS, errors);
        }
    }
}

/// The messages about a value name the operator.
fn check_operator(operator: &Field<'_>, value: Field<'_>, errors: &mut Errors) {
    match operator.text() {
        "" | "Equal" => {
            let messages = formats::label_value(value.text());
            if !messages.is_empty() {
                errors.push(operator.invalid_as(value.shown(), messages.join(";")));
            }
        }
        "Exists" if !value.text().is_empty() => {
            errors.push(operator.invalid_as(value.shown(), "value must be empty when `operator` is 'Exists'"));
        }
        "Exists" => {}
        "Lt" | "Gt" => errors.push(operator.not_supported(&["Equal", "Exists", "Lt", "Gt"])),
        _ => errors.push(operator.not_supported(&["Equal", "Exists"])),
    }
}

/// Checks the taints of a node.
pub(super) fn check_taints(taints: &Field<'_>, errors: &mut Errors) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for taint in taints.items() {
        let (key, value, effect) = (taint.child("key"), taint.child("value"), taint.child("effect"));
        check_label_key(&key, key.text(), errors);
        let messages = formats::label_value(value.text());
        if !messages.is_empty() {
            errors.push(value.invalid(messages.join(";")));
        }
        effect.check_word(EFFECTS, errors);
        let pair = (key.text(), effect.text());
        if seen.contains(&pair) {
            // The original prints its own type here, with its own field names.
            let time = taint.child("timeAdded").value().cloned();
            let shown = json!({"Key": pair.0, "Value": value.text(), "Effect": pair.1, "TimeAdded": time});
            errors.push(taint.error(ErrorKind::Duplicate, go_json(&shown), "taints must be unique by key and effect pair"));
        } else {
            seen.push(pair);
        }
    }
}
