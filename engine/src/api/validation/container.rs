//! Containers, init containers and ephemeral containers.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `validateContainers`, `validateInitContainers`,
//! `validateEphemeralContainers`, `validateContainerCommon`.

use super::field::{Errors, Field};
use super::field_error::{ErrorKind, quoted};
use super::volume::Volumes;
use super::{environment, formats, mounts, probe, resources, security};

/// What containers share with the pod around them.
pub(super) struct Around<'a> {
    /// The pod spec.
    pub(super) spec: Field<'a>,
    /// Its well-formed volumes.
    pub(super) volumes: Volumes<'a>,
    /// Names in `spec.resourceClaims`.
    pub(super) claims: Vec<&'a str>,
}

impl Around<'_> {
    fn host_users(&self) -> bool {
        !self.spec.child("hostUsers").is_set() || self.spec.child("hostUsers").is_true()
    }

    fn grace_s(&self) -> Option<i64> {
        self.spec.child("terminationGracePeriodSeconds").int()
    }

    fn os(&self) -> &str {
        self.spec.value().and_then(|spec| spec.pointer("/os/name")).and_then(serde_json::Value::as_str).unwrap_or_default()
    }

    fn names(&self, list: &str) -> Vec<&str> {
        self.spec.child(list).items().iter().map(|container| container.child("name").text()).collect()
    }
}

/// Checks `spec.containers`.
pub(super) fn check(around: &Around<'_>, errors: &mut Errors) {
    let containers = around.spec.child("containers");
    if containers.is_empty() {
        errors.push(containers.required(""));
        return;
    }
    let mut names: Vec<&str> = Vec::new();
    for container in containers.items() {
        check_common(&container, around, errors);
        let name = container.child("name");
        if names.contains(&name.text()) {
            errors.push(name.duplicate());
        }
        names.push(name.text());
        probe::check_lifecycle(&container.child("lifecycle"), around.grace_s(), around.os(), errors);
        probe::check_all(&container, errors);
        check_restart_rules(&container, errors);
    }
    check_host_ports(&containers, &containers.items(), errors);
}

/// Checks `spec.initContainers`. Those with restart policy `Always` are sidecars.
pub(super) fn check_init(around: &Around<'_>, errors: &mut Errors) {
    let mut names: Vec<&str> = around.names("containers");
    let containers = around.spec.child("initContainers");
    for container in containers.items() {
        check_common(&container, around, errors);
        check_restart_rules(&container, errors);
        let name = container.child("name");
        if names.contains(&name.text()) {
            errors.push(name.duplicate());
        } else if !name.text().is_empty() {
            names.push(name.text());
        }
        // The original counts from 0 for each container here.
        check_host_ports(&containers, std::slice::from_ref(&container), errors);
        let sidecar = container.child("restartPolicy").text() == "Always";
        if sidecar {
            probe::check_lifecycle(&container.child("lifecycle"), around.grace_s(), around.os(), errors);
            probe::check_all(&container, errors);
            continue;
        }
        for part in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if container.child(part).is_set() {
                errors.push(container.child(part).forbidden("may not be set for init containers without restartPolicy=Always"));
            }
        }
        for policy in container.child("resizePolicy").items() {
            let restart = policy.child("restartPolicy");
            if restart.text() == "RestartContainer" {
                errors.push(restart.invalid("must not be set to 'RestartContainer' for non-sidecar initContainers"));
            }
        }
    }
}

/// Checks `spec.ephemeralContainers`.
pub(super) fn check_ephemeral(around: &Around<'_>, errors: &mut Errors) {
    let mut others: Vec<&str> = around.names("containers");
    others.extend(around.names("initContainers"));
    let mut names = others.clone();
    for container in around.spec.child("ephemeralContainers").items() {
        check_common(&container, around, errors);
        check_image_spaces(&container, errors);
        let name = container.child("name");
        if names.contains(&name.text()) {
            errors.push(name.duplicate());
        }
        names.push(name.text());
        let target = container.child("targetContainerName");
        if !target.text().is_empty() && !others.contains(&target.text()) {
            errors.push(target.not_found());
        }
        for part in ["ports", "resizePolicy", "restartPolicyRules", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] {
            if container.child(part).is_set() {
                errors.push(container.child(part).forbidden("cannot be set for an Ephemeral Container"));
            }
        }
        if !container.child("resources").is_empty() {
            errors.push(container.child("resources").forbidden("cannot be set for an Ephemeral Container"));
        }
        for mount in container.child("volumeMounts").items() {
            for part in ["subPath", "subPathExpr"] {
                if !mount.child(part).text().is_empty() {
                    errors.push(mount.child(part).forbidden("cannot be set for an Ephemeral Container"));
                }
            }
        }
    }
}

/// Pods, unlike templates, may not have spaces around an image.
pub(super) fn check_image_spaces(container: &Field<'_>, errors: &mut Errors) {
    let image = container.child("image");
    if image.text().trim() != image.text() {
        errors.push(image.invalid("must not have leading or trailing whitespace"));
    }
}

fn check_common(container: &Field<'_>, around: &Around<'_>, errors: &mut Errors) {
    let (name, image) = (container.child("name"), container.child("image"));
    if name.text().is_empty() {
        errors.push(name.required(""));
    } else {
        name.refuse(formats::dns_label(name.text()), errors);
    }
    if image.text().is_empty() {
        errors.push(image.required(""));
    }
    container.child("terminationMessagePolicy").check_word(&["File", "FallbackToLogsOnError"], errors);
    check_ports(&container.child("ports"), errors);
    environment::check(&container.child("env"), errors);
    environment::check_from(&container.child("envFrom"), errors);
    mounts::check(container, &around.volumes, errors);
    mounts::check_devices(container, &around.volumes, errors);
    container.child("imagePullPolicy").check_word(&["Always", "IfNotPresent", "Never"], errors);
    resources::check_container(&container.child("resources"), &around.claims, errors);
    check_resize_policy(&container.child("resizePolicy"), around.spec.child("restartPolicy").text(), errors);
    security::check_container(&container.child("securityContext"), around.host_users(), errors);
}

fn check_ports(ports: &Field<'_>, errors: &mut Errors) {
    let mut names: Vec<&str> = Vec::new();
    for port in ports.items() {
        let (name, number, host) = (port.child("name"), port.child("containerPort"), port.child("hostPort"));
        if !name.text().is_empty() {
            let messages = formats::port_name(name.text());
            if messages.is_empty() && names.contains(&name.text()) {
                errors.push(name.duplicate());
            } else if messages.is_empty() {
                names.push(name.text());
            }
            name.refuse(messages, errors);
        }
        if number.int_or_zero() == 0 {
            errors.push(number.required(""));
        } else {
            number.refuse(formats::port_number(number.int_or_zero()), errors);
        }
        if host.int_or_zero() != 0 {
            host.refuse(formats::port_number(host.int_or_zero()), errors);
        }
        port.child("protocol").check_word(&["SCTP", "TCP", "UDP"], errors);
    }
}

/// No two containers of `containers` may want the same port of the node.
fn check_host_ports(list: &Field<'_>, containers: &[Field<'_>], errors: &mut Errors) {
    let mut taken: Vec<String> = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let ports = container.child("ports").at_path(format!("{}.ports", list.index(index).path()));
        for port in ports.items() {
            let number = port.child("hostPort").int_or_zero();
            if number == 0 {
                continue;
            }
            let text = format!("{}/{}/{number}", port.child("protocol").text(), port.child("hostIP").text());
            if taken.contains(&text) {
                errors.push(port.child("hostPort").error(ErrorKind::Duplicate, quoted(&text), ""));
            } else {
                taken.push(text);
            }
        }
    }
}

/// The original names the list in all messages but the first.
fn check_resize_policy(policies: &Field<'_>, pod_restart: &str, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for policy in policies.items() {
        let resource = policy.child("resourceName");
        if seen.contains(&resource.text()) {
            errors.push(policy.error(ErrorKind::Duplicate, resource.shown_word(), ""));
        }
        seen.push(resource.text());
        resource.at_path(policies.path()).check_word(&["cpu", "memory"], errors);
        let restart = policy.child("restartPolicy").at_path(policies.path());
        restart.check_word(&["NotRequired", "RestartContainer"], errors);
        if pod_restart == "Never" && restart.text() != "NotRequired" {
            errors.push(restart.invalid_as(restart.shown_word(), "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
        }
    }
}

/// Checks a container's own restart policy and its rules by exit code.
fn check_restart_rules(container: &Field<'_>, errors: &mut Errors) {
    let (policy, rules) = (container.child("restartPolicy"), container.child("restartPolicyRules"));
    let words = ["Always", "Never", "OnFailure"];
    if !policy.is_set() {
        if !rules.is_empty() {
            errors.push(policy.required("must specify restartPolicy when restart rules are used"));
        }
    } else if !words.contains(&policy.text()) {
        errors.push(policy.not_supported(&words));
    }
    if rules.len() > 20 {
        errors.push(rules.too_many(20));
    }
    for rule in rules.items() {
        let (action, codes) = (rule.child("action"), rule.child("exitCodes"));
        if !matches!(action.text(), "Restart" | "RestartAllContainers") {
            errors.push(action.not_supported(&["Restart", "RestartAllContainers"]));
        }
        if !codes.is_set() {
            errors.push(codes.required("must be specified"));
            continue;
        }
        if !matches!(codes.child("operator").text(), "In" | "NotIn") {
            errors.push(codes.child("operator").not_supported(&["In", "NotIn"]));
        }
        if codes.child("values").len() > 255 {
            errors.push(codes.child("values").too_many(255));
        }
    }
}
