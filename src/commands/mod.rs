//! The sub-commands, one file each, and what they share: loading a scene, running it, saying why it could not be done.

pub mod bench;
pub mod check;
pub mod compare;
pub mod connect;
pub mod describe;
pub mod explain;
pub mod get;
pub mod import;
pub mod logs;
pub mod new;
pub mod report;
pub mod rollout;
pub mod run;
pub mod schedule;
pub mod test;
pub mod why;

use crate::args::{DispatchMode, Latency, NodeSize, Setting, Ties, WorldArgs};
use crate::exit::Outcome;
use crate::files::Disk;
use crate::render::problems::problems;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use wavetank_engine::scene::format::Pool;
use wavetank_engine::scene::load::{Loaded, Overrides, load};
use wavetank_engine::scene::model::{self, Scene};
use wavetank_engine::scene::run::{Run, RunError, RunOptions};
use wavetank_engine::simulation::dispatch::Dispatcher;
use wavetank_engine::simulation::latency::{self, LatencyTable};
use wavetank_engine::source::Files;
use wavetank_engine::time::SimDuration;
use wavetank_systems::scheduler::registry;

/// Nodes that manifests run on unless `--nodes` says otherwise.
pub(crate) const NODES: u32 = 5;

/// What the command line changes of a scene.
pub(crate) fn overrides(world: &WorldArgs, until: Option<SimDuration>) -> Overrides {
    let size = world.node_size.clone().unwrap_or_default();
    Overrides {
        set: settings(&world.settings),
        seed: world.seed,
        until,
        latency: world.latency.map(profile),
        ties: world.ties.map(ties),
        scheduler_config: world.scheduler_config.as_deref().map(path_text),
        policies: world.policies.clone(),
        check_policy: Some(registry::check),
        pool: Some(pool(world.nodes.unwrap_or(NODES), &size)),
        ..Overrides::default()
    }
}

/// A path as scenes write it.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(crate) fn settings(settings: &[Setting]) -> Vec<String> {
    settings.iter().map(|setting| format!("{}={}", setting.name, setting.value)).collect()
}

pub(crate) fn ties(ties: Ties) -> model::Ties {
    match ties {
        Ties::Heap => model::Ties::Heap,
        Ties::LowestName => model::Ties::LowestName,
        Ties::Random => model::Ties::Random,
    }
}

fn profile(latency: Latency) -> latency::Latency {
    match latency {
        Latency::Ideal => latency::Latency::Ideal,
        Latency::Typical => latency::Latency::Typical(LatencyTable::TYPICAL),
    }
}

fn pool(count: u32, size: &NodeSize) -> Pool {
    Pool {
        name: "node".to_string(),
        count,
        allocatable: size.0.iter().cloned().collect(),
        capacity: Default::default(),
        labels: Default::default(),
        taints: Vec::new(),
        zones: Vec::new(),
        node_info: Default::default(),
        static_pods: Vec::new(),
    }
}

pub(crate) fn dispatcher(mode: DispatchMode) -> Dispatcher {
    match mode {
        DispatchMode::Mask => Dispatcher::Mask,
        DispatchMode::Schedule => Dispatcher::Schedule,
    }
}

/// Loads a scene or manifests, and prints mistakes and warnings on standard error. `None` when there were mistakes.
pub(crate) fn load_files(paths: &[PathBuf], overrides: &Overrides, quiet: bool) -> Option<(Scene, Loaded)> {
    load_from(&Disk, paths, overrides, quiet)
}

/// The same from files that need not be on the disk.
pub(crate) fn load_from(files: &dyn Files, paths: &[PathBuf], overrides: &Overrides, quiet: bool) -> Option<(Scene, Loaded)> {
    let paths: Vec<String> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let mut loaded = load(files, &paths, overrides);
    let text = problems(&loaded.problems, &loaded.sources, std::io::stderr().is_terminal());
    if !text.is_empty() && (loaded.problems.has_errors() || !quiet) {
        eprint!("{text}");
    }
    let scene = loaded.scene.take()?;
    Some((scene, loaded))
}

/// Builds the world of a scene, with all behaviours.
///
/// # Errors
/// When the API server refuses an object of the scene.
pub(crate) fn build(scene: Scene, options: &RunOptions) -> Result<Run, RunError> {
    Run::new(scene, options, wavetank_systems::install_all)
}

/// Says why a run ended early, and how the program ends.
pub(crate) fn failed(error: &RunError) -> Outcome {
    match error {
        RunError::Refused(_) => {
            eprintln!("error: {error}");
            Outcome::BadInput
        }
        RunError::Restless(_) => {
            eprintln!("error: {error}");
            Outcome::Restless
        }
        // A broken invariant is a bug: it ends as every bug does.
        RunError::Broken { .. } => panic!("{error}"),
    }
}
