//! What a pod asks for as a whole: sums over its containers, QoS class, how soon it dies when memory runs out.
//!
//! Works on the JSON of a pod spec. Amounts that do not parse count as absent: validation has refused them before.
//!
//! Source: kubernetes v1.36, `staging/src/k8s.io/component-helpers/resource/helpers.go`,
//! `pkg/apis/core/v1/helper/qos/qos.go`, `pkg/kubelet/qos/policy.go`.

use super::pod_class::Qos;
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

/// What a pod requests: the containers' sum, replaced by what the pod as a whole requests, plus overhead.
pub fn pod_requests(spec: &Value) -> ResourceList {
    let mut requests = requests_without_overhead(spec);
    add(&mut requests, &read(spec.get("overhead")));
    requests
}

/// [`pod_requests`] without the overhead of its runtime.
pub fn requests_without_overhead(spec: &Value) -> ResourceList {
    let mut requests = container_requests(spec);
    requests.extend(pod_level(spec, "requests"));
    requests
}

/// The limits of a pod: the containers' sum, replaced by the pod's own. Overhead counts where there is a limit.
pub fn pod_limits(spec: &Value) -> ResourceList {
    let mut limits = container_limits(spec);
    limits.extend(pod_level(spec, "limits"));
    for (name, quantity) in read(spec.get("overhead")) {
        if let Some(limit) = limits.get_mut(&name).filter(|limit| !limit.is_zero()) {
            *limit += &quantity;
        }
    }
    limits
}

/// What a pod as a whole may ask for: CPU, memory and huge pages.
pub fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

fn pod_level(spec: &Value, list: &str) -> ResourceList {
    let mut own = amounts(spec, list);
    own.retain(|name, _| is_pod_level(name));
    own
}

/// The quality of service class of a pod spec. Only CPU and memory count, and only where they are not zero.
pub fn qos_class(spec: &Value) -> Qos {
    let wholes: Vec<&Value> = match spec.get("resources") {
        Some(resources) if !resources.is_null() => vec![spec],
        _ => containers(spec, "containers").chain(containers(spec, "initContainers")).collect(),
    };
    let (mut requests, mut limits, mut limited) = (ResourceList::new(), ResourceList::new(), true);
    for whole in &wholes {
        let own = compute(whole, "limits");
        // A pod without limits of its own is judged by the comparison below.
        let judged = !std::ptr::eq(*whole, spec) || !amounts(spec, "limits").is_empty();
        limited &= !judged || own.len() == 2;
        add(&mut limits, &own);
        add(&mut requests, &compute(whole, "requests"));
    }
    if requests.is_empty() && limits.is_empty() {
        Qos::BestEffort
    } else if limited && requests == limits {
        Qos::Guaranteed
    } else {
        Qos::Burstable
    }
}

/// CPU and memory that are greater than zero.
fn compute(whole: &Value, list: &str) -> ResourceList {
    let mut own = amounts(whole, list);
    own.retain(|name, quantity| matches!(name.as_str(), "cpu" | "memory") && quantity.sign() == 1);
    own
}

/// The score of guaranteed and node-critical pods: almost the last to die.
const OOM_SCORE_GUARANTEED: i64 = -997;
/// The score of best-effort pods: the first to die.
const OOM_SCORE_BEST_EFFORT: i64 = 1000;
/// Pods of this priority or higher are critical.
const SYSTEM_CRITICAL_PRIORITY: i64 = 2_000_000_000;

/// What the kubelet adds to the kernel's out-of-memory score of a container: the higher, the sooner it is killed.
///
/// `container` is one of `spec`'s containers or init containers. Unit of the node's memory: bytes, greater than zero.
pub fn oom_score_adjustment(spec: &Value, container: &Value, node_memory_bytes: i64) -> i64 {
    let critical = spec.get("priority").and_then(Value::as_i64).is_some_and(|priority| priority >= SYSTEM_CRITICAL_PRIORITY);
    if critical && spec.get("priorityClassName").and_then(Value::as_str) == Some("system-node-critical") {
        return OOM_SCORE_GUARANTEED;
    }
    match qos_class(spec) {
        Qos::Guaranteed => return OOM_SCORE_GUARANTEED,
        Qos::BestEffort => return OOM_SCORE_BEST_EFFORT,
        Qos::Burstable => {}
    }
    // What the pod requests beyond its containers belongs to all of them alike.
    let share = if pod_level(spec, "requests").is_empty() { 0 } else { spare_memory_bytes(spec) };
    let score = |bytes: i64| 1000 - (1000 * (bytes + share)) / node_memory_bytes;
    let mut adjustment = score(memory_bytes(container));
    if is_sidecar(spec, container) {
        let least = containers(spec, "containers").map(memory_bytes).min().unwrap_or_default();
        adjustment = adjustment.min(score(least));
    }
    adjustment.max(1000 + OOM_SCORE_GUARANTEED) - i64::from(adjustment == OOM_SCORE_BEST_EFFORT)
}

fn memory_bytes(container: &Value) -> i64 {
    amounts(container, "requests").get("memory").map(Quantity::value).unwrap_or_default()
}

/// Memory that the pod requests and its containers do not, for each container.
fn spare_memory_bytes(spec: &Value) -> i64 {
    let Some(own) = amounts(spec, "requests").remove("memory").filter(|own| !own.is_zero()) else { return 0 };
    let taken = container_requests(spec).get("memory").map(Quantity::value).unwrap_or_default();
    let count = containers(spec, "containers").chain(containers(spec, "initContainers")).count();
    i64::try_from(count).ok().filter(|count| *count > 0).map_or(0, |count| (own.value() - taken) / count)
}

fn is_sidecar(spec: &Value, container: &Value) -> bool {
    container.get("restartPolicy").and_then(Value::as_str) == Some("Always")
        && containers(spec, "initContainers").any(|init| init.get("name") == container.get("name"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(list: ResourceList) -> String {
        list.iter().map(|(name, quantity)| format!("{name}={quantity}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sidecars_run_beside_init_containers_before() {
        let container = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let sidecar = json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}});
        let rows = [
            (json!({"containers": [container("1"), container("2")]}), "cpu=3"),
            (json!({"initContainers": [container("5")], "containers": [container("1")]}), "cpu=5"),
            (json!({"initContainers": [sidecar, container("5")], "containers": [container("1")]}), "cpu=6"),
            (json!({"initContainers": [sidecar], "containers": [container("1")], "overhead": {"cpu": "10m"}}), "cpu=2010m"),
            (json!({"containers": [container("1")], "resources": {"requests": {"cpu": "4", "memory": "1Gi"}}}), "cpu=4 memory=1Gi"),
        ];
        for (spec, want) in rows {
            assert_eq!(shown(pod_requests(&spec)), want, "spec {spec}");
        }
    }

    #[test]
    fn qos_table() {
        let both = json!({"cpu": "1", "memory": "1Gi"});
        let rows = [
            (json!({}), Qos::BestEffort),
            (json!({"requests": {"cpu": "0"}}), Qos::BestEffort),
            (json!({"requests": {"cpu": "1"}}), Qos::Burstable),
            (json!({"requests": both, "limits": both}), Qos::Guaranteed),
            (json!({"requests": {"cpu": "1"}, "limits": both}), Qos::Burstable),
        ];
        for (resources, want) in rows {
            assert_eq!(qos_class(&json!({"containers": [{"resources": resources}]})), want, "container {resources}");
        }
    }
}
