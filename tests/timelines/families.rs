//! Families of recordings: the part of the name before the first `_`.

use wavetank_engine::time::SimDuration;

/// Families whose behaviours are not built yet. Their recordings are skipped and counted apart.
const NOT_BUILT: &[&str] = &["k"];

/// Families that had their clusters to themselves, so that the scheduler's choice of nodes is judged. In all others
/// other scenarios ran at the same time, and the recorded nodes are inputs.
const OWN_CLUSTER: &[&str] = &["f", "j", "n", "q"];

/// Families in which the recorded outcome hangs on which of several woken pods the scheduler took first, a race in the original.
/// One of the first draws of that choice must give the recording.
const RACED: &[&str] = &["j"];
/// How many draws are tried.
const DRAWS: u64 = 48;

/// The seeds of open choices under which a recording of the family is tried, ours first.
pub(crate) fn choices(family: &str) -> impl Iterator<Item = Option<u64>> {
    let draws = if RACED.contains(&family) { DRAWS } else { 0 };
    std::iter::once(None).chain((0..draws).map(Some))
}

/// How long an attempt of the scheduler takes in recordings of the family: with the default client limits those that follow one another
/// are slow enough for other controllers to act between them.
pub(crate) fn scheduling_attempt(family: &str) -> SimDuration {
    if family == "q" { SimDuration::from_millis(5) } else { SimDuration::ZERO }
}

/// Whether recordings of the family are skipped.
pub(crate) fn is_not_built(family: &str) -> bool {
    NOT_BUILT.contains(&family)
}

/// Whether the nodes that pods were bound to are judged.
pub(crate) fn has_own_cluster(family: &str) -> bool {
    OWN_CLUSTER.contains(&family)
}
