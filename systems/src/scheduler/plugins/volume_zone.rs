//! VolumeZone: zone and region labels of volumes that are bound. Source: `plugins/volumezone/volume_zone.go`.

use super::volume_restrictions::missing;
use crate::scheduler::cycle::Cycle;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Filter, Happenings, NodeFilter, Plugin, Prepared, Reason, Refusal};
use crate::scheduler::pods::Resident;
use std::collections::BTreeSet;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::words;

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::NODE_ADDED
    .or(Happenings::NODE_LABELS)
    .or(Happenings::CLAIM_ADDED)
    .or(Happenings::CLAIM_CHANGED)
    .or(Happenings::VOLUME_ADDED)
    .or(Happenings::VOLUME_ZONE)
    .or(Happenings::WAITING_CLASS_ADDED);

/// Labels of places, each with the key that stands for it today.
const PLACES: [(Sym, Sym); 4] = [
    (words::BETA_ZONE_LABEL, words::ZONE_LABEL),
    (words::BETA_REGION_LABEL, words::REGION_LABEL),
    (words::ZONE_LABEL, words::ZONE_LABEL),
    (words::REGION_LABEL, words::REGION_LABEL),
];

/// The labels of a volume that say where it is.
pub fn places_of(labels: &LabelSets, set: LabelSetId) -> Vec<(Sym, Sym)> {
    PLACES.iter().filter_map(|&(key, _)| Some((key, labels.get(set, key)?))).collect()
}

/// The plugin.
pub struct VolumeZone;

impl Filter for VolumeZone {
    fn plugin(&self) -> Plugin {
        Plugin::VolumeZone
    }

    /// Unbound claims have been judged by VolumeBinding, which comes first.
    fn prepare<'c>(&self, cycle: &Cycle<'c>) -> Prepared<'c> {
        let Some(volumes) = &cycle.pod.resident.volumes else { return Prepared::Skip };
        let mut wanted = Vec::new();
        for claim in volumes.claims.iter().filter(|claim| !claim.ephemeral) {
            let Some(facts) = cycle.storage.claim((volumes.namespace, claim.name)) else {
                return Prepared::Refused(missing(Plugin::VolumeZone, cycle.names, claim.name));
            };
            if facts.volume.is_empty() {
                continue;
            }
            let Some(volume) = cycle.storage.volume(facts.volume) else {
                let text = format!("persistentvolume \"{}\" not found", cycle.names.text(facts.volume));
                let reasons = smallvec::smallvec![Reason::Own(text.into())];
                return Prepared::Refused(Refusal { plugin: Plugin::VolumeZone, resolvable: false, reasons });
            };
            for (key, value) in places_of(cycle.labels, volume.labels) {
                let values: BTreeSet<&str> = cycle.names.text(value).split("__").map(str::trim).collect();
                // A list with an empty place in it says nothing.
                if !values.contains("") {
                    wanted.push((key, values));
                }
            }
        }
        if wanted.is_empty() {
            return Prepared::Skip;
        }
        Prepared::Ready { only: None, filter: Box::new(Ready { wanted, labels: cycle.labels, names: cycle.names }) }
    }
}

#[derive(Clone)]
struct Ready<'c> {
    wanted: Vec<(Sym, BTreeSet<&'c str>)>,
    labels: &'c LabelSets,
    names: &'c Names,
}

impl NodeFilter for Ready<'_> {
    /// A node without any label of a place is of a cluster that has none.
    fn refusal(&self, _: u32, node: &NodeFacts) -> Option<Refusal> {
        if places_of(self.labels, node.labels).is_empty() {
            return None;
        }
        let today = |key: Sym| PLACES.iter().find(|place| place.0 == key).map_or(key, |place| place.1);
        let value = |key: Sym| self.labels.get(node.labels, key).or_else(|| self.labels.get(node.labels, today(key)));
        let met = |(key, values): &(Sym, BTreeSet<&str>)| value(*key).is_some_and(|value| values.contains(self.names.text(value)));
        (!self.wanted.iter().all(met)).then(|| Refusal::of(Plugin::VolumeZone, false, "node(s) had no available volume zone"))
    }

    fn count(&mut self, _: &Resident, _: u32, _: bool) {}

    fn copy<'s>(&'s self) -> Box<dyn NodeFilter + 's> {
        Box::new(self.clone())
    }
}
