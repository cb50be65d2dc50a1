//! Numbers over time: exact as long as they are few, then coarser and coarser.

use serde_json::{Value, json};

/// Several numbers over time. A row holds from its moment to that of the next row.
#[derive(Debug, Clone)]
pub struct Series {
    points_max: usize,
    width: usize,
    /// Of the rows within one gap the last counts. Unit: milliseconds.
    gap_ms: u64,
    at_ms: Vec<u64>,
    values: Vec<i64>,
}

impl Series {
    /// A series of `width` numbers that keeps at most `points_max` rows, an even number of at least two.
    pub fn new(width: usize, points_max: usize) -> Series {
        Series { points_max, width, gap_ms: 1, at_ms: Vec::new(), values: Vec::new() }
    }

    /// Enters a row. A row like the last says nothing.
    pub fn push(&mut self, at_ms: u64, row: &[i64]) {
        assert_eq!(row.len(), self.width, "a row has the width of its series");
        if self.last().is_some_and(|last| last == row) {
            return;
        }
        self.enter(at_ms, row);
        while self.at_ms.len() > self.points_max {
            self.gap_ms *= 2;
            let (at_ms, values) = (std::mem::take(&mut self.at_ms), std::mem::take(&mut self.values));
            for (at, row) in at_ms.into_iter().zip(values.chunks(self.width)) {
                self.enter(at, row);
            }
        }
    }

    fn enter(&mut self, at_ms: u64, row: &[i64]) {
        if self.at_ms.last().is_some_and(|last| last / self.gap_ms == at_ms / self.gap_ms) {
            let from = self.values.len() - self.width;
            self.values[from..].copy_from_slice(row);
        } else {
            self.at_ms.push(at_ms);
            self.values.extend_from_slice(row);
        }
    }

    /// The last row.
    pub fn last(&self) -> Option<&[i64]> {
        self.values.chunks(self.width).next_back()
    }

    /// Rows kept.
    pub fn len(&self) -> usize {
        self.at_ms.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.at_ms.is_empty()
    }

    /// Times as differences and one column for each number.
    pub fn json(&self) -> Value {
        let column = |at: usize| self.values.iter().skip(at).step_by(self.width).copied().collect::<Vec<i64>>();
        json!({"t": deltas(&self.at_ms), "v": (0..self.width).map(column).collect::<Vec<_>>(), "gap_ms": self.gap_ms})
    }
}

/// Each number as its difference from the one before.
pub(crate) fn deltas(numbers: &[u64]) -> Vec<i64> {
    let before = std::iter::once(0).chain(numbers.iter().copied());
    numbers.iter().zip(before).map(|(&number, before)| number as i64 - before as i64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_stay_exact_and_equal_ones_are_one() {
        let mut series = Series::new(2, 8);
        [(0, [1, 2]), (5, [1, 2]), (7, [3, 4]), (7, [5, 6]), (20, [1, 2])].iter().for_each(|(at, row)| series.push(*at, row));
        assert_eq!(series.json(), json!({"t": [0, 7, 13], "v": [[1, 5, 1], [2, 6, 2]], "gap_ms": 1}));
    }

    #[test]
    fn many_rows_are_thinned_and_the_last_is_kept() {
        let mut series = Series::new(1, 8);
        (0..1000).for_each(|at| series.push(at * 3, &[at as i64]));
        assert!(series.len() <= 8 && series.len() >= 3, "{}", series.len());
        assert_eq!(series.last(), Some(&[999][..]));
    }
}
