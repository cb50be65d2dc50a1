//! `describe`: one object at a moment of a run, as kubectl describes it.

use crate::args::DescribeArgs;
use crate::commands::get::{at_moment, kind_named, no_kind, objects_of, unix_now};
use crate::exit::Outcome;
use crate::render::describe::{Cluster, describe as write};
use crate::render::look::text;
use crate::terminal;
use serde_json::Value;
use wavetank_engine::scene::run::Run;

impl Cluster for Run {
    fn list(&self, kind: &str) -> Vec<Value> {
        objects_of(self, kind)
    }

    fn waits_for(&self, namespace: &str, pod: &str) -> Vec<String> {
        wavetank_systems::kubelet::lingering::waits_for_named(&self.sim, namespace, pod)
    }
}

/// Prints the description of the object asked for.
pub fn describe(args: &DescribeArgs) -> Outcome {
    let run = match at_moment(&args.moment) {
        Ok(run) => run,
        Err(outcome) => return outcome,
    };
    let (kind_text, name) = args.target();
    let Some((kind, plural, namespaced)) = kind_named(&run, kind_text) else { return no_kind(kind_text) };
    let namespace = args.moment.namespace.as_str();
    let wanted =
        |object: &&Value| Some(text(object, "/metadata/name")) == name && (!namespaced || text(object, "/metadata/namespace") == namespace);
    let objects = objects_of(&run, &kind);
    let Some(object) = objects.iter().find(wanted) else {
        eprintln!("Error from server (NotFound): {plural} {:?} not found", name.unwrap_or_default());
        return Outcome::Missed;
    };
    match terminal::print(&write(&kind, object, &run, unix_now(&run))) {
        Ok(()) => Outcome::Well,
        Err(error) => {
            eprintln!("error: standard output: {error}");
            Outcome::BadInput
        }
    }
}
