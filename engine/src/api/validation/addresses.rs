//! IP addresses and ranges as fields hold them.
//!
//! Source: kubernetes v1.36, `staging/src/k8s.io/apimachinery/pkg/util/validation/ip.go`, `parseIP`, `parseCIDR`
//! (strict, as the gate StrictIPCIDRValidation has it), and `pkg/apis/core/validation/validation.go`, `ValidateEndpointIP`.

use super::field::{Errors, Field};
use std::net::{IpAddr, Ipv4Addr};

/// Reads an address; parts of IPv4 may have leading zeros.
fn parse_sloppy(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (head, tail) = match text.rfind(':') {
        Some(colon) => text.split_at(colon + 1),
        None => ("", text),
    };
    let octets: Vec<&str> = tail.split('.').collect();
    if octets.len() != 4 || !octets.iter().all(|octet| !octet.is_empty() && octet.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let trimmed: Vec<&str> =
        octets.iter().map(|octet| if octet.bytes().all(|b| b == b'0') { "0" } else { octet.trim_start_matches('0') }).collect();
    format!("{head}{}", trimmed.join(".")).parse().ok()
}

/// Whether the text is an IPv6 address; no address at all is not.
pub(super) fn is_ipv6(text: &str) -> bool {
    parse_sloppy(text).is_some_and(|address| match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.to_ipv4_mapped().is_none(),
    })
}

/// Whether an address or range belongs to IPv6, judged by its address part.
fn range_is_ipv6(text: &str) -> bool {
    is_ipv6(text.split('/').next().unwrap_or_default())
}

/// Whether the texts have at least one of each family.
pub(super) fn both_families(texts: &[&str]) -> bool {
    texts.iter().any(|text| range_is_ipv6(text)) && texts.iter().any(|text| !range_is_ipv6(text))
}

/// The field must be an IP address, without leading zeros and not IPv4 in IPv6, unless `stored` has it already.
pub(super) fn check_ip(field: &Field<'_>, stored: &[&str], errors: &mut Errors) {
    let text = field.text();
    if stored.contains(&text) {
        return;
    }
    let Some(address) = parse_sloppy(text) else {
        errors.push(field.invalid("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
        return;
    };
    if text.parse::<IpAddr>().is_err() {
        errors.push(field.invalid("must not have leading 0s"));
    } else if is_mapped(address) {
        errors.push(field.invalid("must not be an IPv4-mapped IPv6 address"));
    }
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// The field, read as `text`, must be a range such as 10.9.8.0/24, unless `stored` has it already.
pub(super) fn check_range(field: &Field<'_>, text: &str, stored: &[&str], errors: &mut Errors) {
    if stored.contains(&text) {
        return;
    }
    let refuse = |detail: &str| field.invalid_as(super::field_error::quoted(text), detail);
    let Some((address, bits)) = parse_range(text) else {
        errors.push(refuse("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"));
        return;
    };
    let (written, length) = text.split_once('/').unwrap_or((text, ""));
    if written.parse::<IpAddr>().is_err() || (length.len() > 1 && length.starts_with('0')) {
        errors.push(refuse("must not have leading 0s in IP or prefix length"));
    } else if is_mapped(address) {
        errors.push(refuse("must not have an IPv4-mapped IPv6 address"));
    } else if host_bits(address, bits) {
        errors.push(refuse("must not have bits set beyond the prefix length"));
    }
}

fn parse_range(text: &str) -> Option<(IpAddr, u32)> {
    let (address, length) = text.split_once('/')?;
    let address = parse_sloppy(address)?;
    if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bits: u32 = length.parse().ok()?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    (bits <= bits_max).then_some((address, bits))
}

fn host_bits(address: IpAddr, bits: u32) -> bool {
    match address {
        IpAddr::V4(address) => u32::MAX.checked_shr(bits).is_some_and(|mask| address.to_bits() & mask != 0),
        IpAddr::V6(address) => u128::MAX.checked_shr(bits).is_some_and(|mask| address.to_bits() & mask != 0),
    }
}

/// The field must be an address that an endpoint may have.
pub(super) fn check_endpoint_ip(field: &Field<'_>, errors: &mut Errors) {
    let Some(address) = parse_sloppy(field.text()) else {
        errors.push(field.invalid("must be a valid IP address"));
        return;
    };
    if address.is_unspecified() {
        errors.push(field.invalid(format!("may not be unspecified ({})", field.text())));
    }
    if address.is_loopback() {
        errors.push(field.invalid("may not be in the loopback range (127.0.0.0/8, ::1/128)"));
    }
    let (link_local, link_local_multicast) = match address {
        IpAddr::V4(address) => (address.is_link_local(), address.octets()[..3] == Ipv4Addr::new(224, 0, 0, 0).octets()[..3]),
        IpAddr::V6(address) => (address.segments()[0] & 0xffc0 == 0xfe80, address.segments()[0] & 0xff0f == 0xff02),
    };
    if link_local {
        errors.push(field.invalid("may not be in the link-local range (169.254.0.0/16, fe80::/10)"));
    }
    if link_local_multicast {
        errors.push(field.invalid("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn details(check: impl Fn(&Field<'_>, &mut Errors), text: &str) -> Vec<String> {
        let value = json!(text);
        let mut errors = Vec::new();
        check(&Field::root(&value), &mut errors);
        errors.into_iter().map(|error| error.detail.chars().take(28).collect()).collect()
    }

    #[test]
    fn ip_table() {
        let rows: [(&str, &[&str]); 6] = [
            ("10.0.0.1", &[]),
            ("fe80::1", &[]),
            ("010.0.0.1", &["must not have leading 0s"]),
            ("::ffff:1.2.3.4", &["must not be an IPv4-mapped I"]),
            ("x", &["must be a valid IP address, "]),
            ("", &["must be a valid IP address, "]),
        ];
        for (text, want) in rows {
            assert_eq!(details(|field, errors| check_ip(field, &[], errors), text), want, "ip {text:?}");
        }
    }

    #[test]
    fn range_table() {
        let rows: [(&str, &[&str]); 6] = [
            ("10.0.0.0/8", &[]),
            ("0.0.0.0/0", &[]),
            ("2001:db8::/64", &[]),
            ("10.0.0.1/8", &["must not have bits set beyon"]),
            ("10.0.0.0/33", &["must be a valid CIDR value, "]),
            ("10.0.0.0/08", &["must not have leading 0s in "]),
        ];
        for (text, want) in rows {
            assert_eq!(details(|field, errors| check_range(field, text, &[], errors), text), want, "range {text:?}");
        }
    }

    #[test]
    fn endpoint_ip_table() {
        for (text, want) in
            [("10.0.0.1", 0), ("0.0.0.0", 1), ("127.0.0.1", 1), ("169.254.0.1", 1), ("224.0.0.9", 1), ("ff02::1", 1), ("x", 1)]
        {
            assert_eq!(details(check_endpoint_ip, text).len(), want, "endpoint {text}");
        }
    }
}
