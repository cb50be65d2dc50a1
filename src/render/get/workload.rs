//! Workload controllers other than jobs.
//!
//! Source: kubernetes v1.36, `pkg/printers/internalversion/printers.go`, `printDeployment`, `printReplicaSet`,
//! `printReplicationController`, `printStatefulSet`, `printDaemonSet`, `printControllerRevision`.

use super::{Printer, always, name, wide};
use crate::render::age::age;
use crate::render::look::{flag, int, label_cell, list, selector, selector_cell, text};
use serde_json::Value;

pub(super) const DEPLOYMENT: Printer = Printer {
    columns: &[
        always("NAME"),
        always("READY"),
        always("UP-TO-DATE"),
        always("AVAILABLE"),
        always("AGE"),
        wide("CONTAINERS"),
        wide("IMAGES"),
        wide("SELECTOR"),
    ],
    row: |object, now| {
        let [names, images] = containers(object, "/spec/template/spec/containers");
        vec![
            name(object),
            format!("{}/{}", int(object, "/status/readyReplicas"), int(object, "/spec/replicas")),
            int(object, "/status/updatedReplicas").to_string(),
            int(object, "/status/availableReplicas").to_string(),
            age(object, now),
            names,
            images,
            selector(object, "/spec/selector"),
        ]
    },
};

const REPLICAS: &[super::Column] = &[
    always("NAME"),
    always("DESIRED"),
    always("CURRENT"),
    always("READY"),
    always("AGE"),
    wide("CONTAINERS"),
    wide("IMAGES"),
    wide("SELECTOR"),
];

pub(super) const REPLICA_SET: Printer =
    Printer { columns: REPLICAS, row: |object, now| replicas_row(object, now, selector_cell(object, "/spec/selector")) };

pub(super) const REPLICATION_CONTROLLER: Printer =
    Printer { columns: REPLICAS, row: |object, now| replicas_row(object, now, label_cell(object, "/spec/selector")) };

fn replicas_row(object: &Value, now: i64, selector: String) -> Vec<String> {
    let [names, images] = containers(object, "/spec/template/spec/containers");
    vec![
        name(object),
        int(object, "/spec/replicas").to_string(),
        int(object, "/status/replicas").to_string(),
        int(object, "/status/readyReplicas").to_string(),
        age(object, now),
        names,
        images,
        selector,
    ]
}

pub(super) const STATEFUL_SET: Printer = Printer {
    columns: &[always("NAME"), always("READY"), always("AGE"), wide("CONTAINERS"), wide("IMAGES")],
    row: |object, now| {
        let [names, images] = containers(object, "/spec/template/spec/containers");
        let ready = format!("{}/{}", int(object, "/status/readyReplicas"), int(object, "/spec/replicas"));
        vec![name(object), ready, age(object, now), names, images]
    },
};

pub(super) const DAEMON_SET: Printer = Printer {
    columns: &[
        always("NAME"),
        always("DESIRED"),
        always("CURRENT"),
        always("READY"),
        always("UP-TO-DATE"),
        always("AVAILABLE"),
        always("NODE SELECTOR"),
        always("AGE"),
        wide("CONTAINERS"),
        wide("IMAGES"),
        wide("SELECTOR"),
    ],
    row: |object, now| {
        let [names, images] = containers(object, "/spec/template/spec/containers");
        let count = |pointer: &str| int(object, pointer).to_string();
        vec![
            name(object),
            count("/status/desiredNumberScheduled"),
            count("/status/currentNumberScheduled"),
            count("/status/numberReady"),
            count("/status/updatedNumberScheduled"),
            count("/status/numberAvailable"),
            label_cell(object, "/spec/template/spec/nodeSelector"),
            age(object, now),
            names,
            images,
            selector_cell(object, "/spec/selector"),
        ]
    },
};

pub(super) const CONTROLLER_REVISION: Printer = Printer {
    columns: &[always("NAME"), always("CONTROLLER"), always("REVISION"), always("AGE")],
    row: |object, now| vec![name(object), owner(object), int(object, "/revision").to_string(), age(object, now)],
};

/// The controlling owner as `statefulset.apps/web`.
fn owner(object: &Value) -> String {
    let Some(owner) = list(object, "/metadata/ownerReferences").iter().find(|owner| flag(owner, "/controller")) else {
        return "<none>".to_string();
    };
    let kind = text(owner, "/kind").to_lowercase();
    match text(owner, "/apiVersion").split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{}", text(owner, "/name")),
        None => format!("{kind}/{}", text(owner, "/name")),
    }
}

/// Names and images of a list of containers, each joined by commas.
pub(super) fn containers(object: &Value, pointer: &str) -> [String; 2] {
    ["/name", "/image"].map(|field| list(object, pointer).iter().map(|container| text(container, field)).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object() -> Value {
        json!({
            "metadata": {"name": "web", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "web", "a": "b"}},
                "template": {"spec": {
                    "nodeSelector": {"disk": "ssd"},
                    "containers": [{"name": "c", "image": "i:1"}, {"name": "d", "image": "j:2"}],
                }},
            },
            "status": {"replicas": 4, "readyReplicas": 2, "updatedReplicas": 1, "desiredNumberScheduled": 7},
        })
    }

    #[test]
    fn rows() {
        let cells = |printer: &Printer| (printer.row)(&object(), 60).join(" ");
        assert_eq!(cells(&DEPLOYMENT), "web 2/3 1 0 60s c,d i:1,j:2 a=b,app=web");
        assert_eq!(cells(&REPLICA_SET), "web 3 4 2 60s c,d i:1,j:2 a=b,app=web");
        assert_eq!(cells(&STATEFUL_SET), "web 2/3 60s c,d i:1,j:2");
        assert_eq!(cells(&DAEMON_SET), "web 7 0 0 0 0 disk=ssd 60s c,d i:1,j:2 a=b,app=web");
        assert_eq!((REPLICATION_CONTROLLER.row)(&json!({"spec": {"selector": {"x": "y"}}}), 0)[7], "x=y");
    }

    #[test]
    fn revisions_name_their_controller() {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "controller": true}]);
        let revision = json!({"metadata": {"name": "db-1", "ownerReferences": owner}, "revision": 4});
        assert_eq!((CONTROLLER_REVISION.row)(&revision, 0)[1..3], ["statefulset.apps/db", "4"]);
    }
}
