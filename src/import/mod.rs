//! Other people's recordings as scenes: dumps of live clusters, rendered charts, SimKube's traces, KWOK's stages.
//!
//! Reading order: [`read`] (files into documents), [`clean`] (what of a dump a scene can begin with), [`trace`] and [`stages`] (what other
//! simulators say), [`text`] (the scene as RON), [`lost`] (what of a
//! status is not given back). What is left out is told with its reason, never dropped in silence.

pub mod clean;
pub mod configuration;
pub mod lost;
pub mod read;
pub mod stages;
pub mod text;
pub mod trace;

use serde_json::Value;
use std::collections::BTreeMap;

/// What an import has come to so far.
#[derive(Debug, Default)]
pub struct Draft {
    /// What it was made from, as named by the person.
    pub sources: Vec<String>,
    /// Objects of time zero, owners before what they own.
    pub objects: Vec<Value>,
    /// What happens later.
    pub script: Vec<(u64, Happening)>,
    /// Programs by image.
    pub programs: BTreeMap<String, Program>,
    /// How long the containers of Jobs run. Unit: milliseconds.
    pub job_runs_for_ms: Option<u64>,
    /// From the binding of a pod until it runs. Unit: milliseconds.
    pub start_ms: Option<u64>,
    /// The moment of time zero. Unit: Unix seconds.
    pub epoch_unix_s: Option<i64>,
    /// How long the run lasts. Unit: seconds.
    pub duration_s: u64,
    /// What is left out, and why.
    pub left_out: LeftOut,
}

/// What a container does, where it is not what every container does. Unit: milliseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// It exits with 0 after this.
    pub runs_for_ms: Option<u64>,
    /// It exits this long after it was asked to.
    pub exits_after_ms: Option<u64>,
}

/// Something that happens during the run.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// Objects are created or changed.
    Apply(Vec<Value>),
    /// An object is deleted; as targets are written.
    Delete(String),
}

/// What an import leaves out: names by reason.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LeftOut(BTreeMap<String, Vec<String>>);

/// Names told of one reason; the rest is a number.
const NAMES_TOLD: usize = 5;

impl LeftOut {
    /// Notes something with its reason.
    pub fn note(&mut self, why: impl Into<String>, what: impl Into<String>) {
        self.0.entry(why.into()).or_default().push(what.into());
    }

    /// One sentence for each reason, sorted.
    pub fn lines(&self) -> Vec<String> {
        let line = |(why, names): (&String, &Vec<String>)| {
            let told: Vec<&str> = names.iter().take(NAMES_TOLD).map(String::as_str).collect();
            let more = names.len() - told.len();
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{why}: {}{rest}", told.join(", "))
        };
        self.0.iter().map(line).collect()
    }
}

/// The text at a pointer; empty when there is none.
pub(crate) fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// `kind/namespace/name` as targets of scripts are written, and as people read it.
pub(crate) fn target(object: &Value) -> String {
    let (kind, name, namespace) =
        (text_at(object, "/kind").to_lowercase(), text_at(object, "/metadata/name"), text_at(object, "/metadata/namespace"));
    if namespace.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{namespace}/{name}") }
}

/// Pod specs of an object: its own, or that of its template.
pub(crate) const POD_SPECS: [&str; 3] = ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];

/// The pod spec of an object, if it has one.
pub(crate) fn pod_spec(object: &Value) -> Option<&Value> {
    POD_SPECS.iter().filter_map(|at| object.pointer(at)).find(|spec| spec.get("containers").is_some())
}

/// Images of the app containers of an object's pods.
pub(crate) fn images(object: &Value) -> impl Iterator<Item = &str> {
    let containers = pod_spec(object).and_then(|spec| spec.get("containers")).and_then(Value::as_array);
    containers.into_iter().flatten().filter_map(|container| container.get("image")?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_told_once_for_each_reason() {
        let mut left_out = LeftOut::default();
        (0..7).for_each(|number| left_out.note("they are computed", format!("event/e-{number}")));
        left_out.note("a secret", "secret/s");
        let want = ["a secret: secret/s", "they are computed: event/e-0, event/e-1, event/e-2, event/e-3, event/e-4 and 2 more"];
        assert_eq!(left_out.lines(), want);
    }
}
