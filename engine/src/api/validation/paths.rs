//! File paths inside volumes and containers.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `validatePathNoBacksteps`,
//! `validateLocalDescendingPath`, `ValidateLocalNonReservedPath`.

use super::field::{Errors, Field};

/// No part of the path may be `..`.
pub(super) fn check_no_backsteps(path: &Field<'_>, errors: &mut Errors) {
    if has_backstep(path.text()) {
        errors.push(path.invalid("must not contain '..'"));
    }
}

/// Whether some part of the path is `..`.
pub(super) fn has_backstep(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// The path must be relative and stay below its start.
pub(super) fn check_descending(path: &Field<'_>, errors: &mut Errors) {
    if path.text().starts_with('/') {
        errors.push(path.invalid("must be a relative path"));
    }
    check_no_backsteps(path, errors);
}

/// The path must descend and not begin with the dots that volumes keep for themselves.
pub(super) fn check_not_reserved(path: &Field<'_>, errors: &mut Errors) {
    check_descending(path, errors);
    if path.text().starts_with("..") && !path.text().starts_with("../") {
        errors.push(path.invalid("must not start with '..'"));
    }
}
