//! How fast a watched run goes: keys, speed, and the length of the next stretch.

use std::time::Duration;
use wavetank_engine::time::SimDuration;

/// Virtual seconds for each real one unless the arguments say otherwise.
pub const SPEED: f64 = 10.0;
/// The slowest and the fastest speed.
pub const SPEEDS: [f64; 2] = [0.01, 1_000_000.0];

/// What a person may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Stop, or go on.
    Pause,
    /// Go to the next instant at which something changes, and stop there.
    Step,
    /// Go faster.
    Faster,
    /// Go slower.
    Slower,
    /// End.
    Quit,
}

impl Key {
    /// The key with this character.
    pub fn of(character: char) -> Option<Key> {
        match character {
            ' ' => Some(Key::Pause),
            's' => Some(Key::Step),
            '+' | '=' => Some(Key::Faster),
            '-' => Some(Key::Slower),
            'q' => Some(Key::Quit),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plays,
    Paused,
    Steps,
    AtEnd,
    Quits,
}

/// Whether the run goes on, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Virtual seconds for each real one.
    pub speed: f64,
    mode: Mode,
}

impl Pace {
    /// A run that plays.
    pub fn new(speed: f64) -> Pace {
        Pace { speed, mode: Mode::Plays }
    }

    /// A key was pressed.
    pub fn press(&mut self, key: Key) {
        match (key, self.mode) {
            (Key::Quit, _) => self.mode = Mode::Quits,
            (_, Mode::AtEnd | Mode::Quits) => {}
            (Key::Pause, Mode::Plays | Mode::Steps) => self.mode = Mode::Paused,
            (Key::Pause, Mode::Paused) => self.mode = Mode::Plays,
            (Key::Step, _) => self.mode = Mode::Steps,
            (Key::Faster, _) => self.speed = round(self.speed, true),
            (Key::Slower, _) => self.speed = round(self.speed, false),
        }
    }

    /// Something has changed: a step is done.
    pub fn stepped(&mut self) {
        if self.mode == Mode::Steps {
            self.mode = Mode::Paused;
        }
    }

    /// The run has come to its end.
    pub fn end(&mut self) {
        self.mode = Mode::AtEnd;
    }

    /// Whether the run goes on by itself.
    pub fn plays(&self) -> bool {
        self.mode == Mode::Plays
    }

    /// Whether the run goes on until something changes.
    pub fn steps(&self) -> bool {
        self.mode == Mode::Steps
    }

    /// Whether the person has had enough.
    pub fn quits(&self) -> bool {
        self.mode == Mode::Quits
    }

    /// How far to go for a picture of `frame`. A stretch before that took longer than that makes it shorter, so that keys are heard.
    pub fn stretch(&self, frame: Duration, worked: Duration) -> SimDuration {
        let seconds = frame.as_secs_f64() * self.speed * (frame.as_secs_f64() / worked.as_secs_f64().max(f64::MIN_POSITIVE)).min(1.0);
        SimDuration(((seconds * 1e9) as u64).max(1))
    }

    /// What the run does, in a word or two.
    pub fn word(&self) -> &'static str {
        match self.mode {
            Mode::Plays => "playing",
            Mode::Paused => "paused",
            Mode::Steps => "to the next change",
            Mode::AtEnd => "at the end",
            Mode::Quits => "stopped",
        }
    }
}

/// The next speed among 1, 2 and 5 times a power of ten.
fn round(speed: f64, up: bool) -> f64 {
    let mut steps = Vec::new();
    let mut unit = SPEEDS[0];
    while unit < SPEEDS[1] * 1.5 {
        steps.extend([unit, unit * 2.0, unit * 5.0]);
        unit = if unit < 1.0 { 1.0 / (1.0 / unit / 10.0).round() } else { unit * 10.0 };
    }
    steps.retain(|step| *step <= SPEEDS[1]);
    // Speeds that differ by less than a thousandth are the same one.
    let next = if up { steps.iter().find(|step| **step > speed * 1.001) } else { steps.iter().rev().find(|step| **step < speed * 0.999) };
    next.copied().unwrap_or(speed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_change_speed_and_mode() {
        let mut pace = Pace::new(SPEED);
        let mut press = |text: &str| {
            text.chars().filter_map(Key::of).for_each(|key| pace.press(key));
            format!("{} {}", pace.speed, pace.word())
        };
        let table = [
            ("+", "20 playing"),
            ("=+", "100 playing"),
            ("----", "5 playing"),
            (" ", "5 paused"),
            ("x", "5 paused"),
            ("s", "5 to the next change"),
            ("  ", "5 playing"),
            ("------", "0.05 playing"),
            ("---------", "0.01 playing"),
            ("++++++", "1 playing"),
            ("sq", "1 stopped"),
            (" +", "1 stopped"),
        ];
        for (keys, want) in table {
            assert_eq!(press(keys), want, "{keys:?}");
        }
    }

    #[test]
    fn a_step_ends_with_a_change_and_the_end_only_with_q() {
        let mut pace = Pace::new(1.0);
        pace.stepped();
        assert!(pace.plays(), "nobody asked for a step");
        pace.press(Key::Step);
        assert!(pace.steps());
        pace.stepped();
        assert_eq!(pace.word(), "paused");
        pace.end();
        [Key::Pause, Key::Step, Key::Faster].into_iter().for_each(|key| pace.press(key));
        assert_eq!((pace.word(), pace.speed), ("at the end", 1.0));
        pace.press(Key::Quit);
        assert!(pace.quits());
    }

    #[test]
    fn stretches_follow_the_speed_and_shrink_when_work_is_slow() {
        let (frame, pace) = (Duration::from_millis(50), Pace::new(10.0));
        assert_eq!(pace.stretch(frame, Duration::ZERO), SimDuration(500_000_000));
        assert_eq!(pace.stretch(frame, Duration::from_millis(100)), SimDuration(250_000_000));
        assert_eq!(Pace::new(1e-12).stretch(frame, frame), SimDuration(1), "it always goes on");
    }

    #[test]
    fn an_odd_speed_comes_to_a_round_one() {
        assert_eq!([round(7.0, true), round(7.0, false), round(3e6, true)], [10.0, 5.0, 3e6]);
        assert_eq!(round(SPEEDS[1], true), SPEEDS[1]);
    }
}
