//! What came of many seeds, measure by measure.

use super::Pair;
use super::meter::Outcome;

/// One thing that is compared.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// Its name for programs, unit included.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Its unit for people.
    pub unit: &'static str,
    /// Digits after the point for people.
    pub digits: usize,
    /// Whether more is better; `None`: neither.
    pub more_is_better: Option<bool>,
    of: fn(&Outcome) -> Option<f64>,
}

/// Everything that is compared, in order.
#[rustfmt::skip]
pub const MEASURES: &[Measure] = &[
    measure("availability_percent", "availability", "%", 3, Some(true), |o| o.availability()),
    measure("pending_pod_s", "pods pending", "pod s", 1, Some(false), |o| Some(o.pending_pod_s)),
    measure("wait_s_max", "longest wait for a node", "s", 1, Some(false), |o| Some(o.wait_s_max)),
    measure("ready_pod_s", "pods ready", "pod s", 1, None, |o| Some(o.ready_pod_s)),
    measure("evictions", "evictions", "", 0, Some(false), |o| Some(o.evictions as f64)),
    measure("restarts", "restarts", "", 0, Some(false), |o| Some(o.restarts as f64)),
    measure("pods_created", "pods created", "", 0, None, |o| Some(o.pods_created as f64)),
    measure("pods_deleted", "pods deleted", "", 0, None, |o| Some(o.pods_deleted as f64)),
    measure("cpu_requested_percent", "cpu requested", "%", 2, None, |o| o.requested(0)),
    measure("memory_requested_percent", "memory requested", "%", 2, None, |o| o.requested(1)),
    measure("node_hours", "node hours", "h", 3, Some(false), |o| Some(o.node_s / 3_600.0)),
    measure("expectations_missed", "expectations missed", "", 0, Some(false), |o| Some(o.expectations_missed as f64)),
];

const fn measure(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    digits: usize,
    more_is_better: Option<bool>,
    of: fn(&Outcome) -> Option<f64>,
) -> Measure {
    Measure { name, label, unit, digits, more_is_better, of }
}

/// Three numbers of many.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The one in the middle; of an even number the mean of the two.
    pub median: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Spread { min, median, max })
    }
}

/// One measure over all seeds, of which both sides have it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The measure.
    pub measure: Measure,
    /// Values by seed, of A and of B.
    pub values: Vec<[f64; 2]>,
    /// Of A and of B.
    pub sides: [Spread; 2],
    /// B less A, seed by seed.
    pub difference: Spread,
}

/// All measures that there are something to say of.
pub fn rows(pairs: &[Pair]) -> Vec<Row> {
    let row = |measure: &Measure| {
        let both = |pair: &Pair| Some([(measure.of)(&pair.outcomes[0])?, (measure.of)(&pair.outcomes[1])?]);
        let values: Vec<[f64; 2]> = pairs.iter().filter_map(both).collect();
        let side = |at: usize| Spread::of(&values.iter().map(|pair| pair[at]).collect::<Vec<_>>());
        let difference = Spread::of(&values.iter().map(|[a, b]| b - a).collect::<Vec<_>>())?;
        Some(Row { measure: *measure, sides: [side(0)?, side(1)?], difference, values })
    };
    MEASURES.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[3.0]), Some(Spread { min: 3.0, median: 3.0, max: 3.0 }));
        assert_eq!(Spread::of(&[9.0, -1.0, 2.0]), Some(Spread { min: -1.0, median: 2.0, max: 9.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]), Some(Spread { min: 1.0, median: 2.5, max: 4.0 }));
    }
}
