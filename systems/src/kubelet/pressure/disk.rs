//! Images on a node's disk: unused ones go when the disk runs full.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/images/image_gc_manager.go`, `GarbageCollect`, `DeleteUnusedImages`; `spec/kubelet.md` §16.

use crate::kubelet::Cluster;
use crate::kubelet::pressure::usage::NodeUse;
use wavetank_engine::scene::kubelet_config::Signal;
use wavetank_engine::time::{SimDuration, SimTime};

/// How often images are collected. Choice: at whole multiples.
const PERIOD: SimDuration = SimDuration::from_secs(300);
/// While a node's images alone fill less than this share of its disk, and no program writes, nobody looks. Unit: percent.
const HARMLESS_PERCENT: i64 = 50;

/// Whether a disk may run full now that an image has come.
pub(super) fn may_fill(cluster: &Cluster, number: u32) -> bool {
    let node = &cluster.kubelets.nodes[number as usize];
    let disk = cluster.node_statuses.get(node.object).map_or(0, |status| status.capacity.ephemeral_storage_bytes);
    let images = i64::try_from(node.image_bytes()).unwrap_or(i64::MAX);
    disk > 0 && (cluster.programs.write() || images / HARMLESS_PERCENT > disk / 100)
}

/// Deletes images that no container uses until so much is free, those that came first first. What was freed. Unit: bytes.
///
/// Choice: the original goes by the time of the last use that it has seen.
pub(super) fn delete_unused(cluster: &mut Cluster, number: u32, used: &NodeUse, wanted: i64, came_by: SimTime) -> i64 {
    cluster.kubelets.nodes[number as usize].delete_images(&used.images, wanted, came_by)
}

/// Collects images if it is time and the disk is full enough. When it has to be looked at again for that.
pub(super) fn collect(cluster: &mut Cluster, number: u32, used: &NodeUse, now: SimTime) -> Option<SimTime> {
    let (high, low, age) = (cluster.config.image_high_percent, cluster.config.image_low_percent, cluster.config.image_age);
    let seen = cluster.observe(number, used)[Signal::ImageFs as usize]?;
    let usage_percent = 100 - seen.available.saturating_mul(100) / seen.capacity;
    if usage_percent < high {
        return None;
    }
    let next = SimTime((now.0 / PERIOD.0 + 1) * PERIOD.0);
    if !now.0.is_multiple_of(PERIOD.0) {
        return Some(next);
    }
    let wanted = seen.capacity.saturating_mul(100 - low) / 100 - seen.available;
    let freed = delete_unused(cluster, number, used, wanted, SimTime(now.0.saturating_sub(age.0)));
    if freed >= wanted {
        return None;
    }
    let capacity = format_size(seen.capacity);
    let message = format!(
        "Insufficient free disk space on the node's image filesystem ({usage_percent}% of {capacity} used). Failed to free sufficient space by \
         deleting unused images (freed {freed} bytes). Investigate disk usage, as it could be used by active images, logs, volumes, or other data."
    );
    let object = cluster.kubelets.nodes[number as usize].object;
    super::say(cluster, now, object, (true, "FreeDiskSpaceFailed"), &message);
    Some(next)
}

/// A size with one digit behind the point: `97.7 GiB`.
fn format_size(bytes: i64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut tenths, mut unit) = (i128::from(bytes) * 10, 0);
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}
