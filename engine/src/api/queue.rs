//! Work queues with client-go's manners, the cursors of their parties, and what a behaviour does with both.
//!
//! A key is in a queue at most once. While requests of a key are under way it is not handed out; their replies come back with
//! the key's next turn. Failed keys come back after 5 ms × 2^n. Source: `spec/workloads.md` §1.

use crate::api::request::{Actor, QueueId, Reply, Request, Verb};
use crate::by_slot::BySlot;
use crate::draw::draw_below;
use crate::hash::LookupMap;
use crate::ids::{ObjRef, Revision, Uid};
use crate::record::causes::Causes;
use crate::simulation::clock::{Clock, Due};
use crate::time::{SimDuration, SimTime};
use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::SystemParam;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::marker::PhantomData;

/// First delay of a failed key, doubled each time. Source: `spec/workloads.md` §1.
pub const RETRY_FIRST: SimDuration = SimDuration::from_millis(5);
/// Longest delay of a failed key.
pub const RETRY_MAX: SimDuration = SimDuration::from_secs(1000);

/// Replies to the requests of one turn; mostly one.
pub type Replies = SmallVec<[Reply; 1]>;

/// One turn of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The key.
    pub object: ObjRef,
    /// The revision that woke it first since its last turn; 0 for a timer.
    pub cause: Revision,
    /// Replies to the requests of its last turn, in the order asked.
    pub replies: Replies,
    /// Whether a wake rule or a timer asked for this turn, and not replies alone.
    pub woken: bool,
}

/// Where a key stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Mark {
    /// Ready, for more than replies alone.
    #[default]
    Woken,
    /// Ready because its replies came.
    Answered,
    /// Requests are under way: place in the list of those.
    Busy(u32),
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Busy {
    pending: u32,
    cause: Revision,
    woken: Option<Revision>,
    replies: Replies,
}

/// One work queue.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct WorkQueue {
    ready: VecDeque<Item>,
    marks: BySlot<Mark>,
    /// Keys with requests under way, and places free among them.
    busy: Vec<Busy>,
    free: Vec<u32>,
    failures: LookupMap<Uid, u32>,
    delayed: LookupMap<Uid, SimTime>,
    /// Where the order of keys is drawn: the seed, and how many draws there were.
    shuffled: Option<(u64, u64)>,
    /// The key of the last turn, when it was, and how many turns in a row it has had within that instant.
    #[serde(skip)]
    last: Option<(ObjRef, SimTime, u32)>,
}

/// A key with so many turns in a row within one instant is one that its behaviour never comes to an end with.
const TURNS_MAX: u32 = 10_000;

impl WorkQueue {
    /// Puts a turn at the end, or at a drawn place.
    fn line_up(&mut self, item: Item) {
        self.ready.push_back(item);
        if let Some((seed, draws)) = &mut self.shuffled {
            *draws += 1;
            let last = self.ready.len() - 1;
            let place = draw_below(*seed, "order of keys", last, *draws, self.ready.len() as u64) as usize;
            self.ready.swap(last, place);
        }
    }

    /// Puts a key into the queue unless it is there.
    pub fn push(&mut self, object: ObjRef, cause: Revision) {
        match self.marks.get_mut(object) {
            Some(Mark::Busy(place)) => {
                self.busy[*place as usize].woken.get_or_insert(cause);
            }
            Some(mark) => *mark = Mark::Woken,
            None => {
                self.marks.insert(object, Mark::Woken);
                self.line_up(Item { object, cause, replies: Replies::new(), woken: true });
            }
        }
    }

    /// Takes the next key. None while one key has had too many turns in a row ([`WorkQueue::spins`]).
    pub fn pop(&mut self, now: SimTime) -> Option<Item> {
        if self.spins().is_some() {
            return None;
        }
        let mut item = self.ready.pop_front()?;
        item.woken = self.marks.remove(item.object) != Some(Mark::Answered);
        match &mut self.last {
            Some((object, at, turns)) if *object == item.object && *at == now => *turns += 1,
            last => *last = Some((item.object, now, 1)),
        }
        Some(item)
    }

    /// A key whose behaviour looks at it again and again within one instant.
    pub(crate) fn spins(&self) -> Option<ObjRef> {
        self.last.filter(|&(.., turns)| turns >= TURNS_MAX).map(|(object, ..)| object)
    }

    /// Number of keys ready.
    pub fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether no key is ready.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    fn ask(&mut self, item: ObjRef, cause: Revision) {
        let place = match self.marks.get(item) {
            Some(Mark::Busy(place)) => *place,
            mark => {
                // A key that asks while it is in the queue has its turn later, with the replies.
                let waiting = mark.and_then(|_| self.ready.iter().position(|ready| ready.object == item));
                let waiting = waiting.and_then(|at| self.ready.remove(at));
                let place = self.free.pop().unwrap_or_else(|| {
                    self.busy.push(Busy::default());
                    self.busy.len() as u32 - 1
                });
                if let Some(waiting) = waiting {
                    let busy = &mut self.busy[place as usize];
                    (busy.woken, busy.replies) =
                        (self.marks.get(item).filter(|mark| **mark == Mark::Woken).map(|_| waiting.cause), waiting.replies);
                }
                self.marks.insert(item, Mark::Busy(place));
                place
            }
        };
        let busy = &mut self.busy[place as usize];
        busy.pending += 1;
        busy.cause = cause;
    }

    /// Notes a reply; when it was the last one awaited the key is ready again, with all its replies.
    pub(crate) fn reply(&mut self, object: ObjRef, reply: Reply) {
        let Some(&Mark::Busy(place)) = self.marks.get(object) else { return };
        let busy = &mut self.busy[place as usize];
        busy.replies.push(reply);
        busy.pending -= 1;
        if busy.pending == 0 {
            let busy = std::mem::take(busy);
            self.free.push(place);
            let woken = busy.woken.is_some();
            self.marks.insert(object, if woken { Mark::Woken } else { Mark::Answered });
            self.line_up(Item { object, cause: busy.woken.unwrap_or(busy.cause), replies: busy.replies, woken });
        }
    }

    fn retry_delay(&mut self, object: ObjRef) -> SimDuration {
        let failures = self.failures.entry(object.uid).or_insert(0);
        let delay = SimDuration(RETRY_FIRST.0.checked_shl(*failures).filter(|&ns| ns >> *failures == RETRY_FIRST.0).unwrap_or(RETRY_MAX.0))
            .min(RETRY_MAX);
        *failures = failures.saturating_add(1);
        delay
    }

    /// Notes that a key will be pushed at a time; `false` when an earlier or equal time is noted already.
    fn delay(&mut self, object: ObjRef, at: SimTime) -> bool {
        match self.delayed.get_mut(&object.uid) {
            Some(noted) if *noted <= at => false,
            Some(noted) => {
                *noted = at;
                true
            }
            None => {
                self.delayed.insert(object.uid, at);
                true
            }
        }
    }

    /// Whether a key's delay has passed: it is noted no more.
    fn due(&mut self, object: ObjRef, now: SimTime) -> bool {
        let due = self.delayed.get(&object.uid).is_some_and(|&at| at <= now);
        if due {
            self.delayed.remove(&object.uid);
        }
        due
    }
}

/// All work queues, by number. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
pub struct Queues {
    queues: Vec<WorkQueue>,
    /// Bit n: queue n may have work.
    pub(crate) dirty: u128,
    /// Why everything happened, in runs that keep it.
    #[serde(skip)]
    pub(crate) causes: Option<Box<Causes>>,
}

impl Queues {
    pub(crate) fn add(&mut self) -> QueueId {
        assert!(self.queues.len() < 128, "at most 128 work queues");
        self.queues.push(WorkQueue::default());
        QueueId(self.queues.len() as u8 - 1)
    }

    /// Has the keys of a queue handed out in a drawn order: the original has several workers, whose order is open.
    pub(crate) fn shuffle(&mut self, id: QueueId, seed: u64) {
        self.queues[id.0 as usize].shuffled = Some((seed ^ u64::from(id.0), 0));
    }

    pub(crate) fn keep_order(&mut self, id: QueueId) {
        self.queues[id.0 as usize].shuffled = None;
    }

    /// The first queue with a key that never comes to an end within this instant, and the key.
    pub(crate) fn spins(&self) -> Option<(QueueId, ObjRef)> {
        self.queues.iter().zip(0..).find_map(|(queue, id)| Some((QueueId(id), queue.spins()?)))
    }

    /// A queue.
    pub fn get(&mut self, id: QueueId) -> &mut WorkQueue {
        &mut self.queues[id.0 as usize]
    }

    /// Puts a key into a queue and marks its system as having work.
    pub fn push(&mut self, id: QueueId, object: ObjRef, cause: Revision) {
        let cause = self.causes.as_mut().map_or(cause, |causes| causes.woken(id, object, cause));
        self.queues[id.0 as usize].push(object, cause);
        self.dirty |= 1 << id.0;
    }

    fn pop(&mut self, id: QueueId, now: SimTime) -> Option<Item> {
        let mut item = self.queues[id.0 as usize].pop(now)?;
        if let Some(causes) = &mut self.causes {
            item.cause = causes.turn(id, item.object, item.cause, !item.replies.is_empty());
        }
        Some(item)
    }

    /// What a cause is in the log: marks are known in [`Causes`] alone.
    pub(crate) fn plain(&self, cause: Revision) -> Revision {
        self.causes.as_ref().map_or(cause, |causes| causes.plain(cause))
    }

    /// Notes the cause of a write, and gives it as the log has it.
    pub(crate) fn wrote(&mut self, revision: Revision, cause: Revision) -> Revision {
        if let Some(causes) = &mut self.causes {
            causes.wrote(revision, cause);
        }
        self.plain(cause)
    }

    /// Why everything happened, in runs that keep it.
    pub fn causes(&self) -> Option<&Causes> {
        self.causes.as_deref()
    }

    /// Whether any queue has a key ready.
    pub fn any_ready(&self) -> bool {
        self.queues.iter().any(|queue| !queue.is_empty())
    }

    pub(crate) fn reply(&mut self, id: QueueId, object: ObjRef, reply: Reply) {
        self.queues[id.0 as usize].reply(object, reply);
        self.dirty |= 1 << id.0;
    }

    pub(crate) fn due(&mut self, id: QueueId, object: ObjRef, now: SimTime) {
        self.dirty |= 1 << id.0;
        if self.queues[id.0 as usize].due(object, now) {
            let cause = self.causes.as_mut().map_or(Revision(0), |causes| causes.fired(id, object));
            self.push(id, object, cause);
        }
    }
}

/// How far each party has seen the log, by the number of its queue. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
pub struct Cursors {
    pub(crate) routed: Vec<Revision>,
    /// Parties see the present: cursors stand at the head.
    pub(crate) live: bool,
}

impl Cursors {
    /// The revision up to which a party has seen the log.
    pub fn of(&self, id: QueueId) -> Revision {
        if self.live { Revision::HEAD } else { self.routed[id.0 as usize] }
    }
}

/// Which queue a behaviour has, and under which name it asks. ECS resource.
#[derive(Resource)]
pub struct QueueOf<Q: Send + Sync + 'static> {
    pub(crate) id: QueueId,
    pub(crate) actor: Actor,
    pub(crate) marker: PhantomData<Q>,
}

/// Requests of this round. ECS resource.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Resource)]
pub struct Requests {
    pub(crate) list: Vec<Request>,
    /// Requests on their way to the API server.
    pub(crate) under_way: usize,
}

/// What a behaviour's system does with its queue: takes keys, asks the API server, sets timers.
#[derive(SystemParam)]
pub struct Work<'w, Q: Send + Sync + 'static> {
    queues: ResMut<'w, Queues>,
    of: Res<'w, QueueOf<Q>>,
    clock: ResMut<'w, Clock>,
    requests: ResMut<'w, Requests>,
}

impl<Q: Send + Sync + 'static> Work<'_, Q> {
    /// The present moment.
    pub fn now(&self) -> SimTime {
        self.clock.now
    }

    /// Takes the next key with the replies to its last requests.
    pub fn pop(&mut self) -> Option<Item> {
        let id = self.of.id;
        let now = self.clock.now;
        self.queues.pop(id, now)
    }

    /// Whether no key is ready. A system that does more than drain its queue looks at this first: with bevy's schedules it runs in
    /// every round, with the mask only when it has work.
    pub fn is_idle(&mut self) -> bool {
        let id = self.of.id;
        self.queues.get(id).is_empty()
    }

    /// Asks for something on behalf of a key. The key has its next turn when all its requests are answered.
    pub fn ask(&mut self, item: &Item, verb: Verb) {
        self.ask_for(item.object, item.cause, verb);
    }

    /// [`Work::ask`] for a key without its item.
    pub fn ask_for(&mut self, object: ObjRef, cause: Revision, verb: Verb) {
        let id = self.of.id;
        let cause = self.cause_of(cause, Some(object), &verb);
        self.queues.get(id).ask(object, cause);
        let actor = self.of.actor;
        self.requests.list.push(Request { actor, cause, reply_to: Some((id, object)), verb });
    }

    /// Asks for something without waiting for the reply.
    pub fn tell(&mut self, cause: Revision, verb: Verb) {
        let actor = self.of.actor;
        let cause = self.cause_of(cause, None, &verb);
        self.requests.list.push(Request { actor, cause, reply_to: None, verb });
    }

    fn cause_of(&mut self, cause: Revision, whom: Option<ObjRef>, verb: &Verb) -> Revision {
        let id = self.of.id;
        self.queues.causes.as_mut().map_or(cause, |causes| causes.asked(id, cause, [whom, verb.object()]))
    }

    /// Says that a key which waits elsewhere is taken up again because of the turn under way.
    pub fn taken_up(&mut self, object: ObjRef) {
        let id = self.of.id;
        if let Some(causes) = &mut self.queues.causes {
            causes.taken_up(id, object);
        }
    }

    /// Whether somebody wants to know of keys taken up again ([`Work::taken_up`]).
    pub fn keeps_causes(&self) -> bool {
        self.queues.causes.is_some()
    }

    /// Puts a failed key back after its back-off.
    pub fn retry(&mut self, object: ObjRef) {
        let id = self.of.id;
        let delay = self.queues.get(id).retry_delay(object);
        self.wake_after(object, delay);
    }

    /// Number of failures of a key since its last success.
    pub fn failures(&mut self, object: ObjRef) -> u32 {
        let id = self.of.id;
        self.queues.get(id).failures.get(&object.uid).copied().unwrap_or(0)
    }

    /// Ends a key's back-off: its work succeeded, or it is gone.
    pub fn forget(&mut self, object: ObjRef) {
        let id = self.of.id;
        self.queues.get(id).failures.remove(&object.uid);
    }

    /// Puts a key into the queue at once.
    pub fn wake(&mut self, object: ObjRef, cause: Revision) {
        let id = self.of.id;
        self.queues.push(id, object, cause);
    }

    /// Puts a key into the queue after a delay. A key already waiting keeps the earlier time.
    pub fn wake_after(&mut self, object: ObjRef, delay: SimDuration) {
        self.wake_at(object, self.clock.now + delay);
    }

    /// Puts a key into the queue at a time. A key already waiting keeps the earlier time.
    pub fn wake_at(&mut self, object: ObjRef, at: SimTime) {
        let id = self.of.id;
        let now = self.clock.now;
        if at <= now {
            let cause = self.queues.causes.as_mut().map_or(Revision(0), |causes| causes.at_once(id, object, now));
            self.queues.push(id, object, cause);
        } else if self.queues.get(id).delay(object, at) {
            if let Some(causes) = &mut self.queues.causes {
                causes.timer(id, object, now);
            }
            self.clock.agenda.push(at, Due::Wake { queue: id, object });
        }
    }
}
