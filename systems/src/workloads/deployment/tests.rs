//! The controller in a world with stand-ins for the scheduler and the kubelet.

use crate::workloads::stand_in::{World, deployment_manifest, set_manifest};
use serde_json::json;
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::workload::{Deployment, DeploymentStatus, ReplicaSet};
use wavetank_engine::simulation::latency::{Latency, LatencyTable};
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

fn sizes(world: &World) -> Vec<(String, i32)> {
    world.all(Kind::ReplicaSet).into_iter().map(|set| (world.name(set), world.get::<ReplicaSet>(set).replicas)).collect()
}

fn progressing(world: &World, deployment: ObjRef) -> String {
    world.condition(&world.get::<DeploymentStatus>(deployment).conditions, words::PROGRESSING)
}

/// Runs on, instant by instant, and looks at every one.
fn watch(world: &mut World, until_s: u64, mut look: impl FnMut(&World)) {
    let limit = SimTime::from_secs(until_s);
    world.sim.settle().unwrap();
    look(world);
    while world.sim.advance(limit) {
        world.sim.settle().unwrap();
        look(world);
    }
}

#[test]
fn a_rollout_keeps_within_its_limits() {
    for latency in [Latency::Ideal, Latency::Typical(LatencyTable::TYPICAL)] {
        let mut world = World::new(latency);
        let deployment = world.create(deployment_manifest("img:v1", json!({"replicas": 10})));
        world.until(5000);
        assert_eq!(sizes(&world), [("web-b6695547d".to_owned(), 10)]);
        world.apply(deployment, deployment_manifest("img:v2", json!({"replicas": 10})));
        watch(&mut world, 60, |world| {
            let total: i32 = sizes(world).iter().map(|set| set.1).sum();
            let available = world.get::<DeploymentStatus>(deployment).available;
            assert!(total <= 13 && available >= 8, "{total} wanted, {available} available at {}", world.sim.now());
        });
        assert_eq!(sizes(&world), [("web-b6695547d".to_owned(), 0), ("web-7f54bdb7f".to_owned(), 10)]);
        assert_eq!(world.annotation(deployment, words::REVISION), "2");
        assert_eq!(
            progressing(&world, deployment),
            "True/NewReplicaSetAvailable: ReplicaSet \"web-7f54bdb7f\" has successfully progressed."
        );
        let status = world.get::<DeploymentStatus>(deployment);
        assert_eq!((status.replicas, status.updated, status.available, status.unavailable), (10, 10, 10, 0));
        let events = world.events("ScalingReplicaSet");
        assert_eq!(events[0], "Scaled up replica set web-b6695547d from 0 to 10");
        assert_eq!(events[1], "Scaled up replica set web-7f54bdb7f from 0 to 3");
        assert_eq!(events[2], "Scaled down replica set web-b6695547d from 10 to 8");
    }
}

#[test]
fn going_back_takes_up_the_old_set() {
    let mut world = World::new(Latency::Ideal);
    let deployment = world.create(deployment_manifest("img:v1", json!({"replicas": 2})));
    world.until(2000);
    world.apply(deployment, deployment_manifest("img:v2", json!({"replicas": 2})));
    world.until(6000);
    world.apply(deployment, deployment_manifest("img:v1", json!({"replicas": 2})));
    world.until(12_000);
    assert_eq!(sizes(&world), [("web-b6695547d".to_owned(), 2), ("web-7f54bdb7f".to_owned(), 0)]);
    assert_eq!(world.annotation(deployment, words::REVISION), "3");
    let set = world.find(Kind::ReplicaSet, "web-b6695547d").unwrap();
    assert_eq!(world.annotation(set, words::REVISION), "3");
}

#[test]
fn recreate_waits_for_the_old_pods() {
    let mut world = World::new(Latency::Ideal);
    let spec = json!({"replicas": 3, "strategy": {"type": "Recreate"}});
    let deployment = world.create(deployment_manifest("img:v1", spec.clone()));
    world.until(2000);
    let old = world.all(Kind::Pod);
    world.apply(deployment, deployment_manifest("img:v2", spec));
    watch(&mut world, 10, |world| {
        let pods = world.all(Kind::Pod);
        let (left, new) = (pods.iter().filter(|pod| old.contains(pod)).count(), pods.iter().filter(|pod| !old.contains(pod)).count());
        assert!(left == 0 || new == 0, "{left} old and {new} new pods at {}", world.sim.now());
    });
    assert_eq!(sizes(&world), [("web-b6695547d".to_owned(), 0), ("web-7f54bdb7f".to_owned(), 3)]);
}

#[test]
fn a_paused_deployment_scales_and_does_not_roll() {
    let mut world = World::new(Latency::Ideal);
    let deployment = world.create(deployment_manifest("img:v1", json!({"replicas": 3})));
    world.until(2000);
    world.apply(deployment, deployment_manifest("img:v2", json!({"replicas": 5, "paused": true})));
    world.until(4000);
    assert_eq!(sizes(&world), [("web-b6695547d".to_owned(), 5)]);
    assert_eq!(progressing(&world, deployment), "Unknown/DeploymentPaused: Deployment is paused");
    world.change::<Deployment>(deployment, |deployment| deployment.paused = false);
    world.until(10_000);
    assert_eq!(sizes(&world), [("web-b6695547d".to_owned(), 0), ("web-7f54bdb7f".to_owned(), 5)]);
    assert!(progressing(&world, deployment).starts_with("True/NewReplicaSetAvailable"));
}

#[test]
fn a_stuck_rollout_times_out_and_old_sets_are_forgotten_in_the_end() {
    let mut world = World::new(Latency::Ideal);
    let spec = json!({"replicas": 4, "progressDeadlineSeconds": 20, "revisionHistoryLimit": 1});
    let deployment = world.create(deployment_manifest("img:v1", spec.clone()));
    world.until(2000);
    world.apply(deployment, deployment_manifest("broken", spec.clone()));
    world.until(22_000);
    assert!(progressing(&world, deployment).starts_with("True/ReplicaSetUpdated"), "{}", progressing(&world, deployment));
    world.until(30_000);
    assert!(progressing(&world, deployment).starts_with("False/ProgressDeadlineExceeded"), "{}", progressing(&world, deployment));
    assert_eq!(world.get::<DeploymentStatus>(deployment).available, 3, "one may be missing");
    world.apply(deployment, deployment_manifest("img:v3", spec));
    world.until(40_000);
    assert!(progressing(&world, deployment).starts_with("True/NewReplicaSetAvailable"));
    let sizes = sizes(&world);
    assert_eq!(sizes.len(), 2, "the new set and one old one: {sizes:?}");
    assert_eq!(world.find(Kind::ReplicaSet, "web-b6695547d"), None, "the oldest went");
}

#[test]
fn a_taken_name_leads_to_another_hash() {
    let mut world = World::new(Latency::Ideal);
    let mut stranger = set_manifest("other", json!({"replicas": 1, "selector": {"matchLabels": {"app": "other"}}}));
    stranger["metadata"]["name"] = "web-b6695547d".into();
    stranger["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    world.create(stranger);
    let deployment = world.create(deployment_manifest("img:v1", json!({"replicas": 1})));
    world.until(5000);
    assert_eq!(world.get::<DeploymentStatus>(deployment).collision_count, Some(1));
    let own: Vec<ObjRef> = world.all(Kind::ReplicaSet).into_iter().filter(|&set| !world.get::<Meta>(set).owners.is_empty()).collect();
    assert_eq!(own.len(), 1);
    assert_ne!(world.name(own[0]), "web-b6695547d");
    assert_eq!(world.get::<DeploymentStatus>(deployment).available, 1);
}

#[test]
fn an_orphaned_set_is_taken_up() {
    let mut world = World::new(Latency::Ideal);
    let deployment = world.create(deployment_manifest("img:v1", json!({"replicas": 2})));
    world.until(2000);
    let set = world.all(Kind::ReplicaSet)[0];
    world.change::<Meta>(set, |meta| meta.owners.clear());
    world.until(3000);
    assert_eq!(world.get::<Meta>(set).controller_uid(), Some(deployment.uid));
    assert_eq!(world.all(Kind::ReplicaSet), [set]);
}

#[test]
fn scaling_in_the_middle_of_a_rollout_is_shared_out() {
    let mut world = World::new(Latency::Ideal);
    let deployment = world.create(deployment_manifest("img:v1", json!({"replicas": 10})));
    world.until(2000);
    world.apply(deployment, deployment_manifest("broken", json!({"replicas": 10})));
    world.until(4000);
    assert_eq!(sizes(&world), [("web-b6695547d".to_owned(), 8), (sizes(&world)[1].0.clone(), 5)]);
    world.change::<Deployment>(deployment, |deployment| deployment.replicas = 20);
    world.until(6000);
    assert_eq!([sizes(&world)[0].1, sizes(&world)[1].1], [15, 10]);
    let set = world.all(Kind::ReplicaSet)[0];
    assert_eq!(world.annotation(set, words::DESIRED_REPLICAS) + "/" + &world.annotation(set, words::MAX_REPLICAS), "20/25");
}

#[test]
fn a_deployment_that_is_being_deleted_only_reports() {
    let mut world = World::new(Latency::Ideal);
    let deployment = world.create(deployment_manifest("img:v1", json!({"replicas": 2})));
    world.until(2000);
    world.change::<Meta>(deployment, |meta| meta.finalizers.push(words::DEFAULT));
    world.ask(Verb::Delete { object: deployment, grace_s: None, propagation: None }).unwrap();
    world.change::<Deployment>(deployment, |deployment| deployment.replicas = 5);
    world.until(4000);
    assert_eq!(sizes(&world)[0].1, 2);
    let generation = world.get::<Meta>(deployment).generation;
    assert_eq!(world.get::<DeploymentStatus>(deployment).observed_generation, generation);
}
