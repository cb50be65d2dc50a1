//! Scenes: what a file may say, how it is loaded and checked, and how it is run.

pub mod arrivals;
pub mod build;
pub mod curve;
pub mod drain;
pub(crate) mod expect;
pub mod faults;
pub mod format;
pub mod kubelet_config;
pub mod load;
pub mod logs;
pub mod model;
mod objects;
mod past;
pub mod policies;
mod pools;
pub mod program;
pub mod rolling_update;
pub mod rollout;
pub mod run;
pub mod scheduler_config;
mod script;
pub mod series;
pub mod targets;
pub mod traces;
pub mod traffic;
pub mod tree_json;
mod unsimulated;
