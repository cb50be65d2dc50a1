//! Defaults of ReplicaSets.
//!
//! Source: kubernetes v1.36, `pkg/apis/apps/v1/defaults.go`, `SetDefaults_ReplicaSet`.

use super::fill::{self, Object};
use super::pod_spec;

/// Fills in a replica set.
pub(super) fn apply(set: &mut Object) {
    fill::with_object(set, "spec", |spec| {
        fill::absent(spec, "replicas", 1);
        fill::with_object(spec, "template", pod_spec::apply_to_template);
        fill::drop_zeros(spec, &["minReadySeconds"]);
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn replicas_default_to_one_and_zero_stays() {
        for (given, want) in [(json!({}), 1), (json!({"replicas": 0}), 0), (json!({"replicas": null}), 1)] {
            let set = defaulted(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": given}));
            assert_eq!(set["spec"]["replicas"], want);
        }
    }

    #[test]
    fn template_gets_no_pod_only_defaults() {
        let set = defaulted(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {"template": {"spec": {
            "hostNetwork": true,
            "containers": [{"name": "c", "image": "i:1", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}}]}}}}));
        let want = json!({
            "metadata": {},
            "spec": {
                "hostNetwork": true,
                "containers": [{
                    "name": "c", "image": "i:1", "ports": [{"containerPort": 80, "protocol": "TCP"}], "resources": {"limits": {"cpu": "1"}},
                    "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                }],
                "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "securityContext": {}, "terminationGracePeriodSeconds": 30,
                "schedulerName": "default-scheduler",
            },
        });
        assert_eq!(set["spec"]["template"], want);
    }
}
