//! One turn of a set's key: the beginning of a sync, or what follows the replies.

use super::pass::{Belongs, PodFacts, SetFacts};
use super::plan::{FIRST_BATCH_PODS, Plan, SlowStart, plan};
use super::status::{Failure, status};
use super::tally::Tallies;
use super::{EXPECTATION_TIMEOUT, Reads, ReplicaSets, Running, Sets, Stage, Tables, victims};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{Reply, Verb};
use wavetank_engine::ids::{ObjRef, Revision};
use wavetank_engine::model::meta::{OwnerRef, condition};
use wavetank_engine::names::Sym;
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::time::SimDuration;
use wavetank_engine::words;

/// Everything a turn works with.
pub(super) struct Turn<'t, 'q, 'r, 's, 'w, K: Sets> {
    pub(super) work: &'t mut Work<'q, K>,
    pub(super) reads: &'t Reads<'r, 's, K>,
    pub(super) tables: &'t mut Tables<'w>,
    pub(super) state: &'t mut ReplicaSets<K>,
    pub(super) tallies: &'t mut Tallies<K>,
    pub(super) events: &'t mut Events,
}

/// What the pass looks at in a pod that the controller knows.
pub(super) fn pod_facts<K: Sets>(reads: &Reads<K>, pod: ObjRef) -> Option<PodFacts> {
    let (row, meta, status) = (reads.listing.row(pod)?, reads.metas.get(pod)?, reads.pod_statuses.get(pod)?);
    let ready = condition(&status.conditions, words::READY).filter(|_| status.ready());
    Some(PodFacts {
        controller: meta.controller_uid().unwrap_or_default(),
        labels: row.labels,
        phase: status.phase,
        deleting: meta.terminating(),
        ready_at: ready.map(|ready| ready.transition_at),
    })
}

/// What the pass looks at in a set that the controller knows.
pub(super) fn facts_of<K: Sets>(reads: &Reads<K>, tables: &Tables, object: ObjRef) -> Option<SetFacts> {
    let (set, meta) = (reads.sets.get(object)?, reads.metas.get(object)?);
    Some(SetFacts {
        uid: object.uid,
        selector: set.selector,
        template_labels: tables.classes.template(set.template).labels,
        min_ready: SimDuration::from_secs(u64::from(set.min_ready_s)),
        deleting: meta.terminating(),
    })
}

impl<K: Sets> Turn<'_, '_, '_, '_, '_, K> {
    pub(super) fn take(&mut self, item: Item) {
        if self.reads.sets.get(item.object).is_none() {
            self.state.running.remove(&item.object.uid);
            self.state.written.remove(&item.object.uid);
            self.tallies.forget(item.object.uid);
            self.work.forget(item.object);
            return;
        }
        match self.state.running.remove(&item.object.uid) {
            None => self.begin(&item),
            Some(mut running) => {
                running.dirty |= item.woken;
                self.go_on(&item, running);
            }
        }
    }

    fn begin(&mut self, item: &Item) {
        let set = item.object;
        let written = self.state.written.get(&set.uid).copied().unwrap_or_default();
        if !self.reads.listing.has_seen(written.own) {
            self.work.retry(set);
            return;
        }
        let facts = facts_of(self.reads, self.tables, set).expect("the set was just there");
        let (counts, claims) = self.tallies.look(self.reads, self.tables, set, self.work.now());
        let wanted = self.reads.sets.get(set).expect("the set was just there").replicas;
        let mut running = Running {
            stage: Stage::Claim,
            base: self.reads.listing.revision(set),
            generation: self.reads.metas.get(set).expect("the set was just there").generation,
            counts,
            surplus: counts.active - wanted,
            failure: None,
            dirty: false,
        };
        if !claims.is_empty() {
            for (pod, claim) in claims {
                self.claim(item, pod, claim);
            }
            self.state.running.insert(set.uid, running);
            return;
        }
        let expected = self.reads.listing.has_seen(written.created.max(written.deleted));
        let may = !facts.deleting && expected && written.silent_until <= self.work.now();
        match plan(wanted, counts.active) {
            Plan::Create(count) if may => {
                let slow = SlowStart::begin(count, FIRST_BATCH_PODS);
                self.create(item, slow.batch);
                running.stage = Stage::Create(slow);
                self.state.running.insert(set.uid, running);
            }
            Plan::Delete(count) if may => {
                let pods = victims::choose(self.reads, self.tables, set, count, self.work.now());
                for &pod in &pods {
                    self.work.ask(item, Verb::Delete { object: pod, grace_s: None, propagation: None });
                }
                running.stage = Stage::Delete(pods);
                self.state.running.insert(set.uid, running);
            }
            Plan::Steady | Plan::Create(_) | Plan::Delete(_) => self.report(item, running),
        }
    }

    fn claim(&mut self, item: &Item, pod: ObjRef, claim: Belongs) {
        let mut meta = self.reads.metas.get(pod).expect("it was just counted").clone();
        match claim {
            Belongs::Adopt => meta.owners.push(self.owner(item.object)),
            _ => meta.owners.retain(|owner| owner.uid != Some(item.object.uid)),
        }
        self.work.ask(item, Verb::Put { object: pod, expect: None, value: meta.into() });
    }

    fn owner(&self, set: ObjRef) -> OwnerRef {
        let name = self.reads.metas.get(set).expect("the set was just there").name;
        OwnerRef { uid: Some(set.uid), kind: K::KIND, name, controller: true, block_owner_deletion: true }
    }

    fn create(&mut self, item: &Item, count: u32) {
        let (set, meta) = (self.reads.sets.get(item.object), self.reads.metas.get(item.object));
        let (set, meta) = (set.expect("the set was just there"), meta.expect("the set was just there"));
        let prefix = format!("{}-", self.tables.names.render(meta.name));
        let generate_name = self.tables.names.sym(&prefix);
        let owner = self.owner(item.object);
        for _ in 0..count {
            self.work.ask(item, Verb::CreatePod { template: set.template, namespace: meta.namespace, generate_name, owner });
        }
    }

    fn go_on(&mut self, item: &Item, mut running: Running) {
        match std::mem::replace(&mut running.stage, Stage::Claim) {
            Stage::Claim => self.claimed(item),
            Stage::Create(slow) => {
                let failed = self.created(item, &mut running);
                match slow.next(failed) {
                    Some(next) => {
                        self.create(item, next.batch);
                        running.stage = Stage::Create(next);
                        self.state.running.insert(item.object.uid, running);
                    }
                    None => self.report(item, running),
                }
            }
            Stage::Delete(pods) => {
                self.deleted(item, &pods, &mut running);
                self.report(item, running);
            }
            Stage::Report { again } => self.reported(item, running, again),
        }
    }

    /// After claims the sync begins anew, once they can be seen.
    fn claimed(&mut self, item: &Item) {
        let own = &mut self.state.written.entry(item.object.uid).or_default().own;
        let mut failed = false;
        for reply in &item.replies {
            match reply {
                Reply::Done(revision) => *own = (*own).max(*revision),
                Reply::Created(_) => {}
                Reply::Refused(refusal) => failed |= !matches!(refusal.code, 404 | 422),
            }
        }
        if failed { self.work.retry(item.object) } else { self.begin_when_seen(item) }
    }

    /// Notes the replies to a batch of creations. Whether one failed.
    fn created(&mut self, item: &Item, running: &mut Running) -> bool {
        let texts = *self.tables.texts;
        let mut failed = false;
        for reply in &item.replies {
            match reply {
                Reply::Created(pod) => {
                    let row = *self.reads.listing.answered(*pod).expect("what a reply names is kept until it is seen");
                    let written = self.state.written.entry(item.object.uid).or_default();
                    written.created = written.created.max(row.created);
                    if K::WAITS_FOR_OWN_WRITES {
                        written.own = written.own.max(row.created);
                    }
                    self.event(item.object, (texts.successful_create, texts.created_pod), Arg::Name(row.key.name), false);
                }
                Reply::Done(_) => {}
                Reply::Refused(refusal) if refusal.of_ending_namespace() => {
                    let until = self.work.now() + EXPECTATION_TIMEOUT;
                    self.state.written.entry(item.object.uid).or_default().silent_until = until;
                }
                Reply::Refused(refusal) => {
                    failed = true;
                    let message = self.tables.names.sym(&refusal.message);
                    self.event(item.object, (texts.failed_create, texts.error_creating), Arg::Text(message), true);
                    self.fail(running, &refusal.message);
                }
            }
        }
        failed
    }

    fn deleted(&mut self, item: &Item, pods: &[ObjRef], running: &mut Running) {
        let texts = *self.tables.texts;
        for (reply, pod) in item.replies.iter().zip(pods) {
            match reply {
                Reply::Done(revision) => {
                    let written = self.state.written.entry(item.object.uid).or_default();
                    written.deleted = written.deleted.max(*revision);
                    let name = self.reads.listing.answered(*pod).map(|row| row.key.name);
                    self.event(item.object, (texts.successful_delete, texts.deleted_pod), Arg::Name(name.unwrap_or_default()), false);
                }
                Reply::Created(_) => {}
                Reply::Refused(refusal) if refusal.code == 404 => {}
                Reply::Refused(refusal) => {
                    let message = self.tables.names.sym(&refusal.message);
                    self.event(item.object, (texts.failed_delete, texts.error_deleting), Arg::Text(message), true);
                    self.fail(running, &format!("unable to delete pods: {}", refusal.message));
                }
            }
        }
    }

    fn fail(&mut self, running: &mut Running, message: &str) {
        if running.failure.is_none() {
            running.failure = Some(Failure::new(&mut self.tables.names, running.surplus, message));
        }
    }

    fn event(&mut self, set: ObjRef, (reason, words): (Sym, Sym), arg: Arg, warning: bool) {
        let Some(row) = self.reads.listing.answered(set) else { return };
        let source = K::source(&self.tables.texts);
        let report = Report { about: row.key, uid: set.uid, source, warning, reason, words, args: &[arg] };
        self.events.report(self.work.now(), report);
    }

    /// Writes the status if it differs.
    fn report(&mut self, item: &Item, mut running: Running) {
        let old = self.reads.statuses.get(item.object).expect("sets have a status");
        let mut new = status(old, &running.counts, running.failure, running.generation, self.work.now());
        new.terminating = new.terminating.filter(|_| K::COUNTS_TERMINATING);
        if new == *old {
            self.end(item, running);
            return;
        }
        let again = matches!(running.stage, Stage::Report { .. });
        let expect = (!again).then_some(running.base);
        self.work.ask(item, Verb::Put { object: item.object, expect, value: new.into() });
        running.stage = Stage::Report { again };
        self.state.running.insert(item.object.uid, running);
    }

    fn reported(&mut self, item: &Item, mut running: Running, again: bool) {
        for reply in &item.replies {
            match reply {
                Reply::Done(revision) => {
                    if K::WAITS_FOR_OWN_WRITES {
                        let written = self.state.written.entry(item.object.uid).or_default();
                        written.own = written.own.max(*revision);
                    }
                }
                Reply::Created(_) => {}
                Reply::Refused(_) if !again => {
                    running.stage = Stage::Report { again: true };
                    self.report(item, running);
                    return;
                }
                Reply::Refused(refusal) => self.fail(&mut running, &refusal.message),
            }
        }
        self.end(item, running);
    }

    fn end(&mut self, item: &Item, running: Running) {
        if running.failure.is_some() {
            self.work.retry(item.object);
        } else {
            self.work.forget(item.object);
            if let Some(at) = running.counts.next_available_at {
                self.work.wake_at(item.object, at);
            }
        }
        if running.dirty {
            self.begin_when_seen(item);
        }
    }

    /// Begins the next sync, or waits until the cache has what this one wrote.
    fn begin_when_seen(&mut self, item: &Item) {
        let own = self.state.written.get(&item.object.uid).map_or(Revision(0), |written| written.own);
        if self.reads.listing.has_seen(own) {
            self.begin(item);
        } else {
            self.work.wake_after(item.object, self.tables.latency.watch_delay());
        }
    }
}
