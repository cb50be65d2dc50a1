//! Our answers against recorded answers of the real components of Kubernetes 1.36.2.
//!
//! Tables are gzipped JSON lines, `controllers/<family>.jsonl.gz` and `scheduler/<file>.jsonl.gz`, beside this file. One line
//! on standard output for each table, what missed on standard error, one closing line; exit status 1 on any miss, unreadable
//! row or panic. `WAVETANK_CONFORMANCE=DIR` runs the tables of another directory (relative: from the repository root).
//!
//! To add a family: a file `<family>.rs` with `pub(crate) const FUNCTIONS: Functions`, one line in [`FAMILIES`], and its
//! functions leave [`not_built::NOT_BUILT`]. A function that is in neither list is a miss.

mod arguments;
mod cronjob;
mod daemonset;
mod deployment;
mod disruption;
mod endpointslice;
mod hpa;
mod job;
mod kubelet;
mod node;
mod not_built;
mod pod_resources;
mod replicaset;
mod report;
mod row;
mod run;
mod scheduling;
mod service;
mod statefulset;
mod tables;
mod util;
mod validation;

use row::Functions;
use std::io::Write;
use std::process::ExitCode;

/// What is built: the functions of each family, each with its check.
const FAMILIES: &[Functions] = &[
    cronjob::FUNCTIONS,
    disruption::FUNCTIONS,
    daemonset::FUNCTIONS,
    deployment::FUNCTIONS,
    endpointslice::FUNCTIONS,
    hpa::FUNCTIONS,
    job::FUNCTIONS,
    kubelet::FUNCTIONS,
    node::FUNCTIONS,
    pod_resources::FUNCTIONS,
    replicaset::FUNCTIONS,
    scheduling::FUNCTIONS,
    service::FUNCTIONS,
    statefulset::FUNCTIONS,
    util::FUNCTIONS,
    validation::FUNCTIONS,
];

fn main() -> ExitCode {
    match conform() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            report::say_error(&format!("conformance: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs every table that the arguments ask for. True when nothing missed; an error when nothing could be run at all.
fn conform() -> Result<bool, String> {
    let arguments = arguments::read(std::env::args().skip(1))?;
    let checks = run::Checks::new(FAMILIES, not_built::NOT_BUILT)?;
    let mut tables = tables::find(&tables::directory())?;
    tables.retain(|table| arguments.wants(&table.name));
    let mut out = std::io::stdout().lock();
    if arguments.list {
        for table in &tables {
            writeln!(out, "{}: test", table.name).map_err(|error| error.to_string())?;
        }
        return Ok(true);
    }
    run::quieten_panics();
    let mut total = report::Counts::default();
    for table in &tables {
        let outcome = run::table(table, &checks);
        writeln!(out, "{}", outcome.line()).map_err(|error| error.to_string())?;
        outcome.say_misses();
        total.add(outcome.counts);
    }
    writeln!(out, "{}", total.closing_line()).map_err(|error| error.to_string())?;
    Ok(total.failed == 0)
}
