//! `describe`: one object with what surrounds it, in the sections and layout of kubectl.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`.

mod autoscaler;
mod batch;
mod container;
mod events;
mod generic;
mod meta;
mod namespace;
mod node;
mod pod;
mod service;
mod template;
mod volume;
mod workload;

use super::look::text;
use super::table::align;
use serde_json::Value;
use std::fmt::Display;

/// What a description looks up beside the object itself.
pub trait Cluster {
    /// All objects of a built-in kind, in the order of a LIST; empty when there are none.
    fn list(&self, kind: &str) -> Vec<Value>;

    /// What a pod in Terminating waits for, in sentences.
    fn waits_for(&self, namespace: &str, pod: &str) -> Vec<String> {
        let _ = (namespace, pod);
        Vec::new()
    }
}

/// The description of an object. `now` is the present moment, for ages. Unit: Unix seconds.
pub fn describe(kind: &str, object: &Value, cluster: &dyn Cluster, now: i64) -> String {
    let mut page = Page::default();
    let with_events = match kind {
        "Pod" => pod::write(&mut page, object, cluster, now),
        "Node" => node::write(&mut page, object, cluster, now),
        "Deployment" => workload::deployment(&mut page, object, cluster),
        "ReplicaSet" => workload::replica_set(&mut page, object, cluster),
        "ReplicationController" => workload::replication_controller(&mut page, object, cluster),
        "StatefulSet" => workload::stateful_set(&mut page, object, cluster),
        "DaemonSet" => workload::daemon_set(&mut page, object, cluster),
        "Service" => service::write(&mut page, object, cluster),
        "Endpoints" => service::endpoints(&mut page, object),
        "HorizontalPodAutoscaler" => autoscaler::write(&mut page, object),
        "Job" => batch::job(&mut page, object),
        "CronJob" => batch::cron_job(&mut page, object),
        "PodDisruptionBudget" => batch::disruption_budget(&mut page, object),
        "Namespace" => namespace::write(&mut page, object, cluster),
        _ => generic::write(&mut page, object),
    };
    let mut text = align(&page.text, 0, 2);
    if with_events == Events::Shown {
        let events = cluster.list("Event");
        text.push_str(&align(&events::table(&events::of_object(&events, kind, object), now), 0, 2));
    }
    text
}

/// Whether a description ends with the object's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Events {
    Shown,
    Left,
}

/// Lines whose tabs are aligned at the end. A level is two spaces of indent.
#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    /// `label:` and a value in the next column.
    fn field(&mut self, level: usize, label: &str, value: impl Display) {
        self.line(level, format_args!("{label}:\t{value}"));
    }

    /// The same, unless the text at the pointer is absent or empty.
    fn field_if(&mut self, level: usize, label: &str, object: &Value, pointer: &str) {
        let value = super::look::scalar(object, pointer);
        if !value.is_empty() {
            self.field(level, label, value);
        }
    }

    fn line(&mut self, level: usize, what: impl Display) {
        self.text.push_str(&format!("{:indent$}{what}\n", "", indent = 2 * level));
    }

    /// `title:` and one value a line in the next column, or `<none>`.
    fn column(&mut self, level: usize, title: &str, values: &[String]) {
        let mut label = format!("{:indent$}{title}:", "", indent = 2 * level);
        if values.is_empty() {
            self.line(0, format_args!("{label}\t<none>"));
        }
        for value in values {
            self.line(0, format_args!("{label}\t{value}"));
            label.clear();
        }
    }

    /// Name, and namespace when the object has one.
    fn name(&mut self, object: &Value) {
        self.field(0, "Name", text(object, "/metadata/name"));
        self.field(0, "Namespace", text(object, "/metadata/namespace"));
    }
}

#[cfg(test)]
mod tests;
