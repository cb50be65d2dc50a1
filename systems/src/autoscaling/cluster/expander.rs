//! Expanders: which of several groups grows.
//!
//! Source: `spec/autoscaling.md` §9; autoscaler, `cluster-autoscaler/expander`.

use super::explain::Round;
use wavetank_engine::draw::draw_below;
use wavetank_engine::exp::tanh;
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
    /// How well an hour of the new nodes is paid for: see [`price_score`].
    pub(super) price_score: i128,
    /// The group's priority.
    pub(super) priority: i32,
}

/// The place of the best choice: each expander is asked about those that the one before finds equal, the last draws among the rest.
pub(super) fn best(expanders: &[Expander], choices: &[Choice], seed: u64, nth: u64) -> Option<usize> {
    let mut left: Vec<usize> = (0..choices.len()).collect();
    for expander in expanders {
        narrow(*expander, choices, &mut left);
    }
    match left.len() {
        0 => None,
        1 => Some(left[0]),
        many => Some(left[draw_below(seed, "expander", "cluster-autoscaler", nth, many as u64) as usize]),
    }
}

/// Leaves those choices that an expander finds best.
fn narrow(expander: Expander, choices: &[Choice], left: &mut Vec<usize>) {
    let of = |place: &usize| score(expander, &choices[*place]);
    let least = left.iter().map(of).min();
    left.retain(|place| Some(of(place)) == least);
}

/// What each expander thinks of the choices that those before it leave; `name`: a group by its place.
pub(super) fn rounds(expanders: &[Expander], choices: &[Choice], name: &dyn Fn(u32) -> String) -> Vec<Round> {
    let mut left: Vec<usize> = (0..choices.len()).collect();
    let mut rounds = Vec::new();
    for &expander in expanders {
        let named = |place: &usize| name(choices[*place].group);
        let figures = left.iter().map(|place| (named(place), figure(expander, &choices[*place]))).collect();
        narrow(expander, choices, &mut left);
        let largest_is_best = matches!(expander, Expander::MostPods | Expander::Priority);
        rounds.push(Round { expander: expander.name(), figures, largest_is_best, best: left.iter().map(named).collect() });
    }
    rounds
}

/// A score as people know it: pods, a priority, the share of CPU plus that of memory that is left unused, or the price's score.
fn figure(expander: Expander, choice: &Choice) -> f64 {
    let score = score(expander, choice);
    match expander {
        Expander::Random => 0.0,
        Expander::MostPods | Expander::Priority => (0 - score) as f64,
        Expander::LeastWaste => score as f64 / 1e9,
        Expander::Price => score as f64 / 1e12,
    }
}

/// How little a choice is wanted.
fn score(expander: Expander, choice: &Choice) -> i128 {
    match expander {
        Expander::Random => 0,
        Expander::MostPods => -i128::from(choice.pods),
        Expander::Priority => -i128::from(choice.priority),
        Expander::LeastWaste => waste(choice.cpu) + waste(choice.memory),
        Expander::Price => choice.price_score,
    }
}

/// What the new nodes of a group cost an hour, and what it is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bargain {
    /// How many new nodes.
    pub(super) nodes: u32,
    /// What they cost an hour.
    pub(super) price: f64,
    /// What an hour of what the pods ask for is worth.
    pub(super) pods_price: f64,
    /// What an hour of half a core and 500 MiB is worth: it keeps few pods from deciding all.
    pub(super) stabilization_price: f64,
    /// CPU of one node. Unit: milli-cores.
    pub(super) cpu_millicores: i64,
    /// Nodes with GPUs are for pods that want them.
    pub(super) gpus: bool,
    /// Nodes in the cluster.
    pub(super) cluster: usize,
}

/// Unfitness of nodes with GPUs.
const GPU_UNFITNESS: f64 = 1000.0;

/// How badly money is spent: the price of the nodes by that of the pods, times how little such nodes suit a cluster of this size, which
/// matters less the more of them come. Unit: 10⁻¹². Source: autoscaler, `expander/price/price.go`, `BestOption`.
pub(super) fn price_score(bargain: Bargain) -> i128 {
    let Bargain { nodes, price, pods_price, stabilization_price, cpu_millicores, gpus, cluster } = bargain;
    let worth = pods_price + stabilization_price;
    let spent = if worth > 0.0 { (price + stabilization_price) / worth } else { price };
    let (preferred, own) = (preferred_millicores(cluster) as f64, cpu_millicores.max(1) as f64);
    let unfitness = (preferred / own).max(own / preferred);
    let suppressed = (unfitness - 1.0) * (1.0 - tanh(f64::from(nodes.saturating_sub(1)) / 15.0)) + 1.0;
    let suppressed = if gpus { GPU_UNFITNESS } else { suppressed };
    (suppressed * spent * 1e12).round() as i128
}

/// CPU of the nodes that suit a cluster: twice as much each time that it is three times as large. Unit: milli-cores.
/// Source: autoscaler, `expander/price/preferred.go`, `Node`.
fn preferred_millicores(cluster: usize) -> i64 {
    match cluster {
        0..=2 => 1000,
        3..=6 => 2000,
        7..=20 => 4000,
        21..=60 => 8000,
        61..=200 => 16_000,
        _ => 32_000,
    }
}

/// The share that pods would leave unused. Unit: billionths.
fn waste((all, used): (i64, i64)) -> i128 {
    i128::from(all - used) * 1_000_000_000 / i128::from(all.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(group: u32, nodes: u32, pods: u32, used_cpu: i64, price_score: i128, priority: i32) -> Choice {
        Choice { group, nodes, pods, cpu: (4000 * i64::from(nodes), used_cpu), memory: (8 << 30, 4 << 30), price_score, priority }
    }

    #[test]
    fn prices_table() {
        // A pod of two cores in a cluster of five nodes, which suits nodes of two cores; prices in cents of one by core.
        let of = |nodes, price, cores: i64, gpus| {
            let bargain =
                Bargain { nodes, price, pods_price: 2.0, stabilization_price: 0.5, cpu_millicores: cores * 1000, gpus, cluster: 5 };
            price_score(bargain) / 1_000_000_000
        };
        for (name, got, want) in [
            ("just right", of(1, 2.0, 2, false), 1000),
            ("twice the price", of(1, 4.5, 2, false), 2000),
            ("too large", of(1, 4.5, 4, false), 4000),
            ("too small", of(2, 2.0, 1, false), 1933),
            ("many small ones suit nearly as well", of(31, 2.0, 1, false), 1035),
            ("for others", of(1, 2.0, 2, true), 1_000_000),
        ] {
            assert_eq!(got, want, "{name}");
        }
        assert_eq!([1, 3, 20, 21, 200, 5000].map(preferred_millicores), [1000, 2000, 4000, 8000, 16_000, 32_000]);
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
