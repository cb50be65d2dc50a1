//! Shrinking: nodes that little is asked of, and whose pods have room elsewhere, go when that has lasted.

use super::{NodeId, Turn};
use crate::scheduler::pods::Incoming;
use crate::scheduler::what_if::WhatIf;
use std::collections::BTreeMap;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::names::Sym;
use wavetank_engine::time::SimTime;

/// A node that may go.
pub(super) struct Candidate {
    pub(super) id: NodeId,
    pub(super) object: ObjRef,
    /// Its number in the world.
    number: u32,
    ready: bool,
    /// Pods that have to be moved.
    pub(super) movable: Vec<ObjRef>,
    /// Share of its CPU or memory that is asked for, the larger one. Unit: thousandths.
    pub(super) permille: i64,
}

impl Turn<'_, '_, '_, '_> {
    /// Finds the nodes that are not needed, marks them, and begins to take away those that have not been for long enough.
    pub(super) fn scale_down(&mut self, world: &mut WhatIf) {
        let mut candidates = self.candidates(world);
        // Empty nodes first, then those that were not needed before: that keeps their clocks running.
        candidates.sort_by_key(|candidate| (!candidate.movable.is_empty(), !self.state.unneeded.contains_key(&candidate.id), candidate.id));
        let mut budgets = BTreeMap::new();
        let mut unneeded = Vec::new();
        for candidate in candidates {
            let before = budgets.clone();
            if self.blocked(&candidate, world, &mut budgets) || !self.moves(&candidate, world) {
                budgets = before;
                continue;
            }
            unneeded.push(candidate);
        }
        let since: BTreeMap<NodeId, SimTime> =
            unneeded.iter().map(|candidate| (candidate.id, self.state.unneeded.get(&candidate.id).copied().unwrap_or(self.now))).collect();
        let freed: Vec<NodeId> = self.state.unneeded.keys().copied().filter(|id| !since.contains_key(id)).collect();
        self.state.unneeded = since;
        self.mark(&unneeded, &freed, world.names);
        self.take_away(unneeded, world);
    }

    /// Nodes of groups that little is asked of.
    fn candidates(&self, world: &mut WhatIf) -> Vec<Candidate> {
        let mut list = Vec::new();
        for (group, machines) in (0..).zip(&self.fleet.groups) {
            for (&number, machine) in &machines.present {
                let id: NodeId = (group, number);
                if machine.boots_until.is_some() || machine.reclaimed_at.is_some() || self.state.leaving.contains_key(&id) {
                    continue;
                }
                let candidate = self.node(id, world.names).and_then(|object| self.candidate(id, object, world));
                list.extend(candidate);
            }
        }
        list
    }

    fn candidate(&self, id: NodeId, object: ObjRef, world: &mut WhatIf) -> Option<Candidate> {
        let (meta, status) = (self.reads.metas.get(object)?, self.reads.node_statuses.get(object)?);
        let annotation = world.labels().get(meta.annotations, self.reads.texts.stays);
        if annotation.is_some_and(|value| world.names.text(value) == "true") || meta.terminating() {
            return None;
        }
        let text = world.names.render(meta.name);
        let name = world.names.find(&text)?;
        let number = world.number(name)?;
        let node = world.node(number);
        let share = |used: i64, all: i64| if all > 0 { used.saturating_mul(1000) / all } else { 0 };
        let permille = share(node.used.cpu_millicores, node.allocatable.cpu_millicores)
            .max(share(node.used.memory_bytes, node.allocatable.memory_bytes));
        let ready = status.ready();
        if ready && permille >= i64::from(self.reads.settings.threshold_permille) {
            return None;
        }
        let movable = self.reads.listing.on_node(name).filter(|&pod| self.movable(pod, world)).collect();
        Some(Candidate { id, object, number, ready, movable, permille })
    }

    /// Whether a pod on a node that goes has to run elsewhere.
    pub(super) fn movable(&self, pod: ObjRef, world: &WhatIf) -> bool {
        let (Some(meta), Some(status)) = (self.reads.metas.get(pod), self.reads.statuses.get(pod)) else { return false };
        let of_node = meta.controller().is_some_and(|owner| matches!(owner.kind, Kind::DaemonSet | Kind::Node));
        let mirrored = world.labels().get(meta.annotations, self.reads.texts.mirror).is_some();
        !status.phase.terminal() && !meta.terminating() && !of_node && !mirrored
    }

    /// Whether a pod of the node keeps it. Source: `spec/autoscaling.md` §9, blocking pods.
    fn blocked(&self, candidate: &Candidate, world: &WhatIf, budgets: &mut BTreeMap<ObjRef, i32>) -> bool {
        candidate.movable.iter().any(|&pod| self.blocks(pod, world, budgets))
    }

    fn blocks(&self, pod: ObjRef, world: &WhatIf, budgets: &mut BTreeMap<ObjRef, i32>) -> bool {
        let (Some(meta), Some(spec)) = (self.reads.metas.get(pod), self.reads.pods.get(pod)) else { return false };
        let safe = world.labels().get(meta.annotations, self.reads.texts.safe).map(|value| world.names.text(value));
        let of_pod = self.budgets_of(pod, meta, world);
        for &budget in &of_pod {
            let allowed = self.reads.budget_statuses.get(budget).map_or(0, |status| status.disruptions_allowed);
            let left = budgets.entry(budget).or_insert(allowed);
            *left -= 1;
            if *left < 0 {
                return true;
            }
        }
        match safe {
            Some("true") => return false,
            Some("false") => return true,
            _ => {}
        }
        let settings = &self.reads.settings;
        let system = settings.skip_nodes_with_system_pods && meta.namespace == self.reads.texts.system && of_pod.is_empty();
        let local = || {
            let class = world.classes().get(spec.class);
            let volumes = class.raw.value().get("volumes").and_then(|volumes| volumes.as_array()).into_iter().flatten();
            let kept_here = |volume: &serde_json::Value| {
                let in_memory = volume.pointer("/emptyDir/medium").and_then(|medium| medium.as_str()) == Some("Memory");
                volume.get("hostPath").is_some() || volume.get("emptyDir").is_some() && !in_memory
            };
            volumes.into_iter().any(kept_here)
        };
        meta.controller().is_none() || system || settings.skip_nodes_with_local_storage && local()
    }

    /// Budgets that select a pod.
    fn budgets_of(&self, pod: ObjRef, meta: &Meta, world: &WhatIf) -> Vec<ObjRef> {
        let Some(row) = self.reads.listing.row(pod) else { return Vec::new() };
        let list = self.reads.listing.in_namespace(Kind::PodDisruptionBudget, meta.namespace);
        let selects = |budget: &ObjRef| {
            let selector = self.reads.budgets.get(*budget).and(self.reads.listing.row(*budget)).and_then(|row| row.selector);
            selector.is_some_and(|selector| self.reads.selectors.matches(selector, world.labels(), row.labels))
        };
        list.filter(selects).collect()
    }

    /// Moves the node's pods elsewhere in thought and takes the node away; whether that can be done. Nothing is changed where it can't.
    fn moves(&self, candidate: &Candidate, world: &mut WhatIf) -> bool {
        let kept = world.keep();
        let pods: Vec<Incoming> = candidate.movable.iter().filter_map(|&pod| world.pod(pod)).collect();
        pods.iter().for_each(|pod| world.count(pod, candidate.number, false));
        world.remove(candidate.number);
        for pod in &pods {
            match world.first_fit(pod, None) {
                Some(node) => world.count(pod, node, true),
                None => {
                    world.restore(kept);
                    return false;
                }
            }
        }
        true
    }

    /// Begins to take away nodes: empty ones several at a time, others one by one.
    fn take_away(&mut self, unneeded: Vec<Candidate>, world: &mut WhatIf) {
        let settings = self.reads.settings.clone();
        let after = |at: Option<SimTime>, delay| at.map(|at| at + delay);
        let waits = [
            after(self.state.added_at, settings.delay_after_add),
            after(self.state.removed_at, settings.scan_interval),
            after(self.state.failed_at, settings.delay_after_failure),
        ];
        let pause = waits.into_iter().flatten().max().filter(|&until| until > self.now);
        let (mut empty, mut drained) = (0, self.state.leaving.values().any(|leaving| leaving.drains()));
        for candidate in unneeded {
            let span = if candidate.ready { settings.unneeded_time } else { settings.unready_time };
            let (group, due) = (candidate.id.0, self.state.unneeded[&candidate.id] + span);
            let leaving = self.state.leaving.keys().filter(|id| id.0 == group).count() as u32;
            if self.fleet.groups[group as usize].target.saturating_sub(leaving) <= self.group(group).min {
                continue;
            }
            if due > self.now {
                self.look_again(due);
            } else if let Some(until) = pause {
                self.look_again(until);
            } else if candidate.movable.is_empty() && empty < settings.max_empty_bulk_delete {
                empty += 1;
                self.begin(&candidate, world);
            } else if !candidate.movable.is_empty() && empty == 0 && !drained {
                drained = true;
                self.begin(&candidate, world);
            } else {
                self.look_again(self.now + settings.scan_interval);
            }
        }
    }

    /// Names of pods for a message.
    pub(super) fn names_of(&self, pods: &[ObjRef], world: &WhatIf) -> String {
        let name = |pod: &ObjRef| self.reads.metas.get(*pod).map(|meta| world.names.render(meta.name));
        pods.iter().filter_map(name).collect::<Vec<_>>().join(",")
    }

    /// A taint's value: now.
    pub(super) fn now_text(&self, names: &mut wavetank_engine::names::Names) -> Sym {
        names.sym(&(self.reads.own.epoch.0 + (self.now.0 / 1_000_000_000) as i64).to_string())
    }
}
