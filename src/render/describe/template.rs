//! The pod template of a workload.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `DescribePodTemplate`.

use super::Page;
use super::pod::spread;
use crate::render::look::{list, map};
use serde_json::Value;

impl Page {
    /// The section `Pod Template:` of the template at `/spec/template`.
    pub(super) fn pod_template(&mut self, object: &Value) {
        self.line(0, "Pod Template:");
        let Some(template) = object.pointer("/spec/template").filter(|template| !template.is_null()) else {
            return self.line(1, "<unset>");
        };
        self.labels(1, "Labels", template, "/metadata/labels");
        if map(template, "/metadata/annotations").is_some_and(|annotations| !annotations.is_empty()) {
            self.annotations(1, "Annotations", template, "/metadata/annotations");
        }
        self.field_if(1, "Service Account", template, "/spec/serviceAccountName");
        let spec = template.get("spec").unwrap_or(&Value::Null);
        if !list(spec, "/initContainers").is_empty() {
            self.containers(1, "Init Containers", list(spec, "/initContainers"), &[], None);
        }
        self.containers(1, "Containers", list(spec, "/containers"), &[], None);
        self.volumes(1, spec);
        spread(self, 1, spec);
        self.field_if(1, "Priority Class Name", spec, "/priorityClassName");
        self.labels(1, "Node-Selectors", spec, "/nodeSelector");
        self.tolerations(1, spec);
    }
}
