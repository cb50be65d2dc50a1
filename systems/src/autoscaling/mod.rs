//! Behaviours that change how many there are of something.

pub mod horizontal;
