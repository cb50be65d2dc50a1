//! Groups of nodes that come and go.

use super::Loader;
use crate::scene::model::Scene;
use crate::scene::node_groups::NodeGroupText;
use crate::source::{Problem, Severity, Tree, TreeValue, decode};

impl Loader<'_> {
    pub(super) fn node_groups(&mut self, tree: &Tree, scene: &mut Scene) {
        for item in self.list(tree, "node_groups") {
            let body = match &item.value {
                TreeValue::Named(named) if named.name == "NodeGroup" => &named.args,
                TreeValue::Map(_) => &item,
                _ => {
                    let help = "write NodeGroup(name: \"small\", min: 1, max: 5, allocatable: {\"cpu\": \"4\", \"memory\": \"8Gi\"})";
                    self.problems.push(Severity::Error, Problem::new(item.span, "this is no node group").with_help(help));
                    continue;
                }
            };
            let Some(text) = decode::<NodeGroupText>(body, "node_groups", &mut self.problems) else { continue };
            if scene.node_groups.0.iter().any(|known| known.name == text.name) {
                self.problems.error(item.span, format!("node group {:?} is there twice", text.name));
                continue;
            }
            let Some(group) = text.resolve(item.span, &mut self.problems) else { continue };
            scene.objects.extend(group.first_nodes());
            scene.node_groups.0.push(group);
        }
        if let Some(settings) = self.field(tree, "cluster_autoscaler") {
            scene.autoscaler = settings;
            if scene.node_groups.0.is_empty() && tree.get("node_groups").is_none() {
                let span = tree.span_of(&["cluster_autoscaler"]);
                self.problems.warning(span, "cluster_autoscaler: without node_groups there is nothing for it to do");
            }
        }
    }
}
