//! What the scheduler's filters would say if nodes came or went: for those who add nodes and take them away.

use crate::scheduler::cache::SchedulerCache;
use crate::scheduler::cycle::Cycle;
use crate::scheduler::filter::Filters;
use crate::scheduler::nodes::{NodeFacts, NodeTable};
use crate::scheduler::plugin::Plugin;
use crate::scheduler::pods::{Group, Incoming, Resident};
use crate::scheduler::{Reads, SchedulerState};
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::system::SystemParam;
use std::sync::Arc;
use wavetank_engine::ids::{ObjRef, Uid};
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::node::NodeTaint;
use wavetank_engine::model::pod_class::{ClassId, Classes};
use wavetank_engine::model::resources::Resources;
use wavetank_engine::names::{Names, Sym};

/// What the scheduler knows, for a system that tries things out.
#[derive(SystemParam)]
pub(crate) struct Scheduling<'w, 's> {
    reads: Reads<'w, 's>,
    state: Res<'w, SchedulerState>,
    cache: ResMut<'w, SchedulerCache>,
}

impl<'w, 's> Scheduling<'w, 's> {
    /// A label set with pairs added or replaced.
    pub(crate) fn labelled(&mut self, names: &Names, set: LabelSetId, pairs: &[(Sym, Sym)]) -> LabelSetId {
        pairs.iter().fold(set, |set, &(key, value)| self.reads.labels.with(names, set, key, value))
    }

    /// The cluster as the scheduler sees it, to be changed in thought.
    pub(crate) fn what_if<'a>(&'a mut self, names: &'a mut Names) -> WhatIf<'a, 'w, 's> {
        self.cache.restore(&self.state, &self.reads, names);
        self.cache.know_all(&self.state, &self.reads, names);
        let nodes = self.cache.table.copy();
        WhatIf { reads: &mut self.reads, cache: &mut self.cache, names, nodes, made: 0 }
    }
}

/// A cluster that might be. Policies of one's own are not asked: they know no node that is not there.
pub(crate) struct WhatIf<'a, 'w, 's> {
    reads: &'a mut Reads<'w, 's>,
    cache: &'a mut SchedulerCache,
    pub(crate) names: &'a mut Names,
    nodes: NodeTable,
    /// Nodes that were made up.
    made: u64,
}

impl WhatIf<'_, '_, '_> {
    /// Label sets.
    pub(crate) fn labels(&self) -> &LabelSets {
        &self.reads.labels
    }

    /// Classes of pods.
    pub(crate) fn classes(&self) -> &Classes {
        &self.reads.classes
    }

    /// A label set with pairs added or replaced.
    pub(crate) fn labelled(&mut self, set: LabelSetId, pairs: &[(Sym, Sym)]) -> LabelSetId {
        pairs.iter().fold(set, |set, &(key, value)| self.reads.labels.with(self.names, set, key, value))
    }

    /// The number of a node.
    pub(crate) fn number(&self, name: Sym) -> Option<u32> {
        self.nodes.by_name(name)
    }

    /// What a node is at present.
    pub(crate) fn node(&self, number: u32) -> &NodeFacts {
        self.nodes.get(number)
    }

    /// Adds an empty node.
    pub(crate) fn add(&mut self, name: Sym, labels: LabelSetId, taints: Arc<[NodeTaint]>, allocatable: Arc<Resources>) -> u32 {
        self.made += 1;
        let uid = Uid(u64::MAX - self.made);
        self.nodes.put(NodeFacts { taints, ..NodeFacts::empty(uid, name, labels, allocatable) });
        self.nodes.order(&self.reads.labels);
        self.nodes.by_name(name).expect("it was just put in")
    }

    /// Gives a node other taints.
    pub(crate) fn taint(&mut self, number: u32, taints: Arc<[NodeTaint]>) {
        let node = self.nodes.get(number).clone();
        self.nodes.put(NodeFacts { taints, ..node });
    }

    /// Takes a node away.
    pub(crate) fn remove(&mut self, number: u32) {
        let uid = self.nodes.get(number).uid;
        self.nodes.remove(uid);
    }

    /// All nodes as they are now in thought.
    pub(crate) fn keep(&self) -> NodeTable {
        self.nodes.copy()
    }

    /// Goes back to what was kept.
    pub(crate) fn restore(&mut self, nodes: NodeTable) {
        self.nodes = nodes;
    }

    /// A pod as it would be looked at if it had no node; `None` when it is gone.
    pub(crate) fn pod(&mut self, pod: ObjRef) -> Option<Incoming> {
        self.cache.incoming(pod, self.reads, self.names).map(|(incoming, _)| incoming)
    }

    /// A pod of a template that is yet to be made.
    pub(crate) fn pod_of(&mut self, namespace: Sym, class: ClassId, labels: LabelSetId) -> Incoming {
        let class = self.cache.class(self.names, self.reads, class).clone();
        let group = self.cache.groups.intern(Group { namespace, labels, terminating: false, terms: class.terms.clone() });
        let resident = Resident { class, group, volumes: None, own: None };
        Incoming {
            uid: Uid(u64::MAX),
            resident,
            name: Sym::EMPTY,
            namespace,
            labels,
            node_name: Sym::EMPTY,
            nominated_node: Sym::EMPTY,
            default_selector: Arc::from([]),
        }
    }

    /// Puts a pod on a node, or takes it off.
    pub(crate) fn count(&mut self, pod: &Incoming, number: u32, add: bool) {
        self.nodes.account(number, &pod.resident, add);
    }

    /// The first filter by which a node can't run a pod, and its reasons; `None` when it can.
    pub(crate) fn refusal(&mut self, pod: &Incoming, number: u32) -> Option<(&'static str, Vec<String>)> {
        self.nodes.order(&self.reads.labels);
        let cycle = self.cycle(pod);
        let filters = match Filters::prepare(cycle) {
            Ok(filters) => filters,
            Err(refusal) => return Some((refusal.plugin.name(), refusal.texts(self.names))),
        };
        if !named(&filters, &self.nodes, number) {
            return Some((Plugin::NodeAffinity.name(), vec!["node(s) didn't match Pod's node affinity/selector".to_string()]));
        }
        filters.refusal(number).map(|refusal| (refusal.plugin.name(), refusal.texts(self.names)))
    }

    /// The first of some nodes that can run a pod; `None` as `among`: of all, in the scheduler's order.
    pub(crate) fn first_fit(&mut self, pod: &Incoming, among: Option<&[u32]>) -> Option<u32> {
        self.nodes.order(&self.reads.labels);
        let filters = Filters::prepare(self.cycle(pod)).ok()?;
        let fits = |number: &u32| named(&filters, &self.nodes, *number) && filters.refusal(*number).is_none();
        among.unwrap_or(self.nodes.ordered()).iter().copied().find(fits)
    }

    fn cycle<'c>(&'c self, pod: &'c Incoming) -> Cycle<'c> {
        Cycle { nodes: &self.nodes, own: None, ..self.cache.cycle(pod, self.reads, self.names) }
    }
}

/// Whether a node is among those that filters leave to be looked at.
fn named(filters: &Filters, nodes: &NodeTable, number: u32) -> bool {
    filters.only.as_ref().is_none_or(|(names, _)| names.contains(&nodes.get(number).name))
}
