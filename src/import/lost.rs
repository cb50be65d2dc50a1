//! What of a status the store has no place for: it is told, since nothing gives it back.

use super::{LeftOut, text_at};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::api::json_out::list_json;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::simulation::Simulation;

/// Notes every field of the objects' statuses that a world made of them does not show.
pub fn note(objects: &[Value], sim: &Simulation, left_out: &mut LeftOut) {
    let kinds: BTreeSet<&str> =
        objects.iter().filter(|object| object.get("status").is_some()).map(|object| text_at(object, "/kind")).collect();
    for kind in kinds {
        let Some(number) = sim.get::<Kinds>().find(kind) else { continue };
        let shown: BTreeMap<(String, String), Value> =
            list_json(sim, number, None).into_iter().map(|object| (key(&object), object)).collect();
        let mut lost = BTreeSet::new();
        for object in objects.iter().filter(|object| text_at(object, "/kind") == kind) {
            if let (Some(status), Some(shown)) = (object.get("status"), shown.get(&key(object))) {
                missing("status", status, shown.get("status").unwrap_or(&Value::Null), &mut lost);
            }
        }
        lost.into_iter().for_each(|path| left_out.note(format!("fields of {kind} that nothing here simulates"), path));
    }
}

fn key(object: &Value) -> (String, String) {
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).filter(|text| *text != "default").unwrap_or("");
    (namespace.to_string(), text_at(object, "/metadata/name").to_string())
}

/// Paths of fields that `shown` lacks; entries of lists are told apart by type, name or place.
fn missing(path: &str, given: &Value, shown: &Value, out: &mut BTreeSet<String>) {
    match (given, shown) {
        (Value::Object(given), Value::Object(shown)) => {
            for (field, part) in given.iter().filter(|(_, part)| !empty(part)) {
                let path = format!("{path}.{field}");
                match shown.get(field) {
                    Some(shown) => missing(&path, part, shown, out),
                    None => drop(out.insert(path)),
                }
            }
        }
        (Value::Array(given), Value::Array(shown)) => {
            for (at, part) in given.iter().enumerate() {
                let same = |field: &str| part.get(field).and_then(|own| shown.iter().find(|other| other.get(field) == Some(own)));
                if let Some(found) = same("type").or_else(|| same("name")).or_else(|| shown.get(at)) {
                    missing(path, part, found, out);
                }
            }
        }
        (given, Value::Null) if !empty(given) => drop(out.insert(path.to_string())),
        _ => {}
    }
}

/// What a server may write as well as leave out.
fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty() || text == "0",
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(empty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_that_are_not_shown_are_found_in_lists_too() {
        let given =
            json!({"a": 1, "none": 0, "list": [{"name": "x", "id": "7", "state": {}}, {"name": "y", "on": true}], "gone": {"b": "c"}});
        let shown = json!({"a": 2, "list": [{"name": "y"}, {"name": "x"}]});
        let mut lost = BTreeSet::new();
        missing("status", &given, &shown, &mut lost);
        assert_eq!(lost.into_iter().collect::<Vec<_>>(), ["status.gone", "status.list.id", "status.list.on"]);
    }
}
