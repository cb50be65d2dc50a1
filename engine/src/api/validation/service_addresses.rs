//! Cluster addresses and IP families of services.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidateServiceClusterIPsRelatedFields`,
//! `validateUpgradeDowngradeClusterIPs`, `validateUpgradeDowngradeIPFamilies`.

use super::addresses;
use super::field::{Errors, Field};

/// Whether the service asks for no address.
pub(super) fn is_headless(spec: &Field<'_>) -> bool {
    spec.child("clusterIPs").texts() == ["None"]
}

fn is_external_name(spec: &Field<'_>) -> bool {
    spec.child("type").text() == "ExternalName"
}

/// A list as messages show it: `null` when absent.
fn shown_list(list: &Field<'_>) -> String {
    if list.is_set() { list.shown() } else { "null".to_owned() }
}

/// Checks that the address fields agree.
pub(super) fn check(spec: &Field<'_>, old: Option<&Field<'_>>, errors: &mut Errors) {
    if is_external_name(spec) {
        return;
    }
    let (single, all) = (spec.child("clusterIP"), spec.child("clusterIPs"));
    match (single.text().is_empty(), all.texts().first()) {
        (false, None) => errors.push(all.required("")),
        (false, Some(first)) if *first != single.text() => errors.push(all.invalid("first value must match `clusterIP`")),
        (true, Some(_)) => errors.push(all.invalid("must be empty when `clusterIP` is not specified")),
        _ => {}
    }
    check_families(spec, errors);
    let stored = old.map(|spec| spec.child("clusterIPs").texts()).unwrap_or_default();
    if !check_each(&all, &stored, errors) {
        return;
    }
    if all.len() > 1 && !addresses::both_families(&all.texts()) {
        errors.push(all.invalid("may specify no more than one IP for each IP family"));
    }
    if is_headless(spec) {
        return;
    }
    for (index, (ip, family)) in all.items().iter().zip(spec.child("ipFamilies").texts()).enumerate() {
        let fits = match family {
            "IPv4" => !addresses::is_ipv6(ip.text()),
            "IPv6" => addresses::is_ipv6(ip.text()),
            _ => true,
        };
        if !fits {
            errors.push(ip.invalid(format!("expected an {family} value as indicated by `ipFamilies[{index}]`")));
        }
    }
}

fn check_families(spec: &Field<'_>, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for family in spec.child("ipFamilies").items() {
        if !matches!(family.text(), "IPv4" | "IPv6") {
            errors.push(family.not_supported(&["IPv4", "IPv6"]));
        }
        if seen.contains(&family.text()) {
            errors.push(family.duplicate());
        }
        seen.push(family.text());
    }
    let policy = spec.child("ipFamilyPolicy");
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    if policy.is_set() && !policies.contains(&policy.text()) {
        errors.push(policy.not_supported(&policies));
    }
}

/// Checks each address; false when one is malformed.
fn check_each(all: &Field<'_>, stored: &[&str], errors: &mut Errors) -> bool {
    let mut good = true;
    for (index, ip) in all.items().iter().enumerate() {
        if index == 0 && ip.text() == "None" {
            if all.len() > 1 {
                good = false;
                errors.push(all.invalid("'None' must be the first and only value"));
            }
            continue;
        }
        let before = errors.len();
        addresses::check_ip(ip, stored, errors);
        good &= errors.len() == before;
    }
    if all.len() > 2 {
        errors.push(all.invalid("may only hold up to 2 values"));
    }
    good
}

/// The primary address and family never change; the secondary may come and go.
pub(super) fn check_update(spec: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    if is_external_name(spec) || is_external_name(old) {
        return;
    }
    let (headless, was_headless) = (is_headless(spec), is_headless(old));
    if !(headless && was_headless) {
        check_addresses_kept(spec, old, errors);
    }
    if !headless && !was_headless {
        check_families_kept(spec, old, errors);
    }
}

fn check_addresses_kept(spec: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    let (all, stored) = (spec.child("clusterIPs"), old.child("clusterIPs"));
    let (ips, old_ips) = (all.texts(), stored.texts());
    let refuse = |index: usize, detail: &str| all.index(index).invalid_as(shown_list(&all), detail);
    if ips.len() == old_ips.len() {
        let changed = (0..ips.len()).filter(|&index| ips[index] != old_ips[index]);
        errors.extend(changed.map(|index| refuse(index, "may not change once set")));
        return;
    }
    if ips.is_empty() {
        errors.push(refuse(0, "primary clusterIP can not be unset"));
    }
    if let (Some(first), Some(old_first)) = (ips.first(), old_ips.first())
        && first != old_first
    {
        errors.push(refuse(0, "may not change once set"));
    }
    check_single_stack(spec, ips.len() == 1 && old_ips.len() > 1, "clusterIP", errors);
}

fn check_single_stack(spec: &Field<'_>, releasing: bool, what: &str, errors: &mut Errors) {
    let policy = spec.child("ipFamilyPolicy");
    if releasing && policy.text() != "SingleStack" {
        let shown = if policy.is_set() { policy.shown() } else { "null".to_owned() };
        errors.push(policy.invalid_as(shown, format!("must be set to 'SingleStack' when releasing the secondary {what}")));
    }
}

/// The original shows the addresses where the families were meant, once the number differs.
fn check_families_kept(spec: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    let (all, ips) = (spec.child("ipFamilies"), spec.child("clusterIPs"));
    let (families, old_families) = (all.texts(), old.child("ipFamilies").texts());
    let place = all.index(0);
    if families.len() == old_families.len() {
        let changed = families.iter().zip(&old_families).filter(|(new, old)| new != old);
        errors.extend(changed.map(|_| place.invalid_as(shown_list(&all), "may not change once set")));
        return;
    }
    let fewer = families.len() < old_families.len();
    if fewer && ips.is_empty() {
        errors.push(place.invalid_as(shown_list(&all), "primary ipFamily can not be unset"));
    }
    if let (Some(first), Some(old_first)) = (families.first(), old_families.first())
        && first != old_first
    {
        errors.push(place.invalid_as(shown_list(&ips), "may not change once set"));
    }
    check_single_stack(spec, fewer && families.len() == 1, "ipFamily", errors);
}
