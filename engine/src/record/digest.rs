//! The digest of a run: final state and journal, the same on every machine and for any thread count.

use crate::api::objects::Objects;
use crate::hash::{FixedState, StableHasher};
use crate::record::journal::Journal;
use crate::simulation::Simulation;
use std::hash::{BuildHasher, Hash, Hasher};

/// Digest over all living objects in order of creation, the present moment and everything that the journal was given.
pub fn digest(sim: &Simulation) -> u64 {
    let mut hasher = StableHasher::default();
    sim.now().hash(&mut hasher);
    sim.get::<Journal>().digest().hash(&mut hasher);
    for row in sim.get::<Objects>().living() {
        row.object.uid.hash(&mut hasher);
        row.revision.hash(&mut hasher);
        for part in sim.parts(row.object) {
            FixedState.hash_one(&part).hash(&mut hasher);
        }
    }
    hasher.finish()
}
