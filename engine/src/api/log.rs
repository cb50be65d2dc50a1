//! The watch log: one entry for each write, kept as far back as the slowest cursor and the horizon need.

use crate::api::request::Actor;
use crate::api::state::Changes;
use crate::ids::{ObjRef, ObjectKey, Revision, Uid};
use crate::model::labels::LabelSetId;
use crate::names::Sym;
use crate::time::SimTime;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// One write. `ADDED` and `DELETED` of the API are the bits `ADDED` and `GONE` of `changes`; everything else is `MODIFIED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Revision of the write.
    pub revision: Revision,
    /// When.
    pub at: SimTime,
    /// What changed.
    pub changes: Changes,
    /// The object.
    pub object: ObjRef,
    /// Its key.
    pub key: ObjectKey,
    /// Who wrote.
    pub actor: Actor,
    /// The revision that made the actor act; 0 for a timer or the script.
    pub cause: Revision,
    /// Identity of the controller after the write, or `Uid(0)`.
    pub controller: Uid,
    /// The same before the write.
    pub old_controller: Uid,
    /// Labels after the write.
    pub labels: LabelSetId,
    /// Labels before the write.
    pub old_labels: LabelSetId,
    /// Node of a pod after the write.
    pub node: Sym,
}

/// A watch from a revision that the log no longer holds: the API's 410. The party lists again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Expired {
    /// Revision asked for.
    pub asked: u64,
    /// Oldest revision that can be watched from.
    pub oldest: u64,
}

/// The log. ECS resource.
#[derive(Debug, Clone, Default, Serialize, Deserialize, bevy_ecs::resource::Resource)]
pub struct Log {
    entries: VecDeque<Entry>,
    compacted: Revision,
    total: u64,
}

impl Log {
    pub(crate) fn push(&mut self, entry: Entry) {
        let follows = self.entries.back().is_none_or(|last| last.revision.0 + 1 == entry.revision.0);
        assert!(follows, "each revision has one entry, in order");
        self.total += 1;
        self.entries.push_back(entry);
    }

    /// Entries after `cursor`, oldest first.
    ///
    /// # Errors
    /// [`Expired`] when entries after `cursor` were compacted away.
    pub fn since(&self, cursor: Revision) -> Result<impl Iterator<Item = &Entry>, Expired> {
        if cursor < self.compacted {
            return Err(Expired { asked: cursor.0, oldest: self.compacted.0 });
        }
        let first = self.entries.front().map_or(0, |entry| entry.revision.0);
        let from = (cursor.0 + 1).saturating_sub(first).min(self.entries.len() as u64);
        Ok(self.entries.range(from as usize..))
    }

    /// Entries held, newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    /// The entry of a revision, while the log holds it.
    pub fn entry(&self, revision: Revision) -> Option<&Entry> {
        let at = revision.0.checked_sub(self.entries.front()?.revision.0)?;
        self.entries.get(at as usize)
    }

    /// Drops entries up to and including `revision`.
    pub(crate) fn compact(&mut self, revision: Revision) {
        while self.entries.front().is_some_and(|entry| entry.revision <= revision) {
            self.entries.pop_front();
        }
        self.compacted = self.compacted.max(revision);
    }

    /// Entries held now.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no entry is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries written since the beginning.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The revision of the `keep`-th entry from the end, or the compacted one: where to compact so that `keep` stay.
    pub(crate) fn revision_keeping(&self, keep: usize) -> Revision {
        if self.entries.len() <= keep { self.compacted } else { self.entries[self.entries.len() - keep - 1].revision }
    }
}
