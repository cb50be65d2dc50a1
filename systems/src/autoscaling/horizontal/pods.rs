//! What the autoscaler knows of each pod, and which pods count.

use std::fmt;
use wavetank_engine::model::meta::ConditionStatus;
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::time::{SimDuration, SimTime};

/// A pod's usage as the metrics API tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Usage of all containers, or of the one asked for. Unit: thousandths (millicores, milli-bytes).
    pub value_milli: i64,
    /// The end of the time over which it was measured.
    pub at: SimTime,
    /// The length of that time.
    pub window: SimDuration,
}

/// The pod's Ready condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// Its status.
    pub status: ConditionStatus,
    /// `lastTransitionTime`.
    pub transition_at: SimTime,
}

/// A pod that the target's selector matches, whoever owns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFacts {
    /// `status.phase`
    pub phase: PodPhase,
    /// Whether a deletion time is set.
    pub deleting: bool,
    /// `status.startTime`
    pub started_at: Option<SimTime>,
    /// The Ready condition, if there is one.
    pub ready: Option<Ready>,
    /// The metric, if the pod has one.
    pub sample: Option<Sample>,
    /// The request of the resource, as [`request_milli`] has it; matters for utilization only. Unit: thousandths.
    pub request_milli: Result<i64, NoRequest>,
}

/// Why a pod has no request to compare usage with; the message is the original's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRequest {
    /// A container does not request the resource.
    Missing {
        /// `cpu` or `memory`.
        resource: String,
        /// The first container without a request.
        container: String,
        /// The pod's name.
        pod: String,
    },
    /// The pod does not have the container that the metric is about.
    NoContainer {
        /// The container asked for.
        container: String,
        /// The pod's name.
        pod: String,
    },
}

/// Settings of the controller on how soon a pod's CPU usage counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// For so long after its start a pod's samples count only while it is ready.
    pub cpu_initialization_period: SimDuration,
    /// A pod that is not ready and changed its readiness last within this time of its start was never ready.
    pub initial_delay: SimDuration,
}

impl Default for Readiness {
    /// The defaults of kube-controller-manager.
    fn default() -> Readiness {
        Readiness { cpu_initialization_period: SimDuration::from_secs(300), initial_delay: SimDuration::from_secs(30) }
    }
}

/// How a pod counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Ready,
    /// Its sample does not count; it may be taken to use nothing.
    Unready,
    /// It should have a sample and has none.
    Missing,
    /// It does not count at all.
    Ignored,
}

impl PodFacts {
    /// Source: kubernetes v1.36, `pkg/controller/podautoscaler/replica_calculator.go`, `groupPods`.
    pub(super) fn standing(&self, is_cpu: bool, readiness: Readiness, now: SimTime) -> Standing {
        if self.deleting || self.phase == PodPhase::Failed {
            return Standing::Ignored;
        }
        if self.phase == PodPhase::Pending {
            return Standing::Unready;
        }
        match self.sample {
            None => Standing::Missing,
            Some(sample) if is_cpu && self.is_warming_up(sample, readiness, now) => Standing::Unready,
            Some(_) => Standing::Ready,
        }
    }

    /// Whether CPU usage is still that of the start, or the pod never became ready.
    fn is_warming_up(&self, sample: Sample, readiness: Readiness, now: SimTime) -> bool {
        let (Some(ready), Some(started_at)) = (self.ready, self.started_at) else { return true };
        let is_false = ready.status == ConditionStatus::False;
        if started_at + readiness.cpu_initialization_period > now {
            is_false || sample.at < ready.transition_at + sample.window
        } else {
            is_false && started_at + readiness.initial_delay > ready.transition_at
        }
    }

    /// Whether the pod runs and is ready.
    pub(super) fn is_running_and_ready(&self) -> bool {
        self.phase == PodPhase::Running && self.ready.is_some_and(|ready| ready.status == ConditionStatus::True)
    }
}

/// The request of a pod from its containers, in order, restartable init containers behind the others.
///
/// `containers` are names with their request, `only` the container that the metric is about, if any. A pod with requests
/// of its own has those instead, unless `only` is given: that is for the caller to see to.
///
/// Source: kubernetes v1.36, `pkg/controller/podautoscaler/replica_calculator.go`, `calculatePodRequestsFromContainers`.
pub fn request_milli<'a>(
    resource: &str,
    pod: &str,
    containers: impl IntoIterator<Item = (&'a str, Option<i64>)>,
    only: Option<&str>,
) -> Result<i64, NoRequest> {
    let mut sum = 0_i64;
    for (container, request) in containers {
        if only.is_some_and(|only| only != container) {
            continue;
        }
        let missing = || NoRequest::Missing { resource: resource.to_owned(), container: container.to_owned(), pod: pod.to_owned() };
        sum = sum.saturating_add(request.ok_or_else(missing)?);
        if only.is_some() {
            return Ok(sum);
        }
    }
    match only {
        Some(container) => Err(NoRequest::NoContainer { container: container.to_owned(), pod: pod.to_owned() }),
        None => Ok(sum),
    }
}

impl fmt::Display for NoRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoRequest::Missing { resource, container, pod } => {
                write!(f, "missing request for {resource} in container {container} of Pod {pod}")
            }
            NoRequest::NoContainer { container, pod } => write!(f, "container {container} not found in Pod {pod}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let containers = [("web", Some(100)), ("side", None)];
        assert_eq!(request_milli("cpu", "a", containers, Some("web")), Ok(100));
        assert_eq!(request_milli("cpu", "a", [("web", Some(100)), ("side", Some(50))], None), Ok(150));
        let error = |only| request_milli("cpu", "a", containers, only).unwrap_err().to_string();
        assert_eq!(error(None), "missing request for cpu in container side of Pod a");
        assert_eq!(error(Some("db")), "container db not found in Pod a");
    }

    #[test]
    fn a_started_pod_counts_after_one_window_of_readiness() {
        let ready = Ready { status: ConditionStatus::True, transition_at: SimTime::from_secs(10) };
        let sample = |at| Sample { value_milli: 1, at: SimTime::from_secs(at), window: SimDuration::from_secs(15) };
        let pod = |at| PodFacts {
            phase: PodPhase::Running,
            deleting: false,
            started_at: Some(SimTime::ZERO),
            ready: Some(ready),
            sample: Some(sample(at)),
            request_milli: Ok(1),
        };
        let standing = |at, is_cpu| pod(at).standing(is_cpu, Readiness::default(), SimTime::from_secs(40));
        assert_eq!(standing(24, true), Standing::Unready);
        assert_eq!(standing(25, true), Standing::Ready);
        assert_eq!(standing(24, false), Standing::Ready);
    }
}
