//! The chain of causes of a change, back to the scene, its script or a trace.
//!
//! A turn of a behaviour may have been woken by several facts. The chain goes on with the one that says most about what was written:
//! somebody else's change before an echo of the behaviour's own, a change of the object itself, of its controller or its node before
//! others, and a wish (spec, deletion, coming and going) before a report (status).

use crate::api::log::{Entry, Log};
use crate::api::queue::Queues;
use crate::api::state::Changes;
use crate::ids::{Kind, ObjRef, ObjectKey, Revision};
use crate::model::kinds::Kinds;
use crate::names::Names;
use crate::record::causes::{Cause, Causes, Origin, Turn};
use crate::record::events::{EventRow, Events};
use crate::record::inputs::{self, Behind, Input};
use crate::record::journal::{Line, object_text};
use crate::simulation::Simulation;
use crate::simulation::route::SINGLE;
use crate::time::SimTime;
use std::collections::{BTreeMap, BTreeSet};

/// How many turns back a fact is looked for that an idle turn may have learnt of.
const TURNS_BACK: usize = 1000;

/// One step of a chain: what happened. The next step is why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A write to the store.
    Write(Revision),
    /// A timer was due.
    Timer {
        /// Name of the behaviour that it woke.
        behaviour: &'static str,
        /// The object that it is about; empty when the behaviour looks at the whole.
        object: String,
        /// When it was set; the first time, when it was set again whenever it was due.
        set_at: SimTime,
        /// How often it was set.
        times: u32,
    },
    /// What an autoscaler saw of the scene's traffic and metrics.
    Input(Input),
    /// Somebody outside the cluster began: the end of every chain.
    Origin(Origin),
    /// No cause was recorded: a bug.
    Unknown,
}

/// What a run with [`crate::scene::run::RunOptions::causes`] and a journal has recorded.
pub struct Recording<'s> {
    sim: &'s Simulation,
    causes: &'s Causes,
    log: &'s Log,
    lines: BTreeMap<Revision, Vec<Line>>,
}

/// A fact that may have caused a turn.
#[derive(Debug, Clone, Copy)]
enum Fact {
    Write(Entry),
    /// Neither a write nor a turn: its mark.
    Mark(Revision),
}

impl<'s> Recording<'s> {
    /// What a run recorded, with the lines of its journal. `None`: the run kept no causes.
    pub fn new(sim: &'s Simulation, lines: Vec<Line>) -> Option<Recording<'s>> {
        let mut by_revision: BTreeMap<Revision, Vec<Line>> = BTreeMap::new();
        for line in lines {
            by_revision.entry(line.revision).or_default().push(line);
        }
        Some(Recording { sim, causes: sim.get::<Queues>().causes()?, log: sim.get::<Log>(), lines: by_revision })
    }

    /// The journal's lines of a write.
    pub fn lines(&self, write: Revision) -> &[Line] {
        self.lines.get(&write).map_or(&[], Vec::as_slice)
    }

    /// The log's entry of a write.
    pub fn entry(&self, write: Revision) -> Option<&Entry> {
        self.log.entry(write)
    }

    /// An object as messages name it.
    pub fn object(&self, key: ObjectKey) -> String {
        object_text(self.sim.get::<Names>(), self.sim.get::<Kinds>(), key)
    }

    /// All writes, oldest first.
    pub fn writes(&self) -> impl DoubleEndedIterator<Item = (&Revision, &[Line])> {
        self.lines.iter().map(|(revision, lines)| (revision, lines.as_slice()))
    }

    /// What the writer reported as an event in the moment of a write: a warning about the written object, or anything about the object
    /// of the timer that made it look.
    pub fn said(&self, write: Revision, about: &str) -> Option<String> {
        let (entry, names) = (self.log.entry(write)?, self.sim.get::<Names>());
        let written = self.object(entry.key);
        let fits = |row: &EventRow| {
            let whom = self.object(row.about);
            let tells = if whom == written { row.warning } else { whom == about };
            tells && [row.first_at, row.last_at].contains(&entry.at) && names.text(row.source) == names.text(entry.actor)
        };
        let rows: Vec<EventRow> = self.sim.get::<Events>().rows().filter(fits).collect();
        rows.last().map(|row| row.text(names))
    }

    /// The chain of causes of a write, which comes first.
    pub fn chain(&self, write: Revision) -> Vec<Step> {
        let mut steps = vec![Step::Write(write)];
        let unknown = || self.causes.resumed().map_or(Step::Unknown, |at| Step::Origin(Origin::Resumed { at }));
        let Some(mut effect) = self.log.entry(write).copied() else { return vec![unknown()] };
        let mut next = self.causes.of_write(write).and_then(|cause| self.fact(cause, &effect));
        loop {
            match next {
                None => steps.push(unknown()),
                Some(Fact::Write(entry)) => {
                    steps.push(Step::Write(entry.revision));
                    next = self.causes.of_write(entry.revision).and_then(|cause| self.fact(cause, &entry));
                    effect = entry;
                    continue;
                }
                Some(Fact::Mark(mark)) => match self.causes.get(mark) {
                    Some(Cause::Timer { queue, object, set_at, by }) => {
                        let behaviour = self.sim.behaviours().iter().find(|behaviour| behaviour.queue == *queue);
                        let behaviour = behaviour.map_or("", |behaviour| behaviour.name);
                        if let Some(behind) = inputs::behind(self.sim, *object, &effect) {
                            steps.push(Step::Timer { behaviour, object: self.named(*object), set_at: *set_at, times: 1 });
                            match behind {
                                Behind::Write(entry) => next = Some(Fact::Write(entry)),
                                Behind::Input(input) => {
                                    steps.extend([Step::Input(input), Step::Origin(Origin::Scene)]);
                                    return steps;
                                }
                            }
                            continue;
                        }
                        let object = self.named(*object);
                        match steps.last_mut() {
                            Some(Step::Timer { behaviour: last, object: of, set_at: first, times })
                                if (*last, &*of) == (behaviour, &object) =>
                            {
                                *first = *set_at;
                                *times += 1;
                            }
                            _ => steps.push(Step::Timer { behaviour, object, set_at: *set_at, times: 1 }),
                        }
                        next = self.fact(*by, &effect);
                        continue;
                    }
                    Some(Cause::Origin(origin)) => {
                        steps.push(Step::Origin(origin.clone()));
                        if let Origin::Client { told_by, .. } = origin {
                            next = Some(Fact::Mark(*told_by));
                            continue;
                        }
                    }
                    Some(Cause::Turn(_)) | None => steps.push(unknown()),
                },
            }
            return steps;
        }
    }

    fn named(&self, object: ObjRef) -> String {
        let found = self.log.newest().find(|entry| entry.object.uid == object.uid).filter(|_| object != SINGLE);
        found.map_or(String::new(), |entry| self.object(entry.key))
    }

    /// The fact behind a cause that says most about a write.
    fn fact(&self, cause: Revision, effect: &Entry) -> Option<Fact> {
        match self.causes.get(cause) {
            Some(Cause::Turn(turn)) => self.fact_of(turn, effect),
            Some(Cause::Timer { .. } | Cause::Origin(_)) => Some(Fact::Mark(cause)),
            None => self.log.entry(cause).copied().map(Fact::Write),
        }
    }

    fn fact_of(&self, turn: &Turn, effect: &Entry) -> Option<Fact> {
        let mut nearest = None;
        let mut at = turn;
        for _ in 0..TURNS_BACK {
            let mut facts = Vec::new();
            self.collect(at, effect, &mut facts, &mut BTreeSet::new());
            let best = facts.into_iter().max_by_key(|&(weight, fact)| (weight, order(fact)));
            if let Some((weight, fact)) = best {
                if weight >= if turn.object == SINGLE { TELLING_WHOLE } else { TELLING } {
                    return Some(fact);
                }
                nearest = nearest.or(Some(fact));
            }
            let before = if at.object == SINGLE || turn.object == SINGLE { at.before_in_queue } else { at.before };
            let Some(Cause::Turn(before)) = before.and_then(|before| self.causes.get(before)) else { break };
            at = before;
        }
        nearest
    }

    /// The facts that woke a turn, with those of turns among them.
    fn collect(&self, turn: &Turn, effect: &Entry, facts: &mut Vec<(u32, Fact)>, seen: &mut BTreeSet<Revision>) {
        for &wake in &turn.wakes {
            if !seen.insert(wake) {
                continue;
            }
            match self.causes.get(wake) {
                Some(Cause::Turn(other)) => self.collect(other, effect, facts, seen),
                Some(Cause::Timer { .. }) => facts.push((TIMER, Fact::Mark(wake))),
                Some(Cause::Origin(_)) => facts.push((ORIGIN, Fact::Mark(wake))),
                None => {
                    let entry = self.log.entry(wake).filter(|entry| entry.revision < effect.revision);
                    facts.extend(entry.map(|entry| (self.weight(entry, turn, effect), Fact::Write(*entry))));
                }
            }
        }
    }

    /// How much a write says about another that came of it.
    fn weight(&self, fact: &Entry, turn: &Turn, effect: &Entry) -> u32 {
        if fact.actor == effect.actor && self.sim.get::<Names>().text(fact.actor) != crate::scene::build::SCRIPT {
            return ECHO;
        }
        let what = if fact.changes.meets(WISHES) {
            6
        } else if fact.changes.meets(TURNS_OF_EVENTS) {
            4
        } else {
            2
        };
        let is_node =
            fact.key.kind == Kind::Node && self.sim.get::<Names>().render(fact.key.name) == self.sim.get::<Names>().text(effect.node);
        let whose = if fact.object == effect.object || fact.object.uid == effect.controller || is_node {
            2
        } else {
            u32::from(fact.object == turn.object)
        };
        what + whose
    }
}

/// Changes of what is wanted, and objects that come and go.
const WISHES: Changes = Changes::SPEC.or(Changes::DELETION).or(Changes::ADDED).or(Changes::GONE).or(Changes::PLACEMENT).or(Changes::TAINTS);
/// Changes of what is, as far as others act on them.
const TURNS_OF_EVENTS: Changes = Changes::READY.or(Changes::PHASE).or(Changes::CONDITIONS).or(Changes::ALLOCATABLE).or(Changes::LABELS);
/// Weight of an echo of the behaviour's own.
const ECHO: u32 = 0;
/// Weight of a timer.
const TIMER: u32 = 5;
/// Weight of the script and its like.
const ORIGIN: u32 = 9;
/// From this weight on no earlier turn is asked.
const TELLING: u32 = 2;
/// The same for behaviours that look at the whole: what they act on must be about the object.
const TELLING_WHOLE: u32 = 5;

/// Among facts of one weight the latest counts.
fn order(fact: Fact) -> Revision {
    match fact {
        Fact::Write(entry) => entry.revision,
        Fact::Mark(mark) => mark,
    }
}
