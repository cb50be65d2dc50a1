//! Mistakes in objects, defaulted first.

use crate::row::{Check, Functions};
use serde_json::{Value, json};
use wavetank_engine::api::defaults::apply_defaults;
use wavetank_engine::api::validation::validate;

pub(crate) const FUNCTIONS: Functions = &[
    ("ValidatePod", Check::Answer(mistakes)),
    ("ValidateService", Check::Answer(mistakes)),
    ("ValidateDeployment", Check::Answer(mistakes)),
    ("ValidateNode", Check::Answer(mistakes)),
];

fn mistakes(input: &Value) -> Result<Value, String> {
    let mut object = input.get("object").ok_or("no object")?.clone();
    apply_defaults(&mut object);
    let errors = validate(&object).into_iter();
    let errors: Vec<Value> =
        errors.map(|error| json!({"field": error.field, "message": error.to_string(), "type": error.kind.reason()})).collect();
    Ok(json!({"decode_error": null, "errors": errors}))
}
