//! The book under `docs`: its generated pages are what the sources say, its commands do what it shows, its links lead somewhere.
//!
//! `WAVETANK_BLESS=1 cargo test --test book` writes the generated pages anew.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod fidelity;
mod reference;

use clap::CommandFactory;
use std::path::PathBuf;
use wavetank::args::Cli;

/// Flags of `run` for those who work on Wavetank.
const UNTOLD: &[&str] = &["check", "every-tick", "dispatch"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The pages of the book with their texts, in order of their names.
fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = std::fs::read_dir(root().join("docs/src"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap()))
        .collect();
    pages.sort();
    pages
}

/// Compares a generated page with the one in the book, or writes it.
fn holds(page: &str, want: &str) {
    let path = root().join("docs/src").join(page);
    if std::env::var_os("WAVETANK_BLESS").is_some() {
        std::fs::write(&path, want).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(want.lines()).find(|(found, want)| found != want);
    assert!(
        found == want,
        "docs/src/{page} is not what the sources say, first at {differs:?}; WAVETANK_BLESS=1 cargo test --test book writes it"
    );
}

/// The anchors that mdBook gives the headings of a page.
fn anchors(text: &str) -> Vec<String> {
    let mut code = false;
    let mut anchors: Vec<String> = Vec::new();
    for line in text.lines() {
        code ^= line.starts_with("```");
        let Some(heading) = line.strip_prefix('#').filter(|_| !code) else { continue };
        let kept = heading.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase();
        let again = anchors.iter().filter(|known| **known == anchor).count();
        anchors.push(if again == 0 { anchor } else { format!("{anchor}-{again}") });
    }
    anchors
}

/// Where a text's links lead that stay among files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://"))
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_to_a_heading() {
    let pages = pages();
    let summary = &pages.iter().find(|(name, _)| name == "SUMMARY.md").unwrap().1;
    for (name, text) in &pages {
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
        for link in links(text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { name } else { file };
            let (_, target) = pages.iter().find(|(name, _)| name == file).unwrap_or_else(|| panic!("{name}: {link} leads nowhere"));
            assert!(anchor.is_empty() || anchors(target).iter().any(|known| known == anchor), "{name}: {link} leads to no heading");
        }
    }
}

#[test]
fn every_link_of_the_readmes_leads_to_a_file() {
    for readme in ["README.md", "scenes/README.md", "scenes/bench/README.md", "examples/README.md"] {
        let text = std::fs::read_to_string(root().join(readme)).unwrap();
        for link in links(&text) {
            let file = link.split('#').next().unwrap_or_default();
            assert!(root().join(readme).parent().unwrap().join(file).exists(), "{readme}: {link} leads nowhere");
        }
    }
}

#[test]
fn the_book_names_every_command_and_every_output_of_a_run() {
    let text: String = pages().into_iter().map(|(_, text)| text).collect();
    for command in Cli::command().get_subcommands().map(|command| command.get_name().to_string()) {
        assert!(text.contains(&format!("wavetank {command}")), "no page shows wavetank {command}");
    }
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    for flag in run.get_arguments().filter_map(|flag| flag.get_long()) {
        let told = text.contains(&format!("--{flag}")) || UNTOLD.contains(&flag);
        assert!(told, "no page tells of wavetank run --{flag}");
    }
}
