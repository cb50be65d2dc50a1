//! From metrics to a proposed number of replicas.
//!
//! Source: kubernetes v1.36, `pkg/controller/podautoscaler/replica_calculator.go` and `metrics/utilization.go`. Ratios are
//! floating-point numbers as there, made with `+ - * /` and rounded at once.

use super::pods::{NoRequest, PodFacts, Readiness, Standing};
use std::fmt;
use wavetank_engine::time::SimTime;

/// How far usage may be from its target before anything is changed. Unit: share of the target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// Below the target.
    pub down: f64,
    /// Above the target.
    pub up: f64,
}

/// What all proposals from the metrics of pods need to know.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Pods that the target's selector matches. The answer does not depend on their order, but for which one's missing
    /// request is told of.
    pub pods: &'a [PodFacts],
    /// `spec.replicas` of the target.
    pub current_replicas: i32,
    /// See [`Tolerances`].
    pub tolerances: Tolerances,
    /// Whether the metric is the resource `cpu`, whose samples from a pod's start do not count.
    pub is_cpu: bool,
    /// See [`Readiness`].
    pub readiness: Readiness,
    /// The present moment.
    pub now: SimTime,
}

/// A proposed number of replicas, and the usage that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposal {
    /// Before any limit.
    pub replicas: i32,
    /// Usage of ready pods, for a utilization target. Unit: percent of their requests, cut.
    pub utilization_percent: Option<i32>,
    /// Mean usage, cut; for targets on a whole object or service its value. Unit: thousandths.
    pub average_milli: i64,
}

/// Why there is no proposal; the message is the original's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoProposal {
    /// The selector matches no pod.
    NoPods,
    /// No pod that counts has a metric.
    NoMetrics,
    /// The pods with metrics request nothing.
    NothingRequested,
    /// A pod has no request.
    NoRequest(NoRequest),
}

/// Usage against the target.
struct Measure {
    ratio: f64,
    utilization_percent: Option<i32>,
    average_milli: i64,
}

impl Tolerances {
    fn contain(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// The proposal for a target in percent of requests (`averageUtilization`).
///
/// Source: `GetResourceReplicas`.
pub fn propose_utilization(question: &Question<'_>, target_percent: i32) -> Result<Proposal, NoProposal> {
    let usage = counted_usage(question)?;
    let requests = question.pods.iter().map(|pod| pod.request_milli.clone()).collect::<Result<Vec<i64>, _>>();
    let requests = requests.map_err(NoProposal::NoRequest)?;
    let measure = |usage: &[Option<i64>]| {
        let (mut used, mut requested) = (Sum::default(), Sum::default());
        for (usage, &request) in usage.iter().zip(&requests).filter_map(|(usage, request)| Some(((*usage)?, request))) {
            used.add(usage);
            requested.add(request);
        }
        if requested.sum == 0 {
            return Err(NoProposal::NothingRequested);
        }
        let percent = narrow(used.sum * 100 / requested.sum);
        let ratio = f64::from(percent) / f64::from(target_percent);
        Ok(Measure { ratio, utilization_percent: Some(percent), average_milli: used.mean() })
    };
    // A pod without metrics is taken to use all that it requests, or the target where that is more.
    let full = |pod: usize| requests[pod].saturating_mul(i64::from(target_percent.max(100))) / 100;
    propose(question, usage, measure, full)
}

/// The proposal for a target for each pod (`averageValue` of a resource or pods metric). Unit of the target: thousandths.
///
/// Source: `calcPlainMetricReplicas`.
pub fn propose_average(question: &Question<'_>, target_milli: i64) -> Result<Proposal, NoProposal> {
    let usage = counted_usage(question)?;
    let measure = |usage: &[Option<i64>]| {
        let mut used = Sum::default();
        usage.iter().copied().flatten().for_each(|usage| used.add(usage));
        let average_milli = used.mean();
        Ok(Measure { ratio: average_milli as f64 / target_milli as f64, utilization_percent: None, average_milli })
    };
    propose(question, usage, measure, |_| target_milli)
}

/// The proposal for a target on one value for the whole workload (`value` of an object or external metric).
/// Unit of value and target: thousandths.
///
/// Source: `GetObjectMetricReplicas`, `GetExternalMetricReplicas`.
pub fn propose_value(question: &Question<'_>, value_milli: i64, target_milli: i64) -> Result<Proposal, NoProposal> {
    let ratio = value_milli as f64 / target_milli as f64;
    let replicas = if question.current_replicas == 0 {
        ceil(ratio)
    } else if question.tolerances.contain(ratio) {
        question.current_replicas
    } else if question.pods.is_empty() {
        return Err(NoProposal::NoPods);
    } else {
        ceil(ratio * question.pods.iter().filter(|pod| pod.is_running_and_ready()).count() as f64)
    };
    Ok(Proposal { replicas, utilization_percent: None, average_milli: value_milli })
}

/// The proposal for a target that a value is shared out by (`averageValue` of an object or external metric).
/// `status_replicas` is `status.replicas` of the target. Unit of value and target: thousandths.
///
/// Source: `GetObjectPerPodMetricReplicas`, `GetExternalPerPodMetricReplicas`.
pub fn propose_value_per_pod(status_replicas: i32, tolerances: Tolerances, value_milli: i64, target_milli: i64) -> Proposal {
    let (value, target, present) = (value_milli as f64, target_milli as f64, f64::from(status_replicas));
    let within = tolerances.contain(value / (target * present));
    let replicas = if within { status_replicas } else { ceil(value / target) };
    let average_milli = if value_milli == i64::MAX { value_milli } else { (value / present).ceil() as i64 };
    Proposal { replicas, utilization_percent: None, average_milli }
}

/// The value of an external metric: the sum of its series, at most the largest number.
pub fn sum_of_series(values_milli: impl IntoIterator<Item = i64>) -> i64 {
    values_milli.into_iter().fold(0, i64::saturating_add)
}

/// The usage of each pod that is ready and has a metric.
fn counted_usage(question: &Question<'_>) -> Result<Vec<Option<i64>>, NoProposal> {
    if question.pods.is_empty() {
        return Err(NoProposal::NoPods);
    }
    let ready = |pod: &&PodFacts| standing(question, pod) == Standing::Ready;
    let usage = |pod: &PodFacts| Some(pod).filter(ready).and_then(|pod| pod.sample).map(|sample| sample.value_milli);
    let usage: Vec<Option<i64>> = question.pods.iter().map(usage).collect();
    if usage.iter().all(Option::is_none) { Err(NoProposal::NoMetrics) } else { Ok(usage) }
}

fn standing(question: &Question<'_>, pod: &PodFacts) -> Standing {
    pod.standing(question.is_cpu, question.readiness, question.now)
}

/// Proposes on the measured ratio; where metrics are missing, measures again with what the pods might use, and stays
/// where the two do not agree.
fn propose(
    question: &Question<'_>,
    mut usage: Vec<Option<i64>>,
    measure: impl Fn(&[Option<i64>]) -> Result<Measure, NoProposal>,
    full: impl Fn(usize) -> i64,
) -> Result<Proposal, NoProposal> {
    let Measure { ratio, utilization_percent, average_milli } = measure(&usage)?;
    let proposal = |replicas: i32| Ok(Proposal { replicas, utilization_percent, average_milli });
    let standings: Vec<Standing> = question.pods.iter().map(|pod| standing(question, pod)).collect();
    let count = |standing: Standing| standings.iter().filter(|&&of| of == standing).count();
    let up_with_unready = ratio > 1.0 && count(Standing::Unready) > 0;
    let current = question.current_replicas;
    if !up_with_unready && count(Standing::Missing) == 0 {
        let within = question.tolerances.contain(ratio);
        return proposal(if within { current } else { ceil(ratio * count(Standing::Ready) as f64) });
    }
    for (pod, standing) in standings.iter().enumerate() {
        match standing {
            Standing::Missing if ratio < 1.0 => usage[pod] = Some(full(pod)),
            Standing::Missing | Standing::Unready if ratio > 1.0 => usage[pod] = Some(0),
            Standing::Missing | Standing::Unready | Standing::Ready | Standing::Ignored => {}
        }
    }
    let filled = measure(&usage)?.ratio;
    let turned = (ratio < 1.0 && filled > 1.0) || (ratio > 1.0 && filled < 1.0);
    if question.tolerances.contain(filled) || turned {
        return proposal(current);
    }
    let replicas = ceil(filled * usage.iter().flatten().count() as f64);
    let turned = (filled < 1.0 && replicas > current) || (filled > 1.0 && replicas < current);
    proposal(if turned { current } else { replicas })
}

/// A sum that cannot overflow, and of how many.
#[derive(Default)]
struct Sum {
    sum: i128,
    count: i128,
}

impl Sum {
    fn add(&mut self, value: i64) {
        self.sum += i128::from(value);
        self.count += 1;
    }

    /// The mean towards zero; zero of nothing.
    fn mean(&self) -> i64 {
        i64::try_from(self.sum.checked_div(self.count).unwrap_or(0)).expect("a mean of 64-bit numbers fits 64 bits")
    }
}

/// The next whole number above, at most the largest of 32 bits.
fn ceil(number: f64) -> i32 {
    number.ceil() as i32
}

fn narrow(number: i128) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

impl fmt::Display for NoProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoProposal::NoPods => f.write_str("no pods returned by selector while calculating replica count"),
            NoProposal::NoMetrics => f.write_str("did not receive metrics for targeted pods (pods might be unready)"),
            NoProposal::NothingRequested => f.write_str("no metrics returned matched known pods"),
            NoProposal::NoRequest(why) => why.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pods::{Ready, Sample};
    use super::*;
    use proptest::prelude::*;
    use wavetank_engine::model::meta::ConditionStatus;
    use wavetank_engine::model::pod::PodPhase;
    use wavetank_engine::time::SimDuration;

    const NOW: SimTime = SimTime::from_secs(10_000);

    /// A pod that requests 100m. `.` uses nothing that is known, `P` is pending, `X` is going away, a number is its usage.
    fn pod(word: &str) -> PodFacts {
        let sample = word.parse().ok().map(|value_milli| Sample { value_milli, at: NOW, window: SimDuration::from_secs(15) });
        PodFacts {
            phase: if word == "P" { PodPhase::Pending } else { PodPhase::Running },
            deleting: word == "X",
            started_at: Some(SimTime::ZERO),
            ready: Some(Ready { status: ConditionStatus::True, transition_at: SimTime::ZERO }),
            sample,
            request_milli: Ok(100),
        }
    }

    fn question(pods: &[PodFacts]) -> Question<'_> {
        let tolerances = Tolerances { down: 0.1, up: 0.1 };
        let current_replicas = i32::try_from(pods.len()).unwrap();
        Question { pods, current_replicas, tolerances, is_cpu: true, readiness: Readiness::default(), now: NOW }
    }

    #[test]
    fn utilization() {
        let table = "
            pods            -> percent replicas
            50 50           -> 50      2
            100 100         -> 100     4
            55 55           -> 55      2
            57 57           -> 57      3
            10 10 10        -> 10      1
            100 P           -> 100     2
            200 P           -> 200     4
            10 .            -> 10      2
            100 . .         -> 100     3
            100 X           -> 100     2
            . P             -> did not receive metrics for targeted pods (pods might be unready)
        ";
        for row in table.lines().map(str::trim).filter(|row| !row.is_empty()).skip(1) {
            let (pods, want) = row.split_once("->").unwrap();
            let pods: Vec<PodFacts> = pods.split_whitespace().map(pod).collect();
            let got = match propose_utilization(&question(&pods), 50) {
                Ok(proposal) => format!("{} {}", proposal.utilization_percent.unwrap(), proposal.replicas),
                Err(why) => why.to_string(),
            };
            assert_eq!(got, want.split_whitespace().collect::<Vec<_>>().join(" "), "row: {row}");
        }
        assert_eq!(propose_utilization(&question(&[]), 50), Err(NoProposal::NoPods));
    }

    #[test]
    fn value_shared_out() {
        let tolerances = Tolerances { down: 0.1, up: 0.1 };
        let proposal = propose_value_per_pod(3, tolerances, 10_000, 2_000);
        assert_eq!((proposal.replicas, proposal.average_milli), (5, 3_334));
        assert_eq!(sum_of_series([i64::MAX, 1]), i64::MAX);
    }

    proptest! {
        #[test]
        fn order_of_pods_does_not_matter(words in proptest::collection::vec("[.PX]|[0-9]{1,3}", 1..8), target in 1_i32..200) {
            let pods: Vec<PodFacts> = words.iter().map(|word| pod(word)).collect();
            let reversed: Vec<PodFacts> = pods.iter().rev().cloned().collect();
            prop_assert_eq!(propose_utilization(&question(&pods), target), propose_utilization(&question(&reversed), target));
            prop_assert_eq!(propose_average(&question(&pods), i64::from(target)), propose_average(&question(&reversed), i64::from(target)));
        }
    }
}
