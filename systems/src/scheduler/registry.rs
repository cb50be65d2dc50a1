//! Names of policies: those that are shipped, and those of programs that bring their own.
//!
//! A program adds its policies with [`register`] before it loads a scene. The list is one for the whole process, so that every command
//! that loads a scene knows them; it is kept by name and never shrinks.

use crate::scheduler::own::{Chosen, Kept, Own, Policy};
use crate::scheduler::policies::SHIPPED;
use crate::scheduler::profile::Profile;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use wavetank_engine::scene::policies::{Policies, PolicyChoice, WorkloadShape};
use wavetank_engine::source::error::nearest;

/// The name that stands for kube-scheduler's own score plugins: they are left out when a policy that scores is chosen, unless this is
/// chosen too.
pub const DEFAULT: &str = "Default";

/// What a policy is made from.
#[derive(Clone, Copy)]
pub struct Making<'m> {
    /// Arguments: what the scene says under `args`, or an empty object.
    pub args: &'m Value,
    /// Pods of the scene's tables, by what they ask for.
    pub workload: &'m [WorkloadShape],
}

impl Making<'_> {
    /// Checks that there are no arguments but these.
    ///
    /// # Errors
    /// A sentence that names the first other one.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        let Some(fields) = self.args.as_object() else { return Err("args: expected {\"name\": value}".to_string()) };
        match fields.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) if known.is_empty() => Err(format!("args: there is no {key:?}; it takes none")),
            Some(key) => Err(format!("args: there is no {key:?}; it takes {}", known.join(", "))),
        }
    }

    /// An argument that is a list of texts; empty when it is not given.
    ///
    /// # Errors
    /// A sentence when it is something else.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("args: {name}: expected a list of texts");
        let Some(value) = self.args.get(name) else { return Ok(Vec::new()) };
        value.as_array().ok_or_else(wrong)?.iter().map(|text| text.as_str().map(str::to_string).ok_or_else(wrong)).collect()
    }
}

/// How a registered policy is made and used.
#[derive(Clone)]
pub struct Entry {
    scores: bool,
    make: Arc<Make>,
}

type Make = dyn Fn(&Making) -> Result<Box<dyn crate::scheduler::own::Hidden>, String> + Send + Sync;

impl Entry {
    /// A policy that only filters: the default scores stay.
    pub fn filter<P: Policy>(make: impl Fn(&Making) -> Result<P, String> + Send + Sync + 'static) -> Entry {
        Entry { scores: false, make: hidden(make) }
    }

    /// A policy that scores, and filters if it likes: the default scores are left out.
    pub fn score<P: Policy>(make: impl Fn(&Making) -> Result<P, String> + Send + Sync + 'static) -> Entry {
        Entry { scores: true, make: hidden(make) }
    }
}

fn hidden<P: Policy>(make: impl Fn(&Making) -> Result<P, String> + Send + Sync + 'static) -> Arc<Make> {
    Arc::new(move |making| Ok(Box::new(Kept { policy: make(making)?, nodes: Vec::new() })))
}

static REGISTERED: RwLock<BTreeMap<String, Entry>> = RwLock::new(BTreeMap::new());

/// Adds a policy under a name, for scenes loaded from now on; a later one of the same name takes its place.
///
/// # Panics
/// When the name is one of a shipped policy, or [`DEFAULT`].
pub fn register(name: &str, entry: Entry) {
    assert!(shipped(name).is_none() && name != DEFAULT, "the policy {name} is shipped with Wavetank; give yours another name");
    REGISTERED.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_string(), entry);
}

fn shipped(name: &str) -> Option<Entry> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, entry)| entry())
}

/// All names, sorted.
pub fn names() -> Vec<String> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    let shipped = SHIPPED.iter().map(|(name, _)| (*name).to_string());
    let mut names: Vec<String> = registered.keys().cloned().chain(shipped).chain([DEFAULT.to_string()]).collect();
    names.sort();
    names
}

fn find(name: &str) -> Result<Entry, String> {
    let known = shipped(name).or_else(|| REGISTERED.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned());
    known.ok_or_else(|| {
        let names = names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let help = nearest(name, &names).map_or(String::new(), |near| format!("did you mean {near:?}? "));
        format!("there is no policy {name:?}; {help}known are {}", names.join(", "))
    })
}

/// Says what is wrong with the name or the arguments of a policy.
///
/// # Errors
/// A sentence, with all names when this one is not known.
pub fn check(name: &str, args: &Value) -> Result<(), String> {
    let making = Making { args, workload: &[] };
    let about = |what: String| format!("{name}: {what}");
    if name == DEFAULT {
        return making.only(&[]).map_err(about);
    }
    let entry = find(name)?;
    (entry.make)(&making).map(|_| ()).map_err(about)
}

/// The policies of a run, and what they change of the profile. Where any is chosen, all nodes are looked at unless the run says
/// otherwise.
///
/// # Panics
/// When a name or an argument is wrong: loading a scene with [`check`] tells of that before.
pub(super) fn chosen(policies: &Policies, profile: &mut Profile) -> Own {
    let mut own = Own::default();
    let mut default_weight = None;
    for PolicyChoice { name, weight, args } in &policies.chosen {
        if name == DEFAULT {
            default_weight = Some(*weight);
            continue;
        }
        let entry = find(name).unwrap_or_else(|what| panic!("{what}"));
        let policy = (entry.make)(&Making { args, workload: &policies.workload }).unwrap_or_else(|what| panic!("{name}: {what}"));
        own.chosen.push(Chosen { name: name.clone(), weight: *weight, scores: entry.scores, policy });
    }
    if !policies.chosen.is_empty() {
        profile.note_change();
        if profile.percentage_of_nodes_to_score == 0 {
            profile.percentage_of_nodes_to_score = 100;
        }
        let absent = if own.chosen.iter().any(|chosen| chosen.scores) { 0 } else { 1 };
        let factor = default_weight.unwrap_or(absent);
        profile.scores.iter_mut().for_each(|score| score.1 *= factor);
        profile.scores.retain(|score| score.1 > 0);
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wrong_names_and_arguments_are_told() {
        for (name, args, want) in [
            ("FGD", json!({}), ""),
            ("Default", json!({}), ""),
            ("Fgd", json!({}), "there is no policy \"Fgd\"; did you mean \"FGD\"? known are BestFit, "),
            ("FGD", json!({"x": 1}), "FGD: args: there is no \"x\"; it takes none"),
            ("CheckNodeLabelPresence", json!({"labels": "ssd"}), "CheckNodeLabelPresence: args: labels: expected a list of texts"),
        ] {
            let told = check(name, &args).err().unwrap_or_default();
            assert!(told.starts_with(want) && told.is_empty() == want.is_empty(), "{name} {args}: {told}");
        }
    }
}
