//! A program with two scheduling policies of its own, and the whole command line of Wavetank behind them:
//!
//! ```text
//! cargo run --example own_policy -- run examples/own_policy.ron
//! cargo run --example own_policy -- run scenes/hello.ron --policy Neighbours
//! ```

use std::process::ExitCode;
use wavetank_systems::scheduler::own::{ClusterView, NodeView, PodView, Policy, least_first};
use wavetank_systems::scheduler::registry::{Entry, Making, register};

/// A filter: nodes of a rack under repair take no pods but those that say that they do not mind.
struct OpenRacks {
    closed: Vec<String>,
}

impl OpenRacks {
    fn of(making: &Making) -> Result<OpenRacks, String> {
        making.only(&["closed"])?;
        Ok(OpenRacks { closed: making.texts("closed")? })
    }
}

impl Policy for OpenRacks {
    type Node = ();
    /// Whether the pod does not mind.
    type Pod = bool;

    fn node(&self, _: &NodeView<()>) {}

    fn pod(&self, pod: &PodView, _: &ClusterView) -> bool {
        pod.annotation("example.com/any-rack") == Some("true")
    }

    fn refusal(&self, any_rack: &bool, node: &NodeView<()>) -> Option<String> {
        let closed = node.label("rack").is_some_and(|rack| self.closed.iter().any(|closed| closed == rack));
        (closed && !any_rack).then(|| "node(s) were in a closed rack".to_string())
    }
}

/// A score with a state: of each node it keeps how many pods of each team are there, and a pod goes where its team has the fewest.
struct Neighbours;

impl Policy for Neighbours {
    /// Pods by team.
    type Node = std::collections::BTreeMap<String, i64>;
    /// The pod's team.
    type Pod = String;

    fn node(&self, _: &NodeView<()>) -> Self::Node {
        Self::Node::new()
    }

    fn pod(&self, pod: &PodView, _: &ClusterView) -> String {
        pod.label("team").unwrap_or("").to_string()
    }

    fn scores(&self, team: &String, nodes: &[NodeView<Self::Node>]) -> Option<Vec<i64>> {
        let there: Vec<i64> = nodes.iter().map(|node| node.state.get(team).copied().unwrap_or(0)).collect();
        Some(least_first(&there))
    }

    fn count(&self, node: &mut Self::Node, pod: &PodView, _: &[u32], add: bool) {
        let team = pod.label("team").unwrap_or("").to_string();
        *node.entry(team).or_insert(0) += if add { 1 } else { -1 };
    }
}

fn bring_policies() {
    register("OpenRacks", Entry::filter(OpenRacks::of));
    register("Neighbours", Entry::score(|making| making.only(&[]).map(|()| Neighbours)));
}

fn main() -> ExitCode {
    bring_policies();
    wavetank::program::program()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank::files::Disk;
    use wavetank_engine::record::collect::summary;
    use wavetank_engine::scene::load::{Overrides, load};
    use wavetank_engine::scene::run::{Run, RunOptions};
    use wavetank_systems::scheduler::registry;

    #[test]
    fn the_scene_goes_as_it_says() {
        bring_policies();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/own_policy.ron").to_string();
        let overrides = Overrides { check_policy: Some(registry::check), ..Overrides::default() };
        let loaded = load(&Disk, &[path], &overrides);
        let told: Vec<String> = loaded.problems.errors(&loaded.sources).iter().map(|told| told.to_string()).collect();
        let scene = loaded.scene.unwrap_or_else(|| panic!("{told:?}"));
        let options = RunOptions { check: true, ..RunOptions::default() };
        let mut run = Run::new(scene, &options, wavetank_systems::install_all).expect("the scene can be built");
        run.run_until(run.end(), &mut |_| {}).expect("nobody fights");
        let expectations = summary(&run).expectations;
        assert_eq!((expectations.met, expectations.missed.len()), (4, 0), "{:?}", expectations.missed);
    }

    #[test]
    fn wrong_arguments_are_told() {
        bring_policies();
        let told = registry::check("OpenRacks", &serde_json::json!({"open": []})).unwrap_err();
        assert_eq!(told, "OpenRacks: args: there is no \"open\"; it takes closed");
        assert!(registry::check("Neighbors", &serde_json::json!({})).unwrap_err().contains("Neighbours"));
    }
}
