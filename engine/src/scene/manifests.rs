//! Static pods: manifests in the folders of nodes, which their kubelets run without being told by the API server.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/config/common.go`, `applyDefaults`, `tryDecodeSinglePod`; `pkg/api/pod/util.go`,
//! `HasAPIObjectReference`; `pkg/kubelet/pod/mirror_client.go`, `CreateMirrorPod`; `spec/kubelet.md` §18.

use crate::api::request::NewObject;
use crate::hash::FixedState;
use crate::ids::Kind;
use crate::names::Sym;
use crate::scene::build::with_tables;
use crate::scene::model::SceneObject;
use crate::simulation::{Epoch, Simulation};
use crate::source::{Problem, Problems, Severity};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::BuildHasher;

/// Annotation of mirror pods; its value is the manifest's hash.
pub const MIRROR: &str = "kubernetes.io/config.mirror";

/// A manifest as a kubelet has read it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The mirror pod to be made: the pod with its node, its annotations and its owner.
    pub mirror: NewObject,
    /// What tells it from another manifest of the same name.
    pub hash: Sym,
}

/// Manifests on nodes, by `namespace/name` of their pods. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
pub struct Manifests(BTreeMap<Sym, BTreeMap<String, Manifest>>);

impl Manifests {
    /// Whether any node has a manifest, or had one.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// The manifests of a node.
    pub fn of(&self, node: Sym) -> impl Iterator<Item = (&String, &Manifest)> {
        self.0.get(&node).into_iter().flatten()
    }

    /// One manifest of a node.
    pub fn get(&self, node: Sym, pod: &str) -> Option<&Manifest> {
        self.0.get(&node)?.get(pod)
    }

    /// Takes a manifest away. `name`: of the manifest, with its namespace unless that is `default`. Whether it was there.
    pub(crate) fn remove(&mut self, node: (Sym, &str), name: &str) -> bool {
        let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
        let pod = format!("{namespace}/{name}-{}", node.1);
        self.0.get_mut(&node.0).is_some_and(|pods| pods.remove(&pod).is_some())
    }
}

/// The pod of a manifest on a node, as the kubelet completes it; the mirror pod is like it.
fn completed(object: &SceneObject, node: &str, seen: &str) -> (Value, Value, String) {
    let hash = FixedState.hash_one((object.metadata.whole().to_string(), object.body.to_string()));
    let hash = format!("{hash:016x}{:016x}", FixedState.hash_one((hash, node)));
    let (mut metadata, mut body) = (object.metadata.whole().into_owned(), (*object.body).clone());
    metadata["name"] = format!("{}-{node}", object.name()).into();
    for (key, value) in [("hash", hash.as_str()), ("mirror", hash.as_str()), ("seen", seen), ("source", "file")] {
        metadata["annotations"][format!("kubernetes.io/config.{key}")] = value.into();
    }
    metadata["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Node", "name": node, "controller": true}]);
    body["spec"]["nodeName"] = node.into();
    let everything = json!({"operator": "Exists", "effect": "NoExecute"});
    match body["spec"]["tolerations"].as_array_mut() {
        Some(list) if list.contains(&everything) => {}
        Some(list) => list.push(everything),
        None => body["spec"]["tolerations"] = json!([everything]),
    }
    (metadata, body, hash)
}

/// Puts a manifest into the folder of a node; one of the same name is replaced.
pub(crate) fn put(sim: &mut Simulation, node: &str, object: &SceneObject) {
    let seen = sim.now().rfc3339(sim.get::<Epoch>().0);
    let (metadata, body, hash) = completed(object, node, &seen);
    let (mirror, node, hash) = with_tables(sim, |tables| {
        let mut meta = tables.meta(Kind::Pod, &metadata);
        meta.owners.truncate(1);
        let states = tables.states(Kind::Pod, &body);
        (NewObject { meta, states }, tables.names.sym(node), tables.names.sym(&hash))
    });
    let pod = format!("{}/{}", object.namespace().unwrap_or("default"), metadata["name"].as_str().unwrap_or_default());
    sim.get_mut::<Manifests>().0.entry(node).or_default().insert(pod, Manifest { mirror, hash });
}

/// Finds what a kubelet does not take as a manifest.
pub(crate) fn check(object: &SceneObject, problems: &mut Problems) -> bool {
    let kind = object.kind();
    let wrong = if kind != "Pod" {
        Some((format!("a manifest of a node is a Pod, this is a {kind}"), None))
    } else if object.name().is_empty() {
        Some(("invalid pod: name is needed for the pod".to_string(), None))
    } else {
        let help = "a kubelet runs static pods without the API server, and refuses what has to be asked of it";
        reference(object.body.get("spec").unwrap_or(&Value::Null)).map(|what| (format!("static pods may not reference {what}"), Some(help)))
    };
    let Some((what, help)) = wrong else { return true };
    let mut problem = Problem::new(object.span, what);
    problem.help = help.map(str::to_string);
    problems.push(Severity::Error, problem);
    false
}

fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// The first thing of the API that a pod's spec refers to, in the original's words.
fn reference(spec: &Value) -> Option<&'static str> {
    if spec.get("serviceAccountName").and_then(Value::as_str).is_some_and(|name| !name.is_empty()) {
        return Some("serviceaccounts");
    }
    let containers = || list(spec, "initContainers").chain(list(spec, "containers"));
    let names = |from: &str, value: &str| {
        let whole = containers().flat_map(|container| list(container, "envFrom")).any(|source| source.get(from).is_some());
        let keys = containers().flat_map(|container| list(container, "env"));
        whole || keys.into_iter().any(|env| env.pointer(&format!("/valueFrom/{value}")).is_some())
    };
    let volume = |field: &str| list(spec, "volumes").any(|volume| volume.get(field).is_some());
    let projected = |field: &str| {
        let sources = list(spec, "volumes").filter_map(|volume| volume.get("projected"));
        sources.flat_map(|projected| list(projected, "sources")).any(|source| source.get(field).is_some())
    };
    if names("secretRef", "secretKeyRef") || list(spec, "imagePullSecrets").next().is_some() || volume("secret") || projected("secret") {
        return Some("secrets");
    }
    if names("configMapRef", "configMapKeyRef") || volume("configMap") || projected("configMap") {
        return Some("configmaps");
    }
    if list(spec, "resourceClaims").next().is_some() {
        return Some("resourceclaims");
    }
    let of_volumes = [
        ("csi", "csidrivers (via CSI volumes)"),
        ("glusterfs", "endpoints (via glusterFS volumes)"),
        ("persistentVolumeClaim", "persistentvolumeclaims"),
        ("ephemeral", "persistentvolumeclaims (via ephemeral volumes)"),
        ("azureFile", "secrets (via azureFile volumes)"),
    ];
    let of_projected = [
        ("serviceAccountToken", "serviceaccounts (via projected volumes)"),
        ("clusterTrustBundle", "clustertrustbundles"),
        ("podCertificate", "podcertificates"),
    ];
    let found = of_volumes.into_iter().find(|(field, _)| volume(field));
    found.or_else(|| of_projected.into_iter().find(|(field, _)| projected(field))).map(|found| found.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_the_api_are_found() {
        for (spec, want) in [
            (json!({"containers": [{"name": "c"}], "volumes": [{"name": "v", "hostPath": {"path": "/etc"}}]}), None),
            (json!({"serviceAccountName": "robot"}), Some("serviceaccounts")),
            (json!({"containers": [{"envFrom": [{"configMapRef": {"name": "m"}}]}]}), Some("configmaps")),
            (json!({"containers": [{"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}]}), Some("secrets")),
            (json!({"volumes": [{"name": "v", "configMap": {"name": "m"}}]}), Some("configmaps")),
            (json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}), Some("persistentvolumeclaims")),
            (
                json!({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}),
                Some("serviceaccounts (via projected volumes)"),
            ),
            (json!({"volumes": [{"name": "v", "projected": {"sources": [{"downwardAPI": {}}]}}]}), None),
        ] {
            assert_eq!(reference(&spec), want, "{spec}");
        }
    }
}
