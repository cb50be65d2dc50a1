//! A loaded scene becomes a world: namespaces, nodes and objects, created through the same door as everyone's.

use crate::api::json_in::Tables;
use crate::api::request::{NewObject, Reply, Verb};
use crate::api::state::StateValue;
use crate::hash::LookupMap;
use crate::ids::{Kind, ObjectKey};
use crate::model::kinds::Kinds;
use crate::model::labels::{LabelSetId, LabelSets};
use crate::model::meta::{Condition, ConditionStatus, Meta};
use crate::model::opaque::Namespace;
use crate::model::pod_class::Classes;
use crate::model::select::Selectors;
use crate::names::{Names, Sym};
use crate::scene::model::{Metadata, SceneObject};
use crate::scene::past;
use crate::simulation::{Epoch, Simulation};
use crate::words;
use bevy_ecs::prelude::ResMut;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Namespaces that every cluster has. Source: `spec/lifecycle.md` §5.
const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// Who creates what a scene begins with, and acts for the script.
pub const SCRIPT: &str = "script";

/// The tables into which objects are read.
pub(crate) type TableParams<'w> = (ResMut<'w, Names>, ResMut<'w, LabelSets>, ResMut<'w, Selectors>, ResMut<'w, Classes>, ResMut<'w, Kinds>);

/// Works with the tables into which objects are read.
pub fn with_tables<R>(sim: &mut Simulation, work: impl FnOnce(&mut Tables) -> R) -> R {
    let epoch_unix_s = sim.get::<Epoch>().0;
    let (world, state) = sim.tables();
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
    let mut registration = Registration { last_address: NODES_FROM, words: [None; GOOD.len()] };
    for object in objects {
        let mut new = reader.read(sim, object);
        if new.meta.kind == Kind::Node {
            registration.register(sim, &mut new);
        }
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

/// Labels that nodes of a pool have in common, as the first of them has them, by their address; they are kept alive.
type SharedLabels = LookupMap<usize, (Arc<Map<String, Value>>, LabelSetId)>;

/// Reads scene objects; a body that is shared is read once.
#[derive(Default)]
pub(crate) struct Reader {
    /// Whether objects keep the status and the past that they are written with: those of time zero alone.
    brings_status: bool,
    /// By the address of what was read, which is kept alive.
    bodies: LookupMap<usize, (Arc<Value>, Kind, Vec<StateValue>)>,
    labels: SharedLabels,
}

impl Reader {
    /// A reader of objects of time zero.
    pub(super) fn with_past() -> Reader {
        Reader { brings_status: true, ..Reader::default() }
    }

    pub(crate) fn read(&mut self, sim: &mut Simulation, object: &SceneObject) -> NewObject {
        with_tables(sim, |tables| {
            let address = Arc::as_ptr(&object.body) as usize;
            let (mut meta, mut states) = match self.bodies.get(&address) {
                Some((_, kind, states)) => (meta_of(&mut self.labels, tables, *kind, object), states.clone()),
                None => {
                    let text = |field: &str| object.body.get(field).and_then(Value::as_str).unwrap_or("");
                    let kind = tables.kinds.kind_of(text("apiVersion"), text("kind"));
                    let meta = meta_of(&mut self.labels, tables, kind, object);
                    let states = tables.states(kind, &object.body);
                    self.bodies.insert(address, (object.body.clone(), kind, states.clone()));
                    (meta, states)
                }
            };
            if self.brings_status {
                tables.bring_status(&mut meta, &mut states, object.metadata.written(), &object.body);
            }
            NewObject { meta, states }
        })
    }
}

/// Reads `metadata`; labels that were read before are looked at again for the node's own alone.
fn meta_of(known: &mut SharedLabels, tables: &mut Tables, kind: Kind, object: &SceneObject) -> Meta {
    let Metadata::OfPool { name, labels } = &object.metadata else { return tables.meta(kind, object.metadata.written()) };
    let address = Arc::as_ptr(labels) as usize;
    let Some((_, first)) = known.get(&address) else {
        let meta = tables.meta(kind, &object.metadata.whole());
        known.insert(address, (labels.clone(), meta.labels));
        return meta;
    };
    let mut meta = Meta::new(kind, Sym::EMPTY, tables.names.name(name));
    meta.labels = *first;
    for (label, _) in labels.iter().filter(|(_, text)| text.is_null()) {
        let (label, own) = (tables.names.sym(label), tables.names.whole(meta.name));
        meta.labels = tables.labels.with(tables.names, meta.labels, label, own);
    }
    meta
}

fn create_namespaces<'o>(
    sim: &mut Simulation,
    objects: &'o [SceneObject],
    reader: &mut Reader,
    unfinished: &mut Vec<past::Unfinished<'o>>,
) -> Vec<String> {
    let written: Vec<&SceneObject> = objects.iter().filter(|object| object.kind() == "Namespace").collect();
    let defined = |name: &str| written.iter().copied().find(|object| object.name() == name);
    let mut used: Vec<&str> = objects.iter().filter_map(SceneObject::namespace).collect();
    used.sort_unstable();
    used.dedup();
    let missing: Vec<String> =
        used.into_iter().filter(|name| defined(name).is_none() && !NAMESPACES.contains(name)).map(str::to_string).collect();
    let all = NAMESPACES.iter().copied().map(str::to_string).chain(missing.iter().cloned());
    let wanted: Vec<String> = all.chain(written.iter().map(|object| object.name().to_string())).collect();
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

/// Conditions that a kubelet reports of a node where all is well: type, status, reason, message.
const GOOD: [(Sym, ConditionStatus, &str, &str); 4] = [
    (words::MEMORY_PRESSURE, ConditionStatus::False, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    (words::DISK_PRESSURE, ConditionStatus::False, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    (words::PID_PRESSURE, ConditionStatus::False, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    (words::READY, ConditionStatus::True, "KubeletReady", "kubelet is posting ready status"),
];

/// What one node of time zero after another is registered with.
struct Registration {
    last_address: u32,
    /// Reason and message of each of the [`GOOD`] conditions, once a node needed them.
    words: [Option<(Sym, Sym)>; GOOD.len()],
}

impl Registration {
    /// A node of time zero is registered and Ready, and has a kubelet that reports. Source: `design.md` §5, `spec/kubelet.md` §2.
    fn register(&mut self, sim: &mut Simulation, new: &mut NewObject) {
        let now = sim.now();
        join(sim, new, &mut self.last_address);
        for state in &mut new.states {
            let StateValue::NodeStatus(status) = state else { continue };
            for ((kind, holds, reason, message), words) in GOOD.into_iter().zip(&mut self.words) {
                if crate::model::meta::condition(&status.conditions, kind).is_none() {
                    let (reason, message) = *words.get_or_insert_with(|| {
                        let mut names = sim.get_mut::<Names>();
                        (names.sym(reason), names.sym(message))
                    });
                    status.conditions.push(Condition { kind, status: holds, reason, message, transition_at: now, update_at: now });
                }
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::format::Pool;
    use crate::scene::pools::nodes_of;
    use crate::simulation::Settings;
    use crate::source::{Problems, Sources, Span};

    fn pool(labels: &[(&str, &str)], zones: &[&str]) -> Pool {
        Pool {
            name: "node".into(),
            count: 7,
            allocatable: [("cpu".to_string(), "4".to_string())].into(),
            capacity: Default::default(),
            labels: labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            taints: Vec::new(),
            zones: zones.iter().map(|zone| zone.to_string()).collect(),
            node_info: Default::default(),
            static_pods: Vec::new(),
        }
    }

    #[test]
    fn nodes_of_a_pool_are_read_like_nodes_that_are_written_one_by_one() {
        let file = Sources::default().add("pools", "");
        for (labels, zones) in [
            (&[][..], &[][..]),
            (&[("tier", "x")], &["a", "b", "c"]),
            (&[("kubernetes.io/hostname", "same"), ("topology.kubernetes.io/zone", "z")], &["a", "b"]),
        ] {
            let nodes = nodes_of(&pool(labels, zones), Span::new(file, 0, 0), &mut Problems::default());
            let whole =
                |node: &SceneObject| SceneObject { metadata: Metadata::Written(node.metadata.whole().into_owned()), ..node.clone() };
            let written: Vec<SceneObject> = nodes.iter().map(whole).collect();
            let read = |objects: &[SceneObject]| {
                let (mut sim, mut reader) = (Simulation::new(&Settings::default()), Reader::with_past());
                let read: Vec<NewObject> = objects.iter().map(|object| reader.read(&mut sim, object)).collect();
                let sets: Vec<Vec<(String, String)>> = read.iter().map(|new| texts(&sim, new.meta.labels)).collect();
                (read.into_iter().map(|new| (new.meta, new.states)).collect::<Vec<_>>(), sets)
            };
            let ((one, sets), (other, other_sets)) = (read(&nodes), read(&written));
            assert_eq!(sets, other_sets);
            assert_eq!(one, other, "symbols and sets get the same numbers, so digests stay");
            let own = sets.iter().filter(|set| set.iter().any(|(key, value)| key == "kubernetes.io/hostname" && value != "same"));
            assert_eq!(own.count(), if labels.len() == 2 { 0 } else { 7 });
        }
    }

    fn texts(sim: &Simulation, set: LabelSetId) -> Vec<(String, String)> {
        let names = sim.get::<Names>();
        let pairs = sim.get::<LabelSets>().pairs(set).iter();
        pairs.map(|&(key, value)| (names.text(key).to_string(), names.text(value).to_string())).collect()
    }
}
