//! What a pod's containers need of other objects before they can start: ConfigMaps and Secrets, whole or by key, and claims.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kubelet_pods.go`, `makeEnvironmentVariables`; `pkg/volume/configmap/configmap.go`,
//! `pkg/volume/secret/secret.go`, `pkg/volume/projected/projected.go`; `pkg/kubelet/volumemanager/populator`; `spec/kubelet.md` §8, §17.

use serde_json::Value;
use std::collections::BTreeSet;
use wavetank_engine::model::pod_class::PodClass;
use wavetank_engine::names::{Names, Sym};

/// A ConfigMap that every namespace has, made by a controller that is not simulated.
const ROOT_CA: &str = "kube-root-ca.crt";

/// Kind of an object that holds configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Holder {
    ConfigMap,
    Secret,
}

impl Holder {
    /// Its kind in lower case.
    pub fn word(self) -> &'static str {
        match self {
            Holder::ConfigMap => "configmap",
            Holder::Secret => "secret",
        }
    }
}

/// A reference to an object that holds configuration, or to keys of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Kind of the object.
    pub holder: Holder,
    /// Its name, in the pod's namespace.
    pub name: String,
    /// Keys that it must have.
    pub keys: Vec<String>,
}

/// A volume that some container mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: Sym,
    /// What its files come from.
    pub sources: Vec<Reference>,
    /// The claim that it names; with `true` the claim is the pod's own, named after pod and volume.
    pub claim: Option<(String, bool)>,
}

/// What a spec needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// The volumes, in order.
    pub volumes: Vec<Volume>,
    /// What the environment of each container is made of, init containers first.
    pub environments: Vec<Vec<Reference>>,
}

/// What of it is not there.
#[derive(Debug, Clone, Default)]
pub struct Lacks {
    /// Volumes that cannot be found out about, and why.
    pub unprocessed: Vec<(Sym, String)>,
    /// Volumes whose mount fails, and why.
    pub unmounted: Vec<(Sym, String)>,
    /// Why each container cannot be configured; empty when all can.
    pub containers: Vec<Option<String>>,
}

/// Why a reference leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing<'a> {
    /// There is no such object.
    Object,
    /// It has no such key.
    Key(&'a str),
}

impl Needs {
    /// Reads them from a spec; `None` when it needs nothing.
    pub fn of(names: &mut Names, class: &PodClass) -> Option<Needs> {
        let spec = class.raw.value();
        let containers = || list(spec, "initContainers").chain(list(spec, "containers"));
        let mounts = containers().flat_map(|container| {
            let mounted = list(container, "volumeMounts").chain(list(container, "volumeDevices"));
            mounted.filter_map(|mount| text(mount, "name"))
        });
        let mounted: BTreeSet<&str> = mounts.collect();
        let volumes = list(spec, "volumes").filter(|volume| text(volume, "name").is_some_and(|name| mounted.contains(name)));
        let volumes: Vec<Volume> = volumes.map(|volume| self::volume(names, volume)).collect();
        let environments: Vec<Vec<Reference>> = containers().map(environment).collect();
        let none = volumes.is_empty() && environments.iter().all(Vec::is_empty);
        (!none).then_some(Needs { volumes, environments })
    }
}

impl Reference {
    /// What the kubelet says of an environment that cannot be made.
    pub fn in_environment(&self, missing: Missing, namespace: &str) -> String {
        let kind = match self.holder {
            Holder::ConfigMap => "ConfigMap",
            Holder::Secret => "Secret",
        };
        match missing {
            Missing::Object => format!("{} {:?} not found", self.holder.word(), self.name),
            Missing::Key(key) => format!("couldn't find key {key} in {kind} {namespace}/{}", self.name),
        }
    }

    /// What it says of a volume that cannot be filled.
    pub fn in_volume(&self, missing: Missing) -> String {
        match (missing, self.holder) {
            (Missing::Object, holder) => format!("{} {:?} not found", holder.word(), self.name),
            (Missing::Key(key), Holder::ConfigMap) => format!("configmap references non-existent config key: {key}"),
            (Missing::Key(key), Holder::Secret) => format!("references non-existent secret key: {key}"),
        }
    }
}

fn list<'a>(holder: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    holder.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(holder: &'a Value, field: &str) -> Option<&'a str> {
    holder.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A reference by name, unless it is optional. `keys`: fields of its `items`, or its `key`.
fn reference(holder: Holder, source: &Value, name: &str) -> Option<Reference> {
    let name = text(source, name)?;
    if source.get("optional").and_then(Value::as_bool) == Some(true) || name == ROOT_CA {
        return None;
    }
    let items = list(source, "items").filter_map(|item| text(item, "key"));
    let keys = items.chain(text(source, "key")).map(str::to_string).collect();
    Some(Reference { holder, name: name.to_string(), keys })
}

fn volume(names: &mut Names, volume: &Value) -> Volume {
    let name = text(volume, "name").unwrap_or("");
    let config = |holder: &Value, field: &str| reference(Holder::ConfigMap, holder.get(field)?, "name");
    let mut sources: Vec<Reference> = config(volume, "configMap").into_iter().collect();
    sources.extend(volume.get("secret").and_then(|secret| reference(Holder::Secret, secret, "secretName")));
    for source in volume.get("projected").into_iter().flat_map(|projected| list(projected, "sources")) {
        sources.extend(config(source, "configMap"));
        sources.extend(source.get("secret").and_then(|secret| reference(Holder::Secret, secret, "name")));
    }
    let named = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str).map(|claim| (claim.to_string(), false));
    let own = volume.get("ephemeral").is_some_and(Value::is_object).then(|| (name.to_string(), true));
    Volume { name: names.sym(name), sources, claim: named.or(own) }
}

fn environment(container: &Value) -> Vec<Reference> {
    let whole = list(container, "envFrom").flat_map(|from| {
        let config = from.get("configMapRef").and_then(|source| reference(Holder::ConfigMap, source, "name"));
        config.into_iter().chain(from.get("secretRef").and_then(|source| reference(Holder::Secret, source, "name")))
    });
    let single = list(container, "env").filter_map(|variable| variable.get("valueFrom")).flat_map(|from| {
        let config = from.get("configMapKeyRef").and_then(|source| reference(Holder::ConfigMap, source, "name"));
        config.into_iter().chain(from.get("secretKeyRef").and_then(|source| reference(Holder::Secret, source, "name")))
    });
    whole.chain(single).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wavetank_engine::model::pod_class::Classes;

    #[test]
    fn what_is_mounted_and_not_optional_counts() {
        let (mut names, mut classes) = (Names::new(), Classes::default());
        let mut needs = |spec: Value| {
            let id = classes.class_of(&mut names, &spec);
            Needs::of(&mut names, classes.get(id))
        };
        let plain =
            json!({"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}], "volumes": [{"name": "v", "emptyDir": {}}]});
        assert_eq!(needs(plain), None);
        let spec = json!({
            "containers": [{
                "name": "c",
                "envFrom": [{"configMapRef": {"name": "all", "optional": true}}, {"secretRef": {"name": "s"}}],
                "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}],
                "volumeMounts": [{"name": "p"}, {"name": "d"}],
            }],
            "volumes": [
                {"name": "p", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "token"}}, {"configMap": {"name": ROOT_CA}},
                    {"secret": {"name": "t", "items": [{"key": "a", "path": "a"}]}},
                ]}},
                {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "unused", "secret": {"secretName": "nobody"}},
            ],
        });
        let got = needs(spec).unwrap();
        let reference = |holder, name: &str, keys: &[&str]| Reference {
            holder,
            name: name.into(),
            keys: keys.iter().map(|key| key.to_string()).collect(),
        };
        assert_eq!(got.environments, [vec![reference(Holder::Secret, "s", &[]), reference(Holder::ConfigMap, "m", &["k"])]]);
        assert_eq!(got.volumes.len(), 2);
        assert_eq!(got.volumes[0].sources, [reference(Holder::Secret, "t", &["a"])]);
        assert_eq!(got.volumes[1].claim, Some(("data".to_string(), false)));
    }
}
