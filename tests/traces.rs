//! Traces: pods from files arrive and leave at their times, and no row is lost in silence.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use wavetank::files::Disk;
use wavetank_engine::record::checkpoint;
use wavetank_engine::record::collect::summary;
use wavetank_engine::record::digest::digest;
use wavetank_engine::record::journal::Journal;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::model::Scene;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::simulation::dispatch::Dispatcher;
use wavetank_engine::source::{Files, MemoryFiles};
use wavetank_engine::time::SimTime;
use wavetank_systems::install_all;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traces");

/// A scene in the folder of the tables.
fn scene(text: &str) -> Scene {
    let mut files = MemoryFiles::default().with("scene.ron", text.as_bytes().to_vec());
    for path in Disk.list(FOLDER).unwrap() {
        let name = Path::new(&path).file_name().unwrap().to_str().unwrap().to_string();
        files = files.with(&name, Disk.read(&path).unwrap());
    }
    let loaded = load(&files, &["scene.ron".to_string()], &Overrides::default());
    loaded.scene.unwrap_or_else(|| panic!("{:?}", loaded.problems.errors(&loaded.sources)))
}

fn traced(traces: &str) -> Scene {
    scene(&format!("Scene(duration: \"5m\", traces: [{traces}])"))
}

fn recording() -> RunOptions {
    RunOptions { journal: true, check: true, ..RunOptions::default() }
}

fn go(scene: Scene, options: &RunOptions) -> (Run, Vec<String>) {
    let mut run = Run::new(scene, options, install_all).unwrap();
    let end = run.end();
    run.run_until(end, &mut |_| {}).unwrap();
    let lines = run.sim.get_mut::<Journal>().take().iter().map(|line| line.text()).collect();
    (run, lines)
}

fn lines_of<'l>(lines: &'l [String], object: &str) -> Vec<&'l str> {
    lines.iter().filter(|line| line.contains(object)).map(String::as_str).collect()
}

const CSV: &str = r#"Csv(nodes: "nodes.csv", pods: "pods.csv")"#;
const OPENB: &str = r#"Openb(nodes: "openb_nodes.csv", pods: "openb_pods.csv")"#;
const YAML: &str = r#"Yaml(nodes: "nodes.yaml", pods: "pods.yaml", at: "100s", runs_for: "60s")"#;

#[test]
fn plain_tables() {
    let (run, lines) = go(traced(CSV), &recording());
    let report = summary(&run).traces;
    let short = |at: usize| json!([report[at].rows, report[at].arrived, report[at].left, report[at].to_come]);
    assert_eq!((short(0), short(1)), (json!([5, 3, 0, 0]), json!([11, 5, 0, 1])));
    let unusable: Vec<String> = report.iter().flat_map(|r| &r.unusable).map(|t| format!("{} {} {}", t.rows, t.first, t.reason)).collect();
    let begin = |text: &String| text.split(" (").next().unwrap().to_string();
    assert_eq!(
        unusable.iter().map(begin).collect::<Vec<_>>(),
        [
            "1 nodes.csv:5: found \"Delta\" name: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            "1 nodes.csv:6: found \"four\" cpu_milli: expected a whole number",
            "1 pods.csv:8: found \"lots\" cpu_milli: expected a whole number",
            "1 pods.csv:9: found \"bad_name\" name: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            "1 pods.csv:10: found 3 values expected 7 values in a row, as in the first line",
            "1 pods.csv:11: found \"soon\" duration_s: expected a number of seconds",
        ]
    );
    assert_eq!((report[1].refused[0].rows, report[1].refused[0].reason.as_str()), (1, "AlreadyExists"));
    assert!(lines_of(&lines, "pod/brief").iter().any(|line| line.starts_with("00:01.500") && line.contains("created")));
    assert!(lines_of(&lines, "pod/brief").iter().any(|line| line.starts_with("00:21.500") && line.contains("Succeeded")), "{lines:#?}");
    // Too large for the first two nodes: it waits for the third, which joins at 90 s.
    assert!(lines_of(&lines, "pod/large").iter().any(|line| line.starts_with("01:30") && line.contains("gamma")), "{lines:#?}");
    let end = summary(&run);
    assert_eq!(end.unschedulable.iter().map(|u| u.pods).sum::<u64>(), 1, "no node has four GPUs");
    assert_eq!(end.waited.reasons.iter().map(|reason| reason.pods).sum::<u64>(), 2);
}

#[test]
fn tables_of_openb() {
    let (run, lines) = go(traced(OPENB), &recording());
    let report = &summary(&run).traces[1];
    assert_eq!((report.rows, report.arrived, report.left, report.to_come), (8, 6, 6, 0));
    let reasons: Vec<&str> = report.unusable.iter().map(|trouble| trouble.reason.as_str()).collect();
    let want = ["gpu_milli: expected 1000 where num_gpu is more than 1", "deletion_time: expected a time not before creation_time"];
    assert_eq!(reasons, want);
    let bound = |pod: &str| lines_of(&lines, pod).iter().find(|line| line.contains("nodeName")).map(|line| line[..9].to_string());
    assert_eq!(bound("pod/p-1").as_deref(), Some("00:00.000"));
    // All four GPUs of the P100 node are free once p-1 has left.
    assert_eq!(bound("pod/p-2").as_deref(), Some("00:50.000"), "{lines:#?}");
    assert_eq!(bound("pod/p-4"), None, "no node has a V100");
    assert!(lines_of(&lines, "pod/p-1").iter().any(|line| line.starts_with("00:50.000") && line.contains("gone")), "{lines:#?}");
    let (stayed, _) = go(traced(&OPENB.replace(')', ", stay: true)")), &recording());
    assert_eq!((summary(&stayed).traces[1].left, summary(&stayed).pods.total), (0, 6));
}

#[test]
fn manifests_arrive_and_run_as_the_scene_says() {
    let (run, lines) = go(traced(YAML), &recording());
    let report = &summary(&run).traces[0];
    assert_eq!((report.rows, report.arrived), (6, 2));
    let unusable: Vec<String> = report.unusable.iter().map(|t| format!("{} {}", t.rows, t.first)).collect();
    assert_eq!(unusable, ["1 pods.yaml:15: \"Job_2\"", "1 pods.yaml:22: \"lab\"", "1 pods.yaml:31"]);
    assert_eq!(report.refused.len(), 1, "job-1 is there already");
    assert!(lines_of(&lines, "pod/lab/job-0").iter().any(|line| line.starts_with("01:40.000") && line.contains("created")));
    assert!(lines_of(&lines, "pod/lab/job-0").iter().any(|line| line.starts_with("02:40.000") && line.contains("Succeeded")), "{lines:#?}");
    assert_eq!(run.namespaces_made, ["lab"]);
    assert!(summary(&run).not_simulated.iter().any(|what| what.ends_with("securityContext")), "{:?}", summary(&run).not_simulated);
}

#[test]
fn the_same_each_time_and_saved_and_resumed() {
    let all = format!("{CSV}, {OPENB}, {YAML}");
    let (unbroken, lines) = go(traced(&all), &recording());
    let schedule = RunOptions { dispatcher: Dispatcher::Schedule, ..recording() };
    assert_eq!(lines, go(traced(&all), &schedule).1);
    for second in [0, 1, 20, 45, 99, 100, 130, 299] {
        let mut run = Run::new(traced(&all), &recording(), install_all).unwrap();
        run.run_until(SimTime::from_secs(second), &mut |_| {}).unwrap();
        let saved = checkpoint::save(&run).unwrap();
        let mut resumed = checkpoint::resume(traced(&all), &recording(), install_all, &saved).unwrap();
        let end = resumed.end();
        resumed.run_until(end, &mut |_| {}).unwrap();
        let after: Vec<String> = resumed.sim.get_mut::<Journal>().take().iter().map(|line| line.text()).collect();
        assert_eq!(after, lines, "saved at {second} s");
        assert_eq!(digest(&resumed.sim), digest(&unbroken.sim), "saved at {second} s");
        assert_eq!(resumed.traces(), unbroken.traces());
    }
}

#[test]
fn the_command_line_saves_and_resumes_and_says_what_was_unusable() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("traces");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let wavetank = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_wavetank")).args(words).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = r#"Scene(params: {"dir": "."}, duration: "5m", traces: [Csv(nodes: "${dir}/nodes.csv", pods: "${dir}/pods.csv")])"#;
    std::fs::write(folder.join("scene.ron"), text).unwrap();
    let set = format!("dir={FOLDER}");
    let shown = wavetank(&["run", "scene.ron", "--set", &set]);
    for part in [
        "pods.csv: 11 rows, 5 arrived, 1 still to come, 4 unusable, 1 refused",
        "1 refused: AlreadyExists",
        "pods.csv:7: pods \"steady\" already exists",
        "waited at first for",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = |words: &[&str]| serde_json::from_str::<Value>(&wavetank(words)).unwrap();
    let whole = json(&["run", "scene.ron", "--set", &set, "--summary", "json", "--save", "half", "--at", "35s"]);
    let resumed = json(&["run", "--resume", "half", "--summary", "json"]);
    assert_eq!((&whole["digest"], &whole["traces"]), (&resumed["digest"], &resumed["traces"]));
    assert_eq!(whole["traces"][1]["refused"][0]["rows"], 1);
}

#[test]
fn a_large_unsorted_table_is_read_as_time_comes_to_it() {
    let rows: String = (0..5_000u64).map(|n| format!("p-{n},{},10,1048576,,5,\n", n * 7919 % 250)).collect();
    let pods = format!("name,create_s,cpu_milli,memory_bytes,gpu,duration_s,priority\n{rows}");
    let files = MemoryFiles::default()
        .with("scene.ron", &b"Scene(duration: \"5m\", nodes: [Pool(name: \"n\", count: 3, allocatable: {\"cpu\": \"8\", \"memory\": \"64Gi\", \"pods\": \"500\"})], traces: [Csv(pods: \"pods.csv\")])"[..])
        .with("pods.csv", pods.into_bytes());
    let loaded = load(&files, &["scene.ron".to_string()], &Overrides::default());
    let (run, _) = go(loaded.scene.unwrap(), &RunOptions::default());
    let end = summary(&run);
    assert_eq!((end.traces[0].arrived, end.traces[0].to_come, end.pods.succeeded, end.waited.pods), (5_000, 0, 5_000, 0));
}
