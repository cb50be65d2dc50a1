//! Reads nodes, pods and revisions into the facts that a sync works with.

use super::eligible::{Needs, NodeView, add_tolerations};
use super::plan::{OnNode, PodFacts};
use super::{Reads, Tables};
use crate::workloads::revisions::Known;
use std::collections::BTreeMap;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::meta::{ConditionStatus, Meta, condition};
use wavetank_engine::model::pod_class::PodClass;
use wavetank_engine::model::revisioned::DaemonSet;
use wavetank_engine::names::Sym;
use wavetank_engine::words;

/// What a pod is to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    /// One of its pods.
    Mine,
    /// An orphan that it selects.
    Adopt,
    /// A pod that it controls and no longer selects.
    Release,
}

/// The pods of a set with what they are to it, in order of creation.
pub(super) fn pods_of(reads: &Reads, tables: &Tables, set: ObjRef, spec: &DaemonSet, meta: &Meta) -> Vec<(ObjRef, Belongs)> {
    let selects = |pod: ObjRef| {
        let labels = reads.listing.row(pod).map(|row| row.labels);
        labels.is_some_and(|labels| tables.selectors.matches(spec.selector, &tables.labels, labels))
    };
    let mut found = Vec::new();
    for pod in reads.listing.controlled(set.uid).filter(|pod| reads.pods.get(*pod).is_some()) {
        found.push((pod, if selects(pod) { Belongs::Mine } else { Belongs::Release }));
    }
    let adoptable = |pod: &ObjRef| reads.metas.get(*pod).is_some_and(|meta| !meta.terminating()) && selects(*pod);
    let orphans = reads.listing.uncontrolled(Kind::Pod, meta.namespace).filter(adoptable);
    found.extend(orphans.map(|pod| (pod, Belongs::Adopt)));
    found.sort_by_key(|&(pod, _)| pod);
    found
}

/// The node that a pod which is not bound yet is meant for.
fn meant_for(class: &PodClass, tables: &Tables) -> Sym {
    let path = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    let name = class.raw.value().pointer(path).and_then(serde_json::Value::as_str);
    name.and_then(|name| tables.names.find(name)).unwrap_or_default()
}

fn pod_facts(reads: &Reads, tables: &Tables, pod: ObjRef, hash: Sym) -> Option<PodFacts> {
    let (meta, spec, status) = (reads.metas.get(pod)?, reads.pods.get(pod)?, reads.pod_statuses.get(pod)?);
    let ready = condition(&status.conditions, words::READY).filter(|ready| ready.status == ConditionStatus::True);
    let assigned = !spec.node.is_empty();
    Some(PodFacts {
        pod,
        name: meta.name,
        node: if assigned { spec.node } else { meant_for(tables.classes.get(spec.class), tables) },
        assigned,
        phase: status.phase,
        terminating: meta.terminating(),
        ready_at: ready.map(|ready| ready.transition_at.cut_to_second()),
        created_at: meta.created_at,
        updated: tables.labels.get(meta.labels, tables.texts.hash) == Some(hash),
    })
}

/// What a set's template needs of a node.
pub(super) fn needs(tables: &mut Tables, spec: &DaemonSet) -> Needs {
    let class = tables.classes.get(tables.classes.template(spec.template).class).clone();
    let template = spec.raw.at(&["template", "spec"]).cloned().unwrap_or_default();
    let asked = template.get("nodeName").and_then(serde_json::Value::as_str).unwrap_or("").to_string();
    let mut with = class.raw.value().clone();
    add_tolerations(&mut with);
    let id = tables.classes.class_of(&mut tables.names, &with);
    let class = tables.classes.get(id).clone();
    let asked = tables.names.sym(&asked);
    Needs::new(&mut tables.names, &class, asked)
}

/// Whether a set's pod should be on a node, and may stay there.
pub(super) fn wanted_on(reads: &Reads, tables: &mut Tables, needs: &Needs, node: ObjRef) -> Option<(Sym, (bool, bool))> {
    let (spec, meta, row) = (reads.nodes.get(node)?, reads.metas.get(node)?, reads.listing.row(node)?);
    let text = tables.names.render(meta.name);
    let name = tables.names.sym(&text);
    let view = NodeView { name, labels: row.labels, taints: &spec.taints };
    Some((name, needs.on(&view, &tables.labels, &tables.names)))
}

/// All nodes with the set's pods, in order of the nodes' creation, and pods that wait for a node which is not there.
pub(super) fn nodes(reads: &Reads, tables: &mut Tables, needs: &Needs, pods: &[ObjRef], hash: Sym) -> (Vec<OnNode>, Vec<ObjRef>) {
    let mut by_node: BTreeMap<Sym, Vec<PodFacts>> = BTreeMap::new();
    for &pod in pods {
        if let Some(facts) = pod_facts(reads, tables, pod, hash).filter(|pod| !(pod.phase.terminal() && pod.terminating)) {
            by_node.entry(facts.node).or_default().push(facts);
        }
    }
    let mut nodes = Vec::new();
    let objects: Vec<ObjRef> = reads.listing.of_kind(Kind::Node).collect();
    for node in objects {
        let Some((node, wanted)) = wanted_on(reads, tables, needs, node) else { continue };
        nodes.push(OnNode { node, wanted, pods: by_node.remove(&node).unwrap_or_default() });
    }
    let lost = by_node.into_values().flatten().filter(|pod| !pod.assigned && !pod.terminating);
    (nodes, lost.map(|pod| pod.pod).collect())
}

/// The revisions of a set, oldest first.
pub(super) fn revisions_of(reads: &Reads, tables: &mut Tables, set: ObjRef) -> Vec<Known> {
    let mut found = Vec::new();
    for object in reads.listing.controlled(set.uid) {
        let (Some(revision), Some(meta)) = (reads.revisions.get(object), reads.metas.get(object)) else { continue };
        // Pods carry the bare hash, which is the revision's label too.
        let hash = tables.labels.get(meta.labels, tables.texts.hash).unwrap_or_default();
        found.push(Known { object, name: hash, number: revision.revision, data: revision.data.clone() });
    }
    found.sort_by_key(|revision| (revision.number, revision.object));
    found
}
