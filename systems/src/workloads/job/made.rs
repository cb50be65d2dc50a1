//! The pods that a Job makes.
//!
//! Source: kubernetes v1.36, `pkg/controller/job/job_controller.go`, `manageJob`; `indexed_job_utils.go`, `addCompletionIndexEnvVariables`.

use super::manage::NewPod;
use super::{Reads, Tables};
use serde_json::{Value, json};
use wavetank_engine::api::request::{NewObject, Verb};
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::meta::{Meta, OwnerRef};
use wavetank_engine::model::pod::Pod;
use wavetank_engine::names::{Name, Sym};

/// A Job as the controller of its pods.
pub(super) fn owner(reads: &Reads, job: ObjRef) -> OwnerRef {
    let name = reads.metas.get(job).map(|meta| meta.name).unwrap_or_default();
    OwnerRef { uid: Some(job.uid), kind: Kind::Job, name, controller: true, block_owner_deletion: true }
}

/// The request for a pod of a Job that the controller knows.
pub(super) fn create(reads: &Reads, tables: &mut Tables, job: ObjRef, pod: NewPod) -> Option<Verb> {
    let (spec, meta) = (reads.jobs.get(job)?, reads.metas.get(job)?);
    let template = tables.classes.template(spec.template).clone();
    let name = tables.names.render(meta.name);
    let mut new = Meta::new(Kind::Pod, meta.namespace, Name::default());
    new.labels = template.labels;
    new.annotations = template.annotations;
    new.owners.push(owner(reads, job));
    new.finalizers.push(tables.texts.tracking);
    let mut class = template.class;
    new.generate_name = tables.names.sym(&match pod.index {
        None => format!("{name}-"),
        Some(index) => format!("{name}-{index}-"),
    });
    if let Some(index) = pod.index {
        let (key, value) = (tables.texts.completion_index, tables.names.sym(&index.to_string()));
        new.labels = tables.labels.with(&tables.names, new.labels, key, value);
        new.annotations = tables.labels.with(&tables.names, new.annotations, key, value);
        let spec = indexed_spec(tables.classes.get(class).raw.value(), &format!("{name}-{index}"));
        class = tables.classes.class_of(&mut tables.names, &spec);
    }
    if let Some((counted, ignored)) = pod.failures {
        let texts = *tables.texts;
        let mut annotate = |key: Sym, count: u32| {
            let value = tables.names.sym(&count.to_string());
            new.annotations = tables.labels.with(&tables.names, new.annotations, key, value);
        };
        annotate(texts.index_failure_count, counted);
        if ignored > 0 {
            annotate(texts.index_ignored_failure_count, ignored);
        }
    }
    Some(Verb::Create(Box::new(NewObject { meta: new, states: vec![Pod { class, node: Sym::EMPTY }.into()] })))
}

/// The pod spec of one index: its host name, and the index as a variable of every container.
fn indexed_spec(spec: &Value, hostname: &str) -> Value {
    const VARIABLE: &str = "JOB_COMPLETION_INDEX";
    let mut spec = spec.clone();
    if spec.get("hostname").is_none() {
        spec["hostname"] = hostname.into();
    }
    let path = "metadata.labels['batch.kubernetes.io/job-completion-index']";
    let variable = json!({"name": VARIABLE, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            match container.get_mut("env").and_then(Value::as_array_mut) {
                Some(env) if env.iter().any(|one| one["name"] == VARIABLE) => {}
                Some(env) => env.push(variable.clone()),
                None => container["env"] = json!([variable]),
            }
        }
    }
    spec
}
