//! Random numbers by (seed, purpose, object, nth): a new draw in one place shifts nothing elsewhere.

use crate::hash::StableHasher;
use std::hash::{Hash, Hasher};

/// A number drawn from the scene's seed for one purpose, one object (its `namespace/name`, so that an object added elsewhere moves
/// nothing) and one occasion. Uniform over all 64-bit numbers.
pub fn draw(seed: u64, purpose: &str, object: impl Hash, nth: u64) -> u64 {
    let mut hasher = StableHasher::default();
    seed.hash(&mut hasher);
    purpose.hash(&mut hasher);
    object.hash(&mut hasher);
    nth.hash(&mut hasher);
    mix(hasher.finish())
}

/// A drawn number below `bound` (`bound` > 0).
pub fn draw_below(seed: u64, purpose: &str, object: impl Hash, nth: u64, bound: u64) -> u64 {
    ((u128::from(draw(seed, purpose, object, nth)) * u128::from(bound)) >> 64) as u64
}

fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_fixed_apart_and_even() {
        assert_eq!(draw(7, "suffix", "default/web", 0), draw(7, "suffix", "default/web", 0));
        assert_ne!(draw(7, "suffix", "default/web", 0), draw(7, "suffix", "default/web", 1));
        assert_ne!(draw(7, "suffix", "default/web", 0), draw(8, "suffix", "default/web", 0));
        assert_ne!(draw(7, "suffix", "default/web", 0), draw(7, "tie", "default/web", 0));
        let mut counts = [0u32; 10];
        for nth in 0..100_000 {
            counts[draw_below(1, "even", "x", nth, 10) as usize] += 1;
        }
        assert!(counts.iter().all(|&c| (9_600..10_400).contains(&c)), "{counts:?}");
    }
}
