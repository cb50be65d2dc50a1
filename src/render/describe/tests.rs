//! Whole descriptions of a small cluster.

use super::*;
use serde_json::json;
use std::collections::BTreeMap;

struct Fixed(BTreeMap<&'static str, Vec<Value>>);

impl Cluster for Fixed {
    fn list(&self, kind: &str) -> Vec<Value> {
        self.0.get(kind).cloned().unwrap_or_default()
    }
}

fn pod() -> Value {
    json!({
        "metadata": {
            "name": "web-1", "namespace": "default", "uid": "p1", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "web", "tier": "a"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "uid": "r1", "controller": true}],
        },
        "spec": {
            "nodeName": "n1", "priority": 0,
            "containers": [{
                "name": "c", "image": "web:1", "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"cpu": "500m"}},
                "env": [{"name": "A", "value": "1"}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
        "status": {
            "phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.244.0.2", "podIPs": [{"ip": "10.244.0.2"}],
            "startTime": "2026-01-01T00:00:00Z",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{
                "name": "c", "ready": true, "restartCount": 1, "containerID": "sim://1", "imageID": "web:1",
                "state": {"running": {"startedAt": "2026-01-01T00:00:20Z"}},
                "lastState": {"terminated": {
                    "exitCode": 1, "reason": "Error", "startedAt": "2026-01-01T00:00:01Z", "finishedAt": "2026-01-01T00:00:10Z",
                }},
            }],
        },
    })
}

fn cluster() -> Fixed {
    let about = json!({"kind": "Pod", "name": "web-1", "namespace": "default", "uid": "p1"});
    let event = json!({
        "type": "Normal", "reason": "Scheduled", "message": "Successfully assigned default/web-1 to n1", "count": 1,
        "involvedObject": about, "source": {"component": "default-scheduler"},
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
    });
    Fixed(BTreeMap::from([("Pod", vec![pod()]), ("Event", vec![event])]))
}

/// 30 s after 2026-01-01.
const NOW: i64 = 1_767_225_630;

#[test]
fn a_pod() {
    let want = "\
Name:         web-1
Namespace:    default
Priority:     0
Node:         n1/10.0.0.1
Start Time:   Thu, 01 Jan 2026 00:00:00 +0000
Labels:       app=web
              tier=a
Annotations:  <none>
Status:       Running
IP:           10.244.0.2
IPs:
  IP:           10.244.0.2
Controlled By:  ReplicaSet/web
Containers:
  c:
    Container ID:   sim://1
    Image:          web:1
    Image ID:       web:1
    Port:           80/TCP
    Host Port:      0/TCP
    State:          Running
      Started:      Thu, 01 Jan 2026 00:00:20 +0000
    Last State:     Terminated
      Reason:       Error
      Exit Code:    1
      Started:      Thu, 01 Jan 2026 00:00:01 +0000
      Finished:     Thu, 01 Jan 2026 00:00:10 +0000
    Ready:          True
    Restart Count:  1
    Limits:
      cpu:  500m
    Requests:
      cpu:     250m
      memory:  64Mi
    Environment:
      A:  1
    Mounts:
      /data from data (rw)
Conditions:
  Type    Status
  Ready   True 
Volumes:
  data:
    Type:        EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:      
    SizeLimit:   <unset>
QoS Class:       Burstable
Node-Selectors:  <none>
Tolerations:     <none>
Events:
  Type    Reason     Age   From               Message
  ----    ------     ----  ----               -------
  Normal  Scheduled  30s   default-scheduler  Successfully assigned default/web-1 to n1
";
    assert_eq!(describe("Pod", &pod(), &cluster(), NOW), want);
}

/// Lines with runs of blanks as one, for tests that are about words and not about columns.
fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_pod_that_ends_says_since_when() {
    let mut ending = pod();
    ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:20Z");
    ending["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    let got = squeezed(&describe("Pod", &ending, &cluster(), NOW));
    assert!(got.contains(&"Status: Terminating (lasts 10s)".to_string()), "{got:?}");
    assert!(got.contains(&"Termination Grace Period: 30s".to_string()), "{got:?}");
}

#[test]
fn a_node_adds_up_its_pods() {
    let node = json!({
        "metadata": {"name": "n1"},
        "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "110", "example.com/gpu": "4"}},
    });
    let got = describe("Node", &node, &cluster(), NOW);
    let lines = squeezed(&got);
    for want in [
        "Roles: <none>",
        "Lease: Failed to get lease: leases.coordination.k8s.io \"n1\" not found",
        "Non-terminated Pods: (1 in total)",
        "default web-1 250m (12%) 500m (25%) 64Mi (6%) 0 (0%) 30s",
        "cpu 250m (12%) 500m (25%)",
        "memory 64Mi (6%) 0 (0%)",
        "example.com/gpu 0 0",
        "Events: <none>",
    ] {
        assert!(lines.contains(&want.to_string()), "{want:?} in:\n{got}");
    }
}

#[test]
fn a_deployment_names_its_replica_sets() {
    let template = |image: &str, hash: Option<&str>| {
        let labels = hash.map_or(json!({"app": "web"}), |hash| json!({"app": "web", "pod-template-hash": hash}));
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}})
    };
    let set = |name: &str, image: &str, owner: &str| {
        json!({
            "metadata": {"name": name, "ownerReferences": [{"kind": "Deployment", "uid": owner, "controller": true}]},
            "spec": {"replicas": 2, "template": template(image, Some(name))}, "status": {"replicas": 1},
        })
    };
    let sets = vec![set("old", "web:1", "d1"), set("new", "web:2", "d1"), set("other", "web:2", "d2")];
    let deployment = json!({
        "metadata": {"name": "web", "uid": "d1"},
        "spec": {
            "replicas": 2, "template": template("web:2", None),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": 1}},
        },
        "status": {"replicas": 2, "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}]},
    });
    let got = describe("Deployment", &deployment, &Fixed(BTreeMap::from([("ReplicaSet", sets)])), NOW);
    for want in [
        "Replicas: 2 desired | 0 updated | 2 total | 0 available | 0 unavailable",
        "RollingUpdateStrategy: 25% max unavailable, 1 max surge",
        "Available True MinimumReplicasAvailable",
        "OldReplicaSets: old (1/2 replicas created)",
        "NewReplicaSet: new (1/2 replicas created)",
    ] {
        assert!(squeezed(&got).contains(&want.to_string()), "{want:?} in:\n{got}");
    }
    assert!(
        got.contains("\nConditions:\n  Type           Status  Reason\n  ----           ------  ------\n  Available      True    Min"),
        "{got}"
    );
}

#[test]
fn every_kind_has_a_description_even_when_empty() {
    for known in crate::kinds::KINDS {
        let text = describe(known.kind, &json!({"metadata": {"name": "x"}}), &Fixed(BTreeMap::new()), NOW);
        assert!(text.starts_with("Name:"), "{}: {text}", known.kind);
    }
}
