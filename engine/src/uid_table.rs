//! A number for each identity, in blocks that are given back once they are empty. Identities are counted up, so vectors serve.

use crate::ids::Uid;

const BLOCK: usize = 1024;
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone)]
struct Block {
    numbers: [u32; BLOCK],
    taken: usize,
}

/// Numbers below `u32::MAX` by identity.
#[derive(Debug, Clone, Default)]
pub(crate) struct UidTable {
    blocks: Vec<Option<Box<Block>>>,
}

impl UidTable {
    pub(crate) fn get(&self, uid: Uid) -> Option<u32> {
        let block = self.blocks.get(uid.0 as usize / BLOCK)?.as_deref()?;
        let number = block.numbers[uid.0 as usize % BLOCK];
        (number != NONE).then_some(number)
    }

    pub(crate) fn insert(&mut self, uid: Uid, number: u32) {
        let at = uid.0 as usize / BLOCK;
        if self.blocks.len() <= at {
            self.blocks.resize_with(at + 1, || None);
        }
        let block = self.blocks[at].get_or_insert_with(|| Box::new(Block { numbers: [NONE; BLOCK], taken: 0 }));
        block.taken += usize::from(block.numbers[uid.0 as usize % BLOCK] == NONE);
        block.numbers[uid.0 as usize % BLOCK] = number;
    }

    pub(crate) fn remove(&mut self, uid: Uid) {
        let Some(held) = self.blocks.get_mut(uid.0 as usize / BLOCK) else { return };
        let Some(block) = held else { return };
        let cell = &mut block.numbers[uid.0 as usize % BLOCK];
        if std::mem::replace(cell, NONE) != NONE {
            block.taken -= 1;
            if block.taken == 0 {
                *held = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_and_go_with_their_identities() {
        let mut slots = UidTable::default();
        for uid in 1..=3000 {
            slots.insert(Uid(uid), uid as u32 * 2);
        }
        assert_eq!((slots.get(Uid(2500)), slots.get(Uid(0)), slots.get(Uid(9000))), (Some(5000), None, None));
        for uid in 1..2048 {
            slots.remove(Uid(uid));
        }
        assert_eq!(slots.blocks.iter().filter(|block| block.is_some()).count(), 1);
        assert_eq!((slots.get(Uid(2047)), slots.get(Uid(2048))), (None, Some(4096)));
    }
}
