//! Whole runs at sizes: pods of ReplicaSets created, scheduled, running and ready on 100, 1,000, 5,000 and 100,000 nodes, ten pods to a
//! node. `cargo bench --bench scenes -- 5000` runs one size.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use wavetank::files::Disk;
use wavetank_engine::record::tally::Tally;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::model::Scene;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_systems::install_all;

const SCENE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenes/bench/million.ron");
const PODS_PER_NODE: u64 = 10;

fn scene(nodes: u64) -> Scene {
    let sets = (nodes / 1000).clamp(1, 100);
    let set = |name: &str, value: u64| format!("{name}={value}");
    let sizes = vec![set("nodes", nodes), set("sets", sets), set("replicas", nodes * PODS_PER_NODE / sets)];
    let overrides = Overrides { set: sizes, ..Overrides::default() };
    load(&Disk, &[SCENE.to_string()], &overrides).scene.expect("the scene is good")
}

/// Runs a scene and gives the number of pods bound.
fn run(scene: Scene) -> u64 {
    let mut run = Run::new(scene, &RunOptions::default(), install_all).expect("the scene can be built");
    let end = run.end();
    run.run_until(end, &mut |_| {}).expect("nobody fights");
    run.sim.get::<Tally>().bindings
}

fn scenes(c: &mut Criterion) {
    let mut group = c.benchmark_group("scene");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for nodes in [100, 1_000, 5_000, 100_000] {
        group.throughput(Throughput::Elements(nodes * PODS_PER_NODE));
        group.bench_function(BenchmarkId::new("ready", nodes), |b| {
            b.iter_batched(|| scene(nodes), |scene| assert_eq!(run(scene), nodes * PODS_PER_NODE), criterion::BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, scenes);
criterion_main!(benches);
