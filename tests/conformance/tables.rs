//! Where the tables are, and what is in them.

use flate2::read::MultiGzDecoder;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How the name of a table ends.
const ENDING: &str = ".jsonl.gz";

/// A table to run.
pub(crate) struct Table {
    /// Path below the directory, without the ending: `controllers/util`.
    pub(crate) name: String,
    path: PathBuf,
}

impl Table {
    /// The lines of the table. An error says why it cannot be read.
    pub(crate) fn read(&self) -> Result<String, String> {
        let packed = fs::File::open(&self.path).map_err(|error| error.to_string())?;
        let mut text = String::new();
        MultiGzDecoder::new(packed).read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }
}

/// The directory named by `WAVETANK_CONFORMANCE`, else the recorded tables of this repository.
pub(crate) fn directory() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match std::env::var_os("WAVETANK_CONFORMANCE") {
        Some(elsewhere) => root.join(elsewhere),
        None => root.join("tests/conformance"),
    }
}

/// Every table under a directory, by name. An error when the directory cannot be read or holds no table.
pub(crate) fn find(directory: &Path) -> Result<Vec<Table>, String> {
    let mut tables = Vec::new();
    walk(directory, "", &mut tables)?;
    if tables.is_empty() {
        return Err(format!("no {ENDING} under {}", directory.display()));
    }
    tables.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(tables)
}

fn walk(directory: &Path, prefix: &str, tables: &mut Vec<Table>) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("{}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(format!("{}: name is not UTF-8", path.display()));
        };
        if path.is_dir() {
            walk(&path, &format!("{prefix}{file}/"), tables)?;
        } else if let Some(stem) = file.strip_suffix(ENDING) {
            tables.push(Table { name: format!("{prefix}{stem}"), path });
        }
    }
    Ok(())
}
