//! One turn of a Job's key: the beginning of a sync, or what follows the replies.

use super::assess::Snapshot;
use super::manage::{Action, NewPod, decide};
use super::read::{Belongs, pod_facts, pods_of};
use super::track::{Note, Outcome, Tracking, track};
use super::{BATCH_PERIOD, JobQueue, Jobs, Known, RETRY_FIRST, RETRY_MAX, Reads, Running, Stage, Tables, made};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{Reply, Verb};
use wavetank_engine::ids::{ObjRef, Uid};
use wavetank_engine::model::meta::condition_true;
use wavetank_engine::model::pod_class::RestartPolicy;
use wavetank_engine::names::Sym;
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::time::{SimDuration, SimTime};

/// Everything a turn works with.
pub(super) struct Turn<'t, 'q, 'r, 's, 'w> {
    pub(super) work: &'t mut Work<'q, JobQueue>,
    pub(super) reads: &'t Reads<'r, 's>,
    pub(super) tables: &'t mut Tables<'w>,
    pub(super) state: &'t mut Jobs,
    pub(super) events: &'t mut Events,
}

impl Turn<'_, '_, '_, '_, '_> {
    pub(super) fn take(&mut self, item: &Item) {
        let job = item.object;
        let Some(generation) = self.reads.jobs.get(job).and_then(|_| self.reads.metas.get(job)).map(|meta| meta.generation) else {
            self.state.running.remove(&job.uid);
            self.state.known.remove(&job.uid);
            self.work.forget(job);
            return;
        };
        let known = self.state.known.entry(job.uid).or_default();
        if known.ended {
            return;
        }
        let now = self.work.now();
        let at_once = known.generation != generation;
        known.generation = generation;
        if let Some(running) = self.state.running.remove(&job.uid) {
            if item.woken {
                self.due(job, if at_once { SimDuration::ZERO } else { BATCH_PERIOD });
            }
            self.go_on(item, running);
        } else if at_once || known.due_at.is_some_and(|at| at <= now) {
            if known.due_at.is_some_and(|at| at <= now) {
                known.due_at = None;
            }
            self.begin(item);
        } else if item.woken {
            self.due(job, BATCH_PERIOD);
        }
    }

    fn known(&mut self, job: ObjRef) -> &mut Known {
        self.state.known.entry(job.uid).or_default()
    }

    /// Asks for a sync after a delay. The earliest one asked for counts.
    fn due(&mut self, job: ObjRef, delay: SimDuration) {
        let at = self.work.now() + delay;
        let known = self.known(job);
        let due_at = known.due_at.map_or(at, |due| due.min(at));
        known.due_at = Some(due_at);
        self.work.wake_at(job, due_at);
    }

    fn retry(&mut self, job: ObjRef) {
        let known = self.known(job);
        let delay = (0..known.failed_syncs).fold(RETRY_FIRST, |delay, _| delay.saturating_mul(2).min(RETRY_MAX));
        known.failed_syncs = known.failed_syncs.saturating_add(1);
        self.due(job, delay);
    }

    fn begin(&mut self, item: &Item) {
        let job = item.object;
        let known = *self.known(job);
        if !self.reads.listing.has_seen(known.own) {
            self.retry(job);
            return;
        }
        let (Some(spec), Some(status), Some(meta)) = (self.reads.jobs.get(job), self.reads.statuses.get(job), self.reads.metas.get(job))
        else {
            return;
        };
        let texts = *self.tables.texts;
        if condition_true(&status.conditions, texts.complete) || condition_true(&status.conditions, texts.failed) {
            self.known(job).ended = true;
            return;
        }
        if spec.managed_elsewhere {
            return;
        }
        let pods = pods_of(self.reads, self.tables, job);
        let class = self.tables.classes.get(self.tables.classes.template(spec.template).class).clone();
        let mut snapshot = Snapshot {
            job: spec.clone(),
            status: status.clone(),
            namespace: meta.namespace,
            deleting: meta.terminating(),
            on_failure: class.restart_policy == RestartPolicy::OnFailure,
            satisfied: self.reads.listing.has_seen(known.deleted),
            record: known.record,
            pods: Vec::new(),
        };
        let claims: Vec<(ObjRef, Belongs)> = pods.iter().copied().filter(|pod| pod.1 != Belongs::Mine).collect();
        let mut mine = Vec::new();
        for &(pod, _) in pods.iter().filter(|pod| pod.1 == Belongs::Mine) {
            let Some(facts) = pod_facts(self.reads, self.tables, pod) else { continue };
            snapshot.pods.push(facts);
            mine.push(pod);
        }
        let now = self.work.now();
        let found = snapshot.assess(&texts, &mut self.tables.names, now);
        let (action, managed) = decide(&snapshot, &found, now);
        let running = Running {
            stage: Stage::Claim,
            base: self.reads.listing.revision(job),
            snapshot: Box::new(snapshot),
            pods: mine,
            found,
            action,
            managed,
            outcome: Outcome::default(),
            error: false,
        };
        if claims.is_empty() {
            self.act(item, running);
            return;
        }
        for (pod, claim) in claims {
            self.claim(item, pod, claim);
        }
        self.state.running.insert(job.uid, running);
    }

    fn claim(&mut self, item: &Item, pod: ObjRef, claim: Belongs) {
        let Some(mut meta) = self.reads.metas.get(pod).cloned() else { return };
        let tracking = self.tables.texts.tracking;
        if claim == Belongs::Adopt {
            meta.owners.push(made::owner(self.reads, item.object));
            if !meta.finalizers.contains(&tracking) {
                meta.finalizers.push(tracking);
            }
        } else {
            meta.owners.retain(|owner| owner.uid != Some(item.object.uid));
            meta.finalizers.retain(|finalizer| *finalizer != tracking);
        }
        self.work.ask(item, Verb::Put { object: pod, expect: None, value: meta.into() });
    }

    /// Carries out what the sync decided on.
    fn act(&mut self, item: &Item, mut running: Running) {
        if let Some(delay) = running.found.deadline_in {
            self.due(item.object, delay);
        }
        match running.action.clone() {
            Action::Wait(delay) => {
                self.due(item.object, delay.max(BATCH_PERIOD));
                self.book(item, running);
            }
            Action::Create(pods) if !pods.is_empty() => self.create(item, running, 1, pods),
            Action::End(places) if !places.is_empty() => self.delete(item, running, places),
            Action::Delete(places) => {
                let held: Vec<ObjRef> =
                    places.iter().filter(|&&at| running.snapshot.pods[at].tracked).map(|&at| running.pods[at]).collect();
                if held.is_empty() {
                    self.delete(item, running, places);
                    return;
                }
                held.into_iter().for_each(|pod| self.unhold(item, pod));
                running.stage = Stage::Unhold;
                self.state.running.insert(item.object.uid, running);
            }
            Action::Nothing | Action::Create(_) | Action::End(_) => self.book(item, running),
        }
    }

    fn create(&mut self, item: &Item, mut running: Running, batch: u32, mut pods: Vec<NewPod>) {
        let later = pods.split_off((batch as usize).min(pods.len()));
        let batch = pods.len() as u32;
        for pod in pods {
            if let Some(verb) = made::create(self.reads, self.tables, item.object, pod) {
                self.work.ask(item, verb);
            }
        }
        running.stage = Stage::Create { batch, later };
        self.state.running.insert(item.object.uid, running);
    }

    fn delete(&mut self, item: &Item, mut running: Running, places: Vec<usize>) {
        for &at in &places {
            self.work.ask(item, Verb::Delete { object: running.pods[at], grace_s: None, propagation: None });
        }
        running.stage = Stage::Delete(places);
        self.state.running.insert(item.object.uid, running);
    }

    fn unhold(&mut self, item: &Item, pod: ObjRef) {
        let Some(mut meta) = self.reads.metas.get_even_gone(pod).cloned() else { return };
        let tracking = self.tables.texts.tracking;
        meta.finalizers.retain(|finalizer| *finalizer != tracking);
        self.work.ask(item, Verb::Put { object: pod, expect: None, value: meta.into() });
    }

    fn go_on(&mut self, item: &Item, mut running: Running) {
        match std::mem::replace(&mut running.stage, Stage::Claim) {
            Stage::Claim => {
                self.wrote(item);
                self.due(item.object, SimDuration::ZERO);
            }
            Stage::Create { batch, later } => {
                let failed = self.created(item, &mut running);
                if failed || later.is_empty() {
                    running.error |= failed;
                    self.book(item, running);
                } else {
                    self.create(item, running, 2 * batch, later);
                }
            }
            Stage::Unhold => {
                self.wrote(item);
                let Action::Delete(places) = running.action.clone() else { return };
                self.delete(item, running, places);
            }
            Stage::Delete(places) => {
                self.deleted(item, &places, &mut running);
                self.book(item, running);
            }
            Stage::Note(books) => self.noted(item, running, books),
            Stage::Release { books, written } => self.released(item, running, books, written),
            Stage::Count { books, ended } => self.counted(item, running, &books, ended),
        }
    }

    /// Remembers the newest revision among the replies. Whether one was refused other than because the object is gone.
    fn wrote(&mut self, item: &Item) -> bool {
        let known = self.known(item.object);
        let mut failed = false;
        for reply in &item.replies {
            match reply {
                Reply::Done(revision) => known.own = known.own.max(*revision),
                Reply::Created(_) => {}
                Reply::Refused(refusal) => failed |= refusal.code != 404,
            }
        }
        failed
    }

    fn created(&mut self, item: &Item, running: &mut Running) -> bool {
        let texts = *self.tables.texts;
        let mut failed = false;
        for reply in &item.replies {
            match reply {
                Reply::Created(pod) => {
                    running.outcome.created += 1;
                    let Some(row) = self.reads.listing.answered(*pod).copied() else { continue };
                    let known = self.known(item.object);
                    known.own = known.own.max(row.created);
                    self.tell(item.object, false, (texts.successful_create, texts.created_pod), Arg::Name(row.key.name));
                }
                Reply::Done(_) => {}
                Reply::Refused(refusal) if refusal.of_ending_namespace() => running.outcome.created += 1,
                Reply::Refused(refusal) => {
                    failed = true;
                    let message = self.tables.names.sym(&refusal.message);
                    self.tell(item.object, true, (texts.failed_create, texts.error_creating), Arg::Text(message));
                }
            }
        }
        failed
    }

    fn deleted(&mut self, item: &Item, places: &[usize], running: &mut Running) {
        let texts = *self.tables.texts;
        for (reply, &at) in item.replies.iter().zip(places) {
            let pod = &running.snapshot.pods[at];
            match reply {
                Reply::Done(revision) => {
                    running.outcome.removed += 1;
                    running.outcome.removed_ready += i32::from(pod.ready);
                    let known = self.known(item.object);
                    known.deleted = known.deleted.max(*revision);
                    self.tell(item.object, false, (texts.successful_delete, texts.deleted_pod), Arg::Name(pod.name));
                }
                Reply::Created(_) => {}
                Reply::Refused(refusal) if refusal.code == 404 => {
                    running.outcome.removed += 1;
                    running.outcome.removed_ready += i32::from(pod.ready);
                }
                Reply::Refused(refusal) => {
                    running.error = true;
                    let message = self.tables.names.sym(&refusal.message);
                    self.tell(item.object, true, (texts.failed_delete, texts.error_deleting), Arg::Text(message));
                }
            }
        }
    }

    /// Brings the status up to date, once pods were made or deleted.
    fn book(&mut self, item: &Item, running: Running) {
        let texts = *self.tables.texts;
        let now = self.work.now();
        let books = track(&running.snapshot, &running.found, (&running.action, running.managed), running.outcome, &texts, now);
        let mut books = Box::new(books);
        let notes = std::mem::take(&mut books.notes);
        self.tell_notes(item.object, notes);
        if books.write {
            self.put(item, running, books, Stage::Note);
        } else {
            self.release(item, running, books, false);
        }
    }

    fn put(&mut self, item: &Item, mut running: Running, books: Box<Tracking>, stage: impl FnOnce(Box<Tracking>) -> Stage) {
        let value = books.status.clone().into();
        self.work.ask(item, Verb::Put { object: item.object, expect: Some(running.base), value });
        running.stage = stage(books);
        self.state.running.insert(item.object.uid, running);
    }

    fn noted(&mut self, item: &Item, mut running: Running, books: Box<Tracking>) {
        if self.wrote(item) {
            self.retry(item.object);
            return;
        }
        if let Some(Reply::Done(revision)) = item.replies.first() {
            running.base = *revision;
        }
        self.known(item.object).record = running.found.record;
        self.release(item, running, books, true);
    }

    fn release(&mut self, item: &Item, mut running: Running, books: Box<Tracking>, written: bool) {
        let pods: Vec<ObjRef> = books.release.iter().map(|&at| running.pods[at]).collect();
        if pods.is_empty() {
            self.settle(item, running, books, written, &[]);
            return;
        }
        pods.into_iter().for_each(|pod| self.unhold(item, pod));
        running.stage = Stage::Release { books, written };
        self.state.running.insert(item.object.uid, running);
    }

    fn released(&mut self, item: &Item, mut running: Running, books: Box<Tracking>, written: bool) {
        running.error |= self.wrote(item);
        let gone = |reply: &Reply| reply.refusal().is_none_or(|refusal| refusal.code == 404);
        let places = books.release.iter().zip(&item.replies).filter(|(_, reply)| gone(reply)).map(|(&at, _)| at);
        let removed: Vec<Uid> = places.map(|at| running.pods[at].uid).collect();
        self.settle(item, running, books, written, &removed);
    }

    fn settle(&mut self, item: &Item, running: Running, mut books: Box<Tracking>, written: bool, removed: &[Uid]) {
        let texts = *self.tables.texts;
        match books.settle(removed, written, &texts, self.work.now()) {
            Some((_, ended)) => self.put(item, running, books, |books| Stage::Count { books, ended }),
            None => self.end(item.object, running.error),
        }
    }

    fn counted(&mut self, item: &Item, running: Running, books: &Tracking, ended: bool) {
        if self.wrote(item) {
            self.retry(item.object);
            return;
        }
        if ended {
            self.tell_notes(item.object, books.notes.clone());
            self.known(item.object).ended = true;
        }
        self.end(item.object, running.error);
    }

    fn end(&mut self, job: ObjRef, error: bool) {
        if error {
            self.retry(job);
            return;
        }
        let known = self.known(job);
        known.failed_syncs = 0;
        if known.due_at.is_some() && !known.ended {
            let at = known.due_at.unwrap_or(SimTime::ZERO);
            self.work.wake_at(job, at);
        }
    }

    fn tell_notes(&mut self, job: ObjRef, notes: Vec<Note>) {
        let words = self.tables.texts.text;
        for (warning, reason, message) in notes {
            self.tell(job, warning, (reason, words), Arg::Text(message));
        }
    }

    fn tell(&mut self, job: ObjRef, warning: bool, (reason, words): (Sym, Sym), arg: Arg) {
        let Some(row) = self.reads.listing.answered(job) else { return };
        let source = self.tables.texts.controller;
        let report = Report { about: row.key, uid: job.uid, source, warning, reason, words, args: &[arg] };
        self.events.report(self.work.now(), report);
    }
}
