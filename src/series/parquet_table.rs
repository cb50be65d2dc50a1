//! The table as Parquet: the columns of the CSV form, times and values as doubles.

use super::Table;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::errors::Result as Written;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::io::BufWriter;
use std::mem::take;
use std::path::Path;
use std::sync::Arc;
use wavetank_engine::record::series::{Point, SCHEMA};
use wavetank_engine::time::SimTime;

const COLUMNS: &str = "message series {
    required binary schema (STRING);
    required double time_s;
    required binary series (STRING);
    required binary labels (STRING);
    required double value;
}";

/// Rows of a row group, at the least.
const GROUP_ROWS: usize = 500_000;

/// A table written group by group.
pub(super) struct ParquetTable {
    out: SerializedFileWriter<BufWriter<File>>,
    times_s: Vec<f64>,
    series: Vec<ByteArray>,
    labels: Vec<ByteArray>,
    values: Vec<f64>,
}

impl ParquetTable {
    /// Begins the file.
    pub(super) fn open(path: &Path) -> Result<ParquetTable, String> {
        let file = BufWriter::new(File::create(path).map_err(|error| error.to_string())?);
        let columns = parse_message_type(COLUMNS).expect("the columns are a constant");
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let out = SerializedFileWriter::new(file, Arc::new(columns), Arc::new(properties)).map_err(|error| error.to_string())?;
        Ok(ParquetTable { out, times_s: Vec::new(), series: Vec::new(), labels: Vec::new(), values: Vec::new() })
    }

    /// Writes what has come together.
    fn group(&mut self) -> Written<()> {
        let (times_s, values) = (take(&mut self.times_s), take(&mut self.values));
        let schema = vec![ByteArray::from(SCHEMA); values.len()];
        let mut group = self.out.next_row_group()?;
        let (mut texts, mut numbers) =
            ([schema, take(&mut self.series), take(&mut self.labels)].into_iter(), [times_s, values].into_iter());
        while let Some(mut column) = group.next_column()? {
            match column.untyped() {
                parquet::column::writer::ColumnWriter::ByteArrayColumnWriter(_) => {
                    let values = texts.next().expect("three columns are texts");
                    column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
                }
                _ => {
                    let values = numbers.next().expect("two columns are numbers");
                    column.typed::<DoubleType>().write_batch(&values, None, None)?;
                }
            }
            column.close()?;
        }
        group.close().map(|_| ())
    }
}

impl Table for ParquetTable {
    fn sample(&mut self, at: SimTime, points: &[Point]) -> Result<(), String> {
        for point in points {
            self.times_s.push(at.0 as f64 / 1e9);
            self.series.push(ByteArray::from(point.series));
            self.labels.push(ByteArray::from(point.labels_text().as_str()));
            self.values.push(point.milli as f64 / 1e3);
        }
        if self.values.len() >= GROUP_ROWS { self.group().map_err(|error| error.to_string()) } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        if !self.values.is_empty() {
            self.group().map_err(|error| error.to_string())?;
        }
        self.out.close().map(|_| ()).map_err(|error| error.to_string())
    }
}
