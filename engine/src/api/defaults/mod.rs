//! What the API server fills in before it validates and stores an object.
//!
//! Works in place on Kubernetes JSON (camelCase). Besides the default values proper it brings an object
//! into the form in which the server stores it: nulls and empty optional fields are gone, quantities are
//! in canonical form, deprecated twins (`serviceAccount`, `podCIDR`) agree with the fields they mirror.
//! Fields of a wrong JSON type are left as they are: refusing them is the decoder's work.
//!
//! Source: kubernetes v1.36, `pkg/apis/*/v1/defaults.go`, `zz_generated.defaults.go`, `conversion.go`.

mod autoscaling;
mod container;
mod daemon_set;
mod deployment;
mod endpoints;
mod fill;
mod image;
mod job;
mod limit_range;
mod namespace;
mod networking;
mod node;
pub(super) mod pod;
mod pod_spec;
mod rbac;
mod replica_set;
mod replication_controller;
mod resources;
mod scheduling;
mod secret;
mod service;
pub(crate) mod service_update;
mod stateful_set;
mod storage;
mod volume;

use serde_json::Value;

pub(crate) use image::image_tag;

/// Fills in every default of the object's kind, in place.
///
/// The kind is read from `apiVersion` and `kind`; unknown kinds only lose their nulls. Running it twice
/// changes nothing the second time. Addresses, node ports, uids and times are not defaults: the server
/// allocates them when it stores the object.
///
/// Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_*`, and its siblings by group.
pub fn apply_defaults(object: &mut Value) {
    fill::drop_nulls(object);
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Value::Object(object) = object else { return };
    match (api_version.as_str(), kind.as_str()) {
        ("v1", "Pod") => pod::apply(object),
        ("v1", "PodTemplate") => fill::with_object(object, "template", pod_spec::apply_to_template),
        ("v1", "ReplicationController") => replication_controller::apply(object),
        ("v1", "Service") => service::apply(object),
        ("v1", "Endpoints") => endpoints::apply(object),
        ("v1", "Namespace") => namespace::apply(object),
        ("v1", "Node") => node::apply(object),
        ("v1", "Secret") => secret::apply(object),
        ("v1", "LimitRange") => limit_range::apply(object),
        ("v1", "PersistentVolume") => storage::apply_to_volume(object),
        ("v1", "PersistentVolumeClaim") => storage::apply_to_claim(object),
        ("apps/v1", "ReplicaSet") => replica_set::apply(object),
        ("apps/v1", "Deployment") => deployment::apply(object),
        ("apps/v1", "StatefulSet") => stateful_set::apply(object),
        ("apps/v1", "DaemonSet") => daemon_set::apply(object),
        ("batch/v1", "Job") => job::apply(object),
        ("batch/v1", "CronJob") => job::apply_to_cron_job(object),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => autoscaling::apply(object),
        ("discovery.k8s.io/v1", "EndpointSlice") => endpoints::apply_to_slice(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => networking::apply_to_policy(object),
        ("networking.k8s.io/v1", "IngressClass") => networking::apply_to_ingress_class(object),
        ("storage.k8s.io/v1", "StorageClass") => storage::apply_to_class(object),
        ("storage.k8s.io/v1", "CSIDriver") => storage::apply_to_driver(object),
        ("scheduling.k8s.io/v1", "PriorityClass") => scheduling::apply(object),
        ("rbac.authorization.k8s.io/v1", "RoleBinding" | "ClusterRoleBinding") => rbac::apply(object),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::apply_defaults;
    use serde_json::{Value, json};

    /// The object after defaulting; asserts that a second pass changes nothing.
    pub(super) fn defaulted(mut object: Value) -> Value {
        apply_defaults(&mut object);
        let once = object.clone();
        apply_defaults(&mut object);
        assert_eq!(object, once, "defaulting twice differs from once");
        object
    }

    #[test]
    fn unknown_kinds_only_lose_nulls() {
        let object = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x", "labels": null}, "spec": [null, {"a": null}]});
        let want = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": [null, {}]});
        assert_eq!(defaulted(object), want);
    }

    #[test]
    fn wrong_types_are_left_for_the_decoder() {
        for spec in
            [json!("text"), json!({"template": 3, "strategy": "x"}), json!({"template": {"spec": {"containers": [4, {"ports": "p"}]}}})]
        {
            let object = defaulted(json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec.clone()}));
            assert!(object["spec"] == spec || object["spec"].is_object());
        }
    }
}
