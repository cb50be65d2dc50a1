//! What HorizontalPodAutoscalers read and what they want, for the time series of a run.

use super::metric::{Metric, Source, Target};
use serde_json::Value;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::ids::{Kind, Revision};
use wavetank_engine::model::autoscaling::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus, Reading};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::names::Names;
use wavetank_engine::record::journal::object_text;
use wavetank_engine::record::series::Point;
use wavetank_engine::simulation::Simulation;

/// Replicas and metrics of each autoscaler, in order of their names.
pub fn points(sim: &Simulation) -> Vec<Point> {
    let living = sim.get::<Objects>().of_kind(Kind::HorizontalPodAutoscaler).filter(|row| row.gone == Revision::HEAD);
    let name = |key| object_text(sim.get::<Names>(), sim.get::<Kinds>(), key);
    let mut rows: Vec<_> = living.map(|row| (name(row.key), row.object)).collect();
    rows.sort();
    let of = |(name, object): &(String, _)| {
        let parts = (sim.state::<HorizontalPodAutoscaler>(*object), sim.state::<HorizontalPodAutoscalerStatus>(*object));
        let (Some(spec), Some(status)) = parts else { return Vec::new() };
        of_one(name, spec, status)
    };
    rows.iter().flat_map(of).collect()
}

fn of_one(name: &str, spec: &HorizontalPodAutoscaler, status: &HorizontalPodAutoscalerStatus) -> Vec<Point> {
    let of = [("hpa", name)];
    let mut points = vec![
        Point::count("hpa_replicas_min", &of, spec.min_replicas),
        Point::count("hpa_replicas_max", &of, spec.max_replicas),
        Point::count("hpa_replicas_current", &of, status.current_replicas),
        Point::count("hpa_replicas_desired", &of, status.desired_replicas),
    ];
    let metrics = spec.raw.at(&["metrics"]).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (at, metric) in metrics.iter().map(Metric::read).enumerate() {
        let number = at.to_string();
        let (metric_name, container) = named(&metric.source);
        let mut of = vec![("hpa", name), ("metric", metric_name), ("number", &number)];
        of.extend(container.map(|container| ("container", container)));
        match status.current_metrics.get(at).map(|value| value.reading) {
            Some(Reading::Utilization { percent, .. }) => points.push(Point::count("hpa_metric_percent", &of, percent)),
            Some(Reading::Average(milli) | Reading::Value(milli)) => points.push(Point::milli("hpa_metric", &of, milli)),
            Some(Reading::Unknown) | None => {}
        }
        match metric.target {
            Some(Target::Utilization(percent)) => points.push(Point::count("hpa_target_percent", &of, percent)),
            Some(Target::Average(milli) | Target::Value(milli)) => points.push(Point::milli("hpa_target", &of, milli)),
            None => {}
        }
    }
    points
}

fn named(source: &Source) -> (&str, Option<&str>) {
    match source {
        Source::Resource { name, container } => (name, container.as_deref()),
        Source::Pods(metric) | Source::Object { metric, .. } | Source::External(metric) => (&metric.name, None),
        Source::Unknown(kind) => (kind, None),
    }
}
