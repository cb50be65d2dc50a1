//! Lists of slots by key: an index whose insert and removal cost O(1) whatever the length. Order is insertion order.

use crate::hash::LookupMap;
use crate::ids::Slot;
use std::hash::Hash;

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Ends {
    first: u32,
    last: u32,
    len: u32,
}

/// For each key a list of slots; each slot is in at most one list.
#[derive(Debug)]
pub struct Links<K> {
    ends: LookupMap<K, Ends>,
    next: Vec<u32>,
    before: Vec<u32>,
}

impl<K> Default for Links<K> {
    fn default() -> Links<K> {
        Links { ends: LookupMap::default(), next: Vec::new(), before: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash> Links<K> {
    /// Appends `slot` to the list of `key`.
    pub fn insert(&mut self, key: K, slot: Slot) {
        if self.next.len() <= slot.at() {
            self.next.resize(slot.at() + 1, NONE);
            self.before.resize(slot.at() + 1, NONE);
        }
        let ends = self.ends.entry(key).or_insert(Ends { first: NONE, last: NONE, len: 0 });
        self.before[slot.at()] = ends.last;
        self.next[slot.at()] = NONE;
        match ends.last {
            NONE => ends.first = slot.0,
            last => self.next[last as usize] = slot.0,
        }
        ends.last = slot.0;
        ends.len += 1;
    }

    /// Takes `slot` out of the list of `key`, where it must be.
    pub fn remove(&mut self, key: K, slot: Slot) {
        let ends = self.ends.get_mut(&key).expect("the slot is in the list of this key");
        let (before, next) = (self.before[slot.at()], self.next[slot.at()]);
        match before {
            NONE => ends.first = next,
            before => self.next[before as usize] = next,
        }
        match next {
            NONE => ends.last = before,
            next => self.before[next as usize] = before,
        }
        ends.len -= 1;
        if ends.len == 0 {
            self.ends.remove(&key);
        }
    }

    /// The slots of `key`, in insertion order.
    pub fn iter(&self, key: K) -> impl Iterator<Item = Slot> + '_ {
        let mut at = self.ends.get(&key).map_or(NONE, |ends| ends.first);
        std::iter::from_fn(move || {
            let slot = (at != NONE).then_some(Slot(at))?;
            at = self.next[slot.at()];
            Some(slot)
        })
    }

    /// Every list, for a checkpoint.
    pub(crate) fn dump(&self) -> Vec<(K, Vec<Slot>)> {
        self.ends.keys().map(|&key| (key, self.iter(key).collect())).collect()
    }

    /// The reverse of [`Links::dump`].
    pub(crate) fn restore(lists: Vec<(K, Vec<Slot>)>) -> Links<K> {
        let mut links = Links::default();
        for (key, slots) in lists {
            slots.into_iter().for_each(|slot| links.insert(key, slot));
        }
        links
    }

    /// Number of slots of `key`.
    pub fn len(&self, key: K) -> usize {
        self.ends.get(&key).map_or(0, |ends| ends.len as usize)
    }
}
