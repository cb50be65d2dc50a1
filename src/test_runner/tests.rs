//! The runner on a folder of its own: order, verdicts, blessing.

use super::*;

/// A folder under the target directory that this test alone uses, emptied first.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tmp/test_runner").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(folder.join("scenes/bench")).unwrap();
    folder
}

fn scenes_in(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    for name in names {
        std::fs::write(folder.join("scenes").join(name), name).unwrap();
    }
    find(&[folder.join("scenes")]).unwrap()
}

/// The journal of a scene is its name; a scene named `slow…` takes longer than the others.
fn run(scene: &Path) -> Result<String, String> {
    let name = scene.file_stem().unwrap().to_string_lossy().into_owned();
    if name.starts_with("broken") {
        return Err("no such field".to_string());
    }
    assert!(!name.starts_with("bug"), "index names a dead pod");
    if name.starts_with("slow") {
        let watch = Stopwatch::start();
        while watch.wall() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
    }
    Ok(format!("00:00.000  {name}\n"))
}

#[test]
fn results_come_in_order_and_goldens_are_blessed_and_compared() {
    let folder = folder("order");
    let scenes = scenes_in(&folder, &["slow.ron", "b.ron", "z.ron", "bench/huge.ron", "notes.txt"]);
    assert_eq!(scenes.len(), 3);
    let seen = Mutex::new(Vec::new());
    let each = |tested: &Tested| seen.lock().unwrap().push(name(&tested.scene));
    let first = test_all(&scenes, Some(3), false, &run, each).unwrap();
    assert!(first.iter().all(|tested| matches!(tested.verdict, Verdict::NoGolden(_))), "{first:?}");
    let order: Vec<String> = scenes.iter().map(|scene| name(scene)).collect();
    assert_eq!(*seen.lock().unwrap(), order);

    let verdicts =
        |bless| test_all(&scenes, None, bless, &run, |_| {}).unwrap().into_iter().map(|tested| tested.verdict).collect::<Vec<_>>();
    assert_eq!(verdicts(true), [Verdict::Blessed, Verdict::Blessed, Verdict::Blessed]);
    assert_eq!(verdicts(true), [Verdict::Pass, Verdict::Pass, Verdict::Pass]);
    std::fs::write(golden_path(&scenes[2]), "00:00.000  other\n").unwrap();
    let last = verdicts(false);
    assert_eq!(last[..2], [Verdict::Pass, Verdict::Pass]);
    assert!(matches!(&last[2], Verdict::Differs(difference) if difference.line == 1), "{last:?}");
}

#[test]
fn failures_and_panics_fail_one_scene_and_the_rest_still_runs() {
    let folder = folder("failures");
    let scenes = scenes_in(&folder, &["broken.ron", "bug.ron", "well.ron"]);
    let tested = test_all(&scenes, Some(1), true, &run, |_| {}).unwrap();
    let verdicts: Vec<&Verdict> = tested.iter().map(|tested| &tested.verdict).collect();
    assert_eq!(*verdicts[0], Verdict::Failed("no such field".to_string()));
    assert!(matches!(verdicts[1], Verdict::Failed(why) if why == "panicked: index names a dead pod"), "{verdicts:?}");
    assert_eq!(*verdicts[2], Verdict::Blessed);
    let text = totals(&tested, Duration::from_millis(1200));
    assert!(text.contains("     Summary [   1.200s] 3 tests run: 0 passed, 1 blessed, 2 failed\n"), "{text}");
    assert!(line(&tested[0]).starts_with("        FAIL ["), "{}", line(&tested[0]));
    assert!(line(&tested[0]).ends_with("scenes/broken\n             no such field\n"), "{}", line(&tested[0]));
}

#[test]
fn paths_without_scenes_are_errors() {
    let folder = folder("empty");
    assert!(find(&[folder.join("scenes")]).unwrap_err().contains("no scene"));
    assert!(find(&[folder.join("nowhere")]).unwrap_err().contains("no such file"));
}
