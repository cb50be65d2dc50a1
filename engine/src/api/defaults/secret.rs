//! Defaults of Secrets.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_Secret`.

use super::fill::{self, Object};

/// Fills in a secret's type. `stringData` is merged by whoever stores the object: it has to encode it.
pub(super) fn apply(secret: &mut Object) {
    fill::zero(secret, "type", "Opaque");
}
