//! `compare`: two scenes, or one scene with two settings, over the same seeds.

use crate::args::{CompareArgs, Output, Setting, SideArgs, WorldArgs};
use crate::commands::{failed, load_files, overrides, path_text};
use crate::compare::{compare as run, patch, spread};
use crate::exit::Outcome;
use crate::render::compare::{Comparison, json_line, text};
use crate::render::compare_html::page;
use crate::terminal;
use std::path::PathBuf;
use wavetank_engine::scene::model::Scene;

/// Compares what the arguments name.
pub fn compare(args: &CompareArgs) -> Outcome {
    let sides = [args.side_a(), args.side_b()];
    let paths = [&args.scenes[0], args.scenes.last().unwrap_or(&args.scenes[0])];
    if args.scenes.len() == 1 && sides[0] == sides[1] {
        eprintln!(
            "error: {} is compared with itself; name a second scene, or what differs: --vary NAME=A,B, --b-set NAME=VALUE, --b-patch TARGET=JSON",
            path_text(paths[0])
        );
        return Outcome::BadInput;
    }
    let (Some(a), Some(b)) = (side(args, paths[0], &sides[0]), side(args, paths[1], &sides[1])) else { return Outcome::BadInput };
    let seeds = args.seeds.clone().map_or_else(|| vec![args.world.seed.unwrap_or(a.seed)], |seeds| seeds.0);
    let threads = args.jobs.map_or(0, |jobs| jobs as usize);
    let pool = match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool,
        Err(error) => {
            eprintln!("error: cannot start threads: {error}");
            return Outcome::BadInput;
        }
    };
    let pairs = match pool.install(|| run(&[a, b], &seeds)) {
        Ok(pairs) => pairs,
        Err(error) => return failed(&error),
    };
    let named = |at: usize| (path_text(paths[at]), changes(args, &sides[at]));
    let rows = spread::rows(&pairs);
    write(args, &Comparison { sides: [named(0), named(1)], pairs, rows })
}

/// One side's scene, with its own changes.
fn side(args: &CompareArgs, path: &PathBuf, own: &SideArgs) -> Option<Scene> {
    let world = WorldArgs {
        settings: own.settings.clone(),
        latency: own.latency.or(args.world.latency),
        scheduler_config: own.scheduler_config.clone().or_else(|| args.world.scheduler_config.clone()),
        policies: if own.policies.is_empty() { args.world.policies.clone() } else { own.policies.clone() },
        ..args.world.clone()
    };
    let settings: Vec<Setting> = args.world.settings.iter().cloned().chain(world.settings.iter().cloned()).collect();
    let (mut scene, _) = load_files(std::slice::from_ref(path), &overrides(&WorldArgs { settings, ..world }, args.until), true)?;
    for patch in &own.patches {
        if let Err(what) = patch::apply(&mut scene, patch) {
            eprintln!("error: {what}");
            return None;
        }
    }
    Some(scene)
}

/// What was changed of a side, as it was written.
fn changes(args: &CompareArgs, own: &SideArgs) -> Vec<String> {
    let mut out: Vec<String> =
        args.world.settings.iter().chain(&own.settings).map(|setting| format!("{}={}", setting.name, setting.value)).collect();
    out.extend(own.patches.iter().map(|patch| format!("{} {}", patch.target, patch.fields)));
    out.extend(own.policies.iter().map(|policy| format!("policy {}", policy.name)));
    out.extend(own.scheduler_config.iter().map(|path| path_text(path)));
    out.extend(own.latency.map(|latency| format!("latency {latency:?}").to_lowercase()));
    out
}

fn write(args: &CompareArgs, comparison: &Comparison) -> Outcome {
    let wants_stdout = |output: &Option<Output>| *output == Some(Output::Stdout);
    let mut texts = vec![(&args.json, json_line(comparison) + "\n"), (&args.html, page(comparison))];
    let plain = Some(Output::Stdout);
    if !wants_stdout(&args.json) && !wants_stdout(&args.html) {
        texts.push((&plain, text(comparison)));
    }
    for (output, text) in texts {
        let (written, name) = match output {
            None => continue,
            Some(Output::Stdout) => (terminal::print(&text), "standard output".to_string()),
            Some(Output::File(path)) => (std::fs::write(path, text), path.display().to_string()),
        };
        if let Err(error) = written {
            eprintln!("error: {name}: {error}");
            return Outcome::BadInput;
        }
    }
    Outcome::Well
}
