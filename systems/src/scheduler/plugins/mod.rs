//! The plugins, one file each. Preemption stands beside them.

pub mod balanced_allocation;
pub mod image_locality;
pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod node_volume_limits;
pub mod pod_topology_spread;
pub mod scheduling_gates;
pub mod taint_toleration;
pub mod volume_binding;
pub mod volume_restrictions;
pub mod volume_zone;

use crate::scheduler::cycle::Cycle;
use crate::scheduler::plugin::{Filter, Happenings, NodeEvent, NodeHint, Plugin, Plugins, PodEvent, PodHint, Score};

/// Filters that look beyond one node, in their order, after those of [`crate::scheduler::filter`].
pub const FILTERS: &[&dyn Filter] = &[
    &volume_restrictions::VolumeRestrictions,
    &node_volume_limits::NodeVolumeLimits,
    &volume_binding::VolumeBinding,
    &volume_zone::VolumeZone,
    &pod_topology_spread::PodTopologySpread,
    &inter_pod_affinity::InterPodAffinity,
];

/// Score plugins. DynamicResources has nothing to say without claims and always scores 0.
pub const SCORES: &[&dyn Score] = &[
    &taint_toleration::TaintToleration,
    &node_affinity::NodeAffinity,
    &node_resources_fit::NodeResourcesFit,
    &pod_topology_spread::PodTopologySpread,
    &inter_pod_affinity::InterPodAffinity,
    &balanced_allocation::BalancedAllocation,
    &image_locality::ImageLocality,
];

/// What may make a pod schedulable that a plugin refused.
pub const WAKES: &[(Plugin, Happenings)] = &[
    (Plugin::SchedulingGates, scheduling_gates::WAKES),
    (Plugin::NodeUnschedulable, node_unschedulable::WAKES),
    (Plugin::NodeName, node_name::WAKES),
    (Plugin::TaintToleration, taint_toleration::WAKES),
    (Plugin::NodeAffinity, node_affinity::WAKES),
    (Plugin::NodePorts, node_ports::WAKES),
    (Plugin::NodeResourcesFit, node_resources_fit::WAKES),
    (Plugin::VolumeRestrictions, volume_restrictions::WAKES),
    (Plugin::NodeVolumeLimits, node_volume_limits::WAKES),
    (Plugin::VolumeBinding, volume_binding::WAKES),
    (Plugin::VolumeZone, volume_zone::WAKES),
    (Plugin::PodTopologySpread, pod_topology_spread::WAKES),
    (Plugin::InterPodAffinity, inter_pod_affinity::WAKES),
    (Plugin::Own, OWN_WAKES),
];

/// What may lift the refusal of a policy of one's own.
const OWN_WAKES: Happenings = Happenings::POD_GONE
    .or(Happenings::POD_SCALED_DOWN)
    .or(Happenings::POD_ITSELF)
    .or(Happenings::NODE_ADDED)
    .or(Happenings::NODE_ALLOCATABLE)
    .or(Happenings::NODE_LABELS);

/// The plugins whose refusals something that happened may lift. A plugin that hears of new nodes hears of changed taints too: a node may
/// have been passed over for its taints when it came. Source: `spec/scheduler.md` §8, `scheduler.go`, `buildQueueingHintMap`.
pub fn woken_by(happened: Happenings) -> Plugins {
    let hears = |wakes: Happenings| wakes.or(Happenings::NODE_TAINTS.when(wakes.meets(Happenings::NODE_ADDED))).meets(happened);
    WAKES.iter().filter(|(_, wakes)| hears(*wakes)).fold(Plugins::NONE, |set, (plugin, _)| set.or(Plugins::one(*plugin)))
}

/// Plugins that can tell whether a pod that came, changed or went helps; to the others any may.
pub const POD_HINTS: &[(Plugin, PodHint)] = &[
    (Plugin::NodePorts, node_ports::pod_hint),
    (Plugin::NodeResourcesFit, node_resources_fit::pod_hint),
    (Plugin::VolumeRestrictions, volume_restrictions::pod_hint),
    (Plugin::NodeVolumeLimits, node_volume_limits::pod_hint),
    (Plugin::PodTopologySpread, pod_topology_spread::pod_hint),
    (Plugin::InterPodAffinity, inter_pod_affinity::pod_hint),
];

/// Whether an event of another pod may lift the refusal of one of these plugins.
pub fn pod_may_help(plugins: Plugins, cycle: &Cycle, event: &PodEvent) -> bool {
    let hint = |plugin: Plugin| POD_HINTS.iter().find(|entry| entry.0 == plugin).map(|entry| entry.1);
    plugins.iter().any(|plugin| hint(plugin).is_none_or(|hint| hint(cycle, event)))
}

/// Plugins that can tell whether a node that came, changed or went helps; to the others any may.
pub const NODE_HINTS: &[(Plugin, NodeHint)] = &[
    (Plugin::NodeUnschedulable, node_unschedulable::node_hint),
    (Plugin::TaintToleration, taint_toleration::node_hint),
    (Plugin::NodeAffinity, node_affinity::node_hint),
    (Plugin::NodeResourcesFit, node_resources_fit::node_hint),
    (Plugin::PodTopologySpread, pod_topology_spread::node_hint),
    (Plugin::InterPodAffinity, inter_pod_affinity::node_hint),
];

/// Whether something that happened to a node may lift the refusal of one of these plugins. A plugin that hears of changed taints only
/// since it hears of new nodes does not ask what they mean.
pub fn node_may_help(plugins: Plugins, happened: Happenings, cycle: &Cycle, event: &NodeEvent) -> bool {
    let hint = |plugin: Plugin| NODE_HINTS.iter().find(|entry| entry.0 == plugin).map(|entry| entry.1);
    let own = |plugin: Plugin| WAKES.iter().any(|entry| entry.0 == plugin && entry.1.meets(happened));
    plugins.iter().any(|plugin| !own(plugin) || hint(plugin).is_none_or(|hint| hint(cycle, event)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_of_what() {
        let table = [
            (Happenings::POD_GONE, "NodePorts NodeResourcesFit VolumeRestrictions NodeVolumeLimits PodTopologySpread InterPodAffinity Own"),
            (Happenings::POD_SCALED_DOWN, "NodeResourcesFit Own"),
            (Happenings::POD_ASSIGNED, "PodTopologySpread InterPodAffinity"),
            (Happenings::NODE_GONE, "PodTopologySpread"),
            (Happenings::NODE_ALLOCATABLE, "NodeResourcesFit Own"),
            (Happenings::CLAIM_ADDED, "VolumeRestrictions NodeVolumeLimits VolumeBinding VolumeZone"),
            (Happenings::CLAIM_CHANGED, "VolumeBinding VolumeZone"),
            (Happenings::VOLUME_CHANGED, "VolumeBinding"),
            (Happenings::CSI_LIMIT_RAISED, "NodeVolumeLimits"),
            (Happenings::NODE_LABELS, "NodeAffinity VolumeBinding VolumeZone PodTopologySpread InterPodAffinity Own"),
            (
                Happenings::NODE_TAINTS,
                concat!(
                    "NodeUnschedulable NodeName TaintToleration NodeAffinity NodePorts NodeResourcesFit ",
                    "VolumeRestrictions VolumeBinding VolumeZone PodTopologySpread InterPodAffinity Own"
                ),
            ),
        ];
        for (happened, want) in table {
            let plugins: Vec<&str> = woken_by(happened).iter().map(Plugin::name).collect();
            assert_eq!(plugins.join(" "), want, "{happened:?}");
        }
    }
}
