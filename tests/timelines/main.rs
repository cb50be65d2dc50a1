//! Timelines of a real control plane against ours: one line for each recording.
//!
//! The recordings are `tests/timelines/golden/*.json.gz`. `WAVETANK_TIMELINES=DIR` compares those of another directory
//! (`.json` or `.json.gz`; relative to the repository root). A plain argument keeps the recordings whose name contains
//! it, `WAVETANK_TIMELINES_OUT=DIR` writes what we produce to that directory. The comparator is tested first; the exit status is non-zero on any difference, unreadable file or panic.
//!
//! Reading order: `recording`, `labels`, `fields`, `history` with `steps`, `groups`, `events`, `laws`, `cuts`,
//! `compare`, `inputs`.

mod compare;
mod cuts;
mod difference;
mod drive;
mod events;
mod facts;
mod families;
mod fields;
mod groups;
mod history;
mod inputs;
mod kubectl;
mod labels;
mod laws;
mod patch;
mod produce;
mod recording;
mod script;
mod selftest;
mod stand_in;
mod steps;

use history::Vocabulary;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("tests/timelines/golden");
    let directory = std::env::var_os("WAVETANK_TIMELINES").map_or_else(|| committed.clone(), |directory| root.join(directory));
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    match run(&committed, &directory, &filter) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("timelines: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Tests the comparator, then compares every chosen recording. Whether all is well.
fn run(committed: &Path, directory: &Path, filter: &str) -> Result<bool, String> {
    let mut originals = Vec::new();
    for file in recording::files(committed)? {
        originals.push(recording::read(&file).map_err(|error| format!("{}: {error}", recording::title(&file)))?);
    }
    let vocabulary = compare::vocabulary(&originals);
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, test) in selftest::TESTS {
        if let Err(error) = guarded(|| test(&originals, &vocabulary)) {
            failed += 1;
            say(&format!("comparator {name}: {error}"));
        } else {
            say(&format!("comparator {name}: ok"));
        }
    }
    let files = recording::files(directory)?;
    if files.is_empty() {
        return Err(format!("no recording in {}", directory.display()));
    }
    let chosen: Vec<PathBuf> = files.into_iter().filter(|file| recording::title(file).contains(filter)).collect();
    for file in &chosen {
        let title = recording::title(file);
        let outcome = guarded(|| judge(file, &vocabulary));
        match outcome.as_deref() {
            Ok(NOT_BUILT) => skipped += 1,
            Ok(_) => passed += 1,
            Err(_) => failed += 1,
        }
        say(&format!("timeline {title}: {}", outcome.unwrap_or_else(|error| error)));
    }
    say(&format!("{passed} passed, {failed} failed, {skipped} skipped"));
    Ok(failed == 0)
}

/// What is said of a recording whose family is not built.
const NOT_BUILT: &str = "not built";

/// Compares one recording with what we produce from its input; the error is the first difference.
fn judge(file: &Path, vocabulary: &Vocabulary) -> Result<String, String> {
    let recording = recording::read(file)?;
    if families::is_not_built(recording.family()) {
        return Ok(NOT_BUILT.to_owned());
    }
    let mut first = Ok(String::new());
    for choices in families::choices(recording.family()) {
        let produced = drive::produce(&recording, choices)?;
        let verdict = compare::compare(&recording, &produced, 0, vocabulary);
        if let (None, Some(directory)) = (choices, std::env::var_os("WAVETANK_TIMELINES_OUT")) {
            let path = Path::new(&directory).join(format!("{}.json", recording::title(file)));
            let text = serde_json::to_string(&produced).map_err(|error| error.to_string())?;
            std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        match (verdict, choices) {
            (Ok(()), None) => return Ok("same".to_owned()),
            (Ok(()), Some(seed)) => return Ok(format!("same, with open choices as drawn by seed {seed}")),
            (Err(difference), None) => first = Err(difference.to_string()),
            (Err(_), Some(_)) => {}
        }
    }
    first
}

/// Runs something that may panic; a panic is an error with its message on one line.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without a message").replace('\n', " ")))
    })
}

/// Prints one line of the report. A closed pipe ends the report, not the comparison.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
