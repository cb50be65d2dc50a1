//! The journal of a run as a file.

use crate::args::{Output, RunArgs};
use crate::exit::Outcome;
use std::fs::File;
use std::io::{BufWriter, Write};
use wavetank_engine::record::journal::Line;

/// Where the journal goes.
pub(super) struct JournalFile {
    out: Option<Box<dyn Write>>,
    name: String,
    json: bool,
    failed: Option<String>,
}

impl JournalFile {
    /// Opens what the arguments say.
    pub(super) fn open(args: &RunArgs) -> Result<JournalFile, Outcome> {
        let (out, name): (Option<Box<dyn Write>>, String) = match &args.journal {
            None => (None, String::new()),
            Some(Output::Stdout) => (Some(Box::new(BufWriter::new(std::io::stdout()))), "standard output".to_string()),
            Some(Output::File(path)) => match File::create(path) {
                Ok(file) => (Some(Box::new(BufWriter::new(file))), path.display().to_string()),
                Err(error) => {
                    eprintln!("error: --journal {}: {error}", path.display());
                    return Err(Outcome::BadInput);
                }
            },
        };
        Ok(JournalFile { out, name, json: args.journal.as_ref().is_some_and(Output::wants_json), failed: None })
    }

    /// Writes lines; what fails is told at the end.
    pub(super) fn write(&mut self, lines: &[Line]) {
        let Some(out) = &mut self.out else { return };
        for line in lines {
            let text = if self.json { line.json() } else { line.text() };
            if let Err(error) = writeln!(out, "{text}")
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                self.failed.get_or_insert(error.to_string());
            }
        }
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> Result<(), Outcome> {
        if let Some(out) = &mut self.out
            && let Err(error) = out.flush()
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            self.failed.get_or_insert(error.to_string());
        }
        match self.failed {
            None => Ok(()),
            Some(error) => {
                eprintln!("error: {}: {error}", self.name);
                Err(Outcome::BadInput)
            }
        }
    }
}
