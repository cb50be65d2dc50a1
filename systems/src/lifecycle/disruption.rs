//! Disruption controller: keeps the status of PodDisruptionBudgets, by which evictions are allowed or not.
//!
//! | | |
//! |---|---|
//! | reads  | `PodDisruptionBudget` and its status, `Meta`, `PodStatus`, `ReplicaSet` (of ReplicationControllers too), `Deployment`, `StatefulSet` |
//! | writes | `Put` of `PodDisruptionBudgetStatus`; `Events` |
//! | woken  | a budget added or changed; a pod that it selects added, changed or gone; an eviction not confirmed for two minutes |
//! | source | kubernetes v1.36, `pkg/controller/disruption/disruption.go`, `trySync`; `spec/lifecycle.md` §11 |

pub mod budget;

use crate::texts::texts;
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::system::SystemParam;
use budget::{Judged, PodFacts, Scale, judge};
use serde_json::Value;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::disruption::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::{Condition, ConditionStatus, Meta, OwnerRef, set_condition};
use wavetank_engine::model::pod::PodStatus;
use wavetank_engine::model::revisioned::StatefulSet;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::model::workload::{Deployment, ReplicaSet};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::time::SimTime;

/// The controller's work queue.
pub struct Disruption;

const POD_CHANGES: Changes =
    Changes::ADDED.or(Changes::GONE).or(Changes::READY).or(Changes::DELETION).or(Changes::LABELS).or(Changes::OWNERS);

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::PodDisruptionBudget, on: Changes::ADDED.or(Changes::SPEC).or(Changes::STATUS), whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: POD_CHANGES, whom: Whom::Selecting(Kind::PodDisruptionBudget) },
];

texts! {
    /// Words of the controller.
    DisruptionTexts {
        controller = "controllermanager",
        text = "{}",
        disruption_allowed = "DisruptionAllowed",
        sufficient = "SufficientPods",
        insufficient = "InsufficientPods",
        sync_failed = "SyncFailed",
        no_pods = "NoPods",
        no_matching_pods = "No matching pods found",
        calculate_failed = "CalculateExpectedPodCountFailed",
        unmanaged_pods = "UnmanagedPods",
        not_deleted = "NotDeleted",
    }
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    let texts = DisruptionTexts::new(&mut sim.get_mut::<Names>());
    sim.resource(texts);
    sim.behaviour::<Disruption, _, _>("disruption", "disruption-controller", WAKES, sync);
}

/// What the controller reads.
#[derive(SystemParam)]
struct Reads<'w, 's> {
    budgets: View<'w, 's, Disruption, PodDisruptionBudget>,
    statuses: View<'w, 's, Disruption, PodDisruptionBudgetStatus>,
    metas: View<'w, 's, Disruption, Meta>,
    pod_statuses: View<'w, 's, Disruption, PodStatus>,
    sets: View<'w, 's, Disruption, ReplicaSet>,
    stateful_sets: View<'w, 's, Disruption, StatefulSet>,
    deployments: View<'w, 's, Disruption, Deployment>,
    listing: Listing<'w, Disruption>,
    kinds: Res<'w, Kinds>,
    labels: Res<'w, LabelSets>,
    selectors: Res<'w, Selectors>,
    texts: Res<'w, DisruptionTexts>,
}

fn sync(mut work: Work<Disruption>, reads: Reads, mut names: ResMut<Names>, mut events: ResMut<Events>) {
    while let Some(item) = work.pop() {
        if item.replies.iter().any(|reply| reply.refusal().is_some_and(|refusal| refusal.code != 404)) {
            work.retry(item.object);
            continue;
        }
        if reads.budgets.get(item.object).is_none() {
            work.forget(item.object);
        } else if item.woken {
            look(&mut work, &reads, &mut names, &mut events, &item);
        }
    }
}

/// The pods that a budget selects, in order of creation.
fn pods_of(reads: &Reads, budget: ObjRef) -> Vec<(ObjRef, PodFacts)> {
    let (Some(spec), Some(row)) = (reads.budgets.get(budget), reads.listing.row(budget)) else { return Vec::new() };
    let Some(selector) = spec.selector else { return Vec::new() };
    let pods = reads.listing.in_namespace(Kind::Pod, row.key.namespace);
    let selected =
        pods.filter(|&pod| reads.listing.row(pod).is_some_and(|row| reads.selectors.matches(selector, &reads.labels, row.labels)));
    selected
        .filter_map(|pod| {
            let (meta, status) = (reads.metas.get(pod)?, reads.pod_statuses.get(pod)?);
            Some((pod, PodFacts { name: meta.name, deleting: meta.terminating(), ready: status.ready() }))
        })
        .collect()
}

/// The scale of the controller of a pod. Source: `getExpectedScale` and its finders.
fn scale_of(reads: &Reads, names: &Names, pod: ObjRef) -> Result<Scale, String> {
    let Some(meta) = reads.metas.get(pod) else { return Ok(Scale::Unmanaged) };
    let Some(owner) = meta.controller() else { return Ok(Scale::Unmanaged) };
    let found = owner.uid.and_then(|uid| reads.listing.by_uid(uid)).and_then(|owner| replicas(reads, owner));
    if let Some(scale) = found {
        return Ok(scale);
    }
    if matches!(owner.kind, Kind::ReplicaSet | Kind::ReplicationController | Kind::Deployment | Kind::StatefulSet) {
        return Err(format!("found no controllers for pod {:?}", names.render(meta.name)));
    }
    Err(no_scale(reads, owner))
}

fn no_scale(reads: &Reads, owner: &OwnerRef) -> String {
    let info = reads.kinds.info(owner.kind);
    if matches!(owner.kind, Kind::Other(_)) && info.api_version != "apps/v1" {
        return no_match(&info.kind, &info.api_version);
    }
    format!("{} does not implement the scale subresource", reads.kinds.resource(owner.kind))
}

/// What is said of a controller whose kind the API server does not have.
pub fn no_match(kind: &str, api_version: &str) -> String {
    format!("no matches for kind {kind:?} in version {api_version:?}")
}

fn replicas(reads: &Reads, controller: ObjRef) -> Option<Scale> {
    if let Some(set) = reads.sets.get(controller) {
        let deployment = reads.metas.get(controller).and_then(Meta::controller_uid).and_then(|uid| reads.listing.by_uid(uid));
        let wanted = deployment.and_then(|found| Some(Scale::Of(found.uid, reads.deployments.get(found)?.replicas)));
        return wanted.or(Some(Scale::Of(controller.uid, set.replicas)));
    }
    reads.stateful_sets.get(controller).map(|set| Scale::Of(controller.uid, set.replicas))
}

fn look(work: &mut Work<Disruption>, reads: &Reads, names: &mut Names, events: &mut Events, item: &Item) {
    let (Some(spec), Some(status), Some(meta)) =
        (reads.budgets.get(item.object), reads.statuses.get(item.object), reads.metas.get(item.object))
    else {
        return;
    };
    let (now, texts) = (work.now(), &*reads.texts);
    let pods = pods_of(reads, item.object);
    let facts: Vec<PodFacts> = pods.iter().map(|pod| pod.1).collect();
    let mut tell = |about: ObjRef, warning: bool, reason: Sym, message: Sym| {
        let Some(row) = reads.listing.row(about) else { return };
        let args = &[Arg::Text(message)];
        let report = Report { about: row.key, uid: about.uid, source: texts.controller, warning, reason, words: texts.text, args };
        events.report(now, report);
    };
    if pods.is_empty() {
        tell(item.object, false, texts.no_pods, texts.no_matching_pods);
    }
    let judged = judge(spec, status, &facts, &mut |at| scale_of(reads, names, pods[at].0), now);
    let new = match judged {
        Err(error) => {
            let event = names.sym(&format!("Failed to calculate the number of expected pods: {error}"));
            tell(item.object, true, texts.calculate_failed, event);
            work.retry(item.object);
            failed(status, names.sym(&error), texts, now)
        }
        Ok(judged) => {
            if judged.unmanaged {
                let selector = spec.raw.at(&["selector"]).map_or(String::new(), Value::to_string);
                tell(item.object, true, texts.unmanaged_pods, names.sym(&unmanaged_message(&selector)));
            }
            let (namespace, name) = (names.text(meta.namespace).to_string(), names.render(meta.name));
            for &at in &judged.not_deleted {
                let message = names.sym(&format!("Pod was expected by PDB {namespace}/{name} to be deleted but it wasn't"));
                tell(pods[at].0, true, texts.not_deleted, message);
            }
            if let Some(at) = judged.recheck_at {
                work.wake_at(item.object, at);
            }
            work.forget(item.object);
            updated(status, judged, meta.generation, (texts.disruption_allowed, texts.sufficient, texts.insufficient), now)
        }
    };
    if new != *status {
        let expect = Some(reads.listing.revision(item.object));
        work.ask(item, Verb::Put { object: item.object, expect, value: new.into() });
    }
}

fn unmanaged_message(selector: &str) -> String {
    format!(
        "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the status of the PDB \
         cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \
         \".spec.minAvailable\" field of the PDB to an integer value."
    )
}

/// The status after a judgement. `words`: the condition's type, and its reasons when pods may go and when none may.
pub fn updated(
    old: &PodDisruptionBudgetStatus,
    judged: Judged,
    generation: u32,
    words: (Sym, Sym, Sym),
    now: SimTime,
) -> PodDisruptionBudgetStatus {
    let mut conditions = old.conditions.clone();
    let (status, reason) = if judged.allowed > 0 { (ConditionStatus::True, words.1) } else { (ConditionStatus::False, words.2) };
    set_condition(
        &mut conditions,
        Condition { kind: words.0, status, reason, message: Sym::EMPTY, transition_at: now, update_at: SimTime::ZERO },
    );
    PodDisruptionBudgetStatus {
        disruptions_allowed: judged.allowed,
        current_healthy: judged.current,
        desired_healthy: judged.desired,
        expected_pods: judged.expected,
        observed_generation: generation,
        disrupted_pods: judged.disrupted,
        conditions,
    }
}

/// The status when the number of expected pods cannot be known: nothing may go.
fn failed(old: &PodDisruptionBudgetStatus, error: Sym, texts: &DisruptionTexts, now: SimTime) -> PodDisruptionBudgetStatus {
    failed_status(old, (texts.disruption_allowed, texts.sync_failed, error), now)
}

/// The status when the number of expected pods cannot be known. `words`: the condition's type, reason and message.
pub fn failed_status(old: &PodDisruptionBudgetStatus, words: (Sym, Sym, Sym), now: SimTime) -> PodDisruptionBudgetStatus {
    let mut new = PodDisruptionBudgetStatus { disruptions_allowed: 0, ..old.clone() };
    let (kind, reason, message) = words;
    let status = ConditionStatus::False;
    set_condition(&mut new.conditions, Condition { kind, status, reason, message, transition_at: now, update_at: SimTime::ZERO });
    new
}
