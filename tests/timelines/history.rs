//! Histories of single objects, and when two of them agree.
//!
//! Two histories agree when both can be had from one common history by leaving out intermediate writes. Leaving a
//! write out joins its changes with those of the next, so it is enough to look at the changes of each fact (a number
//! changes in steps of one): both sides must have the same changes, each pair of moments within the tolerance, and no
//! two changes strictly in one order here and strictly in the other there. Where a fact sums up many objects, a rise
//! and a fall that soon cancel may be missing on one side; where it goes through stages, a short one may.

use crate::difference::{Difference, TOLERANCE, seconds};
use crate::fields::{Atom, Facts, Rule, flatten, rule, shape};
use crate::labels::Labels;
use crate::recording::{Entry, Verb};
use crate::steps::{self, Step};
use std::collections::{BTreeMap, BTreeSet};

/// One write of an object as a watch showed it.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    /// Microseconds.
    pub(crate) at: i64,
    pub(crate) facts: Facts,
}

/// All writes of one object. While it exists it has the fact `exists`.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) label: String,
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) writes: Vec<Write>,
}

/// Shapes of texts that recordings hold, by kind and fact: only these may be stages that one side leaves out.
pub(crate) type Vocabulary = BTreeSet<String>;

/// The histories of a timeline's objects, by first appearance. Events have none; neither have ConfigMaps of the
/// distribution and of the root-CA publisher.
pub(crate) fn histories(timeline: &[Entry], labels: &Labels, hide_nodes: bool) -> Vec<History> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut histories: Vec<History> = Vec::new();
    for entry in timeline {
        let Some(id) = entry.id.as_deref().filter(|_| !is_foreign(entry)) else { continue };
        let place = *places.entry(id).or_insert_with(|| {
            let (label, id, kind) = (labels.object(id), id.to_owned(), entry.kind.clone());
            histories.push(History { label, id, kind, writes: Vec::new() });
            histories.len() - 1
        });
        let mut facts = flatten(&entry.kind, &entry.facts, labels, hide_nodes);
        if entry.verb != Verb::Deleted {
            facts.insert("exists".to_owned(), Atom::Number(1));
        }
        histories[place].writes.push(Write { at: entry.at(), facts });
    }
    histories
}

/// Whether an entry is of the distribution or the root-CA publisher.
pub(crate) fn is_foreign(entry: &Entry) -> bool {
    entry.kind == "ConfigMap" && matches!(entry.name.as_str(), "openshift-service-ca.crt" | "kube-root-ca.crt")
}

/// Adds the shapes of all texts of a history.
pub(crate) fn learn(history: &History, vocabulary: &mut Vocabulary) {
    for write in &history.writes {
        for (field, atom) in &write.facts {
            if let Atom::Text(text) = atom {
                vocabulary.insert(word(&history.kind, field, text));
            }
        }
    }
}

fn word(kind: &str, field: &str, text: &str) -> String {
    format!("{kind} {field} {}", shape(text))
}

/// A change found on both sides: its name, and the places of its two writes.
struct Shared {
    what: String,
    expected: (usize, i64),
    produced: (usize, i64),
}

/// All disagreements of two histories of one object; none when they agree.
pub(crate) fn disagreements(expected: &History, produced: &History, vocabulary: &Vocabulary) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut shared = Vec::new();
    let mut fields: BTreeSet<&String> = BTreeSet::new();
    for write in expected.writes.iter().chain(&produced.writes) {
        fields.extend(write.facts.keys());
    }
    for field in fields {
        let base = field.split(['[']).next().unwrap_or(field);
        let rule = rule(&expected.kind, base);
        let outcome = match (rule, is_number(expected, field) && is_number(produced, field)) {
            (Rule::Unjudged, _) => continue,
            (Rule::Same | Rule::Stage, true) => compare_numbers(expected, produced, field, false),
            (Rule::Sum, true) => compare_numbers(expected, produced, field, true),
            (Rule::Seconds, _) => compare_texts(expected, produced, field, &|_| false, &same_second),
            (Rule::Same | Rule::Sum, false) => compare_texts(expected, produced, field, &|_| false, &|a, b| a == b),
            (Rule::Stage, false) => {
                let known = |text: &str| vocabulary.contains(&word(&expected.kind, field, text));
                compare_texts(expected, produced, field, &known, &|a, b| a == b)
            }
        };
        match outcome {
            Ok(mut found) => shared.append(&mut found),
            Err(difference) => differences.push(difference),
        }
    }
    differences.extend(swapped(&shared));
    for difference in &mut differences {
        difference.what = format!("{} {}", expected.label, difference.what);
    }
    differences
}

fn same_second(expected: &str, produced: &str) -> bool {
    match (expected.parse::<i64>(), produced.parse::<i64>()) {
        (Ok(expected), Ok(produced)) => (expected - produced).abs() <= 1,
        _ => expected == produced,
    }
}

fn is_number(history: &History, field: &str) -> bool {
    history.writes.iter().all(|write| !matches!(write.facts.get(field), Some(Atom::Text(_))))
}

/// The number's changes as steps of one; from 0 before the first write.
fn number_steps(history: &History, field: &str, sums: bool) -> Vec<Step> {
    let mut out = Vec::new();
    let mut before = 0;
    for (place, write) in history.writes.iter().enumerate() {
        // A sum ends with its object, whatever the last write of it said.
        let is_over = sums && !write.facts.contains_key("exists");
        let Some(Atom::Number(now)) = write.facts.get(field).filter(|_| !is_over).or(Some(&Atom::Number(0))) else { continue };
        steps::push(&mut out, before, *now, place, write.at);
        before = *now;
    }
    out
}

fn compare_numbers(expected: &History, produced: &History, field: &str, may_cancel: bool) -> Result<Vec<Shared>, Difference> {
    let pairs = steps::pair(&number_steps(expected, field, may_cancel), &number_steps(produced, field, may_cancel), may_cancel)
        .map_err(|difference| Difference { what: format!("{field} {}", difference.what), ..difference })?;
    if may_cancel {
        return Ok(Vec::new());
    }
    let shared = |(expected, produced): (Step, Step)| Shared {
        what: format!("{field} {}", expected.name()),
        expected: (expected.place, expected.at),
        produced: (produced.place, produced.at),
    };
    Ok(pairs.into_iter().map(shared).collect())
}

/// One value of a text and when it came.
struct Stage {
    value: String,
    place: usize,
    at: i64,
    /// How long it held; nothing for the last of an object that is still there.
    held: Option<i64>,
}

fn stages(history: &History, field: &str) -> Vec<Stage> {
    let mut out: Vec<Stage> = Vec::new();
    for (place, write) in history.writes.iter().enumerate() {
        let value = match write.facts.get(field) {
            None => String::new(),
            Some(Atom::Text(text)) => text.clone(),
            Some(Atom::Number(number)) => number.to_string(),
        };
        let before = out.last_mut();
        if before.as_ref().map_or(value.is_empty(), |before| before.value == value) {
            continue;
        }
        if let Some(before) = before {
            before.held = Some(write.at - before.at);
        }
        out.push(Stage { value, place, at: write.at, held: None });
    }
    let gone = history.writes.last().filter(|write| !write.facts.contains_key("exists"));
    if let (Some(last), Some(gone)) = (out.last_mut(), gone) {
        last.held = Some(gone.at - last.at);
    }
    out
}

fn compare_texts(
    expected: &History,
    produced: &History,
    field: &str,
    may_miss: &dyn Fn(&str) -> bool,
    same: &dyn Fn(&str, &str) -> bool,
) -> Result<Vec<Shared>, Difference> {
    let (ours, theirs) = (stages(expected, field), stages(produced, field));
    let (mut i, mut j) = (0, 0);
    let mut shared = Vec::new();
    while i < ours.len() || j < theirs.len() {
        let (a, b) = (ours.get(i), theirs.get(j));
        if let (Some(a), Some(b)) = (a, b)
            && same(&a.value, &b.value)
            && (a.at - b.at).abs() <= TOLERANCE
        {
            shared.push(Shared { what: format!("{field} -> {}", a.value), expected: (a.place, a.at), produced: (b.place, b.at) });
            (i, j) = (i + 1, j + 1);
            continue;
        }
        // A stage is left out where that lets the other side's next one be found again.
        let is_short = |stage: &&Stage| stage.held.is_some_and(|held| held <= TOLERANCE) && may_miss(&stage.value);
        let found_later = |wanted: Option<&Stage>, rest: &[Stage]| {
            wanted.is_some_and(|wanted| rest.iter().any(|stage| same(&stage.value, &wanted.value)))
        };
        if a.filter(is_short).is_some() && (b.is_none() || found_later(b, &ours[i + 1..]) || !found_later(a, &theirs[j..])) {
            i += 1;
        } else if b.filter(is_short).is_some() {
            j += 1;
        } else {
            return Err(text_difference(field, a, b));
        }
    }
    Ok(shared)
}

fn text_difference(field: &str, expected: Option<&Stage>, produced: Option<&Stage>) -> Difference {
    let show = |stage: &Stage| if stage.value.is_empty() { "nothing".to_owned() } else { format!("\"{}\"", stage.value) };
    match (expected, produced) {
        (Some(a), Some(b)) if a.value == b.value => {
            Difference::new(a.at.min(b.at), format!("{field} became {} at {}, produced at {}", show(a), seconds(a.at), seconds(b.at)))
        }
        (Some(a), Some(b)) => {
            let what = format!("{field} became {} at {}, produced {} at {}", show(a), seconds(a.at), show(b), seconds(b.at));
            Difference::new(a.at.min(b.at), what)
        }
        (Some(a), None) => Difference::new(a.at, format!("{field} became {}, produced never", show(a))),
        (None, b) => {
            let (at, value) = b.map_or((0, String::new()), |b| (b.at, show(b)));
            Difference::new(at, format!("{field} produced {value}, recorded never"))
        }
    }
}

/// The first pair of changes that stand in strictly opposite orders.
fn swapped(shared: &[Shared]) -> Option<Difference> {
    let mut first: Option<Difference> = None;
    for one in shared {
        for other in shared {
            if one.expected.0 < other.expected.0 && one.produced.0 > other.produced.0 {
                let what = format!("has {} before {}, produced after it", one.what, other.what);
                let difference = Difference::new(one.expected.1, what);
                if first.as_ref().is_none_or(|first| difference < *first) {
                    first = Some(difference);
                }
            }
        }
    }
    first
}
