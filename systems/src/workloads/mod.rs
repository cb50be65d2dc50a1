//! Workload controllers: what keeps pods in the number and shape that an object asks for.

pub mod deployment;
pub mod replica_set;
pub mod texts;
