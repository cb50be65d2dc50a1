//! The `resize` subresource as a script step: other requests and limits for containers of a pod.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidatePodResize`;
//! `plugin/pkg/admission/podresize/admission.go`, `validateRequestsWithinAllocatable`; `spec/kubelet.md` §19.

use crate::api::defaults::apply_defaults;
use crate::api::json_out::object_json;
use crate::api::objects::Objects;
use crate::api::request::{Refusal, Verb};
use crate::api::state::StateValue;
use crate::api::validation::{invalid_message, validate};
use crate::ids::{Kind, ObjRef, ObjectKey};
use crate::model::labels::LabelSets;
use crate::model::meta::Meta;
use crate::model::node::NodeStatus;
use crate::model::pod::{Pod, PodAllocation};
use crate::model::pod_class::{ClassId, Classes, PodClass, Qos};
use crate::model::quantity::Quantity;
use crate::names::{Names, Sym};
use crate::scene::build::{SCRIPT, with_tables};
use crate::scene::manifests::MIRROR;
use crate::simulation::Simulation;
use crate::words;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Resources of a container after a resize: `(requests: {"cpu": "800m"}, limits: {"memory": "1Gi"})`; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResizeText {
    /// `requests`.
    pub requests: BTreeMap<String, String>,
    /// `limits`.
    pub limits: BTreeMap<String, String>,
}

/// The containers of a spec, init containers first.
fn containers(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let Value::Object(fields) = spec else { return Vec::new().into_iter() };
    let lists = fields.iter_mut().filter(|(field, _)| matches!(field.as_str(), "initContainers" | "containers"));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().collect::<Vec<_>>().into_iter()
}

/// Asks for other resources of a pod.
///
/// # Errors
/// What the API server says when they may not be had.
pub(crate) fn resize(sim: &mut Simulation, object: ObjRef, changes: &BTreeMap<String, ResizeText>) -> Result<(), Refusal> {
    let whole = object_json(sim, object).ok_or_else(|| Refusal::not_found("pods", ""))?;
    let (Some(pod), Some(mut meta)) = (sim.state::<Pod>(object).cloned(), sim.state::<Meta>(object).cloned()) else {
        return Err(Refusal::invalid("only a Pod can be resized".into()));
    };
    let whole = resized(whole, changes)?;
    let name = sim.get::<Names>().render(meta.name);
    let mirror = sim.get::<Names>().find(MIRROR).and_then(|key| sim.get::<LabelSets>().get(meta.annotations, key));
    if mirror.is_some() {
        return Err(Refusal::invalid(format!("Pod \"{name}\" is invalid: Forbidden: static pods cannot be resized")));
    }
    let errors = validate(&whole);
    if !errors.is_empty() {
        return Err(Refusal::invalid(invalid_message("Pod", "", &name, &errors)));
    }
    let spec = whole["spec"].clone();
    let class = with_tables(sim, |tables| tables.classes.class_of(tables.names, &spec));
    if class == pod.class {
        return Ok(());
    }
    let classes = sim.get::<Classes>();
    let (old, new) = (classes.get(pod.class).clone(), classes.get(class).clone());
    if old.qos != new.qos {
        let qos = qos_text(old.qos);
        let what = "Pod QOS Class may not change as a result of resizing";
        return Err(Refusal::invalid(format!("Pod \"{name}\" is invalid: spec: Invalid value: \"{qos}\": {what}")));
    }
    within_allocatable(sim, pod.node, &new).map_err(|why| Refusal::forbidden(format!("pods \"{name}\" is forbidden: {why}")))?;
    meta.generation += 1;
    let mut values: Vec<StateValue> = vec![Pod { class, node: pod.node }.into(), meta.into()];
    if !pod.node.is_empty() {
        let before = sim.state::<PodAllocation>(object).copied().unwrap_or(PodAllocation::of(pod.class));
        let counted = counted(sim, class, &[before.allocated, before.actual]);
        values.push(PodAllocation { desired: class, counted, ..before }.into());
    }
    let actor = sim.get_mut::<Names>().sym(SCRIPT);
    sim.ask(actor, Verb::PutAll { object, expect: None, values }).map(|_| ())
}

/// A pod with other resources.
fn resized(mut whole: Value, changes: &BTreeMap<String, ResizeText>) -> Result<Value, Refusal> {
    for (name, change) in changes {
        let mut all = containers(&mut whole["spec"]);
        let Some(container) = all.find(|container| container["name"] == name.as_str()) else {
            return Err(Refusal::not_found("containers", name));
        };
        for (field, amounts) in [("requests", &change.requests), ("limits", &change.limits)] {
            for (resource, amount) in amounts {
                if !matches!(resource.as_str(), "cpu" | "memory") {
                    return Err(Refusal::invalid("spec: Forbidden: only cpu and memory resources are mutable".into()));
                }
                if container["resources"].is_null() {
                    container["resources"] = json!({});
                }
                if container["resources"][field].is_null() {
                    container["resources"][field] = json!({});
                }
                container["resources"][field][resource.as_str()] = amount.as_str().into();
            }
        }
    }
    apply_defaults(&mut whole);
    Ok(whole)
}

fn qos_text(qos: Qos) -> &'static str {
    match qos {
        Qos::Guaranteed => "Guaranteed",
        Qos::Burstable => "Burstable",
        Qos::BestEffort => "BestEffort",
    }
}

/// Whether a node could ever give what a pod requests.
fn within_allocatable(sim: &Simulation, node: Sym, class: &PodClass) -> Result<(), String> {
    let names = sim.get::<Names>();
    let key = names.find_name(names.text(node)).map(|name| ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name });
    let found = key.and_then(|key| sim.get::<Objects>().by_key(key)).filter(|_| !node.is_empty());
    let Some(status) = found.and_then(|node| sim.state::<NodeStatus>(node)) else { return Ok(()) };
    let over = [words::CPU, words::MEMORY].into_iter().filter_map(|resource| {
        let (asked, has) = (class.requests.get(resource), status.allocatable.get(resource));
        (asked > has).then(|| format!("{}, requested: {asked}, allocatable: {has}", names.text(resource)))
    });
    let over: Vec<String> = over.collect();
    if over.is_empty() { Ok(()) } else { Err(format!("node didn't have enough allocatable resources: {}", over.join("; "))) }
}

/// The class with, for each container, the most of what it wants and of what others say it has: what the scheduler counts.
/// Source: `staging/src/k8s.io/component-helpers/resource/helpers.go`, `determineContainerReqs`.
fn counted(sim: &mut Simulation, wanted: ClassId, has: &[ClassId]) -> ClassId {
    let classes = sim.get::<Classes>();
    let mut spec = classes.get(wanted).raw.value().clone();
    let mut others: Vec<Value> = has.iter().map(|&class| classes.get(class).raw.value().clone()).collect();
    let parse = |amount: &Value| amount.as_str().and_then(|text| Quantity::parse(text).ok());
    for other in &mut others {
        for (own, theirs) in containers(&mut spec).zip(containers(other)) {
            for resource in ["cpu", "memory"] {
                let theirs = theirs["resources"]["requests"][resource].clone();
                let own = &mut own["resources"]["requests"][resource];
                if parse(&theirs).is_some_and(|theirs| parse(own).is_none_or(|own| own < theirs)) {
                    *own = theirs;
                } else if own.is_null() {
                    continue;
                }
            }
        }
    }
    drop_nulls(&mut spec);
    with_tables(sim, |tables| tables.classes.class_of(tables.names, &spec))
}

/// What was only looked at is not written.
fn drop_nulls(spec: &mut Value) {
    for container in containers(spec) {
        let Some(resources) = container["resources"].as_object_mut() else { continue };
        if let Some(requests) = resources.get_mut("requests").and_then(Value::as_object_mut) {
            requests.retain(|_, amount| !amount.is_null());
        }
        resources.retain(|_, list| list.as_object().is_none_or(|list| !list.is_empty()));
    }
}
