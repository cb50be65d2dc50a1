//! A tree as a Kubernetes object: types checked against k8s-openapi, fields kept as written.
//!
//! From RON, `Deployment(metadata: ..., spec: ...)` says kind and version by its name; field names are Kubernetes' own.
//! Kinds that are not known pass unchecked, except for their metadata. `List` kinds become their items.

use super::error::{Problem, Problems, Severity, advice, nearest};
use super::kube_kinds::{self, CHECK_METADATA, KNOWN_KINDS, KnownKind, Texts};
use super::tree::{Entry, Span, Tree, TreeValue, hash_entries, same_entries};
use crate::hash::{LookupMap, StableHasher};
use serde_json::{Map, Value, json};
use std::hash::Hasher;
use std::sync::Arc;

/// Most different bodies that a [`KubeReader`] remembers.
const BODIES_MAX: usize = 4_096;

/// A Kubernetes object as it was written, before defaults and validation.
#[derive(Debug, Clone)]
pub struct KubeObject {
    /// `metadata.namespace`, if written.
    pub namespace: Option<String>,
    /// `metadata.name`; empty when none is written (then there may be a `generateName`).
    pub name: String,
    /// `metadata`; an empty object when none is written.
    pub metadata: Value,
    /// Everything else; shared by objects that differ in their metadata alone.
    pub body: Arc<KubeBody>,
    /// Where the object is written.
    pub span: Span,
}

/// What a Kubernetes object says apart from its metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct KubeBody {
    /// `apiVersion`, after conversion of `autoscaling/v1` to `autoscaling/v2`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// Whether the kind's type is known, and was checked.
    pub known: bool,
    /// The other top-level fields (`spec`, `data`, ...), with Kubernetes' names, in the order written. Quantities that
    /// are written as numbers have become strings; nulls are kept.
    pub fields: Map<String, Value>,
}

impl KubeObject {
    /// The whole object: `apiVersion`, `kind`, `metadata`, then the other fields as written.
    pub fn value(&self) -> Value {
        let mut object = Map::with_capacity(self.body.fields.len() + 3);
        object.insert("apiVersion".into(), self.body.api_version.as_str().into());
        object.insert("kind".into(), self.body.kind.as_str().into());
        object.insert("metadata".into(), self.metadata.clone());
        object.extend(self.body.fields.iter().map(|(key, value)| (key.clone(), value.clone())));
        Value::Object(object)
    }
}

/// Decodes objects, each different body only once.
#[derive(Debug, Default)]
pub struct KubeReader {
    /// Bodies by hash, with the entries and kind that they were decoded from.
    bodies: LookupMap<u64, Vec<Remembered>>,
    bodies_count: usize,
    broken: Vec<BrokenObject>,
}

/// An object that was left out for its mistakes, as far as it says which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenObject {
    /// Its kind as written.
    pub kind: String,
    /// Its namespace; `None` when it has none.
    pub namespace: Option<String>,
    /// Its name; may be empty.
    pub name: String,
}

#[derive(Debug)]
struct Remembered {
    api_version: String,
    written: Vec<Entry>,
    body: Arc<KubeBody>,
}

/// A kind and version as they are written, or as a list says for its items.
#[derive(Clone, Copy)]
struct TypeName<'t> {
    api_version: &'t str,
    kind: &'t str,
}

impl KubeReader {
    /// The objects left out so far.
    pub fn broken(&self) -> &[BrokenObject] {
        &self.broken
    }

    /// Decodes the objects that `tree` holds (several when it is a list) and hands each to `found` with its own tree,
    /// whose places serve for later mistakes. Objects with mistakes are left out, those with unknown fields alone are not.
    pub fn decode_object<'t>(&mut self, tree: &'t Tree, problems: &mut Problems, found: &mut dyn FnMut(KubeObject, &'t Tree)) {
        self.read(tree, None, problems, found);
    }

    fn read<'t>(
        &mut self,
        tree: &'t Tree,
        implied: Option<TypeName<'_>>,
        problems: &mut Problems,
        found: &mut dyn FnMut(KubeObject, &'t Tree),
    ) {
        let Some(type_name) = type_name(tree, implied, problems) else { return };
        if let (Some(item_kind), Some(items)) = (type_name.kind.strip_suffix("List"), tree.get("items")) {
            let TreeValue::Seq(items) = &items.value else {
                problems.error(items.span, "items: expected a list");
                return;
            };
            let implied = TypeName { kind: item_kind, ..type_name };
            items.iter().for_each(|item| self.read(item, Some(implied).filter(|_| !item_kind.is_empty()), problems, found));
            return;
        }
        let metadata = metadata(tree, problems);
        let (Some(body), Some(metadata)) = (self.body(tree, type_name, problems), metadata) else {
            let text = |key: &str| tree.get("metadata")?.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_string);
            let (namespace, name) = (text("namespace"), text("name").unwrap_or_default());
            self.broken.push(BrokenObject { kind: type_name.kind.to_string(), namespace, name });
            return;
        };
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_string);
        found(KubeObject { namespace: text("namespace"), name: text("name").unwrap_or_default(), metadata, body, span: tree.span }, tree);
    }

    /// The body of an object, decoded or remembered; `None` when it has mistakes.
    fn body(&mut self, tree: &Tree, type_name: TypeName<'_>, problems: &mut Problems) -> Option<Arc<KubeBody>> {
        let mut hasher = StableHasher::default();
        let fields = || tree.entries().iter().filter(|entry| entry.key.text != "metadata");
        hasher.write(type_name.kind.as_bytes());
        fields().for_each(|entry| hash_entries(std::slice::from_ref(entry), &mut hasher));
        let hash = hasher.finish();
        let equal = |remembered: &&Remembered| {
            remembered.body.kind == type_name.kind
                && remembered.api_version == type_name.api_version
                && fields().count() == remembered.written.len()
                && fields().zip(&remembered.written).all(|(a, b)| same_entries(std::slice::from_ref(a), std::slice::from_ref(b)))
        };
        if let Some(remembered) = self.bodies.get(&hash).and_then(|list| list.iter().find(equal)) {
            return Some(remembered.body.clone());
        }
        let written: Vec<Entry> = fields().cloned().collect();
        let whole = Tree::new(TreeValue::Map(written), tree.span);
        let body = Arc::new(decode_body(&whole, tree, type_name, problems)?);
        if let TreeValue::Map(written) = whole.value
            && self.bodies_count < BODIES_MAX
        {
            self.bodies_count += 1;
            self.bodies.entry(hash).or_default().push(Remembered {
                api_version: type_name.api_version.into(),
                written,
                body: body.clone(),
            });
        }
        Some(body)
    }
}

/// Kind and version of an object.
fn type_name<'t>(tree: &'t Tree, implied: Option<TypeName<'t>>, problems: &mut Problems) -> Option<TypeName<'t>> {
    let named = match &tree.value {
        TreeValue::Map(_) => None,
        TreeValue::Named(named) if matches!(named.args.value, TreeValue::Map(_)) => Some(named),
        _ => {
            let help = "write Pod(metadata: (name: \"x\"), spec: (...)), or a map with apiVersion and kind";
            problems.push(Severity::Error, Problem::new(tree.span, "this is no Kubernetes object").with_help(help));
            return None;
        }
    };
    let kind = match named {
        Some(named) => Some(named.name.as_str()),
        None => text_field(tree, "kind", problems)?.or(implied.map(|implied| implied.kind)),
    };
    let written_version = text_field(tree, "apiVersion", problems)?;
    let Some(kind) = kind else {
        problems.error(tree.span, "field \"kind\" is missing: every Kubernetes object has apiVersion and kind");
        return None;
    };
    let by_name = named.and_then(|_| kube_kinds::preferred(kind)).map(|known| known.api_version);
    match written_version.or(by_name).or(implied.map(|implied| implied.api_version)) {
        Some(api_version) => Some(TypeName { api_version, kind }),
        None => {
            let span = named.map_or(tree.span, |named| named.name_span);
            problems.push(Severity::Error, without_version(span, kind, named.is_some()));
            None
        }
    }
}

fn without_version(span: Span, kind: &str, from_name: bool) -> Problem {
    let missing = Problem::new(span, "field \"apiVersion\" is missing: every Kubernetes object has apiVersion and kind");
    match kube_kinds::preferred(kind) {
        Some(known) => missing.with_help(format!("the apiVersion of {kind} is {:?}", known.api_version)),
        None if from_name => {
            let names: Vec<&str> = KNOWN_KINDS.iter().map(|known| known.kind).collect();
            let help = match nearest(kind, &names) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "for a custom resource write its apiVersion too".to_string(),
            };
            Problem::new(span, format!("unknown kind {kind:?}")).with_help(help)
        }
        None => missing,
    }
}

/// The text under `key`, if it is written; `None` after a mistake.
fn text_field<'t>(tree: &'t Tree, key: &str, problems: &mut Problems) -> Option<Option<&'t str>> {
    match tree.get(key) {
        None => Some(None),
        Some(value) => match value.as_str().filter(|text| !text.is_empty()) {
            Some(text) => Some(Some(text)),
            None => {
                problems.error(value.span, format!("{key}: expected a string"));
                None
            }
        },
    }
}

/// Checks and converts the metadata; `None` when it has mistakes.
fn metadata(tree: &Tree, problems: &mut Problems) -> Option<Value> {
    match tree.get("metadata") {
        None => Some(json!({})),
        Some(metadata) if metadata.is_null() => Some(json!({})),
        Some(metadata) => CHECK_METADATA(metadata, "metadata", problems).map(|texts| to_json(metadata, &texts)),
    }
}

/// Checks and converts everything but the metadata. `whole` is `tree` without its metadata.
fn decode_body(whole: &Tree, tree: &Tree, type_name: TypeName<'_>, problems: &mut Problems) -> Option<KubeBody> {
    let TypeName { api_version, kind } = type_name;
    let known = known_kind(tree, type_name, problems)?;
    let texts = match known {
        Some(known) => (known.check)(whole, "", problems)?,
        None => Texts::new(),
    };
    let mut fields = Map::new();
    for entry in whole.entries().iter().filter(|entry| entry.key.text != "apiVersion" && entry.key.text != "kind") {
        fields.insert(entry.key.text.clone(), to_json(&entry.value, &texts));
    }
    let mut body = KubeBody { api_version: api_version.into(), kind: kind.into(), known: known.is_some(), fields };
    if (api_version, kind) == ("autoscaling/v1", "HorizontalPodAutoscaler") {
        convert_autoscaler(&mut body);
    }
    Some(body)
}

/// The type of the kind, `Some(None)` for a custom resource, `None` when Kubernetes has no such kind in that version.
fn known_kind(tree: &Tree, type_name: TypeName<'_>, problems: &mut Problems) -> Option<Option<&'static KnownKind>> {
    let TypeName { api_version, kind } = type_name;
    if let Some(known) = kube_kinds::find(api_version, kind) {
        return Some(Some(known));
    }
    let names: Vec<&str> = KNOWN_KINDS.iter().filter(|known| known.api_version == api_version).map(|known| known.kind).collect();
    let help = match kube_kinds::preferred(kind) {
        Some(preferred) => Some(format!("use {:?}", preferred.api_version)),
        None => nearest(kind, &names).and_then(|_| advice(kind, &names)),
    };
    if !kube_kinds::is_builtin_group(api_version) || help.is_none() {
        return Some(None);
    }
    let span = tree.get("apiVersion").or(tree.get("kind")).map_or(tree.span, |value| value.span);
    problems.push(Severity::Error, Problem { span, what: format!("no matches for kind {kind:?} in version {api_version:?}"), help });
    None
}

/// `autoscaling/v1` as `autoscaling/v2`: the CPU target becomes a metric.
///
/// Source: kubernetes v1.36, `pkg/apis/autoscaling/v1/conversion.go`.
fn convert_autoscaler(body: &mut KubeBody) {
    body.api_version = "autoscaling/v2".into();
    body.fields.shift_remove("status");
    let Some(Value::Object(spec)) = body.fields.get_mut("spec") else { return };
    if let Some(percent) = spec.shift_remove("targetCPUUtilizationPercentage").filter(|percent| !percent.is_null()) {
        let target = json!({"type": "Utilization", "averageUtilization": percent});
        spec.insert("metrics".into(), json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]));
    }
}

/// The tree as JSON; `texts` says which values a type takes as text.
fn to_json(tree: &Tree, texts: &Texts) -> Value {
    if !texts.is_empty()
        && let Ok(nth) = texts.binary_search_by_key(&super::decode::address(tree), |&(address, _)| address)
    {
        return Value::String(texts[nth].1.clone());
    }
    match &tree.value {
        TreeValue::Null => Value::Null,
        TreeValue::Bool(value) => Value::Bool(*value),
        TreeValue::Int(value) => Value::from(*value),
        TreeValue::Uint(value) => Value::from(*value),
        TreeValue::Float(value) => Value::from(*value),
        TreeValue::String(text) => Value::String(text.clone()),
        TreeValue::Seq(items) => Value::Array(items.iter().map(|item| to_json(item, texts)).collect()),
        TreeValue::Map(entries) => {
            let mut object = Map::with_capacity(entries.len());
            object.extend(entries.iter().map(|entry| (entry.key.text.clone(), to_json(&entry.value, texts))));
            Value::Object(object)
        }
        TreeValue::Named(named) => match &named.args.value {
            TreeValue::Null => Value::String(named.name.clone()),
            TreeValue::Seq(items) if items.len() == 1 => to_json(&items[0], texts),
            _ => to_json(&named.args, texts),
        },
    }
}
