//! Shipped policies in whole runs: small scenes, and where their pods end up.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use wavetank_engine::record::collect::summary;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::source::MemoryFiles;
use wavetank_systems::scheduler::registry;

/// Runs a scene with all invariants checked; every expectation must be met.
fn goes_as_it_says(what: &str, scene: &str) {
    let files = MemoryFiles::default().with("scene.ron", scene);
    let overrides = Overrides { check_policy: Some(registry::check), ..Overrides::default() };
    let loaded = load(&files, &["scene.ron".to_string()], &overrides);
    let told: Vec<String> = loaded.problems.errors(&loaded.sources).iter().map(|told| told.to_string()).collect();
    let scene = loaded.scene.unwrap_or_else(|| panic!("{what}: {told:?}"));
    let mut run = Run::new(scene, &RunOptions { check: true, ..RunOptions::default() }, wavetank_systems::install_all).unwrap();
    run.run_until(run.end(), &mut |_| {}).unwrap();
    let summary = summary(&run);
    assert_eq!(summary.expectations.missed, Vec::<String>::new(), "{what}: {:?}", summary.unschedulable);
}

/// A pod with GPUs: how many, and how much of each.
fn gpu_pod(name: &str, cpu: &str, gpus: u32, share: u32, more: &str) -> String {
    let (total, annotations) =
        (gpus * share, format!(r#"annotations: {{"alibabacloud.com/gpu-count": "{gpus}", "alibabacloud.com/gpu-milli": "{share}"}}"#));
    let amounts = format!(r#"{{"cpu": "{cpu}", "alibabacloud.com/gpu-milli": "{total}"}}"#);
    format!(
        r#"Pod(metadata: (name: "{name}", {annotations}), spec: ({more}containers: [(name: "c", image: "g:1", resources: (requests: {amounts}, limits: {amounts}))]))"#
    )
}

fn pool(name: &str, cpu: u32, gpus: u32) -> String {
    format!(
        r#"Pool(name: "{name}", count: 1, allocatable: {{"cpu": "{cpu}", "memory": "64Gi", "pods": "20", "alibabacloud.com/gpu-count": "{gpus}", "alibabacloud.com/gpu-milli": "{}"}})"#,
        gpus * 1000
    )
}

fn scene(policies: &str, nodes: &[String], objects: &[String], expect: &[(&str, &str)]) -> String {
    let expect: Vec<String> = expect.iter().map(|(pod, node)| format!(r#"At("30s", OnNode("pod/{pod}", "{node}"))"#)).collect();
    let (nodes, objects, expect) = (nodes.join(", "), objects.join(", "), expect.join(", "));
    format!(r#"Scene(duration: "1m", seed: 1, policies: {policies}, nodes: [{nodes}], objects: [{objects}], expect: [{expect}])"#)
}

#[test]
fn each_gpu_policy_goes_its_own_way() {
    // A small node, a node with one GPU of which 0.6 are used, and a large one with two GPUs.
    let nodes = [pool("small", 4, 1), pool("used", 32, 1), pool("large", 16, 2)];
    let before = gpu_pod("before", "1", 1, 600, r#"nodeName: "used", "#);
    for (policy, want) in [
        // Left with the pod there: small 2/32 + 600/2000, used 29/32 + 0/2000, large 14/32 + 1600/2000; memory is the same.
        (r#"["BestFit"]"#, "small"),
        // small 4/32 * 2/32 + 1000/2000 * 400/2000, used 31/32 * 2/32 + 400/2000 * 400/2000, large 16/32 * 2/32 + 400/2000.
        (r#"["DotProduct"]"#, "used"),
        (r#"["GpuPacking"]"#, "used"),
        // Pods seen: shares of 0.6 and 0.4. The 0.4 that are left are of no use to the first, and are gone with the pod there.
        (r#"["FGD"]"#, "used"),
    ] {
        let pod = gpu_pod("web", "2", 1, 400, "");
        goes_as_it_says(policy, &scene(policy, &nodes, &[before.clone(), pod], &[("web", want)]));
    }
}

#[test]
fn a_share_needs_one_gpu_and_a_pod_bound_past_the_scheduler_holds_one() {
    let nodes = [pool("a", 16, 2), pool("b", 8, 1)];
    let shares = ["x", "y"].map(|name| gpu_pod(name, "1", 1, 600, r#"nodeName: "a", "#));
    // 0.8 are left on a, 0.4 of each GPU: only b has 0.5.
    let objects = [shares[0].clone(), shares[1].clone(), gpu_pod("web", "1", 1, 500, "")];
    goes_as_it_says("GpuShare", &scene(r#"["GpuShare"]"#, &nodes, &objects, &[("web", "b")]));
}

#[test]
fn old_predicates_and_priorities() {
    let nodes = [
        r#"Pool(name: "a", count: 1, labels: {"rack": "1"}, allocatable: {"cpu": "8", "memory": "8Gi", "pods": "9"})"#.to_string(),
        r#"Pool(name: "b", count: 1, labels: {"rack": "2", "ssd": ""}, allocatable: {"cpu": "8", "memory": "8Gi", "pods": "9"})"#
            .to_string(),
        r#"Pool(name: "c", count: 1, labels: {"rack": "2"}, allocatable: {"cpu": "64", "memory": "64Gi", "pods": "9"})"#.to_string(),
    ];
    let pod = |name: &str, app: &str, more: &str| {
        format!(
            r#"Pod(metadata: (name: "{name}", labels: {{"app": "{app}"}}), spec: ({more}containers: [(name: "c", image: "w:1", resources: (requests: {{"cpu": "4"}}))]))"#
        )
    };
    let service = r#"Service(metadata: (name: "web"), spec: (selector: {"app": "web"}, ports: [(port: 80)]))"#.to_string();
    for (policies, objects, want) in [
        (r#"[Policy(name: "CheckNodeLabelPresence", args: {"labels": ["ssd"]})]"#, vec![pod("p", "p", "")], &[("p", "b")][..]),
        (
            r#"[Policy(name: "CheckNodeLabelPresence", args: {"labels": ["ssd"], "presence": false}), ("BestFit", 1)]"#,
            vec![pod("p", "p", "")],
            &[("p", "a")],
        ),
        (r#"[Policy(name: "CalculateNodeLabelPriority", args: {"label": "ssd"})]"#, vec![pod("p", "p", "")], &[("p", "b")]),
        // The default scores want the large node; ten times the weight in labels does not.
        (
            r#"["Default", Policy(name: "CalculateNodeLabelPriority", weight: 10, args: {"label": "ssd"})]"#,
            vec![pod("p", "p", "")],
            &[("p", "b")],
        ),
        // The second pod stays in the rack of the first, though a larger node is elsewhere; a pod of no Service does not.
        (
            r#"[Policy(name: "CheckServiceAffinity", args: {"labels": ["rack"]})]"#,
            vec![service.clone(), pod("first", "web", r#"nodeName: "a", "#), pod("second", "web", ""), pod("other", "other", "")],
            &[("second", "a"), ("other", "c")],
        ),
        // What the pod asks for goes before its sibling.
        (
            r#"[Policy(name: "CheckServiceAffinity", args: {"labels": ["rack"]})]"#,
            vec![service, pod("first", "web", r#"nodeName: "a", "#), pod("second", "web", r#"nodeSelector: {"rack": "2"}, "#)],
            &[("second", "c")],
        ),
    ] {
        goes_as_it_says(policies, &scene(policies, &nodes, &objects, want));
    }
}
