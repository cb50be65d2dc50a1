//! `import`: recordings of others as a scene.

use crate::args::{ImportArgs, Output, RunArgs};
use crate::commands::{NODES, build, failed, load_from, run};
use crate::exit::Outcome;
use crate::import::text::{Nodes, scene};
use crate::import::{Draft, Happening, clean, lost, read, target, trace};
use crate::render::print::yaml;
use crate::render::problems::problems;
use crate::terminal;
use serde_json::Value;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::run::RunOptions;
use wavetank_engine::source::MemoryFiles;

/// How long a run lasts of which nothing says how long. Unit: seconds.
const DURATION_S: u64 = 300;
/// Name of the scene in its folder, and of its objects beside it.
const SCENE: &str = "scene.ron";
const OBJECTS: &str = "objects.yaml";

/// Makes a scene of what the arguments name; writes it, or runs it.
pub fn import(args: &ImportArgs) -> Outcome {
    match draft(args) {
        Ok(draft) => finish(args, draft),
        Err(outcome) => outcome,
    }
}

fn fail(what: &str) -> Outcome {
    eprintln!("error: {what}");
    Outcome::BadInput
}

fn draft(args: &ImportArgs) -> Result<Draft, Outcome> {
    let mut draft = Draft::default();
    let paths: Vec<String> = args.sources.iter().map(|path| super::path_text(path)).collect();
    let found = read::read(&paths, &mut draft).map_err(|what| fail(&what))?;
    if found.problems.has_errors() {
        eprint!("{}", problems(&found.problems, &found.sources, std::io::stderr().is_terminal()));
        return Err(Outcome::BadInput);
    }
    clean::add(found.documents, &mut draft);
    found.traces.iter().for_each(|trace| trace::add(trace, &mut draft));
    leave_out_refused(&mut draft);
    if draft.objects.is_empty() && draft.script.is_empty() {
        let lines: String = draft.left_out.lines().iter().map(|line| format!("\n  left out: {line}")).collect();
        return Err(fail(&format!("{}: there is no object for a scene{lines}", paths.join(", "))));
    }
    draft.duration_s = match args.until {
        Some(until) => until.0 / 1_000_000_000,
        None => draft.duration_s.max(if draft.duration_s == 0 { DURATION_S } else { 0 }),
    };
    Ok(draft)
}

/// Objects with mistakes by today's rules do not keep the others from running.
fn leave_out_refused(draft: &mut Draft) {
    if draft.script.is_empty() && mistake(&Value::Array(draft.objects.clone())).is_none() {
        return;
    }
    let Draft { objects, script, left_out, .. } = draft;
    let mut keep = |object: &Value| match mistake(object) {
        None => true,
        Some(what) => {
            left_out.note(format!("refused: {what}"), target(object));
            false
        }
    };
    objects.retain(&mut keep);
    script.retain_mut(|(_, happening)| match happening {
        Happening::Apply(later) => {
            later.retain(&mut keep);
            !later.is_empty()
        }
        Happening::Delete(_) => true,
    });
}

/// The first mistake that a manifest of this has.
fn mistake(manifest: &Value) -> Option<String> {
    let items = if manifest.is_array() { manifest.clone() } else { Value::Array(vec![manifest.clone()]) };
    let files = MemoryFiles::default().with("objects.json", items.to_string());
    let loaded = load(&files, &["objects.json".to_string()], &Overrides::default());
    loaded.problems.errors(&loaded.sources).first().map(|error| error.what.clone())
}

fn finish(args: &ImportArgs, mut draft: Draft) -> Outcome {
    let nodes = Nodes { count: args.nodes.unwrap_or(NODES), size: args.node_size.clone().unwrap_or_default().0 };
    // Whatever is written runs: mistakes show now, not later.
    let files = MemoryFiles::default().with(SCENE, scene(&draft, &nodes, None));
    let Some((loaded, _)) = load_from(&files, &[PathBuf::from(SCENE)], &Overrides::default(), true) else { return Outcome::BadInput };
    match build(loaded, &RunOptions::default()) {
        Ok(run) => lost::note(&draft.objects, &run.sim, &mut draft.left_out),
        Err(error) => return failed(&error),
    }
    let draft = &draft;
    let whole = scene(draft, &nodes, None);
    if !args.quiet {
        tell(args, draft);
    }
    if args.run {
        let until = args.until;
        let words = RunArgs { files: vec![PathBuf::from(SCENE)], until, quiet: args.quiet, ..RunArgs::default() };
        return run::run_from(&words, &files);
    }
    match &args.output {
        None | Some(Output::Stdout) => {
            terminal::print(&whole).map_or_else(|error| fail(&format!("standard output: {error}")), |()| Outcome::Well)
        }
        Some(Output::File(path)) if path.extension().is_some_and(|end| end == "ron") => write(path, &whole),
        Some(Output::File(folder)) => {
            if let Err(error) = std::fs::create_dir_all(folder) {
                return fail(&format!("{}: {error}", folder.display()));
            }
            let list: String = draft.objects.iter().map(|object| format!("---\n{}", yaml(object))).collect();
            match write(&folder.join(OBJECTS), &list) {
                Outcome::Well => write(&folder.join(SCENE), &scene(draft, &nodes, Some(OBJECTS))),
                other => other,
            }
        }
    }
}

fn write(path: &Path, text: &str) -> Outcome {
    match std::fs::write(path, text) {
        Ok(()) => Outcome::Well,
        Err(error) => fail(&format!("{}: {error}", path.display())),
    }
}

/// What became of it, on standard error: standard output may be the scene.
fn tell(args: &ImportArgs, draft: &Draft) {
    let programs = draft.programs.len();
    eprintln!("{} objects, {} script entries, {programs} programs", draft.objects.len(), draft.script.len());
    draft.left_out.lines().iter().for_each(|line| eprintln!("  left out: {line}"));
    if let (Some(Output::File(path)), false) = (&args.output, args.run) {
        let scene = if path.extension().is_some_and(|end| end == "ron") { path.clone() } else { path.join(SCENE) };
        eprintln!("run it with: wavetank run {}", scene.display());
    }
}
