//! Traces for Perfetto: every event whole and in order, every arrow with both ends, every pod under its node.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::folder;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

type Track = (u64, u64);

/// A slice in nanoseconds.
struct Slice {
    from: u64,
    end: u64,
    name: String,
}

struct Trace {
    processes: BTreeMap<u64, String>,
    threads: BTreeMap<Track, String>,
    slices: BTreeMap<Track, Vec<Slice>>,
    /// Beginning and end of each arrow.
    arrows: Vec<[(Track, u64); 2]>,
}

impl Trace {
    fn of_process(&self, name: &str) -> Vec<&str> {
        let (pid, _) = self.processes.iter().find(|(_, process)| *process == name).unwrap_or_else(|| panic!("no process {name}"));
        self.threads.iter().filter(|((of, _), _)| of == pid).map(|(_, thread)| thread.as_str()).collect()
    }

    /// What a thread did, one after another.
    fn did(&self, thread: &str) -> Vec<&str> {
        let (track, _) = self.threads.iter().find(|(_, name)| *name == thread).unwrap_or_else(|| panic!("no thread {thread}"));
        self.slices[track].iter().map(|slice| slice.name.as_str()).collect()
    }
}

fn ns(event: &Value, field: &str) -> u64 {
    let micros = event[field].as_f64().unwrap_or_else(|| panic!("{field} of {event}"));
    assert!(micros >= 0.0, "{event}");
    (micros * 1000.0).round() as u64
}

/// Runs a scene and reads its trace, with all that must hold of every trace.
fn trace(scene: &str) -> Trace {
    let ended = common::wavetank(Path::new(env!("CARGO_MANIFEST_DIR")), &["run", scene, "--perfetto", "-"], "");
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{scene}");
    let whole: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(whole["otherData"]["schema"], "wavetank.perfetto/1");
    assert!(whole["displayTimeUnit"] == "ms", "{scene}");
    let mut read = Trace { processes: BTreeMap::new(), threads: BTreeMap::new(), slices: BTreeMap::new(), arrows: Vec::new() };
    let (mut last, mut begun, mut ids) = (0, BTreeMap::new(), BTreeSet::new());
    for event in whole["traceEvents"].as_array().unwrap() {
        let phase = event["ph"].as_str().unwrap();
        let (pid, name) = (event["pid"].as_u64().unwrap(), event["name"].as_str().unwrap());
        let said = || event["args"]["name"].as_str().unwrap().to_string();
        match name {
            _ if phase != "M" => {}
            "process_name" => assert!(read.processes.insert(pid, said()).is_none(), "{scene}: two names of {pid}"),
            "thread_name" => {
                let track = (pid, event["tid"].as_u64().unwrap());
                assert!(read.threads.insert(track, said()).is_none(), "{scene}: two names of {track:?}");
            }
            "process_sort_index" | "thread_sort_index" => assert!(event["args"]["sort_index"].is_u64(), "{scene}: {event}"),
            other => panic!("{scene}: the format has no metadata {other}"),
        }
        if phase == "M" {
            continue;
        }
        let (track, at) = ((pid, event["tid"].as_u64().unwrap()), ns(event, "ts"));
        assert!(read.threads.contains_key(&track) && read.processes.contains_key(&pid), "{scene}: no name of the track of {event}");
        assert!(at >= last, "{scene}: times go back at {event}");
        last = at;
        match phase {
            "X" => {
                let slice = Slice { from: at, end: at + ns(event, "dur"), name: name.to_string() };
                assert!(slice.end > slice.from, "{scene}: {event}");
                let slices = read.slices.entry(track).or_default();
                assert!(slices.last().is_none_or(|before| before.end <= slice.from), "{scene}: slices overlap at {event}");
                slices.push(slice);
            }
            "s" => {
                let id = event["id"].as_u64().unwrap();
                assert!(ids.insert(id), "{scene}: two arrows share the id of {event}");
                begun.insert(id, (track, at, event));
            }
            "f" => {
                let begun = begun.remove(&event["id"].as_u64().unwrap());
                let (from, since, first) = begun.unwrap_or_else(|| panic!("{scene}: no beginning of {event}"));
                // Viewers pair both ends by id, category and name together; without `bp` an arrow would end at the next slice.
                assert!(
                    first["cat"] == event["cat"] && first["name"] == event["name"] && event["cat"].is_string(),
                    "{scene}: {first} {event}"
                );
                assert!(event["bp"] == "e", "{scene}: {event}");
                read.arrows.push([(from, since), (track, at)]);
            }
            other => panic!("{scene}: {other} events are not written"),
        }
    }
    assert!(begun.is_empty(), "{scene}: arrows without an end");
    for (track, at) in read.arrows.iter().flatten() {
        assert!(read.slices[track].iter().any(|slice| slice.from <= *at && *at < slice.end), "{scene}: an arrow hangs in the air at {at}");
    }
    for [from, to] in &read.arrows {
        assert!(from.1 <= to.1 && from.0 != to.0, "{scene}: an arrow leads back, or to its own track: {from:?} {to:?}");
    }
    let mut names: Vec<(u64, &String)> = read.threads.iter().map(|(track, name)| (track.0, name)).collect();
    names.sort();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{scene}: two tracks of a process have one name");
    read
}

#[test]
fn every_scene_of_these_topics_gives_a_sound_trace() {
    for topic in ["pods", "disruption", "workloads", "nodes", "lifecycle", "batch", "autoscaling", "storage"] {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes").join(topic)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let read = trace(&format!("scenes/{topic}/{name}"));
            assert!(!read.slices.is_empty(), "{topic}/{name}");
        }
    }
}

#[test]
fn a_failed_node_and_what_it_causes_can_be_followed() {
    let read = trace("scenes/hello.ron");
    let on_failed = read.of_process("node/node-1");
    assert!(on_failed.iter().any(|thread| thread.starts_with("shop-")), "{on_failed:?}");
    let script = read.threads.iter().find(|(_, name)| *name == "script").unwrap().0;
    assert!(read.did("script").iter().any(|action| action.starts_with("FailNode")), "{:?}", read.did("script"));
    assert!(read.arrows.iter().any(|[from, _]| from.0 == *script), "the script causes something");
    let pods: Vec<&Track> = read.threads.iter().filter(|(_, name)| name.starts_with("shop-")).map(|(track, _)| track).collect();
    let evicted = |slice: &Slice| slice.name == "terminating";
    let begins = |track: &Track, at: u64| read.slices[track].iter().any(|slice| slice.from == at && evicted(slice));
    assert!(read.arrows.iter().any(|[_, to]| pods.contains(&&to.0) && begins(&to.0, to.1)), "a deletion has its cause");
}

#[test]
fn a_life_is_told_in_order() {
    let read = trace("scenes/pods/crash_loop.ron");
    let pod = read.threads.values().find(|name| read.did(name).contains(&"CrashLoopBackOff")).expect("a pod that crashes");
    let did = read.did(pod);
    let of = |what: &str| did.iter().position(|doing| *doing == what);
    assert!(of("running") < of("CrashLoopBackOff"), "{did:?}");
    let waits = trace("scenes/scheduling/gates.ron");
    let mut pods = waits.threads.values().filter(|name| !name.contains('/') && *name != "script");
    assert!(pods.any(|name| waits.did(name).starts_with(&["scheduling"])), "a gated pod waits");
}

#[test]
fn tracing_changes_nothing_and_gives_the_same_bytes() {
    let folder = folder("perfetto_bytes");
    let run = |words: &[&str]| {
        let words = [&["run", "scenes/hello.ron", "--summary", "json"], words].concat();
        let ended = common::wavetank(Path::new(env!("CARGO_MANIFEST_DIR")), &words, "");
        assert_eq!(ended.code, 0, "{}", ended.err);
        serde_json::from_str::<Value>(&ended.out).unwrap()["digest"].clone()
    };
    let plain = run(&[]);
    let traced = |name: &str, words: &[&str]| {
        let path = folder.join(name);
        assert_eq!(run(&[&["--perfetto", path.to_str().unwrap()], words].concat()), plain, "{name}");
        std::fs::read_to_string(path).unwrap()
    };
    assert!(traced("one.json", &[]) == traced("other.json", &["--dispatch", "schedule"]), "two traces of one run differ");
}
