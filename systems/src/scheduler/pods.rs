//! What the scheduler knows of pods: those on nodes in groups of pods alike, those waiting with a nominated node, and namespaces.

use crate::scheduler::facts::ClassFacts;
use crate::scheduler::own::Seat;
use crate::scheduler::plugins::inter_pod_affinity::Terms;
use crate::scheduler::volumes::PodVolumes;
use std::collections::BTreeMap;
use std::sync::Arc;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{ObjRef, Uid};
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::select::Requirement;
use wavetank_engine::names::Sym;

/// Number of a group of pods that other pods can't tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// What plugins that look at other pods see of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// Namespace.
    pub namespace: Sym,
    /// Labels.
    pub labels: LabelSetId,
    /// Whether its deletion was asked for.
    pub terminating: bool,
    /// Its pod affinity and anti-affinity; `None` without any.
    pub terms: Option<Arc<Terms>>,
}

impl Group {
    /// Whether affinity or anti-affinity of its pods means a waiting pod.
    pub fn means_waiting(&self, namespace: Sym, set: LabelSetId, labels: &LabelSets, namespaces: &Namespaces) -> bool {
        let terms = self.terms.iter().flat_map(|terms| terms.each());
        terms.into_iter().any(|term| term.means_waiting(self.namespace, namespace, set, labels, namespaces))
    }
}

/// All groups, found by content.
#[derive(Debug, Default)]
pub struct Groups {
    list: Vec<Group>,
    found: LookupMap<Group, GroupId>,
    with_terms: Vec<GroupId>,
}

impl Groups {
    /// The number of a group.
    pub fn intern(&mut self, group: Group) -> GroupId {
        if let Some(&id) = self.found.get(&group) {
            return id;
        }
        let id = GroupId(self.list.len() as u32);
        self.list.push(group.clone());
        if group.terms.is_some() {
            self.with_terms.push(id);
        }
        self.found.insert(group, id);
        id
    }

    /// The group with a number.
    pub fn get(&self, id: GroupId) -> &Group {
        &self.list[id.0 as usize]
    }

    /// All groups, by number.
    pub fn iter(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.list.iter().enumerate().map(|(number, group)| (GroupId(number as u32), group))
    }

    /// Groups that have affinity or anti-affinity, as they came.
    pub fn with_terms(&self) -> &[GroupId] {
        &self.with_terms
    }

    /// Whether any group ever seen has affinity or anti-affinity.
    pub fn any_terms(&self) -> bool {
        !self.with_terms.is_empty()
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// A pod as it counts on a node.
#[derive(Debug, Clone)]
pub struct Resident {
    /// Its spec.
    pub class: Arc<ClassFacts>,
    /// Its group.
    pub group: GroupId,
    /// Its volumes, as far as they matter; `None` without any.
    pub volumes: Option<Arc<PodVolumes>>,
    /// What policies of one's own see of it; `None` without such policies.
    pub own: Option<Arc<Seat>>,
}

/// The pod of a cycle.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Identity.
    pub uid: Uid,
    /// How it would count on a node.
    pub resident: Resident,
    /// Name of a pod whose claims are named after it; empty for others.
    pub name: Sym,
    /// Namespace.
    pub namespace: Sym,
    /// Labels.
    pub labels: LabelSetId,
    /// `spec.nodeName`; empty for none. The queue never hands such a pod out; the plugin NodeName knows of it all the same.
    pub node_name: Sym,
    /// `status.nominatedNodeName`; empty for none.
    pub nominated_node: Sym,
    /// What Services and its controller select it by: the selector of default spread constraints. Empty: no such constraints.
    pub default_selector: Arc<[Requirement]>,
}

/// A waiting pod that reserves room on its nominated node.
#[derive(Debug, Clone)]
pub struct Nominated {
    /// The pod.
    pub pod: ObjRef,
    /// `spec.priority`.
    pub priority: i32,
    /// How it would count there.
    pub resident: Resident,
}

/// Waiting pods by the name of their nominated node, in the order of nomination.
#[derive(Debug, Default)]
pub struct Nominations {
    /// Nodes with other nominations than when this was asked last.
    pub(super) changed: Vec<Sym>,
    by_node: BTreeMap<Sym, Vec<Nominated>>,
    node_of: LookupMap<Uid, Sym>,
}

impl Nominations {
    /// Nominates a pod to a node; an earlier nomination of the pod is dropped.
    pub fn put(&mut self, node: Sym, pod: Nominated) {
        self.drop(pod.pod.uid);
        self.changed.push(node);
        self.node_of.insert(pod.pod.uid, node);
        self.by_node.entry(node).or_default().push(pod);
    }

    /// Drops a pod's nomination; returns whether it had one.
    pub fn drop(&mut self, uid: Uid) -> bool {
        let Some(node) = self.node_of.remove(&uid) else { return false };
        self.changed.push(node);
        if let Some(pods) = self.by_node.get_mut(&node) {
            pods.retain(|pod| pod.pod.uid != uid);
            if pods.is_empty() {
                self.by_node.remove(&node);
            }
        }
        true
    }

    /// Pods nominated to a node, other than `uid`, of `priority` or higher.
    pub fn against(&self, node: Sym, uid: Uid, priority: i32) -> impl Iterator<Item = &Nominated> {
        self.on(node).iter().filter(move |pod| pod.pod.uid != uid && pod.priority >= priority)
    }

    /// Pods nominated to a node.
    pub fn on(&self, node: Sym) -> &[Nominated] {
        self.by_node.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Number of nominated pods.
    pub fn len(&self) -> usize {
        self.node_of.len()
    }

    /// Whether nobody is nominated.
    pub fn is_empty(&self) -> bool {
        self.by_node.is_empty()
    }
}

/// Labels of the namespaces that exist.
#[derive(Debug, Default)]
pub struct Namespaces {
    labels: BTreeMap<Sym, LabelSetId>,
}

impl Namespaces {
    /// Takes in a namespace.
    pub fn put(&mut self, name: Sym, labels: LabelSetId) {
        self.labels.insert(name, labels);
    }

    /// Takes a namespace out.
    pub fn remove(&mut self, name: Sym) {
        self.labels.remove(&name);
    }

    /// Labels of a namespace; `None` when it is not there.
    pub fn labels(&self, name: Sym) -> Option<LabelSetId> {
        self.labels.get(&name).copied()
    }
}

/// Whether a label set meets every requirement; the empty list is met by all.
pub fn meets(requirements: &[Requirement], labels: &LabelSets, set: LabelSetId) -> bool {
    requirements.iter().all(|requirement| requirement.met_by(labels, set))
}
