//! Amounts of resources in fields.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidateResourceQuantityValue`.

use super::field::{Errors, Field};
use super::field_error::quoted;
use super::resource_names;
use crate::model::quantity::Quantity;
use std::str::FromStr;

/// The amount in a field. `None` when absent or not an amount, which the decoder refuses.
pub(super) fn of(field: &Field<'_>) -> Option<Quantity> {
    match field.value()? {
        serde_json::Value::String(text) => Quantity::from_str(text).ok(),
        serde_json::Value::Number(number) => Quantity::from_str(&number.to_string()).ok(),
        _ => None,
    }
}

/// The amount in canonical form, in quotes.
pub(super) fn shown(quantity: &Quantity) -> String {
    quoted(&quantity.to_string())
}

/// The amount may not be negative, and must be whole for resources that are counted.
pub(super) fn check_amount(resource: &str, field: &Field<'_>, errors: &mut Errors) {
    let Some(amount) = of(field) else { return };
    check_not_negative(field, errors);
    if resource_names::is_integer(resource) && amount.milli_value() % 1000 != 0 {
        errors.push(field.invalid_as(shown(&amount), "must be an integer"));
    }
}

/// The amount may not be negative.
pub(super) fn check_not_negative(field: &Field<'_>, errors: &mut Errors) {
    if let Some(amount) = of(field).filter(|amount| amount.sign() < 0) {
        errors.push(field.invalid_as(shown(&amount), "must be greater than or equal to 0"));
    }
}

/// The amount must be greater than zero. True when it is.
pub(super) fn check_positive(field: &Field<'_>, errors: &mut Errors) -> bool {
    let bad = of(field).filter(|amount| amount.sign() <= 0);
    if let Some(amount) = &bad {
        errors.push(field.invalid_as(shown(amount), "must be greater than zero"));
    }
    bad.is_none()
}
