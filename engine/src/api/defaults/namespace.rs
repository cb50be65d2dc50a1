//! Defaults of Namespaces.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_Namespace`.

use super::fill::{self, Object};

/// Label that carries a namespace's own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Fills in a namespace: the label with its name, and phase `Active`.
pub(super) fn apply(namespace: &mut Object) {
    fill::with_existing(namespace, "metadata", |metadata| {
        let name = fill::text(metadata, "name").to_owned();
        if !name.is_empty() {
            fill::with_object(metadata, "labels", |labels| {
                labels.insert(NAME_LABEL.to_owned(), name.into());
            });
        }
    });
    fill::with_object(namespace, "status", |status| fill::zero(status, "phase", "Active"));
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn name_label_is_forced() {
        let given =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": {"kubernetes.io/metadata.name": "other"}}});
        let namespace = defaulted(given);
        assert_eq!(namespace["metadata"]["labels"], json!({"kubernetes.io/metadata.name": "n"}));
        assert_eq!(namespace["status"], json!({"phase": "Active"}));
    }
}
