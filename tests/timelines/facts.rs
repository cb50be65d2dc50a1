//! The facts that a timeline holds of an object, taken from the object's Kubernetes JSON.

use serde_json::{Map, Value, json};

/// The facts of one object. `owner_id` gives the id of an owner by its uid, or by its `Kind/name` once it is gone.
pub(crate) fn facts(object: &Value, owner_id: &dyn Fn(&str, &str) -> Option<String>) -> Map<String, Value> {
    let mut facts = common(object, owner_id);
    let (spec, status) = (&object["spec"], &object["status"]);
    match object["kind"].as_str().unwrap_or_default() {
        "Namespace" => {
            facts.insert("phase".to_owned(), status["phase"].clone());
            facts.insert("spec.finalizers".to_owned(), spec["finalizers"].clone());
        }
        "Deployment" => {
            annotation(&mut facts, object, "revision", "deployment.kubernetes.io/revision");
            facts.insert("spec.replicas".to_owned(), spec["replicas"].clone());
            facts.insert("paused".to_owned(), spec["paused"].clone());
            facts.insert("image".to_owned(), image(&spec["template"]["spec"]));
            let counts =
                ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas", "terminatingReplicas"];
            copy(&mut facts, status, &counts);
        }
        "ReplicaSet" => {
            for (name, key) in [
                ("revision", "deployment.kubernetes.io/revision"),
                ("revision-history", "deployment.kubernetes.io/revision-history"),
                ("desired-replicas", "deployment.kubernetes.io/desired-replicas"),
                ("max-replicas", "deployment.kubernetes.io/max-replicas"),
            ] {
                annotation(&mut facts, object, name, key);
            }
            facts.insert("spec.replicas".to_owned(), spec["replicas"].clone());
            facts.insert("image".to_owned(), image(&spec["template"]["spec"]));
            copy(&mut facts, status, &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas"]);
        }
        "StatefulSet" => {
            facts.insert("spec.replicas".to_owned(), spec["replicas"].clone());
            facts.insert("partition".to_owned(), spec["updateStrategy"]["rollingUpdate"]["partition"].clone());
            let counts = ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
            copy(&mut facts, status, &counts);
            copy(&mut facts, status, &["currentRevision", "updateRevision", "collisionCount"]);
        }
        "DaemonSet" => {
            let counts = ["currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"];
            copy(&mut facts, status, &counts);
            copy(&mut facts, status, &["updatedNumberScheduled", "numberAvailable", "numberUnavailable"]);
        }
        "ControllerRevision" => copy(&mut facts, object, &["revision"]),
        "Pod" => pod(&mut facts, object),
        "Job" => {
            copy(&mut facts, spec, &["suspend", "parallelism", "completions"]);
            copy(&mut facts, status, &["active", "ready", "terminating", "succeeded", "failed", "completedIndexes"]);
            annotation(&mut facts, object, "cronjob-scheduled-timestamp", "batch.kubernetes.io/cronjob-scheduled-timestamp");
            facts.insert("uncounted".to_owned(), uncounted(&status["uncountedTerminatedPods"], owner_id));
            for (name, field) in [("startTime_s", "startTime"), ("completionTime_s", "completionTime")] {
                facts.insert(name.to_owned(), status[field].clone());
            }
        }
        "CronJob" => {
            copy(&mut facts, spec, &["suspend"]);
            copy(&mut facts, status, &["lastScheduleTime", "lastSuccessfulTime"]);
            let active = status["active"].as_array().map(|jobs| jobs.iter().map(|job| job["name"].clone()).collect());
            facts.insert("active".to_owned(), active.unwrap_or_default());
        }
        "PodDisruptionBudget" => {
            copy(&mut facts, status, &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"]);
            let pods = status["disruptedPods"].as_object().map(|pods| pods.keys().map(|pod| json!(pod)).collect());
            facts.insert("disruptedPods".to_owned(), pods.unwrap_or_default());
        }
        "EndpointSlice" => {
            let name = |port: &Value| json!({"name": port["name"], "port": port["port"], "protocol": port["protocol"]});
            facts.insert("ports".to_owned(), object["ports"].as_array().map(|ports| ports.iter().map(name).collect()).unwrap_or_default());
            facts.insert(
                "endpoints".to_owned(),
                object["endpoints"].as_array().map(|all| all.iter().map(endpoint).collect()).unwrap_or_default(),
            );
        }
        "Node" => {
            facts.insert("unschedulable".to_owned(), spec["unschedulable"].clone());
            let taint = |taint: &Value| {
                let text = |field: &str| taint[field].as_str().unwrap_or_default().to_owned();
                let value = text("value");
                let value = if value.is_empty() { value } else { format!("={value}") };
                Value::String(format!("{}{value}:{}", text("key"), text("effect")))
            };
            facts.insert(
                "taints".to_owned(),
                spec["taints"].as_array().map(|taints| taints.iter().map(taint).collect()).unwrap_or_default(),
            );
        }
        "PersistentVolume" => {
            copy(&mut facts, status, &["phase"]);
            facts.insert("claimRef".to_owned(), spec["claimRef"]["name"].clone());
            facts.insert("reclaim".to_owned(), spec["persistentVolumeReclaimPolicy"].clone());
            annotation(&mut facts, object, "bound-by-controller", "pv.kubernetes.io/bound-by-controller");
        }
        "PersistentVolumeClaim" => {
            copy(&mut facts, status, &["phase", "capacity"]);
            copy(&mut facts, spec, &["volumeName", "storageClassName"]);
            for name in ["bind-completed", "bound-by-controller"] {
                annotation(&mut facts, object, name, &format!("pv.kubernetes.io/{name}"));
            }
        }
        _ => {}
    }
    facts.retain(|_, value| !value.is_null());
    facts
}

fn common(object: &Value, owner_id: &dyn Fn(&str, &str) -> Option<String>) -> Map<String, Value> {
    let metadata = &object["metadata"];
    let mut facts = Map::new();
    copy(&mut facts, metadata, &["generation", "deletionGracePeriodSeconds", "finalizers"]);
    // The recordings have it of workloads only.
    if !["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"].iter().any(|kind| object["kind"] == *kind) {
        facts.remove("generation");
    }
    facts.insert("deleting".to_owned(), json!(metadata["deletionTimestamp"].is_string()));
    facts.insert("observedGeneration".to_owned(), object["status"]["observedGeneration"].clone());
    if let Some(owners) = metadata["ownerReferences"].as_array() {
        let owner = |owner: &Value| {
            let text = |field: &str| owner[field].as_str().unwrap_or_default();
            let name = format!("{}/{}", text("kind"), text("name"));
            let id = owner_id(text("uid"), &name).unwrap_or(name);
            json!({"owner": id, "controller": owner["controller"] == true, "blockOwnerDeletion": owner["blockOwnerDeletion"] == true})
        };
        facts.insert("owners".to_owned(), owners.iter().map(owner).collect());
    }
    let mut conditions = Map::new();
    for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        let reason = if text("reason").is_empty() { String::new() } else { format!("/{}", text("reason")) };
        // The recorder left the messages of nodes' conditions out, those too that the node controller is known to write.
        let message = if text("message").is_empty() || object["kind"] == "Node" { String::new() } else { format!(": {}", text("message")) };
        conditions.insert(text("type").to_owned(), json!(format!("{}{reason}{message}", text("status"))));
    }
    facts.insert("conditions".to_owned(), Value::Object(conditions));
    facts
}

/// Ended pods that are not counted yet, by their ids.
fn uncounted(pods: &Value, id: &dyn Fn(&str, &str) -> Option<String>) -> Value {
    let side = |side: &str| -> Vec<Value> {
        let uids = pods[side].as_array().into_iter().flatten().filter_map(Value::as_str);
        uids.map(|uid| json!(id(uid, "").unwrap_or_else(|| uid.to_owned()))).collect()
    };
    json!({"succeeded": side("succeeded"), "failed": side("failed")})
}

fn copy(facts: &mut Map<String, Value>, from: &Value, fields: &[&str]) {
    for field in fields {
        facts.insert((*field).to_owned(), from[*field].clone());
    }
}

fn annotation(facts: &mut Map<String, Value>, object: &Value, name: &str, key: &str) {
    facts.insert(name.to_owned(), object["metadata"]["annotations"][key].clone());
}

fn image(pod_spec: &Value) -> Value {
    pod_spec["containers"][0]["image"].clone()
}

fn pod(facts: &mut Map<String, Value>, object: &Value) {
    let (spec, status, labels) = (&object["spec"], &object["status"], &object["metadata"]["labels"]);
    copy(facts, status, &["phase", "qosClass", "nominatedNodeName"]);
    copy(facts, spec, &["priority", "priorityClassName"]);
    facts.insert("job-completion-index".to_owned(), labels["batch.kubernetes.io/job-completion-index"].clone());
    copy(facts, labels, &["pod-template-hash", "controller-revision-hash", "apps.kubernetes.io/pod-index"]);
    facts.insert("node".to_owned(), spec["nodeName"].clone());
    facts.insert("image".to_owned(), image(spec));
    let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    facts.insert("ready".to_owned(), json!(status["conditions"].as_array().is_some_and(|all| all.iter().any(is_ready))));
    facts.insert("podIP".to_owned(), json!(status["podIP"].as_str().is_some_and(|address| !address.is_empty())));
    let container = &status["containerStatuses"][0];
    facts.insert("restartCount".to_owned(), container["restartCount"].clone());
    facts.insert("exitCode".to_owned(), container["state"]["terminated"]["exitCode"].clone());
    let gate = |gate: &Value| gate["name"].clone();
    facts.insert(
        "schedulingGates".to_owned(),
        spec["schedulingGates"].as_array().map(|gates| gates.iter().map(gate).collect()).unwrap_or_default(),
    );
}

/// An endpoint with its pod by name; the driver puts the id in its place.
fn endpoint(endpoint: &Value) -> Value {
    let conditions = &endpoint["conditions"];
    json!({
        "target": endpoint["targetRef"]["name"],
        "ready": conditions["ready"],
        "serving": conditions["serving"],
        "terminating": conditions["terminating"],
        "node": endpoint["nodeName"],
        "hostname": endpoint["hostname"],
        "zone": endpoint["zone"],
    })
}
