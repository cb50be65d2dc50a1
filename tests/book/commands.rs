//! Every command of the book is run, page by page in a folder of its own, and says what the page shows.
//!
//! A block ```` ```console ```` has commands behind `$ `, each with lines that its output has in this order; `...` stands for others.
//! `` ```console,exit=1 `` says how they end; those of `` ```console,terminal `` are read and not run. A block of YAML or RON whose first line is a comment with a file's name is that file.

use crate::common::{folder, wavetank};
use crate::{pages, root};
use std::path::Path;
use wavetank::args::Cli;

struct Block<'t> {
    kind: &'t str,
    lines: Vec<&'t str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(kind) if !open => {
                blocks.push(Block { kind, lines: Vec::new() });
                open = true;
            }
            Some(_) => open = false,
            None if open => blocks.last_mut().unwrap().lines.push(line),
            None => {}
        }
    }
    assert!(!open, "a block does not end");
    blocks
}

/// The words of a command; quotes hold words together.
fn words(command: &str) -> Vec<String> {
    let parts: Vec<&str> = command.split('\'').collect();
    let mut words = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        if at % 2 == 1 {
            words.push((*part).to_string());
        } else {
            words.extend(part.split_whitespace().map(String::from));
        }
    }
    words
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Reads what a block shows that only a terminal can run.
fn understood(page: &str, block: &Block) {
    for command in block.lines.iter().filter_map(|line| line.strip_prefix("$ ")) {
        Cli::read(words(command)).unwrap_or_else(|error| panic!("{page}: {command}: {error}"));
    }
}

/// Runs what a block shows.
fn run(page: &str, folder: &Path, block: &Block) -> usize {
    let code = block.kind.split_once("exit=").map_or(0, |(_, code)| code.parse().unwrap());
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in &block.lines {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command, Vec::new())),
            None => commands.last_mut().unwrap_or_else(|| panic!("{page}: {line:?} belongs to no command")).1.push(line),
        }
    }
    for (command, shown) in &commands {
        let words = words(command.split(" #").next().unwrap());
        assert_eq!(words[0], "wavetank", "{page}: {command}");
        let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let ended = wavetank(folder, &words, "");
        assert_eq!(ended.code, code, "{page}: {command}\n{}{}", ended.out, ended.err);
        let said = ended.out.clone() + &ended.err;
        let mut lines = said.lines().map(str::trim_end);
        for line in shown.iter().map(|line| line.trim_end()).filter(|line| *line != "...") {
            assert!(lines.any(|said| said == line), "{page}: {command}\ndoes not say\n{line}\nbut\n{said}");
        }
    }
    commands.len()
}

#[test]
fn every_command_does_what_the_page_shows() {
    let mut count = 0;
    for (page, text) in pages() {
        let folder = folder(&format!("book_{}", page.trim_end_matches(".md")));
        let blocks = blocks(&text);
        if blocks.iter().any(|block| block.kind.starts_with("console")) {
            copy(&root().join("scenes"), &folder.join("scenes"));
        }
        for block in &blocks {
            let first = block.lines.first().copied().unwrap_or_default();
            let file = first.trim_start_matches(['#', '/', ' ']).split(':').next().unwrap();
            if block.kind == "console,terminal" {
                understood(&page, block);
            } else if block.kind.starts_with("console") {
                count += run(&page, &folder, block);
            } else if file.ends_with(".ron") || file.ends_with(".yaml") && !file.contains('/') {
                std::fs::write(folder.join(file), block.lines.join("\n") + "\n").unwrap();
            }
            let shown = block.lines.iter().any(|line| line.starts_with("$ ") || line.starts_with("wavetank "));
            assert!(!shown || block.kind.starts_with("console"), "{page}: a command in a block {:?} is not run", block.kind);
        }
    }
    assert!(count >= 20, "the book shows {count} commands");
}

#[test]
fn ten_lessons_have_a_scene_each() {
    let lessons = std::fs::read_to_string(root().join("docs/src/lessons.md")).unwrap();
    let lessons: Vec<&str> = lessons.split("\n## ").skip(1).collect();
    assert_eq!(lessons.len(), 10);
    let mut scenes: Vec<&str> =
        lessons.iter().map(|lesson| lesson.split('`').find(|text| text.ends_with(".ron")).expect("a scene")).collect();
    for scene in &scenes {
        assert!(root().join(scene).exists(), "{scene}");
    }
    scenes.sort_unstable();
    scenes.dedup();
    assert_eq!(scenes.len(), 10, "each lesson has its own scene");
}
