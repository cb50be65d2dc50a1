//! Volumes of a pod between the choice of its node and its binding: chosen, asked for, waited for.
//!
//! Source: `spec/storage.md` §6; `plugins/volumebinding/binder.go`, `BindPodVolumes`; `schedule_one.go`, `bindingCycle`.

use crate::scheduler::cache::SchedulerCache;
use crate::scheduler::storage::Chosen;
use crate::scheduler::{Reads, SchedulerQueue};
use serde::{Deserialize, Serialize};
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::{ObjRef, Revision};
use wavetank_engine::model::storage::{ClaimRef, PersistentVolume};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// How often the scheduler looks whether the volumes are bound.
const LOOK_EVERY: SimDuration = SimDuration::from_secs(1);

/// A pod whose volumes are being bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reserved {
    /// Name of the chosen node.
    pub(super) node: Sym,
    /// What was chosen for its claims.
    pub(super) chosen: Chosen,
    /// Since when the scheduler waits; `None` before its requests are answered.
    pub(super) since: Option<SimTime>,
    /// How long the scheduler waits: `bindTimeoutSeconds` of the pod's profile.
    pub(super) timeout: SimDuration,
}

/// Where a pod's volumes stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not yet; the next look is due then.
    LookAgain(SimTime),
    /// Not bound yet, and nothing tells when they will be.
    Wait(SimTime),
    /// All are bound: the pod may be.
    Bound,
    /// It came to nothing.
    Failed(String),
}

/// Asks for what was chosen: volumes are given to their claims, claims told for which node a volume is to be made.
pub(super) fn ask(pod: ObjRef, reserved: &Reserved, reads: &mut Reads, names: &mut Names, work: &mut Work<SchedulerQueue>) {
    for &(volume, taken) in &reserved.chosen.volumes {
        let (Some(spec), Some(meta)) = (reads.storage.volumes.get(volume), reads.metas.get(volume)) else { continue };
        let (mut spec, mut meta): (PersistentVolume, _) = (spec.clone(), meta.clone());
        let text = names.text(taken.key.1).to_string();
        // A volume that a person reserved for the claim was not bound by a controller.
        if spec.claim.is_none() {
            meta.annotations = reads.labels.with(names, meta.annotations, words::BOUND_BY_CONTROLLER, words::YES);
        }
        spec.claim = Some(ClaimRef { namespace: taken.key.0, name: names.name(&text), uid: taken.uid });
        let expect = Some(reads.listing.revision(volume));
        work.ask_for(pod, Revision(0), Verb::PutAll { object: volume, expect, values: vec![meta.into(), spec.into()] });
    }
    for &(claim, _) in &reserved.chosen.to_provision {
        let Some(mut meta) = reads.metas.get(claim).cloned() else { continue };
        meta.annotations = reads.labels.with(names, meta.annotations, words::SELECTED_NODE, reserved.node);
        let expect = Some(reads.listing.revision(claim));
        work.ask_for(pod, Revision(0), Verb::Put { object: claim, expect, value: meta.into() });
    }
}

/// Where the volumes of a pod stand at a moment. The original looks once a second; we look when something may have changed, and act at
/// its next look.
pub(super) fn standing(reserved: &Reserved, cache: &SchedulerCache, names: &Names, now: SimTime) -> Standing {
    let Some(since) = reserved.since else { return Standing::LookAgain(now) };
    let waited = SimDuration(now.0.saturating_sub(since.0));
    let looks = waited.0.div_ceil(LOOK_EVERY.0).max(1);
    let next = since + SimDuration(looks * LOOK_EVERY.0);
    let failed = cache.table.by_name(reserved.node).is_none().then(|| format!("failed to get node \"{}\"", names.text(reserved.node)));
    let failed = failed.or_else(|| failure(reserved, cache, names));
    if next > now {
        return if failed.is_some() || all_bound(reserved, cache) {
            Standing::LookAgain(next)
        } else {
            Standing::Wait((since + reserved.timeout).max(next))
        };
    }
    match failed {
        Some(why) => Standing::Failed(why),
        None if all_bound(reserved, cache) => Standing::Bound,
        None if waited >= reserved.timeout => Standing::Failed("binding volumes: context deadline exceeded".into()),
        None => Standing::Wait(since + reserved.timeout),
    }
}

fn all_bound(reserved: &Reserved, cache: &SchedulerCache) -> bool {
    reserved
        .chosen
        .claims()
        .all(|key| cache.storage.claim(key).is_some_and(|claim| claim.is_bound() && cache.storage.volume(claim.volume).is_some()))
}

/// Source: `binder.go`, `checkBindings`.
fn failure(reserved: &Reserved, cache: &SchedulerCache, names: &Names) -> Option<String> {
    let dropped = reserved.chosen.volumes.iter().find_map(|&(volume, _)| {
        let volume = cache.storage.volume_of(volume)?;
        volume.taken.and_then(|taken| taken.uid).is_none().then_some(volume)
    });
    if let Some(volume) = dropped {
        return Some(format!("binding volumes: ClaimRef got reset for pv \"{}\"", names.text(volume.name)));
    }
    let gone = |key| format!("binding volumes: failed to check binding: could not find v1.PersistentVolumeClaim \"{}\"", shown(key, names));
    if let Some(key) = reserved.chosen.claims().find(|&key| cache.storage.claim(key).is_none()) {
        return Some(gone(key));
    }
    let unselected = |&&(_, key): &&(ObjRef, _)| cache.storage.claim(key).is_some_and(|claim| claim.selected_node != reserved.node);
    let (_, key) = reserved.chosen.to_provision.iter().find(unselected)?;
    Some(format!("binding volumes: provisioning failed for PVC \"{}\"", names.text(key.1)))
}

fn shown(key: (Sym, Sym), names: &Names) -> String {
    format!("{}/{}", names.text(key.0), names.text(key.1))
}
