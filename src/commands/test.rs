//! `test`: every scene's journal against its golden one.

use crate::args::TestArgs;
use crate::commands::{build, path_text};
use crate::exit::Outcome;
use crate::files::Disk;
use crate::terminal;
use crate::test_runner::{Tested, find, junit, line, test_all, totals};
use crate::usage::Stopwatch;
use std::path::Path;
use wavetank_engine::record::journal::Journal;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::run::RunOptions;
use wavetank_systems::scheduler::registry;

/// Runs a scene and gives its journal as text.
///
/// # Errors
/// Mistakes of the scene, refused objects, a world that does not come to rest, missed expectations.
pub fn journal_of(path: &Path) -> Result<String, String> {
    journal_with(path, None)
}

/// [`journal_of`] with a scheduler configuration in place of the scene's.
fn journal_with(path: &Path, scheduler_config: Option<&Path>) -> Result<String, String> {
    let overrides =
        Overrides { scheduler_config: scheduler_config.map(path_text), check_policy: Some(registry::check), ..Overrides::default() };
    let mut loaded = load(&Disk, &[path_text(path)], &overrides);
    let Some(scene) = loaded.scene.take() else {
        let errors = loaded.problems.errors(&loaded.sources);
        return Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    };
    let options = RunOptions { journal: true, check: true, ..RunOptions::default() };
    let mut run = build(scene, &options).map_err(|error| error.to_string())?;
    let end = run.end();
    run.run_until(end, &mut |_| {}).map_err(|error| error.to_string())?;
    let (_, missed) = run.expectations();
    if !missed.is_empty() {
        return Err(format!("expectations missed:\n  {}", missed.join("\n  ")));
    }
    let lines = run.sim.get_mut::<Journal>().take();
    Ok(lines.iter().map(|line| line.text() + "\n").collect())
}

/// Tests the scenes asked for.
pub fn test(args: &TestArgs) -> Outcome {
    let scenes = match find(&args.paths) {
        Ok(scenes) => scenes,
        Err(message) => {
            eprintln!("error: {message}");
            return Outcome::BadInput;
        }
    };
    let clock = Stopwatch::start();
    let each = |tested: &Tested| {
        if let Err(error) = terminal::print(&line(tested)) {
            eprintln!("error: standard output: {error}");
        }
    };
    let tested = match test_all(&scenes, args.jobs, args.bless, &|path: &Path| journal_with(path, args.scheduler_config.as_deref()), each) {
        Ok(tested) => tested,
        Err(message) => {
            eprintln!("error: {message}");
            return Outcome::BadInput;
        }
    };
    let took = clock.wall();
    if let Err(error) = terminal::print(&totals(&tested, took)) {
        eprintln!("error: standard output: {error}");
    }
    if let Some(path) = &args.junit
        && let Err(error) = std::fs::write(path, junit(&tested, took))
    {
        eprintln!("error: {}: {error}", path.display());
        return Outcome::BadInput;
    }
    if tested.iter().all(|tested| tested.verdict.passed()) { Outcome::Well } else { Outcome::Missed }
}
