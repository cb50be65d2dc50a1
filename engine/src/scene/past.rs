//! Objects of time zero that were there before: what leads from one to the other is found again by name, and what can't be said in a
//! creation is said after it.

use crate::api::given::Given;
use crate::api::objects::Objects;
use crate::api::request::{NewObject, Reply, Verb};
use crate::api::state::StateValue;
use crate::ids::{Kind, ObjRef, ObjectKey, Uid};
use crate::model::batch::CronJobStatus;
use crate::model::meta::condition;
use crate::model::network::Endpoint;
use crate::model::opaque::Namespace;
use crate::model::storage::VolumePhase;
use crate::names::{Names, Sym};
use crate::scene::build::{Reader, SCRIPT, with_tables};
use crate::scene::faults::{Fault, NodeFaults};
use crate::scene::model::SceneObject;
use crate::simulation::{Epoch, Simulation};
use crate::words;
use serde_json::Value;

/// An object with a past, whose last part comes when all others are there.
pub(super) type Unfinished<'o> = (ObjRef, &'o SceneObject);

/// Identity of a claim that is gone: a volume was bound to it, and to nobody since.
const GONE: Uid = Uid(u64::MAX);

/// Whether an API server had the object before.
pub(super) fn has_past(object: &SceneObject) -> bool {
    let metadata = object.metadata.written();
    metadata.get("uid").is_some() || metadata.get("creationTimestamp").is_some_and(Value::is_string)
}

/// Finds what a new object refers to.
pub(super) fn connect(sim: &mut Simulation, new: &mut NewObject) {
    let namespace = new.meta.namespace;
    for state in &mut new.states {
        match state {
            // A volume of time zero has been seen by its controller: claims of time zero find it. Source: `spec/storage.md` §4.
            StateValue::PersistentVolumeStatus(status) if status.phase == VolumePhase::Pending => status.phase = VolumePhase::Available,
            StateValue::PersistentVolume(volume) => {
                let given = volume.raw.at(&["claimRef", "uid"]).and_then(Value::as_str).map(str::to_string);
                if let (Some(claim), Some(given)) = (&mut volume.claim, given) {
                    let key = ObjectKey { kind: Kind::PersistentVolumeClaim, namespace: claim.namespace, name: claim.name };
                    let found = sim.get::<Objects>().by_key(key).map(|found| found.uid);
                    claim.uid = Some(found.filter(|&uid| sim.get::<Given>().uid(uid).is_none_or(|uid| uid == given)).unwrap_or(GONE));
                }
            }
            StateValue::EndpointSlice(slice) => slice.endpoints.iter_mut().for_each(|endpoint| find_pod(sim, namespace, endpoint)),
            StateValue::Endpoints(endpoints) => {
                let all = endpoints.subsets.iter_mut().flat_map(|subset| subset.ready.iter_mut().chain(&mut subset.not_ready));
                all.for_each(|endpoint| find_pod(sim, namespace, endpoint));
            }
            StateValue::NodeStatus(status) => {
                // A node of which nothing is heard has no kubelet any more.
                let silent = condition(&status.conditions, words::READY)
                    .is_some_and(|ready| ready.status == crate::model::meta::ConditionStatus::Unknown);
                if silent {
                    let name = sim.get_mut::<Names>().whole(new.meta.name);
                    let now = sim.now();
                    sim.get_mut::<NodeFaults>().set(name, Some(Fault::Failed), now);
                }
            }
            _ => {}
        }
    }
    let released =
        new.states.iter().any(|state| matches!(state, StateValue::PersistentVolumeStatus(status) if status.phase == VolumePhase::Released));
    for state in &mut new.states {
        if let StateValue::PersistentVolume(volume) = state
            && let Some(claim) = volume.claim.as_mut().filter(|claim| released && claim.uid.is_none())
        {
            claim.uid = Some(GONE);
        }
    }
}

fn find_pod(sim: &Simulation, namespace: Sym, endpoint: &mut Endpoint) {
    let key = ObjectKey { kind: Kind::Pod, namespace, name: endpoint.pod };
    endpoint.pod_uid = sim.get::<Objects>().by_key(key).map(|found| found.uid);
}

/// Notes the past of an object that was just created.
pub(super) fn note<'o>(sim: &mut Simulation, created: ObjRef, object: &'o SceneObject, unfinished: &mut Vec<Unfinished<'o>>) {
    // Most scenes have no such object, and some have a million others.
    if has_past(object) {
        let epoch_unix_s = sim.get::<Epoch>().0;
        sim.get_mut::<Given>().note(created.uid, object.metadata.written(), &object.body, epoch_unix_s);
    }
    let status = object.body.get("status");
    let has = |field: &str, test: fn(&Value) -> bool| status.and_then(|status| status.get(field)).is_some_and(test);
    if has("active", Value::is_array) || object.kind() == "Namespace" && has("phase", |phase| phase == "Terminating") {
        unfinished.push((created, object));
    }
}

/// Creates a namespace with its past. One that was being emptied is so again when everything else is there.
pub(super) fn namespace<'o>(sim: &mut Simulation, object: &'o SceneObject, reader: &mut Reader, unfinished: &mut Vec<Unfinished<'o>>) {
    let mut new = reader.read(sim, object);
    let name = sim.get::<Names>().render(new.meta.name);
    with_tables(sim, |tables| {
        let text = tables.names.sym(&name);
        new.meta.labels = tables.labels.with(tables.names, new.meta.labels, words::NAMESPACE_LABEL, text);
    });
    new.states = vec![Namespace::default().into()];
    let actor = sim.get_mut::<Names>().sym(SCRIPT);
    if let Ok(Reply::Created(created)) = sim.ask(actor, Verb::Create(Box::new(new))) {
        note(sim, created, object, unfinished);
    }
}

/// Says what could not be said before all objects were there.
pub(super) fn finish(sim: &mut Simulation, unfinished: Vec<Unfinished<'_>>) {
    let actor = sim.get_mut::<Names>().sym(SCRIPT);
    for (created, object) in unfinished {
        let value = match created_part(sim, created, object) {
            Some(value) => value,
            None => continue,
        };
        let put = sim.ask(actor, Verb::Put { object: created, expect: None, value });
        assert!(put.is_ok(), "a part of an object that was just created can be put: {put:?}");
    }
}

fn created_part(sim: &mut Simulation, created: ObjRef, object: &SceneObject) -> Option<StateValue> {
    if object.kind() == "Namespace" {
        let brought = Reader::with_past().read(sim, object);
        return brought.states.into_iter().find(|state| matches!(state, StateValue::Namespace(_)));
    }
    // The active jobs of a CronJob come after their owner.
    let mut status = sim.state::<CronJobStatus>(created)?.clone();
    let namespace = sim.get_mut::<Names>().sym(object.namespace().unwrap_or("default"));
    for reference in object.body.pointer("/status/active").and_then(Value::as_array).into_iter().flatten() {
        let name = sim.get_mut::<Names>().name(reference.get("name").and_then(Value::as_str).unwrap_or(""));
        let job = sim.get::<Objects>().by_key(ObjectKey { kind: Kind::Job, namespace, name });
        status.active.extend(job.map(|job| (job.uid, name)));
    }
    Some(status.into())
}
