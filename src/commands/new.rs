//! `new`: a commented scene to begin with.

use crate::args::{NewArgs, Output, Template};
use crate::exit::Outcome;
use crate::terminal;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// The text of a template.
pub fn template(template: Template) -> &'static str {
    match template {
        Template::Rollout => include_str!("../templates/rollout.ron"),
        Template::Autoscaling => include_str!("../templates/autoscaling.ron"),
        Template::Failure => include_str!("../templates/failure.ron"),
        Template::Bench => include_str!("../templates/bench.ron"),
    }
}

/// Writes a template.
pub fn new(args: &NewArgs) -> Outcome {
    let text = template(args.template);
    let path = match &args.file {
        Output::Stdout => {
            return match terminal::print(&text.replace("FILE", "scene.ron")) {
                Ok(()) => Outcome::Well,
                Err(error) => fail(&format!("standard output: {error}")),
            };
        }
        Output::File(path) => path,
    };
    if path.extension().is_none_or(|end| end != "ron") {
        return fail(&format!("{}: the name of a scene ends in .ron", path.display()));
    }
    let name = path.display().to_string();
    match write(path, &text.replace("FILE", &name), args.force) {
        Ok(()) => {
            eprintln!("{name} is there; run it with: wavetank run {name}");
            Outcome::Well
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => fail(&format!("{name} is there already; --force replaces it")),
        Err(error) => fail(&format!("{name}: {error}")),
    }
}

/// Writes a file that must not be there yet, unless `force`.
fn write(path: &Path, text: &str, force: bool) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    options.write(true).open(path)?.write_all(text.as_bytes())
}

fn fail(what: &str) -> Outcome {
    eprintln!("error: {what}");
    Outcome::BadInput
}
