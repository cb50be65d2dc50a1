//! Exit codes, and the note that a bug leaves before it ends the program.

use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::sync::Mutex;
use wavetank_engine::time::SimTime;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything went well.
    Well,
    /// An expectation was missed, a golden journal differs, or an object asked for is not there.
    Missed,
    /// Bad usage, or bad input.
    BadInput,
    /// The world does not come to rest.
    Restless,
}

impl Outcome {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Outcome::Well => 0,
            Outcome::Missed => 1,
            Outcome::BadInput => 2,
            Outcome::Restless => 3,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(outcome.code())
    }
}

/// What is running at the moment, for the note of a bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// File of the scene.
    pub scene: String,
    /// Seed of the run.
    pub seed: u64,
    /// Virtual time reached.
    pub at: SimTime,
}

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// Tells the hook of [`note_bugs`] what is running; `None` when nothing is. Runs side by side overwrite each other, so a
/// program that runs several scenes at a time leaves it alone and names the scene itself.
pub fn now_running(running: Option<Running>) {
    *RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = running;
}

/// Makes every later panic print what was running and what to send with a report, after the usual message. A panic that
/// nobody catches ends the process with exit code 101.
pub fn note_bugs() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        usual(info);
        let running = RUNNING.try_lock().ok().and_then(|running| running.clone());
        eprint!("{}", note(running.as_ref()));
    }));
}

/// The note on a bug.
fn note(running: Option<&Running>) -> String {
    let mut note = String::from("\nThis is a bug in wavetank, not in your input.\n");
    if let Some(Running { scene, seed, at }) = running {
        note.push_str(&format!("  scene         {scene}\n  seed          {seed}\n  virtual time  {at}\n"));
    }
    note.push_str(&format!("  version       {}\nPlease report it with the message above and the scene.\n", env!("CARGO_PKG_VERSION")));
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_names_scene_seed_and_time() {
        let note = note(Some(&Running { scene: "a.ron".into(), seed: 7, at: SimTime::from_secs(62) }));
        for part in ["a.ron", " 7\n", "01:02.000", "bug in wavetank"] {
            assert!(note.contains(part), "{part}: {note}");
        }
    }

    #[test]
    fn codes() {
        assert_eq!([Outcome::Well, Outcome::Missed, Outcome::BadInput, Outcome::Restless].map(Outcome::code), [0, 1, 2, 3]);
    }
}
