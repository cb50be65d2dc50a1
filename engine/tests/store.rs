//! The store and its log: what a write does, what it refuses, and who hears of it.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use bevy_ecs::prelude::ResMut;
use serde_json::json;
use wavetank_engine::api::log::Log;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::{Propagation, Refusal, Reply, Verb};
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::View;
use wavetank_engine::ids::{Kind, ObjRef, Revision};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::{Pod, PodPhase, PodStatus};
use wavetank_engine::names::Names;
use wavetank_engine::record::journal::Journal;
use wavetank_engine::scene::build::with_tables;
use wavetank_engine::simulation::dispatch::Dispatcher;
use wavetank_engine::simulation::latency::{Latency, LatencyTable};
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::simulation::{Settings, Simulation};
use wavetank_engine::time::SimTime;

fn create(sim: &mut Simulation, object: serde_json::Value) -> Result<ObjRef, Refusal> {
    let actor = sim.get_mut::<Names>().sym("test");
    let new = with_tables(sim, |tables| tables.object(&object));
    match sim.ask(actor, Verb::Create(Box::new(new)))? {
        Reply::Created(object) => Ok(object),
        other => panic!("creation answers with the object: {other:?}"),
    }
}

fn ask(sim: &mut Simulation, verb: Verb) -> Result<Reply, Refusal> {
    let actor = sim.get_mut::<Names>().sym("test");
    sim.ask(actor, verb)
}

fn world(settings: &Settings) -> Simulation {
    let mut sim = Simulation::new(settings);
    create(&mut sim, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})).unwrap();
    sim
}

fn pod(name: &str) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "web:1"}], "terminationGracePeriodSeconds": 30}})
}

fn running(sim: &Simulation, pod: ObjRef) -> PodStatus {
    let mut status = sim.state::<PodStatus>(pod).unwrap().clone();
    status.phase = PodPhase::Running;
    status
}

#[test]
fn a_write_takes_one_revision_and_an_equal_one_none() {
    let mut sim = world(&Settings::default());
    let web = create(&mut sim, pod("web-1")).unwrap();
    let created = sim.get::<Objects>().head();
    let status = running(&sim, web);
    let written = ask(&mut sim, Verb::Put { object: web, expect: Some(created), value: status.clone().into() }).unwrap();
    assert_eq!(written, Reply::Done(Revision(created.0 + 1)));
    let again = ask(&mut sim, Verb::Put { object: web, expect: None, value: status.clone().into() }).unwrap();
    assert_eq!(again, written);
    assert_eq!(sim.get::<Objects>().head(), Revision(created.0 + 1));
    let stale = ask(&mut sim, Verb::Put { object: web, expect: Some(created), value: status.into() }).unwrap_err();
    assert_eq!(stale.code, 409);
    assert_eq!(
        stale.message,
        "Operation cannot be fulfilled on pods \"web-1\": the object has been modified; please apply your changes to the latest version and try again"
    );
}

#[test]
fn refusals_have_the_original_words() {
    let mut sim = world(&Settings::default());
    create(&mut sim, pod("web-1")).unwrap();
    assert_eq!(create(&mut sim, pod("web-1")).unwrap_err().message, "pods \"web-1\" already exists");
    let mut elsewhere = pod("web-2");
    elsewhere["metadata"]["namespace"] = "shop".into();
    assert_eq!(create(&mut sim, elsewhere).unwrap_err().message, "namespaces \"shop\" not found");
    let mut generated = pod("");
    generated["metadata"]["generateName"] = "web-".into();
    let made = create(&mut sim, generated).unwrap();
    let name = sim.get::<Names>().render(sim.state::<Meta>(made).unwrap().name);
    assert_eq!((name.len(), &name[..4]), (9, "web-"));
}

#[test]
fn a_bound_pod_ends_gracefully_and_a_pending_one_at_once() {
    let mut sim = world(&Settings::default());
    let (bound, pending) = (create(&mut sim, pod("bound")).unwrap(), create(&mut sim, pod("pending")).unwrap());
    let node = sim.get_mut::<Names>().sym("n1");
    ask(&mut sim, Verb::Bind { pod: bound, node }).unwrap();
    let twice = ask(&mut sim, Verb::Bind { pod: bound, node }).unwrap_err();
    assert_eq!(twice.code, 409);
    let delete = |object, grace_s| Verb::Delete { object, grace_s, propagation: Some(Propagation::Background) };
    ask(&mut sim, delete(pending, None)).unwrap();
    assert!(sim.get::<Objects>().row(pending).is_some_and(|row| row.gone != Revision::HEAD));
    ask(&mut sim, delete(bound, None)).unwrap();
    let deletion = sim.state::<Meta>(bound).unwrap().deletion.unwrap();
    assert_eq!((deletion.grace_s, deletion.at), (30, SimTime::from_secs(30)));
    let head = sim.get::<Objects>().head();
    ask(&mut sim, delete(bound, Some(60))).unwrap();
    assert_eq!(sim.get::<Objects>().head(), head, "a longer grace changes nothing");
    ask(&mut sim, delete(bound, Some(0))).unwrap();
    assert!(sim.get::<Objects>().row(bound).is_some_and(|row| row.gone != Revision::HEAD));
    let last: Vec<Changes> = sim.get::<Log>().since(head).unwrap().map(|entry| entry.changes).collect();
    assert_eq!(last, [Changes::DELETION, Changes::GONE], "watchers see MODIFIED and then DELETED");
}

#[test]
fn a_finalizer_holds_an_object_until_it_is_taken_away() {
    let mut sim = world(&Settings::default());
    let map =
        create(&mut sim, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "finalizers": ["example.com/hold"]}}))
            .unwrap();
    ask(&mut sim, Verb::Delete { object: map, grace_s: None, propagation: None }).unwrap();
    let mut meta = sim.state::<Meta>(map).unwrap().clone();
    assert!(meta.terminating());
    meta.finalizers.clear();
    ask(&mut sim, Verb::Put { object: map, expect: None, value: meta.into() }).unwrap();
    assert!(sim.get::<Objects>().row(map).is_some_and(|row| row.gone != Revision::HEAD));
}

#[test]
fn a_watch_from_a_compacted_revision_is_refused() {
    let mut sim = world(&Settings { log_entries_kept: 10, ..Settings::default() });
    for number in 0..40 {
        create(&mut sim, pod(&format!("p{number}"))).unwrap();
    }
    sim.run_until(SimTime::from_secs(1)).unwrap();
    let log = sim.get::<Log>();
    assert!(log.len() <= 12 && log.total() == 41, "{} of {}", log.len(), log.total());
    assert!(log.since(Revision(3)).is_err());
    assert_eq!(log.since(Revision(35)).unwrap().count(), 6);
}

/// Marks pods as Running as soon as it sees them.
struct Marker;

fn mark(mut work: Work<Marker>, statuses: View<Marker, PodStatus>, metas: View<Marker, Meta>) {
    while let Some(item) = work.pop() {
        let (Some(status), Some(meta)) = (statuses.get(item.object), metas.get(item.object)) else { continue };
        if status.phase == PodPhase::Pending && !meta.terminating() {
            let status = PodStatus { phase: PodPhase::Running, ..status.clone() };
            work.ask(&item, Verb::Put { object: item.object, expect: None, value: status.into() });
        }
    }
}

const WAKES: &[Wake] = &[Wake { kind: Kind::Pod, on: Changes::ANY, whom: Whom::Itself }];

fn journal_of(settings: &Settings) -> (Vec<String>, u64) {
    let mut sim = Simulation::new(&Settings { journal: true, ..settings.clone() });
    sim.behaviour::<Marker, _, _>("marker", "marker", WAKES, mark);
    create(&mut sim, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})).unwrap();
    for number in 0..3 {
        create(&mut sim, pod(&format!("p{number}"))).unwrap();
    }
    sim.run_until(SimTime::from_secs(1)).unwrap();
    let lines = sim.get_mut::<Journal>().take();
    (
        lines.iter().filter(|line| line.field == "status.phase" && line.new == "Running").map(|line| line.text()).collect(),
        sim.get::<Journal>().digest(),
    )
}

#[test]
fn both_dispatchers_do_the_same() {
    let mask = journal_of(&Settings::default());
    let schedule = journal_of(&Settings { dispatcher: Dispatcher::Schedule, ..Settings::default() });
    assert_eq!(mask, schedule);
    assert_eq!(mask.0.len(), 3);
}

#[test]
fn latency_passes_over_the_agenda() {
    let (lines, _) = journal_of(&Settings { latency: Latency::Typical(LatencyTable::TYPICAL), ..Settings::default() });
    // Seen 2 ms after the creation, written 4 ms later.
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.starts_with("00:00.006  pod/p")), "{lines:?}");
}

/// Sees pods as of its cursor.
struct Late;

#[derive(Default, bevy_ecs::resource::Resource)]
struct Seen(Vec<(u64, PodPhase)>);

fn look(mut work: Work<Late>, statuses: View<Late, PodStatus>, pods: View<Late, Pod>, mut seen: ResMut<Seen>) {
    while let Some(item) = work.pop() {
        if let (Some(status), Some(_)) = (statuses.get(item.object), pods.get(item.object)) {
            seen.0.push((work.now().0 / 1_000_000, status.phase));
        }
    }
}

#[test]
fn a_party_behind_sees_the_past() {
    let mut sim = Simulation::new(&Settings { latency: Latency::Typical(LatencyTable::TYPICAL), ..Settings::default() });
    sim.resource(Seen::default());
    sim.behaviour::<Late, _, _>("late", "late", WAKES, look);
    create(&mut sim, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})).unwrap();
    let web = create(&mut sim, pod("web")).unwrap();
    sim.settle().unwrap();
    sim.advance(SimTime(1_000_000));
    let status = running(&sim, web);
    ask(&mut sim, Verb::Put { object: web, expect: None, value: status.into() }).unwrap();
    sim.run_until(SimTime::from_secs(1)).unwrap();
    assert_eq!(sim.get::<Seen>().0, [(2, PodPhase::Pending), (3, PodPhase::Running)]);
}

/// Asks for another turn at once, for ever.
struct Spinner;

fn spin(mut work: Work<Spinner>) {
    while let Some(item) = work.pop() {
        work.wake_at(item.object, work.now());
    }
}

#[test]
fn a_behaviour_that_never_comes_to_an_end_is_named() {
    let mut sim = Simulation::new(&Settings::default());
    sim.behaviour::<Spinner, _, _>("spinner", "spinner", WAKES, spin);
    create(&mut sim, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})).unwrap();
    create(&mut sim, pod("web")).unwrap();
    assert_eq!(
        sim.run_until(SimTime::from_secs(1)).unwrap_err().to_string(),
        "at 00:00.000 pod/web does not come to rest: spinner looks at it again and again without coming to an end"
    );
}
