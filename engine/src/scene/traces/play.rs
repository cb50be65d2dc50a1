//! Playing of traces: pods are deleted and created when virtual time comes to them.

use super::rows::{Layout, Leaves, PodRow, Shape};
use super::table::{Place, Table};
use super::{Found, Pods, Text, Trace, TraceReport, Trouble, note};
use crate::api::defaults::apply_defaults;
use crate::api::json_in::Tables;
use crate::api::request::{NewObject, Propagation, Refusal, Reply, Verb};
use crate::api::state::StateValue;
use crate::api::validation::{name_mistakes, validate};
use crate::hash::LookupMap;
use crate::ids::{Kind, ObjRef};
use crate::model::labels::LabelSetId;
use crate::model::meta::Meta;
use crate::names::{Names, Sym};
use crate::record::causes::Origin;
use crate::scene::build::{Reader, SCRIPT, ensure_namespace, with_tables};
use crate::scene::model::SceneObject;
use crate::scene::objects::ObjectLoader;
use crate::scene::program::RunTimes;
use crate::simulation::Simulation;
use crate::source::{Documents, Format, MemoryFiles, Problem, Problems, Severity, Sources, Tree};
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How far the traces have been played. A checkpoint keeps it. ECS resource.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Resource)]
pub struct TraceState {
    traces: Vec<Played>,
    /// Pods to be deleted, with the number of their trace, by time.
    departures: BTreeSet<(SimTime, ObjRef, u32)>,
    /// Kinds and fields of manifests that are kept and do nothing.
    not_simulated: BTreeSet<String>,
}

/// How far one trace has been played.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Played {
    /// Where to read on.
    at: u64,
    /// When the pod there arrives; `None`: all have arrived.
    next: Option<SimTime>,
    arrived: u64,
    left: u64,
    /// Of manifests, which are only read when their time comes.
    found: Found,
    refused: Vec<Trouble>,
}

impl TraceState {
    /// Before anything is played.
    pub(crate) fn of(traces: &[Trace]) -> TraceState {
        let begin = |trace: &Trace| {
            let Place { at, next } = match &trace.pods {
                Pods::Table(table) => table.beginning(),
                Pods::Manifests { at, .. } => Place { at: 0, next: Some(*at) },
            };
            Played { at, next, ..Played::default() }
        };
        TraceState { traces: traces.iter().map(begin).collect(), ..TraceState::default() }
    }

    /// Kinds and fields of pods that have arrived which are kept and do nothing.
    pub fn not_simulated(&self) -> &BTreeSet<String> {
        &self.not_simulated
    }

    /// When a pod arrives or leaves next.
    pub(crate) fn next(&self) -> Option<SimTime> {
        let leaves = self.departures.first().map(|(at, ..)| *at);
        self.traces.iter().filter_map(|played| played.next).chain(leaves).min()
    }
}

/// What is known of a trace's pods while it is played; it follows from the trace.
#[derive(Default)]
pub(crate) struct Player {
    shapes: LookupMap<(u32, Shape), (LabelSetId, Vec<StateValue>)>,
    /// Told when reading of manifests begins (`true`) and ends: for measurements outside the simulation.
    pub(crate) reading: Option<ReadingWatch>,
}

/// Told when reading of input begins (`true`) and ends in the middle of a run. It sees nothing of the world and changes nothing.
pub type ReadingWatch = Box<dyn FnMut(bool)>;

/// Deletes pods whose time is over by now.
pub(crate) fn leave(sim: &mut Simulation) {
    let (now, actor) = (sim.now(), actor(sim));
    while let Some((_, object, number)) = take_departure(sim, now) {
        sim.begin(|at| Origin::Trace { number: number as usize, at });
        let gone = sim.ask(actor, Verb::Delete { object, grace_s: None, propagation: Some(Propagation::Background) });
        if gone.is_ok() {
            sim.get_mut::<TraceState>().traces[number as usize].left += 1;
        }
    }
}

fn take_departure(sim: &mut Simulation, now: SimTime) -> Option<(SimTime, ObjRef, u32)> {
    let mut state = sim.get_mut::<TraceState>();
    let due = state.departures.first().copied().filter(|(at, ..)| *at <= now)?;
    state.departures.remove(&due);
    Some(due)
}

/// Creates the pods that arrive by now. Namespaces that are missing are made, and named in `made`.
pub(crate) fn arrive(sim: &mut Simulation, traces: &[Trace], player: &mut Player, made: &mut Vec<String>) {
    let now = sim.now();
    for (number, trace) in traces.iter().enumerate() {
        let due = sim.get::<TraceState>().traces[number].next.is_some_and(|next| next <= now);
        if !due {
            continue;
        }
        sim.begin(|at| Origin::Trace { number, at });
        let mut played = std::mem::take(&mut sim.get_mut::<TraceState>().traces[number]);
        match &trace.pods {
            Pods::Table(table) => play_table(sim, trace, table, number as u32, player, &mut played),
            Pods::Manifests { file, runs_for, .. } => {
                let mut reading = player.reading.take();
                let mut tell = |begins| {
                    if let Some(watch) = &mut reading {
                        watch(begins);
                    }
                };
                play_manifests(sim, &trace.path, file, *runs_for, &mut played, made, &mut tell);
                player.reading = reading;
            }
        }
        sim.get_mut::<TraceState>().traces[number] = played;
    }
}

fn actor(sim: &mut Simulation) -> Sym {
    sim.get_mut::<Names>().sym(SCRIPT)
}

fn play_table(sim: &mut Simulation, trace: &Trace, table: &Table, number: u32, player: &mut Player, played: &mut Played) {
    let (now, actor) = (sim.now(), actor(sim));
    let namespace = sim.get_mut::<Names>().sym("default");
    let from = Place { at: played.at, next: played.next };
    let next = table.arrivals(from, now, |start, row| {
        let PodRow { name, leaves, shape, .. } = row;
        let known = player.shapes.entry((number, shape));
        let (annotations, states) = known.or_insert_with_key(|(_, shape)| {
            if let Some(class) = shape.priority_class() {
                let new = with_tables(sim, |tables| tables.object(&class));
                // Another table may have brought it.
                let _ = sim.ask(actor, Verb::Create(Box::new(new)));
            }
            with_tables(sim, |tables| digest(tables, shape, table.layout))
        });
        let meta = Meta::new(Kind::Pod, namespace, sim.get_mut::<Names>().name(&name));
        let new = NewObject { meta: Meta { annotations: *annotations, ..meta }, states: states.clone() };
        let created = sim.ask(actor, Verb::Create(Box::new(new)));
        let Some(pod) = played.take_in(created, || format!("{}:{}", trace.path, table.line(start))) else { return };
        match leaves {
            Leaves::Never => {}
            Leaves::DeletedAt(_) if trace.stay => {}
            Leaves::DeletedAt(at) => {
                sim.get_mut::<TraceState>().departures.insert((at, pod, number));
            }
            Leaves::RunsFor(span) => sim.get_mut::<RunTimes>().set(pod.uid, span),
        }
    });
    (played.at, played.next) = (next.at, next.next);
}

/// Annotations and spec of pods that have a shape in common.
fn digest(tables: &mut Tables, shape: &Shape, layout: Layout) -> (LabelSetId, Vec<StateValue>) {
    let mut whole = shape.body(layout);
    whole["metadata"] = serde_json::json!({"name": "pod", "namespace": "default"});
    apply_defaults(&mut whole);
    let mistakes = validate(&whole);
    assert!(mistakes.is_empty(), "pods of a table are made well: {mistakes:?}");
    let pairs: Vec<(Sym, Sym)> =
        shape.annotations(layout).iter().map(|(key, value)| (tables.names.sym(key), tables.names.sym(value))).collect();
    (tables.labels.intern(tables.names, pairs), tables.states(Kind::Pod, &whole))
}

impl Played {
    /// Takes in the API server's answer; the pod if there is one.
    fn take_in(&mut self, answer: Result<Reply, Refusal>, what: impl FnOnce() -> String) -> Option<ObjRef> {
        match answer {
            Ok(Reply::Created(pod)) => {
                self.arrived += 1;
                Some(pod)
            }
            Ok(_) => None,
            Err(refusal) => {
                note(&mut self.refused, &refusal.reason, 1, || format!("{}: {}", what(), refusal.message));
                None
            }
        }
    }
}

/// Manifests that are held at once: a look at the clock for each would show in what reading costs.
const HELD: usize = 100;

/// Reads manifests document by document; some at a time become pods before the next are read.
fn play_manifests(
    sim: &mut Simulation,
    path: &str,
    file: &Text,
    runs_for: Option<SimDuration>,
    played: &mut Played,
    made: &mut Vec<String>,
    reading: &mut dyn FnMut(bool),
) {
    let actor = actor(sim);
    let (files, mut sources) = (MemoryFiles::default(), Sources::default());
    let id = sources.add(path, file.text.clone());
    let mut loader = ObjectLoader::new(&files);
    let (mut reader, mut pods) = (Reader::default(), Vec::new());
    let mut documents = Documents::new(&sources, id, Format::of_path(path).unwrap_or(Format::Yaml));
    let mut over = false;
    while !over {
        reading(true);
        pods.clear();
        while pods.len() < HELD && !over {
            match documents.next() {
                Some(document) => take_document(document, path, &sources, &mut loader, &mut played.found, &mut pods),
                None => over = true,
            }
        }
        reading(false);
        for object in &pods {
            if let Some(namespace) = object.namespace()
                && ensure_namespace(sim, namespace)
            {
                made.push(namespace.to_string());
            }
            let new = reader.read(sim, object);
            let created = sim.ask(actor, Verb::Create(Box::new(new)));
            let pod = played.take_in(created, || format!("{path}:{}", sources.locate(object.span).line));
            if let (Some(pod), Some(span)) = (pod, runs_for) {
                sim.get_mut::<RunTimes>().set(pod.uid, span);
            }
        }
    }
    played.next = None;
    let found = std::mem::take(&mut loader.not_simulated).list();
    sim.get_mut::<TraceState>().not_simulated.extend(found);
}

/// Adds the pods of a document, or notes why it has none.
fn take_document(
    document: Result<Tree, Problem>,
    path: &str,
    sources: &Sources,
    loader: &mut ObjectLoader,
    noted: &mut Found,
    pods: &mut Vec<SceneObject>,
) {
    let (mut problems, mut found) = (Problems::default(), Vec::new());
    match document {
        Ok(tree) => loader.document(&tree, &mut problems, &mut found),
        Err(problem) => problems.push(Severity::Error, problem),
    }
    let rows = (found.len() as u64).max(1);
    noted.rows += rows;
    let mistake = |object: &SceneObject| match object.kind() {
        "Pod" => name_mistakes(object.name()).into_iter().next().map(|what| format!("metadata.name: {what}")),
        kind => Some(format!("found a {kind}, expected a Pod")),
    };
    let place = |object: &SceneObject| format!("{path}:{}: {:?}", sources.locate(object.span).line, object.name());
    if found.is_empty() || problems.has_errors() {
        // What is wrong with names alike counts as one reason.
        if let Some((mistake, object)) = found.iter().find_map(|object| Some((mistake(object)?, object))) {
            return noted.note(&mistake, rows, || place(object));
        }
        let error = problems.errors(sources).into_iter().next();
        let reason = error.as_ref().map_or("there is no object in this document", |error| error.what.as_str());
        return noted.note(reason, rows, || error.as_ref().map_or(path.to_string(), |error| format!("{}:{}", error.path, error.line)));
    }
    for object in found {
        match mistake(&object) {
            None => pods.push(object),
            Some(mistake) => noted.note(&mistake, 1, || place(&object)),
        }
    }
}

/// How the traces went so far: for each the nodes, if they come from a table, then the pods.
pub(crate) fn reports(sim: &Simulation, traces: &[Trace]) -> Vec<TraceReport> {
    let state = sim.get::<TraceState>();
    let mut reports = Vec::new();
    for (trace, played) in traces.iter().zip(&state.traces) {
        if let Some((file, found)) = &trace.nodes {
            let bad: u64 = found.unusable.iter().map(|trouble| trouble.rows).sum();
            let (unusable, refused) = (found.unusable.clone(), Vec::new());
            let arrived = found.rows - bad;
            reports.push(TraceReport { file: file.clone(), rows: found.rows, arrived, left: 0, to_come: 0, unusable, refused });
        }
        let (found, usable) = match &trace.pods {
            Pods::Table(table) => (&trace.found, table.usable),
            Pods::Manifests { .. } => {
                let bad: u64 = played.found.unusable.iter().map(|trouble| trouble.rows).sum();
                (&played.found, played.found.rows - bad)
            }
        };
        let refused: u64 = played.refused.iter().map(|trouble| trouble.rows).sum();
        reports.push(TraceReport {
            file: trace.path.clone(),
            rows: found.rows,
            arrived: played.arrived,
            left: played.left,
            to_come: usable - played.arrived - refused,
            unusable: found.unusable.clone(),
            refused: played.refused.clone(),
        });
    }
    reports
}
