//! The engine of Wavetank: a Kubernetes API server in virtual time, and the scenes that are run against it. It knows no controller.
//!
//! Reading order: [`time`], [`agenda`], [`names`], [`ids`] (what everything is made of), [`model`] (objects as components), [`api`] (store,
//! requests, watch log, work queues), [`simulation`] (rounds and time), [`source`] and [`scene`] (files in), [`record`] (journal, events,
//! summary, checkpoints out, and why things happened), [`invariants`].
//!
//! Invariants of absence: nothing here reads a clock, opens a file, starts a thread, or walks a hash table into an output.

pub mod agenda;
pub mod api;
pub mod by_slot;
pub mod draw;
pub mod exp;
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
mod uid_table;
pub mod words;
