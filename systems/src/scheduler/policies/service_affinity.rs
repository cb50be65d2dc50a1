//! The old CheckServiceAffinity: pods of one Service share the values of some node labels.
//!
//! Source: kubernetes v1.14, `algorithm/predicates/predicates.go`, `checkServiceAffinity`: a label that the pod's `nodeSelector` names has
//! that value; the others have the values of the node of a pod of the same Service, if there is one.
//! Choice: the original takes the first pod of a list in no order; we take the oldest. A pod is of the same Service when it meets all
//! that selects the waiting pod (Services and controller), as for default spread constraints.

use crate::scheduler::own::{ClusterView, NodeView, PodView, Policy};
use crate::scheduler::registry::Making;

/// The policy.
pub struct ServiceAffinity {
    labels: Vec<String>,
}

impl ServiceAffinity {
    /// Makes it from `labels`.
    ///
    /// # Errors
    /// What is wrong with the arguments.
    pub fn of(making: &Making) -> Result<ServiceAffinity, String> {
        making.only(&["labels"])?;
        let labels = making.texts("labels")?;
        if labels.is_empty() {
            return Err("args: labels is missing; write Policy(name: \"CheckServiceAffinity\", args: {\"labels\": [\"topology.kubernetes.io/zone\"]}) in the scene".to_string());
        }
        Ok(ServiceAffinity { labels })
    }

    /// Labels that the node must have: those that the pod names, the others as the sibling's node has them.
    fn wanted(&self, named: impl Fn(&str) -> Option<String>, sibling: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
        self.labels.iter().filter_map(|label| Some((label.clone(), named(label).or_else(|| sibling(label))?))).collect()
    }
}

impl Policy for ServiceAffinity {
    type Node = ();
    /// Labels that the node must have, with their values.
    type Pod = Vec<(String, String)>;

    fn node(&self, _: &NodeView<()>) {}

    fn pod(&self, pod: &PodView, cluster: &ClusterView) -> Vec<(String, String)> {
        let sibling = cluster.node_of_first_sibling();
        let of_sibling = |label: &str| sibling.as_ref().and_then(|node| node.label(label)).map(str::to_string);
        self.wanted(|label| pod.node_selector(label).map(str::to_string), of_sibling)
    }

    fn refusal(&self, wanted: &Vec<(String, String)>, node: &NodeView<()>) -> Option<String> {
        let meets = wanted.iter().all(|(label, value)| node.label(label) == Some(value));
        (!meets).then(|| "node(s) didn't match service affinity".to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::policies::worlds::with_nodes;
    use serde_json::json;

    #[test]
    fn the_pod_decides_before_its_sibling() {
        let args = json!({"labels": ["region", "zone"]});
        let policy = ServiceAffinity::of(&Making { args: &args, workload: &[] }).unwrap();
        let nodes = [&[("region", "r1"), ("zone", "a")][..], &[("region", "r1"), ("zone", "b")], &[("region", "r2"), ("zone", "b")], &[]];
        // what the pod names, what the sibling's node has, nodes that pass
        let table = [
            (&[][..], &[][..], [true; 4]),
            (&[], &[("region", "r1"), ("zone", "b")], [false, true, false, false]),
            (&[("zone", "a")], &[("region", "r1"), ("zone", "b")], [true, false, false, false]),
            (&[("region", "r2")], &[], [false, false, true, false]),
        ];
        for (named, sibling, want) in table {
            let find = |list: &[(&str, &str)], label: &str| list.iter().find(|pair| pair.0 == label).map(|pair| pair.1.to_string());
            let wanted = policy.wanted(|label| find(named, label), |label| find(sibling, label));
            with_nodes(&nodes, |views| {
                let passes: Vec<bool> = views.iter().map(|node| policy.refusal(&wanted, node).is_none()).collect();
                assert_eq!(passes, want, "{wanted:?}");
            });
        }
    }
}
