//! Bad scenes and manifests, each with the exact messages that it must give.
//!
//! Every file of `tests/bad_input` stands in `messages.txt` with its messages below it. `WAVETANK_BLESS=1` writes that file anew.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::source::MemoryFiles;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bad_input");
/// Included by a bad scene, not bad alone.
const HELPERS: &[&str] = &[
    "circle_a.ron",
    "circle_b.ron",
    "scheduler_fields.yaml",
    "scheduler_plugins.yaml",
    "scheduler_values.yaml",
    "scheduler_version.yaml",
    "trace_columns.csv",
    "trace_empty_table.csv",
    "trace_nodes.csv",
    "trace_pods.yaml",
];

/// The files of the folder, and those too odd to keep in a repository.
fn files() -> MemoryFiles {
    let mut files = MemoryFiles::default();
    for entry in fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if !name.ends_with(".txt") {
            files = files.with(&name, fs::read(&path).unwrap());
        }
    }
    let deep = format!("Scene(objects: {}{})", "[".repeat(10_000), "]".repeat(10_000));
    files
        .with("binary.ron", [0x7f, b'E', b'L', b'F', 0, 1, 2, 0xff].to_vec())
        .with("deep.ron", deep)
        .with("not_utf8.yaml", vec![b'a', 0xc3, 0x28])
}

fn messages(files: &MemoryFiles, name: &str) -> Vec<String> {
    let loaded = load(files, &[name.to_string()], &Overrides::default());
    assert!(loaded.scene.is_none() || !loaded.problems.has_errors(), "{name}: a scene with mistakes must not load");
    let errors = loaded.problems.errors(&loaded.sources);
    let warnings = loaded.problems.warnings(&loaded.sources);
    errors.iter().map(|error| format!("error: {error}")).chain(warnings.iter().map(|warning| format!("warning: {warning}"))).collect()
}

#[test]
fn every_bad_file_says_what_is_wrong_and_where() {
    let files = files();
    let mut names: Vec<String> = files.0.keys().filter(|name| !HELPERS.contains(&name.as_str())).cloned().collect();
    names.push("missing.ron".to_string());
    names.sort();
    assert!(names.len() >= 40, "a table of at least forty: {}", names.len());
    let mut got = String::new();
    let mut silent = Vec::new();
    for name in &names {
        let messages = messages(&files, name);
        if messages.is_empty() {
            silent.push(name.clone());
        }
        writeln!(got, "{name}").unwrap();
        for message in messages {
            writeln!(got, "    {message}").unwrap();
        }
    }
    assert!(silent.is_empty(), "accepted without a word: {silent:?}");
    let path = Path::new(FOLDER).join("messages.txt");
    if std::env::var_os("WAVETANK_BLESS").is_some() {
        fs::write(&path, &got).unwrap();
    }
    let want = fs::read_to_string(&path).unwrap_or_default();
    for (line, (want, got)) in want.lines().zip(got.lines()).enumerate() {
        assert_eq!(got, want, "messages.txt:{}", line + 1);
    }
    assert_eq!(got.lines().count(), want.lines().count(), "messages.txt has other files");
}
