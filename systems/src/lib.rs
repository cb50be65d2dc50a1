//! Behaviours.

pub mod autoscaling;

use wavetank_engine::simulation::Simulation;

/// All behaviours in the order in which a reader meets them, which is the order of their systems within a round.
pub const ALL: &[(&str, fn(&mut Simulation))] = &[];
