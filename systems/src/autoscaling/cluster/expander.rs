//! Expanders: which of several groups grows.
//!
//! Source: `spec/autoscaling.md` §9; autoscaler, `cluster-autoscaler/expander`.

use wavetank_engine::draw::draw_below;
use wavetank_engine::scene::node_groups::Expander;

/// A group that could grow, and what that would bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// The group's place.
    pub(super) group: u32,
    /// How many nodes it would get.
    pub(super) nodes: u32,
    /// How many pods that would help.
    pub(super) pods: u32,
    /// CPU and memory of the new nodes, and how much of each the pods would use. Units: milli-cores, bytes.
    pub(super) cpu: (i64, i64),
    /// See `cpu`.
    pub(super) memory: (i64, i64),
    /// What an hour of the new nodes costs. Unit: millionths.
    pub(super) price_micros: u64,
    /// The group's priority.
    pub(super) priority: i32,
}

/// The place of the best choice: each expander is asked about those that the one before finds equal, the last draws among the rest.
pub(super) fn best(expanders: &[Expander], choices: &[Choice], seed: u64, nth: u64) -> Option<usize> {
    let mut left: Vec<usize> = (0..choices.len()).collect();
    for expander in expanders {
        let of = |place: &usize| score(*expander, &choices[*place]);
        let least = left.iter().map(of).min();
        left.retain(|place| Some(of(place)) == least);
    }
    match left.len() {
        0 => None,
        1 => Some(left[0]),
        many => Some(left[draw_below(seed, "expander", "cluster-autoscaler", nth, many as u64) as usize]),
    }
}

/// How little a choice is wanted.
fn score(expander: Expander, choice: &Choice) -> i128 {
    match expander {
        Expander::Random => 0,
        Expander::MostPods => -i128::from(choice.pods),
        Expander::Priority => -i128::from(choice.priority),
        Expander::LeastWaste => waste(choice.cpu) + waste(choice.memory),
        // What an hour costs for each pod that is helped.
        Expander::Price => i128::from(choice.price_micros) * 1_000_000 / i128::from(choice.pods.max(1)),
    }
}

/// The share that pods would leave unused. Unit: billionths.
fn waste((all, used): (i64, i64)) -> i128 {
    i128::from(all - used) * 1_000_000_000 / i128::from(all.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(group: u32, nodes: u32, pods: u32, used_cpu: i64, price_micros: u64, priority: i32) -> Choice {
        Choice { group, nodes, pods, cpu: (4000 * i64::from(nodes), used_cpu), memory: (8 << 30, 4 << 30), price_micros, priority }
    }

    #[test]
    fn each_expander_has_its_favourite() {
        let choices = [choice(0, 1, 2, 2000, 40_000, 10), choice(1, 2, 5, 7000, 200_000, 50), choice(2, 1, 3, 3900, 90_000, 10)];
        for (expanders, want) in [
            (vec![Expander::MostPods], 1),
            (vec![Expander::LeastWaste], 2),
            (vec![Expander::Price], 0),
            (vec![Expander::Priority], 1),
            (vec![Expander::Random, Expander::MostPods], 1),
        ] {
            assert_eq!(best(&expanders, &choices, 1, 1), Some(want), "{expanders:?}");
        }
        assert_eq!(best(&[Expander::Random], &[], 1, 1), None);
    }

    #[test]
    fn what_is_equal_is_drawn_from_the_seed() {
        let choices = [choice(0, 1, 1, 0, 1, 0), choice(1, 1, 1, 0, 1, 0)];
        let drawn: Vec<_> = (0..64).map(|nth| best(&[Expander::Random], &choices, 7, nth)).collect();
        assert_eq!(drawn, (0..64).map(|nth| best(&[Expander::Price], &choices, 7, nth)).collect::<Vec<_>>());
        assert!(drawn.contains(&Some(0)) && drawn.contains(&Some(1)));
    }
}
