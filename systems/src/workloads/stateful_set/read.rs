//! Reads a StatefulSet's pods and revisions into the facts that a sync works with.

use super::plan::PodFacts;
use super::{Reads, Tables};
use crate::workloads::revisions::Known;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::meta::{ConditionStatus, Meta, condition};
use wavetank_engine::model::revisioned::StatefulSet;
use wavetank_engine::words;

/// What a pod is to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    /// One of its pods.
    Mine,
    /// An orphan that it selects and whose name is one of the set's.
    Adopt,
    /// A pod that it controls and no longer selects.
    Release,
}

/// The pods of a set with what they are to it, in order of creation.
pub(super) fn pods_of(reads: &Reads, tables: &Tables, set: ObjRef, spec: &StatefulSet, meta: &Meta) -> Vec<(ObjRef, Belongs)> {
    let selects = |pod: ObjRef| {
        let labels = reads.listing.row(pod).map(|row| row.labels);
        labels.is_some_and(|labels| tables.selectors.matches(spec.selector, &tables.labels, labels))
    };
    let mut found = Vec::new();
    for pod in reads.listing.controlled(set.uid).filter(|pod| reads.pods.get(*pod).is_some()) {
        match (selects(pod), meta.terminating()) {
            (true, _) => found.push((pod, Belongs::Mine)),
            (false, false) => found.push((pod, Belongs::Release)),
            (false, true) => {}
        }
    }
    if !meta.terminating() {
        let adoptable = |pod: &ObjRef| {
            reads.metas.get(*pod).is_some_and(|pod| !pod.terminating() && ordinal_of(tables, meta, pod).is_some()) && selects(*pod)
        };
        let orphans = reads.listing.uncontrolled(Kind::Pod, meta.namespace).filter(adoptable);
        found.extend(orphans.map(|pod| (pod, Belongs::Adopt)));
    }
    found.sort_by_key(|&(pod, _)| pod);
    found
}

/// The number at the end of a pod's name, when the rest is the set's.
fn ordinal_of(tables: &Tables, set: &Meta, pod: &Meta) -> Option<u32> {
    let (name, set) = (tables.names.render(pod.name), tables.names.render(set.name));
    let digits = name.strip_prefix(&set)?.strip_prefix('-')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// What a sync looks at in a pod; `None` when its name is not one of the set's.
pub(super) fn pod_facts(reads: &Reads, tables: &Tables, set: &Meta, pod: ObjRef) -> Option<PodFacts> {
    let (meta, status) = (reads.metas.get(pod)?, reads.pod_statuses.get(pod)?);
    let ready = condition(&status.conditions, words::READY).filter(|ready| ready.status == ConditionStatus::True);
    Some(PodFacts {
        ordinal: ordinal_of(tables, set, meta)?,
        phase: status.phase,
        ready_at: ready.map(|ready| ready.transition_at.cut_to_second()),
        terminating: meta.terminating(),
        revision: tables.labels.get(meta.labels, tables.texts.revision).unwrap_or_default(),
    })
}

/// The revisions of a set, oldest first.
pub(super) fn revisions_of(reads: &Reads, tables: &mut Tables, set: ObjRef) -> Vec<Known> {
    let mut found = Vec::new();
    for object in reads.listing.controlled(set.uid) {
        let (Some(revision), Some(meta)) = (reads.revisions.get(object), reads.metas.get(object)) else { continue };
        let name = tables.names.render(meta.name);
        found.push(Known { object, name: tables.names.sym(&name), number: revision.revision, data: revision.data.clone() });
    }
    found.sort_by_key(|revision| (revision.number, revision.object));
    found
}
