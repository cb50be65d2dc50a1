//! How much of a GPU cluster is allocated at so much arrived demand, by policy: the table of `scenes/bench/README.md`.
//!
//! ```text
//! cargo run --release --example gpu_allocation -- FOLDER [POLICY ...]
//! ```
//!
//! The folder holds the tables of the Alibaba trace of 2023 (openb). Pods arrive in order and stay; a pod that finds no place waits and
//! finds none later, as nothing leaves. Arrived demand and allocated share are both in parts of the GPUs of the cluster.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use wavetank::files::Disk;
use wavetank::usage::Stopwatch;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::ids::{Kind, Revision};
use wavetank_engine::model::node::NodeStatus;
use wavetank_engine::model::pod::Pod;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::names::Names;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::policies::PolicyChoice;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_systems::scheduler::registry;

const SCENE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenes/bench/openb.ron");
/// Arrived demand at which the allocation is told. Unit: per cent of the GPUs.
const STEPS: [i64; 10] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 95];
const GPU: &str = "alibabacloud.com/gpu-milli";

/// The allocation at each step and at the end, and how long the run took. Unit: thousandths of the GPUs.
struct Row {
    policy: String,
    cells: Vec<i64>,
    end: (i64, i64),
    unplaced: usize,
    took: Duration,
}

fn measure(folder: &str, policy: &str) -> Result<Row, String> {
    let clock = Stopwatch::start();
    let policies = policy.split('+').map(PolicyChoice::of_text).collect::<Result<Vec<_>, _>>()?;
    let set = vec![format!("dir={folder}"), "stay=true".to_string()];
    let overrides = Overrides { set, policies, check_policy: Some(registry::check), ..Overrides::default() };
    let loaded = load(&Disk, &[SCENE.to_string()], &overrides);
    let told = || loaded.problems.errors(&loaded.sources).iter().map(|told| told.to_string()).collect::<Vec<_>>().join("\n");
    let Some(scene) = loaded.scene.clone() else { return Err(told()) };
    let mut run = Run::new(scene, &RunOptions::default(), wavetank_systems::install_all).map_err(|error| error.to_string())?;
    run.run_until(run.end(), &mut |_| {}).map_err(|error| error.to_string())?;
    let took = clock.wall();
    let (objects, names) = (run.sim.get::<Objects>(), run.sim.get::<Names>());
    let gpu = names.find(GPU).ok_or("the tables hold no GPU")?;
    let living = |kind| objects.of_kind(kind).filter(|row| row.gone == Revision::HEAD).map(|row| row.object);
    let capacity: i64 = living(Kind::Node).filter_map(|node| run.sim.state::<NodeStatus>(node)).map(|node| node.allocatable.get(gpu)).sum();
    // Identities grow with the order of arrival.
    let pods: BTreeMap<_, _> = living(Kind::Pod).filter_map(|pod| Some((pod.uid, run.sim.state::<Pod>(pod)?))).collect();
    let (mut arrived, mut allocated, mut unplaced, mut cells) = (0, 0, 0, Vec::new());
    for pod in pods.values() {
        let asked = run.sim.get::<Classes>().get(pod.class).requests.get(gpu);
        arrived += asked;
        if pod.node.is_empty() {
            unplaced += 1;
        } else {
            allocated += asked;
        }
        while STEPS.get(cells.len()).is_some_and(|step| arrived * 100 >= step * capacity) {
            cells.push(allocated * 1000 / capacity);
        }
    }
    let end = (arrived * 1000 / capacity, allocated * 1000 / capacity);
    Ok(Row { policy: policy.to_string(), cells, end, unplaced, took })
}

fn per_cent(thousandths: i64) -> String {
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(folder) = words.next() else {
        eprintln!("error: write gpu_allocation FOLDER [POLICY ...]; several policies at once have + between them");
        return ExitCode::from(2);
    };
    let mut policies: Vec<String> = words.collect();
    if policies.is_empty() {
        policies = ["FGD", "BestFit", "DotProduct", "GpuPacking", "GpuShare"].map(str::to_string).to_vec();
    }
    let steps: Vec<String> = STEPS.iter().map(|step| format!("{step} %")).collect();
    let mut text = format!("| policy | {} | end | not placed | run |\n|{}\n", steps.join(" | "), "---|".repeat(STEPS.len() + 4));
    for policy in &policies {
        let row = match measure(&folder, policy) {
            Ok(row) => row,
            Err(what) => {
                eprintln!("error: {what}");
                return ExitCode::from(2);
            }
        };
        let cells: Vec<String> = row.cells.iter().map(|cell| per_cent(*cell)).collect();
        let (arrived, allocated) = row.end;
        let end = format!("{} of {}", per_cent(allocated), per_cent(arrived));
        text += &format!("| {} | {} | {end} | {} | {:.1} s |\n", row.policy, cells.join(" | "), row.unplaced, row.took.as_secs_f64());
    }
    match wavetank::terminal::print(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: standard output: {error}");
            ExitCode::from(2)
        }
    }
}
