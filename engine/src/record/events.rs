//! Events (the API kind) as rows: reason and arguments as symbols, text made on demand, counted and combined as client-go does.

use crate::hash::LookupMap;
use crate::ids::{Kind, ObjectKey, Uid};
use crate::names::{Name, Names, Sym};
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// How long an event is kept after it was last seen. Source: `design.md` §3, kube-apiserver `--event-ttl`.
pub const TTL: SimDuration = SimDuration::from_secs(3600);
/// Rows held at most; the oldest go first.
const ROWS_MAX: usize = 4_000_000;

/// One argument of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arg {
    /// Text.
    Text(Sym),
    /// Name of an object.
    Name(Name),
    /// A number.
    Int(i64),
}

/// What an event says: the words with `{}` for each argument.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Words with `{}` in place of each argument; text with braces of its own goes in as one argument.
    pub words: Sym,
    /// The arguments.
    pub args: SmallVec<[Arg; 2]>,
}

/// One row: an event with its count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// The object that it is about.
    pub about: ObjectKey,
    /// Identity of that object.
    pub uid: Uid,
    /// Who reports.
    pub source: Sym,
    /// `type` is Warning.
    pub warning: bool,
    /// `reason`.
    pub reason: Sym,
    /// `message`.
    pub message: Message,
    /// `count`.
    pub count: u32,
    /// `firstTimestamp`.
    pub first_at: SimTime,
    /// `lastTimestamp`.
    pub last_at: SimTime,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct RowKey {
    about: Uid,
    kind: Kind,
    source: Sym,
    warning: bool,
    reason: Sym,
    message: Message,
}

/// All events. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
pub struct Events {
    rows: VecDeque<EventRow>,
    dropped: u64,
    /// Number of the row of an event that may repeat.
    repeats: LookupMap<RowKey, u64>,
    total: u64,
}

/// What is reported.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The object that it is about.
    pub about: ObjectKey,
    /// Identity of that object.
    pub uid: Uid,
    /// Who reports, such as `replicaset-controller`.
    pub source: Sym,
    /// `type` is Warning.
    pub warning: bool,
    /// `reason`.
    pub reason: Sym,
    /// Words of the message, with `{}` for each argument.
    pub words: Sym,
    /// The arguments.
    pub args: &'a [Arg],
}

impl Events {
    /// Reports an event. One equal to an earlier one in everything but time raises that one's count.
    pub fn report(&mut self, now: SimTime, report: Report) {
        self.total += 1;
        let message = Message { words: report.words, args: SmallVec::from_slice(report.args) };
        let key = RowKey {
            about: report.uid,
            kind: report.about.kind,
            source: report.source,
            warning: report.warning,
            reason: report.reason,
            message,
        };
        if let Some(row) =
            self.repeats.get(&key).and_then(|number| number.checked_sub(self.dropped)).and_then(|at| self.rows.get_mut(at as usize))
        {
            row.count += 1;
            row.last_at = now;
            return;
        }
        while self.rows.front().is_some_and(|row| row.last_at + TTL < now || self.rows.len() >= ROWS_MAX) {
            self.drop_oldest();
        }
        let message = key.message.clone();
        self.repeats.insert(key, self.dropped + self.rows.len() as u64);
        self.rows.push_back(EventRow {
            about: report.about,
            uid: report.uid,
            source: report.source,
            warning: report.warning,
            reason: report.reason,
            message,
            count: 1,
            first_at: now,
            last_at: now,
        });
    }

    fn drop_oldest(&mut self) {
        if let Some(row) = self.rows.pop_front() {
            let key = RowKey {
                about: row.uid,
                kind: row.about.kind,
                source: row.source,
                warning: row.warning,
                reason: row.reason,
                message: row.message,
            };
            self.repeats.remove(&key);
            self.dropped += 1;
        }
    }

    /// The rows, in order of first appearance.
    pub fn rows(&self) -> impl Iterator<Item = &EventRow> {
        self.rows.iter()
    }

    /// Events reported since the beginning, repetitions included.
    pub fn total(&self) -> u64 {
        self.total
    }
}

impl Message {
    /// The text.
    pub fn text(&self, names: &Names) -> String {
        let mut text = String::new();
        let mut args = self.args.iter();
        let mut rest = names.text(self.words);
        while let Some(at) = rest.find("{}") {
            text.push_str(&rest[..at]);
            match args.next() {
                Some(Arg::Text(sym)) => text.push_str(names.text(*sym)),
                Some(Arg::Name(name)) => text.push_str(&names.render(*name)),
                Some(Arg::Int(number)) => text.push_str(&number.to_string()),
                None => text.push_str("{}"),
            }
            rest = &rest[at + 2..];
        }
        text.push_str(rest);
        text
    }
}
