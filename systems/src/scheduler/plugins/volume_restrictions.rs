//! VolumeRestrictions: disks that pods of one node may not share, and claims that one pod of the cluster may use.
//! Source: `spec/scheduler.md` §5; `plugins/volumerestrictions/volume_restrictions.go`.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Filter, Happenings, NodeFilter, Plugin, PodEvent, Prepared, Reason, Refusal};
use crate::scheduler::pods::Resident;
use crate::scheduler::volumes::{Disk, PodVolumes};
use wavetank_engine::model::storage::AccessModes;
use wavetank_engine::names::{Names, Sym};

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::POD_GONE.or(Happenings::NODE_ADDED).or(Happenings::CLAIM_ADDED);

const NO_DISK: &str = "node(s) had no available disk";
const IN_USE: &str = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod";

/// The refusal of a plugin whose pod names a claim that is not there.
pub(super) fn missing(plugin: Plugin, names: &Names, claim: Sym) -> Refusal {
    let text = format!("persistentvolumeclaim \"{}\" not found", names.text(claim));
    Refusal { plugin, resolvable: false, reasons: smallvec::smallvec![Reason::Own(text.into())] }
}

/// A pod that goes helps when it had a disk or a claim that the waiting one wants.
pub fn pod_hint(cycle: &Cycle, event: &PodEvent) -> bool {
    let gone = event.before.filter(|_| event.after.is_none()).and_then(|pod| pod.volumes.as_ref());
    let (Some(wanted), Some(gone)) = (&cycle.pod.resident.volumes, gone) else { return false };
    wanted.namespace == gone.namespace && (conflict(&wanted.disks, gone) || wanted.keys().any(|key| gone.uses(key)))
}

fn conflict(disks: &[Disk], pod: &PodVolumes) -> bool {
    disks.iter().any(|disk| pod.disks.iter().any(|other| disk.conflicts(other)))
}

/// The plugin.
pub struct VolumeRestrictions;

impl Filter for VolumeRestrictions {
    fn plugin(&self) -> Plugin {
        Plugin::VolumeRestrictions
    }

    fn prepare<'c>(&self, cycle: &Cycle<'c>) -> Prepared<'c> {
        let Some(volumes) = &cycle.pod.resident.volumes else { return Prepared::Skip };
        let mut alone = Vec::new();
        for claim in volumes.claims.iter().filter(|claim| !claim.ephemeral) {
            match cycle.storage.claim((volumes.namespace, claim.name)) {
                None => return Prepared::Refused(missing(Plugin::VolumeRestrictions, cycle.names, claim.name)),
                Some(facts) if facts.modes.contain(AccessModes::ONE_POD) && !alone.contains(&claim.name) => alone.push(claim.name),
                Some(_) => {}
            }
        }
        let users = alone.iter().filter(|&&claim| cycle.storage.is_used((volumes.namespace, claim))).count() as i64;
        if volumes.disks.is_empty() && users == 0 {
            return Prepared::Skip;
        }
        Prepared::Ready { only: None, filter: Box::new(Ready { disks: &volumes.disks, alone, users }) }
    }
}

#[derive(Clone)]
struct Ready<'c> {
    disks: &'c [Disk],
    /// Claims that one pod may use.
    alone: Vec<Sym>,
    /// How often pods on nodes use them.
    users: i64,
}

impl NodeFilter for Ready<'_> {
    fn refusal(&self, _: u32, node: &NodeFacts) -> Option<Refusal> {
        if node.volumes.iter().any(|pod| conflict(self.disks, pod)) {
            return Some(Refusal::of(Plugin::VolumeRestrictions, true, NO_DISK));
        }
        (self.users > 0).then(|| Refusal::of(Plugin::VolumeRestrictions, true, IN_USE))
    }

    /// Counts by the claim's name alone, as the original does.
    fn count(&mut self, pod: &Resident, _: u32, add: bool) {
        let claims = pod.volumes.iter().flat_map(|volumes| &volumes.claims);
        let used = claims.filter(|claim| !claim.ephemeral && self.alone.contains(&claim.name)).count() as i64;
        self.users += if add { used } else { -used };
    }

    fn copy<'s>(&'s self) -> Box<dyn NodeFilter + 's> {
        Box::new(self.clone())
    }
}
