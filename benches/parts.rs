//! The inner loops alone: agenda, commit, routing, selector.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::json;
use std::hint::black_box;
use wavetank_engine::agenda::Agenda;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::{Reply, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::draw::draw_below;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::meta::OwnerRef;
use wavetank_engine::model::pod::{PodPhase, PodStatus};
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::Names;
use wavetank_engine::scene::build::with_tables;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::simulation::{Settings, Simulation};
use wavetank_engine::time::SimTime;

/// Pops and pushes with a million entries pending.
fn agenda(c: &mut Criterion) {
    let mut agenda = Agenda::default();
    for n in 0..1_000_000u64 {
        agenda.push(SimTime(draw_below(1, "at", "agenda", n, 60_000_000_000)), n as u32);
    }
    let mut nth = 0;
    c.bench_function("agenda/hold a million", |b| {
        b.iter(|| {
            let (at, item) = agenda.pop(SimTime(u64::MAX)).expect("the agenda is full");
            nth += 1;
            agenda.push(SimTime(at.0 + draw_below(2, "hold", "agenda", nth, 60_000_000_000)), item);
        });
    });
}

struct Watcher;

fn watch(mut work: Work<Watcher>) {
    while let Some(item) = work.pop() {
        black_box(item.object);
    }
}

const WAKES: &[Wake] = &[Wake { kind: Kind::Pod, on: Changes::ANY, whom: Whom::Itself }];

fn world(pods: u64) -> (Simulation, Vec<ObjRef>, Verb) {
    let mut sim = Simulation::new(&Settings::default());
    sim.behaviour::<Watcher, _, _>("watcher", "watcher", WAKES, watch);
    let actor = sim.get_mut::<Names>().sym("bench");
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}}});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}});
    let mut owner = None;
    for object in [namespace, set] {
        let new = with_tables(&mut sim, |tables| tables.object(&object));
        if let Ok(Reply::Created(object)) = sim.ask(actor, Verb::Create(Box::new(new))) {
            owner = Some(object);
        }
    }
    let owner = owner.expect("the set was created");
    let row = *sim.get::<Objects>().row(owner).expect("the set lives");
    let template = sim.state::<wavetank_engine::model::workload::ReplicaSet>(owner).expect("it is a set").template;
    let generate_name = sim.get_mut::<Names>().sym("web-");
    let owner = OwnerRef { uid: Some(owner.uid), kind: Kind::ReplicaSet, name: row.key.name, controller: true, block_owner_deletion: true };
    let verb = Verb::CreatePod { template, namespace: row.key.namespace, generate_name, owner };
    let created = (0..pods).map(|_| match sim.ask(actor, verb.clone()) {
        Ok(Reply::Created(pod)) => pod,
        other => panic!("a pod can be created: {other:?}"),
    });
    let list = created.collect();
    sim.settle().expect("nobody fights");
    (sim, list, verb)
}

/// A pod created from its template.
fn create(c: &mut Criterion) {
    let (mut sim, _, verb) = world(0);
    let actor = sim.get_mut::<Names>().sym("bench");
    c.bench_function("commit/create a pod", |b| {
        b.iter_batched(|| verb.clone(), |verb| sim.ask(actor, verb).expect("it can be created"), BatchSize::SmallInput)
    });
}

/// A pod's status changed, routed to one watcher and settled.
fn change(c: &mut Criterion) {
    for (name, count) in [("hot", 10_000u64), ("random of a million", 1_000_000)] {
        let (mut sim, pods, _) = world(count);
        let actor = sim.get_mut::<Names>().sym("bench");
        let mut nth = 0;
        c.bench_function(&format!("settle/one pod change, {name}"), |b| {
            b.iter(|| {
                nth += 1;
                // Each change at an instant of its own: a thousand of one object within one instant would be a fight.
                sim.advance(SimTime(nth));
                let pod = pods[draw_below(1, "pod", "bench", nth, pods.len() as u64) as usize];
                let mut status = sim.state::<PodStatus>(pod).expect("it lives").clone();
                status.phase = if status.phase == PodPhase::Running { PodPhase::Pending } else { PodPhase::Running };
                sim.ask(actor, Verb::Put { object: pod, expect: None, value: status.into() }).expect("it can be written");
                sim.settle().expect("nobody fights");
            });
        });
    }
}

/// A selector against a label set.
fn selector(c: &mut Criterion) {
    let mut sim = Simulation::new(&Settings::default());
    let (id, set) = with_tables(&mut sim, |tables| {
        let id = tables.selectors.of_label_selector(
            tables.names,
            &json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]}),
        );
        let pairs = [("app", "web"), ("tier", "b"), ("pod-template-hash", "abc")].map(|(k, v)| (tables.names.sym(k), tables.names.sym(v)));
        (id, tables.labels.intern(tables.names, pairs))
    });
    let labels = sim.get::<wavetank_engine::model::labels::LabelSets>();
    let selectors = sim.get::<Selectors>();
    c.bench_function("selector/match", |b| b.iter(|| selectors.matches(black_box(id), labels, black_box(set))));
}

criterion_group!(parts, agenda, create, change, selector);
criterion_main!(parts);
