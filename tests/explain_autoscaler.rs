//! Explanations of the cluster autoscaler: they agree with what it did and said, in every scene with groups of nodes.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wavetank::files::Disk;
use wavetank::test_runner::find;
use wavetank_engine::names::Names;
use wavetank_engine::record::digest::digest;
use wavetank_engine::record::events::Events;
use wavetank_engine::record::journal::{Journal, Line};
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::node_groups::{AutoscalerSettings, Fleet, NodeGroups};
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_systems::autoscaling::cluster::explain::{
    Asked, Explanations, GroupVerdict, Grown, NodeFinding, NodeVerdict, ScaleUp, Shares, Waits,
};
use wavetank_systems::{install_all, scheduler::registry};

fn whole(path: &Path, asked: Option<Asked>) -> Run {
    let overrides = Overrides { check_policy: Some(registry::check), ..Overrides::default() };
    let scene = load(&Disk, &[path.to_string_lossy().into_owned()], &overrides).scene.unwrap();
    let options = RunOptions { journal: true, ..RunOptions::default() };
    let mut run = Run::new(scene, &options, install_all).unwrap();
    asked.into_iter().for_each(|asked| run.sim.get_mut::<Explanations>().ask(asked));
    let end = run.end();
    run.run_until(end, &mut |_| {}).unwrap();
    run
}

/// Texts of the events of a reason.
fn told(run: &Run, reason: &str) -> BTreeSet<String> {
    let names = run.sim.get::<Names>();
    let rows = run.sim.get::<Events>().rows();
    rows.filter(|row| names.text(row.reason) == reason).map(|row| row.text(names)).collect()
}

/// Whether the first events of a run are forgotten at its end.
fn long(run: &Run) -> bool {
    run.sim.now() > SimTime::ZERO + SimDuration::from_secs(3600)
}

/// What was ordered is what the explanations say, and the expander's figures lead to it.
fn growth_agrees(run: &Run, scans: &[ScaleUp], at: &str) -> usize {
    let (mut orders, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for scan in scans {
        for round in &scan.rounds {
            let best = round.figures.iter().map(|(_, figure)| if round.largest_is_best { -figure } else { *figure });
            let best = best.min_by(f64::total_cmp).unwrap();
            let names = round.figures.iter().filter(|(_, figure)| if round.largest_is_best { -figure } else { *figure } <= best);
            assert_eq!(names.map(|(name, _)| name.clone()).collect::<Vec<_>>(), round.best, "{at}: {round:?}");
        }
        let Grown::Chosen { chosen, orders: ordered, failed: lost, pods, needed, .. } = &scan.outcome else { continue };
        assert!(scan.rounds.last().unwrap().best.contains(chosen), "{at}: {scan:#?}");
        let option = scan.groups.iter().find(|finding| finding.group == *chosen).unwrap();
        let GroupVerdict::Option { nodes, pods: helped, .. } = &option.verdict else { panic!("{at}: {scan:#?}") };
        assert_eq!((nodes, *helped), (needed, pods.count), "{at}");
        orders.extend(ordered.iter().map(|order| {
            format!("Scale-up: setting group {} size to {} instead of {} (max: {})", order.group, order.after, order.before, order.max)
        }));
        failed.extend(lost.clone());
    }
    // Events are forgotten after an hour; what machines were ordered is not.
    let ordered = |scan: &ScaleUp| match &scan.outcome {
        Grown::Chosen { orders, .. } => orders.iter().map(|order| u64::from(order.after - order.before)).sum(),
        Grown::Nothing { .. } => 0,
    };
    let added = run.sim.get::<Fleet>().groups.iter().map(|group| group.added).sum::<u64>();
    assert_eq!(scans.iter().map(ordered).sum::<u64>(), added, "{at}");
    let said = told(run, "ScaledUpGroup");
    assert!(said.is_subset(&orders) && (long(run) || said == orders), "{at}: {said:?} {orders:?}");
    let said = told(run, "FailedToScaleUpGroup");
    assert!(long(run) || failed.iter().all(|group| said.iter().any(|text| text.contains(&format!("group {group}:")))), "{at}: {said:?}");
    assert!(failed.is_empty() == said.is_empty() || long(run), "{at}: {said:?}");
    orders.len()
}

/// Each `pod didn't trigger scale-up` counts what the groups say of some pod.
fn refusals_agree(run: &Run, scans: &[ScaleUp], at: &str) -> usize {
    let texts = told(run, "NotTriggerScaleUp");
    let of_scan = |scan: &ScaleUp, pod: &str| -> BTreeSet<String> {
        let reasons = scan.groups.iter().flat_map(|finding| match &finding.verdict {
            GroupVerdict::AtMaximum => vec!["max node group size reached".to_string()],
            GroupVerdict::BacksOff { .. } => vec!["in backoff after failed scale-up".to_string()],
            GroupVerdict::Option { refused, .. } => {
                let own = refused.iter().filter(|refused| refused.pods.names.iter().any(|name| name == pod));
                own.flat_map(|refused| refused.reasons.clone()).collect()
            }
        });
        reasons.collect()
    };
    for text in &texts {
        let counted = text.strip_prefix("pod didn't trigger scale-up: ").unwrap();
        let reasons: BTreeSet<String> = counted.split(", ").map(|part| part.split_once(' ').unwrap().1.to_string()).collect();
        let same = scans.iter().any(|scan| scan.pods.names.iter().any(|pod| of_scan(scan, pod) == reasons));
        assert!(same, "{at}: {text}");
    }
    texts.len()
}

/// Nodes that went are those that are said to go, at that moment and after their time; the others stayed.
fn shrinking_agrees(run: &Run, found: &[NodeFinding], lines: &[Line], at: &str) -> (usize, usize) {
    let settings = run.sim.get::<AutoscalerSettings>();
    let tainted = |finding: &NodeFinding, line: &Line| {
        let object = format!("node/{}", finding.node);
        line.at == finding.at && line.object == object && line.field == "spec.taints"
    };
    let mut gone: BTreeSet<(SimTime, String)> = BTreeSet::new();
    let enough = |shares: &Shares| shares.ready && shares.cpu_permille.max(shares.memory_permille) >= i64::from(shares.threshold_permille);
    for finding in found {
        match &finding.verdict {
            NodeVerdict::Goes { shares, since, .. } => {
                assert!(!enough(shares) && *since + shares.unneeded_for <= finding.at, "{at}: {finding:?}");
                let mark = |line: &&Line| tainted(finding, line) && line.new.contains("ToBeDeletedByClusterAutoscaler");
                assert!(lines.iter().any(|line| mark(&line)), "{at}: {finding:?}");
                gone.insert((finding.at, finding.node.clone()));
            }
            NodeVerdict::InUse { shares } => assert!(enough(shares), "{at}: {finding:?}"),
            NodeVerdict::Unneeded { shares, since, waits, .. } => {
                assert!(!enough(shares) && *since <= finding.at, "{at}: {finding:?}");
                if let Waits::Time { until } = waits {
                    let span = if shares.ready { settings.unneeded_time } else { settings.unready_time };
                    assert_eq!(*until, *since + span, "{at}: {finding:?}");
                }
            }
            NodeVerdict::Removed | NodeVerdict::Reclaimed => {
                let removed =
                    |line: &&Line| line.object == format!("node/{}", finding.node) && line.field == "object" && line.new == "gone";
                let deleted = lines.iter().any(|line| removed(&line) && line.at >= finding.at);
                assert!(deleted || lines.iter().all(|line| line.at < finding.at), "{at}: {finding:?}");
            }
            _ => {}
        }
    }
    let marks = lines.iter().filter(|line| {
        let has = |text: &str| text.contains("ToBeDeletedByClusterAutoscaler");
        line.field == "spec.taints" && has(&line.new) && !has(&line.old)
    });
    let marked: BTreeSet<(SimTime, String)> = marks.map(|line| (line.at, line.object.strip_prefix("node/").unwrap().to_string())).collect();
    assert_eq!(marked, gone, "{at}");
    (gone.len(), found.iter().filter(|finding| matches!(finding.verdict, NodeVerdict::Kept { .. } | NodeVerdict::NoRoom { .. })).count())
}

#[test]
fn what_the_autoscaler_did_in_every_scene_is_what_is_explained() {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let (mut orders, mut refusals, mut gone, mut kept) = (0, 0, 0, 0);
    for path in find(&[PathBuf::from("scenes/autoscaling"), PathBuf::from("scenes/nodes")]).unwrap() {
        let mut run = whole(&path, Some(Asked::All));
        if run.sim.get::<NodeGroups>().0.is_empty() {
            continue;
        }
        let at = path.display().to_string();
        assert_eq!(digest(&run.sim), digest(&whole(&path, None).sim), "{at}: explaining changes nothing");
        let lines = run.sim.get_mut::<Journal>().take();
        let explanations = run.sim.get::<Explanations>();
        orders += growth_agrees(&run, explanations.scale_ups(), &at);
        refusals += refusals_agree(&run, explanations.scale_ups(), &at);
        let (went, stayed) = shrinking_agrees(&run, explanations.nodes(), &lines, &at);
        (gone, kept) = (gone + went, kept + stayed);
    }
    assert!(orders > 15 && refusals > 1 && gone > 5 && kept > 2, "{orders} orders, {refusals} refusals, {gone} gone, {kept} kept");
}
