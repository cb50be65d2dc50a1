//! Label selectors as fields hold them.
//!
//! Source: kubernetes v1.36, `staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/validation/validation.go`,
//! `ValidateLabelSelector`, and `pkg/apis/meta/v1/helpers.go`, `LabelSelectorAsSelector`.

use super::field::{Errors, Field};
use super::field_error::go_json;
use super::formats;
use super::metadata::{check_label_key, check_labels};
use serde_json::{Map, Value};

/// Checks a selector; an absent one is fine.
pub(super) fn check(selector: &Field<'_>, errors: &mut Errors) {
    check_labels(&selector.child("matchLabels"), errors);
    for requirement in selector.child("matchExpressions").items() {
        check_requirement(&requirement, errors);
    }
}

fn check_requirement(requirement: &Field<'_>, errors: &mut Errors) {
    let values = requirement.child("values");
    let operator = requirement.child("operator");
    match operator.text() {
        "In" | "NotIn" if values.is_empty() => errors.push(values.required("must be specified when `operator` is 'In' or 'NotIn'")),
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            errors.push(values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ => errors.push(operator.invalid_as(operator.shown_word(), "not a valid selector operator")),
    }
    let key = requirement.child("key");
    check_label_key(&key, key.text(), errors);
    for value in values.items() {
        value.refuse(formats::label_value(value.text()), errors);
    }
}

/// Whether a selector matches the labels; `None` when the selector is malformed.
///
/// An absent selector matches nothing, an empty one everything.
pub(super) fn matches(selector: &Field<'_>, labels: &Field<'_>) -> Option<bool> {
    if !selector.is_set() {
        return Some(false);
    }
    let label = |key: &str| labels.value().and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let mut matched = true;
    for (key, value) in selector.child("matchLabels").entries() {
        if !formats::label_key(key).is_empty() || !formats::label_value(value.text()).is_empty() {
            return None;
        }
        matched &= label(key) == Some(value.text());
    }
    for requirement in selector.child("matchExpressions").items() {
        let (key, values) = (requirement.child("key").text(), requirement.child("values").texts());
        if !formats::label_key(key).is_empty() || values.iter().any(|value| !formats::label_value(value).is_empty()) {
            return None;
        }
        matched &= match (requirement.child("operator").text(), values.is_empty()) {
            ("In", false) => label(key).is_some_and(|value| values.contains(&value)),
            ("NotIn", false) => label(key).is_none_or(|value| !values.contains(&value)),
            ("Exists", true) => label(key).is_some(),
            ("DoesNotExist", true) => label(key).is_none(),
            _ => return None,
        };
    }
    Some(matched)
}

/// Whether a selector has no requirement at all.
pub(super) fn is_empty(selector: &Field<'_>) -> bool {
    selector.child("matchLabels").is_empty() && selector.child("matchExpressions").is_empty()
}

/// A selector as messages show it: labels sorted, then expressions, empty parts left out.
pub(super) fn shown(selector: &Field<'_>) -> String {
    if !selector.is_set() {
        return "null".to_owned();
    }
    let mut out = Map::new();
    let labels = selector.child("matchLabels");
    if !labels.is_empty() {
        out.insert("matchLabels".to_owned(), sorted(&labels));
    }
    let expressions = selector.child("matchExpressions");
    if !expressions.is_empty() {
        let requirements = expressions.items().iter().map(requirement_in_order).collect();
        out.insert("matchExpressions".to_owned(), Value::Array(requirements));
    }
    go_json(&Value::Object(out))
}

fn requirement_in_order(requirement: &Field<'_>) -> Value {
    let mut out = Map::new();
    for key in ["key", "operator"] {
        out.insert(key.to_owned(), requirement.child(key).text().into());
    }
    if let Some(values) = requirement.child("values").value().filter(|_| !requirement.child("values").is_empty()) {
        out.insert("values".to_owned(), values.clone());
    }
    Value::Object(out)
}

fn sorted(map: &Field<'_>) -> Value {
    let entries = map.entries().into_iter();
    Value::Object(entries.map(|(key, value)| (key.to_owned(), value.value().cloned().unwrap_or_default())).collect())
}

/// A map as messages show it: sorted by key, `null` when absent.
pub(super) fn shown_map(map: &Field<'_>) -> String {
    if map.is_set() { go_json(&sorted(map)) } else { "null".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn matching_table() {
        let rows = [
            (json!({}), Some(true)),
            (Value::Null, Some(false)),
            (json!({"matchLabels": {"a": "b"}}), Some(true)),
            (json!({"matchLabels": {"a": "x"}}), Some(false)),
            (json!({"matchExpressions": [{"key": "z", "operator": "DoesNotExist"}]}), Some(true)),
            (json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}), Some(false)),
            (json!({"matchExpressions": [{"key": "a", "operator": "In"}]}), None),
            (json!({"matchExpressions": [{"key": "a", "operator": "Near", "values": ["b"]}]}), None),
            (json!({"matchLabels": {"-": "b"}}), None),
        ];
        let labels = json!({"a": "b"});
        for (selector, want) in rows {
            let object = json!({"selector": selector});
            let got = matches(&Field::root(&object).child("selector"), &Field::root(&labels));
            assert_eq!(got, want, "selector {object}");
        }
    }

    #[test]
    fn shown_in_the_order_of_the_type() {
        let selector = json!({"matchExpressions": [{"operator": "In", "values": [], "key": "a"}], "matchLabels": {"b": "2", "a": "1"}});
        let want = r#"{"matchLabels":{"a":"1","b":"2"},"matchExpressions":[{"key":"a","operator":"In"}]}"#;
        assert_eq!(shown(&Field::root(&selector)), want);
    }
}
