//! Everything that was collected as one JSON object, `wavetank.report/1`: columns rather than rows, times as differences in
//! milliseconds, texts by number.

use crate::render::why::Script;
use crate::report::series::deltas;
use crate::report::{Collector, explain, millis, why};
use serde_json::{Value, json};
use wavetank_engine::record::collect::summary;
use wavetank_engine::record::journal::Line;
use wavetank_engine::record::summary::Summary;
use wavetank_engine::scene::run::Run;
use wavetank_engine::time::SimTime;

/// Name and version of the data of a report.
pub const SCHEMA: &str = "wavetank.report/1";

impl Collector {
    /// The data of the report of a run that has come to its end. `lines`: its journal, when it kept its causes.
    pub fn data(mut self, run: &Run, script: &[Script], lines: Option<Vec<Line>>) -> Value {
        let kept_why = lines.is_some();
        let driven_out = lines.as_deref().map(explain::driven_out).unwrap_or_default();
        let explained = explain::json(run, &driven_out, self.pods.names());
        let chains = lines.map(|lines| why::json(run, lines, script, self.pods.names(), &mut self.texts));
        let steps = run.scene().script.iter().enumerate();
        let steps: Vec<Value> = steps
            .map(|(number, entry)| {
                let (action, place) = script.get(number).map_or(("", ""), |script| (script.action.as_str(), script.place.as_str()));
                json!({"t": millis(entry.at), "action": self.texts.number(action), "place": place})
            })
            .collect();
        let mut left_out = Vec::new();
        if self.begun_ms > 0 {
            left_out.push(format!("what was before {}: the run was resumed there", SimTime(self.begun_ms * 1_000_000).clock()));
        }
        left_out.extend(self.pods.left_out().into_iter().chain(self.nodes.left_out()).chain(self.workloads.left_out()));
        left_out.extend(self.events.left_out().into_iter().chain(self.traffic.left_out()));
        let summary = summary(run);
        if kept_why && self.pods.names().len() > why::PODS_MAX {
            left_out.push(format!("the causes of pods beyond the first {}; ask for them with wavetank why", why::PODS_MAX));
        } else if !kept_why && !self.pods.names().is_empty() {
            left_out.push("the causes of what happened to pods; ask for them with wavetank why".to_string());
        }
        json!({
            "schema": SCHEMA,
            "scene": run.scene().path,
            "seed": run.scene().seed,
            "from_ms": self.begun_ms,
            "end_ms": millis(run.sim.now()),
            "summary": totals(&summary),
            "columns": deltas(&self.columns_ms),
            "script": steps,
            "pods": self.pods.json(),
            "nodes": self.nodes.json(),
            "workloads": self.workloads.workloads_json(),
            "autoscalers": self.workloads.autoscalers_json(),
            "traffic": self.traffic.json(),
            "events": self.events.json(),
            "why": chains,
            "explained": explained,
            "left_out": left_out,
            "texts": self.texts.list(),
        })
    }
}

/// The summary without what differs from one machine to the next.
fn totals(summary: &Summary) -> Value {
    let mut value = serde_json::to_value(summary).expect("numbers and texts always have a JSON form");
    if let Some(fields) = value.as_object_mut() {
        for cost in ["read_cpu_s", "cpu_s", "wall_s", "peak_rss_bytes"] {
            fields.shift_remove(cost);
        }
    }
    value
}
