//! StatefulSets: series of syncs.

use crate::row::{Check, Functions};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_systems::workloads::stateful_set::plan::{Action, PodFacts, SetFacts, is_complete, plan};

pub(crate) const FUNCTIONS: Functions = &[("sync_series", Check::Answer(series))];

/// What carries over from sync to sync.
struct Series<'i> {
    names: Names,
    input: &'i Value,
    replicas: u32,
    template: Sym,
    /// `status.currentRevision` and `status.currentReplicas`.
    current: Option<Sym>,
    current_replicas: i32,
    /// Since when each pod is ready.
    ready_at: BTreeMap<String, SimTime>,
}

fn series(input: &Value) -> Result<Value, String> {
    let mut names = Names::new();
    let template = names.sym("v1");
    let replicas = input["replicas"].as_u64().ok_or("no replicas")? as u32;
    let mut series = Series { names, input, replicas, template, current: None, current_replicas: 0, ready_at: BTreeMap::new() };
    let steps = input["steps"].as_array().ok_or("no steps")?;
    let answers: Result<Vec<Value>, String> = steps.iter().map(|step| series.step(step)).collect();
    Ok(json!({"steps": answers?}))
}

impl Series<'_> {
    fn step(&mut self, step: &Value) -> Result<Value, String> {
        if let Some(replicas) = step["set_replicas"].as_u64() {
            self.replicas = replicas as u32;
        }
        if let Some(template) = step["set_template"].as_str() {
            self.template = self.names.sym(template);
        }
        let now = SimTime::from_secs(step["t_s"].as_u64().ok_or("no t_s")?);
        let rows = step["pods_before"].as_array().ok_or("no pods_before")?;
        let pods: Result<Vec<PodFacts>, String> = rows.iter().map(|row| self.pod(row, now)).collect();
        let pods = pods?;
        let there = |name: &String| rows.iter().any(|row| row["name"].as_str() == Some(name) && row["ready"] == true);
        self.ready_at.retain(|name, _| there(name));
        let set = SetFacts {
            replicas: self.replicas,
            start: self.input["ordinals_start"].as_u64().unwrap_or(0) as u32,
            min_ready: SimDuration::from_secs(self.input["min_ready_s"].as_u64().unwrap_or(0)),
            parallel: self.input["pod_management_policy"] == "Parallel",
            on_delete: self.input["update_strategy"] == "OnDelete",
            partition: self.input["partition"].as_i64().map(|partition| partition as i32),
            deleting: false,
            current: self.current.unwrap_or(self.template),
            update: self.template,
            current_replicas: self.current_replicas,
        };
        let mut planned = plan(&set, &pods, now);
        let mut current = set.current;
        if is_complete(&set, &planned.counts) {
            (current, planned.counts.current) = (set.update, planned.counts.updated);
        }
        (self.current, self.current_replicas) = (Some(current), planned.counts.current);
        let (mut created, mut deleted) = (Vec::new(), Vec::new());
        for action in planned.replicas.iter().chain(&planned.condemned).chain(&planned.update) {
            match *action {
                Action::Create(ordinal, revision) => created.push(format!("web-{ordinal}@{}", self.names.text(revision))),
                Action::Delete(ordinal) => deleted.push(format!("web-{ordinal}")),
            }
        }
        // The table lists each pod once, in order of name, and leaves out those that were created and deleted at once.
        created.retain(|pod: &String| !deleted.iter().any(|name| pod.starts_with(&format!("{name}@"))));
        deleted.retain(|name| rows.iter().any(|row| row["name"].as_str() == Some(name)));
        deleted.sort();
        deleted.dedup();
        let counts = planned.counts;
        Ok(json!({
            "created": created, "deleted": deleted, "error": null,
            "status": {
                "available": counts.available, "current": counts.current, "current_is_update_revision": current == set.update,
                "ready": counts.ready, "replicas": counts.replicas, "updated": counts.updated,
            },
        }))
    }

    fn pod(&mut self, row: &Value, now: SimTime) -> Result<PodFacts, String> {
        let name = row["name"].as_str().ok_or("no name")?;
        let ordinal = name.rsplit('-').next().and_then(|number| number.parse().ok()).ok_or("no ordinal")?;
        let phase = match row["phase"].as_str() {
            Some("Pending") => PodPhase::Pending,
            Some("Running") => PodPhase::Running,
            Some("Succeeded") => PodPhase::Succeeded,
            Some("Failed") => PodPhase::Failed,
            other => return Err(format!("phase {other:?}")),
        };
        let ready_at = (row["ready"] == true).then(|| *self.ready_at.entry(name.to_string()).or_insert(now));
        let revision = self.names.sym(row["template"].as_str().ok_or("no template")?);
        Ok(PodFacts { ordinal, phase, ready_at, terminating: row["terminating"] == true, revision })
    }
}
