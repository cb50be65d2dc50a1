//! `logs`: what a container has said by a moment of a run, as kubectl prints it.

use crate::args::LogsArgs;
use crate::commands::get::at_moment;
use crate::exit::Outcome;
use crate::terminal;
use wavetank_engine::scene::logs::{Asked, lines};
use wavetank_engine::simulation::Epoch;

/// Prints the lines asked for.
pub fn logs(args: &LogsArgs) -> Outcome {
    let mut run = match at_moment(&args.moment) {
        Ok(run) => run,
        Err(outcome) => return outcome,
    };
    let pod = args.pod.strip_prefix("pod/").unwrap_or(&args.pod);
    let asked = Asked { namespace: &args.moment.namespace, pod, container: args.container.as_deref(), previous: args.previous };
    let said = match lines(&mut run.sim, asked) {
        Ok(said) => said,
        Err(what) => {
            eprintln!("Error from server {what}");
            return Outcome::Missed;
        }
    };
    if !said.chosen_from.is_empty() {
        eprintln!("Defaulted container {:?} out of: {}", said.container, said.chosen_from.join(", "));
    }
    let epoch = run.sim.get::<Epoch>().0;
    let from = args.tail.map_or(0, |tail| said.lines.len().saturating_sub(tail));
    let line = |(at, line): &(wavetank_engine::time::SimTime, String)| {
        if args.timestamps { format!("{} {line}\n", at.rfc3339(epoch)) } else { format!("{line}\n") }
    };
    let text: String = said.lines[from..].iter().map(line).collect();
    match terminal::print(&text) {
        Ok(()) => Outcome::Well,
        Err(error) => {
            eprintln!("error: standard output: {error}");
            Outcome::BadInput
        }
    }
}
