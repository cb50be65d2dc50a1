//! `check`: all mistakes of scenes and manifests at once.

use crate::args::CheckArgs;
use crate::commands::{load_files, settings};
use crate::exit::Outcome;
use crate::terminal;
use wavetank_engine::scene::load::Overrides;
use wavetank_systems::scheduler::registry;

/// Checks each file by itself, manifests given together as one world.
pub fn check(args: &CheckArgs) -> Outcome {
    let scenes = args.files.iter().filter(|path| path.extension().is_some_and(|end| end == "ron"));
    let manifests: Vec<_> = args.files.iter().filter(|path| path.extension().is_none_or(|end| end != "ron")).cloned().collect();
    let worlds = scenes.map(|scene| vec![scene.clone()]).chain((!manifests.is_empty()).then_some(manifests));
    let mut good = true;
    for world in worlds {
        let given = world.first().is_some_and(|path| path.extension().is_some_and(|end| end == "ron"));
        let overrides = Overrides {
            set: if given { settings(&args.settings) } else { Vec::new() },
            check_policy: Some(registry::check),
            ..Overrides::default()
        };
        match load_files(&world, &overrides, false) {
            Some((scene, _)) => {
                let line = format!(
                    "{}: {} objects, {} script entries, {} expectations\n",
                    world.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(" "),
                    scene.objects.len(),
                    scene.script.len(),
                    scene.expectations.len()
                );
                good &= terminal::print(&line).is_ok();
            }
            None => good = false,
        }
    }
    if good { Outcome::Well } else { Outcome::BadInput }
}
