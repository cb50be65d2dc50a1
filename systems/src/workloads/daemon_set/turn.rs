//! One turn of a key: a node that changed, the beginning of a set's sync, or what follows the replies.

use super::eligible::spec_for;
use super::plan::{Bounds, Why, counts, manage, roll};
use super::read::{Belongs, needs, nodes, pods_of, revisions_of, wanted_on};
use super::{Asked, BURST_PODS_MAX, DaemonSetQueue, DaemonSets, FAILED_BACKOFF_FIRST, FAILED_BACKOFF_MAX, Reads, Running, Stage, Tables};
use crate::workloads::deployment::template_hash::template_hash;
use crate::workloads::revisions::{self, History, Wanted, beyond, name_of, template_of};
use serde_json::{Value, json};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{NewObject, Reply, Verb};
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::meta::{Meta, OwnerRef};
use wavetank_engine::model::pod::Pod;
use wavetank_engine::model::raw::Raw;
use wavetank_engine::model::revisioned::{ControllerRevision, DaemonSet, DaemonSetStatus};
use wavetank_engine::model::workload::IntOrPercent;
use wavetank_engine::names::{Name, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::time::SimDuration;

/// Everything a turn works with.
pub(super) struct Turn<'t, 'q, 'r, 's, 'w> {
    pub(super) work: &'t mut Work<'q, DaemonSetQueue>,
    pub(super) reads: &'t Reads<'r, 's>,
    pub(super) tables: &'t mut Tables<'w>,
    pub(super) state: &'t mut DaemonSets,
    pub(super) events: &'t mut Events,
}

impl<'t> Turn<'t, '_, '_, '_, '_> {
    pub(super) fn take(&mut self, item: &Item) {
        let object = item.object;
        if self.reads.nodes.get(object).is_some() {
            self.node_changed(object);
            return;
        }
        if self.known(object).is_none() {
            if self.state.running.remove(&object.uid).is_some() || self.state.written.remove(&object.uid).is_some() {
                self.state.failed.retain(|(set, ..), _| *set != object.uid);
            }
            self.work.forget(object);
            return;
        }
        match self.state.running.remove(&object.uid) {
            Some(mut running) => {
                running.dirty |= item.woken;
                self.go_on(item, running);
            }
            None => self.begin(item),
        }
    }

    fn known(&self, set: ObjRef) -> Option<(&'t DaemonSet, &'t DaemonSetStatus, &'t Meta)> {
        Some((self.reads.sets.get(set)?, self.reads.statuses.get(set)?, self.reads.metas.get(set)?))
    }

    /// Wakes the sets that a node's change concerns, without a look at their other nodes.
    fn node_changed(&mut self, node: ObjRef) {
        let sets: Vec<ObjRef> = self.reads.listing.of_kind(Kind::DaemonSet).collect();
        for set in sets {
            let Some((spec, status, _)) = self.known(set) else { continue };
            let needs = needs(self.tables, spec);
            let Some((name, (runs, stays))) = wanted_on(self.reads, self.tables, &needs, node) else { continue };
            let there =
                self.reads.listing.on_node(name).any(|pod| self.reads.listing.row(pod).is_some_and(|row| row.controller == set.uid));
            let concerns = if there { !stays || status.misscheduled > 0 } else { runs };
            if concerns {
                let now = self.work.now();
                self.work.wake_at(set, now);
            }
        }
    }

    fn begin(&mut self, item: &Item) {
        let set = item.object;
        let Some((spec, status, meta)) = self.known(set) else { return };
        if !self.reads.listing.has_seen(self.state.written.get(&set.uid).copied().unwrap_or_default()) {
            self.work.retry(set);
            return;
        }
        if spec.raw.at(&["selector"]).and_then(Value::as_object).is_none_or(|selector| selector.values().all(is_empty)) {
            let texts = *self.tables.texts;
            self.tell(set, true, (texts.selecting_all, texts.selects_all), &[]);
            return;
        }
        if meta.terminating() {
            return;
        }
        let template = spec.raw.at(&["template"]).cloned().unwrap_or_default();
        let hash = template_hash(&template, status.collision_count);
        let data = Raw::new(revisions::data_of(&template));
        let known = revisions_of(self.reads, self.tables, set);
        let mut running = Running {
            stage: Stage::Revise,
            asked: Vec::new(),
            plan: Default::default(),
            hash: self.tables.names.sym(&hash),
            number: known.last().map_or(1, |last| last.number),
            history: History { known, current: Sym::EMPTY, update: Sym::EMPTY },
            generation: meta.generation,
            error: false,
            dirty: false,
        };
        match revisions::wanted(&running.history.known, &data) {
            Wanted::Is(hash) => {
                running.hash = hash;
                (running.history.current, running.history.update) = (hash, hash);
                self.claim(item, running);
            }
            Wanted::Renumber(object, number) => {
                let value = ControllerRevision { revision: number, data };
                self.wait(item, running, vec![(Asked::Other, Verb::Put { object, expect: None, value: value.into() })]);
            }
            Wanted::New(number) => {
                let verb = self.revision(set, meta, &template, (&hash, &data, number));
                self.wait(item, running, vec![(Asked::Other, verb)]);
            }
        }
    }

    fn revision(&mut self, set: ObjRef, meta: &Meta, template: &Value, (hash, data, number): (&str, &Raw, i64)) -> Verb {
        let name = name_of(&self.tables.names.render(meta.name), hash);
        let mut new = Meta::new(Kind::ControllerRevision, meta.namespace, self.tables.names.name(&name));
        let labels = template.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
        for (key, value) in labels {
            let (key, value) = (self.tables.names.sym(key), self.tables.names.sym(value.as_str().unwrap_or("")));
            new.labels = self.tables.labels.with(&self.tables.names, new.labels, key, value);
        }
        let (key, value) = (self.tables.texts.hash, self.tables.names.sym(hash));
        new.labels = self.tables.labels.with(&self.tables.names, new.labels, key, value);
        new.owners.push(owner(set, meta));
        let value = ControllerRevision { revision: number, data: data.clone() };
        Verb::Create(Box::new(NewObject { meta: new, states: vec![value.into()] }))
    }

    fn claim(&mut self, item: &Item, mut running: Running) {
        let Some((spec, _, meta)) = self.known(item.object) else { return };
        let pods = pods_of(self.reads, self.tables, item.object, spec, meta);
        let mut verbs = Vec::new();
        for &(pod, belongs) in pods.iter().filter(|pod| pod.1 != Belongs::Mine) {
            let Some(mut claimed) = self.reads.metas.get(pod).cloned() else { continue };
            match belongs {
                Belongs::Adopt => claimed.owners.push(owner(item.object, meta)),
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

    /// The set's pods by node.
    fn by_node(&mut self, set: ObjRef, hash: Sym) -> (Vec<super::plan::OnNode>, Vec<ObjRef>) {
        let Some((spec, _, meta)) = self.known(set) else { return Default::default() };
        let pods = pods_of(self.reads, self.tables, set, spec, meta);
        let mine: Vec<ObjRef> = pods.iter().filter(|pod| pod.1 == Belongs::Mine).map(|pod| pod.0).collect();
        let needs = needs(self.tables, spec);
        nodes(self.reads, self.tables, &needs, &mine, hash)
    }

    fn decide(&mut self, item: &Item, mut running: Running) {
        let Some((spec, status, _)) = self.known(item.object) else { return };
        let (nodes, strays) = self.by_node(item.object, running.hash);
        let desired = nodes.iter().filter(|on| on.wanted.0).count();
        let bounds = spec.rolling.map(|bounds| resolve(bounds, desired));
        let min_ready = SimDuration::from_secs(u64::from(spec.min_ready_s));
        let now = self.work.now();
        let surging = spec.rolling.is_some_and(|(_, surge)| !matches!(surge, IntOrPercent::Int(0) | IntOrPercent::Percent(0)));
        let mut plan = manage(&nodes, &strays, surging, min_ready, now);
        let held = self.hold_failed(item.object, status.observed_generation, &nodes, &mut plan);
        if plan.is_empty()
            && !held
            && let Some(bounds) = bounds
        {
            plan = roll(&nodes, bounds, min_ready, now);
        }
        plan.create.truncate(BURST_PODS_MAX);
        plan.delete.truncate(BURST_PODS_MAX);
        let places: Vec<_> = nodes.iter().flat_map(|on| on.pods.iter().map(|pod| (pod.pod, (pod.name, on.node)))).collect();
        self.tell_ended(item.object, &plan, &places);
        running.plan = plan;
        running.stage = Stage::Create(1);
        self.advance(item, running);
    }

    /// Keeps failed pods whose back-off is not over; whether there were any.
    fn hold_failed(&mut self, set: ObjRef, generation: u32, nodes: &[super::plan::OnNode], plan: &mut super::plan::Plan) -> bool {
        let now = self.work.now();
        let mut soonest: Option<SimDuration> = None;
        let before = plan.delete.len();
        let (failed, work) = (&mut self.state.failed, &mut self.work);
        plan.delete.retain(|&(pod, why)| {
            if why != Why::Failed {
                return true;
            }
            let node = nodes.iter().find(|on| on.pods.iter().any(|facts| facts.pod == pod)).map(|on| on.node).unwrap_or_default();
            let key = (set.uid, generation, node);
            match failed.get(&key).copied() {
                Some((wait, since)) if now < since + wait => {
                    let left = (since + wait).since(now);
                    soonest = Some(soonest.map_or(left, |soonest| soonest.min(left)));
                    false
                }
                Some((wait, since)) if now.since(since) <= FAILED_BACKOFF_MAX.saturating_mul(2) => {
                    failed.insert(key, (wait.saturating_mul(2).min(FAILED_BACKOFF_MAX), now));
                    true
                }
                _ => {
                    failed.insert(key, (FAILED_BACKOFF_FIRST, now));
                    true
                }
            }
        });
        if let Some(left) = soonest {
            work.wake_after(set, left);
        }
        plan.delete.len() < before
    }

    fn tell_ended(&mut self, set: ObjRef, plan: &super::plan::Plan, places: &[(ObjRef, (Name, Sym))]) {
        let texts = *self.tables.texts;
        let Some(namespace) = self.reads.metas.get(set).map(|meta| meta.namespace) else { return };
        for &(pod, why) in &plan.delete {
            let Some(&(_, (name, node))) = places.iter().find(|place| place.0 == pod) else { continue };
            let args = [Arg::Text(namespace), Arg::Name(name), Arg::Text(node)];
            match why {
                Why::Surplus => {}
                Why::Failed => self.tell(set, true, (texts.failed_daemon_pod, texts.found_failed), &args),
                Why::Succeeded => self.tell(set, false, (texts.succeeded_daemon_pod, texts.found_succeeded), &args),
            }
        }
    }

    fn advance(&mut self, item: &Item, mut running: Running) {
        if let Stage::Create(size) = running.stage {
            if !running.plan.create.is_empty() {
                let batch: Vec<Sym> = running.plan.create.drain(..size.min(running.plan.create.len())).collect();
                let verbs: Vec<_> = batch.into_iter().filter_map(|node| self.pod(item.object, &running, node)).collect();
                running.stage = Stage::Create(2 * size);
                self.wait(item, running, verbs.into_iter().map(|verb| (Asked::Create, verb)).collect());
                return;
            }
            let mut verbs = Vec::new();
            for (object, why) in std::mem::take(&mut running.plan.delete) {
                let (Some(meta), Some(pod)) = (self.reads.metas.get(object), self.reads.pods.get(object)) else { continue };
                verbs.push((Asked::Delete(meta.name, why, pod.node), Verb::Delete { object, grace_s: None, propagation: None }));
            }
            running.stage = Stage::Delete;
            if !verbs.is_empty() {
                self.wait(item, running, verbs);
                return;
            }
        }
        self.truncate(item, running);
    }

    fn pod(&mut self, set: ObjRef, running: &Running, node: Sym) -> Option<Verb> {
        let (_, _, meta) = self.known(set)?;
        let revision = running.history.known.iter().find(|known| known.name == running.hash)?;
        let template = template_of(revision.data.value());
        let spec = spec_for(template.get("spec").unwrap_or(&Value::Null), self.tables.names.text(node));
        let whole = json!({"metadata": template.get("metadata").cloned().unwrap_or_default(), "spec": spec});
        let id = self.tables.classes.template_of(&mut self.tables.names, &mut self.tables.labels, &whole);
        let template = self.tables.classes.template(id).clone();
        let base = format!("{}-", self.tables.names.render(meta.name));
        let mut new = Meta::new(Kind::Pod, meta.namespace, Name::default());
        new.generate_name = self.tables.names.sym(&base);
        new.annotations = template.annotations;
        new.owners.push(owner(set, meta));
        let number = self.tables.names.sym(&revision.number.to_string());
        new.labels = template.labels;
        for (key, value) in [(self.tables.texts.hash, running.hash), (self.tables.texts.template_generation, number)] {
            new.labels = self.tables.labels.with(&self.tables.names, new.labels, key, value);
        }
        Some(Verb::Create(Box::new(NewObject { meta: new, states: vec![Pod { class: template.class, node: Sym::EMPTY }.into()] })))
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
            Stage::Revise if item.replies.iter().any(|reply| reply.refusal().is_some_and(|refusal| refusal.reason == "AlreadyExists")) => {
                self.collided(item, running);
            }
            Stage::Revise | Stage::Claim if running.error => self.work.retry(item.object),
            Stage::Revise | Stage::Claim => self.begin(item),
            Stage::Create(_) if running.error => {
                running.plan.create.clear();
                self.advance(item, running);
            }
            Stage::Create(_) => self.advance(item, running),
            Stage::Delete => self.truncate(item, running),
            Stage::Truncate => self.report(item, running),
            Stage::Report => self.end(item, &running),
        }
    }

    /// Another revision has the name: the next one counts a collision more.
    fn collided(&mut self, item: &Item, mut running: Running) {
        let Some((_, status, _)) = self.known(item.object) else { return };
        let value = DaemonSetStatus { collision_count: Some(status.collision_count.unwrap_or(0) + 1), ..status.clone() };
        (running.stage, running.error) = (Stage::Report, true);
        self.wait(item, running, vec![(Asked::Other, Verb::Put { object: item.object, expect: None, value: value.into() })]);
    }

    /// Remembers what was written and tells of it. `true`: it failed.
    fn take_in(&mut self, set: ObjRef, asked: Asked, reply: &Reply) -> bool {
        let texts = *self.tables.texts;
        let created = match reply {
            Reply::Created(object) => self.reads.listing.answered(*object).copied(),
            _ => None,
        };
        let revision = match reply {
            Reply::Done(revision) => Some(*revision),
            _ => created.map(|row| row.created),
        };
        if let Some(revision) = revision {
            let written = self.state.written.entry(set.uid).or_default();
            *written = (*written).max(revision);
        }
        match (asked, reply) {
            (Asked::Other | Asked::Delete(..), Reply::Refused(refusal)) if refusal.code == 404 => false,
            (Asked::Create, Reply::Refused(refusal)) if refusal.of_ending_namespace() => false,
            (Asked::Other, reply) => matches!(reply, Reply::Refused(_)),
            (Asked::Create | Asked::Delete(..), Reply::Refused(refusal)) => {
                let message = self.tables.names.sym(&refusal.message);
                let words = match asked {
                    Asked::Create => (texts.failed_create, texts.create_failed),
                    _ => (texts.failed_delete, texts.delete_failed),
                };
                self.tell(set, true, words, &[Arg::Text(message)]);
                true
            }
            (Asked::Create, _) => {
                if let Some(row) = created {
                    self.tell(set, false, (texts.successful_create, texts.created), &[Arg::Name(row.key.name)]);
                }
                false
            }
            (Asked::Delete(pod, ..), _) => {
                self.tell(set, false, (texts.successful_delete, texts.deleted), &[Arg::Name(pod)]);
                false
            }
        }
    }

    /// Deletes the revisions beyond the history's limit that no pod has.
    fn truncate(&mut self, item: &Item, mut running: Running) {
        let Some((spec, _, meta)) = self.known(item.object) else { return };
        let pods = pods_of(self.reads, self.tables, item.object, spec, meta);
        let of_pod = |pod: ObjRef| self.reads.metas.get(pod).and_then(|pod| self.tables.labels.get(pod.labels, self.tables.texts.hash));
        let in_use: Vec<Sym> = pods.iter().filter_map(|&(pod, _)| of_pod(pod)).collect();
        let old = beyond(&running.history, |hash| in_use.contains(&hash), spec.revision_history_limit);
        if old.is_empty() {
            self.report(item, running);
            return;
        }
        running.stage = Stage::Truncate;
        let delete = |object| (Asked::Other, Verb::Delete { object, grace_s: None, propagation: None });
        self.wait(item, running, old.into_iter().map(delete).collect());
    }

    fn report(&mut self, item: &Item, mut running: Running) {
        let (nodes, _) = self.by_node(item.object, running.hash);
        let Some((spec, status, _)) = self.known(item.object) else { return };
        let min_ready = SimDuration::from_secs(u64::from(spec.min_ready_s));
        let found = counts(&nodes, min_ready, self.work.now());
        if found.ready != found.available {
            self.work.wake_after(item.object, min_ready);
        }
        let new = DaemonSetStatus {
            current: found.current,
            misscheduled: found.misscheduled,
            desired: found.desired,
            ready: found.ready,
            updated: found.updated,
            available: found.available,
            unavailable: found.desired - found.available,
            collision_count: status.collision_count,
            observed_generation: running.generation,
        };
        if new == *status {
            self.end(item, &running);
            return;
        }
        running.stage = Stage::Report;
        self.wait(item, running, vec![(Asked::Other, Verb::Put { object: item.object, expect: None, value: new.into() })]);
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

fn owner(set: ObjRef, meta: &Meta) -> OwnerRef {
    OwnerRef { uid: Some(set.uid), kind: Kind::DaemonSet, name: meta.name, controller: true, block_owner_deletion: true }
}

fn is_empty(part: &Value) -> bool {
    part.as_object().is_none_or(serde_json::Map::is_empty) && part.as_array().is_none_or(Vec::is_empty)
}

/// `maxUnavailable` and `maxSurge` of a number of nodes; both round up, and one of them is at least 1.
fn resolve((unavailable, surge): (IntOrPercent, IntOrPercent), desired: usize) -> Bounds {
    let of = |bound: IntOrPercent| match bound {
        IntOrPercent::Int(pods) => usize::try_from(pods).unwrap_or(0),
        IntOrPercent::Percent(percent) => (desired * usize::try_from(percent).unwrap_or(0)).div_ceil(100),
    };
    let (unavailable, surge) = (of(unavailable), of(surge));
    Bounds { unavailable: if unavailable == 0 && surge == 0 { 1 } else { unavailable }, surge }
}
