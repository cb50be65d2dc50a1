//! Environment variables of containers, and references to fields of the pod itself.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidateEnv`, `ValidateEnvFrom`,
//! `validateObjectFieldSelector`, `validateContainerResourceFieldSelector`.

use super::field::{Errors, Field};
use super::field_error::quoted;
use super::formats::{self, Form};
use super::metadata::check_label_key;
use super::paths;

/// Fields of a pod that a variable may take.
const VARIABLE_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of a pod that can be referred to at all.
const KNOWN_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Resources of a container that can be referred to.
const RESOURCE_FIELDS: &[&str] =
    &["limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"];
/// Divisors of bytes.
const BYTE_DIVISORS: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Checks the variables of a container.
pub(super) fn check(variables: &Field<'_>, errors: &mut Errors) {
    for variable in variables.items() {
        let name = variable.child("name");
        if name.text().is_empty() {
            errors.push(name.required(""));
        } else {
            name.refuse(formats::environment_name(name.text()), errors);
        }
        let from = variable.child("valueFrom");
        if from.is_set() {
            check_source(&from, !variable.child("value").text().is_empty(), errors);
        }
    }
}

fn check_source(from: &Field<'_>, has_value: bool, errors: &mut Errors) {
    let sources = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    let set: Vec<&str> = sources.into_iter().filter(|source| from.child(source).is_set()).collect();
    for source in &set {
        let reference = from.child(source);
        match *source {
            "fieldRef" => check_field_ref(&reference, VARIABLE_FIELDS, errors),
            "resourceFieldRef" => check_resource_ref(&reference, false, errors),
            "fileKeyRef" => check_file_key(&reference, errors),
            _ => check_key_ref(&reference, errors),
        }
    }
    let refuse = |detail: &str| from.invalid_as("\"\"", detail);
    if set.is_empty() {
        errors.push(refuse("must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"));
    } else if has_value {
        errors.push(refuse("may not be specified when `value` is not empty"));
    } else if set.len() > 1 {
        errors.push(refuse("may not have more than one field specified at a time"));
    }
}

/// Checks a reference to a field of the pod; `allowed` are the fields without subscript.
pub(super) fn check_field_ref(reference: &Field<'_>, allowed: &[&str], errors: &mut Errors) {
    for part in ["apiVersion", "fieldPath"] {
        if reference.child(part).text().is_empty() {
            errors.push(reference.child(part).required(""));
            return;
        }
    }
    let field = reference.child("fieldPath");
    let version = reference.child("apiVersion").text();
    let refuse = |problem: String| field.invalid(format!("error converting fieldPath: {problem}"));
    if version != "v1" {
        errors.push(refuse(format!("unsupported pod version: {version}")));
        return;
    }
    if let Some((path, key)) = subscript(field.text()) {
        match path {
            "metadata.annotations" => check_label_key(reference, &key.to_lowercase(), errors),
            "metadata.labels" => check_label_key(reference, key, errors),
            _ => errors.push(refuse(format!("field label does not support subscript: {}", field.text()))),
        }
        return;
    }
    let path = if field.text() == "spec.host" { "spec.nodeName" } else { field.text() };
    if !KNOWN_FIELDS.contains(&path) {
        errors.push(refuse(format!("field label not supported: {path}")));
    } else if !allowed.contains(&path) {
        let mut allowed = allowed.to_vec();
        allowed.sort_unstable();
        errors.push(field.not_supported_as(quoted(path), &allowed));
    }
}

/// Splits `metadata.labels['key']`.
fn subscript(text: &str) -> Option<(&str, &str)> {
    let (path, key) = text.strip_suffix("']")?.split_once("['")?;
    (!path.is_empty()).then_some((path, key))
}

/// Checks a reference to a resource of a container; in a volume the container must be named.
pub(super) fn check_resource_ref(reference: &Field<'_>, in_volume: bool, errors: &mut Errors) {
    let resource = reference.child("resource");
    let huge = resource.text().starts_with("requests.hugepages-") || resource.text().starts_with("limits.hugepages-");
    if in_volume && reference.child("containerName").text().is_empty() {
        errors.push(reference.child("containerName").required(""));
    } else if resource.text().is_empty() {
        errors.push(resource.required(""));
    } else if !RESOURCE_FIELDS.contains(&resource.text()) && !huge {
        errors.push(resource.not_supported(RESOURCE_FIELDS));
    }
    check_divisor(reference, resource.text(), huge, errors);
}

fn check_divisor(reference: &Field<'_>, resource: &str, huge: bool, errors: &mut Errors) {
    let divisor = reference.child("divisor");
    if matches!(divisor.text(), "" | "0") {
        return;
    }
    let (allowed, name): (&[&str], &str) = match resource.split_once('.').map(|(_, name)| name) {
        Some("cpu") => (&["1m", "1"], "the cpu resource"),
        Some("memory") => (BYTE_DIVISORS, "the memory resource"),
        Some("ephemeral-storage") => (BYTE_DIVISORS, "the local ephemeral storage resource"),
        _ if huge => (BYTE_DIVISORS, "the hugepages resource"),
        _ => return,
    };
    if !allowed.contains(&divisor.text()) {
        let listed = if allowed.len() == 2 { "1m and 1".to_owned() } else { allowed.join(", ") };
        errors.push(divisor.invalid_as(quoted(resource), format!("only divisor's values {listed} are supported with {name}")));
    }
}

/// Checks a reference to a key of a config map or secret.
fn check_key_ref(reference: &Field<'_>, errors: &mut Errors) {
    let name = reference.child("name");
    name.refuse(formats::dns_subdomain(name.text()), errors);
    let key = reference.child("key");
    if key.text().is_empty() {
        errors.push(key.required(""));
    } else {
        key.refuse(formats::config_key(key.text()), errors);
    }
}

fn check_file_key(reference: &Field<'_>, errors: &mut Errors) {
    let checks: [(&str, Form); 2] = [("key", formats::environment_name), ("volumeName", formats::dns_label)];
    for (part, check) in checks {
        let part = reference.child(part);
        if part.text().is_empty() {
            errors.push(part.required(""));
        } else {
            part.refuse(check(part.text()), errors);
        }
    }
    let path = reference.child("path");
    if path.text().is_empty() {
        errors.push(path.required(""));
    } else {
        paths::check_no_backsteps(&path, errors);
    }
}

/// Checks the config maps and secrets that a container takes variables from.
pub(super) fn check_from(sources: &Field<'_>, errors: &mut Errors) {
    for source in sources.items() {
        let prefix = source.child("prefix");
        if !prefix.text().is_empty() {
            prefix.refuse(formats::environment_name(prefix.text()), errors);
        }
        let set: Vec<&str> = ["configMapRef", "secretRef"].into_iter().filter(|kind| source.child(kind).is_set()).collect();
        for kind in &set {
            let name = source.child(kind).child("name");
            if name.text().is_empty() {
                errors.push(name.required(""));
            } else {
                name.refuse(formats::dns_subdomain(name.text()), errors);
            }
        }
        // The original names the list here.
        match set.len() {
            0 => errors.push(sources.invalid_as("\"\"", "must specify one of: `configMapRef` or `secretRef`")),
            1 => {}
            _ => errors.push(sources.invalid_as("\"\"", "may not have more than one field specified at a time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(env: serde_json::Value) -> Vec<String> {
        let mut errors = Vec::new();
        check(&Field::root(&json!({"env": env})).child("env"), &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn source_table() {
        let field = |path: &str| json!([{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}]);
        assert!(texts(field("metadata.labels['a']")).is_empty());
        assert!(texts(field("spec.host")).is_empty());
        let want =
            "env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.x\": error converting fieldPath: field label not supported: spec.x";
        assert_eq!(texts(field("spec.x")), [want]);
        assert!(
            texts(field("status.phase"))[0].starts_with(
                "env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"status.phase\": supported values: \"metadata.name\""
            )
        );
        let two = json!([{"name": "", "value": "v", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]);
        let want = ["env[0].name: Required value", "env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"];
        assert_eq!(texts(two), want);
        let resource = json!([{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}]);
        let want = "env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource";
        assert_eq!(texts(resource), [want]);
    }
}
