//! Horizontal pod autoscalers: the TARGETS column.
//!
//! Source: kubernetes v1.36, `pkg/printers/internalversion/printers.go`, `formatHPAMetrics`.

use super::{Printer, always, first_of, name};
use crate::render::age::age;
use crate::render::look::{has, int, list, scalar, scalar_or, text};
use serde_json::Value;

/// Metrics shown in the cell before it says how many more there are.
const SHOWN: usize = 2;

pub(super) const HORIZONTAL_POD_AUTOSCALER: Printer = Printer {
    columns: &[
        always("NAME"),
        always("REFERENCE"),
        always("TARGETS"),
        always("MINPODS"),
        always("MAXPODS"),
        always("REPLICAS"),
        always("AGE"),
    ],
    row: |hpa, now| {
        vec![
            name(hpa),
            format!("{}/{}", text(hpa, "/spec/scaleTargetRef/kind"), text(hpa, "/spec/scaleTargetRef/name")),
            targets(hpa),
            scalar_or(hpa, "/spec/minReplicas", "<unset>"),
            int(hpa, "/spec/maxReplicas").to_string(),
            int(hpa, "/status/currentReplicas").to_string(),
            age(hpa, now),
        ]
    },
};

/// The metrics as `cpu: 45%/80%`, joined by commas; `<none>` without any.
fn targets(hpa: &Value) -> String {
    let specs = list(hpa, "/spec/metrics");
    if specs.is_empty() {
        return "<none>".to_string();
    }
    let statuses = list(hpa, "/status/currentMetrics");
    let written: Vec<String> =
        specs.iter().enumerate().map(|(nth, spec)| target(spec, statuses.get(nth).unwrap_or(&Value::Null))).collect();
    first_of(&written, SHOWN, ", ")
}

fn target(spec: &Value, status: &Value) -> String {
    let (field, named) = match text(spec, "/type") {
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "External" => ("external", false),
        _ => return "<unknown type>".to_string(),
    };
    let wanted = |value: &str| format!("/{field}/target/{value}");
    let current = |value: &str| scalar_or(status, &format!("/{field}/current/{value}"), "<unknown>");
    let average = has(spec, &wanted("averageValue"));
    if named {
        let name = text(spec, &format!("/{field}/name"));
        return match average {
            true => format!("{name}: {}/{}", current("averageValue"), scalar(spec, &wanted("averageValue"))),
            false => {
                let current = percent(status, &format!("/{field}/current/averageUtilization"), "<unknown>");
                format!("{name}: {current}/{}", percent(spec, &wanted("averageUtilization"), "<auto>"))
            }
        };
    }
    match (average, field) {
        (_, "pods") => format!("{}/{}", current("averageValue"), scalar(spec, &wanted("averageValue"))),
        (true, _) => format!("{}/{} (avg)", current("averageValue"), scalar(spec, &wanted("averageValue"))),
        (false, _) => format!("{}/{}", current("value"), scalar(spec, &wanted("value"))),
    }
}

fn percent(object: &Value, pointer: &str, otherwise: &str) -> String {
    object.pointer(pointer).and_then(Value::as_i64).map_or_else(|| otherwise.to_string(), |value| format!("{value}%"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cpu(target: Value) -> Value {
        json!({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    }

    #[test]
    fn targets_table() {
        let half = json!({"averageUtilization": 80});
        let used = |current: Value| json!({"type": "Resource", "resource": {"name": "cpu", "current": current}});
        let pods = json!({"type": "Pods", "pods": {"target": {"averageValue": "1k"}}});
        let object = |target: Value| json!({"type": "Object", "object": {"target": target}});
        for (specs, statuses, want) in [
            (json!([]), json!([]), "<none>"),
            (json!([cpu(half.clone())]), json!([]), "cpu: <unknown>/80%"),
            (json!([cpu(half.clone())]), json!([used(json!({"averageUtilization": 45, "averageValue": "45m"}))]), "cpu: 45%/80%"),
            (json!([cpu(json!({}))]), json!([]), "cpu: <unknown>/<auto>"),
            (json!([cpu(json!({"averageValue": "200m"}))]), json!([used(json!({"averageValue": "150m"}))]), "cpu: 150m/200m"),
            (json!([pods.clone()]), json!([{"pods": {"current": {"averageValue": "900"}}}]), "900/1k"),
            (json!([object(json!({"averageValue": "5"}))]), json!([]), "<unknown>/5 (avg)"),
            (json!([object(json!({"value": "5"}))]), json!([{"object": {"current": {"value": "4"}}}]), "4/5"),
            (json!([{"type": "External", "external": {"target": {"value": "2"}}}]), json!([]), "<unknown>/2"),
            (json!([{"type": "ContainerResource", "containerResource": {"name": "cpu", "target": half}}]), json!([]), "cpu: <unknown>/80%"),
            (json!([{"type": "Magic"}]), json!([]), "<unknown type>"),
            (json!([pods.clone(), pods.clone(), pods]), json!([]), "<unknown>/1k, <unknown>/1k + 1 more..."),
        ] {
            assert_eq!(targets(&json!({"spec": {"metrics": specs}, "status": {"currentMetrics": statuses}})), want);
        }
    }
}
