//! Explanations of the scheduler's decisions: they agree with what was decided, in every scene, and what they say would help does.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wavetank::files::Disk;
use wavetank::test_runner::find;
use wavetank_engine::model::meta::condition;
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::names::Names;
use wavetank_engine::record::digest::digest;
use wavetank_engine::record::events::Events;
use wavetank_engine::record::journal::{Journal, Line};
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::model::Scene;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::source::MemoryFiles;
use wavetank_engine::words;
use wavetank_systems::scheduler::cache::SchedulerCache;
use wavetank_systems::scheduler::explain::{Change, Decided, Explanation, Finding, Preemption, WhichPods};
use wavetank_systems::scheduler::failure::event_text;
use wavetank_systems::{install_all, scheduler::registry};

fn scenes() -> Vec<PathBuf> {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    find(&[PathBuf::from("scenes")]).unwrap()
}

fn read(path: &Path) -> Scene {
    let overrides = Overrides { check_policy: Some(registry::check), ..Overrides::default() };
    load(&Disk, &[path.to_string_lossy().into_owned()], &overrides).scene.unwrap()
}

fn whole(scene: Scene, explained: bool) -> Run {
    let options = RunOptions { journal: true, ..RunOptions::default() };
    let mut run = Run::new(scene, &options, install_all).unwrap();
    if explained {
        run.sim.get_mut::<SchedulerCache>().explain(WhichPods::All);
    }
    let end = run.end();
    run.run_until(end, &mut |_| {}).unwrap();
    run
}

fn object(explanation: &Explanation) -> String {
    match explanation.namespace.as_str() {
        "default" => format!("pod/{}", explanation.name),
        namespace => format!("pod/{namespace}/{}", explanation.name),
    }
}

/// What the table of an explanation says by itself: the best of the nodes that fit.
fn agrees_with_itself(explanation: &Explanation) {
    let fits = explanation.nodes.iter().filter_map(|node| match &node.finding {
        Finding::Fits { scores, total } => {
            assert_eq!(*total, scores.iter().map(|score| score.weight * score.score).sum::<i64>());
            Some((node.node.as_str(), *total))
        }
        _ => None,
    });
    let fits: Vec<(&str, i64)> = fits.collect();
    match &explanation.outcome {
        Decided::Chosen { node, tied, .. } => {
            let best = fits.iter().map(|fit| fit.1).max().unwrap();
            let best: Vec<&str> = fits.iter().filter(|fit| fit.1 == best).map(|fit| fit.0).collect();
            assert_eq!(best, *tied, "{explanation:#?}");
            assert!(tied.contains(node), "{explanation:#?}");
        }
        Decided::Nowhere { .. } => assert!(fits.is_empty(), "{explanation:#?}"),
    }
}

#[test]
fn every_decision_of_every_scene_is_the_one_explained() {
    let (mut bound, mut failed, mut made_room) = (0, 0, 0);
    for path in scenes() {
        let mut run = whole(read(&path), true);
        let at = path.display();
        assert_eq!(digest(&run.sim), digest(&whole(read(&path), false).sim), "{at}: explaining changes nothing");
        let lines = run.sim.get_mut::<Journal>().take();
        let explanations = run.sim.get::<SchedulerCache>().explanations().to_vec();
        explanations.iter().for_each(agrees_with_itself);
        // Bindings: what the last attempt before chose.
        for line in lines.iter().filter(|line| line.field == "spec.nodeName" && line.actor == "default-scheduler") {
            let last = explanations.iter().rfind(|explanation| object(explanation) == line.object && explanation.at <= line.at);
            let chosen = last.map(|explanation| &explanation.outcome);
            assert!(matches!(chosen, Some(Decided::Chosen { node, .. }) if *node == line.new), "{at}: {}\n{last:#?}", line.text());
            bound += 1;
        }
        // Refusals: what the events and the conditions say.
        for row in run.sim.get::<Events>().rows() {
            let names = run.sim.get::<Names>();
            if names.text(row.reason) != "FailedScheduling" {
                continue;
            }
            let (text, pod) = (row.text(names), row.uid);
            let told = |explanation: &&Explanation| match &explanation.outcome {
                Decided::Nowhere { message, .. } => explanation.pod.uid == pod && event_text(message) == text,
                Decided::Chosen { .. } => false,
            };
            if text.starts_with("running PreBind plugin") {
                continue;
            }
            assert!(explanations.iter().any(|explanation| told(&explanation)), "{at}: {text}");
            failed += 1;
        }
        for explanation in last_of_each(&explanations) {
            let (Some(spec), Some(status)) = (run.sim.state::<Pod>(explanation.pod), run.sim.state::<PodStatus>(explanation.pod)) else {
                continue;
            };
            if let (true, Decided::Nowhere { message, .. }) = (spec.node.is_empty(), &explanation.outcome) {
                let condition = condition(&status.conditions, words::POD_SCHEDULED).unwrap();
                assert_eq!(run.sim.get::<Names>().text(condition.message), message, "{at}");
            }
        }
        made_room += explanations.iter().map(|explanation| room_as_made(explanation, &lines, &at.to_string())).sum::<usize>();
    }
    assert!(bound > 250 && failed > 15 && made_room > 3, "{bound} bindings, {failed} refusals, {made_room} preemptions");
}

fn last_of_each(explanations: &[Explanation]) -> impl Iterator<Item = &Explanation> {
    explanations.iter().map(|explanation| (explanation.pod, explanation)).collect::<BTreeMap<_, _>>().into_values()
}

/// Whether an attempt made room as explained: the nomination and the victims. The number of such attempts, 0 or 1.
fn room_as_made(explanation: &Explanation, lines: &[Line], at: &str) -> usize {
    let Decided::Nowhere { preemption: Preemption::Room { candidates, chosen, .. }, .. } = &explanation.outcome else { return 0 };
    let of = |object: &str, field: &str| {
        lines
            .iter()
            .filter(move |line| line.object == object && line.field == field && line.actor == "default-scheduler")
            .collect::<Vec<_>>()
    };
    let own = object(explanation);
    assert!(of(&own, "status.nominatedNodeName").iter().any(|line| line.new == *chosen), "{at}: {own} on {chosen}");
    let candidate = candidates.iter().find(|candidate| candidate.node == *chosen).unwrap();
    for victim in &candidate.victims {
        let object = if victim.namespace == "default" {
            format!("pod/{}", victim.name)
        } else {
            format!("pod/{}/{}", victim.namespace, victim.name)
        };
        assert!(!of(&object, "deletion").is_empty(), "{at}: {object} is a victim");
    }
    1
}

/// A scene with one pod `waits` that is applied at 10 s; its name, its nodes and the rest of the pod's spec.
fn scene(nodes: &str, more: &str, spec: &str, script: &str) -> Scene {
    let text = format!(
        r#"Scene(
            duration: "1m",
            nodes: [{nodes}],
            objects: [{more}],
            script: [
                At("10s", Apply(Pod(metadata: (name: "waits"), spec: ({spec})))),
                {script}
            ],
        )"#
    );
    let files = MemoryFiles::default().with("a.ron", text);
    let loaded = load(&files, &["a.ron".to_string()], &Overrides::default());
    loaded.scene.unwrap_or_else(|| panic!("{:?}", loaded.problems.errors(&loaded.sources)))
}

fn asking(cpu: &str, rest: &str) -> String {
    format!(r#"{rest} containers: [(name: "c", image: "web:1", resources: (requests: {{"cpu": "{cpu}"}}))]"#)
}

fn fills(name: &str, cpu: &str, node: &str) -> String {
    let spec = asking(cpu, &format!(r#"nodeSelector: {{"kubernetes.io/hostname": "{node}"}},"#));
    format!(r#"Pod(metadata: (name: "{name}"), spec: ({spec})),"#)
}

/// What the first attempt on `waits` says would help, and whether the pod is bound in the end.
fn outcome(scene: Scene) -> (Vec<Change>, bool) {
    let run = whole(scene, true);
    let explanations = run.sim.get::<SchedulerCache>().explanations();
    let own = explanations.iter().find(|explanation| explanation.name == "waits").unwrap();
    let changes = match &own.outcome {
        Decided::Nowhere { would_fit, .. } => would_fit.clone(),
        Decided::Chosen { .. } => Vec::new(),
    };
    (changes, run.sim.state::<Pod>(own.pod).is_some_and(|pod| !pod.node.is_empty()))
}

const TWO: &str = r#"Pool(name: "a", count: 2, allocatable: {"cpu": "2", "memory": "4Gi"})"#;

#[test]
fn as_much_freed_as_said_is_enough_and_less_is_not() {
    let full = fills("x", "1700m", "a-1") + &fills("y", "1500m", "a-2");
    let (changes, bound) = outcome(scene(TWO, &full, &asking("800m", ""), ""));
    let amounts = vec![("cpu".to_string(), "300m".to_string())];
    assert!(changes.contains(&Change::Free { node: "a-2".into(), amounts }) && !bound, "{changes:?}");
    assert!(outcome(scene(TWO, &full, &asking("500m", ""), "")).1, "300m less");
    assert!(!outcome(scene(TWO, &full, &asking("501m", ""), "")).1, "299m less");
}

#[test]
fn a_node_added_as_said_helps_and_a_smaller_one_does_not() {
    let (changes, _) = outcome(scene(TWO, "", &asking("3", r#"nodeSelector: {"disk": "ssd"},"#), ""));
    let [Change::AddNode { at_least, labels, like: Some(_) }] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((at_least[0].clone(), labels[0].clone()), (("cpu".into(), "3".into()), ("disk".into(), "ssd".into())));
    for (cpu, label, want) in [("3", "ssd", true), ("2900m", "ssd", false), ("3", "hdd", false)] {
        let added =
            format!(r#"Pool(name: "n", count: 1, allocatable: {{"cpu": "{cpu}", "memory": "4Gi"}}, labels: {{"disk": "{label}"}})"#);
        let added = format!(r#"At("20s", AddNodes({added})),"#);
        let (_, bound) = outcome(scene(TWO, "", &asking("3", r#"nodeSelector: {"disk": "ssd"},"#), &added));
        assert_eq!(bound, want, "{cpu} {label}");
    }
}

#[test]
fn constraints_that_alone_keep_a_pod_out_are_named() {
    let (changes, _) = outcome(scene(TWO, "", &asking("1", r#"nodeSelector: {"disk": "ssd"},"#), ""));
    assert!(changes.contains(&Change::Drop { field: "spec.nodeSelector", node: "a-1".into() }), "{changes:?}");
    // Without the selector it still would not fit: it is not named.
    let (changes, _) = outcome(scene(TWO, "", &asking("3", r#"nodeSelector: {"disk": "ssd"},"#), ""));
    assert!(!changes.iter().any(|change| matches!(change, Change::Drop { .. })), "{changes:?}");
    let tainted = r#"Pool(name: "a", count: 1, allocatable: {"cpu": "2", "memory": "4Gi"}, taints: ["gpu=yes:NoSchedule"])"#;
    let (changes, bound) = outcome(scene(tainted, "", &asking("1", ""), ""));
    assert!(changes.contains(&Change::Tolerate { taint: "gpu=yes:NoSchedule".into(), node: "a".into() }) && !bound, "{changes:?}");
    let tolerant = r#"tolerations: [(key: "gpu", operator: "Equal", value: "yes", effect: "NoSchedule")],"#;
    assert!(outcome(scene(tainted, "", &asking("1", tolerant), "")).1);
    let one = r#"Pool(name: "a", count: 1, allocatable: {"cpu": "2", "memory": "4Gi"})"#;
    let text = format!(
        r#"Scene(duration: "1m", nodes: [{one}], script: [At("5s", Cordon("a")), At("10s", Apply(Pod(metadata: (name: "waits"), spec: ({}))))])"#,
        asking("1", "")
    );
    let scene = load(&MemoryFiles::default().with("a.ron", text), &["a.ron".to_string()], &Overrides::default()).scene.unwrap();
    assert!(outcome(scene).0.contains(&Change::Uncordon { node: "a".into() }));
}
