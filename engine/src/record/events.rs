//! Events (the API kind) as rows: reason and arguments as symbols, text made on demand, counted and combined as client-go does.

use crate::hash::{FixedState, LookupMap};
use crate::ids::{Kind, ObjectKey, Uid};
use crate::names::{Name, Names, Sym};
use crate::record::correlate::{Correlator, GroupKey};
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use hashbrown::HashTable;
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
    /// A number of at most 61 bits.
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

/// What rows have in common: few forms serve millions of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Form {
    kind: Kind,
    namespace: Sym,
    source: Sym,
    warning: bool,
    reason: Sym,
    words: Sym,
    combined: bool,
}

/// A row as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    uid: Uid,
    name: Name,
    /// Number of the form; the words are those of the last message.
    form: u32,
    count: u32,
    first_at: SimTime,
    last_at: SimTime,
    args: Args,
}

/// Arguments of a message, eight bytes each.
type Args = SmallVec<[Packed; 3]>;

/// An argument in eight bytes: what it is in the lowest two bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Packed(u64);

impl Packed {
    /// Numbers beyond 61 bits are cut to the nearest that fits.
    fn of(arg: Arg) -> Packed {
        const MAX: i64 = (1 << 61) - 1;
        match arg {
            Arg::Text(sym) => Packed(u64::from(sym.0) << 2),
            Arg::Name(name) => Packed(u64::from(name.base.0) << 32 | u64::from(name.suffix) << 2 | 1),
            Arg::Int(number) => Packed((number.clamp(-MAX, MAX) as u64) << 2 | 2),
        }
    }

    fn arg(self) -> Arg {
        match self.0 & 3 {
            0 => Arg::Text(Sym((self.0 >> 2) as u32)),
            1 => Arg::Name(Name { base: Sym((self.0 >> 32) as u32), suffix: self.0 as u32 >> 2 }),
            _ => Arg::Int(self.0 as i64 >> 2),
        }
    }
}

/// All events. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
#[serde(from = "Saved", into = "Saved")]
pub struct Events {
    rows: VecDeque<Kept>,
    dropped: u64,
    forms: Vec<Form>,
    form_numbers: LookupMap<Form, u32>,
    /// Places of the rows, counted from the first that there ever was and cut to 32 bits, by what makes an event the same as another.
    repeats: HashTable<u32>,
    correlator: Correlator,
    /// The source that writes through the newer recorder, which neither combines nor drops.
    newer: Sym,
    /// Every writing of a row, where a watcher asked for them.
    trail: Option<Vec<(u64, EventRow)>>,
    total: u64,
}

/// What a checkpoint keeps of the events; the rest follows.
#[derive(Serialize, Deserialize)]
struct Saved {
    rows: VecDeque<Kept>,
    dropped: u64,
    forms: Vec<Form>,
    correlator: Correlator,
    newer: Sym,
    trail: Option<Vec<(u64, EventRow)>>,
    total: u64,
}

impl From<Events> for Saved {
    fn from(events: Events) -> Saved {
        let Events { rows, dropped, forms, correlator, newer, trail, total, .. } = events;
        Saved { rows, dropped, forms, correlator, newer, trail, total }
    }
}

impl From<Saved> for Events {
    fn from(saved: Saved) -> Events {
        let Saved { rows, dropped, forms, correlator, newer, trail, total } = saved;
        let form_numbers = forms.iter().zip(0..).map(|(&form, number)| (form, number)).collect();
        let mut events = Events { rows, dropped, forms, form_numbers, repeats: HashTable::new(), correlator, newer, trail, total };
        for at in 0..events.rows.len() {
            events.index(at);
        }
        events
    }
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
        let is_newer = report.source == self.newer;
        let group = GroupKey { source: report.source, about: report.uid, warning: report.warning, reason: report.reason };
        let combined = !is_newer && self.correlator.combines(now, group, FixedState.hash_one((report.words, report.args)));
        if !is_newer && !self.correlator.admits(now, report.source, report.uid) {
            return;
        }
        self.total += 1;
        let form = Form {
            kind: report.about.kind,
            namespace: report.about.namespace,
            source: report.source,
            warning: report.warning,
            reason: report.reason,
            words: report.words,
            combined,
        };
        let form = self.number_of(form);
        let args = report.args.iter().map(|&arg| Packed::of(arg)).collect();
        let wanted = Kept { uid: report.uid, name: report.about.name, form, count: 1, first_at: now, last_at: now, args };
        let at = match self.find(&wanted) {
            Some(at) => {
                let row = &mut self.rows[at];
                row.count += 1;
                row.last_at = now;
                (row.form, row.args) = (wanted.form, wanted.args);
                at
            }
            None => {
                while self.rows.front().is_some_and(|row| row.last_at + TTL < now || self.rows.len() >= ROWS_MAX) {
                    self.drop_oldest();
                }
                self.rows.push_back(wanted);
                self.index(self.rows.len() - 1);
                self.rows.len() - 1
            }
        };
        if self.trail.is_some() {
            let written = (self.dropped + at as u64, self.row(&self.rows[at]));
            self.trail.get_or_insert_default().push(written);
        }
    }

    fn number_of(&mut self, form: Form) -> u32 {
        let Events { forms, form_numbers, .. } = self;
        *form_numbers.entry(form).or_insert_with(|| {
            forms.push(form);
            forms.len() as u32 - 1
        })
    }

    /// What events have in common that share a row: all that is said, or for combined ones all but the message.
    fn hash(forms: &[Form], row: &Kept) -> u64 {
        let form = &forms[row.form as usize];
        if form.combined {
            FixedState.hash_one((row.uid.0, form.source.0, form.warning, form.reason.0))
        } else {
            FixedState.hash_one((row.uid.0, row.form, &row.args))
        }
    }

    /// Place of the row that an event belongs to.
    fn find(&self, wanted: &Kept) -> Option<usize> {
        let Events { rows, forms, dropped, .. } = self;
        let place = |number: u32| number.wrapping_sub(*dropped as u32) as usize;
        let same = |number: &u32| {
            let row = &rows[place(*number)];
            let (a, b) = (&forms[row.form as usize], &forms[wanted.form as usize]);
            row.uid == wanted.uid
                && if b.combined { Form { words: b.words, ..*a } == *b } else { row.form == wanted.form && row.args == wanted.args }
        };
        self.repeats.find(Events::hash(forms, wanted), same).map(|&number| place(number))
    }

    /// Lets the row at a place be found.
    fn index(&mut self, at: usize) {
        let Events { rows, forms, dropped, repeats, .. } = self;
        let place = |number: u32| number.wrapping_sub(*dropped as u32) as usize;
        let number = (*dropped + at as u64) as u32;
        repeats.insert_unique(Events::hash(forms, &rows[at]), number, |&number| Events::hash(forms, &rows[place(number)]));
    }

    fn row(&self, kept: &Kept) -> EventRow {
        let form = self.forms[kept.form as usize];
        EventRow {
            about: ObjectKey { kind: form.kind, namespace: form.namespace, name: kept.name },
            uid: kept.uid,
            source: form.source,
            warning: form.warning,
            reason: form.reason,
            message: Message { words: form.words, args: kept.args.iter().map(|arg| arg.arg()).collect() },
            combined: form.combined,
            count: kept.count,
            first_at: kept.first_at,
            last_at: kept.last_at,
        }
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
        let Some(row) = self.rows.front() else { return };
        let number = self.dropped as u32;
        if let Ok(found) = self.repeats.find_entry(Events::hash(&self.forms, row), |&other| other == number) {
            found.remove();
        }
        self.rows.pop_front();
        self.dropped += 1;
    }

    /// The rows, in order of first appearance.
    pub fn rows(&self) -> impl Iterator<Item = EventRow> + '_ {
        self.rows.iter().map(|kept| self.row(kept))
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
