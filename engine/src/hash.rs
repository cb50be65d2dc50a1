//! Hashing that gives the same answer on every machine: a fixed hasher for look-up tables, and the digest.

use std::hash::{BuildHasher, Hasher};

/// Fixed state of [`StableHasher`], for hash tables that are only asked, never walked.
#[derive(Debug, Clone, Copy, Default)]
pub struct FixedState;

impl BuildHasher for FixedState {
    type Hasher = StableHasher;
    fn build_hasher(&self) -> StableHasher {
        StableHasher::default()
    }
}

/// A hash map that is only asked, never walked.
pub type LookupMap<K, V> = hashbrown::HashMap<K, V, FixedState>;
/// A hash set that is only asked, never walked.
pub type LookupSet<K> = hashbrown::HashSet<K, FixedState>;

/// A 64-bit hash of 64-bit words by multiplication and folding; fixed for ever, since digests are compared between versions and machines.
#[derive(Debug, Clone, Copy)]
pub struct StableHasher(u64);

impl Default for StableHasher {
    fn default() -> StableHasher {
        StableHasher(0x9E37_79B9_7F4A_7C15)
    }
}

impl StableHasher {
    #[inline]
    fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(0xE703_7ED1_A0B4_28DBu64);
        self.0 = ((product >> 64) as u64 ^ product as u64).wrapping_add(0x2D35_8DCC_AA6C_78A5).rotate_left(23) ^ word;
    }
}

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.word(u64::from_le_bytes(chunk.try_into().expect("chunks of eight bytes")));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut last = [0u8; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(last) ^ ((rest.len() as u64) << 56));
        }
    }
    #[inline]
    fn write_u8(&mut self, n: u8) {
        self.word(u64::from(n));
    }
    #[inline]
    fn write_u16(&mut self, n: u16) {
        self.word(u64::from(n));
    }
    #[inline]
    fn write_u32(&mut self, n: u32) {
        self.word(u64::from(n));
    }
    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.word(n);
    }
    #[inline]
    fn write_u128(&mut self, n: u128) {
        self.word(n as u64);
        self.word((n >> 64) as u64);
    }
    #[inline]
    fn write_usize(&mut self, n: usize) {
        self.word(n as u64);
    }
    #[inline]
    fn write_isize(&mut self, n: isize) {
        self.word(n as u64);
    }
    #[inline]
    fn finish(&self) -> u64 {
        let folded = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        folded ^ (folded >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(FixedState.hash_one("wavetank"), FixedState.hash_one(String::from("wavetank")));
        let values: std::collections::BTreeSet<u64> = (0..10_000u64).map(|n| FixedState.hash_one(n)).collect();
        assert_eq!(values.len(), 10_000);
        let low: std::collections::BTreeSet<u64> = (0..1_000u64).map(|n| FixedState.hash_one(n) & 0xFFFF).collect();
        assert!(low.len() > 970, "low bits spread: {}", low.len());
    }
}
