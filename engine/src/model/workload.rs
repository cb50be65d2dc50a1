//! ReplicaSets, ReplicationControllers and Deployments.

use crate::model::meta::Condition;
use crate::model::pod_class::TemplateId;
use crate::model::raw::Raw;
use crate::model::select::SelectorId;
use serde::{Deserialize, Serialize};

/// `spec` of a ReplicaSet or of a ReplicationController, whose selector is a map of equalities.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplicaSet {
    /// `replicas`.
    pub replicas: i32,
    /// `minReadySeconds`.
    pub min_ready_s: u32,
    /// `selector`.
    pub selector: SelectorId,
    /// `template`.
    pub template: TemplateId,
    /// The whole defaulted `spec` as given; `replicas` and `minReadySeconds` are overlaid when it is read.
    pub raw: Raw,
}

/// `status` of a ReplicaSet or of a ReplicationController.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ReplicaSetStatus {
    /// `replicas`.
    pub replicas: i32,
    /// `fullyLabeledReplicas`.
    pub fully_labeled: i32,
    /// `readyReplicas`.
    pub ready: i32,
    /// `availableReplicas`.
    pub available: i32,
    /// `terminatingReplicas`; `None` before the first report, and always of a ReplicationController.
    pub terminating: Option<i32>,
    /// `observedGeneration`.
    pub observed_generation: u32,
    /// `conditions`.
    pub conditions: Vec<Condition>,
}

/// `spec` of a Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deployment {
    /// `replicas`.
    pub replicas: i32,
    /// `minReadySeconds`.
    pub min_ready_s: u32,
    /// `selector`.
    pub selector: SelectorId,
    /// `template`.
    pub template: TemplateId,
    /// `paused`.
    pub paused: bool,
    /// `strategy`.
    pub strategy: Strategy,
    /// `revisionHistoryLimit`.
    pub revision_history_limit: i32,
    /// `progressDeadlineSeconds`; `None`: no deadline (2147483647).
    pub progress_deadline_s: Option<u32>,
    /// The whole defaulted `spec`; the fields above that requests change are overlaid when it is read.
    pub raw: Raw,
}

/// `strategy` of a Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Strategy {
    /// All old pods go before a new one comes.
    Recreate,
    /// Old pods are replaced step by step.
    RollingUpdate {
        /// `maxSurge`.
        max_surge: IntOrPercent,
        /// `maxUnavailable`.
        max_unavailable: IntOrPercent,
    },
}

/// A number or a percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum IntOrPercent {
    Int(i32),
    Percent(i32),
}

/// `status` of a Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct DeploymentStatus {
    /// `replicas`.
    pub replicas: i32,
    /// `updatedReplicas`.
    pub updated: i32,
    /// `readyReplicas`.
    pub ready: i32,
    /// `availableReplicas`.
    pub available: i32,
    /// `unavailableReplicas`.
    pub unavailable: i32,
    /// `terminatingReplicas`; `None` before the first report, and always of a ReplicationController.
    pub terminating: Option<i32>,
    /// `observedGeneration`.
    pub observed_generation: u32,
    /// `collisionCount`.
    pub collision_count: Option<u32>,
    /// `conditions`.
    pub conditions: Vec<Condition>,
}
