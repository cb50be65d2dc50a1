//! Events of two timelines: the same in reason, message and count, and at the same moments.
//!
//! Every write of an Event is one occurrence, also where client-go put it into a combined one. How often a Deployment
//! scales a set is open, so its scaling events are compared as the path they describe: `8 to 7` and `7 to 6` equal
//! `8 to 6`.

use crate::difference::{Difference, TOLERANCE, seconds};
use crate::labels::Labels;
use crate::recording::{Entry, Verb};
use crate::steps::{self, Step};
use std::collections::BTreeMap;

/// What client-go puts before the message of an Event that stands for many.
pub(crate) const COMBINED: &str = "(combined from similar events): ";

/// How far apart one component's events about one object must lie for their order to count. Unit: microseconds.
/// Closer ones may come from calls in parallel.
const ORDER_COUNTS_FROM: i64 = 50_000;

/// One time that an Event was written.
struct Occurrence {
    /// Label of the object that it is about.
    on: String,
    from: String,
    reason: String,
    message: String,
    /// All that must be equal, as one text.
    key: String,
    combined: bool,
    at: i64,
}

/// A scaling event taken apart.
pub(crate) struct Scaling<'a> {
    pub(crate) set: &'a str,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// Reads `Scaled up replica set NAME from 3 to 5`; `None` for any other message.
pub(crate) fn scaling(message: &str) -> Option<Scaling<'_>> {
    let message = message.strip_prefix(COMBINED).unwrap_or(message);
    let rest = message.strip_prefix("Scaled up replica set ").or_else(|| message.strip_prefix("Scaled down replica set "))?;
    let (rest, to) = rest.rsplit_once(" to ")?;
    let (set, from) = rest.rsplit_once(" from ")?;
    let scaling = Scaling { set, from: from.parse().ok()?, to: to.parse().ok()? };
    ((scaling.to > scaling.from) == message.starts_with("Scaled up")).then_some(scaling)
}

fn occurrences(timeline: &[Entry], labels: &Labels) -> Vec<Occurrence> {
    let mut out = Vec::new();
    for entry in timeline.iter().filter(|entry| entry.kind == "Event") {
        let (on, from, reason) = (labels.text(entry.text("on")), entry.text("from").to_owned(), entry.text("reason").to_owned());
        let message = entry.text("message");
        let combined = message.starts_with(COMBINED);
        let message = labels.text(message.strip_prefix(COMBINED).unwrap_or(message));
        let gone = if entry.verb == Verb::Deleted { "deleted " } else { "" };
        let what = format!("{gone}{} {reason} on {on}: {message}", entry.text("type"));
        let action = entry.text("action");
        let key = if action.is_empty() { format!("{what} (from {from})") } else { format!("{what} (from {from}, {action})") };
        out.push(Occurrence { on, from, reason, message, key, combined, at: entry.at() });
    }
    out
}

/// All disagreements of two timelines' events.
pub(crate) fn compare(expected: &[Entry], produced: &[Entry], labels: (&Labels, &Labels)) -> Vec<Difference> {
    let (ours, theirs) = (occurrences(expected, labels.0), occurrences(produced, labels.1));
    let mut differences = compare_plain(&ours, &theirs);
    differences.extend(compare_combined(&ours, &theirs));
    differences.extend(compare_scalings(&ours, &theirs));
    differences.extend(compare_order(&ours, &theirs));
    differences
}

fn is_scaling(occurrence: &Occurrence) -> bool {
    occurrence.reason == "ScalingReplicaSet" && scaling(&occurrence.message).is_some()
}

/// Occurrences of both sides under a common name.
fn sorted_by<'a>(
    ours: &'a [Occurrence],
    theirs: &'a [Occurrence],
    name: &dyn Fn(&'a Occurrence) -> Option<String>,
) -> BTreeMap<String, Sides<'a>> {
    let mut out: BTreeMap<String, Sides<'a>> = BTreeMap::new();
    for (place, occurrence) in ours.iter().enumerate() {
        if let Some(name) = name(occurrence) {
            out.entry(name).or_default().0.push((place, occurrence));
        }
    }
    for (place, occurrence) in theirs.iter().enumerate() {
        if let Some(name) = name(occurrence) {
            out.entry(name).or_default().1.push((place, occurrence));
        }
    }
    out
}

/// Recorded and produced occurrences with their places in their timelines.
type Sides<'a> = (Vec<(usize, &'a Occurrence)>, Vec<(usize, &'a Occurrence)>);

fn compare_plain(ours: &[Occurrence], theirs: &[Occurrence]) -> Vec<Difference> {
    let mut differences = Vec::new();
    let keys = sorted_by(ours, theirs, &|occurrence| (!is_scaling(occurrence)).then(|| occurrence.key.clone()));
    for (key, (mut ours, mut theirs)) in keys {
        if ours.iter().chain(&theirs).any(|(_, occurrence)| occurrence.reason == "FailedScheduling") {
            [&mut ours, &mut theirs].into_iter().for_each(once_a_moment);
        }
        let late = ours.iter().zip(&theirs).find(|(a, b)| (a.1.at - b.1.at).abs() > TOLERANCE);
        if ours.len() != theirs.len() {
            let shorter = ours.len().min(theirs.len());
            let at = ours.get(shorter).or(theirs.get(shorter)).map_or(0, |(_, occurrence)| occurrence.at);
            differences.push(Difference::new(at, format!("event {key}: {} times, produced {} times", ours.len(), theirs.len())));
        } else if let Some((a, b)) = late {
            let what = format!("event {key}: at {}, produced at {}", seconds(a.1.at), seconds(b.1.at));
            differences.push(Difference::new(a.1.at.min(b.1.at), what));
        }
    }
    differences
}

/// How often pods are tried while several events wake them within milliseconds is a race between the queue and the scheduler, which goes
/// by milliseconds; that they are tried at all then, and what is said of it, is not.
fn once_a_moment(occurrences: &mut Vec<(usize, &Occurrence)>) {
    let mut last = None;
    occurrences.retain(|(_, occurrence)| {
        let again = last.is_some_and(|last: i64| occurrence.at - last <= TOLERANCE);
        last = if again { last } else { Some(occurrence.at) };
        !again
    });
}

/// Which message is the one that gets combined is open; how many are is not.
fn compare_combined(ours: &[Occurrence], theirs: &[Occurrence]) -> Vec<Difference> {
    let name = |occurrence: &Occurrence| {
        let name = format!("combined events {} on {}", occurrence.reason, occurrence.on);
        (occurrence.combined && !is_scaling(occurrence)).then_some(name)
    };
    let mut differences = Vec::new();
    for (name, (ours, theirs)) in sorted_by(ours, theirs, &name) {
        if ours.len() != theirs.len() {
            let shorter = ours.len().min(theirs.len());
            let at = ours.get(shorter).or(theirs.get(shorter)).map_or(0, |(_, occurrence)| occurrence.at);
            differences.push(Difference::new(at, format!("{name}: {}, produced {}", ours.len(), theirs.len())));
        }
    }
    differences
}

fn compare_scalings(ours: &[Occurrence], theirs: &[Occurrence]) -> Vec<Difference> {
    let name = |occurrence: &Occurrence| {
        let scaling = scaling(&occurrence.message).filter(|_| is_scaling(occurrence))?;
        Some(format!("scaling events on {} of {}", occurrence.on, scaling.set))
    };
    let path = |side: &[(usize, &Occurrence)]| {
        let mut out: Vec<Step> = Vec::new();
        for (place, occurrence) in side {
            if let Some(scaling) = scaling(&occurrence.message) {
                steps::push(&mut out, scaling.from, scaling.to, *place, occurrence.at);
            }
        }
        out
    };
    let mut differences = Vec::new();
    for (name, (ours, theirs)) in sorted_by(ours, theirs, &name) {
        if let Err(difference) = steps::pair(&path(&ours), &path(&theirs), false) {
            differences.push(Difference { what: format!("{name}: {}", difference.what), ..difference });
        }
    }
    differences
}

/// An occurrence on both sides, with its place in the produced timeline.
struct Shared<'a> {
    recorded: &'a Occurrence,
    produced: usize,
}

/// Events about one object from one component keep their order; those about interchangeable pods have none.
fn compare_order(ours: &[Occurrence], theirs: &[Occurrence]) -> Vec<Difference> {
    let name = |occurrence: &Occurrence| {
        let has_order = !occurrence.on.starts_with("pods of ") && !is_scaling(occurrence);
        has_order.then(|| occurrence.key.clone())
    };
    let mut shared: BTreeMap<(&str, &str), Vec<Shared>> = BTreeMap::new();
    for (ours, theirs) in sorted_by(ours, theirs, &name).into_values() {
        for (a, b) in ours.into_iter().zip(theirs) {
            shared.entry((&a.1.on, &a.1.from)).or_default().push(Shared { recorded: a.1, produced: b.0 });
        }
    }
    let mut differences = Vec::new();
    for pairs in shared.values() {
        for one in pairs {
            let is_swapped = |other: &&Shared| other.recorded.at - one.recorded.at >= ORDER_COUNTS_FROM && other.produced < one.produced;
            if let Some(other) = pairs.iter().find(is_swapped) {
                let what = format!("event {} comes before {}, produced after it", one.recorded.key, other.recorded.key);
                differences.push(Difference::new(one.recorded.at, what));
            }
        }
    }
    differences
}
