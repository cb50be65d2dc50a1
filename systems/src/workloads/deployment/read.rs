//! Reads a Deployment and its ReplicaSets into a [`Snapshot`].

use super::annotations::Sets;
use super::rolling::SetFacts;
use super::snapshot::{SetSnapshot, Snapshot};
use super::template::same_template;
use super::template_hash::{replica_set_name, template_hash};
use super::{Reads, Tables};
use wavetank_engine::ids::{Kind, ObjRef, Revision};
use wavetank_engine::model::labels::LabelSetId;
use wavetank_engine::model::meta::{Meta, condition};
use wavetank_engine::model::workload::{Deployment, Strategy};
use wavetank_engine::names::Sym;
use wavetank_engine::time::SimDuration;
use wavetank_engine::words;

/// A set as it will be written: what a chain of writes has made of it so far.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Draft {
    /// The set.
    pub(super) object: ObjRef,
    /// Its revision as read, or after the last write of this sync.
    pub(super) revision: Revision,
    /// Annotations.
    pub(super) annotations: LabelSetId,
    /// `spec.replicas`.
    pub(super) replicas: i32,
    /// `spec.minReadySeconds`.
    pub(super) min_ready_s: u32,
}

/// What was read.
pub(super) struct Read {
    pub(super) snapshot: Snapshot,
    /// In the order of the snapshot's sets.
    pub(super) drafts: Vec<Draft>,
    /// Annotations that the new set should have; of a set to be created too, apart from the numbers of replicas.
    pub(super) new_annotations: LabelSetId,
    /// `pod-template-hash` of a set to be created.
    pub(super) hash: Option<String>,
}

/// ReplicaSets that a Deployment does not own yet and selects, and those that it owns and does not select any more.
pub(super) fn claims(reads: &Reads, tables: &Tables, object: ObjRef, deployment: &Deployment, meta: &Meta) -> (Vec<ObjRef>, Vec<ObjRef>) {
    let selects = |set: &ObjRef| {
        let labels = reads.metas.get(*set).map_or(LabelSetId::EMPTY, |meta| meta.labels);
        tables.selectors.matches(deployment.selector, &tables.labels, labels)
    };
    if meta.terminating() {
        return (Vec::new(), Vec::new());
    }
    let orphan = |set: &ObjRef| reads.metas.get(*set).is_some_and(|meta| !meta.terminating() && meta.controller().is_none());
    let adopt = reads.listing.uncontrolled(Kind::ReplicaSet, meta.namespace).filter(orphan).filter(selects).collect();
    let release = owned(reads, object).filter(|set| !selects(set)).collect();
    (adopt, release)
}

fn owned<'a>(reads: &'a Reads, deployment: ObjRef) -> impl Iterator<Item = ObjRef> + 'a {
    let is_set = |set: &ObjRef| reads.listing.row(*set).is_some_and(|row| row.key.kind == Kind::ReplicaSet);
    let ours = move |set: &ObjRef| reads.metas.get(*set).is_some_and(|meta| meta.controller_uid() == Some(deployment.uid));
    reads.listing.controlled(deployment.uid).filter(is_set).filter(ours)
}

/// Reads the Deployment and its sets.
pub(super) fn read(reads: &Reads, tables: &mut Tables, object: ObjRef, deployment: &Deployment, meta: &Meta) -> Read {
    let mut sets: Vec<ObjRef> = owned(reads, object).collect();
    let age = |set: &ObjRef| reads.metas.get(*set).expect("it was just listed").created_at.cut_to_second();
    let name = |set: &ObjRef| reads.metas.get(*set).expect("it was just listed").name;
    sets.sort_by(|a, b| age(a).cmp(&age(b)).then_with(|| tables.names.cmp_names(name(a), name(b))));
    let is_new = |set: &ObjRef| {
        let template = reads.sets.get(*set).expect("it was just listed").template;
        same_template(&tables.labels, &tables.classes, deployment.template, template)
    };
    let new = sets.iter().position(is_new);
    if let Some(new) = new {
        let set = sets.remove(new);
        sets.push(set);
    }
    let drafts: Vec<Draft> = sets.iter().map(|&set| draft(reads, set)).collect();
    let (old, new_draft) = match new {
        Some(_) => drafts.split_last().map_or((&[][..], None), |(new, old)| (old, Some(new))),
        None => (&drafts[..], None),
    };
    let mut texts = Sets { names: &mut tables.names, labels: &mut tables.labels };
    let next = old.iter().map(|set| texts.revision(set.annotations)).max().unwrap_or(0).max(0) + 1;
    let present = new_draft.map_or(LabelSetId::EMPTY, |new| new.annotations);
    let new_annotations = texts.of_new_set(&tables.texts, meta.annotations, present, next);
    let new_stale = new_draft.is_some_and(|new| new_annotations != new.annotations || new.min_ready_s != deployment.min_ready_s);
    let status = reads.statuses.get(object).expect("Deployments have a status").clone();
    let (new_name, hash) = new_name(reads, tables, deployment, meta, new_draft, status.collision_count);
    let snapshots = (0..sets.len()).map(|at| set_snapshot(reads, tables, &drafts[at], at)).collect();
    let name = tables.names.render(meta.name);
    let snapshot = Snapshot {
        name: tables.names.sym(&name),
        generation: meta.generation,
        deleting: meta.terminating(),
        replicas: deployment.replicas,
        paused: deployment.paused,
        strategy: deployment.strategy,
        history_limit: deployment.revision_history_limit,
        deadline: deployment.progress_deadline_s.map(|seconds| SimDuration::from_secs(u64::from(seconds))),
        status,
        revision: tables.labels.get(meta.annotations, words::REVISION).unwrap_or(Sym::EMPTY),
        next_revision: tables.names.sym(&next.to_string()),
        sets: snapshots,
        has_new: new.is_some(),
        new_stale,
        new_name,
        old_pods: deployment.strategy == Strategy::Recreate && old_pods(reads, &sets[..sets.len() - usize::from(new.is_some())]),
    };
    Read { snapshot, drafts, new_annotations, hash }
}

fn draft(reads: &Reads, object: ObjRef) -> Draft {
    let (set, meta) = (reads.sets.get(object).expect("it was just listed"), reads.metas.get(object).expect("it was just listed"));
    Draft {
        object,
        revision: reads.listing.revision(object),
        annotations: meta.annotations,
        replicas: set.replicas,
        min_ready_s: set.min_ready_s,
    }
}

/// Name of the new set as text; its hash when it has yet to be created.
fn new_name(
    reads: &Reads,
    tables: &mut Tables,
    deployment: &Deployment,
    meta: &Meta,
    new: Option<&Draft>,
    collisions: Option<u32>,
) -> (Sym, Option<String>) {
    let present = new.and_then(|new| reads.metas.get(new.object)).map(|meta| tables.names.render(meta.name));
    if let Some(text) = present {
        return (tables.names.sym(&text), None);
    }
    let hash = template_hash(deployment.raw.at(&["template"]).unwrap_or(&serde_json::Value::Null), collisions);
    let text = replica_set_name(&tables.names.render(meta.name), &hash);
    (tables.names.sym(&text), Some(hash))
}

fn set_snapshot(reads: &Reads, tables: &mut Tables, draft: &Draft, at: usize) -> SetSnapshot {
    let (meta, status) = (reads.metas.get(draft.object), reads.set_statuses.get(draft.object));
    let (meta, status) = (meta.expect("it was just listed"), status.expect("sets have a status"));
    let texts = Sets { names: &mut tables.names, labels: &mut tables.labels };
    let (desired, max) = texts.replicas(draft.annotations);
    let revision_number = texts.revision(draft.annotations);
    SetSnapshot {
        facts: SetFacts {
            replicas: draft.replicas,
            available: status.available,
            desired,
            max,
            created_at: meta.created_at.cut_to_second(),
            by_name: at as u32,
        },
        revision: tables.labels.get(draft.annotations, words::REVISION).unwrap_or(Sym::EMPTY),
        revision_number,
        status_replicas: status.replicas,
        ready: status.ready,
        terminating: status.terminating.unwrap_or(0),
        unobserved: meta.generation > status.observed_generation,
        deleting: meta.terminating(),
        failure: condition(&status.conditions, words::REPLICA_FAILURE).copied(),
    }
}

/// Whether a pod of an old set has not ended; asked only once the sets themselves have none left.
fn old_pods(reads: &Reads, old: &[ObjRef]) -> bool {
    let empty = |set: &&ObjRef| {
        let (spec, status) = (reads.sets.get(**set), reads.set_statuses.get(**set));
        spec.is_some_and(|spec| spec.replicas == 0) && status.is_some_and(|status| status.replicas == 0)
    };
    if !old.iter().all(|set| empty(&set)) {
        return true;
    }
    let mut pods = old.iter().flat_map(|set| reads.listing.controlled(set.uid));
    pods.any(|pod| reads.pod_statuses.get(pod).is_some_and(|status| !status.phase.terminal()))
}
