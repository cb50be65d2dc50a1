//! Provisioner: stands for the drivers outside Kubernetes that make volumes for claims and delete them with the claims.
//!
//! | | |
//! |---|---|
//! | reads  | `PersistentVolumeClaim`, `PersistentVolume`, its status, `StorageClass`, `Node`, `Meta` |
//! | writes | `Create` and `Delete` of volumes, `Put` of their `Meta`; `Events` |
//! | woken  | a claim that is told its provisioner or its node; a volume released or being deleted |
//! | source | `spec/storage.md` §6; kubernetes-csi/external-provisioner |
//!
//! Choice: every provisioner but those of Kubernetes itself is there and never fails. A volume takes [`Latency`]'s `provisioning`; it has
//! the size asked for. Made for a node, it can be reached from the node's zone, or, without zones, from every node; made at once, from
//! the first of the class's `allowedTopologies`.

use crate::texts::texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wavetank_engine::api::json_in::read_volume;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{NewObject, Reply, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, uid_text};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::storage::{
    ClaimRef, PersistentVolume, PersistentVolumeClaim, PersistentVolumeStatus, StorageClass, VolumePhase,
};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::simulation::latency::Latency;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::simulation::{Seed, Simulation};
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// The provisioners' work queue.
pub struct ProvisionerQueue;

/// What wakes them.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::PersistentVolumeClaim, on: Changes::ADDED.or(Changes::ANNOTATIONS), whom: Whom::Itself },
    Wake { kind: Kind::PersistentVolume, on: Changes::ADDED.or(Changes::STATUS).or(Changes::DELETION), whom: Whom::Itself },
];

texts! {
    /// Words of the provisioners.
    pub ProvisionerTexts {
        finalizer = "external-provisioner.volume.kubernetes.io/finalizer",
        provisioning = "Provisioning",
        provisioning_words = "External provisioner is provisioning volume for claim \"{}/{}\"",
        succeeded = "ProvisioningSucceeded",
        succeeded_words = "Successfully provisioned volume {}",
    }
}

/// Registers the provisioners.
pub fn install(sim: &mut Simulation) {
    sim.keep(Provisioners::default());
    let texts = ProvisionerTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<ProvisionerQueue, _, _>("provisioner", "external-provisioner", WAKES, sync);
}

/// When the volumes in the making are done. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct Provisioners {
    done_at: BTreeMap<ObjRef, SimTime>,
}

/// What the provisioners read.
#[derive(SystemParam)]
struct Reads<'w, 's> {
    claims: View<'w, 's, ProvisionerQueue, PersistentVolumeClaim>,
    volumes: View<'w, 's, ProvisionerQueue, PersistentVolume>,
    statuses: View<'w, 's, ProvisionerQueue, PersistentVolumeStatus>,
    classes: View<'w, 's, ProvisionerQueue, StorageClass>,
    metas: View<'w, 's, ProvisionerQueue, Meta>,
    listing: Listing<'w, ProvisionerQueue>,
    texts: Res<'w, ProvisionerTexts>,
    seed: Res<'w, Seed>,
    latency: Res<'w, Latency>,
}

/// The shared tables that they use.
#[derive(SystemParam)]
struct Tables<'w> {
    names: ResMut<'w, Names>,
    labels: ResMut<'w, LabelSets>,
    events: ResMut<'w, Events>,
}

fn sync(mut work: Work<ProvisionerQueue>, reads: Reads, mut tables: Tables, mut state: ResMut<Provisioners>) {
    while let Some(item) = work.pop() {
        if item.replies.iter().any(|reply| reply.refusal().is_some_and(|refusal| refusal.code != 404)) {
            work.retry(item.object);
            continue;
        }
        let Some(meta) = reads.metas.get(item.object) else {
            state.done_at.remove(&item.object);
            continue;
        };
        match meta.kind {
            Kind::PersistentVolumeClaim => claim(&item, meta, &mut work, &reads, &mut tables, &mut state),
            Kind::PersistentVolume => volume(&item, meta, &mut work, &reads, &tables),
            _ => {}
        }
    }
}

fn tell(events: &mut Events, now: SimTime, (object, meta): (ObjRef, &Meta), source: Sym, (reason, words): (Sym, Sym), args: &[Arg]) {
    let about = ObjectKey { kind: meta.kind, namespace: meta.namespace, name: meta.name };
    events.report(now, Report { about, uid: object.uid, source, warning: false, reason, words, args });
}

/// Makes the volume of a claim that waits for one.
fn claim(item: &Item, meta: &Meta, work: &mut Work<ProvisionerQueue>, reads: &Reads, tables: &mut Tables, state: &mut Provisioners) {
    let object = item.object;
    let texts = *reads.texts;
    let annotation = |key| tables.labels.get(meta.annotations, key);
    let Some(driver) = annotation(words::STORAGE_PROVISIONER) else { return };
    if let Some(Reply::Created(volume)) = item.replies.first() {
        state.done_at.remove(&object);
        if let Some(row) = reads.listing.answered(*volume) {
            tell(
                &mut tables.events,
                work.now(),
                (object, meta),
                driver,
                (texts.succeeded, texts.succeeded_words),
                &[Arg::Name(row.key.name)],
            );
        }
        return;
    }
    let Some(spec) = reads.claims.get(object).filter(|spec| spec.volume.is_empty() && !meta.terminating()) else { return };
    let class_name = annotation(words::BETA_CLASS).or(spec.class).unwrap_or(Sym::EMPTY);
    let selected = annotation(words::SELECTED_NODE);
    let by_name = |kind, name: Sym, names: &Names| {
        let name = names.find_name(names.text(name))?;
        reads.listing.by_key(ObjectKey { kind, namespace: Sym::EMPTY, name })
    };
    let Some(class) = by_name(Kind::StorageClass, class_name, &tables.names).and_then(|class| reads.classes.get(class)) else { return };
    if class.waits && selected.is_none() {
        return;
    }
    let uid = uid_text(
        reads.seed.0,
        "PersistentVolumeClaim",
        tables.names.text(meta.namespace),
        &tables.names.render(meta.name),
        meta.created_at,
    );
    let text = format!("pvc-{uid}");
    let name = tables.names.name(&text);
    if reads.listing.by_key(ObjectKey { kind: Kind::PersistentVolume, namespace: Sym::EMPTY, name }).is_some() {
        return;
    }
    let done_at = match state.done_at.get(&object) {
        Some(&at) => at,
        None => {
            let at = work.now() + reads.latency.table().provisioning;
            let args = [Arg::Text(meta.namespace), Arg::Name(meta.name)];
            tell(&mut tables.events, work.now(), (object, meta), driver, (texts.provisioning, texts.provisioning_words), &args);
            state.done_at.insert(object, at);
            at
        }
    };
    if done_at > work.now() {
        work.wake_at(object, done_at);
        return;
    }
    let mut body = json!({
        "capacity": {"storage": spec.raw.at(&["resources", "requests", "storage"]).cloned().unwrap_or(Value::Null)},
        "accessModes": spec.modes.words().collect::<Vec<_>>(),
        "persistentVolumeReclaimPolicy": if class.retains { "Retain" } else { "Delete" },
        "storageClassName": tables.names.text(class_name),
        "volumeMode": if spec.block { "Block" } else { "Filesystem" },
        "csi": {"driver": tables.names.text(driver), "volumeHandle": text},
    });
    for (field, from) in [("mountOptions", class.raw.at(&["mountOptions"]))] {
        if let Some(value) = from {
            body[field] = value.clone();
        }
    }
    if !spec.attributes_class.is_empty() {
        body["volumeAttributesClassName"] = tables.names.text(spec.attributes_class).into();
    }
    let node = selected.and_then(|node| by_name(Kind::Node, node, &tables.names)).and_then(|node| reads.metas.get(node));
    let zone = node.and_then(|node| tables.labels.get(node.labels, words::ZONE_LABEL));
    let expressions = match zone {
        Some(zone) => json!([{"key": tables.names.text(words::ZONE_LABEL), "operator": "In", "values": [tables.names.text(zone)]}]),
        None => first_topology(class),
    };
    if expressions.as_array().is_some_and(|list| !list.is_empty()) {
        body["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": expressions}]}});
    }
    let reference = ClaimRef { namespace: meta.namespace, name: meta.name, uid: Some(object.uid) };
    let volume = read_volume(&mut tables.names, &body, reference);
    let mut new = Meta::new(Kind::PersistentVolume, Sym::EMPTY, name);
    new.annotations = tables.labels.intern(&tables.names, [(words::PROVISIONED_BY, driver)]);
    if !class.retains {
        new.finalizers.push(texts.finalizer);
    }
    work.ask(item, Verb::Create(Box::new(NewObject { meta: new, states: vec![volume.into()] })));
}

/// Where a class that names places makes a volume at once.
fn first_topology(class: &StorageClass) -> Value {
    let terms = class.raw.at(&["allowedTopologies"]).and_then(Value::as_array);
    let first = terms.and_then(|terms| terms.first()).and_then(|term| term.get("matchLabelExpressions")).and_then(Value::as_array);
    let expression = |e: &Value| {
        let value = e.get("values").and_then(Value::as_array).and_then(|values| values.first()).cloned();
        json!({"key": e.get("key").cloned().unwrap_or(Value::Null), "operator": "In", "values": [value.unwrap_or(Value::Null)]})
    };
    first.into_iter().flatten().map(expression).collect()
}

/// Deletes a volume that was made for a claim and is released, and lets one go that is deleted.
fn volume(item: &Item, meta: &Meta, work: &mut Work<ProvisionerQueue>, reads: &Reads, tables: &Tables) {
    let object = item.object;
    let (Some(spec), Some(status)) = (reads.volumes.get(object), reads.statuses.get(object)) else { return };
    let by_driver = tables.labels.get(meta.annotations, words::PROVISIONED_BY).is_some();
    let deletes = spec.raw.at(&["persistentVolumeReclaimPolicy"]).and_then(Value::as_str) == Some("Delete");
    let released = matches!(status.phase, VolumePhase::Released | VolumePhase::Failed);
    if !by_driver || !deletes || !(released || meta.terminating() && status.phase != VolumePhase::Bound) {
        return;
    }
    if meta.finalizers.contains(&reads.texts.finalizer) {
        let mut meta = meta.clone();
        meta.finalizers.retain(|finalizer| *finalizer != reads.texts.finalizer);
        work.ask(item, Verb::Put { object, expect: None, value: meta.into() });
    } else if !meta.terminating() {
        work.ask(item, Verb::Delete { object, grace_s: None, propagation: None });
    }
}
