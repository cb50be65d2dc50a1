//! The engine of Wavetank.

pub mod agenda;
pub mod api;
pub mod draw;
pub mod hash;
pub mod ids;
pub mod invariants;
pub mod model;
pub mod names;
pub mod record;
pub mod scene;
pub mod simulation;
pub mod source;
pub mod time;
pub mod words;
