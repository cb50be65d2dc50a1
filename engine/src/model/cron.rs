//! Schedules of CronJobs, and the time zones in which they are read.

pub mod parse;
pub mod schedule;
pub mod zone;
