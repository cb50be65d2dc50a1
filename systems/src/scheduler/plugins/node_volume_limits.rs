//! NodeVolumeLimits: how many volumes CSI drivers can attach to a node. Source: `plugins/nodevolumelimits/csi.go`.
//!
//! Volumes of in-tree kinds count only on nodes that announce their migration to a driver, which no simulated node does; there are no
//! VolumeAttachments beside the volumes of pods.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Filter, Happenings, NodeFilter, Plugin, PodEvent, Prepared, Refusal};
use crate::scheduler::pods::Resident;
use crate::scheduler::storage::Storage;
use crate::scheduler::volumes::PodVolumes;
use wavetank_engine::model::binding::ClaimKey;
use wavetank_engine::names::Sym;

/// What may lift its refusal.
pub const WAKES: Happenings =
    Happenings::POD_GONE.or(Happenings::CLAIM_ADDED).or(Happenings::CSI_NODE_ADDED).or(Happenings::CSI_LIMIT_RAISED);

/// A pod that goes helps when it had claims.
pub fn pod_hint(_: &Cycle, event: &PodEvent) -> bool {
    let gone = event.before.filter(|_| event.after.is_none()).and_then(|pod| pod.volumes.as_ref());
    gone.is_some_and(|volumes| !volumes.claims.is_empty())
}

/// One volume of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attached {
    driver: Sym,
    handle: Handle,
}

/// What tells a volume from others of its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handle {
    Volume(Sym),
    /// It is yet to be made for a claim.
    For(ClaimKey),
}

/// The volume behind a claim; `None` when no driver is known to attach one.
fn attached(storage: &Storage, key: ClaimKey) -> Option<Attached> {
    let claim = storage.claim(key)?;
    match storage.volume(claim.volume) {
        Some(volume) => volume.csi.map(|(driver, handle)| Attached { driver, handle: Handle::Volume(handle) }),
        None => storage.class(claim.class).map(|class| Attached { driver: class.provisioner, handle: Handle::For(key) }),
    }
}

fn add_of(storage: &Storage, pod: &PodVolumes, list: &mut Vec<Attached>) {
    for volume in pod.keys().filter_map(|key| attached(storage, key)) {
        if !list.contains(&volume) {
            list.push(volume);
        }
    }
}

/// The plugin.
pub struct NodeVolumeLimits;

impl Filter for NodeVolumeLimits {
    fn plugin(&self) -> Plugin {
        Plugin::NodeVolumeLimits
    }

    fn prepare<'c>(&self, cycle: &Cycle<'c>) -> Prepared<'c> {
        let mut asked = Vec::new();
        if let Some(volumes) = &cycle.pod.resident.volumes {
            add_of(cycle.storage, volumes, &mut asked);
        }
        if asked.is_empty() {
            return Prepared::Skip;
        }
        Prepared::Ready { only: None, filter: Box::new(Ready { storage: cycle.storage, asked }) }
    }
}

#[derive(Clone)]
struct Ready<'c> {
    storage: &'c Storage,
    asked: Vec<Attached>,
}

impl NodeFilter for Ready<'_> {
    fn refusal(&self, _: u32, node: &NodeFacts) -> Option<Refusal> {
        let limits = self.storage.limits(node.name);
        if limits.is_empty() {
            return None;
        }
        let mut there = Vec::new();
        node.volumes.iter().for_each(|pod| add_of(self.storage, pod, &mut there));
        let count = |list: &[Attached], driver: Sym| list.iter().filter(|volume| volume.driver == driver).count() as i64;
        let new: Vec<Attached> = self.asked.iter().copied().filter(|volume| !there.contains(volume)).collect();
        let full = |&(driver, limit): &(Sym, i64)| count(&new, driver) > 0 && count(&there, driver) + count(&new, driver) > limit;
        limits.iter().any(full).then(|| Refusal::of(Plugin::NodeVolumeLimits, true, "node(s) exceed max volume count"))
    }

    fn count(&mut self, _: &Resident, _: u32, _: bool) {}

    fn copy<'s>(&'s self) -> Box<dyn NodeFilter + 's> {
        Box::new(self.clone())
    }
}
