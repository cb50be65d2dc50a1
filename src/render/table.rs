//! Aligned text: kubectl's tables, and the tab-stopped lines of its descriptions.

use std::io::Write;
use tabwriter::TabWriter;

/// A table for people: a heading and rows of as many cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Headings, as printed.
    pub head: Vec<String>,
    /// Rows in output order; each has as many cells as the heading.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The text of the table: columns at least three wide with three spaces between, no trailing newline inside a cell.
    ///
    /// Source: kubernetes v1.36, `cli-runtime/pkg/printers/tableprinter.go`, `printTable`.
    pub fn render(&self) -> String {
        let mut lines = self.head.join("\t");
        lines.push('\n');
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| one_line(cell)).collect();
            lines.push_str(&cells.join("\t"));
            lines.push('\n');
        }
        align(&lines, 3, 3)
    }
}

/// The first line of a cell; the rest is cut with `...`, and a tab would end the cell.
fn one_line(cell: &str) -> String {
    match cell.find(['\n', '\r', '\u{c}']) {
        Some(end) => format!("{}...", cell[..end].replace('\t', " ")),
        None => cell.replace('\t', " "),
    }
}

/// Aligns tab-separated cells of neighbouring lines: each column is as wide as its widest cell, at least `width_min`, and
/// then `padding` spaces. The last cell of a line belongs to no column.
pub fn align(lines: &str, width_min: usize, padding: usize) -> String {
    let mut writer = TabWriter::new(Vec::new()).minwidth(width_min).padding(padding);
    writer.write_all(lines.as_bytes()).expect("writing to memory does not fail");
    writer.flush().expect("writing to memory does not fail");
    let bytes = writer.into_inner().unwrap_or_else(|_| unreachable!("flushed above"));
    String::from_utf8(bytes).expect("text in, text out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_three_apart_and_the_last_is_not_padded() {
        let table = Table {
            head: vec!["NAME".into(), "X".into(), "AGE".into()],
            rows: vec![vec!["a-long-name".into(), String::new(), "5s".into()], vec!["b".into(), "two\nlines".into(), "119s".into()]],
        };
        assert_eq!(table.render(), "NAME          X        AGE\na-long-name            5s\nb             two...   119s\n");
    }

    #[test]
    fn a_line_without_tabs_breaks_a_column() {
        assert_eq!(align("Name:\tx\nLonger label:\ty\nPlain\nA:\tz\n", 0, 2), "Name:          x\nLonger label:  y\nPlain\nA:  z\n");
    }
}
