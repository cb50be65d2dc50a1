//! Metrics that a scene gives by itself: what the custom and external metrics APIs tell autoscalers.

use crate::scene::targets::Target;
use crate::scene::traffic::{Rate, RateText};
use bevy_ecs::resource::Resource;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A metric over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name of the metric.
    pub name: String,
    /// What it is a metric of, as `kind/name` or `kind/namespace/name` with one `*`; `None`: of something outside the cluster.
    pub of: Option<String>,
    /// Labels, for selectors of metrics.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: SeriesValue,
}

/// Where a metric's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeriesValue {
    /// It is given. Unit: thousandths, as those of a rate.
    Given(Rate),
    /// It is the number of requests per second that the pod got, or that go into the Service.
    Requests,
}

/// A metric as it is written: `Metric(name: "queue_length", value: Step([("0s", 10), ("2m", 80)]))`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesText {
    /// Name of the metric.
    pub name: String,
    /// What it is a metric of; something outside the cluster unless given.
    #[serde(default)]
    pub of: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The value, written like a rate of traffic.
    #[serde(default)]
    pub value: Option<RateText>,
    /// The value is the requests per second of the pod or Service.
    #[serde(default)]
    pub requests: bool,
}

impl SeriesText {
    /// The metric; `csv` holds the text of the file that `Csv` names.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn resolve(&self, csv: Option<&str>) -> Result<Series, String> {
        if self.name.is_empty() {
            return Err("a metric needs a name".into());
        }
        let value = match (&self.value, self.requests) {
            (Some(value), false) => SeriesValue::Given(value.resolve(csv)?),
            (None, true) if self.of.as_deref().and_then(Target::parse).is_some_and(|of| gets_requests(&of.kind)) => SeriesValue::Requests,
            (None, true) => {
                return Err(format!("metric {:?}: requests are those of a Service or of pods: write of: \"pod/web-*\"", self.name));
            }
            (Some(_), true) | (None, false) => {
                return Err(format!("metric {:?} needs either a value, such as Constant(10), or requests: true", self.name));
            }
        };
        Ok(Series { name: self.name.clone(), of: self.of.clone(), labels: self.labels.clone(), value })
    }
}

fn gets_requests(kind: &str) -> bool {
    matches!(kind.to_ascii_lowercase().as_str(), "service" | "services" | "svc" | "pod" | "pods" | "po")
}

/// The metrics that the scene gives. ECS resource.
#[derive(Debug, Clone, Default, Resource)]
pub struct MetricSeries(pub Vec<Series>);
