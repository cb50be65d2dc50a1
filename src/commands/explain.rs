//! `explain`: the scheduler's decisions on a pod, the cluster autoscaler's on a group of nodes and on a node.

mod autoscaler;

use crate::args::{ExplainArgs, ExplainFormat};
use crate::commands::get::{kind_named, no_kind, recorded};
use crate::exit::Outcome;
use crate::kinds;
use crate::render::autoscaler::pod_text as autoscaled;
use crate::render::explain::{json, text};
use crate::terminal;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::names::Names;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::scene::targets::Target;
use wavetank_engine::source::error::nearest;
use wavetank_systems::autoscaling::cluster::explain::{Asked, Explanations, pod_text};
use wavetank_systems::scheduler::cache::SchedulerCache;
use wavetank_systems::scheduler::explain::{WhichPods, untried};

/// Prints how was decided on the object.
pub fn explain(args: &ExplainArgs) -> Outcome {
    let (kind_text, name) = args.pod.target();
    let name = name.unwrap_or_default();
    let told = if autoscaler::GROUPS.contains(&kind_text.to_ascii_lowercase().as_str()) {
        autoscaler::group(args, name)
    } else if kinds::find(kind_text).is_some_and(|known| known.kind == "Node") {
        autoscaler::node(args, name)
    } else {
        pod(args, kind_text, name)
    };
    match told.map(|text| terminal::print(&text)) {
        Ok(Ok(())) => Outcome::Well,
        Ok(Err(error)) => {
            eprintln!("error: standard output: {error}");
            Outcome::BadInput
        }
        Err(outcome) => outcome,
    }
}

/// How the scheduler decided on a pod, and what the cluster autoscaler did for it.
fn pod(args: &ExplainArgs, kind_text: &str, name: &str) -> Result<String, Outcome> {
    let namespace = args.pod.moment.namespace.as_str();
    let which = WhichPods::One { namespace: namespace.to_string(), name: name.to_string() };
    let shown = pod_text(namespace, name);
    let prepare = |run: &mut Run| {
        run.sim.get_mut::<SchedulerCache>().explain(which);
        run.sim.get_mut::<Explanations>().ask(Asked::Pod(shown.clone()));
    };
    let (run, _) = recorded(&args.pod.moment, &RunOptions::default(), prepare)?;
    match kind_named(&run, kind_text) {
        None => return Err(no_kind(kind_text)),
        Some((kind, ..)) if kind != "Pod" => {
            eprintln!(
                "error: {kind_text}/{name}: expected pod/NAME (the scheduler's decisions), node/NAME or nodegroup/NAME (the cluster autoscaler's); write explain pod/NAME"
            );
            return Err(Outcome::BadInput);
        }
        Some(_) => {}
    }
    let scans = run.sim.get::<Explanations>().scale_ups();
    let attempts = run.sim.get::<SchedulerCache>().explanations();
    let target = |name: &str| Target { kind: "Pod".into(), namespace: namespace.to_string(), name: name.to_string() };
    let pod = target(name).find(&run.sim).first().copied();
    let note = match (attempts, pod) {
        ([], None) => {
            eprintln!("error: no pod {name:?} in namespace {namespace:?} by {}{}", run.sim.now(), meant(&run, &target("*"), name));
            return Err(Outcome::Missed);
        }
        ([], Some(pod)) => Some(untried(&run.sim, pod)),
        _ => None,
    };
    Ok(match args.output {
        ExplainFormat::Text => text(name, attempts, note.as_deref()) + &autoscaled(&shown, scans),
        ExplainFormat::Json => {
            let mut object = json(&run.scene().path, name, attempts, note.as_deref());
            if !scans.is_empty() {
                object["autoscaler"] = serde_json::json!(scans);
            }
            object.to_string() + "\n"
        }
    })
}

/// The object that a misspelt name may mean.
fn meant(run: &Run, all: &Target, name: &str) -> String {
    let names = run.sim.get::<Names>();
    let living = all.find(&run.sim).into_iter().filter_map(|pod| run.sim.state::<Meta>(pod));
    let living: Vec<String> = living.map(|meta| names.render(meta.name)).collect();
    let living: Vec<&str> = living.iter().map(String::as_str).collect();
    nearest(name, &living).map_or(String::new(), |near| format!("; did you mean {near:?}?"))
}
