//! What a comparison reports.

use std::fmt;

/// The longest that two moments of the same change may lie apart. Unit: microseconds.
pub(crate) const TOLERANCE: i64 = 1_000_000;

/// One disagreement of a produced timeline with its recording.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    /// When it shows first, in microseconds of the timeline.
    pub(crate) at: i64,
    /// What was recorded and what was produced.
    pub(crate) what: String,
}

impl Difference {
    pub(crate) fn new(at: i64, what: impl Into<String>) -> Difference {
        Difference { at, what: what.into() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "at {}: {}", seconds(self.at), self.what)
    }
}

/// A moment as people read it: `3.161 s`.
pub(crate) fn seconds(at: i64) -> String {
    format!("{:.3} s", at as f64 / 1e6)
}
