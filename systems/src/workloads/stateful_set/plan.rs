//! What one sync of a StatefulSet does, as a pure function of the set and its pods.
//!
//! Source: kubernetes v1.36, `pkg/controller/statefulset/stateful_set_control.go`, `updateStatefulSet`; `spec/workloads.md` §5.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::names::Sym;
use wavetank_engine::time::{SimDuration, SimTime};

/// What a sync looks at in the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetFacts {
    /// `replicas`.
    pub replicas: u32,
    /// `ordinals.start`.
    pub start: u32,
    /// `minReadySeconds`.
    pub min_ready: SimDuration,
    /// `podManagementPolicy` is Parallel.
    pub parallel: bool,
    /// `updateStrategy.type` is OnDelete.
    pub on_delete: bool,
    /// `rollingUpdate.partition`; `None` without `rollingUpdate`.
    pub partition: Option<i32>,
    /// Whether the set is being deleted.
    pub deleting: bool,
    /// Name of the revision that `status.currentRevision` names, or of the update revision.
    pub current: Sym,
    /// Name of the revision of the present template.
    pub update: Sym,
    /// `status.currentReplicas` as last reported.
    pub current_replicas: i32,
}

/// What a sync looks at in a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodFacts {
    /// The number at the end of its name.
    pub ordinal: u32,
    /// `status.phase`.
    pub phase: PodPhase,
    /// When its Ready condition became True, if it is.
    pub ready_at: Option<SimTime>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Its label `controller-revision-hash`.
    pub revision: Sym,
}

/// Something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Create the pod of this ordinal from this revision.
    Create(u32, Sym),
    /// Delete the pod of this ordinal.
    Delete(u32),
}

impl Action {
    /// The pod's ordinal.
    pub fn ordinal(self) -> u32 {
        match self {
            Action::Create(ordinal, _) | Action::Delete(ordinal) => ordinal,
        }
    }
}

/// What the status counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// `replicas`.
    pub replicas: i32,
    /// `readyReplicas`.
    pub ready: i32,
    /// `availableReplicas`.
    pub available: i32,
    /// `currentReplicas`.
    pub current: i32,
    /// `updatedReplicas`.
    pub updated: i32,
}

/// What a sync does. An error in one list keeps the later ones from being carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// For the wanted pods. In Parallel they go out in batches of 1, 2, 4 ...
    pub replicas: Vec<Action>,
    /// For the pods beyond the wanted ones. The same.
    pub condemned: Vec<Action>,
    /// The pod that an update replaces next.
    pub update: Option<Action>,
    /// What the status counts, the replaced pod taken off.
    pub counts: Counts,
    /// Pods that are ready and not yet available become so then.
    pub available_at: Option<SimTime>,
}

/// A pod as the sync sees it: one that exists, or one that is to be created.
#[derive(Clone, Copy)]
struct Slot {
    ordinal: u32,
    pod: Option<PodFacts>,
    revision: Sym,
}

impl Slot {
    fn ready(&self) -> bool {
        self.pod.is_some_and(|pod| pod.phase == PodPhase::Running && pod.ready_at.is_some())
    }

    fn terminating(&self) -> bool {
        self.pod.is_some_and(|pod| pod.terminating)
    }

    fn available(&self, min_ready: SimDuration, now: SimTime) -> bool {
        self.ready() && self.pod.is_some_and(|pod| is_available(&pod, min_ready, now))
    }

    /// Judged by the Ready condition alone: a failed pod that still says it is ready is not unavailable.
    fn unavailable(&self, set: &SetFacts, now: SimTime) -> bool {
        let available = self.pod.is_some_and(|pod| pod.ready_at.is_some() && is_available(&pod, set.min_ready, now));
        !available || self.terminating()
    }
}

fn is_available(pod: &PodFacts, min_ready: SimDuration, now: SimTime) -> bool {
    min_ready == SimDuration::ZERO || pod.ready_at.is_some_and(|at| at + min_ready <= now)
}

/// Decides what one sync does. The order of `pods` does not matter.
pub fn plan(set: &SetFacts, pods: &[PodFacts], now: SimTime) -> Plan {
    let by_ordinal: BTreeMap<u32, PodFacts> = pods.iter().map(|pod| (pod.ordinal, *pod)).collect();
    let end = set.start.saturating_add(set.replicas);
    let existing = |pod: &PodFacts| Slot { ordinal: pod.ordinal, pod: Some(*pod), revision: pod.revision };
    let slot = |ordinal: u32| match by_ordinal.get(&ordinal) {
        Some(pod) => existing(pod),
        None => Slot { ordinal, pod: None, revision: if of_current(set, ordinal) { set.current } else { set.update } },
    };
    let replicas: Vec<Slot> = (set.start..end).map(slot).collect();
    let condemned: Vec<Slot> = by_ordinal.values().rev().filter(|pod| !(set.start..end).contains(&pod.ordinal)).map(existing).collect();
    let mut plan = Plan { counts: counts(set, pods, now), available_at: available_at(set, pods, now), ..Plan::default() };
    if set.deleting {
        return plan;
    }
    let first_unavailable = replicas.iter().chain(condemned.iter().rev()).find(|slot| slot.unavailable(set, now)).map(|slot| slot.ordinal);
    for slot in &replicas {
        let (action, stop) = of_replica(set, slot, now);
        plan.replicas.extend(action);
        if stop && !set.parallel {
            return plan;
        }
    }
    for slot in &condemned {
        let (action, stop) = of_condemned(set, slot, first_unavailable, now);
        plan.condemned.extend(action);
        if stop && !set.parallel {
            return plan;
        }
    }
    if !set.on_delete {
        plan.update = of_update(set, &replicas, now);
        plan.counts.current -= i32::from(plan.update.is_some());
    }
    plan
}

/// Whether a pod that is missing is made from the current revision and not from the update revision.
fn of_current(set: &SetFacts, ordinal: u32) -> bool {
    let below = match set.partition {
        Some(partition) => partition,
        None if set.on_delete => return false,
        None => set.current_replicas,
    };
    i64::from(ordinal) < i64::from(set.start) + i64::from(below)
}

/// What is done for a wanted pod, and whether an ordered set goes no further.
fn of_replica(set: &SetFacts, slot: &Slot, now: SimTime) -> (Option<Action>, bool) {
    match slot.pod {
        Some(pod) if pod.phase.terminal() => ((!pod.terminating).then_some(Action::Delete(slot.ordinal)), true),
        None => (Some(Action::Create(slot.ordinal, slot.revision)), true),
        Some(_) => (None, slot.terminating() || !slot.available(set.min_ready, now)),
    }
}

fn of_condemned(set: &SetFacts, slot: &Slot, first_unavailable: Option<u32>, now: SimTime) -> (Option<Action>, bool) {
    if slot.terminating() {
        return (None, true);
    }
    let waits = !set.parallel && !slot.available(set.min_ready, now) && first_unavailable != Some(slot.ordinal);
    ((!waits).then_some(Action::Delete(slot.ordinal)), true)
}

/// From the highest ordinal down: the first pod of another revision, unless one above it is not available.
fn of_update(set: &SetFacts, replicas: &[Slot], now: SimTime) -> Option<Action> {
    let from = usize::try_from(set.partition.unwrap_or(0)).unwrap_or(0);
    for slot in replicas.iter().skip(from).rev() {
        if slot.revision != set.update && !slot.terminating() {
            return Some(Action::Delete(slot.ordinal));
        }
        if slot.unavailable(set, now) {
            return None;
        }
    }
    None
}

fn counts(set: &SetFacts, pods: &[PodFacts], now: SimTime) -> Counts {
    let mut counts = Counts::default();
    for pod in pods {
        let slot = Slot { ordinal: pod.ordinal, pod: Some(*pod), revision: pod.revision };
        counts.replicas += 1;
        counts.ready += i32::from(slot.ready());
        counts.available += i32::from(slot.available(set.min_ready, now));
        counts.current += i32::from(!pod.terminating && pod.revision == set.current);
        counts.updated += i32::from(!pod.terminating && pod.revision == set.update);
    }
    counts
}

fn available_at(set: &SetFacts, pods: &[PodFacts], now: SimTime) -> Option<SimTime> {
    let ready = pods.iter().filter(|pod| pod.phase == PodPhase::Running && !is_available(pod, set.min_ready, now));
    ready.filter_map(|pod| pod.ready_at.map(|at| at + set.min_ready)).min()
}

/// Whether a rolling update is complete: the update revision becomes the current one.
///
/// Source: kubernetes v1.36, `pkg/controller/statefulset/stateful_set_utils.go`, `completeRollingUpdate`.
pub fn is_complete(set: &SetFacts, counts: &Counts) -> bool {
    let wanted = set.replicas as i32;
    !set.on_delete && [counts.updated, counts.ready, counts.replicas].iter().all(|&count| count == wanted)
}
