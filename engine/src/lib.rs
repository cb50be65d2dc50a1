//! The engine of Wavetank.

pub mod time;
