//! Autoscaling: the metrics APIs, the horizontal pod autoscaler, the cluster autoscaler.

pub mod cluster;
pub mod custom_metrics;
pub mod horizontal;
pub mod metrics;
pub mod series;
