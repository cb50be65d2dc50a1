//! The kubectl commands that recordings use: `rollout history` and `rollout undo` of Deployments.

use serde_json::Value;
use std::collections::BTreeMap;
use wavetank_engine::api::json_out::list_json;
use wavetank_engine::ids::Kind;
use wavetank_engine::names::Names;
use wavetank_engine::simulation::Simulation;

/// The annotation that holds a set's revision.
const REVISION: &str = "deployment.kubernetes.io/revision";

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
    let revisions = revisions(sim, namespace, name);
    match arguments {
        ["rollout", "history", _] => {
            let rows: String = revisions.keys().map(|revision| format!("{revision:<9} <none>\n")).collect();
            Some(Outcome::printed(format!("deployment.apps/{name} \nREVISION  CHANGE-CAUSE\n{rows}\n")))
        }
        ["rollout", "undo", _, rest @ ..] => {
            let wanted = rest.iter().find_map(|argument| argument.strip_prefix("--to-revision=")?.parse::<i64>().ok()).unwrap_or(0);
            Some(undo(name, &revisions, wanted))
        }
        _ => None,
    }
}

/// The owned sets' templates by revision.
fn revisions(sim: &Simulation, namespace: &str, name: &str) -> BTreeMap<i64, Value> {
    let mut revisions = BTreeMap::new();
    let Some(namespace) = sim.get::<Names>().find(namespace) else { return revisions };
    for set in list_json(sim, Kind::ReplicaSet, Some(namespace)) {
        let owners = set["metadata"]["ownerReferences"].as_array();
        let is_owned = owners.is_some_and(|owners| owners.iter().any(|owner| owner["name"] == name && owner["controller"] == true));
        let revision = set["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok());
        if let Some(revision) = revision.filter(|_| is_owned) {
            revisions.insert(revision, set["spec"]["template"].clone());
        }
    }
    revisions
}

/// Back to a revision, or with 0 to the one before the newest. Source: kubectl, `pkg/polymorphichelpers/rollback.go`.
fn undo(name: &str, revisions: &BTreeMap<i64, Value>, wanted: i64) -> Outcome {
    let previous = revisions.keys().rev().nth(1).copied();
    let found = if wanted == 0 { previous } else { Some(wanted).filter(|wanted| revisions.contains_key(wanted)) };
    let Some(found) = found else {
        return Outcome::failed(match wanted {
            0 => format!("no rollout history found for deployment \"{name}\""),
            wanted => format!("unable to find specified revision {wanted} in history"),
        });
    };
    let mut template = revisions[&found].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.shift_remove("pod-template-hash");
    }
    Outcome { template: Some(template), ..Outcome::printed(format!("deployment.apps/{name} rolled back\n")) }
}
