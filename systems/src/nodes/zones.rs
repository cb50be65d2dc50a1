//! Zones of nodes: how disrupted they are, and how fast their nodes are tainted.
//!
//! Source: kubernetes v1.36, `pkg/controller/nodelifecycle/node_lifecycle_controller.go`, `ComputeZoneState`, `ReducedQPSFunc`,
//! `HealthyQPSFunc`; `spec/nodes.md` §1, §5.

use wavetank_engine::model::meta::ConditionStatus;
use wavetank_engine::time::SimDuration;

/// Unready nodes above which a zone can be in partial disruption.
const PARTIAL_MIN: u32 = 2;

/// The node controller's options about zones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZonePolicy {
    /// `--node-eviction-rate`. Unit: thousandths of a node per second.
    pub rate_milli: u32,
    /// `--secondary-node-eviction-rate`. Unit: thousandths of a node per second.
    pub secondary_rate_milli: u32,
    /// `--large-cluster-size-threshold`: nodes above which a zone is large.
    pub large_above: u32,
    /// `--unhealthy-zone-threshold`: share of unready nodes from which on a zone is in partial disruption.
    pub unhealthy_share: f32,
}

impl ZonePolicy {
    /// The options as they are unless set.
    pub const DEFAULT: ZonePolicy = ZonePolicy { rate_milli: 100, secondary_rate_milli: 10, large_above: 50, unhealthy_share: 0.55 };

    /// Taints per second of a zone of any size in normal state. Unit: thousandths of a node per second.
    pub fn healthy_rate_milli(&self) -> u32 {
        self.rate_milli
    }

    /// Taints per second of a zone with so many nodes in partial disruption. Unit: thousandths of a node per second.
    pub fn reduced_rate_milli(&self, nodes: u32) -> u32 {
        if nodes > self.large_above { self.secondary_rate_milli } else { 0 }
    }

    /// State of a zone by its nodes.
    pub fn state(&self, zone: Tally) -> ZoneState {
        // The original divides in single precision.
        let share = || zone.unready as f32 / zone.nodes() as f32;
        if zone.ready == 0 && zone.unready > 0 {
            ZoneState::Full
        } else if zone.unready > PARTIAL_MIN && share() >= self.unhealthy_share {
            ZoneState::Partial
        } else {
            ZoneState::Normal
        }
    }

    /// Time between two NoExecute taints of a zone; `None`: none at all, as when no zone has a ready node (`all_full`).
    pub fn taint_every(&self, zone: Tally, all_full: bool) -> Option<SimDuration> {
        let rate_milli = match self.state(zone) {
            _ if all_full => 0,
            ZoneState::Normal | ZoneState::Full => self.healthy_rate_milli(),
            ZoneState::Partial => self.reduced_rate_milli(zone.nodes()),
        };
        SimDuration::from_secs(1000).0.checked_div(u64::from(rate_milli)).map(SimDuration)
    }
}

/// State of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneState {
    /// Most nodes are ready.
    Normal,
    /// More than two and a large share are not.
    Partial,
    /// None is ready.
    Full,
}

/// Nodes of a zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ready nodes.
    pub ready: u32,
    /// All others: not ready, unknown, or never heard of.
    pub unready: u32,
}

impl Tally {
    /// All nodes.
    pub fn nodes(self) -> u32 {
        self.ready + self.unready
    }

    /// Counts a node by its Ready condition; `None` when it has none.
    pub fn add(&mut self, ready: Option<ConditionStatus>) {
        match ready {
            Some(ConditionStatus::True) => self.ready += 1,
            Some(ConditionStatus::False | ConditionStatus::Unknown) | None => self.unready += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_states_and_rates() {
        let seconds = |s| Some(SimDuration::from_secs(s));
        for (ready, unready, all_full, want) in [
            (3, 1, false, seconds(10)),
            (0, 3, false, seconds(10)),
            (0, 3, true, None),
            (2, 3, false, None),
            (9, 11, false, None),
            (20, 40, false, seconds(100)),
            (23, 27, false, seconds(10)),
            (1, 2, false, seconds(10)),
        ] {
            assert_eq!(ZonePolicy::DEFAULT.taint_every(Tally { ready, unready }, all_full), want, "{ready} {unready}");
        }
    }
}
