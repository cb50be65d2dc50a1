//! Restlessness, judged for each object: two controllers that undo each other's writes within one instant.

use crate::api::log::Entry;
use crate::api::request::Actor;
use crate::ids::{ObjRef, ObjectKey};
use crate::time::SimTime;
use bevy_ecs::resource::Resource;

/// Most versions of one object within one instant. Source: `design.md` §2.
pub const VERSIONS_MAX: u32 = 1000;

/// Writes of each object within the present instant. ECS resource.
#[derive(Debug, Default, Resource)]
pub struct Fights {
    at: SimTime,
    /// Number of the instant.
    instant: u32,
    /// By slot: the instant and the versions written within it.
    versions: Vec<(u32, u32)>,
    found: Option<Fight>,
}

/// An object that does not come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fight {
    /// The object.
    pub object: ObjRef,
    /// Its key.
    pub key: ObjectKey,
    /// Who wrote last.
    pub actor: Actor,
    /// Versions written within the instant.
    pub versions: u32,
}

impl Fights {
    pub(crate) fn wrote(&mut self, entry: &Entry) {
        if entry.at != self.at {
            self.at = entry.at;
            self.instant += 1;
        }
        let at = entry.object.slot.at();
        if self.versions.len() <= at {
            self.versions.resize(at + 1, (0, 0));
        }
        let (instant, versions) = &mut self.versions[at];
        if *instant != self.instant || entry.changes.meets(crate::api::state::Changes::ADDED) {
            (*instant, *versions) = (self.instant, 0);
        }
        *versions += 1;
        if *versions > VERSIONS_MAX && self.found.is_none() {
            self.found = Some(Fight { object: entry.object, key: entry.key, actor: entry.actor, versions: *versions });
        }
    }

    /// The fight found, if any.
    pub(crate) fn found(&self) -> Option<Fight> {
        self.found
    }
}
