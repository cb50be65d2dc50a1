//! Entry point: reads the arguments, calls one function, turns its outcome into an exit code.

use clap::CommandFactory;
use std::process::ExitCode;
use wavetank::args::{Cli, Command};
use wavetank::{exit, terminal};

fn main() -> ExitCode {
    exit::note_bugs();
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Completions { shell } => completions(shell),
        Command::Run(_) | Command::Test(_) | Command::Check(_) | Command::Get(_) | Command::Describe(_) | Command::Schedule => {
            eprintln!("error: this build of wavetank reads its arguments only; the engine is not part of it yet");
            ExitCode::from(exit::Outcome::BadInput)
        }
    }
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "wavetank", &mut script);
    match terminal::print(&String::from_utf8_lossy(&script)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: standard output: {error}");
            ExitCode::from(exit::Outcome::BadInput)
        }
    }
}
