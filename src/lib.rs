//! The `wavetank` command line: arguments, files, terminal and exit codes. It decides nothing about Kubernetes.
//!
//! Reading order: [`args`] (what a person may ask), [`kinds`] (names of kinds), [`import`] (recordings of others as scenes),
//! [`compare`](mod@compare) (two worlds side by side),
//! [`report`] (a run watched for its page), [`render`] (tables and texts for people), [`test_runner`] (scenes against golden journals), [`exit`] (exit codes and the note of a bug), [`terminal`]
//! [`series`] (tables over time), [`perfetto`] (traces), [`watch`] (a run on the terminal), [`render`] (tables and texts for people), [`test_runner`] (scenes against golden journals), [`exit`] (exit codes and the note of a bug), [`terminal`]
//! and [`usage`] (the world outside), [`program`] (all of it).
//!
//! Invariant of absence: nothing here changes a simulated world except by running it.

pub mod args;
pub mod commands;
pub mod compare;
pub mod exit;
pub mod files;
pub mod import;
pub mod kinds;
pub mod perfetto;
pub mod program;
pub mod render;
pub mod report;
pub mod series;
pub mod terminal;
pub mod test_runner;
pub mod usage;
pub mod watch;
