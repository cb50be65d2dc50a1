//! The kubectl commands that recordings use: `rollout history` and `rollout undo` of Deployments.

use serde_json::Value;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::names::Names;
use wavetank_engine::scene::rollout;
use wavetank_engine::simulation::Simulation;

/// What kubectl printed, and the change that it made, if any.
pub(crate) struct Outcome {
    pub(crate) rc: i64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The new template of the Deployment.
    pub(crate) template: Option<Value>,
}

impl Outcome {
    fn printed(stdout: String) -> Outcome {
        Outcome { rc: 0, stdout, stderr: String::new(), template: None }
    }

    fn failed(error: String) -> Outcome {
        Outcome { rc: 1, stdout: String::new(), stderr: format!("error: {error}\n"), template: None }
    }
}

/// The Deployment that a command is about, such as `web` of `deploy/web`.
pub(crate) fn deployment<'a>(arguments: &[&'a str]) -> Option<&'a str> {
    arguments.iter().find_map(|argument| argument.strip_prefix("deploy/").or_else(|| argument.strip_prefix("deployment/")))
}

/// Runs a command; `None` when it is none of those known.
pub(crate) fn run(sim: &Simulation, namespace: &str, arguments: &[&str]) -> Option<Outcome> {
    let name = deployment(arguments)?;
    let revisions = workload(sim, namespace, name).map(|object| rollout::revisions(sim, object)).unwrap_or_default();
    match arguments {
        ["rollout", "history", _] => {
            let rows: String = revisions.keys().map(|revision| format!("{revision:<9} <none>\n")).collect();
            Some(Outcome::printed(format!("deployment.apps/{name} \nREVISION  CHANGE-CAUSE\n{rows}\n")))
        }
        ["rollout", "undo", _, rest @ ..] => {
            let wanted = rest.iter().find_map(|argument| argument.strip_prefix("--to-revision=")?.parse::<i64>().ok());
            Some(match rollout::undo(&revisions, wanted, ("deployment", name)) {
                Ok(template) => Outcome { template: Some(template), ..Outcome::printed(format!("deployment.apps/{name} rolled back\n")) },
                Err(error) => Outcome::failed(error),
            })
        }
        _ => None,
    }
}

fn workload(sim: &Simulation, namespace: &str, name: &str) -> Option<ObjRef> {
    let names = sim.get::<Names>();
    let key = ObjectKey { kind: Kind::Deployment, namespace: names.find(namespace)?, name: names.find_name(name)? };
    sim.get::<Objects>().by_key(key)
}
