//! Nodes: what they offer, what they refuse, and how they are.

use crate::model::meta::{Condition, condition_true};
use crate::model::raw::Raw;
use crate::model::resources::Resources;
use crate::names::Sym;
use crate::time::{SimDuration, SimTime};
use crate::words;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `spec` of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Node {
    /// `unschedulable`: cordoned.
    pub unschedulable: bool,
    /// `taints`; shared, since most nodes have the same.
    pub taints: Arc<[NodeTaint]>,
    /// `podCIDR` as address and prefix length; (0, 0) while none is given.
    pub pod_cidr: (u32, u8),
    /// Fields that are kept and given back only.
    pub rest: Raw,
}

/// One taint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeTaint {
    /// `key`.
    pub key: Sym,
    /// `value`.
    pub value: Sym,
    /// `effect`.
    pub effect: Effect,
    /// `timeAdded`.
    pub added_at: Option<SimTime>,
}

/// Effect of a taint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Effect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

impl Effect {
    /// The API's word.
    pub const fn text(self) -> &'static str {
        match self {
            Effect::NoSchedule => "NoSchedule",
            Effect::PreferNoSchedule => "PreferNoSchedule",
            Effect::NoExecute => "NoExecute",
        }
    }

    /// The effect with this word.
    pub fn parse(text: &str) -> Option<Effect> {
        [Effect::NoSchedule, Effect::PreferNoSchedule, Effect::NoExecute].into_iter().find(|effect| effect.text() == text)
    }
}

/// `status` of a node. Heartbeat times are computed when read ([`crate::model::node::NodeStatus::heartbeat_from`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeStatus {
    /// `capacity`.
    pub capacity: Arc<Resources>,
    /// `allocatable`.
    pub allocatable: Arc<Resources>,
    /// `conditions`.
    pub conditions: Vec<Condition>,
    /// Internal address as a big-endian number; 0 for none.
    pub address: u32,
    /// While a kubelet lives: since when it reports every ten seconds. `None`: no reports (any more).
    pub heartbeat_from: Option<SimTime>,
    /// Fields that are kept and given back only.
    pub rest: Raw,
}

/// How often a kubelet renews its node's lease. Source: `spec/nodes.md` §1.
///
/// Choice: the original stretches each period by up to 4 %; ours is exact.
pub const LEASE_RENEW: SimDuration = SimDuration::from_secs(10);

/// The last renewal by a moment of a lease that is renewed each [`LEASE_RENEW`] from `heartbeat_from` on.
pub fn renewed_by(heartbeat_from: SimTime, until: SimTime) -> SimTime {
    SimTime(heartbeat_from.0 + until.since(heartbeat_from).0 / LEASE_RENEW.0 * LEASE_RENEW.0)
}

impl NodeStatus {
    /// Whether the Ready condition is True.
    pub fn ready(&self) -> bool {
        condition_true(&self.conditions, words::READY)
    }
}
