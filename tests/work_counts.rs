//! The work that the scheduler does on small benchmarks, against a committed table: a count that grows needs its reason in the commit.
//!
//! `WAVETANK_BLESS=1` writes `tests/work_counts.txt` anew.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use wavetank::args::{BenchArgs, Setting};
use wavetank::commands::bench::{Report, WORKLOADS, measure};

/// Nodes and pods of each workload; more than a hundred nodes, so that decisions look at a part of them.
const SIZES: &[(u32, u32)] = &[(20, 40), (150, 300)];

fn run(name: &str, nodes: u32, pods: u32) -> Report {
    let args = BenchArgs { nodes: Some(nodes), pods: Some(pods), quiet: true, ..BenchArgs::default() };
    measure(name, &args).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

#[test]
fn no_decision_costs_more_than_it_did() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/work_counts.txt");
    let mut got = format!(
        "{:<36}{:>6}{:>6}{:>11}{:>7}{:>10}{:>10}{:>10}\n",
        "", "nodes", "pods", "decisions", "bound", "filtered", "scored", "rescored"
    );
    for (name, _) in WORKLOADS {
        for &(nodes, pods) in SIZES {
            let report = run(name, nodes, pods);
            let counts = [report.work.filtered, report.work.scored, report.work.rescored];
            write!(got, "{name:<36}{nodes:>6}{pods:>6}{:>11}{:>7}", report.decisions, report.bound).unwrap();
            counts.iter().for_each(|count| write!(got, "{count:>10}").unwrap());
            got.push('\n');
        }
    }
    if std::env::var_os("WAVETANK_BLESS").is_some() {
        fs::write(&path, &got).unwrap();
    }
    let want = fs::read_to_string(&path).unwrap();
    // Doing less is no mistake; the table then follows with the next blessing.
    let grown = |(want, got): &(&str, &str)| counts(want).zip(counts(got)).any(|(want, got)| got > want);
    let grown: Vec<String> =
        want.lines().zip(got.lines()).skip(1).filter(grown).map(|(want, got)| format!("was {want}\nis  {got}")).collect();
    assert!(grown.is_empty(), "the scheduler does more work; say why in the commit that blesses it\n{}", grown.join("\n"));
    let head = |text: &str| text.lines().map(|line| line[..48].to_string()).collect::<Vec<_>>();
    assert_eq!(head(&want), head(&got), "the table has other workloads or sizes");
}

/// The last three numbers of a line.
fn counts(line: &str) -> impl Iterator<Item = u64> {
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    numbers.into_iter().rev().take(3)
}

#[test]
fn the_digest_and_the_work_are_the_same_each_time() {
    let (one, two) = (run("TopologySpreading", 30, 60), run("TopologySpreading", 30, 60));
    assert_eq!((&one.digest, one.work, one.decisions, one.bound), (&two.digest, two.work, two.decisions, two.bound));
    let settings = vec![Setting { name: "init".into(), value: "0".into() }];
    let args = BenchArgs { nodes: Some(30), pods: Some(60), settings, quiet: true, ..BenchArgs::default() };
    assert_ne!(measure("TopologySpreading", &args).unwrap().digest, one.digest, "--set has its effect");
}

#[test]
fn scoring_all_nodes_is_more_work_than_scoring_some() {
    let args =
        |percentage| BenchArgs { nodes: Some(200), pods: Some(50), percentage: Some(percentage), quiet: true, ..BenchArgs::default() };
    let scored = |percentage| measure("SchedulingPreferredPodAffinity", &args(percentage)).unwrap().work.scored;
    assert!(scored(100) > scored(5), "{} {}", scored(100), scored(5));
}
