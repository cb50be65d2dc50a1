//! DefaultTolerationSeconds: pods tolerate not-ready and unreachable nodes for 300 s unless they say otherwise.
//!
//! Source: kubernetes v1.36, `plugin/pkg/admission/defaulttolerationseconds/admission.go`, `Admit`; `spec/lifecycle.md` §12.

use bevy_ecs::resource::Resource;
use serde_json::{Value, json};
use wavetank_engine::api::admit::AdmitCx;
use wavetank_engine::api::request::{NewObject, Refusal};
use wavetank_engine::api::state::StateValue;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::Kind;
use wavetank_engine::model::pod_class::{ClassId, Classes};
use wavetank_engine::simulation::Simulation;

/// How long a pod tolerates its node's silence. Unit: seconds.
pub const TOLERATION_SECONDS: i64 = 300;

/// The class with the tolerations added, by the class without. ECS resource; it follows from the classes.
#[derive(Debug, Default, Resource)]
pub struct Tolerant(LookupMap<ClassId, ClassId>);

/// Registers the plugin.
pub fn install(sim: &mut Simulation) {
    sim.resource(Tolerant::default());
    sim.admit(Some(admit), None, None);
}

fn admit(cx: &mut AdmitCx, new: &mut NewObject) -> Result<(), Refusal> {
    if new.meta.kind != Kind::Pod {
        return Ok(());
    }
    for state in &mut new.states {
        let StateValue::Pod(pod) = state else { continue };
        pod.class = match cx.resource::<Tolerant>().0.get(&pod.class).copied() {
            Some(tolerant) => tolerant,
            None => {
                let spec = tolerating(cx.resource::<Classes>().get(pod.class).raw.value());
                let tolerant = cx.class_of(&spec);
                cx.resource_mut::<Tolerant>().0.insert(pod.class, tolerant);
                tolerant
            }
        };
    }
    Ok(())
}

/// The spec with the tolerations that it lacks.
pub fn tolerating(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let given: Vec<Value> = spec.get("tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut tolerations = given.clone();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let text = |toleration: &Value, field: &str| toleration.get(field).and_then(Value::as_str).unwrap_or("").to_string();
        let covered = given.iter().any(|toleration| {
            (text(toleration, "key") == key || text(toleration, "key").is_empty())
                && matches!(text(toleration, "effect").as_str(), "NoExecute" | "")
        });
        if !covered {
            tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS}));
        }
    }
    spec["tolerations"] = tolerations.into();
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_added() {
        let added = |tolerations: Value| tolerating(&json!({"tolerations": tolerations}))["tolerations"].as_array().unwrap().len();
        assert_eq!(added(json!([])), 2);
        assert_eq!(added(json!([{"operator": "Exists"}])), 1, "an empty key covers both");
        assert_eq!(added(json!([{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}])), 2);
        assert_eq!(added(json!([{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule"}])), 3);
    }
}
