//! What ends objects: garbage collection.

pub mod garbage;
