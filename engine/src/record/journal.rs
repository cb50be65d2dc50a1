//! The journal: every visible change, one line each. Its digest is always kept; its text only on request.

use crate::api::commit::Act;
use crate::api::log::Entry;
use crate::api::objects::Objects;
use crate::api::queue::Queues;
use crate::api::state::StateValue;
use crate::hash::StableHasher;
use crate::ids::{ObjRef, ObjectKey, Revision};
use crate::model::kinds::Kinds;
use crate::names::{Names, Sym};
use crate::record::fields;
use crate::time::SimTime;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: SimTime,
    /// Revision of the write.
    pub revision: Revision,
    /// The revision that made the actor act; 0 for a timer or the script.
    pub cause: Revision,
    /// The object: `kind/name`, or `kind/namespace/name` outside the namespace `default`.
    pub object: String,
    /// What changed: a field's path, or `object` for creation and removal.
    pub field: String,
    /// Old value; `-` for none.
    pub old: String,
    /// New value; `-` for none.
    pub new: String,
    /// Who wrote.
    pub actor: String,
}

impl Line {
    /// The line as a JSON object, `wavetank.journal/1`: times in nanoseconds since the epoch.
    pub fn json(&self) -> String {
        let line = serde_json::json!({
            "schema": "wavetank.journal/1", "at_ns": self.at.0, "revision": self.revision.0, "cause": self.cause.0, "object": self.object,
            "field": self.field, "old": self.old, "new": self.new, "actor": self.actor,
        });
        line.to_string()
    }

    /// The line as text: time, object, field, old -> new, actor.
    pub fn text(&self) -> String {
        let change = format!("{} -> {}", self.old, self.new);
        format!("{}  {:<32} {:<34} {:<40} {}", self.at.clock(), self.object, self.field, change, self.actor)
    }
}

/// The journal. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
pub struct Journal {
    on: bool,
    lines: Vec<Line>,
    digest: u64,
}

impl Journal {
    /// An empty journal, with or without text.
    pub fn new(on: bool) -> Journal {
        Journal { on, lines: Vec::new(), digest: 0 }
    }

    /// Whether lines are kept.
    pub fn recording(&self) -> bool {
        self.on
    }

    /// Starts or stops keeping lines.
    pub fn record(&mut self, on: bool) {
        self.on = on;
    }

    /// The lines kept so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Takes the lines kept so far.
    pub fn take(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// Digest of everything entered since the beginning.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn add(&mut self, lines: Vec<Line>) {
        self.lines.extend(lines);
    }

    /// Takes the hash of a new state into the digest.
    pub(crate) fn fold(&mut self, hash: u64) {
        let mut hasher = StableHasher::default();
        (self.digest, hash).hash(&mut hasher);
        self.digest = hasher.finish();
    }

    /// Takes a log entry into the digest.
    pub(crate) fn entered(&mut self, entry: &Entry) {
        let mut hasher = StableHasher::default();
        (self.digest, entry.revision, entry.at, entry.changes, entry.object.uid, entry.actor, entry.cause).hash(&mut hasher);
        self.digest = hasher.finish();
    }

    /// The lines of a changed part.
    pub(crate) fn diff(
        world: &World,
        act: Act,
        object: ObjRef,
        revision: Revision,
        old: Option<&StateValue>,
        new: &StateValue,
    ) -> Vec<Line> {
        let key = world.resource::<Objects>().row(object).map(|row| row.key);
        let Some(key) = key else { return Vec::new() };
        let cx = fields::Cx::new(world);
        let old_fields = old.map_or(Vec::new(), |old| fields::fields(&cx, old));
        let new_fields = fields::fields(&cx, new);
        let names = world.resource::<Names>();
        let object = object_text(names, world.resource::<Kinds>(), key);
        let line = |field: &str, old: &str, new: &str| Line {
            at: act.now,
            revision,
            cause: world.resource::<Queues>().plain(act.cause),
            object: object.clone(),
            field: field.to_string(),
            old: shown(old),
            new: shown(new),
            actor: actor_text(names, act.actor),
        };
        let value =
            |list: &[(String, String)], field: &str| list.iter().find(|pair| pair.0 == field).map_or(String::new(), |pair| pair.1.clone());
        let mut lines = Vec::new();
        for (field, new) in &new_fields {
            let old = value(&old_fields, field);
            if old != *new {
                lines.push(line(field, &old, new));
            }
        }
        for (field, old) in &old_fields {
            if !old.is_empty() && !new_fields.iter().any(|pair| pair.0 == *field) {
                lines.push(line(field, old, ""));
            }
        }
        lines
    }

    pub(crate) fn added(world: &World, entry: &Entry) -> Line {
        Journal::whole(world, entry, "-", "created")
    }

    pub(crate) fn gone(world: &World, entry: &Entry) -> Line {
        Journal::whole(world, entry, "present", "gone")
    }

    fn whole(world: &World, entry: &Entry, old: &str, new: &str) -> Line {
        let names = world.resource::<Names>();
        Line {
            at: entry.at,
            revision: entry.revision,
            cause: entry.cause,
            object: object_text(names, world.resource::<Kinds>(), entry.key),
            field: "object".into(),
            old: old.into(),
            new: new.into(),
            actor: actor_text(names, entry.actor),
        }
    }
}

fn shown(value: &str) -> String {
    if value.is_empty() { "-".into() } else { value.replace('\n', "\\n") }
}

fn actor_text(names: &Names, actor: Sym) -> String {
    names.text(actor).to_string()
}

/// An object as journals and messages name it: `pod/web-1`, `pod/shop/web-1` outside `default`, `node/n1`.
pub fn object_text(names: &Names, kinds: &Kinds, key: ObjectKey) -> String {
    let word = kinds.word(key.kind);
    let namespace = names.text(key.namespace);
    if namespace.is_empty() || namespace == "default" {
        format!("{word}/{}", names.show(key.name))
    } else {
        format!("{word}/{namespace}/{}", names.show(key.name))
    }
}
