//! Standard output, and the progress bar of long runs.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use wavetank_engine::time::{SimDuration, SimTime};

/// Writes text to standard output. A reader who has gone away (`| head`) is no error.
///
/// # Errors
/// Any other failure to write.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Wall time before a run gets a progress bar.
pub const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// A bar on standard error that appears once a run takes longer than [`PROGRESS_AFTER`], on a terminal only.
pub struct Progress {
    bar: Option<ProgressBar>,
    end: SimDuration,
    shown: bool,
}

impl Progress {
    /// A bar for a run of `end` virtual time; `wanted` is false with `--quiet`.
    pub fn new(end: SimDuration, wanted: bool) -> Progress {
        let bar = (wanted && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(end.as_millis()), ProgressDrawTarget::hidden());
            bar.set_style(style());
            bar
        });
        Progress { bar, end, shown: false }
    }

    /// Tells how far the run is: the virtual time reached, the wall time since its start and a word on what it holds.
    pub fn at(&mut self, reached: SimTime, wall: Duration, holds: &str) {
        let Some(bar) = &self.bar else { return };
        if wall < PROGRESS_AFTER {
            return;
        }
        if !self.shown {
            self.shown = true;
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
        bar.set_position(reached.since(SimTime::ZERO).as_millis());
        bar.set_message(format!("{reached} of {}  {holds}", SimTime::ZERO + self.end));
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar on standard error for things that are counted, on a terminal only.
pub struct CountProgress {
    bar: Option<ProgressBar>,
}

impl CountProgress {
    /// A bar for `total` things under a name; `wanted` is false with `--quiet`.
    pub fn new(name: &str, total: u64, wanted: bool) -> CountProgress {
        let bar = (wanted && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(style());
            bar.set_message(name.to_string());
            bar
        });
        CountProgress { bar }
    }

    /// Tells how many there are so far, and what is being done.
    pub fn at(&self, count: u64, doing: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(count);
            bar.set_message(doing.to_string());
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}").expect("the template is a constant and is drawn in a test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_sound() {
        style();
    }

    #[test]
    fn no_bar_without_a_terminal_or_within_a_second() {
        let mut progress = Progress::new(SimDuration::from_secs(60), false);
        progress.at(SimTime::from_secs(1), Duration::from_secs(9), "");
        assert!(progress.bar.is_none() && !progress.shown);
    }
}
