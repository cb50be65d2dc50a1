//! The chains of causes of a small run: why pods were created, bound and deleted.

use crate::render::why::{Chain, Script, told};
use crate::report::millis;
use crate::report::texts::Texts;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wavetank_engine::ids::Revision;
use wavetank_engine::record::journal::Line;
use wavetank_engine::record::why::Recording;
use wavetank_engine::scene::model::{Scene, SceneObject};
use wavetank_engine::scene::run::Run;
use wavetank_engine::time::SimDuration;

/// Pods whose chains are in the report.
pub const PODS_MAX: usize = 1_000;
/// Most pods that a scene may want from the beginning, and the longest time that it may last, for its causes to be kept.
const WANTED_MAX: u64 = 1_000;
const DURATION_MAX: SimDuration = SimDuration::from_secs(2 * 3600);

/// Whether a run is so small that its causes can be kept beside it.
pub fn small(scene: &Scene) -> bool {
    let replicas = |object: &SceneObject| object.body.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    let wanted = scene.objects.iter().map(replicas).fold(scene.pods_of_traces(), u64::saturating_add);
    wanted <= WANTED_MAX && scene.duration <= DURATION_MAX
}

/// The chains of each pod in the order of `names`: what is explained, and times and sentences from the effect to the beginning.
pub fn json(run: &Run, lines: Vec<Line>, script: &[Script], names: &[String], texts: &mut Texts) -> Value {
    let mut asked: BTreeMap<String, Vec<(&'static str, String, Revision)>> = BTreeMap::new();
    for line in &lines {
        let Some(pod) = line.object.strip_prefix("pod/") else { continue };
        let title = match line.field.as_str() {
            "object" if line.new == "created" => "created",
            "spec.nodeName" => "bound",
            "deletion" if line.old == "-" => "deleted",
            _ => continue,
        };
        asked.entry(pod.to_string()).or_default().push((title, line.field.clone(), line.revision));
    }
    let Some(recording) = Recording::new(&run.sim, lines) else { return Value::Null };
    let mut chains = |name: &String| -> Value {
        let list = asked.get(name).map_or(&[][..], Vec::as_slice);
        let one = |(title, field, write): &(&str, String, Revision)| {
            let steps = recording.chain(*write);
            let chain = Chain { scene: &run.scene().path, field, steps: &steps, recording: &recording, script };
            let told: Vec<(u64, u32)> = told(&chain).into_iter().map(|(at, text)| (millis(at), texts.number(&text))).collect();
            json!({"what": title, "steps": told})
        };
        list.iter().map(one).collect()
    };
    names.iter().take(PODS_MAX).map(&mut chains).collect()
}
