//! Proposals and normalisation of the horizontal pod autoscaler.

use crate::row::{Check, Functions};
use serde_json::{Map, Value, json};
use wavetank_engine::api::defaults::apply_defaults;
use wavetank_engine::model::meta::ConditionStatus;
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_systems::autoscaling::horizontal::behavior::{Behavior, PolicyUnit, ScalingRules, SelectPolicy};
use wavetank_systems::autoscaling::horizontal::normalize::{Because, Normalized, Normalizer, Unruled, Wish};
use wavetank_systems::autoscaling::horizontal::pods::{PodFacts, Readiness, Ready, Sample, request_milli};
use wavetank_systems::autoscaling::horizontal::proposal::{
    NoProposal, Proposal, Question, Tolerances, propose_average, propose_utilization, propose_value, propose_value_per_pod, sum_of_series,
};

pub(crate) const FUNCTIONS: Functions = &[
    ("GetResourceReplicas", Check::Answer(resource_utilization)),
    ("GetRawResourceReplicas", Check::Answer(average)),
    ("GetMetricReplicas", Check::Answer(average)),
    ("GetObjectMetricReplicas", Check::Answer(object_value)),
    ("GetObjectPerPodMetricReplicas", Check::Answer(object_value_per_pod)),
    ("GetExternalMetricReplicas", Check::Answer(external_value)),
    ("GetExternalPerPodMetricReplicas", Check::Answer(external_value_per_pod)),
    ("normalize_series", Check::Answer(normalize_series)),
];

/// The present moment of a row, far enough from the epoch for every age.
const NOW_S: u64 = 1_000_000_000;

/// The rows were recorded in the test binary of the original's package, whose `init` (`horizontal_test.go`) sets
/// `scaleUpLimitFactor` to 8 instead of 2.
const RECORDED_SCALE_UP_FACTOR: i32 = 8;

fn integer(value: &Value, name: &str) -> Result<i64, String> {
    value[name].as_i64().ok_or_else(|| format!("{name} is no integer"))
}

fn number(value: &Value, name: &str) -> Result<f64, String> {
    value[name].as_f64().ok_or_else(|| format!("{name} is no number"))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value[name].as_str().ok_or_else(|| format!("{name} is no text"))
}

fn small(value: &Value, name: &str) -> Result<i32, String> {
    i32::try_from(integer(value, name)?).map_err(|error| error.to_string())
}

fn seconds(value: &Value, name: &str) -> Result<SimDuration, String> {
    Ok(SimDuration::from_secs(u64::try_from(integer(value, name)?).map_err(|error| error.to_string())?))
}

/// The moment that lies the named age before the present.
fn ago(value: &Value, name: &str) -> Result<SimTime, String> {
    let age = u64::try_from(integer(value, name)?).map_err(|error| error.to_string())?;
    Ok(SimTime::from_secs(NOW_S.checked_sub(age).ok_or("too long ago")?))
}

fn tolerances(input: &Value) -> Result<Tolerances, String> {
    Ok(Tolerances { down: number(input, "tolerance_down")?, up: number(input, "tolerance_up")? })
}

fn pod(pod: &Value, resource: &str) -> Result<PodFacts, String> {
    let phase = match text(pod, "phase")? {
        "Pending" => PodPhase::Pending,
        "Running" => PodPhase::Running,
        "Succeeded" => PodPhase::Succeeded,
        "Failed" => PodPhase::Failed,
        other => return Err(format!("phase {other}")),
    };
    let ready = match text(pod, "ready_condition")? {
        "absent" => None,
        "True" => Some(ConditionStatus::True),
        "False" => Some(ConditionStatus::False),
        "Unknown" => Some(ConditionStatus::Unknown),
        other => return Err(format!("ready_condition {other}")),
    };
    let sample = match &pod["metric"] {
        Value::Null => None,
        metric => {
            Some(Sample { value_milli: integer(metric, "value_milli")?, at: ago(metric, "age_s")?, window: seconds(metric, "window_s")? })
        }
    };
    let requests = pod["container_requests_milli"].as_array().ok_or("no container_requests_milli")?;
    let requests = requests.iter().map(|request| request.as_i64().ok_or("a request is no integer")).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = (0..requests.len()).map(|index| format!("c{index}")).collect();
    let containers = names.iter().zip(&requests).map(|(name, &request)| (name.as_str(), (request != -1).then_some(request)));
    Ok(PodFacts {
        phase,
        deleting: pod["deleting"].as_bool().ok_or("no deleting")?,
        started_at: if pod["start_age_s"].is_null() { None } else { Some(ago(pod, "start_age_s")?) },
        ready: ready.map(|status| Ok::<_, String>(Ready { status, transition_at: ago(pod, "ready_transition_age_s")? })).transpose()?,
        sample,
        request_milli: request_milli(resource, text(pod, "name")?, containers, None),
    })
}

/// Asks about the pods of a row.
fn with_question<T>(input: &Value, ask: impl FnOnce(&Question<'_>) -> Result<T, String>) -> Result<T, String> {
    let resource = input["resource"].as_str().unwrap_or_default();
    let pods = input["pods"].as_array().ok_or("no pods")?;
    let pods = pods.iter().map(|facts| pod(facts, resource)).collect::<Result<Vec<_>, _>>()?;
    let readiness = Readiness {
        cpu_initialization_period: seconds(input, "cpu_initialization_period_s")?,
        initial_delay: seconds(input, "initial_readiness_delay_s")?,
    };
    ask(&Question {
        pods: &pods,
        current_replicas: small(input, "current_replicas")?,
        tolerances: tolerances(input)?,
        is_cpu: resource == "cpu",
        readiness,
        now: SimTime::from_secs(NOW_S),
    })
}

fn resource_utilization(input: &Value) -> Result<Value, String> {
    let target = small(input, "target_utilization_pct")?;
    let proposal = with_question(input, |question| Ok(propose_utilization(question, target)))?;
    Ok(match proposal {
        Ok(Proposal { replicas, utilization_percent, average_milli }) => {
            json!({"error": null, "raw_avg_milli": average_milli, "replicas": replicas, "utilization_pct": utilization_percent})
        }
        Err(why) => json!({"error": why.to_string(), "raw_avg_milli": 0, "replicas": 0, "utilization_pct": 0}),
    })
}

fn usage_answer(proposal: Result<Proposal, NoProposal>) -> Value {
    match proposal {
        Ok(proposal) => json!({"error": null, "replicas": proposal.replicas, "usage_milli": proposal.average_milli}),
        Err(why) => json!({"error": why.to_string(), "replicas": 0, "usage_milli": 0}),
    }
}

fn average(input: &Value) -> Result<Value, String> {
    let target = integer(input, "target_average_milli")?;
    with_question(input, |question| Ok(usage_answer(propose_average(question, target))))
}

fn object_value(input: &Value) -> Result<Value, String> {
    let (value, target) = (integer(input, "object_value_milli")?, integer(input, "target_value_milli")?);
    with_question(input, |question| Ok(usage_answer(propose_value(question, value, target))))
}

fn external_value(input: &Value) -> Result<Value, String> {
    let (value, target) = (external(input)?, integer(input, "target_value_milli")?);
    with_question(input, |question| Ok(usage_answer(propose_value(question, value, target))))
}

fn object_value_per_pod(input: &Value) -> Result<Value, String> {
    value_per_pod(input, integer(input, "object_value_milli")?)
}

fn external_value_per_pod(input: &Value) -> Result<Value, String> {
    value_per_pod(input, external(input)?)
}

fn value_per_pod(input: &Value, value: i64) -> Result<Value, String> {
    let (replicas, target) = (small(input, "current_replicas")?, integer(input, "target_average_milli")?);
    Ok(usage_answer(Ok(propose_value_per_pod(replicas, tolerances(input)?, value, target))))
}

fn external(input: &Value) -> Result<i64, String> {
    let values = input["external_values_milli"].as_array().ok_or("no external_values_milli")?;
    let values = values.iter().map(|value| value.as_i64().ok_or("a value is no integer")).collect::<Result<Vec<_>, _>>()?;
    Ok(sum_of_series(values))
}

fn normalize_series(input: &Value) -> Result<Value, String> {
    let window = seconds(input, "downscale_stabilization_window_s")?;
    let behavior = behavior(&input["behavior_as_written"], window)?;
    let unruled = Unruled { downscale_stabilization: window, scale_up_factor: RECORDED_SCALE_UP_FACTOR };
    let mut normalizer = Normalizer::default();
    let mut current = small(input, "initial_replicas")?;
    let (min, max) = (small(input, "min_replicas")?, small(input, "max_replicas")?);
    normalizer.begin(current, SimTime::ZERO);
    let mut steps = Vec::new();
    for step in input["steps"].as_array().ok_or("no steps")? {
        let now = SimTime::ZERO + seconds(step, "t_s")?;
        let wish = Wish { current, proposed: small(step, "raw_recommendation")?, min, max };
        let normalized = match &behavior {
            Some(behavior) => normalizer.normalize_with_behavior(wish, behavior, now),
            None => normalizer.normalize(wish, unruled, now),
        };
        steps.push(json!({"conditions": conditions(&normalized), "current_before": current, "desired": normalized.desired}));
        if normalized.desired != current {
            normalizer.record_scale(behavior.as_ref(), current, normalized.desired, now);
            current = normalized.desired;
        }
    }
    let mut out = Map::from_iter([("steps".to_owned(), Value::from(steps))]);
    if let Some(Behavior { up, down }) = &behavior {
        out.insert("behavior_effective".to_owned(), json!({"scale_down": shown(down), "scale_up": shown(up)}));
    }
    Ok(Value::Object(out))
}

fn conditions(normalized: &Normalized) -> Value {
    let condition = |kind: &str, status: bool, Because { reason, message }: Because| json!({"message": message, "reason": reason, "status": if status { "True" } else { "False" }, "type": kind});
    json!([
        condition("AbleToScale", true, normalized.able_to_scale),
        condition("ScalingLimited", normalized.is_limited, normalized.scaling_limited)
    ])
}

/// The behavior of a row, through API defaulting.
fn behavior(written: &Value, window: SimDuration) -> Result<Option<Behavior>, String> {
    if written.is_null() {
        return Ok(None);
    }
    let mut behavior = Map::new();
    for (name, direction) in [("scaleUp", "scale_up"), ("scaleDown", "scale_down")] {
        if !written[direction].is_null() {
            behavior.insert(name.to_owned(), rules(&written[direction])?);
        }
    }
    let mut object = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": {"behavior": behavior}});
    apply_defaults(&mut object);
    Behavior::read(&object["spec"]["behavior"], window).map(Some).ok_or_else(|| format!("cannot read {object}"))
}

fn rules(written: &Value) -> Result<Value, String> {
    let mut rules = Map::new();
    for (name, field) in [("selectPolicy", "select_policy"), ("stabilizationWindowSeconds", "stabilization_window_s")] {
        if !written[field].is_null() {
            rules.insert(name.to_owned(), written[field].clone());
        }
    }
    if let Some(policies) = written["policies"].as_array() {
        let policy = |policy: &Value| json!({"type": policy["type"], "value": policy["value"], "periodSeconds": policy["period_s"]});
        rules.insert("policies".to_owned(), policies.iter().map(policy).collect());
    }
    Ok(Value::Object(rules))
}

fn shown(rules: &ScalingRules) -> Value {
    let policies = rules.policies.iter().map(|policy| {
        let unit = match policy.unit {
            PolicyUnit::Pods => "Pods",
            PolicyUnit::Percent => "Percent",
        };
        json!({"period_s": policy.period.as_secs(), "type": unit, "value": policy.value})
    });
    let select = match rules.select {
        SelectPolicy::Max => "Max",
        SelectPolicy::Min => "Min",
        SelectPolicy::Disabled => "Disabled",
    };
    json!({
        "policies": policies.collect::<Vec<_>>(),
        "select_policy": select,
        "stabilization_window_s": rules.stabilization_window.as_secs(),
    })
}
