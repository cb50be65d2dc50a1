//! Defaults of ReplicationControllers.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_ReplicationController`.

use super::fill::{self, Object};
use super::pod_spec;

/// Fills in a replication controller: selector and labels come from the template when they are empty.
pub(super) fn apply(controller: &mut Object) {
    let labels = controller.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels")).cloned();
    fill::with_object(controller, "spec", |spec| {
        fill::absent(spec, "replicas", 1);
        if let Some(labels) = labels.clone() {
            fill::zero(spec, "selector", labels);
        }
        fill::with_existing(spec, "template", pod_spec::apply_to_template);
        fill::drop_zeros(spec, &["minReadySeconds", "selector"]);
    });
    if let Some(labels) = labels {
        fill::with_object(controller, "metadata", |metadata| fill::zero(metadata, "labels", labels));
    }
    fill::with_existing(controller, "metadata", |metadata| fill::drop_zeros(metadata, &["labels"]));
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn selector_and_labels_come_from_the_template() {
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}});
        let controller = defaulted(json!({"apiVersion": "v1", "kind": "ReplicationController", "spec": {"template": template.clone()}}));
        assert_eq!(controller["spec"]["selector"], json!({"a": "b"}));
        assert_eq!(controller["metadata"]["labels"], json!({"a": "b"}));
        let controller =
            defaulted(json!({"apiVersion": "v1", "kind": "ReplicationController", "spec": {"selector": {"x": "y"}, "template": template}}));
        assert_eq!(controller["spec"]["selector"], json!({"x": "y"}));
    }
}
