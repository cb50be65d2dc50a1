//! Workloads on their way from old to new, and what autoscalers read and decide.

use crate::report::named;
use crate::report::series::Series;
use serde_json::{Value, json};
use wavetank_engine::api::objects::Objects;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{Kind, ObjRef, Uid};
use wavetank_engine::model::autoscaling::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus, Reading};
use wavetank_engine::model::batch::{Job, JobStatus};
use wavetank_engine::model::revisioned::{DaemonSetStatus, StatefulSet, StatefulSetStatus};
use wavetank_engine::model::workload::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetStatus};
use wavetank_engine::simulation::Simulation;

/// Workloads that are kept.
pub const WORKLOADS_MAX: usize = 300;
/// Autoscalers that are kept, and metrics of one.
pub const AUTOSCALERS_MAX: usize = 100;
const METRICS_MAX: usize = 6;
const POINTS_MAX: usize = 600;
/// In place of a metric that could not be read.
const UNREAD: i64 = -1;

#[derive(Debug)]
struct Workload {
    name: String,
    job: bool,
    series: Series,
}

#[derive(Debug)]
struct Autoscaler {
    name: String,
    target: String,
    /// Name, unit and target of each metric. Targets in thousandths, or in percent.
    metrics: Vec<(String, &'static str, Option<i64>)>,
    series: Series,
}

/// All workloads and autoscalers, in order of their creation.
#[derive(Debug, Default)]
pub struct Workloads {
    /// `None`: left out.
    places: LookupMap<Uid, Option<usize>>,
    workloads: Vec<Workload>,
    autoscalers: Vec<Autoscaler>,
    left_out: [u64; 2],
}

impl Workloads {
    /// Looks at a workload or an autoscaler that was written.
    pub fn look(&mut self, sim: &Simulation, object: ObjRef, gone: bool, at_ms: u64) {
        let Some(row) = sim.get::<Objects>().row(object) else { return };
        // Sets of a Deployment are its means.
        if row.key.kind == Kind::ReplicaSet && row.controller.0 != 0 {
            return;
        }
        if row.key.kind == Kind::HorizontalPodAutoscaler {
            self.look_at_autoscaler(sim, object, gone, at_ms);
            return;
        }
        let Some(numbers) = (if gone { Some([0; 4]) } else { numbers(sim, object, row.key.kind) }) else { return };
        let next = self.workloads.len();
        let place = *self.places.entry(object.uid).or_insert_with(|| (next < WORKLOADS_MAX && !gone).then_some(next));
        let Some(at) = place else {
            self.left_out[0] += u64::from(!gone && next >= WORKLOADS_MAX && row.created == row.revision);
            return;
        };
        if at == next {
            let (name, job) = (named(sim, row.key), row.key.kind == Kind::Job);
            self.workloads.push(Workload { name, job, series: Series::new(4, POINTS_MAX) });
        }
        self.workloads[at].series.push(at_ms, &numbers);
    }

    fn look_at_autoscaler(&mut self, sim: &Simulation, object: ObjRef, gone: bool, at_ms: u64) {
        let parts = (sim.state::<HorizontalPodAutoscaler>(object), sim.state::<HorizontalPodAutoscalerStatus>(object));
        let (Some(spec), Some(status)) = parts else { return };
        let Some(row) = sim.get::<Objects>().row(object).filter(|_| !gone) else { return };
        let next = self.autoscalers.len();
        let place = *self.places.entry(object.uid).or_insert((next < AUTOSCALERS_MAX).then_some(next));
        let Some(at) = place else {
            self.left_out[1] += u64::from(row.created == row.revision);
            return;
        };
        if at == next {
            let metrics = metrics(spec);
            let series = Series::new(4 + metrics.len(), POINTS_MAX);
            let key = wavetank_engine::ids::ObjectKey { kind: spec.target_kind, name: spec.target, ..row.key };
            self.autoscalers.push(Autoscaler { name: named(sim, row.key), target: named(sim, key), metrics, series });
        }
        let autoscaler = &mut self.autoscalers[at];
        let (wanted, current) = (status.desired_replicas, status.current_replicas);
        let mut numbers: Vec<i64> = [current, wanted, spec.min_replicas, spec.max_replicas].map(i64::from).to_vec();
        for at in 0..autoscaler.metrics.len() {
            numbers.push(match status.current_metrics.get(at).map(|metric| metric.reading) {
                None | Some(Reading::Unknown) => UNREAD,
                Some(Reading::Utilization { percent, .. }) => i64::from(percent),
                Some(Reading::Average(milli) | Reading::Value(milli)) => milli,
            });
        }
        autoscaler.series.push(at_ms, &numbers);
    }

    /// Sentences on what is not in the report.
    pub fn left_out(&self) -> Vec<String> {
        let [workloads, autoscalers] = self.left_out;
        let workloads = (workloads > 0).then(|| format!("{workloads} more workloads than the first {WORKLOADS_MAX}"));
        let autoscalers = (autoscalers > 0).then(|| format!("{autoscalers} more autoscalers than the first {AUTOSCALERS_MAX}"));
        workloads.into_iter().chain(autoscalers).collect()
    }

    /// Workloads with their numbers over time.
    pub fn workloads_json(&self) -> Value {
        let list = self.workloads.iter().map(|one| json!({"name": one.name, "job": one.job, "series": one.series.json()}));
        list.collect()
    }

    /// Autoscalers with their inputs and outputs over time.
    pub fn autoscalers_json(&self) -> Value {
        let metric = |(name, unit, target): &(String, &str, Option<i64>)| json!({"name": name, "unit": unit, "target": target});
        let one = |one: &Autoscaler| {
            let metrics: Vec<Value> = one.metrics.iter().map(metric).collect();
            json!({"name": one.name, "target": one.target, "metrics": metrics, "series": one.series.json()})
        };
        self.autoscalers.iter().map(one).collect()
    }
}

/// Wanted, updated, ready and available pods; of a Job completions, active, ready and succeeded.
fn numbers(sim: &Simulation, object: ObjRef, kind: Kind) -> Option<[i64; 4]> {
    let numbers = match kind {
        Kind::Deployment => {
            let (spec, status) = (sim.state::<Deployment>(object)?, sim.state::<DeploymentStatus>(object)?);
            [spec.replicas, status.updated, status.ready, status.available]
        }
        Kind::ReplicaSet | Kind::ReplicationController => {
            let (spec, status) = (sim.state::<ReplicaSet>(object)?, sim.state::<ReplicaSetStatus>(object)?);
            [spec.replicas, status.replicas, status.ready, status.available]
        }
        Kind::StatefulSet => {
            let (spec, status) = (sim.state::<StatefulSet>(object)?, sim.state::<StatefulSetStatus>(object)?);
            [spec.replicas, status.updated, status.ready, status.available]
        }
        Kind::DaemonSet => {
            let status = sim.state::<DaemonSetStatus>(object)?;
            [status.desired, status.updated, status.ready, status.available]
        }
        Kind::Job => {
            let (spec, status) = (sim.state::<Job>(object)?, sim.state::<JobStatus>(object)?);
            [spec.completions.unwrap_or(spec.parallelism), status.active, status.ready.unwrap_or(0), status.succeeded]
        }
        _ => return None,
    };
    Some(numbers.map(i64::from))
}

/// Name, unit and target of the first metrics of a spec.
fn metrics(spec: &HorizontalPodAutoscaler) -> Vec<(String, &'static str, Option<i64>)> {
    let list = spec.raw.at(&["metrics"]).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().take(METRICS_MAX).filter_map(metric).collect()
}

fn metric(metric: &Value) -> Option<(String, &'static str, Option<i64>)> {
    let source = metric.as_object()?.iter().find(|(key, value)| *key != "type" && value.is_object())?;
    let (kind, source) = source;
    let name = source.pointer("/name").or(source.pointer("/metric/name"))?.as_str()?;
    let target = source.get("target")?;
    let (unit, value) = if let Some(percent) = target.get("averageUtilization") {
        ("% of requests", percent.as_i64())
    } else if let Some(average) = target.get("averageValue") {
        ("per pod", milli(average))
    } else {
        ("in all", target.get("value").and_then(milli))
    };
    let kind = if kind == "resource" { String::new() } else { format!(" ({kind})") };
    Some((format!("{name}{kind}"), unit, value))
}

fn milli(quantity: &Value) -> Option<i64> {
    let text = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_string);
    let quantity = wavetank_engine::model::quantity::Quantity::parse(&text).ok()?;
    Some(quantity.milli_value())
}
