//! Pods: how many are in which state over time, and the life of each.

use crate::report::nodes::{Load, Nodes};
use crate::report::series::{Series, deltas};
use crate::report::texts::Texts;
use crate::report::{millis, named};
use serde_json::{Value, json};
use wavetank_engine::api::objects::Objects;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{Kind, ObjRef, Uid};
use wavetank_engine::model::meta::{ConditionStatus, Meta, condition};
use wavetank_engine::model::pod::{ContainerState, ContainerStatus, Pod, PodPhase, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::words;

/// Pods whose lives are kept; the others are only counted.
pub const PODS_MAX: usize = 60_000;
/// Steps of all lives together that are kept.
pub const STEPS_MAX: usize = 600_000;
/// Most rows of the counts over time.
const POINTS_MAX: usize = 2_000;

/// States of a pod in the order in which they are drawn; after them comes [`GONE`].
pub const STATES: [&str; 8] = ["Ready", "Running, not ready", "Starting", "Pending", "Terminating", "Succeeded", "Failed", "Unknown"];
/// Number of the state of a pod that is gone.
pub const GONE: u8 = STATES.len() as u8;

/// Where a living pod stands.
#[derive(Debug)]
struct Standing {
    state: u8,
    /// Place among the lives; `None`: only counted.
    life: Option<u32>,
    /// The last step, to tell what is new: state, node, note, restarts.
    step: (u8, u32, u32, u32),
    load: Option<Load>,
}

/// All pods. Lives are columns: one row for each pod, and one for each step.
#[derive(Debug)]
pub struct Pods {
    standing: LookupMap<Uid, Standing>,
    counts: [i64; STATES.len()],
    series: Series,
    names: Vec<String>,
    owners: Vec<u32>,
    steps: Steps,
    seen: u64,
    steps_left_out: u64,
}

#[derive(Debug, Default)]
struct Steps {
    pod: Vec<u64>,
    at_ms: Vec<u64>,
    state: Vec<u8>,
    node: Vec<u32>,
    note: Vec<u32>,
    restarts: Vec<u32>,
}

impl Default for Pods {
    fn default() -> Pods {
        Pods {
            standing: LookupMap::default(),
            counts: [0; STATES.len()],
            series: Series::new(STATES.len(), POINTS_MAX),
            names: Vec::new(),
            owners: Vec::new(),
            steps: Steps::default(),
            seen: 0,
            steps_left_out: 0,
        }
    }
}

impl Pods {
    /// Looks at a pod that was written.
    pub fn look(&mut self, sim: &Simulation, object: ObjRef, gone: bool, at_ms: u64, texts: &mut Texts, nodes: &mut Nodes) {
        if gone {
            let Some(before) = self.standing.remove(&object.uid) else { return };
            self.counts[usize::from(before.state)] -= 1;
            nodes.reload(sim.get::<Names>(), before.load, None);
            let (_, node, _, restarts) = before.step;
            self.step(before.life, at_ms, (GONE, node, 0, restarts));
            return;
        }
        let parts = (sim.state::<Meta>(object), sim.state::<Pod>(object), sim.state::<PodStatus>(object));
        let (Some(meta), Some(pod), Some(status)) = parts else { return };
        let names = sim.get::<Names>();
        let state = state(meta, pod, status);
        let node = texts.number(names.text(pod.node));
        let restarts = status.init_containers.iter().chain(&status.containers).map(|container| container.restarts).sum();
        let step = (state, node, texts.number(names.text(note(pod, status))), restarts);
        let bound = !pod.node.is_empty() && !status.phase.terminal();
        let load = bound.then(|| {
            let requests = &sim.get::<Classes>().get(pod.class).requests;
            Load { node: pod.node, cpu_millicores: requests.cpu_millicores, memory_bytes: requests.memory_bytes }
        });
        let (life, old_load, old_step) = match self.standing.get(&object.uid) {
            Some(before) => {
                self.counts[usize::from(before.state)] -= 1;
                (before.life, before.load, Some(before.step))
            }
            None => (self.begin(sim, object, meta, texts), None, None),
        };
        self.counts[usize::from(state)] += 1;
        nodes.reload(names, old_load, load);
        if old_step != Some(step) {
            // A life begins when the object came to be, also where the watching began later.
            let at_ms = if old_step.is_none() { millis(meta.created_at).min(at_ms) } else { at_ms };
            self.step(life, at_ms, step);
        }
        self.standing.insert(object.uid, Standing { state, life, step, load });
    }

    fn begin(&mut self, sim: &Simulation, object: ObjRef, meta: &Meta, texts: &mut Texts) -> Option<u32> {
        self.seen += 1;
        if self.names.len() >= PODS_MAX {
            return None;
        }
        let key = sim.get::<Objects>().row(object)?.key;
        self.names.push(named(sim, key).trim_start_matches("pod/").to_string());
        self.owners.push(meta.controller_uid().map_or(0, |uid| texts.number(&owner(sim, uid))));
        Some(self.names.len() as u32 - 1)
    }

    fn step(&mut self, life: Option<u32>, at_ms: u64, (state, node, note, restarts): (u8, u32, u32, u32)) {
        let Some(pod) = life else { return };
        // That a pod is gone is never left out.
        if self.steps.pod.len() >= STEPS_MAX && state != GONE {
            self.steps_left_out += 1;
            return;
        }
        self.steps.pod.push(u64::from(pod));
        self.steps.at_ms.push(at_ms);
        self.steps.state.push(state);
        self.steps.node.push(node);
        self.steps.note.push(note);
        self.steps.restarts.push(restarts);
    }

    /// The counts of an instant.
    pub fn counted(&mut self, at_ms: u64) {
        self.series.push(at_ms, &self.counts);
    }

    /// Names of the pods whose lives are kept, in order of creation.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Sentences on what is not in the report.
    pub fn left_out(&self) -> Vec<String> {
        let more = self.seen - self.names.len() as u64;
        let pods = (more > 0).then(|| format!("the lives of {more} more pods than the first {PODS_MAX}; they are counted"));
        let steps = (self.steps_left_out > 0).then(|| format!("{} later steps of pods' lives", self.steps_left_out));
        pods.into_iter().chain(steps).collect()
    }

    /// Counts over time, and the lives.
    pub fn json(&self) -> Value {
        let Steps { pod, at_ms, state, node, note, restarts } = &self.steps;
        json!({
            "states": STATES,
            "series": self.series.json(),
            "names": self.names,
            "owners": self.owners,
            "steps": {"pod": deltas(pod), "t": deltas(at_ms), "state": state, "node": node, "note": note, "restarts": restarts},
        })
    }
}

/// The controller of a pod; of a ReplicaSet that a Deployment controls, the Deployment.
fn owner(sim: &Simulation, uid: Uid) -> String {
    let objects = sim.get::<Objects>();
    let row = |uid: Uid| objects.by_uid(uid).and_then(|object| objects.row(object));
    let Some(own) = row(uid) else { return String::new() };
    let above = row(own.controller).filter(|row| matches!(row.key.kind, Kind::Deployment | Kind::CronJob));
    named(sim, above.unwrap_or(own).key)
}

fn state(meta: &Meta, pod: &Pod, status: &PodStatus) -> u8 {
    let text = match status.phase {
        PodPhase::Succeeded => "Succeeded",
        PodPhase::Failed => "Failed",
        _ if meta.terminating() => "Terminating",
        PodPhase::Unknown => "Unknown",
        PodPhase::Running if status.ready() => "Ready",
        PodPhase::Running => "Running, not ready",
        PodPhase::Pending if pod.node.is_empty() => "Pending",
        PodPhase::Pending => "Starting",
    };
    STATES.iter().position(|state| *state == text).unwrap_or(0) as u8
}

/// What a person should know beside the state: the pod's reason, why it has no node, what a container waits for or ended with.
fn note(pod: &Pod, status: &PodStatus) -> Sym {
    if !status.reason.is_empty() {
        return status.reason;
    }
    if pod.node.is_empty() {
        let unplaced = condition(&status.conditions, words::POD_SCHEDULED).filter(|c| c.status == ConditionStatus::False);
        return unplaced.map_or(Sym::EMPTY, |c| c.message);
    }
    let said = |container: &ContainerStatus| match container.state {
        ContainerState::Waiting { reason, .. } => Some(reason),
        ContainerState::Terminated(ended) if ended.exit_code != 0 => Some(ended.reason),
        _ => None,
    };
    status.init_containers.iter().chain(&status.containers).filter_map(said).find(|sym| !sym.is_empty()).unwrap_or(Sym::EMPTY)
}
