//! What is recorded of a run.

pub mod events;
mod fields;
pub mod fights;
pub mod journal;
pub mod refusals;
