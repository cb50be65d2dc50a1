//! Traces: pods that arrive at their times from a file, and the nodes that they were recorded on.
//!
//! Nodes are read with the scene. Of pods only what tells mistakes and order is looked at then; each becomes an object when virtual time
//! comes to it, so that a long trace costs as much memory as the pods that live at one time, and its text. Rows that cannot be used are
//! counted and reported in the summary ([`TraceReport`]), never dropped in silence.
//!
//! Reading order: [`rows`] (what a row of a table says), [`table`] (a table as rows, from any place in it), `load`, `play`.

mod load;
pub(crate) mod play;
pub mod rows;
pub mod table;

pub(crate) use load::{Brought, read_trace};
pub use play::{ReadingWatch, TraceState};

use crate::scene::format::DurationText;
use crate::source::FileId;
use crate::time::{SimDuration, SimTime};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use table::Table;

/// Different reasons of one file that are told; the rest is only counted.
const REASONS_MAX: usize = 20;

/// A trace as it is written in a scene.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum TraceText {
    /// Tables of the Alibaba GPU trace of 2023 (openb): pods arrive at `creation_time` and are deleted at `deletion_time`.
    Openb {
        /// The nodes; none unless given.
        #[serde(default)]
        nodes: Option<String>,
        /// The pods.
        pods: String,
        /// Whether pods stay for ever instead of leaving at `deletion_time`.
        #[serde(default)]
        stay: bool,
    },
    /// Plain tables: `name, create_s, cpu_milli, memory_bytes, gpu, duration_s, priority`.
    Csv {
        /// The nodes; none unless given.
        #[serde(default)]
        nodes: Option<String>,
        /// The pods.
        pods: String,
    },
    /// Kubernetes manifests of nodes and of pods, which all arrive at one time.
    Yaml {
        /// The nodes; none unless given.
        #[serde(default)]
        nodes: Option<String>,
        /// The pods.
        pods: String,
        /// When they arrive.
        #[serde(default)]
        at: DurationText,
        /// How long each container runs before it exits with 0; by its program unless given.
        #[serde(default)]
        runs_for: Option<DurationText>,
    },
}

/// A loaded trace: everything but the pods.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The file of its pods, as messages show it.
    pub path: String,
    /// Where its pods come from.
    pub(crate) pods: Pods,
    /// What was found in the file of its pods when the scene was loaded.
    pub(crate) found: Found,
    /// The same of the file of its nodes, if it is a table.
    pub(crate) nodes: Option<(String, Found)>,
    /// Whether its pods stay although it says when they are deleted.
    pub(crate) stay: bool,
}

/// Where pods come from.
#[derive(Debug, Clone)]
pub(crate) enum Pods {
    /// A table.
    Table(Arc<Table>),
    /// Manifests.
    Manifests { file: Text, at: SimTime, runs_for: Option<SimDuration> },
}

/// The text of a file.
#[derive(Clone)]
pub(crate) struct Text {
    pub(crate) text: Arc<str>,
    /// Which file of the loading it was.
    pub(crate) file: FileId,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({:?}, {} bytes)", self.file, self.text.len())
    }
}

/// Rows of a file, and those that cannot be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Rows, or documents.
    pub rows: u64,
    /// Why some cannot be used, in the order of their first rows.
    pub unusable: Vec<Trouble>,
}

impl Found {
    fn note(&mut self, reason: &str, rows: u64, example: impl FnOnce() -> String) {
        note(&mut self.unusable, reason, rows, example);
    }
}

/// Rows that have the same mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What is wrong.
    pub reason: String,
    /// How many rows.
    pub rows: u64,
    /// The first of them: its place, and what was found there.
    pub first: String,
}

/// Counts rows under their reason. When there are too many reasons, the last one takes in all others.
fn note(list: &mut Vec<Trouble>, reason: &str, rows: u64, example: impl FnOnce() -> String) {
    if let Some(known) = list.iter_mut().find(|known| known.reason == reason) {
        known.rows += rows;
    } else if list.len() + 1 < REASONS_MAX {
        list.push(Trouble { reason: reason.to_string(), rows, first: example() });
    } else if let Some(others) = list.get_mut(REASONS_MAX - 1) {
        others.rows += rows;
    } else {
        list.push(Trouble { reason: "other mistakes".to_string(), rows, first: format!("{}: {reason}", example()) });
    }
}

/// How a trace went so far, for the summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceReport {
    /// The file.
    pub file: String,
    /// Its rows, or documents; of manifests only those whose time has come.
    pub rows: u64,
    /// Objects created from them.
    pub arrived: u64,
    /// Of these, those deleted when the trace says so.
    pub left: u64,
    /// Rows whose time has not come.
    pub to_come: u64,
    /// Rows that cannot be used.
    pub unusable: Vec<Trouble>,
    /// Objects that the API server refused.
    pub refused: Vec<Trouble>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_never_lost() {
        let mut found = Found::default();
        for row in 0..100 {
            found.note(&format!("reason {}", row % 30), 1, || format!("row {row}"));
        }
        assert_eq!(found.unusable.len(), REASONS_MAX);
        assert_eq!(found.unusable.iter().map(|trouble| trouble.rows).sum::<u64>(), 100);
        assert_eq!(found.unusable[0], Trouble { reason: "reason 0".into(), rows: 4, first: "row 0".into() });
        assert_eq!(found.unusable[REASONS_MAX - 1].first, "row 19: reason 19");
    }
}
