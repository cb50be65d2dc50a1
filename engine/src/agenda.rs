//! The agenda: future wake-ups ordered by (time, insertion), in a hierarchical timing wheel.
//!
//! Eleven levels of 64 places cover all 64-bit times. An entry stands at the level of the highest six-bit digit in which its
//! time differs from the wheel's present; places are emptied in order when the wheel reaches them, which keeps equal times
//! in insertion order. Push and pop cost O(1) amortised at any number of pending entries.

use crate::time::SimTime;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const LEVELS: usize = 11;
const PLACES: usize = 64;

/// Handle of a pending entry, for cancelling it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimerId {
    index: u32,
    stamp: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry<T> {
    at: u64,
    id: TimerId,
    item: T,
}

/// Future items ordered by (time, insertion).
#[derive(Debug, Serialize, Deserialize)]
pub struct Agenda<T> {
    now: u64,
    places: Vec<VecDeque<Entry<T>>>,
    occupied: Vec<u64>,
    stamps: Vec<u32>,
    free: Vec<u32>,
    pending: usize,
}

impl<T> Default for Agenda<T> {
    fn default() -> Agenda<T> {
        Agenda {
            now: 0,
            places: (0..LEVELS * PLACES).map(|_| VecDeque::new()).collect(),
            occupied: vec![0; LEVELS],
            stamps: Vec::new(),
            free: Vec::new(),
            pending: 0,
        }
    }
}

impl<T> Agenda<T> {
    /// Puts `item` on the agenda. A time already past counts as the present.
    pub fn push(&mut self, at: SimTime, item: T) -> TimerId {
        let at = at.0.max(self.now);
        let index = self.free.pop().unwrap_or_else(|| {
            self.stamps.push(0);
            self.stamps.len() as u32 - 1
        });
        let id = TimerId { index, stamp: self.stamps[index as usize] };
        self.place(Entry { at, id, item });
        self.pending += 1;
        id
    }

    /// Takes an entry off the agenda; `false` when it has fired or was cancelled before.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let live = self.stamps.get(id.index as usize) == Some(&id.stamp);
        if live {
            self.stamps[id.index as usize] += 1;
            self.pending -= 1;
        }
        live
    }

    /// The earliest item at or before `limit`, removed. Its time becomes the wheel's present.
    pub fn pop(&mut self, limit: SimTime) -> Option<(SimTime, T)> {
        loop {
            let level = (0..LEVELS).find(|&level| self.occupied[level] != 0)?;
            let digit = self.occupied[level].trailing_zeros() as u64;
            let place = level * PLACES + digit as usize;
            if level == 0 {
                let at = (self.now & !63) | digit;
                if at > limit.0 {
                    return None;
                }
                let entry = self.places[place].pop_front().expect("an occupied place holds an entry");
                if self.places[place].is_empty() {
                    self.occupied[0] &= !(1 << digit);
                }
                self.free.push(entry.id.index);
                let live = self.stamps[entry.id.index as usize] == entry.id.stamp;
                if live {
                    self.stamps[entry.id.index as usize] += 1;
                    self.pending -= 1;
                    self.now = at;
                    return Some((SimTime(at), entry.item));
                }
                continue;
            }
            let shift = 6 * level as u32;
            let above = if shift + 6 >= 64 { 0 } else { self.now >> (shift + 6) << (shift + 6) };
            let start = above | (digit << shift);
            if start > limit.0 {
                return None;
            }
            self.now = self.now.max(start);
            self.occupied[level] &= !(1 << digit);
            for entry in std::mem::take(&mut self.places[place]) {
                self.place(entry);
            }
        }
    }

    /// A moment that no pending entry comes before, as late as can be told without moving anything. `None`: nothing is pending.
    pub fn next_from(&self) -> Option<SimTime> {
        let level = (0..LEVELS).find(|&level| self.occupied[level] != 0)?;
        let shift = 6 * level as u32;
        let above = if shift + 6 >= 64 { 0 } else { self.now >> (shift + 6) << (shift + 6) };
        Some(SimTime(above | u64::from(self.occupied[level].trailing_zeros()) << shift))
    }

    /// Number of pending entries.
    pub fn len(&self) -> usize {
        self.pending
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.pending == 0
    }

    fn place(&mut self, entry: Entry<T>) {
        let differs = entry.at ^ self.now;
        let level = if differs == 0 { 0 } else { (63 - differs.leading_zeros() as usize) / 6 };
        let digit = (entry.at >> (6 * level)) & 63;
        self.occupied[level] |= 1 << digit;
        self.places[level * PLACES + digit as usize].push_back(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::draw_below;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_an_ordered_map_over_random_operations() {
        for seed in 0..20 {
            let mut agenda = Agenda::default();
            let mut model: BTreeMap<(u64, u64), TimerId> = BTreeMap::new();
            let (mut now, mut nth) = (0u64, 0u64);
            for step in 0..5_000u64 {
                match draw_below(seed, "operation", "agenda", step, 10) {
                    0..=4 => {
                        let reach = 1u64 << draw_below(seed, "reach", "agenda", step, 45);
                        let at = now + draw_below(seed, "time", "agenda", step, reach);
                        let id = agenda.push(SimTime(at), nth);
                        model.insert((at, nth), id);
                        nth += 1;
                    }
                    5 => {
                        let index = draw_below(seed, "victim", "agenda", step, model.len() as u64 + 1) as usize;
                        if let Some((&key, &id)) = model.iter().nth(index) {
                            assert!(agenda.cancel(id));
                            assert!(!agenda.cancel(id));
                            model.remove(&key);
                        }
                    }
                    _ => {
                        let limit = now + (1u64 << draw_below(seed, "limit", "agenda", step, 45));
                        let want = model.first_key_value().map(|(&key, _)| key).filter(|key| key.0 <= limit);
                        let got = agenda.pop(SimTime(limit)).map(|(at, item)| (at.0, item));
                        assert_eq!(got, want, "seed {seed} step {step}");
                        match want {
                            Some(key) => {
                                model.remove(&key);
                                now = key.0;
                            }
                            None => now = limit,
                        }
                    }
                }
                assert_eq!(agenda.len(), model.len());
                let next = model.first_key_value().map(|(&(at, _), _)| at);
                assert!(next.is_none_or(|at| agenda.next_from().is_some_and(|from| from.0 <= at)), "seed {seed} step {step}");
            }
        }
    }
}
