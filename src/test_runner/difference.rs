//! The first difference between a golden journal and the one of this run, so that a person sees what moved.

use std::fmt;
use std::path::{Path, PathBuf};

/// Equal lines shown before the difference.
const CONTEXT: usize = 3;

/// Lines of either side shown from the difference on.
const SHOWN: usize = 3;

/// The first difference of two journals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// File of the golden journal.
    pub golden: PathBuf,
    /// Line of the difference, from 1.
    pub line: usize,
    /// Equal lines just before it.
    pub before: Vec<String>,
    /// Golden lines from it on; empty when the golden journal ends there.
    pub expected: Vec<String>,
    /// Lines of this run from it on; empty when this run's journal ends there.
    pub got: Vec<String>,
    /// How many lines the golden journal has, and how many this run's.
    pub lines: (usize, usize),
}

/// The first difference, or `None` when the texts are equal. Texts that differ only in the last newline differ at the end.
pub fn first_difference(golden: &Path, expected: &str, got: &str) -> Option<Difference> {
    if expected == got {
        return None;
    }
    let (expected, got): (Vec<&str>, Vec<&str>) = (expected.split_inclusive('\n').collect(), got.split_inclusive('\n').collect());
    let at = expected.iter().zip(&got).take_while(|(expected, got)| expected == got).count();
    let owned = |lines: &[&str], from: usize, to: usize| {
        let lines = lines.get(from..to.min(lines.len())).unwrap_or(&[]);
        lines.iter().map(|line| shown(line)).collect()
    };
    Some(Difference {
        golden: golden.to_path_buf(),
        line: at + 1,
        before: owned(&expected, at.saturating_sub(CONTEXT), at),
        expected: owned(&expected, at, at + SHOWN),
        got: owned(&got, at, at + SHOWN),
        lines: (expected.len(), got.len()),
    })
}

/// A line as shown: a missing newline at the end is said, everything else is as it stands.
fn shown(line: &str) -> String {
    match line.strip_suffix('\n') {
        Some(line) => line.to_string(),
        None => format!("{line} (no newline at the end)"),
    }
}

impl fmt::Display for Difference {
    /// Golden lines with `-`, lines of this run with `+`, each with its number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "first difference at {}:{}", self.golden.display(), self.line)?;
        let side = |f: &mut fmt::Formatter<'_>, sign: char, from: usize, lines: &[String], all: usize| -> fmt::Result {
            for (nth, line) in lines.iter().enumerate() {
                writeln!(f, "{sign} {:>5}  {line}", from + nth)?;
            }
            match lines.is_empty() && sign != ' ' {
                true => writeln!(f, "{sign}        (ends after {all} lines)"),
                false => Ok(()),
            }
        };
        side(f, ' ', self.line - self.before.len(), &self.before, 0)?;
        side(f, '-', self.line, &self.expected, self.lines.0)?;
        side(f, '+', self.line, &self.got, self.lines.1)?;
        write!(f, "- golden journal, {} lines; + this run, {} lines", self.lines.0, self.lines.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(expected: &str, got: &str) -> Option<String> {
        first_difference(Path::new("g.txt"), expected, got).map(|difference| difference.to_string())
    }

    #[test]
    fn a_changed_line_is_shown_with_context() {
        let want = "\
first difference at g.txt:5
      2  b
      3  c
      4  d
-     5  e
-     6  f
+     5  E
+     6  f
- golden journal, 6 lines; + this run, 6 lines";
        assert_eq!(difference("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\nE\nf\n").unwrap(), want);
    }

    #[test]
    fn ends_and_newlines() {
        assert_eq!(difference("a\n", "a\n"), None);
        assert!(difference("a\nb\n", "a\n").unwrap().contains("-     2  b\n+        (ends after 1 lines)"));
        assert!(difference("", "x\n").unwrap().contains("-        (ends after 0 lines)\n+     1  x\n"));
        assert!(difference("a\n", "a").unwrap().contains("+     1  a (no newline at the end)"));
    }
}
