//! JSON merge patch, and as much of the strategic merge patch as the recordings use.

use serde_json::{Map, Value};

/// Applies a merge patch: null takes a field away, lists are replaced. Source: RFC 7386.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    apply(target, patch, false);
}

/// Applies a strategic merge patch: as a merge patch, but lists of named things are merged by name.
pub(crate) fn strategic(target: &mut Value, patch: &Value) {
    apply(target, patch, true);
}

fn apply(target: &mut Value, patch: &Value, by_name: bool) {
    match patch {
        Value::Object(fields) => {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            let Some(map) = target.as_object_mut() else { return };
            for (name, value) in fields {
                if value.is_null() {
                    map.shift_remove(name);
                } else {
                    apply(map.entry(name.clone()).or_insert(Value::Null), value, by_name);
                }
            }
        }
        Value::Array(elements) if by_name && elements.iter().all(|element| element["name"].is_string()) => {
            if !target.is_array() {
                *target = Value::Array(Vec::new());
            }
            let Some(list) = target.as_array_mut() else { return };
            for element in elements {
                match list.iter_mut().find(|old| old["name"] == element["name"]) {
                    Some(old) => apply(old, element, by_name),
                    None => list.push(element.clone()),
                }
            }
        }
        other => *target = other.clone(),
    }
}
