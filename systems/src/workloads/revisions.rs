//! Controller revisions: the templates that a set had, numbered, named by their hash.
//!
//! Source: kubernetes v1.36, `pkg/controller/history/controller_history.go`; `spec/workloads.md` §4.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::raw::Raw;
use wavetank_engine::names::{SUFFIX_ALPHABET, Sym};

/// Longest part of a revision's name that is the set's.
const PREFIX_MAX: usize = 223;

/// One revision as a sync sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The object.
    pub object: ObjRef,
    /// Its name.
    pub name: Sym,
    /// `revision`.
    pub number: i64,
    /// `data`.
    pub data: Raw,
}

/// The revisions that a sync works with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// All of them, oldest first.
    pub known: Vec<Known>,
    /// Name of the one that runs, and of the one that is wanted.
    pub current: Sym,
    /// See [`History::current`].
    pub update: Sym,
}

/// What must happen so that the present template has a revision that is the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: it is this one.
    Is(Sym),
    /// An older revision has the same data: it gets this number.
    Renumber(ObjRef, i64),
    /// None has: one with this number.
    New(i64),
}

/// Finds the revision with some data. `known` is sorted by number.
pub fn wanted(known: &[Known], data: &Raw) -> Wanted {
    let next = known.last().map_or(1, |last| last.number + 1);
    match known.iter().rposition(|revision| revision.data == *data) {
        Some(at) if at + 1 == known.len() => Wanted::Is(known[at].name),
        Some(at) => Wanted::Renumber(known[at].object, next),
        None => Wanted::New(next),
    }
}

/// Revisions beyond the limit, oldest first, that nothing uses. A negative limit keeps all.
pub fn beyond(history: &History, in_use: impl Fn(Sym) -> bool, limit: i32) -> Vec<ObjRef> {
    let live = |revision: &&Known| revision.name != history.current && revision.name != history.update && !in_use(revision.name);
    let old: Vec<ObjRef> = history.known.iter().filter(live).map(|revision| revision.object).collect();
    match usize::try_from(limit) {
        Ok(limit) => old[..old.len().saturating_sub(limit)].to_vec(),
        Err(_) => Vec::new(),
    }
}

/// The `data` of a revision: the template as a patch that replaces it, keys sorted.
pub fn data_of(template: &Value) -> Value {
    let mut template = sorted(template);
    template["$patch"] = "replace".into();
    json!({"spec": {"template": sorted(&template)}})
}

/// The template that some data holds.
pub fn template_of(data: &Value) -> Value {
    let mut template = data.pointer("/spec/template").cloned().unwrap_or(Value::Null);
    if let Some(fields) = template.as_object_mut() {
        fields.shift_remove("$patch");
    }
    template
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut entries: Vec<(&String, &Value)> = fields.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// The hash of a revision: FNV-1 over its data and the number of collisions.
pub fn hash_of(data: &Value, collisions: u32) -> String {
    let text = format!("{data}{collisions}");
    let sum = text.bytes().fold(0x811C_9DC5u32, |sum, byte| sum.wrapping_mul(0x0100_0193) ^ u32::from(byte));
    sum.to_string().bytes().map(|digit| char::from(SUFFIX_ALPHABET[usize::from(digit) % SUFFIX_ALPHABET.len()])).collect()
}

/// The name of a set's revision.
pub fn name_of(set: &str, hash: &str) -> String {
    format!("{}-{hash}", set.get(..PREFIX_MAX).unwrap_or(set))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::ids::{Slot, Uid};
    use wavetank_engine::names::Names;

    #[test]
    fn a_revision_has_the_hash_that_a_real_cluster_gives_it() {
        let template = json!({
            "metadata": {"labels": {"app": "db"}},
            "spec": {
                "containers": [{
                    "name": "c", "image": "img:v1", "imagePullPolicy": "IfNotPresent",
                    "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                }],
                "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                "schedulerName": "default-scheduler", "securityContext": {},
            },
        });
        // As recorded in tests/timelines/golden/h_sts_ordered.
        assert_eq!(name_of("db", &hash_of(&data_of(&template), 0)), "db-57f4745f8");
    }

    #[test]
    fn a_template_finds_its_revision() {
        let mut names = Names::new();
        let data = |image: &str| Raw::new(data_of(&json!({"spec": {"containers": [{"image": image, "name": "c"}]}})));
        let object = |number: u64| ObjRef { uid: Uid(number), slot: Slot(number as u32) };
        let mut known = |number: u64, image: &str| Known {
            object: object(number),
            name: names.sym(&format!("web-{number}")),
            number: number as i64,
            data: data(image),
        };
        let all = [known(1, "a"), known(2, "b"), known(4, "c")];
        assert_eq!(wanted(&all, &data("c")), Wanted::Is(all[2].name));
        assert_eq!(wanted(&all, &data("a")), Wanted::Renumber(object(1), 5));
        assert_eq!(wanted(&all, &data("d")), Wanted::New(5));
        assert_eq!(wanted(&[], &data("d")), Wanted::New(1));
        let history = History { known: all.to_vec(), current: all[0].name, update: all[2].name };
        for (limit, in_use, want) in [(0, false, vec![object(2)]), (1, false, vec![]), (0, true, vec![]), (-1, false, vec![])] {
            assert_eq!(beyond(&history, |_| in_use, limit), want, "{limit} {in_use}");
        }
        assert_eq!(template_of(data("a").value()), json!({"spec": {"containers": [{"image": "a", "name": "c"}]}}));
    }
}
