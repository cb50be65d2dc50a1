//! Latency profiles: how long calls and watches take.

use crate::time::SimDuration;
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};

/// A latency profile. ECS resource. Source: `design.md` §2.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Resource)]
pub enum Latency {
    /// All zero: only real timers take time.
    #[default]
    Ideal,
    /// Constant latencies of a typical cluster.
    Typical(LatencyTable),
}

/// The latencies of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyTable {
    /// From a request to its commit and reply.
    pub api_write: SimDuration,
    /// From a commit until watchers hear of it.
    pub watch: SimDuration,
    /// One attempt of the scheduler.
    pub scheduling_attempt: SimDuration,
    /// From a decision of the scheduler until the pod is bound.
    pub binding: SimDuration,
    /// From a wake-up of the kubelet until it acts.
    pub kubelet_sync: SimDuration,
    /// Creation of a pod's sandbox.
    pub sandbox: SimDuration,
    /// Creation and start of a container.
    pub container_start: SimDuration,
    /// Making of a volume by its provisioner.
    pub provisioning: SimDuration,
    /// Pull of an image apart from its size.
    pub pull: SimDuration,
    /// Speed of pulls. Unit: bytes a second.
    pub pull_bytes_per_s: u64,
}

impl LatencyTable {
    /// No latency at all.
    pub const IDEAL: LatencyTable = LatencyTable {
        api_write: SimDuration::ZERO,
        watch: SimDuration::ZERO,
        scheduling_attempt: SimDuration::ZERO,
        binding: SimDuration::ZERO,
        kubelet_sync: SimDuration::ZERO,
        sandbox: SimDuration::ZERO,
        container_start: SimDuration::ZERO,
        provisioning: SimDuration::ZERO,
        pull: SimDuration::ZERO,
        pull_bytes_per_s: u64::MAX,
    };
    /// The profile `Typical`.
    pub const TYPICAL: LatencyTable = LatencyTable {
        api_write: SimDuration::from_millis(4),
        watch: SimDuration::from_millis(2),
        scheduling_attempt: SimDuration::from_millis(1),
        binding: SimDuration::from_millis(4),
        kubelet_sync: SimDuration::from_millis(10),
        sandbox: SimDuration::from_millis(400),
        container_start: SimDuration::from_millis(150),
        provisioning: SimDuration::from_secs(5),
        pull: SimDuration::from_millis(500),
        pull_bytes_per_s: 50_000_000,
    };
}

impl LatencyTable {
    /// The same on a node where everything takes so many times as long.
    pub fn on_slow_node(&self, times: u32) -> LatencyTable {
        let longer = |span: SimDuration| span.saturating_mul(u64::from(times));
        LatencyTable {
            kubelet_sync: longer(self.kubelet_sync),
            sandbox: longer(self.sandbox),
            container_start: longer(self.container_start),
            pull: longer(self.pull),
            pull_bytes_per_s: (self.pull_bytes_per_s / u64::from(times.max(1))).max(1),
            ..self.clone()
        }
    }
}

impl Latency {
    /// The latencies.
    pub fn table(&self) -> &LatencyTable {
        match self {
            Latency::Ideal => &LatencyTable::IDEAL,
            Latency::Typical(table) => table,
        }
    }

    /// From a commit until watchers hear of it.
    pub fn watch_delay(&self) -> SimDuration {
        self.table().watch
    }
}
