//! Plays steps of the script: each is a request like everyone's, or a change of the world outside the API server.

use crate::api::defaults::service_update::drop_fields_of_old_type;
use crate::api::json_out::object_json;
use crate::api::request::{Propagation, Refusal, Verb};
use crate::api::state::StateValue;
use crate::ids::{Kind, ObjRef, ObjectKey};
use crate::model::meta::Meta;
use crate::model::node::{Node, NodeStatus, NodeTaint};
use crate::model::revisioned::StatefulSet;
use crate::model::workload::{Deployment, ReplicaSet};
use crate::names::{Names, Sym};
use crate::record::refusals::Refusals;
use crate::scene::build::{self, Reader, with_tables};
use crate::scene::faults::{BrokenVolumes, Fault, NodeFaults};
use crate::scene::format::{DrainOptions, PropagationText, Step};
use crate::scene::kubelet_config::{Amount, BYTES_PER_INODE, KubeletConfig};
use crate::scene::manifests::{self, Manifests};
use crate::scene::model::{Action, SceneObject};
use crate::scene::pools::parse_taint;
use crate::scene::program::Programs;
use crate::scene::targets::Target;
use crate::simulation::Simulation;
use serde_json::{Value, json};

/// Plays one action. What the API server refuses is counted under `script` in the run's refusals.
pub(crate) fn play(sim: &mut Simulation, action: &Action) {
    let outcome = match action {
        Action::Step(step) => self::step(sim, step),
        Action::Apply(objects) => {
            let mut reader = Reader::default();
            objects.iter().try_for_each(|object| apply(sim, object, &mut reader))
        }
        Action::AddManifest(node, pod) => on_machine(sim, node, |sim, _| manifests::put(sim, node, pod)),
        Action::Patch(target, patch) => each(sim, target, |sim, object| merge(sim, object, patch)),
    };
    if let Err(refusal) = outcome {
        let actor = actor(sim);
        sim.get_mut::<Refusals>().note(actor, &refusal);
    }
}

fn actor(sim: &mut Simulation) -> Sym {
    sim.get_mut::<Names>().sym(build::SCRIPT)
}

fn ask(sim: &mut Simulation, verb: Verb) -> Result<(), Refusal> {
    let actor = actor(sim);
    sim.ask(actor, verb).map(|_| ())
}

fn put(sim: &mut Simulation, object: ObjRef, value: impl Into<StateValue>) -> Result<(), Refusal> {
    ask(sim, Verb::Put { object, expect: None, value: value.into() })
}

/// Does something to the first object, by name, that a target names.
fn each(sim: &mut Simulation, target: &str, act: impl FnOnce(&mut Simulation, ObjRef) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let found = Target::parse(target).and_then(|target| target.find(sim).first().copied());
    match found {
        Some(object) => act(sim, object),
        None => Err(Refusal::not_found("objects", target)),
    }
}

fn step(sim: &mut Simulation, step: &Step) -> Result<(), Refusal> {
    match step {
        Step::Scale(target, replicas) => each(sim, target, |sim, object| scale(sim, object, *replicas)),
        Step::SetImage(target, image) => each(sim, target, |sim, object| set_image(sim, object, image, None)),
        Step::SetContainerImage(target, container, image) => {
            each(sim, target, |sim, object| set_image(sim, object, image, Some(container)))
        }
        Step::Delete(target) => {
            each(sim, target, |sim, object| ask(sim, Verb::Delete { object, grace_s: None, propagation: Some(Propagation::Background) }))
        }
        Step::DeleteWith { target, grace_s, propagation } => {
            let propagation = Some(match propagation {
                Some(PropagationText::Orphan) => Propagation::Orphan,
                Some(PropagationText::Foreground) => Propagation::Foreground,
                Some(PropagationText::Background) | None => Propagation::Background,
            });
            each(sim, target, |sim, object| ask(sim, Verb::Delete { object, grace_s: *grace_s, propagation }))
        }
        Step::Cordon(name) => edit_node(sim, name, |_, node| node.unschedulable = true),
        Step::Drain(name) => drain(sim, name, &DrainOptions::default()),
        Step::DrainWith { node, options } => drain(sim, node, options),
        Step::Uncordon(name) => edit_node(sim, name, |_, node| node.unschedulable = false),
        Step::Taint(name, text) => edit_node(sim, name, |names, node| add_taint(names, node, text)),
        Step::Untaint(name, text) => edit_node(sim, name, |names, node| remove_taint(names, node, text)),
        Step::Label(target, key, value) => each(sim, target, |sim, object| label(sim, object, key, Some(value))),
        Step::Unlabel(target, key) => each(sim, target, |sim, object| label(sim, object, key, None)),
        Step::FailNode(name) => fault(sim, name, Some(Fault::Failed)),
        Step::CutOffNode(name) => fault(sim, name, Some(Fault::CutOff)),
        Step::RestoreNode(name) => {
            slow_down(sim, name, 1)?;
            on_machine(sim, name, |sim, node| sim.get_mut::<NodeFaults>().fill(node, Some(0), Some(0)))?;
            fault(sim, name, None)
        }
        Step::ShutDownNode(name) if sim.get::<KubeletConfig>().shutdown.0 == 0 => fault(sim, name, Some(Fault::Failed)),
        Step::ShutDownNode(name) => on_machine(sim, name, |sim, node| {
            let mut faults = sim.get_mut::<NodeFaults>();
            if !faults.silent(node) {
                faults.shut_down(node);
            }
        }),
        Step::SlowNode(name, times) => slow_down(sim, name, *times),
        Step::FillDisk(name, amount) => fill(sim, name, amount, false),
        Step::FillInodes(name, amount) => fill(sim, name, amount, true),
        Step::BreakImage(image) => {
            sim.get_mut::<Programs>().set_broken(image, true);
            Ok(())
        }
        Step::FixImage(image) => {
            sim.get_mut::<Programs>().set_broken(image, false);
            Ok(())
        }
        Step::BreakVolume(name) => {
            sim.get_mut::<BrokenVolumes>().set(name, true);
            Ok(())
        }
        Step::FixVolume(name) => {
            sim.get_mut::<BrokenVolumes>().set(name, false);
            Ok(())
        }
        Step::Resize(target, changes) => each(sim, target, |sim, object| super::resize::resize(sim, object, changes)),
        Step::Pause(target) => each(sim, target, |sim, object| pause(sim, object, true)),
        Step::Resume(target) => each(sim, target, |sim, object| pause(sim, object, false)),
        Step::Undo(target) => each(sim, target, |sim, object| undo(sim, object, None)),
        Step::UndoTo(target, revision) => each(sim, target, |sim, object| undo(sim, object, Some(*revision))),
        Step::RollingUpdate { target, image, options } => {
            each(sim, target, |sim, object| super::rolling_update::begin(sim, object, image, options))
        }
        Step::RemoveManifest(node, name) => {
            let node = node.strip_prefix("node/").unwrap_or(node);
            let mut found = false;
            on_machine(sim, node, |sim, sym| found = sim.get_mut::<Manifests>().remove((sym, node), name))?;
            if found { Ok(()) } else { Err(Refusal::not_found("manifests", name)) }
        }
        Step::AddNodes(_) => Ok(()),
    }
}

fn drain(sim: &mut Simulation, name: &str, options: &DrainOptions) -> Result<(), Refusal> {
    edit_node(sim, name, |_, node| node.unschedulable = true)?;
    super::drain::begin(sim, name.strip_prefix("node/").unwrap_or(name), options)
}

fn node_target(name: &str) -> String {
    format!("node/{}", name.strip_prefix("node/").unwrap_or(name))
}

fn scale(sim: &mut Simulation, object: ObjRef, replicas: i32) -> Result<(), Refusal> {
    if let Some(mut set) = sim.state::<ReplicaSet>(object).cloned() {
        set.replicas = replicas;
        return put(sim, object, set);
    }
    if let Some(mut deployment) = sim.state::<Deployment>(object).cloned() {
        deployment.replicas = replicas;
        return put(sim, object, deployment);
    }
    if let Some(mut set) = sim.state::<StatefulSet>(object).cloned() {
        set.replicas = replicas;
        return put(sim, object, set);
    }
    merge(sim, object, &json!({"spec": {"replicas": replicas}}))
}

fn pause(sim: &mut Simulation, object: ObjRef, paused: bool) -> Result<(), Refusal> {
    let Some(mut deployment) = sim.state::<Deployment>(object).cloned() else {
        return Err(Refusal::invalid("only a Deployment can be paused".into()));
    };
    deployment.paused = paused;
    put(sim, object, deployment)
}

fn undo(sim: &mut Simulation, object: ObjRef, revision: Option<i64>) -> Result<(), Refusal> {
    let mut whole = object_json(sim, object).ok_or_else(|| Refusal::not_found("objects", ""))?;
    let kind = whole["kind"].as_str().unwrap_or_default().to_ascii_lowercase();
    if whole["spec"]["paused"] == true {
        return Err(Refusal::invalid("you cannot rollback a paused deployment; resume it first".into()));
    }
    let name = whole["metadata"]["name"].as_str().unwrap_or_default().to_string();
    let revisions = super::rollout::revisions(sim, object);
    whole["spec"]["template"] = super::rollout::undo(&revisions, revision, (&kind, &name)).map_err(Refusal::invalid)?;
    replace(sim, object, whole)
}

fn set_image(sim: &mut Simulation, object: ObjRef, image: &str, container: Option<&str>) -> Result<(), Refusal> {
    let mut whole = object_json(sim, object).ok_or_else(|| Refusal::not_found("objects", ""))?;
    let pod = match whole.pointer("/spec/template/spec") {
        Some(_) => "/spec/template/spec/containers",
        None => "/spec/containers",
    };
    let containers = whole.pointer_mut(pod).and_then(Value::as_array_mut);
    let mut changed = false;
    for one in containers.into_iter().flatten() {
        let name = one.get("name").and_then(Value::as_str);
        if container.is_none_or(|wanted| name == Some(wanted)) {
            one["image"] = image.into();
            changed = true;
        }
    }
    if !changed {
        return Err(Refusal::not_found("containers", container.unwrap_or("")));
    }
    replace(sim, object, whole)
}

fn label(sim: &mut Simulation, object: ObjRef, key: &str, value: Option<&str>) -> Result<(), Refusal> {
    let mut meta = sim.state::<Meta>(object).cloned().ok_or_else(|| Refusal::not_found("objects", ""))?;
    meta.labels = with_tables(sim, |tables| {
        let key = tables.names.sym(key);
        match value {
            Some(value) => {
                let value = tables.names.sym(value);
                tables.labels.with(tables.names, meta.labels, key, value)
            }
            None => tables.labels.without(meta.labels, key),
        }
    });
    put(sim, object, meta)
}

fn edit_node(sim: &mut Simulation, name: &str, edit: impl FnOnce(&mut Names, &mut Node)) -> Result<(), Refusal> {
    each(sim, &node_target(name), |sim, object| {
        let Some(mut node) = sim.state::<Node>(object).cloned() else { return Err(Refusal::not_found("nodes", name)) };
        edit(&mut sim.get_mut::<Names>(), &mut node);
        put(sim, object, node)
    })
}

fn add_taint(names: &mut Names, node: &mut Node, text: &str) {
    let Some((key, value, effect)) = parse_taint(text) else { return };
    let taint = NodeTaint { key: names.sym(key), value: names.sym(value), effect, added_at: None };
    let kept = node.taints.iter().copied().filter(|old| (old.key, old.effect) != (taint.key, taint.effect));
    node.taints = kept.chain([taint]).collect();
}

fn remove_taint(names: &mut Names, node: &mut Node, text: &str) {
    let (key, effect) = match parse_taint(text) {
        Some((key, _, effect)) => (names.sym(key), Some(effect)),
        None => (names.sym(text), None),
    };
    node.taints = node.taints.iter().copied().filter(|old| old.key != key || effect.is_some_and(|effect| effect != old.effect)).collect();
}

fn fault(sim: &mut Simulation, name: &str, fault: Option<Fault>) -> Result<(), Refusal> {
    let now = sim.now();
    on_machine(sim, name, |sim, node| sim.get_mut::<NodeFaults>().set(node, fault, now))
}

fn slow_down(sim: &mut Simulation, name: &str, times: u32) -> Result<(), Refusal> {
    on_machine(sim, name, |sim, node| sim.get_mut::<NodeFaults>().slow_down(node, times))
}

/// Fills a node's disk to an amount, or takes its inodes.
fn fill(sim: &mut Simulation, name: &str, amount: &str, inodes: bool) -> Result<(), Refusal> {
    let Some(amount) = Amount::parse(amount) else { return Ok(()) };
    each(sim, &node_target(name), |sim, object| {
        let disk = sim.state::<NodeStatus>(object).map_or(0, |status| status.capacity.ephemeral_storage_bytes);
        if disk == 0 {
            let what = format!("node/{name} says nothing of its disk: give its pool a capacity of ephemeral-storage");
            return Err(Refusal::invalid(what));
        }
        let whole = if inodes { disk / BYTES_PER_INODE } else { disk };
        let amount = u64::try_from(amount.of(whole)).unwrap_or(0);
        let (bytes, files) = if inodes { (None, Some(amount)) } else { (Some(amount), None) };
        on_machine(sim, name, |sim, node| sim.get_mut::<NodeFaults>().fill(node, bytes, files))
    })
}

/// Does something to the machine of a node.
fn on_machine(sim: &mut Simulation, name: &str, act: impl FnOnce(&mut Simulation, Sym)) -> Result<(), Refusal> {
    each(sim, &node_target(name), |sim, object| {
        let key = sim.get::<crate::api::objects::Objects>().row(object).map(|row| row.key);
        let Some(key) = key else { return Err(Refusal::not_found("nodes", name)) };
        let text = sim.get::<Names>().render(key.name);
        let sym = sim.get_mut::<Names>().sym(&text);
        act(sim, sym);
        sim.wake_for_fault(object);
        Ok(())
    })
}

/// Merges a JSON merge patch (RFC 7386) into an object and writes what came out.
fn merge(sim: &mut Simulation, object: ObjRef, patch: &Value) -> Result<(), Refusal> {
    let mut whole = object_json(sim, object).ok_or_else(|| Refusal::not_found("objects", ""))?;
    merge_value(&mut whole, patch);
    replace(sim, object, whole)
}

fn merge_value(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(map) = target.as_object_mut() else { return };
    for (key, value) in fields {
        if value.is_null() {
            map.shift_remove(key);
        } else {
            merge_value(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Writes a whole object over what is stored: spec, labels and annotations; status stays.
fn replace(sim: &mut Simulation, object: ObjRef, mut whole: Value) -> Result<(), Refusal> {
    let stored = match whole.get("kind").and_then(Value::as_str) {
        Some("Service") => object_json(sim, object),
        _ => None,
    };
    if let Some(stored) = &stored {
        drop_fields_of_old_type(&mut whole, stored);
    }
    crate::api::defaults::apply_defaults(&mut whole);
    let errors = match &stored {
        Some(stored) => crate::api::validation::validate_update(stored, &whole),
        None => crate::api::validation::validate(&whole),
    };
    if !errors.is_empty() {
        let text = |field: &str| whole.get(field).and_then(Value::as_str).unwrap_or("").to_string();
        let (kind, version) = (text("kind"), text("apiVersion"));
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        let name = whole.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("");
        return Err(Refusal::invalid(crate::api::validation::invalid_message(&kind, group, name, &errors)));
    }
    let present = sim.parts(object);
    let new = with_tables(sim, |tables| tables.object(&whole));
    let mut values: Vec<StateValue> = new.states.into_iter().filter(|state| !state.is_status()).collect();
    if let Some(StateValue::Meta(meta)) = present.into_iter().find(|part| matches!(part, StateValue::Meta(_))) {
        let mut meta = *meta;
        meta.labels = new.meta.labels;
        meta.annotations = new.meta.annotations;
        meta.finalizers = new.meta.finalizers;
        values.push(meta.into());
    }
    ask(sim, Verb::PutAll { object, expect: None, values })
}

/// Creates an object, or merges it into the one that is there, as `kubectl apply` does with what it manages.
fn apply(sim: &mut Simulation, object: &SceneObject, reader: &mut Reader) -> Result<(), Refusal> {
    let mut new = reader.read(sim, object);
    let key = ObjectKey { kind: new.meta.kind, namespace: new.meta.namespace, name: new.meta.name };
    let found = sim.get::<crate::api::objects::Objects>().by_key(key);
    match found {
        None => {
            if key.kind == Kind::Node {
                build::join_later(sim, &mut new);
            }
            ask(sim, Verb::Create(Box::new(new)))
        }
        Some(existing) => {
            let mut patch = (*object.body).clone();
            if let Some(fields) = patch.as_object_mut() {
                fields.shift_remove("status");
                fields.insert("metadata".into(), object.metadata.whole().into_owned());
            }
            merge(sim, existing, &patch)
        }
    }
}
