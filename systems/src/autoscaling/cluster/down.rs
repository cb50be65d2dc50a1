//! Shrinking: nodes that little is asked of, and whose pods have room elsewhere, go when that has lasted.

use super::explain::{NodeVerdict, Pods, Shares, Waits};
use super::{NodeId, Turn};
use crate::scheduler::pods::Incoming;
use crate::scheduler::what_if::WhatIf;
use std::collections::BTreeMap;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::names::Sym;
use wavetank_engine::time::SimTime;

/// Pods, and the nodes to which they would go.
type Moves = Vec<(ObjRef, Sym)>;

/// A node that may go.
pub(super) struct Candidate {
    pub(super) id: NodeId,
    pub(super) object: ObjRef,
    /// Its number in the world.
    number: u32,
    ready: bool,
    /// Pods that have to be moved.
    pub(super) movable: Vec<ObjRef>,
    /// Shares of its CPU and of its memory that are asked for. Unit: thousandths.
    shares: (i64, i64),
}

impl Candidate {
    /// The larger of the shares of its CPU and of its memory that are asked for. Unit: thousandths.
    pub(super) fn permille(&self) -> i64 {
        self.shares.0.max(self.shares.1)
    }
}

/// Why a pod keeps its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Budget(ObjRef),
    NotSafe,
    Alone,
    System,
    LocalStorage,
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
            if let Some((pod, keeps)) = self.blocked(&candidate, world, &mut budgets) {
                budgets = before;
                if self.explanations.of_nodes() {
                    let shares = self.shares_of(&candidate);
                    let (pod, because) = (self.pod_text(pod, world.names), self.keeps_text(keeps, world));
                    self.find(candidate.id, || NodeVerdict::Kept { shares, pod, because });
                }
                continue;
            }
            match self.moves(&candidate, world) {
                Ok(moves) => unneeded.push((candidate, moves)),
                Err(pod) => {
                    budgets = before;
                    if self.explanations.of_nodes() {
                        let (shares, pod) = (self.shares_of(&candidate), self.pod_text(pod, world.names));
                        self.find(candidate.id, || NodeVerdict::NoRoom { shares, pod });
                    }
                }
            }
        }
        let (unneeded, moves): (Vec<Candidate>, Vec<Moves>) = unneeded.into_iter().unzip();
        let since: BTreeMap<NodeId, SimTime> =
            unneeded.iter().map(|candidate| (candidate.id, self.state.unneeded.get(&candidate.id).copied().unwrap_or(self.now))).collect();
        let freed: Vec<NodeId> = self.state.unneeded.keys().copied().filter(|id| !since.contains_key(id)).collect();
        self.state.unneeded = since;
        self.mark(&unneeded, &freed, world.names);
        self.take_away(unneeded, &moves, world);
    }

    /// Nodes of groups that little is asked of.
    fn candidates(&mut self, world: &mut WhatIf) -> Vec<Candidate> {
        let mut list = Vec::new();
        for group in 0..self.fleet.groups.len() as u32 {
            let present: Vec<u32> = self.fleet.groups[group as usize]
                .present
                .iter()
                .filter(|(_, machine)| machine.boots_until.is_none() && machine.reclaimed_at.is_none())
                .map(|(&number, _)| number)
                .collect();
            for id in present.into_iter().map(|number| (group, number)) {
                if !self.state.leaving.contains_key(&id) {
                    let candidate = self.node(id, world.names).and_then(|object| self.candidate(id, object, world));
                    list.extend(candidate);
                }
            }
        }
        list
    }

    fn candidate(&mut self, id: NodeId, object: ObjRef, world: &mut WhatIf) -> Option<Candidate> {
        let (meta, status) = (self.reads.metas.get(object)?, self.reads.node_statuses.get(object)?);
        let annotation = world.labels().get(meta.annotations, self.reads.texts.stays);
        if annotation.is_some_and(|value| world.names.text(value) == "true") {
            self.find(id, || NodeVerdict::Annotated);
            return None;
        }
        if meta.terminating() {
            self.find(id, || NodeVerdict::Terminating);
            return None;
        }
        let text = world.names.render(meta.name);
        let name = world.names.find(&text)?;
        let number = world.number(name)?;
        let node = world.node(number);
        let share = |used: i64, all: i64| if all > 0 { used.saturating_mul(1000) / all } else { 0 };
        let shares = (
            share(node.used.cpu_millicores, node.allocatable.cpu_millicores),
            share(node.used.memory_bytes, node.allocatable.memory_bytes),
        );
        let mut candidate = Candidate { id, object, number, ready: status.ready(), movable: Vec::new(), shares };
        if candidate.ready && candidate.permille() >= i64::from(self.reads.settings.threshold_permille) {
            let shares = self.shares_of(&candidate);
            self.find(id, || NodeVerdict::InUse { shares });
            return None;
        }
        candidate.movable = self.reads.listing.on_node(name).filter(|&pod| self.movable(pod, world)).collect();
        Some(candidate)
    }

    /// What is asked of a node, for those who ask.
    fn shares_of(&self, candidate: &Candidate) -> Shares {
        let settings = &self.reads.settings;
        Shares {
            cpu_permille: candidate.shares.0,
            memory_permille: candidate.shares.1,
            threshold_permille: settings.threshold_permille,
            ready: candidate.ready,
            unneeded_for: if candidate.ready { settings.unneeded_time } else { settings.unready_time },
        }
    }

    /// Whether a pod on a node that goes has to run elsewhere.
    pub(super) fn movable(&self, pod: ObjRef, world: &WhatIf) -> bool {
        let (Some(meta), Some(status)) = (self.reads.metas.get(pod), self.reads.statuses.get(pod)) else { return false };
        let of_node = meta.controller().is_some_and(|owner| matches!(owner.kind, Kind::DaemonSet | Kind::Node));
        let mirrored = world.labels().get(meta.annotations, self.reads.texts.mirror).is_some();
        !status.phase.terminal() && !meta.terminating() && !of_node && !mirrored
    }

    /// Whether a pod of the node keeps it. Source: `spec/autoscaling.md` §9, blocking pods.
    fn blocked(&self, candidate: &Candidate, world: &WhatIf, budgets: &mut BTreeMap<ObjRef, i32>) -> Option<(ObjRef, Keeps)> {
        candidate.movable.iter().find_map(|&pod| self.blocks(pod, world, budgets).map(|keeps| (pod, keeps)))
    }

    fn blocks(&self, pod: ObjRef, world: &WhatIf, budgets: &mut BTreeMap<ObjRef, i32>) -> Option<Keeps> {
        let (meta, spec) = (self.reads.metas.get(pod)?, self.reads.pods.get(pod)?);
        let safe = world.labels().get(meta.annotations, self.reads.texts.safe).map(|value| world.names.text(value));
        let of_pod = self.budgets_of(pod, meta, world);
        for &budget in &of_pod {
            let allowed = self.reads.budget_statuses.get(budget).map_or(0, |status| status.disruptions_allowed);
            let left = budgets.entry(budget).or_insert(allowed);
            *left -= 1;
            if *left < 0 {
                return Some(Keeps::Budget(budget));
            }
        }
        match safe {
            Some("true") => return None,
            Some("false") => return Some(Keeps::NotSafe),
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
        if meta.controller().is_none() {
            return Some(Keeps::Alone);
        }
        if system {
            return Some(Keeps::System);
        }
        (settings.skip_nodes_with_local_storage && local()).then_some(Keeps::LocalStorage)
    }

    fn keeps_text(&self, keeps: Keeps, world: &WhatIf) -> String {
        match keeps {
            Keeps::Budget(budget) => format!("the disruption budget {} lets no more pods go", self.pod_text(budget, world.names)),
            Keeps::NotSafe => "its annotation cluster-autoscaler.kubernetes.io/safe-to-evict is false".to_string(),
            Keeps::Alone => "no controller would make it anew".to_string(),
            Keeps::System => "it is in kube-system and has no disruption budget".to_string(),
            Keeps::LocalStorage => "it has local storage (emptyDir or hostPath)".to_string(),
        }
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

    /// Moves the node's pods elsewhere in thought and takes the node away: where they go, or one that can't. Nothing is changed then.
    fn moves(&self, candidate: &Candidate, world: &mut WhatIf) -> Result<Moves, ObjRef> {
        let kept = world.keep();
        let pods: Vec<(ObjRef, Incoming)> = candidate.movable.iter().filter_map(|&pod| Some((pod, world.pod(pod)?))).collect();
        pods.iter().for_each(|(_, pod)| world.count(pod, candidate.number, false));
        world.remove(candidate.number);
        let mut moves = Vec::with_capacity(pods.len());
        for (object, pod) in &pods {
            let Some(node) = world.first_fit(pod, None) else {
                world.restore(kept);
                return Err(*object);
            };
            world.count(pod, node, true);
            moves.push((*object, world.node(node).name));
        }
        Ok(moves)
    }

    /// Begins to take away nodes: empty ones several at a time, others one by one.
    fn take_away(&mut self, unneeded: Vec<Candidate>, moves: &[Moves], world: &mut WhatIf) {
        let settings = self.reads.settings.clone();
        let after = |at: Option<SimTime>, delay| at.map(|at| at + delay);
        let waits = [
            (after(self.state.added_at, settings.delay_after_add), "nodes were added"),
            (after(self.state.removed_at, settings.scan_interval), "a node was removed"),
            (after(self.state.failed_at, settings.delay_after_failure), "a node could not be drained"),
        ];
        let pause = waits.into_iter().filter_map(|(until, why)| Some((until?, why))).max().filter(|(until, _)| *until > self.now);
        let (mut empty, mut drained) = (0, self.state.leaving.values().any(|leaving| leaving.drains()));
        for (candidate, moves) in unneeded.into_iter().zip(moves) {
            let span = if candidate.ready { settings.unneeded_time } else { settings.unready_time };
            let (group, due) = (candidate.id.0, self.state.unneeded[&candidate.id] + span);
            let leaving = self.state.leaving.keys().filter(|id| id.0 == group).count() as u32;
            let min = self.group(group).min;
            if self.fleet.groups[group as usize].target.saturating_sub(leaving) <= min {
                self.find_unneeded(&candidate, moves, Waits::Minimum { min }, world);
            } else if due > self.now {
                self.look_again(due);
                self.find_unneeded(&candidate, moves, Waits::Time { until: due }, world);
            } else if let Some((until, because)) = pause {
                self.look_again(until);
                self.find_unneeded(&candidate, moves, Waits::Pause { until, because }, world);
            } else if candidate.movable.is_empty() && empty < settings.max_empty_bulk_delete {
                empty += 1;
                self.begin(&candidate, world);
            } else if !candidate.movable.is_empty() && empty == 0 && !drained {
                drained = true;
                self.begin(&candidate, world);
            } else {
                self.look_again(self.now + settings.scan_interval);
                self.find_unneeded(&candidate, moves, Waits::Turn, world);
            }
        }
    }

    /// Says of a node that is not needed what keeps it for now.
    fn find_unneeded(&mut self, candidate: &Candidate, moves: &Moves, waits: Waits, world: &WhatIf) {
        if self.explanations.of_nodes() {
            let (shares, since) = (self.shares_of(candidate), self.state.unneeded[&candidate.id]);
            let to = |&(pod, node): &(ObjRef, Sym)| (self.pod_text(pod, world.names), world.names.text(node).to_string());
            let moves = moves.iter().map(to).collect();
            self.find(candidate.id, || NodeVerdict::Unneeded { shares, since, moves, waits });
        }
    }

    /// Says of a node that it goes now.
    pub(super) fn find_going(&mut self, candidate: &Candidate, world: &WhatIf) {
        if self.explanations.of_nodes() {
            let shares = self.shares_of(candidate);
            let since = self.state.unneeded.get(&candidate.id).copied().unwrap_or(self.now);
            let pods = Pods::of(candidate.movable.iter().map(|&pod| self.pod_text(pod, world.names)));
            self.find(candidate.id, || NodeVerdict::Goes { shares, since, pods });
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
