//! Small worlds for the tests of policies.

use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::own::{NodeView, Texts};
use std::sync::Arc;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::resources::Resources;
use wavetank_engine::names::Names;

/// Nodes with labels, without pods.
pub(super) fn with_nodes(nodes: &[&[(&str, &str)]], test: impl FnOnce(&[NodeView<()>])) {
    let (mut names, mut labels) = (Names::new(), LabelSets::default());
    let mut facts = Vec::new();
    for (number, pairs) in nodes.iter().enumerate() {
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (names.sym(key), names.sym(value))).collect();
        let set = labels.intern(&names, pairs);
        let name = names.sym(&format!("node-{number}"));
        facts.push(NodeFacts::empty(Uid(number as u64 + 1), name, set, Arc::new(Resources::default())));
    }
    let texts = Texts { labels: &labels, names: &names };
    let views: Vec<_> = facts.iter().enumerate().map(|(number, facts)| NodeView::new(number as u32, facts, &(), texts)).collect();
    test(&views);
}
