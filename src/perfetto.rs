//! A run in the trace-event format that Perfetto and Chrome open: pods as tracks grouped by their nodes, arrows for causes.
//!
//! Every slice is a complete event (`X`), every arrow a pair of flow events (`s`, `f`); all stand in order of time.

mod lives;
mod tracks;

use crate::render::why::Script;
use serde_json::{Map, Value, json};
use tracks::{Place, Tracks};
use wavetank_engine::ids::Revision;
use wavetank_engine::record::causes::Origin;
use wavetank_engine::record::journal::Line;
use wavetank_engine::record::why::{Recording, Step};
use wavetank_engine::scene::run::Run;
use wavetank_engine::time::SimTime;

/// Schema of the trace, beside the format's own fields.
pub const SCHEMA: &str = "wavetank.perfetto/1";

/// How long a change of an object without a life of its own is drawn at most. Unit: nanoseconds.
const CHANGE_NS_MAX: u64 = 1_000_000;

/// The trace of a run that kept causes, from its whole journal.
pub fn trace(run: &Run, lines: Vec<Line>, script: &[Script]) -> String {
    let mut tracks = Tracks::default();
    tracks.lives(lives::lives(run, &lines), run.sim.now());
    let recording = Recording::new(&run.sim, lines).expect("the run keeps causes");
    let arrows = arrows(&recording);
    for arrow in &arrows {
        for write in arrow.cause.write().into_iter().chain([arrow.effect]) {
            change(&mut tracks, recording.lines(write));
        }
    }
    for (entry, said) in run.scene().script.iter().zip(script).filter(|(entry, _)| entry.at <= run.sim.now()) {
        tracks.change(tracks::SCRIPT, entry.at, &said.action, format!("{} ({})", said.action, said.place));
    }
    let mut events = tracks.slices();
    let mut number = 0;
    for arrow in &arrows {
        let from = match arrow.cause {
            Cause::Write(write) => place(&tracks, recording.lines(write)),
            Cause::Script(at) => tracks.place(tracks::SCRIPT, at),
        };
        let to = place(&tracks, recording.lines(arrow.effect));
        let (Some(from), Some(to)) = (from, to) else { continue };
        if from.track != to.track && from.at_ns <= to.at_ns {
            number += 1;
            events.push(flow("s", number, from));
            events.push(flow("f", number, to));
        }
    }
    events.sort_by_key(|event| event.0);
    let mut all = tracks.names();
    all.extend(events.into_iter().map(|(_, event)| Value::Object(event)));
    let lines: Vec<String> = all.iter().map(Value::to_string).collect();
    let other = json!({"schema": SCHEMA, "scene": run.scene().path, "seed": run.scene().seed});
    format!("{{\"displayTimeUnit\":\"ms\",\"otherData\":{other},\"traceEvents\":[\n{}\n]}}\n", lines.join(",\n"))
}

/// An event that is sorted by time; at one time slices come first, then beginnings of arrows, then their ends.
type Timed = ((u64, u8), Map<String, Value>);

/// One cause of one write.
struct Arrow {
    cause: Cause,
    effect: Revision,
}

#[derive(Clone, Copy)]
enum Cause {
    Write(Revision),
    /// The script, at a moment.
    Script(SimTime),
}

impl Cause {
    fn write(self) -> Option<Revision> {
        match self {
            Cause::Write(write) => Some(write),
            Cause::Script(_) => None,
        }
    }
}

/// The writes that people ask about, with what is right behind each.
fn arrows(recording: &Recording) -> Vec<Arrow> {
    let asked = recording.writes().filter(|(_, lines)| lines.iter().any(is_asked_about));
    let behind = |step: Step| match step {
        Step::Write(write) => Some(Some(Cause::Write(write))),
        Step::Origin(Origin::Script { at, .. }) => Some(Some(Cause::Script(at))),
        Step::Origin(_) | Step::Unknown => Some(None),
        Step::Timer { .. } | Step::Input(_) => None,
    };
    let arrow = |effect: Revision| {
        let cause = recording.chain(effect).into_iter().skip(1).find_map(behind)??;
        Some(Arrow { cause, effect })
    };
    asked.filter_map(|(&effect, _)| arrow(effect)).collect()
}

fn is_asked_about(line: &Line) -> bool {
    match line.field.as_str() {
        "object" => line.new == "created",
        "deletion" => line.old == "-",
        "spec.nodeName" | "spec.replicas" | "spec.taints" => true,
        "conditions.Ready" => line.object.starts_with("node/"),
        _ => false,
    }
}

/// Draws a write to an object that has no life of its own.
fn change(tracks: &mut Tracks, lines: &[Line]) {
    let Some(first) = lines.first().filter(|line| !line.object.starts_with("pod/")) else { return };
    let told: Vec<String> = lines.iter().map(|line| format!("{}: {} -> {}, by {}", line.field, line.old, line.new, line.actor)).collect();
    let telling = lines.iter().find(|line| is_asked_about(line)).unwrap_or(first);
    let name = match telling.field.as_str() {
        "object" => telling.new.clone(),
        field => format!("{field} {} -> {}", telling.old, telling.new),
    };
    tracks.change(&first.object, first.at, &name, told.join("\n"));
}

/// Where a write is drawn.
fn place(tracks: &Tracks, lines: &[Line]) -> Option<Place> {
    let first = lines.first()?;
    tracks.place(&first.object, first.at)
}

fn flow(phase: &str, number: u64, place: Place) -> Timed {
    let mut event = head(phase, place, "cause");
    event.insert("cat".into(), json!("cause"));
    event.insert("id".into(), json!(number));
    if phase == "f" {
        event.insert("bp".into(), json!("e"));
    }
    ((place.at_ns, if phase == "s" { 1 } else { 2 }), event)
}

fn head(phase: &str, place: Place, name: &str) -> Map<String, Value> {
    let mut event = Map::new();
    event.insert("ph".into(), json!(phase));
    event.insert("pid".into(), json!(place.track.0));
    event.insert("tid".into(), json!(place.track.1));
    event.insert("ts".into(), micros(place.at_ns));
    event.insert("name".into(), json!(name));
    event
}

/// Nanoseconds in the format's unit.
fn micros(ns: u64) -> Value {
    if ns.is_multiple_of(1000) { json!(ns / 1000) } else { json!(ns as f64 / 1000.0) }
}
