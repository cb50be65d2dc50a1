//! Why things happen, in every scene: each chain of causes ends at the scene, its script or a trace, and keeping causes changes nothing.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::PathBuf;
use wavetank::files::Disk;
use wavetank::test_runner::find;
use wavetank_engine::record::causes::Origin;
use wavetank_engine::record::digest::digest;
use wavetank_engine::record::journal::{Journal, Line};
use wavetank_engine::record::why::{Recording, Step};
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::time::SimTime;
use wavetank_systems::{install_all, scheduler::registry};

fn scenes() -> Vec<PathBuf> {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    find(&[PathBuf::from("scenes")]).unwrap()
}

fn whole(path: &std::path::Path, causes: bool) -> (Run, Vec<Line>) {
    let overrides = Overrides { check_policy: Some(registry::check), ..Overrides::default() };
    let scene = load(&Disk, &[path.to_string_lossy().into_owned()], &overrides).scene.unwrap();
    let options = RunOptions { journal: true, causes, ..RunOptions::default() };
    let mut run = Run::new(scene, &options, install_all).unwrap();
    let end = run.end();
    run.run_until(end, &mut |_| {}).unwrap();
    let lines = run.sim.get_mut::<Journal>().take();
    (run, lines)
}

#[test]
fn every_change_of_every_scene_leads_back_to_its_beginning() {
    let (mut deletions, mut evictions) = (0, 0);
    for path in scenes() {
        let (run, lines) = whole(&path, true);
        let (plain, plain_lines) = whole(&path, false);
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
        deletions += lines.iter().filter(|line| line.field == "deletion" && line.old == "-").count();
        evictions += lines.iter().filter(|line| line.field == "conditions.DisruptionTarget").count();
    }
    assert!(deletions > 150 && evictions > 15, "{deletions} deletions, {evictions} evictions");
}
