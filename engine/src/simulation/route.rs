//! Routing: which behaviour hears of which change, as data beside each behaviour.

use crate::api::log::{Entry, Log};
use crate::api::objects::{Objects, Row};
use crate::api::queue::{Cursors, Queues};
use crate::api::request::QueueId;
use crate::api::state::Changes;
use crate::hash::LookupMap;
use crate::ids::{Kind, ObjRef, ObjectKey, Revision, Uid};
use crate::model::labels::LabelSets;
use crate::model::select::Selectors;
use crate::names::{Names, Sym};
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;

/// A wake rule: when an object of a kind changes so, these keys have work.
#[derive(Debug, Clone, Copy)]
pub struct Wake {
    /// Kind of the changed object.
    pub kind: Kind,
    /// Changes that count; any of them.
    pub on: Changes,
    /// Whose key is put into the queue.
    pub whom: Whom,
}

/// Whose key a wake rule puts into the queue.
#[derive(Debug, Clone, Copy)]
pub enum Whom {
    /// The changed object's own.
    Itself,
    /// Its controller's, when that is of this kind; after a change of owners the former controller's too.
    Controller(Kind),
    /// Every object of this kind in the namespace whose selector matches the object's labels, or matched the former ones.
    Selecting(Kind),
    /// Every object of this kind in the namespace whose selector matches, when the changed object has no controller.
    SelectingOrphan(Kind),
    /// The node that the pod is bound to.
    NodeOfPod,
    /// The object of this kind with the same namespace and name.
    SameName(Kind),
    /// The changed pod's own, when it is bound to a node.
    ItselfIfBound,
    /// Its controller's, of whatever kind.
    Owner,
    /// Every object that names it as an owner.
    Dependents,
    /// The changed object's own, when an owner that it names is not there.
    ItselfIfOrphaned,
    /// One fixed key: the behaviour has a single queue entry ([`SINGLE`]).
    Single,
}

/// The key of behaviours that work on the whole and not on one object.
pub const SINGLE: ObjRef = ObjRef { uid: Uid(0), slot: crate::ids::Slot(0) };

/// The rules by kind. ECS resource.
#[derive(Debug, Default, Resource)]
pub struct Routes {
    rules: Vec<(QueueId, Wake)>,
    /// The same, by the kind of the changed object.
    of_kind: LookupMap<Kind, Vec<(QueueId, Wake)>>,
    any_kind: Vec<(QueueId, Changes, Whom)>,
}

impl Routes {
    pub(crate) fn add(&mut self, queue: QueueId, wakes: &[Wake]) {
        for &wake in wakes {
            self.rules.push((queue, wake));
            self.of_kind.entry(wake.kind).or_default().push((queue, wake));
        }
    }

    pub(crate) fn add_any(&mut self, queue: QueueId, on: Changes, whom: Whom) {
        self.any_kind.push((queue, on, whom));
    }

    /// Rules for objects of every kind, in the order of the behaviours.
    pub fn any_kind(&self) -> &[(QueueId, Changes, Whom)] {
        &self.any_kind
    }

    /// All rules, in the order of the behaviours.
    pub fn rules(&self) -> &[(QueueId, Wake)] {
        &self.rules
    }
}

/// Reads the log from each party's cursor to `delivered` and puts keys into queues.
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it reads and writes")]
pub(crate) fn route(
    log: Res<Log>,
    routes: Res<Routes>,
    objects: Res<Objects>,
    labels: Res<LabelSets>,
    selectors: Res<Selectors>,
    names: Res<Names>,
    mut cursors: ResMut<Cursors>,
    mut queues: ResMut<Queues>,
    delivered: Res<Delivered>,
) {
    let Some(from) = cursors.routed.first().copied() else { return };
    if from >= delivered.0 {
        return;
    }
    let entries = log.since(from).expect("the log is kept as far back as the slowest cursor");
    for entry in entries.take_while(|entry| entry.revision <= delivered.0) {
        for (queue, wake) in routes.of_kind.get(&entry.key.kind).into_iter().flatten() {
            if wake.on.meets(entry.changes) {
                wake_by(wake.whom, entry, &objects, &labels, &selectors, &names, &mut |object| queues.push(*queue, object, entry.revision));
            }
        }
        for &(queue, on, whom) in &routes.any_kind {
            if on.meets(entry.changes) {
                wake_by(whom, entry, &objects, &labels, &selectors, &names, &mut |object| queues.push(queue, object, entry.revision));
            }
        }
    }
    for cursor in &mut cursors.routed {
        *cursor = delivered.0;
    }
}

/// The revision up to which watches have been delivered. ECS resource.
#[derive(Debug, Default, Clone, Copy, serde::Serialize, serde::Deserialize, Resource)]
pub struct Delivered(pub Revision);

/// So many selectors are looked at one by one; among more it is looked up whom a label can concern.
const FEW: usize = 8;

fn wake_by(
    whom: Whom,
    entry: &Entry,
    objects: &Objects,
    labels: &LabelSets,
    selectors: &Selectors,
    names: &Names,
    wake: &mut dyn FnMut(ObjRef),
) {
    match whom {
        Whom::Itself => wake(entry.object),
        Whom::ItselfIfBound => {
            if !entry.node.is_empty() {
                wake(entry.object);
            }
        }
        Whom::Single => wake(SINGLE),
        Whom::Owner => {
            for uid in [entry.controller, entry.old_controller] {
                if let Some(owner) = objects.by_uid(uid).filter(|_| uid != Uid(0)) {
                    wake(owner);
                }
            }
            objects.other_owners(entry.object).into_iter().for_each(wake);
        }
        Whom::Dependents => objects.dependents(entry.object.uid).into_iter().for_each(wake),
        Whom::ItselfIfOrphaned => {
            if objects.names_absent_owner(entry.object) || entry.controller != Uid(0) && !objects.lives(entry.controller) {
                wake(entry.object);
            }
        }
        Whom::Controller(kind) => {
            let mut owner = |uid: Uid| {
                let found = objects.by_uid(uid).filter(|&object| objects.row(object).is_some_and(|row| row.key.kind == kind));
                if let Some(object) = found {
                    wake(object);
                }
            };
            if entry.controller != Uid(0) {
                owner(entry.controller);
            }
            if entry.old_controller != entry.controller && entry.old_controller != Uid(0) {
                owner(entry.old_controller);
            }
        }
        Whom::SelectingOrphan(_) if entry.controller != Uid(0) => {}
        Whom::Selecting(kind) | Whom::SelectingOrphan(kind) => {
            let mut look = |row: &Row| {
                let Some(selector) = row.selector else { return };
                let matches = selectors.matches(selector, labels, entry.labels)
                    || entry.old_labels != entry.labels && selectors.matches(selector, labels, entry.old_labels);
                if matches {
                    wake(row.object);
                }
            };
            let namespace = entry.key.namespace;
            if objects.count_in_namespace(kind, namespace) <= FEW {
                objects.in_namespace(kind, namespace).for_each(look);
            } else {
                let pairs = labels.pairs(entry.labels).iter().chain(labels.pairs(entry.old_labels)).copied();
                objects.may_select(kind, namespace, pairs).into_iter().for_each(&mut look);
            }
        }
        Whom::NodeOfPod => {
            let node = (!entry.node.is_empty()).then(|| node_object(objects, names, entry.node)).flatten();
            if let Some(node) = node {
                wake(node);
            }
        }
        Whom::SameName(kind) => {
            let namespace = if kind == Kind::Node { Sym::EMPTY } else { entry.key.namespace };
            if let Some(object) = objects.by_key(ObjectKey { kind, namespace, name: entry.key.name }) {
                wake(object);
            }
        }
    }
}

/// The node with a name.
pub fn node_object(objects: &Objects, names: &Names, node: Sym) -> Option<ObjRef> {
    let name = names.find_name(names.text(node))?;
    objects.by_key(ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name })
}
