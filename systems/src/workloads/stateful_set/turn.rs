//! One turn of a set's key: the beginning of a sync, or what follows the replies.

use super::plan::{Action, SetFacts, is_complete, plan};
use super::read::{Belongs, pod_facts, pods_of, revisions_of};
use super::{Asked, Reads, Running, Stage, StatefulSetQueue, StatefulSets, Tables, known, made};
use crate::workloads::revisions::{self, History, Wanted, beyond};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{Reply, Verb};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::{Meta, OwnerRef};
use wavetank_engine::model::raw::Raw;
use wavetank_engine::model::revisioned::{ControllerRevision, StatefulSetStatus};
use wavetank_engine::names::{Name, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::time::SimDuration;

/// Most pods of one batch.
const BATCH_MAX: usize = 500;

/// Everything a turn works with.
pub(super) struct Turn<'t, 'q, 'r, 's, 'w> {
    pub(super) work: &'t mut Work<'q, StatefulSetQueue>,
    pub(super) reads: &'t Reads<'r, 's>,
    pub(super) tables: &'t mut Tables<'w>,
    pub(super) state: &'t mut StatefulSets,
    pub(super) events: &'t mut Events,
}

impl Turn<'_, '_, '_, '_, '_> {
    pub(super) fn take(&mut self, item: &Item) {
        let set = item.object;
        if known(self.reads, set).is_none() {
            self.state.running.remove(&set.uid);
            self.state.written.remove(&set.uid);
            self.work.forget(set);
            return;
        }
        match self.state.running.remove(&set.uid) {
            Some(mut running) => {
                running.dirty |= item.woken;
                self.go_on(item, running);
            }
            None => self.begin(item),
        }
    }

    fn begin(&mut self, item: &Item) {
        let set = item.object;
        let Some((spec, status, meta)) = known(self.reads, set) else { return };
        let written = self.state.written.get(&set.uid).copied().unwrap_or_default();
        if !self.reads.listing.has_seen(written) {
            self.work.retry(set);
            return;
        }
        let mut running = Running {
            stage: Stage::Revise,
            asked: Vec::new(),
            plan: Default::default(),
            history: History { known: revisions_of(self.reads, self.tables, set), current: Sym::EMPTY, update: Sym::EMPTY },
            generation: meta.generation,
            error: false,
            dirty: false,
        };
        let data = Raw::new(revisions::data_of(spec.raw.value().get("template").unwrap_or(&serde_json::Value::Null)));
        match revisions::wanted(&running.history.known, &data) {
            Wanted::Is(name) => running.history.update = name,
            Wanted::Renumber(object, number) => {
                let value = ControllerRevision { revision: number, data };
                self.wait(item, running, vec![(Asked::Other, Verb::Put { object, expect: None, value: value.into() })]);
                return;
            }
            Wanted::New(number) => {
                let labels = made::template_labels(&spec.raw);
                let collisions = status.collision_count.unwrap_or(0);
                let verb = made::revision(self.tables, (set, meta), labels, &data, (number, collisions));
                self.wait(item, running, vec![(Asked::Other, verb)]);
                return;
            }
        }
        let current = running.history.known.iter().find(|revision| revision.name == status.current_revision);
        running.history.current = current.map_or(running.history.update, |revision| revision.name);
        self.claim(item, running);
    }

    /// Adopts and releases pods; then what the plan says.
    fn claim(&mut self, item: &Item, mut running: Running) {
        let Some((spec, _, meta)) = known(self.reads, item.object) else { return };
        let pods = pods_of(self.reads, self.tables, item.object, spec, meta);
        let mut verbs = Vec::new();
        for &(pod, belongs) in pods.iter().filter(|pod| pod.1 != Belongs::Mine) {
            let Some(mut claimed) = self.reads.metas.get(pod).cloned() else { continue };
            match belongs {
                Belongs::Adopt => claimed.owners.push(made::owner(item.object, meta)),
                Belongs::Release | Belongs::Mine => claimed.owners.retain(|owner| owner.uid != Some(item.object.uid)),
            }
            verbs.push((Asked::Other, Verb::Put { object: pod, expect: None, value: claimed.into() }));
        }
        if verbs.is_empty() {
            self.decide(item, running);
        } else {
            running.stage = Stage::Claim;
            self.wait(item, running, verbs);
        }
    }

    fn decide(&mut self, item: &Item, mut running: Running) {
        let Some((spec, status, meta)) = known(self.reads, item.object) else { return };
        let facts = SetFacts {
            replicas: spec.replicas.max(0) as u32,
            start: spec.start,
            min_ready: SimDuration::from_secs(u64::from(spec.min_ready_s)),
            parallel: spec.parallel,
            on_delete: spec.on_delete,
            partition: spec.partition,
            deleting: meta.terminating(),
            current: running.history.current,
            update: running.history.update,
            current_replicas: status.current,
        };
        let pods = pods_of(self.reads, self.tables, item.object, spec, meta);
        let mine = pods.iter().filter(|pod| pod.1 == Belongs::Mine);
        let pods: Vec<_> = mine.filter_map(|&(pod, _)| pod_facts(self.reads, self.tables, meta, pod)).collect();
        running.plan = plan(&facts, &pods, self.work.now());
        if let Some(at) = running.plan.available_at {
            self.work.wake_at(item.object, at);
        }
        if is_complete(&facts, &running.plan.counts) {
            running.history.current = facts.update;
            running.plan.counts.current = running.plan.counts.updated;
        }
        running.stage = Stage::Replicas(std::mem::take(&mut running.plan.replicas), 1);
        self.advance(item, running);
    }

    /// Asks for the next batch, or goes to the next stage that has anything to do.
    fn advance(&mut self, item: &Item, mut running: Running) {
        loop {
            running.stage = match std::mem::replace(&mut running.stage, Stage::Report) {
                Stage::Replicas(actions, _) if actions.is_empty() => Stage::Condemned(std::mem::take(&mut running.plan.condemned), 1),
                Stage::Condemned(actions, _) if actions.is_empty() => Stage::Update,
                Stage::Update if running.plan.update.is_none() => Stage::Report,
                Stage::Replicas(mut actions, size) => {
                    let later = actions.split_off(size.min(actions.len()));
                    running.stage = Stage::Replicas(later, (2 * size).min(BATCH_MAX));
                    return self.carry_out(item, running, &actions, false);
                }
                Stage::Condemned(mut actions, size) => {
                    let later = actions.split_off(size.min(actions.len()));
                    running.stage = Stage::Condemned(later, (2 * size).min(BATCH_MAX));
                    return self.carry_out(item, running, &actions, true);
                }
                Stage::Update => {
                    let action = running.plan.update.take();
                    running.stage = Stage::Update;
                    return self.carry_out(item, running, action.as_slice(), false);
                }
                _ => return self.report(item, running),
            }
        }
    }

    fn carry_out(&mut self, item: &Item, running: Running, actions: &[Action], condemned: bool) {
        let Some((spec, _, meta)) = known(self.reads, item.object) else { return };
        let mut verbs = Vec::new();
        for action in actions {
            let name = made::pod_name(self.tables, meta, action.ordinal());
            match *action {
                Action::Create(ordinal, revision) => {
                    for (claim, verb) in made::missing_claims(self.reads, self.tables, item.object, ordinal) {
                        verbs.push((Asked::Claim { claim, pod: name }, verb));
                    }
                    let revision = running.history.known.iter().find(|known| known.name == revision);
                    let verb = revision.and_then(|revision| made::pod(self.reads, self.tables, item.object, ordinal, revision));
                    verbs.extend(verb.map(|verb| (Asked::Create(name), verb)));
                }
                Action::Delete(ordinal) => {
                    let key = ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name };
                    let Some(pod) = self.reads.listing.answered_key(key) else { continue };
                    if condemned && deletes_claims(&spec.raw) {
                        let verbs_of_claims = self.leave_claims_to(pod, name, meta, &spec.raw, ordinal);
                        verbs.extend(verbs_of_claims.into_iter().map(|verb| (Asked::Other, verb)));
                    }
                    verbs.push((Asked::Delete(name), Verb::Delete { object: pod, grace_s: None, propagation: None }));
                }
            }
        }
        if verbs.is_empty() {
            self.advance(item, running);
        } else {
            self.wait(item, running, verbs);
        }
    }

    /// The claims of a pod that goes belong to it from now on: they go after it.
    fn leave_claims_to(&mut self, pod: ObjRef, name: Name, set: &Meta, spec: &Raw, ordinal: u32) -> Vec<Verb> {
        let kind = Kind::PersistentVolumeClaim;
        let mut verbs = Vec::new();
        for claim in made::claims(self.tables, spec.value(), set, ordinal) {
            let key = ObjectKey { kind, namespace: set.namespace, name: claim.name };
            let Some(object) = self.reads.listing.by_key(key) else { continue };
            let Some(mut meta) = self.reads.metas.get(object).cloned() else { continue };
            meta.owners.clear();
            meta.owners.push(OwnerRef { uid: Some(pod.uid), kind: Kind::Pod, name, controller: true, block_owner_deletion: true });
            verbs.push(Verb::Put { object, expect: None, value: meta.into() });
        }
        verbs
    }

    fn wait(&mut self, item: &Item, mut running: Running, verbs: Vec<(Asked, Verb)>) {
        running.asked.clear();
        for (asked, verb) in verbs {
            running.asked.push(asked);
            self.work.ask(item, verb);
        }
        self.state.running.insert(item.object.uid, running);
    }

    fn go_on(&mut self, item: &Item, mut running: Running) {
        let asked = std::mem::take(&mut running.asked);
        for (&asked, reply) in asked.iter().zip(&item.replies) {
            running.error |= self.take_in(item.object, asked, reply);
        }
        match running.stage {
            // The views must show what was written before the sync begins anew.
            Stage::Revise | Stage::Claim => {
                if running.error {
                    self.work.retry(item.object);
                } else {
                    self.begin(item);
                }
            }
            Stage::Report => self.truncate(item, running),
            Stage::Truncate => self.end(item, &running),
            _ if running.error => self.report(item, running),
            Stage::Update => self.report(item, running),
            Stage::Replicas(..) | Stage::Condemned(..) => self.advance(item, running),
        }
    }

    /// Remembers what was written and tells of it. `true`: it failed.
    fn take_in(&mut self, set: ObjRef, asked: Asked, reply: &Reply) -> bool {
        let texts = *self.tables.texts;
        let revision = match reply {
            Reply::Done(revision) => Some(*revision),
            Reply::Created(object) => self.reads.listing.answered(*object).map(|row| row.created),
            Reply::Refused(_) => None,
        };
        if let Some(revision) = revision {
            let written = self.state.written.entry(set.uid).or_default();
            *written = (*written).max(revision);
        }
        let name = self.reads.metas.get(set).map(|meta| meta.name).unwrap_or_default();
        match (asked, reply) {
            (Asked::Other, Reply::Refused(refusal)) => refusal.code != 404,
            (Asked::Other, _) => false,
            (Asked::Claim { .. }, Reply::Refused(refusal)) if refusal.reason == "AlreadyExists" => false,
            (Asked::Create(_), Reply::Refused(refusal)) if refusal.reason == "AlreadyExists" || refusal.of_ending_namespace() => true,
            (Asked::Delete(_), Reply::Refused(refusal)) if refusal.code == 404 => false,
            (Asked::Claim { claim, pod }, Reply::Refused(refusal)) => {
                let message = self.tables.names.sym(&refusal.message);
                let args = [Arg::Name(claim), Arg::Name(pod), Arg::Name(name), Arg::Text(message)];
                self.tell(set, true, (texts.failed_create, texts.claim_failed), &args);
                true
            }
            (Asked::Claim { claim, pod }, _) => {
                self.tell(set, false, (texts.successful_create, texts.claimed), &[Arg::Name(claim), Arg::Name(pod), Arg::Name(name)]);
                false
            }
            (Asked::Create(pod) | Asked::Delete(pod), Reply::Refused(refusal)) => {
                let message = self.tables.names.sym(&refusal.message);
                let words = match asked {
                    Asked::Create(_) => (texts.failed_create, texts.create_failed),
                    _ => (texts.failed_delete, texts.delete_failed),
                };
                self.tell(set, true, words, &[Arg::Name(pod), Arg::Name(name), Arg::Text(message)]);
                true
            }
            (Asked::Create(pod), _) => {
                self.tell(set, false, (texts.successful_create, texts.created), &[Arg::Name(pod), Arg::Name(name)]);
                false
            }
            (Asked::Delete(pod), _) => {
                self.tell(set, false, (texts.successful_delete, texts.deleted), &[Arg::Name(pod), Arg::Name(name)]);
                false
            }
        }
    }

    fn report(&mut self, item: &Item, mut running: Running) {
        let Some((_, status, _)) = known(self.reads, item.object) else { return };
        let counts = running.plan.counts;
        let new = StatefulSetStatus {
            replicas: counts.replicas,
            ready: counts.ready,
            available: counts.available,
            current: counts.current,
            updated: counts.updated,
            current_revision: running.history.current,
            update_revision: running.history.update,
            collision_count: Some(status.collision_count.unwrap_or(0)),
            observed_generation: running.generation,
        };
        if new == *status {
            self.truncate(item, running);
            return;
        }
        running.stage = Stage::Report;
        self.wait(item, running, vec![(Asked::Other, Verb::Put { object: item.object, expect: None, value: new.into() })]);
    }

    /// Deletes the revisions beyond the history's limit that no pod has.
    fn truncate(&mut self, item: &Item, mut running: Running) {
        let Some((spec, _, meta)) = known(self.reads, item.object) else { return };
        let pods = pods_of(self.reads, self.tables, item.object, spec, meta);
        let of_pod = |pod: ObjRef| self.reads.metas.get(pod).and_then(|pod| self.tables.labels.get(pod.labels, self.tables.texts.revision));
        let in_use: Vec<Sym> = pods.iter().filter_map(|&(pod, _)| of_pod(pod)).collect();
        let old = beyond(&running.history, |name| in_use.contains(&name), spec.revision_history_limit);
        if old.is_empty() {
            self.end(item, &running);
            return;
        }
        running.stage = Stage::Truncate;
        let delete = |object| (Asked::Other, Verb::Delete { object, grace_s: None, propagation: None });
        self.wait(item, running, old.into_iter().map(delete).collect());
    }

    fn end(&mut self, item: &Item, running: &Running) {
        if running.error {
            self.work.retry(item.object);
        } else if running.dirty {
            self.begin(item);
        } else {
            self.work.forget(item.object);
        }
    }

    fn tell(&mut self, set: ObjRef, warning: bool, (reason, words): (Sym, Sym), args: &[Arg]) {
        let Some(row) = self.reads.listing.answered(set) else { return };
        let source = self.tables.texts.controller;
        self.events.report(self.work.now(), Report { about: row.key, uid: set.uid, source, warning, reason, words, args });
    }
}

fn deletes_claims(spec: &Raw) -> bool {
    spec.at(&["persistentVolumeClaimRetentionPolicy", "whenScaled"]).and_then(serde_json::Value::as_str) == Some("Delete")
}
