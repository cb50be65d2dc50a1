//! HorizontalPodAutoscalers.
//!
//! Source: kubernetes v1.36, `pkg/apis/autoscaling/validation/validation.go`. The gate HPAScaleToZero is off.

use super::field::{Errors, Field};
use super::metadata::{self, NameRule};
use super::{formats, quantity};

/// Longest stabilization window. Unit: seconds.
const WINDOW_S_MAX: i64 = 3600;
/// Longest period of a scaling policy. Unit: seconds.
const PERIOD_S_MAX: i64 = 1800;
/// Metric types with the field of each, in the order of the checks.
const SOURCES: &[(&str, &str)] = &[
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const METRIC_TYPES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];

/// Checks a new autoscaler.
pub(super) fn check(autoscaler: &Field<'_>, errors: &mut Errors) {
    metadata::check(&autoscaler.child("metadata"), NameRule::NAMESPACED, errors);
    check_spec(&autoscaler.child("spec"), None, errors);
}

/// Checks a changed autoscaler.
pub(super) fn check_update(autoscaler: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&autoscaler.child("metadata"), &old.child("metadata"), errors);
    check_spec(&autoscaler.child("spec"), Some(&old.child("spec")), errors);
}

fn check_spec(spec: &Field<'_>, old: Option<&Field<'_>>, errors: &mut Errors) {
    let (min, max) = (spec.child("minReplicas"), spec.child("maxReplicas"));
    let had_zero = old.is_some_and(|old| old.child("minReplicas").int() == Some(0));
    let bound = i64::from(!had_zero);
    if min.int().is_some_and(|replicas| replicas < bound) {
        errors.push(min.invalid(format!("must be greater than or equal to {bound}")));
    }
    match max.int_or_zero() {
        0 => errors.push(max.required("must be set and greater than 0")),
        1.. => {}
        _ => errors.push(max.invalid("must be greater than or equal to 1")),
    }
    if min.int().is_some_and(|replicas| max.int_or_zero() < replicas) {
        errors.push(max.invalid_int("must be greater than or equal to `minReplicas`"));
    }
    let target = spec.child("scaleTargetRef");
    let same = |key: &str| old.is_some_and(|old| old.child("scaleTargetRef").child(key).same_as(&target.child(key)));
    let judge_version = !(same("apiVersion") && same("kind"));
    let core_allowed = target.child("kind").text() == "ReplicationController";
    check_reference(&target, judge_version, core_allowed, errors);
    check_metrics(&spec.child("metrics"), min.int() == Some(0), errors);
    for direction in ["scaleUp", "scaleDown"] {
        check_rules(&spec.child("behavior").child(direction), errors);
    }
}

fn check_reference(reference: &Field<'_>, judge_version: bool, core_allowed: bool, errors: &mut Errors) {
    for key in ["kind", "name"] {
        let part = reference.child(key);
        if part.text().is_empty() {
            errors.push(part.required(""));
        } else {
            part.refuse(formats::path_segment(part.text()), errors);
        }
    }
    let version = reference.child("apiVersion");
    match version.text().matches('/').count() {
        _ if !judge_version => {}
        0 | 1 => {
            let group = version.text().split_once('/').map_or("", |(group, _)| group);
            if group.is_empty() && !core_allowed {
                errors.push(version.invalid("apiVersion must specify API group"));
            }
        }
        _ => errors.push(version.invalid(format!("unexpected GroupVersion string: {}", version.text()))),
    }
}

fn check_metrics(metrics: &Field<'_>, from_zero: bool, errors: &mut Errors) {
    for metric in metrics.items() {
        check_metric(&metric, errors);
    }
    let outside = metrics.items().iter().any(|metric| matches!(metric.child("type").text(), "Object" | "External"));
    if from_zero && !outside {
        errors.push(metrics.forbidden("must specify at least one Object or External metric to support scaling to zero replicas"));
    }
}

fn check_metric(metric: &Field<'_>, errors: &mut Errors) {
    let kind = metric.child("type");
    if kind.text().is_empty() {
        errors.push(kind.required("must specify a metric source type"));
    }
    let known = METRIC_TYPES.contains(&kind.text());
    if !known {
        errors.push(kind.not_supported(METRIC_TYPES));
    }
    let set: Vec<&str> = SOURCES.iter().map(|source| source.1).filter(|source| metric.child(source).is_set()).collect();
    if let Some(first) = set.first() {
        check_source(first, &metric.child(first), errors);
    }
    let expected = SOURCES.iter().find(|source| source.0 == kind.text()).map(|source| source.1);
    match expected {
        Some(source) if !metric.child(source).is_set() => {
            errors.push(metric.child(source).required("must populate information for the given metric source"));
        }
        Some(_) => {}
        None => errors.push(kind.not_supported(METRIC_TYPES)),
    }
    if set.len() != 1 {
        for other in set.iter().filter(|source| Some(**source) != expected) {
            errors.push(metric.child(other).forbidden("must populate the given metric source only"));
        }
    }
}

fn check_source(kind: &str, source: &Field<'_>, errors: &mut Errors) {
    let target = source.child("target");
    let set = |key: &str| target.child(key).is_set();
    if kind == "object" {
        check_reference(&source.child("describedObject"), true, true, errors);
    }
    if matches!(kind, "resource" | "containerResource") {
        let name = source.child("name");
        if name.text().is_empty() {
            errors.push(name.required("must specify a resource name"));
        }
    } else {
        let name = source.child("metric").child("name");
        if name.text().is_empty() {
            errors.push(name.required("must specify a metric name"));
        } else {
            name.refuse(formats::path_segment(name.text()), errors);
        }
    }
    if kind == "containerResource" {
        let container = source.child("container");
        if container.text().is_empty() {
            errors.push(container.required("must specify a container"));
        } else {
            container.refuse(formats::dns_label(container.text()), errors);
        }
    }
    check_target(&target, errors);
    let average = target.child("averageValue");
    match kind {
        "object" if !set("value") && !set("averageValue") => {
            errors.push(average.required("must set either a target value or averageValue"))
        }
        "external" if !set("value") && !set("averageValue") => {
            errors.push(average.required("must set either a target value for metric or a per-pod target"));
        }
        "external" if set("value") && set("averageValue") => {
            errors.push(target.child("value").forbidden("may not set both a target value for metric and a per-pod target"));
        }
        "pods" if !set("averageValue") => errors.push(average.required("must specify a positive target averageValue")),
        "resource" | "containerResource" if !set("averageUtilization") && !set("averageValue") => {
            errors.push(target.child("averageUtilization").required("must set either a target raw value or a target utilization"));
        }
        "resource" | "containerResource" if set("averageUtilization") && set("averageValue") => {
            errors.push(average.forbidden("may not set both a target raw value and a target utilization"));
        }
        _ => {}
    }
}

fn check_target(target: &Field<'_>, errors: &mut Errors) {
    let kind = target.child("type");
    if kind.text().is_empty() {
        errors.push(kind.required("must specify a metric target type"));
    }
    if !matches!(kind.text(), "Utilization" | "Value" | "AverageValue") {
        errors.push(kind.invalid_as(kind.shown_word(), "must be either Utilization, Value, or AverageValue"));
    }
    for key in ["value", "averageValue"] {
        let amount = target.child(key);
        if let Some(amount_set) = quantity::of(&amount).filter(|amount| amount.sign() != 1) {
            errors.push(amount.invalid_as(quantity::shown(&amount_set), "must be positive"));
        }
    }
    let percent = target.child("averageUtilization");
    if percent.int().is_some_and(|percent| percent < 1) {
        errors.push(percent.invalid("must be greater than 0"));
    }
}

fn check_rules(rules: &Field<'_>, errors: &mut Errors) {
    if !rules.is_set() {
        return;
    }
    let window = rules.child("stabilizationWindowSeconds");
    if window.int_or_zero() < 0 {
        errors.push(window.invalid("must be greater than or equal to zero"));
    }
    if window.int_or_zero() > WINDOW_S_MAX {
        errors.push(window.invalid(format!("must be less than or equal to {WINDOW_S_MAX}")));
    }
    let select = rules.child("selectPolicy");
    if select.is_set() && !matches!(select.text(), "Disabled" | "Max" | "Min") {
        errors.push(select.not_supported(&["Disabled", "Max", "Min"]));
    }
    let policies = rules.child("policies");
    if policies.is_empty() {
        errors.push(policies.required("must specify at least one Policy"));
    }
    for policy in policies.items() {
        let (kind, value, period) = (policy.child("type"), policy.child("value"), policy.child("periodSeconds"));
        if !matches!(kind.text(), "Percent" | "Pods") {
            errors.push(kind.not_supported(&["Percent", "Pods"]));
        }
        for number in [&value, &period] {
            if number.int_or_zero() <= 0 {
                errors.push(number.invalid_int("must be greater than zero"));
            }
        }
        if period.int_or_zero() > PERIOD_S_MAX {
            errors.push(period.invalid(format!("must be less than or equal to {PERIOD_S_MAX}")));
        }
    }
    quantity::check_not_negative(&rules.child("tolerance"), errors);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn texts(spec: Value) -> Vec<String> {
        let object = json!({"spec": spec});
        let mut errors = Vec::new();
        check_spec(&Field::root(&object).child("spec"), None, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn autoscaler_table() {
        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
        let cpu = |target: Value| json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
        let half = json!({"type": "Utilization", "averageUtilization": 50});
        let rows: [(Value, &[&str]); 5] = [
            (json!({"minReplicas": 1, "maxReplicas": 3, "scaleTargetRef": target, "metrics": cpu(half.clone())}), &[]),
            (
                json!({"minReplicas": 0, "scaleTargetRef": {"kind": "Deployment", "name": "d"}, "metrics": cpu(half.clone())}),
                &[
                    "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
                    "spec.maxReplicas: Required value: must be set and greater than 0",
                    "spec.scaleTargetRef.apiVersion: Invalid value: \"\": apiVersion must specify API group",
                    "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas",
                ],
            ),
            (
                json!({"minReplicas": 4, "maxReplicas": 3, "scaleTargetRef": target, "metrics": cpu(half)}),
                &["spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"],
            ),
            (
                json!({"maxReplicas": 3, "scaleTargetRef": target, "metrics": cpu(json!({"type": "Value", "averageValue": "-1"}))}),
                &["spec.metrics[0].resource.target.averageValue: Invalid value: \"-1\": must be positive"],
            ),
            (
                json!({"maxReplicas": 3, "scaleTargetRef": target, "behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1801}]}}}),
                &[
                    "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
                    "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
                ],
            ),
        ];
        for (spec, want) in rows {
            let shown = spec.to_string();
            assert_eq!(texts(spec), want, "spec {shown}");
        }
    }
}
