//! `connect`, `get rules`, `get dns`: what of the network can be asked for at a moment of a run.

use crate::args::{ConnectArgs, GetArgs, ObjectFormat, SummaryFormat};
use crate::commands::failed;
use crate::commands::get::{at_moment, run_to};
use crate::exit::Outcome;
use crate::terminal;
use serde_json::Value;
use wavetank_engine::scene::network::NetworkSettings;
use wavetank_engine::time::SimTime;
use wavetank_systems::network::connect::{ask_name, connect as look, host_of};
use wavetank_systems::network::look::Cluster;
use wavetank_systems::network::proxy;

/// Tells what a client sees. The exit code is 1 unless it is connected.
pub fn connect(args: &ConnectArgs) -> Outcome {
    let first = args.resolved_at.map(|at| SimTime(at.0));
    let mut run = match run_to(&args.moment, first) {
        Ok(run) => run,
        Err(outcome) => return outcome,
    };
    let mut resolved = None;
    if first.is_some() {
        let answer = host_of(&args.to).and_then(|host| ask_name(&run.sim, &args.from, &host));
        match answer {
            Ok(answer) => resolved = Some(answer),
            Err(what) => return wrong(&what),
        }
        let limit = args.moment.at.map_or(run.end(), |at| SimTime(at.0));
        if let Err(error) = run.run_until(limit, &mut |_| {}) {
            return failed(&error);
        }
    }
    match look(&run.sim, &args.from, &args.to, args.proxy_mode.map(Into::into), resolved) {
        Err(what) => wrong(&what),
        Ok(seen) => {
            let text = match args.output {
                SummaryFormat::Json => format!("{}\n", seen.json()),
                SummaryFormat::Text => seen.text(),
            };
            say(&text, if seen.outcome == "connected" { Outcome::Well } else { Outcome::Missed })
        }
    }
}

/// Prints the rules of a node's proxy.
pub fn rules(args: &GetArgs) -> Outcome {
    let run = match at_moment(&args.moment) {
        Ok(run) => run,
        Err(outcome) => return outcome,
    };
    let name = args.node.as_deref().unwrap_or_default();
    let cluster = Cluster::new(&run.sim);
    let Some(node) = cluster.node(name) else {
        eprintln!("Error from server (NotFound): nodes {name:?} not found");
        return Outcome::Missed;
    };
    let mode = args.proxy_mode.map_or(run.sim.get::<NetworkSettings>().proxy_mode, Into::into);
    let rules = proxy::rules(&cluster, &node, mode);
    formatted(args, || rules.text(), || rules.json())
}

/// Prints what the name service answers. The exit code is 1 when there is no such name.
pub fn dns(args: &GetArgs) -> Outcome {
    let run = match at_moment(&args.moment) {
        Ok(run) => run,
        Err(outcome) => return outcome,
    };
    let name = args.name.as_deref().unwrap_or_default();
    match ask_name(&run.sim, args.from.as_deref().unwrap_or("outside"), name) {
        Err(what) => wrong(&what),
        Ok(answer) => {
            let outcome = formatted(args, || answer.text(), || answer.json());
            if answer.code == "NOERROR" { outcome } else { Outcome::Missed }
        }
    }
}

fn formatted(args: &GetArgs, text: impl Fn() -> String, json: impl Fn() -> Value) -> Outcome {
    match args.output {
        None | Some(ObjectFormat::Wide) => say(&text(), Outcome::Well),
        Some(ObjectFormat::Json) => say(&format!("{}\n", json()), Outcome::Well),
        Some(_) => wrong("--output: expected json, or nothing for text"),
    }
}

fn wrong(what: &str) -> Outcome {
    eprintln!("error: {what}");
    Outcome::BadInput
}

fn say(text: &str, outcome: Outcome) -> Outcome {
    match terminal::print(text) {
        Ok(()) => outcome,
        Err(error) => wrong(&format!("standard output: {error}")),
    }
}
