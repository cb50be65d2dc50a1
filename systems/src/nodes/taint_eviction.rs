//! Taint eviction: deletes pods whose node has NoExecute taints that they do not, or no longer, tolerate.
//!
//! | | |
//! |---|---|
//! | reads  | `Node`, `Pod`, `PodStatus`, `Meta` |
//! | writes | `PodStatus` (DisruptionTarget), `Delete` requests, events |
//! | woken  | node's taints changed; pod bound, created bound, or gone; its own timers |
//! | source | kubernetes v1.36, `pkg/controller/tainteviction/taint_eviction.go`, `processPodOnNode`; `spec/nodes.md` §6 |

use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Revision, Uid};
use wavetank_engine::model::meta::{Condition, ConditionStatus, Meta, set_condition};
use wavetank_engine::model::node::{Effect, Node, NodeTaint};
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::{Classes, Toleration};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// The controller's work queue: pods and nodes.
pub struct TaintEviction;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::Node, on: Changes::ADDED.or(Changes::TAINTS).or(Changes::GONE), whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: Changes::PLACEMENT.or(Changes::GONE), whom: Whom::Itself },
    // Created with its node, past the scheduler.
    Wake { kind: Kind::Pod, on: Changes::ADDED, whom: Whom::ItselfIfBound },
];

/// A planned deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Planned {
    began_at: SimTime,
    at: SimTime,
}

/// The controller's memory.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct EvictionState {
    planned: BTreeMap<Uid, Planned>,
    /// Nodes with NoExecute taints, by name.
    tainted: BTreeMap<Sym, ObjRef>,
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.keep(EvictionState::default());
    sim.behaviour::<TaintEviction, _, _>("taint_eviction", "taint-eviction-controller", WAKES, sync);
}

/// What becomes of a pod under NoExecute taints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// It stays.
    Stay,
    /// It goes after this long; nothing: now.
    GoAfter(SimDuration),
}

/// Decides on a pod by its node's NoExecute taints: now when one is not tolerated, else by the tolerations used.
pub fn plan(taints: &[NodeTaint], tolerations: &[Toleration]) -> Plan {
    let mut used: SmallVec<[Option<i64>; 4]> = SmallVec::new();
    for taint in taints.iter().filter(|taint| taint.effect == Effect::NoExecute) {
        let Some(toleration) = tolerations.iter().find(|toleration| toleration.tolerates(taint)) else {
            return Plan::GoAfter(SimDuration::ZERO);
        };
        used.push(toleration.seconds);
    }
    if used.is_empty() { Plan::Stay } else { shortest(&used) }
}

/// How long a pod stays by the `tolerationSeconds` of the tolerations that it makes use of: for the shortest, for ever when none has
/// any, not at all when there are none or one is not above zero. Source: `getMinTolerationTime`.
pub fn shortest(used: &[Option<i64>]) -> Plan {
    if used.is_empty() {
        return Plan::GoAfter(SimDuration::ZERO);
    }
    let seconds = used.iter().filter_map(|&seconds| seconds).min();
    seconds.map_or(Plan::Stay, |seconds| Plan::GoAfter(SimDuration::from_secs(u64::try_from(seconds).unwrap_or(0))))
}

/// Everything of the store that the controller reads.
#[derive(bevy_ecs::system::SystemParam)]
pub struct Reads<'w, 's> {
    nodes: View<'w, 's, TaintEviction, Node>,
    pods: View<'w, 's, TaintEviction, Pod>,
    statuses: View<'w, 's, TaintEviction, PodStatus>,
    metas: View<'w, 's, TaintEviction, Meta>,
    listing: Listing<'w, TaintEviction>,
    classes: Res<'w, Classes>,
}

fn sync(
    mut work: Work<TaintEviction>,
    reads: Reads,
    mut state: ResMut<EvictionState>,
    mut names: ResMut<Names>,
    mut events: ResMut<Events>,
) {
    while let Some(item) = work.pop() {
        if reads.nodes.get_even_gone(item.object).is_some() {
            node_changed(item.object, &reads, &mut state, &mut names, &mut events, &mut work, item.cause);
        } else {
            sync_pod(item.object, item.cause, &reads, &mut state, &mut names, &mut events, &mut work);
        }
    }
}

fn node_changed(
    object: ObjRef,
    reads: &Reads,
    state: &mut EvictionState,
    names: &mut Names,
    events: &mut Events,
    work: &mut Work<TaintEviction>,
    cause: Revision,
) {
    let Some(row) = reads.listing.row(object) else {
        state.tainted.retain(|_, node| *node != object);
        return;
    };
    let name = names.whole(row.key.name);
    let tainted = reads.nodes.get(object).is_some_and(|node| node.taints.iter().any(|taint| taint.effect == Effect::NoExecute));
    let before = state.tainted.contains_key(&name);
    if tainted {
        state.tainted.insert(name, object);
    } else {
        state.tainted.remove(&name);
    }
    if tainted || before {
        let pods: Vec<ObjRef> = reads.listing.on_node(name).collect();
        for pod in pods {
            sync_pod(pod, cause, reads, state, names, events, work);
        }
    }
}

fn sync_pod(
    pod: ObjRef,
    cause: Revision,
    reads: &Reads,
    state: &mut EvictionState,
    names: &mut Names,
    events: &mut Events,
    work: &mut Work<TaintEviction>,
) {
    if state.tainted.is_empty() && state.planned.is_empty() {
        return;
    }
    let (Some(spec), Some(meta)) = (reads.pods.get(pod), reads.metas.get(pod)) else {
        state.planned.remove(&pod.uid);
        return;
    };
    let now = work.now();
    let about = ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
    let mut say = |names: &mut Names, words: &str| {
        let (source, reason, words) = (names.sym("taint-eviction-controller"), names.sym("TaintManagerEviction"), names.sym(words));
        let args = [Arg::Text(meta.namespace), Arg::Name(meta.name)];
        events.report(now, Report { about, uid: pod.uid, source, warning: false, reason, words, args: &args });
    };
    let node = state.tainted.get(&spec.node).and_then(|&node| reads.nodes.get(node));
    let decided = node.map_or(Plan::Stay, |node| plan(&node.taints, &reads.classes.get(spec.class).tolerations));
    let planned = match (decided, state.planned.get(&pod.uid).copied()) {
        (Plan::Stay, None) => return,
        (Plan::Stay, Some(_)) => {
            state.planned.remove(&pod.uid);
            say(names, "Cancelling deletion of Pod {}/{}");
            return;
        }
        (Plan::GoAfter(delay), Some(old)) => Planned { at: old.at.min(old.began_at + delay), ..old },
        (Plan::GoAfter(delay), None) => Planned { began_at: now, at: now + delay },
    };
    if planned.at > now {
        state.planned.insert(pod.uid, planned);
        work.wake_at(pod, planned.at);
        return;
    }
    state.planned.remove(&pod.uid);
    if meta.terminating() {
        return;
    }
    say(names, "Marking for deletion Pod {}/{}");
    if let Some(status) = reads.statuses.get(pod) {
        let mut status = status.clone();
        let (reason, message) = (names.sym("DeletionByTaintManager"), names.sym("Taint manager: deleting due to NoExecute taint"));
        let kind = words::DISRUPTION_TARGET;
        set_condition(
            &mut status.conditions,
            Condition { kind, status: ConditionStatus::True, reason, message, transition_at: now, update_at: now },
        );
        work.tell(cause, Verb::Put { object: pod, expect: None, value: status.into() });
    }
    work.tell(cause, Verb::Delete { object: pod, grace_s: None, propagation: None });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_used_toleration_decides() {
        let taint = |key: Sym| NodeTaint { key, value: Sym::EMPTY, effect: Effect::NoExecute, added_at: None };
        let tolerates = |key: Sym, seconds| Toleration { key, exists: true, value: Sym::EMPTY, effect: Some(Effect::NoExecute), seconds };
        let (a, b) = (words::TAINT_NOT_READY, words::TAINT_UNREACHABLE);
        let go = |seconds| Plan::GoAfter(SimDuration::from_secs(seconds));
        for (taints, tolerations, want) in [
            (vec![], vec![], Plan::Stay),
            (vec![taint(a)], vec![], go(0)),
            (vec![taint(a)], vec![tolerates(a, Some(300))], go(300)),
            (vec![taint(a)], vec![tolerates(a, None)], Plan::Stay),
            (vec![taint(a), taint(b)], vec![tolerates(a, Some(300)), tolerates(b, Some(60))], go(60)),
            (vec![taint(a), taint(b)], vec![tolerates(a, Some(300))], go(0)),
            (vec![taint(a)], vec![tolerates(a, Some(-5))], go(0)),
        ] {
            assert_eq!(plan(&taints, &tolerations), want, "{taints:?} {tolerations:?}");
        }
    }
}
