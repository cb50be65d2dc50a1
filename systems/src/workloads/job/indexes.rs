//! Sets of completion indexes in their text form: `0,2-5,7`.
//!
//! Source: kubernetes v1.36, `pkg/controller/job/indexed_job_utils.go`, `parseIndexesFromString`, `withOrderedIndexes`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Indexes as runs of first and last, in rising order, never touching.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Indexes {
    runs: Vec<(u32, u32)>,
}

impl Indexes {
    /// Reads a text. Indexes that are not below `completions` and parts that are no numbers are left out.
    pub fn parse(text: &str, completions: u32) -> Indexes {
        let mut indexes = Indexes::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else { continue };
            if first >= completions {
                break;
            }
            // The text is only merged where one run follows the other: a text that a person wrote in disorder stays in disorder.
            let last = last.min(completions - 1);
            match indexes.runs.last_mut() {
                Some(before) if u64::from(first) == u64::from(before.1) + 1 => before.1 = last,
                _ => indexes.runs.push((first, last)),
            }
        }
        indexes
    }

    /// Adds a run that does not begin before the last one.
    fn push(&mut self, first: u32, last: u32) {
        match self.runs.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => self.runs.push((first, last)),
        }
    }

    /// These and more; `more` in rising order.
    pub fn with(&self, more: impl IntoIterator<Item = u32>) -> Indexes {
        let mut more = more.into_iter().peekable();
        let mut merged = Indexes::default();
        for &(first, last) in &self.runs {
            while let Some(index) = more.next_if(|&index| index < first) {
                merged.push(index, index);
            }
            merged.push(first, last);
        }
        more.for_each(|index| merged.push(index, index));
        merged
    }

    /// These and those of another set.
    pub fn union(&self, other: &Indexes) -> Indexes {
        let mut all: Vec<(u32, u32)> = self.runs.iter().chain(&other.runs).copied().collect();
        all.sort_unstable();
        let mut merged = Indexes::default();
        all.into_iter().for_each(|(first, last)| merged.push(first, last));
        merged
    }

    /// Whether an index is among them.
    pub fn has(&self, index: u32) -> bool {
        let after = self.runs.partition_point(|run| run.0 <= index);
        after > 0 && index <= self.runs[after - 1].1
    }

    /// How many they are. Less than that for a text with a run that ends before it begins, as in the original.
    pub fn total(&self) -> i64 {
        self.runs.iter().map(|run| i64::from(run.1) - i64::from(run.0) + 1).sum()
    }

    /// The smallest `count` indexes below `completions` that are not among them.
    pub fn first_missing(&self, count: u32, completions: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut candidate = 0;
        for &(first, last) in self.runs.iter().chain(&[(completions, completions)]) {
            while candidate < first.min(completions) && (found.len() as u32) < count {
                found.push(candidate);
                candidate += 1;
            }
            candidate = candidate.max(last.saturating_add(1));
        }
        found
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, &(first, last)) in self.runs.iter().enumerate() {
            if nth > 0 {
                f.write_str(",")?;
            }
            match last.saturating_sub(first) {
                0 => write!(f, "{first}")?,
                1 => write!(f, "{first},{last}")?,
                _ => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_merged_and_cut() {
        for (text, completions, want) in [
            ("", 3, ""),
            ("0,1,2", 5, "0-2"),
            ("0-2,4", 3, "0-2"),
            ("1,x,3", 5, "1,3"),
            ("0,1", 2, "0,1"),
            ("5", 5, ""),
            ("5,3", 9, "5,3"),
            ("3-1", 9, "3"),
        ] {
            assert_eq!(Indexes::parse(text, completions).to_string(), want, "{text} of {completions}");
        }
    }

    #[test]
    fn missing_indexes_are_the_smallest() {
        let some = Indexes::parse("1,3-4", 10);
        assert_eq!(some.first_missing(3, 10), [0, 2, 5]);
        assert_eq!(some.first_missing(9, 6), [0, 2, 5]);
        assert_eq!(Indexes::default().first_missing(2, 1), [0]);
        assert_eq!((some.has(3), some.has(2), some.total()), (true, false, 3));
        assert_eq!(some.union(&Indexes::parse("2,6", 10)).to_string(), "1-4,6");
        assert_eq!(some.with([0, 3, 7]).to_string(), "0,1,3,4,7");
    }
}
