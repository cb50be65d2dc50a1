//! A pod on its kubelet: private state, and the step that brings it up to a moment.
//!
//! [`PodRun::step`] is a state machine without clock or store: it takes the moment and what the kubelet knows ([`Cx`]) and leaves what is
//! to be reported, what is to be said as events, and when it must be looked at again ([`Out`]).

use crate::kubelet::mounts::Waits;
use crate::kubelet::needs::Lacks;
use crate::kubelet::node_run::NodeRun;
use crate::kubelet::phase::restarts;
use crate::kubelet::probes::Worker;
use crate::kubelet::resize::Resize;
use crate::kubelet::texts::Texts;
use crate::kubelet::trace::Trace;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::sync::Arc;
use wavetank_engine::ids::{ObjRef, ObjectKey};
use wavetank_engine::model::meta::Condition;
use wavetank_engine::model::pod::{PodStatus, Terminated};
use wavetank_engine::model::pod_class::{ClassId, Container, PodClass, RestartPolicy};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Arg;
use wavetank_engine::scene::program::{Program, Programs};
use wavetank_engine::simulation::latency::LatencyTable;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// Where a pod's worker stands. Source: `spec/kubelet.md` §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It sets the pod up and keeps it up.
    Syncing,
    /// It stops the containers.
    Terminating,
    /// Everything has stopped; the last status is on its way or stored.
    Finished,
}

/// What a pod's worker is doing, one thing at a time. The number is a container's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Op {
    Admit,
    /// A volume could not be mounted; until it is tried again.
    Mount,
    Sandbox,
    Pull(u16),
    Create(u16),
    PostStart(u16),
    /// Its postStart hook has failed; it is being killed.
    Unhook(u16),
}

/// Something that takes the worker until a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// What.
    pub op: Op,
    /// Since when.
    pub since: SimTime,
    /// Until when.
    pub until: SimTime,
    /// When a pull left the node's queue.
    pub began_at: SimTime,
}

/// State of a container's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Process {
    Waiting { reason: Sym, message: Sym },
    Running { since: SimTime },
    Ended(Terminated),
}

/// When and how a container will end if nothing comes in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// When.
    pub at: SimTime,
    /// Exit code.
    pub code: i32,
    /// `reason`, such as `Completed`.
    pub reason: Sym,
}

/// A doubling delay and when it was last raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackOff {
    /// The delay now.
    pub delay: SimDuration,
    /// When it was set.
    pub updated_at: SimTime,
}

/// What only some containers have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct More {
    /// Crash-loop back-off.
    pub crash: Option<BackOff>,
    /// Image pull back-off.
    pub image: Option<BackOff>,
    /// Probe workers.
    pub workers: Vec<Worker>,
    /// When its preStop hook returns that fails.
    pub pre_stop_fails_at: Option<SimTime>,
}

/// A container on its kubelet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerRun {
    /// Its process.
    pub process: Process,
    /// How it ended before. In a box, as everything is that few of a million containers have.
    pub last: Option<Box<Terminated>>,
    /// How often it was started.
    pub starts: u32,
    /// When it will end.
    pub exit: Option<Exit>,
    /// It is not started again before this time.
    pub retry_at: Option<SimTime>,
    /// `started`.
    pub started: bool,
    /// `ready`.
    pub ready: bool,
    /// Its image is on the node for the next start.
    pub image_ready: bool,
    /// Its postStart hook has not returned.
    pub post_start: bool,
    /// Its worker has not come to the end of the sync that started it: until then nobody is told.
    pub hidden: bool,
    /// It is being stopped.
    pub killing: bool,
    /// It is started again whatever its restart policy says.
    pub forced: bool,
    /// What only some containers have.
    pub more: Option<Box<More>>,
}

impl ContainerRun {
    /// A container that never ran.
    pub fn waiting(reason: Sym) -> ContainerRun {
        ContainerRun {
            process: Process::Waiting { reason, message: Sym::EMPTY },
            last: None,
            starts: 0,
            exit: None,
            retry_at: None,
            started: false,
            ready: false,
            image_ready: false,
            post_start: false,
            hidden: false,
            killing: false,
            forced: false,
            more: None,
        }
    }

    /// Since when it runs.
    pub fn running_since(&self) -> Option<SimTime> {
        match self.process {
            Process::Running { since } => Some(since),
            Process::Waiting { .. } | Process::Ended(_) => None,
        }
    }

    /// How it ended last, unless it runs.
    pub fn ended(&self) -> Option<Terminated> {
        match self.process {
            Process::Running { .. } => None,
            Process::Ended(end) => Some(end),
            Process::Waiting { .. } => self.last.as_deref().copied(),
        }
    }

    /// What only some containers have, made if missing.
    pub fn more(&mut self) -> &mut More {
        self.more.get_or_insert_with(Box::default)
    }
}

/// How and why a pod ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// When its worker begins to stop it.
    pub begins_at: SimTime,
    /// Whether it has begun.
    pub begun: bool,
    /// Grace for its containers.
    pub grace_s: u32,
    /// `reason` and `message` of a pod that is failed whatever its containers say.
    pub failure: Option<(Sym, Sym)>,
}

/// A pod on its kubelet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRun {
    /// The pod.
    pub object: ObjRef,
    /// Its spec.
    pub class: ClassId,
    /// Number of its node.
    pub node: u32,
    /// Its address; 0 while it has none.
    pub ip: u32,
    /// When the kubelet began with it: `startTime`, and the beginning of its probes' ticks.
    pub seen_at: SimTime,
    /// Where its worker stands.
    pub stage: Stage,
    /// Whether what it requests counts on its node.
    pub counted: bool,
    /// Whether its sandbox is there.
    pub sandbox: bool,
    /// Whether a sandbox was there before.
    pub had_sandbox: bool,
    /// Whether its worker is in the middle of a sync.
    pub in_sync: bool,
    /// Whether something that can be seen has changed since the last report.
    pub dirty: bool,
    /// Whether its last status has been reported.
    pub reported_end: bool,
    /// All its containers are being removed, to start over.
    pub restarting_all: bool,
    /// What its worker is doing.
    pub busy: Option<Box<Busy>>,
    /// How many of `containers` are init containers.
    pub init: u16,
    /// Init containers, then app containers, in the order of the spec.
    pub containers: SmallVec<[ContainerRun; 1]>,
    /// Its end.
    pub ending: Option<Box<Ending>>,
}

/// An event to be reported.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note {
    /// `type` is Warning.
    pub warning: bool,
    /// `reason`.
    pub reason: Sym,
    /// Words of the message.
    pub words: Sym,
    /// Their arguments.
    pub args: SmallVec<[Arg; 2]>,
}

/// What a step leaves.
#[derive(Debug, Default)]
pub(crate) struct Out {
    /// Statuses to report, in order.
    pub reports: SmallVec<[PodStatus; 1]>,
    /// Events to report, in order.
    pub notes: SmallVec<[Note; 4]>,
}

/// What a kubelet knows in a step.
pub(crate) struct Cx<'a> {
    /// The moment.
    pub now: SimTime,
    /// The pod's spec.
    pub class: &'a PodClass,
    /// Number of the spec.
    pub class_id: ClassId,
    /// What containers do.
    pub programs: &'a mut Programs,
    /// How long the pod's containers run before they exit with 0, where a trace says so.
    pub runs_for: Option<SimDuration>,
    /// Interned texts.
    pub names: &'a mut Names,
    /// The kubelet's words.
    pub texts: &'a Texts,
    /// How long things take.
    pub latency: &'a LatencyTable,
    /// The node.
    pub node: &'a mut NodeRun,
    /// Key of the pod.
    pub key: ObjectKey,
    /// Seed and creation time, from which the pod's `uid` text follows.
    pub identity: (u64, SimTime),
    /// Readiness gates of the pod.
    pub gates: &'a [Sym],
    /// The conditions stored at the API server.
    pub stored: &'a [Condition],
    /// Whether every tick of every probe runs.
    pub every_tick: bool,
    /// What of the pod's needs is not there.
    pub lacks: Lacks,
    /// Pods that wait for volumes.
    pub waits: &'a mut Waits,
    /// Its resize, if it has one.
    pub resize: Option<&'a Resize>,
    /// The class of which its containers have the resources, if that is not its spec's.
    pub allocated: Option<&'a PodClass>,
    /// Who is followed through the seams.
    pub trace: &'a mut Trace,
    /// The API server does not hear it; known only while somebody is followed.
    pub cut_off: bool,
    /// What the step leaves.
    pub out: Out,
}

impl Cx<'_> {
    /// Reports an event.
    pub(crate) fn note(&mut self, warning: bool, reason: Sym, words: Sym, args: &[Arg]) {
        self.out.notes.push(Note { warning, reason, words, args: SmallVec::from_slice(args) });
    }

    /// The container at a place among init and app containers.
    pub(crate) fn container(&self, at: usize) -> &Container {
        let init = self.class.init_containers.len();
        if at < init { &self.class.init_containers[at] } else { &self.class.containers[at - init] }
    }

    /// How much memory the container at a place may use; 0 for any amount. Unit: bytes.
    pub(crate) fn memory_limit(&self, at: usize) -> i64 {
        let class = self.allocated.unwrap_or(self.class);
        class.init_containers.iter().chain(&class.containers).nth(at).map_or(0, |container| container.limits.memory_bytes)
    }

    /// What the container at a place does.
    pub(crate) fn program(&mut self, at: usize) -> Arc<Program> {
        let init = self.class.init_containers.len();
        let (is_init, index) = if at < init { (true, at) } else { (false, at - init) };
        self.programs.of(self.names, self.class_id, self.class, is_init, index)
    }

    /// Whether the container at a place is started again after an exit code.
    pub(crate) fn restarts(&self, at: usize, exit_code: i32) -> bool {
        let init = self.class.init_containers.len();
        if self.container(at).rule_for(exit_code).is_some() {
            return true;
        }
        let own = self.container(at).restart_policy;
        // An init container of a pod that restarts its containers always is tried again until it ends well.
        let pod = match self.class.restart_policy {
            RestartPolicy::Always if at < init && own.is_none() => RestartPolicy::OnFailure,
            policy => policy,
        };
        restarts(own, pod, exit_code)
    }
}

impl PodRun {
    /// A pod that its kubelet has just heard of.
    pub fn new(object: ObjRef, class_id: ClassId, class: &PodClass, node: u32, now: SimTime) -> PodRun {
        let init = class.init_containers.len();
        let reason = if init > 0 { words::POD_INITIALIZING } else { words::CONTAINER_CREATING };
        let containers = (0..init + class.containers.len()).map(|_| ContainerRun::waiting(reason)).collect();
        PodRun {
            object,
            class: class_id,
            node,
            ip: 0,
            seen_at: now,
            stage: Stage::Syncing,
            counted: false,
            sandbox: false,
            had_sandbox: false,
            in_sync: false,
            dirty: true,
            reported_end: false,
            restarting_all: false,
            busy: None,
            init: init as u16,
            containers,
            ending: None,
        }
    }

    /// Brings the pod up to the moment: what is due happens, in its order, until nothing more follows.
    pub(crate) fn step(&mut self, cx: &mut Cx) {
        loop {
            self.deadline_exceeded(cx);
            self.run_probes(cx);
            self.fail_pre_stops(cx);
            let ended = self.end_containers(cx);
            let moved = match self.stage {
                Stage::Syncing => self.sync(cx),
                Stage::Terminating => self.terminate(cx),
                Stage::Finished => false,
            };
            if !ended && !moved {
                break;
            }
        }
        if self.busy.is_none() {
            self.report(cx);
        }
    }

    /// Reports the pod's status if something that can be seen has changed.
    pub(crate) fn report(&mut self, cx: &mut Cx) {
        if std::mem::take(&mut self.dirty) {
            let status = self.status(cx);
            self.cross_report(&status, cx);
            cx.out.reports.push(status);
        }
    }

    /// Whether an app container of it has ever run.
    pub fn initialized(&self) -> bool {
        self.containers[self.init as usize..].iter().any(|container| container.starts > 0)
    }

    /// Ends the containers whose time has come. Whether any did.
    pub(super) fn end_containers(&mut self, cx: &mut Cx) -> bool {
        let mut any = false;
        for at in 0..self.containers.len() {
            let container = &mut self.containers[at];
            let (Process::Running { since }, Some(exit)) = (container.process, container.exit) else { continue };
            if exit.at > cx.now {
                continue;
            }
            let end = Terminated { exit_code: exit.code, reason: exit.reason, started_at: since, finished_at: exit.at };
            container.process = Process::Ended(end);
            container.exit = None;
            (container.started, container.ready, container.killing, container.post_start) = (false, false, false, false);
            any = true;
            self.cross_end(at, exit.code, exit.reason, cx);
        }
        // While a pod is being stopped its worker waits for all containers before it reports.
        self.dirty |= any && self.stage == Stage::Syncing;
        any
    }

    /// When the pod must be looked at again if nothing disturbs; `None`: never.
    pub(crate) fn next(&self, cx: &mut Cx) -> Option<SimTime> {
        if self.stage == Stage::Finished {
            return None;
        }
        let now = cx.now;
        // What a worker was doing when its pod's end was asked for is broken off, whenever it would have been done.
        let mut next = self.busy.as_ref().filter(|_| self.stage == Stage::Syncing).map(|busy| busy.until);
        let mut sooner = |at: Option<SimTime>| {
            if let Some(at) = at.filter(|&at| at > now) {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        };
        if let Some(ending) = self.ending.as_ref().filter(|ending| !ending.begun) {
            sooner(Some(ending.begins_at));
        }
        for container in &self.containers {
            sooner(container.more.as_ref().and_then(|more| more.pre_stop_fails_at));
            if container.running_since().is_some() {
                sooner(container.exit.map(|exit| exit.at));
            } else if self.stage == Stage::Syncing {
                sooner(container.retry_at);
            }
        }
        if self.stage == Stage::Syncing && cx.class.active_deadline.is_some() {
            sooner(self.deadline(cx));
        }
        sooner(self.next_probe(cx));
        next
    }
}
