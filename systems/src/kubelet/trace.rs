//! A pod on its way through the seams of its kubelet, one line for each call: `wavetank run --trace kubelet`.
//!
//! A seam is where the original's kubelet hands over to another part, by an interface of its own. [`Seam`] names them, and says where in
//! this module the hand-over is.
//!
//! Source: kubernetes v1.36, `staging/src/k8s.io/cri-api/pkg/apis/services.go`, `pkg/kubelet/pleg/pleg.go`,
//! `pkg/kubelet/status/status_manager.go`, `pkg/kubelet/prober/prober_manager.go`; `spec/kubelet.md` §3–13.

use crate::kubelet::Cluster;
use crate::kubelet::pod_run::{Cx, PodRun};
use crate::kubelet::probes::{ProbeKind, Ticked};
use bevy_ecs::resource::Resource;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use wavetank_engine::ids::{ObjectKey, Uid};
use wavetank_engine::model::meta::ConditionStatus;
use wavetank_engine::model::pod::{ContainerState, PodStatus};
use wavetank_engine::model::pod_class::{Handler, PodClass};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::targets::glob;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// Where a kubelet hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seam {
    /// The sync loop and the pod workers: `HandlePodAdditions`, `SyncPod`, `SyncTerminatingPod`, `SyncTerminatedPod`, and hooks that are no
    /// `exec` (`mod.rs`, `start.rs`, `terminate.rs`).
    Kubelet,
    /// The volume manager: `WaitForAttachAndMount` (`mounts.rs`).
    Volumes,
    /// The container runtime interface: `RunPodSandbox`, `PullImage`, `CreateContainer`, `StartContainer`, `ExecSync`, `StopContainer`,
    /// `RemoveContainer`, `StopPodSandbox`, `RemovePodSandbox` (`start.rs`, `images.rs`, `hooks.rs`, `terminate.rs`).
    Cri,
    /// The network plugin, which the runtime calls for a sandbox: `ADD`, `DEL` (`start.rs`, `terminate.rs`).
    Cni,
    /// The pod lifecycle event generator: `ContainerStarted`, `ContainerDied` (`start.rs`, `pod_run.rs`).
    Pleg,
    /// The probe manager: results of probes that failed or changed something (`probing.rs`).
    Prober,
    /// The status manager: patches of the pod's status at the API server (`pod_run.rs`, `report`).
    Status,
}

impl Seam {
    /// Its name in a line.
    pub fn word(self) -> &'static str {
        match self {
            Seam::Kubelet => "kubelet",
            Seam::Volumes => "volumes",
            Seam::Cri => "cri",
            Seam::Cni => "cni",
            Seam::Pleg => "pleg",
            Seam::Prober => "prober",
            Seam::Status => "status",
        }
    }
}

/// Which pods are followed: `web`, `web-*`, `shop/web-*`; without a namespace in all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    namespace: Option<String>,
    name: String,
    /// A pod was meant by it.
    found: bool,
}

impl Follow {
    /// Reads `[NAMESPACE/]NAME`, with `*` for any text.
    pub fn of(text: &str) -> Follow {
        let (namespace, name) = text.split_once('/').map_or((None, text), |(namespace, name)| (Some(namespace.to_string()), name));
        Follow { namespace, name: name.to_string(), found: false }
    }

    fn matches(&self, namespace: &str, name: &str) -> bool {
        self.namespace.as_ref().is_none_or(|own| glob(own, namespace)) && glob(&self.name, name)
    }
}

/// One call through a seam.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When.
    pub at: SimTime,
    /// The pod: `pod/name`, or `pod/namespace/name` outside the namespace `default`.
    pub pod: String,
    uid: Uid,
    /// Through which seam.
    pub seam: Seam,
    /// The call, in the original's word.
    pub call: &'static str,
    container: Sym,
    /// What with, and what came of it.
    pub detail: String,
}

impl Call {
    /// The line: time, pod, seam, call, detail.
    pub fn text(&self) -> String {
        let line = format!("{}  {:<32} {:<8} {:<22} {}", self.at.clock(), self.pod, self.seam.word(), self.call, self.detail);
        line.trim_end().to_string()
    }
}

/// What pods do at the seams of their kubelets, while somebody follows them. ECS resource; no part of the world, not in checkpoints.
#[derive(Debug, Default, Resource)]
pub struct Trace {
    follows: Vec<Follow>,
    calls: Vec<Call>,
    /// Pods that are followed and on a node.
    keys: BTreeMap<Uid, ObjectKey>,
}

impl Trace {
    /// Follows these pods from now on.
    pub fn follow(&mut self, pods: Vec<Follow>) {
        self.follows = pods;
    }

    /// Whether anybody is followed.
    pub(super) fn any(&self) -> bool {
        !self.follows.is_empty()
    }

    /// Of those to be followed, the ones that no pod on a node was meant by, as they were written.
    pub fn nobody(&self) -> Vec<String> {
        let text = |follow: &Follow| follow.namespace.as_ref().map_or(follow.name.clone(), |own| format!("{own}/{}", follow.name));
        self.follows.iter().filter(|follow| !follow.found).map(text).collect()
    }

    /// Takes the calls up to a time, in the order of their times.
    pub fn take(&mut self, until: SimTime) -> Vec<Call> {
        let (mut past, ahead): (Vec<Call>, Vec<Call>) = std::mem::take(&mut self.calls).into_iter().partition(|call| call.at <= until);
        self.calls = ahead;
        past.sort_by_key(|call| call.at);
        past
    }

    /// The pod's name in lines; `None`: nobody follows it.
    fn name(&mut self, names: &Names, uid: Uid, key: ObjectKey) -> Option<String> {
        if self.follows.is_empty() {
            return None;
        }
        let (namespace, name) = (names.text(key.namespace), names.render(key.name));
        let mut followed = self.follows.iter_mut().filter(|follow| follow.matches(namespace, &name)).peekable();
        followed.peek()?;
        followed.for_each(|follow| follow.found = true);
        self.keys.insert(uid, key);
        Some(if namespace == "default" { format!("pod/{name}") } else { format!("pod/{namespace}/{name}") })
    }

    /// Forgets what was to come of a container that has ended, or is stopped in another way.
    fn recall(&mut self, now: SimTime, uid: Uid, container: Sym) {
        self.calls.retain(|call| call.at <= now || call.uid != uid || call.container != container);
    }
}

impl Cluster<'_, '_> {
    /// Notes a call of the kubelet's own, if somebody follows the pod.
    pub(super) fn cross(
        &mut self,
        (at, uid, key): (SimTime, Uid, ObjectKey),
        (seam, call): (Seam, &'static str),
        say: impl FnOnce(&Self) -> String,
    ) {
        let Some(pod) = self.trace.name(&self.names, uid, key) else { return };
        let detail = say(self);
        self.trace.calls.push(Call { at, pod, uid, seam, call, container: Sym::EMPTY, detail });
    }

    /// Notes that a pod's containers and sandbox are removed from its node.
    ///
    /// Choice: the original's collectors come by within a minute; ours when the pod is gone.
    pub(super) fn cross_removal(&mut self, now: SimTime, run: &PodRun) {
        let Some(key) = self.trace.keys.remove(&run.object.uid).filter(|_| run.had_sandbox) else { return };
        let class = self.classes.get(run.class);
        let specs = class.init_containers.iter().chain(&class.containers);
        let gone = specs.zip(&run.containers).filter(|(_, container)| container.starts > 0);
        let gone: Vec<(Sym, bool)> = gone.map(|(spec, container)| (spec.name, container.running_since().is_some())).collect();
        let host_network = class.host_network;
        let of = (now, run.object.uid, key);
        let names: Vec<String> = gone.iter().map(|&(name, _)| self.names.text(name).to_string()).collect();
        let mut say = |call: (Seam, &'static str), detail: String| self.cross(of, call, |_| detail);
        for (name, _) in names.iter().zip(&gone).filter(|(_, gone)| gone.1) {
            say((Seam::Cri, "StopContainer"), name.clone());
        }
        if run.sandbox {
            say((Seam::Cri, "StopPodSandbox"), String::new());
            if !host_network {
                say((Seam::Cni, "DEL"), Ipv4Addr::from(run.ip).to_string());
            }
        }
        for name in names {
            say((Seam::Cri, "RemoveContainer"), name);
        }
        say((Seam::Cri, "RemovePodSandbox"), String::new());
        self.trace.keys.remove(&run.object.uid);
    }
}

impl Cx<'_> {
    /// Notes a call at a time, about a container or not.
    fn cross_at(
        &mut self,
        at: SimTime,
        uid: Uid,
        seam: Seam,
        call: &'static str,
        container: Option<usize>,
        say: impl FnOnce(&Self) -> String,
    ) {
        let Some(pod) = self.trace.name(self.names, uid, self.key) else { return };
        let container = container.map_or(Sym::EMPTY, |at| self.container(at).name);
        let said = say(self);
        let name = self.names.text(container);
        let detail = if name.is_empty() || said.is_empty() { format!("{name}{said}") } else { format!("{name}: {said}") };
        self.trace.calls.push(Call { at, pod, uid, seam, call, container, detail });
    }
}

impl PodRun {
    /// Notes a call about the pod.
    pub(super) fn cross(&self, cx: &mut Cx, seam: Seam, call: &'static str, say: impl FnOnce(&Cx) -> String) {
        cx.cross_at(cx.now, self.object.uid, seam, call, None, |cx| say(cx));
    }

    /// Notes a call about a container.
    pub(super) fn cross_container(&self, at: usize, cx: &mut Cx, seam: Seam, call: &'static str, say: impl FnOnce(&Cx) -> String) {
        cx.cross_at(cx.now, self.object.uid, seam, call, Some(at), |cx| say(cx));
    }

    /// The sandbox is there, and the network plugin has given it an address.
    pub(super) fn cross_sandbox(&self, cx: &mut Cx) {
        let ip = self.ip;
        if !cx.class.host_network {
            self.cross(cx, Seam::Cni, "ADD", |_| Ipv4Addr::from(ip).to_string());
        }
        self.cross(cx, Seam::Pleg, "ContainerStarted", |_| "sandbox".to_string());
    }

    /// The sandbox goes.
    pub(super) fn cross_sandbox_stop(&self, cx: &mut Cx) {
        self.cross(cx, Seam::Cri, "StopPodSandbox", |_| String::new());
        if !cx.class.host_network {
            let ip = self.ip;
            self.cross(cx, Seam::Cni, "DEL", |_| Ipv4Addr::from(ip).to_string());
        }
        self.cross(cx, Seam::Pleg, "ContainerDied", |_| "sandbox".to_string());
    }

    /// A container has ended. The kubelet keeps one dead container of each, and removes those before.
    pub(super) fn cross_end(&self, at: usize, code: i32, reason: Sym, cx: &mut Cx) {
        cx.trace.recall(cx.now, self.object.uid, cx.container(at).name);
        self.cross_container(at, cx, Seam::Pleg, "ContainerDied", |cx| format!("exit code {code}, {}", cx.names.text(reason)));
        if self.containers[at].starts > 1 {
            self.cross_container(at, cx, Seam::Cri, "RemoveContainer", |_| "the one before".to_string());
        }
    }

    /// A hook begins: an `exec` is a call of the runtime's, the others the kubelet makes itself.
    pub(super) fn cross_hook(&self, at: usize, hook: Option<Handler>, which: &'static str, cx: &mut Cx) {
        let Some(hook) = hook else { return };
        let (seam, call) = match hook {
            Handler::Exec(_) => (Seam::Cri, "ExecSync"),
            Handler::Http { .. } | Handler::Tcp(_) | Handler::Grpc(_) => (Seam::Kubelet, "httpGet"),
            Handler::Sleep(_) => (Seam::Kubelet, "sleep"),
        };
        self.cross_container(at, cx, seam, call, |cx| match hook {
            Handler::Exec(command) => format!("{which} [{}]", cx.names.text(command)),
            _ => which.to_string(),
        });
    }

    /// A container is stopped: its preStop hook first, then TERM with what is left of the grace.
    pub(super) fn cross_stop(&self, at: usize, pre_stop: SimDuration, grace_s: u32, term_at: SimTime, cx: &mut Cx) {
        if !cx.trace.any() {
            return;
        }
        cx.trace.recall(cx.now, self.object.uid, cx.container(at).name);
        if pre_stop > SimDuration::ZERO {
            self.cross_hook(at, cx.container(at).pre_stop, "preStop", cx);
        }
        cx.cross_at(term_at.max(cx.now), self.object.uid, Seam::Cri, "StopContainer", Some(at), |_| format!("grace {grace_s}s"));
    }

    /// The status manager tells the API server.
    pub(super) fn cross_report(&self, status: &PodStatus, cx: &mut Cx) {
        self.cross(cx, Seam::Status, "patch", |cx| {
            let words = status_words(cx.names, cx.class, status);
            if cx.cut_off { format!("not heard, the node is cut off: {words}") } else { words }
        });
    }

    /// A probe has failed, or its result is another now.
    pub(super) fn cross_probe(&self, at: usize, kind: ProbeKind, (exec, ticked): (bool, Ticked), output: &str, cx: &mut Cx) {
        let call = match kind {
            ProbeKind::Startup => "startup",
            ProbeKind::Liveness => "liveness",
            ProbeKind::Readiness => "readiness",
        };
        if exec {
            self.cross_container(at, cx, Seam::Cri, "ExecSync", |_| format!("{call} probe"));
        }
        self.cross_container(at, cx, Seam::Prober, call, |_| match (ticked.failure.is_some(), ticked.changed) {
            (true, true) => format!("{output}; the result is Failure now").trim_start_matches("; ").to_string(),
            (true, false) => format!("{output}; not often enough in a row to count").trim_start_matches("; ").to_string(),
            (false, _) => "the result is Success now".to_string(),
        });
    }
}

/// A status in a line: the phase, whether the pod is ready, and each container.
fn status_words(names: &Names, class: &PodClass, status: &PodStatus) -> String {
    let ready = status.conditions.iter().any(|c| c.kind == words::READY && c.status == ConditionStatus::True);
    let mut line = status.phase.text().to_string();
    if !status.reason.is_empty() {
        line += &format!(" ({})", names.text(status.reason));
    }
    line += if ready { ", ready" } else { ", not ready" };
    let specs = class.init_containers.iter().chain(&class.containers);
    for (spec, container) in specs.zip(status.init_containers.iter().chain(&status.containers)) {
        let state = match container.state {
            ContainerState::Waiting { reason, .. } => names.text(reason).to_string(),
            ContainerState::Running { .. } if container.ready => "running, ready".to_string(),
            ContainerState::Running { .. } => "running".to_string(),
            ContainerState::Terminated(end) => format!("{} {}", names.text(end.reason), end.exit_code),
        };
        line += &format!("; {}: {state}", names.text(spec.name));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_followed_by_name_and_namespace() {
        for (text, namespace, name, want) in [
            ("web", "default", "web", true),
            ("web", "shop", "web", true),
            ("web", "default", "web-1", false),
            ("web-*", "default", "web-1", true),
            ("shop/web", "shop", "web", true),
            ("shop/web", "default", "web", false),
            ("*/web", "default", "web", true),
            ("shop/*", "shop", "anything", true),
        ] {
            assert_eq!(Follow::of(text).matches(namespace, name), want, "{text} {namespace}/{name}");
        }
    }

    #[test]
    fn calls_come_in_the_order_of_their_times_and_those_to_come_wait() {
        let call = |s: u64, container: u32| Call {
            at: SimTime::from_secs(s),
            pod: "pod/web".to_string(),
            uid: Uid::default(),
            seam: Seam::Cri,
            call: "StopContainer",
            container: Sym(container),
            detail: String::new(),
        };
        let mut trace =
            Trace { follows: Vec::new(), keys: BTreeMap::new(), calls: vec![call(9, 7), call(3, 8), call(5, 7), call(1, 8), call(9, 8)] };
        let times = |calls: Vec<Call>| calls.iter().map(|call| call.at.0 / 1_000_000_000).collect::<Vec<_>>();
        assert_eq!(times(trace.take(SimTime::from_secs(4))), [1, 3]);
        trace.recall(SimTime::from_secs(5), Uid::default(), Sym(7));
        assert_eq!(times(trace.take(SimTime::from_secs(20))), [5, 9]);
    }
}
