//! A loaded scene becomes a world: namespaces, nodes and objects, created through the same door as everyone's.

use crate::api::json_in::Tables;
use crate::api::request::{NewObject, Reply, Verb};
use crate::api::state::StateValue;
use crate::hash::LookupMap;
use crate::ids::{Kind, ObjectKey};
use crate::model::kinds::Kinds;
use crate::model::labels::LabelSets;
use crate::model::meta::{Condition, ConditionStatus, Meta};
use crate::model::opaque::Namespace;
use crate::model::pod_class::Classes;
use crate::model::select::Selectors;
use crate::names::{Names, Sym};
use crate::scene::model::SceneObject;
use crate::scene::past;
use crate::simulation::{Epoch, Simulation};
use crate::words;
use bevy_ecs::prelude::ResMut;
use bevy_ecs::system::SystemState;
use std::sync::Arc;

/// Namespaces that every cluster has. Source: `spec/lifecycle.md` §5.
const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// Who creates what a scene begins with, and acts for the script.
pub const SCRIPT: &str = "script";

type TableParams<'w> = (ResMut<'w, Names>, ResMut<'w, LabelSets>, ResMut<'w, Selectors>, ResMut<'w, Classes>, ResMut<'w, Kinds>);

/// Works with the tables into which objects are read.
pub fn with_tables<R>(sim: &mut Simulation, work: impl FnOnce(&mut Tables) -> R) -> R {
    let epoch_unix_s = sim.get::<Epoch>().0;
    let world = sim.world_mut();
    let mut state: SystemState<TableParams> = SystemState::new(world);
    let (mut names, mut labels, mut selectors, mut classes, mut kinds) = state.get_mut(world).expect("the tables are always there");
    work(&mut Tables {
        names: &mut names,
        labels: &mut labels,
        selectors: &mut selectors,
        classes: &mut classes,
        kinds: &mut kinds,
        epoch_unix_s,
    })
}

/// Creates what the scene begins with. Returns the namespaces that were used without being defined.
///
/// # Errors
/// What the API server refused, one sentence for each object.
pub(crate) fn create_all(sim: &mut Simulation, objects: &[SceneObject]) -> Result<Vec<String>, Vec<String>> {
    let mut reader = Reader::with_past();
    let mut unfinished = Vec::new();
    let made = create_namespaces(sim, objects, &mut reader, &mut unfinished);
    let actor = sim.get_mut::<Names>().sym(SCRIPT);
    let mut refused = Vec::new();
    let mut address = NODES_FROM;
    for object in objects {
        let new = reader.read(sim, object);
        let mut new = match new.meta.kind {
            Kind::Node => registered(sim, new, &mut address),
            _ => new,
        };
        if new.meta.kind == Kind::Namespace && exists(sim, &new) {
            continue;
        }
        past::connect(sim, &mut new);
        match sim.ask(actor, Verb::Create(Box::new(new))) {
            Ok(Reply::Created(created)) => past::note(sim, created, object, &mut unfinished),
            Ok(_) => {}
            Err(refusal) => refused.push(format!("{}/{}: {}", object.kind().to_ascii_lowercase(), object.name(), refusal.message)),
        }
    }
    past::finish(sim, unfinished);
    if refused.is_empty() { Ok(made) } else { Err(refused) }
}

fn exists(sim: &Simulation, new: &NewObject) -> bool {
    let key = ObjectKey { kind: new.meta.kind, namespace: new.meta.namespace, name: new.meta.name };
    sim.get::<crate::api::objects::Objects>().by_key(key).is_some()
}

/// Reads scene objects; a body that is shared is read once.
#[derive(Default)]
pub(crate) struct Reader {
    /// Whether objects keep the status and the past that they are written with: those of time zero alone.
    brings_status: bool,
    bodies: LookupMap<usize, (Arc<serde_json::Value>, Vec<StateValue>)>,
}

impl Reader {
    /// A reader of objects of time zero.
    pub(super) fn with_past() -> Reader {
        Reader { brings_status: true, ..Reader::default() }
    }

    pub(crate) fn read(&mut self, sim: &mut Simulation, object: &SceneObject) -> NewObject {
        with_tables(sim, |tables| {
            let text = |field: &str| object.body.get(field).and_then(serde_json::Value::as_str).unwrap_or("").to_string();
            let kind = tables.kinds.kind_of(&text("apiVersion"), &text("kind"));
            let mut meta = tables.meta(kind, &object.metadata);
            let address = Arc::as_ptr(&object.body) as usize;
            let mut states = match self.bodies.get(&address) {
                Some((_, states)) => states.clone(),
                None => {
                    let states = tables.states(kind, &object.body);
                    self.bodies.insert(address, (object.body.clone(), states.clone()));
                    states
                }
            };
            if self.brings_status {
                tables.bring_status(&mut meta, &mut states, &object.metadata, &object.body);
            }
            NewObject { meta, states }
        })
    }
}

fn create_namespaces<'o>(
    sim: &mut Simulation,
    objects: &'o [SceneObject],
    reader: &mut Reader,
    unfinished: &mut Vec<past::Unfinished<'o>>,
) -> Vec<String> {
    let defined = |name: &str| objects.iter().find(|object| object.kind() == "Namespace" && object.name() == name);
    let mut used: Vec<&str> = objects.iter().filter_map(SceneObject::namespace).collect();
    used.sort_unstable();
    used.dedup();
    let missing: Vec<String> =
        used.into_iter().filter(|name| defined(name).is_none() && !NAMESPACES.contains(name)).map(str::to_string).collect();
    let all = NAMESPACES.iter().copied().map(str::to_string).chain(missing.iter().cloned());
    let wanted: Vec<String> =
        all.chain(objects.iter().filter(|object| object.kind() == "Namespace").map(|object| object.name().to_string())).collect();
    for name in wanted {
        match defined(&name).filter(|object| past::has_past(object)) {
            None => {
                ensure_namespace(sim, &name);
            }
            Some(object) => past::namespace(sim, object, reader, unfinished),
        }
    }
    missing
}

/// Creates a namespace unless it is there. Returns whether it was not.
pub(crate) fn ensure_namespace(sim: &mut Simulation, name: &str) -> bool {
    let key = |name| ObjectKey { kind: Kind::Namespace, namespace: Sym::EMPTY, name };
    let objects = sim.get::<crate::api::objects::Objects>();
    if sim.get::<Names>().find_name(name).is_some_and(|name| objects.by_key(key(name)).is_some()) {
        return false;
    }
    let actor = sim.get_mut::<Names>().sym(SCRIPT);
    let new = with_tables(sim, |tables| {
        let text = tables.names.sym(name);
        let mut meta = Meta::new(Kind::Namespace, Sym::EMPTY, tables.names.name(name));
        meta.labels = tables.labels.intern(tables.names, [(words::NAMESPACE_LABEL, text)]);
        NewObject { meta, states: vec![Namespace::default().into()] }
    });
    let created = sim.ask(actor, Verb::Create(Box::new(new)));
    assert!(matches!(created, Ok(Reply::Created(_))), "a namespace that is not there can be created: {created:?}");
    true
}

/// A node of time zero is registered and Ready, and has a kubelet that reports. Source: `design.md` §5, `spec/kubelet.md` §2.
fn registered(sim: &mut Simulation, mut new: NewObject, address: &mut u32) -> NewObject {
    let now = sim.now();
    let good = [
        (words::MEMORY_PRESSURE, false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        (words::DISK_PRESSURE, false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        (words::PID_PRESSURE, false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        (words::READY, true, "KubeletReady", "kubelet is posting ready status"),
    ];
    join(sim, &mut new, address);
    let mut names = sim.get_mut::<Names>();
    for state in &mut new.states {
        let StateValue::NodeStatus(status) = state else { continue };
        for (kind, holds, reason, message) in good {
            if crate::model::meta::condition(&status.conditions, kind).is_none() {
                let (reason, message) = (names.sym(reason), names.sym(message));
                let status_word = if holds { ConditionStatus::True } else { ConditionStatus::False };
                status.conditions.push(Condition { kind, status: status_word, reason, message, transition_at: now, update_at: now });
            }
        }
    }
    new
}

/// Addresses of nodes that have none of their own follow this one: 172.16.0.0.
const NODES_FROM: u32 = 172 << 24 | 16 << 16;

/// A machine joins with a kubelet that reports from now on. It gets the address after `last` unless its manifest gives it one.
fn join(sim: &Simulation, new: &mut NewObject, last: &mut u32) {
    for state in &mut new.states {
        let StateValue::NodeStatus(status) = state else { continue };
        status.heartbeat_from = Some(sim.now());
        if status.address == 0 {
            *last += 1;
            status.address = *last;
        } else if status.address >> 20 == NODES_FROM >> 20 {
            *last = status.address.max(*last);
        }
    }
}

/// The same in the middle of a run.
pub(crate) fn join_later(sim: &Simulation, new: &mut NewObject) {
    let nodes = sim.get::<crate::api::objects::Objects>().of_kind(Kind::Node);
    let addresses = nodes.filter_map(|row| sim.state::<crate::model::node::NodeStatus>(row.object)).map(|status| status.address);
    let mut last = next_node_address(addresses) - 1;
    join(sim, new, &mut last);
}

/// The address of a node that joins, after those of others.
pub(crate) fn next_node_address(taken: impl Iterator<Item = u32>) -> u32 {
    taken.filter(|address| address >> 20 == NODES_FROM >> 20).max().unwrap_or(NODES_FROM) + 1
}
