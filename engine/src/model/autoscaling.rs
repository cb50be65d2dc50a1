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
    /// `currentMetrics`, one entry for each metric of the spec, in its order; empty when none was looked at.
    pub current_metrics: Vec<MetricValue>,
    /// `lastScaleTime`.
    pub last_scale_at: Option<SimTime>,
    /// `conditions`.
    pub conditions: Vec<Condition>,
}

/// Present value of one metric.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MetricValue {
    /// The metric as the spec has it, without its target.
    pub source: Raw,
    /// Its value.
    pub reading: Reading,
}

/// The value of a metric. Unit: thousandths, unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reading {
    /// It could not be read.
    Unknown,
    /// `averageUtilization` and `averageValue`.
    Utilization {
        /// Unit: percent of requests.
        percent: i32,
        /// Of each pod.
        average_milli: i64,
    },
    /// `averageValue`.
    Average(i64),
    /// `value`.
    Value(i64),
}
