//! The few moves that all defaults are made of.

use serde_json::{Map, Value};

/// A JSON object being defaulted.
pub(super) type Object = Map<String, Value>;

/// Sets a field that is absent. Fields that Kubernetes holds behind a pointer: zero is a value there.
pub(super) fn absent(object: &mut Object, key: &str, value: impl Into<Value>) {
    if !object.contains_key(key) {
        object.insert(key.to_owned(), value.into());
    }
}

/// Sets a field that is absent or zero (`""`, `0`, `false`, an empty list or map).
pub(super) fn zero(object: &mut Object, key: &str, value: impl Into<Value>) {
    if object.get(key).is_none_or(is_zero) {
        object.insert(key.to_owned(), value.into());
    }
}

/// Removes the named fields where they hold a zero value: the server does not store them.
pub(super) fn drop_zeros(object: &mut Object, keys: &[&str]) {
    for key in keys {
        if object.get(*key).is_some_and(is_zero) {
            object.shift_remove(*key);
        }
    }
}

/// Calls `apply` on the nested object `key`, creating it when absent.
pub(super) fn with_object(object: &mut Object, key: &str, apply: impl FnOnce(&mut Object)) {
    absent(object, key, Object::new());
    with_existing(object, key, apply);
}

/// Calls `apply` on the nested object `key` if there is one.
pub(super) fn with_existing(object: &mut Object, key: &str, apply: impl FnOnce(&mut Object)) {
    if let Some(Value::Object(inner)) = object.get_mut(key) {
        apply(inner);
    }
}

/// Calls `apply` on every object in the list `key`, in order.
pub(super) fn each(object: &mut Object, key: &str, apply: impl FnMut(&mut Object)) {
    if let Some(Value::Array(items)) = object.get_mut(key) {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(apply);
    }
}

/// The text of a field; empty when absent or of another type.
pub(super) fn text<'a>(object: &'a Object, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Removes null fields at every depth: the server decodes them as absent. Nulls in lists stay.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, inner| !inner.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether Go's encoder would omit the value.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}
