//! What pods use as metrics-server would tell, for the time series of a run.

use super::metrics::Sources;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::ids::{Kind, Revision};
use wavetank_engine::model::node::NodeStatus;
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::names::Names;
use wavetank_engine::record::series::Point;
use wavetank_engine::scene::program::Programs;
use wavetank_engine::simulation::Simulation;

/// CPU and memory in use at the last scrape, and as shares of what nodes can give. Pods without metrics count for nothing.
pub fn points(sim: &Simulation) -> Vec<Point> {
    let (objects, names) = (sim.get::<Objects>(), sim.get::<Names>());
    let living = |kind| objects.of_kind(kind).filter(|row| row.gone == Revision::HEAD);
    let mut programs = sim.get::<Programs>().clone();
    let mut sources = Sources::of(sim, &mut programs);
    let (mut cpu_nanocores, mut memory_bytes) = (0_i128, 0_i128);
    for row in living(Kind::Pod) {
        let (Some(pod), Some(status)) = (sim.state::<Pod>(row.object), sim.state::<PodStatus>(row.object)) else { continue };
        let Some(metrics) = sources.metrics(names, row.object.uid, pod, status, sim.now()) else { continue };
        for container in &metrics.containers {
            cpu_nanocores += i128::from(container.cpu_nanocores);
            memory_bytes += i128::from(container.memory_bytes);
        }
    }
    let (mut all_millicores, mut all_bytes) = (0_i128, 0_i128);
    for status in living(Kind::Node).filter_map(|row| sim.state::<NodeStatus>(row.object)) {
        all_millicores += i128::from(status.allocatable.cpu_millicores);
        all_bytes += i128::from(status.allocatable.memory_bytes);
    }
    let (cpu, memory) = ([("resource", "cpu")], [("resource", "memory")]);
    let mut points = vec![Point::milli("used", &cpu, cpu_nanocores / 1_000_000), Point::count("used", &memory, memory_bytes)];
    points.extend(Point::percent("used_percent", &cpu, cpu_nanocores, all_millicores * 1_000_000));
    points.extend(Point::percent("used_percent", &memory, memory_bytes, all_bytes));
    points
}
