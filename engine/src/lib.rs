//! The engine of Wavetank.

pub mod agenda;
pub mod draw;
pub mod hash;
pub mod ids;
pub mod names;
pub mod api;
pub mod record;
pub mod source;
pub mod model;
pub mod time;
