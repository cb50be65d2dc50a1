//! Filters of a cycle: the first reason why a node can't run a pod. Order and texts as kube-scheduler's.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{NodeFilter, Plugin, Plugins, Prepared, Reason, Refusal};
use crate::scheduler::plugins::{FILTERS, node_affinity, node_name, node_ports, node_resources_fit, node_unschedulable, taint_toleration};
use crate::scheduler::pods::Resident;
use crate::scheduler::profile::Profile;
use std::collections::BTreeSet;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::names::{Names, Sym};

/// The first refusal by plugins that look at one node alone; `None` when they let the pod pass. `asked`: the node that the pod names.
/// Source: `spec/scheduler.md` §1, order of the default plugins.
pub fn own_refusal(
    facts: &ClassFacts,
    profile: &Profile,
    asked: Sym,
    node: &NodeFacts,
    labels: &LabelSets,
    names: &Names,
) -> Option<Refusal> {
    let runs = |plugin| profile.filters.has(plugin);
    let by = |plugin, refusal: Option<Refusal>| refusal.filter(|_| runs(plugin));
    by(Plugin::NodeUnschedulable, node_unschedulable::refusal(facts, node))
        .or_else(|| by(Plugin::NodeName, node_name::refusal(asked, node)))
        .or_else(|| by(Plugin::TaintToleration, taint_toleration::refusal(facts, node)))
        .or_else(|| by(Plugin::NodeAffinity, node_affinity::refusal(facts, profile, node, labels, names)))
        .or_else(|| by(Plugin::NodePorts, node_ports::refusal(facts, node)))
        .or_else(|| by(Plugin::NodeResourcesFit, node_resources_fit::refusal(facts, profile, node, names)))
}

/// What one of the plugins that look at one node alone says; `None` when it lets the pod pass, and for other plugins.
fn own_refusal_by(plugin: Plugin, cycle: &Cycle, node: &NodeFacts) -> Option<Refusal> {
    let (facts, profile) = (&cycle.pod.resident.class, cycle.profile);
    match plugin {
        Plugin::NodeUnschedulable => node_unschedulable::refusal(facts, node),
        Plugin::NodeName => node_name::refusal(cycle.pod.node_name, node),
        Plugin::TaintToleration => taint_toleration::refusal(facts, node),
        Plugin::NodeAffinity => node_affinity::refusal(facts, profile, node, cycle.labels, cycle.names),
        Plugin::NodePorts => node_ports::refusal(facts, node),
        Plugin::NodeResourcesFit => node_resources_fit::refusal(facts, profile, node, cycle.names),
        _ => None,
    }
}

/// The filters of one cycle, prepared.
pub struct Filters<'c> {
    cycle: Cycle<'c>,
    prepared: Vec<(Plugin, Box<dyn NodeFilter + 'c>)>,
    /// Names of the only nodes that may do, and the plugins that say so.
    pub only: Option<(BTreeSet<Sym>, Plugins)>,
}

impl<'c> Filters<'c> {
    /// Lets every filter take in the cluster (PreFilter).
    ///
    /// # Errors
    /// The refusal of a plugin that no node can please.
    pub fn prepare(cycle: Cycle<'c>) -> Result<Filters<'c>, Refusal> {
        let mut filters = Filters { cycle, prepared: Vec::new(), only: None };
        for &plugin in &cycle.profile.pre_filters {
            if plugin == Plugin::NodeAffinity {
                if let Some(names) = node_affinity::narrowed(&cycle.pod.resident.class)? {
                    filters.narrow(plugin, names);
                }
                continue;
            }
            let Some(filter) = FILTERS.iter().find(|filter| filter.plugin() == plugin) else { continue };
            match filter.prepare(&cycle) {
                Prepared::Skip => {}
                Prepared::Refused(refusal) => return Err(refusal),
                Prepared::Ready { only, filter: prepared } => {
                    if cycle.profile.filters.has(plugin) {
                        filters.prepared.push((plugin, prepared));
                    }
                    if let Some(names) = only {
                        filters.narrow(plugin, names);
                    }
                }
            }
        }
        if let Some(own) = cycle.own {
            filters.prepared.extend(own.filters(&cycle).map(|filter| (Plugin::Own, filter)));
        }
        match &filters.only {
            Some((names, plugins)) if names.is_empty() => Err(nothing_left(*plugins)),
            _ => Ok(filters),
        }
    }

    fn narrow(&mut self, plugin: Plugin, names: BTreeSet<Sym>) {
        self.only = Some(match self.only.take() {
            Some((before, plugins)) => (&before & &names, plugins.or(Plugins::one(plugin))),
            None => (names, Plugins::one(plugin)),
        });
    }

    /// Why a node can't run the pod; `None` when it can. With pods of equal or higher priority nominated to it, it must do both with
    /// and without them. Source: `runtime/framework.go`, `RunFilterPluginsWithNominatedPods`.
    pub fn refusal(&self, number: u32) -> Option<Refusal> {
        let (cycle, node) = (&self.cycle, self.cycle.nodes.get(number));
        let pod = cycle.pod;
        if cycle.nominations.against(node.name, pod.uid, pod.resident.class.priority).next().is_some() {
            return self.trial(number).refusal_with_nominated();
        }
        self.judge(number, node, &self.prepared)
    }

    fn judge(&self, number: u32, node: &NodeFacts, prepared: &[(Plugin, Box<dyn NodeFilter + '_>)]) -> Option<Refusal> {
        let (cycle, pod) = (&self.cycle, self.cycle.pod);
        if let Some(order) = &cycle.profile.filter_order {
            let by = |plugin: Plugin| match prepared.iter().find(|filter| filter.0 == plugin) {
                Some((_, filter)) => filter.refusal(number, node),
                None => own_refusal_by(plugin, cycle, node),
            };
            let policies = || prepared.iter().filter(|filter| filter.0 == Plugin::Own).find_map(|(_, filter)| filter.refusal(number, node));
            return order.iter().find_map(|&plugin| by(plugin)).or_else(policies);
        }
        own_refusal(&pod.resident.class, cycle.profile, pod.node_name, node, cycle.labels, cycle.names)
            .or_else(|| prepared.iter().find_map(|(_, filter)| filter.refusal(number, node)))
    }

    /// A node to try on what pods come or go.
    pub fn trial(&self, number: u32) -> Trial<'_, 'c> {
        let prepared = self.prepared.iter().map(|(plugin, filter)| (*plugin, filter.copy())).collect();
        Trial { filters: self, number, node: self.cycle.nodes.get(number).clone(), prepared }
    }
}

/// A node with pods added or taken off, and the filters that know of it.
pub struct Trial<'f, 'c> {
    filters: &'f Filters<'c>,
    number: u32,
    node: NodeFacts,
    prepared: Vec<(Plugin, Box<dyn NodeFilter + 'f>)>,
}

impl Trial<'_, '_> {
    /// Adds a pod to the node, or takes it off.
    pub fn count(&mut self, pod: &Resident, add: bool) {
        self.node.count(pod, add);
        for (_, filter) in &mut self.prepared {
            filter.count(pod, self.number, add);
        }
    }

    /// Changes the node otherwise.
    pub fn change(&mut self, change: impl FnOnce(&mut NodeFacts)) {
        change(&mut self.node);
    }

    /// Why the node as it is now can't run the pod of the cycle.
    pub fn refusal(&self) -> Option<Refusal> {
        self.filters.judge(self.number, &self.node, &self.prepared)
    }

    /// [`Trial::refusal`] with the pods of equal or higher priority that are nominated to the node, and then without them.
    pub fn refusal_with_nominated(&mut self) -> Option<Refusal> {
        let cycle = self.filters.cycle;
        let nominated =
            || cycle.nominations.against(self.filters.cycle.nodes.get(self.number).name, cycle.pod.uid, cycle.pod.resident.class.priority);
        if nominated().next().is_some() {
            let list: Vec<&Resident> = nominated().map(|nominated| &nominated.resident).collect();
            list.iter().for_each(|resident| self.count(resident, true));
            let refusal = self.refusal();
            list.iter().for_each(|resident| self.count(resident, false));
            if refusal.is_some() {
                return refusal;
            }
        }
        self.refusal()
    }
}

/// Plugins that each name nodes, but none in common.
fn nothing_left(plugins: Plugins) -> Refusal {
    let names: Vec<&str> = plugins.iter().map(Plugin::name).collect();
    let text = match names[..] {
        [one] => format!("node(s) didn't satisfy plugin {one}"),
        _ => format!("node(s) didn't satisfy plugin(s) [{}] simultaneously", names.join(" ")),
    };
    let plugin = plugins.iter().next().unwrap_or(Plugin::NodeAffinity);
    Refusal { plugin, resolvable: false, reasons: smallvec::smallvec![Reason::Own(text.into())] }
}
