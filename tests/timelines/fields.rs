//! The facts that a timeline holds of each kind, and how two histories of a fact may differ.
//!
//! | kind | facts |
//! |---|---|
//! | all | `owners`, `finalizers`, `deleting`, `deletionGracePeriodSeconds`, `generation`, `observedGeneration`, `conditions` (`Type: Status/Reason: message`) |
//! | Deployment | `spec.replicas`, `paused`, `image`, `revision`, `replicas`, `updatedReplicas`, `readyReplicas`, `availableReplicas`, `unavailableReplicas`, `terminatingReplicas` |
//! | ReplicaSet | `spec.replicas`, `image`, `revision`, `revision-history`, `desired-replicas`, `max-replicas`, `replicas`, `fullyLabeledReplicas`, `readyReplicas`, `availableReplicas`, `terminatingReplicas` |
//! | StatefulSet | `spec.replicas`, `partition`, `currentRevision`, `updateRevision`, `collisionCount`, `replicas`, `currentReplicas`, `updatedReplicas`, `readyReplicas`, `availableReplicas` |
//! | DaemonSet | `currentNumberScheduled`, `desiredNumberScheduled`, `numberMisscheduled`, `numberReady`, `numberAvailable`, `numberUnavailable`, `updatedNumberScheduled` |
//! | Job | `suspend`, `parallelism`, `completions`, `startTime_s`, `completionTime_s`, `active`, `ready`, `terminating`, `succeeded`, `failed`, `uncounted` (`succeeded`, `failed`: pod ids), `completedIndexes`, `cronjob-scheduled-timestamp` |
//! | CronJob | `suspend`, `active` (job names), `lastScheduleTime`, `lastSuccessfulTime` |
//! | Pod | `phase`, `node`, `ready`, `image`, `pod-template-hash`, `controller-revision-hash`, `apps.kubernetes.io/pod-index`, `job-completion-index`, `qosClass`, `priority`, `priorityClassName`, `podIP` (whether it has one), `restartCount`, `exitCode`, `nominatedNodeName`, `schedulingGates` |
//! | EndpointSlice | `endpoints` (`target`, `ready`, `serving`, `terminating`, `node`, `hostname`, `zone`), `ports`, `lastChangeTrigger_s` |
//! | Node | `unschedulable`, `taints` (`key=value:Effect`) |
//! | PodDisruptionBudget | `disruptionsAllowed`, `currentHealthy`, `desiredHealthy`, `expectedPods`, `disruptedPods` |
//! | ResourceQuota | `hard`, `used` |
//! | PersistentVolumeClaim | `phase`, `volumeName`, `capacity`, `storageClassName`, `bind-completed`, `bound-by-controller` |
//! | PersistentVolume | `phase`, `claimRef`, `reclaim`, `bound-by-controller` |
//! | Namespace | `phase`, `spec.finalizers` |
//! | ControllerRevision | `revision` |
//! | ConfigMap | those of all kinds |
//! | Event | `reason`, `type`, `message`, `count`, `on` (id), `from`, `action` |
//!
//! Absent, null, 0, false and empty are the same: the API leaves most of them out. A map is taken apart into its
//! entries, a list into how many of each element it holds, so that the order of a list does not matter.

use crate::labels::Labels;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One value of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Atom {
    Number(i64),
    Text(String),
}

/// The facts of one write, taken apart. Absent facts are not in it.
pub(crate) type Facts = BTreeMap<String, Atom>;

/// How two histories of a fact are compared. Moments must always agree within the tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The same values in the same order; numbers may take several steps in one.
    Same,
    /// A number that sums up many objects: besides, rises and falls that soon cancel may be left out.
    Sum,
    /// A text that goes through stages: one that soon gives way to the next may be left out.
    Stage,
    /// Seconds cut to whole numbers: one more or less is the same.
    Seconds,
    /// Says nothing: it depends on how many writes there were.
    Unjudged,
}

/// The rule of one fact, by the fact's name before its first `.` for maps and lists.
pub(crate) fn rule(kind: &str, field: &str) -> Rule {
    let is_sum = matches!(
        field,
        "replicas"
            | "fullyLabeledReplicas"
            | "readyReplicas"
            | "availableReplicas"
            | "terminatingReplicas"
            | "settled"
            | "updatedReplicas"
            | "unavailableReplicas"
    );
    match kind {
        "Deployment" | "ReplicaSet" if is_sum => Rule::Sum,
        "DaemonSet" if field.contains("number") || field.contains("Number") => Rule::Sum,
        "ReplicaSet" if matches!(field, "generation" | "observedGeneration") => Rule::Unjudged,
        "Deployment" if field.starts_with("conditions.") => Rule::Stage,
        "PersistentVolume" | "PersistentVolumeClaim" if field == "phase" => Rule::Stage,
        "EndpointSlice" if field == "lastChangeTrigger_s" => Rule::Unjudged,
        "EndpointSlice" if field.starts_with("endpoints") => Rule::Sum,
        "Job" if field.ends_with("_s") => Rule::Seconds,
        _ => Rule::Same,
    }
}

/// Takes the facts of one write apart. With `hide_nodes` a pod's node only says whether there is one, and endpoints
/// say nothing of theirs.
pub(crate) fn flatten(kind: &str, facts: &Map<String, Value>, labels: &Labels, hide_nodes: bool) -> Facts {
    let mut out = Facts::new();
    for (name, value) in facts {
        if kind == "Pod" && name == "node" && hide_nodes && value.is_string() {
            out.insert(name.clone(), Atom::Text("<node>".to_owned()));
        } else {
            flatten_value(name, value, labels, hide_nodes, &mut out);
        }
    }
    if kind == "ReplicaSet" {
        // How often a set was scaled is open, so its generation is; that its status follows is not.
        let settled = facts.get("generation") == facts.get("observedGeneration");
        out.extend(settled.then(|| ("settled".to_owned(), Atom::Number(1))));
    }
    out
}

fn flatten_value(name: &str, value: &Value, labels: &Labels, hide_nodes: bool, out: &mut Facts) {
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::Bool(true) => drop(out.insert(name.to_owned(), Atom::Number(1))),
        Value::Number(number) => match number.as_i64() {
            Some(0) => {}
            Some(whole) => drop(out.insert(name.to_owned(), Atom::Number(whole))),
            None => drop(out.insert(name.to_owned(), Atom::Text(number.to_string()))),
        },
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => drop(out.insert(name.to_owned(), Atom::Text(labels.text(text)))),
        Value::Array(elements) => {
            for element in elements {
                let key = format!("{name}[{}]", element_text(element, labels, hide_nodes));
                let Atom::Number(count) = out.entry(key).or_insert(Atom::Number(0)) else { continue };
                *count += 1;
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                flatten_value(&format!("{name}.{}", labels.text(key)), value, labels, hide_nodes, out);
            }
        }
    }
}

/// An element of a list as one text; for maps the entries that say something, by key.
fn element_text(element: &Value, labels: &Labels, hide_nodes: bool) -> String {
    match element {
        Value::String(text) => labels.text(text),
        Value::Object(map) => {
            let mut parts = BTreeMap::new();
            for (key, value) in map {
                let is_place = key == "node" || key == "zone";
                let says_nothing = value.is_null() || *value == Value::Bool(false) || *value == "";
                let is_hidden = is_place && hide_nodes;
                if !says_nothing && !is_hidden {
                    parts.insert(key.as_str(), element_text(value, labels, hide_nodes));
                }
            }
            parts.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// A text with its figures made equal, so that texts of other runs can be recognised.
pub(crate) fn shape(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if !letter.is_ascii_digit() {
            out.push(letter);
        } else if !out.ends_with('0') {
            out.push('0');
        }
    }
    out
}
