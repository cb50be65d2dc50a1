//! The old NodeLabel: CheckNodeLabelPresence (a filter) and CalculateNodeLabelPriority (a score).
//!
//! Source: kubernetes v1.14, `algorithm/predicates/predicates.go`, `CheckNodeLabelPresence`, and `algorithm/priorities/node_label.go`.

use crate::scheduler::own::{ClusterView, NodeView, PodView, Policy};
use crate::scheduler::registry::Making;

/// Lets only nodes pass that have all labels, or that have none of them; values do not matter.
pub struct LabelFilter {
    labels: Vec<String>,
    presence: bool,
}

/// Scores nodes by one label, whatever its value: 100 for those that have it (or, with `presence: false`, have it not), 0 for the others.
pub struct LabelScore {
    label: String,
    presence: bool,
}

fn presence(making: &Making) -> Result<bool, String> {
    match making.args.get("presence") {
        None => Ok(true),
        Some(value) => value.as_bool().ok_or_else(|| "args: presence: expected true or false".to_string()),
    }
}

impl LabelFilter {
    /// Makes it from `labels` and `presence` (true unless given).
    ///
    /// # Errors
    /// What is wrong with the arguments.
    pub fn of(making: &Making) -> Result<LabelFilter, String> {
        making.only(&["labels", "presence"])?;
        let labels = making.texts("labels")?;
        if labels.is_empty() {
            return Err("args: labels is missing; write Policy(name: \"CheckNodeLabelPresence\", args: {\"labels\": [\"ssd\"], \"presence\": true}) in the scene".to_string());
        }
        Ok(LabelFilter { labels, presence: presence(making)? })
    }
}

impl LabelScore {
    /// Makes it from `label` and `presence` (true unless given).
    ///
    /// # Errors
    /// What is wrong with the arguments.
    pub fn of(making: &Making) -> Result<LabelScore, String> {
        making.only(&["label", "presence"])?;
        let label = making.args.get("label").and_then(serde_json::Value::as_str).filter(|label| !label.is_empty());
        let missing = "args: label is missing; write Policy(name: \"CalculateNodeLabelPriority\", args: {\"label\": \"ssd\", \"presence\": true}) in the scene";
        Ok(LabelScore { label: label.ok_or(missing)?.to_string(), presence: presence(making)? })
    }
}

impl Policy for LabelFilter {
    type Node = ();
    type Pod = ();

    fn node(&self, _: &NodeView<()>) {}

    fn pod(&self, _: &PodView, _: &ClusterView) {}

    fn refusal(&self, (): &(), node: &NodeView<()>) -> Option<String> {
        let wrong = self.labels.iter().any(|label| node.label(label).is_some() != self.presence);
        wrong.then(|| "node(s) didn't have the requested labels".to_string())
    }

    fn refuses_by_node(&self) -> bool {
        true
    }
}

impl Policy for LabelScore {
    type Node = ();
    type Pod = ();

    fn node(&self, _: &NodeView<()>) {}

    fn pod(&self, _: &PodView, _: &ClusterView) {}

    fn scores(&self, (): &(), nodes: &[NodeView<()>]) -> Option<Vec<i64>> {
        Some(nodes.iter().map(|node| if node.label(&self.label).is_some() == self.presence { 100 } else { 0 }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::policies::worlds::with_nodes;
    use serde_json::json;

    #[test]
    fn presence_and_absence() {
        let nodes = [&[("ssd", "true")][..], &[("ssd", ""), ("fast", "1")], &[]];
        // labels, presence, nodes that pass
        for (labels, presence, want) in [
            (json!(["ssd"]), true, [true, true, false]),
            (json!(["ssd", "fast"]), true, [false, true, false]),
            (json!(["ssd"]), false, [false, false, true]),
            (json!(["fast"]), false, [true, false, true]),
        ] {
            let args = json!({"labels": labels, "presence": presence});
            let filter = LabelFilter::of(&Making { args: &args, workload: &[] }).unwrap();
            with_nodes(&nodes, |views| {
                let passes: Vec<bool> = views.iter().map(|node| filter.refusal(&(), node).is_none()).collect();
                assert_eq!(passes, want, "{args}");
            });
        }
        for (label, presence, want) in [("fast", true, [0, 100, 0]), ("ssd", false, [0, 0, 100])] {
            let args = json!({"label": label, "presence": presence});
            let score = LabelScore::of(&Making { args: &args, workload: &[] }).unwrap();
            with_nodes(&nodes, |views| assert_eq!(score.scores(&(), views).unwrap(), want, "{args}"));
        }
    }
}
