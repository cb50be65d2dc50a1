//! Tracks and the slices on them. A process of the format is a node, or a group of objects; a thread is one object.

use super::lives::Life;
use super::{CHANGE_NS_MAX, Timed, head, micros};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wavetank_engine::time::SimTime;

/// The track of the scene's script.
pub(super) const SCRIPT: &str = "script";
/// Process of the objects that are neither pods nor nodes.
const CLUSTER: &str = "cluster";
/// Process of pods that never got a node.
const NO_NODE: &str = "no node";

/// Process and thread.
pub(super) type Track = (u32, u32);

/// A moment on a track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) track: Track,
    pub(super) at_ns: u64,
}

struct Slice {
    end_ns: u64,
    name: String,
    /// What is shown when the slice is selected.
    told: String,
}

/// The tracks of a trace.
#[derive(Default)]
pub(super) struct Tracks {
    processes: Vec<String>,
    threads: Vec<(Track, String)>,
    by_name: BTreeMap<(u32, String), Track>,
    /// Slices of each track by their beginning.
    slices: BTreeMap<Track, BTreeMap<u64, Slice>>,
    /// Tracks that an object has, in order of time: its lives were on different nodes.
    of_object: BTreeMap<String, Vec<(u64, Track)>>,
}

impl Tracks {
    fn track(&mut self, process: &str, thread: &str) -> Track {
        let known = self.processes.iter().position(|known| known == process);
        let at = known.unwrap_or_else(|| {
            self.processes.push(process.to_string());
            self.processes.len() - 1
        });
        let pid = at as u32 + 1;
        if let Some(track) = self.by_name.get(&(pid, thread.to_string())) {
            return *track;
        }
        let track = (pid, self.threads.len() as u32 + 1);
        self.threads.push((track, thread.to_string()));
        self.by_name.insert((pid, thread.to_string()), track);
        track
    }

    /// Draws the lives of pods in a run that ended at `end`.
    pub(super) fn lives(&mut self, lives: Vec<Life>, end: SimTime) {
        let mut nodes: Vec<String> = lives.iter().map(|life| life.node.clone()).filter(|node| !node.is_empty()).collect();
        nodes.sort();
        nodes.dedup();
        for process in [CLUSTER, NO_NODE].into_iter().map(String::from).chain(nodes.iter().map(|node| format!("node/{node}"))) {
            self.processes.push(process);
        }
        for life in lives {
            let process = if life.node.is_empty() { NO_NODE.to_string() } else { format!("node/{}", life.node) };
            let track = self.track(&process, life.object.strip_prefix("pod/").unwrap_or(&life.object));
            let Some((born, _)) = life.doing.first() else { continue };
            self.of_object.entry(life.object.clone()).or_default().push((born.0, track));
            let until = life.gone_at.unwrap_or(end);
            for (at, (from, doing)) in life.doing.iter().enumerate() {
                let end_ns = life.doing.get(at + 1).map_or(until, |next| next.0).0.max(from.0 + 1);
                let slice = Slice { end_ns, name: doing.clone(), told: format!("{} from {from}", life.object) };
                self.slices.entry(track).or_default().insert(from.0, slice);
            }
        }
    }

    /// Draws a change of an object.
    pub(super) fn change(&mut self, object: &str, at: SimTime, name: &str, told: String) {
        let process = if object.starts_with("node/") && self.processes.iter().any(|known| known == object) { object } else { CLUSTER };
        let process = process.to_string();
        let track = self.track(&process, object);
        let tracks = self.of_object.entry(object.to_string()).or_default();
        if tracks.is_empty() {
            tracks.push((0, track));
        }
        let slices = self.slices.entry(track).or_default();
        match slices.get_mut(&at.0) {
            Some(slice) if slice.told.lines().any(|line| told.lines().any(|new| new == line)) => {}
            Some(slice) => slice.told = format!("{}\n{told}", slice.told),
            None => drop(slices.insert(at.0, Slice { end_ns: at.0 + CHANGE_NS_MAX, name: name.to_string(), told })),
        }
    }

    /// Where a change of an object at a moment is drawn; the end of a life is drawn on its last nanosecond.
    pub(super) fn place(&self, object: &str, at: SimTime) -> Option<Place> {
        let tracks = self.of_object.get(object)?;
        let (_, track) = tracks.iter().rev().find(|(from, _)| *from <= at.0)?;
        let (&from, slice) = self.slices.get(track)?.range(..=at.0).next_back()?;
        Some(Place { track: *track, at_ns: at.0.min(slice.end_ns - 1).max(from) })
    }

    /// All slices as complete events. None reaches into the next of its track.
    pub(super) fn slices(&self) -> Vec<Timed> {
        let mut events = Vec::new();
        for (&track, slices) in &self.slices {
            let mut list = slices.iter().peekable();
            while let Some((&from, slice)) = list.next() {
                let end = list.peek().map_or(slice.end_ns, |(next, _)| slice.end_ns.min(**next));
                let mut event = head("X", Place { track, at_ns: from }, &slice.name);
                event.insert("dur".into(), micros(end - from));
                event.insert("args".into(), json!({"what": slice.told}));
                events.push(((from, 0), event));
            }
        }
        events
    }

    /// Names of processes and threads, and their order.
    pub(super) fn names(&self) -> Vec<Value> {
        let mut events = Vec::new();
        for (at, name) in self.processes.iter().enumerate() {
            let pid = at + 1;
            events.push(json!({"ph": "M", "pid": pid, "name": "process_name", "args": {"name": name}}));
            events.push(json!({"ph": "M", "pid": pid, "name": "process_sort_index", "args": {"sort_index": pid}}));
        }
        for ((pid, tid), name) in &self.threads {
            events.push(json!({"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": name}}));
            events.push(json!({"ph": "M", "pid": pid, "tid": tid, "name": "thread_sort_index", "args": {"sort_index": tid}}));
        }
        events
    }
}
