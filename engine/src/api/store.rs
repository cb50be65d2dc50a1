//! The store: components that nobody outside can write, their older versions, and the views through which parties read.

use crate::api::objects::{Objects, Row};
use crate::api::queue::{Cursors, QueueOf};
use crate::api::state::State;
use crate::ids::{Kind, ObjRef, ObjectKey, Revision, Uid};
use crate::model::labels::LabelSetId;
use crate::names::Sym;
use bevy_ecs::component::Component;
use bevy_ecs::prelude::{Query, Res};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A part of an object's state, with the revision of its last write and the link to the version before.
#[derive(Component)]
pub struct Obj<T: State> {
    pub(in crate::api) value: T,
    pub(in crate::api) written: Revision,
    /// Number of the version before, counted from 1; 0 for none.
    pub(in crate::api) older: u64,
}

impl<T: State> Obj<T> {
    pub(in crate::api) fn first(value: T, written: Revision) -> Obj<T> {
        Obj { value, written, older: 0 }
    }

    pub(crate) fn value(&self) -> &T {
        &self.value
    }
}

#[derive(Serialize, Deserialize)]
struct Version<T> {
    value: T,
    written: Revision,
    overwritten: Revision,
    older: u64,
}

/// Older values of one component, newest last, as far back as the slowest cursor needs. ECS resource.
#[derive(Resource, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Versions<T: State> {
    list: VecDeque<Version<T>>,
    /// Number of versions dropped from the front.
    dropped: u64,
}

impl<T: State> Default for Versions<T> {
    fn default() -> Versions<T> {
        Versions { list: VecDeque::new(), dropped: 0 }
    }
}

impl<T: State> Versions<T> {
    pub(in crate::api) fn push(&mut self, value: T, written: Revision, overwritten: Revision, older: u64) -> u64 {
        self.list.push_back(Version { value, written, overwritten, older });
        self.dropped + self.list.len() as u64
    }

    /// Drops versions that no cursor at or after `seen` can ask for.
    pub(in crate::api) fn prune(&mut self, seen: Revision) {
        while self.list.front().is_some_and(|version| version.overwritten <= seen) {
            self.list.pop_front();
            self.dropped += 1;
        }
    }

    fn at(&self, mut number: u64, cursor: Revision) -> Option<(&T, Revision)> {
        while number > self.dropped {
            let version = &self.list[(number - self.dropped - 1) as usize];
            if version.written <= cursor {
                return Some((&version.value, version.written));
            }
            number = version.older;
        }
        None
    }
}

/// A party's read access to one part of objects' state, as of what the party has seen. `Q` is the party's work queue.
#[derive(SystemParam)]
pub struct View<'w, 's, Q: Send + Sync + 'static, T: State> {
    cells: Query<'w, 's, &'static Obj<T>>,
    versions: Res<'w, Versions<T>>,
    objects: Res<'w, Objects>,
    cursors: Res<'w, Cursors>,
    party: Res<'w, QueueOf<Q>>,
}

impl<Q: Send + Sync + 'static, T: State> View<'_, '_, Q, T> {
    /// The state of an object, or `None` when the party knows no such object (or it has no such part).
    pub fn get(&self, object: ObjRef) -> Option<&T> {
        self.get_versioned(object).map(|(value, _)| value)
    }

    /// The same with the revision of the write that made this part so.
    pub fn get_versioned(&self, object: ObjRef) -> Option<(&T, Revision)> {
        let cursor = self.cursors.of(self.party.id);
        let row = self.objects.row_at(object, cursor)?;
        let cell = self.cells.get(row.entity).ok()?;
        if cell.written <= cursor { Some((&cell.value, cell.written)) } else { self.versions.at(cell.older, cursor) }
    }

    /// The last state of an object that is gone but not yet forgotten; the present state otherwise.
    pub fn get_even_gone(&self, object: ObjRef) -> Option<&T> {
        let row = self.objects.row(object)?;
        self.cells.get(row.entity).ok().map(|cell| &cell.value)
    }
}

/// A party's access to the lists of objects, as of what it has seen.
#[derive(SystemParam)]
pub struct Listing<'w, Q: Send + Sync + 'static> {
    objects: Res<'w, Objects>,
    cursors: Res<'w, Cursors>,
    party: Res<'w, QueueOf<Q>>,
}

impl<Q: Send + Sync + 'static> Listing<'_, Q> {
    /// The party's cursor.
    pub fn cursor(&self) -> Revision {
        self.cursors.of(self.party.id)
    }

    /// Whether the party knows the object.
    pub fn knows(&self, object: ObjRef) -> bool {
        self.objects.row_at(object, self.cursor()).is_some()
    }

    /// Index row of an object that the party knows: key, controller, node, labels at present.
    pub fn row(&self, object: ObjRef) -> Option<&Row> {
        self.objects.row_at(object, self.cursor())
    }

    /// Index row of an object that a reply named, whether or not the party's watches have told of it yet.
    pub fn answered(&self, object: ObjRef) -> Option<&Row> {
        self.objects.row(object)
    }

    /// The living object with a key that a reply named, whether or not the party's watches have told of it yet.
    pub fn answered_key(&self, key: ObjectKey) -> Option<ObjRef> {
        self.objects.by_key(key)
    }

    /// Whether the party has seen everything up to a revision.
    pub fn has_seen(&self, revision: Revision) -> bool {
        revision <= self.cursor()
    }

    /// Pods or ReplicaSets of a namespace that nobody controls, in no order of meaning.
    pub fn uncontrolled(&self, kind: Kind, namespace: Sym) -> impl Iterator<Item = ObjRef> + '_ {
        self.known(self.objects.uncontrolled(kind, namespace))
    }

    /// `resourceVersion` that the party would put into an update for optimistic concurrency: that of the present object when the
    /// party is up to date, else the last revision it has seen.
    pub fn revision(&self, object: ObjRef) -> Revision {
        self.objects.row(object).map_or(Revision(0), |row| row.revision.min(self.cursor()))
    }

    /// The object with a key, if the party knows it.
    pub fn by_key(&self, key: ObjectKey) -> Option<ObjRef> {
        let cursor = self.cursor();
        let present = self.objects.by_key(key).filter(|&object| self.objects.row_at(object, cursor).is_some());
        if present.is_some() || cursor == Revision::HEAD {
            return present;
        }
        let known = self.objects.in_namespace(key.kind, key.namespace).find(|row| row.key == key && row.exists_at(cursor));
        known.map(|row| row.object)
    }

    /// The object with an identity, if the party knows it.
    pub fn by_uid(&self, uid: Uid) -> Option<ObjRef> {
        self.objects.by_uid(uid).filter(|&object| self.knows(object))
    }

    /// Objects of a kind in a namespace, in order of creation.
    pub fn in_namespace(&self, kind: Kind, namespace: Sym) -> impl Iterator<Item = ObjRef> + '_ {
        self.known(self.objects.in_namespace(kind, namespace))
    }

    /// Objects of a kind in a namespace whose selector may match these labels, in order of creation.
    pub fn may_select(&self, kind: Kind, namespace: Sym, labels: &[(Sym, Sym)]) -> impl Iterator<Item = ObjRef> + '_ {
        self.known(self.objects.may_select(kind, namespace, labels.iter().copied()).into_iter())
    }

    /// Objects of a kind, in order of creation.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = ObjRef> + '_ {
        self.known(self.objects.of_kind(kind))
    }

    /// Objects whose controller has this identity, in order of adoption.
    pub fn controlled(&self, owner: Uid) -> impl Iterator<Item = ObjRef> + '_ {
        self.known(self.objects.controlled(owner))
    }

    /// Pods bound to a node, in order of binding.
    pub fn on_node(&self, node: Sym) -> impl Iterator<Item = ObjRef> + '_ {
        let cursor = self.cursor();
        self.objects.on_node(node).filter(move |row| row.exists_at(cursor)).map(|row| row.object)
    }

    /// Pods of a namespace with one label set.
    pub fn labelled(&self, namespace: Sym, labels: LabelSetId) -> impl Iterator<Item = ObjRef> + '_ {
        self.known(self.objects.labelled(namespace, labels))
    }

    fn known<'a>(&'a self, rows: impl Iterator<Item = &'a Row> + 'a) -> impl Iterator<Item = ObjRef> + 'a {
        let cursor = self.cursor();
        rows.filter(move |row| row.exists_at(cursor)).map(|row| row.object)
    }
}
