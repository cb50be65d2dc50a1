//! The custom and external metrics APIs: what an adapter in front of a monitoring system would tell, from the scene's own series.
//!
//! Source: kubernetes v1.36, `staging/src/k8s.io/metrics/pkg/client`, `pkg/controller/podautoscaler/metrics/client.go`;
//! `spec/autoscaling.md` §5.

use bevy_ecs::prelude::Res;
use bevy_ecs::system::SystemParam;
use wavetank_engine::ids::{Kind, ObjectKey, Uid};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::raw::Raw;
use wavetank_engine::model::selector::Selector;
use wavetank_engine::scene::arrivals::{Arrivals, Flows};
use wavetank_engine::scene::series::{MetricSeries, Series, SeriesValue};
use wavetank_engine::scene::targets::{Target, glob};
use wavetank_engine::time::{SimDuration, SimTime};

/// The time over which a custom metric is taken to be measured. Source: `spec/autoscaling.md` §5.
pub const WINDOW: SimDuration = SimDuration::from_secs(60);

/// An object that a metric is asked of.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// What the metrics are made from.
#[derive(SystemParam)]
pub struct CustomMetricsApi<'w> {
    series: Res<'w, MetricSeries>,
    flows: Res<'w, Flows>,
    arrivals: Res<'w, Arrivals>,
    kinds: Res<'w, Kinds>,
}

impl CustomMetricsApi<'_> {
    /// A metric of a pod. Unit: thousandths.
    pub fn of_pod(&self, metric: &str, selector: &Raw, pod: Asked, uid: Uid, now: SimTime) -> Option<i64> {
        let series = self.series_of(metric, selector, pod).next()?;
        Some(match &series.value {
            SeriesValue::Given(curve) => milli(curve.at(now)),
            SeriesValue::Requests => narrow(self.arrivals.requests_milli(&self.flows, uid, window_start(now), now)),
        })
    }

    /// The kind of an object that a metric is asked of.
    ///
    /// # Errors
    /// The API's answer when there is no such kind.
    pub fn kind(&self, kind: &str, metric: &str) -> Result<Kind, String> {
        let missing = || fetch(&format!("the server could not find the metric {metric} for {}", kind.to_ascii_lowercase()));
        self.kinds.find(kind).ok_or_else(missing)
    }

    /// A metric of an object. Unit: thousandths.
    ///
    /// # Errors
    /// The API's answer when there is no such metric.
    pub fn of_object(&self, metric: &str, selector: &Raw, object: Asked, key: Option<ObjectKey>, now: SimTime) -> Result<i64, String> {
        self.known()?;
        let missing = || {
            let resource = self.kinds.resource(object.kind);
            fetch(&format!("the server could not find the metric {metric} for {resource} {}", object.name))
        };
        let series = self.series_of(metric, selector, object).next().ok_or_else(missing)?;
        match (&series.value, key) {
            (SeriesValue::Given(curve), _) => Ok(milli(curve.at(now))),
            (SeriesValue::Requests, Some(key)) if object.kind == Kind::Service => {
                Ok(narrow(self.arrivals.requests_to_milli(&self.flows, key, window_start(now), now)))
            }
            (SeriesValue::Requests, _) => Err(missing()),
        }
    }

    /// The values of an external metric, one for each series that the selector matches. Unit: thousandths.
    ///
    /// # Errors
    /// The API's answer when there is none.
    pub fn external(&self, metric: &str, selector: &Raw, now: SimTime) -> Result<Vec<i64>, String> {
        let outside = || self.series.0.iter().filter(|series| series.of.is_none());
        if !outside().any(|series| series.name == metric) {
            let why = format!("the server could not find the requested resource (get {metric}.external.metrics.k8s.io)");
            return Err(format!("unable to fetch metrics from external metrics API: {why}"));
        }
        let named = outside().filter(|series| series.name == metric && labels_match(selector, series));
        let values: Vec<i64> = named
            .filter_map(|series| match &series.value {
                SeriesValue::Given(curve) => Some(milli(curve.at(now))),
                SeriesValue::Requests => None,
            })
            .collect();
        if values.is_empty() { Err("no metrics returned from external metrics API".into()) } else { Ok(values) }
    }

    /// Whether an adapter tells this metric of any pod.
    ///
    /// # Errors
    /// The API's answer when it does not.
    pub fn check_pods(&self, metric: &str) -> Result<(), String> {
        self.known()?;
        let of_pods = |series: &Series| self.target(series).is_some_and(|(kind, _)| kind == Kind::Pod);
        if self.series.0.iter().any(|series| series.name == metric && of_pods(series)) {
            return Ok(());
        }
        Err(fetch(&format!("the server could not find the metric {metric} for pods")))
    }

    fn known(&self) -> Result<(), String> {
        if self.series.0.iter().any(|series| series.of.is_some()) {
            return Ok(());
        }
        Err(fetch("no custom metrics API (custom.metrics.k8s.io) registered"))
    }

    fn target(&self, series: &Series) -> Option<(Kind, Target)> {
        let target = series.of.as_deref().and_then(Target::parse)?;
        Some((self.kinds.find(&target.kind)?, target))
    }

    fn series_of<'a>(&'a self, metric: &'a str, selector: &'a Raw, object: Asked<'a>) -> impl Iterator<Item = &'a Series> {
        self.series.0.iter().filter(move |series| {
            let of = |(kind, target): (Kind, Target)| {
                kind == object.kind && target.namespace == object.namespace && glob(&target.name, object.name)
            };
            series.name == metric && labels_match(selector, series) && self.target(series).is_some_and(of)
        })
    }
}

fn fetch(why: &str) -> String {
    format!("unable to fetch metrics from custom metrics API: {why}")
}

fn labels_match(selector: &Raw, series: &Series) -> bool {
    let selector = if selector.value().is_null() { Ok(Selector::everything()) } else { Selector::of_json(selector.value()) };
    selector.is_ok_and(|selector| selector.matches(|key| series.labels.get(key).map(String::as_str)))
}

fn window_start(now: SimTime) -> SimTime {
    SimTime(now.0.saturating_sub(WINDOW.0))
}

/// Billionths as thousandths.
fn milli(nano: u128) -> i64 {
    i64::try_from(nano / 1_000_000).unwrap_or(i64::MAX)
}

fn narrow(milli: u64) -> i64 {
    i64::try_from(milli).unwrap_or(i64::MAX)
}
