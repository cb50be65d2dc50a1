//! The `spec` of a ReplicaSet made from a Deployment: template, selector and labels with the hash.
//!
//! Source: kubernetes v1.36, `pkg/controller/deployment/sync.go`, `getNewReplicaSet`.

use serde_json::{Map, Value, json};
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::pod_class::{Classes, Template, TemplateId};
use wavetank_engine::model::raw::Raw;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::model::workload::{Deployment, ReplicaSet};
use wavetank_engine::names::Names;
use wavetank_engine::words;

/// The tables into which the new spec goes.
pub struct Made<'a> {
    /// Texts.
    pub names: &'a mut Names,
    /// Label sets.
    pub labels: &'a mut LabelSets,
    /// Selectors.
    pub selectors: &'a mut Selectors,
    /// Templates.
    pub classes: &'a mut Classes,
}

impl Made<'_> {
    /// The ReplicaSet of a Deployment's template, and its labels.
    pub fn replica_set(&mut self, deployment: &Deployment, hash: &str, replicas: i32) -> (ReplicaSet, LabelSetId) {
        let spec = spec_json(deployment, hash, replicas);
        let value = self.names.sym(hash);
        let of = self.classes.template(deployment.template).clone();
        let labels = self.labels.with(self.names, of.labels, words::POD_TEMPLATE_HASH, value);
        let set = ReplicaSet {
            replicas,
            min_ready_s: deployment.min_ready_s,
            selector: self.selectors.of_label_selector(self.names, &spec["selector"]),
            template: self.classes.intern_template(Template { labels, ..of }),
            raw: Raw::new(spec),
        };
        (set, labels)
    }
}

fn spec_json(deployment: &Deployment, hash: &str, replicas: i32) -> Value {
    let copy = |field: &str| deployment.raw.at(&[field]).cloned().unwrap_or_else(|| json!({}));
    let (mut selector, mut template) = (copy("selector"), copy("template"));
    let key = "pod-template-hash";
    member(&mut selector, "matchLabels").insert(key.into(), hash.into());
    let mut metadata = Value::Object(std::mem::take(member(&mut template, "metadata")));
    member(&mut metadata, "labels").insert(key.into(), hash.into());
    *member(&mut template, "metadata") = metadata.as_object().cloned().unwrap_or_default();
    let mut spec = Map::new();
    spec.insert("replicas".into(), replicas.into());
    if deployment.min_ready_s > 0 {
        spec.insert("minReadySeconds".into(), deployment.min_ready_s.into());
    }
    spec.insert("selector".into(), selector);
    spec.insert("template".into(), template);
    Value::Object(spec)
}

/// The object in a field, made if it is not there.
fn member<'a>(value: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    let fields = value.as_object_mut().expect("just made");
    let inner = fields.entry(field).or_insert_with(|| json!({}));
    if !inner.is_object() {
        *inner = json!({});
    }
    inner.as_object_mut().expect("just made")
}

/// Whether a set has the Deployment's template, the hash label apart.
pub fn same_template(labels: &LabelSets, classes: &Classes, deployment: TemplateId, set: TemplateId) -> bool {
    if deployment == set {
        return true;
    }
    let (left, right) = (classes.template(deployment), classes.template(set));
    let pairs = |set: LabelSetId| labels.pairs(set).iter().filter(|pair| pair.0 != words::POD_TEMPLATE_HASH);
    left.class == right.class && left.annotations == right.annotations && pairs(left.labels).eq(pairs(right.labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::model::workload::Strategy;

    #[test]
    fn the_hash_goes_into_labels_and_selector() {
        let (mut names, mut labels) = (Names::new(), LabelSets::default());
        let (mut selectors, mut classes) = (Selectors::default(), Classes::default());
        let raw = json!({
            "replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}}, "spec": {"containers": []}},
        });
        let template = classes.template_of(&mut names, &mut labels, &raw["template"]);
        let deployment = Deployment {
            replicas: 3,
            min_ready_s: 7,
            selector: selectors.of_label_selector(&mut names, &raw["selector"]),
            template,
            paused: false,
            strategy: Strategy::Recreate,
            revision_history_limit: 10,
            progress_deadline_s: None,
            raw: Raw::new(raw),
        };
        let mut made = Made { names: &mut names, labels: &mut labels, selectors: &mut selectors, classes: &mut classes };
        let (set, set_labels) = made.replica_set(&deployment, "abc", 2);
        assert_eq!(
            *set.raw.value(),
            json!({
                "replicas": 2, "minReadySeconds": 7,
                "selector": {"matchLabels": {"app": "web", "pod-template-hash": "abc"}},
                "template": {
                    "metadata": {"labels": {"app": "web", "pod-template-hash": "abc"}, "annotations": {"a": "b"}},
                    "spec": {"containers": []},
                },
            })
        );
        assert!(selectors.matches(set.selector, &labels, set_labels));
        assert!(!selectors.matches(set.selector, &labels, classes.template(template).labels));
        assert!(same_template(&labels, &classes, template, set.template));
        let read = classes.template_of(&mut names, &mut labels, &set.raw.value()["template"]);
        assert_eq!(read, set.template, "the same as when the JSON is read again");
    }
}
