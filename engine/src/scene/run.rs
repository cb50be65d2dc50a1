//! A run of a scene: the script's moments, the expectations, and the clock between them.

use crate::api::objects::Objects;
use crate::ids::ObjRef;
use crate::names::Names;
use crate::record::causes::Origin;
use crate::scene::build;
use crate::scene::drain::{self, Drains};
use crate::scene::expect::Judge;
use crate::scene::faults::NodeFaults;
use crate::scene::model::{Scene, ScriptEntry};
use crate::scene::policies::Policies;
use crate::scene::program::RunTimes;
use crate::scene::rolling_update::{self, RollingUpdates};
use crate::scene::script;
use crate::scene::traces::play::{self, Player};
use crate::scene::traces::{ReadingWatch, TraceReport, TraceState};
use crate::simulation::dispatch::Dispatcher;
use crate::simulation::route::node_object;
use crate::simulation::{Restless, Settings, Simulation};
use crate::time::SimTime;
use serde::{Deserialize, Serialize};

/// How a scene is run, beside what it says itself.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// How systems are run.
    pub dispatcher: Dispatcher,
    /// Whether the journal is kept as text.
    pub journal: bool,
    /// Whether invariants are checked after every instant.
    pub check: bool,
    /// Seed of the orders that the original leaves open; `None`: ours.
    pub shuffle_choices: Option<u64>,
    /// Whether the causes of everything are kept, with the whole log. A resumed run keeps none: it does not know what came before.
    pub causes: bool,
}

/// Why a run ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The API server refused what the scene begins with.
    #[error("the scene's objects are refused:\n  {}", .0.join("\n  "))]
    Refused(Vec<String>),
    /// Some object does not come to rest.
    #[error("{0}")]
    Restless(#[from] Restless),
    /// A checked invariant does not hold: a bug.
    #[error("at {at} an invariant does not hold: {}", .broken.join("; "))]
    Broken {
        /// When.
        at: SimTime,
        /// What does not hold.
        broken: Vec<String>,
    },
}

/// Where a run stands in its scene.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Entries of the script done.
    pub script_done: usize,
    /// Whether the world has been built.
    pub built: bool,
}

/// A scene being run.
pub struct Run {
    /// The world.
    pub sim: Simulation,
    pub(crate) scene: Scene,
    pub(crate) judge: Judge,
    pub(crate) place: Place,
    /// Namespaces that were used without being defined.
    pub namespaces_made: Vec<String>,
    player: Player,
    check: bool,
}

impl Run {
    /// Builds the scene's world at time zero. `install` puts the behaviours into the simulation.
    ///
    /// # Errors
    /// [`RunError::Refused`] when the API server refuses an object of the scene.
    pub fn new(scene: Scene, options: &RunOptions, install: impl FnOnce(&mut Simulation)) -> Result<Run, RunError> {
        let mut run = Run::unbuilt(scene, options, install);
        // From here on they are in the store; a hundred thousand nodes as they were written are not kept beside.
        let objects = std::mem::take(&mut run.scene.objects);
        run.namespaces_made = build::create_all(&mut run.sim, &objects).map_err(RunError::Refused)?;
        for (node, pod) in std::mem::take(&mut run.scene.manifests) {
            let namespace = pod.namespace().unwrap_or("default");
            if build::ensure_namespace(&mut run.sim, namespace) {
                run.namespaces_made.push(namespace.to_string());
            }
            crate::scene::manifests::put(&mut run.sim, &node, &pod);
        }
        run.place.built = true;
        Ok(run)
    }

    /// The simulation with its behaviours and programs, before any object.
    pub(crate) fn unbuilt(scene: Scene, options: &RunOptions, install: impl FnOnce(&mut Simulation)) -> Run {
        let settings = Settings {
            seed: scene.seed,
            epoch_unix_s: scene.epoch_unix_s,
            latency: scene.latency.clone(),
            dispatcher: options.dispatcher,
            journal: options.journal,
            shuffle_choices: options.shuffle_choices,
            ..Settings::default()
        };
        let mut sim = Simulation::new(&settings);
        if options.causes {
            sim.keep_causes();
            sim.begin(|_| Origin::Scene);
        }
        sim.resource(crate::simulation::Checking(options.check));
        sim.resource(scene.ties);
        sim.resource(scene.scheduler.clone());
        sim.resource(scene.kubelet.clone());
        sim.resource(Policies::of(&scene.policies, &scene.traces));
        sim.resource(scene.storage_assumed);
        sim.resource(scene.programs.clone());
        sim.resource(scene.network.clone());
        sim.keep(crate::scene::node_groups::Fleet::of(&scene.node_groups));
        sim.resource(scene.node_groups.clone());
        sim.resource(scene.autoscaler.clone());
        sim.resource(crate::scene::traffic::TrafficSources(scene.traffic.clone(), scene.calls.clone()));
        sim.resource(crate::scene::series::MetricSeries(scene.metrics.clone()));
        sim.keep(NodeFaults::default());
        sim.keep(crate::scene::faults::BrokenVolumes::default());
        sim.keep(crate::scene::manifests::Manifests::default());
        sim.keep(Drains::default());
        sim.keep(RollingUpdates::default());
        sim.keep(RunTimes::default());
        sim.keep(TraceState::of(&scene.traces));
        install(&mut sim);
        let judge = Judge::new(scene.expectations.len());
        Run { sim, scene, judge, place: Place::default(), namespaces_made: Vec::new(), player: Player::default(), check: options.check }
    }

    /// The scene; its objects are in the world.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The end of the run.
    pub fn end(&self) -> SimTime {
        SimTime(self.scene.duration.0)
    }

    /// Runs until `limit` or the scene's end. `each` is called after every instant with the simulation; it may not change it.
    ///
    /// # Errors
    /// [`RunError::Restless`], or [`RunError::Broken`] when invariants are checked.
    pub fn run_until(&mut self, limit: SimTime, each: &mut dyn FnMut(&Simulation)) -> Result<(), RunError> {
        let limit = limit.min(self.end());
        self.instant(each)?;
        loop {
            let next_step = self.scene.script.get(self.place.script_done).map(|entry| entry.at);
            let next_look = self.judge.next_look(&self.scene.expectations, self.sim.now());
            let next_client = self.sim.get::<Drains>().next().into_iter().chain(self.sim.get::<RollingUpdates>().next()).min();
            let next_trace = self.sim.get::<TraceState>().next();
            let next = next_step.into_iter().chain(next_look).chain(next_client).chain(next_trace).min();
            let until = next.unwrap_or(limit).min(limit);
            while self.sim.advance(until) {
                self.instant(each)?;
            }
            if next_client.is_some_and(|at| at <= until) {
                drain::go_on(&mut self.sim);
                rolling_update::go_on(&mut self.sim);
                self.instant(each)?;
            }
            if next_trace.is_some_and(|at| at <= until) {
                play::leave(&mut self.sim);
                self.instant(each)?;
                play::arrive(&mut self.sim, &self.scene.traces, &mut self.player, &mut self.namespaces_made);
                self.instant(each)?;
            }
            if next_step == Some(until) {
                self.play(until);
                self.instant(each)?;
            }
            self.judge.look_at_moment(&self.sim, &self.scene.expectations);
            if until == limit && next_step.is_none_or(|at| at > limit) {
                break;
            }
        }
        Ok(())
    }

    /// A moment, later than the present one, that nothing of the run comes before; at most its end. Whoever runs to such moments one
    /// after another misses none at which something happens.
    pub fn next_from(&self) -> SimTime {
        let script = self.scene.script.get(self.place.script_done).map(|entry| entry.at);
        let clients = self.sim.get::<Drains>().next().into_iter().chain(self.sim.get::<RollingUpdates>().next());
        let traces = self.sim.get::<TraceState>().next();
        let next = self.sim.next_from().into_iter().chain(script).chain(clients).chain(traces).min().unwrap_or(self.end());
        next.max(SimTime(self.sim.now().0 + 1)).min(self.end())
    }

    /// Plays every entry of the script that stands at this moment, after everything else of the moment.
    fn play(&mut self, at: SimTime) {
        while let Some(ScriptEntry { action, .. }) = self.scene.script.get(self.place.script_done).filter(|entry| entry.at == at) {
            let action = action.clone();
            let number = self.place.script_done;
            self.sim.begin(|at| Origin::Script { number, at });
            self.place.script_done += 1;
            script::play(&mut self.sim, &action);
        }
    }

    fn instant(&mut self, each: &mut dyn FnMut(&Simulation)) -> Result<(), RunError> {
        self.sim.settle()?;
        while let Some(off) = self.nodes_off() {
            off.into_iter().for_each(|node| self.sim.wake_for_fault(node));
            self.sim.settle()?;
        }
        self.judge.look(&self.sim, &self.scene.expectations);
        if self.check {
            let broken = crate::invariants::broken(&self.sim);
            if !broken.is_empty() {
                return Err(RunError::Broken { at: self.sim.now(), broken });
            }
        }
        each(&self.sim);
        Ok(())
    }

    /// Nodes that went off by themselves; their behaviours have to look at them.
    fn nodes_off(&mut self) -> Option<Vec<ObjRef>> {
        let faults = self.sim.get::<NodeFaults>();
        if !faults.any() && !faults.any_shutdown() {
            return None;
        }
        let off = self.sim.get_mut::<NodeFaults>().take_changed();
        let (objects, names) = (self.sim.get::<Objects>(), self.sim.get::<Names>());
        let found: Vec<ObjRef> = off.into_iter().filter_map(|node| node_object(objects, names, node)).collect();
        (!found.is_empty()).then_some(found)
    }

    /// Has the reading of input in the middle of the run watched: manifests of traces are read when their time comes.
    pub fn watch_reading(&mut self, watch: ReadingWatch) {
        self.player.reading = Some(watch);
    }

    /// How the traces went so far.
    pub fn traces(&self) -> Vec<TraceReport> {
        play::reports(&self.sim, &self.scene.traces)
    }

    /// How the expectations went so far: how many were met, and a sentence for each that was missed. Those whose time has not come
    /// are neither.
    pub fn expectations(&self) -> (u64, Vec<String>) {
        self.judge.outcome(&self.scene.expectations, self.sim.now())
    }
}
