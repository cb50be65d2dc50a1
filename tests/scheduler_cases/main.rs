//! The scheduler against recorded decisions of kube-scheduler 1.36.2: single cycles and whole sequences.
//!
//! Runs the cases of `tests/conformance/scheduler` whose answer depends on built plugins and stages alone. The tables that they come
//! from are counted as not built by the conformance test until every plugin is there.

#![allow(clippy::unwrap_used, reason = "a test stops at the first row it cannot read")]

mod cluster;
mod sequence;
mod single;

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;

/// Tables that are read.
const TABLES: &[&str] = &[
    "gates",
    "images",
    "interpod",
    "large",
    "mixed",
    "nodeaffinity",
    "resources",
    "simple",
    "spread",
    "strategies",
    "taints",
    "preemption",
    "seq-affinity",
    "seq-basic",
    "seq-mixed",
    "seq-pick",
    "seq-preempt",
    "seq-spread",
];
/// Features that need a plugin or a stage that is not built.
const NOT_BUILT: &[&str] = &["volumes"];

#[test]
fn decisions_of_built_plugins_are_the_recorded_ones() {
    let (mut ran, mut misses) = (BTreeMap::new(), Vec::new());
    for table in TABLES {
        for line in read(table).lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            if !built(&case) {
                continue;
            }
            *ran.entry(*table).or_insert(0) += 1;
            let judged = if case["mode"] == "single" { single::judge(&case) } else { sequence::judge(&case) };
            if let Err(why) = judged {
                misses.push(format!("{}: {why}", case["id"].as_str().unwrap()));
            }
        }
    }
    eprintln!("cases run: {ran:?}");
    assert!(misses.is_empty(), "{} cases differ:\n{}", misses.len(), misses.join("\n"));
    assert!(ran.values().sum::<i32>() > 1300, "too few cases were run: {ran:?}");
}

fn read(table: &str) -> String {
    let path = format!("{}/tests/conformance/scheduler/{table}.jsonl.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn built(case: &Value) -> bool {
    let mut features = case["features"].as_array().unwrap().iter().filter_map(Value::as_str);
    !features.any(|feature| NOT_BUILT.contains(&feature))
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
