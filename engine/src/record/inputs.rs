//! What an autoscaler acted on that is no write: requests and metrics that the scene gives, and how they changed.

use crate::api::log::{Entry, Log};
use crate::api::state::Changes;
use crate::ids::{ObjRef, Uid};
use crate::model::autoscaling::HorizontalPodAutoscaler;
use crate::model::meta::Meta;
use crate::names::Names;
use crate::scene::arrivals::{Arrivals, Flows};
use crate::scene::series::{MetricSeries, Series, SeriesValue};
use crate::scene::traffic::Rate;
use crate::simulation::Simulation;
use crate::time::SimTime;
use serde_json::Value;
use std::collections::BTreeSet;

/// A rate or a metric of the scene that changed, or has been the same from the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// What it is: `requests to service/web`, `metric queue_length`.
    pub what: String,
    /// Whether it counts requests per second.
    pub requests: bool,
    /// From when on it has been as it was found; the moment itself where it changes all the time.
    pub at: SimTime,
    /// Since when it is compared, and what it was. Unit: thousandths. `None`: it has always been as it was found.
    pub before: Option<(SimTime, u64)>,
    /// What it was found to be. Unit: thousandths.
    pub now_milli: u64,
}

/// What an autoscaler acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Behind {
    /// What was written by others about it or its target.
    Write(Entry),
    /// An input.
    Input(Input),
}

/// What made the autoscaler of a timer write: the latest change of what it looks at. `None`: the object is no autoscaler, or nothing
/// that it looks at comes from the scene.
pub(super) fn behind(sim: &Simulation, autoscaler: ObjRef, effect: &Entry) -> Option<Behind> {
    let spec = sim.state::<HorizontalPodAutoscaler>(autoscaler)?;
    let log = sim.get::<Log>();
    let names = sim.get::<Names>();
    let earlier = |entry: &&Entry| entry.revision < effect.revision;
    let namespace = sim.state::<Meta>(autoscaler)?.namespace;
    let target = log
        .newest()
        .filter(earlier)
        .find(|entry| (entry.key.kind, entry.key.namespace, entry.key.name) == (spec.target_kind, namespace, spec.target));
    let target = target.map(|entry| entry.object.uid);
    // Its own last change of the same object is what inputs are compared with.
    let own = |entry: &&Entry| entry.actor == effect.actor && entry.object == effect.object && entry.changes.meets(effect.changes);
    let since = log.newest().filter(earlier).find(own).map_or(SimTime::ZERO, |entry| entry.at);
    let wished = |entry: &&Entry| {
        let about = entry.object.uid == autoscaler.uid || Some(entry.object.uid) == target;
        about && entry.actor != effect.actor && entry.changes.meets(Changes::SPEC) && !entry.changes.meets(Changes::ADDED)
    };
    let write = log.newest().filter(earlier).find(wished).copied();
    let inputs = curves(sim, spec, target, names.text(namespace)).into_iter().filter_map(|curve| curve.found(since, effect.at));
    // What changed counts before what has always been so; of the latest changes the first in the scene.
    let input = inputs.reduce(|best, next| if (next.before.is_some(), next.at) > (best.before.is_some(), best.at) { next } else { best });
    match (write, input) {
        (Some(write), Some(input)) if input.before.is_some() && input.at > write.at => Some(Behind::Input(input)),
        (Some(write), _) => Some(Behind::Write(write)),
        (None, input) => input.map(Behind::Input),
    }
}

/// Something of the scene that an autoscaler looks at.
struct Curve<'s> {
    what: String,
    requests: bool,
    rates: Vec<&'s Rate>,
}

impl Curve<'_> {
    fn milli(&self, at: SimTime) -> u64 {
        let nano = self.rates.iter().map(|rate| rate.at(at)).sum::<u128>();
        u64::try_from(nano / 1_000_000).unwrap_or(u64::MAX)
    }

    /// What it is at a moment, and what it was at the last jump or `since`. Nothing where it never was anything.
    fn found(self, since: SimTime, at: SimTime) -> Option<Input> {
        let mut bends = BTreeSet::new();
        self.rates.iter().for_each(|rate| rate.bends(SimTime::ZERO, at, &mut bends));
        let now_milli = self.milli(at);
        let just_before = |moment: SimTime| SimTime(moment.0 - 1);
        let Curve { what, requests, rates } = &self;
        let input = |at, before| Some(Input { what: what.clone(), requests: *requests, at, before, now_milli });
        if rates.iter().all(|rate| matches!(rate, Rate::Steps(_))) {
            let jump = bends.iter().rev().find(|&&bend| self.milli(just_before(bend)) != self.milli(bend));
            return match jump {
                Some(&jump) => input(jump, Some((just_before(jump), self.milli(just_before(jump))))),
                None if now_milli > 0 => input(SimTime::ZERO, None),
                None => None,
            };
        }
        // The last stretch on which it stays the same, if it does.
        let flat = bends.iter().rev().take_while(|&&bend| self.milli(bend) == now_milli).last().copied();
        match self.milli(since) {
            before if before != now_milli => input(flat.filter(|&flat| flat > since).unwrap_or(at), Some((since, before))),
            _ if now_milli > 0 => input(SimTime::ZERO, None),
            _ => None,
        }
    }
}

/// What the metrics of an autoscaler come from.
fn curves<'s>(sim: &'s Simulation, spec: &HorizontalPodAutoscaler, target: Option<Uid>, namespace: &str) -> Vec<Curve<'s>> {
    let mut curves = Vec::new();
    let mut requests = false;
    for metric in spec.raw.at(&["metrics"]).and_then(Value::as_array).into_iter().flatten() {
        let of = ["pods", "object", "external"].into_iter().find_map(|kind| metric.get(kind)?.get("metric"));
        let Some(of) = of else {
            requests = true;
            continue;
        };
        for series in sim.get::<MetricSeries>().0.iter().filter(|series| is_meant(series, of)) {
            match &series.value {
                SeriesValue::Requests => requests = true,
                SeriesValue::Given(rate) => {
                    let of = series.of.as_ref().map_or(String::new(), |of| format!(" of {of}"));
                    curves.push(Curve { what: format!("metric {}{of}", series.name), requests: false, rates: vec![rate] });
                }
            }
        }
    }
    if requests {
        curves.extend(traffic(sim, target, namespace));
    }
    curves
}

/// Whether an autoscaler means a series by a metric: its name, and the labels that it asks for.
fn is_meant(series: &Series, metric: &Value) -> bool {
    let wanted = metric.pointer("/selector/matchLabels").and_then(Value::as_object).into_iter().flatten();
    let mut wanted = wanted.map(|(name, value)| (name, value.as_str().unwrap_or_default()));
    metric.get("name").and_then(Value::as_str) == Some(&series.name)
        && wanted.all(|(name, value)| series.labels.get(name).is_some_and(|label| label == value))
}

/// The scene's traffic that reaches pods of a target, through other pods too.
fn traffic<'s>(sim: &'s Simulation, target: Option<Uid>, namespace: &str) -> Vec<Curve<'s>> {
    let (flows, arrivals) = (sim.get::<Flows>(), sim.get::<Arrivals>());
    let of_target = |&place: &usize| {
        let share = arrivals.share_of(place);
        share.is_some_and(|share| share.pods.iter().any(|&pod| controlled(sim, pod, target)))
    };
    let mut reached: Vec<usize> = (0..flows.0.len()).filter(of_target).collect();
    if reached.is_empty() {
        // No pod of it serves at present: whatever goes into its namespace.
        let names = sim.get::<Names>();
        let here = |&place: &usize| flows.0[place].service.is_none_or(|service| names.text(service.namespace) == namespace);
        reached = (0..flows.0.len()).filter(here).collect();
    }
    let mut sources = BTreeSet::new();
    while let Some(place) = reached.pop() {
        if sources.insert(place) {
            reached.extend(flows.0[place].calls.iter().map(|call| call.0));
        }
    }
    let given = sources.into_iter().map(|place| &flows.0[place]).filter(|flow| !flow.rates.is_empty());
    given.map(|flow| Curve { what: format!("requests to {}", flow.to), requests: true, rates: flow.rates.iter().collect() }).collect()
}

/// Whether an object is controlled by another, through others or at once.
fn controlled(sim: &Simulation, object: Uid, by: Option<Uid>) -> bool {
    let log = sim.get::<Log>();
    let mut at = object;
    for _ in 0..4 {
        if Some(at) == by {
            return true;
        }
        let Some(entry) = log.newest().find(|entry| entry.object.uid == at && entry.controller != Uid(0)) else { return false };
        at = entry.controller;
    }
    false
}
