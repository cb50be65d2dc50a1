//! Reads a Job and its pods into the facts that a sync works with.

use super::pods::PodFacts;
use super::{Reads, Tables};
use wavetank_engine::ids::{ObjRef, Uid};
use wavetank_engine::model::meta::{ConditionStatus, Meta, condition};
use wavetank_engine::model::pod::{ContainerState, ContainerStatus, PodStatus};
use wavetank_engine::model::pod_class::Container;
use wavetank_engine::names::Sym;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// What a pod is to a Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    /// One of its pods.
    Mine,
    /// An orphan that it selects.
    Adopt,
    /// A pod that it controls and no longer selects.
    Release,
}

/// The pods of a Job with what they are to it, in order of creation.
pub(super) fn pods_of(reads: &Reads, tables: &Tables, job: ObjRef) -> Vec<(ObjRef, Belongs)> {
    let (Some(spec), Some(meta)) = (reads.jobs.get(job), reads.metas.get(job)) else { return Vec::new() };
    let selects = |pod: ObjRef| {
        let labels = reads.listing.row(pod).map(|row| row.labels);
        labels.is_some_and(|labels| tables.selectors.matches(spec.selector, &tables.labels, labels))
    };
    let mut found = Vec::new();
    for pod in reads.listing.controlled(job.uid) {
        match (selects(pod), meta.terminating()) {
            (true, _) => found.push((pod, Belongs::Mine)),
            (false, false) => found.push((pod, Belongs::Release)),
            (false, true) => {}
        }
    }
    if !meta.terminating() {
        let orphans = reads.listing.uncontrolled(wavetank_engine::ids::Kind::Pod, meta.namespace);
        let adoptable = |pod: &ObjRef| {
            reads.metas.get(*pod).is_some_and(|meta| !meta.terminating() && meta.controller_uid().unwrap_or_default() == Uid(0))
                && selects(*pod)
        };
        found.extend(orphans.filter(adoptable).map(|pod| (pod, Belongs::Adopt)));
    }
    found.sort_by_key(|&(pod, _)| pod);
    found
}

/// What a sync looks at in a pod that the controller knows.
pub(super) fn pod_facts(reads: &Reads, tables: &Tables, pod: ObjRef) -> Option<PodFacts> {
    let (meta, spec, status) = (reads.metas.get(pod)?, reads.pods.get(pod)?, reads.pod_statuses.get(pod)?);
    let class = tables.classes.get(spec.class);
    let annotation = |key: Sym| tables.labels.get(meta.annotations, key).map(|value| tables.names.text(value));
    let number = |key: Sym| annotation(key).and_then(|text| text.parse::<u32>().ok());
    let all = || status.init_containers.iter().chain(&status.containers);
    let ready = condition(&status.conditions, words::READY);
    Some(PodFacts {
        uid: pod.uid,
        name: meta.name,
        phase: status.phase,
        assigned: !spec.node.is_empty(),
        deleting: meta.terminating(),
        ready: status.ready(),
        ready_at: ready.map_or(SimTime::ZERO, |ready| ready.transition_at.cut_to_second()),
        tracked: meta.finalizers.contains(&tables.texts.tracking),
        index: number(tables.texts.completion_index),
        index_failures: (
            number(tables.texts.index_failure_count).unwrap_or(0),
            number(tables.texts.index_ignored_failure_count).unwrap_or(0),
        ),
        restarts: all().map(|container| container.restarts).sum(),
        restarts_max: status.containers.iter().map(|container| container.restarts).max().unwrap_or(0),
        created_at: meta.created_at.cut_to_second(),
        finished_at: finished_at(meta, status),
        exits: exits(&status.containers, &class.containers).chain(exits(&status.init_containers, &class.init_containers)).collect(),
        conditions: status.conditions.iter().map(|condition| (condition.kind, condition.status)).collect(),
    })
}

fn exits<'a>(statuses: &'a [ContainerStatus], containers: &'a [Container]) -> impl Iterator<Item = (Sym, i32)> + 'a {
    statuses.iter().zip(containers).filter_map(|(status, container)| match status.state {
        ContainerState::Terminated(end) => Some((container.name, end.exit_code)),
        ContainerState::Waiting { .. } | ContainerState::Running { .. } => None,
    })
}

/// Source: kubernetes v1.36, `pkg/controller/job/backoff_utils.go`, `getFinishedTime`.
fn finished_at(meta: &Meta, status: &PodStatus) -> SimTime {
    let ends: Option<Vec<SimTime>> = status
        .containers
        .iter()
        .map(|container| match container.state {
            ContainerState::Terminated(end) => Some(end.finished_at),
            ContainerState::Waiting { .. } | ContainerState::Running { .. } => None,
        })
        .collect();
    let of_containers = ends.and_then(|ends| ends.into_iter().max());
    let unready = condition(&status.conditions, words::READY).filter(|ready| ready.status == ConditionStatus::False);
    let of_deletion = meta.deletion.map(|deletion| deletion.at - SimDuration::from_secs(u64::from(deletion.grace_s)));
    let known = of_containers.or(unready.map(|ready| ready.transition_at)).or(of_deletion);
    known.unwrap_or(meta.created_at).cut_to_second()
}
