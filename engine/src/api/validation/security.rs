//! Security contexts of pods and containers.
//!
//! Windows options are not looked into: no node of ours runs Windows.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `validatePodSpecSecurityContext`,
//! `ValidateSecurityContext`, `validateSeccompProfileField`, `ValidateAppArmorProfileField`.

use super::field::{Errors, Field};
use super::{formats, paths};

/// Largest user or group number.
const ID_MAX: i64 = i32::MAX as i64;
/// Longest sysctl name. Unit: bytes.
const SYSCTL_BYTES_MAX: usize = 253;
/// Longest path of a profile on the node. Unit: bytes.
const PROFILE_BYTES_MAX: usize = 4095;
/// Names of namespaced sysctls of the network and of IPC.
const NET_SYSCTLS: &[&str] = &["net."];
const IPC_SYSCTLS: &[&str] = &["kernel.sem", "kernel.shm", "kernel.msg", "fs.mqueue."];

fn check_ids(context: &Field<'_>, keys: &[&str], errors: &mut Errors) {
    for key in keys {
        let id = context.child(key);
        if let Some(number) = id.int() {
            id.refuse(formats::in_range(number, 0, ID_MAX), errors);
        }
    }
}

/// Checks `spec.securityContext`; `spec` has the host namespaces.
pub(super) fn check_pod(spec: &Field<'_>, errors: &mut Errors) {
    let context = spec.child("securityContext");
    check_ids(&context, &["fsGroup", "runAsUser", "runAsGroup"], errors);
    for group in context.child("supplementalGroups").items() {
        group.refuse(formats::in_range(group.int_or_zero(), 0, ID_MAX), errors);
    }
    if spec.child("hostPID").is_true() && spec.child("shareProcessNamespace").is_true() {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(context.under("shareProcessNamespace").invalid_as("true", detail));
    }
    check_sysctls(spec, &context.child("sysctls"), errors);
    check_choice(&context.child("fsGroupChangePolicy"), &["Always", "OnRootMismatch"], errors);
    check_seccomp(&context.child("seccompProfile"), errors);
    check_app_armor(&context.child("appArmorProfile"), errors);
    check_choice(&context.child("supplementalGroupsPolicy"), &["Merge", "Strict"], errors);
    check_choice(&context.child("seLinuxChangePolicy"), &["MountOption", "Recursive"], errors);
}

/// A word that may be absent but not be another one.
fn check_choice(word: &Field<'_>, words: &[&str], errors: &mut Errors) {
    if word.is_set() && !words.contains(&word.text()) {
        errors.push(word.not_supported(words));
    }
}

fn check_sysctls(spec: &Field<'_>, sysctls: &Field<'_>, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for sysctl in sysctls.items() {
        let name = sysctl.child("name");
        if name.text().is_empty() {
            errors.push(name.required(""));
        } else if !is_sysctl(name.text()) {
            let segment = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
            errors.push(
                name.invalid(format!("must have at most {SYSCTL_BYTES_MAX} characters and match regex ^({segment}[\\./])*{segment}$")),
            );
        } else if seen.contains(&name.text()) {
            errors.push(name.duplicate());
        }
        let dotted = name.text().replace('/', ".");
        let within = |prefixes: &[&str]| prefixes.iter().any(|prefix| dotted.starts_with(prefix));
        if spec.child("hostNetwork").is_true() && within(NET_SYSCTLS) {
            errors.push(name.invalid("may not be specified when 'hostNetwork' is true"));
        } else if spec.child("hostIPC").is_true() && within(IPC_SYSCTLS) {
            errors.push(name.invalid("may not be specified when 'hostIPC' is true"));
        }
        seen.push(name.text());
    }
}

fn is_sysctl(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let segment = |part: &str| part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || matches!(c, '-' | '_'));
    name.len() <= SYSCTL_BYTES_MAX && name.split(['.', '/']).all(segment)
}

/// Checks a container's `securityContext`; `host_users` unless the pod has users of its own.
pub(super) fn check_container(context: &Field<'_>, host_users: bool, errors: &mut Errors) {
    check_ids(context, &["runAsUser", "runAsGroup"], errors);
    let mount = context.child("procMount");
    check_choice(&mount, &["Default", "Unmasked"], errors);
    if host_users && mount.text() == "Unmasked" {
        errors.push(mount.invalid("`hostUsers` must be false to use `Unmasked`"));
    }
    check_seccomp(&context.child("seccompProfile"), errors);
    let escalation = context.child("allowPrivilegeEscalation");
    if escalation.is_set() && !escalation.is_true() {
        if context.child("privileged").is_true() {
            errors.push(context.invalid("cannot set `allowPrivilegeEscalation` to false and `privileged` to true"));
        }
        for _ in context.child("capabilities").child("add").texts().iter().filter(|name| **name == "CAP_SYS_ADMIN") {
            errors.push(context.invalid("cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"));
        }
    }
    check_app_armor(&context.child("appArmorProfile"), errors);
}

fn check_seccomp(profile: &Field<'_>, errors: &mut Errors) {
    if !profile.is_set() {
        return;
    }
    let (kind, path) = (profile.child("type"), profile.child("localhostProfile"));
    match kind.text() {
        "Localhost" | "RuntimeDefault" | "Unconfined" => {}
        "" => errors.push(kind.required("type is required when seccompProfile is set")),
        _ => errors.push(kind.not_supported(&["Localhost", "RuntimeDefault", "Unconfined"])),
    }
    match (kind.text() == "Localhost", path.is_set()) {
        (true, false) => errors.push(path.required("must be set when seccomp type is Localhost")),
        (true, true) => paths::check_descending(&path, errors),
        (false, true) => {
            let shown = serde_json::json!({"Type": kind.text(), "LocalhostProfile": path.text()});
            errors.push(path.invalid_as(super::field_error::go_json(&shown), "can only be set when seccomp type is Localhost"));
        }
        (false, false) => {}
    }
}

fn check_app_armor(profile: &Field<'_>, errors: &mut Errors) {
    if !profile.is_set() {
        return;
    }
    let (kind, path) = (profile.child("type"), profile.child("localhostProfile"));
    match kind.text() {
        "Localhost" if !path.is_set() => errors.push(path.required("must be set when AppArmor type is Localhost")),
        "Localhost" => {
            if path.text().trim() != path.text() {
                errors.push(path.invalid("must not be padded with whitespace"));
            } else if path.text().is_empty() {
                errors.push(path.required("must be set when AppArmor type is Localhost"));
            }
            if path.text().len() > PROFILE_BYTES_MAX {
                errors.push(path.too_long(PROFILE_BYTES_MAX));
            }
        }
        "RuntimeDefault" | "Unconfined" if path.is_set() => errors.push(path.invalid("can only be set when AppArmor type is Localhost")),
        "RuntimeDefault" | "Unconfined" => {}
        "" => errors.push(kind.required("type is required when appArmorProfile is set")),
        _ => errors.push(kind.not_supported(&["Localhost", "RuntimeDefault", "Unconfined"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pod_context_table() {
        let rows: [(serde_json::Value, &[&str]); 4] = [
            (json!({"securityContext": {"runAsUser": 0, "sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}}), &[]),
            (
                json!({"securityContext": {"fsGroup": -1}}),
                &["securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive"],
            ),
            (
                json!({"hostNetwork": true, "securityContext": {"sysctls": [{"name": "net/core/x"}]}}),
                &["securityContext.sysctls[0].name: Invalid value: \"net/core/x\": may not be specified when 'hostNetwork' is true"],
            ),
            (
                json!({"securityContext": {"seccompProfile": {"type": "Localhost"}, "fsGroupChangePolicy": "Never"}}),
                &[
                    "securityContext.fsGroupChangePolicy: Unsupported value: \"Never\": supported values: \"Always\", \"OnRootMismatch\"",
                    "securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
                ],
            ),
        ];
        for (spec, want) in rows {
            let mut errors = Vec::new();
            check_pod(&Field::root(&spec), &mut errors);
            assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), want, "spec {spec}");
        }
    }
}
