//! Judges expectations: which claims hold, and when they were looked at.

use crate::api::objects::Objects;
use crate::api::state::StateValue;
use crate::ids::{Kind, ObjRef, Revision};
use crate::model::meta::{Condition, Meta};
use crate::model::network::EndpointSlice;
use crate::model::pod::{Pod, PodPhase, PodStatus};
use crate::model::revisioned::{DaemonSetStatus, StatefulSetStatus};
use crate::model::workload::{DeploymentStatus, ReplicaSetStatus};
use crate::names::Names;
use crate::scene::arrivals::{Arrivals, Flows};
use crate::scene::format::Claim;
use crate::scene::model::{Expected, How};
use crate::scene::targets::Target;
use crate::simulation::Simulation;
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};

/// Tells what a client sees who connects, in a word: the simulation, from where, to what. ECS resource.
#[derive(Clone, Copy, Resource)]
pub struct Connects(pub fn(&Simulation, &str, &str) -> String);

/// What was seen of each expectation, in scene order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Judge {
    seen: Vec<Seen>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// What the claim's subject was at the last moment looked at, and whether it held.
    last: Option<(bool, String)>,
    /// First moment at which it held.
    held: Option<SimTime>,
    /// First moment at which it did not hold, and what was seen.
    failed: Option<(SimTime, String)>,
}

impl Seen {
    fn note(&mut self, now: SimTime, (holds, was): (bool, String)) {
        if holds && self.held.is_none() {
            self.held = Some(now);
        }
        if !holds && self.failed.is_none() {
            self.failed = Some((now, was.clone()));
        }
        self.last = Some((holds, was));
    }
}

impl Judge {
    pub(crate) fn new(count: usize) -> Judge {
        Judge { seen: vec![Seen::default(); count] }
    }

    /// The next moment after `now` at which a claim must be looked at though nothing may happen then.
    pub(crate) fn next_look(&self, expectations: &[Expected], now: SimTime) -> Option<SimTime> {
        expectations.iter().flat_map(|expected| [expected.from, expected.until]).filter(|&at| at > now).min()
    }

    /// Looks at the claims that are judged throughout a span. Called after each instant.
    pub(crate) fn look(&mut self, sim: &Simulation, expectations: &[Expected]) {
        let now = sim.now();
        for (expected, seen) in expectations.iter().zip(&mut self.seen) {
            let open = match expected.how {
                How::AtEnd => false,
                How::Once => seen.held.is_none(),
                How::Throughout => seen.failed.is_none(),
                How::Never => seen.held.is_none(),
            };
            if open && expected.from <= now && now <= expected.until {
                seen.note(now, holds(sim, &expected.claim));
            }
        }
    }

    /// Looks at the claims about this very moment. Called when everything of the moment has happened.
    pub(crate) fn look_at_moment(&mut self, sim: &Simulation, expectations: &[Expected]) {
        let now = sim.now();
        for (expected, seen) in expectations.iter().zip(&mut self.seen) {
            if now == expected.until || now == expected.from {
                seen.note(now, holds(sim, &expected.claim));
            }
        }
    }

    pub(crate) fn outcome(&self, expectations: &[Expected], now: SimTime) -> (u64, Vec<String>) {
        let mut met = 0;
        let mut missed = Vec::new();
        for (expected, seen) in expectations.iter().zip(&self.seen) {
            let was = seen.last.as_ref().map_or("nothing was seen".to_string(), |last| last.1.clone());
            match expected.how {
                How::AtEnd if now < expected.until => {}
                How::AtEnd if seen.last.as_ref().is_some_and(|last| last.0) => met += 1,
                How::AtEnd => missed.push(format!("{}: {was}", expected.text)),
                How::Once if seen.held.is_some() => met += 1,
                How::Once if now < expected.until => {}
                How::Once => missed.push(format!("{}: at {} {was}", expected.text, expected.until)),
                How::Throughout => match &seen.failed {
                    Some((at, was)) => missed.push(format!("{}: at {at} {was}", expected.text)),
                    None => met += 1,
                },
                How::Never => match seen.held {
                    Some(at) => missed.push(format!("{}: held at {at}", expected.text)),
                    None => met += 1,
                },
            }
        }
        (met, missed)
    }
}

/// Whether a claim holds now, and what was found.
fn holds(sim: &Simulation, claim: &Claim) -> (bool, String) {
    let count = |target: &str, what: &str, found: Option<i64>, want: &dyn Fn(i64) -> bool| match found {
        Some(found) => (want(found), format!("{target} had {found} {what}")),
        None => (false, format!("{target} did not exist")),
    };
    match claim {
        Claim::Ready(target, want) => count(target, "ready", ready(sim, target), &|found| found == *want),
        Claim::ReadyAtLeast(target, want) => count(target, "ready", ready(sim, target), &|found| found >= *want),
        Claim::ReadyAtMost(target, want) => count(target, "ready", ready(sim, target), &|found| found <= *want),
        Claim::Replicas(target, want) => count(target, "replicas", replicas(sim, target), &|found| found == *want),
        Claim::Pods(phase, want) => {
            let found = pods_in(sim, phase);
            (found == *want, format!("{found} pods were {phase}"))
        }
        Claim::Restarts(target, want) => count(target, "restarts", restarts(sim, target), &|found| found == *want),
        Claim::RestartsAtLeast(target, want) => count(target, "restarts", restarts(sim, target), &|found| found >= *want),
        Claim::Exists(target) => (!find(sim, target).is_empty(), format!("{target} did not exist")),
        Claim::Gone(target) => (find(sim, target).is_empty(), format!("{target} existed")),
        Claim::Phase(target, want) => {
            let phase = find(sim, target).first().and_then(|&pod| sim.state::<PodStatus>(pod)).map(|status| status.phase.text());
            (phase == Some(want), format!("{target} was {}", phase.unwrap_or("not there")))
        }
        Claim::Condition(target, kind, want) => {
            let status = find(sim, target).first().and_then(|&object| condition(sim, object, kind));
            (status.as_deref() == Some(want), format!("{kind} of {target} was {}", status.as_deref().unwrap_or("not there")))
        }
        Claim::Reaches(from, to, want) => {
            let found = match sim.find::<Connects>() {
                Some(connects) => (connects.0)(sim, from, to),
                None => "nothing: no behaviour answers".into(),
            };
            (found == *want, format!("{from} saw {found} at {to}"))
        }
        Claim::Requests(to, outcome, want) => {
            let counts = sim.get::<Arrivals>().counts_to(sim.get::<Flows>(), to, sim.now());
            let found = counts.and_then(|counts| counts.of(outcome));
            count(to, &format!("requests {outcome}"), found.map(|found| found as i64), &|found| found as u64 == *want)
        }
        Claim::LatencyAtMost(to, measure, most) => latency(sim, to, measure, &|found| found <= most.0),
        Claim::LatencyAtLeast(to, measure, least) => latency(sim, to, measure, &|found| found >= least.0),
        Claim::OnNode(target, want) => {
            let node = find(sim, target).first().and_then(|&pod| sim.state::<Pod>(pod)).map(|pod| sim.get::<Names>().text(pod.node));
            (node == Some(want), format!("{target} was on {}", node.filter(|node| !node.is_empty()).unwrap_or("no node")))
        }
    }
}

fn latency(sim: &Simulation, to: &str, measure: &str, want: &dyn Fn(SimDuration) -> bool) -> (bool, String) {
    let latency = sim.get::<Arrivals>().latency_to(sim.get::<Flows>(), to, sim.now());
    match latency.and_then(|latency| latency.of(measure)) {
        Some(found) => (want(found), format!("{measure} of {to} was {found}")),
        None => (false, format!("no request to {to} was served")),
    }
}

fn find(sim: &Simulation, target: &str) -> Vec<ObjRef> {
    Target::parse(target).map_or(Vec::new(), |target| target.find(sim))
}

fn ready(sim: &Simulation, target: &str) -> Option<i64> {
    let found = find(sim, target);
    let mut total = None;
    for object in found {
        let kind = sim.get::<Objects>().row(object)?.key.kind;
        let ready = match kind {
            Kind::Deployment => i64::from(sim.state::<DeploymentStatus>(object)?.ready),
            Kind::ReplicaSet | Kind::ReplicationController => i64::from(sim.state::<ReplicaSetStatus>(object)?.ready),
            Kind::StatefulSet => i64::from(sim.state::<StatefulSetStatus>(object)?.ready),
            Kind::DaemonSet => i64::from(sim.state::<DaemonSetStatus>(object)?.ready),
            Kind::Pod => i64::from(sim.state::<PodStatus>(object)?.ready()),
            Kind::Node => i64::from(sim.state::<crate::model::node::NodeStatus>(object)?.ready()),
            Kind::Service => ready_endpoints(sim, object)?,
            _ => return None,
        };
        *total.get_or_insert(0) += ready;
    }
    total
}

/// Ready endpoints of a Service, those made by hand or mirrored included.
fn ready_endpoints(sim: &Simulation, service: ObjRef) -> Option<i64> {
    let slices = crate::scene::targets::slices_of(sim, service);
    let ready = slices.into_iter().filter_map(|slice| sim.state::<EndpointSlice>(slice)).flat_map(|slice| &slice.endpoints);
    Some(ready.filter(|endpoint| endpoint.ready).count() as i64)
}

fn replicas(sim: &Simulation, target: &str) -> Option<i64> {
    let object = *find(sim, target).first()?;
    match sim.get::<Objects>().row(object)?.key.kind {
        Kind::Deployment => sim.state::<DeploymentStatus>(object).map(|status| i64::from(status.replicas)),
        Kind::ReplicaSet | Kind::ReplicationController => sim.state::<ReplicaSetStatus>(object).map(|status| i64::from(status.replicas)),
        Kind::StatefulSet => sim.state::<StatefulSetStatus>(object).map(|status| i64::from(status.replicas)),
        Kind::DaemonSet => sim.state::<DaemonSetStatus>(object).map(|status| i64::from(status.current)),
        _ => None,
    }
}

fn pods_in(sim: &Simulation, phase: &str) -> i64 {
    let living = sim.get::<Objects>().of_kind(Kind::Pod).filter(|row| row.gone == Revision::HEAD);
    let phase = [PodPhase::Pending, PodPhase::Running, PodPhase::Succeeded, PodPhase::Failed, PodPhase::Unknown]
        .into_iter()
        .find(|p| p.text() == phase);
    living.filter(|row| sim.state::<PodStatus>(row.object).map(|status| status.phase) == phase).count() as i64
}

fn restarts(sim: &Simulation, target: &str) -> Option<i64> {
    let pods = find(sim, target);
    if pods.is_empty() {
        return None;
    }
    let of = |status: &PodStatus| {
        status.containers.iter().chain(&status.init_containers).map(|container| i64::from(container.restarts)).sum::<i64>()
    };
    Some(pods.iter().filter_map(|&pod| sim.state::<PodStatus>(pod)).map(of).sum())
}

fn condition(sim: &Simulation, object: ObjRef, kind: &str) -> Option<String> {
    let kind = sim.get::<Names>().find(kind)?;
    let of = |conditions: &[Condition]| crate::model::meta::condition(conditions, kind).map(|c| c.status.text().to_string());
    sim.state::<Meta>(object)?;
    sim.parts(object).iter().find_map(|part| match part {
        StateValue::PodStatus(status) => of(&status.conditions),
        StateValue::NodeStatus(status) => of(&status.conditions),
        StateValue::ReplicaSetStatus(status) => of(&status.conditions),
        StateValue::DeploymentStatus(status) => of(&status.conditions),
        StateValue::HorizontalPodAutoscalerStatus(status) => of(&status.conditions),
        StateValue::JobStatus(status) => of(&status.conditions),
        StateValue::Namespace(namespace) => of(&namespace.conditions),
        StateValue::PodDisruptionBudgetStatus(status) => of(&status.conditions),
        _ => None,
    })
}
