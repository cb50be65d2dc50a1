//! What a pod asks for as a whole: sums over its containers, QoS class.
//!
//! Works on the JSON of a pod spec. Amounts that do not parse count as absent: validation has refused them before.
//!
//! Source: kubernetes v1.36, `staging/src/k8s.io/component-helpers/resource/helpers.go`.

use super::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// Amounts by resource name.
pub type ResourceList = BTreeMap<String, Quantity>;

/// What the containers of a pod spec request together. Init containers run before the others, sidecars beside them.
pub fn container_requests(spec: &Value) -> ResourceList {
    aggregate(spec, "requests")
}

/// The limits of the containers of a pod spec together; a resource counts as soon as one container limits it.
pub fn container_limits(spec: &Value) -> ResourceList {
    aggregate(spec, "limits")
}

fn aggregate(spec: &Value, list: &str) -> ResourceList {
    let mut sum = ResourceList::new();
    for container in containers(spec, "containers") {
        add(&mut sum, &amounts(container, list));
    }
    let (mut sidecars, mut peak) = (ResourceList::new(), ResourceList::new());
    for container in containers(spec, "initContainers") {
        let mut own = amounts(container, list);
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            add(&mut sum, &own);
            add(&mut sidecars, &own);
            own = sidecars.clone();
        } else {
            add(&mut own, &sidecars);
        }
        raise(&mut peak, own);
    }
    raise(&mut sum, peak);
    sum
}

fn containers<'a>(spec: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    spec.get(list).and_then(Value::as_array).into_iter().flatten()
}

fn amounts(container: &Value, list: &str) -> ResourceList {
    read(container.get("resources").and_then(|resources| resources.get(list)))
}

/// Reads a `ResourceList`.
fn read(list: Option<&Value>) -> ResourceList {
    let entries = list.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), amount(value)?))).collect()
}

fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}

fn add(sum: &mut ResourceList, more: &ResourceList) {
    for (name, quantity) in more {
        match sum.get_mut(name) {
            Some(own) => *own += quantity,
            None => {
                sum.insert(name.clone(), quantity.clone());
            }
        }
    }
}

fn raise(list: &mut ResourceList, to: ResourceList) {
    for (name, quantity) in to {
        if list.get(&name).is_none_or(|own| *own < quantity) {
            list.insert(name, quantity);
        }
    }
}
