//! `report`: a run told as one page for a browser.

mod ask;

use crate::args::{Output, ReportArgs, RunArgs};
use crate::commands::why::script;
use crate::exit::Outcome;
use crate::render::report::page;
use crate::report::{Collector, explain, why};
use crate::terminal;
use std::fs::{File, OpenOptions};
use std::io::Write;
use wavetank_engine::api::queue::Queues;
use wavetank_engine::record::journal::Line;
use wavetank_engine::scene::model::Scene;
use wavetank_engine::scene::run::Run;
use wavetank_engine::source::Sources;
use wavetank_systems::scheduler::cache::SchedulerCache;
use wavetank_systems::scheduler::explain::WhichPods;

/// Runs a scene for its report.
pub fn report(args: &ReportArgs) -> Outcome {
    let run = RunArgs {
        files: args.scene.clone(),
        world: args.world.clone(),
        until: args.until,
        quiet: true,
        report: Some(args.output.clone()),
        ..RunArgs::default()
    };
    let outcome = super::run::run(&run);
    if let (Outcome::Well | Outcome::Missed, Output::File(path), false) = (outcome, &args.output, args.quiet) {
        eprintln!("wrote {}; open it in a browser", path.display());
    }
    outcome
}

/// A report on its way.
pub(crate) struct Watching {
    output: Output,
    file: Option<File>,
    /// Taken when the run begins.
    pub(crate) collector: Option<Collector>,
    /// The journal, of a run that keeps its causes.
    pub(crate) lines: Option<Vec<Line>>,
}

/// Whether the causes of a run are kept for its report.
pub(crate) fn keeps_causes(args: &RunArgs, scene: &Scene) -> bool {
    args.report.is_some() && why::small(scene)
}

impl Watching {
    /// Opens the file before anything runs; what it holds stays until the report is done.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn open(args: &RunArgs) -> Result<Option<Watching>, Outcome> {
        let Some(output) = &args.report else { return Ok(None) };
        let file = match output {
            Output::Stdout => None,
            Output::File(path) => match OpenOptions::new().write(true).create(true).truncate(false).open(path) {
                Ok(file) => Some(file),
                Err(error) => {
                    eprintln!("error: report {}: {error}", path.display());
                    return Err(Outcome::BadInput);
                }
            },
        };
        Ok(Some(Watching { output: output.clone(), file, collector: None, lines: None }))
    }

    /// Begins to watch a run.
    pub(crate) fn begin(&mut self, run: &mut Run) {
        self.lines = run.sim.get::<Queues>().causes().is_some().then(Vec::new);
        if self.lines.is_some() && explain::small(run) {
            run.sim.get_mut::<SchedulerCache>().explain(WhichPods::Latest);
        }
        self.collector = Some(Collector::new(&mut run.sim));
    }

    /// A stretch of the run is over.
    pub(crate) fn stretch(&mut self, run: &mut Run, lines: &[Line]) {
        if let Some(collector) = &mut self.collector {
            collector.stretch(&mut run.sim);
        }
        if let Some(kept) = &mut self.lines {
            kept.extend_from_slice(lines);
        }
    }

    /// Writes the report of a run that is over.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn finish(self, args: &RunArgs, run: &Run, sources: Option<&Sources>) -> Result<(), Outcome> {
        let Some(collector) = self.collector else { return Ok(()) };
        let script = sources.map_or_else(Vec::new, |sources| script(run, sources));
        let mut data = collector.data(run, &script, self.lines);
        data["ask"] = ask::ask(args, &run.scene().path).into();
        let page = page(&data);
        let (written, name) = match (self.file, &self.output) {
            (Some(mut file), Output::File(path)) => {
                (file.set_len(0).and_then(|()| file.write_all(page.as_bytes())), path.display().to_string())
            }
            _ => (terminal::print(&page), "standard output".to_string()),
        };
        written.map_err(|error| {
            eprintln!("error: report {name}: {error}");
            Outcome::BadInput
        })
    }
}
