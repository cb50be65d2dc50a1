//! Whole objects, new and changed.

use super::super::defaults::apply_defaults;
use super::{validate, validate_update};
use serde_json::{Value, json};

fn defaulted(mut object: Value) -> Value {
    apply_defaults(&mut object);
    object
}

fn texts(object: Value) -> Vec<String> {
    validate(&defaulted(object)).iter().map(ToString::to_string).collect()
}

fn workload(kind: &str, changes: &[(&str, Value)]) -> Value {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template});
    let meta = json!({"name": "w", "namespace": "n", "resourceVersion": "1"});
    let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec});
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').expect("pointers start with a slash");
        object.pointer_mut(parent).expect("parents exist")[key] = value.clone();
    }
    object
}

/// Kind, changes by pointer, messages.
type Row<'a> = (&'a str, &'a [(&'a str, Value)], &'a [&'a str]);

#[test]
fn workload_table() {
    let long = "x".repeat(64);
    let rows: [Row; 9] = [
        ("ReplicaSet", &[], &[]),
        ("DaemonSet", &[], &[]),
        ("StatefulSet", &[], &[]),
        ("ReplicaSet", &[("/spec/replicas", json!(-1))], &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        ("ReplicaSet", &[("/spec/selector", json!({}))], &["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
        (
            "DaemonSet",
            &[("/spec/updateStrategy", json!({"rollingUpdate": {"maxUnavailable": 0}}))],
            &["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
        ),
        (
            "StatefulSet",
            &[("/spec/podManagementPolicy", json!("Random")), ("/metadata/name", json!(long))],
            &[
                "metadata.name: Invalid value: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\": must be no more than 63 characters",
                "spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'",
            ],
        ),
        (
            "StatefulSet",
            &[
                ("/spec/volumeClaimTemplates", json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}])),
                (
                    "/spec/template/spec/containers",
                    json!([{"name": "c", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]),
                ),
            ],
            &["spec.volumeClaimTemplates[0].spec.resources[storage]: Required value"],
        ),
        (
            "DaemonSet",
            &[("/spec/template/spec/restartPolicy", json!("OnFailure"))],
            &["spec.template.spec.restartPolicy: Unsupported value: \"OnFailure\": supported values: \"Always\""],
        ),
    ];
    for (kind, changes, want) in rows {
        assert_eq!(texts(workload(kind, changes)), want, "{kind} {changes:?}");
    }
}

#[test]
fn other_kinds() {
    let meta = json!({"name": "o", "namespace": "n"});
    let template = json!({"spec": {"containers": [{"name": "c", "image": "i"}]}});
    let once = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let local = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]});
    let rows: [(Value, &[&str]); 10] = [
        (json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": once}}), &[]),
        (
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"manualSelector": true, "template": once}}),
            &[
                "spec.selector: Required value",
                "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
            ],
        ),
        (json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"clusterIP": "None"}}), &[]),
        (json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": local}), &[]),
        (
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a.b"}}),
            &["metadata.name: Invalid value: \"a.b\": must not contain dots"],
        ),
        (
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": {"jobTemplate": {"spec": {"template": template}}}}),
            &[
                "spec.schedule: Required value",
                "spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
            ],
        ),
        (
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": {"minAvailable": "200%"}}),
            &["spec.minAvailable: Invalid value: \"200%\": must not be greater than 100%"],
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "b", "..": "c"}}),
            &["data[..]: Invalid value: \"..\": must not be '..'"],
        ),
        (
            json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 0}]}]}),
            &[
                "subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
                "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            ],
        ),
        (json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}}), &["metadata.namespace: Required value"]),
    ];
    for (object, want) in rows {
        let shown = object.to_string();
        assert_eq!(texts(object), want, "{shown}");
    }
}

fn update(old: Value, new: Value) -> Vec<String> {
    validate_update(&defaulted(old), &defaulted(new)).iter().map(ToString::to_string).collect()
}

#[test]
fn selectors_never_change() {
    let other = ("/spec/selector", json!({"matchLabels": {"a": "b", "x": "y"}}));
    let labels = ("/spec/template/metadata/labels", json!({"a": "b", "x": "y"}));
    for kind in ["ReplicaSet", "Deployment", "DaemonSet"] {
        let got = update(workload(kind, &[]), workload(kind, &[other.clone(), labels.clone()]));
        assert_eq!(got, ["spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\",\"x\":\"y\"}}: field is immutable"], "{kind}");
    }
    let got = update(workload("StatefulSet", &[]), workload("StatefulSet", &[other, labels]));
    assert!(got[0].starts_with("spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals'"), "{got:?}");
    assert!(update(workload("StatefulSet", &[]), workload("StatefulSet", &[("/spec/replicas", json!(3))])).is_empty());
}

#[test]
fn pod_update_table() {
    let pod = |spec: Value| {
        let mut all = json!({"containers": [{"name": "c", "image": "i:1"}]});
        all.as_object_mut().expect("an object").extend(spec.as_object().expect("an object").clone());
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "resourceVersion": "1"}, "spec": all})
    };
    let tolerated =
        |seconds: i64| json!({"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}]});
    let rows: [(Value, Value, &[&str]); 9] = [
        (json!({}), json!({"containers": [{"name": "c", "image": "i:2", "imagePullPolicy": "IfNotPresent"}]}), &[]),
        (json!({}), json!({"activeDeadlineSeconds": 5}), &[]),
        (
            json!({"activeDeadlineSeconds": 5}),
            json!({"activeDeadlineSeconds": 6}),
            &["spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"],
        ),
        (tolerated(1), tolerated(2), &[]),
        (tolerated(1), json!({}), &["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"]),
        (json!({"schedulingGates": [{"name": "g"}]}), json!({"nodeSelector": {"a": "b"}}), &[]),
        (
            json!({}),
            json!({"schedulingGates": [{"name": "g"}]}),
            &["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'g'"],
        ),
        (
            json!({}),
            json!({"containers": [{"name": "c", "image": "i:1"}, {"name": "d", "image": "i:1"}]}),
            &["spec.containers: Forbidden: pod updates may not add or remove containers"],
        ),
        (
            json!({}),
            json!({"nodeName": "n"}),
            &["spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"],
        ),
    ];
    for (old, new, want) in rows {
        let shown = format!("{old} -> {new}");
        let got = update(pod(old), pod(new));
        assert_eq!(got.len(), want.len(), "{shown}: {got:?}");
        for (got, want) in got.iter().zip(want) {
            assert!(got.starts_with(want), "{shown}: {got}");
        }
    }
}
