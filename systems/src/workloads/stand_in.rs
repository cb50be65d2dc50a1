//! A world for tests of the workload controllers: pods are bound at once, run and are ready half a second later (never with the image
//! `broken`), and are gone half a second after their deletion began.

use super::{deployment, replica_set};
use bevy_ecs::prelude::Res;
use serde_json::{Value, json};
use wavetank_engine::api::defaults::apply_defaults;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::{Refusal, Reply, Verb};
use wavetank_engine::api::state::{Changes, State, StateValue};
use wavetank_engine::api::store::View;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::{Condition, ConditionStatus, Meta, condition, set_condition};
use wavetank_engine::model::pod::{Pod, PodPhase, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Events;
use wavetank_engine::scene::build::with_tables;
use wavetank_engine::simulation::latency::Latency;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::simulation::{Settings, Simulation};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

const DELAY: SimDuration = SimDuration::from_millis(500);

struct Kubelet;

/// A world with the two controllers and the stand-ins.
pub(crate) struct World {
    pub(crate) sim: Simulation,
    actor: Sym,
}

impl World {
    pub(crate) fn new(latency: Latency) -> World {
        let mut sim = Simulation::new(&Settings { latency, ..Settings::default() });
        deployment::install(&mut sim);
        replica_set::install(&mut sim);
        let changes = Changes::ADDED.or(Changes::PLACEMENT).or(Changes::DELETION);
        sim.behaviour::<Kubelet, _, _>("stand_in", "kubelet", &[Wake { kind: Kind::Pod, on: changes, whom: Whom::Itself }], kubelet);
        let actor = sim.get_mut::<Names>().sym("script");
        let mut world = World { sim, actor };
        world.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
        world
    }

    pub(crate) fn create(&mut self, mut object: Value) -> ObjRef {
        apply_defaults(&mut object);
        let new = with_tables(&mut self.sim, |tables| tables.object(&object));
        match self.sim.ask(self.actor, Verb::Create(Box::new(new))).unwrap() {
            Reply::Created(object) => object,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ask(&mut self, verb: Verb) -> Result<Reply, Refusal> {
        self.sim.ask(self.actor, verb)
    }

    /// Changes a part of an object.
    pub(crate) fn change<T: State>(&mut self, object: ObjRef, change: impl FnOnce(&mut T)) {
        let mut value = self.get::<T>(object).clone();
        change(&mut value);
        let value: StateValue = value.into();
        self.ask(Verb::Put { object, expect: None, value }).unwrap();
    }

    /// Gives a Deployment another `spec`.
    pub(crate) fn apply(&mut self, object: ObjRef, manifest: Value) {
        let mut manifest = manifest;
        apply_defaults(&mut manifest);
        let spec = with_tables(&mut self.sim, |tables| tables.deployment(&manifest["spec"]));
        self.ask(Verb::Put { object, expect: None, value: spec.into() }).unwrap();
    }

    pub(crate) fn get<T: State>(&self, object: ObjRef) -> &T {
        self.sim.state::<T>(object).unwrap()
    }

    pub(crate) fn until(&mut self, milliseconds: u64) {
        self.sim.run_until(SimTime(milliseconds * 1_000_000)).unwrap();
    }

    pub(crate) fn text(&self, sym: Sym) -> &str {
        self.sim.get::<Names>().text(sym)
    }

    pub(crate) fn name(&self, object: ObjRef) -> String {
        self.sim.get::<Names>().render(self.get::<Meta>(object).name)
    }

    /// Living objects of a kind, in order of creation.
    pub(crate) fn all(&self, kind: Kind) -> Vec<ObjRef> {
        let objects = self.sim.get::<Objects>();
        objects.living().into_iter().filter(|row| row.key.kind == kind).map(|row| row.object).collect()
    }

    /// Active pods of a set.
    pub(crate) fn pods(&self, set: ObjRef) -> Vec<ObjRef> {
        let living = self.all(Kind::Pod).into_iter();
        living.filter(|&pod| self.get::<Meta>(pod).controller_uid() == Some(set.uid) && !self.get::<Meta>(pod).terminating()).collect()
    }

    pub(crate) fn find(&self, kind: Kind, name: &str) -> Option<ObjRef> {
        let names = self.sim.get::<Names>();
        let key = ObjectKey { kind, namespace: words::DEFAULT, name: names.find_name(name)? };
        self.sim.get::<Objects>().by_key(key)
    }

    /// An annotation of an object; empty when it has none.
    pub(crate) fn annotation(&self, object: ObjRef, key: Sym) -> String {
        let set = self.get::<Meta>(object).annotations;
        self.sim.get::<LabelSets>().get(set, key).map_or(String::new(), |text| self.text(text).to_owned())
    }

    /// Messages of events with a reason, in order.
    pub(crate) fn events(&self, reason: &str) -> Vec<String> {
        let names = self.sim.get::<Names>();
        let rows = self.sim.get::<Events>().rows().filter(|row| names.text(row.reason) == reason);
        rows.map(|row| row.text(names)).collect()
    }

    /// `Status/Reason: message` of a condition; empty when there is none.
    pub(crate) fn condition(&self, conditions: &[Condition], kind: Sym) -> String {
        condition(conditions, kind)
            .map_or(String::new(), |c| format!("{}/{}: {}", c.status.text(), self.text(c.reason), self.text(c.message)))
    }
}

fn kubelet(
    mut work: Work<Kubelet>,
    metas: View<Kubelet, Meta>,
    pods: View<Kubelet, Pod>,
    statuses: View<Kubelet, PodStatus>,
    classes: Res<Classes>,
    names: Res<Names>,
) {
    while let Some(item) = work.pop() {
        let object = item.object;
        let (Some(meta), Some(pod), Some(status)) = (metas.get(object), pods.get(object), statuses.get(object)) else { continue };
        let now = work.now();
        if let Some(deletion) = meta.deletion {
            match deletion.requested_at + DELAY {
                at if at <= now => work.tell(item.cause, Verb::Delete { object, grace_s: Some(0), propagation: None }),
                at => work.wake_at(object, at),
            }
        } else if pod.node.is_empty() {
            // Any interned text will do for a node's name.
            work.tell(item.cause, Verb::Bind { pod: object, node: words::DEFAULT });
        } else if status.phase == PodPhase::Pending && names.text(classes.get(pod.class).containers[0].image) != "broken" {
            let bound_at = condition(&status.conditions, words::POD_SCHEDULED).map_or(now, |c| c.transition_at);
            if bound_at + DELAY > now {
                work.wake_at(object, bound_at + DELAY);
                continue;
            }
            let mut status = status.clone();
            status.phase = PodPhase::Running;
            let (kind, reason) = (words::READY, Sym::EMPTY);
            let ready = Condition { kind, status: ConditionStatus::True, reason, message: Sym::EMPTY, transition_at: now, update_at: now };
            set_condition(&mut status.conditions, ready);
            work.tell(item.cause, Verb::Put { object, expect: None, value: status.into() });
        }
    }
}

/// A manifest of a Deployment `web` with `app: web` pods.
pub(crate) fn deployment_manifest(image: &str, spec: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": pod_template(image)},
    });
    merge(&mut manifest["spec"], spec);
    manifest
}

/// A manifest of a ReplicaSet `web` with `app: web` pods.
pub(crate) fn set_manifest(image: &str, spec: Value) -> Value {
    let mut manifest = deployment_manifest(image, spec);
    manifest["kind"] = "ReplicaSet".into();
    manifest
}

fn pod_template(image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image, "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}}}]},
    })
}

fn merge(into: &mut Value, from: Value) {
    for (key, value) in from.as_object().cloned().unwrap_or_default() {
        into[key] = value;
    }
}
