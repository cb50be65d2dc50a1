//! What a run leaves behind for people and programs.

pub mod causes;
pub mod checkpoint;
pub mod collect;
mod correlate;
pub mod digest;
pub mod event_json;
mod event_row;
pub mod events;
mod fields;
pub mod fights;
pub mod inputs;
pub mod journal;
pub mod refusals;
pub mod series;
pub mod summary;
pub mod tally;
pub mod why;
