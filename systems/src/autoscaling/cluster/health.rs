//! Whether the cluster is well enough to be made larger or smaller.

use super::Turn;
use wavetank_engine::ids::Kind;
use wavetank_engine::model::meta::condition;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// A node that became unready so soon after it came is still starting. Source: autoscaler, `clusterstate/clusterstate.go`,
/// `MaxStatusSettingDelayAfterCreation`.
const STATUS_DELAY_MAX: SimDuration = SimDuration::from_secs(2 * 60);
/// A node may take so long to start. Source: the same, `MaxNodeStartupTime`.
const STARTUP_MAX: SimDuration = SimDuration::from_secs(15 * 60);

impl Turn<'_, '_, '_, '_> {
    /// Whether few enough nodes are not ready. Those that have not been ready since they came are given their time. Source: autoscaler,
    /// `clusterstate/clusterstate.go`, `IsClusterHealthy`.
    pub(super) fn healthy(&mut self) -> bool {
        let (mut nodes, mut unready) = (0_u32, 0_u32);
        let mut due = None;
        for node in self.reads.listing.of_kind(Kind::Node) {
            let (Some(meta), Some(status)) = (self.reads.metas.get(node), self.reads.node_statuses.get(node)) else { continue };
            nodes += 1;
            let ready = condition(&status.conditions, words::READY);
            if status.ready() || meta.terminating() {
                continue;
            }
            let starts = ready.is_none_or(|ready| ready.transition_at.0.saturating_sub(meta.created_at.0) < STATUS_DELAY_MAX.0);
            let until = meta.created_at + STARTUP_MAX;
            if starts && until > self.now {
                due = Some(due.map_or(until, |known: SimTime| known.min(until)));
            } else {
                unready += 1;
            }
        }
        if let Some(due) = due {
            self.look_again(due);
        }
        let settings = &self.reads.settings;
        let many = u64::from(unready) * 100 > u64::from(settings.max_total_unready_percentage) * u64::from(nodes);
        unready <= settings.ok_total_unready_count || !many
    }
}
