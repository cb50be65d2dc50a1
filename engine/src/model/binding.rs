//! Claims and volumes as those see them who bind one to the other (the volume controller and the scheduler), and which volume fits.
//!
//! Source: `spec/storage.md` §3; kubernetes v1.36, `component-helpers/storage/volume/pv_helpers.go`.

use crate::hash::LookupMap;
use crate::ids::{ObjRef, Uid};
use crate::model::labels::{LabelSetId, LabelSets};
use crate::model::meta::Meta;
use crate::model::node_selector::{Term, terms_of};
use crate::model::select::{Requirement, Selectors};
use crate::model::storage::{
    AccessModes, ClaimPhase, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, PersistentVolumeStatus, VolumePhase,
};
use crate::names::{Names, Sym};
use crate::words;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Namespace and name of a claim.
pub type ClaimKey = (Sym, Sym);

/// A claim, digested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimFacts {
    /// The object.
    pub object: ObjRef,
    /// Namespace and name.
    pub key: ClaimKey,
    /// Class: that of the old annotation, else the field; empty for none. Source: `spec/storage.md` §2.
    pub class: Sym,
    /// Name of its volume; empty for none.
    pub volume: Sym,
    /// Bytes asked for.
    pub request: i64,
    /// Access modes asked for.
    pub modes: AccessModes,
    /// Labels that a volume must have; `None` takes every volume.
    pub selector: Option<Vec<Requirement>>,
    /// Wants a block device.
    pub block: bool,
    /// `volumeAttributesClassName`.
    pub attributes_class: Sym,
    /// The binding is complete: annotation `pv.kubernetes.io/bind-completed`.
    pub bind_completed: bool,
    /// Phase.
    pub phase: ClaimPhase,
    /// Its deletion was asked for.
    pub terminating: bool,
    /// The node that the scheduler chose for it; empty for none.
    pub selected_node: Sym,
    /// Identity of its controlling owner.
    pub controller: Option<Uid>,
}

impl ClaimFacts {
    /// Digests a claim.
    pub fn of(
        names: &mut Names,
        labels: &LabelSets,
        selectors: &Selectors,
        object: ObjRef,
        (meta, claim, status): (&Meta, &PersistentVolumeClaim, &PersistentVolumeClaimStatus),
    ) -> ClaimFacts {
        let annotation = |key| labels.get(meta.annotations, key);
        let name = names.render(meta.name);
        ClaimFacts {
            object,
            key: (meta.namespace, names.sym(&name)),
            class: annotation(words::BETA_CLASS).or(claim.class).unwrap_or(Sym::EMPTY),
            volume: claim.volume,
            request: claim.request,
            modes: claim.modes,
            selector: claim.selector.map(|id| selectors.get(id).to_vec()),
            block: claim.block,
            attributes_class: claim.attributes_class,
            bind_completed: annotation(words::BIND_COMPLETED).is_some(),
            phase: status.phase,
            terminating: meta.terminating(),
            selected_node: annotation(words::SELECTED_NODE).unwrap_or(Sym::EMPTY),
            controller: meta.controller_uid(),
        }
    }

    /// Whether it has a volume and the binding is complete.
    pub fn is_bound(&self) -> bool {
        !self.volume.is_empty() && self.bind_completed
    }
}

/// The claim that a volume is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Namespace and name.
    pub key: ClaimKey,
    /// The claim itself; `None` for a volume that a person reserved for a name.
    pub uid: Option<Uid>,
}

/// A volume, digested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFacts {
    /// The object.
    pub object: ObjRef,
    /// Name.
    pub name: Sym,
    /// Labels.
    pub labels: LabelSetId,
    /// Class: that of the old annotation, else the field; empty for none.
    pub class: Sym,
    /// Bytes.
    pub capacity: i64,
    /// Access modes.
    pub modes: AccessModes,
    /// Is a block device.
    pub block: bool,
    /// `volumeAttributesClassName`.
    pub attributes_class: Sym,
    /// The claim that it is for.
    pub taken: Option<Taken>,
    /// Phase.
    pub phase: VolumePhase,
    /// Its deletion was asked for.
    pub terminating: bool,
    /// `nodeAffinity.required`: nodes that can reach it; `None`: all.
    pub required: Option<Vec<Term>>,
    /// CSI driver and handle; `None` for other sources.
    pub csi: Option<(Sym, Sym)>,
}

impl VolumeFacts {
    /// Digests a volume.
    pub fn of(
        names: &mut Names,
        labels: &LabelSets,
        object: ObjRef,
        (meta, volume, status): (&Meta, &PersistentVolume, &PersistentVolumeStatus),
    ) -> VolumeFacts {
        let name = names.render(meta.name);
        let taken = volume.claim.map(|claim| {
            let name = names.render(claim.name);
            Taken { key: (claim.namespace, names.sym(&name)), uid: claim.uid }
        });
        let required = volume.raw.at(&["nodeAffinity", "required"]).and_then(|selector| terms_of(names, selector));
        let mut csi = |field: &str| volume.raw.at(&["csi", field]).and_then(Value::as_str).map(|text| names.sym(text));
        VolumeFacts {
            object,
            csi: csi("driver").zip(csi("volumeHandle")),
            name: names.sym(&name),
            labels: meta.labels,
            class: labels.get(meta.annotations, words::BETA_CLASS).unwrap_or(volume.class),
            capacity: volume.capacity,
            modes: volume.modes,
            block: volume.block,
            attributes_class: volume.attributes_class,
            taken,
            phase: status.phase,
            terminating: meta.terminating(),
            required,
        }
    }

    /// Whether it is bound to, or reserved for, the claim.
    pub fn is_for(&self, claim: &ClaimFacts) -> bool {
        self.taken.is_some_and(|taken| taken.key == claim.key && taken.uid.is_none_or(|uid| uid == claim.object.uid))
    }

    /// Whether a node with these labels can reach it. Fields of the node do not count.
    pub fn reachable_from(&self, labels: &LabelSets, names: &Names, node_labels: LabelSetId) -> bool {
        self.required.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(labels, names, node_labels, Sym::EMPTY)))
    }
}

/// Volumes by name, class and claim.
#[derive(Debug, Default)]
pub struct VolumeIndex {
    volumes: BTreeMap<Uid, VolumeFacts>,
    names: LookupMap<Sym, Uid>,
    of_class: LookupMap<Sym, BTreeSet<Uid>>,
    taken: LookupMap<ClaimKey, BTreeSet<Uid>>,
}

impl VolumeIndex {
    /// Takes in a volume.
    pub fn put(&mut self, volume: VolumeFacts) {
        let uid = volume.object.uid;
        self.remove(volume.object);
        self.names.insert(volume.name, uid);
        self.of_class.entry(volume.class).or_default().insert(uid);
        if let Some(taken) = volume.taken {
            self.taken.entry(taken.key).or_default().insert(uid);
        }
        self.volumes.insert(uid, volume);
    }

    /// Takes a volume out.
    pub fn remove(&mut self, object: ObjRef) -> Option<VolumeFacts> {
        let volume = self.volumes.remove(&object.uid)?;
        if self.names.get(&volume.name) == Some(&object.uid) {
            self.names.remove(&volume.name);
        }
        if let Some(list) = self.of_class.get_mut(&volume.class) {
            list.remove(&object.uid);
        }
        if let Some(taken) = volume.taken
            && let Some(list) = self.taken.get_mut(&taken.key)
        {
            list.remove(&object.uid);
            if list.is_empty() {
                self.taken.remove(&taken.key);
            }
        }
        Some(volume)
    }

    /// A volume; `None` when it is not there.
    pub fn get(&self, object: ObjRef) -> Option<&VolumeFacts> {
        self.volumes.get(&object.uid)
    }

    /// The volume with a name.
    pub fn named(&self, name: Sym) -> Option<&VolumeFacts> {
        self.names.get(&name).and_then(|uid| self.volumes.get(uid))
    }

    /// Volumes of a class, in order of creation.
    pub fn of_class(&self, class: Sym) -> impl Iterator<Item = &VolumeFacts> {
        self.of_class.get(&class).into_iter().flatten().filter_map(|uid| self.volumes.get(uid))
    }

    /// Volumes that are for a claim of this name, in order of creation.
    pub fn taken_by(&self, key: ClaimKey) -> impl Iterator<Item = &VolumeFacts> {
        self.taken.get(&key).into_iter().flatten().filter_map(|uid| self.volumes.get(uid))
    }

    /// All volumes, in order of creation.
    pub fn iter(&self) -> impl Iterator<Item = &VolumeFacts> {
        self.volumes.values()
    }
}

/// Whether the volume is what the claim asks for, apart from its class, its labels and its modes.
fn fits(claim: &ClaimFacts, volume: &VolumeFacts) -> bool {
    (volume.taken.is_none() || volume.is_for(claim))
        && volume.capacity >= claim.request
        && volume.block == claim.block
        && volume.attributes_class == claim.attributes_class
        && !volume.terminating
}

/// Whether a free volume may be chosen for the claim; its modes aside.
fn may_be_chosen(claim: &ClaimFacts, volume: &VolumeFacts, labels: &LabelSets) -> bool {
    let selected = |list: &Vec<Requirement>| list.iter().all(|requirement| requirement.met_by(labels, volume.labels));
    volume.phase == VolumePhase::Available && claim.selector.as_ref().is_none_or(selected) && volume.class == claim.class
}

/// The volume for a claim, as the volume controller chooses it: among those with the fewest access modes that have all that are asked for,
/// one that is for the claim already, else the smallest. `delayed`: free volumes are left to the scheduler.
///
/// Choice: volumes of one size are taken in the order given; the original's order is that of a map.
/// Source: `spec/storage.md` §3; `pkg/controller/volume/persistentvolume/index.go`, `findByClaim`.
pub fn choose<'v>(
    claim: &ClaimFacts,
    volumes: impl Iterator<Item = &'v VolumeFacts> + Clone,
    delayed: bool,
    labels: &LabelSets,
) -> Option<&'v VolumeFacts> {
    let able = volumes.filter(|volume| volume.modes.contain(claim.modes));
    let mut sets: Vec<AccessModes> = able.clone().map(|volume| volume.modes).collect();
    sets.sort_by_key(|modes| (modes.count(), *modes));
    sets.dedup();
    sets.into_iter().find_map(|modes| {
        let of_set = able.clone().filter(|volume| volume.modes == modes && fits(claim, volume));
        let own = of_set.clone().find(|volume| volume.is_for(claim));
        let free = of_set.filter(|volume| !delayed && may_be_chosen(claim, volume, labels));
        own.or_else(|| free.min_by_key(|volume| volume.capacity))
    })
}

/// The volume for a claim whose pod would run on a node with these labels: one that is for the claim already, if the node can reach it,
/// else the smallest within reach. `excluded`: volumes that the pod's other claims take.
///
/// Source: `pv_helpers.go`, `FindMatchingVolume` with a node.
pub fn choose_on_node<'v>(
    claim: &ClaimFacts,
    volumes: impl Iterator<Item = &'v VolumeFacts>,
    excluded: &[ObjRef],
    node_labels: LabelSetId,
    labels: &LabelSets,
    names: &Names,
) -> Option<&'v VolumeFacts> {
    let mut smallest: Option<&VolumeFacts> = None;
    for volume in volumes.filter(|volume| !excluded.contains(&volume.object) && fits(claim, volume)) {
        let reachable = || volume.reachable_from(labels, names, node_labels);
        if volume.is_for(claim) {
            return reachable().then_some(volume);
        }
        if may_be_chosen(claim, volume, labels)
            && volume.modes.contain(claim.modes)
            && smallest.is_none_or(|best| best.capacity > volume.capacity)
            && reachable()
        {
            smallest = Some(volume);
        }
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [&str; 3] = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"];

    fn modes(letters: &str) -> AccessModes {
        AccessModes::of(letters.chars().map(|letter| MODES["OR*".find(letter).unwrap()]))
    }

    fn claim(request: i64, letters: &str) -> ClaimFacts {
        ClaimFacts {
            object: ObjRef { uid: Uid(900), ..ObjRef::default() },
            key: (words::DEFAULT, words::READY),
            class: Sym::EMPTY,
            volume: Sym::EMPTY,
            request,
            modes: modes(letters),
            selector: None,
            block: false,
            attributes_class: Sym::EMPTY,
            bind_completed: false,
            phase: ClaimPhase::Pending,
            terminating: false,
            selected_node: Sym::EMPTY,
            controller: None,
        }
    }

    /// `10:OR` is a free volume of 10 with two modes; `!` is reserved for the claim, `x` for another, `w` still pending.
    fn volume(number: usize, text: &str) -> VolumeFacts {
        let (size, letters) = text.split_once(':').unwrap();
        let taken = |name| Some(Taken { key: (words::DEFAULT, name), uid: None });
        VolumeFacts {
            object: ObjRef { uid: Uid(number as u64), ..ObjRef::default() },
            name: Sym(number as u32),
            labels: LabelSetId::EMPTY,
            class: Sym::EMPTY,
            capacity: size.parse().unwrap(),
            modes: modes(letters.trim_end_matches(['!', 'x', 'w'])),
            block: false,
            attributes_class: Sym::EMPTY,
            taken: match letters.chars().last() {
                Some('!') => taken(words::READY),
                Some('x') => taken(words::AVAILABLE),
                _ => None,
            },
            phase: if letters.ends_with('w') { VolumePhase::Pending } else { VolumePhase::Available },
            terminating: false,
            required: None,
            csi: None,
        }
    }

    #[test]
    fn the_volume_of_a_claim() {
        let table = [
            // (asked, volumes, delayed, chosen by the controller, on a node)
            ((5, "O"), "10:O 7:O 4:O", false, Some(1), Some(1)),
            ((5, "O"), "7:O 7:O", false, Some(0), Some(0)),
            ((5, "O"), "10:O* 100:O", false, Some(1), Some(0)),
            ((5, "O"), "10:O* 4:O", false, Some(0), Some(0)),
            ((5, "OR"), "10:O 9:R 20:OR*", false, Some(2), Some(2)),
            ((5, "O"), "10:O 50:O!", false, Some(1), Some(1)),
            ((5, "O"), "10:Ox 4:O! 20:Ow", false, None, None),
            ((5, "O"), "10:O 50:O!", true, Some(1), Some(1)),
            ((5, "O"), "10:O", true, None, Some(0)),
        ];
        let (names, labels) = (Names::new(), LabelSets::default());
        for ((request, letters), volumes, delayed, want, on_node) in table {
            let claim = claim(request, letters);
            let list: Vec<VolumeFacts> = volumes.split(' ').enumerate().map(|(number, text)| volume(number, text)).collect();
            let number = |volume: &VolumeFacts| volume.object.uid.0;
            assert_eq!(choose(&claim, list.iter(), delayed, &labels).map(number), want, "{request} {letters}: {volumes}");
            let found = choose_on_node(&claim, list.iter(), &[], LabelSetId::EMPTY, &labels, &names);
            assert_eq!(found.map(number), on_node, "on a node: {request} {letters}: {volumes}");
        }
    }
}
