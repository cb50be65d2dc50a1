//! Rollouts as kubectl sees them: the revisions of a workload, and the way back to one.
//!
//! Source: kubectl v1.36, `pkg/polymorphichelpers/history.go`, `rollback.go`; `spec/kubectl-http.md`.

use crate::api::json_out::object_json;
use crate::api::objects::Objects;
use crate::ids::{Kind, ObjRef, Revision};
use crate::simulation::Simulation;
use serde_json::Value;
use std::collections::BTreeMap;

/// The annotation that holds the revision of a Deployment's set.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// The templates that a Deployment, StatefulSet or DaemonSet has had, by revision.
pub fn revisions(sim: &Simulation, workload: ObjRef) -> BTreeMap<i64, Value> {
    let mut revisions = BTreeMap::new();
    let owned = sim.get::<Objects>().controlled(workload.uid).filter(|row| row.gone == Revision::HEAD);
    for row in owned.filter(|row| matches!(row.key.kind, Kind::ReplicaSet | Kind::ControllerRevision)) {
        let Some(object) = object_json(sim, row.object) else { continue };
        let (number, template) = match row.key.kind {
            Kind::ReplicaSet => {
                let number = object["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok());
                (number, without(&object["spec"]["template"], "metadata", "pod-template-hash"))
            }
            _ => (object["revision"].as_i64(), without_patch(&object["data"]["spec"]["template"])),
        };
        revisions.extend(number.map(|number| (number, template)));
    }
    revisions
}

/// The template to go back to: that of a revision, or with `None` of the one before the newest.
///
/// # Errors
/// What kubectl says when there is no such revision; `name` is the workload's, `kind` its kind in lower case.
pub fn undo(revisions: &BTreeMap<i64, Value>, wanted: Option<i64>, (kind, name): (&str, &str)) -> Result<Value, String> {
    let found = match wanted {
        None => revisions.keys().rev().nth(1).ok_or_else(|| format!("no rollout history found for {kind} \"{name}\""))?,
        Some(wanted) => revisions
            .get_key_value(&wanted)
            .map(|(revision, _)| revision)
            .ok_or_else(|| format!("unable to find specified revision {wanted} in history"))?,
    };
    Ok(revisions[found].clone())
}

fn without(template: &Value, section: &str, label: &str) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template[section]["labels"].as_object_mut() {
        labels.shift_remove(label);
    }
    template
}

fn without_patch(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(fields) = template.as_object_mut() {
        fields.shift_remove("$patch");
    }
    template
}

/// Whether a rollout is complete, and what kubectl prints of it: the text of `kubectl rollout status` without its line's end.
///
/// # Errors
/// What kubectl says of a rollout that failed or can't be followed.
///
/// Source: kubectl v1.36, `pkg/polymorphichelpers/rollout_status.go`.
pub fn status(object: &Value) -> Result<(bool, String), String> {
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64);
    let count = |path: &str| number(path).unwrap_or(0);
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default();
    let observed = count("/status/observedGeneration") >= count("/metadata/generation");
    let wanted = number("/spec/replicas").unwrap_or(1);
    match kind {
        "Deployment" if !observed => Ok((false, "Waiting for deployment spec update to be observed...".into())),
        "Deployment" => deployment_status(object, name, wanted),
        "DaemonSet" if strategy_type(object) != "RollingUpdate" => Err(no_status()),
        "DaemonSet" if !observed => Ok((false, "Waiting for daemon set spec update to be observed...".into())),
        "DaemonSet" => {
            let (desired, updated, available) =
                (count("/status/desiredNumberScheduled"), count("/status/updatedNumberScheduled"), count("/status/numberAvailable"));
            let what = format!("Waiting for daemon set {name:?} rollout to finish:");
            if updated < desired {
                return Ok((false, format!("{what} {updated} out of {desired} new pods have been updated...")));
            }
            if available < desired {
                return Ok((false, format!("{what} {available} of {desired} updated pods are available...")));
            }
            Ok((true, format!("daemon set {name:?} successfully rolled out")))
        }
        "StatefulSet" if strategy_type(object) != "RollingUpdate" => Err(no_status()),
        "StatefulSet" if !observed || count("/status/observedGeneration") == 0 => {
            Ok((false, "Waiting for statefulset spec update to be observed...".into()))
        }
        "StatefulSet" => Ok(stateful_set_status(object, wanted)),
        other => Err(format!("no status viewer has been implemented for {other}")),
    }
}

fn strategy_type(object: &Value) -> &str {
    object.pointer("/spec/updateStrategy/type").and_then(Value::as_str).unwrap_or_default()
}

fn no_status() -> String {
    "rollout status is only available for RollingUpdate strategy type".into()
}

fn deployment_status(object: &Value, name: &str, wanted: i64) -> Result<(bool, String), String> {
    let count = |field: &str| object["status"][field].as_i64().unwrap_or(0);
    let conditions = object["status"]["conditions"].as_array();
    let progressing = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == "Progressing"));
    if progressing.is_some_and(|condition| condition["reason"] == "ProgressDeadlineExceeded") {
        return Err(format!("deployment {name:?} exceeded its progress deadline"));
    }
    let (all, updated, available) = (count("replicas"), count("updatedReplicas"), count("availableReplicas"));
    let what = format!("Waiting for deployment {name:?} rollout to finish:");
    if updated < wanted {
        return Ok((false, format!("{what} {updated} out of {wanted} new replicas have been updated...")));
    }
    if all > updated {
        return Ok((false, format!("{what} {} old replicas are pending termination...", all - updated)));
    }
    if available < updated {
        return Ok((false, format!("{what} {available} of {updated} updated replicas are available...")));
    }
    Ok((true, format!("deployment {name:?} successfully rolled out")))
}

fn stateful_set_status(object: &Value, wanted: i64) -> (bool, String) {
    let count = |field: &str| object["status"][field].as_i64().unwrap_or(0);
    let (ready, updated) = (count("readyReplicas"), count("updatedReplicas"));
    if ready < wanted {
        return (false, format!("Waiting for {} pods to be ready...", wanted - ready));
    }
    let partition = object.pointer("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_i64).unwrap_or(0);
    if partition > 0 {
        if updated < wanted - partition {
            let new = wanted - partition;
            return (false, format!("Waiting for partitioned roll out to finish: {updated} out of {new} new pods have been updated..."));
        }
        return (true, format!("partitioned roll out complete: {updated} new pods have been updated..."));
    }
    let revision = |field: &str| object["status"][field].as_str().unwrap_or_default();
    if revision("updateRevision") != revision("currentRevision") {
        let to = revision("updateRevision");
        return (false, format!("waiting for statefulset rolling update to complete {updated} pods at revision {to}..."));
    }
    (true, format!("statefulset rolling update complete {} pods at revision {}...", count("currentReplicas"), revision("currentRevision")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rollout_says_how_far_it_is() {
        let deployment = |generation: i64, replicas: i64, updated: i64, available: i64| {
            json!({
                "kind": "Deployment", "metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 3},
                "status": {"observedGeneration": generation, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available},
            })
        };
        for (object, done, text) in [
            (deployment(1, 3, 0, 3), false, "Waiting for deployment spec update to be observed..."),
            (
                deployment(2, 4, 1, 3),
                false,
                "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...",
            ),
            (deployment(2, 4, 3, 3), false, "Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination..."),
            (deployment(2, 3, 3, 2), false, "Waiting for deployment \"web\" rollout to finish: 2 of 3 updated replicas are available..."),
            (deployment(2, 3, 3, 3), true, "deployment \"web\" successfully rolled out"),
        ] {
            assert_eq!(status(&object), Ok((done, text.to_string())));
        }
        let mut late = deployment(2, 4, 1, 3);
        late["status"]["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
        assert_eq!(status(&late), Err("deployment \"web\" exceeded its progress deadline".to_string()));
    }

    #[test]
    fn the_way_back_is_the_revision_before_the_newest_or_the_one_named() {
        let revisions: BTreeMap<i64, Value> = [(1, json!("a")), (2, json!("b")), (4, json!("c"))].into();
        assert_eq!(undo(&revisions, None, ("deployment", "web")), Ok(json!("b")));
        assert_eq!(undo(&revisions, Some(1), ("deployment", "web")), Ok(json!("a")));
        assert_eq!(undo(&revisions, Some(3), ("deployment", "web")), Err("unable to find specified revision 3 in history".to_string()));
        let only: BTreeMap<i64, Value> = [(1, json!("a"))].into();
        assert_eq!(undo(&only, None, ("deployment", "web")), Err("no rollout history found for deployment \"web\"".to_string()));
    }
}
