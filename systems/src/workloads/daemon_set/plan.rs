//! What one sync of a DaemonSet does, as pure functions of the set, the nodes and its pods.
//!
//! Source: kubernetes v1.36, `pkg/controller/daemon/daemon_controller.go`, `podsShouldBeOnNode`, `updateDaemonSetStatus`; `update.go`,
//! `rollingUpdate`; `spec/workloads.md` §6. The original walks a map of nodes, in no order: here nodes go in the order given.

use serde::{Deserialize, Serialize};
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::names::{Name, Sym};
use wavetank_engine::time::{SimDuration, SimTime};

/// What a sync looks at in a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodFacts {
    /// The pod.
    pub pod: ObjRef,
    /// Its name.
    pub name: Name,
    /// The node that it is bound to or meant for.
    pub node: Sym,
    /// Whether it is bound.
    pub assigned: bool,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// When its Ready condition became True, if it is.
    pub ready_at: Option<SimTime>,
    /// When it was created.
    pub created_at: SimTime,
    /// Whether it has the present template.
    pub updated: bool,
}

/// One node with the pods of the set that are on it or meant for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnNode {
    /// The node.
    pub node: Sym,
    /// Whether a pod should be there, and whether one that is there may stay.
    pub wanted: (bool, bool),
    /// The pods, without those that have ended and are being deleted.
    pub pods: Vec<PodFacts>,
}

/// The set's bounds for a rolling update, in pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// `maxUnavailable`.
    pub unavailable: usize,
    /// `maxSurge`.
    pub surge: usize,
}

/// Why a pod is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// One too many, out of place, or replaced.
    Surplus,
    /// It failed; told as an event once its back-off allows the deletion.
    Failed,
    /// It succeeded.
    Succeeded,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Nodes that get a pod.
    pub create: Vec<Sym>,
    /// Pods that go.
    pub delete: Vec<(ObjRef, Why)>,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.delete.is_empty()
    }
}

fn is_available(pod: &PodFacts, min_ready: SimDuration, now: SimTime) -> bool {
    pod.ready_at.is_some_and(|at| min_ready == SimDuration::ZERO || at + min_ready <= now)
}

/// Bound pods first, then by age, then by identity.
fn best_first(pods: &[PodFacts]) -> Vec<PodFacts> {
    let mut sorted = pods.to_vec();
    sorted.sort_by_key(|pod| (!pod.assigned, pod.created_at, pod.pod.uid));
    sorted
}

/// One pod on each node that wants one, none elsewhere. `strays`: pods that wait for a node which is not there.
pub fn manage(nodes: &[OnNode], strays: &[ObjRef], surge: bool, min_ready: SimDuration, now: SimTime) -> Plan {
    let mut plan = Plan::default();
    for on in nodes {
        match on.wanted {
            (true, _) if on.pods.is_empty() => plan.create.push(on.node),
            (runs, true) => keep_one(on, runs, surge, min_ready, now, &mut plan),
            (_, false) => {
                plan.delete.extend(on.pods.iter().filter(|pod| !pod.terminating).map(|pod| (pod.pod, Why::Surplus)));
            }
        }
    }
    plan.delete.extend(strays.iter().map(|&pod| (pod, Why::Surplus)));
    plan
}

fn keep_one(on: &OnNode, runs: bool, surge: bool, min_ready: SimDuration, now: SimTime, plan: &mut Plan) {
    let mut running = Vec::new();
    for pod in on.pods.iter().filter(|pod| !pod.terminating) {
        match pod.phase {
            PodPhase::Failed => plan.delete.push((pod.pod, Why::Failed)),
            PodPhase::Succeeded => plan.delete.push((pod.pod, Why::Succeeded)),
            PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => running.push(*pod),
        }
    }
    if surge && running.is_empty() && runs {
        plan.create.push(on.node);
    }
    if running.len() <= 1 {
        return;
    }
    let running = best_first(&running);
    if !surge {
        plan.delete.extend(running[1..].iter().map(|pod| (pod.pod, Why::Surplus)));
        return;
    }
    let oldest = |updated: bool| running.iter().find(|pod| pod.updated == updated);
    let (new, old) = (oldest(true), oldest(false));
    let kept = |pod: &PodFacts| Some(pod.pod) == new.map(|new| new.pod) || Some(pod.pod) == old.map(|old| old.pod);
    plan.delete.extend(running.iter().filter(|pod| !kept(pod)).map(|pod| (pod.pod, Why::Surplus)));
    if let (Some(new), Some(old)) = (new, old)
        && (old.ready_at.is_none() || is_available(new, min_ready, now))
    {
        plan.delete.push((old.pod, Why::Surplus));
    }
}

/// The new and the old pod of a node; `None` when there are several of one sort.
fn sorts(pods: &[PodFacts]) -> Option<(Option<&PodFacts>, Option<&PodFacts>)> {
    let (mut new, mut old) = (None, None);
    for pod in pods.iter().filter(|pod| !pod.terminating) {
        let place = if pod.updated { &mut new } else { &mut old };
        if place.replace(pod).is_some() {
            return None;
        }
    }
    Some((new, old))
}

/// The next step of a rolling update. Nodes that want no pod and have none are left out of `nodes`.
pub fn roll(nodes: &[OnNode], bounds: Bounds, min_ready: SimDuration, now: SimTime) -> Plan {
    let nodes: Vec<&OnNode> = nodes.iter().filter(|on| on.wanted.0 || !on.pods.is_empty()).collect();
    if bounds.surge == 0 { roll_by_deletion(&nodes, bounds, min_ready, now) } else { roll_by_surge(&nodes, bounds, min_ready, now) }
}

fn roll_by_deletion(nodes: &[&OnNode], bounds: Bounds, min_ready: SimDuration, now: SimTime) -> Plan {
    let (mut unavailable, mut free, mut candidates) = (0, Vec::new(), Vec::new());
    for on in nodes {
        match sorts(&on.pods) {
            None | Some((None, None) | (Some(_), Some(_))) => unavailable += 1,
            Some((Some(new), None)) => unavailable += usize::from(!is_available(new, min_ready, now)),
            Some((None, Some(old))) if !is_available(old, min_ready, now) => {
                free.push(old.pod);
                unavailable += 1;
            }
            Some((None, Some(old))) if unavailable < bounds.unavailable => candidates.push(old.pod),
            Some((None, Some(_))) => {}
        }
    }
    let room = bounds.unavailable.saturating_sub(unavailable);
    let delete = free.into_iter().chain(candidates.into_iter().take(room)).map(|pod| (pod, Why::Surplus)).collect();
    Plan { create: Vec::new(), delete }
}

fn roll_by_surge(nodes: &[&OnNode], bounds: Bounds, min_ready: SimDuration, now: SimTime) -> Plan {
    let (mut surge, mut available) = (0, 0usize);
    let (mut delete, mut out_of_place, mut free, mut candidates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for on in nodes {
        let Some((new, old)) = sorts(&on.pods) else {
            surge += 1;
            continue;
        };
        available += usize::from(old.or(new).is_some_and(|pod| is_available(pod, min_ready, now)));
        match (new, old) {
            (_, None) => {}
            (None, Some(old)) if !is_available(old, min_ready, now) => match on.wanted.0 {
                true => free.push(on.node),
                false => delete.push(old.pod),
            },
            (None, Some(old)) if !on.wanted.0 => out_of_place.push(old.pod),
            (None, Some(_)) if surge < bounds.surge => candidates.push(on.node),
            (None, Some(_)) => {}
            (Some(new), Some(_)) if !is_available(new, min_ready, now) => surge += 1,
            (Some(_), Some(old)) => delete.push(old.pod),
        }
    }
    let desired = nodes.iter().filter(|on| on.wanted.0).count();
    delete.extend(out_of_place.into_iter().take(available.saturating_sub(desired)));
    let create = free.into_iter().chain(candidates.into_iter().take(bounds.surge.saturating_sub(surge))).collect();
    Plan { create, delete: delete.into_iter().map(|pod| (pod, Why::Surplus)).collect() }
}

/// What the status counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// `desiredNumberScheduled`.
    pub desired: i32,
    /// `currentNumberScheduled`.
    pub current: i32,
    /// `numberMisscheduled`.
    pub misscheduled: i32,
    /// `numberReady`.
    pub ready: i32,
    /// `numberAvailable`.
    pub available: i32,
    /// `updatedNumberScheduled`.
    pub updated: i32,
}

/// Counts nodes by the first pod of each.
pub fn counts(nodes: &[OnNode], min_ready: SimDuration, now: SimTime) -> Counts {
    let mut counts = Counts::default();
    for on in nodes {
        if !on.wanted.0 {
            counts.misscheduled += i32::from(!on.pods.is_empty());
            continue;
        }
        counts.desired += 1;
        if let Some(first) = best_first(&on.pods).first() {
            counts.current += 1;
            counts.ready += i32::from(first.ready_at.is_some());
            counts.available += i32::from(is_available(first, min_ready, now));
            counts.updated += i32::from(first.updated);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::ids::{Slot, Uid};

    const NOW: SimTime = SimTime::from_secs(100);

    /// `o` and `n`: an old and a new pod that is ready; in upper case one that is not. `t`: one that terminates. `!`: no pod is wanted.
    fn on(node: u32, text: &str) -> OnNode {
        let wanted = !text.contains('!');
        let pod = |(at, sort): (usize, char)| {
            let number = u64::from(node) * 10 + at as u64;
            PodFacts {
                pod: ObjRef { uid: Uid(number), slot: Slot(number as u32) },
                name: Name::default(),
                node: Sym(node),
                assigned: true,
                phase: PodPhase::Running,
                terminating: sort == 't',
                ready_at: sort.is_lowercase().then_some(SimTime::from_secs(10)),
                created_at: SimTime::from_secs(at as u64),
                updated: sort.eq_ignore_ascii_case(&'n'),
            }
        };
        let pods = text.chars().filter(|sort| sort.is_alphabetic()).enumerate().map(pod).collect();
        OnNode { node: Sym(node), wanted: (wanted, wanted), pods }
    }

    fn short(plan: &Plan) -> (Vec<u32>, Vec<u64>) {
        (plan.create.iter().map(|node| node.0).collect(), plan.delete.iter().map(|(pod, _)| pod.uid.0).collect())
    }

    #[test]
    fn each_node_that_wants_a_pod_keeps_one() {
        let nodes = |texts: &[&str]| texts.iter().enumerate().map(|(at, text)| on(at as u32 + 1, text)).collect::<Vec<_>>();
        for (texts, surge, create, delete) in [
            (&["", "o", "t", "!", "!o"][..], false, vec![1], vec![50]),
            (&["oo", "on"], false, vec![], vec![11, 21]),
            (&["t", "on", "oN", "ON"], true, vec![1], vec![20, 40]),
        ] {
            let plan = manage(&nodes(texts), &[], surge, SimDuration::ZERO, NOW);
            assert_eq!(short(&plan), (create, delete), "{texts:?}");
        }
    }

    #[test]
    fn a_rolling_update_keeps_its_bounds() {
        let nodes = |texts: &[&str]| texts.iter().enumerate().map(|(at, text)| on(at as u32 + 1, text)).collect::<Vec<_>>();
        for (texts, unavailable, surge, create, delete) in [
            (&["o", "o", "o"][..], 1, 0, vec![], vec![10]),
            (&["n", "o", "o"], 1, 0, vec![], vec![20]),
            (&["N", "o", "o"], 1, 0, vec![], vec![]),
            (&["N", "o", "o"], 2, 0, vec![], vec![20]),
            (&["O", "o", "o"], 1, 0, vec![], vec![10]),
            (&["t", "o", "o"], 1, 0, vec![], vec![]),
            (&["o", "o", "o"], 0, 1, vec![1], vec![]),
            (&["oN", "o", "o"], 0, 1, vec![], vec![]),
            (&["on", "o", "o"], 0, 1, vec![2], vec![10]),
            (&["O", "oN", "o"], 0, 1, vec![1], vec![]),
            (&["o!", "n"], 0, 1, vec![], vec![10]),
            (&["o!", "N"], 0, 1, vec![], vec![]),
        ] {
            let plan = roll(&nodes(texts), Bounds { unavailable, surge }, SimDuration::ZERO, NOW);
            assert_eq!(short(&plan), (create, delete), "{texts:?} {unavailable} {surge}");
        }
    }
}
