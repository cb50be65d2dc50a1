//! Defaults that a pod gets on top of those of its spec.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_Pod`.

use super::fill::{self, Object};
use super::{pod_spec, resources};
use serde_json::Value;

/// Fills in a pod.
pub(super) fn apply(pod: &mut Object) {
    fill::with_object(pod, "metadata", pod_spec::apply_to_metadata);
    fill::with_object(pod, "spec", |spec| {
        requests_of_containers(spec);
        resources::apply_to_pod_level(spec);
        fill::absent(spec, "enableServiceLinks", true);
        if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
            for list in ["containers", "initContainers"] {
                fill::each(spec, list, |container| fill::each(container, "ports", host_port_from_container_port));
            }
        }
        pod_spec::apply(spec);
        if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|seconds| seconds < 0) {
            spec.insert("terminationGracePeriodSeconds".to_owned(), 1.into());
        }
    });
}

/// Fills in what the containers of a pod request. Not done in templates.
pub(in crate::api) fn requests_of_containers(spec: &mut Object) {
    for list in ["containers", "initContainers"] {
        fill::each(spec, list, |container| fill::with_existing(container, "resources", requests_from_limits));
    }
}

/// A resource with a limit and no request requests its limit.
fn requests_from_limits(resources: &mut Object) {
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    fill::with_object(resources, "requests", |requests| {
        for (name, limit) in limits {
            fill::absent(requests, &name, limit);
        }
    });
}

/// In the host's network a container's port is also the host's.
fn host_port_from_container_port(port: &mut Object) {
    if let Some(number) = port.get("containerPort").cloned() {
        fill::zero(port, "hostPort", number);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn smallest_pod() {
        let pod = defaulted(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}),
        );
        let want = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {
                "containers": [{
                    "name": "c", "image": "i", "imagePullPolicy": "Always", "resources": {},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                }],
                "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "restartPolicy": "Always", "schedulerName": "default-scheduler",
                "securityContext": {}, "terminationGracePeriodSeconds": 30,
            },
        });
        assert_eq!(pod, want);
    }

    #[test]
    fn host_network_negative_grace_and_service_account() {
        let pod = defaulted(json!({"apiVersion": "v1", "kind": "Pod", "spec": {
            "hostNetwork": true, "terminationGracePeriodSeconds": -5, "serviceAccount": "old", "hostPID": false,
            "containers": [{"name": "c", "image": "i:1", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}},
                "livenessProbe": {"httpGet": {"port": 80}}}]}}));
        let spec = &pod["spec"];
        assert_eq!(spec["containers"][0]["ports"], json!([{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]));
        assert_eq!(spec["containers"][0]["resources"], json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}));
        let probe = json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3});
        assert_eq!(spec["containers"][0]["livenessProbe"], probe);
        assert_eq!(spec["terminationGracePeriodSeconds"], 1);
        assert_eq!((&spec["serviceAccount"], &spec["serviceAccountName"]), (&json!("old"), &json!("old")));
        assert!(spec.get("hostPID").is_none());
    }
}
