//! What the controller knows of claims, volumes and classes; it follows from the store.

use super::Reads;
use bevy_ecs::resource::Resource;
use std::collections::BTreeSet;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::binding::{ClaimFacts, ClaimKey, VolumeFacts, VolumeIndex};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::storage::{ClaimPhase, VolumePhase};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// A storage class, digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// The object.
    pub object: ObjRef,
    /// Name.
    pub name: Sym,
    /// `provisioner`.
    pub provisioner: Sym,
    /// Binds once a pod uses the claim.
    pub waits: bool,
    /// Annotated as the default class.
    pub is_default: bool,
    /// When it was created.
    pub created_at: SimTime,
}

/// Claims, volumes and classes, and which of them are unsettled. ECS resource.
#[derive(Debug, Default, Resource)]
pub struct BinderCache {
    pub(super) claims: LookupMap<ClaimKey, ClaimFacts>,
    pub(super) volumes: VolumeIndex,
    pub(super) classes: Vec<Class>,
    /// Claims that are not bound, and volumes that await something: looked at again now and then.
    pub(super) unsettled: BTreeSet<ObjRef>,
    restored: bool,
}

impl BinderCache {
    /// At the start and after a resume: everything is read from the store.
    pub(super) fn restore(&mut self, reads: &Reads, labels: &LabelSets, names: &mut Names) {
        if std::mem::replace(&mut self.restored, true) {
            return;
        }
        for kind in [Kind::StorageClass, Kind::PersistentVolume, Kind::PersistentVolumeClaim] {
            let objects: Vec<ObjRef> = reads.listing.of_kind(kind).collect();
            for object in objects {
                if let Some(meta) = reads.metas.get(object) {
                    self.take_in(object, meta, reads, labels, names);
                }
            }
        }
    }

    /// Takes in the present state of an object; `meta` as it is or was last. Returns what is gone.
    pub(super) fn take_in(&mut self, object: ObjRef, meta: &Meta, reads: &Reads, labels: &LabelSets, names: &mut Names) -> Gone {
        let text = names.render(meta.name);
        let name = names.sym(&text);
        let lives = reads.metas.get(object).is_some();
        match meta.kind {
            Kind::PersistentVolumeClaim => {
                let key = (meta.namespace, name);
                match reads.claims.get(object).zip(reads.claim_statuses.get(object)).filter(|_| lives) {
                    Some((spec, status)) => {
                        let facts = ClaimFacts::of(names, labels, &reads.selectors, object, (meta, spec, status));
                        self.settle(object, facts.phase != ClaimPhase::Pending);
                        self.claims.insert(key, facts);
                    }
                    None => {
                        self.settle(object, true);
                        if self.claims.get(&key).is_some_and(|claim| claim.object == object) {
                            self.claims.remove(&key);
                        }
                        return reads.claims.get_even_gone(object).map_or(Gone::Nothing, |claim| Gone::Claim(claim.volume));
                    }
                }
            }
            Kind::PersistentVolume => match reads.volumes.get(object).zip(reads.volume_statuses.get(object)).filter(|_| lives) {
                Some((spec, status)) => {
                    let facts = VolumeFacts::of(names, labels, object, (meta, spec, status));
                    let taken = facts.taken.is_some_and(|taken| taken.uid.is_some());
                    self.settle(object, !taken || facts.phase == VolumePhase::Bound || facts.phase == VolumePhase::Released);
                    self.volumes.put(facts);
                }
                None => {
                    self.settle(object, true);
                    self.volumes.remove(object);
                    let claim = reads.volumes.get_even_gone(object).and_then(|volume| volume.claim);
                    return claim.map_or(Gone::Nothing, |claim| {
                        let text = names.render(claim.name);
                        Gone::Volume((claim.namespace, names.sym(&text)))
                    });
                }
            },
            Kind::StorageClass => {
                self.classes.retain(|class| class.object != object);
                if let Some(class) = reads.classes.get(object).filter(|_| lives) {
                    let is_default = labels.get(meta.annotations, words::DEFAULT_CLASS).is_some_and(|value| names.text(value) == "true");
                    let (provisioner, waits) = (class.provisioner, class.waits);
                    self.classes.push(Class { object, name, provisioner, waits, is_default, created_at: meta.created_at });
                }
            }
            _ => {}
        }
        Gone::Nothing
    }

    fn settle(&mut self, object: ObjRef, settled: bool) {
        if settled {
            self.unsettled.remove(&object);
        } else {
            self.unsettled.insert(object);
        }
    }

    /// The class with a name.
    pub(super) fn class(&self, name: Sym) -> Option<&Class> {
        self.classes.iter().find(|class| class.name == name)
    }

    /// The default class: of several the newest, then the first by name. Source: `spec/storage.md` §2.
    pub(super) fn default_class(&self, names: &Names) -> Option<Sym> {
        let defaults = self.classes.iter().filter(|class| class.is_default);
        let first = |a: &&Class, b: &&Class| {
            b.created_at.cut_to_second().cmp(&a.created_at.cut_to_second()).then_with(|| names.cmp(a.name, b.name))
        };
        defaults.min_by(first).map(|class| class.name)
    }
}

/// What a change took away.
pub(super) enum Gone {
    Nothing,
    /// A claim with this volume; empty for none.
    Claim(Sym),
    /// A volume for this claim.
    Volume(ClaimKey),
}
