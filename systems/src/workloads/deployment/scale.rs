//! Scaling a Deployment in the middle of a rollout: every active set gets its share.
//!
//! Source: kubernetes v1.36, `pkg/controller/deployment/sync.go`, `scale`; `pkg/controller/deployment/util/deployment_util.go`,
//! `GetReplicaSetProportion`.

use super::rolling::{Fences, Resize, SetFacts, oldest_first};
use std::cmp::Reverse;

/// What a scale step wants written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scale {
    /// One set gets this size, unless it has it.
    One(Resize),
    /// The old sets go to zero.
    OldToZero(Vec<Resize>),
    /// Every active set gets its size and its annotations, in this order, even when the size stays.
    Shares {
        /// The sets.
        resizes: Vec<Resize>,
        /// Whether the Deployment grows; what the events say.
        up: bool,
    },
    /// There is nothing to scale, or Recreate with several active sets.
    Nothing,
}

/// Decides a scale step. `sets` are the old sets, and the new one last if `has_new`; `rolling`: the strategy is RollingUpdate;
/// `status_replicas`: of the Deployment.
pub fn scale(fences: &Fences, sets: &[SetFacts], has_new: bool, rolling: bool, status_replicas: i32) -> Scale {
    let Some((last, _)) = sets.split_last() else { return Scale::Nothing };
    let active: Vec<usize> = (0..sets.len()).filter(|&set| sets[set].replicas > 0).collect();
    if active.len() <= 1 {
        let newest = || if has_new { sets.len() - 1 } else { *oldest_first(sets).last().expect("there is a set") };
        let set = active.first().copied().unwrap_or_else(newest);
        return Scale::One(Resize { set, to: fences.replicas });
    }
    let old_active = |set: &usize| !(has_new && *set == sets.len() - 1);
    if has_new && saturated(fences, last) {
        let mut order = oldest_first(sets);
        order.reverse();
        let resizes = order.into_iter().filter(|set| old_active(set) && sets[*set].replicas > 0).map(|set| Resize { set, to: 0 });
        return Scale::OldToZero(resizes.collect());
    }
    if !rolling {
        return Scale::Nothing;
    }
    // Old sets newest first, then the new one: the order in which sets are written that keep their size.
    let mut order = oldest_first(&sets[..sets.len() - usize::from(has_new)]);
    order.reverse();
    order.extend(has_new.then_some(sets.len() - 1));
    order.retain(|&set| sets[set].replicas > 0);
    shares(fences, sets, order, status_replicas)
}

fn saturated(fences: &Fences, new: &SetFacts) -> bool {
    new.replicas == fences.replicas && new.desired == Some(fences.replicas) && new.available == fences.replicas
}

fn shares(fences: &Fences, sets: &[SetFacts], mut active: Vec<usize>, status_replicas: i32) -> Scale {
    let allowed = if fences.replicas > 0 { fences.pods_max() } else { 0 };
    let to_add = allowed - active.iter().map(|&set| sets[set].replicas).sum::<i32>();
    let age = |set: usize| (sets[set].created_at, sets[set].by_name);
    if to_add > 0 {
        active.sort_by_key(|&set| (Reverse(sets[set].replicas), Reverse(sets[set].created_at), Reverse(sets[set].by_name)));
    } else if to_add < 0 {
        active.sort_by_key(|&set| (Reverse(sets[set].replicas), age(set)));
    }
    let mut added = 0;
    let mut resizes = Vec::with_capacity(active.len());
    for set in active {
        let share = if to_add == added { 0 } else { share(fences, &sets[set], to_add, to_add - added, status_replicas) };
        added += share;
        resizes.push(Resize { set, to: sets[set].replicas + share });
    }
    if let Some(first) = resizes.first_mut() {
        first.to = if to_add == 0 { first.to } else { (first.to + to_add - added).max(0) };
    }
    Scale::Shares { resizes, up: to_add > 0 }
}

/// What one set gains or loses.
fn share(fences: &Fences, set: &SetFacts, to_add: i32, left: i32, status_replicas: i32) -> i32 {
    let fraction = fraction(fences, set, status_replicas);
    if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
}

fn fraction(fences: &Fences, set: &SetFacts, status_replicas: i32) -> i32 {
    if fences.replicas == 0 {
        return -set.replicas;
    }
    let before = set.max.filter(|&max| max != 0).unwrap_or(status_replicas);
    if before == 0 {
        return 0;
    }
    let (over, under) = (i64::from(set.replicas) * i64::from(fences.pods_max()), i64::from(before));
    // To the nearest number, halves away from zero.
    let rounded = (2 * over.abs() + under.abs()) / (2 * under.abs()) * over.signum() * under.signum();
    rounded as i32 - set.replicas
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::time::SimTime;

    fn set(replicas: i32, created_s: u64, max: i32) -> SetFacts {
        SetFacts { replicas, max: Some(max), desired: Some(10), created_at: SimTime::from_secs(created_s), ..SetFacts::default() }
    }

    #[test]
    fn one_active_set_takes_all() {
        let fences = Fences { replicas: 7, surge: 2, unavailable: 1 };
        assert_eq!(scale(&fences, &[set(0, 0, 13), set(5, 9, 13)], true, true, 5), Scale::One(Resize { set: 1, to: 7 }));
        assert_eq!(scale(&fences, &[set(0, 0, 13), set(0, 9, 13)], false, true, 0), Scale::One(Resize { set: 1, to: 7 }));
        assert_eq!(scale(&fences, &[], false, true, 0), Scale::Nothing);
    }

    #[test]
    fn a_saturated_new_set_ends_the_old_ones() {
        let fences = Fences { replicas: 10, surge: 3, unavailable: 2 };
        let new = SetFacts { available: 10, ..set(10, 9, 13) };
        let old_to_zero = Scale::OldToZero(vec![Resize { set: 0, to: 0 }]);
        assert_eq!(scale(&fences, &[set(3, 0, 13), new], true, true, 13), old_to_zero);
    }

    #[test]
    fn sets_grow_in_proportion() {
        let fences = Fences { replicas: 20, surge: 5, unavailable: 5 };
        let Scale::Shares { resizes, up } = scale(&fences, &[set(8, 0, 13), set(5, 9, 13)], true, true, 13) else {
            panic!("both are active")
        };
        assert!(up);
        assert_eq!(resizes, [Resize { set: 0, to: 15 }, Resize { set: 1, to: 10 }]);
    }
}
