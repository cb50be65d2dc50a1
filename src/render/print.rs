//! What `get` writes: a table, YAML or JSON, as kubectl writes them.

use super::get::{TableOptions, table};
use crate::args::ObjectFormat;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a person asked to see.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Kind of the objects, `Pod`.
    pub kind: &'a str,
    /// Whether objects of the kind live in a namespace.
    pub namespaced: bool,
    /// Plural of the kind, for messages.
    pub plural: &'a str,
    /// Only the object of this name.
    pub name: Option<&'a str>,
    /// The namespace looked in; `None` looks in all.
    pub namespace: Option<&'a str>,
    /// Form of the output; `None` is the narrow table.
    pub format: Option<ObjectFormat>,
    /// Whether names stand with their kind, as `deployment.apps/web`: several kinds are shown.
    pub with_kind: bool,
    /// The present moment, for ages. Unit: Unix seconds.
    pub now: i64,
}

/// What is printed: the text of standard output, or the message of an empty result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Printed {
    /// Something was found.
    Found(String),
    /// No object of the kind; the sentence goes to standard error and the exit code stays 0.
    Nothing(String),
    /// The one object asked for by name is not there.
    NotFound(String),
}

/// Whether a request selects an object of its kind.
pub fn wanted(object: &Value, request: &Request<'_>) -> bool {
    let in_namespace =
        !request.namespaced || request.namespace.is_none_or(|wanted| super::look::text(object, "/metadata/namespace") == wanted);
    in_namespace && request.name.is_none_or(|wanted| super::look::text(object, "/metadata/name") == wanted)
}

/// Prints the objects of one kind that the request selects, in the order given.
pub fn print(objects: &[Value], request: Request<'_>) -> Printed {
    let found: Vec<Value> = objects.iter().filter(|object| wanted(object, &request)).map(shown).collect();
    match (request.name, request.format) {
        (Some(name), _) if found.is_empty() => {
            Printed::NotFound(format!("Error from server (NotFound): {} {name:?} not found", request.plural))
        }
        (None, None | Some(ObjectFormat::Wide)) if found.is_empty() => Printed::Nothing(nothing(request)),
        (_, None | Some(ObjectFormat::Wide)) => {
            let options = TableOptions {
                wide: request.format.is_some(),
                namespaces: request.namespaced && request.namespace.is_none(),
                now: request.now,
            };
            let mut table = table(request.kind, &found, options);
            if request.with_kind {
                let column = table.head.iter().position(|head| head == "NAME").unwrap_or_default();
                for (row, object) in table.rows.iter_mut().zip(&found) {
                    row[column] = format!("{}/{}", qualified(request.kind, object), row[column]);
                }
            }
            Printed::Found(table.render())
        }
        (name, Some(ObjectFormat::Yaml)) => Printed::Found(yaml(&whole(found, name.is_some()))),
        (name, Some(ObjectFormat::Json)) => Printed::Found(json_text(&whole(found, name.is_some()))),
    }
}

/// `pod`, `deployment.apps`: the kind with its group.
fn qualified(kind: &str, object: &Value) -> String {
    let kind = kind.to_lowercase();
    match super::look::text(object, "/apiVersion").split_once('/') {
        Some((group, _)) => format!("{kind}.{group}"),
        None => kind,
    }
}

/// A `List` of objects of several kinds.
pub fn list(found: Vec<Value>, format: ObjectFormat) -> String {
    let whole = whole(found.iter().map(shown).collect(), false);
    if format == ObjectFormat::Json { json_text(&whole) } else { yaml(&whole) }
}

fn nothing(request: Request<'_>) -> String {
    match request.namespace {
        Some(namespace) if request.namespaced => format!("No resources found in {namespace} namespace."),
        _ => "No resources found".to_string(),
    }
}

/// The one object asked for by name, or a `List` of all.
fn whole(mut found: Vec<Value>, single: bool) -> Value {
    if single && found.len() == 1 {
        return found.remove(0);
    }
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": found})
}

/// YAML with keys in alphabetical order.
pub fn yaml(object: &Value) -> String {
    let mut options = serde_saphyr::ser::options::SerializerOptions::default();
    // kubectl never folds a long line; texts with line breaks stay literal blocks.
    options.folded_wrap_chars = usize::MAX / 2;
    serde_saphyr::to_string_with_options(&sorted(object), options).expect("JSON values have a YAML form: text keys, finite numbers")
}

/// JSON with keys in alphabetical order and four spaces of indent.
pub fn json_text(object: &Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    serde::Serialize::serialize(&sorted(object), &mut serializer).expect("a JSON value is written to memory");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// The value with the keys of every map in alphabetical order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            Value::Object(fields.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// The object without `metadata.managedFields`, which kubectl shows only on request.
fn shown(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(name: Option<&'a str>, namespace: Option<&'a str>, format: Option<ObjectFormat>) -> Request<'a> {
        Request { kind: "ConfigMap", namespaced: true, plural: "configmaps", name, namespace, format, with_kind: false, now: 60 }
    }

    fn objects() -> Vec<Value> {
        ["a", "b"].map(|name| json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"namespace": format!("n{name}"), "name": name, "managedFields": [], "creationTimestamp": "1970-01-01T00:00:00Z"}, "data": {"z": "true", "k": "x\ny\n"}})).to_vec()
    }

    fn found(printed: Printed) -> String {
        match printed {
            Printed::Found(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tables_by_namespace() {
        assert_eq!(found(print(&objects(), request(None, Some("na"), None))), "NAME   DATA   AGE\na      2      60s\n");
        let all = found(print(&objects(), request(None, None, None)));
        assert_eq!(all, "NAMESPACE   NAME   DATA   AGE\nna          a      2      60s\nnb          b      2      60s\n");
    }

    #[test]
    fn empty_results_say_so() {
        let nothing = |namespace, want: &str| {
            assert_eq!(print(&objects(), request(None, namespace, None)), Printed::Nothing(want.to_string()));
        };
        nothing(Some("default"), "No resources found in default namespace.");
        assert_eq!(print(&[], request(None, None, None)), Printed::Nothing("No resources found".to_string()));
        let missing = print(&objects(), request(Some("x"), Some("na"), None));
        assert_eq!(missing, Printed::NotFound("Error from server (NotFound): configmaps \"x\" not found".to_string()));
        assert!(found(print(&[], request(None, None, Some(ObjectFormat::Yaml)))).contains("items: []"));
    }

    #[test]
    fn yaml_and_json_are_sorted() {
        let yaml = found(print(&objects(), request(Some("a"), Some("na"), Some(ObjectFormat::Yaml))));
        let want = "apiVersion: v1\ndata:\n  k: |\n    x\n    y\n  z: \"true\"\nkind: ConfigMap\nmetadata:\n  creationTimestamp: \"1970-01-01T00:00:00Z\"\n  name: a\n  namespace: na\n";
        assert_eq!(yaml, want);
        let list = found(print(&objects(), request(None, None, Some(ObjectFormat::Json))));
        assert!(list.starts_with("{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n        {\n"), "{list}");
        assert!(list.ends_with("    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n"), "{list}");
    }
}
