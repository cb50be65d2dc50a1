//! The rolling update of ReplicationControllers that kubectl carried out itself before Deployments took its place: a second controller
//! beside the first, replicas moved from one to the other, the first deleted.
//!
//! Source: kubectl v1.17, `pkg/cmd/rollingupdate/rolling_updater.go`, `Update`; its documentation, "Rolling Update Replication Controller".
//! The command's bounds: one pod above the wanted number, none missing.

use crate::api::json_out::object_json;
use crate::api::objects::Objects;
use crate::api::request::{Propagation, Refusal, Reply, Verb};
use crate::hash::FixedState;
use crate::ids::{Kind, ObjRef, ObjectKey, Revision};
use crate::model::labels::LabelSets;
use crate::model::meta::Meta;
use crate::model::pod::PodStatus;
use crate::model::select::Selectors;
use crate::model::workload::{ReplicaSet, ReplicaSetStatus};
use crate::names::Names;
use crate::record::causes::Origin;
use crate::record::refusals::Refusals;
use crate::scene::build::with_tables;
use crate::scene::format::RollingUpdateOptions;
use crate::simulation::Simulation;
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::hash::BuildHasher;

/// `--update-period`: the pause between scaling the new controller up and the old one down.
const UPDATE_PERIOD: SimDuration = SimDuration::from_secs(60);
/// `--poll-interval`: how often it is looked whether a controller has its replicas.
const POLL_INTERVAL: SimDuration = SimDuration::from_secs(3);
/// `--timeout`: how long a controller may take to get them, and how long nothing may move.
const TIMEOUT: SimDuration = SimDuration::from_secs(300);
/// How often and how long it is looked whether a controller is gone that is to be made anew under another name.
const RENAME_POLL: (SimDuration, SimDuration) = (SimDuration::from_secs(5), SimDuration::from_secs(60));
/// Pods above the wanted number at most.
const SURGE_PODS_MAX: i32 = 1;
/// `--deployment-label-key`: the label that tells the pods of the two controllers apart.
const DEPLOYMENT: &str = "deployment";
const SOURCE_ID: &str = "kubectl.kubernetes.io/update-source-id";
const DESIRED_REPLICAS: &str = "kubectl.kubernetes.io/desired-replicas";
const ORIGINAL_REPLICAS: &str = "kubectl.kubernetes.io/original-replicas";
const NEXT_CONTROLLER: &str = "kubectl.kubernetes.io/next-controller-id";
/// Under which name the updates ask.
const ACTOR: &str = "kubectl";

/// Updates under way. ECS resource.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Resource)]
pub struct RollingUpdates {
    list: Vec<Update>,
}

impl RollingUpdates {
    /// When the next of them has something to do.
    pub(crate) fn next(&self) -> Option<SimTime> {
        self.list.iter().map(|update| update.due_at).min()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Update {
    due_at: SimTime,
    stage: Stage,
    old: ObjRef,
    new: ObjRef,
    /// Replicas that the new controller gets.
    desired: i32,
    /// Whether the new controller gets the old one's name in the end.
    rename: bool,
    period: SimDuration,
    poll: SimDuration,
    timeout: SimDuration,
    /// When the update gives up unless something moves.
    deadline: SimTime,
    /// Whether something moved since the new controller was last looked at.
    moved: bool,
    /// What began it.
    cause: Revision,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Scales the new controller up.
    Grow,
    /// Waits until the new controller has its replicas.
    Grown { until: SimTime },
    /// Scales the old controller down.
    Shrink,
    /// Waits until the old controller has lost its pods.
    Shrunk { until: SimTime },
    /// Waits for the last look at the new controller.
    Clean { until: SimTime },
    /// Waits until the new controller is gone, to make it again from this JSON.
    Rename { until: SimTime, again: String },
}

/// How many replicas the new controller gets next. Source: `scaleUp`.
fn grown(desired: i32, new: i32, old: i32) -> i32 {
    let more = if old == 0 { desired - new } else { desired + SURGE_PODS_MAX - old - new };
    if new == desired || more <= 0 { new } else { (new + more).min(desired) }
}

/// How many replicas the old controller gets next. `available`: available pods of the new one. Source: `scaleDown`.
fn shrunk(desired: i32, new: i32, old: i32, available: i32) -> i32 {
    let less = old + new - desired - (new - available);
    if old == 0 || less <= 0 {
        old
    } else if new == desired && available == desired {
        0
    } else {
        (old - less).max(0)
    }
}

/// Begins an update of a controller to an image, or goes on with one that was given up.
///
/// # Errors
/// What kubectl says before it begins: not a ReplicationController, no such container, nothing to move.
pub(crate) fn begin(sim: &mut Simulation, old: ObjRef, image: &str, options: &RollingUpdateOptions) -> Result<(), Refusal> {
    let Some(key) = sim.get::<Objects>().row(old).map(|row| row.key).filter(|key| key.kind == Kind::ReplicationController) else {
        return Err(Refusal::invalid("a rolling update by kubectl is of a ReplicationController".into()));
    };
    let body = object_json(sim, old).ok_or_else(|| gone(sim, key))?;
    let desired = sim.state::<ReplicaSet>(old).map_or(0, |set| set.replicas);
    let next = options.name.clone().or_else(|| body["metadata"]["annotations"][NEXT_CONTROLLER].as_str().map(str::to_string));
    let under_way = next.as_deref().and_then(|name| find(sim, ObjectKey { name: sim.get::<Names>().find_name(name)?, ..key }));
    let source = source_id(&body);
    let new = match under_way {
        Some(new) => resumed(sim, new, image, &source)?,
        None => {
            let next = successor(&body, image, options)?;
            mark_old(sim, old, &body, next["metadata"]["name"].as_str().unwrap_or_default())?;
            create(sim, next, desired, &source)?
        }
    };
    let wanted = annotation(sim, new, DESIRED_REPLICAS).and_then(|text| text.parse().ok()).unwrap_or(desired);
    let now = sim.now();
    let given = |option: Option<crate::scene::format::DurationText>, usual| option.map_or(usual, |given| given.0);
    let timeout = given(options.timeout, TIMEOUT);
    run(
        sim,
        Update {
            due_at: now,
            stage: Stage::Grow,
            old,
            new,
            desired: wanted,
            rename: options.name.is_none(),
            period: given(options.update_period, UPDATE_PERIOD),
            poll: given(options.poll_interval, POLL_INTERVAL).max(SimDuration::from_millis(1)),
            timeout,
            deadline: now + timeout,
            moved: true,
            cause: sim.origin(),
        },
    )
}

/// Goes on with what is due.
pub(crate) fn go_on(sim: &mut Simulation) {
    let now = sim.now();
    let all = std::mem::take(&mut sim.get_mut::<RollingUpdates>().list);
    let (due, later): (Vec<Update>, Vec<Update>) = all.into_iter().partition(|update| update.due_at <= now);
    sim.get_mut::<RollingUpdates>().list = later;
    for update in due {
        sim.begin(|at| Origin::Client { what: "kubectl rolling-update", at, told_by: update.cause });
        if let Err(refusal) = run(sim, update) {
            let actor = sim.get_mut::<Names>().sym(ACTOR);
            sim.get_mut::<Refusals>().note(actor, &refusal);
        }
    }
}

/// Takes steps until one has to wait or the update is over.
fn run(sim: &mut Simulation, mut update: Update) -> Result<(), Refusal> {
    while update.due_at <= sim.now() {
        match turn(sim, update)? {
            Some(next) => update = next,
            None => return Ok(()),
        }
    }
    sim.get_mut::<RollingUpdates>().list.push(update);
    Ok(())
}

/// One step; `None` when it was the last.
fn turn(sim: &mut Simulation, update: Update) -> Result<Option<Update>, Refusal> {
    let now = sim.now();
    match update.stage.clone() {
        Stage::Grow => grow(sim, update).map(Some),
        Stage::Grown { until } => {
            let (period, new) = (update.period, update.new);
            wait_for(sim, update, (new, until), |update| Update { due_at: now + period, stage: Stage::Shrink, ..update }).map(Some)
        }
        Stage::Shrink => shrink(sim, update).map(Some),
        Stage::Shrunk { until } => {
            let old = update.old;
            wait_for(sim, update, (old, until), |update| Update { due_at: now, stage: Stage::Grow, ..update }).map(Some)
        }
        Stage::Clean { until } => {
            if !has_replicas(sim, update.new)? {
                return later(sim, update, until).map(Some);
            }
            finish(sim, update)
        }
        Stage::Rename { until, again } => {
            if sim.state::<Meta>(update.new).is_some() {
                return if now >= until {
                    Err(timed_out("the condition"))
                } else {
                    Ok(Some(Update { due_at: now + RENAME_POLL.0, ..update }))
                };
            }
            let again: Value = serde_json::from_str(&again).expect("it was written as JSON");
            make(sim, again).map(|_| None)
        }
    }
}

fn grow(sim: &mut Simulation, mut update: Update) -> Result<Update, Refusal> {
    let (now, new, old) = (sim.now(), replicas(sim, update.new)?, replicas(sim, update.old)?);
    if new == update.desired && old == 0 {
        let until = now + update.timeout;
        annotate(sim, update.new, &[(SOURCE_ID, None), (DESIRED_REPLICAS, None)])?;
        return Ok(Update { due_at: now + update.poll, stage: Stage::Clean { until }, ..update });
    }
    if update.moved {
        update.deadline = now + update.timeout;
    } else if now > update.deadline {
        return Err(timed_out("any update progress to be made"));
    }
    let next = grown(update.desired, new, old);
    update.moved = next != new;
    if !update.moved {
        return Ok(Update { due_at: now + update.period, stage: Stage::Shrink, ..update });
    }
    ask(sim, Verb::Scale { object: update.new, replicas: next })?;
    Ok(Update { due_at: now + update.poll, stage: Stage::Grown { until: now + update.timeout }, ..update })
}

fn shrink(sim: &mut Simulation, mut update: Update) -> Result<Update, Refusal> {
    let (now, new, old) = (sim.now(), replicas(sim, update.new)?, replicas(sim, update.old)?);
    let next = shrunk(update.desired, new, old, available(sim, update.new));
    update.moved |= next != old;
    if next != old {
        ask(sim, Verb::Scale { object: update.old, replicas: next })?;
        return Ok(Update { due_at: now + update.poll, stage: Stage::Shrunk { until: now + update.timeout }, ..update });
    }
    // Without a pause the original asks again and again; once for each poll is enough to see the same.
    let pause = if update.moved || update.period > SimDuration::ZERO { SimDuration::ZERO } else { update.poll };
    Ok(Update { due_at: now + pause, stage: Stage::Grow, ..update })
}

/// Looks whether a controller has as many pods as it shall have, again after each poll until it gives up.
fn wait_for(
    sim: &Simulation,
    update: Update,
    (whom, until): (ObjRef, SimTime),
    then: impl FnOnce(Update) -> Update,
) -> Result<Update, Refusal> {
    if has_replicas(sim, whom)? { Ok(then(update)) } else { later(sim, update, until) }
}

fn later(sim: &Simulation, update: Update, until: SimTime) -> Result<Update, Refusal> {
    let now = sim.now();
    if now >= until { Err(timed_out("the condition")) } else { Ok(Update { due_at: now + update.poll, ..update }) }
}

/// Deletes the old controller, and the new one too when that is to be made anew under the old name.
fn finish(sim: &mut Simulation, update: Update) -> Result<Option<Update>, Refusal> {
    let (old, new) = (object_json(sim, update.old), object_json(sim, update.new));
    ask(sim, Verb::Delete { object: update.old, grace_s: None, propagation: None })?;
    let (Some(old), Some(mut again), true) = (old, new, update.rename) else { return Ok(None) };
    again["metadata"]["name"] = old["metadata"]["name"].clone();
    ask(sim, Verb::Delete { object: update.new, grace_s: None, propagation: Some(Propagation::Orphan) })?;
    let now = sim.now();
    let stage = Stage::Rename { until: now + RENAME_POLL.1, again: again.to_string() };
    Ok(Some(Update { due_at: now + RENAME_POLL.0, stage, ..update }))
}

/// The controller that takes over: the old one with another image, another name, and a label that tells its pods from the old ones.
/// Source: `CreateNewControllerFromCurrentController`. The value is a hash of ours, as its bytes are nobody's business.
fn successor(old: &Value, image: &str, options: &RollingUpdateOptions) -> Result<Value, Refusal> {
    let mut new = old.clone();
    let containers = new.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    let containers = containers.ok_or_else(|| Refusal::invalid("pod has no containers!".into()))?;
    let container = match &options.container {
        None if containers.len() > 1 => {
            return Err(Refusal::invalid("must specify container to update when updating a multi-container pod".into()));
        }
        None => containers.first_mut(),
        Some(name) => containers.iter_mut().find(|container| container["name"] == name.as_str()),
    };
    let missing = || Refusal::invalid(format!("container {} not found in pod", options.container.as_deref().unwrap_or_default()));
    container.ok_or_else(missing)?["image"] = image.into();
    let hash = hash_text(&new);
    let name = old["metadata"]["name"].as_str().unwrap_or_default();
    let next = options.name.clone().unwrap_or_else(|| format!("{name}-{hash}"));
    if next == name {
        return Err(Refusal::invalid(format!("{name} cannot have the same name as the existing ReplicationController")));
    }
    new["metadata"]["name"] = next.into();
    new["spec"]["selector"][DEPLOYMENT] = hash.as_str().into();
    new["spec"]["template"]["metadata"]["labels"][DEPLOYMENT] = hash.into();
    Ok(new)
}

/// Sixteen digits of what a controller is. The original hashes its resourceVersion too, so that the same update made twice has two names;
/// here the generation stands for it, which what others write does not move.
fn hash_text(controller: &Value) -> String {
    let meta = &controller["metadata"];
    let parts = json!([meta["namespace"], meta["name"], meta["uid"], meta["generation"], controller["spec"]]);
    format!("{:016x}", FixedState.hash_one(parts.to_string()))
}

fn source_id(old: &Value) -> String {
    let text = |field: &str| old["metadata"][field].as_str().unwrap_or_default().to_string();
    format!("{}:{}", text("name"), text("uid"))
}

/// Gives the old controller, its template and its pods the label by which they differ from the new ones. All in one moment, so that
/// no pod is made in between. Source: `UpdateExistingReplicationController`.
fn mark_old(sim: &mut Simulation, old: ObjRef, body: &Value, next: &str) -> Result<(), Refusal> {
    let wanted = replicas(sim, old)?.to_string();
    annotate(sim, old, &[(NEXT_CONTROLLER, Some(next)), (ORIGINAL_REPLICAS, Some(&wanted))])?;
    if body["spec"]["selector"].get(DEPLOYMENT).is_some() {
        return Ok(());
    }
    let hash = format!("{}-orig", hash_text(body));
    for pod in selected(sim, old) {
        label(sim, pod, &hash)?;
    }
    let mut spec = body["spec"].clone();
    spec["selector"][DEPLOYMENT] = hash.as_str().into();
    spec["template"]["metadata"]["labels"][DEPLOYMENT] = hash.into();
    let value = with_tables(sim, |tables| tables.replication_controller(&spec));
    ask(sim, Verb::Put { object: old, expect: None, value: value.into() }).map(|_| ())
}

fn label(sim: &mut Simulation, pod: ObjRef, hash: &str) -> Result<(), Refusal> {
    let Some(mut meta) = sim.state::<Meta>(pod).cloned() else { return Ok(()) };
    meta.labels = with_tables(sim, |tables| {
        let (key, value) = (tables.names.sym(DEPLOYMENT), tables.names.sym(hash));
        tables.labels.with(tables.names, meta.labels, key, value)
    });
    ask(sim, Verb::Put { object: pod, expect: None, value: meta.into() }).map(|_| ())
}

/// Creates the new controller without pods. Source: `getOrCreateTargetControllerWithClient`.
fn create(sim: &mut Simulation, mut new: Value, desired: i32, source: &str) -> Result<ObjRef, Refusal> {
    if desired <= 0 {
        let name = new["metadata"]["name"].as_str().unwrap_or_default();
        return Err(Refusal::invalid(format!("Invalid controller spec for {name}; required: > 0 replicas, actual: {desired}")));
    }
    if !new["metadata"]["annotations"].is_object() {
        new["metadata"]["annotations"] = json!({});
    }
    new["metadata"]["annotations"][DESIRED_REPLICAS] = desired.to_string().into();
    new["metadata"]["annotations"][SOURCE_ID] = source.into();
    new["spec"]["replicas"] = 0.into();
    make(sim, new)
}

fn make(sim: &mut Simulation, mut object: Value) -> Result<ObjRef, Refusal> {
    for (at, field) in [("", "status"), ("/metadata", "uid"), ("/metadata", "resourceVersion"), ("/metadata", "creationTimestamp")] {
        if let Some(fields) = object.pointer_mut(at).and_then(Value::as_object_mut) {
            fields.shift_remove(field);
        }
    }
    crate::api::defaults::apply_defaults(&mut object);
    let new = with_tables(sim, |tables| tables.object(&object));
    match ask(sim, Verb::Create(Box::new(new)))? {
        Reply::Created(made) => Ok(made),
        Reply::Refused(refusal) => Err(*refusal),
        Reply::Done(_) => unreachable!("a creation is answered by what it made"),
    }
}

/// A controller that an earlier update made and that may be gone on with.
fn resumed(sim: &Simulation, new: ObjRef, image: &str, source: &str) -> Result<ObjRef, Refusal> {
    let body = object_json(sim, new).unwrap_or_default();
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    if annotation(sim, new, SOURCE_ID).as_deref() != Some(source) || annotation(sim, new, DESIRED_REPLICAS).is_none() {
        return Err(Refusal::invalid(format!("Missing/unexpected annotations for controller {name}, expected {source}")));
    }
    let containers = body.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    match containers.into_iter().flatten().any(|container| container["image"] == image) {
        true => Ok(new),
        false => Err(Refusal::invalid(format!("Found existing in-progress update of {name} to another image"))),
    }
}

fn find(sim: &Simulation, key: ObjectKey) -> Option<ObjRef> {
    sim.get::<Objects>().by_key(key)
}

fn annotation(sim: &Simulation, object: ObjRef, key: &str) -> Option<String> {
    let (names, meta) = (sim.get::<Names>(), sim.state::<Meta>(object)?);
    let value = sim.get::<LabelSets>().get(meta.annotations, names.find(key)?)?;
    Some(names.text(value).to_string())
}

fn annotate(sim: &mut Simulation, object: ObjRef, changes: &[(&str, Option<&str>)]) -> Result<(), Refusal> {
    let Some(mut meta) = sim.state::<Meta>(object).cloned() else { return Err(timed_out("a controller that is gone")) };
    meta.annotations = with_tables(sim, |tables| {
        changes.iter().fold(meta.annotations, |set, &(key, value)| {
            let key = tables.names.sym(key);
            match value.map(|value| tables.names.sym(value)) {
                Some(value) => tables.labels.with(tables.names, set, key, value),
                None => tables.labels.without(set, key),
            }
        })
    });
    ask(sim, Verb::Put { object, expect: None, value: meta.into() }).map(|_| ())
}

/// `spec.replicas` of a controller.
fn replicas(sim: &Simulation, object: ObjRef) -> Result<i32, Refusal> {
    let missing = || Refusal::not_found("replicationcontrollers", &shown(sim, object));
    sim.state::<ReplicaSet>(object).map(|set| set.replicas).ok_or_else(missing)
}

/// Whether a controller has seen its `spec` and has as many pods as that says.
fn has_replicas(sim: &Simulation, object: ObjRef) -> Result<bool, Refusal> {
    let wanted = replicas(sim, object)?;
    let (Some(meta), Some(status)) = (sim.state::<Meta>(object), sim.state::<ReplicaSetStatus>(object)) else { return Ok(false) };
    Ok(status.observed_generation >= meta.generation && status.replicas == wanted)
}

/// The living pods that a controller selects, in order of creation.
fn selected(sim: &Simulation, controller: ObjRef) -> Vec<ObjRef> {
    let (objects, labels, selectors) = (sim.get::<Objects>(), sim.get::<LabelSets>(), sim.get::<Selectors>());
    let (Some(row), Some(set)) = (objects.row(controller), sim.state::<ReplicaSet>(controller)) else { return Vec::new() };
    let pods = objects.in_namespace(Kind::Pod, row.key.namespace).filter(|pod| pod.gone == Revision::HEAD);
    let mut pods: Vec<ObjRef> = pods.filter(|pod| selectors.matches(set.selector, labels, pod.labels)).map(|pod| pod.object).collect();
    pods.sort();
    pods
}

/// Pods that a controller selects, that are ready and that nobody has deleted. Source: `readyPods`.
fn available(sim: &Simulation, controller: ObjRef) -> i32 {
    let serves = |pod: &ObjRef| {
        let terminating = sim.state::<Meta>(*pod).is_some_and(Meta::terminating);
        !terminating && sim.state::<PodStatus>(*pod).is_some_and(PodStatus::ready)
    };
    selected(sim, controller).iter().filter(|pod| serves(pod)).count() as i32
}

fn shown(sim: &Simulation, object: ObjRef) -> String {
    sim.get::<Objects>().row(object).map_or(String::new(), |row| sim.get::<Names>().render(row.key.name))
}

fn gone(sim: &Simulation, key: ObjectKey) -> Refusal {
    Refusal::not_found("replicationcontrollers", &sim.get::<Names>().render(key.name))
}

fn timed_out(what: &str) -> Refusal {
    Refusal { code: 0, reason: "RollingUpdate".into(), message: format!("timed out waiting for {what}") }
}

fn ask(sim: &mut Simulation, verb: Verb) -> Result<Reply, Refusal> {
    let actor = sim.get_mut::<Names>().sym(ACTOR);
    match sim.ask(actor, verb) {
        Ok(Reply::Refused(refusal)) => Err(*refusal),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_up_and_one_down() {
        // wanted, new, old -> new; available -> old
        for (desired, new, old, grows, ready, shrinks) in [
            (3, 0, 3, 1, 1, 2),
            (3, 1, 2, 2, 1, 2),
            (3, 2, 2, 2, 2, 1),
            (3, 3, 1, 3, 3, 0),
            (3, 0, 2, 2, 0, 2),
            (5, 0, 0, 5, 0, 0),
            (1, 0, 1, 1, 0, 1),
            (2, 2, 5, 2, 2, 0),
            (2, 2, 5, 2, 1, 1),
        ] {
            assert_eq!(grown(desired, new, old), grows, "{new} of {desired} beside {old}");
            assert_eq!(shrunk(desired, grows, old, ready), shrinks, "{ready} of {grows} ready beside {old}");
        }
    }

    #[test]
    fn the_successor_differs_by_image_name_and_label() {
        let old = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}}}});
        let options = |name: Option<&str>, container: Option<&str>| RollingUpdateOptions {
            name: name.map(str::to_string),
            container: container.map(str::to_string),
            ..RollingUpdateOptions::default()
        };
        let new = successor(&old, "b:2", &options(None, Some("b"))).expect("there is such a container");
        let hash = new["spec"]["selector"][DEPLOYMENT].as_str().expect("a label was added").to_string();
        assert_eq!(new["spec"]["template"]["metadata"]["labels"], json!({"app": "web", "deployment": hash}));
        assert_eq!(new["metadata"]["name"], format!("web-{hash}"));
        assert_eq!(new["spec"]["template"]["spec"]["containers"][1]["image"], "b:2");
        for (options, message) in [
            (options(None, None), "must specify container to update when updating a multi-container pod"),
            (options(None, Some("c")), "container c not found in pod"),
            (options(Some("web"), Some("a")), "web cannot have the same name as the existing ReplicationController"),
        ] {
            assert_eq!(successor(&old, "b:2", &options).expect_err("refused").message, message);
        }
    }
}
