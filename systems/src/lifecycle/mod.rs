//! What ends objects: garbage collection.

pub mod disruption;
pub mod garbage;
pub mod namespaces;
pub mod pod_gc;
pub mod ttl_after_finished;
