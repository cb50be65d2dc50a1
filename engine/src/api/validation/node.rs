//! Nodes.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidateNode`, `ValidateNodeUpdate`.

use super::field::{Errors, Field};
use super::metadata::{self, NameRule};
use super::{addresses, quantity, tolerations};

/// Checks a new node. Messages about taints name the metadata.
pub(super) fn check(node: &Field<'_>, errors: &mut Errors) {
    let spec = node.child("spec");
    metadata::check(&node.child("metadata"), NameRule::CLUSTER, errors);
    tolerations::check_taints(&spec.child("taints").at_path("metadata.taints"), errors);
    check_amounts(node, errors);
    let ranges = spec.child("podCIDRs");
    for range in ranges.items() {
        addresses::check_range(&range, range.text(), &[], errors);
    }
    if ranges.len() > 1 && (ranges.len() > 2 || !addresses::both_families(&ranges.texts())) {
        errors.push(ranges.invalid("may specify no more than one CIDR for each IP family"));
    }
}

/// Checks a changed node.
pub(super) fn check_update(node: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&node.child("metadata"), &old.child("metadata"), errors);
    check_amounts(node, errors);
    check_addresses(&node.child("status").child("addresses"), errors);
    let (spec, old_spec) = (node.child("spec"), old.child("spec"));
    let (ranges, stored) = (spec.child("podCIDRs").texts(), old_spec.child("podCIDRs").texts());
    let changes = if stored.is_empty() {
        0
    } else if ranges.len() == stored.len() {
        ranges.iter().zip(&stored).filter(|(new, old)| new != old).count()
    } else {
        1
    };
    for _ in 0..changes {
        errors.push(spec.child("podCIDRs").forbidden("node updates may not change podCIDR except from \"\" to valid"));
    }
    let (provider, stored) = (spec.child("providerID"), old_spec.child("providerID"));
    if !stored.text().is_empty() && provider.text() != stored.text() {
        errors.push(provider.forbidden("node updates may not change providerID except from \"\" to valid"));
    }
    tolerations::check_taints(&spec.child("taints").at_path("metadata.taints"), errors);
}

fn check_amounts(node: &Field<'_>, errors: &mut Errors) {
    for list in ["capacity", "allocatable"] {
        let list = node.child("status").child(list);
        for (name, _) in list.entries() {
            quantity::check_amount(name, &list.child(name), errors);
        }
    }
}

fn check_addresses(addresses: &Field<'_>, errors: &mut Errors) {
    let items = addresses.items();
    for (index, address) in items.iter().enumerate() {
        if items[..index].iter().any(|other| other.same_as(address)) {
            errors.push(address.duplicate());
        }
    }
}
