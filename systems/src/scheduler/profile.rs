//! A profile: which plugins run, with which weights and arguments.

use crate::scheduler::plugin::{Plugin, Plugins};
use crate::scheduler::plugins::node_resources_fit::{Strategy, StrategyKind};
use crate::scheduler::plugins::pod_topology_spread::{Constraint, system_defaults};
use serde_json::Value;
use std::sync::Arc;
use wavetank_engine::model::node_selector::{Term, node_terms, preferred_terms};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::model::Ties;
use wavetank_engine::scene::scheduler_config::SchedulerProfile;
use wavetank_engine::scene::scheduler_config::plugins::Point;
use wavetank_engine::time::SimDuration;
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

/// Plugins that may end a cycle before the nodes are looked at, in the order in which they run.
pub const PRE_FILTERS: &[Plugin] = &[
    Plugin::NodeAffinity,
    Plugin::VolumeRestrictions,
    Plugin::NodeVolumeLimits,
    Plugin::VolumeBinding,
    Plugin::VolumeZone,
    Plugin::PodTopologySpread,
    Plugin::InterPodAffinity,
];

/// Plugins that filter, in the order in which they run.
pub const FILTERS: &[Plugin] = &[
    Plugin::NodeUnschedulable,
    Plugin::NodeName,
    Plugin::TaintToleration,
    Plugin::NodeAffinity,
    Plugin::NodePorts,
    Plugin::NodeResourcesFit,
    Plugin::VolumeRestrictions,
    Plugin::NodeVolumeLimits,
    Plugin::VolumeBinding,
    Plugin::VolumeZone,
    Plugin::PodTopologySpread,
    Plugin::InterPodAffinity,
];

/// A profile, digested.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Whether pods with scheduling gates stay out of the queue (PreEnqueue).
    pub gates: bool,
    /// Plugins that take in the cluster before the nodes are looked at (PreFilter), in order: each may refuse the pod or narrow the nodes.
    pub pre_filters: Vec<Plugin>,
    /// Plugins that filter.
    pub filters: Plugins,
    /// The same in their order, where it is not that of the defaults.
    pub filter_order: Option<Vec<Plugin>>,
    /// Plugins that are asked when no node can run the pod (PostFilter), in order.
    pub post_filters: Vec<Plugin>,
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
    /// DefaultPreemption's `minCandidateNodesPercentage`: how many of the nodes that it may help on are sought as candidates.
    pub candidates_percent: usize,
    /// DefaultPreemption's `minCandidateNodesAbsolute`: so many are sought at least.
    pub candidates_min: usize,
    /// Whether VolumeBinding binds volumes before the pod is bound (Reserve and PreBind).
    pub binds_volumes: bool,
    /// VolumeBinding's `bindTimeoutSeconds`.
    pub bind_timeout: SimDuration,
    /// Which of equal nodes is chosen, and the seed to draw it from.
    pub ties: (Ties, u64),
    changed: bool,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            gates: true,
            pre_filters: PRE_FILTERS.to_vec(),
            filters: Plugins(u32::MAX),
            filter_order: None,
            post_filters: vec![Plugin::DynamicResources, Plugin::DefaultPreemption],
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
            candidates_percent: 10,
            candidates_min: 100,
            binds_volumes: true,
            bind_timeout: SimDuration::from_secs(600),
            ties: (Ties::Heap, 0),
            changed: false,
        }
    }
}

impl Profile {
    /// Digests a profile of a checked configuration.
    pub fn of(names: &mut Names, config: &SchedulerProfile, ties: (Ties, u64)) -> Profile {
        let defaults = Profile::default();
        let at = |point: Point| config.at(point).filter_map(resolve).collect::<Vec<Plugin>>();
        let that_act = |list: Vec<Plugin>, acting: &[Plugin]| list.into_iter().filter(|plugin| acting.contains(plugin)).collect::<Vec<_>>();
        let filters = that_act(at(Point::Filter), FILTERS);
        let weighed = config.plugins.at(Point::Score).iter().filter_map(|(name, weight)| Some((resolve(name)?, *weight)));
        let mut profile = Profile {
            gates: at(Point::PreEnqueue).contains(&Plugin::SchedulingGates),
            pre_filters: that_act(at(Point::PreFilter), PRE_FILTERS),
            filters: if filters == FILTERS { defaults.filters } else { Plugins::of(&filters) },
            filter_order: (filters != FILTERS).then_some(filters),
            post_filters: at(Point::PostFilter),
            // VolumeBinding scores only behind a feature gate that is off by default.
            scores: weighed.filter(|score| score.0 != Plugin::VolumeBinding).collect(),
            binds_volumes: [Point::Reserve, Point::PreBind].iter().all(|&point| at(point).contains(&Plugin::VolumeBinding)),
            percentage_of_nodes_to_score: config.percentage_of_nodes_to_score,
            ties,
            ..defaults
        };
        for (plugin, args) in &config.args {
            profile.configure(names, plugin, args);
        }
        profile.changed = !profile.decides_like(&Profile::default());
        profile
    }

    /// Whether both filter and score alike; how many nodes are looked at, how ties end, and what happens before and after a decision may
    /// differ.
    fn decides_like(&self, other: &Profile) -> bool {
        (&self.pre_filters, self.filters, &self.filter_order, &self.scores)
            == (&other.pre_filters, other.filters, &other.filter_order, &other.scores)
            && (&self.added_required, &self.added_preferred) == (&other.added_required, &other.added_preferred)
            && (&self.ignored_resources, &self.ignored_groups) == (&other.ignored_resources, &other.ignored_groups)
            && (&self.strategy, &self.balanced) == (&other.strategy, &other.balanced)
            && (self.hard_affinity_weight, self.ignore_preferred_of_existing)
                == (other.hard_affinity_weight, other.ignore_preferred_of_existing)
            && (&self.default_constraints, self.system_defaulted) == (&other.default_constraints, other.system_defaulted)
    }

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
            "DefaultPreemption" => {
                let number = |field: &str, absent: usize| args.get(field).and_then(Value::as_u64).map_or(absent, |number| number as usize);
                self.candidates_percent = number("minCandidateNodesPercentage", self.candidates_percent);
                self.candidates_min = number("minCandidateNodesAbsolute", self.candidates_min);
            }
            "VolumeBinding" => {
                let seconds = args.get("bindTimeoutSeconds").and_then(Value::as_u64);
                self.bind_timeout = seconds.map_or(self.bind_timeout, |seconds| SimDuration::from_secs(seconds.min(BIND_TIMEOUT_MAX)));
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

/// Longest wait for volumes that the clock holds. Unit: seconds (a hundred years).
const BIND_TIMEOUT_MAX: u64 = 100 * 365 * 86_400;

/// The plugin that a configuration names: the one place where its checked names become plugins.
fn resolve(name: &str) -> Option<Plugin> {
    Plugin::named(name)
}

fn texts<'v>(args: &'v Value, field: &str) -> impl Iterator<Item = &'v str> {
    args.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::scene::scheduler_config::SchedulerConfig;
    use wavetank_engine::scene::scheduler_config::plugins::PluginNames;

    /// The profiles of a configuration; `rest` are its fields.
    fn profiles(rest: &str) -> Vec<Profile> {
        let text = format!("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n{rest}\n");
        let config = SchedulerConfig::from_text("s.yaml", &text, &PluginNames::default()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let mut names = Names::new();
        config.profiles.iter().map(|profile| Profile::of(&mut names, profile, (Ties::Heap, 0))).collect()
    }

    fn plugins(text: &str) -> Profile {
        profiles(&format!("profiles: [{{plugins: {{{text}}}}}]")).remove(0)
    }

    #[test]
    fn no_configuration_is_the_default_profile() {
        for rest in ["", "profiles: []", "profiles: [{}]", "parallelism: 3", "profiles: [{plugins: {multiPoint: {}}}]"] {
            let found = profiles(rest);
            assert_eq!((found.len(), found[0].is_default()), (1, true), "{rest}");
            let Profile { scores, filters, filter_order, pre_filters, post_filters, gates, binds_volumes, .. } = &found[0];
            let want = Profile::default();
            assert_eq!((scores, filters, filter_order), (&want.scores, &want.filters, &want.filter_order), "{rest}");
            assert_eq!((pre_filters, post_filters, *gates, *binds_volumes), (&want.pre_filters, &want.post_filters, true, true), "{rest}");
        }
    }

    #[test]
    fn what_does_not_change_a_decision_keeps_the_fast_ways() {
        let fast = |config: &str| profiles(&format!("profiles: [{{pluginConfig: [{config}]}}]"))[0].is_default();
        for (config, want) in [
            ("", true),
            ("{name: DefaultPreemption, args: {minCandidateNodesAbsolute: 5}}", true),
            ("{name: VolumeBinding, args: {bindTimeoutSeconds: 5}}", true),
            ("{name: InterPodAffinity, args: {hardPodAffinityWeight: 1}}", true),
            ("{name: InterPodAffinity, args: {hardPodAffinityWeight: 2}}", false),
            ("{name: NodeResourcesFit, args: {ignoredResourceGroups: [example.com]}}", false),
            ("{name: NodeResourcesFit, args: {scoringStrategy: {type: LeastAllocated}}}", true),
            ("{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}", false),
            ("{name: NodeResourcesBalancedAllocation, args: {resources: [{name: cpu}]}}", false),
            ("{name: PodTopologySpread, args: {defaultingType: List}}", false),
        ] {
            assert_eq!(fast(config), want, "{config}");
        }
        assert!(plugins("postFilter: {disabled: [{name: DefaultPreemption}]}").is_default());
        assert!(plugins("preEnqueue: {disabled: [{name: '*'}]}").is_default());
        assert!(!plugins("filter: {enabled: [{name: NodePorts}]}").is_default(), "another order");
        assert!(!plugins("score: {disabled: [{name: ImageLocality}]}").is_default());
    }

    #[test]
    fn what_is_off_is_off() {
        let off = |point: &str, name: &str| plugins(&format!("{point}: {{disabled: [{{name: {name}}}]}}"));
        assert_eq!(off("postFilter", "DefaultPreemption").post_filters, [Plugin::DynamicResources]);
        assert_eq!(off("multiPoint", "DefaultPreemption").post_filters, [Plugin::DynamicResources]);
        assert!(!off("preEnqueue", "SchedulingGates").gates && !off("multiPoint", "SchedulingGates").gates);
        assert!(!off("multiPoint", "VolumeBinding").binds_volumes && !off("preBind", "VolumeBinding").binds_volumes);
        let taints = off("filter", "TaintToleration");
        assert!(!taints.filters.has(Plugin::TaintToleration) && taints.filters.has(Plugin::NodeName));
        assert_eq!(taints.scores, SCORES, "it still scores");
        let affinity = off("multiPoint", "NodeAffinity");
        assert!(!affinity.filters.has(Plugin::NodeAffinity) && !affinity.pre_filters.contains(&Plugin::NodeAffinity));
        assert!(affinity.scores.iter().all(|score| score.0 != Plugin::NodeAffinity));
    }

    #[test]
    fn a_profile_looks_at_as_many_nodes_as_it_says_or_all_profiles_do() {
        let found =
            profiles("percentageOfNodesToScore: 30\nprofiles: [{schedulerName: a}, {schedulerName: b, percentageOfNodesToScore: 0}]");
        let percentages: Vec<u32> = found.iter().map(|profile| profile.percentage_of_nodes_to_score).collect();
        assert_eq!(percentages, [30, 0]);
        assert!(found.iter().all(Profile::is_default));
    }
}
