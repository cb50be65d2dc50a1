//! What client-go's recorder does with an event before it is written: combines many similar ones, and drops too many.
//!
//! Source: `spec/lifecycle-more.md` §18, kubernetes v1.36, `staging/src/k8s.io/client-go/tools/record/events_cache.go`.

use crate::hash::LookupMap;
use crate::ids::Uid;
use crate::names::Sym;
use crate::time::{SimDuration, SimTime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::hash::Hash;

/// So many different messages within the window, and those from then on are combined.
const COMBINED_FROM: usize = 10;
/// How long after its last event a group of similar ones is remembered.
const WINDOW: SimDuration = SimDuration::from_secs(600);
/// Events about one object from one source that may come at once.
const BURST: u64 = 25;
/// How long until one more may come.
const REFILL: SimDuration = SimDuration::from_secs(300);
/// Groups and objects remembered before the newest; the oldest are forgotten first. The original remembers 4,096 in each process.
const KEPT_MAX: usize = 65_536;

/// Similar events: the same source, object, type and reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct GroupKey {
    pub(crate) source: Sym,
    pub(crate) about: Uid,
    pub(crate) warning: bool,
    pub(crate) reason: Sym,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Group {
    /// Hashes of the different messages.
    messages: SmallVec<[u64; 1]>,
    last_at: SimTime,
}

/// The recorder's memory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Correlator {
    groups: Memory<GroupKey, Group>,
    /// When the bucket of a source and object will be full again.
    buckets: Memory<(Sym, Uid), SimTime>,
}

impl Correlator {
    /// Notes an event; whether it is to be combined with those like it.
    ///
    /// Choice: of the messages known the original then forgets any one; we forget this one, so that the first nine stay apart.
    pub(crate) fn combines(&mut self, now: SimTime, key: GroupKey, message: u64) -> bool {
        let group = self.groups.entry(key);
        if group.last_at + WINDOW < now {
            group.messages.clear();
        }
        group.last_at = now;
        if group.messages.contains(&message) {
            return false;
        }
        let combined = group.messages.len() + 1 >= COMBINED_FROM;
        if !combined {
            group.messages.push(message);
        }
        combined
    }

    /// Takes a token for an event; `false` when there is none left and the event is dropped.
    pub(crate) fn admits(&mut self, now: SimTime, source: Sym, about: Uid) -> bool {
        let full_at = self.buckets.entry((source, about));
        let next = (*full_at).max(now) + REFILL;
        let admitted = next <= now + REFILL.saturating_mul(BURST);
        if admitted {
            *full_at = next;
        }
        admitted
    }
}

/// A table that forgets its oldest entries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "K: Hash + Eq + Serialize + DeserializeOwned, V: Serialize + DeserializeOwned")]
struct Memory<K, V> {
    table: LookupMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Memory<K, V> {
    fn default() -> Memory<K, V> {
        Memory { table: LookupMap::default(), order: VecDeque::new() }
    }
}

impl<K: Hash + Eq + Copy, V: Default> Memory<K, V> {
    fn entry(&mut self, key: K) -> &mut V {
        if self.order.len() > KEPT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.table.remove(&oldest);
        }
        let order = &mut self.order;
        self.table.entry(key).or_insert_with(|| {
            order.push_back(key);
            V::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> GroupKey {
        GroupKey { source: Sym(1), about: Uid(7), warning: false, reason: Sym(2) }
    }

    #[test]
    fn the_tenth_different_message_is_combined() {
        let mut correlator = Correlator::default();
        let combined: Vec<bool> = (0..12).map(|n| correlator.combines(SimTime::from_secs(n), key(), n)).collect();
        assert_eq!(combined, [false, false, false, false, false, false, false, false, false, true, true, true]);
        assert!(!correlator.combines(SimTime::from_secs(12), key(), 3), "one of the first nine stays apart");
        assert!(!correlator.combines(SimTime::from_secs(613), key(), 99), "the group was forgotten");
    }

    #[test]
    fn a_burst_of_twenty_five_then_one_each_five_minutes() {
        let mut correlator = Correlator::default();
        let mut at = |seconds: u64| correlator.admits(SimTime::from_secs(seconds), Sym(1), Uid(7));
        assert_eq!((0..30).filter(|_| at(0)).count(), 25);
        assert!(!at(299));
        assert!(at(300));
        assert!(!at(301));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut correlator = Correlator::default();
        for uid in 0..=KEPT_MAX as u64 + 1 {
            correlator.admits(SimTime::ZERO, Sym(1), Uid(uid));
        }
        assert_eq!(correlator.buckets.table.len(), KEPT_MAX + 1);
        assert!(!correlator.buckets.table.contains_key(&(Sym(1), Uid(0))));
    }
}
