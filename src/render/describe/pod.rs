//! Pods.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `describePod`.

use super::{Cluster, Events, Page};
use crate::render::age::{rfc1123, since};
use crate::render::look::{controller, has, int, list, scalar, selector_cell, text};
use serde_json::Value;
use wavetank_engine::model::pod_class::Qos;
use wavetank_engine::model::pod_resources::qos_class;

pub(super) fn write(page: &mut Page, pod: &Value, cluster: &dyn Cluster, now: i64) -> Events {
    head(page, pod);
    page.labels_and_annotations(pod);
    status(page, pod, now);
    // kubectl does not know this.
    let waits = cluster.waits_for(text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
    if !waits.is_empty() {
        page.column(0, "Waits For", &waits);
    }
    network_and_owner(page, pod);
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    if has(spec, "/resources") {
        page.line(0, "Resources:");
        page.resources(1, &spec["resources"]);
    }
    for (title, kind) in [("Init Containers", "init"), ("Containers", ""), ("Ephemeral Containers", "ephemeral")] {
        let (containers, statuses) = match kind {
            "" => ("/spec/containers".to_string(), "/status/containerStatuses".to_string()),
            kind => (format!("/spec/{kind}Containers"), format!("/status/{kind}ContainerStatuses")),
        };
        if kind.is_empty() || !list(pod, &containers).is_empty() {
            page.containers(0, title, list(pod, &containers), list(pod, &statuses), Some(pod));
        }
    }
    readiness_gates(page, pod);
    page.conditions(pod, &[("Type", "/type"), ("Status", "/status")], false, 2);
    page.volumes(0, spec);
    page.field(0, "QoS Class", qos(spec));
    page.labels(0, "Node-Selectors", spec, "/nodeSelector");
    page.tolerations(0, spec);
    spread(page, 0, spec);
    Events::Shown
}

fn head(page: &mut Page, pod: &Value) {
    page.name(pod);
    page.field_if(0, "Priority", pod, "/spec/priority");
    page.field_if(0, "Priority Class Name", pod, "/spec/priorityClassName");
    page.field_if(0, "Runtime Class Name", pod, "/spec/runtimeClassName");
    page.field_if(0, "Service Account", pod, "/spec/serviceAccountName");
    match text(pod, "/spec/nodeName") {
        "" => page.field(0, "Node", "<none>"),
        node => page.field(0, "Node", format_args!("{node}/{}", text(pod, "/status/hostIP"))),
    }
    if has(pod, "/status/startTime") {
        page.field(0, "Start Time", rfc1123(pod, "/status/startTime"));
    }
}

fn status(page: &mut Page, pod: &Value, now: i64) {
    let phase = text(pod, "/status/phase");
    if has(pod, "/metadata/deletionTimestamp") && !matches!(phase, "Failed" | "Succeeded") {
        page.field(0, "Status", format_args!("Terminating (lasts {})", since(pod, "/metadata/deletionTimestamp", now)));
        page.field(0, "Termination Grace Period", format_args!("{}s", int(pod, "/metadata/deletionGracePeriodSeconds")));
    } else {
        page.field(0, "Status", phase);
    }
    page.field_if(0, "Reason", pod, "/status/reason");
    page.field_if(0, "Message", pod, "/status/message");
    page.field_if(0, "SeccompProfile", pod, "/spec/securityContext/seccompProfile/type");
    page.field_if(0, "LocalhostProfile", pod, "/spec/securityContext/seccompProfile/localhostProfile");
}

fn network_and_owner(page: &mut Page, pod: &Value) {
    page.field(0, "IP", text(pod, "/status/podIP"));
    let ips = list(pod, "/status/podIPs");
    if ips.is_empty() {
        page.field(0, "IPs", "<none>");
    } else {
        page.line(0, "IPs:");
        ips.iter().for_each(|ip| page.field(1, "IP", text(ip, "/ip")));
    }
    if let Some(controller) = controller(pod) {
        page.field(0, "Controlled By", controller);
    }
    page.field_if(0, "NominatedNodeName", pod, "/status/nominatedNodeName");
}

fn readiness_gates(page: &mut Page, pod: &Value) {
    let gates = list(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return;
    }
    page.line(0, "Readiness Gates:");
    page.line(1, "Type\tStatus");
    for gate in gates {
        let kind = text(gate, "/conditionType");
        let status = crate::render::look::condition(pod, kind).unwrap_or("<none>");
        page.line(1, format_args!("{kind} \t{status} "));
    }
}

fn qos(spec: &Value) -> &'static str {
    match qos_class(spec) {
        Qos::Guaranteed => "Guaranteed",
        Qos::Burstable => "Burstable",
        Qos::BestEffort => "BestEffort",
    }
}

/// Topology spread constraints, by key; nothing when there is none.
pub(super) fn spread(page: &mut Page, level: usize, spec: &Value) {
    let mut constraints: Vec<&Value> = list(spec, "/topologySpreadConstraints").iter().collect();
    if constraints.is_empty() {
        return;
    }
    constraints.sort_by_key(|constraint| text(constraint, "/topologyKey"));
    let line = |constraint: &Value| {
        let skew = int(constraint, "/maxSkew");
        let [key, otherwise] = ["/topologyKey", "/whenUnsatisfiable"].map(|field| scalar(constraint, field));
        let selector = match has(constraint, "/labelSelector") {
            true => format!(" for selector {}", selector_cell(constraint, "/labelSelector")),
            false => String::new(),
        };
        format!("{key}:{otherwise} when max skew {skew} is exceeded{selector}")
    };
    let lines: Vec<String> = constraints.into_iter().map(line).collect();
    page.column(level, "Topology Spread Constraints", &lines);
}
