//! Ephemeral volume controller: makes the claims of volumes that a pod has for itself.
//!
//! | | |
//! |---|---|
//! | reads  | `Pod`, `Meta` |
//! | writes | `Create` of claims; `Events` |
//! | woken  | a pod with claims added |
//! | source | kubernetes v1.36, `pkg/controller/volume/ephemeral/controller.go`, `handleVolume`; `spec/storage.md` §10 |

use crate::texts::texts;
use bevy_ecs::prelude::{Res, ResMut};
use serde_json::{Map, Value};
use wavetank_engine::api::json_in::read_claim;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::{NewObject, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjectKey};
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::meta::{Meta, OwnerRef};
use wavetank_engine::model::pod::Pod;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::Names;
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};

/// The controller's work queue.
pub struct EphemeralQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[Wake { kind: Kind::Pod, on: Changes::CLAIMS, whom: Whom::Itself }];

texts! {
    /// Words of the controller.
    EphemeralTexts {
        source = "ephemeral_volume",
        failed = "EphemeralVolumeFailed",
        not_owner = "ephemeral volume {}: PVC {}/{} was not created for pod {}/{} (pod is not owner)",
    }
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    let texts = EphemeralTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<EphemeralQueue, _, _>("ephemeral_claims", "ephemeral-volume-controller", WAKES, sync);
}

#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it reads and writes")]
fn sync(
    mut work: Work<EphemeralQueue>,
    pods: View<EphemeralQueue, Pod>,
    metas: View<EphemeralQueue, Meta>,
    listing: Listing<EphemeralQueue>,
    classes: Res<Classes>,
    texts: Res<EphemeralTexts>,
    mut names: ResMut<Names>,
    mut labels: ResMut<LabelSets>,
    mut selectors: ResMut<Selectors>,
    mut events: ResMut<Events>,
) {
    while let Some(item) = work.pop() {
        let object = item.object;
        let (Some(pod), Some(meta)) = (pods.get(object), metas.get(object).filter(|meta| !meta.terminating())) else { continue };
        let class = classes.get(pod.class);
        if class.own_claims.is_empty() {
            continue;
        }
        if item.replies.iter().any(|reply| reply.refusal().is_some_and(|refusal| refusal.reason != "AlreadyExists")) {
            work.retry(object);
            continue;
        }
        let volumes = class.raw.at(&["volumes"]).and_then(Value::as_array).into_iter().flatten();
        for volume in volumes {
            let Some(template) = volume.pointer("/ephemeral/volumeClaimTemplate") else { continue };
            let volume = volume.get("name").and_then(Value::as_str).unwrap_or("");
            let text = format!("{}-{volume}", names.render(meta.name));
            let name = names.name(&text);
            let key = ObjectKey { kind: Kind::PersistentVolumeClaim, namespace: meta.namespace, name };
            if let Some(there) = listing.by_key(key) {
                if metas.get(there).and_then(Meta::controller_uid) != Some(object.uid) {
                    let volume = names.sym(volume);
                    let about = ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
                    let (namespace, pod) = (Arg::Text(meta.namespace), Arg::Name(meta.name));
                    let args = [Arg::Text(volume), namespace, Arg::Name(name), namespace, pod];
                    let (source, reason, words) = (texts.source, texts.failed, texts.not_owner);
                    events.report(work.now(), Report { about, uid: object.uid, source, warning: true, reason, words, args: &args });
                    work.retry(object);
                }
                continue;
            }
            let mut new = Meta::new(Kind::PersistentVolumeClaim, meta.namespace, name);
            let mut set = |field: &str| -> LabelSetId {
                let pairs = template.get("metadata").and_then(|meta| meta.get(field)).and_then(Value::as_object).map(Map::iter);
                let pairs: Vec<_> = pairs
                    .into_iter()
                    .flatten()
                    .filter_map(|(key, value)| Some((names.sym(key), value.as_str().map(|value| names.sym(value))?)))
                    .collect();
                labels.intern(&names, pairs)
            };
            (new.labels, new.annotations) = (set("labels"), set("annotations"));
            new.owners.push(OwnerRef {
                uid: Some(object.uid),
                kind: Kind::Pod,
                name: meta.name,
                controller: true,
                block_owner_deletion: true,
            });
            let spec = read_claim(&mut names, &mut selectors, template.get("spec").unwrap_or(&Value::Null));
            work.ask(&item, Verb::Create(Box::new(NewObject { meta: new, states: vec![spec.into()] })));
        }
    }
}
