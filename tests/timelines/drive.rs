//! The driver: runs our control plane on a recording's input and gives back the timeline that it produced.
//!
//! Controllers are ours. Nodes, kubelets and (in families that shared nodes) the scheduler are outside parties: they
//! do what was recorded of them (`inputs`). What was done to the cluster is done again at the recorded moments.

use crate::difference::TOLERANCE;
use crate::families;
use crate::inputs::{self, End, Inputs, Life, Report, moment};
use crate::labels::Labels;
use crate::produce::{Recorder, SCHEDULER};
use crate::recording::{Action, Entry, Recording, Verb};
use crate::{script, stand_in};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::api::request::{Reply, Verb as Ask};
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::Pod;
use wavetank_engine::names::Names;
use wavetank_engine::record::events::Events;
use wavetank_engine::scene::faults::NodeFaults;
use wavetank_engine::scene::program::Programs;
use wavetank_engine::scene::traffic::TrafficSources;
use wavetank_engine::simulation::latency::{Latency, LatencyTable};
use wavetank_engine::simulation::{Settings, Simulation};
use wavetank_engine::time::{SimDuration, SimTime, unix_seconds};
use wavetank_systems::nodes::lifecycle::{MONITOR_PERIOD, Monitor};
use wavetank_systems::storage::volumes::{RESYNC, Resync};

/// Something that an outside party will do.
enum Deed {
    /// The namespace and the nodes that all scenarios shared are there before the first action.
    Begin,
    /// Something recorded that was done, by its place.
    Act(usize),
    /// The scheduler binds.
    Bind(ObjRef, String),
    /// The kubelet reports; the last part says whether the pod's deletion was asked for by then.
    Report(ObjRef, Report, bool),
    /// The kubelet lets go of a pod.
    Release(ObjRef),
    /// The kubelet reports the conditions of its node, by its name.
    ReportNode(String, Map<String, Value>),
}

/// What is known of a pod that our controllers made.
struct Known {
    label: String,
    life: Option<Life>,
    bound: bool,
    deleting: bool,
}

struct Driver<'r> {
    sim: Simulation,
    recording: &'r Recording,
    recorder: Recorder,
    /// Whether binding is recorded input, not ours to decide.
    binds: bool,
    inputs: Inputs,
    /// Ends used up so far, by label.
    ended: BTreeMap<String, usize>,
    /// How many pods of each label have appeared.
    appeared: BTreeMap<String, usize>,
    pods: BTreeMap<ObjRef, Known>,
    /// Our pod for each recorded name.
    by_name: BTreeMap<String, ObjRef>,
    names_by_id: BTreeMap<String, String>,
    shared_nodes: BTreeSet<String>,
    agenda: BTreeMap<(i64, usize), Deed>,
    /// What is done before the next round of the present instant.
    at_once: Vec<Deed>,
    planned: usize,
    /// Microseconds from the simulation's beginning to the recording's zero.
    offset: i64,
}

/// The timeline that our control plane gives on a recording's input. The error says what could not be done.
///
/// `choices`: the seed by which choices are drawn that the original leaves open; `None`: ours.
pub(crate) fn produce(recording: &Recording, choices: Option<u64>) -> Result<Vec<Entry>, String> {
    let mut driver = Driver::new(recording, choices)?;
    driver.run()?;
    Ok(driver.recorder.timeline().to_vec())
}

impl<'r> Driver<'r> {
    fn new(recording: &'r Recording, choices: Option<u64>) -> Result<Driver<'r>, String> {
        let (whole, fraction) = recording.t0.trim_end_matches('Z').split_once('.').unwrap_or((&recording.t0, ""));
        let unix = unix_seconds(&format!("{}Z", whole.trim_end_matches('Z'))).ok_or_else(|| format!("t0 is no time: {}", recording.t0))?;
        let micros: i64 = format!("{fraction:0<6}").get(..6).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        // Two whole seconds more than the fraction, so that timers that cut to seconds see the same seconds.
        let offset = 2_000_000 + micros;
        let settings = Settings {
            epoch_unix_s: unix - 2,
            shuffle_choices: choices,
            latency: match families::scheduling_attempt(recording.family()) {
                SimDuration::ZERO => Latency::Ideal,
                scheduling_attempt => Latency::Typical(LatencyTable { scheduling_attempt, ..LatencyTable::IDEAL }),
            },
            ..Settings::default()
        };
        let mut sim = Simulation::new(&settings);
        sim.get_mut::<Events>().keep_trail();
        let hide_nodes = !families::has_own_cluster(recording.family());
        sim.resource(Programs::default());
        sim.resource(TrafficSources::default());
        sim.resource(NodeFaults::default());
        let has_nodes = recording.objects.iter().any(|object| object["kind"] == "Node");
        for (name, install) in wavetank_systems::ALL {
            let is_outside = match *name {
                "kubelet" => true,
                "scheduler" => hide_nodes,
                "heartbeat" | "node_lifecycle" | "taint_eviction" => !has_nodes,
                _ => false,
            };
            if !is_outside {
                install(&mut sim);
            }
        }
        // The moment at which the recorded controller manager began is open; its monitor's ticks follow from it.
        let registered = |entry: &&Entry| entry.kind == "Event" && entry.text("reason") == "RegisteredNode";
        if let Some(tick) = recording.timeline.iter().filter(registered).map(Entry::at).min() {
            let phase = SimDuration(((tick + offset) * 1_000) as u64 % MONITOR_PERIOD.0);
            sim.resource(Monitor { phase });
        }
        // So are the looks at what storage leaves unsettled.
        let again = |entry: &&Entry| entry.text("from") == "persistentvolume-controller" && entry.verb == Verb::Modified;
        if let Some(look) = recording.timeline.iter().filter(again).map(Entry::at).min() {
            let phase = SimDuration(((look + offset) * 1_000) as u64 % RESYNC.0);
            sim.resource(Resync { phase });
        }
        let labels = Labels::of(&recording.timeline, hide_nodes);
        let pods = recording.timeline.iter().filter(|entry| entry.kind == "Pod");
        let names_by_id = pods.filter_map(|pod| Some((pod.id.clone()?, pod.name.clone()))).collect();
        let mut driver = Driver {
            sim,
            recording,
            recorder: Recorder::new(offset),
            binds: hide_nodes,
            inputs: inputs::inputs(&recording.timeline, &labels),
            ended: BTreeMap::new(),
            appeared: BTreeMap::new(),
            pods: BTreeMap::new(),
            by_name: BTreeMap::new(),
            names_by_id,
            shared_nodes: BTreeSet::new(),
            agenda: BTreeMap::new(),
            at_once: Vec::new(),
            planned: 0,
            offset,
        };
        let first = recording.timeline.iter().map(Entry::at).min().unwrap_or(0).clamp(-2_000_000, 0);
        driver.plan(first, Deed::Begin);
        for (at, node, conditions) in inputs::node_reports(&recording.timeline) {
            driver.plan(at, Deed::ReportNode(node, conditions));
        }
        for (place, action) in recording.actions.iter().enumerate() {
            driver.plan((action.at_s * 1e6) as i64, Deed::Act(place));
        }
        Ok(driver)
    }

    fn plan(&mut self, at: i64, deed: Deed) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), deed);
    }

    fn run(&mut self) -> Result<(), String> {
        let end = (self.recording.duration_s * 1e6) as i64;
        loop {
            let next = self.agenda.keys().next().map_or(end, |(at, _)| (*at).min(end));
            let limit = SimTime(((next + self.offset) * 1_000) as u64);
            if self.sim.advance(limit) {
                self.settle()?;
                continue;
            }
            let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= next) else { return Ok(()) };
            let deed = entry.remove();
            self.perform(deed)?;
            self.settle()?;
        }
    }

    /// Lets our control plane come to rest, round by round, writing down and answering what each round did.
    fn settle(&mut self) -> Result<(), String> {
        loop {
            self.watch()?;
            for deed in std::mem::take(&mut self.at_once) {
                self.perform(deed)?;
            }
            if !self.sim.round().map_err(|error| error.to_string())? {
                return self.watch();
            }
        }
    }

    fn watch(&mut self) -> Result<(), String> {
        for object in self.recorder.watch(&mut self.sim)? {
            if self.sim.state::<Pod>(object).is_some() {
                self.follow(object);
            }
        }
        Ok(())
    }

    /// Plans what the outside parties will do about a pod that has changed.
    fn follow(&mut self, pod: ObjRef) {
        let now = self.recorder.now(&self.sim);
        if !self.pods.contains_key(&pod) {
            self.meet(pod, now);
        }
        let bound = self.sim.state::<Pod>(pod).is_some_and(|pod| !pod.node.is_empty());
        let deleting = self.sim.state::<Meta>(pod).is_some_and(Meta::terminating);
        let Some(known) = self.pods.get_mut(&pod) else { return };
        let (newly_bound, newly_deleting) = (bound && !known.bound, deleting && !known.deleting);
        (known.bound, known.deleting) = (bound, deleting);
        let (label, life) = (known.label.clone(), known.life.clone());
        if let Some(life) = life.filter(|_| newly_bound && !deleting) {
            let cause = life.bound.as_ref().map_or(life.created, |(at, _)| *at);
            for report in life.reports {
                self.plan(moment(report.at, cause, now), Deed::Report(pod, report, false));
            }
        }
        if newly_deleting {
            let nth = self.ended.entry(label.clone()).or_default();
            *nth += 1;
            let end = self.inputs.get(&label).and_then(|group| group.ends.get(*nth - 1)).cloned();
            self.plan_end(pod, end, now);
        }
    }

    fn plan_end(&mut self, pod: ObjRef, end: Option<End>, now: i64) {
        let Some(end) = end else { return };
        for report in end.reports {
            self.plan(moment(report.at, end.deleting, now), Deed::Report(pod, report, true));
        }
        if let Some(gone) = end.gone {
            self.plan(moment(gone, end.deleting, now), Deed::Release(pod));
        }
    }

    /// Pairs a new pod with a recorded one by order of appearance within its label.
    fn meet(&mut self, pod: ObjRef, now: i64) {
        let Some(id) = self.recorder.id(pod).map(str::to_owned) else { return };
        let label = Labels::of(self.recorder.timeline(), self.binds).object(&id);
        let nth = self.appeared.entry(label.clone()).or_default();
        *nth += 1;
        let life = self.inputs.get(&label).and_then(|group| group.lives.get(*nth - 1)).cloned();
        if let Some(life) = &life {
            self.by_name.insert(self.names_by_id.get(&life.id).cloned().unwrap_or_default(), pod);
            if let Some((at, node)) = life.bound.clone().filter(|_| self.binds) {
                // Our controllers take no time, so neither does a scheduler that was quick: it binds before they go on.
                if at - life.created <= TOLERANCE {
                    self.at_once.push(Deed::Bind(pod, node));
                } else {
                    self.plan(moment(at, life.created, now), Deed::Bind(pod, node));
                }
            }
        }
        self.pods.insert(pod, Known { label, life, bound: false, deleting: false });
    }

    fn perform(&mut self, deed: Deed) -> Result<(), String> {
        match deed {
            Deed::Begin => self.begin(),
            Deed::Act(place) => self.act(place),
            Deed::Bind(pod, node) => {
                self.bind(pod, &node);
                Ok(())
            }
            Deed::Report(pod, report, of_end) => {
                let is_due = self.pods.get(&pod).is_some_and(|known| known.deleting == of_end);
                if let Some(ask) = is_due.then(|| stand_in::report(&mut self.sim, pod, &report)).flatten() {
                    self.ask("kubelet", ask);
                }
                Ok(())
            }
            Deed::ReportNode(node, conditions) => {
                if let Some(ask) = stand_in::report_node(&mut self.sim, &node, &conditions) {
                    self.ask("kubelet", ask);
                }
                Ok(())
            }
            Deed::Release(pod) => {
                self.ask("kubelet", Ask::Delete { object: pod, grace_s: Some(0), propagation: None });
                Ok(())
            }
        }
    }

    fn begin(&mut self) -> Result<(), String> {
        for node in self.inputs.values().flat_map(|group| &group.lives).filter_map(|life| Some(life.bound.as_ref()?.1.clone())) {
            let is_shared = !self.recording.objects.iter().any(|object| object["kind"] == "Node" && object["metadata"]["name"] == *node);
            if is_shared && self.shared_nodes.insert(node.clone()) {
                script::create_node(&mut self.sim, &node)?;
            }
        }
        // Our scheduler has to see those too that no pod was bound to.
        if !self.binds && !self.recording.objects.iter().any(|object| object["kind"] == "Node") {
            for node in ["n1", "n2", "n3", "n4"].map(str::to_owned) {
                if self.shared_nodes.insert(node.clone()) {
                    script::create_node(&mut self.sim, &node)?;
                }
            }
        }
        // The shared nodes are in no recording.
        self.recorder.skip(&self.sim);
        script::create_namespace(&mut self.sim, &self.recording.namespace)
    }

    /// Asks for an outside party, whose pod may be gone by now.
    fn ask(&mut self, actor: &str, ask: Ask) -> bool {
        let actor = self.sim.get_mut::<Names>().sym(actor);
        matches!(self.sim.ask(actor, ask), Ok(Reply::Done(_) | Reply::Created(_)))
    }

    fn bind(&mut self, pod: ObjRef, node: &str) {
        let node_sym = self.sim.get_mut::<Names>().sym(node);
        if !self.ask(SCHEDULER, Ask::Bind { pod, node: node_sym }) {
            return;
        }
        let Some(id) = self.recorder.id(pod).map(str::to_owned) else { return };
        let name = self.recorder.name(&id);
        let message = format!("Successfully assigned {}/{name} to {node}", self.recording.namespace);
        let facts = json!({"reason": "Scheduled", "type": "Normal", "message": message, "on": id, "from": SCHEDULER, "action": "Binding"});
        let t_s = self.recorder.now(&self.sim) as f64 / 1e6;
        self.recorder.add_event(t_s, Verb::Added, format!("{name}.{id}.scheduled"), facts);
    }

    /// Does again what was done, and compares the answers.
    fn act(&mut self, place: usize) -> Result<(), String> {
        let action = &self.recording.actions[place];
        let answer = script::act(&mut self.sim, self.recording, place, &self.by_name);
        let (code, message) = match &answer {
            Ok(code) => (*code, String::new()),
            Err(script::Failure::Refused(refusal)) => (refusal.code, refusal.message.clone()),
            Err(script::Failure::Unknown(what)) => return Err(format!("at {} s: {what}", action.at_s)),
        };
        stand_in::heed(&mut self.sim, &action.deed);
        check_answer(action, code, &message)
    }
}

fn check_answer(action: &Action, code: u16, message: &str) -> Result<(), String> {
    let recorded = (action.code.unwrap_or(200), action.message.clone().unwrap_or_default());
    if recorded.0 == code && (recorded.1 == message || code < 300) {
        return Ok(());
    }
    let what = action.deed.to_string();
    Err(format!("at {:.3} s: {what}: answered {} {:?}, produced {code} {message:?}", action.at_s, recorded.0, recorded.1))
}
