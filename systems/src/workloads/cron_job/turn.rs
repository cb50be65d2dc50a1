//! One turn of a CronJob's key: the beginning of a sync, or what follows the replies.

use super::plan::{Note, Plan, again_in, plan, read_schedule};
use super::read::{facts, job_from_template, jobs, sim_time, unix_ns};
use super::{CronJobQueue, CronJobs, Reads, Running, Stage, Tables};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{Propagation, Reply, Verb};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Uid};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::time::{SimDuration, SimTime};

/// Everything a turn works with.
pub(super) struct Turn<'t, 'q, 'r, 's, 'w> {
    pub(super) work: &'t mut Work<'q, CronJobQueue>,
    pub(super) reads: &'t Reads<'r, 's>,
    pub(super) tables: &'t mut Tables<'w>,
    pub(super) state: &'t mut CronJobs,
    pub(super) events: &'t mut Events,
}

impl Turn<'_, '_, '_, '_, '_> {
    pub(super) fn take(&mut self, item: &Item) {
        let cron_job = item.object;
        let Some(spec) = self.reads.cron_jobs.get(cron_job) else {
            self.state.running.remove(&cron_job.uid);
            self.state.schedules.remove(&cron_job.uid);
            self.work.forget(cron_job);
            return;
        };
        if let Some(running) = self.state.running.remove(&cron_job.uid) {
            if item.woken {
                self.work.wake(cron_job, item.cause);
            }
            self.go_on(item, running);
            return;
        }
        let known = self.state.schedules.insert(cron_job.uid, (spec.schedule, spec.time_zone));
        if known.is_some_and(|known| known != (spec.schedule, spec.time_zone)) {
            self.reschedule(cron_job);
        } else {
            self.begin(item);
        }
    }

    /// A changed schedule is looked at when it is next due. Source: `updateCronJob`.
    fn reschedule(&mut self, cron_job: ObjRef) {
        let now = unix_ns(self.tables.epoch.0, self.work.now());
        let name = self.name(cron_job);
        let Some(facts) = facts(self.reads, self.tables, cron_job, &name) else { return };
        let mut notes = Vec::new();
        match read_schedule(facts.schedule, facts.time_zone, &mut notes) {
            Ok(schedule) => {
                let delay = again_in(&facts, &schedule, now);
                self.work.wake_after(cron_job, SimDuration(u64::try_from(delay).unwrap_or(0)));
            }
            Err(_) => notes.push((true, "UnParseableCronJobSchedule", format!("unparseable schedule for cronjob: {}", facts.schedule))),
        }
        self.tell_all(cron_job, notes);
    }

    fn name(&self, cron_job: ObjRef) -> String {
        self.reads.metas.get(cron_job).map_or_else(String::new, |meta| self.tables.names.render(meta.name))
    }

    fn begin(&mut self, item: &Item) {
        let cron_job = item.object;
        let now = unix_ns(self.tables.epoch.0, self.work.now());
        let name = self.name(cron_job);
        let jobs = jobs(self.reads, self.tables, cron_job);
        let Some(facts) = facts(self.reads, self.tables, cron_job, &name) else { return };
        let plan = plan(&facts, &jobs, &|uid| self.reads.objects.lives(uid), now);
        let Some(status) = self.reads.statuses.get(cron_job) else { return };
        let mut status = status.clone();
        status.active.retain(|known| plan.active.iter().any(|active| active.0 == known.0));
        status.last_successful_at = plan.last_successful_s.map(|at| sim_time(self.tables.epoch.0, at));
        let again_at = plan.again_in.map(|delay| self.work.now().0.saturating_add(u64::try_from(delay).unwrap_or(0)));
        let running = Running {
            stage: Stage::Delete,
            base: self.reads.listing.revision(cron_job),
            status,
            write: plan.write || plan.start.is_some(),
            start: plan.start.clone(),
            again_at,
            error: false,
        };
        self.delete(item, running, plan);
    }

    fn delete(&mut self, item: &Item, running: Running, plan: Plan) {
        let mut asked = false;
        for (uid, _) in plan.cleanup.iter().chain(&plan.replace) {
            if let Some(object) = self.reads.listing.by_uid(*uid) {
                self.work.ask(item, Verb::Delete { object, grace_s: None, propagation: Some(Propagation::Background) });
                asked = true;
            }
        }
        self.tell_all(item.object, plan.notes);
        let replaced = plan.replace.into_iter().map(|(_, name)| (false, "SuccessfulDelete", format!("Deleted job {name}")));
        self.tell_all(item.object, replaced.collect());
        if asked {
            self.state.running.insert(item.object.uid, running);
        } else {
            self.create(item, running);
        }
    }

    fn create(&mut self, item: &Item, mut running: Running) {
        let (Some(spec), Some(meta)) = (self.reads.cron_jobs.get(item.object), self.reads.metas.get(item.object)) else { return };
        let Some(start) = &running.start else { return self.report(item, running) };
        let job = job_from_template(self.tables, spec, meta, item.object, start);
        self.work.ask(item, Verb::Create(Box::new(job)));
        running.stage = Stage::Create;
        self.state.running.insert(item.object.uid, running);
    }

    fn go_on(&mut self, item: &Item, mut running: Running) {
        let refused = item.replies.iter().filter_map(Reply::refusal).find(|refusal| refusal.code != 404).cloned();
        match running.stage {
            Stage::Delete => {
                if let Some(refusal) = refused {
                    self.tell_all(item.object, vec![(true, "FailedDelete", format!("Deleted job: {}", refusal.message))]);
                    running.start = None;
                    running.error = true;
                }
                self.create(item, running);
            }
            Stage::Create => self.created(item, running),
            Stage::Report => {
                running.error |= refused.is_some();
                self.end(item.object, &running);
            }
        }
    }

    fn created(&mut self, item: &Item, mut running: Running) {
        let Some(start) = running.start.take() else { return };
        let job = match item.replies.first() {
            Some(Reply::Created(job)) => {
                self.tell_all(item.object, vec![(false, "SuccessfulCreate", format!("Created job {}", start.name))]);
                Some(*job)
            }
            Some(Reply::Refused(refusal)) if refusal.code == 409 && refusal.reason == "AlreadyExists" => {
                let job = self.job_by_name(item.object, &start.name);
                if job.is_none() {
                    running.write = false;
                    return self.end(item.object, &running);
                }
                job
            }
            Some(Reply::Refused(refusal)) => {
                if !refusal.of_ending_namespace() {
                    self.tell_all(item.object, vec![(true, "FailedCreate", format!("Error creating job: {}", refusal.message))]);
                    running.error = true;
                }
                None
            }
            Some(Reply::Done(_)) | None => None,
        };
        if let Some(job) = job {
            let name = self.tables.names.name(&start.name);
            running.status.active.push((job.uid, name));
            running.status.last_schedule_at = Some(sim_time(self.tables.epoch.0, start.scheduled_s));
        }
        self.report(item, running);
    }

    /// A Job of that name that this CronJob controls.
    fn job_by_name(&self, cron_job: ObjRef, name: &str) -> Option<ObjRef> {
        let namespace = self.reads.metas.get(cron_job)?.namespace;
        let key = ObjectKey { kind: Kind::Job, namespace, name: self.tables.names.find_name(name)? };
        let job = self.reads.listing.by_key(key)?;
        let owner: Option<Uid> = self.reads.metas.get(job).and_then(Meta::controller_uid);
        (owner == Some(cron_job.uid)).then_some(job)
    }

    fn report(&mut self, item: &Item, mut running: Running) {
        if !running.write || self.reads.statuses.get(item.object) == Some(&running.status) {
            self.end(item.object, &running);
            return;
        }
        running.stage = Stage::Report;
        let value = running.status.clone().into();
        self.work.ask(item, Verb::Put { object: item.object, expect: Some(running.base), value });
        self.state.running.insert(item.object.uid, running);
    }

    fn end(&mut self, cron_job: ObjRef, running: &Running) {
        if running.error {
            self.work.retry(cron_job);
            return;
        }
        self.work.forget(cron_job);
        if let Some(at) = running.again_at.filter(|&at| at < u64::MAX) {
            self.work.wake_at(cron_job, SimTime(at));
        }
    }

    fn tell_all(&mut self, cron_job: ObjRef, notes: Vec<Note>) {
        let Some(row) = self.reads.listing.answered(cron_job) else { return };
        for (warning, reason, message) in notes {
            let (reason, message) = (self.tables.names.sym(reason), self.tables.names.sym(&message));
            let (source, words) = (self.tables.texts.controller, self.tables.texts.text);
            let args = &[Arg::Text(message)];
            self.events.report(self.work.now(), Report { about: row.key, uid: cron_job.uid, source, warning, reason, words, args });
        }
    }
}
