//! Resource lists as they are stored: amounts in canonical form, nothing finer than thousandths, pod-level lists filled in.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_ResourceList`, `defaultPodRequests`,
//! `defaultHugePagePodLimits`.

use super::fill::{self, Object};
use crate::model::pod_resources::{self, ResourceList};
use crate::model::quantity::{Format, Quantity};
use serde_json::Value;

/// Brings the lists of a `resources` field into stored form.
pub(super) fn apply(resources: &mut Object) {
    for list in ["limits", "requests"] {
        fill::with_existing(resources, list, round_up);
    }
    fill::drop_zeros(resources, &["limits", "requests", "claims"]);
}

/// Rounds the amounts of a list up to thousandths.
pub(super) fn round_up(list: &mut Object) {
    for value in list.values_mut() {
        if let Some(quantity) = amount(value) {
            *value = rounded(quantity).to_string().into();
        }
    }
}

/// Rounding leaves an amount alone that has nothing finer.
fn rounded(quantity: Quantity) -> Quantity {
    let milli = Quantity::from_milli(quantity.milli_value(), quantity.format());
    // Beyond 64 bits the number of thousandths means nothing; such amounts have no fraction to lose.
    let finer = quantity < milli && milli < Quantity::from_units(i64::MAX / 1000, Format::DecimalSi);
    if finer { milli } else { quantity }
}

/// Brings one amount into canonical form.
pub(super) fn canonical_field(object: &mut Object, key: &str) {
    if let Some(quantity) = object.get(key).and_then(amount) {
        object.insert(key.to_owned(), quantity.to_string().into());
    }
}

fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}

/// Fills in the divisor of a resource reference; `"0"` stands for one.
pub(super) fn apply_to_divisor(reference: &mut Object) {
    fill::zero(reference, "divisor", "0");
    canonical_field(reference, "divisor");
    fill::drop_zeros(reference, &["containerName"]);
}

/// Fills in what a pod asks for as a whole, where it asks for anything: limits of huge pages from its containers, then
/// requests from its containers, then requests from its limits.
pub(super) fn apply_to_pod_level(spec: &mut Object) {
    let set = |spec: &Object, list: &str| spec.get("resources").and_then(|own| own.get(list)).is_some_and(|list| !fill::is_zero(list));
    if set(spec, "limits") || set(spec, "requests") {
        let requests = spec.get("resources").and_then(|own| own.get("requests")).cloned().unwrap_or_default();
        let pages = pod_resources::container_limits(&Value::Object(spec.clone())).into_iter();
        let pages = pages.filter(|(name, _)| name.starts_with("hugepages-") && requests.get(name).is_none());
        fill_list(spec, "limits", pages.collect());
    }
    if set(spec, "limits") {
        let mut sums = pod_resources::container_requests(&Value::Object(spec.clone()));
        sums.retain(|name, _| matches!(name.as_str(), "cpu" | "memory"));
        fill_list(spec, "requests", sums);
        let limits = spec.get("resources").and_then(|own| own.get("limits")).and_then(Value::as_object).into_iter().flatten();
        let limits = limits.filter(|(name, _)| pod_resources::is_pod_level(name));
        let limits = limits.filter_map(|(name, value)| Some((name.clone(), amount(value)?))).collect();
        fill_list(spec, "requests", limits);
    }
}

fn fill_list(spec: &mut Object, list: &str, amounts: ResourceList) {
    if amounts.is_empty() {
        return;
    }
    fill::with_existing(spec, "resources", |own| {
        fill::with_object(own, list, |list| {
            for (name, quantity) in amounts {
                fill::absent(list, &name, quantity.to_string());
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::{Value, json};

    fn pod(spec: Value) -> Value {
        defaulted(json!({"apiVersion": "v1", "kind": "Pod", "spec": spec}))["spec"].take()
    }

    #[test]
    fn amounts_are_stored_in_canonical_form() {
        let rows = [
            ("1000m", "1"),
            ("0.5", "500m"),
            (".1u", "1m"),
            ("1024Mi", "1Gi"),
            ("1.0005", "1001m"),
            ("128974848", "128974848"),
            ("x", "x"),
        ];
        for (given, want) in rows {
            let spec = pod(json!({"containers": [{"resources": {"requests": {"cpu": given}}}]}));
            assert_eq!(spec["containers"][0]["resources"]["requests"]["cpu"], want, "amount {given}");
        }
        let spec = pod(json!({"containers": [{"resources": {"requests": {"cpu": 2}}}]}));
        assert_eq!(spec["containers"][0]["resources"]["requests"]["cpu"], "2");
    }

    #[test]
    fn pod_level_requests_come_from_containers_then_limits() {
        let containers =
            json!([{"resources": {"requests": {"cpu": "1"}}}, {"resources": {"limits": {"cpu": "500m", "hugepages-2Mi": "4Mi"}}}]);
        let spec = pod(json!({"containers": containers, "resources": {"limits": {"cpu": "4", "memory": "1Gi"}}}));
        let want = json!({
            "limits": {"cpu": "4", "memory": "1Gi", "hugepages-2Mi": "4Mi"},
            "requests": {"cpu": "1500m", "memory": "1Gi", "hugepages-2Mi": "4Mi"},
        });
        assert_eq!(spec["resources"], want);
        let spec = pod(json!({"containers": containers, "resources": {"requests": {"cpu": "4"}}}));
        assert_eq!(spec["resources"]["requests"], json!({"cpu": "4", "hugepages-2Mi": "4Mi"}));
    }
}
