//! Why things happened: what woke each turn of a behaviour, who set each timer, and what began it all.
//!
//! Kept only in runs that are asked for it ([`crate::scene::run::RunOptions::causes`]); others pay nothing. A cause that is no write is
//! then a *mark*: a number beyond all revisions that stands for an entry of the list here. Log, journal and digest know no marks, so
//! that they are the same in every run.

use crate::api::request::QueueId;
use crate::hash::LookupMap;
use crate::ids::{ObjRef, Revision, Uid};
use crate::time::SimTime;

/// Set in marks.
const MARK: u64 = 1 << 63;
/// Set in marks of what is no write: a timer, the script.
const NO_WRITE: u64 = 1 << 62;

impl Revision {
    /// Whether it stands for an entry of the list of causes: no write has it.
    pub(crate) const fn is_mark(self) -> bool {
        self.0 & MARK != 0
    }

    /// Whether it is a write's revision, or the mark of a turn that a write caused: neither a timer nor the script.
    pub const fn is_write(self) -> bool {
        self.0 != 0 && self.0 & (MARK | NO_WRITE) != MARK | NO_WRITE
    }
}

/// One cause that is no write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Somebody outside the cluster began.
    Origin(Origin),
    /// A timer of a key.
    Timer {
        /// When it was set.
        set_at: SimTime,
        /// Whose it is.
        queue: QueueId,
        /// The key that it wakes.
        object: ObjRef,
        /// The cause of what set it.
        by: Revision,
    },
    /// A turn of a key.
    Turn(Turn),
}

/// One turn of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Whose it is.
    pub queue: QueueId,
    /// The key.
    pub object: ObjRef,
    /// Everything that woke it, in order.
    pub wakes: Vec<Revision>,
    /// The turn of the key before, when that asked for nothing or this one goes on with its replies.
    pub before: Option<Revision>,
    /// The turn of any key of the queue before.
    pub before_in_queue: Option<Revision>,
    /// Whether it asked for something.
    pub acted: bool,
    plain: Revision,
}

/// Where chains of causes begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The scene's objects at time zero.
    Scene,
    /// An entry of the scene's script.
    Script {
        /// Its number among all, from 0, in order of time.
        number: usize,
        /// When it was played.
        at: SimTime,
    },
    /// A pod of a trace comes or goes.
    Trace {
        /// Number of the trace in the scene, from 0.
        number: usize,
        /// When.
        at: SimTime,
    },
    /// A saved run went on: what was before has causes that are not kept.
    Resumed {
        /// When it was saved.
        at: SimTime,
    },
    /// A client goes on with what it was told to do.
    Client {
        /// What it does: `kubectl drain`.
        what: &'static str,
        /// When it goes on.
        at: SimTime,
        /// What told it.
        told_by: Revision,
    },
}

/// The causes of a run.
#[derive(Debug, Clone, Default)]
pub struct Causes {
    list: Vec<Cause>,
    /// The cause of each write, by revision less one.
    of_write: Vec<Revision>,
    origin: Revision,
    resumed: Option<SimTime>,
    /// What woke keys since their last turn.
    pending: LookupMap<(QueueId, Uid), Vec<Revision>>,
    timers: LookupMap<(QueueId, Uid), Revision>,
    last_turn: LookupMap<(QueueId, Uid), Revision>,
    current: LookupMap<QueueId, Revision>,
}

impl Causes {
    fn enter(&mut self, cause: Cause, is_write: bool) -> Revision {
        let mark = MARK | if is_write { 0 } else { NO_WRITE } | self.list.len() as u64;
        self.list.push(cause);
        Revision(mark)
    }

    /// What a mark stands for; `None` for revisions.
    pub fn get(&self, cause: Revision) -> Option<&Cause> {
        let at = cause.0 & !(MARK | NO_WRITE);
        if !cause.is_mark() { None } else { self.list.get(at as usize) }
    }

    fn turn_mut(&mut self, cause: Revision) -> Option<&mut Turn> {
        let at = cause.0 & !(MARK | NO_WRITE);
        match self.list.get_mut(at as usize).filter(|_| cause.is_mark()) {
            Some(Cause::Turn(turn)) => Some(turn),
            Some(Cause::Origin(_) | Cause::Timer { .. }) | None => None,
        }
    }

    /// The revision that a cause is in runs without marks; 0 for none.
    pub fn plain(&self, cause: Revision) -> Revision {
        match self.get(cause) {
            None => cause,
            Some(Cause::Turn(turn)) if cause.is_write() => turn.plain,
            Some(_) => Revision(0),
        }
    }

    /// The cause of a write, as it was recorded.
    pub fn of_write(&self, revision: Revision) -> Option<Revision> {
        self.of_write.get((revision.0 as usize).checked_sub(1)?).copied()
    }

    pub(crate) fn wrote(&mut self, revision: Revision, cause: Revision) {
        self.of_write.resize(revision.0 as usize, Revision(0));
        self.of_write[revision.0 as usize - 1] = cause;
    }

    /// What is asked from outside the behaviours from now on is because of this.
    pub(crate) fn begin(&mut self, origin: Origin) {
        self.origin = self.enter(Cause::Origin(origin), false);
    }

    /// Whatever has no cause from now on has one from before.
    pub(crate) fn resume(&mut self, at: SimTime) {
        self.resumed = Some(at);
        self.begin(Origin::Resumed { at });
    }

    /// When the run was saved that goes on here.
    pub fn resumed(&self) -> Option<SimTime> {
        self.resumed
    }

    /// The cause of what is asked from outside the behaviours now.
    pub(crate) fn origin(&self) -> Revision {
        self.origin
    }

    /// Notes what wakes a key.
    pub(crate) fn woken(&mut self, queue: QueueId, object: ObjRef, cause: Revision) -> Revision {
        let cause = if cause == Revision(0) { self.now_in(queue) } else { cause };
        self.pending.entry((queue, object.uid)).or_default().push(cause);
        cause
    }

    /// The turn under way in a queue, as a cause that is no write.
    fn now_in(&self, queue: QueueId) -> Revision {
        self.current.get(&queue).map_or(self.origin, |turn| Revision(turn.0 | NO_WRITE))
    }

    /// A key has its turn.
    pub(crate) fn turn(&mut self, queue: QueueId, object: ObjRef, cause: Revision, goes_on: bool) -> Revision {
        let mut wakes = self.pending.remove(&(queue, object.uid)).unwrap_or_default();
        if wakes.is_empty() {
            wakes.push(cause);
        }
        let key = (queue, object.uid);
        let last = self.last_turn.get(&key).copied();
        let idle = |causes: &Causes, last: Revision| matches!(causes.get(last), Some(Cause::Turn(turn)) if !turn.acted);
        let before = last.filter(|&last| goes_on || idle(self, last));
        let before_in_queue = self.current.get(&queue).copied();
        let plain = self.plain(cause);
        let turn = Turn { queue, object, wakes, before, before_in_queue, acted: false, plain };
        let mark = self.enter(Cause::Turn(turn), plain != Revision(0));
        self.last_turn.insert(key, mark);
        self.current.insert(queue, mark);
        mark
    }

    /// A key is taken up again for the reason of the turn under way, without a turn of its own.
    pub(crate) fn taken_up(&mut self, queue: QueueId, object: ObjRef) {
        let (key, by) = ((queue, object.uid), self.now_in(queue));
        let turn = Turn { queue, object, wakes: vec![by], before: None, before_in_queue: None, acted: false, plain: Revision(0) };
        let mark = self.enter(Cause::Turn(turn), false);
        self.last_turn.insert(key, mark);
    }

    /// The cause of a request: as given, or the last turn of whom it is made for or about, or the turn under way.
    pub(crate) fn asked(&mut self, queue: QueueId, given: Revision, whom: [Option<ObjRef>; 2]) -> Revision {
        let turn_of = |causes: &Causes, object: ObjRef| causes.last_turn.get(&(queue, object.uid)).copied();
        let cause = if given == Revision(0) {
            let turn = whom.into_iter().flatten().find_map(|object| turn_of(self, object));
            turn.map_or(self.now_in(queue), |turn| Revision(turn.0 | NO_WRITE))
        } else {
            given
        };
        if let Some(turn) = self.turn_mut(cause) {
            turn.acted = true;
        }
        cause
    }

    /// A timer of a key is set that is due at once.
    pub(crate) fn at_once(&mut self, queue: QueueId, object: ObjRef, set_at: SimTime) -> Revision {
        let by = self.now_in(queue);
        self.enter(Cause::Timer { set_at, queue, object, by }, false)
    }

    /// A timer of a key is set; an earlier one of the key counts no more.
    pub(crate) fn timer(&mut self, queue: QueueId, object: ObjRef, set_at: SimTime) {
        let mark = self.at_once(queue, object, set_at);
        self.timers.insert((queue, object.uid), mark);
    }

    /// The timer of a key fires.
    pub(crate) fn fired(&mut self, queue: QueueId, object: ObjRef) -> Revision {
        self.timers.remove(&(queue, object.uid)).unwrap_or(Revision(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Slot;

    const QUEUE: QueueId = QueueId(0);

    fn key(number: u64) -> ObjRef {
        ObjRef { uid: Uid(number), slot: Slot(0) }
    }

    fn turn(causes: &Causes, mark: Revision) -> &Turn {
        match causes.get(mark) {
            Some(Cause::Turn(turn)) => turn,
            other => panic!("a turn: {other:?}"),
        }
    }

    #[test]
    fn a_turn_keeps_what_woke_it_and_goes_on_with_idle_ones() {
        let mut causes = Causes::default();
        causes.woken(QUEUE, key(1), Revision(4));
        causes.woken(QUEUE, key(1), Revision(6));
        let first = causes.turn(QUEUE, key(1), Revision(4), false);
        assert_eq!((turn(&causes, first).wakes.as_slice(), causes.plain(first)), (&[Revision(4), Revision(6)][..], Revision(4)));
        causes.woken(QUEUE, key(1), Revision(9));
        let second = causes.turn(QUEUE, key(1), Revision(9), false);
        assert_eq!(turn(&causes, second).before, Some(first), "the first asked for nothing");
        assert_eq!(causes.asked(QUEUE, second, [None; 2]), second);
        let third = causes.turn(QUEUE, key(1), Revision(0), false);
        assert_eq!((turn(&causes, third).before, third.is_write(), causes.plain(third)), (None, false, Revision(0)));
    }

    #[test]
    fn timers_remember_who_set_them() {
        let mut causes = Causes::default();
        causes.begin(Origin::Scene);
        let turn = causes.turn(QUEUE, key(1), Revision(3), false);
        causes.timer(QUEUE, key(1), SimTime(5));
        let timer = causes.fired(QUEUE, key(1));
        assert_eq!(causes.fired(QUEUE, key(1)), Revision(0));
        let Some(Cause::Timer { by, .. }) = causes.get(timer) else { panic!("a timer") };
        assert_eq!((causes.get(*by), by.is_write()), (causes.get(turn), false));
    }

    #[test]
    fn requests_without_a_cause_take_it_from_whom_they_are_about() {
        let mut causes = Causes::default();
        let pod = causes.turn(QUEUE, key(1), Revision(3), false);
        let node = causes.turn(QUEUE, key(2), Revision(4), false);
        assert_eq!(causes.get(causes.clone().asked(QUEUE, Revision(0), [Some(key(1)), None])), causes.get(pod));
        assert_eq!(causes.get(causes.clone().asked(QUEUE, Revision(0), [Some(key(3)), None])), causes.get(node));
    }
}
