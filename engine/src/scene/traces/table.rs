//! A table of comma-separated values: its header, its rows in order of arrival, and reading on from any place in it.

use super::rows::{Column, Layout, Mistake, PodRow, Values};
use super::{Found, Text};
use crate::source::error::advice;
use crate::source::{Problem, Problems, Severity, Span};
use crate::time::SimTime;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::sync::Arc;

/// Bytes read ahead from the text.
const READ_AHEAD: usize = 4_096;

/// Characters of a wrong value that are shown.
const SHOWN: usize = 40;

/// A table of pods.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) layout: Layout,
    file: Text,
    header: Header,
    /// Where the rows begin.
    start: u64,
    /// Starts of the usable rows by arrival, where the file is not in that order.
    order: Option<Arc<[u32]>>,
    /// When the first pod arrives.
    first: Option<SimTime>,
    /// Usable rows.
    pub(crate) usable: u64,
}

/// Which column stands where.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    places: Vec<(&'static str, usize)>,
    width: usize,
}

struct Row<'r> {
    header: &'r Header,
    record: &'r StringRecord,
}

impl Values for Row<'_> {
    fn value(&self, column: &str) -> &str {
        let place = self.header.places.iter().find(|(name, _)| *name == column);
        place.and_then(|(_, at)| self.record.get(*at)).unwrap_or("")
    }
}

impl Header {
    /// Reads the first line; `None` after a mistake that makes the table useless.
    pub(crate) fn read(file: &Text, columns: &'static [Column], problems: &mut Problems) -> Option<(Header, u64)> {
        let mut reader = reader(&file.text, 0);
        let mut record = StringRecord::new();
        // Reading UTF-8 from memory with any number of fields does not fail.
        let some = reader.read_record(&mut record).unwrap_or(false);
        let end = reader.position().byte();
        let span = Span::new(file.file, 0, file.text.lines().next().map_or(0, str::len));
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        if !some {
            problems.error(span, format!("the table is empty; its first line names the columns: {}", names.join(",")));
            return None;
        }
        let mut places: Vec<(&'static str, usize)> = Vec::new();
        let mut sound = true;
        for (at, title) in record.iter().enumerate() {
            match columns.iter().find(|column| column.name == title) {
                Some(column) if places.iter().any(|(name, _)| *name == column.name) => {
                    problems.error(span, format!("column {title:?} is there twice"));
                    sound = false;
                }
                Some(column) => places.push((column.name, at)),
                None => {
                    let what = format!("column {title:?} is not used");
                    problems.push(Severity::Warning, Problem { span, what, help: advice(title, &names) });
                }
            }
        }
        let missing = columns.iter().filter(|column| column.needed && places.iter().all(|(name, _)| *name != column.name));
        let missing: Vec<&str> = missing.map(|column| column.name).collect();
        if !missing.is_empty() {
            let what = format!("the table has no column {}", missing.join(", no column "));
            let help = format!("its first line names the columns: {}", names.join(","));
            problems.push(Severity::Error, Problem::new(span, what).with_help(help));
            sound = false;
        }
        sound.then(|| (Header { places, width: record.len() }, end))
    }

    /// Reads a row.
    fn parse<T>(&self, record: &StringRecord, read: impl FnOnce(&dyn Values) -> Result<T, Mistake>) -> Result<T, Mistake> {
        if record.len() != self.width {
            return Err(match record.iter().find(|value| value.contains('\n')) {
                Some(value) => {
                    let reason = "a quote is not closed in its row: this row and those up to the next quote are lost".to_string();
                    let begins: String = value.lines().next().unwrap_or("").chars().take(SHOWN).collect();
                    Mistake { reason, found: format!("a quote before {begins:?}") }
                }
                None => {
                    let reason = format!("expected {} values in a row, as in the first line", self.width);
                    Mistake { reason, found: format!("{} values", record.len()) }
                }
            });
        }
        read(&Row { header: self, record })
    }
}

fn reader(text: &str, from: u64) -> csv::Reader<&[u8]> {
    let rest = text.as_bytes().get(from as usize..).unwrap_or(&[]);
    ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).buffer_capacity(READ_AHEAD).from_reader(rest)
}

/// Gives each row of a table to `each`, with its start and what it says.
pub(crate) fn each_row<T>(
    file: &Text,
    path: &str,
    (header, start): (&Header, u64),
    found: &mut Found,
    read: impl Fn(&dyn Values) -> Result<T, Mistake>,
    mut each: impl FnMut(Span, T),
) {
    let mut reader = reader(&file.text, start);
    let mut record = StringRecord::new();
    let bytes = file.text.as_bytes();
    while reader.read_record(&mut record).unwrap_or(false) {
        found.rows += 1;
        // A record's position is where the one before ended: empty lines may come first.
        let from = record.position().map_or(0, csv::Position::byte) + start;
        let empty = bytes[from as usize..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let from = from + empty as u64;
        let to = reader.position().byte() + start;
        match header.parse(&record, &read) {
            Ok(row) => each(Span::new(file.file, from as usize, to as usize), row),
            Err(mistake) => {
                let line_ends = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
                // An open quote takes in the rows up to the next one.
                let taken = if record.len() == header.width { &[][..] } else { bytes[from as usize..to as usize].trim_ascii_end() };
                let lost = line_ends(taken) as u64;
                found.rows += lost;
                found.note(&mistake.reason, 1 + lost, || {
                    format!("{path}:{}: found {}", 1 + line_ends(&bytes[..from as usize]), mistake.found)
                });
            }
        }
    }
}

impl Table {
    /// Looks at every row once: counts those that cannot be used and finds out whether they are in order of arrival.
    pub(crate) fn read(file: Text, path: &str, layout: Layout, problems: &mut Problems) -> Option<(Table, Found)> {
        let (header, start) = Header::read(&file, layout.columns(false), problems)?;
        let mut found = Found::default();
        let mut starts: Vec<(SimTime, u32)> = Vec::new();
        let (mut sorted, mut last, mut first, mut usable) = (true, SimTime::ZERO, None, 0);
        each_row(
            &file,
            path,
            (&header, start),
            &mut found,
            |row| layout.pod(row),
            |span, row: PodRow| {
                sorted &= row.at >= last;
                last = row.at;
                first = Some(first.map_or(row.at, |first: SimTime| first.min(row.at)));
                usable += 1;
                starts.push((row.at, span.start));
            },
        );
        let order = (!sorted).then(|| {
            starts.sort_unstable();
            starts.iter().map(|(_, start)| *start).collect()
        });
        Some((Table { layout, file, header, start, order, first, usable }, found))
    }

    /// Where reading begins.
    pub(crate) fn beginning(&self) -> Place {
        Place { at: if self.order.is_some() { 0 } else { self.start }, next: self.first }
    }

    /// Line of the row that begins at or after a byte of the text; its first line is 1.
    pub(crate) fn line(&self, at: u64) -> usize {
        let (before, rest) = self.file.text.as_bytes().split_at(at as usize);
        let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        1 + before.iter().chain(&rest[..empty]).filter(|byte| **byte == b'\n').count()
    }

    /// Gives every pod that arrives by `now`, in order, to `each`, with the byte where its row begins. Returns where to read on.
    pub(crate) fn arrivals(&self, from: Place, now: SimTime, mut each: impl FnMut(u64, PodRow)) -> Place {
        let mut record = StringRecord::new();
        let pod = |record: &StringRecord| self.header.parse(record, |row| self.layout.pod(row)).ok();
        if let Some(order) = &self.order {
            let mut at = from.at as usize;
            while let Some(&start) = order.get(at) {
                let row = reader(&self.file.text, u64::from(start)).read_record(&mut record).ok().and_then(|_| pod(&record));
                let row = row.expect("a row that was read before is read again");
                if row.at > now {
                    return Place { at: at as u64, next: Some(row.at) };
                }
                at += 1;
                each(u64::from(start), row);
            }
            return Place { at: at as u64, next: None };
        }
        let mut reader = reader(&self.file.text, from.at);
        while reader.read_record(&mut record).unwrap_or(false) {
            // Rows that cannot be used were counted when the table was read first.
            let Some(row) = pod(&record) else { continue };
            let start = from.at + record.position().map_or(0, csv::Position::byte);
            if row.at > now {
                return Place { at: start, next: Some(row.at) };
            }
            each(start, row);
        }
        Place { at: self.file.text.len() as u64, next: None }
    }
}

/// A place in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Byte of the text, or place in the order of arrival.
    pub(crate) at: u64,
    /// When the row there arrives; `None`: no row is left.
    pub(crate) next: Option<SimTime>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Files, MemoryFiles, Sources};
    use proptest::prelude::*;

    fn table(text: &str) -> (Option<(Table, Found)>, String) {
        let mut sources = Sources::default();
        let mut problems = Problems::default();
        let files = MemoryFiles::default().with("t.csv", text.as_bytes().to_vec());
        assert!(files.read("t.csv").is_ok());
        let Some(file) = sources.read(&files, "t.csv", None, &mut problems) else { panic!("{text:?} is a text") };
        let file = Text { text: sources.text(file).clone(), file };
        let read = Table::read(file, "t.csv", Layout::Plain, &mut problems);
        let told = problems.errors(&sources).into_iter().chain(problems.warnings(&sources)).map(|told| told.to_string());
        (read, told.collect::<Vec<_>>().join(" / "))
    }

    fn arrivals(table: &Table, steps: &[u64]) -> Vec<(u64, String)> {
        let mut place = table.beginning();
        let mut all = Vec::new();
        for &now in steps {
            place = table.arrivals(place, SimTime::from_secs(now), |_, row| all.push((row.at.0 / 1_000_000_000, row.name)));
        }
        assert_eq!(place.next, None);
        all
    }

    #[test]
    fn headers_are_checked() {
        for (text, want) in [
            (
                "name,cpu_milli\n",
                "t.csv:1:1: the table has no column create_s, no column memory_bytes; its first line names the columns: name,create_s,cpu_milli,memory_bytes,gpu,duration_s,priority",
            ),
            ("name,name,create_s,cpu_milli,memory_bytes\n", "t.csv:1:1: column \"name\" is there twice"),
            ("name,create_s,cpu_milli,memory_bytes,prioriti\n", "t.csv:1:1: column \"prioriti\" is not used; did you mean \"priority\"?"),
        ] {
            assert_eq!(table(text).1, want);
        }
    }

    #[test]
    fn bad_rows_are_counted_with_the_place_of_the_first() {
        let text = "name,create_s,cpu_milli,memory_bytes\na,0,1,1\n\nB,0,1,1\nc,0,x,1\n\"d\",0,y,1\ne,0,1\nf,1,1,1\n";
        let (read, told) = table(text);
        let (table, found) = read.unwrap();
        assert_eq!((told.as_str(), found.rows, table.usable), ("", 6, 2));
        let shown: Vec<String> = found.unusable.iter().map(|t| format!("{} {} {}", t.rows, t.first, &t.reason[..20])).collect();
        assert_eq!(
            shown,
            [
                "1 t.csv:4: found \"B\" name: a lowercase RF",
                "2 t.csv:5: found \"x\" cpu_milli: expected ",
                "1 t.csv:7: found 3 values expected 4 values in"
            ]
        );
        assert_eq!(arrivals(&table, &[0, 1]), [(0, "a".to_string()), (1, "f".to_string())]);
    }

    #[test]
    fn rows_that_an_open_quote_takes_in_are_counted() {
        let text = "name,create_s,cpu_milli,memory_bytes\na,0,1,1\n\"b,0,1,1\nc,0,1,1\nd,0,1,1\n";
        let (table, found) = table(text).0.unwrap();
        assert_eq!((found.rows, table.usable), (4, 1));
        let trouble = &found.unusable[0];
        assert_eq!((trouble.rows, trouble.first.as_str()), (3, "t.csv:3: found a quote before \"b,0,1,1\""));
        assert!(trouble.reason.starts_with("a quote is not closed in its row"), "{}", trouble.reason);
        assert_eq!(arrivals(&table, &[9]), [(0, "a".to_string())]);
    }

    #[test]
    fn a_column_that_is_not_used_may_have_values_of_several_lines() {
        let text = "name,create_s,cpu_milli,memory_bytes,note\na,0,1,1,\"one\ntwo\"\nb,1,x,1,\"one\ntwo\"\nc,2,1,1,\n";
        let (table, found) = table(text).0.unwrap();
        assert_eq!((found.rows, table.usable, found.unusable[0].rows), (3, 2, 1));
        assert_eq!(found.unusable[0].first, "t.csv:4: found \"x\"");
        assert_eq!(arrivals(&table, &[9]), [(0, "a".to_string()), (2, "c".to_string())]);
    }

    #[test]
    fn lines_may_end_as_on_windows_and_values_may_be_quoted() {
        let text = "name,create_s,cpu_milli,memory_bytes\r\na,0,1,1\r\n\"b\",1,\"2\",1\r\nc,2,x,1\r\nd, 3 ,1,1";
        let (table, found) = table(text).0.unwrap();
        assert_eq!(found.unusable[0].first, "t.csv:4: found \"x\"");
        let names = [(0, "a".to_string()), (1, "b".to_string()), (3, "d".to_string())];
        assert_eq!(arrivals(&table, &[0, 1, 2, 3]), names);
        assert_eq!(arrivals(&table, &[9]), names);
    }

    proptest! {
        #[test]
        fn rows_come_in_order_whatever_the_steps(times in prop::collection::vec(0..50u64, 0..60), steps in prop::collection::vec(0..50u64, 0..8), sort: bool) {
            let mut times = times;
            if sort {
                times.sort_unstable();
            }
            let rows: String = times.iter().enumerate().map(|(n, time)| format!("p{n},{time},1,1\n")).collect();
            let (read, _) = table(&format!("name,create_s,cpu_milli,memory_bytes\n{rows}"));
            let (table, found) = read.unwrap();
            prop_assert_eq!(found.rows, times.len() as u64);
            let mut want: Vec<(u64, usize)> = times.iter().enumerate().map(|(n, time)| (*time, n)).collect();
            want.sort_unstable();
            let want: Vec<(u64, String)> = want.into_iter().map(|(time, n)| (time, format!("p{n}"))).collect();
            let mut steps = steps;
            steps.sort_unstable();
            steps.push(50);
            prop_assert_eq!(arrivals(&table, &steps), want);
        }
    }
}
