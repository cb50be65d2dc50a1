//! Pods and clusters at the edges: nothing asked for, more asked for than any node has, a thousand equal names, no nodes.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use wavetank_engine::api::json_out::object_json;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::ids::Kind;
use wavetank_engine::record::collect::summary;
use wavetank_engine::record::event_json::event_list;
use wavetank_engine::scene::load::{Loaded, Overrides, load};
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::source::MemoryFiles;
use wavetank_systems::install_all;

const TWO_NODES: &str = r#"nodes: [Pool(name: "n", count: 2, allocatable: {"cpu": "4", "memory": "8Gi", "pods": "600"})],"#;

fn loaded(text: &str, table: &str) -> Loaded {
    let files = MemoryFiles::default().with("scene.ron", text.as_bytes().to_vec()).with("pods.csv", table.as_bytes().to_vec());
    load(&files, &["scene.ron".to_string()], &Overrides::default())
}

fn ran(text: &str, table: &str) -> Run {
    let loaded = loaded(text, table);
    let scene = loaded.scene.unwrap_or_else(|| panic!("{:?}", loaded.problems.errors(&loaded.sources)));
    let mut run = Run::new(scene, &RunOptions { check: true, ..RunOptions::default() }, install_all).unwrap();
    let end = run.end();
    run.run_until(end, &mut |_| {}).unwrap();
    run
}

fn pods(run: &Run) -> Vec<serde_json::Value> {
    let rows = run.sim.get::<Objects>().of_kind(Kind::Pod);
    rows.map(|row| object_json(&run.sim, row.object).unwrap()).collect()
}

fn events(run: &Run, reason: &str) -> Vec<String> {
    let list = event_list(&run.sim);
    let told = list.iter().filter(|event| event["reason"] == reason);
    told.map(|event| event["message"].as_str().unwrap().to_string()).collect()
}

#[test]
fn one_pod_that_asks_for_nothing() {
    let run = ran(
        &format!(
            "Scene(duration: \"1m\", {TWO_NODES} objects: [Pod(metadata: (name: \"p\"), spec: (containers: [(name: \"c\", image: \"c:1\")]))])"
        ),
        "",
    );
    let pod = &pods(&run)[0];
    assert_eq!((pod["spec"]["nodeName"].as_str(), pod["status"]["qosClass"].as_str()), (Some("n-1"), Some("BestEffort")));
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(events(&run, "Scheduled"), ["Successfully assigned default/p to n-1"]);
}

#[test]
fn a_zone_that_goes_while_nodes_come() {
    // One block of nodes in two zones becomes two blocks in one: as many sets as before, of another shape.
    let set = |name: &str, replicas: u32, cpu: &str| {
        let pod = format!(r#"containers: [(name: "c", image: "c:1", resources: (requests: {{"cpu": "{cpu}"}}))]"#);
        let template = format!(r#"(metadata: (labels: {{"app": "{name}"}}), spec: ({pod}))"#);
        let selector = format!(r#"(matchLabels: {{"app": "{name}"}})"#);
        format!(r#"ReplicaSet(metadata: (name: "{name}"), spec: (replicas: {replicas}, selector: {selector}, template: {template}))"#)
    };
    let pool = |name: &str, count: u32, zone: &str, cpu: u32| {
        format!(
            r#"Pool(name: "{name}", count: {count}, zones: ["{zone}"], allocatable: {{"cpu": "{cpu}", "memory": "8Gi", "pods": "110"}})"#
        )
    };
    let nodes = [pool("small", 40, "a", 4), pool("large", 20, "a", 8), pool("other", 1, "b", 4)].join(", ");
    let objects = [set("web", 200, "100m"), set("large", 60, "700m")].join(", ");
    let late = pool("late", 60, "a", 4);
    let script = format!(
        r#"At("20s", Delete("node/other")), At("20s", AddNodes({late})), At("30s", Scale("rs/web", 500)), At("40s", Scale("rs/large", 120)), At("50s", Scale("rs/web", 900))"#
    );
    let run = ran(&format!(r#"Scene(duration: "1m", nodes: [{nodes}], objects: [{objects}], script: [{script}])"#), "");
    let end = summary(&run);
    assert_eq!((end.pods.running, end.pods.pending), (1020, 0));
}

#[test]
fn a_pod_for_a_scheduler_that_is_not_there() {
    let pod = r#"Pod(metadata: (name: "p"), spec: (schedulerName: "mine", containers: [(name: "c", image: "c:1")]))"#;
    let run = ran(&format!("Scene(duration: \"1m\", {TWO_NODES} objects: [{pod}])"), "");
    let end = summary(&run);
    let told: Vec<&str> = end.unschedulable.iter().map(|reason| reason.message.as_str()).collect();
    assert_eq!((end.pods.pending, told), (1, vec!["no profile of the scheduler has the schedulerName \"mine\""]));
}

#[test]
fn one_pod_larger_than_any_node() {
    let pod = r#"Pod(metadata: (name: "p"), spec: (containers: [(name: "c", image: "c:1", resources: (requests: {"cpu": "4001m"}))]))"#;
    let run = ran(&format!("Scene(duration: \"20m\", {TWO_NODES} objects: [{pod}])"), "");
    let end = summary(&run);
    assert_eq!((end.pods.pending, end.bindings, end.waited.pods), (1, 0, 1));
    let said = "0/2 nodes are available: 2 Insufficient cpu.";
    assert!(end.unschedulable[0].message.starts_with(said), "{}", end.unschedulable[0].message);
    assert_eq!(end.waited.reasons[0].reason, "Insufficient cpu");
    assert!(events(&run, "FailedScheduling").iter().all(|message| message.starts_with(said)));
    assert_eq!(pods(&run)[0]["status"]["conditions"][0]["reason"], "Unschedulable");
}

#[test]
fn a_thousand_pods_that_leave_their_name_to_one_prefix() {
    let pod = r#"Repeat(500, Pod(metadata: (generateName: "same-"), spec: (containers: [(name: "c", image: "c:1")])))"#;
    let run = ran(&format!("Scene(duration: \"1m\", {TWO_NODES} objects: [{pod}], script: [At(\"10s\", Apply({pod}))])"), "");
    let pods = pods(&run);
    let names: BTreeSet<&str> = pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!((pods.len(), names.len()), (1000, 1000));
    assert!(names.iter().all(|name| name.len() == "same-xxxxx".len() && name.starts_with("same-")));
    assert_eq!(summary(&run).pods.running, 1000);
}

#[test]
fn a_thousand_objects_of_one_name_are_a_mistake_and_a_thousand_requests_are_not() {
    let pod = r#"Pod(metadata: (name: "same"), spec: (containers: [(name: "c", image: "c:1")]))"#;
    let mistaken = loaded(&format!("Scene(duration: \"1m\", {TWO_NODES} objects: [Repeat(1000, {pod})])"), "");
    assert!(mistaken.scene.is_none());
    assert!(mistaken.problems.errors(&mistaken.sources)[0].what.contains("Pod \"same\" is there twice"));
    let run = ran(&format!("Scene(duration: \"1m\", {TWO_NODES} objects: [], script: [At(\"10s\", Apply(Repeat(1000, {pod})))])"), "");
    assert_eq!((summary(&run).pods.running, summary(&run).bindings), (1, 1));
    let rows = "same,10,100,1048576\n".repeat(1000);
    let table = format!("name,create_s,cpu_milli,memory_bytes\n{rows}");
    let run = ran(&format!("Scene(duration: \"1m\", {TWO_NODES} traces: [Csv(pods: \"pods.csv\")])"), &table);
    let trace = &summary(&run).traces[0];
    assert_eq!((trace.arrived, trace.refused[0].rows, trace.refused[0].reason.as_str()), (1, 999, "AlreadyExists"));
    assert_eq!(trace.refused[0].first, "pods.csv:3: pods \"same\" already exists");
}

#[test]
fn no_nodes_until_one_joins() {
    let pod = r#"Pod(metadata: (name: "p"), spec: (containers: [(name: "c", image: "c:1")]))"#;
    let never = ran(&format!("Scene(duration: \"20m\", objects: [{pod}])"), "");
    let said = "no nodes available to schedule pods";
    assert!(summary(&never).unschedulable[0].message.starts_with(said), "{:?}", summary(&never).unschedulable);
    assert_eq!((summary(&never).nodes, summary(&never).pods.pending), (0, 1));
    let node = r#"AddNodes((name: "late", allocatable: {"cpu": "1", "memory": "1Gi"}))"#;
    let joined = ran(&format!("Scene(duration: \"5m\", objects: [{pod}], script: [At(\"1m\", {node})])"), "");
    assert_eq!(pods(&joined)[0]["spec"]["nodeName"], "late");
    assert_eq!(summary(&joined).waited.pods, 1);
}
