//! Scheduling policies that a scene chooses by name, and the workload that they may look at.
//!
//! What a name means is not known here: whoever loads a scene hands in a check ([`CheckPolicy`]) that knows.

use crate::scene::traces::Trace;
use crate::scene::tree_json::json_of;
use crate::source::{Problem, Problems, Severity, Tree, TreeValue};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Highest weight of a score. Source: kubernetes v1.36, `framework/runtime/framework.go`, `MaxTotalScore` leaves room for far more.
const WEIGHT_MAX: i64 = 1_000_000;

/// One policy, as a scene or the command line names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyChoice {
    /// Its name.
    pub name: String,
    /// What its scores are multiplied by.
    pub weight: i64,
    /// Its arguments; an empty object unless given.
    pub args: Value,
}

/// Says what is wrong with the name or the arguments of a policy.
pub type CheckPolicy = fn(&str, &Value) -> Result<(), String>;

/// The policies of a run, in the order in which they are asked. ECS resource.
#[derive(Debug, Clone, Default, PartialEq, Resource)]
pub struct Policies {
    /// Those chosen; empty: kube-scheduler's own plugins alone.
    pub chosen: Vec<PolicyChoice>,
    /// Pods of the scene's tables, for policies that ask what is to come. Only filled in when a policy is chosen.
    pub workload: Vec<WorkloadShape>,
}

/// Pods of tables that ask for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadShape {
    /// How many there are.
    pub pods: u64,
    /// CPU. Unit: milli-cores.
    pub cpu_millicores: i64,
    /// Memory. Unit: bytes.
    pub memory_bytes: i64,
    /// Number of GPUs.
    pub gpus: u64,
    /// Share of each. Unit: thousandths.
    pub gpu_milli: u64,
    /// Models of GPU that do; empty: any.
    pub models: Vec<String>,
}

impl PolicyChoice {
    /// Reads `NAME` or `NAME=WEIGHT`.
    ///
    /// # Errors
    /// A sentence when the weight is none.
    pub fn of_text(text: &str) -> Result<PolicyChoice, String> {
        let (name, weight) = text.split_once('=').map_or((text, None), |(name, weight)| (name, Some(weight)));
        let weight = match weight.map(str::parse::<i64>) {
            None => 1,
            Some(Ok(weight)) if (0..=WEIGHT_MAX).contains(&weight) => weight,
            Some(_) => return Err(format!("{text:?} is not NAME or NAME=WEIGHT with a whole number from 0 to {WEIGHT_MAX}")),
        };
        if name.is_empty() {
            return Err(format!("{text:?} names no policy"));
        }
        Ok(PolicyChoice { name: name.to_string(), weight, args: Value::Object(Default::default()) })
    }
}

/// Reads the field `policies`: `"NAME"`, `("NAME", WEIGHT)` or `Policy(name: "NAME", weight: WEIGHT, args: {...})` each.
pub(crate) fn read_policies(items: &[Tree], check: Option<CheckPolicy>, problems: &mut Problems) -> Vec<PolicyChoice> {
    let mut list: Vec<PolicyChoice> = Vec::new();
    for item in items {
        let Some(choice) = choice(item) else {
            let help = "write \"FGD\", (\"FGD\", 2), or Policy(name: \"CheckNodeLabelPresence\", args: {\"labels\": [\"ssd\"], \"presence\": true})";
            problems.push(Severity::Error, Problem::new(item.span, "this is no policy").with_help(help));
            continue;
        };
        if !(0..=WEIGHT_MAX).contains(&choice.weight) {
            problems.error(item.span, format!("policies: {}: the weight is a whole number from 0 to {WEIGHT_MAX}", choice.name));
        }
        if list.iter().any(|known| known.name == choice.name) {
            problems.error(item.span, format!("policies: {} is there twice", choice.name));
        }
        if let Some(Err(what)) = check.map(|check| check(&choice.name, &choice.args)) {
            problems.error(item.span, format!("policies: {what}"));
        }
        list.push(choice);
    }
    list
}

fn choice(item: &Tree) -> Option<PolicyChoice> {
    let none = || Value::Object(Default::default());
    match &item.value {
        TreeValue::String(name) => Some(PolicyChoice { name: name.clone(), weight: 1, args: none() }),
        TreeValue::Seq(_) => match json_of(item).as_array()?.as_slice() {
            [Value::String(name), weight] => Some(PolicyChoice { name: name.clone(), weight: weight.as_i64()?, args: none() }),
            _ => None,
        },
        TreeValue::Named(named) if named.name != "Policy" => None,
        TreeValue::Named(_) | TreeValue::Map(_) => {
            let json = json_of(item);
            let fields = json.as_object()?;
            if fields.keys().any(|key| !["name", "weight", "args"].contains(&key.as_str())) {
                return None;
            }
            let weight = fields.get("weight").map_or(Some(1), Value::as_i64)?;
            let args = fields.get("args").cloned().unwrap_or_else(none);
            Some(PolicyChoice { name: fields.get("name")?.as_str()?.to_string(), weight, args })
        }
        _ => None,
    }
}

impl Policies {
    /// The policies of a scene, with the workload of its tables if there are any policies.
    pub(crate) fn of(chosen: &[PolicyChoice], traces: &[Trace]) -> Policies {
        let mut counts: BTreeMap<(i64, i64, u64, u64, Vec<String>), u64> = BTreeMap::new();
        if !chosen.is_empty() {
            traces.iter().for_each(|trace| {
                trace.each_shape(|shape| {
                    *counts.entry(shape.demand()).or_insert(0) += 1;
                });
            });
        }
        let shape = |((cpu_millicores, memory_bytes, gpus, gpu_milli, models), pods)| WorkloadShape {
            pods,
            cpu_millicores,
            memory_bytes,
            gpus,
            gpu_milli,
            models,
        };
        Policies { chosen: chosen.to_vec(), workload: counts.into_iter().map(shape).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_on_the_command_line() {
        for (text, want) in [("FGD", Some(("FGD", 1))), ("FGD=20", Some(("FGD", 20))), ("FGD=x", None), ("=2", None), ("A=-1", None)] {
            let read = PolicyChoice::of_text(text);
            assert_eq!(read.as_ref().ok().map(|choice| (choice.name.as_str(), choice.weight)), want, "{text}");
        }
    }
}
