//! A scene as loaded: everything checked, nothing run yet.

use crate::scene::format::{Claim, Step};
use crate::scene::scheduler_config::SchedulerConfig;
use crate::simulation::latency::Latency;
use crate::source::Span;
use crate::source::kube::KubeObject;
use crate::time::{SimDuration, SimTime};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::Arc;

/// How the scheduler chooses among nodes of equal score. ECS resource. Source: `spec/scheduler.md` §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, bevy_ecs::resource::Resource)]
pub enum Ties {
    /// As kube-scheduler 1.36.2 does: the root of a heap over the nodes in the order in which they were found.
    #[default]
    Heap,
    /// The node whose name comes first.
    LowestName,
    /// Any of them with equal chance, drawn from the seed: what kube-scheduler did up to 1.34.
    Random,
}

/// Whether nothing says what storage the cluster has: claims are then bound at once, to volumes that are assumed. ECS resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, bevy_ecs::resource::Resource)]
pub struct StorageAssumed(pub bool);

/// A loaded scene.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Path of the file, or of the first manifest.
    pub path: String,
    /// Seed of all randomness.
    pub seed: u64,
    /// How long the run lasts.
    pub duration: SimDuration,
    /// Unix seconds of the epoch.
    pub epoch_unix_s: i64,
    /// Latency profile.
    pub latency: Latency,
    /// How the scheduler chooses among nodes of equal score.
    pub ties: Ties,
    /// The scheduler's profiles, plugins and their arguments.
    pub scheduler: SchedulerConfig,
    /// The kubelets' configuration.
    pub kubelet: crate::scene::kubelet_config::KubeletConfig,
    /// Scheduling policies beside kube-scheduler's own plugins, in order.
    pub policies: Vec<crate::scene::policies::PolicyChoice>,
    /// Objects that exist at time zero, nodes of pools first, in the order written; defaults are filled in.
    pub objects: Vec<SceneObject>,
    /// Static pods of time zero: node, and manifest.
    pub manifests: Vec<(String, SceneObject)>,
    /// What containers do.
    pub programs: crate::scene::program::Programs,
    /// The cluster's network.
    pub network: crate::scene::network::NetworkSettings,
    /// Groups of nodes that come and go.
    pub node_groups: crate::scene::node_groups::NodeGroups,
    /// Who has them come and go.
    pub autoscaler: crate::scene::node_groups::AutoscalerSettings,
    /// Request rates into Services.
    pub traffic: Vec<crate::scene::traffic::Traffic>,
    /// Requests that programs send for each that they serve, callers first.
    pub calls: Vec<crate::scene::traffic::Call>,
    /// Metrics beside those of resources.
    pub metrics: Vec<crate::scene::series::Series>,
    /// Pods that arrive from files.
    pub traces: Vec<crate::scene::traces::Trace>,
    /// The script, by time; equal times in the order written.
    pub script: Vec<ScriptEntry>,
    /// What is expected, in the order written.
    pub expectations: Vec<Expected>,
    /// Kinds and fields that are kept and do nothing, sorted.
    pub not_simulated: Vec<String>,
    /// From when on a benchmark measures; what comes before prepares.
    pub measure_from: SimTime,
    /// The parameters with the values that the scene was loaded with, as text.
    pub params: std::collections::BTreeMap<String, String>,
    /// Whether it has no StorageClass and no PersistentVolume.
    pub storage_assumed: StorageAssumed,
}

/// An object of a scene.
#[derive(Debug, Clone)]
pub struct SceneObject {
    /// `metadata`.
    pub metadata: Metadata,
    /// Everything else, defaults filled in; objects that differ in metadata alone share it.
    pub body: Arc<Value>,
    /// Where it is written.
    pub span: Span,
}

/// `metadata` of an object of a scene.
#[derive(Debug, Clone)]
pub enum Metadata {
    /// As it is written.
    Written(Value),
    /// Of a node of a pool.
    OfPool {
        /// `name`.
        name: String,
        /// `labels`, which other nodes have too; a label without a text has the node's name.
        labels: Arc<Map<String, Value>>,
    },
}

impl Metadata {
    /// All of it as a manifest has it.
    pub fn whole(&self) -> Cow<'_, Value> {
        match self {
            Metadata::Written(value) => Cow::Borrowed(value),
            Metadata::OfPool { name, labels } => {
                let own = |value: &Value| if value.is_null() { name.as_str().into() } else { value.clone() };
                let labels: Map<String, Value> = labels.iter().map(|(key, value)| (key.clone(), own(value))).collect();
                Cow::Owned(json!({"name": name, "labels": labels}))
            }
        }
    }

    /// What is written of it, beside names and labels that follow from a pool.
    pub(crate) fn written(&self) -> &Value {
        match self {
            Metadata::Written(value) => value,
            Metadata::OfPool { .. } => &Value::Null,
        }
    }
}

impl Scene {
    /// Pods that traces bring at most; of manifests a guess by their text.
    pub fn pods_of_traces(&self) -> u64 {
        self.traces.iter().map(crate::scene::traces::Trace::pods_at_most).sum()
    }
}

impl SceneObject {
    /// `kind`.
    pub fn kind(&self) -> &str {
        self.body.get("kind").and_then(Value::as_str).unwrap_or("")
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        match &self.metadata {
            Metadata::Written(value) => value.get("name").and_then(Value::as_str).unwrap_or(""),
            Metadata::OfPool { name, .. } => name,
        }
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> Option<&str> {
        self.metadata.written().get("namespace").and_then(Value::as_str).filter(|text| !text.is_empty())
    }
}

/// One moment of the script.
#[derive(Debug, Clone)]
pub struct ScriptEntry {
    /// When.
    pub at: SimTime,
    /// What.
    pub action: Action,
    /// Where it is written.
    pub span: Span,
}

/// What the script does.
#[derive(Debug, Clone)]
pub enum Action {
    /// A step without an object of its own.
    Step(Step),
    /// Creates the objects, or replaces what is there, as `kubectl apply` does.
    Apply(Vec<SceneObject>),
    /// Merges fields into an object (JSON merge patch).
    Patch(String, Value),
    /// Puts a manifest into the folder of a node.
    AddManifest(String, SceneObject),
}

/// One expectation.
#[derive(Debug, Clone)]
pub struct Expected {
    /// First moment at which the claim is looked at.
    pub from: SimTime,
    /// Last moment at which the claim is looked at.
    pub until: SimTime,
    /// How often it must hold.
    pub how: How,
    /// What is claimed.
    pub claim: Claim,
    /// The expectation as a person would say it.
    pub text: String,
    /// Where it is written.
    pub span: Span,
}

/// How often a claim must hold between its moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// At the last moment.
    AtEnd,
    /// At one moment at least.
    Once,
    /// At every moment.
    Throughout,
    /// At no moment.
    Never,
}

/// A Kubernetes object as read, before defaults.
pub type Written = KubeObject;
