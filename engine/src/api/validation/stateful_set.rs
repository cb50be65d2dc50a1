//! StatefulSets.
//!
//! Source: kubernetes v1.36, `pkg/apis/apps/validation/validation.go`, `ValidateStatefulSetSpec`,
//! `ValidateStatefulSetUpdate`.

use super::field::{Errors, Field};
use super::field_error::go_json;
use super::metadata::{self, NameRule};
use super::replica_set::{check_runs_forever, check_selector};
use super::{claim, formats, pod, rollout, selector};
use serde_json::{Value, json};

/// What an update may change.
const CHANGEABLE: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

/// Checks a new stateful set.
pub(super) fn check(set: &Field<'_>, errors: &mut Errors) {
    metadata::check(&set.child("metadata"), NameRule::NAMESPACED_LABEL, errors);
    check_spec(&set.child("spec"), true, errors);
}

/// Checks a changed stateful set.
pub(super) fn check_update(set: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&set.child("metadata"), &old.child("metadata"), errors);
    let spec = set.child("spec");
    check_spec(&spec, false, errors);
    let fixed = |spec: &Field<'_>| {
        let fields = spec.entries().into_iter().filter(|(key, _)| !CHANGEABLE.contains(key));
        fields.map(|(key, value)| (key.to_owned(), value.value().cloned())).collect::<Vec<_>>()
    };
    if fixed(&spec) != fixed(&old.child("spec")) {
        errors.push(spec.forbidden(
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
             'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ));
    }
}

/// What never changes is checked once, when the set is `new`.
fn check_spec(spec: &Field<'_>, new: bool, errors: &mut Errors) {
    let management = spec.child("podManagementPolicy");
    match management.text() {
        "OrderedReady" | "Parallel" => {}
        "" => errors.push(management.required("")),
        _ => errors.push(management.invalid_as(management.shown_word(), "must be 'OrderedReady' or 'Parallel'")),
    }
    check_strategy(&spec.child("updateStrategy"), errors);
    for moment in ["whenDeleted", "whenScaled"] {
        let policy = spec.child("persistentVolumeClaimRetentionPolicy").child(moment);
        if spec.child("persistentVolumeClaimRetentionPolicy").is_set() && !matches!(policy.text(), "Retain" | "Delete") {
            errors.push(policy.not_supported(&["Retain", "Delete"]));
        }
    }
    if new {
        for template in spec.child("volumeClaimTemplates").items() {
            claim::check_spec(&template.child("spec"), errors);
        }
    }
    spec.child("replicas").check_not_negative(errors);
    spec.child("minReadySeconds").check_not_negative(errors);
    spec.child("ordinals").child("start").check_not_negative(errors);
    let service = spec.child("serviceName");
    if new && !service.text().is_empty() {
        service.refuse(formats::dns_label(service.text()), errors);
    }
    let own = spec.child("selector");
    check_selector(&own, "statefulset", errors);
    check_template(spec, &own, errors);
    check_runs_forever(&spec.child("template"), "StatefulSet", errors);
}

fn check_strategy(strategy: &Field<'_>, errors: &mut Errors) {
    let rolling = strategy.child("rollingUpdate");
    let shown_rolling = || {
        let fields =
            json!({"Partition": rolling.child("partition").int_or_zero(), "MaxUnavailable": rolling.child("maxUnavailable").value()});
        if rolling.is_set() { fields } else { Value::Null }
    };
    match strategy.child("type").text() {
        "" => errors.push(strategy.required("")),
        "OnDelete" if rolling.is_set() => {
            errors.push(rolling.invalid_as(go_json(&shown_rolling()), "only allowed for updateStrategy 'RollingUpdate'"));
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            rolling.child("partition").check_not_negative(errors);
            let unavailable = rolling.child("maxUnavailable");
            if unavailable.is_set() {
                rollout::check_count(&unavailable, errors);
                if rollout::value(&unavailable) == 0 {
                    errors.push(unavailable.invalid("cannot be 0"));
                }
                rollout::check_at_most_all(&unavailable, errors);
            }
        }
        other => {
            let shown = go_json(&json!({"Type": other, "RollingUpdate": shown_rolling()}));
            errors.push(strategy.invalid_as(shown, "must be 'RollingUpdate' or 'OnDelete'"));
        }
    }
}

/// Host name and subdomain are the set's to choose, and its claims are volumes of each pod.
fn check_template(spec: &Field<'_>, own: &Field<'_>, errors: &mut Errors) {
    let template = spec.child("template");
    let labels = template.child("metadata").child("labels");
    match selector::matches(own, &labels) {
        None => {
            errors.push(own.invalid_as(selector::shown(own), ""));
            return;
        }
        Some(false) if own.is_set() => {
            errors.push(labels.invalid_as(selector::shown_map(&labels), "`selector` does not match template `labels`"));
        }
        Some(_) => {}
    }
    let munged = with_claims(spec, &template);
    let template = template.with_value(&munged);
    pod::check_template(&template, errors);
    // The original looks at these a second time.
    let named = |key: &str| template.child("metadata").child(key).at_path(template.child(key).path());
    metadata::check_labels(&named("labels"), errors);
    metadata::check_annotations(&named("annotations"), errors);
    pod::check_annotations(&named("annotations"), &template.child("spec"), errors);
}

fn with_claims(spec: &Field<'_>, template: &Field<'_>) -> Value {
    let mut munged = template.value().cloned().unwrap_or_default();
    let names: Vec<&str> =
        spec.child("volumeClaimTemplates").items().iter().map(|claim| claim.child("metadata").child("name").text()).collect();
    let Some(Value::Object(pod)) = munged.get_mut("spec") else { return munged };
    pod.shift_remove("hostname");
    pod.shift_remove("subdomain");
    if names.is_empty() {
        return munged;
    }
    let mut volumes: Vec<Value> = names.iter().map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}})).collect();
    if let Some(Value::Array(own)) = pod.get("volumes") {
        let kept = own.iter().filter(|volume| !volume.get("name").and_then(Value::as_str).is_some_and(|name| names.contains(&name)));
        volumes.extend(kept.cloned());
    }
    pod.insert("volumes".to_owned(), volumes.into());
    munged
}
