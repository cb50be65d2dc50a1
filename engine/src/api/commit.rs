//! The API server: the one writer. It turns requests into changed objects, one log entry each, and answers.

use crate::api::admit::{admit_delete, admit_update};
use crate::api::create;
use crate::api::log::{Entry, Log};
use crate::api::namespace;
use crate::api::objects::{Objects, Row};
use crate::api::queue::Queues;
use crate::api::request::{Actor, Propagation, Refusal, Reply, Request, Verb};
use crate::api::state::{Changes, State, StateValue};
use crate::api::store::{Obj, Versions};
use crate::hash::FixedState;
use crate::ids::{Kind, ObjRef, ObjectKey, Revision};
use crate::model::kinds::Kinds;
use crate::model::meta::{Condition, Deletion, Meta};
use crate::model::pod::{Pod, PodAllocation, PodStatus};
use crate::names::{Names, Sym};
use crate::record::fights::Fights;
use crate::record::journal::Journal;
use crate::record::tally::{Counted, Tally};
use crate::simulation::clock::Clock;
use crate::time::{SimDuration, SimTime};
use crate::words;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use std::hash::BuildHasher;

/// Whether older versions of components are kept for parties behind the head. ECS resource.
#[derive(Debug, Clone, Copy, Default, Resource)]
pub(crate) struct KeepVersions(pub bool);

/// Who writes, why, and when: what every log entry has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Act {
    pub actor: Actor,
    pub cause: Revision,
    pub now: SimTime,
}

/// Carries out one request and delivers its reply to the asker's queue.
pub(crate) fn serve(world: &mut World, request: Request) {
    let now = world.resource::<Clock>().now;
    let act = Act { actor: request.actor, cause: request.cause, now };
    let reply = match carry_out(world, act, request.verb) {
        Ok(reply) => reply,
        Err(refusal) => Reply::Refused(Box::new(refusal)),
    };
    if let Reply::Refused(refusal) = &reply {
        world.resource_mut::<crate::record::refusals::Refusals>().note(act.actor, refusal);
    }
    if let Some((queue, key)) = request.reply_to {
        world.resource_mut::<Queues>().reply(queue, key, reply);
    }
}

/// Carries out what is asked.
///
/// # Errors
/// The refusal, as the original words it.
pub(crate) fn carry_out(world: &mut World, act: Act, verb: Verb) -> Result<Reply, Refusal> {
    match verb {
        Verb::Create(new) => create::create(world, act, *new),
        Verb::CreatePod { template, namespace, generate_name, owner } => {
            let new = create::pod_from_template(world, template, namespace, generate_name, owner);
            create::create(world, act, new)
        }
        Verb::Put { object, expect, value } => put(world, act, object, expect, [value]),
        Verb::PutAll { object, expect, values } => put(world, act, object, expect, values),
        Verb::ReportPod { pod, status } => report_pod(world, act, pod, status),
        Verb::PatchPod { pod, condition, nominated_node } => {
            patch_pod(world, act, pod, condition.map(|condition| *condition), nominated_node)
        }
        Verb::Bind { pod, node } => bind(world, act, pod, node),
        Verb::Scale { object, replicas } => {
            living(world, object)?;
            let entity = world.resource::<Objects>().row(object).expect("it lives").entity;
            let value = crate::api::scale::scaled(world, entity, replicas)?;
            put(world, act, object, None, [value])
        }
        Verb::Evict { pod, grace_s } => crate::api::eviction::evict(world, act, pod, grace_s),
        Verb::Delete { object, grace_s, propagation } => delete(world, act, object, grace_s, propagation),
    }
}

/// Writes parts of an object; `values` is one value in place or a list.
fn put<V>(world: &mut World, act: Act, object: ObjRef, expect: Option<Revision>, mut values: V) -> Result<Reply, Refusal>
where
    V: AsRef<[StateValue]> + AsMut<[StateValue]> + IntoIterator<Item = StateValue>,
{
    let key = living(world, object)?;
    if let Some(expect) = expect
        && world.resource::<Objects>().row(object).expect("it lives").revision != expect
    {
        let (resource, name) = text_of(world, key);
        return Err(Refusal::conflict(&resource, &name));
    }
    admit_update(world, act, object, values.as_mut())?;
    let may_release = values.as_ref().iter().any(|value| matches!(value, StateValue::Meta(_) | StateValue::Namespace(_)));
    let revision = write(world, act, object, values);
    if may_release {
        finish_if_released(world, act, object);
    }
    Ok(Reply::Done(revision.unwrap_or_else(|| world.resource::<Objects>().row(object).expect("it lived").revision)))
}

/// Source: `spec/kubelet.md` §5, `pkg/kubelet/status/status_manager.go`, `mergePodStatus`.
fn report_pod(world: &mut World, act: Act, pod: ObjRef, mut status: Box<PodStatus>) -> Result<Reply, Refusal> {
    let key = living(world, pod)?;
    let row = *world.resource::<Objects>().row(pod).expect("it lives");
    let Some(stored) = world.get::<Obj<PodStatus>>(row.entity).map(Obj::value) else {
        let (resource, name) = text_of(world, key);
        return Err(Refusal::not_found(&resource, &name));
    };
    for new in &mut status.conditions {
        let Some(old) = crate::model::meta::condition(&stored.conditions, new.kind).filter(|old| old.status == new.status) else {
            continue;
        };
        new.transition_at = old.transition_at;
        if (old.reason, old.message) == (new.reason, new.message) {
            new.update_at = old.update_at;
        }
    }
    let resized = |kind: Sym| kind == words::POD_RESIZE_PENDING || kind == words::POD_RESIZE_IN_PROGRESS;
    for old in stored.conditions.iter().filter(|old| !resized(old.kind)) {
        if crate::model::meta::condition(&status.conditions, old.kind).is_none() {
            status.conditions.push(*old);
        }
    }
    status.nominated_node = stored.nominated_node;
    let revision = write(world, act, pod, [StateValue::PodStatus(status)]);
    Ok(Reply::Done(revision.unwrap_or(row.revision)))
}

fn patch_pod(world: &mut World, act: Act, pod: ObjRef, condition: Option<Condition>, nominated: Option<Sym>) -> Result<Reply, Refusal> {
    let key = living(world, pod)?;
    let row = *world.resource::<Objects>().row(pod).expect("it lives");
    let Some(mut status) = world.get::<Obj<PodStatus>>(row.entity).map(|cell| cell.value.clone()) else {
        let (resource, name) = text_of(world, key);
        return Err(Refusal::not_found(&resource, &name));
    };
    if let Some(condition) = condition {
        crate::model::meta::set_condition(&mut status.conditions, condition);
    }
    if let Some(node) = nominated {
        status.nominated_node = node;
    }
    let revision = write(world, act, pod, [status.into()]);
    Ok(Reply::Done(revision.unwrap_or(row.revision)))
}

/// Source: `spec/lifecycle.md` §2, `pkg/registry/core/pod/storage/storage.go`, `assignPod`.
fn bind(world: &mut World, act: Act, pod: ObjRef, node: Sym) -> Result<Reply, Refusal> {
    let key = living(world, pod)?;
    let entity = world.resource::<Objects>().row(pod).expect("it lives").entity;
    let Some(cell) = world.get::<Obj<Pod>>(entity) else {
        let (resource, name) = text_of(world, key);
        return Err(Refusal::not_found(&resource, &name));
    };
    let mut bound = cell.value.clone();
    if !bound.node.is_empty() {
        let names = world.resource::<Names>();
        let message = format!(
            "Operation cannot be fulfilled on pods/binding \"{}\": pod {0} is already assigned to node \"{}\"",
            names.render(key.name),
            names.text(bound.node)
        );
        return Err(Refusal { code: 409, reason: "Conflict".into(), message });
    }
    bound.node = node;
    let mut status = world.get::<Obj<PodStatus>>(entity).expect("pods have a status").value.clone();
    let scheduled = crate::model::meta::Condition {
        kind: words::POD_SCHEDULED,
        status: crate::model::meta::ConditionStatus::True,
        reason: Sym::EMPTY,
        message: Sym::EMPTY,
        transition_at: act.now,
        update_at: act.now,
    };
    crate::model::meta::set_condition(&mut status.conditions, scheduled);
    status.nominated_node = Sym::EMPTY;
    let revision = write(world, act, pod, [bound.into(), status.into()]);
    Ok(Reply::Done(revision.expect("a binding changes the pod")))
}

/// Source: `spec/lifecycle.md` §3.
pub(crate) fn delete(
    world: &mut World,
    act: Act,
    object: ObjRef,
    grace_s: Option<u32>,
    propagation: Option<Propagation>,
) -> Result<Reply, Refusal> {
    let key = living(world, object)?;
    admit_delete(world, act, object)?;
    let row = *world.resource::<Objects>().row(object).expect("it lives");
    let mut meta = world.get::<Obj<Meta>>(row.entity).expect("every object has metadata").value.clone();
    if key.kind == Kind::Namespace
        && let Some(reply) = namespace::delete(world, act, object, &meta)?
    {
        return Ok(reply);
    }
    let before = meta.clone();
    if key.kind == Kind::Pod {
        let grace_s = pod_grace(world, object, grace_s);
        match meta.deletion {
            None => begin_deletion(&mut meta, act.now, grace_s),
            Some(old) if old.grace_s > 0 && grace_s < old.grace_s => {
                let at = SimTime(
                    (old.at - SimDuration::from_secs(u64::from(old.grace_s)) + SimDuration::from_secs(u64::from(grace_s))).0.max(act.now.0),
                );
                let grace_s = if at == act.now && grace_s > 0 { 1 } else { grace_s };
                meta.deletion = Some(Deletion { at, grace_s, ..old });
            }
            Some(old) if old.grace_s > 0 => return Ok(Reply::Done(row.revision)),
            Some(_) => {}
        }
    }
    match propagation {
        Some(Propagation::Orphan) => set_gc_finalizer(&mut meta, Some(words::ORPHAN)),
        Some(Propagation::Foreground) => set_gc_finalizer(&mut meta, Some(words::FOREGROUND_DELETION)),
        Some(Propagation::Background) => set_gc_finalizer(&mut meta, None),
        // Source: `spec/workloads.md` §1, "Default propagation".
        None if matches!(key.kind, Kind::Job | Kind::ReplicationController) && !has_gc_finalizer(&meta) => {
            set_gc_finalizer(&mut meta, Some(words::ORPHAN))
        }
        None => {}
    }
    let held = !meta.finalizers.is_empty() || key.kind == Kind::Pod && meta.deletion.is_some_and(|d| d.grace_s > 0);
    if !held && key.kind != Kind::Pod {
        return Ok(Reply::Done(remove(world, act, object)));
    }
    if meta.deletion.is_none() {
        begin_deletion(&mut meta, act.now, 0);
    }
    let revision = if meta == before { None } else { write(world, act, object, [meta.into()]) };
    if held { Ok(Reply::Done(revision.unwrap_or(row.revision))) } else { Ok(Reply::Done(remove(world, act, object))) }
}

pub(crate) fn begin_deletion(meta: &mut Meta, now: SimTime, grace_s: u32) {
    meta.deletion = Some(Deletion { requested_at: now, at: now + SimDuration::from_secs(u64::from(grace_s)), grace_s });
    if meta.generation > 0 {
        meta.generation += 1;
    }
}

fn has_gc_finalizer(meta: &Meta) -> bool {
    meta.finalizers.iter().any(|f| *f == words::ORPHAN || *f == words::FOREGROUND_DELETION)
}

fn set_gc_finalizer(meta: &mut Meta, wanted: Option<Sym>) {
    meta.finalizers.retain(|f| *f != words::ORPHAN && *f != words::FOREGROUND_DELETION);
    meta.finalizers.extend(wanted);
}

/// Grace that a deletion of a pod gives it: none when it is not bound or has ended. Source: `spec/lifecycle.md` §3.2.
fn pod_grace(world: &World, pod: ObjRef, asked_s: Option<u32>) -> u32 {
    let row = world.resource::<Objects>().row(pod).expect("it lives");
    let ended = world.get::<Obj<PodStatus>>(row.entity).is_some_and(|status| status.value.phase.terminal());
    if row.node.is_empty() || ended {
        return 0;
    }
    asked_s.unwrap_or_else(|| {
        let class = world.get::<Obj<Pod>>(row.entity).expect("pods have a spec").value.class;
        world.resource::<crate::model::pod_class::Classes>().get(class).grace_s
    })
}

/// An object whose deletion was held and that nothing holds any more is removed with the write that released it.
fn finish_if_released(world: &mut World, act: Act, object: ObjRef) {
    let Some(row) = world.resource::<Objects>().row(object).copied().filter(|row| row.gone == Revision::HEAD) else { return };
    let meta = &world.get::<Obj<Meta>>(row.entity).expect("every object has metadata").value;
    if meta.finalizers.is_empty() && meta.deletion.is_some_and(|deletion| deletion.grace_s == 0) && !namespace::holds(world, row.entity) {
        remove(world, act, object);
    }
}

pub(crate) fn living(world: &World, object: ObjRef) -> Result<ObjectKey, Refusal> {
    match world.resource::<Objects>().row(object) {
        Some(row) if row.gone == Revision::HEAD => Ok(row.key),
        Some(row) => {
            let (resource, name) = text_of(world, row.key);
            Err(Refusal::not_found(&resource, &name))
        }
        None => Err(Refusal::not_found("objects", &format!("uid {}", object.uid.0))),
    }
}

pub(crate) fn text_of(world: &World, key: ObjectKey) -> (String, String) {
    (world.resource::<Kinds>().resource(key.kind), world.resource::<Names>().render(key.name))
}

/// Writes parts of an object in one version. `None` when nothing differs: no version, no entry.
pub(crate) fn write(world: &mut World, act: Act, object: ObjRef, values: impl IntoIterator<Item = StateValue>) -> Option<Revision> {
    let objects = world.resource::<Objects>();
    let row = objects.row(object).expect("only living objects are written");
    let (entity, kind, revision) = (row.entity, row.key.kind, Revision(objects.head().0 + 1));
    let mut changes = Changes::default();
    for value in values {
        changes = changes.or(write_value(world, act, entity, object, revision, value));
    }
    if changes == Changes::default() {
        return None;
    }
    if changes.meets(Changes::SPEC) && kind != Kind::Pod {
        bump_generation(world, act, entity, object, revision);
    }
    enter(world, act, object, entity, revision, changes);
    Some(revision)
}

fn bump_generation(world: &mut World, act: Act, entity: bevy_ecs::entity::Entity, object: ObjRef, revision: Revision) {
    let mut meta = world.get::<Obj<Meta>>(entity).expect("every object has metadata").value.clone();
    if meta.generation > 0 {
        meta.generation += 1;
        write_one(world, act, entity, object, revision, meta);
    }
}

/// Takes the revision, brings the index up to date and enters the write into the log.
fn enter(world: &mut World, act: Act, object: ObjRef, entity: bevy_ecs::entity::Entity, revision: Revision, changes: Changes) {
    let listed = changes.meets(LISTED).then(|| relist(world, object, entity, changes));
    let mut objects = world.resource_mut::<Objects>();
    assert_eq!(objects.advance(), revision, "one revision for each write");
    let (old, new) = objects.update(object, act.now, |row| {
        row.revision = revision;
        if let Some(change) = listed {
            change(row);
        }
    });
    let living = objects.len();
    let entry = Entry {
        revision,
        at: act.now,
        changes,
        object,
        key: old.key,
        actor: act.actor,
        cause: logged_cause(world, revision, act.cause),
        controller: new.controller,
        old_controller: old.controller,
        labels: new.labels,
        old_labels: old.labels,
        node: new.node,
    };
    if old.key.kind == Kind::Pod && changes.meets(Changes::PLACEMENT) {
        world.resource_mut::<Tally>().bound(object.uid, act.now);
    }
    world.resource_mut::<Log>().push(entry);
    world.resource_mut::<Journal>().entered(&entry);
    world.resource_mut::<Fights>().wrote(&entry, new.versions.1, living);
}

/// The cause of a write as the log has it; runs that keep causes note it as it is.
pub(crate) fn logged_cause(world: &mut World, revision: Revision, cause: Revision) -> Revision {
    if cause.is_mark() { world.resource_mut::<Queues>().wrote(revision, cause) } else { cause }
}

/// Changes after which an object may stand in other lists of the index.
const LISTED: Changes = Changes::OWNERS.or(Changes::LABELS).or(Changes::PLACEMENT).or(Changes::SPEC);

/// Where an object stands in the lists of the index after such a change.
fn relist(world: &mut World, object: ObjRef, entity: bevy_ecs::entity::Entity, changes: Changes) -> impl FnOnce(&mut Row) + use<> {
    if changes.meets(Changes::OWNERS) {
        let owners = world.get::<Obj<Meta>>(entity).expect("every object has metadata").value.owners.clone();
        world.resource_mut::<Objects>().note_owners(object, &owners);
    }
    let owned = changes.meets(Changes::OWNERS.or(Changes::LABELS)).then(|| {
        let meta = &world.get::<Obj<Meta>>(entity).expect("every object has metadata").value;
        (meta.controller_uid().unwrap_or_default(), meta.labels)
    });
    let placed = changes.meets(Changes::PLACEMENT.or(Changes::SPEC)).then(|| match world.get::<Obj<Pod>>(entity) {
        Some(pod) => (pod.value.node, None),
        None => {
            let kind = world.get::<Obj<Meta>>(entity).expect("every object has metadata").value.kind;
            (Sym::EMPTY, create::selector_of(world, kind, entity))
        }
    });
    if let Some((_, selector)) = placed
        && world.resource::<Objects>().row(object).is_some_and(|row| row.selector != selector)
    {
        let demand = create::demand_of(world, selector);
        world.resource_mut::<Objects>().note_demand(object, demand);
    }
    move |row| {
        if let Some((controller, labels)) = owned {
            (row.controller, row.labels) = (controller, labels);
        }
        if let Some((node, selector)) = placed {
            (row.node, row.selector) = (node, selector);
        }
    }
}

/// Whether volumes of a pod have claims.
fn has_claims(world: &World, pod: bevy_ecs::entity::Entity) -> bool {
    let class = world.get::<Obj<Pod>>(pod).map(|pod| world.resource::<crate::model::pod_class::Classes>().get(pod.value.class));
    class.is_some_and(|class| class.has_claims())
}

/// Removes an object: its last entry in the log. Components stay until every cursor has passed.
pub(crate) fn remove(world: &mut World, act: Act, object: ObjRef) -> Revision {
    let mut objects = world.resource_mut::<Objects>();
    let row = *objects.row(object).expect("only living objects are removed");
    let revision = objects.advance();
    objects.bury(object, revision);
    if row.key.kind == Kind::Pod {
        world.resource_mut::<Tally>().gone(object.uid, act.now);
    }
    let entry = Entry {
        revision,
        at: act.now,
        changes: Changes::GONE.or(Changes::CLAIMS.when(row.key.kind == Kind::Pod && has_claims(world, row.entity))),
        object,
        key: row.key,
        actor: act.actor,
        cause: logged_cause(world, revision, act.cause),
        controller: row.controller,
        old_controller: row.controller,
        labels: row.labels,
        old_labels: row.labels,
        node: row.node,
    };
    world.resource_mut::<Log>().push(entry);
    if world.resource::<Journal>().recording() {
        let line = Journal::gone(world, &entry);
        world.resource_mut::<Journal>().add(vec![line]);
    }
    world.resource_mut::<Journal>().entered(&entry);
    revision
}

/// Gives an object a part that comes after its creation.
fn first_part<T: State>(
    world: &mut World,
    act: Act,
    entity: bevy_ecs::entity::Entity,
    object: ObjRef,
    revision: Revision,
    value: T,
) -> Changes {
    let Some(changes) = T::comes_later() else {
        panic!("an object is only written in parts that its kind has: {}", std::any::type_name::<T>());
    };
    world.resource_mut::<Journal>().fold(FixedState.hash_one(&value));
    if world.resource::<Journal>().recording() {
        let lines = Journal::diff(world, act, object, revision, None, &value.clone().into());
        world.resource_mut::<Journal>().add(lines);
    }
    world.entity_mut(entity).insert(Obj::first(value, revision));
    changes
}

fn write_one<T: State>(
    world: &mut World,
    act: Act,
    entity: bevy_ecs::entity::Entity,
    object: ObjRef,
    revision: Revision,
    mut value: T,
) -> Changes {
    let keep = world.resource::<KeepVersions>().0;
    let Some(mut cell) = world.get_mut::<Obj<T>>(entity) else {
        return first_part(world, act, entity, object, revision, value);
    };
    if cell.value == value {
        return Changes::default();
    }
    let changes = value.changes(&cell.value);
    std::mem::swap(&mut cell.value, &mut value);
    let (written, older) = (cell.written, cell.older);
    cell.written = revision;
    let hash = FixedState.hash_one(&cell.value);
    let tally = cell.value.tally(&value);
    let old = value;
    let mut fights = world.resource_mut::<Fights>();
    if fights.suspects(object, act.now) {
        fights.replaced(object, act.actor, FixedState.hash_one(&old), hash);
    }
    if tally != Counted::default() {
        let created_at = world.get::<Obj<Meta>>(entity).expect("every object has metadata").value.created_at;
        world.resource_scope(|world, mut totals: bevy_ecs::world::Mut<Tally>| {
            totals.take_in(object.uid, created_at, tally, world.resource::<Names>());
        });
    }
    let mut journal = world.resource_mut::<Journal>();
    journal.fold(hash);
    if journal.recording() {
        let new = world.get::<Obj<T>>(entity).expect("just written").value.clone();
        let lines = Journal::diff(world, act, object, revision, Some(&old.clone().into()), &new.into());
        world.resource_mut::<Journal>().add(lines);
    }
    if keep {
        let number = world.resource_mut::<Versions<T>>().push(old, written, revision, older);
        world.get_mut::<Obj<T>>(entity).expect("just written").older = number;
    }
    changes
}

macro_rules! by_part {
    ($($name:ident,)*) => {
        fn write_value(world: &mut World, act: Act, entity: bevy_ecs::entity::Entity, object: ObjRef, revision: Revision, value: StateValue) -> Changes {
            match value {
                $(StateValue::$name(value) => write_one(world, act, entity, object, revision, *value),)*
            }
        }

        /// Puts the resources that hold older versions into the world.
        pub(crate) fn init_versions(world: &mut World) {
            $(world.insert_resource(Versions::<$name>::default());)*
        }

        /// Drops versions that no cursor needs.
        pub(crate) fn prune_versions(world: &mut World, seen: Revision) {
            $(world.resource_mut::<Versions<$name>>().prune(seen);)*
        }

        /// Adds a first value to a new entity.
        pub(crate) fn insert_value(world: &mut World, entity: bevy_ecs::entity::Entity, revision: Revision, value: StateValue) {
            let mut entity = world.entity_mut(entity);
            match value {
                $(StateValue::$name(value) => { entity.insert(Obj::first(*value, revision)); })*
            }
        }

        /// All parts of an object with the revisions of their last writes and the links to older versions, for a checkpoint.
        pub(crate) fn dump_parts(world: &World, entity: bevy_ecs::entity::Entity) -> Vec<(StateValue, Revision, u64)> {
            let mut parts = Vec::new();
            $(if let Some(cell) = world.get::<Obj<$name>>(entity) {
                parts.push((cell.value.clone().into(), cell.written, cell.older));
            })*
            parts
        }

        /// The reverse of [`dump_parts`].
        pub(crate) fn restore_parts(world: &mut World, entity: bevy_ecs::entity::Entity, parts: Vec<(StateValue, Revision, u64)>) {
            let mut entity = world.entity_mut(entity);
            for (value, written, older) in parts {
                match value {
                    $(StateValue::$name(value) => { entity.insert(Obj { value: *value, written, older }); })*
                }
            }
        }

        /// Older versions of every part, for a checkpoint.
        pub(crate) fn dump_versions(world: &World) -> Result<Vec<Vec<u8>>, postcard::Error> {
            Ok(vec![$(postcard::to_stdvec(world.resource::<Versions<$name>>())?,)*])
        }

        /// The reverse of [`dump_versions`].
        pub(crate) fn restore_versions(world: &mut World, dumped: Vec<Vec<u8>>) -> Result<(), postcard::Error> {
            let mut dumped = dumped.into_iter();
            $(world.insert_resource(postcard::from_bytes::<Versions<$name>>(&dumped.next().unwrap_or_default())?);)*
            Ok(())
        }

        /// All parts of an object.
        pub(crate) fn parts_of(world: &World, entity: bevy_ecs::entity::Entity) -> Vec<StateValue> {
            let mut parts = Vec::new();
            $(if let Some(cell) = world.get::<Obj<$name>>(entity) {
                parts.push(cell.value.clone().into());
            })*
            parts
        }
    };
}
use crate::model::autoscaling::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus};
use crate::model::batch::{CronJob, CronJobStatus, Job, JobStatus};
use crate::model::disruption::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use crate::model::network::{EndpointSlice, Endpoints, Service, ServiceStatus};
use crate::model::node::{Node, NodeStatus};
use crate::model::opaque::{Namespace, Opaque};
use crate::model::revisioned::{ControllerRevision, DaemonSet, DaemonSetStatus, StatefulSet, StatefulSetStatus};
use crate::model::storage::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, PersistentVolumeStatus, StorageClass};
use crate::model::workload::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetStatus};
for_each_state!(by_part);
