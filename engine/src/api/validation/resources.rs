//! Requests and limits of containers and pods.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `validateResourceRequirements`,
//! `validatePodResourceConsistency`.

use super::field::{Errors, Field};
use super::field_error::{ErrorKind, go_json, quoted};
use super::resource_names::{self, is_huge_page};
use super::{formats, quantity};
use crate::model::pod_resources;
use crate::model::quantity::Quantity;
use std::str::FromStr;

/// Where a name must be allowed.
#[derive(Debug, Clone, Copy)]
enum Place {
    Container,
    Pod,
}

/// Checks a container's `resources`; `claims` are the pod's resource claims.
pub(super) fn check_container(resources: &Field<'_>, claims: &[&str], errors: &mut Errors) {
    check(resources, Place::Container, claims, errors);
}

/// Checks `spec.overhead`, which counts as limits.
pub(super) fn check_overhead(overhead: &Field<'_>, errors: &mut Errors) {
    if let Some(list) = overhead.value() {
        let limits = serde_json::json!({"limits": list});
        check(&overhead.with_value(&limits), Place::Container, &[], errors);
    }
}

/// Checks `spec.resources` of a pod, and that its containers fit into it.
pub(super) fn check_pod(spec: &Field<'_>, claims: &[&str], errors: &mut Errors) {
    let resources = spec.child("resources");
    if !resources.is_set() {
        return;
    }
    if spec.child("os").child("name").text() == "windows" {
        errors.push(resources.forbidden("may not be set for a windows pod"));
        return;
    }
    if resources.child("claims").is_set() {
        errors.push(resources.child("claims").forbidden("claims may not be set for Resources at pod-level"));
    }
    check(&resources, Place::Pod, claims, errors);
    check_containers_fit(spec, &resources, errors);
}

fn check(resources: &Field<'_>, place: Place, claims: &[&str], errors: &mut Errors) {
    let (limits, requests) = (resources.child("limits"), resources.child("requests"));
    let (mut huge, mut compute) = (false, false);
    for list in [&limits, &requests] {
        for (name, _) in list.entries() {
            let amount = list.key(name);
            check_name(name, place, &amount, errors);
            quantity::check_amount(name, &amount, errors);
            if std::ptr::eq(list, &requests) {
                check_against_limit(name, &requests, &limits, errors);
            }
            check_pages(name, &amount, errors);
            huge |= is_huge_page(name);
            compute |= matches!(name, "cpu" | "memory");
        }
    }
    if huge && !compute {
        errors.push(resources.forbidden("HugePages require cpu or memory"));
    }
    check_claims(&resources.child("claims"), claims, errors);
}

fn check_name(name: &str, place: Place, amount: &Field<'_>, errors: &mut Errors) {
    let refuse = |detail: String| amount.invalid_as(go_json(&name.into()), detail);
    let messages = formats::label_key(name);
    let mut well_formed = messages.is_empty();
    errors.extend(messages.into_iter().map(refuse));
    if well_formed && !name.contains('/') && !resource_names::is_standard(name) {
        errors.push(refuse("must be a standard resource type or fully qualified".to_owned()));
        well_formed = false;
    }
    match place {
        Place::Container if name.split('/').count() == 1 => {
            if !resource_names::is_standard_for_containers(name) {
                errors.push(refuse("must be a standard resource for containers".to_owned()));
            }
        }
        Place::Container if !resource_names::is_native(name) && !resource_names::is_extended(name) => {
            errors.push(refuse("doesn't follow extended resource name standard".to_owned()));
        }
        Place::Container => {}
        Place::Pod if well_formed && !pod_resources::is_pod_level(name) => {
            errors.push(amount.not_supported_as(go_json(&name.into()), &["cpu", "hugepages-", "memory"]));
        }
        Place::Pod => {}
    }
}

/// Messages name the list of requests, or of limits when one is missing.
fn check_against_limit(name: &str, requests: &Field<'_>, limits: &Field<'_>, errors: &mut Errors) {
    let (Some(request), limit) = (quantity::of(&requests.key(name)), quantity::of(&limits.key(name))) else { return };
    let exact = !resource_names::may_overcommit(name);
    match limit {
        Some(limit) if exact && request != limit => {
            errors.push(requests.invalid_as(quantity::shown(&request), format!("must be equal to {name} limit of {limit}")));
        }
        Some(limit) if request > limit => {
            errors.push(requests.invalid_as(quantity::shown(&request), format!("must be less than or equal to {name} limit of {limit}")));
        }
        None if exact => errors.push(limits.required("Limit must be set for non overcommitable resources")),
        _ => {}
    }
}

/// Huge pages come whole.
fn check_pages(name: &str, amount: &Field<'_>, errors: &mut Errors) {
    let (Some(size), Some(pages)) = (resource_names::page_size(name), quantity::of(amount)) else { return };
    let divisible = Quantity::from_str(size).is_ok_and(|size| size.value() > 0 && pages.value() % size.value() == 0);
    if !divisible {
        errors.push(amount.invalid_as(quantity::shown(&pages), format!("{pages} is not positive integer multiple of {name}")));
    }
}

fn check_claims(list: &Field<'_>, claims: &[&str], errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for claim in list.items() {
        let (name, request) = (claim.child("name").text(), claim.child("request"));
        if name.is_empty() {
            errors.push(claim.required(""));
            continue;
        }
        let duplicate = |key: &str| claim.error(ErrorKind::Duplicate, quoted(key), "");
        if seen.iter().any(|key| key == name) {
            errors.push(duplicate(name));
        } else {
            let mut key = name.to_owned();
            if !request.text().is_empty() {
                request.refuse(formats::dns_label(request.text()), errors);
                key = format!("{name}/{}", request.text());
            }
            if seen.contains(&key) {
                errors.push(duplicate(&key));
            } else if request.text().is_empty() {
                let parts = seen.iter().filter(|other| other.split_once('/').is_some_and(|(other, _)| other == name));
                errors.extend(parts.map(|_| duplicate(name)));
            }
            seen.push(key);
        }
        if !claims.contains(&name) {
            let mut known = claims.to_vec();
            known.sort_unstable();
            let listed = if known.is_empty() { " which is empty".to_owned() } else { format!(": {}", known.join(", ")) };
            errors.push(claim.error(
                ErrorKind::NotFound,
                quoted(name),
                format!("must be one of the names in pod.spec.resourceClaims{listed}"),
            ));
        }
    }
}

/// What the containers ask for together must fit into what the pod asks for.
fn check_containers_fit(spec: &Field<'_>, resources: &Field<'_>, errors: &mut Errors) {
    let Some(value) = spec.value() else { return };
    let (requests, limits) = (resources.child("requests"), resources.child("limits"));
    for (name, sum) in pod_resources::container_requests(value) {
        let own = requests.key(&name);
        if let Some(amount) = quantity::of(&own).filter(|amount| sum > *amount) {
            let detail = format!("must be greater than or equal to aggregate container requests of {sum}");
            errors.push(own.invalid_as(quantity::shown(&amount), detail));
        }
    }
    for (name, sum) in pod_resources::container_limits(value).into_iter().filter(|(name, _)| is_huge_page(name)) {
        let own = limits.key(&name);
        if let Some(amount) = quantity::of(&own).filter(|amount| sum > *amount) {
            let detail = format!("must be greater than or equal to aggregate container limits of {sum}");
            errors.push(own.invalid_as(quantity::shown(&amount), detail));
        }
    }
    // The original looks for the containers below the resources.
    let places = resources.child("containers");
    for (index, container) in spec.child("containers").items().iter().enumerate() {
        for (name, _) in container.child("resources").child("limits").entries() {
            let limit = quantity::of(&container.child("resources").child("limits").key(name));
            let (Some(limit), Some(own)) = (limit, quantity::of(&limits.key(name))) else { continue };
            if limit > own {
                let place = places.index(index).key(name).under("limits");
                errors.push(place.invalid_as(quantity::shown(&limit), format!("must be less than or equal to pod limits of {own}")));
            }
        }
    }
}
