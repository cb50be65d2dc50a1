//! The book under `docs`: its generated pages are what the sources say, its commands do what it shows, its links lead somewhere.
//!
//! `WAVETANK_BLESS=1 cargo test --test book` writes the generated pages anew.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod fidelity;
mod reference;

use std::path::{Path, PathBuf};

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

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_to_a_file() {
    let pages = pages();
    let summary = &pages.iter().find(|(name, _)| name == "SUMMARY.md").unwrap().1;
    for (name, text) in &pages {
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap_or_default();
            let there = file.is_empty() || Path::new(&root().join("docs/src").join(file)).exists();
            assert!(there, "{name}: {link} leads nowhere");
        }
    }
}
