//! Zones of nodes, and how long pods bear taints.

use crate::row::{Check, Functions};
use serde_json::{Value, json};
use wavetank_engine::model::meta::ConditionStatus;
use wavetank_systems::nodes::taint_eviction::{Plan, shortest};
use wavetank_systems::nodes::zones::{Tally, ZonePolicy, ZoneState};

pub(crate) const FUNCTIONS: Functions =
    &[("ComputeZoneState", Check::Answer(zone)), ("getMinTolerationTime", Check::Answer(min_toleration))];

fn count(input: &Value, name: &str) -> Result<u32, String> {
    input[name].as_u64().and_then(|count| u32::try_from(count).ok()).ok_or_else(|| format!("{name} is no count"))
}

fn number(input: &Value, name: &str) -> Result<f64, String> {
    input[name].as_f64().ok_or_else(|| format!("{name} is no number"))
}

/// A rate per second in thousandths; an error when that does not say it exactly.
fn milli(input: &Value, name: &str) -> Result<u32, String> {
    let rate = number(input, name)?;
    let milli = (rate * 1000.0).round();
    if milli < 0.0 || milli / 1000.0 != rate {
        return Err(format!("{name} is no rate in thousandths"));
    }
    Ok(milli as u32)
}

fn zone(input: &Value) -> Result<Value, String> {
    let policy = ZonePolicy {
        rate_milli: milli(input, "eviction_qps")?,
        secondary_rate_milli: milli(input, "secondary_eviction_qps")?,
        large_above: count(input, "large_cluster_threshold")?,
        unhealthy_share: number(input, "unhealthy_zone_threshold")? as f32,
    };
    let mut tally = Tally::default();
    let unready = count(input, "not_ready_or_unknown_nodes")?;
    (0..count(input, "ready_nodes")?).for_each(|_| tally.add(Some(ConditionStatus::True)));
    (0..unready).for_each(|at| tally.add(Some(if at % 2 == 0 { ConditionStatus::False } else { ConditionStatus::Unknown })));
    (0..count(input, "nodes_without_ready_condition")?).for_each(|_| tally.add(None));
    let state = match policy.state(tally) {
        ZoneState::Normal => "Normal",
        ZoneState::Partial => "PartialDisruption",
        ZoneState::Full => "FullDisruption",
    };
    Ok(json!({
        "healthy_qps": f64::from(policy.healthy_rate_milli()) / 1000.0,
        "not_ready": tally.unready,
        "reduced_qps": f64::from(policy.reduced_rate_milli(count(input, "zone_size_for_rate")?)) / 1000.0,
        "state": state,
    }))
}

fn min_toleration(input: &Value) -> Result<Value, String> {
    let list = input["toleration_seconds_of_used"].as_array().ok_or("no toleration_seconds_of_used")?;
    let used = list.iter().map(|seconds| match seconds {
        Value::Null => Ok(None),
        seconds => seconds.as_i64().map(Some).ok_or_else(|| format!("{seconds} is no number of seconds")),
    });
    let used = used.collect::<Result<Vec<_>, String>>()?;
    let seconds = match shortest(&used) {
        Plan::Stay => -1,
        Plan::GoAfter(delay) => i64::try_from(delay.0 / 1_000_000_000).map_err(|error| error.to_string())?,
    };
    Ok(json!({ "min_s_minus1_is_forever": seconds }))
}
