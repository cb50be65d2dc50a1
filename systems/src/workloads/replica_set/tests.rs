//! The controller in a world with stand-ins for the scheduler and the kubelet.

use crate::workloads::stand_in::{World, set_manifest};
use serde_json::json;
use wavetank_engine::api::admit::AdmitCx;
use wavetank_engine::api::log::Log;
use wavetank_engine::api::request::{NewObject, Refusal, Verb};
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::labels::LabelSetId;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::{PodPhase, PodStatus};
use wavetank_engine::model::workload::{ReplicaSet, ReplicaSetStatus};
use wavetank_engine::simulation::latency::{Latency, LatencyTable};
use wavetank_engine::words;

fn counts(world: &World, set: ObjRef) -> [i32; 5] {
    let status = world.get::<ReplicaSetStatus>(set);
    [status.replicas, status.fully_labeled, status.ready, status.available, status.terminating.unwrap_or(-1)]
}

#[test]
fn pods_are_created_counted_and_deleted() {
    let mut world = World::new(Latency::Ideal);
    let set = world.create(set_manifest("img", json!({"replicas": 6})));
    world.until(0);
    assert_eq!(world.pods(set).len(), 6);
    assert_eq!(counts(&world, set), [6, 6, 0, 0, 0]);
    assert_eq!(world.events("SuccessfulCreate").len(), 6);
    assert!(world.events("SuccessfulCreate")[0].starts_with("Created pod: web-"), "{:?}", world.events("SuccessfulCreate"));
    world.until(600);
    assert_eq!(counts(&world, set), [6, 6, 6, 6, 0]);
    world.change::<ReplicaSet>(set, |set| set.replicas = 2);
    world.until(700);
    assert_eq!(counts(&world, set), [2, 2, 2, 2, 4]);
    assert_eq!(world.get::<ReplicaSetStatus>(set).observed_generation, 2);
    world.until(1300);
    assert_eq!(counts(&world, set), [2, 2, 2, 2, 0]);
    assert_eq!(world.all(Kind::Pod), world.pods(set), "the others are gone");
}

#[test]
fn a_sync_at_rest_writes_nothing() {
    let mut world = World::new(Latency::Ideal);
    let set = world.create(set_manifest("img", json!({"replicas": 3})));
    world.until(2000);
    let before = world.sim.get::<Log>().total();
    world.change::<Meta>(set, |meta| meta.annotations = LabelSetId::EMPTY);
    world.until(3000);
    assert_eq!(world.sim.get::<Log>().total(), before, "an equal value is no write, and nothing follows");
    let pod = world.pods(set)[0];
    world.ask(Verb::Delete { object: pod, grace_s: Some(0), propagation: None }).unwrap();
    world.until(4000);
    assert_eq!(world.pods(set).len(), 3, "a pod that goes is replaced");
}

#[test]
fn no_pod_too_many_while_watches_lag() {
    for watch_ms in [2, 50, 700] {
        let watch = wavetank_engine::time::SimDuration::from_millis(watch_ms);
        let mut world = World::new(Latency::Typical(LatencyTable { watch, ..LatencyTable::TYPICAL }));
        let set = world.create(set_manifest("img", json!({"replicas": 40})));
        world.until(60_000);
        assert_eq!(counts(&world, set), [40, 40, 40, 40, 0], "watch {watch_ms} ms");
        world.change::<ReplicaSet>(set, |set| set.replicas = 10);
        world.until(120_000);
        assert_eq!(counts(&world, set), [10, 10, 10, 10, 0], "watch {watch_ms} ms");
        let created = world.sim.get::<wavetank_engine::record::tally::Tally>().pods_created;
        assert_eq!(created, 40, "watch {watch_ms} ms");
    }
}

#[test]
fn more_than_a_burst_takes_several_syncs() {
    let mut world = World::new(Latency::Ideal);
    let set = world.create(set_manifest("img", json!({"replicas": 1200})));
    world.until(1000);
    assert_eq!(counts(&world, set), [1200, 1200, 1200, 1200, 0]);
    world.change::<ReplicaSet>(set, |set| set.replicas = 0);
    world.until(2000);
    assert_eq!(counts(&world, set), [0, 0, 0, 0, 0]);
    assert!(world.all(Kind::Pod).is_empty());
}

/// Refuses every third pod and all after the tenth name.
fn refuse(cx: &mut AdmitCx, new: &mut NewObject) -> Result<(), Refusal> {
    if new.meta.kind == Kind::Pod && cx.now.0 < 10_000_000_000 {
        return Err(Refusal::forbidden("pods \"web-\" is forbidden: exceeded quota: q".into()));
    }
    Ok(())
}

#[test]
fn refusals_are_reported_and_tried_again() {
    let mut world = World::new(Latency::Ideal);
    world.sim.admit(Some(refuse), None, None);
    let set = world.create(set_manifest("img", json!({"replicas": 3})));
    world.until(9000);
    let condition = |world: &World| world.condition(&world.get::<ReplicaSetStatus>(set).conditions, words::REPLICA_FAILURE);
    assert_eq!(condition(&world), "True/FailedCreate: pods \"web-\" is forbidden: exceeded quota: q");
    let events = world.events("FailedCreate");
    assert_eq!(events, ["Error creating: pods \"web-\" is forbidden: exceeded quota: q"]);
    world.until(30_000);
    assert_eq!(condition(&world), "", "the next try succeeds");
    assert_eq!(counts(&world, set), [3, 3, 3, 3, 0]);
}

#[test]
fn orphans_are_adopted_and_strangers_released() {
    let mut world = World::new(Latency::Ideal);
    let bare = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "default", "labels": {"app": "web", "x": "y"}},
        "spec": {"containers": [{"name": "c", "image": "img"}]},
    });
    let bare = world.create(bare);
    let set = world.create(set_manifest("img", json!({"replicas": 2})));
    world.until(1000);
    assert_eq!(world.pods(set).len(), 2);
    let owner = *world.get::<Meta>(bare).controller().unwrap();
    assert!(owner.uid == Some(set.uid) && owner.block_owner_deletion);
    assert_eq!(world.sim.get::<wavetank_engine::record::tally::Tally>().pods_created, 2, "one of the two was there");
    world.change::<Meta>(bare, |meta| meta.labels = LabelSetId::EMPTY);
    world.until(2000);
    assert!(world.get::<Meta>(bare).owners.is_empty(), "it is selected no more");
    assert_eq!(counts(&world, set), [2, 2, 2, 2, 0]);
}

#[test]
fn pods_become_available_after_min_ready_seconds() {
    let mut world = World::new(Latency::Ideal);
    let set = world.create(set_manifest("img", json!({"replicas": 2, "minReadySeconds": 5})));
    // Ready since 0.5 s, which is stored as 0 s.
    world.until(4900);
    assert_eq!(counts(&world, set), [2, 2, 2, 0, 0]);
    world.until(5000);
    assert_eq!(counts(&world, set), [2, 2, 2, 2, 0]);
}

#[test]
fn the_unready_go_before_the_ready() {
    let mut world = World::new(Latency::Ideal);
    let set = world.create(set_manifest("img", json!({"replicas": 3})));
    world.until(1000);
    let old = world.pods(set);
    world.change::<ReplicaSet>(set, |set| set.replicas = 5);
    world.until(1100);
    world.change::<ReplicaSet>(set, |set| set.replicas = 3);
    world.until(1200);
    assert_eq!(world.pods(set), old);
}

/// The sums kept from the log against a count of all pods, after each instant of a drawn history.
#[test]
fn the_tally_is_what_counting_gives() {
    for (seed, latency) in [(1u64, Latency::Ideal), (2, Latency::Ideal), (3, Latency::Typical(LatencyTable::TYPICAL))] {
        let mut world = World::new(latency);
        let set = world.create(set_manifest("img", json!({"replicas": 5})));
        for step in 0..60u64 {
            world.until((step + 1) * 130);
            let draw = |purpose: &str, below: u64| wavetank_engine::draw::draw_below(seed, purpose, "tally", step, below);
            let pods = world.all(Kind::Pod);
            let pod = (!pods.is_empty()).then(|| pods[draw("pod", pods.len() as u64) as usize]);
            match (draw("deed", 5), pod) {
                (0, _) => world.change::<ReplicaSet>(set, |set| set.replicas = draw("size", 9) as i32),
                (1, Some(pod)) => world.change::<Meta>(pod, |meta| meta.labels = LabelSetId::EMPTY),
                (2, Some(pod)) => drop(world.ask(Verb::Delete { object: pod, grace_s: Some(0), propagation: None })),
                (3, Some(pod)) => world.change::<PodStatus>(pod, |status| status.phase = PodPhase::Failed),
                (4, Some(pod)) => world.change::<PodStatus>(pod, |status| status.conditions.clear()),
                _ => {}
            }
        }
        world.until(20_000);
        let wanted = world.get::<ReplicaSet>(set).replicas;
        let living = world.pods(set).into_iter().map(|pod| world.get::<PodStatus>(pod)).filter(|status| !status.phase.terminal());
        let (active, ready): (Vec<()>, Vec<bool>) = living.map(|status| ((), status.ready())).unzip();
        let ready = ready.into_iter().filter(|ready| *ready).count() as i32;
        assert_eq!(active.len() as i32, wanted, "seed {seed}");
        assert_eq!(counts(&world, set), [wanted, wanted, ready, ready, 0], "seed {seed}");
    }
}
