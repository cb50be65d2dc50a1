//! Nodes.
//!
//! Source: kubernetes v1.36, `pkg/printers/internalversion/printers.go`, `printNode`.

use super::{Printer, always, name, wide};
use crate::render::age::age;
use crate::render::look::{condition, flag, list, pairs, scalar, scalar_or, text};
use serde_json::Value;

pub(super) const NODE: Printer = Printer {
    columns: &[
        always("NAME"),
        always("STATUS"),
        always("ROLES"),
        always("AGE"),
        always("VERSION"),
        wide("INTERNAL-IP"),
        wide("EXTERNAL-IP"),
        wide("OS-IMAGE"),
        wide("KERNEL-VERSION"),
        wide("CONTAINER-RUNTIME"),
    ],
    row,
};

fn row(node: &Value, now: i64) -> Vec<String> {
    let mut status = match condition(node, "Ready") {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_string();
    if flag(node, "/spec/unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    let mut kernel = scalar_or(node, "/status/nodeInfo/kernelVersion", "<unknown>");
    let architecture = text(node, "/status/nodeInfo/architecture");
    if !architecture.is_empty() {
        kernel = format!("{kernel} ({architecture})");
    }
    vec![
        name(node),
        status,
        roles(node),
        age(node, now),
        scalar(node, "/status/nodeInfo/kubeletVersion"),
        address(node, "InternalIP"),
        address(node, "ExternalIP"),
        scalar_or(node, "/status/nodeInfo/osImage", "<unknown>"),
        kernel,
        scalar_or(node, "/status/nodeInfo/containerRuntimeVersion", "<unknown>"),
    ]
}

/// The roles of a node, sorted and joined by commas, or `<none>`: labels `node-role.kubernetes.io/ROLE` and
/// `kubernetes.io/role=ROLE`.
pub(in crate::render) fn roles(node: &Value) -> String {
    let mut roles: Vec<&str> = pairs(node, "/metadata/labels")
        .into_iter()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => Some(value),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { "<none>".to_string() } else { roles.join(",") }
}

fn address(node: &Value, kind: &str) -> String {
    let found = list(node, "/status/addresses").iter().find(|address| text(address, "/type") == kind);
    found.map_or_else(|| "<none>".to_string(), |address| scalar(address, "/address"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn status_and_roles() {
        let node = |ready: Option<&str>, unschedulable: bool, labels: Value| {
            let conditions = ready.map(|status| json!([{"type": "Ready", "status": status}])).unwrap_or(json!([]));
            json!({"metadata": {"labels": labels}, "spec": {"unschedulable": unschedulable}, "status": {"conditions": conditions}})
        };
        for (node, status, roles) in [
            (node(Some("True"), false, json!({})), "Ready", "<none>"),
            (node(Some("False"), false, json!({"kubernetes.io/role": "worker"})), "NotReady", "worker"),
            (node(Some("Unknown"), true, json!({"node-role.kubernetes.io/": ""})), "NotReady,SchedulingDisabled", "<none>"),
            (
                node(None, true, json!({"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": ""})),
                "Unknown,SchedulingDisabled",
                "control-plane,worker",
            ),
        ] {
            assert_eq!(row(&node, 0)[1..3], [status, roles], "{node}");
        }
    }

    #[test]
    fn wide_columns() {
        let node = json!({"status": {
            "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kernelVersion": "6.1", "architecture": "amd64", "kubeletVersion": "v1.36.2"},
        }});
        assert_eq!(row(&node, 0)[4..], ["v1.36.2", "10.0.0.1", "<none>", "<unknown>", "6.1 (amd64)", "<unknown>"]);
    }
}
