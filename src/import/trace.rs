//! SimKube's traces: MessagePack of objects that were applied and deleted, with the times, and of the lives of their pods.
//!
//! Source: SimKube, "Trace File Format", version 2.

use super::clean::rank;
use super::{Draft, Happening, images, pod_spec, target, text_at};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How long a run goes on after the last event of its trace. Unit: seconds.
const AFTER_LAST_S: u64 = 300;
/// The version that is read.
const VERSION: u64 = 2;

/// A trace.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Trace {
    /// Version of the format.
    #[serde(default)]
    pub version: u64,
    /// What happened, by time.
    #[serde(default)]
    pub events: Vec<Event>,
    /// Lives of pods: by their owner (kind and name; the pod itself when nothing owns it), then by a hash of their spec.
    #[serde(default)]
    pub pod_lifecycles: BTreeMap<(String, String), BTreeMap<u64, Vec<Lifecycle>>>,
}

/// What happened at one time.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Event {
    /// Unit: Unix seconds.
    pub ts: i64,
    /// Objects created or changed.
    #[serde(default)]
    pub applied_objs: Vec<Value>,
    /// Objects deleted.
    #[serde(default)]
    pub deleted_objs: Vec<Value>,
}

/// The life of a pod. Unit: Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Lifecycle {
    /// Nothing of it was seen.
    Empty,
    /// It began and did not end.
    Running(i64),
    /// It began and ended.
    Finished(i64, i64),
}

/// Reads a trace.
///
/// # Errors
/// Why the bytes are none.
pub fn decode(bytes: &[u8]) -> Result<Trace, String> {
    let trace: Trace = rmp_serde::from_slice(bytes).map_err(|error| format!("this is no trace of SimKube that can be read: {error}"))?;
    if trace.version != VERSION {
        return Err(format!("this is a trace of version {}; version {VERSION} can be read", trace.version));
    }
    if trace.events.iter().all(|event| event.applied_objs.is_empty()) {
        return Err("the trace has no object in it".to_string());
    }
    Ok(trace)
}

/// Adds what a trace says to a draft. Its first event is time zero.
pub fn add(trace: &Trace, draft: &mut Draft) {
    let Some(first) = trace.events.iter().map(|event| event.ts).min() else { return };
    let last = trace.events.iter().map(|event| event.ts).max().unwrap_or(first);
    draft.epoch_unix_s.get_or_insert(first);
    draft.duration_s = draft.duration_s.max(last.abs_diff(first) + AFTER_LAST_S);
    let mut known: BTreeSet<String> = draft.objects.iter().map(target).collect();
    let mut namespaces = BTreeSet::new();
    let mut applied = Vec::new();
    for event in &trace.events {
        let at = event.ts.abs_diff(first);
        let objects: Vec<Value> = event.applied_objs.iter().map(|object| as_applied(object, draft)).collect();
        namespaces.extend(objects.iter().map(|object| text_at(object, "/metadata/namespace").to_string()));
        applied.extend(objects.iter().cloned());
        let (new, changed): (Vec<Value>, Vec<Value>) = objects.into_iter().partition(|object| at == 0 && known.insert(target(object)));
        draft.objects.extend(new);
        if !changed.is_empty() {
            draft.script.push((at, Happening::Apply(changed)));
        }
        draft.script.extend(event.deleted_objs.iter().map(|object| (at, Happening::Delete(target(object)))));
    }
    let there: BTreeSet<String> = draft.objects.iter().map(|object| text_at(object, "/metadata/namespace").to_string()).collect();
    for namespace in namespaces.iter().filter(|name| !name.is_empty() && *name != "default" && !there.contains(*name)) {
        draft.objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
    }
    draft.objects.sort_by_key(rank);
    lives(trace, &applied, last, draft);
}

/// An object as it was applied: without what a server adds, and without the node that it was on.
fn as_applied(object: &Value, draft: &mut Draft) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            for field in ["managedFields", "resourceVersion", "uid", "selfLink", "creationTimestamp", "generation", "ownerReferences"] {
                metadata.shift_remove(field);
            }
        }
    }
    if text_at(&object, "/kind") == "Pod"
        && let Some(Value::Object(spec)) = object.get_mut("spec")
        && spec.shift_remove("nodeName").is_some()
    {
        draft.left_out.note("the nodes that pods of the trace were on; they are scheduled anew", target(&object));
    }
    drop_token_volume(&mut object);
    object
}

/// The API server mounts a token into each pod that it admits. The volume and its mounts are in the trace, the account is not.
fn drop_token_volume(pod: &mut Value) {
    const TOKEN: &str = "kube-api-access-";
    let named = |part: &Value| text_at(part, "/name").starts_with(TOKEN);
    if text_at(pod, "/kind") != "Pod" || !text_at(pod, "/spec/serviceAccountName").is_empty() {
        return;
    }
    for list in ["/spec/initContainers", "/spec/containers"] {
        for container in pod.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.retain(|mount| !named(mount));
            }
        }
    }
    if let Some(volumes) = pod.pointer_mut("/spec/volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| !named(volume));
    }
}

/// How long pods ran becomes how long the containers of their images run.
fn lives(trace: &Trace, applied: &[Value], last: i64, draft: &mut Draft) {
    let mut by_image: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for ((kind, name), by_hash) in &trace.pod_lifecycles {
        let word = kind.rsplit('.').next().unwrap_or(kind);
        let owner = applied.iter().find(|object| {
            let own = format!("{}/{}", text_at(object, "/metadata/namespace"), text_at(object, "/metadata/name"));
            text_at(object, "/kind") == word && own == *name
        });
        let Some(owner) = owner else {
            draft.left_out.note("lives of pods whose owner is not in the trace", format!("{kind} {name}"));
            continue;
        };
        if matches!(pod_spec(owner).map(|spec| text_at(spec, "/restartPolicy")), Some("" | "Always")) {
            draft.left_out.note("lives of pods that restart their containers; they end when they are told to", target(owner));
            continue;
        }
        for life in by_hash.values().flatten() {
            let ran_s = match *life {
                Lifecycle::Finished(from, until) => until.abs_diff(from),
                // It ran on when the trace ended.
                Lifecycle::Running(from) => last.abs_diff(from) + AFTER_LAST_S,
                Lifecycle::Empty => continue,
            };
            let ended = matches!(life, Lifecycle::Finished(..));
            for image in images(owner) {
                let list = by_image.entry(image).or_default();
                if ended || list.is_empty() {
                    list.push(ran_s);
                }
            }
        }
    }
    for (image, mut spans) in by_image {
        spans.sort_unstable();
        let (low, middle, high) = (spans[0], spans[spans.len() / 2], spans[spans.len() - 1]);
        draft.programs.entry(image.to_string()).or_default().runs_for_ms = Some(middle * 1_000);
        if low != high {
            draft.left_out.note(
                "lives of pods differ for one image; its program has the median",
                format!("{image} ({low} s to {high} s, now {middle} s)"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(events: &Value, lives: &[(&str, &str, Value)]) -> Vec<u8> {
        #[derive(serde::Serialize)]
        struct Written<'a> {
            version: u64,
            events: &'a Value,
            pod_lifecycles: BTreeMap<(String, String), BTreeMap<u64, &'a Value>>,
        }
        let lives = lives.iter().map(|(kind, name, life)| ((kind.to_string(), name.to_string()), BTreeMap::from([(1, life)])));
        rmp_serde::to_vec_named(&Written { version: 2, events, pod_lifecycles: lives.collect() }).unwrap()
    }

    fn pod(name: &str, image: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "uid": "x"},
            "spec": {"nodeName": "n-7", "restartPolicy": "Never", "volumes": [{"name": "kube-api-access-x"}, {"name": "own"}],
                "containers": [{"name": "c", "image": image, "volumeMounts": [{"name": "kube-api-access-x"}]}]}, "status": {"phase": "Running"}})
    }

    #[test]
    fn events_become_objects_and_a_script_and_lives_become_programs() {
        let events = json!([
            {"ts": 1000, "applied_objs": [pod("a", "busy:1")], "deleted_objs": []},
            {"ts": 1060, "applied_objs": [pod("b", "busy:1")], "deleted_objs": [pod("a", "busy:1")]},
        ]);
        let lives = [
            ("v1.Pod", "shop/a", json!([{"Finished": [1000, 1012]}])),
            ("v1.Pod", "shop/b", json!([{"Finished": [1060, 1090]}, {"Running": 1060}])),
            ("v1.Pod", "shop/gone", json!([{"Running": 1000}])),
        ];
        let trace = decode(&bytes(&events, &lives)).unwrap();
        let mut draft = Draft::default();
        add(&trace, &mut draft);
        let names: Vec<String> = draft.objects.iter().map(target).collect();
        assert_eq!(names, ["pod/shop/a"]);
        let first = &draft.objects[0];
        assert!(first.get("status").is_none() && first.pointer("/metadata/uid").is_none() && first.pointer("/spec/nodeName").is_none());
        assert_eq!(first.pointer("/spec/volumes"), Some(&json!([{"name": "own"}])));
        assert_eq!(first.pointer("/spec/containers/0/volumeMounts"), Some(&json!([])));
        assert_eq!((draft.epoch_unix_s, draft.duration_s), (Some(1000), 360));
        let [(60, Happening::Apply(later)), (60, Happening::Delete(gone))] = &draft.script[..] else { panic!("{:?}", draft.script) };
        assert_eq!((target(&later[0]).as_str(), gone.as_str()), ("pod/shop/b", "pod/shop/a"));
        assert_eq!(draft.programs["busy:1"].runs_for_ms, Some(30_000));
        assert_eq!(draft.left_out.lines().len(), 3, "{:?}", draft.left_out);
    }

    #[test]
    fn what_is_no_trace_is_told() {
        assert!(decode(b"plain text").unwrap_err().contains("no trace of SimKube"));
        assert!(decode(&bytes(&json!([]), &[])).unwrap_err().contains("no object"));
        let old = rmp_serde::to_vec_named(&json!({"version": 1, "events": []})).unwrap();
        assert!(decode(&old).unwrap_err().contains("version 1"));
    }
}
