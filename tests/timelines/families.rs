//! Families of recordings: the part of the name before the first `_`.

/// Families whose behaviours are not built yet. Their recordings are skipped and counted apart.
const NOT_BUILT: &[&str] = &["f", "j", "k", "l", "n", "q"];

/// Families that had their clusters to themselves, so that the scheduler's choice of nodes is judged. In all others
/// other scenarios ran at the same time, and the recorded nodes are inputs.
const OWN_CLUSTER: &[&str] = &["f", "j", "n", "q"];

/// Whether recordings of the family are skipped.
pub(crate) fn is_not_built(family: &str) -> bool {
    NOT_BUILT.contains(&family)
}

/// Whether the nodes that pods were bound to are judged.
pub(crate) fn has_own_cluster(family: &str) -> bool {
    OWN_CLUSTER.contains(&family)
}
