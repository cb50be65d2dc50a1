//! Refused requests, counted by actor and message, for the summary and for tests.

use crate::api::request::{Actor, Refusal};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Distinct messages kept; further ones are counted only.
const KEPT_MAX: usize = 1000;

/// Refused requests. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
pub struct Refusals {
    counts: BTreeMap<(Actor, u16, String), u64>,
    more: u64,
}

impl Refusals {
    pub(crate) fn note(&mut self, actor: Actor, refusal: &Refusal) {
        let key = (actor, refusal.code, refusal.message.clone());
        if self.counts.len() < KEPT_MAX || self.counts.contains_key(&key) {
            *self.counts.entry(key).or_insert(0) += 1;
        } else {
            self.more += 1;
        }
    }

    /// Refusals by (actor, code, message) with their count.
    pub fn iter(&self) -> impl Iterator<Item = (Actor, u16, &str, u64)> {
        self.counts.iter().map(|((actor, code, message), count)| (*actor, *code, message.as_str(), *count))
    }
}
