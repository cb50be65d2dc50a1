//! Quantities, selectors, scaled numbers, tolerations.

use crate::row::{Check, Functions, Row, same};
use k8s_openapi::api::core::v1;
use serde_json::{Value, json};
use wavetank_engine::model::int_or_percent::{IntOrPercent, Rounding};
use wavetank_engine::model::quantity::{Format, Quantity};
use wavetank_engine::model::selector::{Selector, SelectorError};
use wavetank_engine::model::toleration::{Taint, Toleration, matching_tolerations};

pub(crate) const FUNCTIONS: Functions = &[
    ("ParseQuantity", Check::Judge(parsed_quantity)),
    ("quantity_arith", Check::Answer(quantity_arithmetic)),
    ("labels.Parse", Check::Answer(parsed_selector)),
    ("LabelSelectorAsSelector", Check::Answer(structured_selector)),
    ("GetScaledValueFromIntOrPercent", Check::Answer(scaled_value)),
    ("GetMatchingTolerations", Check::Judge(used_tolerations)),
];

/// The floating-point number was written by another printer than ours reads: the last digit may differ.
const FLOAT_ERROR_MAX: f64 = 1e-15;

fn parsed_quantity(row: &Row) -> Result<(), String> {
    let mut expected = row.expected().clone();
    let out = expected.as_object_mut().ok_or("out is no object")?;
    let float = out.swap_remove("approx_float");
    let quantity = Quantity::parse(row.input()["text"].as_str().ok_or("no text")?);
    let got = match &quantity {
        Err(error) => json!({"error": error.to_string()}),
        Ok(quantity) => json!({
            "canonical": quantity.to_string(),
            "error": null,
            "format": match quantity.format() {
                Format::DecimalExponent => "DecimalExponent",
                Format::BinarySi => "BinarySI",
                Format::DecimalSi => "DecimalSI",
            },
            "milli_ceil_int64": quantity.milli_value().to_string(),
            "sign": quantity.sign(),
            "value_ceil_int64": quantity.value().to_string(),
        }),
    };
    if !same(&expected, &got) {
        return Err(got.to_string());
    }
    match (float.and_then(|float| float.as_f64()), quantity) {
        (Some(float), Ok(quantity)) if (quantity.approximate_f64() - float).abs() > float.abs() * FLOAT_ERROR_MAX => {
            Err(format!("approx_float {}", quantity.approximate_f64()))
        }
        (None, Ok(_)) => Err("no approx_float to compare with".to_owned()),
        _ => Ok(()),
    }
}

fn quantity_arithmetic(input: &Value) -> Result<Value, String> {
    let quantity = |name: &str| Quantity::parse(input[name].as_str().ok_or("not a text")?).map_err(|error| error.to_string());
    let (a, b) = (quantity("a")?, quantity("b")?);
    let (mut sum, mut difference) = (a.clone(), a.clone());
    sum += &b;
    difference -= &b;
    Ok(json!({"add": sum.to_string(), "cmp": a.cmp(&b) as i8, "sub": difference.to_string()}))
}

fn parsed_selector(input: &Value) -> Result<Value, String> {
    selector_answer(Selector::parse(input["selector"].as_str().ok_or("no selector")?), &input["labels"])
}

fn structured_selector(input: &Value) -> Result<Value, String> {
    selector_answer(Selector::of_json(&input["selector"]), &input["labels"])
}

fn selector_answer(selector: Result<Selector, SelectorError>, labels: &Value) -> Result<Value, String> {
    let labels = labels.as_object().ok_or("labels are no object")?;
    Ok(match selector {
        Ok(selector) => json!({
            "canonical": selector.to_string(),
            "error": null,
            "matches": selector.matches(|key| labels.get(key).and_then(Value::as_str)),
        }),
        Err(error) => json!({"error": error.to_string()}),
    })
}

fn scaled_value(input: &Value) -> Result<Value, String> {
    let value = match &input["value"] {
        Value::String(text) => IntOrPercent::Text(text.clone()),
        number => IntOrPercent::Int(serde_json::from_value(number.clone()).map_err(|error| error.to_string())?),
    };
    let rounding = if input["round_up"].as_bool().ok_or("no round_up")? { Rounding::Up } else { Rounding::Down };
    Ok(match value.scaled(input["total"].as_i64().ok_or("no total")?, rounding) {
        Ok(result) => json!({"error": null, "result": result}),
        Err(error) => json!({"error": error.to_string(), "result": 0}),
    })
}

fn used_tolerations(row: &Row) -> Result<(), String> {
    let taints: Vec<v1::Taint> = decode(&row.input()["taints"])?;
    let taints: Vec<Taint> = taints.iter().map(Taint::try_from).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let tolerations = tolerations(&row.input()["tolerations"])?;
    let expected = tolerations_expected(row)?;
    let used = matching_tolerations(&taints, &tolerations).map(|used| used.into_iter().cloned().collect::<Vec<_>>());
    if used == expected { Ok(()) } else { Err(format!("{used:?}")) }
}

/// The recorded tolerations in use; `None` where a taint is not tolerated.
fn tolerations_expected(row: &Row) -> Result<Option<Vec<Toleration>>, String> {
    let out = row.expected();
    let used = tolerations(&out["used"])?;
    match out["all_tolerated"].as_bool() {
        Some(true) => Ok(Some(used)),
        Some(false) if used.is_empty() => Ok(None),
        _ => Err("all_tolerated does not go with used".to_owned()),
    }
}

fn tolerations(list: &Value) -> Result<Vec<Toleration>, String> {
    let list: Vec<v1::Toleration> = decode(list)?;
    list.iter().map(Toleration::try_from).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn decode<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}
