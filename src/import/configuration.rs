//! ConfigMaps and Secrets of a dump: no scene needs the values of secrets, and what pods run with was there, even where a dump leaves it out.

use super::{Draft, target, text_at};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Empties the values of a Secret; whether there were any.
pub fn empty_values(secret: &mut Value) -> bool {
    let mut any = false;
    for field in ["data", "stringData"] {
        for value in secret.get_mut(field).and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
            any |= value.as_str() != Some("");
            *value = "".into();
        }
    }
    any
}

/// Adds an empty object for each ConfigMap and Secret that pods which have run refer to and that are not there.
pub fn assume_missing(objects: &mut Vec<Value>, draft: &mut Draft) {
    let there: BTreeSet<String> = objects.iter().map(target).collect();
    let mut missing: BTreeMap<(&str, String, String), BTreeSet<String>> = BTreeMap::new();
    for pod in objects.iter().filter(|object| text_at(object, "/kind") == "Pod" && text_at(object, "/status/phase") != "Pending") {
        let namespace = text_at(pod, "/metadata/namespace").to_string();
        for (kind, name, keys) in references(&pod["spec"]) {
            missing.entry((kind, namespace.clone(), name)).or_default().extend(keys);
        }
    }
    for ((kind, namespace, name), keys) in missing {
        let data: Map<String, Value> = keys.into_iter().map(|key| (key, "".into())).collect();
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "data": data});
        if !there.contains(&target(&object)) {
            draft.left_out.note("not in the dump, so taken to be there without values, since pods have run with it", target(&object));
            objects.push(object);
        }
    }
}

/// Kind, name and keys of each ConfigMap and Secret that a pod can't do without.
fn references(spec: &Value) -> Vec<(&'static str, String, Vec<String>)> {
    let mut found = Vec::new();
    let list = |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut add = |kind: &'static str, source: Option<&Value>, name: &str, keys: Vec<String>| {
        let Some(source) = source.filter(|source| source.get("optional") != Some(&Value::Bool(true))) else { return };
        if let Some(name) = source.get(name).and_then(Value::as_str) {
            found.push((kind, name.to_string(), keys));
        }
    };
    let key = |source: Option<&Value>| source.and_then(|source| source.get("key")?.as_str()).map(str::to_string).into_iter().collect();
    let mut mounted = BTreeSet::new();
    for container in ["initContainers", "containers"].into_iter().flat_map(|field| list(spec, field)) {
        mounted.extend(list(&container, "volumeMounts").iter().map(|mount| text_at(mount, "/name").to_string()));
        for variable in list(&container, "env") {
            for (kind, field) in [("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")] {
                let source = variable.pointer(&format!("/valueFrom/{field}"));
                add(kind, source, "name", key(source));
            }
        }
        for source in list(&container, "envFrom") {
            add("ConfigMap", source.get("configMapRef"), "name", Vec::new());
            add("Secret", source.get("secretRef"), "name", Vec::new());
        }
    }
    // A volume that no container mounts holds nothing up.
    let volumes: Vec<Value> = list(spec, "volumes").into_iter().filter(|volume| mounted.contains(text_at(volume, "/name"))).collect();
    let projected = volumes.iter().filter_map(|volume| volume.get("projected")).flat_map(|projected| list(projected, "sources"));
    let projected: Vec<Value> = projected.collect();
    for (sources, secret_name) in [(&volumes, "secretName"), (&projected, "name")] {
        for source in sources {
            for (kind, field, name) in [("ConfigMap", "configMap", "name"), ("Secret", "secret", secret_name)] {
                let items = source.get(field).map_or(Vec::new(), |source| list(source, "items"));
                add(kind, source.get(field), name, items.iter().flat_map(|item| key(Some(item))).collect());
            }
        }
    }
    found
}
