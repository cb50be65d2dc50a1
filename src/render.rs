//! Text for people: kubectl's tables and descriptions.
//!
//! Everything here is a pure function of Kubernetes JSON and the present moment; nothing reads a clock or a file.

pub mod age;
pub mod autoscaler;
pub mod bench;
pub mod compare;
pub mod compare_html;
pub mod describe;
pub mod explain;
pub mod get;
pub mod look;
pub mod print;
pub mod problems;
pub mod report;
pub mod story;
pub mod summary;
pub mod table;
pub mod why;
