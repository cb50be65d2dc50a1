//! The table as comma-separated values.

use super::Table;
use crate::args::Output;
use csv::{Error, ErrorKind, Writer, WriterBuilder};
use std::io::{self, Write};
use wavetank_engine::record::series::{Point, SCHEMA, seconds_text};
use wavetank_engine::time::SimTime;

/// Columns of the table.
const COLUMNS: [&str; 5] = ["schema", "time_s", "series", "labels", "value"];

/// A table written row by row.
pub(super) struct CsvTable {
    out: Writer<Box<dyn Write>>,
}

impl CsvTable {
    /// Begins the table with its head.
    pub(super) fn open(output: &Output) -> Result<CsvTable, String> {
        let out = output.open().map_err(|error| error.to_string())?;
        let mut table = CsvTable { out: WriterBuilder::new().from_writer(out) };
        table.write(&COLUMNS)?;
        Ok(table)
    }

    fn write(&mut self, row: &[&str]) -> Result<(), String> {
        match self.out.write_record(row).map_err(Error::into_kind) {
            Err(ErrorKind::Io(error)) => unless_gone(Err(error)),
            Err(other) => Err(format!("{other:?}")),
            Ok(()) => Ok(()),
        }
    }
}

impl Table for CsvTable {
    fn sample(&mut self, at: SimTime, points: &[Point]) -> Result<(), String> {
        let time = seconds_text(at);
        points.iter().try_for_each(|point| self.write(&[SCHEMA, &time, point.series, &point.labels_text(), &point.value_text()]))
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        unless_gone(self.out.flush())
    }
}

/// A reader who has gone away is no error.
fn unless_gone(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        Err(_) | Ok(()) => Ok(()),
    }
}
