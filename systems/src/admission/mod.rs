//! Admission plugins, in the order in which they are asked.

pub mod default_ingress_class;
pub mod default_storage_class;
pub mod default_toleration_seconds;
pub mod priority;
pub mod storage_in_use;
pub mod taint_nodes_by_condition;
