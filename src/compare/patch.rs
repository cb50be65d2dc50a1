//! Fields of an object of a scene changed before its run begins.

use crate::kinds;
use serde_json::Value;
use std::str::FromStr;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::model::{Scene, SceneObject};
use wavetank_engine::scene::targets::Target;
use wavetank_engine::source::MemoryFiles;

/// `hpa/web={"spec":{"maxReplicas":20}}`: a target and the fields to merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The target as written.
    pub target: String,
    /// The fields, as a JSON merge patch.
    pub fields: Value,
}

impl FromStr for Patch {
    type Err = String;

    fn from_str(text: &str) -> Result<Patch, String> {
        let help = "write KIND/NAME={\"spec\": {...}}";
        let (target, fields) = text.split_once('=').ok_or_else(|| format!("{text:?} is no patch; {help}"))?;
        if Target::parse(target).is_none() {
            return Err(format!("{target:?} is no target; {help}"));
        }
        let fields: Value = serde_json::from_str(fields).map_err(|error| format!("the fields are no JSON: {error}; {help}"))?;
        if !fields.is_object() {
            return Err(format!("the fields are no JSON object; {help}"));
        }
        Ok(Patch { target: target.to_string(), fields })
    }
}

/// Merges a patch into an object of a scene; the result is checked as every object is.
///
/// # Errors
/// A sentence for a target that is not there, or for an object that is no good with the patch.
pub fn apply(scene: &mut Scene, patch: &Patch) -> Result<(), String> {
    let Patch { target, fields } = patch;
    let parsed = Target::parse(target).ok_or_else(|| format!("{target}: this is no target"))?;
    let kind = kinds::find(&parsed.kind).map_or(parsed.kind.clone(), |known| known.kind.to_string());
    let is = |object: &&mut SceneObject| {
        object.kind().eq_ignore_ascii_case(&kind)
            && object.name() == parsed.name
            && object.namespace().is_none_or(|ns| ns == parsed.namespace)
    };
    let object = scene.objects.iter_mut().find(is).ok_or_else(|| format!("{target}: the scene does not begin with such an object"))?;
    let mut whole = (*object.body).clone();
    whole["metadata"] = object.metadata.whole().into_owned();
    merge(&mut whole, fields);
    let files = MemoryFiles::default().with("patched.json", whole.to_string());
    let loaded = load(&files, &["patched.json".to_string()], &Overrides::default());
    if let Some(error) = loaded.problems.errors(&loaded.sources).first() {
        return Err(format!("{target}: {}", error.what));
    }
    let patched = loaded.scene.and_then(|scene| scene.objects.into_iter().next());
    let patched = patched.filter(|patched| patched.kind() == object.kind() && patched.name() == object.name());
    let patched = patched.ok_or_else(|| format!("{target}: a patch cannot make another object of it"))?;
    *object = SceneObject { span: object.span, ..patched };
    Ok(())
}

/// JSON merge patch (RFC 7396).
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    for (key, part) in fields {
        if part.is_null() {
            into.as_object_mut().into_iter().for_each(|map| drop(map.shift_remove(key)));
        } else {
            merge(&mut into[key], part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENE: &str = r#"Scene(nodes: [Pool(name: "n", allocatable: {"cpu": "1"})], objects: [
        ReplicaSet(metadata: (name: "web"), spec: (replicas: 2, selector: (matchLabels: {"a": "b"}),
            template: (metadata: (labels: {"a": "b"}), spec: (containers: [(name: "c", image: "web:1")])))),
    ])"#;

    #[test]
    fn a_patched_object_is_checked_again() {
        let loaded = load(&MemoryFiles::default().with("s.ron", SCENE), &["s.ron".to_string()], &Overrides::default());
        let mut scene = loaded.scene.unwrap();
        let patch = |text: &str| text.parse::<Patch>().unwrap();
        apply(&mut scene, &patch(r#"rs/web={"spec":{"replicas":7,"minReadySeconds":3}}"#)).unwrap();
        let set = scene.objects.iter().find(|object| object.kind() == "ReplicaSet").unwrap();
        assert_eq!((&set.body["spec"]["replicas"], &set.body["spec"]["minReadySeconds"]), (&7.into(), &3.into()));
        for (text, message) in [
            (r#"rs/nobody={"spec":{}}"#, "does not begin with such an object"),
            (r#"rs/web={"spec":{"replicas":-1}}"#, "spec.replicas"),
            (r#"rs/web={"spec":{"replica":1}}"#, "replica"),
            (r#"rs/web={"metadata":{"name":"other"}}"#, "another object"),
        ] {
            let error = apply(&mut scene, &patch(text)).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
        for text in ["web", "rs/web", "web={}", "rs/web=7", "rs/web={"] {
            assert!(text.parse::<Patch>().is_err(), "{text}");
        }
    }
}
