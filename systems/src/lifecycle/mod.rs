//! What ends objects: garbage collection.

pub mod disruption;
pub mod garbage;
pub mod ttl_after_finished;
