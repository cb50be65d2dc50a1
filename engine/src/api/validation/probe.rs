//! Probes, lifecycle hooks and what they do.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `validateProbe`, `validateHandler`,
//! `validateLifecycle`.

use super::field::{Errors, Field};
use super::formats;

/// Checks liveness, readiness and startup probe of a container, in this order.
pub(super) fn check_all(container: &Field<'_>, errors: &mut Errors) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = container.child(name);
        if !probe.is_set() {
            continue;
        }
        check_probe(&probe, errors);
        let grace = probe.child("terminationGracePeriodSeconds");
        let successes = probe.child("successThreshold");
        match name {
            "readinessProbe" if grace.is_set() => errors.push(grace.invalid("must not be set for readinessProbes")),
            "readinessProbe" => {}
            _ if successes.int_or_zero() != 1 => errors.push(successes.invalid_int("must be 1")),
            _ => {}
        }
    }
}

fn check_probe(probe: &Field<'_>, errors: &mut Errors) {
    check_handler(probe, &["exec", "httpGet", "tcpSocket", "grpc"], None, errors);
    for number in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        probe.child(number).check_not_negative(errors);
    }
    let grace = probe.child("terminationGracePeriodSeconds");
    if grace.int().is_some_and(|seconds| seconds <= 0) {
        errors.push(grace.invalid("must be greater than 0"));
    }
}

/// Checks the hooks of a container; `os` is the pod's `spec.os.name`, empty when unset.
pub(super) fn check_lifecycle(lifecycle: &Field<'_>, grace_s: Option<i64>, os: &str, errors: &mut Errors) {
    for hook in ["postStart", "preStop"] {
        let hook = lifecycle.child(hook);
        if hook.is_set() {
            check_handler(&hook, &["exec", "httpGet", "tcpSocket", "sleep"], grace_s, errors);
        }
    }
    let signal = lifecycle.child("stopSignal");
    if signal.is_set() {
        match os {
            "" => errors.push(signal.forbidden("may not be set for containers with empty `spec.os.name`")),
            "windows" => signal.check_word(&["SIGKILL", "SIGTERM"], errors),
            _ => check_linux_signal(&signal, errors),
        }
    }
}

fn check_linux_signal(signal: &Field<'_>, errors: &mut Errors) {
    let mut words: Vec<String> = Vec::new();
    let plain = "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU \
                 URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX";
    words.extend(plain.split_whitespace().map(|name| format!("SIG{name}")));
    words.extend((1..=15).map(|number| format!("SIGRTMIN+{number}")));
    words.extend((1..=14).map(|number| format!("SIGRTMAX-{number}")));
    words.sort();
    if !words.iter().any(|word| word == signal.text()) {
        errors.push(signal.not_supported(&words.iter().map(String::as_str).collect::<Vec<_>>()));
    }
}

/// Exactly one of `actions` must be set.
fn check_handler(handler: &Field<'_>, actions: &[&str], grace_s: Option<i64>, errors: &mut Errors) {
    let set: Vec<&str> = actions.iter().copied().filter(|action| handler.child(action).is_set()).collect();
    let Some((first, others)) = set.split_first() else {
        errors.push(handler.required("must specify a handler type"));
        return;
    };
    let action = handler.child(first);
    match *first {
        "exec" if action.child("command").is_empty() => errors.push(action.child("command").required("")),
        "httpGet" => check_http_get(&action, errors),
        "tcpSocket" | "grpc" => check_port(&action.child("port"), errors),
        "sleep" => check_sleep(&action, grace_s, errors),
        _ => {}
    }
    errors.extend(others.iter().map(|other| handler.child(other).forbidden("may not specify more than 1 handler type")));
}

fn check_http_get(action: &Field<'_>, errors: &mut Errors) {
    if action.child("path").text().is_empty() {
        errors.push(action.child("path").required(""));
    }
    check_port(&action.child("port"), errors);
    let scheme = action.child("scheme");
    if !matches!(scheme.text(), "HTTP" | "HTTPS") {
        errors.push(scheme.not_supported(&["HTTP", "HTTPS"]));
    }
    let headers = action.child("httpHeaders");
    for header in headers.items() {
        let name = header.child("name").at_path(headers.path());
        name.refuse(formats::http_header(name.text()), errors);
    }
}

/// A port is a number or the name of one.
pub(super) fn check_port(port: &Field<'_>, errors: &mut Errors) {
    match port.value() {
        Some(serde_json::Value::String(name)) => port.refuse(formats::port_name(name), errors),
        _ => errors.extend(formats::port_number(port.int_or_zero()).into_iter().map(|message| port.invalid_int(message))),
    }
}

fn check_sleep(sleep: &Field<'_>, grace_s: Option<i64>, errors: &mut Errors) {
    let seconds = sleep.child("seconds").int_or_zero();
    if let Some(grace_s) = grace_s
        && !(0..=grace_s).contains(&seconds)
    {
        let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace_s})");
        errors.push(sleep.invalid_as(seconds.to_string(), detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn probe_table() {
        let rows: [(serde_json::Value, &[&str]); 4] = [
            (json!({"livenessProbe": {"tcpSocket": {"port": 80}, "successThreshold": 1}}), &[]),
            (json!({"livenessProbe": {"successThreshold": 1}}), &["livenessProbe: Required value: must specify a handler type"]),
            (
                json!({"readinessProbe": {"exec": {"command": ["a"]}, "grpc": {"port": 1}, "periodSeconds": -1, "terminationGracePeriodSeconds": 5}}),
                &[
                    "readinessProbe.grpc: Forbidden: may not specify more than 1 handler type",
                    "readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
                    "readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes",
                ],
            ),
            (
                json!({"startupProbe": {"httpGet": {"path": "/", "scheme": "HTTP", "port": "a", "httpHeaders": [{"name": "a b"}]}}}),
                &[
                    "startupProbe.httpGet.httpHeaders: Invalid value: \"a b\": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
                    "startupProbe.successThreshold: Invalid value: 0: must be 1",
                ],
            ),
        ];
        for (container, want) in rows {
            let mut errors = Vec::new();
            check_all(&Field::root(&container), &mut errors);
            assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), want, "container {container}");
        }
    }
}
