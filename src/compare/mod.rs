//! Two worlds side by side: the same seeds on both, what came of them, and where they part.
//!
//! Reading order: [`meter`] (a run measured on its way), [`parting`] (the first change that only one of them has), [`spread`] (many seeds
//! as three numbers). A seed is one piece of work; results come in the order of seeds, whatever the number of threads.

pub mod meter;
pub mod parting;
pub mod patch;
pub mod spread;

use crate::commands::build;
use meter::{Meter, Outcome};
use parting::{Parted, Watch};
use rayon::prelude::*;
use wavetank_engine::record::journal::Journal;
use wavetank_engine::scene::model::Scene;
use wavetank_engine::scene::run::{Run, RunError, RunOptions};
use wavetank_engine::time::{SimDuration, SimTime};

/// Name and version of the machine-readable form.
pub const SCHEMA: &str = "wavetank.compare/1";

/// Stretches into which a run is cut: both sides go through each before the next.
const SLICES: u64 = 200;

/// What one seed came to on both sides.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The seed.
    pub seed: u64,
    /// What came of A and of B.
    pub outcomes: [Outcome; 2],
    /// Where they part.
    pub parted: Parted,
}

/// Runs both scenes with every seed, side by side.
///
/// # Errors
/// Why a run could not be made or ended early: that of the first seed in their order.
pub fn compare(scenes: &[Scene; 2], seeds: &[u64]) -> Result<Vec<Pair>, RunError> {
    seeds.par_iter().with_max_len(1).map(|&seed| pair(scenes, seed)).collect()
}

struct Side {
    run: Run,
    meter: Meter,
}

impl Side {
    fn new(scene: &Scene, seed: u64) -> Result<Side, RunError> {
        let scene = Scene { seed, ..scene.clone() };
        let run = build(scene, &RunOptions { journal: true, ..RunOptions::default() })?;
        Ok(Side { run, meter: Meter::default() })
    }

    /// Goes on until a time; the lines of the journal of that stretch.
    fn go(&mut self, until: SimTime) -> Result<Vec<wavetank_engine::record::journal::Line>, RunError> {
        let Side { run, meter } = self;
        run.run_until(until, &mut |sim| meter.look(sim))?;
        meter.taken();
        Ok(run.sim.get_mut::<Journal>().take())
    }

    fn outcome(mut self) -> Outcome {
        self.meter.pass(self.run.end());
        self.meter.outcome(&self.run)
    }
}

fn pair(scenes: &[Scene; 2], seed: u64) -> Result<Pair, RunError> {
    let [mut a, mut b] = [Side::new(&scenes[0], seed)?, Side::new(&scenes[1], seed)?];
    let (shorter, longer) = (a.run.end().min(b.run.end()), a.run.end().max(b.run.end()));
    let slice = SimDuration((longer.0 / SLICES).max(1_000_000));
    let mut watch = Watch::default();
    let mut at = SimTime::ZERO;
    loop {
        // What comes after the end of the shorter run is no difference.
        let next = if at < shorter { (at + slice).min(shorter) } else { (at + slice).min(longer) };
        let (lines_a, lines_b) = (a.go(next)?, b.go(next)?);
        if next <= shorter {
            watch.hear(&lines_a, &lines_b);
        }
        at = next;
        if at >= longer {
            break;
        }
    }
    Ok(Pair { seed, outcomes: [a.outcome(), b.outcome()], parted: watch.parted() })
}
