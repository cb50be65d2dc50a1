//! Statuses that sum up other objects: each must show a state that these objects were in.
//!
//! A controller sees the objects of one kind in the order of one stream. So every status that it writes belongs to a
//! place in that stream (a *cut*), at or after the place of the status before, and not later than the write itself.
//! That holds whatever the controller's speed, so it judges every number of every intermediate write.

use crate::difference::Difference;
use crate::laws::of_kind;
use crate::recording::{Entry, Verb};
use std::collections::BTreeMap;

/// The counts of one state, by name.
type Counts = BTreeMap<&'static str, i64>;

/// Owned objects by id, each with its image and what it adds to the counts.
type Owned<'a> = BTreeMap<&'a str, (&'a str, Counts)>;

/// A state of the owned objects and since when it was.
struct Cut<'a> {
    sum: Counts,
    /// Image and `replicas` of each owned object: `updatedReplicas` of a Deployment is that of its newest set.
    parts: Vec<(&'a str, i64)>,
    at: i64,
}

/// Judges what of a status is no plain sum.
type Fits = fn(&Entry, &Cut) -> bool;

const SET_COUNTS: [&str; 4] = ["replicas", "fullyLabeledReplicas", "readyReplicas", "terminatingReplicas"];
const DEPLOYMENT_COUNTS: [&str; 4] = ["replicas", "readyReplicas", "availableReplicas", "terminatingReplicas"];

/// Every status of a ReplicaSet or Deployment, and every slice, that shows what never was.
///
/// `at_once`: pods are available as soon as they are ready, because nothing has `minReadySeconds`.
pub(crate) fn broken(timeline: &[Entry], slack: i64, at_once: bool) -> Vec<Difference> {
    let mut differences = Vec::new();
    let fits: Fits = if at_once { |set, _| set.number("availableReplicas") == set.number("readyReplicas") } else { |_, _| true };
    for set in ids(timeline, "ReplicaSet") {
        let cuts = cuts(timeline, "Pod", set, &pod_counts);
        differences.extend(walk(timeline, "ReplicaSet", set, &SET_COUNTS, &cuts, fits, slack));
    }
    for deployment in ids(timeline, "Deployment") {
        let cuts = cuts(timeline, "ReplicaSet", deployment, &set_counts);
        differences.extend(walk(timeline, "Deployment", deployment, &DEPLOYMENT_COUNTS, &cuts, deployment_fits, slack));
    }
    differences.extend(available_exceeds_ready(timeline));
    differences.extend(endpoints_never_were(timeline, slack));
    differences
}

fn ids<'a>(timeline: &'a [Entry], kind: &'a str) -> Vec<&'a str> {
    let mut ids: Vec<&str> = of_kind(timeline, kind).filter_map(|entry| entry.id.as_deref()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What the owned objects amount to after each entry of their kind; nothing at first.
fn cuts<'a>(timeline: &'a [Entry], kind: &'a str, owner: &str, count: &dyn Fn(&Entry) -> Counts) -> Vec<Cut<'a>> {
    let mut owned = Owned::new();
    let mut cuts = vec![Cut { sum: Counts::new(), parts: Vec::new(), at: i64::MIN }];
    for entry in of_kind(timeline, kind) {
        let id = entry.id.as_deref().unwrap_or(&entry.name);
        let before = owned.remove(id);
        if entry.owner() == Some(owner) && entry.verb != Verb::Deleted {
            owned.insert(id, (entry.text("image"), count(entry)));
        } else if before.is_none() {
            continue;
        }
        let mut sum = Counts::new();
        for (name, count) in owned.values().flat_map(|(_, counts)| counts) {
            *sum.entry(name).or_default() += count;
        }
        let parts = owned.values().map(|(image, counts)| (*image, counts.get("replicas").copied().unwrap_or(0)));
        let parts = parts.collect();
        cuts.push(Cut { sum, parts, at: entry.at() });
    }
    cuts
}

fn pod_counts(pod: &Entry) -> Counts {
    let mut counts = Counts::new();
    if matches!(pod.text("phase"), "Succeeded" | "Failed") {
        return counts;
    }
    if pod.is("deleting") {
        counts.insert("terminatingReplicas", 1);
        return counts;
    }
    counts.extend([("replicas", 1), ("fullyLabeledReplicas", 1), ("readyReplicas", i64::from(pod.is("ready")))]);
    counts
}

fn set_counts(set: &Entry) -> Counts {
    let mut counts: Counts = DEPLOYMENT_COUNTS.iter().map(|name| (*name, set.number(name))).collect();
    counts.insert("spec.replicas", set.number("spec.replicas"));
    counts
}

/// Whether a Deployment's status can come from a state of its sets, apart from the plain sums.
fn deployment_fits(deployment: &Entry, cut: &Cut) -> bool {
    let count = |name| cut.sum.get(name).copied().unwrap_or(0);
    let updated = deployment.number("updatedReplicas");
    let unavailable = (count("spec.replicas") - count("availableReplicas")).max(0);
    // Before the status catches up with the spec, the newest set may still be another.
    let is_settled = deployment.number("generation") == deployment.number("observedGeneration");
    let mut newest = cut.parts.iter().filter(|(image, _)| !is_settled || *image == deployment.text("image"));
    let none_yet = updated == 0 && newest.clone().next().is_none();
    (none_yet || newest.any(|(_, replicas)| *replicas == updated) || (updated == 0 && !is_settled))
        && deployment.number("unavailableReplicas") == unavailable
}

/// Finds the cut of each status in turn. `fits` judges what is no plain sum.
fn walk(timeline: &[Entry], kind: &str, id: &str, names: &[&'static str], cuts: &[Cut], fits: Fits, slack: i64) -> Vec<Difference> {
    let mut place = 0;
    let mut differences = Vec::new();
    for entry in of_kind(timeline, kind).filter(|entry| entry.id.as_deref() == Some(id) && entry.verb != Verb::Deleted) {
        let shows = |cut: &Cut| names.iter().all(|name| cut.sum.get(name).copied().unwrap_or(0) == entry.number(name)) && fits(entry, cut);
        let mut in_time = cuts[place..].iter().take_while(|cut| cut.at <= entry.at().saturating_add(slack));
        match in_time.position(shows) {
            Some(further) => place += further,
            None => {
                let shown =
                    entry.facts.iter().filter(|(name, value)| name.ends_with("eplicas") && value.is_i64() && *name != "spec.replicas");
                let numbers: Vec<String> = shown.map(|(name, value)| format!("{name} {value}")).collect();
                let what =
                    format!("{id} shows {}, which never was since the status before (law: statuses show what was)", numbers.join(", "));
                differences.push(Difference::new(entry.at(), what));
            }
        }
    }
    differences
}

fn available_exceeds_ready(timeline: &[Entry]) -> Vec<Difference> {
    let sets = of_kind(timeline, "ReplicaSet").filter(|set| set.number("availableReplicas") > set.number("readyReplicas"));
    sets.map(|set| Difference::new(set.at(), format!("{} has more available than ready pods (law: available pods are ready)", set.name)))
        .collect()
}

/// Each endpoint shows its pod as it was before the write.
fn endpoints_never_were(timeline: &[Entry], slack: i64) -> Vec<Difference> {
    let mut differences = Vec::new();
    for slice in of_kind(timeline, "EndpointSlice") {
        let endpoints = slice.facts.get("endpoints").and_then(|list| list.as_array());
        for endpoint in endpoints.into_iter().flatten() {
            let target = endpoint["target"].as_str().unwrap_or_default();
            let shows = |pod: &Entry| {
                let (ready, deleting) = (pod.is("ready"), pod.is("deleting"));
                endpoint["ready"] == (ready && !deleting) && endpoint["serving"] == ready && endpoint["terminating"] == deleting
            };
            let mut before = of_kind(timeline, "Pod").filter(|pod| pod.id.as_deref() == Some(target) && pod.at() <= slice.at() + slack);
            if !before.any(shows) {
                let what = format!("{} shows {target} as it never was (law: statuses show what was)", slice.name);
                differences.push(Difference::new(slice.at(), what));
            }
        }
    }
    differences
}
