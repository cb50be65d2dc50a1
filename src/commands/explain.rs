//! `explain`: the scheduler's decisions on a pod.

use crate::args::{ExplainArgs, ExplainFormat};
use crate::commands::get::{kind_named, no_kind, recorded};
use crate::exit::Outcome;
use crate::render::explain::{json, text};
use crate::terminal;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::names::Names;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::scene::targets::Target;
use wavetank_engine::source::error::nearest;
use wavetank_systems::scheduler::cache::SchedulerCache;
use wavetank_systems::scheduler::explain::{WhichPods, untried};

/// Prints how the scheduler decided on the pod.
pub fn explain(args: &ExplainArgs) -> Outcome {
    let (kind_text, name) = args.pod.target();
    let name = name.unwrap_or_default();
    let namespace = args.pod.moment.namespace.as_str();
    let which = WhichPods::One { namespace: namespace.to_string(), name: name.to_string() };
    let prepare = |run: &mut Run| run.sim.get_mut::<SchedulerCache>().explain(which);
    let (run, _) = match recorded(&args.pod.moment, &RunOptions::default(), prepare) {
        Ok(recorded) => recorded,
        Err(outcome) => return outcome,
    };
    match kind_named(&run, kind_text) {
        None => return no_kind(kind_text),
        Some((kind, ..)) if kind != "Pod" => {
            eprintln!("error: the scheduler decides on pods alone: write explain pod/NAME, not {kind_text}/{name}");
            return Outcome::BadInput;
        }
        Some(_) => {}
    }
    let attempts = run.sim.get::<SchedulerCache>().explanations();
    let target = |name: &str| Target { kind: "Pod".into(), namespace: namespace.to_string(), name: name.to_string() };
    let pod = target(name).find(&run.sim).first().copied();
    let note = match (attempts, pod) {
        ([], None) => {
            eprintln!("error: no pod {name:?} in namespace {namespace:?} by {}{}", run.sim.now(), meant(&run, &target("*"), name));
            return Outcome::Missed;
        }
        ([], Some(pod)) => Some(untried(&run.sim, pod)),
        _ => None,
    };
    let text = match args.output {
        ExplainFormat::Text => text(name, attempts, note.as_deref()),
        ExplainFormat::Json => json(&run.scene().path, name, attempts, note.as_deref()).to_string() + "\n",
    };
    match terminal::print(&text) {
        Ok(()) => Outcome::Well,
        Err(error) => {
            eprintln!("error: standard output: {error}");
            Outcome::BadInput
        }
    }
}

/// The pod that a misspelt name may mean.
fn meant(run: &Run, all: &Target, name: &str) -> String {
    let names = run.sim.get::<Names>();
    let living = all.find(&run.sim).into_iter().filter_map(|pod| run.sim.state::<Meta>(pod));
    let living: Vec<String> = living.map(|meta| names.render(meta.name)).collect();
    let living: Vec<&str> = living.iter().map(String::as_str).collect();
    nearest(name, &living).map_or(String::new(), |near| format!("; did you mean {near:?}?"))
}
