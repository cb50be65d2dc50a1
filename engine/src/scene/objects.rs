//! Kubernetes objects of scenes and manifests: read, completed with the API's defaults, validated; includes followed.

use crate::api::defaults::apply_defaults;
use crate::api::validation::{FieldError, validate, validate_metadata};
use crate::hash::LookupMap;
use crate::model::kinds::Kinds;
use crate::scene::model::{Metadata, SceneObject};
use crate::scene::unsimulated::Unsimulated;
use crate::source::{
    BrokenObject, Documents, Files, Format, KubeObject, KubeReader, Problem, Problems, Severity, Sources, Span, Tree, TreeValue,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Reads objects, following includes.
pub(crate) struct ObjectLoader<'f> {
    files: &'f dyn Files,
    reader: KubeReader,
    /// Completed bodies by the address of what was read; the reader keeps those alive.
    bodies: LookupMap<usize, (Arc<crate::source::KubeBody>, Arc<Value>)>,
    kinds: Kinds,
    /// Files being read, outermost first, to find circles.
    open: Vec<String>,
    /// Kinds and fields that do nothing.
    pub(crate) not_simulated: Unsimulated,
}

impl<'f> ObjectLoader<'f> {
    pub(crate) fn new(files: &'f dyn Files) -> ObjectLoader<'f> {
        ObjectLoader {
            files,
            reader: KubeReader::default(),
            bodies: LookupMap::default(),
            kinds: Kinds::default(),
            open: Vec::new(),
            not_simulated: Unsimulated::default(),
        }
    }

    /// Objects that were left out for their mistakes.
    pub(crate) fn broken(&self) -> &[BrokenObject] {
        self.reader.broken()
    }

    /// Reads one item of a list of objects: an object, `Include("path")`, or `Repeat(3, object)`. `base` is the path of the file that
    /// it stands in.
    pub(crate) fn item(&mut self, sources: &mut Sources, tree: &Tree, base: &str, problems: &mut Problems, out: &mut Vec<SceneObject>) {
        if let TreeValue::Named(named) = &tree.value
            && named.name == "Repeat"
        {
            self.repeat(sources, tree, &named.args, base, problems, out);
            return;
        }
        let included = match &tree.value {
            TreeValue::Named(named) if named.name == "Include" => match &named.args.value {
                TreeValue::Seq(items) if items.len() == 1 => Some(&items[0]),
                _ => {
                    problems.push(
                        Severity::Error,
                        Problem::new(tree.span, "Include takes one path").with_help("write Include(\"manifests/shop.yaml\")"),
                    );
                    return;
                }
            },
            _ => None,
        };
        let Some(path_tree) = included else {
            self.object(tree, problems, out);
            return;
        };
        let Some(path) = path_tree.as_str() else {
            problems.error(path_tree.span, "Include takes the path of a file or directory as text");
            return;
        };
        let path = if sources.is_argument(path_tree.span.file) { path.to_string() } else { beside(base, path) };
        self.include(sources, &path, Some(path_tree.span), problems, out);
    }

    /// `Repeat(100, ReplicaSet(metadata: (name: "set-{n}"), ...))`: the object once for each number from 1, `{n}` in its texts replaced.
    fn repeat(&mut self, sources: &mut Sources, tree: &Tree, args: &Tree, base: &str, problems: &mut Problems, out: &mut Vec<SceneObject>) {
        let counted = match &args.value {
            TreeValue::Seq(items) if items.len() == 2 => {
                crate::source::decode::<u32>(&items[0], "Repeat", problems).map(|count| (count, &items[1]))
            }
            _ => {
                let help = "write Repeat(100, ReplicaSet(metadata: (name: \"set-{n}\"), ...))";
                problems.push(Severity::Error, Problem::new(tree.span, "Repeat takes a number and an object").with_help(help));
                None
            }
        };
        let Some((count, object)) = counted else { return };
        if count > REPEAT_MAX {
            problems.error(tree.span, format!("Repeat: {count} is too many; the limit is {REPEAT_MAX}"));
            return;
        }
        for number in 1..=count {
            let mut numbered = object.clone();
            put_number(&mut numbered, &number.to_string());
            let before = problems.errors_found();
            self.item(sources, &numbered, base, problems, out);
            if problems.errors_found() > before {
                return;
            }
        }
    }

    /// Reads a manifest file, or all manifests of a directory.
    pub(crate) fn include(
        &mut self,
        sources: &mut Sources,
        path: &str,
        asked_by: Option<Span>,
        problems: &mut Problems,
        out: &mut Vec<SceneObject>,
    ) {
        if self.open.iter().any(|open| open == path) {
            let chain = self.open.iter().map(String::as_str).chain([path]).collect::<Vec<_>>().join(" -> ");
            let span = asked_by.expect("a file is only open while another includes from it");
            problems.error(span, format!("circular include: {chain}"));
            return;
        }
        if let Ok(inside) = self.files.list(path) {
            for file in inside.iter().filter(|file| Format::of_path(file).is_some()) {
                self.include(sources, file, asked_by, problems, out);
            }
            return;
        }
        let Some(file) = sources.read(self.files, path, asked_by, problems) else { return };
        let format = Format::of_path(path).unwrap_or(Format::Yaml);
        self.open.push(path.to_string());
        for document in Documents::new(sources, file, format) {
            match document {
                Ok(tree) => match &tree.value {
                    TreeValue::Seq(items) => items.iter().for_each(|item| self.item(sources, item, path, problems, out)),
                    _ => self.item(sources, &tree, path, problems, out),
                },
                Err(problem) => problems.push(Severity::Error, problem),
            }
        }
        self.open.pop();
    }

    /// Reads the objects of one document of a manifest.
    pub(crate) fn document(&mut self, tree: &Tree, problems: &mut Problems, out: &mut Vec<SceneObject>) {
        match &tree.value {
            TreeValue::Seq(items) => items.iter().for_each(|item| self.object(item, problems, out)),
            _ => self.object(tree, problems, out),
        }
    }

    fn object(&mut self, tree: &Tree, problems: &mut Problems, out: &mut Vec<SceneObject>) {
        let mut found = Vec::new();
        self.reader.decode_object(tree, problems, &mut |object, tree| found.push((object, tree)));
        for (object, tree) in found {
            let object = self.complete(object, tree, problems);
            out.push(object);
        }
    }

    /// Fills in defaults and validates; of a body that was seen before, and was fine, only the metadata is looked at.
    fn complete(&mut self, object: KubeObject, tree: &Tree, problems: &mut Problems) -> SceneObject {
        let address = Arc::as_ptr(&object.body) as usize;
        let shareable = matches!(object.body.kind.as_str(), "Pod" | "Node");
        let known = if shareable { self.bodies.get(&address).map(|(_, body)| body.clone()) } else { None };
        let mut whole = match &known {
            Some(body) => {
                let node = body.pointer("/spec/nodeName").cloned();
                let mut part = json!({"kind": object.body.kind, "spec": {"nodeName": node}});
                part["metadata"] = object.metadata.clone();
                part
            }
            None => object.value(),
        };
        let kind = self.kinds.kind_of(&object.body.api_version, &object.body.kind);
        if self.kinds.namespaced(kind) && object.namespace.is_none() {
            whole["metadata"]["namespace"] = "default".into();
        }
        let errors = match known {
            Some(_) => validate_named(&mut whole, validate_metadata),
            None => {
                apply_defaults(&mut whole);
                validate_named(&mut whole, validate)
            }
        };
        for error in &errors {
            let path: Vec<String> = path_of(&error.field);
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            // A value that is missing may stand under a misspelt name beside it, which was told already.
            let beside = tree.innermost(&path[..path.len().saturating_sub(1)]).entries();
            if beside.iter().any(|entry| problems.has_error_at(entry.key.span)) {
                continue;
            }
            let what = format!("{} {:?}: {error}", object.body.kind, object.name);
            problems.error(tree.span_of(&path), what);
        }
        let metadata = whole.as_object_mut().and_then(|fields| fields.shift_remove("metadata")).unwrap_or(Value::Object(Map::new()));
        let body = known.unwrap_or_else(|| {
            self.not_simulated.note(&object.body);
            let body = Arc::new(whole);
            if shareable && errors.is_empty() {
                self.bodies.insert(address, (object.body.clone(), body.clone()));
            }
            body
        });
        SceneObject { metadata: Metadata::Written(metadata), body, span: object.span }
    }
}

/// Validates an object as the API server does, which generates a missing name from `generateName` before.
fn validate_named(whole: &mut Value, validate: fn(&Value) -> Vec<FieldError>) -> Vec<FieldError> {
    let prefix = whole.pointer("/metadata/generateName").and_then(Value::as_str).filter(|prefix| !prefix.is_empty());
    let named = whole.pointer("/metadata/name").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    match prefix.filter(|_| !named).map(|prefix| format!("{prefix}xxxxx")) {
        None => validate(whole),
        Some(name) => {
            whole["metadata"]["name"] = name.into();
            let errors = validate(whole);
            if let Some(metadata) = whole.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.shift_remove("name");
            }
            errors
        }
    }
}

/// Most objects that one Repeat makes.
const REPEAT_MAX: u32 = 1_000_000;

/// Replaces `{n}` in all texts of a tree.
fn put_number(tree: &mut Tree, number: &str) {
    match &mut tree.value {
        TreeValue::String(text) if text.contains("{n}") => *text = text.replace("{n}", number),
        TreeValue::Seq(items) => items.iter_mut().for_each(|item| put_number(item, number)),
        TreeValue::Map(entries) => entries.iter_mut().for_each(|entry| put_number(&mut entry.value, number)),
        TreeValue::Named(named) => put_number(&mut named.args, number),
        _ => {}
    }
}

/// `path` as written in the file `base`.
pub(crate) fn beside(base: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_string();
    }
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." if parts.last().is_some_and(|last| !last.is_empty() && *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The keys and indices of a field path such as `spec.containers[0].name`.
pub(crate) fn path_of(field: &str) -> Vec<String> {
    let mut path = Vec::new();
    for part in field.split('.') {
        let mut pieces = part.split('[');
        path.extend(pieces.next().filter(|key| !key.is_empty()).map(str::to_string));
        path.extend(pieces.map(|piece| piece.trim_end_matches(']').to_string()));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file() {
        for (base, path, want) in [
            ("scenes/a/b.ron", "x.yaml", "scenes/a/x.yaml"),
            ("scenes/a/b.ron", "../x.yaml", "scenes/x.yaml"),
            ("b.ron", "./m/x.yaml", "m/x.yaml"),
            ("b.ron", "../x.yaml", "../x.yaml"),
            ("../b.ron", "../x.yaml", "../../x.yaml"),
            ("/s/b.ron", "x.yaml", "/s/x.yaml"),
            ("s/b.ron", "/m/x.yaml", "/m/x.yaml"),
        ] {
            assert_eq!(beside(base, path), want, "{base} {path}");
        }
        assert_eq!(path_of("spec.containers[0].ports[1].name"), ["spec", "containers", "0", "ports", "1", "name"]);
    }
}
