//! Decisions of the scheduler: single cycles and whole sequences. A case is a small cluster with waiting pods; its format is in the
//! README of the tables.

#![allow(clippy::unwrap_used, reason = "a row that can't be read is a miss")]

mod cluster;
mod sequence;
mod single;

use crate::row::{Check, Functions, Row};
use serde_json::Value;

pub(crate) const FUNCTIONS: Functions = &[("scheduler/single", Check::Judge(one_cycle)), ("scheduler/sequence", Check::Judge(many_cycles))];

fn one_cycle(row: &Row) -> Result<(), String> {
    single::judge(&row.all)
}

fn many_cycles(row: &Row) -> Result<(), String> {
    sequence::judge(&row.all)
}

/// Compares one answer with the recorded one; says where they differ first.
fn same(what: &str, recorded: &Value, ours: &Value) -> Result<(), String> {
    if let (Value::Object(recorded), Value::Object(mine)) = (recorded, ours) {
        for (field, value) in recorded {
            same(&format!("{what} {field}"), value, &ours[field])?;
        }
        return match mine.keys().find(|field| !recorded.contains_key(*field)) {
            Some(field) => Err(format!("{what} {field}: recorded nothing, ours {}", ours[field])),
            None => Ok(()),
        };
    }
    if recorded == ours { Ok(()) } else { Err(format!("{what}: recorded {recorded}, ours {ours}")) }
}
