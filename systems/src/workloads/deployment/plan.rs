//! What one sync of a Deployment writes, in order.
//!
//! All is decided on what was read at the start: a status written after a change of a set does not show that change yet. A sync may
//! write the status twice; the second then runs into a conflict, and the key comes again, as in the original.
//!
//! Source: kubernetes v1.36, `pkg/controller/deployment/{deployment_controller,sync,rolling,recreate}.go`.

use super::history::{OldSet, surplus};
use super::progress::{complete, condition_now, has_progress, set_condition};
use super::rolling::{Fences, SetFacts, new_replicas, old_resizes};
use super::scale::{Scale, scale};
use super::snapshot::{SetSnapshot, Snapshot};
use super::status::{requeue, rollout_status, scaled_status};
use crate::workloads::texts::Texts;
use serde::{Deserialize, Serialize};
use wavetank_engine::model::meta::{ConditionStatus, condition};
use wavetank_engine::model::workload::{DeploymentStatus, Strategy};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// One write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// The new set takes over annotations and `minReadySeconds`.
    SyncNew,
    /// The new set is created.
    Create {
        /// `spec.replicas`.
        replicas: i32,
    },
    /// A set gets a size, and the annotations that go with it.
    Resize {
        /// Index of the set.
        set: usize,
        /// Size before.
        from: i32,
        /// Size after; may be the same.
        to: i32,
        /// What the event says.
        up: bool,
    },
    /// An old set is deleted.
    Delete {
        /// Index of the set.
        set: usize,
    },
    /// The status is written, and the annotation revision with it.
    Write {
        /// The status.
        status: Box<DeploymentStatus>,
        /// The annotation.
        revision: Sym,
    },
}

/// When the key is looked at again although nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum After {
    /// Not at all.
    Nothing,
    /// At a time.
    At(SimTime),
    /// After the back-off.
    BackOff,
}

/// What a sync does.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The writes, one after the other; a refused one ends the sync.
    pub steps: Vec<Step>,
    /// What comes after the last one.
    pub after: After,
}

/// Decides a sync.
pub fn plan(snapshot: &Snapshot, names: &mut Names, texts: &Texts, now: SimTime) -> Plan {
    let mut planner = Planner {
        snapshot,
        fences: Fences::of(&snapshot.strategy, snapshot.replicas),
        status: snapshot.status.clone(),
        revision: snapshot.revision,
        sets: snapshot.sets.clone(),
        has_new: snapshot.has_new,
        plan: Plan { steps: Vec::new(), after: After::Nothing },
        names,
        texts,
        now,
    };
    planner.sync();
    planner.plan
}

struct Planner<'a> {
    snapshot: &'a Snapshot,
    fences: Fences,
    /// The status as this sync has it.
    status: DeploymentStatus,
    revision: Sym,
    sets: Vec<SetSnapshot>,
    has_new: bool,
    plan: Plan,
    names: &'a mut Names,
    texts: &'a Texts,
    now: SimTime,
}

impl Planner<'_> {
    fn sync(&mut self) {
        if self.snapshot.deleting {
            self.find_new();
            return self.write_scaled_status();
        }
        self.paused_condition();
        if self.snapshot.paused {
            self.find_new();
            self.scale();
            self.clean_up();
            return self.write_scaled_status();
        }
        if self.find_new() {
            // The original would write the new set a second time from what it read at first, and run into a conflict.
            self.plan.after = After::BackOff;
            return;
        }
        let wanted = Some(self.snapshot.replicas);
        if self.sets.iter().any(|set| set.facts.replicas > 0 && set.facts.desired.is_some() && set.facts.desired != wanted) {
            self.scale();
            return self.write_scaled_status();
        }
        match self.snapshot.strategy {
            Strategy::Recreate => self.recreate(),
            Strategy::RollingUpdate { .. } => self.roll(),
        }
    }

    fn old(&self) -> &[SetSnapshot] {
        &self.sets[..self.sets.len() - usize::from(self.has_new)]
    }

    fn facts(&self) -> Vec<SetFacts> {
        self.sets.iter().map(|set| set.facts).collect()
    }

    fn condition(&mut self, status: ConditionStatus, reason: Sym, message: &str) {
        let message = self.names.sym(message);
        set_condition(&mut self.status.conditions, condition_now(words::PROGRESSING, status, reason, message, self.now));
    }

    fn write(&mut self) {
        let (status, revision) = (Box::new(self.status.clone()), self.revision);
        self.plan.steps.push(Step::Write { status, revision });
    }

    /// Source: `checkPausedConditions`.
    fn paused_condition(&mut self) {
        let reason = condition(&self.status.conditions, words::PROGRESSING).map(|progress| progress.reason);
        if self.snapshot.deadline.is_none() || reason == Some(self.texts.progress_deadline_exceeded) {
            return;
        }
        match (self.snapshot.paused, reason == Some(self.texts.deployment_paused)) {
            (true, false) => self.condition(ConditionStatus::Unknown, self.texts.deployment_paused, "Deployment is paused"),
            (false, true) => self.condition(ConditionStatus::Unknown, self.texts.deployment_resumed, "Deployment is resumed"),
            (true, true) | (false, false) => return,
        }
        self.write();
    }

    /// Brings the new set and the Deployment's revision up to date. True when the set itself had to be written.
    /// Source: `getNewReplicaSet`.
    fn find_new(&mut self) -> bool {
        if !self.has_new {
            return false;
        }
        if self.snapshot.new_stale {
            self.plan.steps.push(Step::SyncNew);
            return true;
        }
        let revision = self.sets.last().expect("there is a new set").revision;
        let mut changed = std::mem::replace(&mut self.revision, revision) != revision;
        if self.snapshot.deadline.is_some() && !has_progress(&self.status) {
            let message = format!("Found new replica set \"{}\"", self.names.text(self.snapshot.new_name));
            self.condition(ConditionStatus::True, self.texts.found_new_replica_set, &message);
            changed = true;
        }
        if changed {
            self.write();
        }
        false
    }

    /// Source: `getNewReplicaSet`.
    fn create(&mut self) {
        let total = self.sets.iter().map(|set| set.facts.replicas).sum();
        let replicas = match self.snapshot.strategy {
            Strategy::Recreate => self.snapshot.replicas,
            Strategy::RollingUpdate { .. } => new_replicas(&self.fences, 0, total),
        };
        self.plan.steps.push(Step::Create { replicas });
        self.has_new = true;
        self.sets.push(SetSnapshot {
            facts: SetFacts { replicas, created_at: self.now, ..SetFacts::default() },
            revision: self.snapshot.next_revision,
            revision_number: 0,
            status_replicas: 0,
            ready: 0,
            terminating: 0,
            unobserved: true,
            deleting: false,
            failure: None,
        });
        let mut changed = std::mem::replace(&mut self.revision, self.snapshot.next_revision) != self.snapshot.next_revision;
        if self.snapshot.deadline.is_some() {
            let message = format!("Created new replica set \"{}\"", self.names.text(self.snapshot.new_name));
            self.condition(ConditionStatus::True, self.texts.new_replica_set_created, &message);
            changed = true;
        }
        if changed {
            self.write();
        }
    }

    fn resize(&mut self, set: usize, to: i32) -> bool {
        let from = self.sets[set].facts.replicas;
        if from != to {
            self.plan.steps.push(Step::Resize { set, from, to, up: from < to });
        }
        from != to
    }

    /// Source: `rolloutRolling`.
    fn roll(&mut self) {
        if !self.has_new {
            self.create();
        }
        let facts = self.facts();
        let (new, old) = facts.split_last().expect("there is a new set");
        let wanted = new_replicas(&self.fences, new.replicas, facts.iter().map(|set| set.replicas).sum());
        if self.resize(old.len(), wanted) {
            return self.write_rollout_status();
        }
        let steps = old_resizes(&self.fences, new, old);
        if !steps.is_empty() {
            let mut now: Vec<i32> = old.iter().map(|set| set.replicas).collect();
            for step in steps {
                let from = std::mem::replace(&mut now[step.set], step.to);
                self.plan.steps.push(Step::Resize { set: step.set, from, to: step.to, up: false });
            }
            return self.write_rollout_status();
        }
        self.finish();
    }

    /// Source: `rolloutRecreate`.
    fn recreate(&mut self) {
        let old = self.old().len();
        let mut resized = false;
        for set in 0..old {
            resized |= self.resize(set, 0);
        }
        if resized || self.snapshot.old_pods || self.old().iter().any(|set| set.status_replicas > 0) {
            return self.write_rollout_status();
        }
        if !self.has_new {
            self.create();
        }
        self.resize(old, self.snapshot.replicas);
        self.finish();
    }

    fn finish(&mut self) {
        if complete(self.snapshot.replicas, self.snapshot.generation, &self.status) {
            self.clean_up();
        }
        self.write_rollout_status();
    }

    fn scale(&mut self) {
        let rolling = matches!(self.snapshot.strategy, Strategy::RollingUpdate { .. });
        match scale(&self.fences, &self.facts(), self.has_new, rolling, self.status.replicas) {
            Scale::Nothing => {}
            Scale::One(one) => {
                self.resize(one.set, one.to);
            }
            Scale::OldToZero(all) => {
                for one in all {
                    self.resize(one.set, one.to);
                }
            }
            Scale::Shares { resizes, up } => {
                for one in resizes {
                    let facts = self.sets[one.set].facts;
                    let annotated = facts.desired == Some(self.fences.replicas) && facts.max == Some(self.fences.pods_max());
                    if one.to != facts.replicas || !annotated {
                        self.plan.steps.push(Step::Resize { set: one.set, from: facts.replicas, to: one.to, up });
                    }
                }
            }
        }
    }

    fn clean_up(&mut self) {
        let old = |set: &SetSnapshot| OldSet {
            revision: set.revision_number,
            replicas: set.facts.replicas,
            status_replicas: set.status_replicas,
            unobserved: set.unobserved,
            deleting: set.deleting,
        };
        let old: Vec<OldSet> = self.old().iter().map(old).collect();
        self.plan.steps.extend(surplus(&old, self.snapshot.history_limit).into_iter().map(|set| Step::Delete { set }));
    }

    /// Source: `syncDeploymentStatus`.
    fn write_scaled_status(&mut self) {
        let new = scaled_status(self.snapshot, &self.status, &self.sets, self.has_new, self.texts, self.now);
        if new != self.status {
            self.status = new;
            self.write();
        }
    }

    /// Source: `syncRolloutStatus`.
    fn write_rollout_status(&mut self) {
        let new = rollout_status(self.snapshot, &self.status, &self.sets, self.has_new, self.names, self.texts, self.now);
        if new == self.status {
            self.plan.after = requeue(self.snapshot, &new, self.texts, self.now);
        } else {
            self.status = new;
            self.write();
        }
    }
}
