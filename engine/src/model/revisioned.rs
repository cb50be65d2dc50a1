//! StatefulSets and DaemonSets, and the ControllerRevisions that remember their templates.

use crate::model::pod_class::TemplateId;
use crate::model::raw::Raw;
use crate::model::select::SelectorId;
use crate::model::workload::IntOrPercent;
use crate::names::Sym;
use serde::{Deserialize, Serialize};

/// `spec` of a StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StatefulSet {
    /// `replicas`.
    pub replicas: i32,
    /// `ordinals.start`.
    pub start: u32,
    /// `minReadySeconds`.
    pub min_ready_s: u32,
    /// `selector`.
    pub selector: SelectorId,
    /// `template`.
    pub template: TemplateId,
    /// `serviceName`; empty for none.
    pub service_name: Sym,
    /// `podManagementPolicy` is Parallel.
    pub parallel: bool,
    /// `updateStrategy.type` is OnDelete.
    pub on_delete: bool,
    /// `updateStrategy.rollingUpdate.partition`; `None` without `rollingUpdate`.
    pub partition: Option<i32>,
    /// `revisionHistoryLimit`; negative: all are kept.
    pub revision_history_limit: i32,
    /// The whole defaulted `spec`; `replicas` is overlaid when it is read.
    pub raw: Raw,
}

/// `status` of a StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct StatefulSetStatus {
    /// `replicas`.
    pub replicas: i32,
    /// `readyReplicas`.
    pub ready: i32,
    /// `availableReplicas`.
    pub available: i32,
    /// `currentReplicas`.
    pub current: i32,
    /// `updatedReplicas`.
    pub updated: i32,
    /// `currentRevision`; empty before the first report.
    pub current_revision: Sym,
    /// `updateRevision`; empty before the first report.
    pub update_revision: Sym,
    /// `collisionCount`; `None` before the first report.
    pub collision_count: Option<u32>,
    /// `observedGeneration`.
    pub observed_generation: u32,
}

/// `spec` of a DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DaemonSet {
    /// `minReadySeconds`.
    pub min_ready_s: u32,
    /// `selector`.
    pub selector: SelectorId,
    /// `template`.
    pub template: TemplateId,
    /// `updateStrategy.rollingUpdate`: `maxUnavailable` and `maxSurge`; `None`: OnDelete.
    pub rolling: Option<(IntOrPercent, IntOrPercent)>,
    /// `revisionHistoryLimit`.
    pub revision_history_limit: i32,
    /// The whole defaulted `spec`.
    pub raw: Raw,
}

/// `status` of a DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct DaemonSetStatus {
    /// `currentNumberScheduled`.
    pub current: i32,
    /// `numberMisscheduled`.
    pub misscheduled: i32,
    /// `desiredNumberScheduled`.
    pub desired: i32,
    /// `numberReady`.
    pub ready: i32,
    /// `updatedNumberScheduled`.
    pub updated: i32,
    /// `numberAvailable`.
    pub available: i32,
    /// `numberUnavailable`.
    pub unavailable: i32,
    /// `collisionCount`.
    pub collision_count: Option<u32>,
    /// `observedGeneration`.
    pub observed_generation: u32,
}

/// A ControllerRevision: a template as it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ControllerRevision {
    /// `revision`.
    pub revision: i64,
    /// `data`.
    pub data: Raw,
}
