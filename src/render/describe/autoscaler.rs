//! Horizontal pod autoscalers.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `describeHorizontalPodAutoscalerV2`.

use super::{Events, Page};
use crate::render::age::rfc1123;
use crate::render::look::{has, int, list, scalar, scalar_or, text};
use serde_json::Value;

const CONDITIONS: &[(&str, &str)] = &[("Type", "/type"), ("Status", "/status"), ("Reason", "/reason"), ("Message", "/message")];

pub(super) fn write(page: &mut Page, hpa: &Value) -> Events {
    page.name(hpa);
    page.labels_and_annotations(hpa);
    page.field(0, "CreationTimestamp", rfc1123(hpa, "/metadata/creationTimestamp"));
    let kind = text(hpa, "/spec/scaleTargetRef/kind");
    page.field(0, "Reference", format_args!("{kind}/{}", text(hpa, "/spec/scaleTargetRef/name")));
    page.field(0, "Metrics", "( current / target )");
    let statuses = list(hpa, "/status/currentMetrics");
    for (nth, metric) in list(hpa, "/spec/metrics").iter().enumerate() {
        page.line(1, metric_line(metric, statuses.get(nth).unwrap_or(&Value::Null)));
    }
    page.field(0, "Min replicas", scalar_or(hpa, "/spec/minReplicas", "<unset>"));
    page.field(0, "Max replicas", int(hpa, "/spec/maxReplicas"));
    if has(hpa, "/spec/behavior") {
        page.line(0, "Behavior:");
        for (title, field) in [("Scale Up", "scaleUp"), ("Scale Down", "scaleDown")] {
            direction(page, title, &hpa["spec"]["behavior"][field]);
        }
    }
    let [current, desired] = ["currentReplicas", "desiredReplicas"].map(|field| int(hpa, &format!("/status/{field}")));
    page.field(0, &format!("{kind} pods"), format_args!("{current} current / {desired} desired"));
    page.conditions(hpa, CONDITIONS, true, 0);
    Events::Shown
}

/// What is measured, its present value and its target, with a tab between name and values.
fn metric_line(metric: &Value, status: &Value) -> String {
    let kind = text(metric, "/type");
    let field = match kind {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return format!("<unknown metric type {kind:?}>"),
    };
    let spec = |part: &str| format!("/{field}/{part}");
    let average = kind == "Pods" || has(metric, &spec("target/averageValue"));
    let value = if average { "averageValue" } else { "value" };
    let values = || {
        let current = scalar_or(status, &format!("/{field}/current/{value}"), "<unknown>");
        format!("{current} / {}", scalar(metric, &spec(&format!("target/{value}"))))
    };
    let what = if average { "target average value" } else { "target value" };
    match kind {
        "Pods" => format!("{:?} on pods:\t{}", text(metric, &spec("metric/name")), values()),
        "External" => format!("{:?} ({what}):\t{}", text(metric, &spec("metric/name")), values()),
        "Object" => {
            let object = format!("{}/{}", text(metric, &spec("describedObject/kind")), text(metric, &spec("describedObject/name")));
            format!("{:?} on {object} ({what}):\t{}", text(metric, &spec("metric/name")), values())
        }
        _ => {
            let container = match text(metric, &spec("container")) {
                "" => String::new(),
                container => format!(" of container {container:?}"),
            };
            let name = text(metric, &spec("name"));
            match average {
                true => format!("resource {name}{container} on pods:\t{}", values()),
                false => {
                    format!("resource {name}{container} on pods  (as a percentage of request):\t{}", utilization(metric, status, field))
                }
            }
        }
    }
}

fn utilization(metric: &Value, status: &Value, field: &str) -> String {
    let current = match status.pointer(&format!("/{field}/current/averageUtilization")).and_then(Value::as_i64) {
        Some(percent) => format!("{percent}% ({})", scalar(status, &format!("/{field}/current/averageValue"))),
        None => "<unknown>".to_string(),
    };
    let target = metric.pointer(&format!("/{field}/target/averageUtilization")).and_then(Value::as_i64);
    format!("{current} / {}", target.map_or_else(|| "<auto>".to_string(), |percent| format!("{percent}%")))
}

fn direction(page: &mut Page, title: &str, rules: &Value) {
    if rules.is_null() {
        return;
    }
    page.line(1, format_args!("{title}:"));
    if has(rules, "/stabilizationWindowSeconds") {
        page.line(2, format_args!("Stabilization Window: {} seconds", int(rules, "/stabilizationWindowSeconds")));
    }
    let policies = list(rules, "/policies");
    if policies.is_empty() {
        return;
    }
    page.line(2, format_args!("Select Policy: {}", scalar_or(rules, "/selectPolicy", "Max")));
    page.line(2, "Policies:");
    for policy in policies {
        let [value, period] = ["/value", "/periodSeconds"].map(|field| int(policy, field));
        page.line(3, format_args!("- Type: {}\tValue: {value}\tPeriod: {period} seconds", text(policy, "/type")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metrics() {
        let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}});
        let used = json!({"resource": {"current": {"averageUtilization": 45, "averageValue": "45m"}}});
        let named = |kind: &str, field: &str, target: Value| json!({"type": kind, field: {"metric": {"name": "m"}, "describedObject": {"kind": "Service", "name": "s"}, "target": target}});
        for (metric, status, want) in [
            (cpu.clone(), used, "resource cpu on pods  (as a percentage of request):\t45% (45m) / 80%"),
            (cpu, Value::Null, "resource cpu on pods  (as a percentage of request):\t<unknown> / 80%"),
            (
                named("Pods", "pods", json!({"averageValue": "1k"})),
                json!({"pods": {"current": {"averageValue": "9"}}}),
                "\"m\" on pods:\t9 / 1k",
            ),
            (named("External", "external", json!({"value": "3"})), Value::Null, "\"m\" (target value):\t<unknown> / 3"),
            (named("Object", "object", json!({"value": "3"})), Value::Null, "\"m\" on Service/s (target value):\t<unknown> / 3"),
            (json!({"type": "Odd"}), Value::Null, "<unknown metric type \"Odd\">"),
        ] {
            assert_eq!(metric_line(&metric, &status), want);
        }
    }
}
