//! Names of resources: which are standard, counted, extended.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/helper/helpers.go`, `IsStandardResourceName` and siblings.

use super::formats;

/// Prefix of pages of a size: `hugepages-2Mi`.
const HUGE_PAGES: &str = "hugepages-";

/// Names without a domain that some object may use.
const STANDARD: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
/// Names without a domain that are counted in whole numbers.
const COUNTED: &[&str] = &[
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Whether the name is one of the system's own.
pub(super) fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name) || is_huge_page(name) || name.starts_with("requests.hugepages-")
}

/// Whether a container may ask for the name, of those without a domain.
pub(super) fn is_standard_for_containers(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge_page(name)
}

/// Whether the name stands for pages of memory of some size.
pub(super) fn is_huge_page(name: &str) -> bool {
    name.starts_with(HUGE_PAGES)
}

/// The page size in the name, as text.
pub(super) fn page_size(name: &str) -> Option<&str> {
    name.strip_prefix(HUGE_PAGES)
}

/// Whether the name is Kubernetes' own: no domain, or one of `kubernetes.io`.
pub(super) fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether the name is a vendor's: it has a domain and fits into a quota.
pub(super) fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && formats::label_key(&format!("requests.{name}")).is_empty()
}

/// Whether amounts of the resource are whole numbers.
pub(super) fn is_integer(name: &str) -> bool {
    COUNTED.contains(&name) || is_extended(name)
}

/// Whether a request may be below its limit.
pub(super) fn may_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_table() {
        // name, standard, for containers, extended, integer, overcommit
        let rows = [
            ("cpu", true, true, false, false, true),
            ("pods", true, false, false, true, true),
            ("hugepages-2Mi", true, true, false, false, false),
            ("example.com/gpu", false, false, true, true, false),
            ("x.kubernetes.io/y", false, false, false, false, true),
            ("foo", false, false, false, false, true),
        ];
        for (name, standard, containers, extended, integer, overcommit) in rows {
            let got = (is_standard(name), is_standard_for_containers(name), is_extended(name), is_integer(name), may_overcommit(name));
            assert_eq!(got, (standard, containers, extended, integer, overcommit), "resource {name}");
        }
    }
}
