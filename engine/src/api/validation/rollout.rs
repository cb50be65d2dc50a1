//! Counts and percentages that steer rollouts.
//!
//! Source: kubernetes v1.36, `pkg/apis/apps/validation/validation.go`, `ValidatePositiveIntOrPercent`,
//! `IsNotMoreThan100Percent`.

use super::field::{Errors, Field};
use super::formats;
use serde_json::Value;

/// The field must be a number that is not negative, or a percentage.
pub(super) fn check_count(count: &Field<'_>, errors: &mut Errors) {
    match count.value() {
        Some(Value::String(text)) => count.refuse(formats::percent(text), errors),
        _ => count.check_not_negative(errors),
    }
}

/// A percentage may not exceed 100.
pub(super) fn check_at_most_all(count: &Field<'_>, errors: &mut Errors) {
    if percentage(count).is_some_and(|percent| percent > 100) {
        errors.push(count.invalid("must not be greater than 100%"));
    }
}

/// The number or percentage; text that is neither counts as the number it begins with, as in the original 0 for none.
pub(super) fn value(count: &Field<'_>) -> i64 {
    percentage(count).or_else(|| count.int()).unwrap_or_else(|| count.text().parse().unwrap_or_default())
}

/// The percentage, if it is one; too long ones count as the largest number.
fn percentage(count: &Field<'_>) -> Option<i64> {
    let text = count.text();
    formats::percent(text).is_empty().then(|| text.trim_end_matches('%').parse().unwrap_or(i64::MAX))
}
