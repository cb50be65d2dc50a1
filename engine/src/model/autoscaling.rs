//! HorizontalPodAutoscalers.

use crate::ids::Kind;
use crate::model::meta::Condition;
use crate::model::raw::Raw;
use crate::names::Name;
use crate::time::SimTime;
use serde::{Deserialize, Serialize};

/// `spec` of a HorizontalPodAutoscaler (autoscaling/v2). `metrics` and `behavior` are read from `raw`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HorizontalPodAutoscaler {
    /// Kind of `scaleTargetRef`.
    pub target_kind: Kind,
    /// Name of `scaleTargetRef`.
    pub target: Name,
    /// `minReplicas`.
    pub min_replicas: i32,
    /// `maxReplicas`.
    pub max_replicas: i32,
    /// The whole defaulted `spec`.
    pub raw: Raw,
}

/// `status` of a HorizontalPodAutoscaler.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct HorizontalPodAutoscalerStatus {
    /// `currentReplicas`.
    pub current_replicas: i32,
    /// `desiredReplicas`.
    pub desired_replicas: i32,
    /// `currentMetrics`, one entry for each metric of the spec that could be read, in its order.
    pub current_metrics: Vec<MetricValue>,
    /// `lastScaleTime`.
    pub last_scale_at: Option<SimTime>,
    /// `conditions`.
    pub conditions: Vec<Condition>,
}

/// Present value of one resource metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MetricValue {
    /// Place of the metric in `spec.metrics`.
    pub metric: u32,
    /// `averageUtilization`. Unit: percent of requests.
    pub utilization_percent: Option<i32>,
    /// `averageValue`. Unit: thousandths.
    pub average_milli: i64,
}
