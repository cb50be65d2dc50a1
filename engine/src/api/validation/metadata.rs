//! Object metadata: names, labels, annotations, owners, finalizers.
//!
//! Source: kubernetes v1.36, `staging/src/k8s.io/apimachinery/pkg/api/validation/objectmeta.go`.

use super::field::{Errors, Field};
use super::field_error::quoted;
use super::formats;
use std::collections::BTreeSet;

/// Keys and values of all annotations together. Unit: bytes.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
/// Finalizers that need no domain.
const PLAIN_FINALIZERS: &[&str] = &["kubernetes", "orphan", "foregroundDeletion"];

/// What a kind asks of its objects' names and namespaces.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameRule {
    /// The check for names: [`formats::dns_subdomain`] or [`formats::dns_label`] for most kinds.
    pub(super) form: formats::Form,
    /// Whether objects live in a namespace.
    pub(super) namespaced: bool,
}

impl NameRule {
    /// Names are DNS subdomains, objects live in namespaces: the rule for most kinds.
    pub(super) const NAMESPACED: NameRule = NameRule { form: formats::dns_subdomain, namespaced: true };
    /// Names are DNS subdomains, objects are the cluster's.
    pub(super) const CLUSTER: NameRule = NameRule { form: formats::dns_subdomain, namespaced: false };
    /// Names are DNS labels, objects live in namespaces.
    pub(super) const NAMESPACED_LABEL: NameRule = NameRule { form: formats::dns_label, namespaced: true };
    /// Names are DNS labels, objects are the cluster's.
    pub(super) const CLUSTER_LABEL: NameRule = NameRule { form: formats::dns_label, namespaced: false };
}

/// Checks the metadata of a new object.
pub(super) fn check(metadata: &Field<'_>, rule: NameRule, errors: &mut Errors) {
    let generate = metadata.child("generateName");
    if !generate.text().is_empty() {
        generate.refuse((rule.form)(&mask_trailing_dash(generate.text())), errors);
    }
    let name = metadata.child("name");
    if name.text().is_empty() {
        errors.push(name.required("name or generateName is required"));
    } else {
        name.refuse((rule.form)(name.text()), errors);
    }
    check_namespace(&metadata.child("namespace"), rule, errors);
    metadata.child("generation").check_not_negative(errors);
    check_labels(&metadata.child("labels"), errors);
    check_annotations(&metadata.child("annotations"), errors);
    check_owners(&metadata.child("ownerReferences"), errors);
    check_finalizers(&metadata.child("finalizers"), errors);
    check_finalizer_domains(&metadata.child("finalizers"), errors);
}

fn check_namespace(namespace: &Field<'_>, rule: NameRule, errors: &mut Errors) {
    match (rule.namespaced, namespace.text().is_empty()) {
        (true, true) => errors.push(namespace.required("")),
        (true, false) => namespace.refuse(formats::dns_label(namespace.text()), errors),
        (false, true) => {}
        (false, false) => errors.push(namespace.forbidden("not allowed on this type")),
    }
}

/// A prefix that ends in a dash is judged as if something followed the dash.
fn mask_trailing_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        // The original drops the character before the dash, too.
        Some(rest) if !rest.is_empty() => format!("{}a", &rest[..rest.len() - rest.chars().next_back().map_or(0, char::len_utf8)]),
        _ => name.to_owned(),
    }
}

/// Checks a map of labels; messages name the map.
pub(super) fn check_labels(labels: &Field<'_>, errors: &mut Errors) {
    for (key, value) in labels.entries() {
        check_label_key(labels, key, errors);
        value.refuse(formats::label_value(value.text()), errors);
    }
}

/// Checks that `key` is a label key; messages name `field`.
pub(super) fn check_label_key(field: &Field<'_>, key: &str, errors: &mut Errors) {
    errors.extend(formats::label_key(key).into_iter().map(|message| field.invalid_as(quoted(key), message)));
}

/// Checks a map of annotations: keys whatever their case, and the total size.
pub(super) fn check_annotations(annotations: &Field<'_>, errors: &mut Errors) {
    let mut bytes = 0;
    for (key, value) in annotations.entries() {
        let messages = formats::label_key(&key.to_lowercase());
        errors.extend(messages.into_iter().map(|message| annotations.invalid_as(quoted(key), message)));
        bytes += key.len() + value.text().len();
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.push(annotations.too_long(ANNOTATIONS_BYTES_MAX));
    }
}

fn check_owners(owners: &Field<'_>, errors: &mut Errors) {
    let mut controller: Option<String> = None;
    for owner in owners.items() {
        let text = |key: &str| owner.child(key).text();
        // Messages name the list, not the item.
        let version = match text("apiVersion").split('/').collect::<Vec<_>>().as_slice() {
            [version] | [_, version] => *version,
            _ => "",
        };
        let named = |key: &str| owner.child(key).at_path(format!("{}.{key}", owners.path()));
        if version.is_empty() {
            errors.push(named("apiVersion").invalid("version must not be empty"));
        }
        for key in ["kind", "name", "uid"] {
            if text(key).is_empty() {
                errors.push(named(key).invalid("must not be empty"));
            }
        }
        if (text("apiVersion"), text("kind")) == ("v1", "Event") {
            errors.push(owners.invalid_as(owner.shown(), "/v1, Kind=Event is disallowed from being an owner"));
        }
        if owner.child("controller").is_true() {
            let this = format!("{}/{}", text("kind"), text("name"));
            match &controller {
                Some(first) => errors.push(owners.invalid(format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                ))),
                None => controller = Some(this),
            }
        }
    }
}

fn check_finalizers(finalizers: &Field<'_>, errors: &mut Errors) {
    for name in finalizers.texts() {
        check_label_key(finalizers, name, errors);
    }
    let names = finalizers.texts();
    if names.contains(&"orphan") && names.contains(&"foregroundDeletion") {
        errors.push(finalizers.invalid("finalizer orphan and foregroundDeletion cannot be both set"));
    }
}

/// Finalizers without a domain must be known ones.
fn check_finalizer_domains(finalizers: &Field<'_>, errors: &mut Errors) {
    for finalizer in finalizers.items() {
        check_finalizer_domain(&finalizer, errors);
    }
}

/// A finalizer without a domain must be a known one.
pub(super) fn check_finalizer_domain(finalizer: &Field<'_>, errors: &mut Errors) {
    if !finalizer.text().contains('/') && !PLAIN_FINALIZERS.contains(&finalizer.text()) {
        errors.push(finalizer.invalid("name is neither a standard finalizer name nor is it fully qualified"));
    }
}

/// Checks the metadata of a changed object against the stored one.
pub(super) fn check_update(metadata: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    let finalizers = metadata.child("finalizers");
    if old.child("deletionTimestamp").is_set() {
        check_no_new_finalizers(&finalizers, &old.child("finalizers"), errors);
    }
    let version = metadata.child("resourceVersion");
    if version.text().is_empty() {
        errors.push(version.invalid("must be specified for an update"));
    }
    let generation = metadata.child("generation");
    if generation.int_or_zero() < old.child("generation").int_or_zero() {
        errors.push(generation.invalid_int("must not be decremented"));
    }
    for key in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        metadata.child(key).check_unchanged(&old.child(key), errors);
    }
    check_labels(&metadata.child("labels"), errors);
    check_annotations(&metadata.child("annotations"), errors);
    check_owners(&metadata.child("ownerReferences"), errors);
    check_finalizer_domains(&finalizers, errors);
}

fn check_no_new_finalizers(finalizers: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    let old = old.texts();
    let added: BTreeSet<&str> = finalizers.texts().into_iter().filter(|name| !old.contains(name)).collect();
    if !added.is_empty() {
        let added: Vec<String> = added.into_iter().map(quoted).collect();
        let detail = "no new finalizers can be added if the object is being deleted, found new finalizers";
        errors.push(finalizers.forbidden(format!("{detail} []string{{{}}}", added.join(", "))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn texts(check: impl Fn(&Field<'_>, &mut Errors), metadata: Value) -> Vec<String> {
        let object = json!({"metadata": metadata});
        let mut errors = Vec::new();
        check(&Field::root(&object).child("metadata"), &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn create_table() {
        let owner = |kind: &str, controller: bool| json!({"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "u", "controller": controller});
        let rows: [(Value, &[&str]); 7] = [
            (json!({"name": "a", "namespace": "n", "generateName": "a-"}), &[]),
            (json!({"name": "a"}), &["metadata.namespace: Required value"]),
            (json!({"name": "a", "namespace": "n", "ownerReferences": [owner("A", true), owner("B", false)]}), &[]),
            (
                json!({"name": "a", "namespace": "n", "ownerReferences": [{"kind": "A"}]}),
                &[
                    "metadata.ownerReferences.apiVersion: Invalid value: \"\": version must not be empty",
                    "metadata.ownerReferences.name: Invalid value: \"\": must not be empty",
                    "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
                ],
            ),
            (
                json!({"name": "a", "namespace": "n", "finalizers": ["x"]}),
                &["metadata.finalizers[0]: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully qualified"],
            ),
            (
                json!({"name": "a", "namespace": "n", "finalizers": ["orphan", "foregroundDeletion"]}),
                &[
                    "metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer orphan and foregroundDeletion cannot be both set",
                ],
            ),
            (
                json!({"name": "a", "namespace": "n", "generation": -1}),
                &["metadata.generation: Invalid value: -1: must be greater than or equal to 0"],
            ),
        ];
        for (metadata, want) in rows {
            let shown = metadata.to_string();
            assert_eq!(texts(|field, errors| check(field, NameRule::NAMESPACED, errors), metadata), want, "metadata {shown}");
        }
        let two = json!({"name": "a", "namespace": "n", "ownerReferences": [owner("A", true), owner("B", true)]});
        let got = texts(|field, errors| check(field, NameRule::NAMESPACED, errors), two);
        assert!(
            got[0].ends_with("Only one reference can have Controller set to true. Found \"true\" in references for A/o and B/o"),
            "{got:?}"
        );
        let cluster = texts(|field, errors| check(field, NameRule::CLUSTER, errors), json!({"name": "a", "namespace": "n"}));
        assert_eq!(cluster, ["metadata.namespace: Forbidden: not allowed on this type"]);
    }

    #[test]
    fn update_refuses_new_finalizers_of_a_dying_object() {
        let old = json!({"name": "a", "resourceVersion": "1", "deletionTimestamp": "t", "finalizers": ["x.io/a"]});
        let new = json!({"name": "b", "resourceVersion": "1", "deletionTimestamp": "t", "finalizers": ["x.io/a", "x.io/b"]});
        let got = texts(|field, errors| check_update(field, &Field::root(&old), errors), new);
        let want = [
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"x.io/b\"}",
            "metadata.name: Invalid value: \"b\": field is immutable",
        ];
        assert_eq!(got, want);
    }
}
