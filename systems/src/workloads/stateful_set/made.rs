//! What a StatefulSet makes: pods, their claims, and revisions of its template.
//!
//! Source: kubernetes v1.36, `pkg/controller/statefulset/stateful_set_utils.go`, `newStatefulSetPod`, `getPersistentVolumeClaims`.

use super::{Reads, Tables, known};
use crate::workloads::revisions::{Known, hash_of, name_of, template_of};
use serde_json::{Map, Value, json};
use wavetank_engine::api::json_in::read_claim;
use wavetank_engine::api::request::{NewObject, Verb};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::{Meta, OwnerRef};
use wavetank_engine::model::pod::Pod;
use wavetank_engine::model::raw::Raw;
use wavetank_engine::model::revisioned::ControllerRevision;
use wavetank_engine::names::{Name, Sym};

/// A set as the controller of what it makes.
pub(super) fn owner(set: ObjRef, meta: &Meta) -> OwnerRef {
    OwnerRef { uid: Some(set.uid), kind: Kind::StatefulSet, name: meta.name, controller: true, block_owner_deletion: true }
}

/// The name of a set's pod.
pub(super) fn pod_name(tables: &mut Tables, set: &Meta, ordinal: u32) -> Name {
    let text = format!("{}-{ordinal}", tables.names.render(set.name));
    tables.names.name(&text)
}

/// The pod of an ordinal from a revision's template.
pub(super) fn pod(reads: &Reads, tables: &mut Tables, set: ObjRef, ordinal: u32, revision: &Known) -> Option<Verb> {
    let (spec, _, meta) = known(reads, set)?;
    let body = template_of(revision.data.value());
    let name = pod_name(tables, meta, ordinal);
    let text = tables.names.render(name);
    let mut pod_spec = body.get("spec").cloned().unwrap_or_else(|| json!({}));
    pod_spec["hostname"] = text.clone().into();
    if !spec.service_name.is_empty() {
        pod_spec["subdomain"] = tables.names.text(spec.service_name).into();
    }
    let claims = claims(tables, spec.raw.value(), meta, ordinal);
    mount(&mut pod_spec, &claims);
    let template = json!({"metadata": body.get("metadata").cloned().unwrap_or(Value::Null), "spec": pod_spec});
    let id = tables.classes.template_of(&mut tables.names, &mut tables.labels, &template);
    let template = tables.classes.template(id).clone();
    let mut new = Meta::new(Kind::Pod, meta.namespace, name);
    new.annotations = template.annotations;
    new.owners.push(owner(set, meta));
    let texts = *tables.texts;
    let values = [
        (texts.pod_name, tables.names.sym(&text)),
        (texts.pod_index, tables.names.sym(&ordinal.to_string())),
        (texts.revision, revision.name),
    ];
    new.labels = template.labels;
    for (key, value) in values {
        new.labels = tables.labels.with(&tables.names, new.labels, key, value);
    }
    Some(Verb::Create(Box::new(NewObject { meta: new, states: vec![Pod { class: template.class, node: Sym::EMPTY }.into()] })))
}

/// A claim that a pod of the set has: its name, the name of its volume, and its template.
pub(super) struct Claim {
    pub(super) name: Name,
    volume: String,
    text: String,
    template: Value,
}

/// The claims of an ordinal's pod.
pub(super) fn claims(tables: &mut Tables, spec: &Value, set: &Meta, ordinal: u32) -> Vec<Claim> {
    let templates = spec.get("volumeClaimTemplates").and_then(Value::as_array);
    let mut claims = Vec::new();
    for template in templates.into_iter().flatten() {
        let volume = template.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_string();
        let text = format!("{volume}-{}-{ordinal}", tables.names.render(set.name));
        claims.push(Claim { name: tables.names.name(&text), volume, text, template: template.clone() });
    }
    claims
}

/// Puts the claims' volumes first, in place of the template's volumes of the same name.
fn mount(spec: &mut Value, claims: &[Claim]) {
    if claims.is_empty() {
        return;
    }
    let own = spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    let of_claims = claims.iter().map(|claim| json!({"name": claim.volume, "persistentVolumeClaim": {"claimName": claim.text}}));
    let kept = own.iter().filter(|volume| claims.iter().all(|claim| volume["name"] != claim.volume.as_str())).cloned();
    spec["volumes"] = Value::Array(of_claims.chain(kept).collect());
}

/// The claims of an ordinal's pod that are not there yet.
pub(super) fn missing_claims(reads: &Reads, tables: &mut Tables, set: ObjRef, ordinal: u32) -> Vec<(Name, Verb)> {
    let Some((spec, _, meta)) = known(reads, set) else { return Vec::new() };
    let kind = Kind::PersistentVolumeClaim;
    let mut missing = claims(tables, spec.raw.value(), meta, ordinal);
    missing.retain(|claim| reads.listing.by_key(ObjectKey { kind, namespace: meta.namespace, name: claim.name }).is_none());
    let owned = spec.raw.at(&["persistentVolumeClaimRetentionPolicy", "whenDeleted"]).and_then(Value::as_str) == Some("Delete");
    let selected = string_map(spec.raw.at(&["selector", "matchLabels"]));
    let mut verbs = Vec::new();
    for claim in missing {
        let mut new = Meta::new(kind, meta.namespace, claim.name);
        let mut labels = string_map(claim.template.pointer("/metadata/labels"));
        labels.extend(selected.clone());
        for (key, value) in labels {
            let (key, value) = (tables.names.sym(&key), tables.names.sym(&value));
            new.labels = tables.labels.with(&tables.names, new.labels, key, value);
        }
        for (key, value) in string_map(claim.template.pointer("/metadata/annotations")) {
            let (key, value) = (tables.names.sym(&key), tables.names.sym(&value));
            new.annotations = tables.labels.with(&tables.names, new.annotations, key, value);
        }
        if owned {
            new.owners.push(owner(set, meta));
        }
        let spec = read_claim(&mut tables.names, &mut tables.selectors, claim.template.get("spec").unwrap_or(&Value::Null));
        verbs.push((claim.name, Verb::Create(Box::new(NewObject { meta: new, states: vec![spec.into()] }))));
    }
    verbs
}

fn string_map(value: Option<&Value>) -> Vec<(String, String)> {
    let fields = value.and_then(Value::as_object).map(Map::iter);
    fields.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_string()))).collect()
}

/// A new revision of a set's template.
pub(super) fn revision(
    tables: &mut Tables,
    (set, meta): (ObjRef, &Meta),
    labels: Vec<(String, String)>,
    data: &Raw,
    (number, collisions): (i64, u32),
) -> Verb {
    let hash = hash_of(data.value(), collisions);
    let name = name_of(&tables.names.render(meta.name), &hash);
    let mut new = Meta::new(Kind::ControllerRevision, meta.namespace, tables.names.name(&name));
    for (key, value) in labels {
        let (key, value) = (tables.names.sym(&key), tables.names.sym(&value));
        new.labels = tables.labels.with(&tables.names, new.labels, key, value);
    }
    let (key, value) = (tables.texts.hash, tables.names.sym(&hash));
    new.labels = tables.labels.with(&tables.names, new.labels, key, value);
    new.owners.push(owner(set, meta));
    let value = ControllerRevision { revision: number, data: data.clone() };
    Verb::Create(Box::new(NewObject { meta: new, states: vec![value.into()] }))
}

/// Labels of a set's template, which its revisions have too.
pub(super) fn template_labels(spec: &Raw) -> Vec<(String, String)> {
    string_map(spec.at(&["template", "metadata", "labels"]))
}
