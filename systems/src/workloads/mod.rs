//! Workload controllers: what keeps pods in the number and shape that an object asks for.

pub mod cron_job;
pub mod daemon_set;
pub mod deployment;
pub mod job;
#[cfg(test)]
mod properties;
pub mod replica_set;
pub mod replication_controller;
pub mod revisions;
#[cfg(test)]
mod stand_in;
pub mod stateful_set;
pub mod texts;
