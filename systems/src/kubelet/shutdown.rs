//! Graceful shutdown of a node: its pods end, those of ordinary priority first, before the machine goes off.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/nodeshutdown/nodeshutdown_manager.go`, `killPods`; `spec/kubelet.md` §20.

use crate::kubelet::pod_run::Stage;
use crate::kubelet::{Cluster, Kubelet, deliver, with_cx};
use serde::{Deserialize, Serialize};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::{Condition, ConditionStatus, set_condition};
use wavetank_engine::names::Sym;
use wavetank_engine::record::events::{Arg, Report};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// What is said of each pod.
const MESSAGE: &str = "Pod was terminated in response to imminent node shutdown.";

/// A node that is shutting down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shutdown {
    /// Groups whose turn is over: ordinary pods, then critical ones.
    done: u8,
    /// Pods of the group whose turn it is.
    pods: Vec<ObjRef>,
    /// Until when they are waited for; `None`: they have not been asked to end.
    until: Option<SimTime>,
}

/// One turn of a node that has been told to shut down.
pub(super) fn turn(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, number: u32) {
    let (name, object) = (cluster.kubelets.nodes[number as usize].name, cluster.kubelets.nodes[number as usize].object);
    let mut shutdown = match cluster.kubelets.shutdowns.remove(&number) {
        Some(shutdown) => shutdown,
        None => {
            announce(work, cluster, item, object);
            Shutdown::default()
        }
    };
    let (now, critical) = (work.now(), cluster.config.shutdown_critical);
    while shutdown.done < 2 {
        let period = if shutdown.done == 0 { SimDuration(cluster.config.shutdown.0 - critical.0) } else { critical };
        match shutdown.until {
            None => {
                shutdown.pods = group(cluster, name, shutdown.done == 1);
                for pod in shutdown.pods.clone() {
                    end(work, cluster, item, pod, u32::try_from(period.as_secs()).unwrap_or(u32::MAX));
                }
                shutdown.until = Some(now + period);
            }
            Some(until) => {
                let ends = |pod: &ObjRef| cluster.kubelets.run(*pod).is_some_and(|run| run.stage != Stage::Finished);
                if now < until && shutdown.pods.iter().any(ends) {
                    work.wake_at(object, until);
                    cluster.kubelets.shutdowns.insert(number, shutdown);
                    return;
                }
                shutdown = Shutdown { done: shutdown.done + 1, ..Shutdown::default() };
            }
        }
    }
    // What the kubelet has still to say it says before the machine is off.
    cluster.faults.power_off(name, now);
}

/// Pods of a node that have not ended: critical ones, or the others.
fn group(cluster: &Cluster, node: Sym, critical: bool) -> Vec<ObjRef> {
    let belongs = |pod: &ObjRef| {
        let run = cluster.kubelets.run(*pod).filter(|run| run.stage != Stage::Finished);
        run.is_some_and(|run| cluster.kubelets.critical(&cluster.classes, run) == critical)
    };
    let mut pods: Vec<ObjRef> = cluster.listing.on_node(node).filter(belongs).collect();
    pods.sort_by_key(|pod| pod.uid);
    pods
}

/// Stops a pod with the grace of its group, or its own if that is shorter.
fn end(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, pod: ObjRef, grace_s: u32) {
    let (Some(heard), Some(mut run)) = (cluster.heard(pod), cluster.kubelets.take(pod)) else { return };
    let now = work.now();
    let grace_s = cluster.classes.get(run.class).grace_s.min(grace_s);
    let (reason, message) = (cluster.names.sym("Terminated"), cluster.names.sym(MESSAGE));
    if run.stage == Stage::Syncing {
        run.begin_ending(now, grace_s, Some((reason, message)));
    } else {
        let (out, ()) = with_cx(cluster, work, &mut run, &heard, |run, cx| run.delete(grace_s, cx));
        deliver(work, cluster, item, &mut run, heard.key, out, false);
    }
    cluster.kubelets.put(run);
    let condition = Condition {
        kind: words::DISRUPTION_TARGET,
        status: ConditionStatus::True,
        reason: cluster.names.sym("TerminationByKubelet"),
        message,
        transition_at: now,
        update_at: now,
    };
    work.tell(item.cause, Verb::PatchPod { pod, condition: Some(Box::new(condition)), nominated_node: None });
    work.wake(pod, item.cause);
}

/// The node is not ready from now on.
fn announce(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, node: ObjRef) {
    let Some(status) = cluster.node_statuses.get(node) else { return };
    let now = work.now();
    let mut fresh = status.clone();
    let (reason, message) = (cluster.names.sym("KubeletNotReady"), cluster.names.sym("node is shutting down"));
    let (kind, status) = (words::READY, ConditionStatus::False);
    set_condition(&mut fresh.conditions, Condition { kind, status, reason, message, transition_at: now, update_at: now });
    work.tell(item.cause, Verb::Put { object: node, expect: None, value: fresh.into() });
    let Some(meta) = cluster.metas.get(node) else { return };
    let about = ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name: meta.name };
    let args = [Arg::Name(meta.name)];
    let said = [("Shutdown", "Shutdown manager detected shutdown event"), ("NodeNotReady", "Node {} status is now: NodeNotReady")];
    for (reason, words) in said {
        let args = if words.contains("{}") { &args[..] } else { &args[..0] };
        let (reason, words) = (cluster.names.sym(reason), cluster.names.sym(words));
        let report = Report { about, uid: node.uid, source: cluster.texts.kubelet, warning: false, reason, words, args };
        cluster.events.report(now, report);
    }
}
