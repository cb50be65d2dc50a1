//! A timeline from our own simulation: its log and its events, written down as the recorder wrote them.

use crate::facts::facts;
use crate::recording::{Entry, Verb};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use wavetank_engine::api::json_out::object_json;
use wavetank_engine::api::log::Log;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::state::Changes;
use wavetank_engine::ids::{ObjRef, Revision};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::names::Names;
use wavetank_engine::record::events::{Events, Written};
use wavetank_engine::simulation::{Epoch, Simulation};
use wavetank_engine::time::unix_seconds;

/// Kinds with the prefixes of their ids.
const PREFIXES: &[(&str, &str)] = &[
    ("ConfigMap", "cm"),
    ("ControllerRevision", "cr"),
    ("CronJob", "cj"),
    ("DaemonSet", "ds"),
    ("Deployment", "deploy"),
    ("EndpointSlice", "eps"),
    ("Job", "job"),
    ("Namespace", "ns"),
    ("Node", "node"),
    ("PersistentVolume", "pv"),
    ("PersistentVolumeClaim", "pvc"),
    ("Pod", "pod"),
    ("PodDisruptionBudget", "pdb"),
    ("ReplicaSet", "rs"),
    ("ResourceQuota", "quota"),
    ("StatefulSet", "sts"),
];

/// Who writes through the newer recorder of Events.
pub(crate) const SCHEDULER: &str = "default-scheduler";

/// What the scheduler says it did when it gives a reason.
fn action(reason: &str) -> Value {
    match reason {
        "Scheduled" => json!("Binding"),
        "FailedScheduling" => json!("Scheduling"),
        "Preempted" => json!("Preempting"),
        _ => Value::Null,
    }
}

/// The recorder of our own run.
pub(crate) struct Recorder {
    /// Microseconds from the simulation's beginning to the recording's zero.
    offset: i64,
    seen: Revision,
    /// Objects created up to here are not written down, now or later.
    skipped: Revision,
    /// Ids by the text of the uid.
    by_uid: BTreeMap<String, String>,
    /// The newest id of each `Kind/name`.
    by_name: BTreeMap<String, String>,
    objects: BTreeMap<ObjRef, String>,
    counts: BTreeMap<&'static str, usize>,
    last: BTreeMap<String, Map<String, Value>>,
    /// Events of outside parties, by name.
    outside: Vec<(String, Map<String, Value>)>,
    timeline: Vec<Entry>,
}

impl Recorder {
    /// A recorder that has seen nothing. `offset`: microseconds from the simulation's beginning to the recording's zero.
    pub(crate) fn new(offset: i64) -> Recorder {
        Recorder {
            offset,
            seen: Revision(0),
            skipped: Revision(0),
            by_uid: BTreeMap::new(),
            by_name: BTreeMap::new(),
            objects: BTreeMap::new(),
            outside: Vec::new(),
            counts: BTreeMap::new(),
            last: BTreeMap::new(),
            timeline: Vec::new(),
        }
    }

    /// What was recorded so far.
    pub(crate) fn timeline(&self) -> &[Entry] {
        &self.timeline
    }

    /// The id of an object, once it was seen.
    pub(crate) fn id(&self, object: ObjRef) -> Option<&str> {
        self.objects.get(&object).map(String::as_str)
    }

    /// The name of the object with an id; the id itself when it was not seen.
    pub(crate) fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.timeline.iter().find(|entry| entry.id.as_deref() == Some(id)).map_or(id, |entry| &entry.name)
    }

    /// The moment now, in microseconds of the timeline.
    pub(crate) fn now(&self, sim: &Simulation) -> i64 {
        (sim.now().0 / 1_000) as i64 - self.offset
    }

    /// Passes over everything that was committed since the last call.
    pub(crate) fn skip(&mut self, sim: &Simulation) {
        self.seen = sim.get::<Objects>().head();
        self.skipped = self.seen;
    }

    /// Writes down everything that was committed since the last call; the objects written, in that order.
    pub(crate) fn watch(&mut self, sim: &mut Simulation) -> Result<Vec<ObjRef>, String> {
        let log = sim.get::<Log>();
        let mut written: Vec<(ObjRef, Changes)> = Vec::new();
        for entry in log.since(self.seen).map_err(|error| error.to_string())? {
            let earlier = written.iter().position(|(object, _)| *object == entry.object);
            let changes = earlier.map_or(Changes::default(), |place| written.remove(place).1);
            written.push((entry.object, changes.or(entry.changes)));
            self.seen = entry.revision;
        }
        let objects = sim.get::<Objects>();
        written.retain(|(object, _)| objects.row(*object).is_none_or(|row| row.created > self.skipped));
        for (object, changes) in &written {
            self.write(sim, *object, *changes);
        }
        self.watch_events(sim);
        Ok(written.into_iter().map(|(object, _)| object).collect())
    }

    fn write(&mut self, sim: &Simulation, object: ObjRef, changes: Changes) {
        let Some(json) = object_json(sim, object) else { return };
        let kind = json["kind"].as_str().unwrap_or_default().to_owned();
        let Some((_, prefix)) = PREFIXES.iter().find(|(known, _)| *known == kind) else { return };
        let name = json["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let is_new = !self.objects.contains_key(&object);
        let id = self.objects.entry(object).or_insert_with(|| {
            let count = self.counts.entry(prefix).or_default();
            *count += 1;
            format!("{prefix}#{count}")
        });
        let id = id.clone();
        self.by_uid.insert(json["metadata"]["uid"].as_str().unwrap_or_default().to_owned(), id.clone());
        self.by_name.insert(format!("{kind}/{name}"), id.clone());
        let mut facts = facts(&json, &|uid, name| self.by_uid.get(uid).or_else(|| self.by_name.get(name)).cloned());
        for time in ["startTime_s", "completionTime_s"] {
            // Seconds since the recording's zero, which is two seconds after the epoch and a fraction more.
            let unix = facts.get(time).and_then(Value::as_str).and_then(unix_seconds);
            facts.extend(unix.map(|unix| (time.to_owned(), json!(unix - sim.get::<Epoch>().0 - 2))));
        }
        for endpoint in facts.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(id) = endpoint["target"].as_str().and_then(|name| self.by_name.get(&format!("Pod/{name}"))) {
                endpoint["target"] = json!(id);
            }
        }
        let is_gone = changes.meets(Changes::GONE);
        let t_s = self.now(sim) as f64 / 1e6;
        let verb = if is_new { Verb::Added } else { Verb::Modified };
        // What lets go of an object removes it, unseen; only a pod's last grace is a write of its own.
        let is_seen = is_new || !is_gone || kind == "Pod";
        if is_seen && self.last.get(&id) != Some(&facts) {
            self.last.insert(id.clone(), facts.clone());
            self.timeline.push(Entry { t_s, verb, kind: kind.clone(), name: name.clone(), id: Some(id.clone()), facts });
        }
        if is_gone {
            let facts = self.last.get(&id).cloned().unwrap_or_default();
            self.timeline.push(Entry { t_s, verb: Verb::Deleted, kind, name, id: Some(id), facts });
        }
    }

    fn watch_events(&mut self, sim: &mut Simulation) {
        let trail = sim.get_mut::<Events>().take_trail();
        let (names, t_s) = (sim.get::<Names>(), self.now(sim) as f64 / 1e6);
        if trail.iter().any(|written| written.deleted) {
            // The namespace is being emptied: events of outside parties go as well.
            for (name, facts) in std::mem::take(&mut self.outside) {
                self.timeline.push(Entry { t_s, verb: Verb::Deleted, kind: "Event".to_owned(), name, id: None, facts });
            }
        }
        for Written { number, row, deleted } in trail {
            let name = names.render(row.about.name);
            // Some recorders name the object and leave its identity out.
            let nameless = names.text(row.source) == "taint-eviction-controller";
            let about = self.objects.iter().find(|(object, _)| object.uid == row.uid && !nameless).map(|(_, id)| id.clone());
            let about = about.unwrap_or_else(|| format!("{}/{name}", sim.get::<Kinds>().info(row.about.kind).kind));
            let reason = names.text(row.reason);
            let is_newer = names.text(row.source) == SCHEDULER;
            if is_newer && row.count > 2 && !deleted {
                continue; // The newer recorder writes the first of a series at once and the rest half an hour later.
            }
            let facts = json!({
                "reason": reason,
                "type": if row.warning { "Warning" } else { "Normal" },
                "message": row.text(names),
                "count": if is_newer && row.count == 1 { Value::Null } else { json!(row.count) },
                "on": about,
                "from": names.text(row.source),
                "action": if is_newer { action(reason) } else { Value::Null },
            });
            let verb = match row.count {
                _ if deleted => Verb::Deleted,
                1 => Verb::Added,
                _ => Verb::Modified,
            };
            let facts = facts.as_object().cloned().unwrap_or_default();
            self.timeline.push(Entry { t_s, verb, kind: "Event".to_owned(), name: format!("{name}.{number}"), id: None, facts });
        }
    }

    /// Writes down an event of an outside party.
    pub(crate) fn add_event(&mut self, t_s: f64, verb: Verb, name: String, facts: Value) {
        let facts = facts.as_object().cloned().unwrap_or_default();
        self.outside.push((name.clone(), facts.clone()));
        self.timeline.push(Entry { t_s, verb, kind: "Event".to_owned(), name, id: None, facts });
    }
}
