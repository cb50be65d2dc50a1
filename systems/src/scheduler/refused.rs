//! What follows a cycle that found no node: room is made by preemption if it can be, and the pod says why it waits.
//!
//! Source: kubernetes v1.36, `schedule_one.go`, `handleSchedulingFailure`, and `framework/preemption/executor.go`; `spec/scheduler.md` §6.

use super::cache::{PodKind, SchedulerCache};
use super::failure::{Failure, event_text};
use super::pods::{Incoming, Resident};
use super::preemption::{Budget, Cluster, Helpless, OnNode, Outcome, preempt};
use super::queue::Waiting;
use super::refusals::{Kept, Key, Said};
use super::{Reads, SchedulerQueue, SchedulerState, Words};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Revision, uid_text};
use wavetank_engine::model::meta::{Condition, ConditionStatus, Meta, condition};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// The pod of a failed cycle.
pub(super) struct About<'a> {
    /// Its entry in the queue.
    pub(super) waiting: Waiting,
    /// Its key.
    pub(super) key: ObjectKey,
    /// As plugins see it.
    pub(super) incoming: &'a Incoming,
    /// What tells it from others.
    pub(super) kind: PodKind,
    /// What its refusals are kept by, where they stand until nodes change.
    pub(super) standing: Option<Key>,
    /// What is kept.
    pub(super) kept: Option<Kept>,
}

/// The store as preemption looks at it.
struct Store<'s, 'w, 'q> {
    state: &'s SchedulerState,
    cache: &'s SchedulerCache,
    reads: &'s Reads<'w, 'q>,
    words: Words,
    now: SimTime,
    /// Pods whose binding is under way, by node; found when they are first asked for.
    assumed: OnceCell<BTreeMap<Sym, Vec<ObjRef>>>,
}

impl Cluster for Store<'_, '_, '_> {
    fn on_node(&self, number: u32) -> Vec<OnNode> {
        let name = self.cache.table.get(number).name;
        let assumed = self.assumed.get_or_init(|| assumed(self.state)).get(&name).into_iter().flatten().copied();
        let one = |pod: ObjRef| {
            let placed = self.state.placed.get(pod).filter(|placed| placed.node == name)?;
            let status = self.reads.statuses.get(pod)?;
            let own = self.cache.own.seated(number, pod.uid).cloned();
            Some(OnNode {
                pod,
                resident: Resident { own, ..self.cache.resident_known(placed.kind)?.clone() },
                started_at: status.start_at.unwrap_or(self.now),
            })
        };
        self.reads.listing.on_node(name).chain(assumed).filter_map(one).collect()
    }

    fn preempted(&self, pod: ObjRef) -> bool {
        let target = self.reads.statuses.get(pod).and_then(|status| condition(&status.conditions, words::DISRUPTION_TARGET));
        let by_us = target.is_some_and(|c| c.status == ConditionStatus::True && c.reason == self.words.preempted_by_us);
        by_us && self.reads.metas.get(pod).is_some_and(Meta::terminating)
    }

    fn none_below(&self, priority: i32) -> bool {
        self.cache.none_below(priority)
    }

    fn budgets(&self) -> Vec<Budget> {
        let one = |object: ObjRef| {
            let (budget, status) = (self.reads.budgets.get(object)?, self.reads.budget_statuses.get(object)?);
            let namespace = self.reads.metas.get(object)?.namespace;
            let selector = self.reads.storage.selectors.get(budget.selector?);
            let pod = |&(name, _): &_| self.reads.listing.by_key(ObjectKey { kind: Kind::Pod, namespace, name });
            let disrupted = status.disrupted_pods.iter().filter_map(pod).collect();
            let budget = Budget { namespace, selector: selector.into(), allowed: status.disruptions_allowed, disrupted };
            (!selector.is_empty()).then_some(budget)
        };
        self.reads.listing.of_kind(Kind::PodDisruptionBudget).filter_map(one).collect()
    }
}

/// Looks for room by preemption; everything on nodes must be known.
#[expect(clippy::too_many_arguments, reason = "preemption looks at everything that the scheduler has")]
pub(super) fn room(
    incoming: &Incoming,
    failures: u32,
    failure: &Failure,
    helpless: &mut dyn Helpless,
    state: &SchedulerState,
    cache: &SchedulerCache,
    reads: &Reads,
    names: &Names,
    words: Words,
    now: SimTime,
) -> Outcome {
    let store = Store { state, cache, reads, words, now, assumed: OnceCell::new() };
    preempt(&cache.cycle(incoming, reads, names), failure, &store, helpless, reads.seed.0, failures)
}

/// Looks for room, nominates the pod where there is some, tells why it waits and puts it back into the queue.
#[expect(clippy::too_many_arguments, reason = "one cycle touches everything that the scheduler has")]
pub(super) fn give_up(
    about: About,
    failure: &Failure,
    state: &mut SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    words: Words,
    work: &mut Work<SchedulerQueue>,
    events: &mut Events,
) {
    let (waiting, now) = (about.waiting, work.now());
    cache.know_all(state, reads, names);
    let mut kept = about.kept;
    let known = kept.is_some();
    let outcome = {
        let mut nothing = ();
        let helpless: &mut dyn Helpless = kept.as_mut().map_or(&mut nothing, |kept| kept);
        room(about.incoming, waiting.failures, failure, helpless, state, cache, reads, names, words, now)
    };
    if known && reads.checking.0 {
        let plain = room(about.incoming, waiting.failures, failure, &mut (), state, cache, reads, names, words, now);
        assert_eq!(plain.shape(), outcome.shape(), "preemption helps where it did until nodes change");
    }
    if let Some(key) = about.standing {
        cache.refusals.put(key, kept.unwrap_or_default());
    }
    let message = failure.message(names, outcome.message());
    let nominated = match &outcome {
        Outcome::NotTried(_) => None,
        Outcome::NoRoom(_) => Some(Sym::EMPTY),
        Outcome::Room { candidates, chosen, .. } => Some(cache.table.get(candidates[*chosen].node).name),
    };
    if let Some(meta) = reads.metas.get(waiting.pod) {
        tell(waiting.pod, meta, (&message, words::UNSCHEDULABLE, nominated), reads, names, words, work, events);
    }
    match outcome {
        Outcome::NotTried(_) => {}
        Outcome::NoRoom(_) => {
            cache.nominations.drop(waiting.pod.uid);
            state.nominated.remove(&waiting.pod.uid);
        }
        Outcome::Room { candidates, chosen, .. } => {
            let candidate = &candidates[chosen];
            let node = cache.table.get(candidate.node).name;
            let priority = about.incoming.resident.class.priority;
            // Pods of lower priority may not fit there any more: they look for another place.
            let lower: Vec<ObjRef> = cache.nominations.on(node).iter().filter(|n| n.priority < priority).map(|n| n.pod).collect();
            for pod in lower {
                state.nominated.remove(&pod.uid);
                work.tell(Revision(0), Verb::PatchPod { pod, condition: None, nominated_node: Some(Sym::EMPTY) });
            }
            let uid = preemptor_uid(about.key, reads, waiting.pod, names);
            let (message, ours) = (words.preempted_condition, words.source);
            for victim in &candidate.victims {
                let Some(meta) = reads.metas.get(victim.pod).filter(|meta| !meta.terminating()) else { continue };
                let key = ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
                let (kind, reason) = (words::DISRUPTION_TARGET, words.preempted_by_us);
                let target = Condition { kind, status: ConditionStatus::True, reason, message, transition_at: now, update_at: now };
                let (pod, condition) = (victim.pod, Some(Box::new(target)));
                work.ask_for(waiting.pod, Revision(0), Verb::PatchPod { pod, condition, nominated_node: None });
                work.ask_for(waiting.pod, Revision(0), Verb::Delete { object: pod, grace_s: None, propagation: None });
                state.preempting.insert(waiting.pod.uid);
                let args = [Arg::Text(uid), Arg::Text(node)];
                let (reason, words) = (words.preempted, words.preempted_words);
                events.report(now, Report { about: key, uid: pod.uid, source: ours, warning: false, reason, words, args: &args });
            }
            cache.nominate_to(waiting.pod, node, reads, names);
            state.nominated.insert(waiting.pod.uid, node);
        }
    }
    state.refused.insert(waiting.pod.uid, about.kind);
    state.queue.fail(waiting, failure.plugins(), now);
}

/// What is kept of a pod's kind, brought up to date: no node can take the pod. `None` when nothing is kept, or when a node may.
pub(super) fn still_refused(key: &Key, incoming: &Incoming, cache: &mut SchedulerCache, reads: &Reads, names: &Names) -> Option<Kept> {
    let mut kept = cache.refusals.take(key)?;
    cache.nominations_changed();
    if cache.table.order(&reads.labels).is_empty() {
        return None;
    }
    let looked = kept.catch_up(&cache.cycle(incoming, reads, names))?;
    cache.looked_again(looked);
    Some(kept)
}

/// Tells once more why a pod waits, and puts it back into the queue.
#[expect(clippy::too_many_arguments, reason = "one cycle touches everything that the scheduler has")]
pub(super) fn give_up_again(
    (waiting, meta, kind): (Waiting, &Meta, PodKind),
    said: &Said,
    state: &mut SchedulerState,
    reads: &Reads,
    names: &mut Names,
    words: Words,
    work: &mut Work<SchedulerQueue>,
    events: &mut Events,
) {
    tell(waiting.pod, meta, (&said.message, words::UNSCHEDULABLE, Some(Sym::EMPTY)), reads, names, words, work, events);
    state.refused.insert(waiting.pod.uid, kind);
    state.queue.fail(waiting, said.plugins, work.now());
}

/// Tells why a pod could not be scheduled, as an event and in its status. `said`: the message, the condition's reason, and the node to
/// nominate the pod to (empty: none; `None`: as it is).
#[expect(clippy::too_many_arguments, reason = "a cycle touches everything that the scheduler has")]
pub(super) fn tell(
    pod: ObjRef,
    meta: &Meta,
    (message, reason, nominated_node): (&str, Sym, Option<Sym>),
    reads: &Reads,
    names: &mut Names,
    words: Words,
    work: &mut Work<SchedulerQueue>,
    events: &mut Events,
) {
    let now = work.now();
    let (text, said) = (names.sym(message), names.sym(&event_text(message)));
    let about = ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
    let revision = reads.listing.row(pod).map_or(Revision(0), |row| row.revision);
    let (uid, source, args) = (pod.uid, words.source, [Arg::Text(said)]);
    let report = Report { about, uid, source, warning: true, reason: words.failed, words: words.failed_words, args: &args };
    events.report_of(now, revision, report);
    let condition =
        Condition { kind: words::POD_SCHEDULED, status: ConditionStatus::False, reason, message: text, transition_at: now, update_at: now };
    work.tell(Revision(0), Verb::PatchPod { pod, condition: Some(Box::new(condition)), nominated_node });
}

/// Pods whose binding is under way by node, in order of identity.
fn assumed(state: &SchedulerState) -> BTreeMap<Sym, Vec<ObjRef>> {
    let mut by_node: BTreeMap<Sym, Vec<ObjRef>> = BTreeMap::new();
    let mut pods: Vec<ObjRef> = state.binding.values().map(|waiting| waiting.pod).collect();
    pods.sort_unstable();
    for pod in pods {
        if let Some(placed) = state.placed.get(pod) {
            by_node.entry(placed.node).or_default().push(pod);
        }
    }
    by_node
}

fn preemptor_uid(key: ObjectKey, reads: &Reads, pod: ObjRef, names: &mut Names) -> Sym {
    let created_at = reads.metas.get(pod).map_or(SimTime::ZERO, |meta| meta.created_at);
    let uid = uid_text(reads.seed.0, "pod", names.text(key.namespace), &names.render(key.name), created_at);
    names.sym(&uid)
}
