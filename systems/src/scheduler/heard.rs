//! What the scheduler makes of what it hears: pods, nodes and storage as they are now, and the waiting pods that a change may help.

use crate::scheduler::cache::{Placed, SchedulerCache, kind_of};
use crate::scheduler::plugin::{Happenings, NodeEvent, PodEvent};
use crate::scheduler::plugins::{node_may_help, pod_may_help, scheduling_gates, woken_by};
use crate::scheduler::reserve::{self, Standing};
use crate::scheduler::{Reads, SchedulerQueue, SchedulerState, bind, pods, refused, tell_of_binding};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::Pod;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Events;
use wavetank_engine::time::SimTime;

/// Takes in a pod's present state, however often it is told of it.
pub(super) fn pod_changed(
    item: &Item,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    work: &mut Work<SchedulerQueue>,
    events: &mut Events,
) {
    let pod = item.object;
    if !item.replies.is_empty() {
        state.preempting.remove(&pod.uid);
    }
    let binding = state.binding.get(&pod.uid).copied();
    if let Some(waiting) = binding.filter(|_| item.replies.iter().any(|reply| !reply.ok())) {
        state.binding.remove(&pod.uid);
        if let Some(placed) = state.placed.remove(pod) {
            cache.farewell(pod, placed, reads, names);
            state.allotted.remove(&pod.uid);
            cache.count(placed, false, reads, names);
        }
        if reads.listing.knows(pod) {
            state.queue.error(waiting, work.now());
        }
        return;
    }
    let living = reads.pods.get(pod).filter(|_| reads.statuses.get(pod).is_some_and(|status| !status.phase.terminal()));
    // A binding that succeeded stands until the watch tells of it, which comes after the reply.
    let was_binding = binding.is_some() && living.is_none_or(|living| !living.node.is_empty());
    if was_binding {
        state.binding.remove(&pod.uid);
        if let Some((living, meta)) = living.zip(reads.metas.get(pod)) {
            let words = cache.words(pod, reads, names);
            tell_of_binding(pod, meta, living.node, words, work.now(), events);
        }
    }
    let placed = living.filter(|living| !living.node.is_empty()).zip(reads.metas.get(pod));
    let counted =
        |living: &Pod| reads.allocations.get(pod).filter(|has| has.desired == living.class).map_or(living.class, |has| has.counted);
    let now_placed = placed.map(|(living, meta)| Placed { node: living.node, kind: kind_of(counted(living), meta, reads, names) });
    let before = state.placed.get(pod).copied();
    let bound = now_placed.is_some() && (before.is_none() || was_binding);
    if now_placed != before && !(now_placed.is_none() && state.binding.contains_key(&pod.uid)) {
        if let Some(before) = before {
            state.placed.remove(pod);
            cache.farewell(pod, before, reads, names);
            // A pod that only changed keeps what it was allotted.
            if now_placed.is_none_or(|placed| placed.node != before.node) {
                state.allotted.remove(&pod.uid);
            }
            cache.count(before, false, reads, names);
        }
        if let Some(placed) = now_placed {
            state.placed.insert(pod, placed);
            state.learnt.extend(cache.learn(pod, reads, names));
            cache.welcome(pod, placed, &mut state.allotted, reads, names);
            cache.count(placed, true, reads, names);
        }
        wake_by_pod(before.filter(|_| !bound), now_placed.filter(|_| !bound), state, cache, reads, names, work.now());
    }
    if bound {
        wake_by_pod(None, now_placed, state, cache, reads, names, work.now());
    }
    let mut waits = false;
    match living {
        Some(living) if living.node.is_empty() && !state.binding.contains_key(&pod.uid) => {
            let terminating = reads.metas.get(pod).is_none_or(Meta::terminating);
            let facts = cache.class(names, reads, living.class).clone();
            let profile = cache.profile(facts.scheduler_name).filter(|_| !terminating);
            waits = profile.is_some_and(|profile| !profile.gates || scheduling_gates::refusal(&facts, names).is_none());
            if waits {
                let priority = facts.priority;
                let now_kind = reads.metas.get(pod).map(|meta| kind_of(living.class, meta, reads, names));
                if state.refused.get(&pod.uid).is_some_and(|refused| Some(*refused) != now_kind) {
                    state.refused.remove(&pod.uid);
                    state.queue.wake_one(pod, woken_by(Happenings::POD_ITSELF), work.now());
                }
                state.queue.add(pod, priority, work.now());
            } else {
                state.queue.remove(pod);
            }
        }
        _ if state.queue.knows(pod) => state.queue.remove(pod),
        _ => {}
    }
    if !waits {
        state.refused.remove(&pod.uid);
    }
    let stored = reads.statuses.get(pod).filter(|_| waits).map_or(Sym::EMPTY, |status| status.nominated_node);
    // The store may not know yet what the scheduler decided.
    if !waits || state.nominated.get(&pod.uid).is_none_or(|&node| node == stored) {
        state.nominated.remove(&pod.uid);
        cache.nominate(pod, waits, reads, names);
    }
    if stored.is_empty() && state.seen_nominated.is_empty() {
        return;
    }
    let before = state.seen_nominated.remove(&pod.uid);
    if let Some((living, meta)) = living.zip(reads.metas.get(pod)).filter(|_| !stored.is_empty()) {
        let kind = kind_of(living.class, meta, reads, names);
        state.seen_nominated.insert(pod.uid, Placed { node: stored, kind });
    }
    let placed = now_placed.is_some() || state.binding.contains_key(&pod.uid);
    if let Some(before) = before.filter(|before| before.node != stored && !placed) {
        nomination_ended(before, state, cache, reads, names, work.now());
    }
}

/// A waiting pod holds a node no more: to pods of its priority or lower, itself among them, that is as if it had left the node.
/// Source: kubernetes v1.36, `pkg/scheduler/eventhandlers.go`, `updatePodInSchedulingQueue`.
fn nomination_ended(
    before: Placed,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    now: SimTime,
) {
    let plugins = woken_by(Happenings::POD_GONE);
    let gone = cache.resident(before.kind, reads, names);
    let event = PodEvent { before: Some(&gone), after: None };
    let preempting = &state.preempting;
    state.queue.wake(plugins, now, |pod, plugins| match cache.incoming(pod, reads, names) {
        Some((incoming, _)) => {
            !preempting.contains(&pod.uid)
                && incoming.resident.class.priority <= gone.class.priority
                && pod_may_help(plugins, &cache.cycle(&incoming, reads, names), &event)
        }
        None => true,
    });
}

/// Takes in a node's present state and moves pods that it may help.
pub(super) fn node_changed(
    node: ObjRef,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    now: SimTime,
) {
    let before = state.queue.any_refused().then(|| cache.table.facts_of(node.uid).cloned());
    let happened = cache.node_changed(node, state, reads, names);
    let Some(before) = before else { return };
    let after = cache.table.facts_of(node.uid).cloned();
    let event = NodeEvent { before: before.as_ref(), after: after.as_ref() };
    // Each kind of change is an event of its own.
    for happened in happened.each() {
        let preempting = &state.preempting;
        state.queue.wake(woken_by(happened), now, |pod, plugins| match cache.incoming(pod, reads, names) {
            Some(_) if preempting.contains(&pod.uid) => false,
            Some((incoming, _)) => node_may_help(plugins, happened, &cache.cycle(&incoming, reads, names), &event),
            None => true,
        });
    }
}

/// Moves pods that a bound pod's coming, change or going may help.
fn wake_by_pod(
    before: Option<Placed>,
    after: Option<Placed>,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    now: SimTime,
) {
    let happened = match (before, after) {
        (None, Some(_)) => Happenings::POD_ASSIGNED,
        (Some(_), None) => Happenings::POD_GONE,
        (Some(before), Some(after)) if before.kind.labels != after.kind.labels => Happenings::POD_LABELS,
        (Some(before), Some(after)) if before.kind.class != after.kind.class => Happenings::POD_SCALED_DOWN,
        _ => return,
    };
    let plugins = woken_by(happened);
    if state.queue.any_refused_by(plugins) {
        let (before, after) = (before.map(|p| cache.resident(p.kind, reads, names)), after.map(|p| cache.resident(p.kind, reads, names)));
        let requests =
            |resident: &Option<pods::Resident>| resident.as_ref().map(|resident| resident.class.requests.clone()).unwrap_or_default();
        if happened == Happenings::POD_SCALED_DOWN {
            let (before, after) = (requests(&before), requests(&after));
            if !before.pairs().any(|(resource, amount)| after.get(resource) < amount) {
                return;
            }
        }
        let event = PodEvent { before: before.as_ref(), after: after.as_ref() };
        let preempting = &state.preempting;
        state.queue.wake(plugins, now, |pod, plugins| match cache.incoming(pod, reads, names) {
            // It is not tried again before its victims are on their way.
            Some(_) if preempting.contains(&pod.uid) => false,
            Some((incoming, _)) => pod_may_help(plugins, &cache.cycle(&incoming, reads, names), &event),
            None => true,
        });
    }
}

/// Takes in a change of storage, and tries the pods again that it may help.
pub(super) fn storage_changed(
    object: ObjRef,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    work: &mut Work<SchedulerQueue>,
) {
    let Some(meta) = reads.metas.get(object).or_else(|| reads.metas.get_even_gone(object)) else { return };
    let event = cache.storage_changed(object, meta, &mut state.seen_storage, &reads.storage, &reads.labels, names);
    let plugins = woken_by(event.happened);
    let of_claim = event.claim.filter(|_| event.happened.meets(Happenings::OF_CLAIMS));
    state.queue.wake(plugins, work.now(), |pod, _| match (of_claim, cache.incoming(pod, reads, names)) {
        (Some(claim), Some((incoming, _))) => incoming.resident.volumes.is_some_and(|volumes| volumes.uses(claim)),
        _ => true,
    });
    for pod in event.claim.map_or(Vec::new(), |claim| cache.awaiting(claim)) {
        let Some(reserved) = state.reserved.get(&pod) else { continue };
        match reserve::standing(reserved, cache, names, work.now()) {
            Standing::LookAgain(at) | Standing::Wait(at) => work.wake_at(pod, at),
            Standing::Bound | Standing::Failed(_) => work.wake(pod, wavetank_engine::ids::Revision(0)),
        }
    }
}

/// Goes on with a pod whose volumes are being bound.
pub(super) fn volumes_awaited(
    item: &Item,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    work: &mut Work<SchedulerQueue>,
    events: &mut Events,
) {
    let pod = item.object;
    let Some(mut reserved) = state.reserved.remove(&pod) else { return };
    let words = cache.words(pod, reads, names);
    let Some((waiting, meta)) = state.binding.get(&pod.uid).copied().zip(reads.metas.get(pod)) else {
        // The pod is gone, or a request was refused.
        cache.assume(pod, &reserved, false);
        return;
    };
    if !item.replies.is_empty() {
        reserved.since.get_or_insert(work.now());
    }
    match reserve::standing(&reserved, cache, names, work.now()) {
        Standing::LookAgain(at) | Standing::Wait(at) => {
            // Before the replies are in there is nothing to look at.
            if reserved.since.is_some() {
                work.wake_at(pod, at);
            }
            state.reserved.insert(pod, reserved);
        }
        Standing::Bound => {
            cache.assume(pod, &reserved, false);
            bind(pod, reserved.node, work);
        }
        Standing::Failed(why) => {
            cache.assume(pod, &reserved, false);
            state.binding.remove(&pod.uid);
            if let Some(placed) = state.placed.remove(pod) {
                cache.farewell(pod, placed, reads, names);
                state.allotted.remove(&pod.uid);
                cache.count(placed, false, reads, names);
            }
            let message = format!("running PreBind plugin \"VolumeBinding\": {why}");
            refused::tell(pod, meta, (&message, words.scheduler_error, Some(Sym::EMPTY)), reads, names, words, work, events);
            state.queue.error(waiting, work.now());
        }
    }
}
