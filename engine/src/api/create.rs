//! Creation of objects: names, identity, first state.

use crate::api::admit::admit_create;
use crate::api::commit::{Act, insert_value, logged_cause, text_of};
use crate::api::job_strategy;
use crate::api::log::{Entry, Log};
use crate::api::objects::{Demand, Objects, Row};
use crate::api::request::{NewObject, Refusal, Reply};
use crate::api::state::{Changes, StateValue};
use crate::api::store::Obj;
use crate::draw::draw;
use crate::hash::FixedState;
use crate::ids::{Kind, ObjRef, ObjectKey, Revision, Uid};
use crate::model::autoscaling::HorizontalPodAutoscalerStatus;
use crate::model::batch::{CronJobStatus, Job, JobStatus};
use crate::model::disruption::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use crate::model::kinds::Kinds;
use crate::model::meta::{Condition, ConditionStatus, Meta, OwnerRef, set_condition};
use crate::model::network::{Service, ServiceStatus};
use crate::model::opaque::Namespace;
use crate::model::pod::{Pod, PodStatus};
use crate::model::pod_class::{Classes, TemplateId};
use crate::model::revisioned::{DaemonSet, DaemonSetStatus, StatefulSet, StatefulSetStatus};
use crate::model::select::{SelectorId, Selectors};
use crate::model::storage::{PersistentVolumeClaimStatus, PersistentVolumeStatus};
use crate::model::workload::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetStatus};
use crate::names::{Name, Names, Sym};
use crate::record::events::Events;
use crate::record::fights::Fights;
use crate::record::journal::Journal;
use crate::record::tally::Tally;
use crate::simulation::Seed;
use crate::words;
use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use std::hash::BuildHasher;

/// How often the server draws a new suffix when a generated name is taken. Source: `spec/lifecycle.md` §1.
const GENERATE_TRIES: u64 = 8;

/// Creates an object.
///
/// # Errors
/// 404 for a missing namespace, 409 for a taken name, and what admission refuses.
pub(crate) fn create(world: &mut World, act: Act, mut new: NewObject) -> Result<Reply, Refusal> {
    check_namespace(world, &new)?;
    if new.meta.name == Name::default() {
        new.meta.name = generate_name(world, &new.meta)?;
    } else {
        let key = ObjectKey { kind: new.meta.kind, namespace: new.meta.namespace, name: new.meta.name };
        if world.resource::<Objects>().by_key(key).is_some() {
            let (resource, name) = text_of(world, key);
            return Err(Refusal::already_exists(&resource, &name));
        }
    }
    admit_create(world, act, &mut new)?;
    if new.meta.kind == Kind::Namespace {
        let names = world.resource::<Names>();
        if let Some(name) = names.find(&names.render(new.meta.name)) {
            world.resource_mut::<Events>().open(name);
        }
    }
    if new.meta.kind == Kind::Job {
        job_strategy::prepare(world, act, &mut new);
    }
    fill_in(&mut new);
    note_gates(world, act, &mut new);
    Ok(Reply::Created(store(world, act, new)))
}

/// The namespace that the last object was created in. ECS resource.
#[derive(Debug, Default, Resource)]
pub(crate) struct LastNamespace(Option<(Sym, ObjRef)>);

/// Source: `spec/lifecycle.md` §5.
fn check_namespace(world: &mut World, new: &NewObject) -> Result<(), Refusal> {
    let namespace = new.meta.namespace;
    if namespace.is_empty() {
        return Ok(());
    }
    let entity = match living_namespace(world, namespace) {
        Some(entity) => entity,
        None => return Err(Refusal::not_found("namespaces", world.resource::<Names>().text(namespace))),
    };
    if world.get::<Obj<Namespace>>(entity).is_some_and(|namespace| namespace.value().terminating) {
        let names = world.resource::<Names>();
        let resource = world.resource::<Kinds>().resource(new.meta.kind);
        let generated = new.meta.name == Name::default();
        let name = if generated { names.text(new.meta.generate_name).to_string() } else { names.render(new.meta.name) };
        let text = names.text(namespace);
        return Err(Refusal::forbidden(format!(
            "{resource} \"{name}\" is forbidden: unable to create new content in namespace {text} because it is being terminated"
        )));
    }
    Ok(())
}

/// The entity of a namespace that is there.
fn living_namespace(world: &mut World, namespace: Sym) -> Option<Entity> {
    let objects = world.resource::<Objects>();
    let known = world.resource::<LastNamespace>().0.filter(|(last, _)| *last == namespace);
    if let Some(row) = known.and_then(|(_, object)| objects.row(object)).filter(|row| row.gone == Revision::HEAD) {
        return Some(row.entity);
    }
    let names = world.resource::<Names>();
    let name = names.find_name(names.text(namespace))?;
    let found = objects.by_key(ObjectKey { kind: Kind::Namespace, namespace: Sym::EMPTY, name })?;
    let entity = objects.row(found)?.entity;
    world.resource_mut::<LastNamespace>().0 = Some((namespace, found));
    Some(entity)
}

/// Draws a suffix by the base and how many names were generated from it, so that objects elsewhere move nothing.
/// Source: `spec/lifecycle.md` §1.
fn generate_name(world: &mut World, meta: &Meta) -> Result<Name, Refusal> {
    let base = meta.generate_name;
    if base.is_empty() {
        return Err(Refusal::invalid("name or generateName is required".into()));
    }
    let seed = world.resource::<Seed>().0;
    let drawn = {
        let names = world.resource::<Names>();
        FixedState.hash_one((names.text(meta.namespace), names.text(base)))
    };
    let mut objects = world.resource_mut::<Objects>();
    for _ in 0..GENERATE_TRIES {
        let nth = objects.count_generated(meta.namespace, base);
        let name = Names::generated(base, (draw(seed, "name", drawn, nth) >> 16) as u32);
        if objects.by_key(ObjectKey { kind: meta.kind, namespace: meta.namespace, name }).is_none() {
            return Ok(name);
        }
    }
    let resource = world.resource::<Kinds>().resource(meta.kind);
    let text = world.resource::<Names>().text(base);
    let message = format!("{resource} \"{text}\" already exists, the server was not able to generate a unique name for the object");
    Err(Refusal { code: 409, reason: "AlreadyExists".into(), message })
}

/// Adds the parts that the kind has and that the request left out, and the first generation.
fn fill_in(new: &mut NewObject) {
    let has = |new: &NewObject, part: fn(&StateValue) -> bool| new.states.iter().any(part);
    match new.meta.kind {
        Kind::Pod if !has(new, |s| matches!(s, StateValue::PodStatus(_))) => new.states.push(PodStatus::default().into()),
        Kind::ReplicaSet | Kind::ReplicationController if !has(new, |s| matches!(s, StateValue::ReplicaSetStatus(_))) => {
            new.states.push(ReplicaSetStatus::default().into());
        }
        Kind::Service if !has(new, |s| matches!(s, StateValue::ServiceStatus(_))) => new.states.push(ServiceStatus::default().into()),
        Kind::Deployment if !has(new, |s| matches!(s, StateValue::DeploymentStatus(_))) => {
            new.states.push(DeploymentStatus::default().into());
        }
        Kind::HorizontalPodAutoscaler if !has(new, |s| matches!(s, StateValue::HorizontalPodAutoscalerStatus(_))) => {
            new.states.push(HorizontalPodAutoscalerStatus::default().into());
        }
        Kind::Job if !has(new, |s| matches!(s, StateValue::JobStatus(_))) => new.states.push(JobStatus::default().into()),
        Kind::CronJob if !has(new, |s| matches!(s, StateValue::CronJobStatus(_))) => new.states.push(CronJobStatus::default().into()),
        Kind::PodDisruptionBudget if !has(new, |s| matches!(s, StateValue::PodDisruptionBudgetStatus(_))) => {
            new.states.push(PodDisruptionBudgetStatus::default().into());
        }
        Kind::StatefulSet if !has(new, |s| matches!(s, StateValue::StatefulSetStatus(_))) => {
            new.states.push(StatefulSetStatus::default().into());
        }
        Kind::DaemonSet if !has(new, |s| matches!(s, StateValue::DaemonSetStatus(_))) => new.states.push(DaemonSetStatus::default().into()),
        Kind::PersistentVolumeClaim if !has(new, |s| matches!(s, StateValue::PersistentVolumeClaimStatus(_))) => {
            new.states.push(PersistentVolumeClaimStatus::default().into());
        }
        Kind::PersistentVolume if !has(new, |s| matches!(s, StateValue::PersistentVolumeStatus(_))) => {
            new.states.push(PersistentVolumeStatus::default().into());
        }
        Kind::Namespace if new.states.is_empty() => new.states.push(Namespace::default().into()),
        _ => {}
    }
    if has_generation(new.meta.kind) {
        // An object of time zero may have a past.
        new.meta.generation = new.meta.generation.max(1);
    }
}

/// A pod with scheduling gates says so from the start. Source: `pkg/registry/core/pod/strategy.go`, `applySchedulingGatedCondition`.
fn note_gates(world: &mut World, act: Act, new: &mut NewObject) {
    let gated = new.states.iter().any(|state| match state {
        StateValue::Pod(pod) => world.resource::<Classes>().get(pod.class).gated,
        _ => false,
    });
    if !gated {
        return;
    }
    let message = world.resource_mut::<Names>().sym("Scheduling is blocked due to non-empty scheduling gates");
    let (kind, status, reason) = (words::POD_SCHEDULED, ConditionStatus::False, words::SCHEDULING_GATED);
    let condition = Condition { kind, status, reason, message, transition_at: act.now, update_at: act.now };
    for state in &mut new.states {
        if let StateValue::PodStatus(status) = state {
            set_condition(&mut status.conditions, condition);
        }
    }
}

/// Source: `spec/lifecycle.md` §1.
fn has_generation(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pod
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::Deployment
            | Kind::EndpointSlice
            | Kind::Job
            | Kind::CronJob
            | Kind::PodDisruptionBudget
            | Kind::StatefulSet
            | Kind::DaemonSet
    )
}

fn store(world: &mut World, act: Act, mut new: NewObject) -> ObjRef {
    let mut objects = world.resource_mut::<Objects>();
    let object = objects.take_slot();
    let revision = objects.advance();
    let versions = (objects.instant(act.now), 1);
    resolve_owners(&objects, &mut new.meta);
    objects.note_owners(object, &new.meta.owners);
    new.meta.uid = object.uid;
    new.meta.created_at = act.now;
    let key = ObjectKey { kind: new.meta.kind, namespace: new.meta.namespace, name: new.meta.name };
    let (controller, labels) = (new.meta.controller_uid().unwrap_or_default(), new.meta.labels);
    let hash = FixedState.hash_one((&new.meta, &new.states));
    let mut journal = world.resource_mut::<Journal>();
    journal.fold(hash);
    let recording = journal.recording();
    let pod = new.states.iter().find_map(|state| if let StateValue::Pod(pod) = state { Some((pod.class, pod.node)) } else { None });
    let recorded = if recording { new.states.clone() } else { Vec::new() };
    let entity = spawn(world, revision, new);
    let node = pod.map_or(Sym::EMPTY, |(_, node)| node);
    let selector = selector_of(world, key.kind, entity);
    let row = Row { entity, object, key, created: revision, gone: Revision::HEAD, revision, controller, node, labels, selector, versions };
    let demand = demand_of(world, selector);
    let mut objects = world.resource_mut::<Objects>();
    objects.insert(row);
    if demand.is_some() {
        objects.note_demand(object, demand);
    }
    let entry = Entry {
        revision,
        at: act.now,
        changes: Changes::ADDED.or(Changes::CLAIMS.when(pod.is_some_and(|(class, _)| world.resource::<Classes>().get(class).has_claims()))),
        object,
        key,
        actor: act.actor,
        cause: logged_cause(world, revision, act.cause),
        controller,
        old_controller: Uid(0),
        labels,
        old_labels: labels,
        node,
    };
    if key.kind == Kind::Pod {
        world.resource_mut::<Tally>().pods_created += 1;
    }
    world.resource_mut::<Log>().push(entry);
    if recording {
        let mut lines = vec![Journal::added(world, &entry)];
        for state in &recorded {
            lines.extend(Journal::diff(world, act, object, revision, None, state));
        }
        world.resource_mut::<Journal>().add(lines);
    }
    world.resource_mut::<Journal>().entered(&entry);
    world.resource_mut::<Fights>().wrote(&entry, 1, 0);
    object
}

/// The entity of a new object. The parts of pods and nodes go in together: one by one they would move the others from table to table.
fn spawn(world: &mut World, revision: Revision, new: NewObject) -> Entity {
    let NewObject { meta, mut states } = new;
    if states.len() == 2
        && let (Some(second), Some(first)) = (states.pop(), states.pop())
    {
        match (first, second) {
            (StateValue::Pod(pod), StateValue::PodStatus(status)) => {
                return world.spawn((Obj::first(meta, revision), Obj::first(*pod, revision), Obj::first(*status, revision))).id();
            }
            (StateValue::Node(node), StateValue::NodeStatus(status)) => {
                return world.spawn((Obj::first(meta, revision), Obj::first(*node, revision), Obj::first(*status, revision))).id();
            }
            (first, second) => states.extend([first, second]),
        }
    }
    let entity = world.spawn(Obj::first(meta, revision)).id();
    for state in states {
        insert_value(world, entity, revision, state);
    }
    entity
}

/// Owners that a manifest names without an identity of this run are those with the same kind and name.
fn resolve_owners(objects: &Objects, meta: &mut Meta) {
    let namespace = meta.namespace;
    for owner in meta.owners.iter_mut().filter(|owner| owner.uid.is_none()) {
        let key = |namespace| ObjectKey { kind: owner.kind, namespace, name: owner.name };
        owner.uid = objects.by_key(key(namespace)).or_else(|| objects.by_key(key(Sym::EMPTY))).map(|found| found.uid);
    }
}

/// What a selector demands, for the index.
pub(crate) fn demand_of(world: &World, selector: Option<SelectorId>) -> Option<Demand> {
    selector.map(|selector| world.resource::<Selectors>().demanded(selector).unwrap_or_default())
}

/// The selector of an object of a kind that selects pods.
pub(crate) fn selector_of(world: &World, kind: Kind, entity: Entity) -> Option<SelectorId> {
    match kind {
        Kind::ReplicaSet | Kind::ReplicationController => world.get::<Obj<ReplicaSet>>(entity).map(|set| set.value().selector),
        Kind::Deployment => world.get::<Obj<Deployment>>(entity).map(|deployment| deployment.value().selector),
        Kind::Job => world.get::<Obj<Job>>(entity).map(|job| job.value().selector),
        Kind::PodDisruptionBudget => world.get::<Obj<PodDisruptionBudget>>(entity).and_then(|budget| budget.value().selector),
        Kind::StatefulSet => world.get::<Obj<StatefulSet>>(entity).map(|set| set.value().selector),
        Kind::DaemonSet => world.get::<Obj<DaemonSet>>(entity).map(|set| set.value().selector),
        Kind::Service => world.get::<Obj<Service>>(entity).and_then(|service| service.value().selector),
        _ => None,
    }
}

/// A pod as its controller makes it from a template. Source: `spec/workloads.md` §1.
pub(crate) fn pod_from_template(world: &World, template: TemplateId, namespace: Sym, generate_name: Sym, owner: OwnerRef) -> NewObject {
    let template = world.resource::<Classes>().template(template);
    let mut meta = Meta::new(Kind::Pod, namespace, Name::default());
    meta.generate_name = generate_name;
    meta.labels = template.labels;
    meta.annotations = template.annotations;
    meta.owners.push(owner);
    NewObject { meta, states: vec![Pod { class: template.class, node: Sym::EMPTY }.into(), PodStatus::default().into()] }
}
