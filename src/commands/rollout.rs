//! `rollout`: how far a rollout is at a moment of a run, and the revisions that a workload has had, in kubectl's words.

use crate::args::{DescribeArgs, RolloutCommand};
use crate::commands::get::{at_moment, kind_named, no_kind};
use crate::exit::Outcome;
use crate::terminal;
use wavetank_engine::api::json_out::object_json;
use wavetank_engine::scene::rollout::{revisions, status};
use wavetank_engine::scene::targets::Target;

/// Prints the status or the history of a rollout.
pub fn rollout(command: &RolloutCommand) -> Outcome {
    let args: &DescribeArgs = match command {
        RolloutCommand::Status(args) | RolloutCommand::History(args) => args,
    };
    let run = match at_moment(&args.moment) {
        Ok(run) => run,
        Err(outcome) => return outcome,
    };
    let (kind_text, name) = args.target();
    let name = name.unwrap_or_default();
    let Some((kind, plural, _)) = kind_named(&run, kind_text) else { return no_kind(kind_text) };
    let target = Target { kind: kind.clone(), namespace: args.moment.namespace.clone(), name: name.to_string() };
    let object = target.find(&run.sim).first().copied();
    let Some((object, json)) = object.and_then(|object| Some((object, object_json(&run.sim, object)?))) else {
        eprintln!("Error from server (NotFound): {plural} {name:?} not found");
        return Outcome::Missed;
    };
    let text = match command {
        RolloutCommand::Status(_) => match status(&json) {
            Ok((_, text)) => format!("{text}\n"),
            Err(error) => {
                eprintln!("error: {error}");
                return Outcome::Missed;
            }
        },
        RolloutCommand::History(_) if !matches!(kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") => {
            eprintln!("error: no history viewer has been implemented for {kind:?}");
            return Outcome::Missed;
        }
        RolloutCommand::History(_) => {
            let rows: String = revisions(&run.sim, object).keys().map(|revision| format!("{revision:<9} <none>\n")).collect();
            format!("{}.apps/{name} \nREVISION  CHANGE-CAUSE\n{rows}\n", kind.to_ascii_lowercase())
        }
    };
    match terminal::print(&text) {
        Ok(()) => Outcome::Well,
        Err(error) => {
            eprintln!("error: standard output: {error}");
            Outcome::BadInput
        }
    }
}
