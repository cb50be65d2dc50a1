//! Namespace controller: empties namespaces that are being deleted, then lets them go.
//!
//! | | |
//! |---|---|
//! | reads  | `Namespace`, `Meta`, `Pod`, `PodStatus`, `Objects` |
//! | writes | `Delete` of everything in the namespace; `Put` of `Namespace` |
//! | woken  | a namespace that is being deleted added or changed, five seconds later; its own timer |
//! | source | kubernetes v1.36, `pkg/controller/namespace/namespace_controller.go`; `deletion/namespaced_resources_deleter.go`, `Delete`; `spec/lifecycle.md` §5 |
//!
//! One sync of the original is a chain of turns here: deletion of the pods, then, once none is left, of all else, then conditions or the end.

use crate::texts::texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{Propagation, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::View;
use wavetank_engine::ids::{Kind, ObjRef, Revision, Uid};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::meta::{Condition, ConditionStatus, Meta, set_condition};
use wavetank_engine::model::opaque::Namespace;
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Events;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::{SimDuration, SimTime};

/// How long after a change of a namespace the controller looks at it.
pub const GRACE: SimDuration = SimDuration::from_secs(5);
/// How long objects that finalizers hold are given before the next look. Unit: seconds.
const FINALIZER_ESTIMATE_S: u64 = 15;

/// The controller's work queue.
pub struct NamespaceQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] =
    &[Wake { kind: Kind::Namespace, on: Changes::ADDED.or(Changes::DELETION).or(Changes::STATUS), whom: Whom::Itself }];

texts! {
    /// Words of the controller.
    NamespaceTexts {
        discovery = "NamespaceDeletionDiscoveryFailure",
        resources_discovered = "ResourcesDiscovered",
        all_discovered = "All resources successfully discovered",
        parsing = "NamespaceDeletionGroupVersionParsingFailure",
        parsed_group_versions = "ParsedGroupVersions",
        all_parsed = "All legacy kube types successfully parsed",
        content = "NamespaceDeletionContentFailure",
        content_deleted = "ContentDeleted",
        all_deleted = "All content successfully deleted, may be waiting on finalization",
        remaining = "NamespaceContentRemaining",
        content_removed = "ContentRemoved",
        all_removed = "All content successfully removed",
        some_resources_remain = "SomeResourcesRemain",
        finalizers = "NamespaceFinalizersRemaining",
        no_finalizers = "ContentHasNoFinalizers",
        all_finalizers = "All content-preserving finalizers finished",
        some_finalizers_remain = "SomeFinalizersRemain",
    }
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    sim.keep(Namespaces::default());
    let texts = NamespaceTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<NamespaceQueue, _, _>("namespaces", "namespace-controller", WAKES, sync);
}

/// When namespaces are looked at next, and how far a look has come. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct Namespaces {
    due_at: BTreeMap<Uid, SimTime>,
    stages: BTreeMap<Uid, Stage>,
}

/// What a look waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Deletion of the pods.
    Pods,
    /// Deletion of all else.
    Rest,
    /// Conditions, or the end.
    Report,
}

/// What the controller reads. The original asks the API server itself, not a cache.
#[derive(SystemParam)]
struct Reads<'w, 's> {
    namespaces: View<'w, 's, NamespaceQueue, Namespace>,
    metas: View<'w, 's, NamespaceQueue, Meta>,
    pods: View<'w, 's, NamespaceQueue, Pod>,
    statuses: View<'w, 's, NamespaceQueue, PodStatus>,
    objects: Res<'w, Objects>,
    kinds: Res<'w, Kinds>,
    classes: Res<'w, Classes>,
    texts: Res<'w, NamespaceTexts>,
}

/// What is left in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// How many objects of each resource (`pods.`, `deployments.apps`).
    pub resources: BTreeMap<String, u32>,
    /// How many objects hold each finalizer.
    pub finalizers: BTreeMap<String, u32>,
}

impl Left {
    /// The message of NamespaceContentRemaining.
    pub fn remaining(&self) -> String {
        let parts: Vec<String> =
            self.resources.iter().map(|(resource, count)| format!("{resource} has {count} resource instances")).collect();
        format!("Some resources are remaining: {}", parts.join(", "))
    }

    /// The message of NamespaceFinalizersRemaining.
    pub fn held(&self) -> String {
        let parts: Vec<String> =
            self.finalizers.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances")).collect();
        format!("Some content in the namespace has finalizers remaining: {}", parts.join(", "))
    }
}

fn sync(mut work: Work<NamespaceQueue>, reads: Reads, mut state: ResMut<Namespaces>, mut names: ResMut<Names>, mut events: ResMut<Events>) {
    while let Some(item) = work.pop() {
        let namespace = item.object;
        let going = reads.namespaces.get(namespace).filter(|found| found.terminating && !found.finalized);
        let Some(name) = going.and(reads.metas.get(namespace)).and_then(|meta| names.find(&names.render(meta.name))) else {
            state.due_at.remove(&namespace.uid);
            state.stages.remove(&namespace.uid);
            continue;
        };
        if let Some(stage) = state.stages.remove(&namespace.uid) {
            if item.woken {
                due(&mut work, &mut state, namespace, GRACE);
            }
            go_on(&mut work, &reads, (&mut state, &mut names), &item, (name, stage));
        } else if state.due_at.get(&namespace.uid).is_some_and(|&at| at <= work.now()) {
            state.due_at.remove(&namespace.uid);
            delete_pods(&mut work, &reads, (&mut state, &mut names), &item, name);
        } else if item.woken {
            due(&mut work, &mut state, namespace, GRACE);
        }
        // Events are among the rest, but no objects here.
        if matches!(state.stages.get(&namespace.uid), Some(Stage::Rest | Stage::Report)) && pods(&reads, name).is_empty() {
            events.delete_namespace(name);
        }
    }
}

/// Asks for a look after a delay. The earliest one asked for counts.
fn due(work: &mut Work<NamespaceQueue>, state: &mut Namespaces, namespace: ObjRef, delay: SimDuration) {
    let at = work.now() + delay;
    let due_at = state.due_at.get(&namespace.uid).map_or(at, |&known| known.min(at));
    state.due_at.insert(namespace.uid, due_at);
    work.wake_at(namespace, due_at);
}

fn living<'a>(reads: &'a Reads, namespace: Sym) -> impl Iterator<Item = (ObjRef, Kind)> + 'a {
    let rows = reads.objects.living().into_iter().filter(move |row| row.key.namespace == namespace);
    rows.map(|row| (row.object, row.key.kind))
}

fn pods(reads: &Reads, namespace: Sym) -> Vec<ObjRef> {
    reads.objects.in_namespace(Kind::Pod, namespace).filter(|row| row.gone == Revision::HEAD).map(|row| row.object).collect()
}

type Tables<'a> = (&'a mut Namespaces, &'a mut Names);

fn delete_pods(work: &mut Work<NamespaceQueue>, reads: &Reads, (state, names): Tables, item: &Item, name: Sym) {
    let pods = pods(reads, name);
    if pods.is_empty() {
        delete_rest(work, reads, (state, names), item, name);
        return;
    }
    for object in pods {
        work.ask(item, Verb::Delete { object, grace_s: None, propagation: Some(Propagation::Background) });
    }
    state.stages.insert(item.object.uid, Stage::Pods);
}

fn delete_rest(work: &mut Work<NamespaceQueue>, reads: &Reads, (state, names): Tables, item: &Item, name: Sym) {
    // Choice: the original takes resources in the order of a map; ours are in order of creation.
    let rest: Vec<ObjRef> = living(reads, name).map(|(object, _)| object).collect();
    if rest.is_empty() {
        report(work, reads, (state, names), item, (name, Left::default()));
        return;
    }
    for object in rest {
        work.ask(item, Verb::Delete { object, grace_s: None, propagation: Some(Propagation::Background) });
    }
    state.stages.insert(item.object.uid, Stage::Rest);
}

fn go_on(work: &mut Work<NamespaceQueue>, reads: &Reads, (state, names): Tables, item: &Item, (name, stage): (Sym, Stage)) {
    match stage {
        Stage::Pods if pods(reads, name).is_empty() => delete_rest(work, reads, (state, names), item, name),
        Stage::Pods => {
            let estimate_s = pod_estimate_s(work.now(), reads, item.object, name);
            if estimate_s > 0 {
                due(work, state, item.object, SimDuration::from_secs(estimate_s / 2 + 1));
            }
            // The conditions do not speak of the pods as long as these are waited for.
            put(work, reads, (state, names), item, &Left::default());
        }
        Stage::Rest => {
            let left = left(reads, names, name);
            report(work, reads, (state, names), item, (name, left));
        }
        Stage::Report => {}
    }
}

/// The longest grace of pods that have not ended, unless that much time has passed. Source: `estimateGracefulTerminationForPods`.
fn pod_estimate_s(now: SimTime, reads: &Reads, namespace: ObjRef, name: Sym) -> u64 {
    let live = pods(reads, name).into_iter().filter(|&pod| reads.statuses.get(pod).is_some_and(|status| !status.phase.terminal()));
    let grace = |pod: ObjRef| reads.pods.get(pod).map(|pod| u64::from(reads.classes.get(pod.class).grace_s));
    let estimate_s = live.filter_map(grace).max().unwrap_or(0);
    let since = reads.metas.get(namespace).and_then(|meta| meta.deletion).map_or(now, |deletion| deletion.requested_at);
    if now.since(since) > SimDuration::from_secs(estimate_s) { 0 } else { estimate_s }
}

fn left(reads: &Reads, names: &Names, name: Sym) -> Left {
    let mut left = Left::default();
    for (object, kind) in living(reads, name) {
        let resource = reads.kinds.resource(kind);
        let resource = if resource.contains('.') { resource } else { format!("{resource}.") };
        *left.resources.entry(resource).or_insert(0) += 1;
        for &finalizer in reads.metas.get(object).map_or(&[][..], |meta| &meta.finalizers) {
            *left.finalizers.entry(names.text(finalizer).to_string()).or_insert(0) += 1;
        }
    }
    left
}

/// Lets an empty namespace go, or says what is left of it.
fn report(work: &mut Work<NamespaceQueue>, reads: &Reads, (state, names): Tables, item: &Item, (_, left): (Sym, Left)) {
    if left.resources.is_empty() {
        let Some(namespace) = reads.namespaces.get(item.object) else { return };
        let value = Namespace { finalized: true, ..namespace.clone() }.into();
        work.ask(item, Verb::Put { object: item.object, expect: None, value });
        state.stages.insert(item.object.uid, Stage::Report);
        return;
    }
    if left.finalizers.is_empty() {
        work.retry(item.object);
        let again = work.now() + SimDuration::from_secs(1);
        state.due_at.entry(item.object.uid).or_insert(again);
    } else {
        due(work, state, item.object, SimDuration::from_secs(FINALIZER_ESTIMATE_S / 2 + 1));
    }
    put(work, reads, (state, names), item, &left);
}

/// Writes the conditions, if they differ.
fn put(work: &mut Work<NamespaceQueue>, reads: &Reads, (state, names): Tables, item: &Item, left: &Left) {
    let Some(namespace) = reads.namespaces.get(item.object) else { return };
    let mut new = namespace.clone();
    for condition in conditions(&reads.texts, names, left, work.now()) {
        set_condition(&mut new.conditions, condition);
    }
    if new != *namespace {
        work.ask(item, Verb::Put { object: item.object, expect: None, value: new.into() });
        state.stages.insert(item.object.uid, Stage::Report);
    }
}

fn conditions(texts: &NamespaceTexts, names: &mut Names, left: &Left, now: SimTime) -> Vec<Condition> {
    let condition = |kind, holds, reason, message| Condition {
        kind,
        status: if holds { ConditionStatus::True } else { ConditionStatus::False },
        reason,
        message,
        transition_at: now,
        update_at: SimTime::ZERO,
    };
    let (some, held) = (!left.resources.is_empty(), !left.finalizers.is_empty());
    let (remaining, finalizers) = (names.sym(&left.remaining()), names.sym(&left.held()));
    vec![
        condition(texts.discovery, false, texts.resources_discovered, texts.all_discovered),
        condition(texts.parsing, false, texts.parsed_group_versions, texts.all_parsed),
        condition(texts.content, false, texts.content_deleted, texts.all_deleted),
        if some {
            condition(texts.remaining, true, texts.some_resources_remain, remaining)
        } else {
            condition(texts.remaining, false, texts.content_removed, texts.all_removed)
        },
        if held {
            condition(texts.finalizers, true, texts.some_finalizers_remain, finalizers)
        } else {
            condition(texts.finalizers, false, texts.no_finalizers, texts.all_finalizers)
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_by_resource() {
        let mut left = Left::default();
        left.resources.extend([("pods.".to_string(), 2), ("deployments.apps".to_string(), 1)]);
        left.finalizers.insert("example.com/keep".into(), 1);
        assert_eq!(
            left.remaining(),
            "Some resources are remaining: deployments.apps has 1 resource instances, pods. has 2 resource instances"
        );
        assert_eq!(left.held(), "Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances");
    }
}
