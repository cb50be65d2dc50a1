//! One entry of `spec.metrics`: what is measured and what is wanted of it.

use serde_json::Value;
use wavetank_engine::model::quantity::Quantity;
use wavetank_engine::model::raw::Raw;

/// An entry of `spec.metrics`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// What is measured.
    pub source: Source,
    /// What is wanted; `None` when nothing that the source can compare with.
    pub target: Option<Target>,
    /// The entry without its target, for `status.currentMetrics`.
    pub shown: Raw,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A resource of all containers of each pod, or of one.
    Resource {
        /// `cpu` or `memory`.
        name: String,
        /// The one container of a `ContainerResource` metric.
        container: Option<String>,
    },
    /// A custom metric of each pod.
    Pods(Identifier),
    /// A custom metric of one object.
    Object {
        /// Which metric.
        metric: Identifier,
        /// `kind` of `describedObject`.
        kind: String,
        /// `name` of `describedObject`.
        name: String,
    },
    /// A metric of something outside the cluster.
    External(Identifier),
    /// A type that API validation refuses.
    Unknown(String),
}

/// `metric` of a source that is no resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// `name`
    pub name: String,
    /// `selector`; null when there is none.
    pub selector: Raw,
}

/// What is wanted. Unit: thousandths, but for the utilization, which is in percent of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `averageUtilization`
    Utilization(i32),
    /// `averageValue`
    Average(i64),
    /// `value`
    Value(i64),
}

impl Metric {
    /// Reads an entry of `spec.metrics` after API defaulting.
    pub fn read(metric: &Value) -> Metric {
        let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or("").to_string();
        let kind = text(metric, "type");
        let field = match kind.as_str() {
            "Resource" => "resource",
            "ContainerResource" => "containerResource",
            "Pods" => "pods",
            "Object" => "object",
            "External" => "external",
            _ => "",
        };
        let body = metric.get(field).unwrap_or(&Value::Null);
        let identifier = || {
            let metric = body.get("metric").unwrap_or(&Value::Null);
            Identifier { name: text(metric, "name"), selector: Raw::new(metric.get("selector").cloned().unwrap_or(Value::Null)) }
        };
        let source = match field {
            "resource" => Source::Resource { name: text(body, "name"), container: None },
            "containerResource" => Source::Resource { name: text(body, "name"), container: Some(text(body, "container")) },
            "pods" => Source::Pods(identifier()),
            "object" => {
                let object = body.get("describedObject").unwrap_or(&Value::Null);
                let (kind, name) = (text(object, "kind"), text(object, "name"));
                Source::Object { metric: identifier(), kind, name }
            }
            "external" => Source::External(identifier()),
            _ => Source::Unknown(kind),
        };
        Metric { source, target: target(field, body.get("target").unwrap_or(&Value::Null)), shown: shown(metric, field) }
    }
}

/// Source: kubernetes v1.36, `pkg/controller/podautoscaler/horizontal.go`, `computeStatusFor…Metric`.
fn target(field: &str, target: &Value) -> Option<Target> {
    let milli = |name: &str| Some(Quantity::parse(target.get(name)?.as_str()?).ok()?.milli_value());
    let (average, value) = (|| milli("averageValue").map(Target::Average), || milli("value").map(Target::Value));
    let utilization = || {
        let percent = target.get("averageUtilization")?.as_i64()?;
        Some(Target::Utilization(i32::try_from(percent).ok()?))
    };
    match (field, target.get("type").and_then(Value::as_str)) {
        ("resource" | "containerResource", _) => average().or_else(utilization),
        ("pods", _) | ("object", Some("AverageValue")) => average(),
        ("object", _) => value(),
        ("external", _) => average().or_else(value),
        _ => None,
    }
}

fn shown(metric: &Value, field: &str) -> Raw {
    let mut shown = metric.clone();
    if let Some(body) = shown.get_mut(field).and_then(Value::as_object_mut) {
        body.shift_remove("target");
    }
    Raw::new(shown)
}

impl Identifier {
    /// The selector as the original's messages show it.
    pub fn selector_text(&self) -> String {
        let selector = self.selector.value();
        if selector.is_null() {
            return "nil".into();
        }
        let pairs = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
        let mut labels: Vec<String> = pairs.map(|(key, value)| format!("{key}: {},", value.as_str().unwrap_or(""))).collect();
        labels.sort_unstable();
        let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten().map(|expression| {
            let text = |field: &str| expression.get(field).and_then(Value::as_str).unwrap_or("");
            let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
            let values: Vec<&str> = values.filter_map(Value::as_str).collect();
            format!("LabelSelectorRequirement{{Key:{},Operator:{},Values:[{}],}},", text("key"), text("operator"), values.join(" "))
        });
        let expressions: String = expressions.collect();
        let labels = labels.concat();
        format!("&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn targets() {
        let of = |kind: &str, field: &str, target: Value| Metric::read(&json!({"type": kind, field: {"target": target}})).target;
        for (kind, field, target, want) in [
            ("Resource", "resource", json!({"averageUtilization": 50}), Some(Target::Utilization(50))),
            ("Resource", "resource", json!({"averageValue": "250m"}), Some(Target::Average(250))),
            ("ContainerResource", "containerResource", json!({"averageUtilization": 50}), Some(Target::Utilization(50))),
            ("Pods", "pods", json!({"averageValue": "2"}), Some(Target::Average(2000))),
            ("Object", "object", json!({"type": "AverageValue", "averageValue": "2", "value": "3"}), Some(Target::Average(2000))),
            ("Object", "object", json!({"type": "Value", "averageValue": "2", "value": "3"}), Some(Target::Value(3000))),
            ("External", "external", json!({"value": "3"}), Some(Target::Value(3000))),
            ("External", "external", json!({"value": "3", "averageValue": "1"}), Some(Target::Average(1000))),
            ("External", "external", json!({}), None),
        ] {
            assert_eq!(of(kind, field, target.clone()), want, "{kind} {target}");
        }
    }

    #[test]
    fn what_the_status_repeats() {
        let metric = Metric::read(&json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 50}}}));
        assert_eq!(metric.shown.value(), &json!({"type": "Resource", "resource": {"name": "cpu"}}));
        let selector = Raw::new(json!({"matchLabels": {"b": "2", "a": "1"}}));
        let identifier = Identifier { name: "q".into(), selector };
        let want = "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{},}";
        assert_eq!(identifier.selector_text(), want);
    }
}
