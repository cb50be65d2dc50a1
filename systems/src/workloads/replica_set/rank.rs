//! Which pods of a ReplicaSet are deleted first.
//!
//! Source: kubernetes v1.36, `pkg/controller/replicaset/replica_set.go`, `getPodsToDelete`; `pkg/controller/controller_utils.go`,
//! `ActivePodsWithRanks.Less`.

use std::cmp::Reverse;
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::names::Sym;
use wavetank_engine::time::SimTime;

/// Runs of at most this many pods are sorted by insertion, as Go's `sort.Sort` does.
const RUN_LEN_MAX: usize = 12;

/// What the order of deletion looks at in an active pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Node; empty while not bound.
    pub node: Sym,
    /// Phase: Pending, Unknown or Running.
    pub phase: PodPhase,
    /// Whether the Ready condition is True.
    pub ready: bool,
    /// Value of the deletion cost annotation, see [`deletion_cost`].
    pub deletion_cost: i32,
    /// Related active pods on the same node, the pod itself included; see [`rank_by_node`].
    pub related: u32,
    /// When the Ready condition last changed, in whole seconds; of ready pods.
    pub ready_at: SimTime,
    /// Most restarts of one container, and of one sidecar.
    pub restarts: (u32, u32),
    /// `creationTimestamp`, in whole seconds.
    pub created_at: SimTime,
    /// The identity, as the number that its text reads as.
    pub uid: u128,
}

/// The number in the annotation `controller.kubernetes.io/pod-deletion-cost`; 0 for a text that is no such number.
///
/// Source: kubernetes v1.36, `pkg/apis/core/helper/helpers.go`, `GetDeletionCostFromPodAnnotations`.
pub fn deletion_cost(text: &str) -> i32 {
    let first_fits = text == "0" || text.starts_with('-') || text.starts_with(|c: char| ('1'..='9').contains(&c));
    if first_fits { text.parse().unwrap_or(0) } else { 0 }
}

/// Sets `related` of each pod to the number of pods of `related_on` on its node. `related_on`: nodes of all related active pods.
pub fn rank_by_node(pods: &mut [Candidate], mut related_on: Vec<Sym>) {
    related_on.sort_unstable();
    for pod in pods {
        let from = related_on.partition_point(|node| *node < pod.node);
        pod.related = related_on[from..].iter().take_while(|node| **node == pod.node).count() as u32;
    }
}

/// The pods to be deleted as indices into `pods`, first to die first. Nothing is compared when all are to go.
///
/// Among pods that compare equal, and where the comparison runs in a circle (the uid decides only some of the pairs), the order of
/// `pods` counts.
pub fn victims(pods: &[Candidate], count: usize, now: SimTime) -> Vec<usize> {
    let mut order: Vec<usize> = (0..pods.len()).collect();
    if count < pods.len() {
        sort(&mut order, &mut |a, b| before(&pods[a], &pods[b], now));
        order.truncate(count);
    }
    order
}

/// Whether `a` is deleted before `b`.
pub fn before(a: &Candidate, b: &Candidate, now: SimTime) -> bool {
    let first = |pod: &Candidate| (!pod.node.is_empty(), phase_place(pod.phase), pod.ready, pod.deletion_cost, Reverse(pod.related));
    if first(a) != first(b) {
        return first(a) < first(b);
    }
    if a.ready && b.ready && a.ready_at != b.ready_at {
        return younger(a.ready_at, b.ready_at, now).unwrap_or(a.uid < b.uid);
    }
    if a.restarts != b.restarts {
        return a.restarts > b.restarts;
    }
    a.created_at != b.created_at && younger(a.created_at, b.created_at, now).unwrap_or(a.uid < b.uid)
}

fn phase_place(phase: PodPhase) -> u8 {
    match phase {
        PodPhase::Pending | PodPhase::Succeeded | PodPhase::Failed => 0,
        PodPhase::Unknown => 1,
        PodPhase::Running => 2,
    }
}

/// Whether the time since `a` has a smaller power of two in nanoseconds than that since `b`; `None` when it is the same power.
fn younger(a: SimTime, b: SimTime, now: SimTime) -> Option<bool> {
    let power = |at: SimTime| now.since(at).0.checked_ilog2();
    let (a, b) = (power(a), power(b));
    (a != b).then_some(a < b)
}

/// Sorts without relying on the comparison being transitive: insertion within runs, then merging of runs.
fn sort(order: &mut Vec<usize>, before: &mut impl FnMut(usize, usize) -> bool) {
    for run in order.chunks_mut(RUN_LEN_MAX) {
        for end in 1..run.len() {
            let mut at = end;
            while at > 0 && before(run[at], run[at - 1]) {
                run.swap(at, at - 1);
                at -= 1;
            }
        }
    }
    let mut width = RUN_LEN_MAX;
    while width < order.len() {
        let mut merged = Vec::with_capacity(order.len());
        for pair in order.chunks(2 * width) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(left, right, &mut merged, before);
        }
        *order = merged;
        width *= 2;
    }
}

fn merge(mut left: &[usize], mut right: &[usize], merged: &mut Vec<usize>, before: &mut impl FnMut(usize, usize) -> bool) {
    while let (Some(&a), Some(&b)) = (left.first(), right.first()) {
        if before(b, a) {
            merged.push(b);
            right = &right[1..];
        } else {
            merged.push(a);
            left = &left[1..];
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SimTime = SimTime::from_secs(1000);

    fn pod() -> Candidate {
        Candidate {
            node: Sym(1),
            phase: PodPhase::Running,
            ready: true,
            deletion_cost: 0,
            related: 1,
            ready_at: SimTime::from_secs(100),
            restarts: (0, 0),
            created_at: SimTime::from_secs(50),
            uid: 7,
        }
    }

    #[test]
    fn each_key_decides_when_those_before_it_are_equal() {
        let p = pod();
        let pairs = [
            (Candidate { node: Sym::EMPTY, ..p }, p),
            (Candidate { phase: PodPhase::Pending, ..p }, Candidate { phase: PodPhase::Unknown, ..p }),
            (Candidate { phase: PodPhase::Unknown, deletion_cost: 9, ..p }, p),
            (Candidate { ready: false, deletion_cost: 9, ..p }, p),
            (Candidate { deletion_cost: -1, related: 0, ..p }, p),
            (Candidate { related: 2, ready_at: SimTime::from_secs(1), ..p }, p),
            (Candidate { ready_at: SimTime::from_secs(900), uid: 9, ..p }, p),
            (Candidate { ready_at: SimTime::from_secs(101), uid: 6, ..p }, p),
            (Candidate { restarts: (1, 0), ..p }, Candidate { restarts: (0, 5), ..p }),
            (Candidate { restarts: (0, 1), created_at: SimTime::from_secs(1), ..p }, p),
            (Candidate { created_at: SimTime::from_secs(990), uid: 9, ..p }, p),
        ];
        for (nth, (first, second)) in pairs.iter().enumerate() {
            assert!(before(first, second, NOW) && !before(second, first, NOW), "pair {nth}");
        }
        assert!(!before(&p, &Candidate { uid: 8, ..p }, NOW), "the uid alone decides nothing");
    }

    #[test]
    fn costs_are_read_as_the_original_reads_them() {
        for (text, cost) in [("5", 5), ("-3", -3), ("0", 0), ("+5", 0), ("05", 0), ("", 0), ("abc", 0), ("2147483648", 0), ("-05", -5)] {
            assert_eq!(deletion_cost(text), cost, "{text}");
        }
    }

    #[test]
    fn many_pods_are_sorted_whatever_their_number() {
        for len in [0usize, 1, 11, 12, 13, 24, 25, 100, 1000] {
            let pods: Vec<Candidate> = (0..len).map(|n| Candidate { deletion_cost: (n * 7919 % 1009) as i32, ..pod() }).collect();
            let costs: Vec<i32> = victims(&pods, len.saturating_sub(1), NOW).into_iter().map(|at| pods[at].deletion_cost).collect();
            assert_eq!(costs.len(), len.saturating_sub(1));
            assert!(costs.is_sorted(), "{len}: {costs:?}");
        }
    }
}
