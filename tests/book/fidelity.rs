//! The page on fidelity: how many recorded answers and timelines there are of each family, and what is not simulated.

#[allow(dead_code, reason = "only what is not built is asked for here")]
#[path = "../timelines/families.rs"]
mod families;
#[path = "../conformance/not_built.rs"]
mod not_built;

use crate::{holds, root};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use syn::{Expr, Item, Lit};

/// What the letters of the recordings stand for; a letter without an entry fails the test.
const TIMELINES: &[(&str, &str)] = &[
    ("a", "Deployments are created"),
    ("b", "workloads are scaled"),
    ("c", "rollouts: rolling, recreating, rolled over"),
    ("d", "rollouts paused, resumed, past their deadline, rolled back"),
    ("e", "EndpointSlices"),
    ("f", "nodes fall silent and come back"),
    ("g", "Jobs"),
    ("h", "StatefulSets"),
    ("i", "DaemonSets"),
    ("j", "preemption with budgets"),
    ("k", "quotas and limit ranges"),
    ("l", "namespaces are deleted"),
    ("m", "garbage collection"),
    ("n", "claims and volumes"),
    ("p", "CronJobs"),
    ("q", "pods that fit nowhere"),
    ("r", "evictions with budgets"),
];

fn files(folder: &str) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap().to_string(), path);
    let mut files: Vec<(String, PathBuf)> = entries.filter(|path| path.extension().is_some_and(|end| end == "gz")).map(named).collect();
    files.sort();
    files
}

/// Rows of a table, and those among them of functions that are not built.
fn rows(path: &PathBuf) -> (u64, u64) {
    let (mut all, mut not_built) = (0, 0);
    for line in BufReader::new(GzDecoder::new(File::open(path).unwrap())).lines().map(Result::unwrap).filter(|line| !line.is_empty()) {
        all += 1;
        // Names of functions are short words; only lines that hold one are worth reading whole.
        if not_built::NOT_BUILT.iter().any(|name| line.contains(name)) {
            let row: Value = serde_json::from_str(&line).unwrap();
            not_built += u64::from(row["fn"].as_str().is_some_and(|name| not_built::NOT_BUILT.contains(&name)));
        }
    }
    (all, not_built)
}

fn answers(page: &mut String) {
    let mut sums = (0, 0);
    let mut table = String::new();
    for (folder, what) in [("controllers", ""), ("scheduler", "scheduler: ")] {
        for (name, path) in files(&format!("tests/conformance/{folder}")) {
            let (all, not_built) = rows(&path);
            sums = (sums.0 + all - not_built, sums.1 + not_built);
            let note = if not_built > 0 { format!("{not_built} more are of what is not built") } else { String::new() };
            writeln!(table, "| {what}{name} | {} | {note} |", all - not_built).unwrap();
        }
    }
    writeln!(
        page,
        "## Recorded answers\n\nA component of Kubernetes 1.36.2 was asked, and its answer was written down. \
         `cargo test --release --test conformance` asks ours and wants the same: {} answers, and {} more that are recorded and not built.\n\n\
         | family | answers | |\n|---|---|---|\n{table}",
        sums.0, sums.1
    )
    .unwrap();
}

fn timelines(page: &mut String) {
    let mut by_family: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (title, _) in files("tests/timelines/golden") {
        let (family, rest) = title.split_once('_').unwrap();
        by_family.entry(family.to_string()).or_default().push(rest.to_string());
    }
    writeln!(
        page,
        "## Recorded timelines\n\nA real control plane was watched while something happened to it. `cargo test --release --test timelines` \
         plays the same to ours, and wants the same changes in the same order, at the same times as far as these are Kubernetes' own.\n\n\
         | family | timelines | recordings |\n|---|---|---|"
    )
    .unwrap();
    for (family, recordings) in &by_family {
        let (_, what) = TIMELINES.iter().find(|(letter, _)| letter == family).unwrap_or_else(|| panic!("what is family {family}?"));
        let note = if families::is_not_built(family) { " (not built: skipped)" } else { "" };
        writeln!(page, "| {what}{note} | {} | {} |", recordings.len(), recordings.join(", ").replace('_', " ")).unwrap();
    }
}

/// The texts of a list of constants in the source.
fn list(name: &str) -> Vec<String> {
    let source = std::fs::read_to_string(root().join("engine/src/scene/unsimulated.rs")).unwrap();
    for item in syn::parse_file(&source).unwrap().items {
        if let Item::Const(item) = item
            && item.ident == name
            && let Expr::Reference(reference) = *item.expr
            && let Expr::Array(array) = *reference.expr
        {
            let text = |element: &Expr| match element {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => text.value(),
                    _ => panic!("{name} has something else than text"),
                },
                _ => panic!("{name} has something else than text"),
            };
            return array.elems.iter().map(text).collect();
        }
    }
    panic!("unsimulated.rs has no {name}");
}

/// Kinds that nothing acts on and that people look for.
const MISSED: [&str; 9] = [
    "ResourceQuota",
    "LimitRange",
    "Role",
    "ClusterRole",
    "ServiceAccount",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "VerticalPodAutoscaler",
];

fn not_simulated(page: &mut String) {
    let built = list("SIMULATED");
    let wrong: Vec<&&str> = MISSED.iter().filter(|kind| built.iter().any(|built| built == **kind)).collect();
    assert!(wrong.is_empty(), "{wrong:?} are simulated by now");
    let shown = |name: &str| list(name).iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
    writeln!(
        page,
        "\n## What is not simulated\n\nWhatever is not simulated is kept, given back unchanged, and named once in the summary of the run \
         (`not simulated`). Nothing is left out in silence.\n\n\
         Objects of these kinds are acted on, or need nobody to act: {}. Objects of all other kinds are kept, and nobody acts on \
         them; of those that people miss most: {}.\n\n\
         Of a pod these fields do nothing: {}. Of a container: {}. Of a Service: {}.\n\n\
         Volumes of these sources are simulated, of others they are taken to be there: {}.\n\n\
         No packets are sent and no programs run: what containers do is what the scene's `programs` say.",
        shown("SIMULATED"),
        MISSED.map(|kind| format!("`{kind}`")).join(", "),
        shown("POD_FIELDS"),
        shown("CONTAINER_FIELDS"),
        shown("SERVICE_FIELDS"),
        shown("VOLUMES")
    )
    .unwrap();
}

#[test]
fn the_page_on_fidelity_counts_what_is_there() {
    let mut page = String::from(
        "# Fidelity\n\nThis page is made from the tests: it counts the recordings that Wavetank is held to, and lists what does nothing.\n\n",
    );
    answers(&mut page);
    timelines(&mut page);
    not_simulated(&mut page);
    holds("fidelity.md", &page);
}
