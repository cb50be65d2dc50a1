//! Every scene's journal against its golden one; every golden journal has its scene.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wavetank::commands::test::journal_of;
use wavetank::test_runner::{find, golden_path, test_all};

fn scenes() -> Vec<PathBuf> {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    find(&[PathBuf::from("scenes")]).unwrap()
}

#[test]
fn every_scene_gives_its_golden_journal() {
    let scenes = scenes();
    assert!(scenes.len() >= 14, "found {} scenes", scenes.len());
    let tested = test_all(&scenes, None, false, &journal_of, |_| {}).unwrap();
    let failed: Vec<String> =
        tested.iter().filter(|tested| !tested.verdict.passed()).map(|t| format!("{}: {:?}", t.scene.display(), t.verdict)).collect();
    assert!(failed.is_empty(), "{}\n`wavetank test` shows them; `wavetank test --bless` accepts them", failed.join("\n"));
    let wanted: BTreeSet<PathBuf> = scenes.iter().map(|scene| golden_path(scene)).collect();
    let mut found = BTreeSet::new();
    walk(Path::new("tests/golden"), &mut found);
    assert_eq!(found.difference(&wanted).collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "golden journals without a scene");
}

fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found)
        } else {
            found.insert(path);
        }
    }
}

#[test]
fn every_scene_says_what_it_shows_and_no_two_the_same() {
    let mut shown = BTreeSet::new();
    for scene in scenes() {
        let text = std::fs::read_to_string(&scene).unwrap();
        let line = text.lines().find(|line| line.starts_with("// Shows: `spec/"));
        let line = line.unwrap_or_else(|| panic!("{}: its first comment names no sentence of spec/", scene.display()));
        assert!(shown.insert(line.to_string()), "{}: another scene shows the same: {line}", scene.display());
    }
}
