//! The comparator's own tests: what must be the same is, and what was tampered with is reported.
//!
//! They take the committed recordings as both sides, so the slack of a recording is allowed to the "produced" one.

use crate::compare::{RECORDED_SLACK, compare};
use crate::history::Vocabulary;
use crate::inputs;
use crate::labels::Labels;
use crate::recording::{Entry, Recording, Verb};
use serde_json::{Value, json};

/// One test: all committed recordings, and their vocabulary.
type Test = fn(&[Recording], &Vocabulary) -> Result<(), String>;

/// All tests with the names that they are reported under.
pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a recording is the same as itself", recordings_equal_themselves),
    ("other generated names are the same", other_names_are_same),
    ("a write left out is the same", missing_intermediate_write_is_same),
    ("scalings joined are the same", joined_scalings_are_same),
    ("half a second late is the same", slightly_late_is_same),
    ("ConfigMaps of the distribution do not count", foreign_config_maps_do_not_count),
    ("a swapped order is reported", swapped_writes_are_reported),
    ("a set that grows too early is reported", early_growth_is_reported),
    ("a missing event is reported", missing_event_is_reported),
    ("an event too many is reported", extra_event_is_reported),
    ("a wrong number is reported", wrong_number_is_reported),
    ("a wrong count is reported", wrong_count_is_reported),
    ("a wrong text is reported", wrong_text_is_reported),
    ("a timer off by 1.5 s is reported", late_timer_is_reported),
    ("an effect before its cause is reported", early_effect_is_reported),
    ("another end is reported", other_end_is_reported),
    ("inputs are taken by order of appearance and of deletion", inputs_are_in_order),
];

fn find<'a>(recordings: &'a [Recording], name: &str) -> Result<&'a Recording, String> {
    recordings.iter().find(|recording| recording.name == name).ok_or_else(|| format!("{name} is not committed"))
}

fn expect_same(recording: &Recording, produced: &[Entry], vocabulary: &Vocabulary, what: &str) -> Result<(), String> {
    let verdict = compare(recording, produced, RECORDED_SLACK, vocabulary);
    verdict.map_err(|difference| format!("{}, {what}: {difference}", recording.name))
}

/// The report must contain `words`.
fn expect_report(recording: &Recording, produced: &[Entry], vocabulary: &Vocabulary, what: &str, words: &str) -> Result<(), String> {
    match compare(recording, produced, RECORDED_SLACK, vocabulary) {
        Ok(()) => Err(format!("{}, {what}: not reported", recording.name)),
        Err(difference) if difference.to_string().contains(words) => Ok(()),
        Err(difference) => Err(format!("{}, {what}: reported as {difference}", recording.name)),
    }
}

/// Places of the entries of one kind.
fn places(timeline: &[Entry], kind: &str) -> Vec<usize> {
    (0..timeline.len()).filter(|place| timeline[*place].kind == kind).collect()
}

fn recordings_equal_themselves(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    for recording in recordings {
        expect_same(recording, &recording.timeline, vocabulary, "itself")?;
    }
    Ok(())
}

/// Another hash in every generated name, and other suffixes.
fn other_names_are_same(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    for name in ["a_deploy_create", "b_scale", "c_rolling_default"] {
        let recording = find(recordings, name)?;
        let text = serde_json::to_string(&recording.timeline).map_err(|error| error.to_string())?;
        let mut renamed = text.replace("b6695547d", "55d4cbd8c6").replace("7f54bdb7f", "6b7b8d9fcc");
        for pod in recording.timeline.iter().filter(|entry| entry.kind == "Pod" && entry.verb == Verb::Added) {
            let suffix = &pod.name[pod.name.len() - 5..];
            let other: String = suffix.chars().rev().collect();
            renamed = renamed.replace(&format!("-{suffix}"), &format!("-z{}", &other[1..]));
        }
        let renamed: Vec<Entry> = serde_json::from_str(&renamed).map_err(|error| error.to_string())?;
        expect_same(recording, &renamed, vocabulary, "renamed")?;
    }
    Ok(())
}

/// Leaves out single Deployment writes that the next one follows soon; nothing sums up a Deployment's status.
fn missing_intermediate_write_is_same(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    let mut tried = 0;
    for recording in recordings {
        let timeline = &recording.timeline;
        let writes = places(timeline, "Deployment");
        for pair in writes.windows(2).step_by(3) {
            let (this, next) = (&timeline[pair[0]], &timeline[pair[1]]);
            if this.verb != Verb::Modified || next.verb != Verb::Modified || this.id != next.id || next.at() - this.at() > 300_000 {
                continue;
            }
            let mut produced = timeline.clone();
            produced.remove(pair[0]);
            tried += 1;
            expect_same(recording, &produced, vocabulary, &format!("without the write at {} s", this.t_s))?;
        }
    }
    if tried < 20 { Err(format!("only {tried} writes could be tried")) } else { Ok(()) }
}

fn entry(t_s: f64, verb: Verb, kind: &str, name: &str, id: Option<&str>, facts: Value) -> Entry {
    let facts = facts.as_object().cloned().unwrap_or_default();
    Entry { t_s, verb, kind: kind.to_owned(), name: name.to_owned(), id: id.map(str::to_owned), facts }
}

/// A recording made by hand: nothing but its timeline.
fn drawn(name: &str, timeline: Vec<Entry>) -> Recording {
    let (name, namespace, t0) = (name.to_owned(), "x".to_owned(), "2026-01-01T00:00:00.000000Z".to_owned());
    Recording { name, namespace, t0, duration_s: 10.0, objects: Vec::new(), actions: Vec::new(), timeline }
}

/// A Deployment and its set of 8 that is scaled along `sizes`, a tenth of a second apart, with the scaling events.
fn scaled(sizes: &[i64]) -> Vec<Entry> {
    let owners = json!([{"owner": "deploy#1", "controller": true}]);
    let mut out = vec![entry(0.0, Verb::Added, "Deployment", "web", Some("deploy#1"), json!({"generation": 1, "spec.replicas": 8}))];
    let mut before = 0;
    for (nth, size) in sizes.iter().enumerate() {
        let t_s = 1.0 + nth as f64 / 10.0;
        let verb = if nth == 0 { Verb::Added } else { Verb::Modified };
        out.push(entry(
            t_s,
            verb,
            "ReplicaSet",
            "web-x",
            Some("rs#1"),
            json!({"owners": owners, "spec.replicas": size, "max-replicas": "10"}),
        ));
        let way = if *size > before { "up" } else { "down" };
        let message = format!("Scaled {way} replica set web-x from {before} to {size}");
        let facts =
            json!({"reason": "ScalingReplicaSet", "message": message, "count": 1, "on": "deploy#1", "from": "deployment-controller"});
        out.push(entry(t_s, Verb::Added, "Event", &format!("web.{nth}"), None, facts));
        before = *size;
    }
    out
}

fn joined_scalings_are_same(_: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    let recording = drawn("x_scaled", scaled(&[8, 7, 6]));
    expect_same(&recording, &scaled(&[8, 6]), vocabulary, "8 to 6 at once")?;
    expect_report(&recording, &scaled(&[8, 7]), vocabulary, "8 to 7 only", "7 -> 6")?;
    expect_report(&recording, &scaled(&[8, 9, 6]), vocabulary, "by way of 9", "8 -> 9")
}

fn slightly_late_is_same(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    for recording in recordings {
        let mut produced = recording.timeline.clone();
        produced.iter_mut().for_each(|entry| entry.t_s += 0.5);
        expect_same(recording, &produced, vocabulary, "half a second late")?;
    }
    Ok(())
}

fn foreign_config_maps_do_not_count(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    let recording = find(recordings, "a_deploy_create")?;
    let mut produced = recording.timeline.clone();
    produced.retain(|entry| entry.name != "openshift-service-ca.crt");
    if produced.len() == recording.timeline.len() {
        return Err("the recording has none to leave out".to_owned());
    }
    expect_same(recording, &produced, vocabulary, "without them")
}

/// Exchanges what neighbouring writes of a Deployment or a set say, where both change something.
fn swapped_writes_are_reported(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    for name in ["a_deploy_create", "b_scale", "c_recreate"] {
        let recording = find(recordings, name)?;
        for kind in ["Deployment", "ReplicaSet"] {
            let writes = places(&recording.timeline, kind);
            for trio in writes.windows(3) {
                let [before, this, next] = [trio[0], trio[1], trio[2]].map(|place| &recording.timeline[place]);
                if before.id != this.id || this.id != next.id {
                    continue;
                }
                let mut produced = recording.timeline.clone();
                produced[trio[1]].facts = next.facts.clone();
                produced[trio[2]].facts = this.facts.clone();
                expect_report(recording, &produced, vocabulary, &format!("{kind} writes at {} and {} s swapped", this.t_s, next.t_s), "")?;
            }
        }
    }
    Ok(())
}

/// In a rolling update of ten with a surge of three the new set may grow to five only after the old one has shrunk.
fn early_growth_is_reported(_: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    let update = |grows_at: f64| {
        let set = |t_s, verb, id: &str, size: i64| {
            let facts = json!({"owners": [{"owner": "deploy#1", "controller": true}], "spec.replicas": size, "max-replicas": "13"});
            let event = format!("Scaled up replica set {id}");
            vec![
                entry(t_s, verb, "ReplicaSet", id, Some(id), facts),
                entry(t_s, Verb::Added, "Event", &event, None, json!({"message": event})),
            ]
        };
        let mut out = vec![entry(0.0, Verb::Added, "Deployment", "web", Some("deploy#1"), json!({}))];
        let writes = [
            (1.0, Verb::Added, "rs#1", 10),
            (2.0, Verb::Added, "rs#2", 3),
            (2.5, Verb::Modified, "rs#1", 8),
            (grows_at, Verb::Modified, "rs#2", 5),
        ];
        out.extend(writes.into_iter().flat_map(|(t_s, verb, id, size)| set(t_s, verb, id, size)));
        out.sort_by(|one, other| one.t_s.total_cmp(&other.t_s));
        out
    };
    let recording = drawn("x_update", update(2.6));
    match crate::laws::broken(&update(2.4), 0).into_iter().find(|fault| fault.what.contains("where 13 are the most")) {
        Some(_) => expect_report(&recording, &update(2.4), vocabulary, "grown early", ""),
        None => Err("a set that grew early broke no law".to_owned()),
    }
}

/// Every event of some recordings, and every fifth of the others.
fn missing_event_is_reported(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    for recording in recordings {
        let step = if recording.name.starts_with(['a', 'b']) { 1 } else { 10 };
        for place in places(&recording.timeline, "Event").into_iter().step_by(step) {
            let mut produced = recording.timeline.clone();
            let event = produced.remove(place);
            expect_report(recording, &produced, vocabulary, &format!("without \"{}\"", event.text("message")), "")?;
        }
    }
    Ok(())
}

fn extra_event_is_reported(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    let recording = find(recordings, "a_deploy_create")?;
    for place in places(&recording.timeline, "Event") {
        let mut produced = recording.timeline.clone();
        let mut again = produced[place].clone();
        again.name.push_str("-again");
        produced.insert(place, again);
        expect_report(recording, &produced, vocabulary, "one event twice", "")?;
    }
    Ok(())
}

/// Adds one to every number of the workload controllers' objects in turn.
fn wrong_number_is_reported(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    for (name, step) in [("a_deploy_create", 1), ("b_scale", 5), ("c_rolling_default", 23), ("g_job_parallel", 3), ("h_sts_ordered", 7)] {
        let recording = find(recordings, name)?;
        let mut nth = 0;
        for (place, entry) in recording.timeline.iter().enumerate() {
            let judged = |fact: &str| {
                let is_count = !(entry.kind == "ReplicaSet" && fact == "generation");
                // A write that observes a generation earlier is one that was joined with the next.
                is_count && !fact.ends_with("_s") && fact != "observedGeneration"
            };
            for (fact, value) in entry.facts.iter().filter(|(fact, value)| value.is_i64() && judged(fact)) {
                nth += 1;
                if nth % step != 0 {
                    continue;
                }
                let wrong = value.as_i64().unwrap_or(0) + 1;
                let of_same = |other: &&Entry| other.id.is_some() && other.id == entry.id;
                let neighbours = [recording.timeline[..place].iter().rfind(of_same), recording.timeline[place + 1..].iter().find(of_same)];
                let beside: Vec<i64> = neighbours.into_iter().flatten().map(|neighbour| neighbour.number(fact)).collect();
                // That is the same as a write left out, or (where no law knows better) as one more on the same way.
                let is_on_the_way = beside.iter().min() < Some(&wrong) && Some(&wrong) < beside.iter().max();
                if entry.id.is_some()
                    && (beside.contains(&wrong) || (is_on_the_way && !matches!(entry.kind.as_str(), "Deployment" | "ReplicaSet")))
                {
                    continue;
                }
                let mut produced = recording.timeline.clone();
                produced[place].facts.insert(fact.clone(), json!(wrong));
                expect_report(recording, &produced, vocabulary, &format!("{} {fact} at {} s", entry.kind, entry.t_s), "")?;
            }
        }
    }
    Ok(())
}

fn wrong_count_is_reported(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    let recording = find(recordings, "h_sts_ordered")?;
    for place in places(&recording.timeline, "Event") {
        let count = recording.timeline[place].number("count");
        if count > 0 {
            let mut produced = recording.timeline.clone();
            produced[place].facts.insert("count".to_owned(), json!(count + 1));
            expect_report(recording, &produced, vocabulary, "a count one higher", "")?;
        }
    }
    Ok(())
}

/// A letter more in every text of some kinds, and in every condition.
fn wrong_text_is_reported(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    for name in ["a_deploy_create", "b_scale", "g_job_backoff", "k_quota_limitrange"] {
        let recording = find(recordings, name)?;
        for (place, entry) in recording.timeline.iter().enumerate() {
            let mut produced = recording.timeline.clone();
            let facts = &mut produced[place].facts;
            let text = if entry.kind == "Event" {
                facts.get_mut("message")
            } else {
                facts.get_mut("conditions").and_then(|all| all.as_object_mut()?.values_mut().next())
            };
            let Some(Value::String(text)) = text else { continue };
            text.push('~');
            expect_report(recording, &produced, vocabulary, &format!("{} at {} s with another text", entry.kind, entry.t_s), "")?;
        }
    }
    Ok(())
}

/// Chooses an entry.
type Chooser<'a> = &'a dyn Fn(&Entry) -> bool;

/// Delays everything from the entry on that `starts` chooses.
fn delayed(recording: &Recording, by: f64, starts: Chooser) -> Result<Vec<Entry>, String> {
    let from = recording.timeline.iter().position(starts).ok_or("nothing to delay")?;
    let mut produced = recording.timeline.clone();
    produced[from..].iter_mut().for_each(|entry| entry.t_s += by);
    Ok(produced)
}

/// Job back-off, Job deadline, node grace, eviction after toleration, deletion grace.
fn late_timer_is_reported(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    let condition = |entry: &Entry, of: &str| entry.facts.get("conditions").is_some_and(|all| all.get(of).is_some());
    let node_unknown = |entry: &Entry| {
        entry.kind == "Node" && entry.facts["conditions"]["Ready"].as_str().is_some_and(|ready| ready.starts_with("Unknown"))
    };
    let timers: [(&str, Chooser); 5] = [
        ("g_job_backoff", &|entry| entry.id.as_deref() == Some("pod#3") && entry.verb == Verb::Added),
        ("g_job_deadline", &|entry| entry.kind == "Job" && condition(entry, "FailureTarget")),
        ("f_node_notready", &node_unknown),
        ("f_node_notready", &|entry| entry.kind == "Pod" && entry.is("deleting")),
        ("b_scale", &|entry| entry.kind == "Pod" && entry.verb == Verb::Deleted),
    ];
    for (name, starts) in timers {
        let recording = find(recordings, name)?;
        expect_report(recording, &delayed(recording, 1.5, starts)?, vocabulary, "1.5 s late", "produced at")?;
        expect_same(recording, &delayed(recording, 0.9, starts)?, vocabulary, "0.9 s late")?;
    }
    Ok(())
}

/// An event that tells of a change half a second before it.
fn early_effect_is_reported(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    let recording = find(recordings, "b_scale")?;
    for reason in ["ScalingReplicaSet", "SuccessfulDelete", "Scheduled"] {
        let mut produced = recording.timeline.clone();
        let place = produced.iter().rposition(|entry| entry.kind == "Event" && entry.text("reason") == reason).ok_or("no such event")?;
        let mut early = produced.remove(place);
        early.t_s -= 0.5;
        let earlier = produced.iter().position(|entry| entry.t_s > early.t_s).ok_or("nothing after it")?;
        produced.insert(earlier, early);
        expect_report(recording, &produced, vocabulary, &format!("{reason} early"), "(law: ")?;
    }
    Ok(())
}

/// The last writes of a recording are missing.
fn other_end_is_reported(recordings: &[Recording], vocabulary: &Vocabulary) -> Result<(), String> {
    for recording in recordings {
        let mut produced = recording.timeline.clone();
        let last = produced.iter().rposition(|entry| matches!(entry.kind.as_str(), "Deployment" | "Job" | "StatefulSet" | "Pod"));
        let Some(last) = last.filter(|last| produced[*last].verb != Verb::Added) else { continue };
        produced.remove(last);
        expect_report(recording, &produced, vocabulary, "without the last write", "")?;
    }
    Ok(())
}

/// In `b_scale` eight pods appear and all are deleted; two of them are unready for three seconds before.
fn inputs_are_in_order(recordings: &[Recording], _: &Vocabulary) -> Result<(), String> {
    let recording = find(recordings, "b_scale")?;
    let inputs = inputs::inputs(&recording.timeline, &Labels::of(&recording.timeline, true));
    let group = inputs.get("pods of ReplicaSet 1 of Deployment/web").ok_or("no pods of the set")?;
    let ids: Vec<&str> = group.lives.iter().map(|life| life.id.as_str()).collect();
    if ids != ["pod#1", "pod#2", "pod#3", "pod#4", "pod#5", "pod#6", "pod#7", "pod#8"] {
        return Err(format!("lives of {ids:?}"));
    }
    let reports: Vec<usize> = group.lives.iter().map(|life| life.reports.len()).collect();
    if reports != [1, 1, 1, 1, 2, 2, 1, 1] {
        return Err(format!("numbers of reports {reports:?}"));
    }
    let in_order = group.ends.windows(2).all(|pair| pair[0].deleting <= pair[1].deleting);
    let complete = group.ends.iter().all(|end| end.reports.len() == 1 && end.gone.is_some_and(|gone| gone > end.deleting));
    let all_bound = group.lives.iter().all(|life| life.bound.as_ref().is_some_and(|(at, node)| *at >= life.created && !node.is_empty()));
    if group.ends.len() == 8 && in_order && complete && all_bound { Ok(()) } else { Err(format!("ends {:?}", group.ends)) }
}
