//! One turn of a Deployment's key: the beginning of a sync, or its next write.

use super::plan::{After, Step, plan};
use super::progress::{condition_now, set_condition};
use super::read::{Draft, claims, read};
use super::rolling::Fences;
use super::template::{Made, same_template};
use super::{DeploymentQueue, Deployments, RETRIES_MAX, Reads, Running, Tables};
use std::collections::VecDeque;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{NewObject, Refusal, Reply, Verb};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::{ConditionStatus, Meta, OwnerRef};
use wavetank_engine::model::workload::DeploymentStatus;
use wavetank_engine::names::{Name, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::words;

/// Everything a turn works with.
pub(super) struct Turn<'t, 'q, 'r, 's, 'w> {
    pub(super) work: &'t mut Work<'q, DeploymentQueue>,
    pub(super) reads: &'t Reads<'r, 's>,
    pub(super) tables: &'t mut Tables<'w>,
    pub(super) state: &'t mut Deployments,
    pub(super) events: &'t mut Events,
}

impl Turn<'_, '_, '_, '_, '_> {
    pub(super) fn take(&mut self, item: Item) {
        if self.reads.deployments.get(item.object).is_none() {
            self.state.running.remove(&item.object.uid);
            self.work.forget(item.object);
            return;
        }
        match self.state.running.remove(&item.object.uid) {
            None => self.begin(&item),
            Some(mut running) => {
                running.dirty |= item.woken;
                if running.steps.is_empty() { self.claimed(&item, running) } else { self.answered(&item, running) }
            }
        }
    }

    fn begin(&mut self, item: &Item) {
        let object = item.object;
        let deployment = self.reads.deployments.get(object).expect("it was just there");
        let meta = self.reads.metas.get(object).expect("every object has metadata");
        let (adopt, release) = claims(self.reads, self.tables, object, deployment, meta);
        let read = read(self.reads, self.tables, object, deployment, meta);
        let fences = Fences::of(&deployment.strategy, deployment.replicas);
        let plan = plan(&read.snapshot, &mut self.tables.names, &self.tables.texts, self.work.now());
        let mut running = Running {
            steps: plan.steps.into(),
            after: plan.after,
            base: self.reads.listing.revision(object),
            drafts: read.drafts,
            new_annotations: read.new_annotations,
            new_name: read.snapshot.new_name,
            hash: read.hash,
            replicas: (fences.replicas, fences.pods_max()),
            dirty: false,
            failed: false,
        };
        if adopt.is_empty() && release.is_empty() {
            self.go_on(item, running);
            return;
        }
        running.steps = VecDeque::new();
        for set in adopt {
            let mut meta = self.reads.metas.get(set).expect("it was just listed").clone();
            meta.owners.push(self.owner(object));
            self.work.ask(item, Verb::Put { object: set, expect: None, value: meta.into() });
        }
        for set in release {
            let mut meta = self.reads.metas.get(set).expect("it was just listed").clone();
            meta.owners.retain(|owner| owner.uid != Some(object.uid));
            self.work.ask(item, Verb::Put { object: set, expect: None, value: meta.into() });
        }
        self.state.running.insert(object.uid, running);
    }

    fn owner(&self, object: ObjRef) -> OwnerRef {
        let name = self.reads.metas.get(object).expect("it was just there").name;
        OwnerRef { uid: Some(object.uid), kind: Kind::Deployment, name, controller: true, block_owner_deletion: true }
    }

    /// After claims the sync begins anew; where they can't be seen yet, seeing them will wake the key.
    fn claimed(&mut self, item: &Item, running: Running) {
        let refused = |reply: &Reply| reply.refusal().is_some_and(|refusal| !matches!(refusal.code, 404 | 422));
        let seen = |reply: &Reply| matches!(reply, Reply::Done(revision) if self.reads.listing.has_seen(*revision));
        if item.replies.iter().any(refused) {
            self.work.retry(item.object);
        } else if running.dirty || item.replies.iter().any(seen) {
            self.begin(item);
        }
    }

    /// Asks for the next write, or ends the sync.
    fn go_on(&mut self, item: &Item, mut running: Running) {
        let Some(step) = running.steps.front().cloned() else {
            self.end(item, running);
            return;
        };
        let verb = match step {
            Step::SyncNew => {
                let min_ready_s = self.reads.deployments.get(item.object).expect("it was just there").min_ready_s;
                let draft = running.drafts.last_mut().expect("there is a new set");
                (draft.annotations, draft.min_ready_s) = (running.new_annotations, min_ready_s);
                self.update_set(*draft)
            }
            Step::Create { replicas } => Some(self.create_set(item.object, &running, replicas)),
            Step::Resize { set, to, .. } => {
                let draft = &mut running.drafts[set];
                let (desired, max) = running.replicas;
                let mut sets = super::annotations::Sets { names: &mut self.tables.names, labels: &mut self.tables.labels };
                draft.annotations = sets.with_replicas(draft.annotations, desired, max);
                draft.replicas = to;
                self.update_set(*draft)
            }
            Step::Delete { set } => Some(Verb::Delete { object: running.drafts[set].object, grace_s: None, propagation: None }),
            Step::Write { status, revision } => Some(self.write_status(item.object, &running, *status, revision)),
        };
        match verb {
            Some(verb) => {
                self.work.ask(item, verb);
                self.state.running.insert(item.object.uid, running);
            }
            // The set is gone: the original's update would be refused with 404.
            None => {
                running.failed = true;
                self.end(item, running);
            }
        }
    }

    fn update_set(&self, draft: Draft) -> Option<Verb> {
        let (set, meta) = (self.reads.sets.get(draft.object)?, self.reads.metas.get(draft.object)?);
        let (mut set, mut meta) = (set.clone(), meta.clone());
        (set.replicas, set.min_ready_s, meta.annotations) = (draft.replicas, draft.min_ready_s, draft.annotations);
        Some(Verb::PutAll { object: draft.object, expect: Some(draft.revision), values: vec![set.into(), meta.into()] })
    }

    fn create_set(&mut self, object: ObjRef, running: &Running, replicas: i32) -> Verb {
        let deployment = self.reads.deployments.get(object).expect("it was just there");
        let namespace = self.reads.metas.get(object).expect("it was just there").namespace;
        let owner = self.owner(object);
        let tables = &mut *self.tables;
        let hash = running.hash.as_deref().expect("a set to be created has a hash");
        let mut made =
            Made { names: &mut tables.names, labels: &mut tables.labels, selectors: &mut tables.selectors, classes: &mut tables.classes };
        let (set, labels) = made.replica_set(deployment, hash, replicas);
        let name = set_name(tables, running.new_name);
        let mut meta = Meta::new(Kind::ReplicaSet, namespace, name);
        meta.labels = labels;
        let mut sets = super::annotations::Sets { names: &mut tables.names, labels: &mut tables.labels };
        meta.annotations = sets.with_replicas(running.new_annotations, running.replicas.0, running.replicas.1);
        meta.owners.push(owner);
        Verb::Create(Box::new(NewObject { meta, states: vec![set.into()] }))
    }

    fn write_status(&mut self, object: ObjRef, running: &Running, status: DeploymentStatus, revision: Sym) -> Verb {
        let mut meta = self.reads.metas.get(object).expect("it was just there").clone();
        if !revision.is_empty() {
            let tables = &mut *self.tables;
            meta.annotations = tables.labels.with(&tables.names, meta.annotations, words::REVISION, revision);
        }
        Verb::PutAll { object, expect: Some(running.base), values: vec![status.into(), meta.into()] }
    }

    /// Takes the reply to the write under way.
    fn answered(&mut self, item: &Item, mut running: Running) {
        let step = running.steps.pop_front().expect("a write is under way");
        match item.replies.first() {
            Some(Reply::Refused(refusal)) => {
                if self.refused(item, &mut running, &step, refusal) {
                    self.go_on(item, running);
                } else {
                    self.end(item, running);
                }
            }
            Some(Reply::Done(revision)) => {
                if let Step::Resize { set, from, to, up } = step {
                    running.drafts[set].revision = *revision;
                    let name = self.reads.listing.answered(running.drafts[set].object).map(|row| row.key.name);
                    self.scaled(item.object, name.unwrap_or_default(), from, to, up);
                } else if let (Step::SyncNew, Some(draft)) = (step, running.drafts.last_mut()) {
                    draft.revision = *revision;
                }
                self.go_on(item, running);
            }
            Some(Reply::Created(_)) => {
                if let Step::Create { replicas } = step {
                    let name = set_name(self.tables, running.new_name);
                    self.scaled(item.object, name, 0, replicas, true);
                }
                self.go_on(item, running);
            }
            // Replies to a failure report end the sync.
            None => self.end(item, running),
        }
    }

    /// Whether the sync goes on after a refusal.
    fn refused(&mut self, item: &Item, running: &mut Running, step: &Step, refusal: &Refusal) -> bool {
        if matches!(step, Step::Delete { .. }) && refusal.code == 404 {
            return true;
        }
        running.failed = true;
        running.steps.clear();
        if !matches!(step, Step::Create { .. }) {
            return false;
        }
        if refusal.of_ending_namespace() {
            running.failed = false;
        } else if refusal.reason == "AlreadyExists" {
            self.name_taken(item, running);
        } else {
            self.creation_failed(item, running, refusal);
        }
        false
    }

    /// The name of the new set is taken. Unless it is the Deployment's own set after all, another hash must be found.
    fn name_taken(&mut self, item: &Item, running: &Running) {
        let namespace = self.reads.metas.get(item.object).expect("it was just there").namespace;
        let name = set_name(self.tables, running.new_name);
        let found = self.reads.listing.by_key(ObjectKey { kind: Kind::ReplicaSet, namespace, name });
        let Some(set) = found.and_then(|found| self.reads.sets.get(found).zip(self.reads.metas.get(found))) else { return };
        let template = self.reads.deployments.get(item.object).expect("it was just there").template;
        let ours = set.1.controller_uid() == Some(item.object.uid)
            && same_template(&self.tables.labels, &self.tables.classes, template, set.0.template);
        if !ours {
            let mut status = self.reads.statuses.get(item.object).expect("Deployments have a status").clone();
            status.collision_count = Some(status.collision_count.unwrap_or(0) + 1);
            self.work.tell(item.cause, Verb::Put { object: item.object, expect: Some(running.base), value: status.into() });
        }
    }

    fn creation_failed(&mut self, item: &Item, running: &Running, refusal: &Refusal) {
        let texts = *self.tables.texts;
        let name = self.tables.names.text(running.new_name);
        let message = format!("Failed to create new replica set \"{name}\": {}", refusal.message);
        let message = self.tables.names.sym(&message);
        let has_deadline = self.reads.deployments.get(item.object).is_some_and(|deployment| deployment.progress_deadline_s.is_some());
        if has_deadline {
            let mut status = self.reads.statuses.get(item.object).expect("Deployments have a status").clone();
            let now = self.work.now();
            let failed = condition_now(words::PROGRESSING, ConditionStatus::False, texts.replica_set_create_error, message, now);
            set_condition(&mut status.conditions, failed);
            self.work.tell(item.cause, Verb::Put { object: item.object, expect: Some(running.base), value: status.into() });
        }
        self.event(item.object, true, texts.replica_set_create_error, texts.text, &[Arg::Text(message)]);
    }

    fn scaled(&mut self, object: ObjRef, set: Name, from: i32, to: i32, up: bool) {
        if from != to {
            let texts = *self.tables.texts;
            let words = if up { texts.scaled_up } else { texts.scaled_down };
            let args = [Arg::Name(set), Arg::Int(i64::from(from)), Arg::Int(i64::from(to))];
            self.event(object, false, texts.scaling_replica_set, words, &args);
        }
    }

    fn event(&mut self, object: ObjRef, warning: bool, reason: Sym, words: Sym, args: &[Arg]) {
        let Some(row) = self.reads.listing.answered(object) else { return };
        let source = self.tables.texts.deployment_controller;
        self.events.report(self.work.now(), Report { about: row.key, uid: object.uid, source, warning, reason, words, args });
    }

    fn end(&mut self, item: &Item, running: Running) {
        if running.failed {
            if self.work.failures(item.object) < RETRIES_MAX { self.work.retry(item.object) } else { self.work.forget(item.object) }
        } else {
            match running.after {
                After::Nothing => self.work.forget(item.object),
                After::BackOff => self.work.retry(item.object),
                After::At(at) => {
                    self.work.forget(item.object);
                    self.work.wake_at(item.object, at);
                }
            }
        }
        if running.dirty {
            self.begin(item);
        }
    }
}

fn set_name(tables: &mut Tables, text: Sym) -> Name {
    let text = tables.names.text(text).to_owned();
    tables.names.name(&text)
}
