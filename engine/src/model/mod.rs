//! The object model: components, values that objects are made of, interned tables, and rules that need no cluster.

pub mod autoscaling;
pub mod batch;
pub mod cron;
pub mod disruption;
pub mod int_or_percent;
pub mod kinds;
pub mod label_syntax;
pub mod labels;
pub mod meta;
pub mod network;
pub mod node;
pub mod node_selector;
pub mod opaque;
pub mod pod;
pub mod pod_class;
mod pod_class_json;
pub mod pod_resources;
pub mod quantity;
pub mod quote;
pub mod raw;
pub mod resources;
pub mod revisioned;
pub mod select;
pub mod selector;
pub mod toleration;
pub mod workload;
