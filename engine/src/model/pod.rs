//! Pods: placement and status. What a pod wants stands in its class ([`crate::model::pod_class`]).

use crate::model::meta::{Condition, condition_true};
use crate::model::pod_class::ClassId;
use crate::names::Sym;
use crate::time::SimTime;
use crate::words;
use serde::{Deserialize, Serialize};

/// `spec` of a pod: its class and what is its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pod {
    /// The shared spec.
    pub class: ClassId,
    /// `spec.nodeName`; empty while not bound.
    pub node: Sym,
}

/// `status.phase`. The order is the ReplicaSet controller's: first to be deleted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum PodPhase {
    Pending,
    Unknown,
    Running,
    Succeeded,
    Failed,
}

impl PodPhase {
    /// The API's word.
    pub const fn text(self) -> &'static str {
        match self {
            PodPhase::Pending => "Pending",
            PodPhase::Unknown => "Unknown",
            PodPhase::Running => "Running",
            PodPhase::Succeeded => "Succeeded",
            PodPhase::Failed => "Failed",
        }
    }

    /// Whether the pod has ended for good.
    pub const fn terminal(self) -> bool {
        matches!(self, PodPhase::Succeeded | PodPhase::Failed)
    }
}

/// `status` of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodStatus {
    /// `phase`.
    pub phase: PodPhase,
    /// `reason`, such as `Evicted`.
    pub reason: Sym,
    /// `message`.
    pub message: Sym,
    /// `nominatedNodeName`.
    pub nominated_node: Sym,
    /// `startTime`: when the kubelet first saw the pod.
    pub start_at: Option<SimTime>,
    /// `podIP` as a big-endian number; 0 while there is none.
    pub pod_ip: u32,
    /// `conditions`.
    pub conditions: Vec<Condition>,
    /// `initContainerStatuses`, in the order of the spec; empty before the kubelet's first report.
    pub init_containers: Vec<ContainerStatus>,
    /// `containerStatuses`, in the order of the spec; empty before the kubelet's first report.
    pub containers: Vec<ContainerStatus>,
}

impl Default for PodStatus {
    fn default() -> PodStatus {
        PodStatus {
            phase: PodPhase::Pending,
            reason: Sym::EMPTY,
            message: Sym::EMPTY,
            nominated_node: Sym::EMPTY,
            start_at: None,
            pod_ip: 0,
            conditions: Vec::new(),
            init_containers: Vec::new(),
            containers: Vec::new(),
        }
    }
}

impl PodStatus {
    /// Whether the Ready condition is True.
    pub fn ready(&self) -> bool {
        condition_true(&self.conditions, words::READY)
    }
}

/// Resources of a pod that was resized in place, each as the class that has them. Pods that never were have none of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodAllocation {
    /// What its spec asks for.
    pub desired: ClassId,
    /// What its kubelet has set aside: `allocatedResources`.
    pub allocated: ClassId,
    /// What its containers have: `resources` of the status.
    pub actual: ClassId,
    /// The most of all three, container by container: what the scheduler counts.
    pub counted: ClassId,
}

impl PodAllocation {
    /// A pod that was never resized.
    pub fn of(class: ClassId) -> PodAllocation {
        PodAllocation { desired: class, allocated: class, actual: class, counted: class }
    }
}

/// One entry of `containerStatuses`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// `state`.
    pub state: ContainerState,
    /// `lastState.terminated`.
    pub last: Option<Terminated>,
    /// `restartCount`.
    pub restarts: u32,
    /// `ready`.
    pub ready: bool,
    /// `started`.
    pub started: bool,
}

/// `state` of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContainerState {
    /// Not running yet or not again.
    Waiting {
        /// `reason`, such as `ContainerCreating`.
        reason: Sym,
        /// `message`.
        message: Sym,
    },
    /// Running since.
    Running {
        /// `startedAt`.
        since: SimTime,
    },
    /// Ended.
    Terminated(Terminated),
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Terminated {
    /// `exitCode`.
    pub exit_code: i32,
    /// `reason`, such as `Completed`.
    pub reason: Sym,
    /// `startedAt`.
    pub started_at: SimTime,
    /// `finishedAt`.
    pub finished_at: SimTime,
}
