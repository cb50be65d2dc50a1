//! Pod specs, as pods and pod templates share them.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidatePodSpec`.

use super::container::Around;
use super::field::{Errors, Field};
use super::{addresses, affinity, container, formats, metadata, resources, security, spread, tolerations, volume};

const DNS_POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
/// Lists of containers in a pod spec.
const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Whose spec it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    /// A pod with this name.
    Pod(&'a str),
    /// A template; pods made from it have names of their own.
    Template,
}

/// Checks a pod spec.
pub(super) fn check(spec: &Field<'_>, of: Of<'_>, errors: &mut Errors) {
    let grace = spec.child("terminationGracePeriodSeconds");
    if !grace.is_set() {
        errors.push(grace.required(""));
    }
    let pod = match of {
        Of::Pod(name) => name,
        Of::Template => "",
    };
    let volumes = volume::check(&spec.child("volumes"), pod, errors);
    let claims: Vec<&str> =
        spec.child("resourceClaims").items().iter().map(|claim| claim.child("name").text()).filter(|name| !name.is_empty()).collect();
    check_claims(&spec.child("resourceClaims"), errors);
    let around = Around { spec: spec.clone(), volumes, claims };
    container::check(&around, errors);
    container::check_init(&around, errors);
    container::check_ephemeral(&around, errors);
    resources::check_pod(spec, &around.claims, errors);
    check_host_network_ports(spec, of, errors);
    spec.child("restartPolicy").check_word(&["Always", "OnFailure", "Never"], errors);
    spec.child("dnsPolicy").check_word(DNS_POLICIES, errors);
    metadata::check_labels(&spec.child("nodeSelector"), errors);
    security::check_pod(spec, errors);
    affinity::check(&spec.child("affinity"), errors);
    check_dns(spec, errors);
    for gate in spec.child("readinessGates").items() {
        let condition = gate.child("conditionType");
        metadata::check_label_key(&condition, condition.text(), errors);
    }
    check_scheduling_gates(&spec.child("schedulingGates"), errors);
    spread::check(&spec.child("topologySpreadConstraints"), errors);
    check_host_users(spec, errors);
    check_hostname_override(spec, errors);
    check_words(spec, errors);
    check_operating_system(&spec.child("os"), errors);
    check_file_key_volumes(spec, errors);
}

/// The fields that hold one word or number each.
fn check_words(spec: &Field<'_>, errors: &mut Errors) {
    check_named(spec, &[("serviceAccountName", formats::dns_subdomain), ("nodeName", formats::dns_subdomain)], errors);
    let deadline = spec.child("activeDeadlineSeconds");
    if let Some(seconds) = deadline.int() {
        deadline.refuse(formats::in_range(seconds, 1, i64::from(i32::MAX)), errors);
    }
    check_named(spec, &[("hostname", formats::dns_label), ("subdomain", formats::dns_label)], errors);
    tolerations::check(&spec.child("tolerations"), errors);
    for alias in spec.child("hostAliases").items() {
        addresses::check_ip(&alias.child("ip"), &[], errors);
        for name in alias.child("hostnames").items() {
            name.refuse(formats::dns_subdomain(name.text()), errors);
        }
    }
    check_named(spec, &[("priorityClassName", formats::dns_subdomain)], errors);
    let class = spec.child("runtimeClassName");
    if class.is_set() {
        class.refuse(formats::dns_subdomain(class.text()), errors);
    }
    let preemption = spec.child("preemptionPolicy");
    if preemption.is_set() {
        preemption.check_word(&["PreemptLowerPriority", "Never"], errors);
    }
    resources::check_overhead(&spec.child("overhead"), errors);
}

fn check_named(spec: &Field<'_>, forms: &[(&str, formats::Form)], errors: &mut Errors) {
    for (key, form) in forms {
        let field = spec.child(key);
        if !field.text().is_empty() {
            field.refuse(form(field.text()), errors);
        }
    }
}

fn check_claims(claims: &Field<'_>, errors: &mut Errors) {
    let mut names: Vec<&str> = Vec::new();
    for claim in claims.items() {
        let name = claim.child("name");
        if name.text().is_empty() {
            errors.push(name.required(""));
        } else if names.contains(&name.text()) {
            errors.push(name.duplicate());
        } else {
            name.refuse(formats::dns_label(name.text()), errors);
            names.push(name.text());
        }
        let (object, template) = (claim.child("resourceClaimName"), claim.child("resourceClaimTemplateName"));
        let refuse = |detail: &str| {
            let value = |field: &Field<'_>| field.value().cloned();
            let shown = serde_json::json!({"Name": name.text(), "ResourceClaimName": value(&object), "ResourceClaimTemplateName": value(&template)});
            claim.invalid_as(super::field_error::go_json(&shown), detail)
        };
        match (object.is_set(), template.is_set()) {
            (true, true) => errors.push(refuse("at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified")),
            (false, false) => errors.push(refuse("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")),
            _ => {}
        }
        for reference in [&object, &template] {
            if reference.is_set() {
                reference.refuse(formats::dns_subdomain(reference.text()), errors);
            }
        }
    }
}

/// In the host's network a port of the node is the port of the container. Templates may leave it open.
fn check_host_network_ports(spec: &Field<'_>, of: Of<'_>, errors: &mut Errors) {
    if !spec.child("hostNetwork").is_true() {
        return;
    }
    for container in spec.child("containers").items() {
        for port in container.child("ports").items() {
            let host = port.child("hostPort");
            let judged = matches!(of, Of::Pod(_)) || host.int_or_zero() != 0;
            if judged && host.int_or_zero() != port.child("containerPort").int_or_zero() {
                errors.push(host.invalid_int("must match `containerPort` when `hostNetwork` is true"));
            }
        }
    }
}

fn check_dns(spec: &Field<'_>, errors: &mut Errors) {
    let config = spec.child("dnsConfig");
    let servers = config.child("nameservers");
    if spec.child("dnsPolicy").text() == "None" {
        if !config.is_set() {
            errors.push(config.required("must provide `dnsConfig` when `dnsPolicy` is None"));
            return;
        }
        if servers.is_empty() {
            errors.push(servers.required("must provide at least one DNS nameserver when `dnsPolicy` is None"));
            return;
        }
    }
    if servers.len() > 3 {
        errors.push(servers.invalid("must not have more than 3 nameservers"));
    }
    for server in servers.items() {
        addresses::check_ip(&server, &[], errors);
    }
    let searches = config.child("searches");
    if searches.len() > 32 {
        errors.push(searches.invalid("must not have more than 32 search paths"));
    }
    if searches.texts().join(" ").len() > 2048 {
        errors.push(searches.invalid("must not have more than 2048 characters (including spaces) in the search list"));
    }
    for search in searches.items().iter().filter(|search| search.text() != ".") {
        let name = search.text().strip_suffix('.').unwrap_or(search.text());
        let messages = formats::dns_subdomain_with_underscore(name);
        errors.extend(messages.into_iter().map(|message| search.invalid_as(super::field_error::quoted(name), message)));
    }
    for option in config.child("options").items() {
        if option.child("name").text().is_empty() {
            errors.push(option.required("must not be empty"));
        }
    }
}

fn check_scheduling_gates(gates: &Field<'_>, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for gate in gates.items() {
        let name = gate.child("name").at_path(gate.path());
        metadata::check_label_key(&name, name.text(), errors);
        if seen.contains(&name.text()) {
            errors.push(name.duplicate());
        }
        seen.push(name.text());
    }
}

/// A pod with users of its own cannot share the host's namespaces.
fn check_host_users(spec: &Field<'_>, errors: &mut Errors) {
    let users = spec.child("hostUsers");
    if !users.is_set() || users.is_true() {
        return;
    }
    // The original spells the last two with a capital.
    for (key, name) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec.child(key).is_true() {
            errors.push(spec.under(name).forbidden("when `hostUsers` is false"));
        }
    }
    for list in CONTAINER_LISTS {
        for container in spec.child(list).items() {
            if !container.child("volumeDevices").is_empty() {
                errors.push(container.child("volumeDevices").forbidden("when `hostUsers` is false"));
            }
        }
    }
}

fn check_hostname_override(spec: &Field<'_>, errors: &mut Errors) {
    let name = spec.child("hostnameOverride");
    if !name.is_set() {
        return;
    }
    if spec.child("setHostnameAsFQDN").is_true() {
        errors.push(name.forbidden("may not be specified when setHostnameAsFQDN is true"));
    }
    if spec.child("hostNetwork").is_true() {
        errors.push(name.forbidden("may not be specified when hostNetwork is true"));
    }
    if name.text().len() > 64 {
        errors.push(name.too_long(64));
    }
    name.refuse(formats::dns_subdomain(name.text()), errors);
}

fn check_operating_system(os: &Field<'_>, errors: &mut Errors) {
    if !os.is_set() {
        return;
    }
    let name = os.child("name");
    if name.text().is_empty() {
        errors.push(name.required(""));
    } else if !matches!(name.text(), "linux" | "windows") {
        errors.push(os.not_supported_as(name.shown_word(), &["linux", "windows"]));
    }
}

/// Variables read from a file need an `emptyDir` that holds it.
fn check_file_key_volumes(spec: &Field<'_>, errors: &mut Errors) {
    let volumes = spec.child("volumes").items();
    for list in CONTAINER_LISTS {
        for container in spec.child(list).items() {
            for variable in container.child("env").items() {
                let reference = variable.child("valueFrom").child("fileKeyRef");
                if !reference.is_set() {
                    continue;
                }
                let name = reference.child("volumeName");
                match volumes.iter().find(|volume| volume.child("name").text() == name.text()) {
                    None => errors.push(name.not_found()),
                    Some(volume) if !volume.child("emptyDir").is_set() => {
                        errors.push(name.invalid("referenced volume must be of type emptyDir"))
                    }
                    Some(_) => {}
                }
            }
        }
    }
}
