//! The time series of a run as a table, one value a row: CSV, or Parquet where the file is named so.

mod csv_table;
#[cfg(feature = "parquet")]
mod parquet_table;

use crate::args::{Output, RunArgs};
use csv_table::CsvTable;
use std::path::Path;
use wavetank_engine::record::series::{Point, Sampler};
use wavetank_engine::scene::run::Run;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_systems::series::sample;

/// A form of the table.
trait Table {
    /// Adds the points of a moment.
    ///
    /// # Errors
    /// A sentence when they can't be written.
    fn sample(&mut self, at: SimTime, points: &[Point]) -> Result<(), String>;

    /// Writes what is left.
    ///
    /// # Errors
    /// A sentence when it can't be written.
    fn finish(self: Box<Self>) -> Result<(), String>;
}

/// Time between two samples unless the arguments say otherwise.
pub const EVERY: SimDuration = SimDuration::from_secs(10);

/// A table being written while the run goes on.
pub struct SeriesFile {
    table: Box<dyn Table>,
    name: String,
    every: SimDuration,
    /// When the next sample is due.
    next: SimTime,
    end: SimTime,
    sampler: Sampler,
}

impl SeriesFile {
    /// The table that the arguments ask for, if they do.
    ///
    /// # Errors
    /// A sentence when its file can't be written.
    pub fn open(args: &RunArgs, run: &Run) -> Result<Option<SeriesFile>, String> {
        let Some(output) = &args.series else { return Ok(None) };
        let every = args.series_every.unwrap_or(EVERY);
        let now = run.sim.now();
        let next = SimTime(now.0.div_ceil(every.0) * every.0).min(run.end());
        let name = format!("--series {output}");
        let table = table(output).map_err(|error| format!("{name}: {error}"))?;
        Ok(Some(SeriesFile { table, name, every, next, end: run.end(), sampler: Sampler::default() }))
    }

    /// When the next sample is due; the run has to stop there.
    pub fn next(&self) -> SimTime {
        self.next
    }

    /// Takes a sample if it is due.
    ///
    /// # Errors
    /// A sentence when it can't be written.
    pub fn look(&mut self, run: &Run) -> Result<(), String> {
        let now = run.sim.now();
        if now < self.next {
            return Ok(());
        }
        self.next = if now < self.end { (now + self.every).min(self.end) } else { SimTime(u64::MAX) };
        let points = sample(&mut self.sampler, &run.sim);
        self.table.sample(now, &points).map_err(|error| format!("{}: {error}", self.name))
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// A sentence when it can't be written.
    pub fn finish(self) -> Result<(), String> {
        self.table.finish().map_err(|error| format!("{}: {error}", self.name))
    }
}

/// The table of the form that its name asks for.
fn table(output: &Output) -> Result<Box<dyn Table>, String> {
    match output {
        Output::File(path) if path.extension().is_some_and(|end| end == "parquet") => parquet_table(path),
        Output::File(_) | Output::Stdout => Ok(Box::new(CsvTable::open(output)?)),
    }
}

#[cfg(feature = "parquet")]
fn parquet_table(path: &Path) -> Result<Box<dyn Table>, String> {
    Ok(Box::new(parquet_table::ParquetTable::open(path)?))
}

#[cfg(not(feature = "parquet"))]
fn parquet_table(_: &Path) -> Result<Box<dyn Table>, String> {
    Err("this program was built without Parquet; build it with: cargo build --release --features parquet, or name the file FILE.csv"
        .to_string())
}
