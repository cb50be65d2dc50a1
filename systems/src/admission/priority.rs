//! Priority: a pod's priority and preemption policy are those of its PriorityClass.
//!
//! Source: kubernetes v1.36, `plugin/pkg/admission/priority/admission.go`; `spec/lifecycle.md` §10.
//!
//! Choice: the two built-in classes act without being stored.

use bevy_ecs::resource::Resource;
use serde_json::{Value, json};
use wavetank_engine::api::admit::AdmitCx;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::request::{NewObject, Refusal};
use wavetank_engine::api::state::StateValue;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::opaque::Opaque;
use wavetank_engine::model::pod_class::{ClassId, Classes};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::simulation::Simulation;

/// Classes that every cluster has.
const BUILT_IN: &[(&str, i64)] = &[("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];
/// Highest value of a class of a user's own.
const USER_MAX: i64 = 1_000_000_000;
/// `preemptionPolicy` of a class and of a pod that do not say.
const PREEMPTS: &str = "PreemptLowerPriority";

/// Pod classes with their priority filled in, by those without; forgotten when any PriorityClass changes. ECS resource.
#[derive(Debug, Default, Resource)]
struct Filled(LookupMap<ClassId, ClassId>);

/// What a PriorityClass says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Name; empty for none.
    pub name: String,
    /// `value`.
    pub value: i64,
    /// `preemptionPolicy`.
    pub policy: String,
}

/// Registers the plugin.
pub fn install(sim: &mut Simulation) {
    sim.resource(Filled::default());
    sim.admit(Some(admit), Some(admit_update), Some(admit_delete));
}

fn admit(cx: &mut AdmitCx, new: &mut NewObject) -> Result<(), Refusal> {
    if new.meta.kind == Kind::Pod {
        return admit_pod(cx, new);
    }
    if is_class(cx, new.meta.kind) { admit_class(cx, new) } else { Ok(()) }
}

fn admit_pod(cx: &mut AdmitCx, new: &mut NewObject) -> Result<(), Refusal> {
    for state in &mut new.states {
        let StateValue::Pod(pod) = state else { continue };
        if let Some(&filled) = cx.resource::<Filled>().0.get(&pod.class) {
            pod.class = filled;
            continue;
        }
        let spec = cx.resource::<Classes>().get(pod.class).raw.value().clone();
        let spec = prioritized(&spec, |name| find(cx, name), default_class(cx)).map_err(|why| {
            let names = cx.resource::<Names>();
            let base = names.text(new.meta.generate_name);
            let name = if base.is_empty() { names.render(new.meta.name) } else { base.to_string() };
            Refusal::forbidden(format!("pods \"{name}\" is forbidden: {why}"))
        })?;
        let filled = cx.class_of(&spec);
        cx.resource_mut::<Filled>().0.insert(pod.class, filled);
        pod.class = filled;
    }
    Ok(())
}

/// A pod's spec with what its class says. `find`: the class with a name. `default`: the one for pods that name none.
///
/// # Errors
/// The plugin's message when the class is not there, or when the spec says otherwise.
pub fn prioritized(spec: &Value, find: impl Fn(&str) -> Option<Class>, default: Option<Class>) -> Result<Value, String> {
    let named = spec.get("priorityClassName").and_then(Value::as_str).unwrap_or("");
    let class = match named {
        "" => default.unwrap_or(Class { name: String::new(), value: 0, policy: PREEMPTS.into() }),
        name => find(name).ok_or_else(|| format!("no PriorityClass with name {name} was found"))?,
    };
    let differs = |what: &str, field: &str, given: &dyn std::fmt::Display, ours: &dyn std::fmt::Display| {
        format!(
            "the {what} value of {field} ({given}) must not be provided in pod spec; priority admission controller computed {ours} from the given PriorityClass name"
        )
    };
    if let Some(given) = spec.get("priority").and_then(Value::as_i64).filter(|&given| given != class.value) {
        return Err(differs("integer", "priority", &given, &class.value));
    }
    if let Some(given) = spec.get("preemptionPolicy").and_then(Value::as_str).filter(|&given| given != class.policy) {
        return Err(differs("string", "PreemptionPolicy", &given, &class.policy));
    }
    let mut spec = spec.clone();
    spec["priority"] = json!(class.value);
    spec["preemptionPolicy"] = json!(class.policy);
    if !class.name.is_empty() {
        spec["priorityClassName"] = json!(class.name);
    }
    Ok(spec)
}

/// A new PriorityClass. Source: `pkg/apis/scheduling/validation/validation.go`.
fn admit_class(cx: &mut AdmitCx, new: &NewObject) -> Result<(), Refusal> {
    let name = cx.resource::<Names>().render(new.meta.name);
    let body = new.states.iter().find_map(|state| match state {
        StateValue::Opaque(opaque) => Some(opaque.body.value()),
        _ => None,
    });
    let value = body.and_then(|body| body.get("value")).and_then(Value::as_i64).unwrap_or(0);
    let invalid = |field: &str, found: &str, why: String| {
        Refusal::invalid(format!("PriorityClass.scheduling.k8s.io \"{name}\" is invalid: {field}: {found}{why}"))
    };
    if name.starts_with("system-") {
        return Err(invalid("metadata.name", "Forbidden: ", "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known system priority class".replace("{name}", &name)));
    }
    if value > USER_MAX {
        return Err(invalid("value", "Forbidden: ", format!("maximum allowed value of a user defined priority is {USER_MAX}")));
    }
    if body.is_some_and(|body| body.get("globalDefault") == Some(&Value::Bool(true)))
        && let Some(other) = default_class(cx)
    {
        let why = format!("PriorityClass {} is already marked as default. Only one default can exist", other.name);
        return Err(Refusal::forbidden(format!("priorityclasses.scheduling.k8s.io \"{name}\" is forbidden: {why}")));
    }
    forget(cx);
    Ok(())
}

fn admit_update(cx: &mut AdmitCx, object: ObjRef, _: &[StateValue]) -> Result<(), Refusal> {
    forget_for(cx, object);
    Ok(())
}

fn admit_delete(cx: &mut AdmitCx, object: ObjRef) -> Result<(), Refusal> {
    forget_for(cx, object);
    Ok(())
}

fn forget_for(cx: &mut AdmitCx, object: ObjRef) {
    let kind = cx.resource::<Objects>().row(object).map(|row| row.key.kind);
    if kind.is_some_and(|kind| is_class(cx, kind)) {
        forget(cx);
    }
}

fn forget(cx: &mut AdmitCx) {
    cx.resource_mut::<Filled>().0.clear();
}

fn is_class(cx: &AdmitCx, kind: Kind) -> bool {
    matches!(kind, Kind::Other(_)) && cx.resource::<Kinds>().find("PriorityClass") == Some(kind)
}

/// The class with a name.
fn find(cx: &AdmitCx, name: &str) -> Option<Class> {
    if let Some(&(name, value)) = BUILT_IN.iter().find(|class| class.0 == name) {
        return Some(Class { name: name.into(), value, policy: PREEMPTS.into() });
    }
    let kind = cx.resource::<Kinds>().find("PriorityClass")?;
    let key = ObjectKey { kind, namespace: Sym::EMPTY, name: cx.resource::<Names>().find_name(name)? };
    read(cx, cx.resource::<Objects>().by_key(key)?)
}

/// The class for pods that name none: of several that are marked so, the one with the lowest value.
fn default_class(cx: &AdmitCx) -> Option<Class> {
    let kind = cx.resource::<Kinds>().find("PriorityClass")?;
    let objects = cx.resource::<Objects>();
    let living = objects.of_kind(kind).filter(|row| objects.lives(row.object.uid)).map(|row| row.object);
    let is_default = |&object: &ObjRef| {
        let body = cx.state::<Opaque>(object).map(|opaque| opaque.body.value());
        body.is_some_and(|body| body.get("globalDefault") == Some(&Value::Bool(true)))
    };
    living.filter(is_default).filter_map(|object| read(cx, object)).min_by_key(|class| class.value)
}

fn read(cx: &AdmitCx, object: ObjRef) -> Option<Class> {
    let row = cx.resource::<Objects>().row(object)?;
    let name = cx.resource::<Names>().render(row.key.name);
    let body = cx.state::<Opaque>(object)?.body.value();
    let policy = body.get("preemptionPolicy").and_then(Value::as_str).unwrap_or(PREEMPTS);
    Some(Class { name, value: body.get("value").and_then(Value::as_i64).unwrap_or(0), policy: policy.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let class = |name: &str, value, policy: &str| Class { name: name.into(), value, policy: policy.into() };
        let find = |name: &str| (name == "gold").then(|| class("gold", 10, "Never"));
        let default = || Some(class("plain", 5, PREEMPTS));
        let given = |spec: Value, default| {
            let spec = prioritized(&spec, find, default)?;
            Ok::<_, String>((spec["priority"].clone(), spec["preemptionPolicy"].clone(), spec["priorityClassName"].clone()))
        };
        for (spec, default, want) in [
            (json!({}), None, Ok((json!(0), json!(PREEMPTS), Value::Null))),
            (json!({}), default(), Ok((json!(5), json!(PREEMPTS), json!("plain")))),
            (json!({"priorityClassName": "gold"}), default(), Ok((json!(10), json!("Never"), json!("gold")))),
            (json!({"priorityClassName": "lead"}), None, Err("no PriorityClass with name lead was found".to_string())),
            (
                json!({"priority": 5}),
                None,
                Err("the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name".to_string()),
            ),
            (
                json!({"priorityClassName": "gold", "preemptionPolicy": PREEMPTS}),
                None,
                Err("the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name".to_string()),
            ),
        ] {
            assert_eq!(given(spec.clone(), default), want, "{spec}");
        }
    }
}
