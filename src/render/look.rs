//! Reading Kubernetes JSON by path: short, total look-ups that treat an absent field as empty, as Go's zero values do.

use serde_json::{Map, Value};

/// The text at a JSON pointer (`/metadata/name`), or the empty text when it is absent or not text.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// The integer at a JSON pointer, or 0 when it is absent or not an integer.
pub fn int(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// The truth at a JSON pointer; absent is false.
pub fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The array at a JSON pointer; absent is empty.
pub fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The object at a JSON pointer, or `None` when it is absent or something else.
pub fn map<'a>(object: &'a Value, pointer: &str) -> Option<&'a Map<String, Value>> {
    object.pointer(pointer).and_then(Value::as_object)
}

/// The entries of a text-to-text map (labels, annotations, selectors), sorted by key.
pub fn pairs<'a>(object: &'a Value, pointer: &str) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<_> =
        map(object, pointer).into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or(""))).collect();
    pairs.sort_unstable();
    pairs
}

/// Whether a field is there and not null.
pub fn has(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).is_some_and(|value| !value.is_null())
}

/// A scalar as Kubernetes prints it: text as it is, numbers and truths in JSON form, absent as empty.
pub fn scalar(object: &Value, pointer: &str) -> String {
    match object.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The same scalar, or `otherwise` when it is absent or empty.
pub fn scalar_or(object: &Value, pointer: &str, otherwise: &str) -> String {
    let found = scalar(object, pointer);
    if found.is_empty() { otherwise.to_string() } else { found }
}

/// The status of the condition of one type (`True`, `False`, `Unknown`), or `None` when there is no such condition.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind).map(|condition| text(condition, "/status"))
}

/// Whether the condition of one type is `True`.
pub fn condition_true(object: &Value, kind: &str) -> bool {
    condition(object, kind) == Some("True")
}

/// The owner that is the controller, as `Kind/name`; `None` for an object that nobody controls.
pub fn controller(object: &Value) -> Option<String> {
    let owner = list(object, "/metadata/ownerReferences").iter().find(|owner| flag(owner, "/controller"))?;
    Some(format!("{}/{}", text(owner, "/kind"), text(owner, "/name")))
}

/// Labels as one cell: `a=b,c=d` in key order, or `<none>`.
pub fn label_cell(object: &Value, pointer: &str) -> String {
    let pairs: Vec<String> = pairs(object, pointer).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() { "<none>".to_string() } else { pairs.join(",") }
}

/// A structured label selector in Kubernetes' text form, in key order; empty when it has no requirement.
pub fn selector(object: &Value, pointer: &str) -> String {
    let Some(selector) = object.pointer(pointer) else { return String::new() };
    let mut parts: Vec<(&str, String)> =
        pairs(selector, "/matchLabels").into_iter().map(|(key, value)| (key, format!("{key}={value}"))).collect();
    for requirement in list(selector, "/matchExpressions") {
        let key = text(requirement, "/key");
        let mut values: Vec<&str> = list(requirement, "/values").iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let written = match text(requirement, "/operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_string(),
            "DoesNotExist" => format!("!{key}"),
            _ => "<invalid>".to_string(),
        };
        parts.push((key, written));
    }
    parts.sort_by_key(|&(key, _)| key);
    parts.into_iter().map(|(_, written)| written).collect::<Vec<_>>().join(",")
}

/// The same selector for a table cell: `<none>` when it has no requirement.
pub fn selector_cell(object: &Value, pointer: &str) -> String {
    let written = selector(object, pointer);
    if written.is_empty() { "<none>".to_string() } else { written }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_print_in_key_order() {
        for (given, want) in [
            (json!({"matchLabels": {"b": "2", "a": "1"}}), "a=1,b=2"),
            (
                json!({"matchExpressions": [{"key": "z", "operator": "Exists"}, {"key": "t", "operator": "In", "values": ["y", "x"]}]}),
                "t in (x,y),z",
            ),
            (json!({"matchLabels": {"m": ""}, "matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}), "!a,m="),
            (json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["q"]}]}), "a notin (q)"),
            (json!({}), "<none>"),
        ] {
            assert_eq!(selector_cell(&json!({"spec": {"selector": given}}), "/spec/selector"), want);
        }
    }

    #[test]
    fn absent_fields_are_empty() {
        let object = json!({"spec": {"n": 3, "s": "x"}});
        assert_eq!((text(&object, "/spec/n"), int(&object, "/spec/s"), list(&object, "/a/b").len()), ("", 0, 0));
        assert_eq!(scalar_or(&object, "/spec/none", "<none>"), "<none>");
        assert_eq!(controller(&json!({"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "name": "a"}]}})), None);
    }
}
