//! Matching pods by domain of a label key, and which nodes that leaves.

use crate::scheduler::nodes::NodeTable;
use crate::scheduler::tree::BLOCK;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::names::Sym;

/// Domain of a node that lacks the key.
const NONE: u32 = u32::MAX;

/// Sums of weights of pods by domain of a key.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    /// Domain of the node at each place; [`NONE`] where it lacks the key.
    pub(super) of_place: Vec<u32>,
    /// Sum of each domain.
    pub(super) values: Vec<i64>,
    /// Sum of all domains.
    pub(super) total: i64,
    /// Whether a node lacks the key.
    pub(super) gaps: bool,
    /// The least sum, and how many domains have it.
    lowest: (i64, u32),
}

impl Counter {
    /// Domains of a key; `alone`: each node with the key is a domain of its own.
    pub(super) fn new(key: Sym, alone: bool, table: &NodeTable, labels: &LabelSets) -> Counter {
        let mut numbers: LookupMap<Sym, u32> = LookupMap::default();
        let mut domains = 0;
        let mut domain = |number: &u32| {
            let Some(value) = labels.get(table.get(*number).labels, key) else { return NONE };
            let known = if alone { None } else { numbers.get(&value).copied() };
            known.unwrap_or_else(|| {
                numbers.insert(value, domains);
                domains += 1;
                domains - 1
            })
        };
        let of_place: Vec<u32> = table.ordered().iter().map(&mut domain).collect();
        let gaps = of_place.contains(&NONE);
        Counter { of_place, values: vec![0; domains as usize], total: 0, gaps, lowest: (0, domains) }
    }

    /// Adds to the domain of the node at a place. Returns its sum before and after; `None` when the node lacks the key.
    pub(super) fn add(&mut self, place: usize, weight: i64) -> Option<(i64, i64)> {
        let value = self.values.get_mut(self.of_place[place] as usize)?;
        let before = *value;
        *value += weight;
        self.total += weight;
        let now = *value;
        if now < self.lowest.0 {
            self.lowest = (now, 1);
        } else if before == self.lowest.0 && weight != 0 {
            self.lowest.1 -= 1;
            if self.lowest.1 == 0 {
                let low = self.values.iter().copied().min().unwrap_or(0);
                self.lowest = (low, self.values.iter().filter(|value| **value == low).count() as u32);
            }
        } else if now == self.lowest.0 && weight != 0 {
            self.lowest.1 += 1;
        }
        Some((before, now))
    }

    /// Sum of the domain of the node at a place; `None` when it lacks the key.
    pub(super) fn at(&self, place: usize) -> Option<i64> {
        self.values.get(self.of_place[place] as usize).copied()
    }
}

/// What a counter's sums say of a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    /// A hard constraint: `maxSkew`, `minDomains`, whether the pod selects itself.
    Hard(i64, usize, i64),
    /// A soft constraint: `maxSkew`, whether its domains are nodes.
    Soft(i64, bool),
    /// Pods that required affinity wants near.
    Near,
    /// Pods that anti-affinity, of either side, keeps away.
    Far,
    /// Preferences, of either side.
    Pull,
}

/// A filter by the sums of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Test {
    /// Least and highest sum that pass.
    least: i64,
    most: i64,
    /// Whether a node without the key passes.
    without_key: bool,
}

impl Test {
    /// The filter of a role; `None`: it filters nothing. `first_of_kind`: the pod may go anywhere, being the first that its own required
    /// affinity means.
    pub(super) fn new(role: Role, counter: &Counter, first_of_kind: bool) -> Option<Test> {
        let (least, most, without_key) = match role {
            Role::Hard(max_skew, min_domains, own) => {
                let low = match counter.values.len() {
                    0 => i64::from(i32::MAX),
                    domains if domains < min_domains => 0,
                    _ => counter.lowest.0,
                };
                (i64::MIN, max_skew + low - own, false)
            }
            Role::Near => (if first_of_kind { i64::MIN } else { 1 }, i64::MAX, false),
            Role::Far => (i64::MIN, 0, true),
            Role::Soft(..) | Role::Pull => return None,
        };
        Some(Test { least, most, without_key })
    }

    /// Whether a node passes whose domain has a sum; `None`: it lacks the key.
    pub(super) fn passes(self, sum: Option<i64>) -> bool {
        sum.map_or(self.without_key, |sum| self.least <= sum && sum <= self.most)
    }
}

/// The places that pass a filter, kept as sums change.
#[derive(Debug)]
pub(super) struct Gate {
    test: Test,
    /// For each block.
    passing: Vec<u64>,
    /// Places of each domain: where each begins in `places`.
    begins: Vec<u32>,
    places: Vec<u32>,
}

impl Gate {
    pub(super) fn new(test: Test, counter: &Counter) -> Gate {
        let mut begins = vec![0; counter.values.len() + 1];
        for &domain in counter.of_place.iter().filter(|domain| **domain != NONE) {
            begins[domain as usize + 1] += 1;
        }
        for at in 1..begins.len() {
            begins[at] += begins[at - 1];
        }
        let (mut next, mut places) = (begins.clone(), vec![0; begins[begins.len() - 1] as usize]);
        for (place, &domain) in counter.of_place.iter().enumerate().filter(|(_, domain)| **domain != NONE) {
            let at = &mut next[domain as usize];
            places[*at as usize] = place as u32;
            *at += 1;
        }
        let mut gate = Gate { test, passing: Vec::new(), begins, places };
        gate.look(counter);
        gate
    }

    fn look(&mut self, counter: &Counter) {
        self.passing = vec![0; counter.of_place.len().div_ceil(BLOCK)];
        for place in (0..counter.of_place.len()).filter(|&place| self.test.passes(counter.at(place))) {
            self.passing[place / BLOCK] |= 1 << (place % BLOCK);
        }
    }

    /// Takes in what passes by now. Returns whether that changed.
    pub(super) fn set(&mut self, test: Test, counter: &Counter) -> bool {
        let changed = self.test != test;
        if changed {
            self.test = test;
            self.look(counter);
        }
        changed
    }

    /// Takes in that the sum of a place's domain has changed, and tells of each place that passes now or no longer.
    pub(super) fn change(&mut self, counter: &Counter, place: usize, (before, now): (i64, i64), mut changed: impl FnMut(usize)) {
        if self.test.passes(Some(before)) != self.test.passes(Some(now)) {
            let domain = counter.of_place[place] as usize;
            for &place in &self.places[self.begins[domain] as usize..self.begins[domain + 1] as usize] {
                self.passing[place as usize / BLOCK] ^= 1 << (place as usize % BLOCK);
                changed(place as usize);
            }
        }
    }

    /// The passing places of a block.
    pub(super) fn passing(&self, block: usize) -> u64 {
        self.passing[block]
    }
}
