//! Groups of nodes that come and go: what a scene says of them and of their autoscaler.

mod fleet;

pub use fleet::{Fleet, Machine, Machines};

use crate::api::request::NewObject;
use crate::model::quantity::Quantity;
use crate::names::Names;
use crate::scene::build::{self, Reader};
use crate::scene::format::{DurationText, NodeInfoText, Pool};
use crate::scene::network::Outage;
use crate::scene::pools;
use crate::simulation::Simulation;
use crate::source::{Problems, Span};
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Labels by which nodes of one kind may differ. Source: autoscaler, `processors/nodegroupset/compare_nodegroups.go`, `BasicIgnoredLabels`.
const PLACE_LABELS: [&str; 5] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];
/// Most nodes of one group.
const NODES_MAX: u32 = 100_000;

/// A group as it is written: `NodeGroup(name: "small", min: 1, max: 5, allocatable: {"cpu": "4", "memory": "8Gi"})`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeGroupText {
    /// Names of the nodes are this and a number from 1 on: `small-1`.
    pub name: String,
    /// Fewest nodes.
    #[serde(default)]
    pub min: u32,
    /// Most nodes.
    pub max: u32,
    /// Nodes at the beginning; as `min` unless given.
    #[serde(default)]
    pub size: Option<u32>,
    /// What an hour of one node costs, in any currency.
    #[serde(default)]
    pub price_per_hour: f64,
    /// From the order of a machine to its registration as a node; a minute unless given.
    #[serde(default)]
    pub boot_time: Option<DurationText>,
    /// In these spans the cloud has no machine for the group: `[("10m", "20m")]`.
    #[serde(default)]
    pub fails: Vec<Outage>,
    /// For the expander `priority`; the highest is taken.
    #[serde(default)]
    pub priority: i32,
    /// At each of these times the cloud takes back the oldest machine of the group, as it does with spot machines.
    #[serde(default)]
    pub reclaims: Vec<DurationText>,
    /// How long before that the machine is told; it is shut down then if kubelets have a `shutdownGracePeriod`.
    #[serde(default)]
    pub notice: DurationText,
    /// As in a pool.
    pub allocatable: BTreeMap<String, String>,
    /// As in a pool.
    #[serde(default)]
    pub capacity: BTreeMap<String, String>,
    /// As in a pool.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// As in a pool.
    #[serde(default)]
    pub taints: Vec<String>,
    /// As in a pool: nodes get them in turn.
    #[serde(default)]
    pub zones: Vec<String>,
    /// As in a pool.
    #[serde(default)]
    pub node_info: NodeInfoText,
}

/// A group, checked.
#[derive(Debug, Clone)]
pub struct NodeGroup {
    /// Name.
    pub name: String,
    /// Fewest nodes.
    pub min: u32,
    /// Most nodes.
    pub max: u32,
    /// Nodes at the beginning.
    pub size: u32,
    /// What an hour of one node costs. Unit: millionths.
    pub price_micros: u64,
    /// From the order of a machine to its registration.
    pub boot_time: SimDuration,
    /// Spans without machines.
    pub fails: Vec<Outage>,
    /// For the expander `priority`.
    pub priority: i32,
    /// When machines are taken back, in order.
    pub reclaims: Vec<SimTime>,
    /// How long before that they are told.
    pub notice: SimDuration,
    pool: Pool,
    span: Span,
}

impl NodeGroupText {
    /// The group, unless something is wrong with it, which is told.
    pub(crate) fn resolve(self, span: Span, problems: &mut Problems) -> Option<NodeGroup> {
        let NodeGroupText { name, min, max, .. } = self;
        let size = self.size.unwrap_or(min);
        let mut wrong = Vec::new();
        if max == 0 || max > NODES_MAX {
            wrong.push(format!("max: found {max}, expected 1 to {NODES_MAX} nodes"));
        }
        if min > max {
            wrong.push(format!("min: found {min}, expected at most max, which is {max}"));
        } else if !(min..=max).contains(&size) {
            wrong.push(format!("size: found {size}, expected {min} to {max} nodes"));
        }
        if !(0.0..=1e6).contains(&self.price_per_hour) {
            wrong.push(format!("price_per_hour: found {}, expected 0 to 1000000", self.price_per_hour));
        }
        let pool = Pool {
            name: name.clone(),
            // Nodes of a group have a number even when there is but one.
            count: 2,
            allocatable: self.allocatable,
            capacity: self.capacity,
            labels: self.labels,
            taints: self.taints,
            zones: self.zones,
            node_info: self.node_info,
            static_pods: Vec::new(),
        };
        let well = !pools::nodes_of(&pool, span, problems).is_empty();
        let said = wrong.is_empty();
        wrong.into_iter().for_each(|what| problems.error(span, format!("node group {name:?}: {what}")));
        let mut reclaims: Vec<SimTime> = self.reclaims.iter().map(|at| SimTime(at.0.0)).collect();
        reclaims.sort_unstable();
        (well && said).then_some(NodeGroup {
            name,
            min,
            max,
            size,
            price_micros: (self.price_per_hour * 1e6).round() as u64,
            boot_time: self.boot_time.map_or(SimDuration::from_secs(60), |text| text.0),
            fails: self.fails,
            priority: self.priority,
            reclaims,
            notice: self.notice.0,
            pool,
            span,
        })
    }
}

impl NodeGroup {
    /// The nodes that the group begins with.
    pub(crate) fn first_nodes(&self) -> Vec<crate::scene::model::SceneObject> {
        let pool = Pool { count: self.size.max(2), ..self.pool.clone() };
        let mut nodes = pools::nodes_of(&pool, self.span, &mut Problems::default());
        nodes.truncate(self.size as usize);
        nodes
    }

    /// Name of a node.
    pub fn node_name(&self, number: u32) -> String {
        format!("{}-{number}", self.name)
    }

    /// The zone that a node is in, if the group has zones.
    pub fn zone(&self, number: u32) -> Option<&str> {
        let zones = &self.pool.zones;
        (!zones.is_empty()).then(|| zones[(number as usize - 1) % zones.len()].as_str())
    }

    /// Whether its nodes are of one kind with another group's: the same labels but for those of a place, the same capacity but for memory,
    /// which may differ by 1.5 %, and allocatable amounts within 5 %. Source: autoscaler, `processors/nodegroupset/compare_nodegroups.go`,
    /// `IsCloudProviderNodeInfoSimilar`.
    pub fn similar(&self, other: &NodeGroup) -> bool {
        let labels = |group: &NodeGroup| -> BTreeMap<String, String> {
            let list = group.pool.labels.iter().filter(|(key, _)| !PLACE_LABELS.contains(&key.as_str()));
            list.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let amount = |text: &String| Quantity::parse(text).map_or(0.0, |quantity| quantity.approximate_f64());
        let within = |one: &BTreeMap<String, String>, two: &BTreeMap<String, String>, tolerance: &dyn Fn(&str) -> f64| {
            let alike = |(name, text): (&String, &String)| {
                let (a, b) = (amount(text), two.get(name).map_or(f64::NAN, amount));
                a.max(b) - a.min(b) <= a.max(b) * tolerance(name) && !b.is_nan()
            };
            one.len() == two.len() && one.iter().all(alike)
        };
        // What a pool does not say of its capacity is as what can be allocated.
        let capacity = |group: &NodeGroup| -> BTreeMap<String, String> {
            group.pool.allocatable.iter().chain(&group.pool.capacity).map(|(name, text)| (name.clone(), text.clone())).collect()
        };
        let of_memory = |name: &str| if name == "memory" { 0.015 } else { 0.0 };
        labels(self) == labels(other)
            && within(&capacity(self), &capacity(other), &of_memory)
            && within(&self.pool.allocatable, &other.pool.allocatable, &|_| 0.05)
    }

    /// Whether its nodes have GPUs.
    pub fn has_gpus(&self) -> bool {
        self.pool.allocatable.contains_key("nvidia.com/gpu")
    }

    /// Whether the cloud has no machine for the group now.
    pub fn fails_at(&self, now: SimTime) -> bool {
        self.fails.iter().any(|outage| outage.from <= now && now < outage.until)
    }

    /// Node objects of a group have the form of this one; name, labels for its name and its zone, and address are each node's own.
    pub fn template(&self, sim: &mut Simulation) -> NewObject {
        let nodes = pools::nodes_of(&self.pool, self.span, &mut Problems::default());
        Reader::default().read(sim, &nodes[0])
    }
}

/// Settings of the cluster autoscaler, with the original's defaults: `cluster_autoscaler: (expander: "price")`. ECS resource.
/// Source: `spec/autoscaling.md` §9.
#[derive(Debug, Clone, Deserialize, Resource)]
#[serde(deny_unknown_fields, default)]
pub struct AutoscalerSettings {
    /// `--scan-interval`.
    #[serde(deserialize_with = "positive")]
    pub scan_interval: SimDuration,
    /// `--expander`: names with commas between them; each is asked about those that the one before finds equal.
    #[serde(deserialize_with = "expanders")]
    pub expander: Vec<Expander>,
    /// `--max-node-provision-time`.
    #[serde(deserialize_with = "span")]
    pub max_node_provision_time: SimDuration,
    /// `--scale-down-enabled`.
    pub scale_down_enabled: bool,
    /// `--scale-down-utilization-threshold`, written as a share. Unit: thousandths.
    #[serde(rename = "utilization_threshold", deserialize_with = "permille")]
    pub threshold_permille: u32,
    /// `--scale-down-unneeded-time`.
    #[serde(deserialize_with = "span")]
    pub unneeded_time: SimDuration,
    /// `--scale-down-unready-time`.
    #[serde(deserialize_with = "span")]
    pub unready_time: SimDuration,
    /// `--scale-down-delay-after-add`.
    #[serde(deserialize_with = "span")]
    pub delay_after_add: SimDuration,
    /// `--scale-down-delay-after-failure`.
    #[serde(deserialize_with = "span")]
    pub delay_after_failure: SimDuration,
    /// `--max-nodes-total`: over all groups and whatever else is there; 0: no limit.
    pub max_nodes_total: u32,
    /// `--balance-similar-node-groups`.
    pub balance_similar_node_groups: bool,
    /// `--new-pod-scale-up-delay`.
    #[serde(deserialize_with = "span")]
    pub new_pod_scale_up_delay: SimDuration,
    /// `--ok-total-unready-count`.
    pub ok_total_unready_count: u32,
    /// `--max-total-unready-percentage`.
    #[serde(deserialize_with = "percent")]
    pub max_total_unready_percentage: u32,
    /// For the expander `price`: what an hour of a core costs that a pod asks for.
    #[serde(deserialize_with = "price")]
    pub cpu_price_per_hour: f64,
    /// The same of a GiB of memory.
    #[serde(deserialize_with = "price")]
    pub memory_price_per_hour: f64,
    /// `--max-graceful-termination-sec`. Unit: seconds.
    pub max_graceful_termination_s: u32,
    /// `--max-empty-bulk-delete`.
    pub max_empty_bulk_delete: usize,
    /// `--expendable-pods-priority-cutoff`.
    pub expendable_pods_priority_cutoff: i32,
    /// `--skip-nodes-with-system-pods`.
    pub skip_nodes_with_system_pods: bool,
    /// `--skip-nodes-with-local-storage`.
    pub skip_nodes_with_local_storage: bool,
}

impl Default for AutoscalerSettings {
    fn default() -> AutoscalerSettings {
        AutoscalerSettings {
            scan_interval: SimDuration::from_secs(10),
            expander: vec![Expander::LeastWaste],
            max_node_provision_time: SimDuration::from_secs(15 * 60),
            scale_down_enabled: true,
            threshold_permille: 500,
            unneeded_time: SimDuration::from_secs(10 * 60),
            unready_time: SimDuration::from_secs(20 * 60),
            delay_after_add: SimDuration::from_secs(10 * 60),
            delay_after_failure: SimDuration::from_secs(3 * 60),
            max_nodes_total: 0,
            balance_similar_node_groups: false,
            new_pod_scale_up_delay: SimDuration::ZERO,
            ok_total_unready_count: 3,
            max_total_unready_percentage: 45,
            // Source: autoscaler, `cloudprovider/gce/gce_price_model.go`: US dollars.
            cpu_price_per_hour: 0.033174,
            memory_price_per_hour: 0.004446,
            max_graceful_termination_s: 600,
            max_empty_bulk_delete: 10,
            expendable_pods_priority_cutoff: -10,
            skip_nodes_with_system_pods: true,
            skip_nodes_with_local_storage: true,
        }
    }
}

/// How one of several groups is chosen. Source: `spec/autoscaling.md` §9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Expander {
    Random,
    LeastWaste,
    MostPods,
    Price,
    Priority,
}

impl Expander {
    /// Its name in `--expander`.
    pub fn name(self) -> &'static str {
        match self {
            Expander::Random => "random",
            Expander::LeastWaste => "least-waste",
            Expander::MostPods => "most-pods",
            Expander::Price => "price",
            Expander::Priority => "priority",
        }
    }
}

fn expanders<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Expander>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let one = |word: &str| match word.trim() {
        "random" => Ok(Expander::Random),
        "least-waste" => Ok(Expander::LeastWaste),
        "most-pods" => Ok(Expander::MostPods),
        "price" => Ok(Expander::Price),
        "priority" => Ok(Expander::Priority),
        word => Err(D::Error::custom(format!(
            "found the expander {word:?}, expected random, least-waste, most-pods, price or priority, or some of them with commas between"
        ))),
    };
    text.split(',').map(one).collect()
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SimDuration, D::Error> {
    DurationText::deserialize(deserializer).map(|text| text.0)
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SimDuration, D::Error> {
    let span = span(deserializer)?;
    if span < SimDuration::from_secs(1) {
        return Err(D::Error::custom(format!("found {span}, expected at least 1s")));
    }
    Ok(span)
}

fn permille<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let share = f64::deserialize(deserializer)?;
    if !(0.0..=1.0).contains(&share) {
        return Err(D::Error::custom(format!("found {share}, expected a share from 0 to 1")));
    }
    Ok((share * 1000.0).round() as u32)
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let percent = u32::deserialize(deserializer)?;
    if percent > 100 {
        return Err(D::Error::custom(format!("found {percent}, expected a percentage from 0 to 100")));
    }
    Ok(percent)
}

fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let price = f64::deserialize(deserializer)?;
    if !(0.0..=1e6).contains(&price) {
        return Err(D::Error::custom(format!("found a price of {price}, expected 0 to 1000000")));
    }
    Ok(price)
}

/// The scene's groups, in the order in which they are written. ECS resource.
#[derive(Debug, Clone, Default, Resource)]
pub struct NodeGroups(pub Vec<NodeGroup>);

/// The address after the last one given to a node.
pub fn next_address(taken: impl Iterator<Item = u32>) -> u32 {
    build::next_node_address(taken)
}

/// The name of a group's node as an object's.
pub fn name_of(names: &mut Names, group: &NodeGroup, number: u32) -> crate::names::Name {
    names.name(&group.node_name(number))
}
