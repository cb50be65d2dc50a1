//! `pod-template-hash`: FNV-1a over the text that Go's spew prints of a `v1.PodTemplateSpec`, so that names are those of a real cluster.
//!
//! The text walks the Go types field by field; [`TYPES`] says which fields those are. Empty lists and maps count as absent, as they
//! do once an object has been stored. A template's own `creationTimestamp` is always absent in a stored object and taken so here.
//!
//! Source: kubernetes v1.36, `pkg/controller/controller_utils.go`, `ComputeHash`; `pkg/util/hash/hash.go`, `DeepHashObject`.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;
use wavetank_engine::model::quantity::{Format, Quantity};
use wavetank_engine::names::SUFFIX_ALPHABET;

/// Names, JSON names and types of the fields of every struct in a pod template.
const TYPES: &str = include_str!("template_types.txt");
/// Longest object name. Source: `apimachinery/pkg/util/validation`, `DNS1123SubdomainMaxLength`.
const NAME_LEN_MAX: usize = 253;

struct Field {
    name: &'static str,
    json: &'static str,
    of: &'static str,
}

/// The hash of a defaulted pod template as it stands in labels and names: 8 to 10 characters.
///
/// `collision_count` is the Deployment's `status.collisionCount`.
pub fn template_hash(template: &Value, collision_count: Option<u32>) -> String {
    let mut sum = fnv1a(0x811C_9DC5, dump(template).as_bytes());
    if let Some(count) = collision_count {
        sum = fnv1a(sum, &u64::from(count).to_le_bytes());
    }
    sum.to_string().bytes().map(|digit| char::from(SUFFIX_ALPHABET[usize::from(digit) % SUFFIX_ALPHABET.len()])).collect()
}

/// Name of the ReplicaSet of a Deployment with this hash; the Deployment's part is cut where the name would be too long.
///
/// Source: kubernetes v1.36, `pkg/controller/deployment/sync.go`, `getNewReplicaSet`; `pkg/controller/deployment/util`, `generateReplicaSetName`.
pub fn replica_set_name(deployment: &str, hash: &str) -> String {
    let room = NAME_LEN_MAX - hash.len() - 1;
    let kept = deployment.get(..room).unwrap_or(deployment);
    format!("{kept}-{hash}")
}

fn fnv1a(from: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(from, |sum, &byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The text that is hashed.
fn dump(template: &Value) -> String {
    let mut text = String::with_capacity(8 * 1024);
    typed(&mut text, "v1.PodTemplateSpec", template);
    text
}

fn types() -> &'static BTreeMap<&'static str, Vec<Field>> {
    static PARSED: OnceLock<BTreeMap<&'static str, Vec<Field>>> = OnceLock::new();
    PARSED.get_or_init(|| {
        let blocks = TYPES.split("\n\n").skip(1);
        blocks
            .map(|block| block.trim().split_once('\n').expect("a block is a name and fields"))
            .map(|(name, rows)| (name, fields(rows)))
            .collect()
    })
}

fn fields(rows: &'static str) -> Vec<Field> {
    let field = |row: &'static str| {
        let mut words = row.split(' ');
        let mut word = || words.next().expect("a field has three words");
        Field { name: word(), json: word(), of: word() }
    };
    rows.lines().map(field).collect()
}

/// A value with its type in front, as a struct's field is printed.
fn typed(text: &mut String, of: &'static str, value: &Value) {
    match of.strip_prefix('*') {
        Some(_) if value.is_null() => text.push_str(&format!("({of})<nil>")),
        Some(pointed) => {
            text.push_str(&format!("({of})"));
            plain(text, pointed, value);
        }
        None => {
            text.push_str(&format!("({of})"));
            plain(text, of, value);
        }
    }
}

/// A value without its type, as elements of lists and maps are printed.
fn plain(text: &mut String, of: &'static str, value: &Value) {
    if let Some(element) = of.strip_prefix("[]") {
        list(text, element, value);
    } else if of == "v1.ResourceList" {
        map(text, "resource.Quantity", value);
    } else if let Some(element) = of.strip_prefix("map[string]") {
        map(text, element, value);
    } else if of == "resource.Quantity" {
        let quantity = Quantity::parse(&scalar(value)).unwrap_or_else(|_| Quantity::from_units(0, Format::DecimalSi));
        text.push_str(&quantity.spew());
    } else if of == "intstr.IntOrString" {
        int_or_string(text, value);
    } else if of == "v1.Time" {
        text.push_str("{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}");
    } else if let Some(fields) = types().get(of) {
        structure(text, fields, value);
    } else {
        match (of, value) {
            ("int32" | "int64", Value::Null) => text.push('0'),
            ("bool", Value::Null) => text.push_str("false"),
            _ => text.push_str(&scalar(value)),
        }
    }
}

fn structure(text: &mut String, fields: &'static [Field], value: &Value) {
    text.push('{');
    for (nth, field) in fields.iter().enumerate() {
        if nth > 0 {
            text.push(' ');
        }
        text.push_str(field.name);
        text.push(':');
        let inner = if field.json == "-" { value } else { value.get(field.json).unwrap_or(&Value::Null) };
        typed(text, field.of, inner);
    }
    text.push('}');
}

fn list(text: &mut String, element: &'static str, value: &Value) {
    let Some(values) = value.as_array().filter(|values| !values.is_empty()) else {
        text.push_str("<nil>");
        return;
    };
    text.push('[');
    for (nth, value) in values.iter().enumerate() {
        if nth > 0 {
            text.push(' ');
        }
        plain(text, element, value);
    }
    text.push(']');
}

fn map(text: &mut String, element: &'static str, value: &Value) {
    let Some(pairs) = value.as_object().filter(|pairs| !pairs.is_empty()) else {
        text.push_str("<nil>");
        return;
    };
    let sorted: BTreeMap<&String, &Value> = pairs.iter().collect();
    text.push_str("map[");
    for (nth, (key, value)) in sorted.into_iter().enumerate() {
        if nth > 0 {
            text.push(' ');
        }
        text.push_str(key);
        text.push(':');
        plain(text, element, value);
    }
    text.push(']');
}

fn int_or_string(text: &mut String, value: &Value) {
    let (kind, number, string) = match value {
        Value::String(string) => (1, 0, string.as_str()),
        number => (0, number.as_i64().unwrap_or(0), ""),
    };
    write!(text, "{{Type:(intstr.Type){kind} IntVal:(int32){number} StrVal:(string){string}}}").expect("a String takes all");
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(string) => string.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_type_that_a_field_names_is_known() {
        let scalars = ["string", "int32", "int64", "bool", "resource.Quantity", "intstr.IntOrString", "v1.ResourceList"];
        let listed: Vec<&str> = types().values().flatten().map(|field| field.of.trim_start_matches(['*', '[', ']'])).collect();
        assert!(types().len() > 100 && listed.len() > 500, "{} types, {} fields", types().len(), listed.len());
        for of in ["v1.PodSpec", "v1.Probe", "v1.ProbeHandler", "v1.Affinity", "v1.VolumeSource"] {
            assert!(listed.contains(&of) && types().contains_key(of), "{of}");
        }
        assert!(scalars.iter().all(|of| listed.contains(of)));
    }

    #[test]
    fn the_text_is_spews() {
        let text = dump(&json!({"metadata": {"labels": {"b": "2", "a": "1"}}, "spec": {
            "terminationGracePeriodSeconds": 30,
            "containers": [{"name": "c", "livenessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 10}}],
        }}));
        for part in [
            "(v1.PodTemplateSpec){ObjectMeta:(v1.ObjectMeta){Name:(string) GenerateName:(string) ",
            "Labels:(map[string]string)map[a:1 b:2] Annotations:(map[string]string)<nil> ",
            "TerminationGracePeriodSeconds:(*int64)30 ActiveDeadlineSeconds:(*int64)<nil> ",
            "LivenessProbe:(*v1.Probe){ProbeHandler:(v1.ProbeHandler){Exec:(*v1.ExecAction)<nil> ",
            "TCPSocket:(*v1.TCPSocketAction){Port:(intstr.IntOrString){Type:(intstr.Type)0 IntVal:(int32)80 StrVal:(string)} Host:(string)} ",
            "PeriodSeconds:(int32)10 ",
        ] {
            assert!(text.contains(part), "{part}\n in {text}");
        }
    }

    /// Names that a real cluster gave to ReplicaSets of these manifests.
    #[test]
    fn hashes_of_defaulted_manifests_are_those_of_a_real_cluster() {
        let hash = |image: &str, annotations: Value| {
            let mut deployment = json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
                "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
                    "metadata": {"labels": {"app": "web"}, "annotations": annotations},
                    "spec": {"containers": [
                        {"name": "c", "image": image, "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}}},
                    ]},
                }},
            });
            wavetank_engine::api::defaults::apply_defaults(&mut deployment);
            template_hash(&deployment["spec"]["template"], None)
        };
        assert_eq!(hash("img:v1", json!({})), "b6695547d");
        assert_eq!(hash("img:v2", json!({})), "7f54bdb7f");
        assert_eq!(hash("img:v1", json!({"oracle/term-delay": "1.5"})), "5dc49d74d4");
    }

    #[test]
    fn names_are_cut_to_what_fits() {
        assert_eq!(replica_set_name("web", "754f646b99"), "web-754f646b99");
        assert_eq!(replica_set_name(&"x".repeat(253), "754f646b99").len(), 253);
    }
}
