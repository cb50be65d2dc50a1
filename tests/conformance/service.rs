//! Which endpoints a node's proxy uses.

use crate::row::{Check, Functions};
use serde_json::{Value, json};
use wavetank_systems::network::reach::{Candidate, Hint, Policies, categorize};

pub(crate) const FUNCTIONS: Functions = &[("CategorizeEndpoints", Check::Answer(endpoints))];

fn endpoints(input: &Value) -> Result<Value, String> {
    let rows = input["endpoints"].as_array().ok_or("no endpoints")?;
    let text = |name: &str| input[name].as_str().ok_or_else(|| format!("no {name}"));
    let (node, zone) = (text("node_name")?, text("node_zone")?);
    let candidates: Vec<Candidate> = rows
        .iter()
        .map(|row| Candidate {
            local: row["local"] == true,
            ready: row["ready"] == true,
            serving: row["serving"] == true,
            terminating: row["terminating"] == true,
            node_hint: hint(&row["node_hints"], node),
            zone_hint: hint(&row["zone_hints"], zone),
        })
        .collect();
    let policies = Policies {
        internal_local: input["internal_policy_local"] == true,
        external_local: input["external_policy_local"] == true,
        external: input["node_port"].as_i64().ok_or("no node_port")? != 0,
    };
    let reach = categorize(&candidates, policies);
    let shown = |places: Option<Vec<usize>>| {
        places.map(|places| {
            let mut names: Vec<&str> = places.into_iter().filter_map(|place| rows[place]["endpoint"].as_str()).collect();
            names.sort_unstable();
            names
        })
    };
    Ok(json!({"cluster": shown(reach.cluster), "local": shown(reach.local), "all_reachable": shown(reach.all), "has_any": reach.any}))
}

fn hint(hints: &Value, here: &str) -> Hint {
    match hints.as_array() {
        None => Hint::Absent,
        Some(hints) if hints.is_empty() => Hint::Absent,
        Some(hints) if hints.iter().any(|hint| hint == here) => Hint::Here,
        Some(_) => Hint::Elsewhere,
    }
}
