//! One simulation: its world, its behaviours, and time.

pub mod clock;
pub mod dispatch;
pub mod latency;
pub mod route;

use crate::api::admit::{Admission, AdmitCreate, AdmitDelete, AdmitUpdate, PrepareUpdate};
use crate::api::commit;
use crate::api::create::LastNamespace;
use crate::api::log::{Entry, Log};
use crate::api::objects::Objects;
use crate::api::queue::{Cursors, QueueOf, Queues, Requests};
use crate::api::request::{Actor, QueueId, Refusal, Reply, Verb};
use crate::ids::{ObjRef, Revision};
use crate::model::kinds::Kinds;
use crate::model::labels::LabelSets;
use crate::model::pod_class::Classes;
use crate::model::select::Selectors;
use crate::names::Names;
use crate::record::causes::Origin;
use crate::record::events::Events;
use crate::record::fights::{Fight, Fights};
use crate::record::journal::Journal;
use crate::record::refusals::Refusals;
use crate::record::tally::Tally;
use crate::scene::build::TableParams;
use crate::time::SimTime;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::ScheduleLabel;
use bevy_ecs::system::{IntoSystem, ScheduleSystem, System, SystemState};
use bevy_ecs::world::World;
use clock::{Clock, Due};
use dispatch::{Dispatch, Dispatcher};
use latency::Latency;
use route::{Delivered, Routes, Wake, Whom};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// The scene's seed. ECS resource.
#[derive(Debug, Clone, Copy, Default, Resource)]
pub struct Seed(pub u64);

/// Whether behaviours hold their fast ways to the plain ones while they run. ECS resource.
#[derive(Debug, Clone, Copy, Default, Resource)]
pub struct Checking(pub bool);

/// Unix seconds of the scene's epoch. ECS resource.
#[derive(Debug, Clone, Copy, Resource)]
pub struct Epoch(pub i64);

/// What holds for the whole run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seed of all randomness.
    pub seed: u64,
    /// Unix seconds of the epoch.
    pub epoch_unix_s: i64,
    /// How long calls and watches take.
    pub latency: Latency,
    /// How systems are run.
    pub dispatcher: Dispatcher,
    /// Whether the journal is kept as text; its digest always is.
    pub journal: bool,
    /// Entries of the log kept beyond what the slowest cursor needs.
    pub log_entries_kept: usize,
    /// Seed of the orders that the original leaves open; `None`: ours.
    pub shuffle_choices: Option<u64>,
}

/// Seed of the orders that the original leaves open: of the keys in a queue with several workers, of the systems in a round, of objects
/// that compare equal. `None`: ours. ECS resource.
#[derive(Debug, Clone, Copy, Default, Resource)]
pub struct ShuffleChoices(pub Option<u64>);

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            epoch_unix_s: 1_767_225_600,
            latency: Latency::Ideal,
            dispatcher: Dispatcher::Mask,
            journal: false,
            log_entries_kept: 100_000,
            shuffle_choices: None,
        }
    }
}

/// A world that does not come to rest within an instant. Objects are named as `kind/namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Restless {
    /// An object is written too often.
    #[error(
        "at {at} {object} does not come to rest: {versions} versions within this instant; two parties undo each other's writes, the last were {}",
        .last.join(" and ")
    )]
    Fight {
        /// When.
        at: SimTime,
        /// The object.
        object: String,
        /// Versions within the instant.
        versions: u32,
        /// The last write of each of the two parties, the newest first: what, by whom, at which revision and because of which.
        last: Vec<String>,
    },
    /// A behaviour looks at an object without end. It is the behaviour's fault, not the scene's.
    #[error("at {at} {object} does not come to rest: {behaviour} looks at it again and again without coming to an end")]
    Spin {
        /// When.
        at: SimTime,
        /// The object.
        object: String,
        /// Name of the behaviour.
        behaviour: &'static str,
    },
}

/// What a behaviour is, for `wavetank schedule`.
#[derive(Debug, Clone)]
pub struct BehaviourInfo {
    /// Name of its system.
    pub name: &'static str,
    /// Its queue.
    pub queue: QueueId,
    /// What the system reads and writes.
    pub access: dispatch::Access,
}

/// A simulation.
pub struct Simulation {
    world: World,
    dispatch: Dispatch,
    behaviours: Vec<BehaviourInfo>,
    fault_queues: Vec<QueueId>,
    pub(crate) kept: Vec<Kept>,
    keep: usize,
    round_watch: Option<RoundWatch>,
    tables: SystemState<TableParams<'static>>,
}

/// Told of the counts after each round. It sees nothing else and changes nothing: for measurements outside the simulation.
pub type RoundWatch = Box<dyn FnMut(&Tally) + Send + Sync>;

/// A resource that checkpoints hold.
pub(crate) struct Kept {
    /// Its type.
    pub(crate) name: &'static str,
    /// Writes it.
    pub(crate) save: fn(&World) -> Result<Vec<u8>, postcard::Error>,
    /// Reads it.
    pub(crate) load: fn(&mut World, &[u8]) -> Result<(), postcard::Error>,
}

impl Simulation {
    /// An empty world.
    pub fn new(settings: &Settings) -> Simulation {
        let mut world = World::new();
        commit::init_versions(&mut world);
        let live = settings.latency.watch_delay().0 == 0;
        world.insert_resource(commit::KeepVersions(!live));
        let mut names = Names::new();
        world.insert_resource(Events::new(names.sym("default-scheduler")));
        world.insert_resource(names);
        world.insert_resource(LabelSets::default());
        world.insert_resource(Selectors::default());
        world.insert_resource(Classes::default());
        world.insert_resource(Kinds::default());
        world.insert_resource(Objects::default());
        world.insert_resource(Log::default());
        world.insert_resource(Journal::new(settings.journal));
        world.insert_resource(Fights::default());
        world.insert_resource(LastNamespace::default());
        world.insert_resource(Refusals::default());
        world.insert_resource(Tally::default());
        world.insert_resource(crate::api::given::Given::default());
        world.insert_resource(Queues::default());
        world.insert_resource(Cursors { routed: Vec::new(), live });
        world.insert_resource(Requests::default());
        world.insert_resource(Admission::default());
        world.insert_resource(Routes::default());
        world.insert_resource(Delivered::default());
        world.insert_resource(dispatch::Promised::default());
        world.insert_resource(Clock::default());
        world.insert_resource(Seed(settings.seed));
        world.insert_resource(ShuffleChoices(settings.shuffle_choices));
        world.insert_resource(Checking(false));
        world.insert_resource(Epoch(settings.epoch_unix_s));
        world.insert_resource(settings.latency.clone());
        let dispatch = Dispatch::new(settings.dispatcher, settings.shuffle_choices, &mut world);
        let tables = SystemState::new(&mut world);
        Simulation {
            world,
            dispatch,
            behaviours: Vec::new(),
            fault_queues: Vec::new(),
            kept: Vec::new(),
            keep: settings.log_entries_kept,
            round_watch: None,
            tables,
        }
    }

    /// Has behaviours that asked for it ([`Simulation::wake_on_faults`]) look at a node whose fault changed.
    pub fn wake_for_fault(&mut self, node: ObjRef) {
        let cause = self.origin();
        for queue in self.fault_queues.clone() {
            self.world.resource_mut::<Queues>().push(queue, node, cause);
        }
    }

    /// Has every behaviour look at each of its objects again, as a control plane that starts does with what it lists. In a world at rest
    /// nothing comes of it.
    pub fn relist(&mut self) {
        let (routes, objects) = (self.world.resource::<Routes>(), self.world.resource::<Objects>());
        let mut keys: Vec<(QueueId, ObjRef)> = Vec::new();
        for (queue, wake) in routes.rules().iter().filter(|(_, wake)| matches!(wake.whom, Whom::Itself)) {
            let living = objects.of_kind(wake.kind).filter(|row| row.gone == Revision::HEAD);
            keys.extend(living.map(|row| (*queue, row.object)));
        }
        for (queue, object) in keys {
            self.world.resource_mut::<Queues>().push(queue, object, Revision(0));
        }
    }

    /// Says that behaviour `Q` takes its keys in order, as one reader of a watch does: no order is open there.
    pub fn in_order<Q: Send + Sync + 'static>(&mut self) {
        let id = self.world.resource::<QueueOf<Q>>().id;
        self.world.resource_mut::<Queues>().keep_order(id);
    }

    /// Has behaviour `Q` woken with a node's key whenever the script changes that node's fault.
    pub fn wake_on_faults<Q: Send + Sync + 'static>(&mut self) {
        let id = self.world.resource::<QueueOf<Q>>().id;
        self.fault_queues.push(id);
    }

    /// Registers a behaviour: its queue `Q`, the name under which it asks, its wake rules and its system, which runs after those
    /// registered before it.
    pub fn behaviour<Q: Send + Sync + 'static, M, S>(&mut self, name: &'static str, actor: &str, wakes: &[Wake], system: S)
    where
        S: IntoSystem<(), (), M> + bevy_ecs::schedule::IntoScheduleConfigs<ScheduleSystem, M> + Clone,
        S::System: System<In = (), Out = ()>,
    {
        let id = self.world.resource_mut::<Queues>().add();
        if let Some(seed) = self.world.resource::<ShuffleChoices>().0 {
            self.world.resource_mut::<Queues>().shuffle(id, seed);
        }
        let actor = self.world.resource_mut::<Names>().sym(actor);
        self.world.resource_mut::<Cursors>().routed.push(Revision(0));
        self.world.insert_resource(QueueOf::<Q> { id, actor, marker: PhantomData });
        self.world.resource_mut::<Routes>().add(id, wakes);
        let access = self.dispatch.add(&mut self.world, id, system);
        self.behaviours.push(BehaviourInfo { name, queue: id, access });
    }

    /// Adds a wake rule of behaviour `Q` for objects of every kind.
    pub fn wake_on_any<Q: Send + Sync + 'static>(&mut self, on: crate::api::state::Changes, whom: route::Whom) {
        let id = self.world.resource::<QueueOf<Q>>().id;
        self.world.resource_mut::<Routes>().add_any(id, on, whom);
    }

    /// Adds admission plugins, asked after those added before.
    pub fn admit(&mut self, create: Option<AdmitCreate>, update: Option<AdmitUpdate>, delete: Option<AdmitDelete>) {
        let mut admission = self.world.resource_mut::<Admission>();
        admission.create.extend(create);
        admission.update.extend(update);
        admission.delete.extend(delete);
    }

    /// Adds an admission plugin that completes updates, asked before those that may refuse them.
    pub fn prepare_updates(&mut self, prepare: PrepareUpdate) {
        self.world.resource_mut::<Admission>().prepare.push(prepare);
    }

    /// Puts a behaviour's private state into the world; it goes into checkpoints and comes back from them.
    pub fn keep<R>(&mut self, resource: R)
    where
        R: Resource<Mutability = bevy_ecs::component::Mutable> + Serialize + DeserializeOwned,
    {
        self.world.insert_resource(resource);
        self.kept.push(Kept {
            name: std::any::type_name::<R>(),
            save: |world| postcard::to_stdvec(world.resource::<R>()),
            load: |world, bytes| {
                world.insert_resource(postcard::from_bytes::<R>(bytes)?);
                Ok(())
            },
        });
    }

    /// Puts a resource of a behaviour's own into the world that follows from the scene alone or from the store: a checkpoint leaves it out.
    pub fn resource<R: Resource>(&mut self, resource: R) {
        self.world.insert_resource(resource);
    }

    /// Puts a resource's default into the world unless it is there: what a run takes from its scene and a bare simulation lacks.
    pub fn ensure<R: Resource + Default>(&mut self) {
        if !self.world.contains_resource::<R>() {
            self.world.insert_resource(R::default());
        }
    }

    /// Reads a resource.
    ///
    /// # Panics
    /// When the resource was never put in.
    pub fn get<R: Resource>(&self) -> &R {
        self.world.resource::<R>()
    }

    /// Reads a resource that may not be there.
    pub fn find<R: Resource>(&self) -> Option<&R> {
        self.world.get_resource::<R>()
    }

    /// Writes a resource.
    ///
    /// # Panics
    /// When the resource was never put in.
    pub fn get_mut<R: Resource<Mutability = bevy_ecs::component::Mutable>>(&mut self) -> bevy_ecs::world::Mut<'_, R> {
        self.world.resource_mut::<R>()
    }

    /// One part of an object as it is now, or as it was last when it is gone but not yet forgotten.
    pub fn state<T: crate::api::state::State>(&self, object: ObjRef) -> Option<&T> {
        let row = self.get::<Objects>().row(object)?;
        self.world.get::<crate::api::store::Obj<T>>(row.entity).map(crate::api::store::Obj::value)
    }

    /// All parts of an object.
    pub fn parts(&self, object: ObjRef) -> Vec<crate::api::state::StateValue> {
        self.get::<Objects>().row(object).map_or(Vec::new(), |row| commit::parts_of(&self.world, row.entity))
    }

    /// Hashes of the parts of objects.
    pub(crate) fn part_hashes(&self) -> crate::api::state::PartHashes<'_> {
        crate::api::state::PartHashes::new(&self.world)
    }

    /// The present moment.
    pub fn now(&self) -> SimTime {
        self.get::<Clock>().now
    }

    /// A moment, later than the present one, that nothing on the agenda comes before. `None`: nothing is on it.
    pub fn next_from(&self) -> Option<SimTime> {
        let clock = self.get::<Clock>();
        clock.agenda.next_from().map(|from| from.max(SimTime(clock.now.0 + 1)))
    }

    /// The registered behaviours, in order.
    pub fn behaviours(&self) -> &[BehaviourInfo] {
        &self.behaviours
    }

    /// Carries out a request at once, on behalf of a person or the script.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn ask(&mut self, actor: Actor, verb: Verb) -> Result<Reply, Refusal> {
        let act = commit::Act { actor, cause: self.origin(), now: self.now() };
        commit::carry_out(&mut self.world, act, verb)
    }

    /// Keeps the causes of everything from now on, and the whole log.
    pub fn keep_causes(&mut self) {
        self.world.resource_mut::<Queues>().causes = Some(Box::default());
        self.keep = usize::MAX / 2;
    }

    /// Says of a resumed run that keeps causes that they begin now.
    pub(crate) fn resume_causes(&mut self) {
        let now = self.now();
        if let Some(causes) = &mut self.world.resource_mut::<Queues>().causes {
            causes.resume(now);
        }
    }

    /// Says what begins what is asked from outside the behaviours from now on.
    pub(crate) fn begin(&mut self, origin: impl FnOnce(SimTime) -> Origin) {
        let now = self.now();
        if let Some(causes) = &mut self.world.resource_mut::<Queues>().causes {
            causes.begin(origin(now));
        }
    }

    /// The cause of what is asked from outside now; 0 in runs that do not keep causes.
    pub(crate) fn origin(&self) -> Revision {
        self.world.resource::<Queues>().causes.as_ref().map_or(Revision(0), |causes| causes.origin())
    }

    /// Gives access to several resources at once, for code of the engine that reads objects in or out.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// See [`Simulation::world`].
    pub(crate) fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// The world, and the way to its tables of interned values.
    pub(crate) fn tables(&mut self) -> (&mut World, &mut SystemState<TableParams<'static>>) {
        (&mut self.world, &mut self.tables)
    }

    /// Runs the present instant until nobody asks for anything more. Time stands still.
    ///
    /// # Errors
    /// [`Restless`] when some object does not come to rest.
    pub fn settle(&mut self) -> Result<(), Restless> {
        while self.has_more() {
            self.round()?;
        }
        Ok(())
    }

    /// Has every round watched from now on, once its requests have been carried out.
    pub fn watch_rounds(&mut self, watch: RoundWatch) {
        self.round_watch = Some(watch);
    }

    /// Whether a round would do anything: news to route or to promise, keys ready, requests to serve.
    fn has_more(&self) -> bool {
        let (cursors, head) = (self.world.resource::<Cursors>(), self.world.resource::<Objects>().head());
        let delivered = self.world.resource::<Delivered>().0;
        let news = if cursors.live {
            delivered < head
        } else {
            cursors.routed.first().is_some_and(|&routed| routed < delivered) || self.world.resource::<dispatch::Promised>().0 < head
        };
        news || self.world.resource::<Queues>().dirty != 0 || !self.world.resource::<Requests>().list.is_empty()
    }

    /// One round of the present instant: what was committed is delivered, behaviours with work decide, their requests are carried
    /// out. `false`: there was nothing to do, the instant is over. For watchers that want to see each round's writes.
    ///
    /// # Errors
    /// [`Restless`] when some object does not come to rest.
    pub fn round(&mut self) -> Result<bool, Restless> {
        self.deliver_now();
        let worked = self.dispatch.round(&mut self.world);
        if let Some(watch) = &mut self.round_watch {
            watch(self.world.resource::<Tally>());
        }
        if let Some(fight) = self.world.resource::<Fights>().found() {
            return Err(self.restless(fight));
        }
        if let Some((queue, object)) = self.world.resource::<Queues>().spins() {
            return Err(self.spin(queue, object));
        }
        self.tidy();
        Ok(worked)
    }

    /// In profiles without watch delay everything committed is delivered in the next round.
    fn deliver_now(&mut self) {
        if self.world.resource::<Cursors>().live {
            let head = self.world.resource::<Objects>().head();
            self.world.resource_mut::<Delivered>().0 = head;
        }
    }

    fn spin(&self, queue: QueueId, object: ObjRef) -> Restless {
        let behaviour = self.behaviours.iter().find(|behaviour| behaviour.queue == queue).map_or("a behaviour", |behaviour| behaviour.name);
        let key = self.get::<Objects>().row(object).map(|row| row.key);
        let object = key.map_or(String::new(), |key| crate::record::journal::object_text(self.get::<Names>(), self.get::<Kinds>(), key));
        Restless::Spin { at: self.now(), object, behaviour }
    }

    fn restless(&self, fight: Fight) -> Restless {
        let (names, log) = (self.get::<Names>(), self.get::<Log>());
        let mut last: Vec<&Entry> = Vec::new();
        for entry in log.newest().filter(|entry| entry.object == fight.object) {
            if last.iter().all(|seen| seen.actor != entry.actor) {
                last.push(entry);
            }
            if last.len() == 2 {
                break;
            }
        }
        let object = last.first().map_or(String::new(), |entry| crate::record::journal::object_text(names, self.get::<Kinds>(), entry.key));
        let text = |entry: &&Entry| {
            let (actor, revision, cause) = (names.text(entry.actor), entry.revision.0, entry.cause.0);
            format!("{} by {actor} (revision {revision}, because of revision {cause})", entry.changes.text())
        };
        Restless::Fight { at: self.now(), object, versions: fight.versions, last: last.iter().map(text).collect() }
    }

    /// Forgets what every party has seen.
    fn tidy(&mut self) {
        let routed = &self.world.resource::<Cursors>().routed;
        let seen = routed.iter().copied().min();
        let objects = self.world.resource::<Objects>();
        let seen = seen.unwrap_or(objects.head());
        if objects.has_tombstones() {
            let entities = self.world.resource_mut::<Objects>().forget(seen);
            if !entities.is_empty() {
                for entity in entities {
                    self.world.despawn(entity);
                }
                self.world.clear_trackers();
            }
        }
        if self.world.resource::<commit::KeepVersions>().0 {
            commit::prune_versions(&mut self.world, seen);
        }
        if self.world.resource::<Log>().len() > self.keep + self.keep / 4 {
            let mut log = self.world.resource_mut::<Log>();
            let keep = log.revision_keeping(self.keep).min(seen);
            log.compact(keep);
        }
    }

    /// Moves to the earliest entry of the agenda at or before `limit` and fires everything due at that moment, in insertion order.
    /// `false`: nothing is due by then, and time stands at `limit`.
    pub fn advance(&mut self, limit: SimTime) -> bool {
        let mut first = None;
        loop {
            let mut clock = self.world.resource_mut::<Clock>();
            let popped = clock.agenda.pop(first.unwrap_or(limit));
            let Some((at, due)) = popped else {
                if first.is_none() {
                    clock.now = limit;
                }
                return first.is_some();
            };
            first = Some(at);
            clock.now = at;
            clock.fired += 1;
            match due {
                Due::Wake { queue, object } => self.world.resource_mut::<Queues>().due(queue, object, at),
                Due::Arrive(request) => {
                    self.world.resource_mut::<Requests>().under_way -= 1;
                    commit::serve(&mut self.world, *request);
                }
                Due::Deliver(revision) => self.world.resource_mut::<Delivered>().0 = revision,
            }
        }
    }

    /// Runs until `limit`: every instant up to and including it.
    ///
    /// # Errors
    /// [`Restless`] when some object does not come to rest.
    pub fn run_until(&mut self, limit: SimTime) -> Result<(), Restless> {
        self.settle()?;
        while self.advance(limit) {
            self.settle()?;
        }
        Ok(())
    }
}

/// Label of the phases' schedules.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Replies, watch entries and timers fill queues.
    Wake,
    /// Behaviours, in their order.
    Decide,
    /// The API server.
    Commit,
}
