//! Namespaces.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidateNamespace`.

use super::field::{Errors, Field};
use super::metadata::{self, NameRule};

/// Checks a new namespace.
pub(super) fn check(namespace: &Field<'_>, errors: &mut Errors) {
    metadata::check(&namespace.child("metadata"), NameRule::CLUSTER_LABEL, errors);
    let finalizers = namespace.child("spec").child("finalizers");
    for finalizer in finalizers.items() {
        let finalizer = finalizer.at_path(finalizers.path());
        metadata::check_label_key(&finalizer, finalizer.text(), errors);
        metadata::check_finalizer_domain(&finalizer, errors);
    }
}

/// Checks a changed namespace.
pub(super) fn check_update(namespace: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&namespace.child("metadata"), &old.child("metadata"), errors);
}
