//! The same scene gives the same journal and digest: twice, by both dispatchers, checked or not, saved and resumed, and with bystanders.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::{Path, PathBuf};
use wavetank::files::Disk;
use wavetank::test_runner::find;
use wavetank_engine::record::checkpoint;
use wavetank_engine::record::digest::digest;
use wavetank_engine::record::journal::Journal;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::model::Scene;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::simulation::clock::Clock;
use wavetank_engine::simulation::dispatch::Dispatcher;
use wavetank_engine::source::{Files, MemoryFiles};
use wavetank_engine::time::SimTime;
use wavetank_systems::install_all;
use wavetank_systems::kubelet::probes::EveryTick;

fn scenes() -> Vec<PathBuf> {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    find(&[PathBuf::from("scenes")]).unwrap()
}

fn read(path: &Path) -> Scene {
    let loaded = load(&Disk, &[path.to_string_lossy().into_owned()], &Overrides::default());
    loaded.scene.unwrap_or_else(|| panic!("{}: {:?}", path.display(), loaded.problems.errors(&loaded.sources)))
}

fn whole(scene: Scene, options: &RunOptions) -> (Vec<String>, u64) {
    let mut run = Run::new(scene, options, install_all).unwrap();
    let end = run.end();
    run.run_until(end, &mut |_| {}).unwrap();
    let lines = run.sim.get_mut::<Journal>().take();
    (lines.iter().map(|line| line.text()).collect(), digest(&run.sim))
}

fn recording() -> RunOptions {
    RunOptions { journal: true, ..RunOptions::default() }
}

#[test]
fn twice_and_by_both_dispatchers() {
    for path in scenes() {
        let first = whole(read(&path), &recording());
        assert!(!first.0.is_empty(), "{}: an empty journal proves nothing", path.display());
        assert_eq!(first, whole(read(&path), &recording()), "{}: twice", path.display());
        let schedule = RunOptions { dispatcher: Dispatcher::Schedule, ..recording() };
        assert_eq!(first, whole(read(&path), &schedule), "{}: dispatchers", path.display());
        let silent = whole(read(&path), &RunOptions { check: true, ..RunOptions::default() });
        assert_eq!(first.1, silent.1, "{}: the digest depends neither on the journal nor on checks", path.display());
    }
}

#[test]
fn saved_and_resumed() {
    for path in scenes() {
        let unbroken = whole(read(&path), &recording());
        for part in [3, 2] {
            let mut run = Run::new(read(&path), &recording(), install_all).unwrap();
            let (middle, end) = (SimTime(run.end().0 / part), run.end());
            run.run_until(middle, &mut |_| {}).unwrap();
            let saved = checkpoint::save(&run).unwrap();
            let mut resumed = checkpoint::resume(read(&path), &recording(), install_all, &saved).unwrap();
            assert_eq!(digest(&run.sim), digest(&resumed.sim), "{}: at once", path.display());
            resumed.run_until(end, &mut |_| {}).unwrap();
            let lines: Vec<String> = resumed.sim.get_mut::<Journal>().take().iter().map(|line| line.text()).collect();
            let first = lines.iter().zip(&unbroken.0).position(|(a, b)| a != b);
            assert_eq!(
                first,
                None,
                "{}: saved at {middle}, first difference: {:?}",
                path.display(),
                first.map(|at| (&lines[at], &unbroken.0[at]))
            );
            assert_eq!((lines.len(), digest(&resumed.sim)), (unbroken.0.len(), unbroken.1), "{}: saved at {middle}", path.display());
        }
    }
}

#[test]
fn bystanders_change_nothing_for_others() {
    let bystanders = r#"
        Namespace(metadata: (name: "bystander")),
        ConfigMap(metadata: (name: "a", namespace: "bystander"), data: {"k": "v"}),
        ConfigMap(metadata: (name: "b", namespace: "bystander")),
        Deployment(metadata: (name: "none", namespace: "bystander"), spec: (replicas: 0, selector: (matchLabels: {"app": "none"}),
            template: (metadata: (labels: {"app": "none"}), spec: (containers: [(name: "c", image: "none:1")])))),
        Service(metadata: (name: "nobody", namespace: "bystander"), spec: (selector: {"app": "nobody"}, ports: [(port: 80)])),
    "#;
    for path in scenes() {
        let text = String::from_utf8(Disk.read(&path.to_string_lossy()).unwrap()).unwrap();
        let crowded = text.replacen("objects: [", &format!("objects: [{bystanders}"), 1);
        assert_ne!(text, crowded, "{}", path.display());
        let mut files = MemoryFiles::default().with("scene.ron", crowded);
        // What the scene pulls in stands beside it.
        for entry in std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.extension().is_some_and(|extension| extension != "ron") {
                let name = entry.file_name().unwrap().to_string_lossy().into_owned();
                files = files.with(&name, std::fs::read_to_string(&entry).unwrap());
            }
        }
        let loaded = load(&files, &["scene.ron".to_string()], &Overrides::default());
        let scene = loaded.scene.unwrap_or_else(|| panic!("{}: {:?}", path.display(), loaded.problems.errors(&loaded.sources)));
        let others = |lines: Vec<String>| -> Vec<String> {
            let kept = lines.into_iter().filter(|line| !line.contains("bystander") && !line.contains("spec.clusterIP"));
            kept.collect()
        };
        assert_eq!(others(whole(read(&path), &recording()).0), others(whole(scene, &recording()).0), "{}", path.display());
    }
}

#[test]
fn with_any_number_of_threads() {
    let digest_with = |path: &Path, threads: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wavetank"));
        let output = command.args(["run", "--summary", "json"]).arg(path).env("RAYON_NUM_THREADS", threads).output().unwrap();
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        summary["digest"].as_str().unwrap().to_string()
    };
    for path in scenes() {
        assert_eq!(digest_with(&path, "1"), digest_with(&path, "2"), "{}", path.display());
    }
}

#[test]
fn at_every_tick_of_every_probe() {
    let mut woken_more = 0;
    for path in scenes() {
        let run_with = |every_tick: bool| {
            let mut run = Run::new(read(&path), &recording(), install_all).unwrap();
            run.sim.get_mut::<EveryTick>().0 = every_tick;
            let end = run.end();
            run.run_until(end, &mut |_| {}).unwrap();
            let lines: Vec<String> = run.sim.get_mut::<Journal>().take().iter().map(|line| line.text()).collect();
            (lines, digest(&run.sim), run.sim.get::<Clock>().fired)
        };
        let (few, many) = (run_with(false), run_with(true));
        assert_eq!((&few.0, few.1), (&many.0, many.1), "{}", path.display());
        woken_more += usize::from(many.2 > few.2);
    }
    assert!(woken_more >= 3, "only {woken_more} scenes have probes that are worth skipping");
}

#[test]
fn in_any_order_that_the_original_leaves_open() {
    let mut moved = 0;
    for path in scenes() {
        let ours = whole(read(&path), &recording());
        for seed in 1..=3 {
            let options = RunOptions { shuffle_choices: Some(seed), check: true, ..recording() };
            let drawn = whole(read(&path), &options);
            assert_eq!(drawn, whole(read(&path), &options), "{}: one seed, one order", path.display());
            moved += usize::from(drawn.0 != ours.0);
            let mut run = Run::new(read(&path), &options, install_all).unwrap();
            let end = run.end();
            run.run_until(end, &mut |_| {}).unwrap();
            let missed = run.expectations().1;
            assert!(missed.is_empty(), "{}, seed {seed}: {missed:?}", path.display());
        }
    }
    assert!(moved >= 10, "only {moved} runs were moved by a drawn order");
}
