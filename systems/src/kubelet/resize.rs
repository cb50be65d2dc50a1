//! Resize in place: other resources for containers that go on running, set aside when the node has room and then given.
//!
//! A kubelet keeps what it has set aside (*allocated*) and what containers have (*actual*) only of pods of which these are not simply what
//! their specs say. Nothing here is done while the node is cut off.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/allocation/allocation_manager.go`, `handlePodResourcesResize`, `sortPendingResizes`;
//! `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `computePodResizeAction`, `validateMemoryResizeAction`; `spec/kubelet.md` §19.

use crate::kubelet::admission::rejection;
use crate::kubelet::pod_run::{Cx, Exit, PodRun, Stage};
use crate::kubelet::start::text;
use crate::kubelet::trace::Seam;
use crate::kubelet::{Cluster, Heard, Kubelet, with_cx};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smallvec::SmallVec;
use std::cmp::Reverse;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::{ObjRef, Uid};
use wavetank_engine::model::pod::PodAllocation;
use wavetank_engine::model::pod_class::{ClassId, PodClass, Qos};
use wavetank_engine::names::Sym;
use wavetank_engine::record::events::Report;
use wavetank_engine::scene::program::stretched;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// A resize that waits is looked at again after this, if nothing else has made room.
const RETRY: SimDuration = SimDuration::from_secs(180);
/// A resize that could not be carried out is tried again with the next sync.
const SYNC: SimDuration = SimDuration::from_secs(60);

/// A pod whose resources are not simply those of its spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// What is set aside.
    pub allocated: ClassId,
    /// What containers have.
    actual: ClassId,
    /// Generation of the spec that is wanted.
    generation: u32,
    /// Why it waits, since when, and until when if nothing happens.
    pending: Option<(Sym, SimTime, SimTime)>,
    /// It is being carried out: when containers are given theirs, and what kept them from it.
    progress: Option<(SimTime, Option<Sym>)>,
    /// Generation of the spec that is being carried out.
    going: u32,
    /// Containers that are restarted for it, with the number of their starts before.
    restarting: SmallVec<[(u16, u32); 1]>,
}

impl Resize {
    /// Reason and message of `PodResizePending`.
    pub(super) fn waits(&self) -> Option<Sym> {
        self.pending.map(|pending| pending.0)
    }

    /// Message of `PodResizeInProgress`; empty when all is well.
    pub(super) fn goes_on(&self) -> Option<Sym> {
        self.progress.map(|progress| progress.1.unwrap_or(Sym::EMPTY))
    }

    /// When it has something to do.
    fn next(&self) -> Option<SimTime> {
        let given = self.progress.filter(|_| self.restarting.is_empty()).map(|progress| progress.0);
        given.into_iter().chain(self.pending.map(|pending| pending.2)).min()
    }
}

/// Whether containers of two specs have other resources.
pub fn differ(a: &PodClass, b: &PodClass) -> bool {
    let all = |class: &PodClass| {
        class.init_containers.iter().chain(&class.containers).map(|c| (c.requests.clone(), c.limits.clone())).collect::<Vec<_>>()
    };
    !std::ptr::eq(a, b) && all(a) != all(b)
}

/// Notes that a pod's spec asks for other resources.
pub(super) fn ask(cluster: &mut Cluster, run: &PodRun) {
    let generation = cluster.metas.get(run.object).map_or(0, |meta| meta.generation);
    let class = run.class;
    let begin =
        || Resize { allocated: class, actual: class, generation, pending: None, progress: None, going: 0, restarting: SmallVec::new() };
    let resize = cluster.kubelets.resizes.entry(run.object.uid).or_insert_with(begin);
    resize.generation = generation;
    if let Some(pending) = &mut resize.pending {
        // Another wish: it is tried now.
        pending.2 = SimTime::ZERO;
    }
}

/// Sets aside what a pod's spec asks for, or says that it has to wait. Whether others may have more room now.
fn attempt(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, run: &mut PodRun, heard: &Heard) -> bool {
    let Some(resize) = cluster.kubelets.resizes.get(&run.object.uid).cloned() else { return false };
    if !run.counted || run.stage != Stage::Syncing {
        return false;
    }
    let (old, new) = (cluster.classes.get(resize.allocated).clone(), cluster.classes.get(run.class).clone());
    if !differ(&old, &new) {
        if resize.pending.is_some() {
            taken_back(work, cluster, item, run);
        }
        return false;
    }
    let (node, now) = (run.node as usize, work.now());
    cluster.kubelets.nodes[node].discount(&old.requests);
    let rejection = rejection(cluster, heard, run.node, false);
    let kept = if rejection.is_some() { &old } else { &new };
    cluster.kubelets.nodes[node].count(&kept.requests);
    run.dirty = true;
    if let Some(rejection) = rejection {
        let message = rejection.text(&cluster.names);
        let message = cluster.names.sym(&message);
        let again = now + RETRY;
        let since = resize.pending.map_or(now, |pending| pending.1);
        let said = resize.pending.is_some_and(|pending| pending.2 > SimTime::ZERO);
        if !said {
            say(cluster, now, (run.class, run.object), heard, (true, "ResizeDeferred", "Deferred"), message, resize.generation);
        }
        change(cluster, run.object.uid, |resize| resize.pending = Some((message, since, again)));
        cluster.kubelets.waiting.entry(run.node).or_default().insert(run.object.uid, run.object);
        return false;
    }
    let at = now + cluster.latency.table().kubelet_sync;
    change(cluster, run.object.uid, |resize| {
        (resize.allocated, resize.pending, resize.progress) = (heard.class, None, Some((at, None)));
        resize.going = resize.generation;
        resize.restarting.clear();
    });
    no_longer_waits(cluster, run.node, run.object.uid);
    say(cluster, now, (run.class, run.object), heard, (false, "ResizeStarted", "started"), Sym::EMPTY, resize.generation);
    write(work, cluster, item, run, false);
    less(&old, &new)
}

/// What waited is not wanted any more.
fn taken_back(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, run: &mut PodRun) {
    let done = cluster.kubelets.resizes.get(&run.object.uid).is_some_and(|resize| resize.progress.is_none());
    change(cluster, run.object.uid, |resize| resize.pending = None);
    no_longer_waits(cluster, run.node, run.object.uid);
    run.dirty = true;
    write(work, cluster, item, run, done);
    if done {
        cluster.kubelets.resizes.remove(&run.object.uid);
    }
}

/// Whether one resource of a spec became less.
fn less(old: &PodClass, new: &PodClass) -> bool {
    [words::CPU, words::MEMORY].into_iter().any(|resource| new.requests.get(resource) < old.requests.get(resource))
}

fn change(cluster: &mut Cluster, pod: Uid, change: impl FnOnce(&mut Resize)) {
    if let Some(resize) = cluster.kubelets.resizes.get_mut(&pod) {
        change(resize);
    }
}

fn no_longer_waits(cluster: &mut Cluster, node: u32, pod: Uid) {
    if let Some(waiting) = cluster.kubelets.waiting.get_mut(&node) {
        waiting.remove(&pod);
        if waiting.is_empty() {
            cluster.kubelets.waiting.remove(&node);
        }
    }
}

/// Brings a pod's resize up to the present.
pub(super) fn turn(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, run: &mut PodRun, heard: &Heard) {
    if cluster.kubelets.resizes.is_empty() || !cluster.kubelets.resizes.contains_key(&run.object.uid) {
        return;
    }
    let due = |resize: &Resize| resize.pending.is_none_or(|pending| pending.2 <= work.now());
    let due = cluster.kubelets.resizes.get(&run.object.uid).is_some_and(due);
    let room = due && attempt(work, cluster, item, run, heard);
    give(work, cluster, item, run, heard);
    if room {
        retry(work, cluster, item, run.node);
    }
    if let Some(at) = cluster.kubelets.resizes.get(&run.object.uid).and_then(Resize::next).filter(|&at| at > work.now()) {
        work.wake_at(item.object, at);
    }
}

/// Tries the resizes of a node that wait: first those that ask for no more than before, then by priority, quality of service and age.
pub(super) fn retry(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, node: u32) {
    if cluster.kubelets.waiting.is_empty() {
        return;
    }
    let waiting: Vec<ObjRef> = cluster.kubelets.waiting.get(&node).into_iter().flatten().map(|pair| *pair.1).collect();
    let mut order: Vec<_> = waiting
        .into_iter()
        .filter_map(|pod| {
            let (run, resize) = (cluster.kubelets.run(pod)?, cluster.kubelets.resizes.get(&pod.uid)?);
            let (old, new) = (cluster.classes.get(resize.allocated), cluster.classes.get(run.class));
            let more = [words::CPU, words::MEMORY].into_iter().any(|resource| new.requests.get(resource) > old.requests.get(resource));
            Some(((more, Reverse(new.priority), new.qos != Qos::Guaranteed, resize.pending.map(|p| p.1), pod.uid), pod))
        })
        .collect();
    order.sort_by_key(|entry| entry.0);
    for (_, pod) in order {
        let (Some(heard), Some(mut run)) = (cluster.heard(pod), cluster.kubelets.take(pod)) else { continue };
        let waited = cluster.kubelets.resizes.get(&pod.uid).and_then(Resize::waits).is_some();
        attempt(work, cluster, item, &mut run, &heard);
        let waits = cluster.kubelets.resizes.get(&pod.uid).and_then(Resize::waits).is_some();
        cluster.kubelets.put(run);
        if waited != waits {
            work.wake(pod, item.cause);
        }
    }
}

/// Forgets a pod that holds nothing on its node any more.
pub(super) fn forget(cluster: &mut Cluster, node: u32, pod: Uid) {
    if !cluster.kubelets.resizes.is_empty() {
        cluster.kubelets.resizes.remove(&pod);
        no_longer_waits(cluster, node, pod);
    }
}

/// Gives containers what was set aside for them, or has those restarted that want that; says when all have it.
fn give(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, run: &mut PodRun, heard: &Heard) {
    let Some(resize) = cluster.kubelets.resizes.get(&run.object.uid).cloned() else { return };
    let Some((at, wrong)) = resize.progress.filter(|progress| progress.0 <= work.now()) else { return };
    let _ = at;
    if resize.restarting.is_empty() {
        let (old, new) = (cluster.classes.get(resize.actual).clone(), cluster.classes.get(resize.allocated).clone());
        let (out, result) = with_cx(cluster, work, run, heard, |run, cx| run.give(&old, &new, cx));
        super::deliver(work, cluster, item, run, heard.key, out, false);
        match result {
            Err(message) => {
                let message = cluster.names.sym(&message);
                if wrong != Some(message) {
                    let of = (resize.allocated, run.object);
                    say(cluster, work.now(), of, heard, (true, "ResizeError", "error"), message, resize.going);
                    run.dirty = true;
                }
                let again = work.now() + SYNC;
                change(cluster, run.object.uid, |resize| resize.progress = Some((again, Some(message))));
                return;
            }
            Ok(restarting) => change(cluster, run.object.uid, |resize| {
                (resize.actual, resize.restarting) = (resize.allocated, restarting);
            }),
        }
    }
    finish(work, cluster, item, run, heard);
}

/// Says that a resize is complete when all containers have what was set aside for them.
pub(super) fn finish(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, run: &mut PodRun, heard: &Heard) {
    if cluster.kubelets.resizes.is_empty() {
        return;
    }
    let Some(resize) = cluster.kubelets.resizes.get_mut(&run.object.uid) else { return };
    if resize.progress.is_none() || resize.actual != resize.allocated {
        return;
    }
    resize.restarting.retain(|&mut (at, starts)| run.containers[at as usize].starts <= starts);
    if !resize.restarting.is_empty() {
        return;
    }
    resize.progress = None;
    let (generation, class, done) = (resize.going, resize.allocated, resize.pending.is_none() && resize.allocated == run.class);
    run.dirty = true;
    work.wake(item.object, item.cause);
    say(cluster, work.now(), (class, run.object), heard, (false, "ResizeCompleted", "completed"), Sym::EMPTY, generation);
    write(work, cluster, item, run, done);
    if done {
        cluster.kubelets.resizes.remove(&run.object.uid);
    }
}

/// Tells the API server what is set aside and given.
fn write(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, run: &PodRun, done: bool) {
    let Some(resize) = cluster.kubelets.resizes.get(&run.object.uid) else { return };
    let stored = cluster.allocations.get(run.object).copied().unwrap_or(PodAllocation::of(run.class));
    let counted = if done { run.class } else { stored.counted };
    let value = PodAllocation { desired: run.class, allocated: resize.allocated, actual: resize.actual, counted };
    work.tell(item.cause, Verb::Put { object: run.object, expect: None, value: value.into() });
}

/// Source: `pkg/kubelet/events/resize.go`, `podResizeMessage`.
fn say(
    cluster: &mut Cluster,
    now: SimTime,
    (class, pod): (ClassId, ObjRef),
    heard: &Heard,
    (warning, reason, what): (bool, &str, &str),
    error: Sym,
    generation: u32,
) {
    let class = cluster.classes.get(class);
    let list = |field: &str| -> Vec<Value> {
        let all = class.raw.at(&[field]).and_then(Value::as_array).into_iter().flatten();
        all.map(|container| json!({"name": container["name"], "resources": resources(container)})).collect()
    };
    let mut summary = json!({});
    for field in ["initContainers", "containers"] {
        let all = list(field);
        if !all.is_empty() {
            summary[field] = all.into();
        }
    }
    summary["generation"] = generation.into();
    if !error.is_empty() {
        summary["error"] = cluster.names.text(error).into();
    }
    let (reason, words) = (cluster.names.sym(reason), cluster.names.sym("{}"));
    let args = [text(cluster.names.sym(&format!("Pod resize {what}: {summary}")))];
    let report = Report { about: heard.key, uid: pod.uid, source: cluster.texts.kubelet, warning, reason, words, args: &args };
    cluster.events.report(now, report);
}

/// Limits, then requests, each by name.
fn resources(container: &Value) -> Value {
    let mut out = json!({});
    for field in ["limits", "requests"] {
        let Some(amounts) = container.pointer(&format!("/resources/{field}")).and_then(Value::as_object) else { continue };
        let mut amounts: Vec<(&String, &Value)> = amounts.iter().collect();
        amounts.sort_by_key(|pair| pair.0);
        for (resource, amount) in amounts {
            out[field][resource.as_str()] = amount.clone();
        }
    }
    out
}

/// Whether a container has to be restarted for another amount of a resource.
fn restarts_for(container: &Value, resource: &str) -> bool {
    let policies = container.get("resizePolicy").and_then(Value::as_array).into_iter().flatten();
    let mut own = policies.filter(|policy| policy["resourceName"] == resource);
    own.any(|policy| policy["restartPolicy"] == "RestartContainer")
}

impl PodRun {
    /// Gives the containers that run what was set aside for them. Returns those that have to be restarted for it, with their starts.
    ///
    /// # Errors
    /// Why it cannot be: a limit of memory below what is used.
    fn give(&mut self, old: &PodClass, new: &PodClass, cx: &mut Cx) -> Result<SmallVec<[(u16, u32); 1]>, String> {
        let (had, has) = (old.init_containers.iter().chain(&old.containers), new.init_containers.iter().chain(&new.containers));
        let pairs: Vec<_> = had
            .zip(has)
            .map(|(had, has)| ((had.requests.clone(), had.limits.clone()), (has.requests.clone(), has.limits.clone())))
            .collect();
        let changed = |at: usize, resource: Sym| {
            let ((requests, limits), (new_requests, new_limits)) = &pairs[at];
            requests.get(resource) != new_requests.get(resource) || limits.get(resource) != new_limits.get(resource)
        };
        let raw = |at: usize| {
            let init = new.init_containers.len();
            let (list, at) = if at < init { ("initContainers", at) } else { ("containers", at - init) };
            new.raw.at(&[list]).and_then(|list| list.get(at)).cloned().unwrap_or(Value::Null)
        };
        let mut restarting = SmallVec::new();
        let running: Vec<usize> =
            (0..self.containers.len().min(pairs.len())).filter(|&at| self.containers[at].running_since().is_some()).collect();
        let touched = running.into_iter().filter(|&at| changed(at, words::CPU) || changed(at, words::MEMORY));
        let touched: Vec<(usize, bool)> = touched
            .map(|at| {
                let container = raw(at);
                let restarts = [(words::CPU, "cpu"), (words::MEMORY, "memory")];
                (at, restarts.into_iter().any(|(resource, name)| changed(at, resource) && restarts_for(&container, name)))
            })
            .collect();
        for &(at, _) in touched.iter().filter(|entry| !entry.1) {
            let (before, limit) = (pairs[at].0.1.memory_bytes, pairs[at].1.1.memory_bytes);
            let Some(since) = self.containers[at].running_since() else { continue };
            let used = cx.program(at).memory_bytes.at(cx.now.since(since));
            if limit > 0 && (before == 0 || limit < before) && used >= limit.unsigned_abs() {
                let name = cx.names.text(cx.container(at).name);
                return Err(format!(
                    "cannot decrease memory limits: attempting to set container {name:?} memory limit ({limit}) below current usage ({used})"
                ));
            }
        }
        for (at, restarts) in touched {
            if restarts {
                restarting.push((at as u16, self.containers[at].starts));
                let name = cx.container(at).name;
                self.containers[at].forced = true;
                if let Some(more) = &mut self.containers[at].more {
                    more.crash = None;
                }
                cx.note(false, cx.texts.killing, cx.texts.resize_words, &[text(name)]);
                self.stop(at, cx.class.grace_s.max(1), cx.now, cx.now, cx);
            } else {
                self.cross_container(at, cx, Seam::Cri, "UpdateContainerResources", |_| String::new());
                self.faster(at, (pairs[at].0.1.cpu_millicores, pairs[at].1.1.cpu_millicores), cx);
                self.memory_limited(at, pairs[at].1.1.memory_bytes, cx);
            }
        }
        Ok(restarting)
    }

    /// A running container has another limit of CPU now: what is left of its work goes faster, or slower.
    fn faster(&mut self, at: usize, (before, after): (i64, i64), cx: &mut Cx) {
        let program = cx.program(at);
        let slowdown = |limit: i64| program.slowdown(u64::try_from(limit).unwrap_or(0));
        let (old, new) = (slowdown(before), slowdown(after));
        let container = &mut self.containers[at];
        if let Some(exit) = container.exit.as_mut().filter(|exit| old != new && !container.killing && exit.reason != words::OOM_KILLED) {
            let left = exit.at.since(cx.now);
            exit.at = cx.now + stretched(stretched(left, (old.1, old.0)), new);
        }
    }

    /// A running container has this limit of memory now: when its program exceeds it.
    pub(super) fn memory_limited(&mut self, at: usize, limit: i64, cx: &mut Cx) {
        let Some(since) = self.containers[at].running_since().filter(|_| !self.containers[at].killing) else { return };
        let program = cx.program(at);
        let own = self.containers[at].exit.filter(|exit| exit.reason != words::OOM_KILLED);
        let own = own.or_else(|| self.own_exit(at, since, cx));
        let limit = u64::try_from(limit).ok().filter(|&limit| limit > 0);
        let killed = limit.and_then(|limit| program.memory_bytes.exceeds(limit, cx.now.since(since))).map(|after| since + after);
        self.containers[at].exit = match killed.filter(|&at| own.is_none_or(|own| at <= own.at)) {
            Some(at) => Some(Exit { at, code: 137, reason: words::OOM_KILLED }),
            None => own,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_restarts_for_what_its_policy_says() {
        let container = json!({"resizePolicy": [
            {"resourceName": "cpu", "restartPolicy": "NotRequired"}, {"resourceName": "memory", "restartPolicy": "RestartContainer"}]});
        assert!(restarts_for(&container, "memory") && !restarts_for(&container, "cpu"));
        assert!(!restarts_for(&json!({}), "memory"), "in place unless the policy says otherwise");
    }

    #[test]
    fn resources_are_written_as_the_original_marshals_them() {
        let container = json!({"name": "c", "resources": {"requests": {"memory": "1Gi", "cpu": "1"}, "limits": {"cpu": "2"}}});
        assert_eq!(resources(&container).to_string(), r#"{"limits":{"cpu":"2"},"requests":{"cpu":"1","memory":"1Gi"}}"#);
    }
}
