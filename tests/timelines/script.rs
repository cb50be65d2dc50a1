//! What was done to the cluster, done again: create, patch, delete.

use crate::recording::Recording;
use crate::{kubectl, patch};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wavetank_engine::api::defaults::apply_defaults;
use wavetank_engine::api::json_out::object_json;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::request::{NewObject, Propagation, Refusal, Reply, Verb};
use wavetank_engine::api::state::StateValue;
use wavetank_engine::ids::{ObjRef, ObjectKey};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::build::{SCRIPT, with_tables};
use wavetank_engine::simulation::Simulation;

/// Why an action has no success code.
pub(crate) enum Failure {
    /// The API server's answer.
    Refused(Refusal),
    /// The driver does not know how to do it.
    Unknown(String),
}

/// The namespace of a recording.
pub(crate) fn create_namespace(sim: &mut Simulation, name: &str) -> Result<(), String> {
    let outcome = create(sim, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    outcome.map(drop).map_err(|refusal| refusal.message)
}

/// One of the nodes that scenarios shared: 32 CPUs, 64Gi, 110 pods.
pub(crate) fn create_node(sim: &mut Simulation, name: &str) -> Result<(), String> {
    let size = json!({"cpu": "32", "memory": "64Gi", "pods": "110"});
    let metadata = json!({"name": name, "labels": {"kubernetes.io/hostname": name}});
    let status =
        json!({"capacity": size, "allocatable": size, "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]});
    let outcome = create(sim, json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}));
    outcome.map(drop).map_err(|refusal| refusal.message)
}

/// Does the action at `place` of the recording; `pods` gives our pod for a recorded name. The answer's code.
pub(crate) fn act(sim: &mut Simulation, recording: &Recording, place: usize, pods: &BTreeMap<String, ObjRef>) -> Result<u16, Failure> {
    let deed = &recording.actions[place].deed;
    let text = |field: &str| deed[field].as_str().unwrap_or_default();
    let unknown = || Failure::Unknown(format!("no way to do {deed}"));
    if let Some(arguments) = deed["kubectl"].as_array() {
        let arguments: Vec<&str> = arguments.iter().filter_map(Value::as_str).collect();
        return run_kubectl(sim, recording, place, &arguments).ok_or_else(unknown)?;
    }
    if (text("verb"), text("kind")) == ("create", "Eviction") {
        let Some(pod) = find(sim, recording, "Pod", text("name"), pods) else {
            return Err(Failure::Refused(Refusal::not_found("pods", text("name"))));
        };
        return ask(sim, Verb::Evict { pod, grace_s: None }).map(|_| 201).map_err(Failure::Refused);
    }
    if text("verb") == "create" {
        let object = manifest(recording, place).ok_or_else(unknown)?;
        return create(sim, object).map(|_| 201).map_err(Failure::Refused);
    }
    let target = find(sim, recording, text("kind"), text("name"), pods).ok_or_else(unknown)?;
    let body = &deed["body"];
    match (text("verb"), text("type")) {
        ("patch", "merge") => change(sim, target, &|object| patch::merge(object, body)).map_err(Failure::Refused),
        ("patch", "strategic") => change(sim, target, &|object| patch::strategic(object, body)).map_err(Failure::Refused),
        ("delete", _) => delete(sim, target, &deed["options"]).map_err(Failure::Refused),
        _ => Err(unknown()),
    }
}

/// Runs kubectl and compares what it prints; `None` for a command that is not known.
fn run_kubectl(sim: &mut Simulation, recording: &Recording, place: usize, arguments: &[&str]) -> Option<Result<u16, Failure>> {
    let outcome = kubectl::run(sim, &recording.namespace, arguments)?;
    let action = &recording.actions[place];
    if (outcome.rc, &outcome.stdout, &outcome.stderr) != (action.rc, &action.stdout, &action.stderr) {
        let (recorded, produced) = ((action.rc, &action.stdout, &action.stderr), (outcome.rc, &outcome.stdout, &outcome.stderr));
        return Some(Err(Failure::Unknown(format!("kubectl {}: gave {recorded:?}, produced {produced:?}", arguments.join(" ")))));
    }
    let Some(template) = outcome.template else { return Some(Ok(200)) };
    let target = find(sim, recording, "Deployment", kubectl::deployment(arguments)?, &BTreeMap::new())?;
    Some(change(sim, target, &|object| object["spec"]["template"] = template.clone()).map_err(Failure::Refused))
}

/// The manifest that a create action means: the first of that kind and name, or the second for the second creation.
fn manifest(recording: &Recording, place: usize) -> Option<Value> {
    let deed = &recording.actions[place].deed;
    let nth = recording.actions[..place].iter().filter(|earlier| earlier.deed == *deed).count();
    let mut fitting =
        recording.objects.iter().filter(|object| object["kind"] == deed["kind"] && object["metadata"]["name"] == deed["name"]);
    fitting.nth(nth).cloned()
}

fn find(sim: &Simulation, recording: &Recording, kind: &str, name: &str, pods: &BTreeMap<String, ObjRef>) -> Option<ObjRef> {
    if let Some(pod) = pods.get(name).filter(|_| kind == "Pod") {
        return Some(*pod);
    }
    let (kinds, names) = (sim.get::<Kinds>(), sim.get::<Names>());
    let kind = kinds.find(kind)?;
    let namespace = if kinds.namespaced(kind) { names.find(&recording.namespace)? } else { Sym::EMPTY };
    sim.get::<Objects>().by_key(ObjectKey { kind, namespace, name: names.find_name(name)? })
}

/// Reads an object's JSON into components, as the API server would store it.
fn read(sim: &mut Simulation, mut object: Value) -> NewObject {
    apply_defaults(&mut object);
    with_tables(sim, |tables| tables.object(&object))
}

fn ask(sim: &mut Simulation, verb: Verb) -> Result<Reply, Refusal> {
    let actor = sim.get_mut::<Names>().sym(SCRIPT);
    match sim.ask(actor, verb)? {
        Reply::Refused(refusal) => Err(*refusal),
        reply => Ok(reply),
    }
}

fn create(sim: &mut Simulation, object: Value) -> Result<Reply, Refusal> {
    let new = read(sim, object);
    ask(sim, Verb::Create(Box::new(new)))
}

fn change(sim: &mut Simulation, target: ObjRef, change: &dyn Fn(&mut Value)) -> Result<u16, Refusal> {
    let (Some(mut object), Some(mut meta)) = (object_json(sim, target), sim.state::<Meta>(target).cloned()) else {
        return Err(Refusal::not_found("objects", "that is gone"));
    };
    change(&mut object);
    let new = read(sim, object);
    meta.labels = new.meta.labels;
    meta.annotations = new.meta.annotations;
    meta.finalizers = new.meta.finalizers;
    let mut values: Vec<StateValue> = new.states.into_iter().filter(|value| !value.is_status()).collect();
    values.push(meta.into());
    ask(sim, Verb::PutAll { object: target, expect: None, values }).map(|_| 200)
}

fn delete(sim: &mut Simulation, target: ObjRef, options: &Value) -> Result<u16, Refusal> {
    let propagation = match options["propagationPolicy"].as_str() {
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(_) => Some(Propagation::Background),
        None => None,
    };
    let grace_s = options["gracePeriodSeconds"].as_u64().map(|seconds| seconds as u32);
    ask(sim, Verb::Delete { object: target, grace_s, propagation }).map(|_| 200)
}
