//! StatefulSets, DaemonSets, ControllerRevisions.

use super::{Tables, int_or_percent, number};
use crate::model::raw::Raw;
use crate::model::revisioned::{ControllerRevision, DaemonSet, StatefulSet};
use serde_json::Value;

impl Tables<'_> {
    /// Reads the defaulted `spec` of a StatefulSet.
    pub fn stateful_set(&mut self, spec: &Value) -> StatefulSet {
        let strategy = spec.get("updateStrategy").unwrap_or(&Value::Null);
        let rolling = strategy.get("rollingUpdate").filter(|rolling| !rolling.is_null());
        StatefulSet {
            replicas: number(spec, "replicas").unwrap_or(1),
            start: spec.get("ordinals").and_then(|ordinals| number(ordinals, "start")).unwrap_or(0).max(0) as u32,
            min_ready_s: number(spec, "minReadySeconds").unwrap_or(0).max(0) as u32,
            selector: self.selectors.of_label_selector(self.names, spec.get("selector").unwrap_or(&Value::Null)),
            template: self.classes.template_of(self.names, self.labels, spec.get("template").unwrap_or(&Value::Null)),
            service_name: self.sym(spec, "serviceName"),
            parallel: spec.get("podManagementPolicy").and_then(Value::as_str) == Some("Parallel"),
            on_delete: on_delete(strategy),
            partition: rolling.map(|rolling| number(rolling, "partition").unwrap_or(0)),
            revision_history_limit: number(spec, "revisionHistoryLimit").unwrap_or(10),
            raw: Raw::new(spec.clone()),
        }
    }

    /// Reads the defaulted `spec` of a DaemonSet.
    pub fn daemon_set(&mut self, spec: &Value) -> DaemonSet {
        let strategy = spec.get("updateStrategy").unwrap_or(&Value::Null);
        let rolling = strategy.get("rollingUpdate").unwrap_or(&Value::Null);
        let bounds = (int_or_percent(rolling.get("maxUnavailable")), int_or_percent(rolling.get("maxSurge")));
        DaemonSet {
            min_ready_s: number(spec, "minReadySeconds").unwrap_or(0).max(0) as u32,
            selector: self.selectors.of_label_selector(self.names, spec.get("selector").unwrap_or(&Value::Null)),
            template: self.classes.template_of(self.names, self.labels, spec.get("template").unwrap_or(&Value::Null)),
            rolling: (!on_delete(strategy)).then_some(bounds),
            revision_history_limit: number(spec, "revisionHistoryLimit").unwrap_or(10),
            raw: Raw::new(spec.clone()),
        }
    }
}

fn on_delete(strategy: &Value) -> bool {
    strategy.get("type").and_then(Value::as_str) == Some("OnDelete")
}

/// Reads a ControllerRevision.
pub(super) fn controller_revision(object: &Value) -> ControllerRevision {
    ControllerRevision {
        revision: object.get("revision").and_then(Value::as_i64).unwrap_or(0),
        data: Raw::new(object.get("data").cloned().unwrap_or(Value::Null)),
    }
}
