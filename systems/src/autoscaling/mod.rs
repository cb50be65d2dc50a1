//! Autoscaling: the metrics APIs and the horizontal pod autoscaler.

pub mod custom_metrics;
pub mod horizontal;
pub mod metrics;
pub mod series;
