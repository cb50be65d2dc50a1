//! The time series of a run: what the store holds, with what the behaviours know beside it.

use crate::{autoscaling, scheduler};
use wavetank_engine::record::series::{Point, Sampler};
use wavetank_engine::simulation::Simulation;

/// A sample of the present moment.
pub fn sample(sampler: &mut Sampler, sim: &Simulation) -> Vec<Point> {
    let mut points = sampler.look(sim);
    points.extend(autoscaling::series::points(sim));
    points.extend(scheduler::series::points(sim));
    points.extend(autoscaling::horizontal::series::points(sim));
    points
}
