//! Names that two timelines share.
//!
//! Generated names and the ids differ from run to run. A label says instead what an object is: `Deployment/web`, the
//! `ReplicaSet 2 of Deployment/web`, one of the `pods of ReplicaSet 2 of Deployment/web`. Pods that one template made
//! share a label, because they are interchangeable; pods of a StatefulSet and bare pods have names of their own.

use crate::recording::Entry;
use std::collections::BTreeMap;

/// The letters and digits of generated suffixes.
const SUFFIX_ALPHABET: &str = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;

/// What was seen of an object first.
struct Seen<'a> {
    kind: &'a str,
    name: &'a str,
    owner: Option<&'a str>,
    first: &'a Entry,
}

/// Labels of one timeline's objects, and the words of its texts that stand for them.
pub(crate) struct Labels {
    by_id: BTreeMap<String, String>,
    /// Generated names, hashes and hidden node names, each with what replaces it in texts.
    by_word: BTreeMap<String, String>,
    /// Name prefixes of pods that a controller names, for pods that never came to be.
    pod_prefixes: Vec<(String, String)>,
}

impl Labels {
    /// Finds all labels of a timeline. With `hide_nodes` every pod's node reads `<node>` in texts.
    pub(crate) fn of(timeline: &[Entry], hide_nodes: bool) -> Labels {
        let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
        let mut order = Vec::new();
        for entry in timeline {
            let Some(id) = entry.id.as_deref() else { continue };
            seen.entry(id).or_insert_with(|| {
                order.push(id);
                Seen { kind: &entry.kind, name: &entry.name, owner: entry.owner(), first: entry }
            });
        }
        let mut labels = Labels { by_id: BTreeMap::new(), by_word: BTreeMap::new(), pod_prefixes: Vec::new() };
        for id in &order {
            let label = object_label(id, &seen, &order);
            labels.by_id.insert((*id).to_owned(), label);
        }
        for id in &order {
            labels.learn_words(id, &seen);
        }
        if hide_nodes {
            for node in timeline.iter().filter(|entry| entry.kind == "Pod").map(|entry| entry.text("node")) {
                labels.by_word.insert(node.to_owned(), "<node>".to_owned());
            }
            labels.by_word.remove("");
        }
        labels
    }

    /// The label of an id; the text itself when it is no id.
    pub(crate) fn object(&self, id: &str) -> String {
        self.by_id.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// A text with ids, generated names and hashes replaced.
    pub(crate) fn text(&self, text: &str) -> String {
        if let Some(label) = self.by_id.get(text) {
            return label.clone();
        }
        let mut out = String::new();
        let mut word = String::new();
        for letter in text.chars() {
            if letter.is_ascii_alphanumeric() || letter == '-' || letter == '.' {
                word.push(letter);
            } else {
                self.push_word(&mut out, &word);
                word.clear();
                out.push(letter);
            }
        }
        self.push_word(&mut out, &word);
        out
    }

    fn push_word(&self, out: &mut String, word: &str) {
        let name = word.trim_end_matches('.');
        match self.by_word.get(name).or_else(|| self.unborn_pod(name)) {
            Some(label) => {
                out.push_str(label);
                out.push_str(&word[name.len()..]);
            }
            None if is_uid(name) => {
                out.push_str("<uid>");
                out.push_str(&word[name.len()..]);
            }
            None => out.push_str(word),
        }
    }

    /// The label of a pod's name that no entry bears, as in the message of a refused creation.
    fn unborn_pod(&self, name: &str) -> Option<&String> {
        let named_by = |prefix: &str| {
            let suffix = name.strip_prefix(prefix)?;
            (suffix.len() == SUFFIX_LENGTH && suffix.chars().all(|letter| SUFFIX_ALPHABET.contains(letter))).then_some(())
        };
        self.pod_prefixes.iter().find(|(prefix, _)| named_by(prefix).is_some()).map(|(_, label)| label)
    }

    fn learn_words(&mut self, id: &str, seen: &BTreeMap<&str, Seen>) {
        let object = &seen[id];
        let label = self.by_id[id].clone();
        if matches!(object.kind, "ReplicaSet" | "Job" | "DaemonSet") {
            self.pod_prefixes.push((format!("{}-", object.name), format!("pods of {label}")));
        }
        if !is_generated(object, seen) {
            return;
        }
        self.by_word.insert(object.name.to_owned(), label.clone());
        let owner = object.owner.unwrap_or_default();
        let owner_name = seen.get(owner).map_or_else(|| owner.rsplit('/').next().unwrap_or_default(), |owner| owner.name);
        let suffix = object.name.strip_prefix(owner_name).and_then(|rest| rest.strip_prefix('-'));
        if let Some(hash) = suffix.filter(|_| matches!(object.kind, "ReplicaSet" | "ControllerRevision")) {
            self.by_word.insert(hash.to_owned(), format!("<hash of {label}>"));
        }
    }
}

/// Whether a word is the identity of an object, which is drawn anew in every run.
fn is_uid(word: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = word.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| part.len() == length && part.chars().all(|digit| digit.is_ascii_hexdigit()))
}

/// Whether the name ends in something random or hashed, so that only the label can be compared.
fn is_generated(object: &Seen, seen: &BTreeMap<&str, Seen>) -> bool {
    let Some(owner) = object.owner else { return false };
    match object.kind {
        "ReplicaSet" | "ControllerRevision" | "EndpointSlice" => true,
        "Pod" => seen.get(owner).is_none_or(|owner| owner.kind != "StatefulSet"),
        _ => false,
    }
}

fn object_label(id: &str, seen: &BTreeMap<&str, Seen>, order: &[&str]) -> String {
    let object = &seen[id];
    let Some(owner) = object.owner.filter(|_| is_generated(object, seen)) else {
        let same = |other: &&&str| seen[**other].kind == object.kind && seen[**other].name == object.name;
        let life = 1 + order.iter().take_while(|other| **other != id).filter(same).count();
        let suffix = if life > 1 { format!(" (life {life})") } else { String::new() };
        return format!("{}/{}{suffix}", object.kind, object.name);
    };
    // An owner that is not in the timeline, or an owner chain that bites its tail, is called by its id.
    let owner_label = if seen.contains_key(owner) && owner != id { object_label(owner, seen, order) } else { owner.to_owned() };
    if object.kind == "Pod" {
        return format!("pods of {owner_label}{}", pod_template(object.first, seen, order));
    }
    let sibling = |other: &&&str| seen[**other].kind == object.kind && seen[**other].owner == object.owner;
    let nth = 1 + order.iter().take_while(|other| **other != id).filter(sibling).count();
    format!("{} {nth} of {owner_label}", object.kind)
}

/// What tells templates of one owner apart: the completion index, and the revision by its place in the order.
fn pod_template(pod: &Entry, seen: &BTreeMap<&str, Seen>, order: &[&str]) -> String {
    let index = pod.text("job-completion-index");
    if !index.is_empty() {
        return format!(" index {index}");
    }
    let hash = pod.text("controller-revision-hash");
    let revisions = order.iter().filter(|id| seen[**id].kind == "ControllerRevision" && seen[**id].owner == pod.owner());
    let nth = revisions.clone().position(|id| seen[*id].name.ends_with(hash));
    match nth {
        Some(nth) if !hash.is_empty() => format!(" revision {}", nth + 1),
        _ => String::new(),
    }
}
