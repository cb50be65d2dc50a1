//! What the server adds to a new Job: labels by which it knows its pods, and the selector for them.
//!
//! Source: kubernetes v1.36, `pkg/registry/batch/job/strategy.go`, `generateSelector`; `spec/workloads.md` §7.

use crate::api::commit::Act;
use crate::api::request::NewObject;
use crate::api::state::StateValue;
use crate::ids::uid_text;
use crate::model::batch::Job;
use crate::model::labels::{LabelSetId, LabelSets};
use crate::model::pod_class::{Classes, Template};
use crate::model::raw::Raw;
use crate::model::select::Selectors;
use crate::names::Names;
use crate::simulation::Seed;
use bevy_ecs::world::World;
use serde_json::{Value, json};

/// Fills in the labels and the selector of a Job about to be stored, unless it has `manualSelector`.
pub(crate) fn prepare(world: &mut World, act: Act, new: &mut NewObject) {
    let seed = world.resource::<Seed>().0;
    let names = world.resource::<Names>();
    let name = names.render(new.meta.name);
    let uid = uid_text(seed, "job", names.text(new.meta.namespace), &name, act.now);
    let Some(StateValue::Job(job)) = new.states.iter_mut().find(|state| matches!(state, StateValue::Job(_))) else { return };
    // A Job of time zero that was stored before has them already.
    let stored_before = new.meta.generation > 0 && job.raw.at(&["selector"]).is_some_and(Value::is_object);
    if stored_before || job.raw.at(&["manualSelector"]).and_then(Value::as_bool) == Some(true) {
        return;
    }
    let mut spec = job.raw.value().clone();
    let added = label_template(&mut spec, &name, &uid);
    spec["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    store(world, job, spec, &added);
    if new.meta.labels == LabelSetId::EMPTY {
        new.meta.labels = world.resource::<Classes>().template(job.template).labels;
    }
}

/// Adds the labels to the template; those that were added.
fn label_template(spec: &mut Value, name: &str, uid: &str) -> Vec<(String, String)> {
    let labels =
        [("batch.kubernetes.io/job-name", name), ("job-name", name), ("batch.kubernetes.io/controller-uid", uid), ("controller-uid", uid)];
    let given = &mut spec["template"]["metadata"]["labels"];
    for (key, value) in labels {
        given[key] = value.into();
    }
    labels.iter().map(|&(key, value)| (key.to_string(), value.to_string())).collect()
}

fn store(world: &mut World, job: &mut Job, spec: Value, added: &[(String, String)]) {
    let pairs: Vec<_> = {
        let mut names = world.resource_mut::<Names>();
        added.iter().map(|(key, value)| (names.sym(key), names.sym(value))).collect()
    };
    let template = world.resource::<Classes>().template(job.template).clone();
    let labels = world.resource_scope(|world, mut labels: bevy_ecs::change_detection::Mut<LabelSets>| {
        let names = world.resource::<Names>();
        pairs.iter().fold(template.labels, |set, &(key, value)| labels.with(names, set, key, value))
    });
    job.template = world.resource_mut::<Classes>().intern_template(Template { labels, ..template });
    job.selector = world.resource_scope(|world, mut names: bevy_ecs::change_detection::Mut<Names>| {
        world.resource_mut::<Selectors>().of_label_selector(&mut names, &spec["selector"])
    });
    job.raw = Raw::new(spec);
}
