//! Resource lists as they are stored.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_ResourceList`.

use super::fill::{self, Object};

/// Brings the lists of a `resources` field into stored form.
pub(super) fn apply(resources: &mut Object) {
    fill::drop_zeros(resources, &["limits", "requests", "claims"]);
}

/// Fills in the divisor of a resource reference; `"0"` stands for one.
pub(super) fn apply_to_divisor(reference: &mut Object) {
    fill::zero(reference, "divisor", "0");
    fill::drop_zeros(reference, &["containerName"]);
}
