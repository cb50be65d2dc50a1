//! Taking a node away: a taint, evictions, and when its pods are gone the machine is given back.

use super::down::Candidate;
use super::explain::{NodeVerdict, Pods};
use super::{ClusterState, NodeId, Turn};
use crate::scheduler::what_if::WhatIf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::queue::Item;
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::node::{Effect, NodeTaint};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::{SimDuration, SimTime};

/// How long evictions that budgets refuse are tried. Source: `spec/autoscaling.md` §11.
const EVICTION_TRIES: SimDuration = SimDuration::from_secs(120);
/// Pause between two tries. Source: autoscaler, `core/scaledown/actuation/drain.go`, `DefaultPodEvictionRetryTime`.
const EVICTION_RETRY: SimDuration = SimDuration::from_secs(10);
/// What pods get beyond their grace to be gone. Source: the same, `DefaultPodEvictionHeadroom`.
const HEADROOM: SimDuration = SimDuration::from_secs(30);
/// Nodes that get the soft taint in one scan at most. Source: autoscaler, `--max-bulk-soft-taint-count`.
const SOFT_TAINTS_MAX: usize = 10;

/// A node on its way out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Leaving {
    began_at: SimTime,
    /// Its pods that are still there.
    pods: BTreeMap<ObjRef, Eviction>,
    drains: bool,
}

/// How far the eviction of a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Eviction {
    /// It was asked for.
    Asked,
    /// It was refused, and is tried again at a moment.
    Again(SimTime),
    /// The pod is going.
    Granted,
}

impl Leaving {
    /// Whether it has pods to be moved.
    pub(super) fn drains(&self) -> bool {
        self.drains
    }
}

/// Takes in the answer to an eviction. Whether there was one.
pub(super) fn answered(item: &Item, state: &mut ClusterState, now: SimTime) -> bool {
    let Some(reply) = item.replies.last() else { return !state.leaving.is_empty() && !item.woken };
    for leaving in state.leaving.values_mut() {
        if let Some(eviction) = leaving.pods.get_mut(&item.object) {
            *eviction = match reply.refusal() {
                Some(refusal) if refusal.code != 404 => Eviction::Again(now + EVICTION_RETRY),
                _ => Eviction::Granted,
            };
        }
    }
    true
}

impl Turn<'_, '_, '_, '_> {
    /// Begins to take a node away.
    pub(super) fn begin(&mut self, candidate: &Candidate, world: &mut WhatIf) {
        let texts = *self.reads.texts;
        let value = self.now_text(world.names);
        let taint = NodeTaint { key: texts.leaves_taint, value, effect: Effect::NoSchedule, added_at: None };
        self.put_taint(candidate.object, texts.leaves_taint, Some(taint));
        self.tell(candidate.object, false, (texts.down, texts.marked), &[]);
        let name = self.group(candidate.id.0).node_name(candidate.id.1);
        if candidate.movable.is_empty() {
            self.tell_status(world.names, false, texts.down_empty, &format!("Scale-down: removing empty node {name:?}"));
        } else {
            let pods = self.names_of(&candidate.movable, world);
            let share = format!("{}.{}%", candidate.permille() / 10, candidate.permille() % 10);
            let text = format!("Scale-down: removing node {name}, utilization: {share}, pods to reschedule: {pods}");
            self.tell_status(world.names, false, texts.down, &text);
        }
        let mut pods = BTreeMap::new();
        for &pod in &candidate.movable {
            let grace_s = self.reads.pods.get(pod).map_or(0, |spec| world.classes().get(spec.class).grace_s);
            let most = self.reads.settings.max_graceful_termination_s;
            self.work.ask_for(pod, self.cause, Verb::Evict { pod, grace_s: (grace_s > most).then_some(most) });
            self.tell(pod, false, (texts.down, texts.deleting_pod), &[]);
            pods.insert(pod, Eviction::Asked);
        }
        self.fleet.evictions += pods.len() as u64;
        self.find_going(candidate, world);
        self.state.unneeded.remove(&candidate.id);
        self.state.leaving.insert(candidate.id, Leaving { began_at: self.now, drains: !pods.is_empty(), pods });
        self.state.changed = true;
        // Nothing keeps an empty node.
        if candidate.movable.is_empty() {
            self.drains(world.names);
        }
    }

    /// Looks at all nodes on their way out.
    pub(super) fn drains(&mut self, names: &mut Names) {
        let ids: Vec<NodeId> = self.state.leaving.keys().copied().collect();
        for id in ids {
            let Some(mut leaving) = self.state.leaving.remove(&id) else { continue };
            leaving.pods.retain(|&pod, _| {
                self.reads.listing.knows(pod) && self.reads.statuses.get(pod).is_some_and(|status| !status.phase.terminal())
            });
            if leaving.pods.is_empty() {
                self.finish(id, names);
                continue;
            }
            let graced = self.reads.settings.max_graceful_termination_s;
            let until = leaving.began_at + SimDuration::from_secs(u64::from(graced)) + HEADROOM;
            let refused = leaving.pods.values().any(|eviction| matches!(eviction, Eviction::Again(_)));
            if refused && self.now >= leaving.began_at + EVICTION_TRIES || self.now >= until {
                self.abort(id, &leaving, names);
                continue;
            }
            for (&pod, eviction) in &mut leaving.pods {
                if matches!(eviction, Eviction::Again(at) if *at <= self.now) {
                    *eviction = Eviction::Asked;
                    self.work.ask_for(pod, self.cause, Verb::Evict { pod, grace_s: None });
                }
            }
            self.state.leaving.insert(id, leaving);
        }
    }

    /// The node is empty: its machine is given back.
    fn finish(&mut self, id: NodeId, names: &Names) {
        let texts = *self.reads.texts;
        let object = self.node(id, names);
        self.give_back(id);
        self.fleet.groups[id.0 as usize].removed += 1;
        self.state.removed_at = Some(self.now);
        self.state.changed = true;
        let name = names.find(&self.group(id.0).node_name(id.1));
        name.into_iter().for_each(|name| self.faults.forget(name));
        self.find(id, || NodeVerdict::Removed);
        if let Some(object) = object {
            self.tell(object, false, (texts.down, texts.removed), &[]);
            self.work.tell(self.cause, Verb::Delete { object, grace_s: None, propagation: None });
        }
    }

    /// The node stays: its pods would not go.
    fn abort(&mut self, id: NodeId, leaving: &Leaving, names: &Names) {
        let texts = *self.reads.texts;
        if self.explanations.of_nodes() {
            let pods = Pods::of(leaving.pods.keys().map(|&pod| self.pod_text(pod, names)));
            self.find(id, || NodeVerdict::Aborted { pods });
        }
        self.state.failed_at = Some(self.now);
        self.state.changed = true;
        if let Some(object) = self.node(id, names) {
            self.put_taint(object, texts.leaves_taint, None);
            self.tell(object, true, (texts.down_failed, texts.not_drained), &[]);
        }
    }

    /// Has the scheduler keep new pods off nodes that may go soon, and no longer off those that may not.
    pub(super) fn mark(&mut self, unneeded: &[Candidate], freed: &[NodeId], names: &mut Names) {
        let key = self.reads.texts.candidate_taint;
        let marked =
            |turn: &Self, object: ObjRef| turn.reads.nodes.get(object).is_some_and(|node| node.taints.iter().any(|taint| taint.key == key));
        let fresh: Vec<ObjRef> = unneeded.iter().map(|candidate| candidate.object).filter(|&object| !marked(self, object)).collect();
        for &object in fresh.iter().take(SOFT_TAINTS_MAX) {
            let value = self.now_text(names);
            self.put_taint(object, key, Some(NodeTaint { key, value, effect: Effect::PreferNoSchedule, added_at: None }));
        }
        if fresh.len() > SOFT_TAINTS_MAX {
            self.state.changed = true;
        }
        for &id in freed {
            if let Some(object) = self.node(id, names).filter(|&object| marked(self, object)) {
                self.put_taint(object, key, None);
            }
        }
    }

    /// Gives a node a taint in place of one with its key, or takes that away. A write that comes too late is made again by the next scan.
    fn put_taint(&mut self, object: ObjRef, key: Sym, taint: Option<NodeTaint>) {
        let Some(mut node) = self.reads.nodes.get(object).cloned() else { return };
        let kept = node.taints.iter().copied().filter(|taint| taint.key != key);
        node.taints = kept.chain(taint).collect();
        self.work.tell(self.cause, Verb::Put { object, expect: None, value: node.into() });
    }

    /// When an eviction is tried again, or a node is given up.
    pub(super) fn next_of_drains(&self) -> Option<SimTime> {
        let graced = SimDuration::from_secs(u64::from(self.reads.settings.max_graceful_termination_s));
        let of = |leaving: &Leaving| {
            let again = leaving.pods.values().filter_map(|eviction| match eviction {
                Eviction::Again(at) => Some(*at),
                _ => None,
            });
            again.chain([leaving.began_at + EVICTION_TRIES, leaving.began_at + graced + HEADROOM]).filter(|&at| at > self.now).min()
        };
        self.state.leaving.values().filter_map(of).min()
    }
}
