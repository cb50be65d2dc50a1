//! Admission plugins, in the order in which they are asked.

pub mod default_toleration_seconds;
pub mod priority;
pub mod taint_nodes_by_condition;
