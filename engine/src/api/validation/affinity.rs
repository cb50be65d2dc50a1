//! Affinity of pods to nodes and to other pods.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `validateAffinity` and what it calls.

use super::field::{Errors, Field};
use super::field_error::quoted;
use super::metadata::check_label_key;
use super::{formats, selector};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Checks `spec.affinity`.
pub(super) fn check(affinity: &Field<'_>, errors: &mut Errors) {
    let node = affinity.child("nodeAffinity");
    if node.child(REQUIRED).is_set() {
        check_node_selector(&node.child(REQUIRED), errors);
    }
    for term in node.child(PREFERRED).items() {
        check_weight(&term.child("weight"), errors);
        check_node_term(&term.child("preference"), false, errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let kind = affinity.child(kind);
        for term in kind.child(REQUIRED).items() {
            check_pod_term(&term, errors);
        }
        for term in kind.child(PREFERRED).items() {
            check_weight(&term.child("weight"), errors);
            check_pod_term(&term.child("podAffinityTerm"), errors);
        }
    }
}

fn check_weight(weight: &Field<'_>, errors: &mut Errors) {
    if !(1..=100).contains(&weight.int_or_zero()) {
        errors.push(weight.invalid_int("must be in the range 1-100"));
    }
}

/// Checks a node selector: at least one term.
pub(super) fn check_node_selector(node_selector: &Field<'_>, errors: &mut Errors) {
    let terms = node_selector.child("nodeSelectorTerms");
    if terms.is_empty() {
        errors.push(terms.required("must have at least one node selector term"));
    }
    for term in terms.items() {
        check_node_term(&term, true, errors);
    }
}

/// Preferences may name values that no label can have.
fn check_node_term(term: &Field<'_>, check_values: bool, errors: &mut Errors) {
    for requirement in term.child("matchExpressions").items() {
        check_requirement(&requirement, check_values, errors);
    }
    for requirement in term.child("matchFields").items() {
        check_field_requirement(&requirement, errors);
    }
}

fn check_requirement(requirement: &Field<'_>, check_values: bool, errors: &mut Errors) {
    let (operator, values) = (requirement.child("operator"), requirement.child("values"));
    match operator.text() {
        "In" | "NotIn" if values.is_empty() => errors.push(values.required("must be specified when `operator` is 'In' or 'NotIn'")),
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            errors.push(values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
        }
        "Gt" | "Lt" if values.len() != 1 => {
            errors.push(values.required("must be specified single value when `operator` is 'Lt' or 'Gt'"));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        _ => errors.push(operator.invalid_as(operator.shown_word(), "not a valid selector operator")),
    }
    let key = requirement.child("key");
    check_label_key(&key, key.text(), errors);
    if check_values {
        for value in values.items() {
            value.refuse(formats::label_value(value.text()), errors);
        }
    }
}

fn check_field_requirement(requirement: &Field<'_>, errors: &mut Errors) {
    let (operator, values, key) = (requirement.child("operator"), requirement.child("values"), requirement.child("key"));
    if !matches!(operator.text(), "In" | "NotIn") {
        errors.push(operator.invalid_as(operator.shown_word(), "not a valid selector operator"));
    } else if values.len() != 1 {
        errors.push(values.required("must be only one value when `operator` is 'In' or 'NotIn' for node field selector"));
    }
    if key.text() == "metadata.name" {
        for value in values.items() {
            value.refuse(formats::dns_subdomain(value.text()), errors);
        }
    } else {
        errors.push(key.invalid("not a valid field selector key"));
    }
}

fn check_pod_term(term: &Field<'_>, errors: &mut Errors) {
    for part in ["labelSelector", "namespaceSelector"] {
        selector::check(&term.child(part), errors);
    }
    let namespaces = term.child("namespaces");
    for name in namespaces.items() {
        // The original writes the singular.
        let name = name.at_path(format!("{}.namespace", term.path()));
        name.refuse(formats::dns_label(name.text()), errors);
    }
    check_label_keys(term, errors);
    let topology = term.child("topologyKey");
    if topology.text().is_empty() {
        errors.push(topology.required("can not be empty"));
    }
    check_label_key(&topology, topology.text(), errors);
}

/// Checks `matchLabelKeys` and `mismatchLabelKeys` beside the label selector of the same `term`.
pub(super) fn check_label_keys(term: &Field<'_>, errors: &mut Errors) {
    let label_selector = term.child("labelSelector");
    let (matching, mismatching) = (term.child("matchLabelKeys"), term.child("mismatchLabelKeys"));
    for keys in [&matching, &mismatching] {
        if !keys.is_empty() && !label_selector.is_set() {
            errors.push(keys.forbidden("must not be specified when labelSelector is not set"));
            continue;
        }
        for key in keys.items() {
            check_label_key(&key, key.text(), errors);
        }
    }
    check_not_in_selector(term, &label_selector, &matching, errors);
    for key in matching.items() {
        if mismatching.texts().contains(&key.text()) {
            errors.push(key.invalid("exists in both matchLabelKeys and mismatchLabelKeys"));
        }
    }
}

/// The server itself adds each match key to the selector once; a key that is there twice was written by hand.
fn check_not_in_selector(term: &Field<'_>, label_selector: &Field<'_>, matching: &Field<'_>, errors: &mut Errors) {
    let match_labels = label_selector.child("matchLabels");
    let mut seen: Vec<&str> = match_labels.entries().iter().map(|entry| entry.0).collect();
    for expression in label_selector.child("matchExpressions").items() {
        let key = expression.child("key").text();
        if let Some(index) = matching.texts().iter().rposition(|&other| other == key)
            && seen.contains(&key)
        {
            errors.push(term.index(index).invalid_as(quoted(key), "exists in both matchLabelKeys and labelSelector"));
        }
        seen.push(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn node_and_pod_terms() {
        let affinity = json!({
            "nodeAffinity": {PREFERRED: [{"weight": 0, "preference": {"matchFields": [{"key": "x", "operator": "Exists"}]}}]},
            "podAffinity": {REQUIRED: [{"topologyKey": "", "namespaces": ["A"], "matchLabelKeys": ["a"]}]},
        });
        let mut errors = Vec::new();
        check(&Field::root(&affinity), &mut errors);
        let got: Vec<String> = errors
            .iter()
            .map(|error| format!("{} {:?}", error.field.replace("DuringSchedulingIgnoredDuringExecution", ""), error.kind))
            .collect();
        let want = [
            "nodeAffinity.preferred[0].weight Invalid",
            "nodeAffinity.preferred[0].preference.matchFields[0].operator Invalid",
            "nodeAffinity.preferred[0].preference.matchFields[0].key Invalid",
            "podAffinity.required[0].namespace Invalid",
            "podAffinity.required[0].matchLabelKeys Forbidden",
            "podAffinity.required[0].topologyKey Required",
            "podAffinity.required[0].topologyKey Invalid",
            "podAffinity.required[0].topologyKey Invalid",
        ];
        assert_eq!(got, want);
    }
}
