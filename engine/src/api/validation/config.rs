//! ConfigMaps and Secrets.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidateConfigMap`, `ValidateSecret`.

use super::field::{Errors, Field};
use super::formats;
use super::metadata::{self, NameRule};

/// All values together. Unit: bytes.
const BYTES_MAX: usize = 1024 * 1024;

/// Checks a new config map.
pub(super) fn check_config_map(map: &Field<'_>, errors: &mut Errors) {
    metadata::check(&map.child("metadata"), NameRule::NAMESPACED, errors);
    let (data, binary) = (map.child("data"), map.child("binaryData"));
    let mut bytes = 0;
    for (key, value) in data.entries() {
        check_key(&data, key, errors);
        if binary.key(key).is_set() {
            errors.push(data.key(key).invalid_as(super::field_error::quoted(key), "duplicate of key present in binaryData"));
        }
        bytes += value.text().len();
    }
    for (key, value) in binary.entries() {
        check_key(&binary, key, errors);
        bytes += decoded_bytes(value.text());
    }
    if bytes > BYTES_MAX {
        errors.push(map.at_path("").too_long(BYTES_MAX));
    }
}

fn check_key(data: &Field<'_>, key: &str, errors: &mut Errors) {
    let messages = formats::config_key(key);
    errors.extend(messages.into_iter().map(|message| data.key(key).invalid_as(super::field_error::quoted(key), message)));
}

/// Length of a base64 text once decoded.
fn decoded_bytes(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}

/// Checks a new secret: keys, size, and the keys that its type needs.
pub(super) fn check_secret(secret: &Field<'_>, errors: &mut Errors) {
    metadata::check(&secret.child("metadata"), NameRule::NAMESPACED, errors);
    let data = secret.child("data");
    let mut bytes = 0;
    for (key, value) in data.entries() {
        check_key(&data, key, errors);
        bytes += decoded_bytes(value.text());
    }
    if bytes > BYTES_MAX {
        errors.push(data.too_long(BYTES_MAX));
    }
    let needed: &[&str] = match secret.child("type").text() {
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/basic-auth" if !data.key("username").is_set() && !data.key("password").is_set() => &["username", "password"],
        _ => &[],
    };
    errors.extend(needed.iter().map(|key| data.key(key)).filter(|value| !value.is_set()).map(|value| value.required("")));
    let account = secret.child("metadata").child("annotations").key("kubernetes.io/service-account.name");
    if secret.child("type").text() == "kubernetes.io/service-account-token" && account.text().is_empty() {
        errors.push(account.required(""));
    }
}

/// Checks that an immutable config map or secret keeps its `parts`, and a secret its type.
pub(super) fn check_update(object: &Field<'_>, old: &Field<'_>, parts: &[&str], errors: &mut Errors) {
    metadata::check_update(&object.child("metadata"), &old.child("metadata"), errors);
    object.child("type").check_unchanged(&old.child("type"), errors);
    if !old.child("immutable").is_true() {
        return;
    }
    if !object.child("immutable").is_true() {
        errors.push(object.child("immutable").forbidden("field is immutable when `immutable` is set"));
    }
    for part in parts {
        if !object.child(part).same_as(&old.child(part)) {
            errors.push(object.child(part).forbidden("field is immutable when `immutable` is set"));
        }
    }
}
