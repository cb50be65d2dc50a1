//! Behaviours.

pub mod autoscaling;
