//! The arithmetic of a rollout: surge and unavailability, a step up of the new set, a step down of the old ones.
//!
//! Source: kubernetes v1.36, `pkg/controller/deployment/rolling.go`; `pkg/controller/deployment/util/deployment_util.go`,
//! `ResolveFenceposts`, `NewRSNewReplicas`.

use wavetank_engine::model::workload::{IntOrPercent, Strategy};
use wavetank_engine::time::SimTime;

/// What a rollout looks at in a ReplicaSet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetFacts {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// Annotation desired-replicas, if it is a number.
    pub desired: Option<i32>,
    /// Annotation max-replicas, if it is a number.
    pub max: Option<i32>,
    /// `creationTimestamp`, in whole seconds.
    pub created_at: SimTime,
    /// Place among all sets of the Deployment by name; decides between sets of the same second.
    pub by_name: u32,
}

/// A change of `spec.replicas` of one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resize {
    /// Index of the set.
    pub set: usize,
    /// New number of replicas.
    pub to: i32,
}

/// How many pods a Deployment may have too many and too few while it rolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fences {
    /// `spec.replicas`.
    pub replicas: i32,
    /// Pods above `replicas`.
    pub surge: i32,
    /// Pods below `replicas`.
    pub unavailable: i32,
}

impl Fences {
    /// The limits of a Deployment. Recreate has none.
    pub fn of(strategy: &Strategy, replicas: i32) -> Fences {
        match strategy {
            Strategy::Recreate => Fences { replicas, surge: 0, unavailable: 0 },
            Strategy::RollingUpdate { max_surge, max_unavailable } => {
                let (surge, unavailable) = resolve(*max_surge, *max_unavailable, replicas);
                let unavailable = if replicas == 0 { 0 } else { unavailable.min(replicas) };
                Fences { replicas, surge, unavailable }
            }
        }
    }

    /// Fewest pods available at any time.
    pub fn available_min(&self) -> i32 {
        self.replicas - self.unavailable
    }

    /// Most pods at any time; what the annotation max-replicas says.
    pub fn pods_max(&self) -> i32 {
        self.replicas + self.surge
    }
}

/// `maxSurge` rounded up and `maxUnavailable` rounded down as numbers of pods; 0 and 0 becomes 0 and 1.
pub fn resolve(max_surge: IntOrPercent, max_unavailable: IntOrPercent, replicas: i32) -> (i32, i32) {
    let percent = |percent: i32, round: i64| ((i64::from(percent) * i64::from(replicas) + round).div_euclid(100)) as i32;
    let surge = match max_surge {
        IntOrPercent::Int(pods) => pods,
        IntOrPercent::Percent(share) => percent(share, 99),
    };
    let unavailable = match max_unavailable {
        IntOrPercent::Int(pods) => pods,
        IntOrPercent::Percent(share) => percent(share, 0),
    };
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

/// Replicas that the new set should have next, when it has `now` and all sets have `total` together.
pub fn new_replicas(fences: &Fences, now: i32, total: i32) -> i32 {
    if now >= fences.replicas {
        return fences.replicas;
    }
    let room = fences.pods_max() - total;
    if room <= 0 { now } else { now + room.min(fences.replicas - now) }
}

/// Steps down of the old sets, in the order in which they are written; a set may be in it twice.
///
/// Unhealthy pods go first, then as many as there are available pods to spare. `old`: sets by index; `new`: the new set.
pub fn old_resizes(fences: &Fences, new: &SetFacts, old: &[SetFacts]) -> Vec<Resize> {
    let mut resizes = Vec::new();
    let old_total: i32 = old.iter().map(|set| set.replicas).sum();
    let spare = old_total + new.replicas - fences.available_min() - (new.replicas - new.available);
    if old_total == 0 || spare <= 0 {
        return resizes;
    }
    let mut now: Vec<i32> = old.iter().map(|set| set.replicas).collect();
    let order = oldest_first(old);
    let mut left = spare;
    for &set in order.iter().filter(|&&set| old[set].replicas > 0) {
        let unhealthy = now[set] - old[set].available;
        if left > 0 && unhealthy < 0 {
            // The set has not reported its last step down yet: the original gives up here, and so takes no step on old numbers.
            return resizes;
        }
        let step = unhealthy.min(left);
        if left > 0 && step > 0 {
            now[set] -= step;
            left -= step;
            resizes.push(Resize { set, to: now[set] });
        }
    }
    let available: i32 = old.iter().map(|set| set.available).sum::<i32>() + new.available;
    let mut left = available - fences.available_min();
    for &set in &order {
        let step = now[set].min(left);
        if left > 0 && step > 0 {
            now[set] -= step;
            left -= step;
            resizes.push(Resize { set, to: now[set] });
        }
    }
    resizes
}

/// Indices of active sets (and, as given, of any others), oldest first, by name among those of one second.
pub fn oldest_first(sets: &[SetFacts]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sets.len()).collect();
    order.sort_by_key(|&set| (sets[set].created_at, sets[set].by_name));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(replicas: i32, available: i32, created_s: u64) -> SetFacts {
        SetFacts { replicas, available, created_at: SimTime::from_secs(created_s), ..SetFacts::default() }
    }

    #[test]
    fn limits_of_a_rollout() {
        use IntOrPercent::{Int, Percent};
        for (surge, unavailable, replicas, expected) in [
            (Percent(25), Percent(25), 10, (3, 2)),
            (Int(0), Percent(1), 3, (0, 1)),
            (Int(0), Int(0), 3, (0, 1)),
            (Percent(100), Int(5), 3, (3, 3)),
            (Percent(25), Percent(25), 0, (0, 0)),
        ] {
            let fences = Fences::of(&Strategy::RollingUpdate { max_surge: surge, max_unavailable: unavailable }, replicas);
            assert_eq!((fences.surge, fences.unavailable), expected, "{surge:?} {unavailable:?} of {replicas}");
        }
        assert_eq!(Fences::of(&Strategy::Recreate, 5).available_min(), 5);
    }

    #[test]
    fn first_steps_of_a_rollout_of_ten() {
        let fences = Fences { replicas: 10, surge: 3, unavailable: 2 };
        assert_eq!(new_replicas(&fences, 0, 10), 3);
        let old = [set(10, 10, 0)];
        assert_eq!(old_resizes(&fences, &set(3, 0, 9), &old), [Resize { set: 0, to: 8 }]);
        assert_eq!(new_replicas(&fences, 3, 11), 5);
        assert_eq!(new_replicas(&fences, 12, 12), 10, "too many: down to what is wanted");
    }

    /// Source: `cleanupUnhealthyReplicas`, whose error for a negative number `reconcileOldReplicaSets` swallows.
    #[test]
    fn a_set_that_has_not_reported_its_last_step_stops_the_next() {
        let fences = Fences { replicas: 10, surge: 3, unavailable: 2 };
        assert_eq!(old_resizes(&fences, &set(9, 5, 9), &[set(4, 7, 0)]), []);
        let steps = old_resizes(&fences, &set(9, 8, 9), &[set(2, 1, 0), set(2, 5, 1), set(2, 2, 2)]);
        assert_eq!(steps, [Resize { set: 0, to: 1 }], "older sets have had their turn");
    }

    #[test]
    fn unhealthy_pods_go_before_healthy_ones_of_older_sets() {
        let fences = Fences { replicas: 10, surge: 3, unavailable: 2 };
        let old = [set(5, 2, 5), set(5, 5, 0)];
        let steps = old_resizes(&fences, &set(3, 3, 9), &old);
        assert_eq!(steps, [Resize { set: 0, to: 2 }, Resize { set: 1, to: 3 }]);
    }
}
