//! Two worlds side by side, and scenes to begin with, as a person asks for them.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{Ended, folder};
use serde_json::Value;
use std::path::Path;

fn wavetank(folder: &Path, words: &[&str]) -> Ended {
    common::wavetank(folder, words, "")
}

/// Four pods of one CPU on a node of two; a second node comes at 40 s.
const SCENE: &str = r#"Scene(
    params: {"replicas": 2, "nodes": 1},
    duration: "100s",
    ties: Random,
    nodes: [Pool(name: "n", count: "${nodes}", allocatable: {"cpu": "2", "memory": "4Gi"})],
    objects: [
        ReplicaSet(metadata: (name: "web"), spec: (replicas: "${replicas}", selector: (matchLabels: {"app": "web"}), template: (
            metadata: (labels: {"app": "web"}),
            spec: (containers: [(name: "c", image: "web:1", resources: (requests: {"cpu": "1", "memory": "1Gi"}))]),
        ))),
    ],
    script: [At("40s", AddNodes((name: "late", allocatable: {"cpu": "2", "memory": "4Gi"})))],
    expect: [At("30s", Ready("replicaset/web", 2))],
)"#;

fn compared(folder: &Path, words: &[&str]) -> Value {
    let ended = wavetank(folder, &[&["compare"], words, &["--json", "-"]].concat());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{words:?}");
    serde_json::from_str(&ended.out).unwrap()
}

fn measure<'c>(comparison: &'c Value, name: &str) -> &'c Value {
    let measures = comparison["measures"].as_array().unwrap();
    measures.iter().find(|measure| measure["name"] == name).unwrap_or_else(|| panic!("{name}: {comparison}"))
}

#[test]
fn outcomes_are_what_can_be_reckoned_by_hand() {
    let folder = folder("compare_outcomes");
    std::fs::write(folder.join("s.ron"), SCENE).unwrap();
    let comparison = compared(&folder, &["s.ron", "--vary", "replicas=2,4"]);
    assert_eq!(comparison["schema"], "wavetank.compare/1");
    // A node that comes later is Ready after its first report; until then nothing is placed there.
    let pending = measure(&comparison, "pending_pod_s")["b"]["median"].as_f64().unwrap() / 2.0;
    assert!((40.0..60.0).contains(&pending), "{pending}");
    let ready = |side: &str| measure(&comparison, "ready_pod_s")[side]["median"].as_f64().unwrap();
    assert_eq!((ready("a"), ready("b")), (200.0, 400.0 - 2.0 * pending));
    let availability = |side: &str| measure(&comparison, "availability_percent")[side]["median"].as_f64().unwrap();
    assert!((availability("a") - 100.0).abs() < 1e-9 && (availability("b") - (400.0 - 2.0 * pending) / 4.0).abs() < 1e-9, "{comparison}");
    for (name, a, b) in [
        ("wait_s_max", 0.0, pending),
        ("node_hours", 160.0 / 3600.0, 160.0 / 3600.0),
        ("cpu_requested_percent", 200.0 / 320.0 * 100.0, (400.0 - 2.0 * pending) / 320.0 * 100.0),
        ("memory_requested_percent", 200.0 / 640.0 * 100.0, (400.0 - 2.0 * pending) / 640.0 * 100.0),
        ("pods_created", 2.0, 4.0),
        ("evictions", 0.0, 0.0),
        ("restarts", 0.0, 0.0),
        ("expectations_missed", 0.0, 0.0),
    ] {
        let found = measure(&comparison, name);
        let near = |side: &str, want: f64| (found[side]["median"].as_f64().unwrap() - want).abs() < 1e-9;
        assert!(near("a", a) && near("b", b) && near("difference", b - a), "{name}: {found}");
    }
    let parted = &comparison["runs"][0];
    assert_eq!((&parted["scenes_differ"]["a"]["new"], &parted["scenes_differ"]["b"]["new"]), (&"2".into(), &"4".into()), "{parted}");
    assert_eq!(parted["runs_part"]["at_ns"], 0, "{parted}");
    // The same setting said as a patch.
    let patched = compared(&folder, &["s.ron", "--b-patch", r#"rs/web={"spec":{"replicas":4}}"#]);
    assert_eq!(patched["measures"], comparison["measures"]);
    // A run that is cut short is compared as far as both go.
    let at_60 = compared(&folder, &["s.ron", "--vary", "replicas=2,4", "--until", "30s"]);
    assert_eq!(measure(&at_60, "pending_pod_s")["b"]["median"], 60.0);
}

#[test]
fn nothing_hangs_on_the_number_of_threads_and_equal_worlds_do_not_part() {
    let folder = folder("compare_threads");
    std::fs::write(folder.join("a.ron"), SCENE).unwrap();
    std::fs::write(folder.join("b.ron"), SCENE.replace("\"40s\", Add", "\"45s\", Add")).unwrap();
    std::fs::write(folder.join("same.ron"), SCENE).unwrap();
    let words = ["a.ron", "b.ron", "--seeds", "1..7", "--set", "replicas=4", "--set", "nodes=2", "--html", "c.html", "--json", "-"];
    let outputs = ["1", "2", "5"].map(|jobs| {
        let ended = wavetank(&folder, &[&["compare", "--jobs", jobs], &words[..]].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        (ended.out, std::fs::read_to_string(folder.join("c.html")).unwrap())
    });
    assert!(outputs.iter().all(|output| *output == outputs[0]));
    let comparison: Value = serde_json::from_str(&outputs[0].0).unwrap();
    let runs = comparison["runs"].as_array().unwrap();
    assert_eq!(runs.iter().map(|run| run["seed"].as_u64().unwrap()).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
    assert!(runs.iter().all(|run| run["scenes_differ"]["at_ns"] == 40_000_000_000_u64), "{comparison}");
    let digests: std::collections::BTreeSet<&str> = runs.iter().map(|run| run["digests"][0].as_str().unwrap()).collect();
    assert!(digests.len() > 1, "seeds make no difference");
    let html = &outputs[0].1;
    assert!(html.contains("prefers-color-scheme:dark") && html.matches("<svg").count() == comparison["measures"].as_array().unwrap().len());
    assert!(!html.contains("<script") && !html.contains("http") && html.len() < 100_000, "{} bytes", html.len());
    let same = wavetank(&folder, &["compare", "a.ron", "same.ron", "--seeds", "3,9"]);
    assert!(same.out.contains("The runs do not part.") && !same.out.contains("differ first"), "{}", same.out);
    assert!(same.out.contains("seeds  3, 9"), "{}", same.out);
}

#[test]
fn what_cannot_be_compared_is_told() {
    let folder = folder("compare_bad");
    std::fs::write(folder.join("s.ron"), SCENE).unwrap();
    for (words, message) in [
        (&["s.ron"][..], "compared with itself"),
        (&["s.ron", "nowhere.ron"], "no such file"),
        (&["s.ron", "--vary", "replica=1,2"], "replica"),
        (&["s.ron", "--b-patch", r#"deploy/web={"spec":{"replicas":4}}"#], "does not begin with such an object"),
        (&["s.ron", "--b-patch", r#"rs/web={"spec":{"replicas":"x"}}"#], "rs/web: "),
        (&["s.ron", "--b-policy", "Nobody"], "Nobody"),
    ] {
        let ended = wavetank(&folder, &[&["compare"], words].concat());
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{words:?}: {}", ended.err);
        assert!(ended.err.contains(message), "{words:?}: {}", ended.err);
    }
}

#[test]
fn a_new_scene_runs_and_replaces_nothing() {
    let folder = folder("new_scenes");
    for template in ["rollout", "autoscaling", "failure", "bench"] {
        let file = format!("{template}.ron");
        let written = wavetank(&folder, &["new", &file, "--template", template]);
        assert_eq!((written.code, written.out.as_str()), (0, ""), "{}", written.err);
        let text = std::fs::read_to_string(folder.join(&file)).unwrap();
        assert!(text.contains(&format!("wavetank {} {file}", if template == "bench" { "bench" } else { "run" })), "{text}");
        let ran = wavetank(&folder, &["run", &file, "--summary", "json"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{template}: {}", ran.out);
        let summary: Value = serde_json::from_str(&ran.out).unwrap();
        assert!(summary["expectations"]["met"].as_u64().unwrap() >= 2 && summary["not_simulated"] == serde_json::json!([]), "{summary}");
    }
    std::fs::write(folder.join("mine.ron"), "mine").unwrap();
    let refused = wavetank(&folder, &["new", "mine.ron"]);
    assert_eq!((refused.code, std::fs::read_to_string(folder.join("mine.ron")).unwrap().as_str()), (2, "mine"));
    assert!(refused.err.contains("--force"), "{}", refused.err);
    assert_eq!(wavetank(&folder, &["new", "mine.ron", "--force"]).code, 0);
    assert_eq!(wavetank(&folder, &["run", "mine.ron", "--set", "replicas=6", "--quiet"]).code, 0);
    assert!(wavetank(&folder, &["new", "mine.yaml"]).err.contains("ends in .ron"));
    assert!(wavetank(&folder, &["new", "-"]).out.starts_with("// A first scene"));
}
