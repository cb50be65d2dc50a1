//! How many pods of a budget may go at present.
//!
//! Source: kubernetes v1.36, `pkg/controller/disruption/disruption.go`, `trySync`, `getExpectedPodCount`, `countHealthyPods`,
//! `buildDisruptedPodMap`, `updatePdbStatus`; `spec/lifecycle.md` §11.

use std::collections::BTreeMap;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::disruption::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use wavetank_engine::model::workload::IntOrPercent;
use wavetank_engine::names::Name;
use wavetank_engine::time::{SimDuration, SimTime};

/// How long the deletion of an evicted pod is waited for.
pub const DELETION_TIMEOUT: SimDuration = SimDuration::from_secs(120);

/// What is looked at in a pod that the budget selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodFacts {
    /// Its name.
    pub name: Name,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Whether its Ready condition is True.
    pub ready: bool,
}

/// How many pods the controller of a pod wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scale {
    /// Nothing controls the pod.
    Unmanaged,
    /// The controller that decides (of a ReplicaSet its Deployment), and its replicas.
    Of(Uid, i32),
}

/// What a budget allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Healthy pods.
    pub current: i32,
    /// Healthy pods that there have to be.
    pub desired: i32,
    /// Pods that there should be.
    pub expected: i32,
    /// Pods that may go.
    pub allowed: i32,
    /// Evicted pods whose deletion is still waited for, in the order of the status.
    pub disrupted: Vec<(Name, SimTime)>,
    /// When the first of those has been waited for long enough.
    pub recheck_at: Option<SimTime>,
    /// Pods, as places in the list, that were evicted and never went.
    pub not_deleted: Vec<usize>,
    /// Whether pods without a controller were left out.
    pub unmanaged: bool,
}

/// Judges a budget by the pods that it selects. `scale`: the scale of the controller of the pod at a place.
///
/// # Errors
/// What `scale` says of the first pod whose controller has none.
pub fn judge(
    budget: &PodDisruptionBudget,
    status: &PodDisruptionBudgetStatus,
    pods: &[PodFacts],
    scale: &mut dyn FnMut(usize) -> Result<Scale, String>,
    now: SimTime,
) -> Result<Judged, String> {
    let mut unmanaged = false;
    let mut sum = || -> Result<i32, String> {
        let mut scales = BTreeMap::new();
        for at in 0..pods.len() {
            match scale(at)? {
                Scale::Unmanaged => unmanaged = true,
                Scale::Of(controller, replicas) => {
                    scales.insert(controller, replicas);
                }
            }
        }
        Ok(scales.values().sum())
    };
    let (expected, desired) = match (budget.max_unavailable, budget.min_available) {
        (Some(limit), _) => {
            let expected = sum()?;
            (expected, expected.saturating_sub(share_up(limit, expected)).max(0))
        }
        (None, Some(IntOrPercent::Int(least))) => (pods.len() as i32, least),
        (None, Some(limit)) => {
            let expected = sum()?;
            (expected, share_up(limit, expected))
        }
        (None, None) => (0, 0),
    };
    let (disrupted, recheck_at, not_deleted) = still_disrupted(status, pods, now);
    let expected_to_go = |pod: &PodFacts| disrupted.iter().any(|&(name, at)| name == pod.name && at + DELETION_TIMEOUT > now);
    let current = pods.iter().filter(|pod| !pod.deleting && pod.ready && !expected_to_go(pod)).count() as i32;
    let allowed = if expected <= 0 { 0 } else { current.saturating_sub(desired).max(0) };
    Ok(Judged { current, desired, expected, allowed, disrupted, recheck_at, not_deleted, unmanaged })
}

/// A number, or the share of a total, rounded up.
fn share_up(limit: IntOrPercent, total: i32) -> i32 {
    match limit {
        IntOrPercent::Int(number) => number,
        IntOrPercent::Percent(percent) => {
            let hundredths = i64::from(percent) * i64::from(total);
            i32::try_from(-(-hundredths).div_euclid(100)).unwrap_or(i32::MAX)
        }
    }
}

type StillDisrupted = (Vec<(Name, SimTime)>, Option<SimTime>, Vec<usize>);

fn still_disrupted(status: &PodDisruptionBudgetStatus, pods: &[PodFacts], now: SimTime) -> StillDisrupted {
    let (mut still, mut recheck_at, mut not_deleted) = (Vec::new(), None, Vec::new());
    for &(name, since) in &status.disrupted_pods {
        let Some(at) = pods.iter().position(|pod| pod.name == name && !pod.deleting) else { continue };
        let until = since + DELETION_TIMEOUT;
        if until < now {
            not_deleted.push(at);
        } else {
            still.push((name, since));
            recheck_at = Some(recheck_at.map_or(until, |known: SimTime| known.min(until)));
        }
    }
    (still, recheck_at, not_deleted)
}
