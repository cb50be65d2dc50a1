//! `bench`: the scheduler on workloads, with its speed on this machine and the work that it did.
//!
//! The only command whose results hold wall time. The clock is read by a [`Meter`] that the scheduler and the simulation tell of
//! decisions and rounds; it sees nothing of the world and changes nothing there, so that the digest is that of `run`.

use crate::args::{BenchArgs, Output};
use crate::commands::{failed, path_text, settings, ties};
use crate::exit::{self, Outcome, Running};
use crate::files::Disk;
use crate::render::bench::text;
use crate::render::problems::problems;
use crate::terminal::{self, CountProgress};
use crate::usage::{Stopwatch, cpu_now, peak_rss_bytes, reset_peak_rss};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::ids::{Kind, Revision};
use wavetank_engine::record::digest::digest;
use wavetank_engine::record::summary::digest_text;
use wavetank_engine::record::tally::Tally;
use wavetank_engine::scene::load::{Overrides, declared, load};
use wavetank_engine::scene::model::{Scene, Ties};
use wavetank_engine::scene::run::{Run, RunError, RunOptions};
use wavetank_engine::scene::traces::Trouble;
use wavetank_engine::source::error::nearest;
use wavetank_engine::source::{Files, MemoryFiles};
use wavetank_engine::time::SimTime;
use wavetank_systems::scheduler::cache::SchedulerCache;
use wavetank_systems::scheduler::registry;
use wavetank_systems::scheduler::work::{DecisionWatch, WorkCounts};

/// Name and version of the machine-readable form.
pub const SCHEMA: &str = "wavetank.bench/1";
/// Decisions between two looks at the progress bar.
const TELL_EVERY: u64 = 4_096;

macro_rules! workloads {
    ($($name:literal),* $(,)?) => {
        /// The workloads, with the texts of their scenes.
        pub const WORKLOADS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../scenes/bench/", $name, ".ron")))),*];
    };
}

workloads!(
    "SchedulingBasic",
    "SchedulingPodAntiAffinity",
    "SchedulingPodAffinity",
    "SchedulingPreferredPodAffinity",
    "SchedulingPreferredPodAntiAffinity",
    "TopologySpreading",
    "PreferredTopologySpreading",
    "PreemptionBasic",
    "Unschedulable",
    "SchedulingWithMixedChurn",
    "SchedulingWithNodesAdded",
    "SchedulingZoneAndHostSpreading",
    "SchedulingDefaultSpreading",
    "SchedulingDaemonset",
);

/// What one workload gave. `Serialize` gives the object `wavetank.bench/1`.
///
/// Measured is from the first pop to the last bind committed: in each round that takes pods from the queue, from the first of them
/// until what the round asked for is carried out. Creating pods, and everything between such rounds, is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The workload.
    pub name: String,
    /// Nodes when measuring began.
    pub nodes: u64,
    /// Pods that the measured part is to place: the scene's parameter of that name; without one those waiting when it began, and those
    /// created in it until the last bind.
    pub pods: u64,
    /// Names of the scheduler's profiles, with commas between, then `+` and the name of each policy.
    pub profile: String,
    /// How it chooses among nodes of equal score.
    pub tie: &'static str,
    /// `percentageOfNodesToScore` of the first profile, 100 where policies are chosen and nobody says otherwise; 0: by the number of nodes.
    pub percentage_of_nodes_to_score: u32,
    /// Decisions taken, failed ones among them.
    pub decisions: u64,
    /// Pods bound.
    pub bound: u64,
    /// Processor time. Unit: seconds.
    pub measured_cpu_s: f64,
    /// Wall time. Unit: seconds.
    pub measured_wall_s: f64,
    /// Pods bound for each second of wall time.
    pub pods_per_s: f64,
    /// Half of the decisions took at most this, from the pop to the decision. Unit: nanoseconds.
    pub p50_ns: u64,
    /// The same of 99 in a hundred.
    pub p99_ns: u64,
    /// Most memory held. Unit: bytes.
    pub peak_rss_bytes: u64,
    /// Work done: the same on every machine.
    pub work: Work,
    /// Digest at the end of the run.
    pub digest: String,
}

/// Work of the decisions measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Nodes run through the filters.
    pub filtered: u64,
    /// Nodes scored.
    pub scored: u64,
    /// Entries of class trees computed anew.
    pub rescored: u64,
}

/// Why a workload could not be run.
#[derive(Debug)]
pub enum BenchError {
    /// There is no such workload, or its scene has mistakes; the text says it all.
    Input(String),
    /// The run ended early.
    Run(Box<RunError>),
}

/// Runs the workloads asked for.
pub fn bench(args: &BenchArgs) -> Outcome {
    let names: Vec<&str> = match &args.name {
        Some(name) => vec![name],
        None => WORKLOADS.iter().map(|(name, _)| *name).collect(),
    };
    let several = names.len() > 1;
    // What can't be written is told before anything is measured; what stands there stays until there are results.
    let mut file = match &args.json {
        Some(Output::File(path)) => match std::fs::File::options().append(true).create(true).open(path) {
            Ok(file) => Some(file),
            Err(error) => {
                eprintln!("error: --json: cannot write {:?}: {error}", path.display().to_string());
                return Outcome::BadInput;
            }
        },
        _ => None,
    };
    let mut lines = String::new();
    for name in names {
        let report = match measure(name, args) {
            Ok(report) => report,
            Err(BenchError::Input(text)) => {
                eprint!("{text}");
                return Outcome::BadInput;
            }
            Err(BenchError::Run(error)) => return failed(&error),
        };
        lines.push_str(&(serde_json::to_string(&report).expect("numbers and texts always have a JSON form") + "\n"));
        if args.json != Some(Output::Stdout) {
            let gap = if several { "\n" } else { "" };
            if let Err(error) = terminal::print(&(text(&report) + gap)) {
                eprintln!("error: standard output: {error}");
                return Outcome::BadInput;
            }
        }
    }
    let written = match &mut file {
        Some(file) => file.set_len(0).and_then(|()| file.write_all(lines.as_bytes())),
        None if args.json.is_some() => terminal::print(&lines),
        None => Ok(()),
    };
    match written {
        Ok(()) => Outcome::Well,
        Err(error) => {
            eprintln!("error: --json: {error}");
            Outcome::BadInput
        }
    }
}

/// Runs one workload and measures it.
///
/// # Errors
/// [`BenchError`].
pub fn measure(name: &str, args: &BenchArgs) -> Result<Report, BenchError> {
    reset_peak_rss();
    let scene = scene_of(name, args)?;
    let (from, tie) = (scene.measure_from, tie_name(scene.ties));
    let names: Vec<&str> = scene.scheduler.profiles.iter().map(|profile| profile.scheduler_name.as_str()).collect();
    let policies = scene.policies.iter().map(|policy| format!("+{}", policy.name));
    let profile = names.join(",") + &policies.collect::<String>();
    let configured = scene.scheduler.profiles[0].percentage_of_nodes_to_score;
    // Policies look at all nodes unless somebody says otherwise.
    let percentage = match args.percentage.unwrap_or(configured) {
        0 if !scene.policies.is_empty() => 100,
        percentage => percentage,
    };
    let of_scene = |error| BenchError::Run(Box::new(error));
    exit::now_running(Some(Running { scene: scene.path.clone(), seed: scene.seed, at: SimTime::ZERO }));
    let expected = scene.params.get("pods").and_then(|pods| pods.parse().ok()).unwrap_or(0);
    let progress = CountProgress::new(&format!("{name}: preparing"), expected, !args.quiet);
    let mut run = Run::new(scene, &RunOptions::default(), wavetank_systems::install_all).map_err(of_scene)?;
    if let Some(percentage) = args.percentage {
        run.sim.get_mut::<SchedulerCache>().score_percentage(percentage);
    }
    if let Some(before) = from.0.checked_sub(1) {
        run.run_until(SimTime(before), &mut |_| {}).map_err(of_scene)?;
    }
    let tally = run.sim.get::<Tally>();
    let (bound, waiting) = (tally.bindings, tally.pods_created - tally.bindings.min(tally.pods_created));
    let before = Counts { bound, created: tally.pods_created, work: run.sim.get::<SchedulerCache>().work(), ..Counts::default() };
    let nodes = run.sim.get::<Objects>().of_kind(Kind::Node).filter(|row| row.gone == Revision::HEAD).count() as u64;
    let meter = Meter::new(name, progress, before);
    let watched = meter.clone();
    run.sim.get_mut::<SchedulerCache>().watch(Box::new(meter.clone()));
    run.sim.watch_rounds(Box::new(move |tally| watched.lock().round_over(tally)));
    let end = run.end();
    let outcome = run.run_until(end, &mut |_| {});
    meter.lock().progress.finish();
    exit::now_running(None);
    outcome.map_err(of_scene)?;
    tell_of_traces(&run);
    let last = meter.lock().at_last_bind();
    let work = last.work.since(before.work);
    let mut spans = meter.lock().spans[..last.decisions as usize].to_vec();
    spans.sort_unstable();
    let bound = last.bound - before.bound;
    let wall_s = last.wall.as_secs_f64();
    Ok(Report {
        schema: SCHEMA,
        name: name.to_string(),
        nodes,
        pods: if expected > 0 { expected } else { waiting + last.created - before.created },
        profile,
        tie,
        percentage_of_nodes_to_score: percentage,
        decisions: last.decisions,
        bound,
        measured_cpu_s: last.cpu.as_secs_f64(),
        measured_wall_s: wall_s,
        pods_per_s: if wall_s > 0.0 { bound as f64 / wall_s } else { 0.0 },
        p50_ns: percentile(&spans, 50),
        p99_ns: percentile(&spans, 99),
        peak_rss_bytes: peak_rss_bytes().unwrap_or(0),
        work: Work { filtered: work.filtered, scored: work.scored, rescored: work.rescored },
        digest: digest_text(digest(&run.sim)),
    })
}

fn scene_of(name: &str, args: &BenchArgs) -> Result<Scene, BenchError> {
    let memory;
    let (files, path): (&dyn Files, String) = match WORKLOADS.iter().find(|(known, _)| *known == name) {
        Some((known, text)) => {
            let path = format!("scenes/bench/{known}.ron");
            // The configuration is a file of the disk even where the workload is not.
            let config = args.scheduler_config.as_deref().map(path_text);
            let config = config.and_then(|path| Disk.read(&path).ok().map(|text| (path, text)));
            let known = MemoryFiles::default().with(&path, *text);
            memory = config.into_iter().fold(known, |files, (path, text)| files.with(&path, text));
            (&memory, path)
        }
        None if name.ends_with(".ron") => (&Disk, name.to_string()),
        None => return Err(BenchError::Input(unknown(name))),
    };
    let defaults = declared(files, &path);
    let number = |name: &str| defaults.get(name).and_then(|text| text.parse::<u64>().ok());
    let mut set = Vec::new();
    if let Some(nodes) = args.nodes {
        set.push(format!("nodes={nodes}"));
        if let (Some(init), Some(usual)) = (number("init"), number("nodes").filter(|usual| *usual > 0)) {
            set.push(format!("init={}", init * u64::from(nodes) / usual));
        }
    }
    if let Some(pods) = args.pods {
        match (number("pods"), number("sets"), number("replicas")) {
            // Pods of several sets, each with as many.
            (None, Some(sets), Some(_)) if sets > 0 => {
                let replicas = u64::from(pods).div_ceil(sets).max(1);
                set.extend([format!("replicas={replicas}"), format!("sets={}", u64::from(pods).div_ceil(replicas))]);
            }
            _ => set.push(format!("pods={pods}")),
        }
    }
    set.extend(settings(&args.settings));
    let overrides = Overrides {
        set,
        ties: args.ties.map(ties),
        scheduler_config: args.scheduler_config.as_deref().map(path_text),
        policies: args.policies.clone(),
        check_policy: Some(registry::check),
        ..Overrides::default()
    };
    let mut loaded = load(files, &[path], &overrides);
    let told = problems(&loaded.problems, &loaded.sources, std::io::stderr().is_terminal());
    let Some(scene) = loaded.scene.take() else { return Err(BenchError::Input(told)) };
    eprint!("{told}");
    Ok(scene)
}

/// The rows of traces that did not become pods, as warnings.
fn tell_of_traces(run: &Run) {
    for report in run.traces() {
        for (what, troubles) in [("unusable", &report.unusable), ("refused", &report.refused)] {
            for Trouble { reason, rows, first } in troubles {
                eprintln!("warning: {}: {rows} {what}: {reason} (first {first})", report.file);
            }
        }
    }
}

fn unknown(name: &str) -> String {
    let known: Vec<&str> = WORKLOADS.iter().map(|(known, _)| *known).collect();
    let help = nearest(name, &known).map_or(String::new(), |near| format!("did you mean {near:?}? "));
    format!("error: there is no workload {name:?}; {help}known are {}, and scene files (.ron)\n", known.join(", "))
}

fn tie_name(ties: Ties) -> &'static str {
    match ties {
        Ties::Heap => "heap",
        Ties::LowestName => "lowest-name",
        Ties::Random => "random",
    }
}

/// The value that `percent` in a hundred of the sorted list do not exceed; 0 of an empty list.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Where the measured part stands.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    bound: u64,
    created: u64,
    decisions: u64,
    wall: Duration,
    cpu: Duration,
    work: WorkCounts,
}

/// Reads the clock at pops, decisions and ends of rounds.
#[derive(Clone)]
struct Meter(Arc<Mutex<Measured>>);

struct Measured {
    name: String,
    progress: CountProgress,
    clock: Stopwatch,
    /// Wall and processor time at the first pop of the round, if there was one.
    round_began: Option<(Duration, Duration)>,
    /// When the last decision was taken, or the first pop began.
    last: Duration,
    /// How long each decision took. Unit: nanoseconds.
    spans: Vec<u64>,
    now: Counts,
    last_bind: Option<Counts>,
}

impl Meter {
    fn new(name: &str, progress: CountProgress, before: Counts) -> Meter {
        let (name, clock) = (name.to_string(), Stopwatch::start());
        let measured =
            Measured { name, progress, clock, round_began: None, last: Duration::ZERO, spans: Vec::new(), now: before, last_bind: None };
        Meter(Arc::new(Mutex::new(measured)))
    }

    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DecisionWatch for Meter {
    fn begins(&mut self) {
        let mut measured = self.lock();
        let cpu = cpu_now();
        let wall = measured.clock.wall();
        measured.round_began.get_or_insert((wall, cpu));
        measured.last = wall;
    }

    fn decided(&mut self, work: WorkCounts) {
        let mut measured = self.lock();
        let wall = measured.clock.wall();
        let span = wall - std::mem::replace(&mut measured.last, wall);
        measured.spans.push(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
        measured.now.decisions += 1;
        measured.now.work = work;
        let decisions = measured.now.decisions;
        if decisions.is_multiple_of(TELL_EVERY) {
            measured.progress.at(decisions, &format!("{}: {decisions} decisions", measured.name));
        }
    }
}

impl Measured {
    fn round_over(&mut self, tally: &Tally) {
        if let Some((wall, cpu)) = self.round_began.take() {
            self.now.wall += self.clock.wall() - wall;
            self.now.cpu += cpu_now() - cpu;
        }
        self.now.created = tally.pods_created;
        if tally.bindings > self.now.bound {
            self.now.bound = tally.bindings;
            self.last_bind = Some(self.now);
        }
    }

    /// The counts at the last bind, or now when there was none.
    fn at_last_bind(&self) -> Counts {
        self.last_bind.unwrap_or(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let list: Vec<u64> = (1..=200).collect();
        assert_eq!((percentile(&list, 50), percentile(&list, 99), percentile(&list, 100)), (100, 198, 200));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99), percentile(&[], 50)), (7, 7, 0));
    }

    #[test]
    fn a_misspelt_workload_is_told_which_was_meant() {
        let Err(BenchError::Input(text)) = measure("SchedulngBasic", &BenchArgs::default()) else { panic!("there is none") };
        assert!(text.contains("did you mean \"SchedulingBasic\"?"), "{text}");
    }
}
