//! The index of the store: where each object is, its revision, and the lists it stands in. Values stand in components.

use crate::api::links::Links;
use crate::hash::{FixedState, LookupMap, LookupSet};
use crate::ids::{Kind, ObjRef, ObjectKey, Revision, Slot, Uid};
use crate::model::labels::LabelSetId;
use crate::model::meta::OwnerRef;
use crate::model::select::SelectorId;
use crate::names::Sym;
use crate::time::SimTime;
use crate::uid_table::UidTable;
use bevy_ecs::entity::Entity;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::hash::BuildHasher;

/// What the index knows of the object in a slot.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub(crate) entity: Entity,
    /// The object.
    pub object: ObjRef,
    /// Its key.
    pub key: ObjectKey,
    /// Revision of its creation.
    pub created: Revision,
    /// Revision of its removal; [`Revision::HEAD`] while it lives.
    pub gone: Revision,
    /// Revision of its last write: `resourceVersion`.
    pub revision: Revision,
    /// Identity of its controller, or `Uid(0)`.
    pub controller: Uid,
    /// Node that it is bound to (pods).
    pub node: Sym,
    /// Its labels.
    pub labels: LabelSetId,
    /// Its selector (kinds that select pods).
    pub selector: Option<SelectorId>,
    /// Number of the instant of its last write, and the versions written within it.
    pub(crate) versions: (u32, u32),
}

impl Row {
    /// Whether the object exists for a party that has seen everything up to `cursor`.
    pub fn exists_at(&self, cursor: Revision) -> bool {
        self.created <= cursor && cursor < self.gone || cursor == Revision::HEAD && self.gone == Revision::HEAD
    }
}

/// A label that a selector demands, as key and value; both empty: it demands none.
pub(crate) type Demand = (Sym, Sym);

/// The index. ECS resource.
#[derive(Default, bevy_ecs::resource::Resource)]
pub struct Objects {
    rows: Vec<Option<Row>>,
    free: Vec<Slot>,
    next_uid: u64,
    head: Revision,
    /// The instant of the last write, and its number.
    instant: (SimTime, u32),
    /// Slots of living objects by key.
    by_key: HashTable<u32>,
    by_uid: UidTable,
    in_namespace: Links<(Kind, Sym)>,
    of_kind: Links<Kind>,
    controlled: Links<Uid>,
    /// Pods and ReplicaSets that nobody controls.
    uncontrolled: Links<(Kind, Sym)>,
    on_node: Links<Sym>,
    labelled: Links<(Sym, LabelSetId)>,
    /// Objects with a selector, by a label that it demands.
    selecting: LookupMap<(Kind, Sym, Demand), BTreeSet<ObjRef>>,
    /// The label under which an object stands in `selecting`.
    demands: LookupMap<Uid, Demand>,
    tombstones: VecDeque<ObjRef>,
    alive: usize,
    generated: LookupMap<(Sym, Sym), u64>,
    /// Objects by an owner that does not control them; entries may be out of date.
    owned: LookupMap<Uid, Vec<ObjRef>>,
    /// Objects that named an owner that was not there.
    absent: LookupSet<Uid>,
}

impl Objects {
    /// Revision of the last write.
    pub fn head(&self) -> Revision {
        self.head
    }

    /// Number of living objects.
    pub fn len(&self) -> usize {
        self.alive
    }

    /// Whether no object lives.
    pub fn is_empty(&self) -> bool {
        self.alive == 0
    }

    /// The row of an object that lives, or is gone but not yet forgotten.
    pub fn row(&self, object: ObjRef) -> Option<&Row> {
        self.rows.get(object.slot.at())?.as_ref().filter(|row| row.object.uid == object.uid)
    }

    /// The row of an object that exists for a party with `cursor`.
    pub fn row_at(&self, object: ObjRef, cursor: Revision) -> Option<&Row> {
        self.row(object).filter(|row| row.exists_at(cursor))
    }

    /// The living object with a key.
    pub fn by_key(&self, key: ObjectKey) -> Option<ObjRef> {
        let at = |slot: u32| self.rows[slot as usize].as_ref().expect("listed slots are taken");
        let slot = self.by_key.find(FixedState.hash_one(key), |&slot| at(slot).key == key)?;
        Some(at(*slot).object)
    }

    /// The object with an identity, living or not yet forgotten.
    pub fn by_uid(&self, uid: Uid) -> Option<ObjRef> {
        self.by_uid.get(uid).map(|slot| ObjRef { uid, slot: Slot(slot) })
    }

    /// Rows of one kind in one namespace, gone ones included, in order of creation (a re-used slot keeps that order).
    pub fn in_namespace(&self, kind: Kind, namespace: Sym) -> impl Iterator<Item = &Row> {
        self.rows_of(self.in_namespace.iter((kind, namespace)))
    }

    /// Rows of one kind, gone ones included, in order of creation.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Row> {
        self.rows_of(self.of_kind.iter(kind))
    }

    /// Rows of the objects that one object controls, gone ones included, in order of adoption.
    pub fn controlled(&self, owner: Uid) -> impl Iterator<Item = &Row> {
        self.rows_of(self.controlled.iter(owner))
    }

    /// Rows of the pods or ReplicaSets of a namespace that nobody controls, gone ones included.
    pub fn uncontrolled(&self, kind: Kind, namespace: Sym) -> impl Iterator<Item = &Row> {
        self.rows_of(self.uncontrolled.iter((kind, namespace)))
    }

    /// Rows of the pods bound to a node, gone ones included, in order of binding.
    pub fn on_node(&self, node: Sym) -> impl Iterator<Item = &Row> {
        self.rows_of(self.on_node.iter(node))
    }

    /// Rows of the pods of a namespace with one label set, gone ones included.
    pub fn labelled(&self, namespace: Sym, labels: LabelSetId) -> impl Iterator<Item = &Row> {
        self.rows_of(self.labelled.iter((namespace, labels)))
    }

    /// Number of objects of a kind in a namespace, gone ones included.
    pub fn count_in_namespace(&self, kind: Kind, namespace: Sym) -> usize {
        self.in_namespace.len((kind, namespace))
    }

    /// Rows of the objects of a kind in a namespace whose selector may match one of these labels, gone ones included, in order of creation.
    pub fn may_select(&self, kind: Kind, namespace: Sym, labels: impl Iterator<Item = (Sym, Sym)>) -> Vec<&Row> {
        let sets = labels.chain([(Sym::EMPTY, Sym::EMPTY)]).filter_map(|demand| self.selecting.get(&(kind, namespace, demand)));
        let mut found: Vec<ObjRef> = sets.flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(|object| self.row(object)).collect()
    }

    /// Notes what the selector of an object demands; `None`: it has no selector.
    pub(crate) fn note_demand(&mut self, object: ObjRef, demand: Option<Demand>) {
        let Some(key) = self.row(object).map(|row| row.key) else { return };
        let old = match demand {
            Some(demand) => self.demands.insert(object.uid, demand),
            None => self.demands.remove(&object.uid),
        };
        if old == demand {
            return;
        }
        if let Some(old) = old {
            self.unlist_demand(object, key, old);
        }
        if let Some(demand) = demand {
            self.selecting.entry((key.kind, key.namespace, demand)).or_default().insert(object);
        }
    }

    fn unlist_demand(&mut self, object: ObjRef, key: ObjectKey, demand: Demand) {
        let place = (key.kind, key.namespace, demand);
        if let Some(set) = self.selecting.get_mut(&place) {
            set.remove(&object);
            if set.is_empty() {
                self.selecting.remove(&place);
            }
        }
    }

    /// Objects that name an owner, controlled ones first. Some may have let it go since.
    pub fn dependents(&self, owner: Uid) -> Vec<ObjRef> {
        let controlled = self.controlled(owner).filter(|row| row.gone == Revision::HEAD).map(|row| row.object);
        let others = self.owned.get(&owner).into_iter().flatten().copied();
        controlled.chain(others.filter(|&object| self.row(object).is_some_and(|row| row.gone == Revision::HEAD))).collect()
    }

    /// Objects that an object names or named as owners without being controlled by them, in order of identity.
    ///
    /// Looks through all such owners: few objects have any.
    pub fn other_owners(&self, object: ObjRef) -> Vec<ObjRef> {
        let naming = self.owned.iter().filter(|(_, list)| list.contains(&object));
        let mut owners: Vec<ObjRef> = naming.filter_map(|(&owner, _)| self.by_uid(owner)).collect();
        owners.sort_unstable();
        owners
    }

    /// Whether an object with this identity lives.
    pub fn lives(&self, uid: Uid) -> bool {
        self.by_uid(uid).and_then(|object| self.row(object)).is_some_and(|row| row.gone == Revision::HEAD)
    }

    /// Whether an object named an owner that was not there when it was written.
    pub fn names_absent_owner(&self, object: ObjRef) -> bool {
        !self.absent.is_empty() && self.absent.contains(&object.uid)
    }

    /// Notes the owners of an object that do not control it.
    pub(crate) fn note_owners(&mut self, object: ObjRef, owners: &[OwnerRef]) {
        for owner in owners {
            match owner.uid {
                Some(uid) if owner.controller => {
                    if !self.lives(uid) {
                        self.absent.insert(object.uid);
                    }
                }
                Some(uid) => {
                    let list = self.owned.entry(uid).or_default();
                    if !list.contains(&object) {
                        list.push(object);
                    }
                }
                None => {
                    self.absent.insert(object.uid);
                }
            }
        }
    }

    /// All rows of living objects, for those whom no order concerns.
    pub fn living_in_any_order(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().flatten().filter(|row| row.gone == Revision::HEAD)
    }

    /// All rows of living objects, in order of creation number.
    pub fn living(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.living_in_any_order().collect();
        rows.sort_unstable_by_key(|row| row.object.uid);
        rows
    }

    fn rows_of<'a>(&'a self, slots: impl Iterator<Item = Slot> + 'a) -> impl Iterator<Item = &'a Row> {
        slots.map(|slot| self.rows[slot.at()].as_ref().expect("listed slots are taken"))
    }

    /// How many names were generated from a base in a namespace before; counts this one.
    pub(crate) fn count_generated(&mut self, namespace: Sym, base: Sym) -> u64 {
        let count = self.generated.entry((namespace, base)).or_insert(0);
        *count += 1;
        *count - 1
    }

    /// The number of the instant, counted by those in which something is written.
    pub(crate) fn instant(&mut self, now: SimTime) -> u32 {
        if self.instant.0 != now {
            self.instant = (now, self.instant.1 + 1);
        }
        self.instant.1
    }

    /// The next revision, taken.
    pub(crate) fn advance(&mut self) -> Revision {
        self.head.0 += 1;
        self.head
    }

    /// The next identity and a slot for it.
    pub(crate) fn take_slot(&mut self) -> ObjRef {
        self.next_uid += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            Slot(u32::try_from(self.rows.len() - 1).expect("fewer than 2^32 objects"))
        });
        ObjRef { uid: Uid(self.next_uid), slot }
    }

    pub(crate) fn insert(&mut self, row: Row) {
        let slot = row.object.slot;
        self.alive += 1;
        self.by_uid.insert(row.object.uid, slot.0);
        self.in_namespace.insert((row.key.kind, row.key.namespace), slot);
        self.of_kind.insert(row.key.kind, slot);
        self.link_controller(&row);
        if !row.node.is_empty() {
            self.on_node.insert(row.node, slot);
        }
        if row.key.kind == Kind::Pod {
            self.labelled.insert((row.key.namespace, row.labels), slot);
        }
        self.rows[slot.at()] = Some(row);
        self.list_key(slot, row.key);
    }

    /// Lets the living object in a slot be found by its key.
    fn list_key(&mut self, slot: Slot, key: ObjectKey) {
        let rows = &self.rows;
        let hash = |&slot: &u32| FixedState.hash_one(rows[slot as usize].as_ref().expect("listed slots are taken").key);
        self.by_key.insert_unique(FixedState.hash_one(key), slot.0, hash);
    }

    fn link_controller(&mut self, row: &Row) {
        if row.controller != Uid(0) {
            self.controlled.insert(row.controller, row.object.slot);
        } else if matches!(row.key.kind, Kind::Pod | Kind::ReplicaSet) {
            self.uncontrolled.insert((row.key.kind, row.key.namespace), row.object.slot);
        }
    }

    fn unlink_controller(&mut self, row: &Row) {
        if row.controller != Uid(0) {
            self.controlled.remove(row.controller, row.object.slot);
        } else if matches!(row.key.kind, Kind::Pod | Kind::ReplicaSet) {
            self.uncontrolled.remove((row.key.kind, row.key.namespace), row.object.slot);
        }
    }

    /// Brings the lists and the revision up to date after a write. Gives the row as it was and as it is.
    pub(crate) fn update(&mut self, object: ObjRef, now: SimTime, change: impl FnOnce(&mut Row)) -> (Row, Row) {
        let (slot, instant) = (object.slot, self.instant(now));
        let row = self.rows[slot.at()].as_mut().expect("only living objects are written");
        let old = *row;
        row.versions = (instant, if old.versions.0 == instant { old.versions.1 + 1 } else { 1 });
        change(row);
        let new = *row;
        if old.controller != new.controller {
            self.unlink_controller(&old);
            self.link_controller(&new);
        }
        if old.node != new.node {
            if !old.node.is_empty() {
                self.on_node.remove(old.node, slot);
            }
            if !new.node.is_empty() {
                self.on_node.insert(new.node, slot);
            }
        }
        if old.labels != new.labels && new.key.kind == Kind::Pod {
            self.labelled.remove((new.key.namespace, old.labels), slot);
            self.labelled.insert((new.key.namespace, new.labels), slot);
        }
        (old, new)
    }

    /// Marks an object as gone. Its row and components stay until [`Objects::forget`].
    pub(crate) fn bury(&mut self, object: ObjRef, gone: Revision) {
        let row = self.rows[object.slot.at()].as_mut().expect("only living objects are removed");
        row.gone = gone;
        row.revision = gone;
        if let Ok(found) = self.by_key.find_entry(FixedState.hash_one(row.key), |&slot| slot == object.slot.0) {
            found.remove();
        }
        self.tombstones.push_back(object);
        self.alive -= 1;
    }

    /// Whether objects are gone and not yet forgotten.
    pub(crate) fn has_tombstones(&self) -> bool {
        !self.tombstones.is_empty()
    }

    /// Forgets objects that were gone at `seen` or before, and gives back their entities. Slots are free again.
    pub(crate) fn forget(&mut self, seen: Revision) -> Vec<Entity> {
        let mut entities = Vec::new();
        while let Some(&object) = self.tombstones.front() {
            let row = self.rows[object.slot.at()].expect("a tombstone keeps its row");
            if row.gone > seen {
                break;
            }
            self.tombstones.pop_front();
            self.by_uid.remove(object.uid);
            self.owned.remove(&object.uid);
            self.absent.remove(&object.uid);
            if let Some(demand) = self.demands.remove(&object.uid) {
                self.unlist_demand(object, row.key, demand);
            }
            self.in_namespace.remove((row.key.kind, row.key.namespace), object.slot);
            self.of_kind.remove(row.key.kind, object.slot);
            self.unlink_controller(&row);
            if !row.node.is_empty() {
                self.on_node.remove(row.node, object.slot);
            }
            if row.key.kind == Kind::Pod {
                self.labelled.remove((row.key.namespace, row.labels), object.slot);
            }
            self.rows[object.slot.at()] = None;
            self.free.push(object.slot);
            entities.push(row.entity);
        }
        entities
    }

    /// Everything but the entities, for a checkpoint.
    pub(crate) fn dump(&self) -> ObjectsDump {
        ObjectsDump {
            rows: self.rows.iter().map(|row| row.map(|row| RowDump::of(&row))).collect(),
            free: self.free.clone(),
            next_uid: self.next_uid,
            head: self.head,
            in_namespace: self.in_namespace.dump(),
            of_kind: self.of_kind.dump(),
            controlled: self.controlled.dump(),
            uncontrolled: self.uncontrolled.dump(),
            on_node: self.on_node.dump(),
            labelled: self.labelled.dump(),
            tombstones: self.tombstones.clone(),
            generated: self.generated.iter().map(|(&key, &count)| (key, count)).collect(),
            owned: self.owned.iter().map(|(&owner, list)| (owner, list.clone())).collect(),
            absent: self.absent.iter().copied().collect(),
            demands: self.demands.iter().map(|(&uid, &demand)| (uid, demand)).collect(),
        }
    }

    /// The reverse of [`Objects::dump`]; `entity` gives the entity of each row.
    pub(crate) fn restore(dump: ObjectsDump, mut entity: impl FnMut(Slot) -> Entity) -> Objects {
        let rows: Vec<Option<Row>> = dump.rows.into_iter().map(|row| row.map(|row| row.row(entity(row.object.slot)))).collect();
        let mut by_uid = UidTable::default();
        rows.iter().flatten().for_each(|row| by_uid.insert(row.object.uid, row.object.slot.0));
        let living: Vec<Row> = rows.iter().flatten().filter(|row| row.gone == Revision::HEAD).copied().collect();
        let mut objects = Objects {
            instant: (SimTime::default(), 0),
            by_key: HashTable::with_capacity(living.len()),
            by_uid,
            alive: living.len(),
            free: dump.free,
            next_uid: dump.next_uid,
            head: dump.head,
            in_namespace: Links::restore(dump.in_namespace),
            of_kind: Links::restore(dump.of_kind),
            controlled: Links::restore(dump.controlled),
            uncontrolled: Links::restore(dump.uncontrolled),
            on_node: Links::restore(dump.on_node),
            labelled: Links::restore(dump.labelled),
            tombstones: dump.tombstones,
            generated: dump.generated.into_iter().collect(),
            owned: dump.owned.into_iter().collect(),
            absent: dump.absent.into_iter().collect(),
            selecting: LookupMap::default(),
            demands: LookupMap::default(),
            rows,
        };
        for (uid, demand) in dump.demands {
            if let Some(object) = objects.by_uid(uid) {
                objects.note_demand(object, Some(demand));
            }
        }
        living.iter().for_each(|row| objects.list_key(row.object.slot, row.key));
        objects
    }
}

/// The index as a checkpoint keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ObjectsDump {
    pub(crate) rows: Vec<Option<RowDump>>,
    free: Vec<Slot>,
    next_uid: u64,
    head: Revision,
    in_namespace: Vec<((Kind, Sym), Vec<Slot>)>,
    of_kind: Vec<(Kind, Vec<Slot>)>,
    controlled: Vec<(Uid, Vec<Slot>)>,
    uncontrolled: Vec<((Kind, Sym), Vec<Slot>)>,
    on_node: Vec<(Sym, Vec<Slot>)>,
    labelled: Vec<((Sym, LabelSetId), Vec<Slot>)>,
    tombstones: VecDeque<ObjRef>,
    generated: Vec<((Sym, Sym), u64)>,
    owned: Vec<(Uid, Vec<ObjRef>)>,
    absent: Vec<Uid>,
    demands: Vec<(Uid, Demand)>,
}

/// A row as a checkpoint keeps it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct RowDump {
    pub(crate) object: ObjRef,
    key: ObjectKey,
    created: Revision,
    gone: Revision,
    revision: Revision,
    controller: Uid,
    node: Sym,
    labels: LabelSetId,
    selector: Option<SelectorId>,
}

impl RowDump {
    fn of(row: &Row) -> RowDump {
        let &Row { entity: _, object, key, created, gone, revision, controller, node, labels, selector, versions: _ } = row;
        RowDump { object, key, created, gone, revision, controller, node, labels, selector }
    }

    fn row(self, entity: Entity) -> Row {
        let RowDump { object, key, created, gone, revision, controller, node, labels, selector } = self;
        Row { entity, object, key, created, gone, revision, controller, node, labels, selector, versions: (0, 0) }
    }
}
