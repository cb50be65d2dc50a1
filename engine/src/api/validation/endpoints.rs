//! Endpoints.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidateEndpoints`.

use super::field::{Errors, Field};
use super::metadata::{self, NameRule};
use super::{addresses, formats};

/// Checks new endpoints.
pub(super) fn check(endpoints: &Field<'_>, errors: &mut Errors) {
    metadata::check(&endpoints.child("metadata"), NameRule::NAMESPACED, errors);
    for subset in endpoints.child("subsets").items() {
        check_subset(&subset, errors);
    }
}

/// Checks changed endpoints; what was stored before may stay.
pub(super) fn check_update(endpoints: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&endpoints.child("metadata"), &old.child("metadata"), errors);
    metadata::check(&endpoints.child("metadata"), NameRule::NAMESPACED, errors);
    if !endpoints.child("subsets").same_as(&old.child("subsets")) {
        for subset in endpoints.child("subsets").items() {
            check_subset(&subset, errors);
        }
    }
}

fn check_subset(subset: &Field<'_>, errors: &mut Errors) {
    let lists = [subset.child("addresses"), subset.child("notReadyAddresses")];
    if lists.iter().all(Field::is_empty) {
        errors.push(subset.required("must specify `addresses` or `notReadyAddresses`"));
    }
    for address in lists.iter().flat_map(Field::items) {
        addresses::check_ip(&address.child("ip"), &[], errors);
        let (host, node) = (address.child("hostname"), address.child("nodeName"));
        if !host.text().is_empty() {
            host.refuse(formats::dns_label(host.text()), errors);
        }
        if node.is_set() {
            node.refuse(formats::dns_subdomain(node.text()), errors);
        }
        addresses::check_endpoint_ip(&address.child("ip"), errors);
    }
    let ports = subset.child("ports");
    for port in ports.items() {
        check_port(&port, ports.len() > 1, errors);
    }
}

fn check_port(port: &Field<'_>, several: bool, errors: &mut Errors) {
    let (name, number, protocol) = (port.child("name"), port.child("port"), port.child("appProtocol"));
    if several && name.text().is_empty() {
        errors.push(name.required(""));
    } else if !name.text().is_empty() {
        name.refuse(formats::dns_label(name.text()), errors);
    }
    errors.extend(formats::port_number(number.int_or_zero()).into_iter().map(|message| number.invalid_int(message)));
    port.child("protocol").check_word(&["SCTP", "TCP", "UDP"], errors);
    if protocol.is_set() {
        metadata::check_label_key(&protocol, protocol.text(), errors);
    }
}
