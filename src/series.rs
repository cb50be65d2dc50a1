//! The time series of a run as a CSV table, one value a row.

use crate::args::{Output, RunArgs};
use csv::{Writer, WriterBuilder};
use std::io::{self, Write};
use wavetank_engine::record::series::{SCHEMA, Sampler, seconds_text};
use wavetank_engine::scene::run::Run;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_systems::series::sample;

/// Columns of the table.
const COLUMNS: [&str; 5] = ["schema", "time_s", "series", "labels", "value"];

/// Time between two samples unless the arguments say otherwise.
pub const EVERY: SimDuration = SimDuration::from_secs(10);

/// A table being written while the run goes on.
pub struct SeriesFile {
    out: Writer<Box<dyn Write>>,
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
        if let Output::File(path) = output
            && path.extension().is_some_and(|end| end == "parquet")
        {
            return Err(format!("--series {}: this program writes CSV alone; name the file FILE.csv", path.display()));
        }
        let every = args.series_every.unwrap_or(EVERY);
        let now = run.sim.now();
        let next = SimTime(now.0.div_ceil(every.0) * every.0).min(run.end());
        let name = format!("--series {output}");
        let out = WriterBuilder::new().from_writer(output.open().map_err(|error| format!("{name}: {error}"))?);
        let mut file = SeriesFile { out, name, every, next, end: run.end(), sampler: Sampler::default() };
        file.write(&COLUMNS)?;
        Ok(Some(file))
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
        let time = seconds_text(now);
        for point in sample(&mut self.sampler, &run.sim) {
            self.write(&[SCHEMA, &time, point.series, &point.labels_text(), &point.value_text()])?;
        }
        Ok(())
    }

    fn write(&mut self, row: &[&str]) -> Result<(), String> {
        match self.out.write_record(row).map_err(csv::Error::into_kind) {
            Err(csv::ErrorKind::Io(error)) => self.unless_gone(Err(error)),
            Err(other) => Err(format!("{}: {other:?}", self.name)),
            Ok(()) => Ok(()),
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// A sentence when it can't be written.
    pub fn finish(mut self) -> Result<(), String> {
        let flushed = self.out.flush();
        self.unless_gone(flushed)
    }

    /// A reader who has gone away is no error.
    fn unless_gone(&self, written: io::Result<()>) -> Result<(), String> {
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("{}: {error}", self.name)),
            Err(_) | Ok(()) => Ok(()),
        }
    }
}
