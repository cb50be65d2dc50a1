//! PodDisruptionBudgets: one sync.

use crate::row::{Check, Functions};
use serde_json::{Map, Value, json};
use wavetank_engine::api::json_in::Tables;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::disruption::PodDisruptionBudgetStatus;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::SimTime;
use wavetank_systems::lifecycle::disruption::budget::{PodFacts, Scale, judge};
use wavetank_systems::lifecycle::disruption::{failed_status, no_match, updated};

pub(crate) const FUNCTIONS: Functions = &[("sync_pdb", Check::Answer(sync))];

const NOW: SimTime = SimTime::from_secs(1_000_000_000);

fn sync(input: &Value) -> Result<Value, String> {
    let (mut names, mut labels, mut selectors) = (Names::new(), LabelSets::default(), Selectors::default());
    let (mut classes, mut kinds) = (Classes::default(), Kinds::default());
    let mut spec = Map::new();
    for (name, field) in [("min_available", "minAvailable"), ("max_unavailable", "maxUnavailable")] {
        if !input[name].is_null() {
            spec.insert(field.into(), input[name].clone());
        }
    }
    let mut tables = Tables {
        names: &mut names,
        labels: &mut labels,
        selectors: &mut selectors,
        classes: &mut classes,
        kinds: &mut kinds,
        epoch_unix_s: 0,
    };
    let budget = tables.disruption_budget(&Value::Object(spec));
    let rows = input["pods"].as_array().ok_or("no pods")?;
    let (mut pods, mut status) = (Vec::new(), PodDisruptionBudgetStatus::default());
    for row in rows {
        let name = names.name(row["name"].as_str().ok_or("no name")?);
        if let Some(age) = row["disrupted_age_s"].as_u64() {
            status.disrupted_pods.push((name, SimTime::from_secs(1_000_000_000 - age)));
        }
        pods.push(PodFacts { name, deleting: row["deleting"] == true, ready: row["ready"] == true });
    }
    let sets = input["replica_sets"].as_array().ok_or("no replica_sets")?;
    let mut scale = |at: usize| match rows[at]["owner"].as_str() {
        None => Ok(Scale::Unmanaged),
        Some("unknown-kind") => Err(no_match("Foo", "apps/v1")),
        Some(owner) => {
            let set = sets.iter().position(|set| set["name"] == owner).ok_or(format!("no {owner}"))?;
            Ok(Scale::Of(Uid(set as u64 + 1), sets[set]["replicas"].as_i64().unwrap_or(0) as i32))
        }
    };
    let words = ["DisruptionAllowed", "SufficientPods", "InsufficientPods", "SyncFailed"].map(|text| names.sym(text));
    let new = match judge(&budget, &status, &pods, &mut scale, NOW) {
        Ok(judged) => updated(&status, judged, 1, (words[0], words[1], words[2]), NOW),
        Err(error) => failed_status(&status, (words[0], words[3], names.sym(&error)), NOW),
    };
    let text = |sym: Sym| names.text(sym);
    let conditions: Vec<Value> = new
        .conditions
        .iter()
        .map(|c| json!({"type": text(c.kind), "status": c.status.text(), "reason": text(c.reason), "message": text(c.message)}))
        .collect();
    Ok(json!({
        "disruptions_allowed": new.disruptions_allowed, "current_healthy": new.current_healthy, "desired_healthy": new.desired_healthy,
        "expected_pods": new.expected_pods, "conditions": conditions, "error": null,
        "disrupted_pods_after": new.disrupted_pods.iter().map(|pod| names.render(pod.0)).collect::<Vec<_>>(),
    }))
}
