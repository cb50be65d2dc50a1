//! The whole program behind `main`: a program that brings its own policies calls it after registering them.

use crate::args::{Cli, Command};
use crate::exit::{self, Outcome};
use crate::{commands, terminal};
use clap::CommandFactory;
use std::process::ExitCode;

/// Reads the arguments of the process, calls one command, turns its outcome into an exit code.
pub fn program() -> ExitCode {
    exit::note_bugs();
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let outcome = match cli.command {
        Command::Completions { shell } => completions(shell),
        Command::Run(args) => commands::run::run(&args),
        Command::Test(args) => commands::test::test(&args),
        Command::Check(args) => commands::check::check(&args),
        Command::Get(args) => commands::get::get(&args),
        Command::Logs(args) => commands::logs::logs(&args),
        Command::Connect(args) => commands::connect::connect(&args),
        Command::Describe(args) => commands::describe::describe(&args),
        Command::Rollout { command } => commands::rollout::rollout(&command),
        Command::Explain(args) => commands::explain::explain(&args),
        Command::Why(args) => commands::why::why(&args),
        Command::Import(args) => commands::import::import(&args),
        Command::Compare(args) => commands::compare::compare(&args),
        Command::New(args) => commands::new::new(&args),
        Command::Report(args) => commands::report::report(&args),
        Command::Bench(args) => commands::bench::bench(&args),
        Command::Schedule => commands::schedule::schedule(),
    };
    ExitCode::from(outcome)
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "wavetank", &mut script);
    match terminal::print(&String::from_utf8_lossy(&script)) {
        Ok(()) => Outcome::Well,
        Err(error) => {
            eprintln!("error: standard output: {error}");
            Outcome::BadInput
        }
    }
}
