//! Whether a kubelet takes a pod that it has just heard of.

use crate::kubelet::admit::{self, CRITICAL_PRIORITY, Rejection, Room, Wants};
use crate::kubelet::pod_run::{PodRun, Stage};
use crate::kubelet::trace::Seam;
use crate::kubelet::{Cluster, Heard, Kubelet, preempt};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::model::pod::{PodPhase, PodStatus};
use wavetank_engine::model::pod_class::ClassId;
use wavetank_engine::record::events::Report;

/// How much a node has too little for a pod.
pub(super) fn wanting(cluster: &Cluster, heard: &Heard, node: u32) -> Vec<preempt::Want> {
    let run = &cluster.kubelets.nodes[node as usize];
    let Some(status) = cluster.node_statuses.get(run.object) else { return Vec::new() };
    let short = admit::shortages(&cluster.classes.get(heard.class).requests, &status.allocatable, &run.used);
    short.into_iter().map(|short| (short.resource, short.requested - (short.capacity - short.used))).collect()
}

/// Why the kubelet rejects a pod that it has just heard of.
pub(super) fn rejection(cluster: &mut Cluster, heard: &Heard, node: u32, is_static: bool) -> Option<Rejection> {
    let class = cluster.classes.get(heard.class);
    let run = &cluster.kubelets.nodes[node as usize];
    let (stored, status) = (cluster.nodes.get(run.object)?, cluster.node_statuses.get(run.object)?);
    let placement = cluster.gates.placement(heard.class, class, &mut cluster.names);
    let node_labels = cluster.metas.get(run.object)?.labels;
    let matches = placement.matches(&cluster.labels, &cluster.names, node_labels, run.name);
    let mut ports = Vec::new();
    if !placement.ports.is_empty() {
        let others = cluster.listing.on_node(heard.node).filter_map(|pod| cluster.kubelets.run(pod)).filter(|other| other.counted);
        let others: Vec<ClassId> = others.map(|other| other.class).collect();
        for other in others {
            ports.extend_from_slice(&cluster.gates.placement(other, cluster.classes.get(other), &mut cluster.names).ports);
        }
    }
    let wants = Wants {
        requests: &class.requests,
        critical: is_static || class.priority >= CRITICAL_PRIORITY,
        qos: class.qos,
        tolerations: &class.tolerations,
        matches,
        ports: &placement.ports,
    };
    let room = Room {
        allocatable: &status.allocatable,
        used: &run.used,
        taints: &stored.taints,
        conditions: &status.conditions,
        ports: &ports,
        shuts_down: cluster.faults.shuts_down(heard.node),
    };
    admit::rejection(wants, room)
}

/// A rejected pod has failed before anything of it began.
pub(super) fn reject(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, run: &mut PodRun, heard: &Heard, rejection: &Rejection) {
    let (reason, text) = (rejection.reason(&cluster.names), rejection.text(&cluster.names));
    let (reason, words) = (cluster.names.sym(&reason), cluster.names.sym(&text));
    let message = cluster.names.sym(&format!("Pod was rejected: {text}"));
    let of = (work.now(), item.object.uid, heard.key);
    cluster.cross(of, (Seam::Kubelet, "HandlePodAdditions"), |_| format!("rejected: {text}"));
    (run.stage, run.dirty, run.reported_end) = (Stage::Finished, false, true);
    let stored = cluster.statuses.get(item.object);
    let conditions = stored.map_or(Vec::new(), |status| status.conditions.clone());
    let status = PodStatus { phase: PodPhase::Failed, reason, message, start_at: Some(work.now()), conditions, ..PodStatus::default() };
    work.ask(item, Verb::ReportPod { pod: item.object, status: Box::new(status) });
    let source = cluster.texts.kubelet;
    let report = Report { about: heard.key, uid: item.object.uid, source, warning: true, reason, words, args: &[] };
    cluster.events.report(work.now(), report);
}
