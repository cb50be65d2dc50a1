//! A profile: which plugins run, with which weights and arguments.

use crate::scheduler::plugin::{Plugin, Plugins};
use crate::scheduler::plugins::node_resources_fit::{Strategy, StrategyKind};
use crate::scheduler::plugins::pod_topology_spread::{Constraint, system_defaults};
use serde_json::Value;
use std::sync::Arc;
use wavetank_engine::model::node_selector::{Term, node_terms, preferred_terms};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::model::Ties;
use wavetank_engine::words;

/// Weights of the score plugins, in the order in which they run. Source: `spec/scheduler.md` §1.
pub const SCORES: &[(Plugin, i64)] = &[
    (Plugin::TaintToleration, 3),
    (Plugin::NodeAffinity, 2),
    (Plugin::NodeResourcesFit, 1),
    (Plugin::PodTopologySpread, 2),
    (Plugin::InterPodAffinity, 2),
    (Plugin::DynamicResources, 2),
    (Plugin::NodeResourcesBalancedAllocation, 1),
    (Plugin::ImageLocality, 1),
];

/// A profile, digested.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Plugins that filter.
    pub filters: Plugins,
    /// Plugins that score, with their weights, in order.
    pub scores: Vec<(Plugin, i64)>,
    /// `percentageOfNodesToScore`; 0: by the number of nodes.
    pub percentage_of_nodes_to_score: u32,
    /// NodeAffinity's `addedAffinity`, the required part.
    pub added_required: Option<Vec<Term>>,
    /// NodeAffinity's `addedAffinity`, the preferred part.
    pub added_preferred: Vec<(i64, Term)>,
    /// NodeResourcesFit's `ignoredResources`.
    pub ignored_resources: Vec<Sym>,
    /// NodeResourcesFit's `ignoredResourceGroups`.
    pub ignored_groups: Vec<String>,
    /// NodeResourcesFit's `scoringStrategy`.
    pub strategy: Strategy,
    /// Resources of NodeResourcesBalancedAllocation.
    pub balanced: Vec<Sym>,
    /// InterPodAffinity's `hardPodAffinityWeight`.
    pub hard_affinity_weight: i64,
    /// InterPodAffinity's `ignorePreferredTermsOfExistingPods`.
    pub ignore_preferred_of_existing: bool,
    /// PodTopologySpread's default constraints, without a selector.
    pub default_constraints: Arc<[Constraint]>,
    /// Whether those are the system's own, for which a missing key does not exclude a node.
    pub system_defaulted: bool,
    /// Which of equal nodes is chosen, and the seed to draw it from.
    pub ties: (Ties, u64),
    changed: bool,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            filters: Plugins(u32::MAX),
            scores: SCORES.to_vec(),
            percentage_of_nodes_to_score: 0,
            added_required: None,
            added_preferred: Vec::new(),
            ignored_resources: Vec::new(),
            ignored_groups: Vec::new(),
            strategy: Strategy { kind: StrategyKind::LeastAllocated, resources: vec![(words::CPU, 1), (words::MEMORY, 1)] },
            balanced: vec![words::CPU, words::MEMORY],
            hard_affinity_weight: 1,
            ignore_preferred_of_existing: false,
            default_constraints: system_defaults(),
            system_defaulted: true,
            ties: (Ties::Heap, 0),
            changed: false,
        }
    }
}

impl Profile {
    /// Whether plugins, weights and arguments are the defaults, so that class trees know its scores; how many nodes are looked at may
    /// differ.
    pub fn is_default(&self) -> bool {
        !self.changed
    }

    /// Notes that plugins, weights or arguments may differ from the defaults.
    pub fn note_change(&mut self) {
        self.changed = true;
    }

    /// Takes in the arguments of one plugin (an entry of `pluginConfig`), validated before.
    pub fn configure(&mut self, names: &mut Names, plugin: &str, args: &Value) {
        self.changed = true;
        match plugin {
            "NodeAffinity" => {
                let added = args.get("addedAffinity");
                self.added_required = added.and_then(|added| node_terms(names, added));
                self.added_preferred = added.map(|added| preferred_terms(names, added)).unwrap_or_default();
            }
            "NodeResourcesFit" => {
                if let Some(strategy) = args.get("scoringStrategy") {
                    self.strategy = Strategy::of_json(names, strategy);
                }
                self.ignored_resources = texts(args, "ignoredResources").map(|text| names.sym(text)).collect();
                self.ignored_groups = texts(args, "ignoredResourceGroups").map(str::to_string).collect();
            }
            "NodeResourcesBalancedAllocation" => {
                let list = args.get("resources").and_then(Value::as_array).into_iter().flatten();
                let resources: Vec<Sym> = list.filter_map(|r| r.get("name").and_then(Value::as_str)).map(|name| names.sym(name)).collect();
                if !resources.is_empty() {
                    self.balanced = resources;
                }
            }
            "InterPodAffinity" => {
                self.hard_affinity_weight = args.get("hardPodAffinityWeight").and_then(Value::as_i64).unwrap_or(1);
                self.ignore_preferred_of_existing = args.get("ignorePreferredTermsOfExistingPods") == Some(&Value::Bool(true));
            }
            "PodTopologySpread" if args.get("defaultingType").and_then(Value::as_str) == Some("List") => {
                let list = args.get("defaultConstraints").and_then(Value::as_array).into_iter().flatten();
                self.default_constraints = list.map(|constraint| Constraint::of_json(names, constraint)).collect();
                self.system_defaulted = false;
            }
            _ => {}
        }
    }
}

fn texts<'v>(args: &'v Value, field: &str) -> impl Iterator<Item = &'v str> {
    args.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
