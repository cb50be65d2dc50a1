//! ReplicaSet controller.

pub mod plan;
pub mod rank;
pub mod status;
