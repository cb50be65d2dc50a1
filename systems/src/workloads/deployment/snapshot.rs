//! What a sync of a Deployment decides on: the Deployment and its ReplicaSets as they were read at its start.

use super::rolling::SetFacts;
use wavetank_engine::model::meta::Condition;
use wavetank_engine::model::workload::{DeploymentStatus, Strategy};
use wavetank_engine::names::Sym;
use wavetank_engine::time::SimDuration;

/// A Deployment with its ReplicaSets.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Name, as text.
    pub name: Sym,
    /// `metadata.generation`.
    pub generation: u32,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.paused`.
    pub paused: bool,
    /// `spec.strategy`.
    pub strategy: Strategy,
    /// `spec.revisionHistoryLimit`.
    pub history_limit: i32,
    /// `spec.progressDeadlineSeconds`.
    pub deadline: Option<SimDuration>,
    /// `status`.
    pub status: DeploymentStatus,
    /// Annotation revision; empty when missing.
    pub revision: Sym,
    /// The revision after those of all old sets, as text.
    pub next_revision: Sym,
    /// The old sets, oldest first, then the new one if there is one.
    pub sets: Vec<SetSnapshot>,
    /// Whether the last of `sets` is the new one.
    pub has_new: bool,
    /// Whether the new set lacks annotations or `minReadySeconds` of the Deployment.
    pub new_stale: bool,
    /// Name of the new set, or the one it will have, as text.
    pub new_name: Sym,
    /// Whether a pod of an old set has not ended. Only looked at, and only found out, where Recreate needs it.
    pub old_pods: bool,
}

/// A ReplicaSet.
#[derive(Debug, Clone, PartialEq)]
pub struct SetSnapshot {
    /// What the arithmetic looks at.
    pub facts: SetFacts,
    /// Annotation revision; empty when missing.
    pub revision: Sym,
    /// The same as a number; 0 when it is none.
    pub revision_number: i64,
    /// `status.replicas`.
    pub status_replicas: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.terminatingReplicas`.
    pub terminating: i32,
    /// Whether the status is of an older generation than the spec.
    pub unobserved: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its condition ReplicaFailure.
    pub failure: Option<Condition>,
}
