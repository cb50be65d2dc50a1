//! DefaultStorageClass: a claim that names no class gets the default one.
//!
//! Source: kubernetes v1.36, `plugin/pkg/admission/storage/storageclass/setdefault/admission.go`; `spec/storage.md` §2.

use wavetank_engine::api::admit::AdmitCx;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::request::{NewObject, Refusal};
use wavetank_engine::api::state::StateValue;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::words;

/// Registers the plugin.
pub fn install(sim: &mut Simulation) {
    sim.admit(Some(admit), None, None);
}

fn admit(cx: &mut AdmitCx, new: &mut NewObject) -> Result<(), Refusal> {
    if new.meta.kind != Kind::PersistentVolumeClaim
        || cx.resource::<LabelSets>().get(new.meta.annotations, words::BETA_CLASS).is_some()
        || !new.states.iter().any(|state| matches!(state, StateValue::PersistentVolumeClaim(claim) if claim.class.is_none()))
    {
        return Ok(());
    }
    let Some(class) = default_class(cx) else { return Ok(()) };
    for state in &mut new.states {
        if let StateValue::PersistentVolumeClaim(claim) = state {
            claim.class = Some(class);
        }
    }
    Ok(())
}

/// The default class: of several the newest, then the first by name.
fn default_class(cx: &mut AdmitCx) -> Option<Sym> {
    let (objects, labels, names) = (cx.resource::<Objects>(), cx.resource::<LabelSets>(), cx.resource::<Names>());
    let classes: Vec<ObjRef> =
        objects.of_kind(Kind::StorageClass).map(|row| row.object).filter(|&class| objects.lives(class.uid)).collect();
    let metas = classes.into_iter().filter_map(|class| cx.state::<Meta>(class));
    let is_default = |meta: &&Meta| labels.get(meta.annotations, words::DEFAULT_CLASS).is_some_and(|value| names.text(value) == "true");
    let newest = |a: &&Meta, b: &&Meta| {
        b.created_at.cut_to_second().cmp(&a.created_at.cut_to_second()).then_with(|| names.cmp_names(a.name, b.name))
    };
    let name = names.render(metas.filter(is_default).min_by(newest)?.name);
    Some(cx.resource_mut::<Names>().sym(&name))
}
