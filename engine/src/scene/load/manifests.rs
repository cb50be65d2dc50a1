//! Static pods: manifests that nodes hold from the beginning, or that the script puts there.

use super::Loader;
use crate::scene::manifests::check;
use crate::scene::model::{Action, Metadata, SceneObject};
use crate::scene::objects::ObjectLoader;
use crate::source::{Tree, TreeValue, decode};
use serde_json::Value;
use std::sync::Arc;

/// Field of a pool with the manifests of its nodes.
const FIELD: &str = "static_pods";

/// A pool without its manifests, and those.
pub(super) fn split(pool: &Tree) -> (Tree, Option<Tree>) {
    let mut rest = pool.clone();
    let TreeValue::Map(entries) = &mut rest.value else { return (rest, None) };
    let found = entries.iter().position(|entry| entry.key.text == FIELD).map(|at| entries.remove(at).value);
    (rest, found)
}

impl Loader<'_> {
    /// Reads the manifests of a pool.
    pub(super) fn static_pods(&mut self, list: &Tree, path: &str, objects: &mut ObjectLoader) -> Vec<SceneObject> {
        let TreeValue::Seq(items) = &list.value else {
            self.problems.error(list.span, "static_pods: expected a list of Pods, such as [Pod(metadata: (name: \"proxy\"), spec: (...))]");
            return Vec::new();
        };
        self.manifests_of(items, path, objects)
    }

    fn manifests_of(&mut self, items: &[Tree], path: &str, objects: &mut ObjectLoader) -> Vec<SceneObject> {
        let mut pods: Vec<SceneObject> = Vec::new();
        items.iter().for_each(|item| objects.item(&mut self.sources, item, path, &mut self.problems, &mut pods));
        pods.retain(|pod| check(pod, &mut self.problems));
        for (at, pod) in pods.iter().enumerate() {
            let same = |other: &SceneObject| other.name() == pod.name() && other.namespace() == pod.namespace();
            if pods[..at].iter().any(same) {
                self.problems.error(pod.span, format!("manifest {:?} is there twice on the same nodes", pod.name()));
            }
        }
        pods
    }

    /// `AddManifest("node-1", Pod(...))`.
    pub(super) fn add_manifest(&mut self, step: &Tree, args: &[Tree], path: &str, objects: &mut ObjectLoader) -> Option<Action> {
        let [node, pod] = args else {
            self.problems
                .error(step.span, "AddManifest takes a node and a Pod: AddManifest(\"node-1\", Pod(metadata: (name: \"proxy\"), ...))");
            return None;
        };
        let node: String = decode(node, "script", &mut self.problems)?;
        let pods = self.manifests_of(std::slice::from_ref(pod), path, objects);
        Some(Action::AddManifest(node.strip_prefix("node/").unwrap_or(&node).to_string(), pods.into_iter().next()?))
    }
}

/// The pods that manifests become, so far as targets go: their names end in their node's.
pub(super) fn mirrors<'m>(manifests: impl Iterator<Item = (&'m String, &'m SceneObject)>) -> Vec<SceneObject> {
    let body = Arc::new(serde_json::json!({"kind": "Pod"}));
    let mirror = |(node, pod): (&String, &SceneObject)| {
        let metadata = serde_json::json!({"name": format!("{}-{node}", pod.name()), "namespace": pod.namespace().map(Value::from)});
        SceneObject { metadata: Metadata::Written(metadata), body: body.clone(), span: pod.span }
    };
    manifests.map(mirror).collect()
}
