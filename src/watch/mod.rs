//! `run --watch`: a run played at a pace that a person can follow, and drawn on the terminal.
//!
//! [`pace`] has the keys and how far the next stretch goes, [`view`] is what the world holds at a moment, `draw` and `terminal` put it on
//! a terminal; these two are there with the cargo feature `watch` alone. The clock on the wall decides how far the run goes before
//! the next picture, and nothing of what happens in it.

#[cfg(feature = "watch")]
mod draw;
pub mod pace;
#[cfg(feature = "watch")]
mod terminal;
pub mod view;

use crate::render::why::Script;
use crate::usage::Stopwatch;
use pace::{Key, Pace};
use std::io::{self, IsTerminal};
use std::time::Duration;
use view::View;
use wavetank_engine::record::events::Events;
use wavetank_engine::scene::run::Run;
use wavetank_engine::time::SimTime;

/// Wall time between two pictures, at the least.
pub const FRAME: Duration = Duration::from_millis(50);
/// Wall time between two pictures of a run that stands still.
const IDLE: Duration = Duration::from_secs(1);
/// Wall time after which a search for the next change shows how far it is.
const STEP_FRAME: Duration = Duration::from_millis(200);

/// Where a watched run is drawn, and where keys come from. Dropping it gives the terminal back as it was.
pub trait Screen {
    /// Draws a picture.
    ///
    /// # Errors
    /// What the terminal says.
    fn draw(&mut self, view: &View, pace: &Pace) -> io::Result<()>;

    /// The next key that means something, within a time. `None`: there was none.
    ///
    /// # Errors
    /// What the terminal says.
    fn key(&mut self, within: Duration) -> io::Result<Option<Key>>;
}

/// A run being watched.
pub struct Watch {
    screen: Box<dyn Screen>,
    pace: Pace,
    script: Vec<Script>,
    /// Whether the instant zero has been played.
    begun: bool,
    /// Wall time between two pictures: drawing takes a quarter of it at most.
    frame: Duration,
    /// Since the last picture.
    drawn: Stopwatch,
    /// Since the run was told where to go.
    since: Stopwatch,
    /// Events reported until the last stretch.
    events: u64,
}

impl Watch {
    /// Watches on the terminal.
    ///
    /// # Errors
    /// A sentence when there is none, or when this program was built without it.
    pub fn open(speed: f64, script: Vec<Script>) -> Result<Watch, String> {
        Ok(Watch::on(screen()?, speed, script))
    }

    /// Watches on a screen.
    pub fn on(screen: Box<dyn Screen>, speed: f64, script: Vec<Script>) -> Watch {
        let (pace, now) = (Pace::new(speed), Stopwatch::start());
        Watch { screen, pace, script, begun: false, frame: FRAME, drawn: now, since: now, events: 0 }
    }

    /// Draws the present, waits as the pace says, and gives the moment to run to. `None`: the person has had enough.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn next(&mut self, run: &Run) -> io::Result<Option<SimTime>> {
        let now = run.sim.now();
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(Some(now));
        }
        if self.pace.steps() && self.drawn.wall() < STEP_FRAME {
            return Ok(Some(run.next_from()));
        }
        // A run that is behind its pace goes on from where it is, and does not hurry.
        let (worked, began) = (self.since.wall(), Stopwatch::start());
        loop {
            self.draw(run)?;
            let wait = match (self.pace.plays(), self.pace.steps()) {
                (true, _) => self.frame.saturating_sub(worked + began.wall()),
                (_, true) => Duration::ZERO,
                _ => IDLE,
            };
            if let Some(key) = self.screen.key(wait)? {
                self.pace.press(key);
                if self.pace.quits() {
                    return Ok(None);
                }
                continue;
            }
            let next = if self.pace.steps() { run.next_from() } else { (now + self.pace.stretch(self.frame, worked)).min(run.end()) };
            if self.pace.plays() || self.pace.steps() {
                self.since = Stopwatch::start();
                return Ok(Some(next));
            }
        }
    }

    /// A stretch is over; `changed`: the journal has lines of it.
    pub fn heard(&mut self, run: &Run, changed: bool) {
        let events = run.sim.get::<Events>().total();
        if changed || events != self.events {
            self.pace.stepped();
        }
        self.events = events;
    }

    /// Shows the end until the person has seen it.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn end(&mut self, run: &Run) -> io::Result<()> {
        self.pace.end();
        while !self.pace.quits() {
            self.draw(run)?;
            if let Some(key) = self.screen.key(IDLE)? {
                self.pace.press(key);
            }
        }
        Ok(())
    }

    fn draw(&mut self, run: &Run) -> io::Result<()> {
        let drawing = Stopwatch::start();
        self.screen.draw(&View::of(run, &self.script), &self.pace)?;
        self.frame = FRAME.max(drawing.wall() * 4);
        self.drawn = Stopwatch::start();
        Ok(())
    }
}

/// Whether this program can watch here: it was built to, and there is a terminal.
///
/// # Errors
/// A sentence on what is missing.
pub fn possible() -> Result<(), String> {
    if !cfg!(feature = "watch") {
        return Err("this program was built without --watch; build it with: cargo build --release --features watch".to_string());
    }
    let missing = match (io::stdin().is_terminal(), io::stdout().is_terminal()) {
        (true, true) => return Ok(()),
        (false, _) => "standard input",
        (true, false) => "standard output",
    };
    Err(format!("--watch needs a terminal, and {missing} is none; leave it away, or write what happens with --journal FILE"))
}

#[cfg(feature = "watch")]
fn screen() -> Result<Box<dyn Screen>, String> {
    Ok(Box::new(terminal::Terminal::open().map_err(|error| format!("--watch: the terminal: {error}"))?))
}

#[cfg(not(feature = "watch"))]
fn screen() -> Result<Box<dyn Screen>, String> {
    possible().map(|()| unreachable!("a program without the terminal can't watch"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    use wavetank_engine::record::journal::Journal;
    use wavetank_engine::record::summary::digest_text;
    use wavetank_engine::scene::load::{Overrides, load};
    use wavetank_engine::scene::run::RunOptions;
    use wavetank_engine::source::MemoryFiles;

    const SCENE: &str = r#"Scene(
        duration: "1m",
        nodes: [Pool(name: "n", count: 2, allocatable: {"cpu": "2", "memory": "4Gi"})],
        objects: [Deployment(metadata: (name: "web"), spec: (replicas: 1, selector: (matchLabels: {"app": "web"}), template: (
            metadata: (labels: {"app": "web"}), spec: (containers: [(name: "c", image: "web:1")]),
        )))],
        script: [At("30s", Scale("deployment/web", 3))],
    )"#;

    pub(super) fn small_run() -> Run {
        let files = MemoryFiles::default().with("web.ron", SCENE.as_bytes().to_vec());
        let scene = load(&files, &["web.ron".to_string()], &Overrides::default()).scene.take().unwrap();
        let options = RunOptions { journal: true, ..RunOptions::default() };
        Run::new(scene, &options, wavetank_systems::install_all).unwrap()
    }

    /// Presses keys, each at a picture, and remembers the moments that it was shown.
    #[derive(Clone, Default)]
    struct Played {
        keys: Rc<RefCell<Vec<Option<Key>>>>,
        seen: Rc<RefCell<Vec<(SimTime, u64)>>>,
    }

    impl Screen for Played {
        fn draw(&mut self, view: &View, _: &Pace) -> io::Result<()> {
            let wanted = view.workloads.iter().map(|workload| workload.wanted).sum();
            self.seen.borrow_mut().push((view.now, wanted));
            Ok(())
        }

        fn key(&mut self, _: Duration) -> io::Result<Option<Key>> {
            let mut keys = self.keys.borrow_mut();
            Ok(if keys.is_empty() { Some(Key::Quit) } else { keys.remove(0) })
        }
    }

    /// Plays a run with keys: the moments shown, and where it stood at the end.
    fn play(keys: &[Option<Key>], speed: f64) -> (Vec<(SimTime, u64)>, Run) {
        let mut run = small_run();
        let screen = Played::default();
        screen.keys.borrow_mut().extend_from_slice(keys);
        let mut watch = Watch::on(Box::new(screen.clone()), speed, Vec::new());
        while let Some(next) = watch.next(&run).unwrap() {
            run.run_until(next, &mut |_| {}).unwrap();
            let lines = run.sim.get_mut::<Journal>().take();
            watch.heard(&run, !lines.is_empty());
            if run.sim.now() >= run.end() {
                watch.end(&run).unwrap();
                break;
            }
        }
        let seen = screen.seen.borrow().clone();
        (seen, run)
    }

    #[test]
    fn steps_go_from_change_to_change_and_miss_none() {
        let mut plain = small_run();
        let mut changes = vec![];
        plain.run_until(plain.end(), &mut |_| {}).unwrap();
        let lines = plain.sim.get_mut::<Journal>().take();
        changes.extend(lines.iter().map(|line| line.at));
        changes.extend(plain.sim.get::<Events>().rows().flat_map(|row| [row.first_at, row.last_at]));
        changes.sort();
        changes.dedup();
        // A first pause at time zero, then a step for each change.
        let keys: Vec<Option<Key>> =
            [Some(Key::Pause), None].into_iter().chain(changes[1..].iter().flat_map(|_| [Some(Key::Step), None])).collect();
        let (seen, _) = play(&keys, 10.0);
        let mut shown: Vec<SimTime> = seen.iter().map(|(at, _)| *at).collect();
        shown.dedup();
        assert_eq!(shown, changes);
    }

    #[test]
    fn a_watched_run_is_the_same_run() {
        let digest = |run: &Run| digest_text(wavetank_engine::record::digest::digest(&run.sim));
        let mut plain = small_run();
        plain.run_until(plain.end(), &mut |_| {}).unwrap();
        let (seen, watched) = play(&[None; 200], 100.0);
        assert_eq!((watched.sim.now(), digest(&watched)), (watched.end(), digest(&plain)));
        assert!(seen.len() >= 10 && seen.iter().any(|(_, wanted)| *wanted == 1) && seen.last().is_some_and(|(_, wanted)| *wanted == 3));
    }

    #[test]
    fn quitting_ends_the_run_where_it_stands() {
        let (seen, run) = play(&[None, None, Some(Key::Quit)], 20.0);
        assert!(run.sim.now() > SimTime::ZERO && run.sim.now() < run.end(), "{}", run.sim.now());
        assert_eq!(seen.last().map(|(at, _)| *at), Some(run.sim.now()));
    }
}
