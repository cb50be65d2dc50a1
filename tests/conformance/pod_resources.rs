//! What pods ask for as a whole.

use crate::row::{Check, Functions};
use serde_json::{Map, Value, json};
use wavetank_engine::model::pod_resources::{
    ResourceList, oom_score_adjustment, pod_limits, pod_requests, qos_class, requests_without_overhead,
};

pub(crate) const FUNCTIONS: Functions = &[("pod_resources", Check::Answer(pod_resources))];

fn pod_resources(input: &Value) -> Result<Value, String> {
    let spec = input.get("pod_spec").ok_or("no pod_spec")?;
    let memory_bytes = input["node_memory_capacity_bytes"].as_i64().ok_or("no node_memory_capacity_bytes")?;
    let containers = ["containers", "initContainers"].iter().filter_map(|list| spec.get(list)?.as_array()).flatten();
    let scores: Map<String, Value> = containers
        .map(|container| {
            (container["name"].as_str().unwrap_or_default().to_owned(), oom_score_adjustment(spec, container, memory_bytes).into())
        })
        .collect();
    // The pod's own requests set aside, overhead included.
    let mut without_own = spec.clone();
    without_own.as_object_mut().ok_or("pod_spec is no object")?.shift_remove("resources");
    Ok(json!({
        "limits": shown(pod_limits(spec)),
        "oom_score_adj": scores,
        "qos_class": format!("{:?}", qos_class(spec)),
        "requests": shown(pod_requests(spec)),
        "requests_ignoring_pod_level": shown(pod_requests(&without_own)),
        "requests_without_overhead": shown(requests_without_overhead(spec)),
    }))
}

fn shown(list: ResourceList) -> Value {
    Value::Object(list.into_iter().map(|(name, quantity)| (name, quantity.to_string().into())).collect())
}
