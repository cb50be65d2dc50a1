//! A source tree as JSON.

use crate::source::{Tree, TreeValue};
use serde_json::{Map, Number, Value};

/// The tree as JSON; names of RON structs are left out.
pub fn json_of(tree: &Tree) -> Value {
    match &tree.value {
        TreeValue::Null => Value::Null,
        TreeValue::Bool(flag) => Value::Bool(*flag),
        TreeValue::Int(number) => Value::from(*number),
        TreeValue::Uint(number) => Value::from(*number),
        TreeValue::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        TreeValue::String(text) => Value::String(text.clone()),
        TreeValue::Seq(items) => items.iter().map(json_of).collect(),
        TreeValue::Map(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.text.clone(), json_of(&entry.value))).collect::<Map<_, _>>())
        }
        TreeValue::Named(named) => match &named.args.value {
            TreeValue::Null => Value::String(named.name.clone()),
            _ => json_of(&named.args),
        },
    }
}
