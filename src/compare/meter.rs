//! A run measured on its way: how long how many pods were pending, ready and bound, and what workloads wanted.
//!
//! The journal says which objects an instant has touched; only those are looked at again. Sums are whole numbers, so that the order of
//! adding makes no difference.

use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::api::objects::Objects;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::node::NodeStatus;
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::resources::Resources;
use wavetank_engine::model::revisioned::{DaemonSetStatus, StatefulSet, StatefulSetStatus};
use wavetank_engine::model::workload::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetStatus};
use wavetank_engine::record::collect::summary;
use wavetank_engine::record::journal::Journal;
use wavetank_engine::scene::run::Run;
use wavetank_engine::scene::targets::Target;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::time::SimTime;

/// What an object counts for at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Share {
    pending: i128,
    ready: i128,
    /// CPU in milli-cores and memory in bytes that pods on nodes request.
    requested: [i128; 2],
    /// The same that nodes can give.
    allocatable: [i128; 2],
    nodes: i128,
    /// Pods that workloads want, and of these the ready ones.
    wanted: i128,
    served: i128,
}

impl Share {
    /// Adds the other one, `times` over.
    fn add(&mut self, other: &Share, times: i128) {
        let pairs = |a: [i128; 2], b: [i128; 2]| [a[0] + b[0] * times, a[1] + b[1] * times];
        *self = Share {
            pending: self.pending + other.pending * times,
            ready: self.ready + other.ready * times,
            requested: pairs(self.requested, other.requested),
            allocatable: pairs(self.allocatable, other.allocatable),
            nodes: self.nodes + other.nodes * times,
            wanted: self.wanted + other.wanted * times,
            served: self.served + other.served * times,
        };
    }
}

/// Adds up what objects count for over time.
#[derive(Debug, Default)]
pub struct Meter {
    at: SimTime,
    /// Lines of the journal that were looked at.
    read: usize,
    shares: BTreeMap<String, Share>,
    now: Share,
    /// Sums over time. Unit: of each share, times nanoseconds.
    total: Share,
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Pods without a node, over time.
    pub pending_pod_s: f64,
    /// Pods that were Ready, over time.
    pub ready_pod_s: f64,
    /// Nodes, over time.
    pub node_s: f64,
    /// The longest wait of a pod that found no node at first.
    pub wait_s_max: f64,
    /// Pods that workloads wanted and had ready, over time.
    pub wanted_pod_s: [f64; 2],
    /// CPU and memory: what nodes could give and what was requested, over time.
    pub resources: [[f64; 2]; 2],
    /// Pods evicted.
    pub evictions: u64,
    /// Container restarts.
    pub restarts: u64,
    /// Pods created.
    pub pods_created: u64,
    /// Pods gone.
    pub pods_deleted: u64,
    /// Expectations of the scene that were missed.
    pub expectations_missed: u64,
    /// Digest of the run.
    pub digest: String,
}

impl Outcome {
    /// Ready pods as a share of those that workloads want, over time; `None`: none wants any. Unit: percent.
    pub fn availability(&self) -> Option<f64> {
        percent(self.wanted_pod_s)
    }

    /// What pods request as a share of what nodes can give, over time, of CPU (0) or memory (1). Unit: percent.
    pub fn requested(&self, resource: usize) -> Option<f64> {
        percent(self.resources[resource])
    }
}

fn percent([all, part]: [f64; 2]) -> Option<f64> {
    (all > 0.0).then(|| part / all * 100.0)
}

impl Meter {
    /// Looks at the present instant.
    pub fn look(&mut self, sim: &Simulation) {
        self.pass(sim.now());
        let lines = sim.get::<Journal>().lines();
        let touched: BTreeSet<&str> = lines[self.read.min(lines.len())..].iter().map(|line| line.object.as_str()).collect();
        self.read = lines.len();
        for object in touched {
            let share = Target::parse(object).and_then(|target| share_of(sim, &target));
            let before = match share {
                Some(share) if share != Share::default() => self.shares.insert(object.to_string(), share),
                _ => self.shares.remove(object),
            };
            self.now.add(&before.unwrap_or_default(), -1);
            self.now.add(&share.unwrap_or_default(), 1);
        }
    }

    /// The journal's lines were taken away.
    pub fn taken(&mut self) {
        self.read = 0;
    }

    /// Lets time pass.
    pub fn pass(&mut self, until: SimTime) {
        let passed = i128::from(until.since(self.at).0);
        self.total.add(&self.now.clone(), passed);
        self.at = self.at.max(until);
    }

    /// What came of the run.
    pub fn outcome(&self, run: &Run) -> Outcome {
        let seconds = |sum: i128| sum as f64 / 1e9;
        let summary = summary(run);
        let total = &self.total;
        Outcome {
            pending_pod_s: seconds(total.pending),
            ready_pod_s: seconds(total.ready),
            node_s: seconds(total.nodes),
            wait_s_max: summary.waited.virtual_s_max,
            wanted_pod_s: [seconds(total.wanted), seconds(total.served)],
            resources: [0, 1].map(|at| [seconds(total.allocatable[at]), seconds(total.requested[at])]),
            evictions: summary.evictions,
            restarts: summary.restarts,
            pods_created: summary.pods.created,
            pods_deleted: summary.pods.deleted,
            expectations_missed: summary.expectations.missed.len() as u64,
            digest: summary.digest,
        }
    }
}

fn pair(resources: &Resources) -> [i128; 2] {
    [i128::from(resources.cpu_millicores), i128::from(resources.memory_bytes)]
}

/// What an object counts for now; `None` when it is gone, or counts for nothing ever.
fn share_of(sim: &Simulation, target: &Target) -> Option<Share> {
    let counts = ["pod", "node", "deployment", "replicaset", "replicationcontroller", "statefulset", "daemonset"];
    if !counts.contains(&target.kind.as_str()) {
        return None;
    }
    let object = *target.find(sim).first()?;
    let row = sim.get::<Objects>().row(object)?;
    match row.key.kind {
        Kind::Pod => Some(pod(sim, object)?),
        Kind::Node => {
            let status = sim.state::<NodeStatus>(object)?;
            Some(Share { nodes: 1, allocatable: pair(&status.allocatable), ..Share::default() })
        }
        Kind::Deployment => Some(workload(sim.state::<Deployment>(object)?.replicas, sim.state::<DeploymentStatus>(object)?.ready)),
        // Sets of a Deployment are its means.
        Kind::ReplicaSet | Kind::ReplicationController if row.controller.0 == 0 => {
            Some(workload(sim.state::<ReplicaSet>(object)?.replicas, sim.state::<ReplicaSetStatus>(object)?.ready))
        }
        Kind::StatefulSet => Some(workload(sim.state::<StatefulSet>(object)?.replicas, sim.state::<StatefulSetStatus>(object)?.ready)),
        Kind::DaemonSet => {
            let status = sim.state::<DaemonSetStatus>(object)?;
            Some(workload(status.desired, status.ready))
        }
        _ => None,
    }
}

fn pod(sim: &Simulation, object: ObjRef) -> Option<Share> {
    let (pod, status) = (sim.state::<Pod>(object)?, sim.state::<PodStatus>(object)?);
    if status.phase.terminal() {
        return None;
    }
    let placed = !pod.node.is_empty();
    let requested = if placed { pair(&sim.get::<Classes>().get(pod.class).requests) } else { [0, 0] };
    Some(Share { pending: i128::from(!placed), ready: i128::from(status.ready()), requested, ..Share::default() })
}

fn workload(wanted: i32, ready: i32) -> Share {
    let (wanted, ready) = (i128::from(wanted.max(0)), i128::from(ready.max(0)));
    Share { wanted, served: ready.min(wanted), ..Share::default() }
}
