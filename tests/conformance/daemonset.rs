//! DaemonSets: which nodes, and what their pods tolerate.

use crate::row::{Check, Functions};
use serde_json::{Value, json};
use wavetank_engine::api::json_in::Tables;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::Names;
use wavetank_systems::workloads::daemon_set::eligible::{Needs, NodeView, add_tolerations};

pub(crate) const FUNCTIONS: Functions =
    &[("NodeShouldRunDaemonPod", Check::Answer(should_run)), ("AddOrUpdateDaemonPodTolerations", Check::Answer(tolerations))];

fn tolerations(input: &Value) -> Result<Value, String> {
    let mut spec = json!({"hostNetwork": input["host_network"]});
    add_tolerations(&mut spec);
    Ok(json!({"tolerations": spec["tolerations"]}))
}

fn should_run(input: &Value) -> Result<Value, String> {
    let (mut names, mut labels, mut selectors) = (Names::new(), LabelSets::default(), Selectors::default());
    let (mut classes, mut kinds) = (Classes::default(), Kinds::default());
    let mut tables = Tables {
        names: &mut names,
        labels: &mut labels,
        selectors: &mut selectors,
        classes: &mut classes,
        kinds: &mut kinds,
        epoch_unix_s: 0,
    };
    let node = tables.node(&json!({"taints": input["node_taints"]}));
    let mut spec = input["template_spec"].clone();
    add_tolerations(&mut spec);
    let class = classes.class_of(&mut names, &spec);
    let pairs = input["node_labels"].as_object().into_iter().flatten();
    let pairs: Vec<_> = pairs.map(|(key, value)| (names.sym(key), names.sym(value.as_str().unwrap_or("")))).collect();
    let node_labels = labels.intern(&names, pairs);
    let name = names.sym(input["node_name"].as_str().ok_or("no node_name")?);
    let asked = names.sym(spec["nodeName"].as_str().unwrap_or(""));
    let needs = Needs::new(&mut names, classes.get(class), asked);
    let (runs, stays) = needs.on(&NodeView { name, labels: node_labels, taints: &node.taints }, &labels, &names);
    Ok(json!({"should_run": runs, "should_continue_running": stays}))
}
