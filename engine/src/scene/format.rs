//! What a scene file may say, item by item, as it is decoded. Names in snake case are ours; objects use Kubernetes' own.

use crate::scene::model::SceneObject;
use crate::scene::resize::ResizeText;
use crate::time::SimDuration;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A span written as text: `"90s"`, `"1m30s"`, `"250ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DurationText(pub SimDuration);

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DurationText, D::Error> {
        let text = String::deserialize(deserializer)?;
        SimDuration::parse(&text).map(DurationText).map_err(D::Error::custom)
    }
}

/// A group of equal nodes: `Pool(name: "small", count: 3, allocatable: {"cpu": "4", "memory": "8Gi"})`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Names of the nodes are this and a number from 1: `small-1`; a pool of one node has just this name.
    pub name: String,
    /// How many nodes.
    #[serde(default = "one")]
    pub count: u32,
    /// What pods may use; `pods` is 110 unless given.
    pub allocatable: BTreeMap<String, String>,
    /// What the machine has; as `allocatable` unless given.
    #[serde(default)]
    pub capacity: BTreeMap<String, String>,
    /// Labels beside `kubernetes.io/hostname`, `kubernetes.io/os` and `kubernetes.io/arch`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Taints, as `key=value:Effect` or `key:Effect`.
    #[serde(default)]
    pub taints: Vec<String>,
    /// Zones that the nodes get in turn, as the label `topology.kubernetes.io/zone`.
    #[serde(default)]
    pub zones: Vec<String>,
    /// What its kubelets say of their machines, where that is not what all say.
    #[serde(default)]
    pub node_info: NodeInfoText,
    /// Static pods: manifests that its kubelets run by themselves, `[Pod(...), Include("path")]`.
    #[serde(skip)]
    pub static_pods: Vec<SceneObject>,
}

/// Fields of `status.nodeInfo`: `node_info: (osImage: "Flatcar", architecture: "arm64")`.
#[derive(Debug, Clone, Default, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct NodeInfoText {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_runtime_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubelet_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operating_system: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_image: Option<String>,
}

fn one() -> u32 {
    1
}

/// Latencies that differ from the profile `Typical`: `latency: Typical(sandbox: "1s")`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct LatencyChanges {
    pub api_write: Option<DurationText>,
    pub watch: Option<DurationText>,
    pub scheduling_attempt: Option<DurationText>,
    pub binding: Option<DurationText>,
    pub kubelet_sync: Option<DurationText>,
    pub sandbox: Option<DurationText>,
    pub container_start: Option<DurationText>,
    pub provisioning: Option<DurationText>,
    pub pull: Option<DurationText>,
    pub pull_bytes_per_s: Option<u64>,
}

/// One step of the script, other than `Apply`, `Create`, `Patch` and `AddManifest("node-1", Pod(...))`, which hold objects.
///
/// A target is written `kind/name` or `kind/namespace/name`; a name may hold one `*`, which stands for the first match by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Step {
    /// Sets `spec.replicas`.
    Scale(String, i32),
    /// Sets the image of all containers of a workload's template: `SetImage("deployment/web", "web:2")`.
    SetImage(String, String),
    /// Sets the image of one container: `SetContainerImage("deployment/web", "sidecar", "proxy:2")`.
    SetContainerImage(String, String, String),
    /// Deletes an object in the background with its own grace.
    Delete(String),
    /// Deletes an object with options.
    DeleteWith {
        /// The object.
        target: String,
        /// `gracePeriodSeconds`.
        #[serde(default)]
        grace_s: Option<u32>,
        /// `propagationPolicy`: Background, Foreground or Orphan.
        #[serde(default)]
        propagation: Option<PropagationText>,
    },
    /// Sets `spec.unschedulable` of a node.
    Cordon(String),
    /// Cordons a node and evicts its pods, as `kubectl drain` does without options.
    Drain(String),
    /// A drain with kubectl's options: `DrainWith(node: "n-1", options: (force: true))`.
    DrainWith {
        /// The node.
        node: String,
        /// The options.
        #[serde(default)]
        options: DrainOptions,
    },
    /// Clears `spec.unschedulable` of a node.
    Uncordon(String),
    /// Adds a taint, `key=value:Effect`, to a node.
    Taint(String, String),
    /// Takes a taint from a node.
    Untaint(String, String),
    /// Sets a label of an object: `Label("pod/web-*", "app", "other")`.
    Label(String, String, String),
    /// Takes a label from an object.
    Unlabel(String, String),
    /// A node stops at once: its kubelet and containers with it.
    FailNode(String),
    /// A node is cut off the API server; its containers run on.
    CutOffNode(String),
    /// A node is shut down: its pods end within the kubelets' `shutdownGracePeriod`, then it is off. Without one it is off at once.
    ShutDownNode(String),
    /// Everything that a node's kubelet does takes so many times as long: `SlowNode("node-1", 5)`.
    SlowNode(String, u32),
    /// Others than pods have so much on a node's disk from now on: `FillDisk("node-1", "20Gi")`, or a share of it, `"95%"`; `"0"` frees it.
    FillDisk(String, String),
    /// The same of its inodes: `FillInodes("node-1", "99%")`.
    FillInodes(String, String),
    /// A failed, cut-off, shut-down or slow node, or one whose disk was filled, is well again.
    RestoreNode(String),
    /// Pulls of an image fail from now on.
    BreakImage(String),
    /// Pulls of an image succeed again.
    FixImage(String),
    /// Volumes that pods call so can neither be mounted nor unmounted from now on: `BreakVolume("data")`.
    BreakVolume(String),
    /// They can again, at the next attempt.
    FixVolume(String),
    /// Stops a Deployment's rollout.
    Pause(String),
    /// Lets a Deployment's rollout go on.
    Resume(String),
    /// Takes a Deployment, StatefulSet or DaemonSet back to the revision before the newest, as `kubectl rollout undo` does.
    Undo(String),
    /// The same to a revision by its number.
    UndoTo(String, i64),
    /// Moves the pods of a ReplicationController to a new one with another image, one by one, as `kubectl rolling-update` did:
    /// `RollingUpdate(target: "rc/web", image: "web:2")`.
    RollingUpdate {
        /// The controller.
        target: String,
        /// The new image.
        image: String,
        /// The options.
        #[serde(default)]
        options: RollingUpdateOptions,
    },
    /// Other requests and limits for containers of a pod (the `resize` subresource): `Resize("pod/web", {"app": (requests: {"cpu": "800m"})})`.
    Resize(String, BTreeMap<String, ResizeText>),
    /// Takes the manifest of a static pod away from a node: `RemoveManifest("node-1", "proxy")`, or `"kube-system/proxy"`.
    RemoveManifest(String, String),
    /// Nodes join.
    AddNodes(Box<Pool>),
}

/// Options of `kubectl drain`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrainOptions {
    /// Leaves pods of DaemonSets alone instead of giving up.
    pub ignore_daemonsets: bool,
    /// Evicts pods that nothing controls.
    pub force: bool,
    /// Evicts pods with `emptyDir` volumes.
    pub delete_emptydir_data: bool,
    /// Deletes instead of evicting: budgets are not asked.
    pub disable_eviction: bool,
    /// Grace of the pods, in seconds; their own unless given.
    pub grace_s: Option<u32>,
    /// When to give up; never unless given.
    pub timeout: Option<DurationText>,
}

/// Options of `kubectl rolling-update`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RollingUpdateOptions {
    /// Name of the new controller; without one it gets the old one's in the end.
    pub name: Option<String>,
    /// The container whose image changes, when a pod has several.
    pub container: Option<String>,
    /// Pause between scaling up and scaling down; a minute unless given.
    pub update_period: Option<DurationText>,
    /// How often it is looked whether a controller has its replicas; 3 s unless given.
    pub poll_interval: Option<DurationText>,
    /// How long nothing may move before it gives up; five minutes unless given.
    pub timeout: Option<DurationText>,
}

/// `propagationPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)]
pub enum PropagationText {
    Background,
    Foreground,
    Orphan,
}

impl PartialEq for Pool {
    fn eq(&self, other: &Pool) -> bool {
        self.name == other.name && self.count == other.count
    }
}

impl Eq for Pool {}

/// What can be expected of the world at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Claim {
    /// Ready pods of a workload, or ready endpoints of a Service, are so many.
    Ready(String, i64),
    /// The same, at least so many.
    ReadyAtLeast(String, i64),
    /// The same, at most so many.
    ReadyAtMost(String, i64),
    /// Pods that a workload has are so many (`status.replicas`).
    Replicas(String, i64),
    /// Pods of the namespace-less phase: `Pods("Pending", 0)` counts all pods of all namespaces in a phase.
    Pods(String, i64),
    /// Container restarts of the pods that match are so many together.
    Restarts(String, i64),
    /// Container restarts of the pods that match are at least so many together.
    RestartsAtLeast(String, i64),
    /// The object exists.
    Exists(String),
    /// No such object exists.
    Gone(String),
    /// A pod is in a phase.
    Phase(String, String),
    /// A condition of an object has a status: `Condition("deployment/web", "Available", "True")`.
    Condition(String, String, String),
    /// A pod runs on a node.
    OnNode(String, String),
    /// What a client sees who connects: `Reaches("pod/client", "web:80", "connected")`. As `wavetank connect` tells.
    Reaches(String, String, String),
    /// Requests of the traffic to a target that went so, since the beginning: `Requests("service/web", "refused", 300)`.
    Requests(String, String, u64),
    /// Requests to a target that come at that moment take no longer until they are served, in the `mean`, the half (`p50`) or 99 of 100
    /// (`p99`), or in the mean with all that they call (`with calls`): `LatencyAtMost("service/web", "p99", "200ms")`.
    LatencyAtMost(String, String, DurationText),
    /// The same, and they take no less.
    LatencyAtLeast(String, String, DurationText),
}

/// When a claim is expected to hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Expectation {
    /// After everything of that moment has happened.
    At(DurationText, Claim),
    /// At some moment no later than this.
    Within(DurationText, Claim),
    /// From the first time to the second it holds throughout.
    Between(DurationText, DurationText, Claim),
    /// From this time on it holds throughout.
    From(DurationText, Claim),
    /// It holds throughout the run.
    Always(Claim),
    /// It never holds.
    Never(Claim),
}

/// Settings of programs that a scene does not describe.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProgramDefaults {
    /// Init containers exit 0 after this; 1 s unless given.
    pub init_runs_for: Option<DurationText>,
    /// Containers of pods whose restartPolicy is not Always exit 0 after this; 10 s unless given.
    pub job_runs_for: Option<DurationText>,
}
