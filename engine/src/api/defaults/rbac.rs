//! Defaults of RoleBindings and ClusterRoleBindings.
//!
//! Source: kubernetes v1.36, `pkg/apis/rbac/v1/defaults.go`.

use super::fill::{self, Object};

/// The API group of roles, users and groups.
const GROUP: &str = "rbac.authorization.k8s.io";

/// Fills in the API groups that a binding refers to. Service accounts are of the core group.
pub(super) fn apply(binding: &mut Object) {
    fill::with_existing(binding, "roleRef", |role| fill::zero(role, "apiGroup", GROUP));
    fill::each(binding, "subjects", |subject| {
        if matches!(fill::text(subject, "kind"), "User" | "Group") {
            fill::zero(subject, "apiGroup", GROUP);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn groups_by_subject_kind() {
        let subjects = json!([{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]);
        let given = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects});
        let binding = defaulted(given);
        assert_eq!(binding["roleRef"]["apiGroup"], "rbac.authorization.k8s.io");
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}, {"kind": "ServiceAccount", "name": "s"}])
        );
    }
}
