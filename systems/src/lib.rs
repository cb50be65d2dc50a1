//! Behaviours.

pub mod autoscaling;
pub mod kubelet;
pub mod lifecycle;
pub mod scheduler;
pub mod workloads;

use wavetank_engine::simulation::Simulation;

/// All behaviours in the order in which a reader meets them, which is the order of their systems within a round.
pub const ALL: &[(&str, fn(&mut Simulation))] =
    &[("scheduler", scheduler::install), ("kubelet", kubelet::install), ("garbage", lifecycle::garbage::install)];

/// Puts all behaviours into a simulation.
pub fn install_all(sim: &mut Simulation) {
    for (_, install) in ALL {
        install(sim);
    }
}
