//! What containers have said: lines that programs write, at their times since the container's start.

use crate::api::objects::Objects;
use crate::ids::{Kind, ObjectKey};
use crate::model::pod::{ContainerState, ContainerStatus, Pod, PodStatus};
use crate::model::pod_class::Classes;
use crate::names::Names;
use crate::scene::format::DurationText;
use crate::scene::program::Programs;
use crate::simulation::Simulation;
use crate::time::{SimDuration, SimTime};
use serde::Deserialize;

/// Most lines of one container that are made.
const LINES_MAX: u64 = 100_000;

/// A line of a program: `says: [At("2s", "listening on :80"), Every("10s", "served {n} requests")]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Says {
    /// Once, so long after the start.
    At(DurationText, String),
    /// Again and again; `{n}` counts from 1.
    Every(DurationText, String),
}

/// Whose lines, and which.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
    /// The container; the first unless given.
    pub container: Option<&'a str>,
    /// The lines of the container's run before this one.
    pub previous: bool,
}

/// Lines with their moments, and the containers among which the first was taken because none was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The container.
    pub container: String,
    /// All of the pod's, if there are several and none was named.
    pub chosen_from: Vec<String>,
    /// The lines.
    pub lines: Vec<(SimTime, String)>,
}

/// The lines of a container up to now.
///
/// # Errors
/// What the API server says when there are none to be had.
pub fn lines(sim: &mut Simulation, asked: Asked) -> Result<Lines, String> {
    let names = sim.get::<Names>();
    let key = names.find(asked.namespace).zip(names.find_name(asked.pod));
    let key = key.map(|(namespace, name)| ObjectKey { kind: Kind::Pod, namespace, name });
    let found = key.and_then(|key| sim.get::<Objects>().by_key(key));
    let parts = found.and_then(|object| Some((sim.state::<Pod>(object)?.clone(), sim.state::<PodStatus>(object)?.clone())));
    let Some((pod, status)) = parts else { return Err(format!("(NotFound): pods {:?} not found", asked.pod)) };
    let class = sim.get::<Classes>().get(pod.class).clone();
    let (init, names) = (class.init_containers.len(), sim.get::<Names>());
    let all: Vec<String> =
        class.containers.iter().chain(&class.init_containers).map(|container| names.text(container.name).to_string()).collect();
    let wanted = asked.container.unwrap_or(&all[0]).to_string();
    let Some(at) = all.iter().position(|name| *name == wanted) else {
        return Err(format!("(BadRequest): container {wanted} is not valid for pod {}", asked.pod));
    };
    let apps = class.containers.len();
    let (is_init, index) = if at < apps { (false, at) } else { (true, at - apps) };
    assert!(!is_init || index < init, "a container has a place in one of the lists");
    let list = if is_init { &status.init_containers } else { &status.containers };
    let span = span(list.get(index), asked, &wanted, names)?;
    let program = {
        let world = sim.world_mut();
        world.resource_scope(|world, mut programs: bevy_ecs::world::Mut<Programs>| {
            programs.of(world.resource::<Names>(), pod.class, &class, is_init, index)
        })
    };
    let until = span.1.unwrap_or(sim.now());
    let mut lines = said(&program.says, span.0, until);
    lines.sort_by_key(|line| line.0);
    let chosen_from = if asked.container.is_none() && all.len() > 1 { all } else { Vec::new() };
    Ok(Lines { container: wanted, chosen_from, lines })
}

/// From when until when a container ran.
fn span(status: Option<&ContainerStatus>, asked: Asked, name: &str, names: &Names) -> Result<(SimTime, Option<SimTime>), String> {
    let waits = |reason: &str| Err(format!("(BadRequest): container {name:?} in pod {:?} is waiting to start: {reason}", asked.pod));
    let Some(status) = status else { return waits("ContainerCreating") };
    if asked.previous {
        let last = status.last.map(|end| (end.started_at, Some(end.finished_at)));
        return last.ok_or_else(|| format!("(BadRequest): previous terminated container {name:?} in pod {:?} not found", asked.pod));
    }
    match (status.state, status.last) {
        (ContainerState::Running { since }, _) => Ok((since, None)),
        (ContainerState::Terminated(end), _) | (ContainerState::Waiting { .. }, Some(end)) => Ok((end.started_at, Some(end.finished_at))),
        (ContainerState::Waiting { reason, .. }, None) => waits(names.text(reason)),
    }
}

fn said(says: &[Says], from: SimTime, until: SimTime) -> Vec<(SimTime, String)> {
    let mut lines = Vec::new();
    for says in says {
        match says {
            Says::At(after, text) => lines.extend((from + after.0 <= until).then(|| (from + after.0, text.clone()))),
            Says::Every(period, text) if period.0 > SimDuration::ZERO => {
                let count = (until.since(from).0 / period.0.0).min(LINES_MAX);
                let line = |nth: u64| (from + period.0.saturating_mul(nth), text.replace("{n}", &nth.to_string()));
                lines.extend((1..=count).map(line));
            }
            Says::Every(..) => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_at_their_times() {
        let text = |s: u64| DurationText(SimDuration::from_secs(s));
        let says = [Says::Every(text(10), "tick {n}".into()), Says::At(text(2), "up".into()), Says::At(text(99), "late".into())];
        let at = SimTime::from_secs;
        assert_eq!(said(&says, at(100), at(125)), [(at(110), "tick 1".into()), (at(120), "tick 2".into()), (at(102), "up".to_string())]);
    }
}
