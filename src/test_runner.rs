//! `test`: scenes against their golden journals, several at a time, reported in a fixed order.
//!
//! How a scene is run is a parameter: this module knows files, journals and reports, and nothing of the engine.

mod difference;
mod junit;
mod report;
mod scenes;

pub use difference::{Difference, first_difference};
pub use junit::junit;
pub use report::{line, totals};
pub use scenes::{find, golden_path, name};

use crate::usage::Stopwatch;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// Runs one scene and gives its journal, or a message for people when it cannot be run or missed an expectation.
pub type RunScene<'a> = dyn Fn(&Path) -> Result<String, String> + Sync + 'a;

/// What became of one scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The journal is the golden one.
    Pass,
    /// The golden journal was written or replaced.
    Blessed,
    /// The journal differs.
    Differs(Difference),
    /// There is no golden journal at this path.
    NoGolden(PathBuf),
    /// The scene could not be run, missed an expectation, or panicked.
    Failed(String),
}

impl Verdict {
    /// Whether the scene counts as passed.
    pub fn passed(&self) -> bool {
        matches!(self, Verdict::Pass | Verdict::Blessed)
    }
}

/// One scene, tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// File of the scene, as found.
    pub scene: PathBuf,
    /// Wall time it took.
    pub took: Duration,
    /// What became of it.
    pub verdict: Verdict,
}

/// Tests the scenes, `jobs` at a time (one for each core when `None`), and calls `each` with every result in the order of
/// `scenes`, as soon as all before it are done. Returns all results in that order.
///
/// # Errors
/// Says why when the threads cannot be started.
pub fn test_all(
    scenes: &[PathBuf],
    jobs: Option<u32>,
    bless: bool,
    run: &RunScene<'_>,
    each: impl Fn(&Tested) + Sync,
) -> Result<Vec<Tested>, String> {
    let threads = jobs.map_or(0, |jobs| jobs as usize);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| format!("cannot start threads: {error}"))?;
    let order = InOrder::new(each);
    Ok(pool.install(|| {
        let one = |(nth, scene): (usize, &PathBuf)| {
            let tested = test_one(scene, bless, run);
            order.done(nth, tested.clone());
            tested
        };
        // One scene is one piece of work: scenes differ too much in length to be cut into larger pieces.
        scenes.par_iter().enumerate().with_max_len(1).map(one).collect()
    }))
}

fn test_one(scene: &Path, bless: bool, run: &RunScene<'_>) -> Tested {
    let watch = Stopwatch::start();
    let journal = catch_unwind(AssertUnwindSafe(|| run(scene))).unwrap_or_else(|panic| Err(format!("panicked: {}", message(&*panic))));
    let verdict = journal.map_or_else(Verdict::Failed, |journal| judge(&golden_path(scene), &journal, bless));
    Tested { scene: scene.to_path_buf(), took: watch.wall(), verdict }
}

/// Compares a journal with the golden one, or makes it the golden one.
fn judge(golden: &Path, journal: &str, bless: bool) -> Verdict {
    let expected = match std::fs::read_to_string(golden) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Verdict::Failed(format!("{}: {error}", golden.display())),
    };
    if expected.as_deref() == Some(journal) {
        return Verdict::Pass;
    }
    if bless {
        return match write(golden, journal) {
            Ok(()) => Verdict::Blessed,
            Err(error) => Verdict::Failed(format!("{}: {error}", golden.display())),
        };
    }
    match expected {
        None => Verdict::NoGolden(golden.to_path_buf()),
        Some(expected) => {
            let difference = first_difference(golden, &expected, journal).expect("texts that differ have a first difference");
            Verdict::Differs(difference)
        }
    }
}

fn write(golden: &Path, journal: &str) -> std::io::Result<()> {
    if let Some(folder) = golden.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(golden, journal)
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

/// Hands results on in their order, whatever order they come in.
struct InOrder<F> {
    each: F,
    waiting: Mutex<(usize, BTreeMap<usize, Tested>)>,
}

impl<F: Fn(&Tested)> InOrder<F> {
    fn new(each: F) -> InOrder<F> {
        InOrder { each, waiting: Mutex::new((0, BTreeMap::new())) }
    }

    fn done(&self, nth: usize, tested: Tested) {
        let mut waiting = self.waiting.lock().expect("no caller of this lock panics while it holds it");
        let (next, results) = &mut *waiting;
        results.insert(nth, tested);
        while let Some(tested) = results.remove(next) {
            (self.each)(&tested);
            *next += 1;
        }
    }
}

#[cfg(test)]
mod tests;
