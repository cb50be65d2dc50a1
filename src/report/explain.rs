//! The scheduler's decisions on the pods of a small run that waited, made room, or had to leave.

use crate::render::explain::text;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::record::journal::Line;
use wavetank_engine::scene::run::Run;
use wavetank_engine::scene::targets::Target;
use wavetank_systems::autoscaling::cluster::explain::pod_text;
use wavetank_systems::scheduler::cache::SchedulerCache;
use wavetank_systems::scheduler::explain::{Decided, Explanation};

/// Most nodes at the beginning for decisions to be kept.
const NODES_MAX: usize = 200;
/// Pods whose decisions are in the report.
const PODS_MAX: usize = 300;
/// Longest explanation of one pod. Unit: bytes.
const TEXT_MAX: usize = 6_000;

/// Whether there are so few nodes that the decisions can be kept.
pub fn small(run: &Run) -> bool {
    let nodes = Target { kind: "Node".into(), namespace: String::new(), name: "*".into() };
    nodes.find(&run.sim).into_iter().filter(|&node| run.sim.state::<Meta>(node).is_some()).count() <= NODES_MAX
}

/// Names of the pods that had to leave their nodes.
pub fn driven_out(lines: &[Line]) -> BTreeSet<String> {
    let own = lines.iter().filter(|line| line.field == "conditions.DisruptionTarget");
    own.filter_map(|line| line.object.strip_prefix("pod/")).map(str::to_string).collect()
}

/// What is explained of the pods, by their places in `names`.
pub fn json(run: &Run, driven_out: &BTreeSet<String>, names: &[String]) -> Value {
    let mut of_pods: BTreeMap<String, Vec<Explanation>> = BTreeMap::new();
    for explanation in run.sim.get::<SchedulerCache>().explanations() {
        of_pods.entry(pod_text(&explanation.namespace, &explanation.name)).or_default().push(explanation.clone());
    }
    let waited = |list: &[Explanation]| list.iter().any(|one| matches!(one.outcome, Decided::Nowhere { .. }));
    let mut told = BTreeMap::new();
    for (place, name) in names.iter().enumerate() {
        let Some(list) = of_pods.get(name).filter(|list| waited(list) || driven_out.contains(name)) else { continue };
        if told.len() == PODS_MAX {
            break;
        }
        told.insert(place.to_string(), cut(text(&list[0].name, list, None)));
    }
    json!(told)
}

/// A text of a length that a page can hold many of.
fn cut(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        let end = (0..=TEXT_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text += "…";
    }
    text
}
