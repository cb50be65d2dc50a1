//! Where scenes and their golden journals are.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Folder of scenes at sizes: they are measured, not compared, so a walk leaves them out.
const BENCH: &str = "bench";

/// The scenes at `paths`: a file as it is, a folder with all `.ron` files below it (folders named `bench` left out), sorted
/// by path, each once.
///
/// # Errors
/// Names the path that is not there, cannot be read, or holds no scene.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        if path.is_dir() {
            walk(path, &mut found)?;
            if found.len() == before {
                return Err(format!("{}: no scene (*.ron) in this folder", path.display()));
            }
        } else if path.is_file() {
            found.push(path.clone());
        } else {
            return Err(format!("{}: no such file or folder", path.display()));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.is_dir() {
            if path.file_name() != Some(OsStr::new(BENCH)) {
                walk(&path, found)?;
            }
        } else if path.extension() == Some(OsStr::new("ron")) {
            found.push(path);
        }
    }
    Ok(())
}

/// Where the golden journal of a scene is: `scenes/TOPIC/WHAT.ron` has `tests/golden/TOPIC/WHAT.txt`; a scene outside a
/// `scenes` folder has `WHAT.golden.txt` beside it.
pub fn golden_path(scene: &Path) -> PathBuf {
    let parts: Vec<Component<'_>> = scene.components().collect();
    match parts.iter().rposition(|part| part.as_os_str() == "scenes") {
        Some(at) if at + 1 < parts.len() => {
            let (before, after) = (&parts[..at], &parts[at + 1..]);
            let root: PathBuf = before.iter().collect();
            root.join("tests/golden").join(after.iter().collect::<PathBuf>()).with_extension("txt")
        }
        _ => scene.with_extension("golden.txt"),
    }
}

/// The name of a scene in reports: its path without the ending.
pub fn name(scene: &Path) -> String {
    scene.with_extension("").to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_paths() {
        for (scene, golden) in [
            ("scenes/hello.ron", "tests/golden/hello.txt"),
            ("scenes/rollout/rolling_update.ron", "tests/golden/rollout/rolling_update.txt"),
            ("/a/scenes/b/scenes/c.ron", "/a/scenes/b/tests/golden/c.txt"),
            ("mine/try.ron", "mine/try.golden.txt"),
        ] {
            assert_eq!(golden_path(Path::new(scene)), Path::new(golden));
        }
        assert_eq!(name(Path::new("scenes/a/b.ron")), "scenes/a/b");
    }
}
