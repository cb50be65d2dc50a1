//! Protection controllers: claims and volumes that are in use outlive their deletion.
//!
//! | | |
//! |---|---|
//! | reads  | `Meta`, `PersistentVolumeStatus`, `Pod` |
//! | writes | `Put` of `Meta` without the finalizer |
//! | woken  | a claim or volume being deleted; a pod with claims that is gone; a volume's phase |
//! | source | kubernetes v1.36, `pkg/controller/volume/pvcprotection`, `pkg/controller/volume/pvprotection`; `spec/storage.md` §5 |

use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::system::SystemParam;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::Pod;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::storage::{PersistentVolumeStatus, VolumePhase};
use wavetank_engine::names::{Name, Names, Sym};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::words;

/// The work queue of the controller of claims.
pub struct ClaimProtection;
/// The work queue of the controller of volumes.
pub struct VolumeProtection;

/// What wakes the controller of claims.
pub const CLAIM_WAKES: &[Wake] = &[
    Wake { kind: Kind::PersistentVolumeClaim, on: Changes::ADDED.or(Changes::DELETION).or(Changes::FINALIZERS), whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: Changes::CLAIMS, whom: Whom::Itself },
];
/// What wakes the controller of volumes.
pub const VOLUME_WAKES: &[Wake] =
    &[Wake { kind: Kind::PersistentVolume, on: Changes::ADDED.or(Changes::DELETION).or(Changes::STATUS), whom: Whom::Itself }];

/// Registers the controller of claims.
pub fn install_of_claims(sim: &mut Simulation) {
    sim.behaviour::<ClaimProtection, _, _>("claim_protection", "pvc-protection-controller", CLAIM_WAKES, sync_claims);
}

/// Registers the controller of volumes.
pub fn install_of_volumes(sim: &mut Simulation) {
    sim.behaviour::<VolumeProtection, _, _>("volume_protection", "pv-protection-controller", VOLUME_WAKES, sync_volumes);
}

/// What the controller of claims reads.
#[derive(SystemParam)]
struct Reads<'w, 's> {
    metas: View<'w, 's, ClaimProtection, Meta>,
    pods: View<'w, 's, ClaimProtection, Pod>,
    listing: Listing<'w, ClaimProtection>,
    classes: Res<'w, Classes>,
}

fn sync_claims(mut work: Work<ClaimProtection>, reads: Reads, mut names: ResMut<Names>) {
    while let Some(item) = work.pop() {
        let Some(meta) = reads.metas.get_even_gone(item.object) else { continue };
        if meta.kind == Kind::Pod {
            // A pod came or went: claims that wait for it have another look.
            for name in claims_of(item.object, meta, &reads, &mut names) {
                let key = ObjectKey { kind: Kind::PersistentVolumeClaim, namespace: meta.namespace, name };
                if let Some(claim) = reads.listing.by_key(key).filter(|&claim| reads.metas.get(claim).is_some_and(Meta::terminating)) {
                    work.wake(claim, item.cause);
                }
            }
            continue;
        }
        if refused(&item) {
            work.retry(item.object);
            continue;
        }
        let Some(meta) = reads.metas.get(item.object).filter(|meta| meta.terminating() && meta.finalizers.contains(&words::PVC_PROTECTION))
        else {
            continue;
        };
        if !in_use(meta, &reads, &mut names) {
            release(&mut work, &item, meta, words::PVC_PROTECTION);
        }
    }
}

/// Names of the claims of a pod's volumes.
fn claims_of(pod: ObjRef, meta: &Meta, reads: &Reads, names: &mut Names) -> Vec<Name> {
    let Some(pod) = reads.pods.get_even_gone(pod) else { return Vec::new() };
    let class = reads.classes.get(pod.class);
    let text = |sym: Sym, names: &Names| names.text(sym).to_string();
    let mut list: Vec<String> = class.claims.iter().map(|&claim| text(claim, names)).collect();
    list.extend(class.own_claims.iter().map(|&volume| format!("{}-{}", names.render(meta.name), names.text(volume))));
    list.iter().map(|claim| names.name(claim)).collect()
}

/// Whether a pod with a node uses the claim, in whatever phase it is. A claim of a pod's own volume is no longer in use once the pod's grace
/// is over.
fn in_use(claim: &Meta, reads: &Reads, names: &mut Names) -> bool {
    let pods: Vec<ObjRef> = reads.listing.in_namespace(Kind::Pod, claim.namespace).collect();
    let name = names.render(claim.name);
    let named = names.sym(&name);
    pods.into_iter().any(|object| {
        let (Some(pod), Some(meta)) = (reads.pods.get(object), reads.metas.get(object)) else { return false };
        let class = reads.classes.get(pod.class);
        let own = || {
            let mut volumes = class.own_claims.iter();
            volumes.any(|&volume| name == format!("{}-{}", names.render(meta.name), names.text(volume)))
                && claim.controller_uid() == Some(object.uid)
                && meta.deletion.is_none_or(|deletion| deletion.grace_s > 0)
        };
        !pod.node.is_empty() && (class.claims.contains(&named) || own())
    })
}

fn sync_volumes(
    mut work: Work<VolumeProtection>,
    metas: View<VolumeProtection, Meta>,
    statuses: View<VolumeProtection, PersistentVolumeStatus>,
) {
    while let Some(item) = work.pop() {
        if refused(&item) {
            work.retry(item.object);
            continue;
        }
        let (Some(meta), Some(status)) = (metas.get(item.object), statuses.get(item.object)) else { continue };
        if meta.terminating() && status.phase != VolumePhase::Bound && meta.finalizers.contains(&words::PV_PROTECTION) {
            release(&mut work, &item, meta, words::PV_PROTECTION);
        }
    }
}

/// Whether the last write failed; an object that is gone by now needs none.
fn refused(item: &Item) -> bool {
    item.replies.iter().any(|reply| reply.refusal().is_some_and(|refusal| refusal.code != 404))
}

fn release<Q: Send + Sync + 'static>(work: &mut Work<Q>, item: &Item, meta: &Meta, finalizer: Sym) {
    let mut meta = meta.clone();
    meta.finalizers.retain(|held| *held != finalizer);
    work.ask(item, Verb::Put { object: item.object, expect: None, value: meta.into() });
}
