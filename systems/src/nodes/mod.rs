//! Nodes: what their kubelets report of them, what is made of their silence, and what becomes of their pods.

pub mod heartbeat;
pub mod lifecycle;
pub mod taint_eviction;
pub mod zones;
