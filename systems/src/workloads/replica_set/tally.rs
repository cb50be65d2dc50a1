//! Sums over the pods of each set, kept up to date from the watch log: a change of one pod costs no walk over all.
//!
//! What is kept follows from the store: it is not in checkpoints, and a set without a tally is counted anew. Sets with `minReadySeconds`
//! are counted at every sync, since time alone changes their sums.

use super::pass::{Belongs, Pass, SetFacts};
use super::status::Counts;
use super::turn::{facts_of, pod_facts};
use super::{POD_CHANGES, Reads, Sets, Tables};
use bevy_ecs::resource::Resource;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use wavetank_engine::api::log::{Entry, Log};
use wavetank_engine::api::state::Changes;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{Kind, ObjRef, Revision, Uid};
use wavetank_engine::names::Sym;
use wavetank_engine::time::{SimDuration, SimTime};

/// Changes after which a pod that nobody controls may be adopted.
const ADOPTABLE: Changes = Changes::ADDED.or(Changes::LABELS).or(Changes::OWNERS);

/// The sums. ECS resource.
#[derive(Resource)]
pub struct Tallies<K: Sets> {
    read_to: Revision,
    /// What each pod is counted as, by its slot.
    marks: Vec<Mark>,
    sets: LookupMap<Uid, Tally>,
    /// How often a pod that nobody controls came or changed, by namespace.
    orphans: LookupMap<Sym, u64>,
    kind: PhantomData<K>,
}

impl<K: Sets> Default for Tallies<K> {
    fn default() -> Tallies<K> {
        let (sets, orphans) = (LookupMap::default(), LookupMap::default());
        Tallies { read_to: Revision(0), marks: Vec::new(), sets, orphans, kind: PhantomData }
    }
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    pod: Uid,
    set: Uid,
    belongs: Belongs,
    fully_labeled: bool,
    ready: bool,
}

const NO_MARK: Mark = Mark { pod: Uid(0), set: Uid(0), belongs: Belongs::No, fully_labeled: false, ready: false };

struct Tally {
    /// The set as it was when it was counted.
    facts: SetFacts,
    counts: Counts,
    release: BTreeSet<ObjRef>,
    /// Value of the namespace's counter when orphans were last looked at.
    orphans: u64,
}

/// What a sync sees: the sums, and the pods to adopt or release.
pub(super) type Look = (Counts, Vec<(ObjRef, Belongs)>);

impl<K: Sets> Tallies<K> {
    /// Takes in what the log tells since the last time, as far as the controller has seen.
    ///
    /// Entries that were compacted before do not matter: those that do woke the controller at once.
    pub(super) fn read(&mut self, log: &Log, reads: &Reads<K>, tables: &Tables, now: SimTime) {
        let from = match log.since(self.read_to) {
            Ok(_) => self.read_to,
            Err(expired) => Revision(expired.oldest),
        };
        let entries = log.since(from).expect("the log was just asked what it holds");
        for entry in entries.take_while(|entry| reads.listing.has_seen(entry.revision)) {
            self.read_to = entry.revision;
            if entry.key.kind == Kind::Pod && entry.changes.meets(POD_CHANGES) {
                self.take_in(entry, reads, tables, now);
            }
        }
    }

    fn take_in(&mut self, entry: &Entry, reads: &Reads<K>, tables: &Tables, now: SimTime) {
        if entry.changes.meets(ADOPTABLE) && (entry.controller == Uid(0) || entry.old_controller == Uid(0)) {
            *self.orphans.entry(entry.key.namespace).or_insert(0) += 1;
        }
        self.unmark(entry.object);
        let Some(pod) = pod_facts(reads, entry.object) else { return };
        let Some(tally) = self.sets.get(&pod.controller) else { return };
        let mut pass = Pass::new(tally.facts, &tables.labels, &tables.selectors, now);
        let belongs = pass.add(&pod);
        self.mark(entry.object, pod.controller, belongs, &pass.counts);
    }

    /// Counts a pod. `alone`: the counts of this pod by itself.
    fn mark(&mut self, pod: ObjRef, set: Uid, belongs: Belongs, alone: &Counts) {
        let Some(tally) = self.sets.get_mut(&set) else { return };
        if belongs == Belongs::Release {
            tally.release.insert(pod);
        }
        let mark = Mark { pod: pod.uid, set, belongs, fully_labeled: alone.fully_labeled > 0, ready: alone.ready > 0 };
        count(&mut tally.counts, &mark, 1);
        if self.marks.len() <= pod.slot.at() {
            self.marks.resize(pod.slot.at() + 1, NO_MARK);
        }
        self.marks[pod.slot.at()] = mark;
    }

    fn unmark(&mut self, pod: ObjRef) {
        let Some(mark) = self.marks.get_mut(pod.slot.at()).filter(|mark| mark.pod == pod.uid) else { return };
        let mark = std::mem::replace(mark, NO_MARK);
        if let Some(tally) = self.sets.get_mut(&mark.set) {
            count(&mut tally.counts, &mark, -1);
            tally.release.remove(&pod);
        }
    }

    /// Forgets a set.
    pub(super) fn forget(&mut self, set: Uid) {
        self.sets.remove(&set);
    }

    /// The pods of a set as the controller sees them now.
    pub(super) fn look(&mut self, reads: &Reads<K>, tables: &Tables, set: ObjRef, now: SimTime) -> Look {
        let facts = facts_of(reads, tables, set).expect("a set is known when it is looked at");
        let namespace = reads.listing.row(set).map_or(Sym::EMPTY, |row| row.key.namespace);
        if facts.min_ready > SimDuration::ZERO {
            self.forget(set.uid);
            let (counts, mut claims) = walk(reads, tables, set, facts, now, &mut |_, _, _| {});
            claims.extend(adoptable(reads, tables, facts, namespace, now));
            return (counts, claims);
        }
        if self.sets.get(&set.uid).is_none_or(|tally| tally.facts != facts) {
            self.count_anew(reads, tables, set, facts, now);
        }
        let changes = self.orphans.get(&namespace).copied().unwrap_or(0);
        let tally = self.sets.get_mut(&set.uid).expect("it was just counted");
        let mut claims: Vec<_> = tally.release.iter().map(|&pod| (pod, Belongs::Release)).collect();
        if std::mem::replace(&mut tally.orphans, changes) != changes {
            claims.extend(adoptable(reads, tables, facts, namespace, now));
        }
        let counts = tally.counts;
        if claims.iter().any(|claim| claim.1 == Belongs::Adopt) {
            // Should an adoption fail, the next sync tries it again.
            tally.orphans = u64::MAX;
        }
        (counts, claims)
    }

    fn count_anew(&mut self, reads: &Reads<K>, tables: &Tables, set: ObjRef, facts: SetFacts, now: SimTime) {
        let tally = Tally { facts, counts: Counts::default(), release: BTreeSet::new(), orphans: u64::MAX };
        self.sets.insert(set.uid, tally);
        walk(reads, tables, set, facts, now, &mut |pod, belongs, alone| self.mark(pod, set.uid, belongs, alone));
    }
}

fn count(counts: &mut Counts, mark: &Mark, by: i32) {
    match mark.belongs {
        Belongs::Active => {
            counts.active += by;
            counts.fully_labeled += by * i32::from(mark.fully_labeled);
            counts.ready += by * i32::from(mark.ready);
            counts.available += by * i32::from(mark.ready);
        }
        Belongs::Terminating => counts.terminating += by,
        Belongs::No | Belongs::Adopt | Belongs::Release => {}
    }
}

/// Walks over the pods that a set controls; `each` gets what a pod is and its counts alone.
fn walk<K: Sets>(
    reads: &Reads<K>,
    tables: &Tables,
    set: ObjRef,
    facts: SetFacts,
    now: SimTime,
    each: &mut dyn FnMut(ObjRef, Belongs, &Counts),
) -> Look {
    let mut pass = Pass::new(facts, &tables.labels, &tables.selectors, now);
    let mut total = Counts::default();
    let mut claims = Vec::new();
    for pod in reads.listing.controlled(set.uid) {
        let Some(pod_facts) = pod_facts(reads, pod) else { continue };
        pass.counts = Counts::default();
        let belongs = pass.add(&pod_facts);
        total.add(&pass.counts);
        each(pod, belongs, &pass.counts);
        if belongs == Belongs::Release {
            claims.push((pod, belongs));
        }
    }
    (total, claims)
}

fn adoptable<K: Sets>(reads: &Reads<K>, tables: &Tables, facts: SetFacts, namespace: Sym, now: SimTime) -> Vec<(ObjRef, Belongs)> {
    let mut pass = Pass::new(facts, &tables.labels, &tables.selectors, now);
    let adopt = |pod: &ObjRef| pod_facts(reads, *pod).is_some_and(|facts| pass.add(&facts) == Belongs::Adopt);
    reads.listing.uncontrolled(Kind::Pod, namespace).filter(adopt).map(|pod| (pod, Belongs::Adopt)).collect()
}
