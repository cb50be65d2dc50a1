//! What is printed: one line for each table, the first misses, the closing line.

use std::io::Write;

/// Most misses shown for one table.
const MISSES_SHOWN_MAX: usize = 5;
/// Most bytes shown of one text of a miss.
const SHOWN_BYTES_MAX: usize = 1_500;

/// How the rows of one or more tables fared.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) not_built: usize,
}

impl Counts {
    /// Adds the counts of another table.
    pub(crate) fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.not_built += other.not_built;
    }

    /// The last line of a run.
    pub(crate) fn closing_line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.not_built)
    }
}

/// A row that was not met.
pub(crate) struct Miss {
    /// Row id, or the line number where there is none.
    pub(crate) row: String,
    pub(crate) function: String,
    /// What differs, over one or more lines.
    pub(crate) what: String,
}

/// What came of one table.
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) counts: Counts,
    /// In the order of the table.
    pub(crate) misses: Vec<Miss>,
}

impl Outcome {
    /// The line of this table.
    pub(crate) fn line(&self) -> String {
        let Counts { passed, failed, not_built } = self.counts;
        format!("conformance {}: {passed} of {}, {not_built} not built", self.name, passed + failed + not_built)
    }

    /// Shows the first misses on standard error.
    pub(crate) fn say_misses(&self) {
        for miss in self.misses.iter().take(MISSES_SHOWN_MAX) {
            say_error(&format!("  miss {} {} {}\n{}", self.name, miss.row, miss.function, miss.what));
        }
        if let Some(more) = self.misses.len().checked_sub(MISSES_SHOWN_MAX).filter(|&more| more > 0) {
            say_error(&format!("  and {more} more misses in {}", self.name));
        }
    }
}

/// Writes to standard error. When even that is closed there is nobody left to tell.
pub(crate) fn say_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A text cut to what can be read on a screen.
pub(crate) fn cut(text: &str) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(SHOWN_BYTES_MAX);
    format!("{} … ({} bytes)", &text[..end], text.len())
}
