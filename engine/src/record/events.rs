//! Events (the API kind) as rows: reason and arguments as symbols, text made on demand, counted and combined as client-go does.

use crate::hash::{FixedState, LookupMap, LookupSet};
use crate::ids::{ObjectKey, Revision, Uid};
use crate::names::Sym;
use crate::record::correlate::{Correlator, GroupKey};
pub use crate::record::event_row::{Arg, COMBINED, EventRow, Message};
use crate::record::event_row::{Args, Form, Kept, Packed};
use crate::time::{SimDuration, SimTime};
use crate::uid_table::UidTable;
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::hash::BuildHasher;

/// How long an event is kept after it was last seen. Source: `design.md` §3, kube-apiserver `--event-ttl`.
pub const TTL: SimDuration = SimDuration::from_secs(3600);
/// Rows held at most; the oldest go first.
const ROWS_MAX: usize = 4_000_000;

const NONE: u32 = u32::MAX;
/// While an object has fewer rows nothing about it can have been dropped.
const ROWS_UNTRACKED: usize = 24;

/// All events. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
#[serde(from = "Saved", into = "Saved")]
pub struct Events {
    rows: VecDeque<Kept>,
    dropped: u64,
    forms: Vec<Form>,
    form_numbers: LookupMap<Form, u32>,
    /// Number of each object's last row. Rows are counted from the first that there ever was, in 31 bits.
    last: UidTable,
    /// Objects that the correlator knows: the others had no two events of one source, type and reason, so their rows say all.
    tracked: LookupSet<Uid>,
    correlator: Correlator,
    /// The source that writes through the newer recorder, which neither combines nor drops.
    newer: Sym,
    /// Of objects reported of by revision: the last revision, and the number of the first row since.
    seen_at: LookupMap<Uid, (Revision, u64)>,
    /// Namespaces that are being deleted: nothing new is written there.
    closed: Vec<Sym>,
    /// Every writing of a row, where a watcher asked for them.
    trail: Option<Vec<Written>>,
    total: u64,
}

/// One writing of a row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Written {
    /// Number of the row.
    pub number: u64,
    /// The row as written, or as it was last.
    pub row: EventRow,
    /// It was deleted.
    pub deleted: bool,
}

/// What a checkpoint keeps of the events; the rest follows.
#[derive(Serialize, Deserialize)]
struct Saved {
    rows: VecDeque<Kept>,
    dropped: u64,
    forms: Vec<Form>,
    tracked: LookupSet<Uid>,
    correlator: Correlator,
    newer: Sym,
    seen_at: LookupMap<Uid, (Revision, u64)>,
    closed: Vec<Sym>,
    trail: Option<Vec<Written>>,
    total: u64,
}

impl From<Events> for Saved {
    fn from(events: Events) -> Saved {
        let Events { rows, dropped, forms, tracked, correlator, newer, seen_at, closed, trail, total, .. } = events;
        Saved { rows, dropped, forms, tracked, correlator, newer, seen_at, closed, trail, total }
    }
}

impl From<Saved> for Events {
    fn from(saved: Saved) -> Events {
        let Saved { rows, dropped, forms, tracked, correlator, newer, seen_at, closed, trail, total } = saved;
        let form_numbers = forms.iter().zip(0..).map(|(&form, number)| (form, number)).collect();
        let mut last = UidTable::default();
        for (row, number) in rows.iter().zip(dropped..) {
            last.insert(row.uid, number_of_row(number));
        }
        Events { rows, dropped, forms, form_numbers, last, tracked, correlator, newer, seen_at, closed, trail, total }
    }
}

/// What becomes of an event.
enum Verdict {
    Apart,
    Combine,
    Drop,
}

/// Bits of a row's number.
const NUMBER_MASK: u32 = u32::MAX >> 1;

/// A row's number as it is kept.
fn number_of_row(number: u64) -> u32 {
    number as u32 & NUMBER_MASK
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
        self.report_from(now, 0, report);
    }

    /// [`Events::report`] by the scheduler's recorder of an object that may be reported of again: for it an event is another one when
    /// the object has another revision. Source: kubernetes v1.36, `client-go/tools/events/event_broadcaster.go`, `getKey`.
    pub fn report_of(&mut self, now: SimTime, revision: Revision, report: Report) {
        let next = self.dropped + self.rows.len() as u64;
        let seen = self.seen_at.entry(report.uid).or_insert((revision, next));
        if seen.0 != revision {
            *seen = (revision, next);
        }
        let from = seen.1;
        self.report_from(now, from, report);
    }

    /// Rows before the number `from` are not looked at for an equal one.
    fn report_from(&mut self, now: SimTime, from: u64, report: Report) {
        let args = Packed::all(report.args, report.about);
        let combined = match self.weigh(now, &report, &args) {
            Verdict::Drop => return,
            Verdict::Apart => false,
            Verdict::Combine => true,
        };
        self.total += 1;
        let form = self.number_of(Form {
            kind: report.about.kind,
            namespace: report.about.namespace,
            source: report.source,
            warning: report.warning,
            reason: report.reason,
            words: report.words,
            combined,
        });
        let found = self.find(report.uid, form, &args).filter(|&at| self.dropped + at as u64 >= from);
        let at = match found {
            Some(at) => {
                let row = &mut self.rows[at];
                row.count += 1;
                row.last_at = now;
                (row.form, row.args) = (form, args);
                at
            }
            None if self.closed.contains(&report.about.namespace) => {
                self.total -= 1;
                return;
            }
            None => {
                while self.rows.front().is_some_and(|row| row.last_at + TTL < now || self.rows.len() >= ROWS_MAX) {
                    self.drop_oldest();
                }
                let number = number_of_row(self.dropped + self.rows.len() as u64);
                let before = self.last.get(report.uid).unwrap_or(NONE);
                self.last.insert(report.uid, number);
                let (uid, name) = (report.uid, report.about.name);
                self.rows.push_back(Kept { uid, name, form, count: 1, first_at: now, last_at: now, args, before });
                self.rows.len() - 1
            }
        };
        if self.trail.is_some() {
            let written = Written { number: self.dropped + at as u64, row: self.row(&self.rows[at]), deleted: false };
            self.trail.get_or_insert_default().push(written);
        }
    }

    /// What the recorder does with an event before it is written.
    fn weigh(&mut self, now: SimTime, report: &Report, args: &Args) -> Verdict {
        if report.source == self.newer {
            return Verdict::Apart;
        }
        if !self.tracked.contains(&report.uid) {
            let alike = |form: &Form| (form.source, form.warning, form.reason) == (report.source, report.warning, report.reason);
            let first = !self.rows_about(report.uid).any(|at| alike(&self.forms[self.rows[at].form as usize]));
            if first && self.rows_about(report.uid).take(ROWS_UNTRACKED).count() < ROWS_UNTRACKED {
                return Verdict::Apart;
            }
            self.track(report.uid);
        }
        let group = GroupKey { source: report.source, about: report.uid, warning: report.warning, reason: report.reason };
        let combined = self.correlator.combines(now, group, FixedState.hash_one((report.words, args)));
        if !self.correlator.admits(now, report.source, report.uid) {
            return Verdict::Drop;
        }
        if combined { Verdict::Combine } else { Verdict::Apart }
    }

    /// Tells the correlator of an object's events until now, each of which came once.
    fn track(&mut self, uid: Uid) {
        let mut rows: Vec<usize> = self.rows_about(uid).collect();
        rows.reverse();
        for row in rows.into_iter().map(|at| &self.rows[at]) {
            let form = &self.forms[row.form as usize];
            if form.source != self.newer {
                let group = GroupKey { source: form.source, about: uid, warning: form.warning, reason: form.reason };
                self.correlator.combines(row.first_at, group, FixedState.hash_one((form.words, &row.args)));
                self.correlator.admits(row.first_at, form.source, uid);
            }
        }
        self.tracked.insert(uid);
    }

    /// Places of an object's rows, the newest first.
    fn rows_about(&self, uid: Uid) -> impl Iterator<Item = usize> + '_ {
        let place = |number: u32| {
            let at = number.wrapping_sub(number_of_row(self.dropped)) & NUMBER_MASK;
            Some(at as usize).filter(|&at| number != NONE && at < self.rows.len())
        };
        std::iter::successors(self.last.get(uid).and_then(place), move |&at| place(self.rows[at].before))
    }

    fn number_of(&mut self, form: Form) -> u32 {
        let Events { forms, form_numbers, .. } = self;
        *form_numbers.entry(form).or_insert_with(|| {
            forms.push(form);
            forms.len() as u32 - 1
        })
    }

    /// Place of the row of an earlier event that says the same, or for combined ones the same but for the message.
    fn find(&self, uid: Uid, form: u32, args: &Args) -> Option<usize> {
        let wanted = &self.forms[form as usize];
        self.rows_about(uid).find(|&at| {
            let row = &self.rows[at];
            if row.count == 0 {
                false
            } else if wanted.combined {
                Form { words: wanted.words, ..self.forms[row.form as usize] } == *wanted
            } else {
                row.form == form && row.args == *args
            }
        })
    }

    fn row(&self, kept: &Kept) -> EventRow {
        kept.row(self.forms[kept.form as usize])
    }

    /// Writes nothing new in a namespace whose deletion was asked for. Source: `spec/lifecycle.md` §5.
    pub(crate) fn close(&mut self, namespace: Sym) {
        self.closed.push(namespace);
    }

    /// Writes again in a namespace that was made anew.
    pub(crate) fn open(&mut self, namespace: Sym) {
        self.closed.retain(|closed| *closed != namespace);
    }

    /// Deletes the rows of a namespace.
    pub fn delete_namespace(&mut self, namespace: Sym) {
        for at in 0..self.rows.len() {
            if self.rows[at].count > 0 && self.forms[self.rows[at].form as usize].namespace == namespace {
                if self.trail.is_some() {
                    let written = Written { number: self.dropped + at as u64, row: self.row(&self.rows[at]), deleted: true };
                    self.trail.get_or_insert_default().push(written);
                }
                self.rows[at].count = 0;
            }
        }
    }

    /// Keeps every writing of a row from now on, for [`Events::take_trail`].
    pub fn keep_trail(&mut self) {
        self.trail.get_or_insert_default();
    }

    /// Every writing of a row since the last call, what a watch on Events shows.
    pub fn take_trail(&mut self) -> Vec<Written> {
        self.trail.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn drop_oldest(&mut self) {
        if let Some(row) = self.rows.pop_front() {
            if self.last.get(row.uid) == Some(number_of_row(self.dropped)) {
                self.last.remove(row.uid);
                self.tracked.remove(&row.uid);
                self.seen_at.remove(&row.uid);
            }
            self.dropped += 1;
        }
    }

    /// The rows, in order of first appearance.
    pub fn rows(&self) -> impl Iterator<Item = EventRow> + '_ {
        self.rows.iter().filter(|kept| kept.count > 0).map(|kept| self.row(kept))
    }

    /// The rows that were written last, at most `count`, the oldest of them first.
    pub fn latest(&self, count: usize) -> Vec<EventRow> {
        let mut latest: BTreeSet<(SimTime, usize)> = BTreeSet::new();
        for (at, kept) in self.rows.iter().enumerate().filter(|(_, kept)| kept.count > 0) {
            let entry = (kept.last_at, at);
            if latest.len() < count || latest.first().is_some_and(|first| *first < entry) {
                latest.insert(entry);
            }
            if latest.len() > count {
                latest.pop_first();
            }
        }
        latest.into_iter().map(|(_, at)| self.row(&self.rows[at])).collect()
    }

    /// Events reported since the beginning, repetitions included.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Kind;
    use crate::names::Names;

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

    #[test]
    fn the_scheduler_begins_anew_with_every_revision_of_the_object() {
        let mut names = Names::new();
        let mut events = Events::new(names.sym("default-scheduler"));
        let about = ObjectKey { kind: Kind::Pod, namespace: names.sym("default"), name: names.name("web") };
        let (source, reason) = (names.sym("default-scheduler"), names.sym("FailedScheduling"));
        let (full, gone) = (names.sym("full"), names.sym("gone"));
        for (revision, words) in [(1, full), (2, gone), (2, full), (2, full), (3, full)] {
            let report = Report { about, uid: Uid(1), source, warning: true, reason, words, args: &[] };
            events.report_of(SimTime::ZERO, Revision(revision), report);
        }
        let rows: Vec<String> = events.rows().map(|row| format!("{} x{}", row.text(&names), row.count)).collect();
        assert_eq!(rows, ["full x1", "gone x1", "full x2", "full x1"]);
    }

    #[test]
    fn the_latest_rows_are_those_written_last() {
        let mut names = Names::new();
        let mut events = Events::new(names.sym("default-scheduler"));
        let about = ObjectKey { kind: Kind::Pod, namespace: names.sym("default"), name: names.name("web") };
        let (source, words) = (names.sym("kubelet"), names.sym("{}"));
        for (second, number) in [(1, 1), (2, 2), (3, 3), (4, 1)] {
            let reason = names.sym(&format!("Said{number}"));
            let report = Report { about, uid: Uid(1), source, warning: false, reason, words, args: &[Arg::Int(number)] };
            events.report(SimTime::from_secs(second), report);
        }
        let latest = |count| events.latest(count).iter().map(|row| row.text(&names)).collect::<Vec<_>>();
        assert_eq!(latest(2), ["3", "1"], "the first was repeated last");
        assert_eq!(latest(9), ["2", "3", "1"]);
        assert!(latest(0).is_empty());
    }

    #[test]
    fn arguments_come_back_as_they_were_given() {
        let mut names = Names::new();
        let mut events = Events::new(names.sym("default-scheduler"));
        let about = ObjectKey { kind: Kind::Pod, namespace: names.sym("default"), name: names.name("web-bcdfg") };
        let (own, node) = ([Arg::Text(about.namespace), Arg::Name(about.name)], Arg::Text(names.sym("node-1")));
        let lists = [vec![own[0], own[1], node], vec![node, Arg::Int(-3), Arg::Int(i64::from(u32::MAX))], vec![own[1], own[0]], vec![]];
        for args in &lists {
            let (source, reason, words) = (names.sym("kubelet"), names.sym("Said"), names.sym("{} {} {}"));
            events.report(SimTime::ZERO, Report { about, uid: Uid(1), source, warning: false, reason, words, args });
        }
        assert_eq!(events.rows().map(|row| row.message.args.to_vec()).collect::<Vec<_>>(), lists);
    }
}
