//! Eviction of one pod: its messages, and local storage beyond its limits.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/eviction/helpers.go`, `evictionMessage`; `eviction_manager.go`, `localStorageEviction`, `evictPod`;
//! `spec/kubelet.md` §14.

use crate::kubelet::pod_run::Stage;
use crate::kubelet::pressure::judge::Observations;
use crate::kubelet::pressure::usage::{NodeUse, PodUse};
use crate::kubelet::{Cluster, Kubelet};
use serde_json::Value;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::{Condition, ConditionStatus};
use wavetank_engine::model::pod_class::PodClass;
use wavetank_engine::model::quantity::{Format, Quantity};
use wavetank_engine::names::Names;
use wavetank_engine::record::events::Report;
use wavetank_engine::scene::kubelet_config::Signal;
use wavetank_engine::words;

/// Grace of a pod that is evicted for a hard threshold or a limit of its own. Unit: seconds.
pub(super) const GRACE_S: u32 = 1;

fn bytes(amount: i64) -> String {
    Quantity::from_units(amount, Format::BinarySi).to_string()
}

/// What is said of a pod that goes because its node is short of something. `met`: thresholds that are met, by place.
pub(super) fn message(cluster: &Cluster, pod: ObjRef, used: &NodeUse, signal: Signal, observed: &Observations, met: &[usize]) -> String {
    let resource = super::resource(signal);
    let mut text = format!("The node was low on resource: {resource}. ");
    let thresholds = met.iter().map(|&at| &cluster.config.thresholds[at]);
    let first = thresholds.into_iter().find(|threshold| super::resource(threshold.signal) == resource);
    if let Some((threshold, seen)) = first.and_then(|threshold| Some((threshold, observed[threshold.signal as usize]?))) {
        let amount = |amount: i64| match signal {
            Signal::Pid => amount.to_string(),
            Signal::NodeFsInodes | Signal::ImageFsInodes => Quantity::from_units(amount, Format::DecimalSi).to_string(),
            Signal::Memory | Signal::NodeFs | Signal::ImageFs => bytes(amount),
        };
        let (threshold, available) = (amount(threshold.amount.of(seen.capacity)), amount(seen.available));
        text += &format!("Threshold quantity: {threshold}, available: {available}. ");
    }
    let usage = used.pods.iter().find(|pair| pair.0 == pod).map(|pair| &pair.1);
    let Some((usage, run)) = usage.zip(cluster.kubelets.run(pod)) else { return text };
    let class = cluster.classes.get(run.class);
    for (at, container) in class.init_containers.iter().chain(&class.containers).enumerate() {
        let Some((used, request)) = usage.of(at, signal, &container.requests) else { continue };
        if used > request {
            let (name, used, request) = (cluster.names.text(container.name), bytes(used), bytes(request));
            text += &format!("Container {name} was using {used}, request is {request}, has larger consumption of {resource}. ");
        }
    }
    text
}

impl Cluster<'_, '_> {
    /// Pods that use more local storage than they may, and what is said of each.
    pub(super) fn over_limits(&self, used: &NodeUse) -> Vec<(ObjRef, String)> {
        let mut over = Vec::new();
        for (pod, usage) in used.pods.iter().filter(|(_, usage)| usage.disk() > 0) {
            let Some(run) = self.kubelets.run(*pod).filter(|run| run.stage == Stage::Syncing) else { continue };
            let class = self.classes.get(run.class);
            if !self.kubelets.critical(&self.classes, run)
                && let Some(message) = over_limit(class, usage, &self.names)
            {
                over.push((*pod, message));
            }
        }
        over
    }
}

/// The first limit of local storage that a pod exceeds.
fn over_limit(class: &PodClass, usage: &PodUse, names: &Names) -> Option<String> {
    for volume in class.raw.at(&["volumes"]).and_then(Value::as_array).into_iter().flatten() {
        let Some(limit) = volume.pointer("/emptyDir/sizeLimit").and_then(Value::as_str) else { continue };
        let name = volume.get("name").and_then(Value::as_str).unwrap_or("");
        let used = usage.volumes.iter().find(|known| known.0 == name).map_or(0, |known| known.1);
        let most = Quantity::parse(limit).map_or(0, |limit| limit.value());
        if most > 0 && used > most as u64 {
            return Some(format!("Usage of EmptyDir volume {name:?} exceeds the limit {limit:?}. "));
        }
    }
    // All containers of the pod count together against the sum of the limits that some of them have.
    let limits: i64 = class.containers.iter().map(|container| container.limits.ephemeral_storage_bytes).sum();
    if limits > 0 && usage.disk() > limits as u64 {
        return Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {}. ", bytes(limits)));
    }
    let init = class.init_containers.len();
    class.containers.iter().enumerate().find_map(|(at, container)| {
        let limit = container.limits.ephemeral_storage_bytes;
        let used = usage.containers.get(init + at)?.disk;
        (limit > 0 && used > limit as u64).then(|| {
            let name = names.text(container.name);
            format!("Container {name} exceeded its local ephemeral storage limit {:?}. ", bytes(limit))
        })
    })
}

/// Stops a pod for good. `disrupted`: with the condition DisruptionTarget.
pub(super) fn evict(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, pod: ObjRef, text: &str, grace_s: u32, disrupted: bool) {
    let Some(mut run) = cluster.kubelets.take(pod) else { return };
    let now = work.now();
    let (reason, message) = (cluster.names.sym("Evicted"), cluster.names.sym(text));
    run.begin_ending(now, grace_s, Some((reason, message)));
    cluster.kubelets.put(run);
    if disrupted {
        let condition = Condition {
            kind: words::DISRUPTION_TARGET,
            status: ConditionStatus::True,
            reason: cluster.names.sym("TerminationByKubelet"),
            message,
            transition_at: now,
            update_at: now,
        };
        work.tell(item.cause, Verb::PatchPod { pod, condition: Some(Box::new(condition)), nominated_node: None });
    }
    if let Some(meta) = cluster.metas.get(pod) {
        let about = ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
        let report = Report { about, uid: pod.uid, source: cluster.texts.kubelet, warning: true, reason, words: message, args: &[] };
        cluster.events.report(now, report);
    }
    work.wake(pod, item.cause);
}
