//! PodDisruptionBudgets.

use crate::model::meta::Condition;
use crate::model::raw::Raw;
use crate::model::select::SelectorId;
use crate::model::workload::IntOrPercent;
use crate::names::Name;
use crate::time::SimTime;
use serde::{Deserialize, Serialize};

/// `spec` of a PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodDisruptionBudget {
    /// `minAvailable`.
    pub min_available: Option<IntOrPercent>,
    /// `maxUnavailable`.
    pub max_unavailable: Option<IntOrPercent>,
    /// `selector`; `None` selects nothing, an empty one every pod of the namespace.
    pub selector: Option<SelectorId>,
    /// `unhealthyPodEvictionPolicy` is AlwaysAllow.
    pub always_evict_unhealthy: bool,
    /// The whole `spec`.
    pub raw: Raw,
}

/// `status` of a PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct PodDisruptionBudgetStatus {
    /// `disruptionsAllowed`.
    pub disruptions_allowed: i32,
    /// `currentHealthy`.
    pub current_healthy: i32,
    /// `desiredHealthy`.
    pub desired_healthy: i32,
    /// `expectedPods`.
    pub expected_pods: i32,
    /// `observedGeneration`.
    pub observed_generation: u32,
    /// `disruptedPods`: names of pods whose eviction was granted and whose deletion was not seen yet, and since when; in order of names.
    pub disrupted_pods: Vec<(Name, SimTime)>,
    /// `conditions`.
    pub conditions: Vec<Condition>,
}
