//! `get`: objects at a moment of a run, as kubectl prints them.

use crate::args::{GetArgs, MomentArgs, ObjectFormat};
use crate::commands::{build, failed, load_files, overrides};
use crate::exit::Outcome;
use crate::render::print::{Printed, Request, list, print, wanted};
use crate::{kinds, terminal};
use serde_json::Value;
use wavetank_engine::api::json_out::{leases_json, list_json};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::record::event_json::event_list;
use wavetank_engine::scene::load::Loaded;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::simulation::Epoch;
use wavetank_engine::time::SimTime;

/// Runs a scene to the moment asked for.
///
/// # Errors
/// How the program ends when the scene has mistakes or does not run.
pub(crate) fn at_moment(moment: &MomentArgs) -> Result<Run, Outcome> {
    run_to(moment, None)
}

/// The same, to an earlier moment.
///
/// # Errors
/// The same.
pub(crate) fn run_to(moment: &MomentArgs, earlier: Option<SimTime>) -> Result<Run, Outcome> {
    prepared(moment, earlier, &RunOptions::default(), |_| {}).map(|(run, _)| run)
}

/// [`at_moment`] with options and preparations of one's own, and with what was read.
///
/// # Errors
/// As [`at_moment`].
pub(crate) fn recorded(moment: &MomentArgs, options: &RunOptions, prepare: impl FnOnce(&mut Run)) -> Result<(Run, Loaded), Outcome> {
    prepared(moment, None, options, prepare)
}

fn prepared(
    moment: &MomentArgs,
    earlier: Option<SimTime>,
    options: &RunOptions,
    prepare: impl FnOnce(&mut Run),
) -> Result<(Run, Loaded), Outcome> {
    let (scene, loaded) = load_files(&moment.scene, &overrides(&moment.world, None), true).ok_or(Outcome::BadInput)?;
    let mut run = build(scene, options).map_err(|error| failed(&error))?;
    prepare(&mut run);
    let limit = moment.at.map_or(run.end(), |at| SimTime(at.0));
    if limit > run.end() {
        eprintln!("error: --at {}: the run ends at {}", limit, run.end());
        return Err(Outcome::BadInput);
    }
    run.run_until(earlier.unwrap_or(limit).min(limit), &mut |_| {}).map_err(|error| failed(&error))?;
    Ok((run, loaded))
}

/// The objects of one kind at the present moment of a run, sorted as a LIST is.
pub(crate) fn objects_of(run: &Run, kind: &str) -> Vec<Value> {
    if kind == "Event" {
        return event_list(&run.sim);
    }
    if kind == "Lease" {
        return leases_json(&run.sim);
    }
    let found = run.sim.get::<Kinds>().find(kind);
    found.map_or(Vec::new(), |kind| list_json(&run.sim, kind, None))
}

/// Name, plural and scope of a kind that a person named.
pub(crate) fn kind_named(run: &Run, text: &str) -> Option<(String, String, bool)> {
    if let Some(known) = kinds::find(text) {
        return Some((known.kind.to_string(), known.plural.to_string(), known.namespaced));
    }
    let table = run.sim.get::<Kinds>();
    let info = table.info(table.find(text)?);
    Some((info.kind, info.plural, info.namespaced))
}

/// The present moment of a run. Unit: Unix seconds.
pub(crate) fn unix_now(run: &Run) -> i64 {
    run.sim.get::<Epoch>().0 + (run.sim.now().0 / 1_000_000_000) as i64
}

/// Says that there is no such kind.
pub(crate) fn no_kind(text: &str) -> Outcome {
    let help = kinds::nearest(text).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
    eprintln!("error: the server doesn't have a resource type {text:?}{help}");
    Outcome::BadInput
}

/// The kinds that kubectl calls `all`, in its order.
const ALL: &str =
    "pods,replicationcontrollers,services,daemonsets,deployments,replicasets,statefulsets,horizontalpodautoscalers,cronjobs,jobs";

fn is_all(text: &str) -> bool {
    text.eq_ignore_ascii_case("all")
}

/// Prints the objects asked for: of one kind, or of several between commas.
pub fn get(args: &GetArgs) -> Outcome {
    match args.kind.as_str() {
        "rules" => return super::connect::rules(args),
        "dns" => return super::connect::dns(args),
        _ => {}
    }
    let run = match at_moment(&args.moment) {
        Ok(run) => run,
        Err(outcome) => return outcome,
    };
    let (kind_texts, name) = args.target();
    if let (true, Some(name)) = (kind_texts.split(',').any(is_all), name) {
        eprintln!("error: \"all\" stands for several kinds and takes no name; write get KIND {name}");
        return Outcome::BadInput;
    }
    let kind_texts: Vec<&str> = kind_texts.split(',').map(|text| if is_all(text) { ALL } else { text }).collect();
    let kind_texts = kind_texts.join(",");
    let several = kind_texts.contains(',');
    let mut printed = Vec::new();
    let mut items = Vec::new();
    for kind_text in kind_texts.split(',') {
        let Some((kind, plural, namespaced)) = kind_named(&run, kind_text) else { return no_kind(kind_text) };
        let objects = objects_of(&run, &kind);
        let request = Request {
            kind: &kind,
            namespaced,
            plural: &plural,
            name,
            namespace: (!args.all_namespaces).then_some(args.moment.namespace.as_str()),
            format: args.output,
            with_kind: several,
            now: unix_now(&run),
        };
        if several && args.output.is_some_and(|format| format != ObjectFormat::Wide) {
            items.extend(objects.into_iter().filter(|object| wanted(object, &request)));
        } else {
            printed.push(print(&objects, request));
        }
    }
    match args.output.filter(|_| printed.is_empty()) {
        Some(format) => say(vec![Printed::Found(list(items, format))]),
        None => say(printed),
    }
}

/// Puts tables on standard output with a blank line between, what is not there on standard error. That a kind has no objects is said
/// only when nothing is found at all.
fn say(printed: Vec<Printed>) -> Outcome {
    let mut outcome = Outcome::Well;
    let mut found = Vec::new();
    let mut nothing = None;
    for one in printed {
        match one {
            Printed::Found(text) => found.push(text),
            Printed::Nothing(text) => nothing = Some(text),
            Printed::NotFound(text) => {
                eprintln!("{text}");
                outcome = Outcome::Missed;
            }
        }
    }
    if let Some(text) = nothing.filter(|_| found.is_empty()) {
        eprintln!("{text}");
    }
    if let Err(error) = terminal::print(&found.join("\n")) {
        eprintln!("error: standard output: {error}");
        return Outcome::BadInput;
    }
    outcome
}
