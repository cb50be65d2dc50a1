//! The digest of a run: final state and journal, the same on every machine and for any thread count.

use crate::api::objects::Objects;
use crate::hash::StableHasher;
use crate::record::journal::Journal;
use crate::simulation::Simulation;
use std::hash::{Hash, Hasher};

/// Digest over all living objects in order of creation, the present moment and everything that the journal was given.
pub fn digest(sim: &Simulation) -> u64 {
    let mut hasher = StableHasher::default();
    sim.now().hash(&mut hasher);
    sim.get::<Journal>().digest().hash(&mut hasher);
    let mut parts = sim.part_hashes();
    for row in sim.get::<Objects>().living() {
        row.object.uid.hash(&mut hasher);
        row.revision.hash(&mut hasher);
        parts.of(row.entity).for_each(|part| part.hash(&mut hasher));
    }
    hasher.finish()
}
