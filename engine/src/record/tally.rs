//! Counts over the whole run, kept as the API server writes.

use crate::hash::LookupMap;
use crate::ids::Uid;
use crate::model::meta::{ConditionStatus, condition, condition_true};
use crate::model::pod::PodStatus;
use crate::time::{SimDuration, SimTime};
use crate::words;
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};

/// Counts over the whole run. ECS resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Resource)]
pub struct Tally {
    /// Pods created.
    pub pods_created: u64,
    /// Pods removed from the store.
    pub pods_deleted: u64,
    /// Pods bound to a node.
    pub bindings: u64,
    /// Container restarts.
    pub restarts: u64,
    /// Pods that got the condition DisruptionTarget.
    pub evictions: u64,
    /// Pods that the scheduler could not place at first, which have been bound or are gone.
    pub waited: u64,
    /// The longest such wait, from creation to binding or removal.
    pub waited_max: SimDuration,
    /// Pods that still wait, and since when they exist.
    waiting: LookupMap<Uid, SimTime>,
}

impl Tally {
    /// Takes in a change of a pod's status.
    pub(crate) fn take_in(&mut self, pod: Uid, created_at: SimTime, counted: Counted) {
        self.restarts += counted.restarts;
        self.evictions += u64::from(counted.evicted);
        if counted.unplaced {
            self.waiting.entry(pod).or_insert(created_at);
        }
    }

    /// Takes in a binding.
    pub(crate) fn bound(&mut self, pod: Uid, now: SimTime) {
        self.bindings += 1;
        self.end_wait(pod, now);
    }

    /// Takes in a removal.
    pub(crate) fn gone(&mut self, pod: Uid, now: SimTime) {
        self.pods_deleted += 1;
        self.end_wait(pod, now);
    }

    fn end_wait(&mut self, pod: Uid, now: SimTime) {
        if !self.waiting.is_empty()
            && let Some(since) = self.waiting.remove(&pod)
        {
            self.waited += 1;
            self.waited_max = self.waited_max.max(now.since(since));
        }
    }

    /// Pods that waited, those that still wait included, and the longest wait until `now`.
    pub fn waits(&self, now: SimTime) -> (u64, SimDuration) {
        let longest = self.waiting.values().map(|&since| now.since(since)).max().unwrap_or_default();
        (self.waited + self.waiting.len() as u64, self.waited_max.max(longest))
    }
}

/// What one change of a pod's status adds to the counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    restarts: u64,
    evicted: bool,
    unplaced: bool,
}

impl Counted {
    /// The difference between two statuses of a pod.
    pub fn of(old: &PodStatus, new: &PodStatus) -> Counted {
        let restarts =
            |status: &PodStatus| status.containers.iter().chain(&status.init_containers).map(|c| u64::from(c.restarts)).sum::<u64>();
        let target = |status: &PodStatus| condition_true(&status.conditions, words::DISRUPTION_TARGET);
        let unplaced =
            |status: &PodStatus| condition(&status.conditions, words::POD_SCHEDULED).is_some_and(|c| c.status == ConditionStatus::False);
        Counted {
            restarts: restarts(new).saturating_sub(restarts(old)),
            evicted: target(new) && !target(old),
            unplaced: unplaced(new) && !unplaced(old),
        }
    }
}
