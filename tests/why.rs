//! Why things happen, in every scene: each chain of causes ends at the scene, its script or a trace, and keeping causes changes nothing.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::{Path, PathBuf};
use wavetank::files::Disk;
use wavetank::test_runner::find;
use wavetank_engine::record::causes::Origin;
use wavetank_engine::record::checkpoint;
use wavetank_engine::record::digest::digest;
use wavetank_engine::record::journal::{Journal, Line};
use wavetank_engine::record::why::{Recording, Step};
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::source::Files;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_systems::{install_all, scheduler::registry};

fn scenes() -> Vec<PathBuf> {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    find(&[PathBuf::from("scenes")]).unwrap()
}

/// Runs a scene to its end, with the lines of its journal.
fn whole(path: &Path, set: &[String], causes: bool) -> (Run, Vec<Line>) {
    let overrides = Overrides { check_policy: Some(registry::check), set: set.to_vec(), ..Overrides::default() };
    let loaded = load(&Disk, &[path.to_string_lossy().into_owned()], &overrides);
    let scene = loaded.scene.unwrap_or_else(|| panic!("{}: {:?}", path.display(), loaded.problems.errors(&loaded.sources)));
    let options = RunOptions { journal: true, causes, ..RunOptions::default() };
    let mut run = Run::new(scene, &options, install_all).unwrap();
    let end = run.end();
    run.run_until(end, &mut |_| {}).unwrap();
    let lines = run.sim.get_mut::<Journal>().take();
    (run, lines)
}

/// Follows every change of a scene back. Numbers of deletions and of evictions among them.
fn leads_back(path: &Path, set: &[String]) -> (usize, usize) {
    let (run, lines) = whole(path, set, true);
    let (plain, plain_lines) = whole(path, set, false);
    assert_eq!(plain_lines, lines, "{}: keeping causes changes no line of the journal", path.display());
    assert_eq!(digest(&plain.sim), digest(&run.sim), "{}: nor the digest", path.display());
    let recording = Recording::new(&run.sim, lines.clone()).unwrap();
    for (&write, changed) in recording.writes() {
        let chain = recording.chain(write);
        let line = || format!("{}: {}\n{chain:#?}", path.display(), changed[0].text());
        assert!(!chain.contains(&Step::Unknown), "{}", line());
        assert!(matches!(chain.last(), Some(Step::Origin(Origin::Scene | Origin::Script { .. } | Origin::Trace { .. }))), "{}", line());
        let mut last = SimTime(u64::MAX);
        for step in &chain {
            if let Step::Write(revision) = step {
                let entry = recording.entry(*revision).unwrap();
                assert!(entry.at <= last, "{}: causes come before their effects", line());
                last = entry.at;
            }
        }
    }
    let deletions = lines.iter().filter(|line| line.field == "deletion" && line.old == "-").count();
    (deletions, lines.iter().filter(|line| line.field == "conditions.DisruptionTarget").count())
}

#[test]
fn every_change_of_every_scene_leads_back_to_its_beginning() {
    let counts: Vec<(usize, usize)> = scenes().iter().map(|path| leads_back(path, &[])).collect();
    let (deletions, evictions) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    assert!(deletions > 150 && evictions > 15, "{deletions} deletions, {evictions} evictions");
}

#[test]
fn so_does_every_change_of_the_benchmarks_made_small() {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let mut deletions = 0;
    for path in Disk.list("scenes/bench").unwrap().into_iter().filter(|path| path.ends_with(".ron")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let given = |(name, value): &(&str, &str)| text.contains(&format!("\"{name}\": ")).then(|| format!("{name}={value}"));
        let set: Vec<String> = match Path::new(&path).file_stem().and_then(|stem| stem.to_str()) {
            // Its files are not here.
            Some("gcda" | "boutique_day") => continue,
            Some("openb") => ["dir=tests/traces", "nodes=openb_nodes.csv", "pods=openb_pods.csv"].map(str::to_string).to_vec(),
            _ => [("nodes", "12"), ("init", "48"), ("pods", "12"), ("sets", "2"), ("replicas", "6"), ("services", "12"), ("rolled", "2")]
                .iter()
                .filter_map(given)
                .collect(),
        };
        deletions += leads_back(Path::new(&path), &set).0;
    }
    assert!(deletions > 5, "{deletions} deletions");
}

#[test]
fn what_was_before_a_run_went_on_is_said_to_be_so() {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let overrides = Overrides { check_policy: Some(registry::check), ..Overrides::default() };
    let scene = || load(&Disk, &["scenes/hello.ron".to_string()], &overrides).scene.unwrap();
    let options = RunOptions { journal: true, causes: true, ..RunOptions::default() };
    let mut first = Run::new(scene(), &RunOptions::default(), install_all).unwrap();
    let half = SimTime::ZERO + SimDuration::from_secs(20);
    first.run_until(half, &mut |_| {}).unwrap();
    let mut run = checkpoint::resume(scene(), &options, install_all, &checkpoint::save(&first).unwrap()).unwrap();
    let end = run.end();
    run.run_until(end, &mut |_| {}).unwrap();
    let lines = run.sim.get_mut::<Journal>().take();
    let recording = Recording::new(&run.sim, lines).unwrap();
    let ends: Vec<Step> = recording.writes().map(|(&write, _)| recording.chain(write).pop().unwrap()).collect();
    assert!(!ends.contains(&Step::Unknown) && !ends.contains(&Step::Origin(Origin::Scene)), "{ends:?}");
    let resumed = ends.iter().filter(|end| **end == Step::Origin(Origin::Resumed { at: half })).count();
    assert!(resumed > 0 && ends.iter().any(|end| matches!(end, Step::Origin(Origin::Script { .. }))), "{resumed} of {}", ends.len());
}

/// The steps of the latest change of a field, in a few words each.
fn told(path: &str, object: &str, field: &str) -> Vec<String> {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let (run, lines) = whole(Path::new(path), &[], true);
    let recording = Recording::new(&run.sim, lines.clone()).unwrap();
    let changed =
        lines.iter().rfind(|line| line.object.starts_with(object) && line.field == field && line.old == "-" && field != "spec.replicas");
    let changed = changed.unwrap_or_else(|| lines.iter().rfind(|line| line.object.starts_with(object) && line.field == field).unwrap());
    let step = |step: &Step| match step {
        Step::Write(revision) => {
            let entry = recording.entry(*revision).unwrap();
            format!("{} {}", recording.object(entry.key), entry.changes.text())
        }
        Step::Timer { behaviour, .. } => format!("timer {behaviour}"),
        Step::Input(input) => format!("{} {:?} -> {}", input.what, input.before.map(|(_, before)| before), input.now_milli),
        Step::Origin(Origin::Script { number, .. }) => format!("script {number}"),
        other => format!("{other:?}"),
    };
    recording.chain(changed.revision).iter().map(step).collect()
}

#[test]
fn chains_name_what_counts() {
    for (path, object, field, want) in [
        // Not what the pods of the ReplicaSet did in the meantime: the scaling.
        ("scenes/workloads/scale_down_order.ron", "pod/", "deletion", &["pod/", "replicaset/", "script"][..]),
        // An autoscaler acts on the traffic that the scene gives, on a metric, or on what the script did to its target; latest changes count.
        (
            "scenes/autoscaling/up_and_down.ron",
            "deployment/shop",
            "spec.replicas",
            &["deployment/shop", "timer horizontal", "requests to service/shop Some(200000) -> 20000", "Scene"],
        ),
        (
            "scenes/autoscaling/queue_length.ron",
            "deployment/worker",
            "spec.replicas",
            &["deployment/worker", "timer horizontal", "metric queue_length Some(10000) -> 30000", "Scene"],
        ),
        (
            "scenes/autoscaling/without_requests.ron",
            "deployment/shop",
            "spec.replicas",
            &["deployment/shop", "timer horizontal", "deployment/shop", "script"],
        ),
        // A pod that waited is bound because of what let it in.
        ("scenes/scheduling/taints.ron", "pod/waits", "spec.nodeName", &["pod/waits", "node/gpu taints", "script 0"]),
        // An evicted pod because of its node's taint, that because of the node's silence, that because of its failure.
        (
            "scenes/hello.ron",
            "pod/shop-cc54f86f-j5blq",
            "deletion",
            &["pod/shop", "timer taint_eviction", "node/node-1 taints", "node/node-1 status", "timer node_lifecycle", "script 1"],
        ),
        // A pod of a deleted node because of that node, and no other.
        ("scenes/lifecycle/node_deleted.ron", "pod/", "deletion", &["pod/", "timer pod_gc", "node/n-2", "script 0"]),
        ("scenes/disruption/drain_waits_for_budget.ron", "pod/", "conditions.DisruptionTarget", &["pod/", "Client", "script 1"]),
    ] {
        let told = told(path, object, field);
        let fits = told.len() == want.len() && told.iter().zip(want).all(|(told, want)| want.split(' ').all(|word| told.contains(word)));
        assert!(fits, "{path} {object}: {told:#?}");
    }
}
