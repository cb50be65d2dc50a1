//! LIST, then WATCH from its revision: how a party outside the behaviours follows objects of one kind.
//!
//! Behaviours read through views and are woken by rules; a reflector is for programs that embed a simulation and want what a client
//! of the API server gets. Source: `spec/lifecycle.md` §1, `client-go/tools/cache/reflector.go`.

use crate::api::log::{Entry, Expired, Log};
use crate::api::objects::Objects;
use crate::api::state::Changes;
use crate::ids::{Kind, ObjRef, ObjectKey, Revision};
use crate::simulation::Simulation;
use std::collections::BTreeMap;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatchType {
    /// It came to be.
    Added,
    /// It was written.
    Modified,
    /// It is gone.
    Deleted,
}

/// One event of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchEvent {
    /// What happened.
    pub what: WatchType,
    /// The object.
    pub object: ObjRef,
    /// Its key.
    pub key: ObjectKey,
    /// Revision of the write; after a relist that of the list.
    pub revision: Revision,
}

/// The answer to a LIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The revision that the list shows; watches go on from it.
    pub revision: Revision,
    /// Objects with key and revision of their last write, in order of creation.
    pub objects: Vec<(ObjRef, ObjectKey, Revision)>,
}

impl Simulation {
    /// All objects of a kind as they are now.
    pub fn list(&self, kind: Kind) -> Listed {
        let objects = self.get::<Objects>();
        let living = objects.of_kind(kind).filter(|row| row.gone == Revision::HEAD);
        let mut found: Vec<_> = living.map(|row| (row.object, row.key, row.revision)).collect();
        found.sort_unstable_by_key(|(object, ..)| *object);
        Listed { revision: objects.head(), objects: found }
    }

    /// What happened to objects of a kind after a revision.
    ///
    /// # Errors
    /// [`Expired`], the API's 410, when the log no longer reaches back so far: list again.
    pub fn watch(&self, kind: Kind, from: Revision) -> Result<Vec<WatchEvent>, Expired> {
        let entries = self.get::<Log>().since(from)?;
        Ok(entries.filter(|entry| entry.key.kind == kind).map(WatchEvent::of).collect())
    }
}

impl WatchEvent {
    fn of(entry: &Entry) -> WatchEvent {
        let what = match entry.changes {
            changes if changes.meets(Changes::GONE) => WatchType::Deleted,
            changes if changes.meets(Changes::ADDED) => WatchType::Added,
            _ => WatchType::Modified,
        };
        WatchEvent { what, object: entry.object, key: entry.key, revision: entry.revision }
    }
}

/// A client's cache of one kind: it lists once, then watches, and lists again when its revision has expired.
#[derive(Debug, Clone)]
pub struct Reflector {
    kind: Kind,
    revision: Option<Revision>,
    known: BTreeMap<ObjRef, (ObjectKey, Revision)>,
    lists: u64,
}

impl Reflector {
    /// A cache that has seen nothing yet.
    pub fn new(kind: Kind) -> Reflector {
        Reflector { kind, revision: None, known: BTreeMap::new(), lists: 0 }
    }

    /// Objects known, with key and revision, in order of creation.
    pub fn known(&self) -> impl Iterator<Item = (ObjRef, ObjectKey, Revision)> + '_ {
        self.known.iter().map(|(&object, &(key, revision))| (object, key, revision))
    }

    /// How often it listed: once, and once more for each expired watch.
    pub fn lists(&self) -> u64 {
        self.lists
    }

    /// Catches up with the present, and tells what it heard. After a relist those are the differences to what was known.
    pub fn catch_up(&mut self, sim: &Simulation) -> Vec<WatchEvent> {
        let watched = self.revision.map(|from| sim.watch(self.kind, from));
        let heard = match watched {
            Some(Ok(events)) => events,
            Some(Err(Expired { .. })) | None => self.relist(&sim.list(self.kind)),
        };
        for event in &heard {
            match event.what {
                WatchType::Deleted => self.known.remove(&event.object),
                WatchType::Added | WatchType::Modified => self.known.insert(event.object, (event.key, event.revision)),
            };
        }
        self.revision = Some(sim.get::<Objects>().head());
        heard
    }

    fn relist(&mut self, list: &Listed) -> Vec<WatchEvent> {
        self.lists += 1;
        let mut heard = Vec::new();
        let mut gone = self.known.clone();
        for &(object, key, revision) in &list.objects {
            let what = match gone.remove(&object) {
                None => WatchType::Added,
                Some((_, seen)) if seen != revision => WatchType::Modified,
                Some(_) => continue,
            };
            heard.push(WatchEvent { what, object, key, revision });
        }
        let deleted = |(object, (key, _))| WatchEvent { what: WatchType::Deleted, object, key, revision: list.revision };
        heard.extend(gone.into_iter().map(deleted));
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::request::{NewObject, Reply, Verb};
    use crate::model::meta::Meta;
    use crate::model::opaque::Namespace;
    use crate::names::{Names, Sym};
    use crate::simulation::Settings;

    fn create(sim: &mut Simulation, name: &str) -> ObjRef {
        let (name, actor) = (sim.get_mut::<Names>().name(name), sim.get_mut::<Names>().sym("script"));
        let meta = Meta::new(Kind::Namespace, Sym::EMPTY, name);
        let new = NewObject { meta, states: vec![Namespace { finalized: true, ..Namespace::default() }.into()] };
        match sim.ask(actor, Verb::Create(Box::new(new))) {
            Ok(Reply::Created(object)) => object,
            other => panic!("a namespace can be created: {other:?}"),
        }
    }

    fn delete(sim: &mut Simulation, object: ObjRef) {
        let actor = sim.get_mut::<Names>().sym("script");
        sim.ask(actor, Verb::Delete { object, grace_s: None, propagation: None }).expect("it can be deleted");
    }

    fn cached(reflector: &Reflector) -> Vec<(ObjRef, ObjectKey, Revision)> {
        reflector.known().collect()
    }

    #[test]
    fn a_reflector_lists_once_and_then_hears_of_each_write() {
        let mut sim = Simulation::new(&Settings::default());
        let mut reflector = Reflector::new(Kind::Namespace);
        create(&mut sim, "a");
        assert_eq!(reflector.catch_up(&sim).len(), 1);
        let b = create(&mut sim, "b");
        delete(&mut sim, b);
        sim.settle().expect("nobody fights");
        let heard: Vec<WatchType> = reflector.catch_up(&sim).iter().map(|event| event.what).collect();
        assert_eq!((heard.first(), reflector.lists()), (Some(&WatchType::Added), 1));
        assert_eq!(cached(&reflector), sim.list(Kind::Namespace).objects);
        assert_eq!(reflector.catch_up(&sim), []);
    }

    #[test]
    fn a_reflector_behind_the_horizon_lists_again() {
        let mut sim = Simulation::new(&Settings { log_entries_kept: 4, ..Settings::default() });
        let mut reflector = Reflector::new(Kind::Namespace);
        let first = create(&mut sim, "first");
        reflector.catch_up(&sim);
        delete(&mut sim, first);
        for number in 0..20 {
            create(&mut sim, &format!("n{number}"));
            sim.settle().expect("nobody fights");
        }
        let error = sim.watch(Kind::Namespace, Revision(1)).expect_err("the log was compacted");
        assert!(error.to_string().starts_with("too old resource version: 1 ("), "{error}");
        let added = reflector.catch_up(&sim).iter().filter(|event| event.what == WatchType::Added).count();
        assert_eq!((added, reflector.lists()), (20, 2));
        assert_eq!(cached(&reflector), sim.list(Kind::Namespace).objects);
    }
}
