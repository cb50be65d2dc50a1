//! The terminal of a watched run: raw, on its second page, and given back as it was.

use super::draw::draw;
use super::pace::{Key, Pace};
use super::view::View;
use super::{FRAME, Screen};
use crate::usage::Stopwatch;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui_crossterm::CrosstermBackend;
use std::io::{self, Stdout};
use std::time::Duration;

/// The terminal that the program runs in.
pub(super) struct Terminal {
    page: ratatui::Terminal<CrosstermBackend<Stdout>>,
}

impl Terminal {
    /// Takes the terminal over.
    pub(super) fn open() -> io::Result<Terminal> {
        // A bug tells of itself on the page that stays.
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            usual(info);
        }));
        enable_raw_mode()?;
        let opened = execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)
            .and_then(|()| ratatui::Terminal::new(CrosstermBackend::new(io::stdout())));
        opened.map(|page| Terminal { page }).inspect_err(|_| give_back())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Twice does no harm. What fails here has nobody to be told to.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
}

impl Screen for Terminal {
    fn draw(&mut self, view: &View, pace: &Pace) -> io::Result<()> {
        self.page.draw(|frame| draw(frame, view, pace)).map(|_| ())
    }

    fn key(&mut self, within: Duration) -> io::Result<Option<Key>> {
        let waiting = Stopwatch::start();
        // Two pictures that come at once are still one after another for whoever holds a key down.
        let within = within.max(FRAME / 50);
        loop {
            if !event::poll(within.saturating_sub(waiting.wall()))? {
                return Ok(None);
            }
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Release => {}
                Event::Key(key) if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) => {
                    return Ok(Some(Key::Quit));
                }
                Event::Key(key) => {
                    let meant = match key.code {
                        KeyCode::Char(character) => Key::of(character),
                        KeyCode::Esc => Some(Key::Quit),
                        _ => None,
                    };
                    if meant.is_some() {
                        return Ok(meant);
                    }
                }
                // The next picture has the new size.
                Event::Resize(..) => return Ok(None),
                _ => {}
            }
        }
    }
}
