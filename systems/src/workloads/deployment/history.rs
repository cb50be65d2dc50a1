//! Which old ReplicaSets of a Deployment are deleted once a rollout is complete.
//!
//! Source: kubernetes v1.36, `pkg/controller/deployment/sync.go`, `cleanupDeployment`.

/// What the clean-up looks at in an old set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldSet {
    /// Annotation revision, 0 when it is missing or no number.
    pub revision: i64,
    /// `spec.replicas`.
    pub replicas: i32,
    /// `status.replicas`.
    pub status_replicas: i32,
    /// Whether the status is of an older generation than the spec.
    pub unobserved: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// Indices of the sets to delete, in order: all but the `limit` highest revisions, apart from those that still have or want pods.
pub fn surplus(old: &[OldSet], limit: i32) -> Vec<usize> {
    let mut alive: Vec<usize> = (0..old.len()).filter(|&set| !old[set].deleting).collect();
    let surplus = alive.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    alive.sort_by_key(|&set| old[set].revision);
    alive.truncate(surplus);
    alive.retain(|&set| old[set].status_replicas == 0 && old[set].replicas == 0 && !old[set].unobserved);
    alive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_revisions_go_unless_they_have_pods() {
        let set = |revision| OldSet { revision, replicas: 0, status_replicas: 0, unobserved: false, deleting: false };
        let old = [set(4), OldSet { replicas: 1, ..set(1) }, set(2), OldSet { deleting: true, ..set(0) }, set(3)];
        assert_eq!(surplus(&old, 1), [2, 4], "revision 1 has pods and yet takes a place");
        assert_eq!(surplus(&old, 9), [] as [usize; 0]);
    }
}
