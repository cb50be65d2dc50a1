//! Events (the API kind) as rows: reason and arguments as symbols, text made on demand, counted and combined as client-go does.

use crate::hash::{FixedState, LookupMap};
use crate::ids::{Kind, ObjectKey, Uid};
use crate::names::{Name, Names, Sym};
use crate::record::correlate::{Correlator, GroupKey};
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::hash::BuildHasher;

/// How long an event is kept after it was last seen. Source: `design.md` §3, kube-apiserver `--event-ttl`.
pub const TTL: SimDuration = SimDuration::from_secs(3600);
/// What stands before the message of a row that stands for many similar events.
pub const COMBINED: &str = "(combined from similar events): ";
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
    /// `message`, without what stands before a combined one: see [`EventRow::text`].
    pub message: Message,
    /// The row stands for many similar events; the message is that of the last.
    pub combined: bool,
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
    /// `None` for the row into which similar events are combined.
    message: Option<Message>,
}

/// All events. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
pub struct Events {
    rows: VecDeque<EventRow>,
    dropped: u64,
    /// Number of the row of an event that may repeat.
    repeats: LookupMap<RowKey, u64>,
    correlator: Correlator,
    /// The source that writes through the newer recorder, which neither combines nor drops.
    newer: Sym,
    /// Every writing of a row, where a watcher asked for them.
    trail: Option<Vec<(u64, EventRow)>>,
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
    /// No events. `newer`: the scheduler, whose recorder neither combines nor drops.
    pub fn new(newer: Sym) -> Events {
        Events { newer, ..Events::default() }
    }

    /// Reports an event. One equal to an earlier one in everything but time raises that one's count; after nine different messages
    /// of one source, object, type and reason the others share one row; too many about one object are dropped.
    pub fn report(&mut self, now: SimTime, report: Report) {
        let message = Message { words: report.words, args: SmallVec::from_slice(report.args) };
        let is_newer = report.source == self.newer;
        let group = GroupKey { source: report.source, about: report.uid, warning: report.warning, reason: report.reason };
        let combined = !is_newer && self.correlator.combines(now, group, FixedState.hash_one(&message));
        if !is_newer && !self.correlator.admits(now, report.source, report.uid) {
            return;
        }
        self.total += 1;
        let key = RowKey {
            about: report.uid,
            kind: report.about.kind,
            source: report.source,
            warning: report.warning,
            reason: report.reason,
            message: (!combined).then(|| message.clone()),
        };
        let number = self.repeats.get(&key).copied().filter(|number| *number >= self.dropped);
        if let Some((number, row)) = number.and_then(|number| Some((number, self.rows.get_mut((number - self.dropped) as usize)?))) {
            row.count += 1;
            row.last_at = now;
            row.message = message;
            if let Some(trail) = &mut self.trail {
                trail.push((number, row.clone()));
            }
            return;
        }
        while self.rows.front().is_some_and(|row| row.last_at + TTL < now || self.rows.len() >= ROWS_MAX) {
            self.drop_oldest();
        }
        let number = self.dropped + self.rows.len() as u64;
        self.repeats.insert(key, number);
        let row = EventRow {
            about: report.about,
            uid: report.uid,
            source: report.source,
            warning: report.warning,
            reason: report.reason,
            message,
            combined,
            count: 1,
            first_at: now,
            last_at: now,
        };
        if let Some(trail) = &mut self.trail {
            trail.push((number, row.clone()));
        }
        self.rows.push_back(row);
    }

    /// Keeps every writing of a row from now on, for [`Events::take_trail`].
    pub fn keep_trail(&mut self) {
        self.trail.get_or_insert_default();
    }

    /// Every writing of a row since the last call, with the row's number: what a watch on Events shows.
    pub fn take_trail(&mut self) -> Vec<(u64, EventRow)> {
        self.trail.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn drop_oldest(&mut self) {
        if let Some(row) = self.rows.pop_front() {
            let key = RowKey {
                about: row.uid,
                kind: row.about.kind,
                source: row.source,
                warning: row.warning,
                reason: row.reason,
                message: (!row.combined).then_some(row.message),
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

impl EventRow {
    /// `message`.
    pub fn text(&self, names: &Names) -> String {
        let text = self.message.text(names);
        if self.combined { format!("{COMBINED}{text}") } else { text }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports `Created pod: web-N` for each number, all at once, and gives back the rows as `message xCOUNT`.
    fn rows_of(numbers: &[i64], source: &str) -> Vec<String> {
        let mut names = Names::new();
        let mut events = Events::new(names.sym("default-scheduler"));
        let about = ObjectKey { kind: Kind::ReplicaSet, namespace: names.sym("default"), name: names.name("web") };
        let (source, reason, words) = (names.sym(source), names.sym("SuccessfulCreate"), names.sym("Created pod: web-{}"));
        for number in numbers {
            let report = Report { about, uid: Uid(1), source, warning: false, reason, words, args: &[Arg::Int(*number)] };
            events.report(SimTime::ZERO, report);
        }
        events.rows().map(|row| format!("{} x{}", row.text(&names), row.count)).collect()
    }

    #[test]
    fn equal_events_are_counted() {
        assert_eq!(rows_of(&[1, 2, 1], "replicaset-controller"), ["Created pod: web-1 x2", "Created pod: web-2 x1"]);
    }

    #[test]
    fn the_tenth_and_later_messages_share_a_row() {
        let numbers: Vec<i64> = (1..=12).collect();
        let rows = rows_of(&numbers, "replicaset-controller");
        assert_eq!(rows.len(), 10);
        assert_eq!(rows[8], "Created pod: web-9 x1");
        assert_eq!(rows[9], "(combined from similar events): Created pod: web-12 x3");
    }

    #[test]
    fn the_scheduler_combines_and_drops_nothing() {
        let numbers: Vec<i64> = (1..=40).collect();
        assert_eq!(rows_of(&numbers, "default-scheduler").len(), 40);
        assert_eq!(
            rows_of(&numbers, "replicaset-controller").last().map(String::as_str),
            Some("(combined from similar events): Created pod: web-25 x16")
        );
    }
}
