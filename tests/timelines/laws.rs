//! Causes come before effects: what must hold within any one timeline, recorded or produced.
//!
//! | effect | its cause, seen earlier |
//! |---|---|
//! | status of a ReplicaSet | one state of its pods, and never an older one than the status before |
//! | status of a Deployment | one state of its sets, and never an older one than the status before |
//! | endpoints of a slice | a state that each target pod has been in |
//! | scaling event | the change of `spec.replicas` with the same numbers; each change has one |
//! | `Created pod: NAME` | the pod; each pod of that owner has one |
//! | `Deleted pod: NAME` | the pod's deletion |
//! | `Scheduled` | the pod's binding; each binding has one |
//! | a pod | its owner, and a set that wants one more |
//! | a set that grows in a Deployment | room under replicas and surge |
//! | `observedGeneration` | that generation; and it never falls |
//! | a combined event | nine different messages before it; each count one more than the last |
//!
//! One watch stream for each kind means that the order between kinds is exact only up to the slack.

use crate::difference::{Difference, seconds};
use crate::events::{COMBINED, scaling};
use crate::recording::{Entry, Verb};
use std::collections::{BTreeMap, BTreeSet};

/// One law: the timeline and how much earlier than its cause an effect may be seen, in microseconds.
type Law = fn(&[Entry], i64) -> Vec<Difference>;

/// All laws with their names.
const LAWS: &[(&str, Law)] = &[
    ("every scaling has its event", scaling_has_event),
    ("every creation has its event", creation_has_event),
    ("every deletion event has its deletion", deletion_event_has_deletion),
    ("every binding has its event", binding_has_event),
    ("owners come before what they own", owner_comes_first),
    ("a pod is created where one is wanted", pod_is_wanted),
    ("a set grows within the surge", growth_has_room),
    ("generations are observed once they are there, and never unseen", generation_is_there),
    ("events count one by one and combine after nine", events_count),
];

/// How many different messages about one object client-go writes before it combines them.
const PLAIN_MESSAGES: usize = 9;

/// Everything in the timeline that breaks a law.
pub(crate) fn broken(timeline: &[Entry], slack: i64) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (name, law) in LAWS {
        for difference in law(timeline, slack) {
            differences.push(Difference { what: format!("{} (law: {name})", difference.what), ..difference });
        }
    }
    differences
}

/// The entries of one kind, in order.
pub(crate) fn of_kind<'a>(timeline: &'a [Entry], kind: &'a str) -> impl Iterator<Item = &'a Entry> {
    timeline.iter().filter(move |entry| entry.kind == kind)
}

/// Live events with the reason.
fn events<'a>(timeline: &'a [Entry], reason: &'a str) -> impl Iterator<Item = &'a Entry> {
    of_kind(timeline, "Event").filter(move |event| event.verb != Verb::Deleted && event.text("reason") == reason)
}

fn id(entry: &Entry) -> &str {
    entry.id.as_deref().unwrap_or(&entry.name)
}

/// By Deployment id and set name: size before, size after, moment.
type Scalings<'a> = BTreeMap<(&'a str, &'a str), Vec<(i64, i64, i64)>>;

fn scaling_has_event(timeline: &[Entry], slack: i64) -> Vec<Difference> {
    let mut changes = Scalings::new();
    let mut size: BTreeMap<&str, i64> = BTreeMap::new();
    for set in of_kind(timeline, "ReplicaSet").filter(|set| set.verb != Verb::Deleted) {
        let before = size.insert(id(set), set.number("spec.replicas")).unwrap_or(0);
        let now = set.number("spec.replicas");
        if let Some(owner) = set.owner().filter(|_| before != now) {
            changes.entry((owner, &set.name)).or_default().push((before, now, set.at()));
        }
    }
    let mut told = Scalings::new();
    for event in events(timeline, "ScalingReplicaSet") {
        if let Some(scaling) = scaling(event.text("message")) {
            told.entry((event.text("on"), scaling.set)).or_default().push((scaling.from, scaling.to, event.at()));
        }
    }
    let mut differences = Vec::new();
    let pairs: BTreeSet<_> = changes.keys().chain(told.keys()).copied().collect();
    for pair in pairs {
        let none = Vec::new();
        let (changes, told) = (changes.get(&pair).unwrap_or(&none), told.get(&pair).unwrap_or(&none));
        for place in 0..changes.len().max(told.len()) {
            match (changes.get(place), told.get(place)) {
                (Some(change), Some(event)) if change.0 == event.0 && change.1 == event.1 && event.2 + slack >= change.2 => continue,
                (Some(change), _) => differences
                    .push(Difference::new(change.2, format!("{} went from {} to {} without its event", pair.1, change.0, change.1))),
                (None, event) => differences.extend(
                    event.map(|event| Difference::new(event.2, format!("an event says {} went from {} to {}", pair.1, event.0, event.1))),
                ),
            }
            break;
        }
    }
    differences
}

/// The moment of the first entry of each pod name for which `when` holds.
fn pods_when<'a>(timeline: &'a [Entry], when: &dyn Fn(&Entry) -> bool) -> BTreeMap<&'a str, (&'a Entry, i64)> {
    let mut out = BTreeMap::new();
    for pod in of_kind(timeline, "Pod").filter(|pod| when(pod)) {
        out.entry(id(pod)).or_insert((pod, pod.at()));
    }
    out
}

fn creation_has_event(timeline: &[Entry], slack: i64) -> Vec<Difference> {
    let mut awaited: BTreeMap<(&str, String), i64> = BTreeMap::new();
    let creators: BTreeSet<&str> = events(timeline, "SuccessfulCreate")
        .filter(|event| names_pod(event, "Created pod: ").is_some())
        .map(|event| event.text("on"))
        .collect();
    for (pod, at) in pods_when(timeline, &|pod| pod.verb == Verb::Added).into_values() {
        if let Some(owner) = pod.owner().filter(|owner| creators.contains(owner)) {
            awaited.insert((owner, pod.name.clone()), at);
        }
    }
    let mut differences = Vec::new();
    for event in events(timeline, "SuccessfulCreate") {
        let Some(name) = names_pod(event, "Created pod: ") else { continue };
        match awaited.remove(&(event.text("on"), name.to_owned())) {
            Some(at) if event.at() + slack >= at => {}
            Some(at) => {
                differences.push(Difference::new(event.at(), format!("{name} is said to be created, and is there from {}", seconds(at))))
            }
            None => differences.push(Difference::new(event.at(), format!("{name} is said to be created once more than it is"))),
        }
    }
    differences.extend(awaited.into_iter().map(|((_, name), at)| Difference::new(at, format!("{name} is created without an event"))));
    differences
}

/// The pod that a message names after its beginning.
fn names_pod<'a>(event: &'a Entry, beginning: &str) -> Option<&'a str> {
    let message = event.text("message");
    message.strip_prefix(COMBINED).unwrap_or(message).strip_prefix(beginning)
}

fn deletion_event_has_deletion(timeline: &[Entry], slack: i64) -> Vec<Difference> {
    let deleted: BTreeMap<&str, i64> = pods_when(timeline, &|pod| pod.is("deleting") || pod.verb == Verb::Deleted)
        .into_values()
        .map(|(pod, at)| (pod.name.as_str(), at))
        .collect();
    let mut differences = Vec::new();
    for event in events(timeline, "SuccessfulDelete") {
        let Some(name) = names_pod(event, "Deleted pod: ") else { continue };
        if deleted.get(name).is_none_or(|at| event.at() + slack < *at) {
            differences.push(Difference::new(event.at(), format!("{name} is said to be deleted and is not")));
        }
    }
    differences
}

fn binding_has_event(timeline: &[Entry], slack: i64) -> Vec<Difference> {
    let bound_at_birth: BTreeSet<&str> =
        of_kind(timeline, "Pod").filter(|pod| pod.verb == Verb::Added && !pod.text("node").is_empty()).map(id).collect();
    let mut awaited = pods_when(timeline, &|pod| !pod.text("node").is_empty());
    awaited.retain(|pod, _| !bound_at_birth.contains(pod));
    let mut differences = Vec::new();
    for event in events(timeline, "Scheduled") {
        match awaited.remove(event.text("on")) {
            Some((_, at)) if event.at() + slack >= at => {}
            _ => differences.push(Difference::new(event.at(), format!("{} is said to be scheduled and is not bound", event.text("on")))),
        }
    }
    differences.extend(awaited.into_iter().map(|(pod, (_, at))| Difference::new(at, format!("{pod} is bound without an event"))));
    differences
}

fn owner_comes_first(timeline: &[Entry], slack: i64) -> Vec<Difference> {
    let mut born: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in timeline.iter().filter(|entry| entry.verb == Verb::Added) {
        born.entry(id(entry)).or_insert(entry.at());
    }
    let mut differences = Vec::new();
    for entry in timeline.iter().filter(|entry| entry.verb == Verb::Added) {
        let owner_born = entry.owner().and_then(|owner| born.get(owner));
        if owner_born.is_some_and(|born| entry.at() + slack < *born) {
            differences.push(Difference::new(entry.at(), format!("{} is there before its owner", id(entry))));
        }
    }
    differences
}

fn pod_is_wanted(timeline: &[Entry], slack: i64) -> Vec<Difference> {
    let mut wanted: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    for set in of_kind(timeline, "ReplicaSet") {
        wanted.entry(id(set)).or_default().push((set.at(), set.number("spec.replicas")));
    }
    let mut differences = Vec::new();
    let mut active: BTreeMap<&str, &str> = BTreeMap::new();
    for pod in of_kind(timeline, "Pod") {
        let is_over = pod.verb == Verb::Deleted || pod.is("deleting") || matches!(pod.text("phase"), "Succeeded" | "Failed");
        active.remove(id(pod));
        let Some(owner) = pod.owner().filter(|owner| !is_over && wanted.contains_key(owner)) else { continue };
        active.insert(id(pod), owner);
        if pod.verb != Verb::Added {
            continue;
        }
        // Every size in effect within the slack around this moment.
        let sizes = &wanted[owner];
        let settled = sizes.iter().rposition(|(at, _)| *at < pod.at() - slack).unwrap_or(0);
        let most = sizes[settled..].iter().take_while(|(at, _)| *at <= pod.at() + slack).map(|(_, size)| *size).max().unwrap_or(0);
        let count = active.values().filter(|other| **other == owner).count();
        if count as i64 > most {
            differences.push(Difference::new(pod.at(), format!("{} is pod {count} of {owner}, which wants {most}", id(pod))));
        }
    }
    differences
}

fn growth_has_room(timeline: &[Entry], _slack: i64) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut sizes: BTreeMap<&str, (&str, i64)> = BTreeMap::new();
    for set in of_kind(timeline, "ReplicaSet") {
        let before = sizes.remove(id(set)).map_or(0, |(_, size)| size);
        let Some(owner) = set.owner().filter(|_| set.verb != Verb::Deleted) else { continue };
        let now = set.number("spec.replicas");
        sizes.insert(id(set), (owner, now));
        let total: i64 = sizes.values().filter(|(other, _)| *other == owner).map(|(_, size)| size).sum();
        let room: i64 = set.text("max-replicas").parse().unwrap_or(i64::MAX);
        if now > before && total > room {
            differences.push(Difference::new(set.at(), format!("{} grows to {now}, {total} in all, where {room} are the most", id(set))));
        }
    }
    differences
}

fn generation_is_there(timeline: &[Entry], _slack: i64) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut observed: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in timeline.iter().filter(|entry| entry.facts.contains_key("generation")) {
        let now = entry.number("observedGeneration");
        let before = observed.insert(id(entry), now).unwrap_or(0);
        if now > entry.number("generation") || now < before {
            differences.push(Difference::new(entry.at(), format!("{} observes generation {now} after {before}", id(entry))));
        }
    }
    differences
}

fn events_count(timeline: &[Entry], _slack: i64) -> Vec<Difference> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    let mut messages: BTreeMap<(&str, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut differences = Vec::new();
    for event in of_kind(timeline, "Event").filter(|event| event.verb != Verb::Deleted) {
        let count = event.number("count");
        let before = counts.insert(&event.name, count);
        let is_next = match before {
            None => count <= 1,
            // An event of the new API has no count until it becomes a series.
            Some(before) => count == (before + 1).max(2),
        };
        let message = event.text("message");
        if !is_next {
            differences.push(Difference::new(event.at(), format!("event \"{message}\" has count {count} after {}", before.unwrap_or(0))));
        }
        let seen = messages.entry((event.text("on"), event.text("from"), event.text("reason"))).or_default();
        if !message.starts_with(COMBINED) {
            seen.insert(message);
        } else if seen.len() != PLAIN_MESSAGES {
            differences.push(Difference::new(event.at(), format!("event \"{message}\" is combined after {} others", seen.len())));
        }
    }
    differences
}
