//! What of a dump a scene can begin with: objects without what only their own cluster knows, owners first, references that lead somewhere.

use super::{Draft, configuration, stages, target, text_at};
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::time::unix_seconds;

/// Kinds that are left out, with the reason.
const LEFT_OUT: &[(&str, &str)] = &[
    ("Event", "events are made by the run"),
    ("Lease", "leases follow from nodes"),
    ("NodeMetrics", "metrics are measured by the run"),
    ("PodMetrics", "metrics are measured by the run"),
    ("ComponentStatus", "the control plane is the run's own"),
    ("APIService", "the control plane is the run's own"),
    ("Kustomization", "files of other tools; import what `kustomize build` prints"),
];

/// Kinds in the order in which they are created: owners before what they own. Others come before pods.
const ORDER: &[&str] = &[
    "Namespace",
    "CustomResourceDefinition",
    "Node",
    "PriorityClass",
    "StorageClass",
    "CSIDriver",
    "CSINode",
    "ServiceAccount",
    "ConfigMap",
    "Secret",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "Service",
    "CronJob",
    "Job",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
    "DaemonSet",
    "ControllerRevision",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
];
/// Kinds that come last.
const LAST: &[&str] = &["Pod", "Endpoints", "EndpointSlice"];

/// Where an object stands in the order of creation: by kind, then by age.
pub fn rank(object: &Value) -> (usize, String) {
    let kind = text_at(object, "/kind");
    let last = || LAST.iter().position(|known| *known == kind).map(|at| ORDER.len() + 1 + at);
    let at = ORDER.iter().position(|known| *known == kind).or_else(last).unwrap_or(ORDER.len());
    (at, text_at(object, "/metadata/creationTimestamp").to_string())
}

/// Adds the documents of dumps and manifests to a draft.
pub fn add(documents: Vec<Value>, draft: &mut Draft) {
    let (stages, documents): (Vec<Value>, Vec<Value>) = documents.into_iter().partition(stages::is_stage);
    let mut seen = BTreeSet::new();
    let mut objects = Vec::new();
    for document in documents {
        let kind = text_at(&document, "/kind");
        if let Some((_, why)) = LEFT_OUT.iter().find(|(known, _)| *known == kind) {
            draft.left_out.note(*why, target(&document));
        } else if !text_at(&document, "/metadata/name").is_empty() && !seen.insert(target(&document)) {
            draft.left_out.note("objects that are there twice; the first one is taken", target(&document));
        } else {
            let mut object = without_server_fields(document);
            if text_at(&object, "/kind") == "Secret" && configuration::empty_values(&mut object) {
                draft.left_out.note("values of secrets, which change nothing; their keys are kept", target(&object));
            }
            objects.push(object);
        }
    }
    draft.epoch_unix_s = draft.epoch_unix_s.max(objects.iter().filter_map(latest_time).max());
    place_pods(&mut objects, draft);
    drop_owners(&mut objects, draft);
    unbind_claims(&mut objects, draft);
    configuration::assume_missing(&mut objects, draft);
    let revisions = missing_revisions(&objects);
    objects.extend(revisions);
    draft.objects.extend(objects);
    draft.objects.sort_by_key(rank);
    stages::add(&stages, draft);
}

/// Nulls mean nothing; versions and who wrote which field are of the cluster that the object comes from.
fn without_server_fields(mut object: Value) -> Value {
    drop_nulls(&mut object);
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        for field in ["managedFields", "resourceVersion", "selfLink"] {
            metadata.shift_remove(field);
        }
    }
    if text_at(&object, "/kind") == "ControllerRevision"
        && let Some(data) = object.get_mut("data")
    {
        *data = sorted(data);
    }
    object
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, part| !part.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            Value::Object(fields.into_iter().map(|(key, part)| (key.clone(), sorted(part))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// Fields that hold a time that has passed when a dump is made.
const PAST: &[&str] = &[
    "creationTimestamp",
    "lastTransitionTime",
    "lastHeartbeatTime",
    "lastUpdateTime",
    "lastProbeTime",
    "lastScheduleTime",
    "lastSuccessfulTime",
    "lastScaleTime",
    "startTime",
    "completionTime",
    "startedAt",
    "finishedAt",
    "timeAdded",
];

/// The latest time that an object tells of: the dump was made no earlier.
fn latest_time(value: &Value) -> Option<i64> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter_map(|(key, part)| match part {
                Value::String(text) if PAST.contains(&key.as_str()) => unix_seconds(text),
                part => latest_time(part),
            })
            .max(),
        Value::Array(items) => items.iter().filter_map(latest_time).max(),
        _ => None,
    }
}

/// A pod stays where it is. Where the dump has no nodes at all it is scheduled anew; one node that is missing among others is gone in
/// the cluster too.
fn place_pods(objects: &mut Vec<Value>, draft: &mut Draft) {
    if objects.iter().any(|object| text_at(object, "/kind") == "Node") {
        return;
    }
    objects.retain_mut(|object| {
        if text_at(object, "/kind") != "Pod" || text_at(object, "/spec/nodeName").is_empty() {
            return true;
        }
        if matches!(text_at(object, "/status/phase"), "Succeeded" | "Failed") {
            draft.left_out.note("ended pods, since the dump has no nodes", target(object));
            return false;
        }
        draft.left_out.note("places of pods, since the dump has no nodes; they are scheduled anew", target(object));
        remove(object, "spec", "nodeName");
        if let Some(fields) = object.as_object_mut() {
            fields.shift_remove("status");
        }
        true
    });
}

fn remove(object: &mut Value, part: &str, field: &str) {
    if let Some(fields) = object.get_mut(part).and_then(Value::as_object_mut) {
        fields.shift_remove(field);
    }
}

/// A reference to an owner that is not there would have the object collected as garbage.
fn drop_owners(objects: &mut [Value], draft: &mut Draft) {
    let there: BTreeSet<(String, String)> =
        objects.iter().map(|object| (text_at(object, "/kind").to_string(), text_at(object, "/metadata/name").to_string())).collect();
    for object in objects.iter_mut() {
        let Some(Value::Array(owners)) = object.pointer_mut("/metadata/ownerReferences") else { continue };
        let before = owners.len();
        owners.retain(|owner| there.contains(&(text_at(owner, "/kind").to_string(), text_at(owner, "/name").to_string())));
        if owners.is_empty() {
            remove(object, "metadata", "ownerReferences");
        }
        let after = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).map_or(0, Vec::len);
        if after < before {
            draft.left_out.note("references to owners that are not in the dump", target(object));
        }
    }
}

/// A claim bound to a volume that is not there would be Lost.
fn unbind_claims(objects: &mut [Value], draft: &mut Draft) {
    let volumes: BTreeSet<String> = objects
        .iter()
        .filter(|object| text_at(object, "/kind") == "PersistentVolume")
        .map(|volume| text_at(volume, "/metadata/name").to_string())
        .collect();
    let claims = objects.iter_mut().filter(|object| text_at(object, "/kind") == "PersistentVolumeClaim");
    for claim in claims {
        let volume = text_at(claim, "/spec/volumeName");
        if volume.is_empty() || volumes.contains(volume) {
            continue;
        }
        draft.left_out.note("bindings of claims whose volume is not in the dump; they are bound anew", target(claim));
        remove(claim, "spec", "volumeName");
        if let Some(fields) = claim.as_object_mut() {
            fields.shift_remove("status");
        }
        if let Some(Value::Object(annotations)) = claim.pointer_mut("/metadata/annotations") {
            annotations.retain(|key, _| !key.starts_with("pv.kubernetes.io/") && !key.starts_with("volume.kubernetes.io/selected-node"));
        }
    }
}

/// Dumps seldom have ControllerRevisions. Without the one that its pods are of, a set would replace them all.
fn missing_revisions(objects: &[Value]) -> Vec<Value> {
    let owned_by = |object: &Value, set: &Value| {
        let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
        text_at(object, "/metadata/namespace") == text_at(set, "/metadata/namespace")
            && owners
                .into_iter()
                .any(|owner| text_at(owner, "/kind") == text_at(set, "/kind") && text_at(owner, "/name") == text_at(set, "/metadata/name"))
    };
    let sets = objects.iter().filter(|object| matches!(text_at(object, "/kind"), "StatefulSet" | "DaemonSet"));
    let revision = |set: &Value| {
        let owned = || objects.iter().filter(|object| owned_by(object, set));
        if owned().any(|object| text_at(object, "/kind") == "ControllerRevision") {
            return None;
        }
        let newest = owned().filter(|object| text_at(object, "/kind") == "Pod").max_by_key(|pod| {
            (text_at(pod, "/metadata/creationTimestamp").to_string(), Reverse(text_at(pod, "/metadata/name").to_string()))
        });
        let label = newest.map_or("", |pod| text_at(pod, "/metadata/labels/controller-revision-hash"));
        let name = text_at(set, "/metadata/name");
        let full = match text_at(set, "/status/updateRevision") {
            "" if label.is_empty() => return None,
            "" => format!("{name}-{label}"),
            known => known.to_string(),
        };
        Some(revision_of(set, &full))
    };
    sets.filter_map(revision).collect()
}

fn revision_of(set: &Value, revision: &str) -> Value {
    let name = text_at(set, "/metadata/name");
    let hash = revision.strip_prefix(name).map_or(revision, |rest| rest.trim_start_matches('-'));
    let mut labels: Map<String, Value> =
        set.pointer("/spec/template/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
    let label = if text_at(set, "/kind") == "DaemonSet" { "controller-revision-hash" } else { "controller.kubernetes.io/hash" };
    labels.insert(label.to_string(), hash.into());
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    template["$patch"] = "replace".into();
    json!({
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": revision,
            "namespace": set.pointer("/metadata/namespace").cloned().unwrap_or_else(|| "default".into()),
            "labels": labels,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": text_at(set, "/kind"), "name": name, "uid": text_at(set, "/metadata/uid"),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "data": sorted(&json!({"spec": {"template": template}})),
        "revision": 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, node: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "a", "resourceVersion": "9",
            "creationTimestamp": "2026-02-01T00:00:00Z", "ownerReferences": [{"kind": "ReplicaSet", "name": "web"}]},
            "spec": {"nodeName": node, "containers": []}, "status": {"phase": "Running", "startTime": null}})
    }

    #[test]
    fn references_lead_somewhere_or_are_told() {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"conditions": [
            {"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-03-01T00:00:00Z"}]}});
        let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "a"}});
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "a",
            "annotations": {"pv.kubernetes.io/bind-completed": "yes", "own": "1"}}, "spec": {"volumeName": "v"}, "status": {"phase": "Bound"}});
        let mut draft = Draft::default();
        add(vec![pod("stays", "n"), pod("stays", "n"), event, claim, node], &mut draft);
        let names: Vec<String> = draft.objects.iter().map(target).collect();
        assert_eq!(names, ["node/n", "persistentvolumeclaim/a/c", "pod/a/stays"]);
        let [_, claim, stays] = &draft.objects[..] else { panic!() };
        assert_eq!((text_at(stays, "/spec/nodeName"), text_at(stays, "/status/phase")), ("n", "Running"));
        assert!(stays.pointer("/metadata/ownerReferences").is_none() && stays.pointer("/metadata/resourceVersion").is_none());
        assert_eq!((claim.pointer("/metadata/annotations"), claim.get("status")), (Some(&json!({"own": "1"})), None));
        assert_eq!(draft.epoch_unix_s, unix_seconds("2026-03-01T00:00:00Z"));
        let lines = draft.left_out.lines();
        assert_eq!(lines.len(), 4, "{lines:?}");
        let mut draft = Draft::default();
        let ended = json!({"kind": "Pod", "metadata": {"name": "ended"}, "spec": {"nodeName": "n"}, "status": {"phase": "Failed"}});
        add(vec![pod("lost", "n"), ended], &mut draft);
        let [lost] = &draft.objects[..] else { panic!("{:?}", draft.objects) };
        assert!(lost.pointer("/spec/nodeName").is_none() && lost.get("status").is_none());
    }

    #[test]
    fn a_set_without_its_revision_gets_it_from_what_it_says() {
        let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "a", "uid": "u"},
            "spec": {"template": {"metadata": {"labels": {"app": "db"}}, "spec": {}}}, "status": {"updateRevision": "db-7f"}});
        let mut draft = Draft::default();
        add(vec![set], &mut draft);
        let revision = &draft.objects[1];
        assert_eq!(
            (target(revision).as_str(), text_at(revision, "/metadata/labels/controller.kubernetes.io~1hash")),
            ("controllerrevision/a/db-7f", "7f")
        );
        assert_eq!(text_at(revision, "/data/spec/template/$patch"), "replace");
    }
}
