//! Counts over the whole run, kept as the API server writes.

use crate::hash::LookupMap;
use crate::ids::Uid;
use crate::model::meta::{ConditionStatus, condition, condition_true};
use crate::model::pod::PodStatus;
use crate::names::{Names, Sym};
use crate::time::{SimDuration, SimTime};
use crate::words;
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// What stood in the way of pods at their first attempt, and of how many.
    pub wait_reasons: BTreeMap<String, u64>,
    /// Pods that still wait, and since when they exist.
    waiting: LookupMap<Uid, SimTime>,
}

/// The reasons in a scheduler's message, sorted, without numbers of nodes: `Insufficient cpu, Insufficient memory` of
/// `0/9 nodes are available: 2 Insufficient memory, 9 Insufficient cpu. preemption: ...`.
fn reasons(message: &str) -> String {
    let Some((_, said)) = message.split_once(" nodes are available: ") else { return message.trim_end_matches('.').to_string() };
    let said = said.split_once(". ").map_or(said, |(said, _)| said).trim_end_matches('.');
    let bare = |reason: &str| reason.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().to_string();
    let mut list: Vec<String> = said.split(", ").map(bare).collect();
    list.sort();
    list.dedup();
    list.join(", ")
}

impl Tally {
    /// Takes in a change of a pod's status.
    pub(crate) fn take_in(&mut self, pod: Uid, created_at: SimTime, counted: Counted, names: &Names) {
        self.restarts += counted.restarts;
        self.evictions += u64::from(counted.evicted);
        if let Some(message) = counted.unplaced
            && self.waiting.insert(pod, created_at).is_none()
        {
            *self.wait_reasons.entry(reasons(names.text(message))).or_insert(0) += 1;
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
    /// The scheduler's message, when it found no node.
    unplaced: Option<Sym>,
}

impl Counted {
    /// The difference between two statuses of a pod.
    pub fn of(old: &PodStatus, new: &PodStatus) -> Counted {
        let restarts =
            |status: &PodStatus| status.containers.iter().chain(&status.init_containers).map(|c| u64::from(c.restarts)).sum::<u64>();
        let target = |status: &PodStatus| condition_true(&status.conditions, words::DISRUPTION_TARGET);
        let refused = |status: &PodStatus| {
            let condition = condition(&status.conditions, words::POD_SCHEDULED);
            condition.filter(|c| c.status == ConditionStatus::False).map(|c| c.message)
        };
        Counted {
            restarts: restarts(new).saturating_sub(restarts(old)),
            evicted: target(new) && !target(old),
            unplaced: refused(new).filter(|_| refused(old).is_none()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_of_the_nodes_without_their_numbers() {
        for (message, want) in [
            ("0/3 nodes are available: 3 Insufficient cpu.", "Insufficient cpu"),
            (
                "0/9 nodes are available: 2 Insufficient memory, 9 Insufficient cpu. preemption: 0/9 nodes are available: 9 No preemption victims found for incoming pod.",
                "Insufficient cpu, Insufficient memory",
            ),
            (
                "0/9 nodes are available: 4 node(s) had untolerated taint(s), 5 Too many pods.",
                "Too many pods, node(s) had untolerated taint(s)",
            ),
            ("no nodes available to schedule pods", "no nodes available to schedule pods"),
        ] {
            assert_eq!(reasons(message), want);
        }
    }
}
