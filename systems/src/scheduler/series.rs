//! How many pods wait in the scheduler's queue, for the time series of a run.

use super::SchedulerState;
use wavetank_engine::record::series::Point;
use wavetank_engine::simulation::Simulation;

/// Pods in each part of the queue, and those whose binding is under way.
pub fn points(sim: &Simulation) -> Vec<Point> {
    let Some(state) = sim.find::<SchedulerState>() else { return Vec::new() };
    let [active, backoff, unschedulable] = state.queue.lengths();
    let parts = [("active", active), ("backoff", backoff), ("unschedulable", unschedulable), ("binding", state.binding.len())];
    parts.into_iter().map(|(queue, pods)| Point::count("scheduler_queue_pods", &[("queue", queue)], pods as u64)).collect()
}
