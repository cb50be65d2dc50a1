//! DefaultIngressClass: an Ingress that names no class gets the default one.
//!
//! Source: kubernetes v1.36, `plugin/pkg/admission/network/defaultingressclass/admission.go`; `spec/networking.md` §10.

use wavetank_engine::api::admit::AdmitCx;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::request::{NewObject, Refusal};
use wavetank_engine::api::state::StateValue;
use wavetank_engine::ids::Kind;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::raw::Raw;
use wavetank_engine::names::Names;
use wavetank_engine::simulation::Simulation;

/// Registers the plugin.
pub fn install(sim: &mut Simulation) {
    sim.admit(Some(admit), None, None);
}

fn admit(cx: &mut AdmitCx, new: &mut NewObject) -> Result<(), Refusal> {
    if !matches!(new.meta.kind, Kind::Other(_)) || cx.resource::<Kinds>().find("Ingress") != Some(new.meta.kind) {
        return Ok(());
    }
    if annotation(cx, new.meta.annotations, "kubernetes.io/ingress.class").is_some() {
        return Ok(());
    }
    for state in &mut new.states {
        let StateValue::Opaque(opaque) = state else { continue };
        if opaque.body.at(&["spec", "ingressClassName"]).is_some_and(|class| !class.is_null()) {
            continue;
        }
        if let Some(class) = default_class(cx) {
            let mut body = opaque.body.value().clone();
            body["spec"]["ingressClassName"] = class.into();
            opaque.body = Raw::new(body);
        }
    }
    Ok(())
}

fn annotation<'a>(cx: &'a AdmitCx, annotations: LabelSetId, key: &str) -> Option<&'a str> {
    let names = cx.resource::<Names>();
    cx.resource::<LabelSets>().get(annotations, names.find(key)?).map(|value| names.text(value))
}

/// The default class: of several the newest, then the first by name.
fn default_class(cx: &AdmitCx) -> Option<String> {
    let (objects, names) = (cx.resource::<Objects>(), cx.resource::<Names>());
    let kind = cx.resource::<Kinds>().find("IngressClass")?;
    let living = objects.of_kind(kind).map(|row| row.object).filter(|class| objects.lives(class.uid));
    let is_default = |meta: &&Meta| annotation(cx, meta.annotations, "ingressclass.kubernetes.io/is-default-class") == Some("true");
    let newest =
        |a: &&Meta, b: &&Meta| b.created_at.cut_to_second().cmp(&a.created_at.cut_to_second()).then(names.cmp_names(a.name, b.name));
    living.filter_map(|class| cx.state::<Meta>(class)).filter(is_default).min_by(newest).map(|meta| names.render(meta.name))
}
