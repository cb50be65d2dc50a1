//! Dispatch: the phases of one round, either as bevy schedules or as a dirty mask over the same systems in the same order.
//! The only file that names bevy's executors and schedules.

use crate::api::commit;
use crate::api::objects::Objects;
use crate::api::queue::{Cursors, Queues, Requests};
use crate::api::request::{QueueId, Verb};
use crate::draw::draw;
use crate::simulation::clock::{Clock, Due};
use crate::simulation::latency::Latency;
use crate::simulation::{Phase, route};
use bevy_ecs::query::ComponentAccessKind;
use bevy_ecs::schedule::{IntoScheduleConfigs, LogLevel, Schedule, ScheduleBuildSettings, SingleThreadedExecutor, SystemSet};
use bevy_ecs::system::{IntoSystem, ScheduleSystem, System, SystemAccess};
use bevy_ecs::world::World;

/// How systems are run. Both ways give the same digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dispatcher {
    /// Only the systems whose queue has work.
    #[default]
    Mask,
    /// All systems, each round, through bevy's schedules.
    Schedule,
}

/// Place of a system within the decide phase.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
struct Place(u8);

/// The systems, ready to run.
pub(crate) enum Dispatch {
    Mask { route: Box<dyn System<In = (), Out = ()>>, systems: Vec<Box<dyn System<In = (), Out = ()>>>, shuffled: Option<u64> },
    Schedules { wake: Box<Schedule>, decide: Box<Schedule> },
}

fn schedule(phase: Phase) -> Schedule {
    let mut schedule = Schedule::new(phase);
    schedule.set_executor(SingleThreadedExecutor::new());
    schedule.set_build_settings(ScheduleBuildSettings { ambiguity_detection: LogLevel::Error, ..ScheduleBuildSettings::default() });
    schedule
}

impl Dispatch {
    pub(crate) fn new(dispatcher: Dispatcher, shuffled: Option<u64>, world: &mut World) -> Dispatch {
        match dispatcher {
            Dispatcher::Mask => {
                let mut route: Box<dyn System<In = (), Out = ()>> = Box::new(IntoSystem::into_system(route::route));
                route.initialize(world);
                Dispatch::Mask { route, systems: Vec::new(), shuffled }
            }
            Dispatcher::Schedule => {
                let mut wake = schedule(Phase::Wake);
                wake.add_systems(route::route);
                Dispatch::Schedules { wake: Box::new(wake), decide: Box::new(schedule(Phase::Decide)) }
            }
        }
    }

    /// Adds a behaviour's system after all added before, and says what it reads and writes.
    pub(crate) fn add<M, S>(&mut self, world: &mut World, queue: QueueId, system: S) -> Access
    where
        S: IntoSystem<(), (), M> + IntoScheduleConfigs<ScheduleSystem, M> + Clone,
        S::System: System<In = (), Out = ()>,
    {
        let mut owned: Box<dyn System<In = (), Out = ()>> = Box::new(IntoSystem::into_system(system.clone()));
        let access = owned.initialize(world);
        let access = Access::of(world, &access);
        match self {
            Dispatch::Mask { systems, .. } => systems.push(owned),
            Dispatch::Schedules { decide, .. } => {
                let place = Place(queue.0);
                if let Some(before) = queue.0.checked_sub(1) {
                    decide.configure_sets(place.clone().after(Place(before)));
                }
                decide.add_systems(system.in_set(place));
            }
        }
        access
    }

    /// One round: wake, decide, commit. `false` when there was nothing to do.
    pub(crate) fn round(&mut self, world: &mut World) -> bool {
        match self {
            Dispatch::Mask { route, systems, shuffled } => {
                run(route, world);
                let dirty = std::mem::take(&mut world.resource_mut::<Queues>().dirty);
                if let Some(seed) = *shuffled {
                    shuffled_bits(dirty, seed, world).into_iter().for_each(|bit| run(&mut systems[bit], world));
                } else {
                    let mut left = dirty;
                    while left != 0 {
                        let bit = left.trailing_zeros();
                        left &= left - 1;
                        run(&mut systems[bit as usize], world);
                    }
                }
                commit_all(world) || dirty != 0
            }
            Dispatch::Schedules { wake, decide } => {
                wake.run(world);
                let dirty = std::mem::take(&mut world.resource_mut::<Queues>().dirty);
                if dirty != 0 {
                    decide.run(world);
                }
                commit_all(world) || dirty != 0
            }
        }
    }
}

/// What a system reads and writes, by the names of components and resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Parts of objects, through views, and resources.
    pub reads: Vec<String>,
    /// Resources.
    pub writes: Vec<String>,
}

impl Access {
    fn of(world: &World, access: &SystemAccess) -> Access {
        let set = access.to_filtered_access_set();
        let mut found = Access::default();
        for kind in set.combined_access().try_iter_access().into_iter().flatten() {
            let name = world.components().get_info(*kind.index()).map(|info| info.name().to_string()).unwrap_or_default();
            let name = short_name(&name);
            match kind {
                ComponentAccessKind::Exclusive(_) => found.writes.push(name),
                ComponentAccessKind::Shared(_) => found.reads.push(name),
                ComponentAccessKind::Archetypal(_) => {}
            }
        }
        found.reads.sort_unstable();
        found.writes.sort_unstable();
        found
    }
}

/// `Obj<Meta>` for `wavetank_engine::api::store::Obj<wavetank_engine::model::meta::Meta>`.
fn short_name(name: &str) -> String {
    let words = name.split_inclusive(['<', '>', ',', ' ']);
    words.map(|word| word.rsplit("::").next().unwrap_or(word)).collect()
}

/// The systems of a round in a drawn order: the original's controllers are processes and threads, whose order is open.
fn shuffled_bits(dirty: u128, seed: u64, world: &World) -> Vec<usize> {
    let mut bits: Vec<usize> = (0..128).filter(|bit| dirty & 1 << bit != 0).collect();
    let (now, head) = (world.resource::<Clock>().now, world.resource::<Objects>().head());
    bits.sort_by_cached_key(|&bit| draw(seed, "order of systems", (now, head), bit as u64));
    bits
}

fn run(system: &mut Box<dyn System<In = (), Out = ()>>, world: &mut World) {
    if let Err(error) = system.run_without_applying_deferred((), world) {
        panic!("a behaviour's system could not run: {error:?}");
    }
}

/// The commit phase: serves this round's requests, or sends them on their way. `true` when there were any.
fn commit_all(world: &mut World) -> bool {
    let requests = std::mem::take(&mut world.resource_mut::<Requests>().list);
    if requests.is_empty() {
        deliver_later(world);
        return false;
    }
    let table = world.resource::<Latency>().table();
    // A binding leaves at the end of its attempt.
    let (write, binding) = (table.api_write, table.scheduling_attempt + table.binding);
    if write.0 == 0 && binding.0 == 0 {
        for request in requests {
            commit::serve(world, request);
        }
    } else {
        world.resource_mut::<Requests>().under_way += requests.len();
        let mut clock = world.resource_mut::<Clock>();
        for request in requests {
            let delay = if matches!(request.verb, Verb::Bind { .. }) { binding } else { write };
            let at = clock.now + delay;
            clock.agenda.push(at, Due::Arrive(Box::new(request)));
        }
    }
    deliver_later(world);
    true
}

/// With a watch delay: notes when watchers will hear of what was committed.
fn deliver_later(world: &mut World) {
    if world.resource::<Cursors>().live {
        return;
    }
    let delay = world.resource::<Latency>().watch_delay();
    let head = world.resource::<Objects>().head();
    let mut promised = world.resource_mut::<Promised>();
    if head > promised.0 {
        promised.0 = head;
        let mut clock = world.resource_mut::<Clock>();
        let at = clock.now + delay;
        clock.agenda.push(at, Due::Deliver(head));
    }
}

/// The revision for which a delivery stands on the agenda. ECS resource.
#[derive(Debug, Default, Clone, Copy, serde::Serialize, serde::Deserialize, bevy_ecs::resource::Resource)]
pub(crate) struct Promised(pub crate::ids::Revision);
