//! Autoscaling: the metrics API and the horizontal pod autoscaler.

pub mod horizontal;
pub mod metrics;
