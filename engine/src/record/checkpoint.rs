//! Checkpoints: a run at rest, saved and resumed with the same digest as the unbroken run.
//!
//! The file holds the state of the engine and of every behaviour by the name of its type, in the binary form of the `postcard`
//! crate. It is read only by the version of Wavetank that wrote it: [`VERSION`] and the names are checked.

use crate::api::commit;
use crate::api::given::Given;
use crate::api::log::Log;
use crate::api::objects::{Objects, ObjectsDump};
use crate::api::queue::{Cursors, Queues, Requests};
use crate::api::state::StateValue;
use crate::ids::Revision;
use crate::model::kinds::Kinds;
use crate::model::labels::LabelSets;
use crate::model::pod_class::{Classes, Template};
use crate::model::raw::Raw;
use crate::model::select::{Requirement, Selectors};
use crate::names::Names;
use crate::record::events::Events;
use crate::record::journal::Journal;
use crate::record::refusals::Refusals;
use crate::record::tally::Tally;
use crate::scene::expect::Judge;
use crate::scene::model::Scene;
use crate::scene::program::Programs;
use crate::scene::run::{Place, Run, RunOptions};
use crate::simulation::Simulation;
use crate::simulation::clock::Clock;
use crate::simulation::dispatch::Promised;
use crate::simulation::route::Delivered;
use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// First line of a checkpoint's state.
pub const VERSION: &str = "wavetank.checkpoint/1";

/// Why a checkpoint can't be saved or resumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The file is something else, or cut.
    #[error("this is no checkpoint that this version can read: {0}")]
    Unreadable(String),
    /// The file was written with other behaviours.
    #[error("the checkpoint holds the state of {found:?}, this version keeps {expected:?}; resume with the version that saved it")]
    OtherBehaviours {
        /// Names in the file.
        found: Vec<String>,
        /// Names of this version.
        expected: Vec<String>,
    },
}

impl From<postcard::Error> for CheckpointError {
    fn from(error: postcard::Error) -> CheckpointError {
        CheckpointError::Unreadable(error.to_string())
    }
}

type Parts = Vec<(StateValue, Revision, u64)>;

/// A run's state, without its scene.
#[derive(Serialize, Deserialize)]
struct State {
    version: String,
    place: Place,
    judge: Judge,
    namespaces_made: Vec<String>,
    names: Names,
    labels: LabelSets,
    selectors: Vec<Vec<Requirement>>,
    classes: (Vec<Raw>, Vec<Template>),
    broken_images: BTreeSet<String>,
    objects: ObjectsDump,
    parts: Vec<Option<Parts>>,
    versions: Vec<Vec<u8>>,
    resources: BTreeMap<String, Vec<u8>>,
    behaviours: BTreeMap<String, Vec<u8>>,
}

/// The engine's own resources that are written as they are.
macro_rules! plain_resources {
    ($then:ident) => {
        $then!(Kinds, Log, Journal, Events, Refusals, Queues, Cursors, Requests, Delivered, Promised, Clock, Tally, Given)
    };
}

fn put<R: Resource + Serialize>(world: &World, into: &mut BTreeMap<String, Vec<u8>>) -> Result<(), CheckpointError> {
    into.insert(std::any::type_name::<R>().to_string(), postcard::to_stdvec(world.resource::<R>())?);
    Ok(())
}

fn take<R: Resource + DeserializeOwned>(world: &mut World, from: &BTreeMap<String, Vec<u8>>) -> Result<(), CheckpointError> {
    let name = std::any::type_name::<R>();
    let bytes = from.get(name).ok_or_else(|| CheckpointError::Unreadable(format!("{name} is missing")))?;
    world.insert_resource(postcard::from_bytes::<R>(bytes)?);
    Ok(())
}

/// Saves a run that is at rest.
///
/// # Errors
/// [`CheckpointError`] when some state has no binary form.
pub fn save(run: &Run) -> Result<Vec<u8>, CheckpointError> {
    let world = run.sim.world();
    let dump = world.resource::<Objects>().dump();
    let parts = dump.rows.iter().map(|row| {
        let row = row.as_ref()?;
        let entity = world.resource::<Objects>().row(row.object)?.entity;
        Some(commit::dump_parts(world, entity))
    });
    let parts = parts.collect();
    let mut resources = BTreeMap::new();
    macro_rules! put_all {
        ($($name:ident),*) => { $(put::<$name>(world, &mut resources)?;)* };
    }
    plain_resources!(put_all);
    let mut behaviours = BTreeMap::new();
    for kept in &run.sim.kept {
        behaviours.insert(kept.name.to_string(), (kept.save)(world)?);
    }
    let state = State {
        version: VERSION.to_string(),
        place: run.place.clone(),
        judge: run.judge.clone(),
        namespaces_made: run.namespaces_made.clone(),
        names: clone_of(world.resource::<Names>())?,
        labels: clone_of(world.resource::<LabelSets>())?,
        selectors: world.resource::<Selectors>().dump(),
        classes: world.resource::<Classes>().dump(),
        broken_images: world.resource::<Programs>().broken().clone(),
        objects: dump,
        parts,
        versions: commit::dump_versions(world)?,
        resources,
        behaviours,
    };
    Ok(postcard::to_stdvec(&state)?)
}

fn clone_of<T: Serialize + DeserializeOwned>(value: &T) -> Result<T, CheckpointError> {
    Ok(postcard::from_bytes(&postcard::to_stdvec(value)?)?)
}

/// Resumes a run of the same scene from what [`save`] gave.
///
/// # Errors
/// [`CheckpointError`] when the bytes are no checkpoint of this version with these behaviours.
pub fn resume(scene: Scene, options: &RunOptions, install: impl FnOnce(&mut Simulation), bytes: &[u8]) -> Result<Run, CheckpointError> {
    let state: State = postcard::from_bytes(bytes)?;
    if state.version != VERSION {
        return Err(CheckpointError::Unreadable(format!("found {:?}, expected {VERSION:?}", state.version)));
    }
    let mut run = Run::unbuilt(scene, options, install);
    let expected: Vec<String> = run.sim.kept.iter().map(|kept| kept.name.to_string()).collect::<BTreeSet<_>>().into_iter().collect();
    let found: Vec<String> = state.behaviours.keys().cloned().collect();
    if expected != found {
        return Err(CheckpointError::OtherBehaviours { found, expected });
    }
    let recording = run.sim.get::<Journal>().recording();
    let live = run.sim.get::<Cursors>().live;
    let loads: Vec<_> = run.sim.kept.iter().map(|kept| (kept.name, kept.load)).collect();
    let world = run.sim.world_mut();
    let mut names = state.names;
    world.insert_resource(Classes::restore(&mut names, state.classes));
    world.insert_resource(names);
    world.insert_resource(state.labels);
    world.insert_resource(Selectors::restore(state.selectors));
    world.resource_mut::<Programs>().restore_broken(state.broken_images);
    let entities: Vec<Option<Entity>> = state.parts.iter().map(|parts| parts.as_ref().map(|_| world.spawn_empty().id())).collect();
    for (entity, parts) in entities.iter().zip(state.parts) {
        if let (Some(entity), Some(parts)) = (entity, parts) {
            commit::restore_parts(world, *entity, parts);
        }
    }
    let objects = Objects::restore(state.objects, |slot| entities[slot.at()].expect("every row has its parts"));
    world.insert_resource(objects);
    commit::restore_versions(world, state.versions)?;
    let resources = state.resources;
    macro_rules! take_all {
        ($($name:ident),*) => { $(take::<$name>(world, &resources)?;)* };
    }
    plain_resources!(take_all);
    for (name, load) in loads {
        load(world, &state.behaviours[name])?;
    }
    world.resource_mut::<Journal>().record(recording);
    world.resource_mut::<Cursors>().live = live;
    if options.causes {
        // The queues that were just put back keep none.
        run.sim.keep_causes();
        run.sim.resume_causes();
    }
    run.place = state.place;
    run.judge = state.judge;
    run.namespaces_made = state.namespaces_made;
    Ok(run)
}
