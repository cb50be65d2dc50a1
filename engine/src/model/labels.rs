//! Interned label sets (annotations too): one number for a whole set, so that comparing and matching are cheap.

use crate::hash::FixedState;
use crate::names::{Names, Sym};
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::hash::BuildHasher;

/// Number of an interned set of key-value pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct LabelSetId(pub u32);

impl LabelSetId {
    /// The set without pairs.
    pub const EMPTY: LabelSetId = LabelSetId(0);
}

/// The table of all label sets. ECS resource. Pairs of a set are sorted by the key's text.
#[derive(Clone, bevy_ecs::resource::Resource)]
pub struct LabelSets {
    sets: Vec<Box<[(Sym, Sym)]>>,
    table: HashTable<u32>,
}

impl Default for LabelSets {
    fn default() -> LabelSets {
        let mut sets = LabelSets { sets: Vec::new(), table: HashTable::new() };
        sets.intern_sorted(Vec::new());
        sets
    }
}

impl LabelSets {
    /// The number of a set; a later pair with the same key replaces an earlier one.
    pub fn intern(&mut self, names: &Names, pairs: impl IntoIterator<Item = (Sym, Sym)>) -> LabelSetId {
        let mut sorted: Vec<(Sym, Sym)> = Vec::new();
        for (key, value) in pairs {
            match sorted.iter_mut().find(|pair| pair.0 == key) {
                Some(pair) => pair.1 = value,
                None => sorted.push((key, value)),
            }
        }
        sorted.sort_by(|a, b| names.cmp(a.0, b.0));
        self.intern_sorted(sorted)
    }

    fn intern_sorted(&mut self, sorted: Vec<(Sym, Sym)>) -> LabelSetId {
        let hash = FixedState.hash_one(&sorted[..]);
        if let Some(&id) = self.table.find(hash, |&id| self.sets[id as usize][..] == sorted[..]) {
            return LabelSetId(id);
        }
        let id = self.sets.len() as u32;
        self.sets.push(sorted.into_boxed_slice());
        let LabelSets { sets, table } = self;
        table.insert_unique(hash, id, |&id| FixedState.hash_one(&sets[id as usize][..]));
        LabelSetId(id)
    }

    /// The pairs of a set, sorted by the key's text.
    pub fn pairs(&self, id: LabelSetId) -> &[(Sym, Sym)] {
        &self.sets[id.0 as usize]
    }

    /// The value of `key` in a set.
    pub fn get(&self, id: LabelSetId, key: Sym) -> Option<Sym> {
        self.pairs(id).iter().find(|pair| pair.0 == key).map(|pair| pair.1)
    }

    /// The set with one pair added or replaced.
    pub fn with(&mut self, names: &Names, id: LabelSetId, key: Sym, value: Sym) -> LabelSetId {
        let mut pairs = self.pairs(id).to_vec();
        match pairs.iter_mut().find(|pair| pair.0 == key) {
            Some(pair) => pair.1 = value,
            None => pairs.insert(pairs.partition_point(|pair| names.cmp(pair.0, key).is_lt()), (key, value)),
        }
        self.intern_sorted(pairs)
    }

    /// The set without one key.
    pub fn without(&mut self, id: LabelSetId, key: Sym) -> LabelSetId {
        let pairs: Vec<_> = self.pairs(id).iter().copied().filter(|pair| pair.0 != key).collect();
        self.intern_sorted(pairs)
    }

    /// Number of sets.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether there are no sets; never true, the empty set is always there.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

impl Serialize for LabelSets {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.sets.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LabelSets {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<LabelSets, D::Error> {
        let stored = Vec::<Vec<(Sym, Sym)>>::deserialize(deserializer)?;
        let mut sets = LabelSets::default();
        for set in stored {
            sets.intern_sorted(set);
        }
        Ok(sets)
    }
}
