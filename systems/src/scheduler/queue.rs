//! The scheduling queue: active, back-off and unschedulable pods. Source: `spec/scheduler.md` §8.

use crate::scheduler::plugin::Plugins;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::draw::draw_below;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::time::{SimDuration, SimTime};

/// A pod stays unschedulable at most this long.
const UNSCHEDULABLE_MAX: SimDuration = SimDuration::from_secs(300);
/// How often that is looked at.
const FLUSH_PERIOD: SimDuration = SimDuration::from_secs(30);

/// A pod that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The pod.
    pub pod: ObjRef,
    /// `spec.priority`.
    pub priority: i32,
    /// Failed attempts.
    pub failures: u32,
    /// Time of entry.
    pub entered_at: SimTime,
    /// Plugins that refused it last.
    pub plugins: Plugins,
    /// When it failed last.
    pub failed_at: SimTime,
    /// Whether it failed by an error, such as a refused binding, and not because no node could take it.
    pub by_error: bool,
}

/// How long failed pods wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Backoff {
    /// `podInitialBackoffSeconds`; it doubles with each failure.
    first: SimDuration,
    /// `podMaxBackoffSeconds`.
    longest: SimDuration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { first: SimDuration::from_secs(1), longest: SimDuration::from_secs(10) }
    }
}

impl Backoff {
    /// End of a pod's back-off, cut to a whole second as the original does.
    fn end(self, waiting: &Waiting) -> SimTime {
        let doubled = self.first.0.saturating_mul(1 << waiting.failures.saturating_sub(1).min(40));
        (waiting.failed_at + SimDuration(doubled).min(self.longest)).cut_to_second()
    }
}

/// The queue. Pods of one priority leave in the order in which they entered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SchedulingQueue {
    /// (priority descending, time of entry, number of entry).
    active: BTreeMap<(std::cmp::Reverse<i32>, SimTime, u64), Waiting>,
    backoff: BTreeMap<(SimTime, u64), Waiting>,
    unschedulable: BTreeMap<ObjRef, Waiting>,
    /// Plugins that refused any of those; some that are gone may be among them until the next event.
    refused_by: Plugins,
    /// Pods in any of the three.
    known: BTreeSet<ObjRef>,
    entries: u64,
    backoff_times: Backoff,
    /// Where it is drawn which of several woken pods is tried first.
    shuffled: Option<u64>,
    /// Pods taken up again since they were last asked for; `None` where nobody asks.
    #[serde(skip)]
    taken_up: Option<Vec<ObjRef>>,
}

impl SchedulingQueue {
    /// Has one drawn pod go first of those that an event wakes: the original moves them one by one, in the order of a Go map, and an
    /// idle scheduler takes the first before the others are there.
    pub fn shuffle(&mut self, seed: Option<u64>) {
        self.shuffled = seed;
    }

    /// Has pods remembered that events move.
    pub fn remember_taken_up(&mut self) {
        self.taken_up.get_or_insert_default();
    }

    /// Pods that events moved since the last call, where they are remembered.
    pub fn taken_up(&mut self) -> Vec<ObjRef> {
        self.taken_up.as_mut().map_or(Vec::new(), std::mem::take)
    }

    /// Has failed pods wait for `first`, twice as long after each further failure, and at most for `longest`.
    pub fn back_off_for(&mut self, first: SimDuration, longest: SimDuration) {
        self.backoff_times = Backoff { first, longest };
    }

    /// Adds a pod that was never tried.
    pub fn add(&mut self, pod: ObjRef, priority: i32, now: SimTime) {
        if self.known.insert(pod) {
            self.activate(Waiting { pod, priority, failures: 0, entered_at: now, plugins: Plugins::NONE, failed_at: now, by_error: false });
        }
    }

    fn activate(&mut self, waiting: Waiting) {
        self.entries += 1;
        self.active.insert((std::cmp::Reverse(waiting.priority), waiting.entered_at, self.entries), waiting);
    }

    /// Whether the pod waits.
    pub fn knows(&self, pod: ObjRef) -> bool {
        self.known.contains(&pod)
    }

    /// All pods that wait, in order of identity.
    pub fn waiting(&self) -> impl Iterator<Item = ObjRef> + '_ {
        self.known.iter().copied()
    }

    /// Pods to be tried, pods in back-off, and pods that wait for an event.
    pub fn lengths(&self) -> [usize; 3] {
        [self.active.len(), self.backoff.len(), self.unschedulable.len()]
    }

    /// Takes a pod out: it is bound, gone or done.
    pub fn remove(&mut self, pod: ObjRef) {
        if self.known.remove(&pod) && self.unschedulable.remove(&pod).is_none() {
            self.active.retain(|_, waiting| waiting.pod != pod);
            self.backoff.retain(|_, waiting| waiting.pod != pod);
        }
    }

    /// The next pod to try. An idle scheduler takes pods from back-off early, but not those that failed by an error.
    pub fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.active.pop_first().map(|(_, waiting)| waiting).or_else(|| self.pop_backoff())?;
        self.known.remove(&waiting.pod);
        Some(waiting)
    }

    /// Whether [`SchedulingQueue::pop`] has a pod to give.
    pub fn is_ready(&self) -> bool {
        !self.active.is_empty() || self.backoff.values().any(|waiting| !waiting.by_error)
    }

    fn pop_backoff(&mut self) -> Option<Waiting> {
        let key = self.backoff.iter().find(|(_, waiting)| !waiting.by_error).map(|(key, _)| *key)?;
        self.backoff.remove(&key)
    }

    /// Puts a pod back that no node could take.
    pub fn fail(&mut self, waiting: Waiting, plugins: Plugins, now: SimTime) {
        let waiting = Waiting { failures: waiting.failures + 1, plugins, failed_at: now, by_error: false, ..waiting };
        self.known.insert(waiting.pod);
        self.refused_by = self.refused_by.or(plugins);
        self.unschedulable.insert(waiting.pod, waiting);
    }

    /// Puts a pod back whose binding was refused: it backs off at once.
    pub fn error(&mut self, waiting: Waiting, now: SimTime) {
        let waiting = Waiting { failures: waiting.failures + 1, failed_at: now, by_error: true, ..waiting };
        self.known.insert(waiting.pod);
        self.back_off(waiting);
    }

    /// Whether any pod waits for an event.
    pub fn any_refused(&self) -> bool {
        !self.unschedulable.is_empty()
    }

    /// Whether one of these plugins may have refused a pod that waits for an event.
    pub fn any_refused_by(&self, plugins: Plugins) -> bool {
        self.refused_by.meets(plugins)
    }

    /// Moves unschedulable pods that one of these plugins refused: something happened that may make room for them.
    /// `hint` says of a pod and its plugins that hear of the event whether it may really help.
    pub fn wake(&mut self, plugins: Plugins, now: SimTime, mut hint: impl FnMut(ObjRef, Plugins) -> bool) {
        if !self.any_refused_by(plugins) {
            return;
        }
        self.refused_by = self.unschedulable.values().fold(Plugins::NONE, |all, waiting| all.or(waiting.plugins));
        let hears = |waiting: &&Waiting| waiting.plugins.meets(plugins) && hint(waiting.pod, waiting.plugins.and(plugins));
        let mut interested: Vec<ObjRef> = self.unschedulable.values().filter(hears).map(|waiting| waiting.pod).collect();
        if let Some(seed) = self.shuffled.filter(|_| !interested.is_empty() && self.active.is_empty()) {
            let first = draw_below(seed, "first of the woken", now, self.entries, interested.len() as u64) as usize;
            let pod = interested.swap_remove(first);
            let waiting = self.unschedulable.remove(&pod).expect("just found");
            self.entries += 1;
            self.active.insert((std::cmp::Reverse(i32::MAX), SimTime::ZERO, self.entries), Waiting { entered_at: now, ..waiting });
            self.taken_up.iter_mut().for_each(|list| list.push(pod));
        }
        for pod in interested {
            self.requeue(pod, now);
        }
    }

    /// Moves one unschedulable pod that changed itself, if one of these plugins refused it.
    pub fn wake_one(&mut self, pod: ObjRef, plugins: Plugins, now: SimTime) {
        if self.unschedulable.get(&pod).is_some_and(|waiting| waiting.plugins.meets(plugins)) {
            self.requeue(pod, now);
        }
    }

    fn requeue(&mut self, pod: ObjRef, now: SimTime) {
        let Some(waiting) = self.unschedulable.remove(&pod) else { return };
        self.taken_up.iter_mut().for_each(|list| list.push(pod));
        if self.backoff_times.end(&waiting) <= now {
            self.activate(Waiting { entered_at: now, ..waiting });
        } else {
            self.back_off(waiting);
        }
    }

    fn back_off(&mut self, waiting: Waiting) {
        self.entries += 1;
        self.backoff.insert((self.backoff_times.end(&waiting), self.entries), waiting);
    }

    /// Moves pods whose back-off is over, and those unschedulable for too long. Returns the next moment to look.
    pub fn flush(&mut self, now: SimTime) -> Option<SimTime> {
        while self.backoff.first_key_value().is_some_and(|(key, _)| key.0 <= now) {
            if let Some((_, waiting)) = self.backoff.pop_first() {
                self.activate(Waiting { entered_at: now, ..waiting });
            }
        }
        let old: Vec<ObjRef> = self.unschedulable.values().filter(|waiting| flush_at(waiting) <= now).map(|waiting| waiting.pod).collect();
        for pod in old {
            let waiting = self.unschedulable.remove(&pod).expect("just found");
            self.activate(Waiting { entered_at: now, ..waiting });
        }
        let flush = self.unschedulable.values().map(flush_at).min();
        let backoff = self.backoff.first_key_value().map(|(key, _)| key.0);
        flush.into_iter().chain(backoff).min()
    }
}

/// First pass of the flush at which the pod has been unschedulable for too long.
fn flush_at(waiting: &Waiting) -> SimTime {
    let at = waiting.failed_at + UNSCHEDULABLE_MAX;
    SimTime(at.0.div_ceil(FLUSH_PERIOD.0) * FLUSH_PERIOD.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::ids::Uid;

    #[test]
    fn errors_wait_for_their_back_off_and_refusals_do_not() {
        let mut queue = SchedulingQueue::default();
        let (first, second) = (pod(1), pod(2));
        let now = SimTime(500_000_000);
        queue.add(first, 0, now);
        queue.add(second, 5, now);
        let (high, low) = (queue.pop().unwrap(), queue.pop().unwrap());
        assert_eq!((high.pod, low.pod), (second, first), "the higher priority first");
        queue.error(high, now);
        queue.fail(low, Plugins(1), now);
        assert_eq!(queue.pop(), None, "one waits for its time, one for an event");
        queue.wake(Plugins(2), now, |_, _| true);
        assert_eq!(queue.pop(), None, "the event is none of its plugin's");
        queue.wake(Plugins(1), now, |_, _| false);
        assert_eq!(queue.pop(), None, "the plugin knows that the event does not help");
        queue.wake(Plugins(1), now, |_, _| true);
        assert_eq!(queue.pop().unwrap().pod, first, "taken from back-off early");
        assert_eq!(queue.flush(now), Some(SimTime(1_000_000_000)), "a back-off ends on a whole second");
        queue.flush(SimTime(1_000_000_000));
        assert_eq!(queue.pop().unwrap().pod, second);
    }

    #[test]
    fn back_off_doubles_up_to_its_longest() {
        let pods = |first: u64, longest: u64| {
            let mut queue = SchedulingQueue::default();
            queue.back_off_for(SimDuration::from_secs(first), SimDuration::from_secs(longest));
            queue.add(pod(1), 0, SimTime::ZERO);
            let mut waiting = queue.pop().unwrap();
            let mut ends = Vec::new();
            for _ in 0..5 {
                queue.error(waiting, SimTime::ZERO);
                let end = queue.flush(SimTime::ZERO).unwrap();
                ends.push(end.0 / 1_000_000_000);
                queue.flush(end);
                waiting = queue.pop().unwrap();
            }
            ends
        };
        for (first, longest, want) in [(1, 10, [1, 2, 4, 8, 10]), (3, 20, [3, 6, 12, 20, 20]), (5, 5, [5; 5]), (1, 1_000, [1, 2, 4, 8, 16])]
        {
            assert_eq!(pods(first, longest), want, "{first} {longest}");
        }
    }

    fn pod(number: u64) -> ObjRef {
        ObjRef { uid: Uid(number), slot: wavetank_engine::ids::Slot(number as u32) }
    }
}
