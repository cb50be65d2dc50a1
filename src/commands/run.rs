//! `run`: a scene or manifests from beginning to end, with a summary.

mod journal_file;

use crate::args::{Output, RunArgs, SummaryFormat};
use crate::commands::report::{Watching, keeps_causes};
use crate::commands::{build, dispatcher, failed, load_from, overrides};
use crate::exit::{self, Outcome, Running};
use crate::files::Disk;
use crate::perfetto;
use crate::render;
use crate::render::story::Story;
use crate::series::SeriesFile;
use crate::terminal::{self, Progress};
use crate::usage::{Stopwatch, cpu_now, peak_rss_bytes};
use crate::watch::{self, Watch, pace};
use journal_file::JournalFile;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use wavetank_engine::record::checkpoint;
use wavetank_engine::record::collect::summary;
use wavetank_engine::record::event_json::event_list;
use wavetank_engine::record::journal::Journal;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::model::{Scene, SceneObject};
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::scene::traces::ReadingWatch;
use wavetank_engine::source::{Files, MemoryFiles, Sources};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_systems::kubelet::probes::EveryTick;
use wavetank_systems::kubelet::trace::{Follow, Trace};

/// First bytes of a saved run. The number is raised with every change of what a kept resource or a part of an object is made of, since
/// saved values have no names.
const MAGIC: &[u8] = b"wavetank saved run 4\n";
/// Virtual time between two looks at the progress bar, at the least a thousandth of the run.
const SLICES: u64 = 200;

/// Most objects and wanted replicas of a world whose run is told as a story.
const STORY_PODS_MAX: u64 = 2_000;

/// What a saved run holds: the texts of its scene, what the command line changed, and the state.
#[derive(Serialize, Deserialize)]
struct Saved {
    paths: Vec<String>,
    files: BTreeMap<String, String>,
    set: Vec<String>,
    seed: u64,
    duration_ns: u64,
    latency: wavetank_engine::simulation::latency::Latency,
    ties: wavetank_engine::scene::model::Ties,
    scheduler_config: Option<String>,
    policies: Vec<wavetank_engine::scene::policies::PolicyChoice>,
    nodes: u32,
    node_size: Vec<(String, String)>,
    state: Vec<u8>,
}

/// Runs what the arguments say.
pub fn run(args: &RunArgs) -> Outcome {
    run_from(args, &Disk)
}

/// The same from files that need not be on the disk.
pub(crate) fn run_from(args: &RunArgs, files: &dyn Files) -> Outcome {
    if let Some(wrong) = too_much_on_stdout(args) {
        eprintln!("error: {wrong}");
        return Outcome::BadInput;
    }
    if let Some(Err(error)) = args.watch.then(watch::possible) {
        return bad_output(error);
    }
    let clock = Stopwatch::start();
    let mut report = match Watching::open(args) {
        Ok(report) => report,
        Err(outcome) => return outcome,
    };
    let started = match &args.resume {
        Some(path) => resume(args, path),
        None => begin(args, files),
    };
    let (mut run, sources) = match started {
        Ok(started) => started,
        Err(outcome) => return outcome,
    };
    run.sim.get_mut::<EveryTick>().0 = args.every_tick;
    let follows = args.trace.iter().map(|trace| Follow::of(&trace.pods)).collect();
    run.sim.get_mut::<Trace>().follow(follows);
    let read_cpu = clock.cpu().unwrap_or_default();
    let read_later = Rc::new(Cell::new(Duration::ZERO));
    run.watch_reading(reading_watch(read_later.clone()));
    if let Some(report) = &mut report {
        report.begin(&mut run);
    }
    let story = match go(args, &mut run, &clock, sources.as_ref(), report.as_mut()) {
        Ok(story) => story,
        Err(outcome) => return outcome,
    };
    if let Some(Err(outcome)) = report.map(|report| report.finish(args, &run, sources.as_ref())) {
        return outcome;
    }
    let outcome = finish(args, &run, story.as_ref(), &clock, read_cpu + read_later.get());
    // The program ends with the run, and the system takes memory back faster than a walk over millions of objects does.
    std::mem::forget(run);
    outcome
}

/// What is wrong with all that should go to standard output.
fn too_much_on_stdout(args: &RunArgs) -> Option<String> {
    let stdout = Some(Output::Stdout);
    let flags = [("journal", &args.journal), ("events", &args.events), ("series", &args.series), ("perfetto", &args.perfetto)];
    let mut there = flags.into_iter().filter(|(_, output)| **output == stdout).map(|(flag, _)| flag);
    if args.watch {
        let other = if args.trace.is_empty() { there.next()? } else { "trace" };
        return Some(format!("--watch draws on standard output, and --{other} can't go there too; send it to a file, or leave it away"));
    }
    if !args.trace.is_empty() {
        let other = if args.summary == SummaryFormat::Json { Some("summary json") } else { there.next() };
        return other.map(|other| {
            format!("--trace prints on standard output, and --{other} can't go there too; send it to a file, or leave it away")
        });
    }
    if args.summary == SummaryFormat::Json {
        let what = there.find(|&flag| flag != "events")?;
        return Some(format!(
            "--summary json prints one object and nothing else on standard output; send the {what} to a file with --{what} FILE"
        ));
    }
    let (first, second) = (there.next()?, there.next()?);
    let both = [first, second].iter().any(|flag| matches!(*flag, "series" | "perfetto"));
    both.then(|| format!("the {first} and the {second} can't both go to standard output; send one to a file with --{second} FILE"))
}

/// Whether standard output is for a program that reads a table or a trace.
fn table_on_stdout(args: &RunArgs) -> bool {
    [&args.series, &args.perfetto].into_iter().any(|output| *output == Some(Output::Stdout))
}

/// Adds up the processor time of reading in the middle of the run.
fn reading_watch(total: Rc<Cell<Duration>>) -> ReadingWatch {
    let mut began = Duration::ZERO;
    Box::new(move |begins| {
        let now = cpu_now();
        if begins {
            began = now;
        } else {
            total.set(total.get() + (now - began));
        }
    })
}

fn options(args: &RunArgs, scene: &Scene) -> RunOptions {
    RunOptions {
        dispatcher: dispatcher(args.dispatch),
        journal: args.watch || args.journal.is_some() || args.perfetto.is_some() || wants_story(args, scene) || keeps_causes(args, scene),
        check: args.check,
        shuffle_choices: args.shuffle_choices,
        causes: args.perfetto.is_some() || keeps_causes(args, scene),
    }
}

fn begin(args: &RunArgs, files: &dyn Files) -> Result<(Run, Option<Sources>), Outcome> {
    let (scene, loaded) = load_from(files, &args.files, &overrides(&args.world, args.until), args.quiet).ok_or(Outcome::BadInput)?;
    let options = options(args, &scene);
    let run = build(scene, &options).map_err(|error| failed(&error))?;
    Ok((run, Some(loaded.sources)))
}

fn resume(args: &RunArgs, path: &Path) -> Result<(Run, Option<Sources>), Outcome> {
    let unreadable = |what: String| {
        eprintln!("error: {}: {what}", path.display());
        Outcome::BadInput
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let body = bytes.strip_prefix(MAGIC).ok_or_else(|| unreadable("this is no run saved by this version of wavetank".to_string()))?;
    let saved: Saved = serde_json::from_slice(body).map_err(|error| unreadable(format!("the saved run is cut or damaged: {error}")))?;
    let mut files = MemoryFiles::default();
    for (path, text) in &saved.files {
        files = files.with(path, text.as_bytes().to_vec());
    }
    let mut world = args.world.clone();
    world.nodes = Some(saved.nodes);
    world.node_size = Some(crate::args::NodeSize(saved.node_size.clone()));
    let until = args.until.unwrap_or(SimDuration(saved.duration_ns));
    let overrides = Overrides {
        set: saved.set,
        seed: Some(saved.seed),
        latency: Some(saved.latency),
        ties: Some(saved.ties),
        scheduler_config: saved.scheduler_config,
        policies: saved.policies,
        ..overrides(&world, Some(until))
    };
    let mut loaded = load(&files, &saved.paths, &overrides);
    let scene = loaded.scene.take().ok_or_else(|| unreadable("its scene does not load in this version".to_string()))?;
    let options = options(args, &scene);
    let run =
        checkpoint::resume(scene, &options, wavetank_systems::install_all, &saved.state).map_err(|error| unreadable(error.to_string()))?;
    Ok((run, None))
}

/// Runs to the end, and to the moment of saving before.
fn go(
    args: &RunArgs,
    run: &mut Run,
    clock: &Stopwatch,
    sources: Option<&Sources>,
    mut report: Option<&mut Watching>,
) -> Result<Option<Story>, Outcome> {
    let mut journal = JournalFile::open(args)?;
    let mut series = SeriesFile::open(args, run).map_err(bad_output)?;
    let mut story = begin_story(args, run, sources);
    let keeps_lines = report.as_ref().is_some_and(|report| report.lines.is_some());
    let mut progress = Progress::new(run.scene().duration, !args.quiet && !args.watch);
    let end = run.end();
    let slice = SimDuration((end.0 / SLICES).max(1_000_000));
    let (mut stops, mut kept) = (Vec::new(), Vec::new());
    if let (Some(path), Some(at)) = (&args.save, args.at) {
        if SimTime(at.0) > end {
            eprintln!("error: --at {at}: the run ends at {end}");
            return Err(Outcome::BadInput);
        }
        stops.push((SimTime(at.0), path.clone()));
    }
    let words = || sources.map_or_else(Vec::new, |sources| super::why::script(run, sources));
    let watch = args.watch.then(|| Watch::open(args.speed.unwrap_or(pace::SPEED), words()));
    let mut watch = watch.transpose().map_err(bad_output)?;
    let mut at = run.sim.now();
    loop {
        let next = match watch.as_mut().map(|watch| watch.next(run)) {
            None => (at + slice).min(end),
            Some(Ok(Some(next))) => next,
            Some(Ok(None)) => break,
            Some(Err(error)) => {
                drop(watch);
                return Err(no_terminal(error));
            }
        };
        let next = series.as_ref().map_or(next, |series| next.min(series.next()));
        let stop = stops.first().filter(|(stop, _)| *stop <= next && *stop >= at).cloned();
        let limit = stop.as_ref().map_or(next, |(stop, _)| *stop);
        exit::now_running(Some(Running { scene: run.scene().path.clone(), seed: run.scene().seed, at }));
        let outcome = match report.as_mut().and_then(|report| report.collector.as_mut()) {
            Some(collector) => run.run_until(limit, &mut |sim| collector.look(sim)),
            None => run.run_until(limit, &mut |_| {}),
        };
        let lines = run.sim.get_mut::<Journal>().take();
        if let Some(report) = &mut report {
            report.stretch(run, &lines);
        }
        journal.write(&lines);
        if let Some(watch) = &mut watch {
            watch.heard(run, !lines.is_empty());
        }
        let listened_to = args.watch || args.journal.is_some() || args.perfetto.is_some() || keeps_lines;
        if story.as_mut().is_some_and(|story| !story.hear(&lines)) && !listened_to {
            run.sim.get_mut::<Journal>().record(false);
        }
        if args.perfetto.is_some() {
            kept.extend(lines);
        }
        print_trace(&mut run.sim.get_mut::<Trace>(), limit).map_err(|error| bad_output(format!("standard output: {error}")))?;
        // What went wrong is told on the terminal as it was before.
        let left = |watch: &mut Option<Watch>| drop(watch.take());
        outcome.inspect_err(|_| left(&mut watch)).map_err(|error| failed(&error))?;
        if let Some(series) = &mut series {
            series.look(run).inspect_err(|_| left(&mut watch)).map_err(bad_output)?;
        }
        if let Some((_, path)) = stop {
            save(args, run, sources, &path).inspect_err(|_| left(&mut watch)).map_err(bad_output)?;
            stops.clear();
        }
        at = limit;
        progress.at(at, clock.wall(), "");
        if at >= end {
            watch.as_mut().map_or(Ok(()), |watch| watch.end(run)).map_err(no_terminal)?;
            break;
        }
    }
    drop(watch);
    exit::now_running(None);
    progress.finish();
    if at < end {
        eprintln!("note: stopped at {at}; the run would go on to {end}");
        for (stop, path) in stops {
            eprintln!("note: --save {}: stopped before {stop}, nothing is saved", path.display());
        }
    }
    for pods in run.sim.get::<Trace>().nobody() {
        eprintln!("note: --trace kubelet:{pods}: no pod of that name has come to a node");
    }
    journal.finish()?;
    series.map_or(Ok(()), SeriesFile::finish).map_err(bad_output)?;
    if let (Some(output), Some(sources)) = (&args.perfetto, sources) {
        let trace = perfetto::trace(run, kept, &super::why::script(run, sources));
        write_whole(output, &trace).map_err(|error| bad_output(format!("--perfetto {output}: {error}")))?;
    }
    Ok(story)
}

/// Prints what pods did at the seams of their kubelets.
fn print_trace(trace: &mut Trace, until: SimTime) -> std::io::Result<()> {
    let text: String = trace.take(until).iter().map(|call| call.text() + "\n").collect();
    if text.is_empty() { Ok(()) } else { terminal::print(&text) }
}

/// Writes a text that is complete.
fn write_whole(output: &Output, text: &str) -> std::io::Result<()> {
    match output {
        Output::Stdout => terminal::print(text),
        Output::File(path) => std::fs::write(path, text),
    }
}

/// Says why an output can't be written.
fn bad_output(error: String) -> Outcome {
    eprintln!("error: {error}");
    Outcome::BadInput
}

fn no_terminal(error: std::io::Error) -> Outcome {
    bad_output(format!("--watch: the terminal: {error}"))
}

/// The story of a small world, for people who do not have the whole journal before their eyes.
fn begin_story(args: &RunArgs, run: &Run, sources: Option<&Sources>) -> Option<Story> {
    if !wants_story(args, run.scene()) {
        return None;
    }
    let mut story = Story::default();
    for entry in &run.scene().script {
        let written = sources.map_or("", |sources| sources.excerpt(entry.span));
        let action = written.split_once(',').and_then(|(_, action)| action.trim().strip_suffix(')'));
        if let Some(action) = action.filter(|_| entry.at >= run.sim.now()) {
            story.script(entry.at, action.trim().trim_end_matches(','));
        }
    }
    Some(story)
}

/// Whether a run is told as a story: for people, and in a world small enough that its journal costs nothing.
fn wants_story(args: &RunArgs, scene: &Scene) -> bool {
    let shown = args.summary == SummaryFormat::Text && !args.quiet && args.journal != Some(Output::Stdout) && args.trace.is_empty();
    let replicas = |object: &SceneObject| object.body.pointer("/spec/replicas").and_then(serde_json::Value::as_u64).unwrap_or(1);
    let pods = || scene.objects.iter().map(replicas).fold(scene.pods_of_traces(), u64::saturating_add);
    shown && pods() <= STORY_PODS_MAX
}

fn save(args: &RunArgs, run: &Run, sources: Option<&Sources>, path: &Path) -> Result<(), String> {
    let wrong = |what: String| format!("--save {}: {what}", path.display());
    let Some(sources) = sources else {
        return Err(wrong("a resumed run can't be saved again; save the first run at both times".to_string()));
    };
    let scene = run.scene();
    let files = sources.files().map(|(path, text)| (path.to_string(), text.to_string())).collect();
    let saved = Saved {
        paths: args.files.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        files,
        set: super::settings(&args.world.settings),
        seed: scene.seed,
        duration_ns: scene.duration.0,
        latency: scene.latency.clone(),
        ties: scene.ties,
        scheduler_config: args.world.scheduler_config.as_deref().map(super::path_text),
        policies: scene.policies.clone(),
        nodes: args.world.nodes.unwrap_or(super::NODES),
        node_size: args.world.node_size.clone().unwrap_or_default().0,
        state: checkpoint::save(run).map_err(|error| wrong(error.to_string()))?,
    };
    let body = serde_json::to_vec(&saved).map_err(|error| wrong(error.to_string()))?;
    std::fs::write(path, [MAGIC, &body].concat()).map_err(|error| wrong(error.to_string()))
}

fn finish(args: &RunArgs, run: &Run, story: Option<&Story>, clock: &Stopwatch, read_cpu: Duration) -> Outcome {
    if let Some(output) = &args.events {
        let text: String = event_list(&run.sim).iter().map(|event| format!("{event}\n")).collect();
        if let Err(error) = write_whole(output, &text) {
            eprintln!("error: --events: {error}");
            return Outcome::BadInput;
        }
    }
    let mut summary = summary(run);
    summary.read_cpu_s = read_cpu.as_secs_f64();
    summary.cpu_s = clock.cpu().unwrap_or_default().as_secs_f64();
    summary.wall_s = clock.wall().as_secs_f64();
    summary.peak_rss_bytes = peak_rss_bytes().unwrap_or(0);
    let text = match args.summary {
        SummaryFormat::Json => summary.json_line() + "\n",
        SummaryFormat::Text if args.quiet || table_on_stdout(args) => String::new(),
        SummaryFormat::Text => {
            let told = story.map(Story::lines).filter(|lines| !lines.is_empty());
            let told = told.map_or(String::new(), |lines| lines.join("\n") + "\n\n");
            told + &render::summary::summary(&summary)
        }
    };
    if let Err(error) = terminal::print(&text) {
        eprintln!("error: standard output: {error}");
        return Outcome::BadInput;
    }
    if summary.expectations.missed.is_empty() { Outcome::Well } else { Outcome::Missed }
}
