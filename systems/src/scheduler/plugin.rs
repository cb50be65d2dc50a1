//! Plugins of the scheduler: their names, what they answer, what wakes a pod that they refused, and the traits of those that look
//! beyond one node.
//!
//! Plugins that look at one node alone (NodeUnschedulable to NodeResourcesFit) are plain functions, called in order by
//! [`crate::scheduler::filter`]; class trees keep their answers. The others take in the cluster once for a pod ([`Filter::prepare`])
//! and then answer for each node ([`NodeFilter`]).

use crate::scheduler::cycle::Cycle;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::pods::Resident;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::words;

macro_rules! plugins {
    ($($name:ident,)*) => {
        /// A plugin, in the order of the defaults. Source: `spec/scheduler.md` §1, `apis/config/v1/default_plugins.go`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum Plugin { $($name,)* }

        impl Plugin {
            /// All plugins.
            pub const ALL: &[Plugin] = &[$(Plugin::$name,)*];

            /// The plugin of a name; `None` when it is no plugin of the scheduler itself.
            pub fn named(name: &str) -> Option<Plugin> {
                Plugin::ALL.iter().copied().find(|plugin| plugin.name() == name)
            }

            /// Its name in configurations and answers.
            pub const fn name(self) -> &'static str {
                match self { $(Plugin::$name => stringify!($name),)* }
            }
        }
    };
}
plugins! {
    SchedulingGates, PrioritySort, NodeUnschedulable, NodeName, TaintToleration, NodeAffinity, NodePorts, NodeResourcesFit,
    VolumeRestrictions, NodeVolumeLimits, VolumeBinding, VolumeZone, PodTopologySpread, InterPodAffinity, DynamicResources,
    NodeDeclaredFeatures, DefaultPreemption, NodeResourcesBalancedAllocation, ImageLocality, DefaultBinder, Own,
}

/// A set of plugins, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plugins(pub u32);

impl Plugins {
    /// No plugin.
    pub const NONE: Plugins = Plugins(0);

    /// One plugin.
    pub const fn one(plugin: Plugin) -> Plugins {
        Plugins(1 << plugin as u32)
    }

    /// Plugins of a list.
    pub fn of(list: &[Plugin]) -> Plugins {
        list.iter().fold(Plugins::NONE, |set, &plugin| set.or(Plugins::one(plugin)))
    }

    /// Both sets together.
    pub const fn or(self, other: Plugins) -> Plugins {
        Plugins(self.0 | other.0)
    }

    /// Plugins of both sets.
    pub const fn and(self, other: Plugins) -> Plugins {
        Plugins(self.0 & other.0)
    }

    /// Whether the sets have a plugin in common.
    pub const fn meets(self, other: Plugins) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set has a plugin.
    pub const fn has(self, plugin: Plugin) -> bool {
        self.meets(Plugins::one(plugin))
    }

    /// Its plugins, in their order.
    pub fn iter(self) -> impl Iterator<Item = Plugin> {
        Plugin::ALL.iter().copied().filter(move |&plugin| self.has(plugin))
    }
}

/// What happened in the cluster, as bits: a plugin names those that may make a pod schedulable that it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Happenings(pub u32);

impl Happenings {
    /// A pod was bound, or a bound one was seen for the first time.
    pub const POD_ASSIGNED: Happenings = Happenings(1);
    /// A bound pod ended or is gone.
    pub const POD_GONE: Happenings = Happenings(1 << 1);
    /// Labels of a bound pod changed.
    pub const POD_LABELS: Happenings = Happenings(1 << 2);
    /// The waiting pod itself changed.
    pub const POD_ITSELF: Happenings = Happenings(1 << 3);
    /// A node was added.
    pub const NODE_ADDED: Happenings = Happenings(1 << 4);
    /// A node is gone.
    pub const NODE_GONE: Happenings = Happenings(1 << 5);
    /// A node's allocatable changed.
    pub const NODE_ALLOCATABLE: Happenings = Happenings(1 << 6);
    /// A node's labels changed.
    pub const NODE_LABELS: Happenings = Happenings(1 << 7);
    /// A node's taints changed, or it was cordoned or uncordoned.
    pub const NODE_TAINTS: Happenings = Happenings(1 << 8);
    /// A claim was added.
    pub const CLAIM_ADDED: Happenings = Happenings(1 << 9);
    /// A claim changed.
    pub const CLAIM_CHANGED: Happenings = Happenings(1 << 10);
    /// A volume was added.
    pub const VOLUME_ADDED: Happenings = Happenings(1 << 11);
    /// A volume changed.
    pub const VOLUME_CHANGED: Happenings = Happenings(1 << 12);
    /// Labels of a volume that say where it is changed.
    pub const VOLUME_ZONE: Happenings = Happenings(1 << 13);
    /// A storage class that binds at once was added.
    pub const CLASS_ADDED: Happenings = Happenings(1 << 14);
    /// A storage class that waits for a pod was added.
    pub const WAITING_CLASS_ADDED: Happenings = Happenings(1 << 15);
    /// `allowedTopologies` of a storage class changed.
    pub const CLASS_TOPOLOGY: Happenings = Happenings(1 << 16);
    /// A CSINode was added.
    pub const CSI_NODE_ADDED: Happenings = Happenings(1 << 17);
    /// A driver can attach more volumes to a node than before.
    pub const CSI_LIMIT_RAISED: Happenings = Happenings(1 << 18);
    /// A CSIStorageCapacity was added, or tells of more than before.
    pub const CAPACITY_RAISED: Happenings = Happenings(1 << 19);
    /// A bound pod requests less of something.
    pub const POD_SCALED_DOWN: Happenings = Happenings(1 << 20);
    /// Any of claims.
    pub const OF_CLAIMS: Happenings = Happenings::CLAIM_ADDED.or(Happenings::CLAIM_CHANGED);

    /// Both sets together.
    pub const fn or(self, other: Happenings) -> Happenings {
        Happenings(self.0 | other.0)
    }

    /// The set if the condition holds; otherwise nothing.
    pub const fn when(self, condition: bool) -> Happenings {
        if condition { self } else { Happenings(0) }
    }

    /// Each of them alone, in order.
    pub fn each(self) -> impl Iterator<Item = Happenings> {
        (0..u32::BITS).map(move |bit| Happenings(self.0 & 1 << bit)).filter(|one| one.0 != 0)
    }

    /// Whether the sets have something in common.
    pub const fn meets(self, other: Happenings) -> bool {
        self.0 & other.0 != 0
    }
}

/// A bound pod that came, changed or went.
#[derive(Debug, Clone, Copy)]
pub struct PodEvent<'e> {
    /// What it was; `None`: it was not there.
    pub before: Option<&'e Resident>,
    /// What it is; `None`: it is gone.
    pub after: Option<&'e Resident>,
}

/// Says whether an event of another pod may lift a plugin's refusal of the pod of a cycle: the original's queueing hint.
pub type PodHint = fn(&Cycle, &PodEvent) -> bool;

/// A node that came, changed or went.
#[derive(Debug, Clone, Copy)]
pub struct NodeEvent<'e> {
    /// What it was; `None`: it was not there.
    pub before: Option<&'e NodeFacts>,
    /// What it is; `None`: it is gone.
    pub after: Option<&'e NodeFacts>,
}

/// Says whether an event of a node may lift a plugin's refusal of the pod of a cycle.
pub type NodeHint = fn(&Cycle, &NodeEvent) -> bool;

/// Why a node can't run a pod: what the first plugin that refused says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The plugin.
    pub plugin: Plugin,
    /// Whether preemption may help: code Unschedulable, and not UnschedulableAndUnresolvable.
    pub resolvable: bool,
    /// Its reasons.
    pub reasons: SmallVec<[Reason; 1]>,
}

/// One reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A fixed text.
    Text(&'static str),
    /// A resource is short.
    Short(Sym),
    /// A text of its own.
    Own(Box<str>),
}

impl Refusal {
    /// A refusal with one fixed text.
    pub fn of(plugin: Plugin, resolvable: bool, reason: &'static str) -> Refusal {
        Refusal { plugin, resolvable, reasons: smallvec::smallvec![Reason::Text(reason)] }
    }

    /// The API's word for the code.
    pub fn code(&self) -> &'static str {
        if self.resolvable { "Unschedulable" } else { "UnschedulableAndUnresolvable" }
    }

    /// Reasons, as the message counts them.
    pub fn texts(&self, names: &Names) -> Vec<String> {
        let text = |reason: &Reason| match reason {
            Reason::Text(text) => (*text).to_string(),
            Reason::Short(words::PODS) => "Too many pods".to_string(),
            Reason::Short(resource) => format!("Insufficient {}", names.text(*resource)),
            Reason::Own(text) => text.to_string(),
        };
        self.reasons.iter().map(text).collect()
    }
}

/// A filter that looks beyond one node: the original's PreFilter, its extensions, and Filter.
pub trait Filter: Sync {
    /// Which plugin it is.
    fn plugin(&self) -> Plugin;

    /// Takes in the cluster for the pod of a cycle.
    fn prepare<'c>(&self, cycle: &Cycle<'c>) -> Prepared<'c>;
}

/// What a filter found when it took in the cluster.
pub enum Prepared<'c> {
    /// It has nothing to say of this pod.
    Skip,
    /// No node can run the pod.
    Refused(Refusal),
    /// It answers for each node.
    Ready {
        /// Names of the only nodes that can run the pod; `None`: any may.
        only: Option<BTreeSet<Sym>>,
        /// The answers.
        filter: Box<dyn NodeFilter + 'c>,
    },
}

/// A prepared filter.
pub trait NodeFilter {
    /// Why the node can't run the pod; `None` when it can. `node` may differ from the table's by pods added or taken off.
    fn refusal(&self, number: u32, node: &NodeFacts) -> Option<Refusal>;

    /// Counts a pod on a node, or takes it off: nominated pods, and victims on trial.
    fn count(&mut self, pod: &Resident, number: u32, add: bool);

    /// A copy, to try out on it.
    fn copy<'s>(&'s self) -> Box<dyn NodeFilter + 's>;
}

/// A score plugin: the original's PreScore, Score and NormalizeScore.
pub trait Score: Sync {
    /// Which plugin it is.
    fn plugin(&self) -> Plugin;

    /// Scores from 0 to [`MAX_SCORE`] of the feasible nodes, in their order; `None` when the plugin has nothing to say of the pod.
    fn scores(&self, cycle: &Cycle, feasible: &[u32]) -> Option<Vec<i64>>;
}

/// Highest score of a plugin before weighting.
pub const MAX_SCORE: i64 = 100;
