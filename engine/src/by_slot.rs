//! Values by object in a plain vector: no hashing for the many look-ups of hot paths.

use crate::hash::LookupMap;
use crate::ids::{ObjRef, Uid};
use serde::{Deserialize, Serialize};

/// Values by object, kept at the object's slot. Two objects that follow each other in one slot are held apart by their identities; the
/// later one then stands in a table beside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BySlot<T> {
    /// `Uid(0)` where there is nothing.
    cells: Vec<(Uid, T)>,
    others: LookupMap<Uid, T>,
    len: usize,
}

impl<T> Default for BySlot<T> {
    fn default() -> BySlot<T> {
        BySlot { cells: Vec::new(), others: LookupMap::default(), len: 0 }
    }
}

impl<T: Copy + Default> BySlot<T> {
    /// The value of an object.
    pub fn get(&self, object: ObjRef) -> Option<&T> {
        match self.cells.get(object.slot.at()) {
            Some((uid, value)) if *uid == object.uid && object.uid != Uid(0) => Some(value),
            _ if self.others.is_empty() => None,
            _ => self.others.get(&object.uid),
        }
    }

    /// The value of an object, to be changed.
    pub fn get_mut(&mut self, object: ObjRef) -> Option<&mut T> {
        match self.cells.get_mut(object.slot.at()) {
            Some((uid, value)) if *uid == object.uid && object.uid != Uid(0) => Some(value),
            _ if self.others.is_empty() => None,
            _ => self.others.get_mut(&object.uid),
        }
    }

    /// Whether there is a value for an object.
    pub fn contains(&self, object: ObjRef) -> bool {
        self.get(object).is_some()
    }

    /// Puts a value; gives back the one before.
    pub fn insert(&mut self, object: ObjRef, value: T) -> Option<T> {
        if let Some(old) = self.get_mut(object) {
            return Some(std::mem::replace(old, value));
        }
        self.len += 1;
        let at = object.slot.at();
        if object.uid != Uid(0) && self.cells.len() <= at {
            self.cells.resize(at + 1, (Uid(0), T::default()));
        }
        match self.cells.get_mut(at) {
            Some(cell) if cell.0 == Uid(0) && object.uid != Uid(0) => *cell = (object.uid, value),
            _ => {
                self.others.insert(object.uid, value);
            }
        }
        None
    }

    /// Takes a value out.
    pub fn remove(&mut self, object: ObjRef) -> Option<T> {
        let removed = match self.cells.get_mut(object.slot.at()) {
            Some(cell) if cell.0 == object.uid && object.uid != Uid(0) => {
                cell.0 = Uid(0);
                Some(cell.1)
            }
            _ => self.others.remove(&object.uid),
        };
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All values with the identities of their objects, in order of identity.
    pub fn sorted(&self) -> Vec<(Uid, T)> {
        let cells = self.cells.iter().filter(|cell| cell.0 != Uid(0)).copied();
        let mut all: Vec<(Uid, T)> = cells.chain(self.others.iter().map(|(&uid, &value)| (uid, value))).collect();
        all.sort_unstable_by_key(|pair| pair.0);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Slot;

    fn object(uid: u64, slot: u32) -> ObjRef {
        ObjRef { uid: Uid(uid), slot: Slot(slot) }
    }

    #[test]
    fn objects_that_follow_in_a_slot_are_held_apart() {
        let mut map = BySlot::default();
        assert_eq!(map.insert(object(1, 3), 10), None);
        assert_eq!(map.insert(object(2, 3), 20), None);
        assert_eq!((map.get(object(1, 3)), map.get(object(2, 3)), map.get(object(3, 3))), (Some(&10), Some(&20), None));
        assert_eq!(map.insert(object(2, 3), 21), Some(20));
        assert_eq!(map.remove(object(1, 3)), Some(10));
        assert_eq!(map.insert(object(2, 3), 22), Some(21));
        assert_eq!((map.len(), map.sorted()), (1, vec![(Uid(2), 22)]));
        assert_eq!(map.remove(object(2, 3)), Some(22));
        assert!(map.is_empty());
    }

    #[test]
    fn the_object_without_identity_has_a_value_too() {
        let mut map = BySlot::default();
        assert_eq!(map.get(object(0, 0)), None);
        map.insert(object(0, 0), 5);
        map.insert(object(9, 0), 6);
        assert_eq!((map.get(object(0, 0)), map.get(object(9, 0))), (Some(&5), Some(&6)));
        assert_eq!(map.remove(object(0, 0)), Some(5));
    }
}
